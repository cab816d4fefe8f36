/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Lends locks to the scripts that a run waits for. */
#define _GNU_SOURCE
#include "store/loan.h"

#include <fcntl.h>
#include <string.h>
#include <sys/file.h>

#include "base/error.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/process.h"
#include "base/publish.h"
#include "store/layout.h"
#include "store/lock.h"

static const char every_build[] = "locks/build/*";

struct DkmsLoan {
  const DkmsWork *work;
  char *file; /* in the scratch directory */
  char *name;
  int fd;
};

/* ---- the lender ---- */

DkmsLoan *
dkms_loan_open (const DkmsWork *work, const DkmsId *id, gboolean all)
{
  static guint count;
  DkmsLoan *self = g_new0 (DkmsLoan, 1);
  g_autofree char *module_lock = dkms_lock_name_module (id);
  g_autofree char *build_lock = id->kernel != NULL ? dkms_lock_name_build (id) : g_strdup ("");
  g_autofree char *text
      = g_strdup_printf ("%s\nlocks/loan/%s\n%s\n%s\n", module_lock, id->module, build_lock, all ? every_build : "");

  /* Several processes of one run may wait for scripts at the same time. */
  self->work = work;
  self->file = g_strdup_printf ("loan-%d-%u", (int)getpid (), count++);
  self->name = g_strconcat (work->id, "/", self->file, NULL);
  self->fd = -1;
  if (dkms_write_new_at (work->fd, self->file, text, strlen (text), 0644, NULL))
    self->fd = openat (work->fd, self->file, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
  if (self->fd >= 0)
    return self;
  dkms_loan_close (self);
  return NULL;
}

const char *
dkms_loan_name (const DkmsLoan *self)
{
  return self->name;
}

void
dkms_loan_close (DkmsLoan *self)
{
  if (self == NULL)
    return;
  if (self->fd >= 0)
    {
      while (flock (self->fd, LOCK_EX | LOCK_NB) < 0 && !dkms_process_is_interrupted ())
        g_usleep (20000);
      (void)unlinkat (self->work->fd, self->file, 0);
      (void)close (self->fd);
    }
  g_free (self->file);
  g_free (self->name);
  g_free (self);
}

/* ---- the borrower ---- */

/* Whether @name, which comes from the environment, is the name of a loan file. */
static gboolean
is_loan_name (const char *name)
{
  return strspn (name, "0123456789abcdef") == 8 && g_str_has_prefix (name + 8, "/loan-")
         && strspn (name + 14, "0123456789-") == strlen (name + 14);
}

static gboolean
lists (const char *text, const char *name)
{
  g_auto (GStrv) lines = g_strsplit (text, "\n", -1);
  const char *const *const_lines = (const char *const *)lines;
  const char *module = strrchr (lines[0], '/');

  return g_strv_contains (const_lines, name)
         || (g_strv_contains (const_lines, every_build) && g_str_has_prefix (name, "locks/build/") && module != NULL
             && g_str_has_suffix (name, module));
}

int
dkms_loan_borrow (const DkmsPlaces *places, const char *name)
{
  const char *loan = g_getenv ("DKMS_LOAN");
  g_autofree char *id = NULL;
  g_autofree char *path = NULL;
  g_autofree char *text = NULL;
  g_auto (DkmsFd) fd = -1;
  struct stat st;

  if (loan == NULL || !is_loan_name (loan))
    return -1;
  id = g_strndup (loan, 8);
  path = dkms_layout_own (places, "work", loan);
  fd = dkms_root_openat (places->root, path, O_RDONLY | O_NOFOLLOW, 0);
  text = fd >= 0 ? dkms_read_fd (fd, path, 1 << 16, NULL, NULL) : NULL;
  if (text == NULL || !lists (text, name) || !dkms_work_alive (places, id))
    return -1;
  /* The lender may be ending the loan, or have ended it. */
  if (flock (fd, LOCK_SH | LOCK_NB) < 0 || fstat (fd, &st) < 0 || st.st_nlink == 0)
    return -1;
  return dkms_fd_steal (&fd);
}
