/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Prints messages, and writes files beside their place. */
#define _GNU_SOURCE
#include "helpers/sign-file.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/err.h>
#include <openssl/rand.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "helpers/write-all.h"

int
refuse (const char *format, ...)
{
  unsigned long code = ERR_peek_last_error ();
  const char *reason = code != 0 ? ERR_reason_error_string (code) : NULL;
  va_list args;

  va_start (args, format);
  vfprintf (stderr, format, args); // NOLINT(clang-analyzer-valist.Uninitialized): started above
  va_end (args);
  if (reason != NULL)
    fprintf (stderr, " (%s)", reason);
  fputc ('\n', stderr);
  return 0;
}

/* Writes @size bytes to a new file next to @path, and flushes it. Returns: its name, which the caller frees; NULL after
 * a failure */
static char *
write_beside (const char *path, mode_t mode, const void *data, size_t size)
{
  size_t room = strlen (path) + 16;
  char *name = malloc (room);
  const char *slash = strrchr (path, '/');
  int dir = slash != NULL ? (int)(slash + 1 - path) : 0;
  unsigned char unique[4];
  int fd;

  if (name == NULL || RAND_bytes (unique, sizeof unique) != 1)
    {
      free (name);
      return NULL;
    }
  snprintf (name, room, "%.*s.%02x%02x%02x%02x.sign", dir, path, unique[0], unique[1], unique[2], unique[3]);
  fd = open (name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, mode);
  if (fd < 0)
    {
      refuse ("Cannot create a file beside %s: %s", path, strerror (errno));
      free (name);
      return NULL;
    }
  if (!write_all (fd, data, size) || fchmod (fd, mode) < 0 || fsync (fd) < 0)
    {
      refuse ("Cannot write %s: %s", path, strerror (errno));
      (void)close (fd);
      fd = -1;
    }
  if (fd < 0 || close (fd) < 0)
    {
      (void)unlink (name);
      free (name);
      return NULL;
    }
  return name;
}

int
put_in_place (const char *path, mode_t mode, const void *data, size_t size)
{
  char *beside = write_beside (path, mode, data, size);
  int ok = beside != NULL && rename (beside, path) == 0;

  if (beside != NULL && !ok)
    {
      refuse ("Cannot replace %s: %s", path, strerror (errno));
      (void)unlink (beside);
    }
  free (beside);
  return ok;
}

int
put_new (const char *path, mode_t mode, const void *data, size_t size)
{
  char *beside = write_beside (path, mode, data, size);
  int ok = beside != NULL && link (beside, path) == 0;
  int why = errno;

  if (beside != NULL && !ok && why != EEXIST)
    refuse ("Cannot create %s: %s", path, strerror (why));
  if (beside != NULL)
    (void)unlink (beside);
  else
    why = EIO;
  free (beside);
  errno = why;
  return ok;
}
