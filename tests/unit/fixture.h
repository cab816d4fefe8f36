/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A temporary root for tests that use files. Tests that need more data embed a Fixture as their first member. */
#pragma once

#include "check/finding.h"
#include "conf/places.h"

typedef struct {
  char *dir;         /* the root, a path of the host */
  DkmsPlaces places; /* places in that root; the tree is /tree, which exists */
} Fixture;

/** For g_test_add(). */
void fixture_set_up (Fixture *self, gconstpointer data);
/** Deletes the root and its contents. */
void fixture_tear_down (Fixture *self, gconstpointer data);

/** Creates the file @path in the root, and its parent directories. */
void fixture_put (const Fixture *self, const char *path, const char *text);
/** Asserts that the file @path in the root contains that text; NULL: that it does not exist. */
void fixture_assert_text (const Fixture *self, const char *path, const char *expected);
/** Returns: (transfer full): "CODE RESULT: TEXT [ADVICE]" of each finding, joined with "; " */
char *fixture_show (const GPtrArray *findings);
/** Lets this program find the helpers of dkms, which it expects beside itself. */
void fixture_provide_helpers (void);
