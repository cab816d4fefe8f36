/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Errors with path and advice, made in one call. */
#include "base/error.h"

#include <errno.h>
#include <string.h>

typedef struct {
  char *path;
  char *advice;
  int status;
} DkmsErrorPrivate;

static void
dkms_error_private_init (DkmsErrorPrivate *self)
{
  self->path = NULL;
  self->advice = NULL;
  self->status = 0;
}

static void
dkms_error_private_copy (const DkmsErrorPrivate *from, DkmsErrorPrivate *to)
{
  to->path = g_strdup (from->path);
  to->advice = g_strdup (from->advice);
  to->status = from->status;
}

static void
dkms_error_private_clear (DkmsErrorPrivate *self)
{
  g_free (self->path);
  g_free (self->advice);
}

G_DEFINE_EXTENDED_ERROR (DkmsError, dkms_error)

static const char *const names[DKMS_ERROR_LAST] = {
  [DKMS_ERROR_IO] = "io",
  [DKMS_ERROR_USAGE] = "usage",
  [DKMS_ERROR_OPTION] = "option",
  [DKMS_ERROR_BAD_NAME] = "bad-name",
  [DKMS_ERROR_NO_IDENTITY] = "no-identity",
  [DKMS_ERROR_NO_PRIVILEGE] = "no-privilege",
  [DKMS_ERROR_ARCH_COUNT] = "arch-count",
  [DKMS_ERROR_KERNEL_WITH_ALL] = "kernel-with-all",
  [DKMS_ERROR_ARCH_WITH_ALL] = "arch-with-all",
  [DKMS_ERROR_NO_SOURCE] = "no-source",
  [DKMS_ERROR_NOT_ADDED] = "not-added",
  [DKMS_ERROR_ALREADY_ADDED] = "already-added",
  [DKMS_ERROR_STALE_BUILD_DIR] = "stale-build-dir",
  [DKMS_ERROR_TWO_ACTIONS] = "two-actions",
  [DKMS_ERROR_NO_OS_RELEASE] = "no-os-release",
  [DKMS_ERROR_NO_CONF] = "no-conf",
  [DKMS_ERROR_MANY_KERNELS] = "many-kernels",
  [DKMS_ERROR_BROKEN] = "broken",
  [DKMS_ERROR_NO_ALL] = "no-all",
  [DKMS_ERROR_PATCH_NAME] = "patch-name",
  [DKMS_ERROR_PATCH_FAILED] = "patch-failed",
  [DKMS_ERROR_NO_KERNEL] = "no-kernel",
  [DKMS_ERROR_BUILT_MISSING] = "built-missing",
  [DKMS_ERROR_COPY_FAILED] = "copy-failed",
  [DKMS_ERROR_NOTHING_INSTALLED] = "nothing-installed",
  [DKMS_ERROR_INCOMPLETE] = "incomplete",
  [DKMS_ERROR_BAD_CONF] = "bad-conf",
  [DKMS_ERROR_EMPTY_SOURCE] = "empty-source",
  [DKMS_ERROR_TARBALL_KINDS] = "tarball-kinds",
  [DKMS_ERROR_NO_CONF_IN_TREE] = "no-conf-in-tree",
  [DKMS_ERROR_BAD_ARCHIVE] = "bad-archive",
  [DKMS_ERROR_ARCHIVE_ADDED] = "archive-added",
  [DKMS_ERROR_NO_DESTINATION] = "no-destination",
  [DKMS_ERROR_PACK_FAILED] = "pack-failed",
  [DKMS_ERROR_RPM] = "rpm",
  [DKMS_ERROR_MAKE_FAILED] = "make-failed",
  [DKMS_ERROR_AUTOINSTALL] = "autoinstall",
  [DKMS_ERROR_NO_ARCH] = "no-arch",
  [DKMS_ERROR_CLEARING] = "clearing",
  [DKMS_ERROR_DEPENDS] = "depends",
  [DKMS_ERROR_EMPTY_VALUE] = "empty-value",
  [DKMS_ERROR_NO_HEADERS] = "no-headers",
  [DKMS_ERROR_EXCLUDED] = "excluded",
  [DKMS_ERROR_PRE_INSTALL] = "pre-install",
  [DKMS_ERROR_SCRIPT] = "script",
  [DKMS_ERROR_NO_TEMPLATE] = "no-template",
  [DKMS_ERROR_SAME_TEMPLATE] = "same-template",
  [DKMS_ERROR_SANDBOX] = "sandbox",
  [DKMS_ERROR_INTERRUPTED] = "interrupted",
  [DKMS_ERROR_UNDETERMINED] = "undetermined",
};

