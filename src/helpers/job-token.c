/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Takes and returns tokens of a job server. */
#include "helpers/job-token.h"

#include <errno.h>
#include <unistd.h>

bool
job_token_take (JobToken *self, int pipe)
{
  self->taken = pipe >= 0 && read (pipe, &self->byte, 1) == 1;
  return self->taken;
}

void
job_token_give (JobToken *self, int pipe)
{
  while (self->taken && write (pipe, &self->byte, 1) < 0 && errno == EINTR)
    ;
  self->taken = false;
}
