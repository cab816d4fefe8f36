/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Tokens of a job server: each allows one more process at the same time. The pipe is opened for reading and writing
 * without waiting. Protocol: "POSIX Jobserver Interaction" in the GNU make manual. */
#pragma once

#include <stdbool.h>

typedef struct {
  bool taken;
  char byte; /* which is returned */
} JobToken;

/** Takes a token from @pipe; -1: there is no job server. Returns: whether one was free */
bool job_token_take (JobToken *self, int pipe);
/** Returns the token to @pipe, if one was taken. */
void job_token_give (JobToken *self, int pipe);
