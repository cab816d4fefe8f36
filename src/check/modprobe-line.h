/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Lines of the configuration of modprobe: modprobe.d(5). */
#pragma once

#include <glib.h>

typedef struct {
  char *path;    /* of its file */
  char *command; /* "blacklist", "install", "options", "softdep", "alias" and others */
  char *name;    /* of the module or alias: with '_' in place of '-' */
  char *rest;    /* the words behind it, separated by one blank; "" if there are none */
} DkmsModprobeLine;

void dkms_modprobe_line_free (DkmsModprobeLine *self);
/** Returns: (transfer full): an array that owns lines */
GPtrArray *dkms_modprobe_lines_new (void);
/** Adds the lines in @text, the content of the file @path, to @lines (element-type DkmsModprobeLine). Comments, empty
 * lines, and lines without a name are left out. */
void dkms_modprobe_lines_parse (GPtrArray *lines, const char *path, const char *text);
/** Returns: whether both lines say the same, in whichever file */
gboolean dkms_modprobe_lines_equal (const DkmsModprobeLine *one, const DkmsModprobeLine *other);
/**
 * dkms_softdep_names:
 * @rest: of a line "softdep"
 *
 * Returns: (transfer full): the names of modules in it
 */
char **dkms_softdep_names (const char *rest);
