/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Writes live lines and the state of a progress bar to the terminal. */
#define _GNU_SOURCE
#include "report/screen.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/file.h"

enum { USUAL_COLUMNS = 80, USUAL_LINES = 24, VTE_WITH_PROGRESS = 8000 };

/* A terminal may be narrower than it has announced so far. It must not wrap the lines then, but cut them. */
#define CUT_LINES "\033[?7l"
#define WRAP_LINES "\033[?7h"
/* A line must be cleared as a whole: then a terminal that has wrapped the old line forgets that it continues in the
 * next one, and will not join them. And if the lines below are cleared from the first column of the screen on, tmux
 * keeps them in its history. */
#define CLEAR_LINE "\033[2K"
#define CLEAR_BELOW "\033[J"

struct DkmsScreen {
  char *shown;          /* (nullable): the live lines on the screen */
  guint columns, lines; /* when they were drawn */
  gboolean has_progress;
  DkmsProgress state;
  guint percent;
};

/* Package managers run scripts on a terminal, and log its output. Nobody watches the output of installers and CI. */
static gboolean
is_plain_wanted (void)
{
  static const char *const marks[]
      = { "DKMS_PLAIN",         "DPKG_MAINTSCRIPT_PACKAGE", "DPKG_MAINTSCRIPT_NAME", "DPKG_RUNNING_VERSION",
          "RPM_INSTALL_PREFIX", "RPM_INSTALL_PREFIX0",      "KERNEL_INSTALL_LAYOUT" };

  for (gsize i = 0; i < G_N_ELEMENTS (marks); i++)
    if (g_getenv (marks[i]) != NULL)
      return TRUE;
  return g_strcmp0 (g_getenv ("DEBIAN_FRONTEND"), "noninteractive") == 0;
}

/* Whether @fd is a terminal that understands control sequences. */
static gboolean
is_capable (int fd)
{
  const char *term = g_getenv ("TERM");

  return isatty (fd) && term != NULL && *term != '\0' && strcmp (term, "dumb") != 0 && !is_plain_wanted ();
}

gboolean
dkms_screen_has_colours (int fd)
{
  const char *no_colour = g_getenv ("NO_COLOR");

  return (no_colour == NULL || *no_colour == '\0') && is_capable (fd);
}

/* Whether the terminal understands OSC 9;4. There is no way to ask it, and others show the sequence as a notification,
 * so only known ones get it. Multiplexers inherit the variables of their terminal, but do not pass the sequence on. */
static gboolean
knows_progress (void)
{
  const char *term = g_getenv ("TERM"), *program = g_getenv ("TERM_PROGRAM"), *vte = g_getenv ("VTE_VERSION"),
             *features = g_getenv ("TERM_FEATURES");

  if (g_getenv ("TMUX") != NULL || g_getenv ("STY") != NULL || g_str_has_prefix (term, "tmux")
      || g_str_has_prefix (term, "screen"))
    return FALSE;
  return g_strcmp0 (program, "ghostty") == 0 || g_strcmp0 (program, "WezTerm") == 0
         || (g_strcmp0 (program, "iTerm.app") == 0 && features != NULL && strchr (features, 'P') != NULL)
         || g_getenv ("WT_SESSION") != NULL || g_strcmp0 (g_getenv ("ConEmuANSI"), "ON") == 0
         || (vte != NULL && strtol (vte, NULL, 10) >= VTE_WITH_PROGRESS);
}

DkmsScreen *
dkms_screen_new (void)
{
  DkmsScreen *self;

  if (!is_capable (STDOUT_FILENO))
    return NULL;
  self = g_new0 (DkmsScreen, 1);
  self->has_progress = knows_progress ();
  return self;
}

void
dkms_screen_free (DkmsScreen *self)
{
  if (self == NULL)
    return;
  dkms_screen_clear (self);
  dkms_screen_progress (self, DKMS_PROGRESS_NONE, 0);
  g_free (self);
}

void
dkms_screen_size (guint *columns, guint *lines)
{
  struct winsize size = { 0 };

  (void)ioctl (STDOUT_FILENO, TIOCGWINSZ, &size);
  *columns = size.ws_col > 0 ? size.ws_col : USUAL_COLUMNS;
  *lines = size.ws_row > 0 ? size.ws_row : USUAL_LINES;
}

/* Writes @text after everything that was printed. A terminal that is gone ends the process by a signal, not here. */
static void
write_now (const char *text)
{
  (void)fflush (stdout);
  (void)!dkms_write_all (STDOUT_FILENO, text, strlen (text), "the terminal", NULL);
}

static gboolean
may_draw (void)
{
  struct pollfd out = { .fd = STDOUT_FILENO, .events = POLLOUT };
  pid_t group = tcgetpgrp (STDOUT_FILENO);

  return (group < 0 || group == getpgrp ()) && poll (&out, 1, 0) > 0;
}

void
dkms_screen_draw (DkmsScreen *self, const char *frame)
{
  g_autoptr (GString) out = g_string_new (CUT_LINES "\r");
  g_auto (GStrv) rows = g_strsplit (frame, "\n", -1);
  guint columns, lines, count = g_strv_length (rows);

  dkms_screen_size (&columns, &lines);
  gboolean same = g_strcmp0 (self->shown, frame) == 0 && columns == self->columns && lines == self->lines;
  if (same || count == 0 || !may_draw ())
    return;
  for (guint i = 0; i < count; i++)
    g_string_append_printf (out, "%s" CLEAR_LINE "%s%s", i > 0 ? "\r\n" : "", rows[i],
                            i + 1 < count ? "" : CLEAR_BELOW);
  if (count > 1)
    g_string_append_printf (out, "\033[%uA", count - 1);
  g_string_append (out, "\r" WRAP_LINES);
  write_now (out->str);
  g_free (self->shown);
  self->shown = g_strdup (frame);
  self->columns = columns;
  self->lines = lines;
}

void
dkms_screen_clear (DkmsScreen *self)
{
  if (!dkms_screen_is_drawn (self))
    return;
  write_now ("\r" CLEAR_LINE "\033[C" CLEAR_BELOW "\r");
  g_clear_pointer (&self->shown, g_free);
}

gboolean
dkms_screen_is_drawn (const DkmsScreen *self)
{
  return self != NULL && self->shown != NULL;
}

void
dkms_screen_progress (DkmsScreen *self, DkmsProgress state, guint percent)
{
  g_autofree char *text = g_strdup_printf ("\033]9;4;%d;%u\033\\", (int)state, percent);

  if (!self->has_progress || (state == self->state && percent == self->percent)
      || (state != DKMS_PROGRESS_NONE && !may_draw ()))
    return;
  write_now (text);
  self->state = state;
  self->percent = percent;
}
