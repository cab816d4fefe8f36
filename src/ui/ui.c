/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "ui/ui.h"

#include <stdio.h>

#include "base/error.h"

/* A step line that is still open is closed before anything else is written. */
static void
finish_open_line (DkmsUi *self)
{
  if (!self->in_step)
    return;
  self->in_step = FALSE;
  fputc ('\n', stdout);
}

G_GNUC_PRINTF (4, 0)
static void
put (DkmsUi *self, FILE *stream, const char *marker, const char *format, va_list args)
{
  g_autofree char *text = g_strdup_vprintf (format, args);

  finish_open_line (self);
  if (stream != stdout)
    fflush (stdout); /* keeps the two streams in order when both go to one file */
  fprintf (stream, "%s%s\n", marker, text);
}

#define DKMS_UI_VOICE(name, stream, marker)                                                                            \
  void name (DkmsUi *self, const char *format, ...)                                                                    \
  {                                                                                                                    \
    va_list args;                                                                                                      \
    va_start (args, format);                                                                                           \
    put (self, stream, marker, format, args);                                                                          \
    va_end (args);                                                                                                     \
  }

DKMS_UI_VOICE (dkms_ui_line, stdout, "")
DKMS_UI_VOICE (dkms_ui_warn, stderr, "Warning: ")
DKMS_UI_VOICE (dkms_ui_deprecated, stderr, "Deprecated: ")
DKMS_UI_VOICE (dkms_ui_note, stderr, "")

void
dkms_ui_error (DkmsUi *self, const GError *error)
{
  finish_open_line (self);
  fflush (stdout);
  fprintf (stderr, "\nError! %s.\n", error->message);
  if (dkms_error_get_advice (error) != NULL)
    fprintf (stderr, "%s\n", dkms_error_get_advice (error));
  fflush (stderr);
}

void
dkms_ui_step_begin (DkmsUi *self, const char *what, const char *command)
{
  finish_open_line (self);
  if (self->verbose && command != NULL)
    printf ("%s\n", command);
  else
    {
      printf ("%s...", what);
      self->in_step = TRUE;
    }
  fflush (stdout);
}

void
dkms_ui_step_end (DkmsUi *self, int status, double seconds)
{
  g_autofree char *took = seconds >= 0.05 ? g_strdup_printf (" (%.1f s)", seconds) : g_strdup ("");
  gboolean open = self->in_step;

  self->in_step = FALSE;
  if (status != 0)
    printf ("%sfailed with exit status %d%s.\n", open ? " " : "", status, took);
  else if (open)
    printf (" done%s.\n", took);
  fflush (stdout);
}