const char *
dkms_error_name (const GError *error)
{
  gboolean known = error->domain == DKMS_ERROR && error->code >= 0 && error->code < DKMS_ERROR_LAST;

  return names[known ? error->code : DKMS_ERROR_IO];
}

DkmsError
dkms_error_from_name (const char *name)
{
  for (gsize i = 0; i < DKMS_ERROR_LAST; i++)
    if (strcmp (names[i], name) == 0)
      return (DkmsError)i;
  return DKMS_ERROR_IO;
}

/* What an error has besides its message. */
typedef struct {
  int status;         /* exit status of a script; 0: none */
  const char *path;   /* (nullable) */
  const char *advice; /* (nullable) */
} Details;

G_GNUC_PRINTF (4, 0)
static gboolean
fail_valist (GError **error, DkmsError code, const Details *details, const char *format, va_list args)
{
  if (error != NULL)
    {
      *error = g_error_new_valist (DKMS_ERROR, code, format, args);

      DkmsErrorPrivate *more = dkms_error_get_private (*error);
      more->path = g_strdup (details->path);
      more->advice = g_strdup (details->advice);
      more->status = details->status;
    }
  return FALSE;
}

gboolean
dkms_fail (GError **error, DkmsError code, const char *path, const char *advice, const char *format, ...)
{
  va_list args;

  va_start (args, format);
  fail_valist (error, code, &(Details){ 0, path, advice }, format, args);
  va_end (args);
  return FALSE;
}

gboolean
dkms_fail_script (GError **error, int status, const char *path, const char *advice, const char *format, ...)
{
  va_list args;

  va_start (args, format);
  fail_valist (error, DKMS_ERROR_SCRIPT, &(Details){ status, path, advice }, format, args);
  va_end (args);
  return FALSE;
}

G_GNUC_PRINTF (4, 5)
static void
fail_words (GError **error, DkmsError code, const Details *details, const char *format, ...)
{
  va_list args;

  va_start (args, format);
  fail_valist (error, code, details, format, args);
  va_end (args);
}

gboolean
dkms_fail_full (GError **error, DkmsError code, int status, const char *path, const char *advice, const char *message)
{
  fail_words (error, code, &(Details){ status, path, advice }, "%s", message);
  return FALSE;
}

static const char *
advice_for_errno (int code)
{
  switch (code)
    {
    case ENOSPC:
    case EDQUOT:
      return "Free some space there and run the command again; nothing was left half-done.";
    case EROFS:
      return "That file system is read-only; remount it writable, or choose another tree with --dkmstree or "
             "--installtree.";
    case EACCES:
    case EPERM:
      return "Run it as root, or choose a tree that you may write with --dkmstree.";
    case EMFILE:
      return "Raise the limit of open files (ulimit -n 1024) and run the command again.";
    case ENFILE:
      return "The machine has no file handles left: end programs that hold many, or raise fs.file-max.";
    case ENOMEM:
      return "Free some memory and run the command again.";
    case EIO:
      return "The file system or its disk is damaged: see 'dmesg', repair it, and run the command again.";
    case ESTALE:
      return "The server of that file system has lost the file: mount the file system again, then repeat the command.";
    default:
      return NULL;
    }
}

gboolean
dkms_fail_errno (GError **error, const char *doing, const char *path)
{
  int code = errno;

  dkms_fail (error, DKMS_ERROR_IO, path, advice_for_errno (code), "Cannot %s %s: %s", doing, path, g_strerror (code));
  errno = code;
  return FALSE;
}

void
dkms_error_set_code (GError *error, DkmsError code)
{
  if (error != NULL && error->domain == DKMS_ERROR)
    error->code = (int)code;
}

void
dkms_error_add_advice (GError *error, const char *line)
{
  if (error == NULL || error->domain != DKMS_ERROR)
    return;
  DkmsErrorPrivate *more = dkms_error_get_private (error);
  g_autofree char *before = more->advice;
  more->advice = before != NULL ? g_strconcat (before, "\n", line, NULL) : g_strdup (line);
}

static const DkmsErrorPrivate *
look (const GError *error)
{
  return error != NULL && error->domain == DKMS_ERROR ? dkms_error_get_private (error) : NULL;
}

const char *
dkms_error_get_path (const GError *error)
{
  const DkmsErrorPrivate *more = look (error);
  return more != NULL ? more->path : NULL;
}

const char *
dkms_error_get_advice (const GError *error)
{
  const DkmsErrorPrivate *more = look (error);
  return more != NULL ? more->advice : NULL;
}

int
dkms_error_get_status (const GError *error)
{
  const DkmsErrorPrivate *more = look (error);
  return more != NULL ? more->status : 0;
}
