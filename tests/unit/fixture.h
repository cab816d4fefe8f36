/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A throw-away root for tests that touch the disk. Tests that need more embed a Fixture as their first member. */
#pragma once

#include "conf/places.h"

typedef struct {
  char *dir;         /* the root, a path of the host */
  DkmsPlaces places; /* that root, with the tree /tree in it, which exists */
} Fixture;

/** For g_test_add(). */
void fixture_set_up (Fixture *self, gconstpointer data);
/** Deletes the root with all that is in it. */
void fixture_tear_down (Fixture *self, gconstpointer data);

/** Makes the file @path in the root, and its directories. */
void fixture_put (const Fixture *self, const char *path, const char *text);
/** Asserts that the file @path in the root has that text; NULL: that it does not exist. */
void fixture_assert_text (const Fixture *self, const char *path, const char *expected);
