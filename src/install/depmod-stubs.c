/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Calls dkms-depmod, and replaces the indexes by its results. */
#define _GNU_SOURCE
#include "install/depmod-stubs.h"

#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/process.h"
#include "base/unread.h"
#include "store/layout.h"
#include "store/transaction.h"
#include "store/work.h"

/* Fewer compressed modules are read as fast as their stubs. */
#define LEAST_COMPRESSED "64"

typedef struct {
  DkmsFd modules, store, out;
} Dirs;

static void
dirs_clear (Dirs *self)
{
  dkms_fd_drop (self->modules);
  dkms_fd_drop (self->store);
  dkms_fd_drop (self->out);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Dirs, dirs_clear)

/* Opens the directories that the helper works in. */
static gboolean
open_dirs (const DkmsPlaces *places, const DkmsWork *work, const char *dir, Dirs *dirs, GError **error)
{
  g_autofree char *store = dkms_layout_own (places, "stubs", NULL);
  g_autofree char *out = g_build_filename (work->path, "indexes", NULL);

  dirs->modules = dkms_root_open_dir (places->root, dir, FALSE, error);
  dirs->store = dirs->modules >= 0 ? dkms_root_open_dir (places->root, store, TRUE, error) : -1;
  dirs->out = dirs->store >= 0 ? dkms_root_open_dir (places->root, out, TRUE, error) : -1;
  if (dirs->out < 0)
    return FALSE;
  return fchmod (dirs->store, 0700) == 0 || dkms_fail_errno (error, "change the mode of", store);
}

/* Deletes stubs of kernels that no longer exist, and with @all those of all kernels. */
static void
drop_stores (const DkmsPlaces *places, gboolean all)
{
  g_autofree char *path = dkms_layout_own (places, "stubs", NULL);
  g_auto (DkmsFd) store = dkms_root_openat (places->root, path, O_RDONLY | O_DIRECTORY, 0);
  g_autoptr (GPtrArray) names = store >= 0 ? dkms_list_dir_at (store, ".", NULL) : NULL;

  for (guint i = 0; names != NULL && i < names->len; i++)
    {
      const char *name = names->pdata[i];
      g_autofree char *release
          = g_strndup (name, strlen (name) - (g_str_has_suffix (name, ".new") ? strlen (".new") : 0));
      g_autofree char *dir = g_build_filename (places->install_tree, release, NULL);

      if (all || !dkms_root_is_dir (places->root, dir))
        (void)unlinkat (store, name, 0);
    }
}

/* @prepare: make stubs, and no indexes. Returns: whether the helper succeeded */
static gboolean
run_helper (const DkmsSettings *settings, const DkmsDepmodCall *call, const Dirs *dirs, gboolean prepare,
            GError **error)
{
  g_autofree char *helper = dkms_process_helper ("dkms-depmod");
  g_autoptr (GPtrArray) argv = g_ptr_array_new_with_free_func (g_free);
  g_autoptr (GArray) keep = g_array_new (FALSE, FALSE, sizeof (int));
  g_autofree char *processors = g_strdup_printf ("%u", g_get_num_processors ());
  const struct {
    const char *option;
    int fd;
  } descriptors[] = {
    { "--modules", dirs->modules }, { "--store", dirs->store }, { "--out", dirs->out }, { "--tokens", call->tokens }
  };

  g_ptr_array_add (argv, g_strdup (helper));
  for (gsize i = 0; i < G_N_ELEMENTS (descriptors); i++)
    if (descriptors[i].fd >= 0)
      {
        g_ptr_array_add (argv, g_strdup (descriptors[i].option));
        g_ptr_array_add (argv, g_strdup_printf ("%d", descriptors[i].fd));
        g_array_append_val (keep, descriptors[i].fd);
      }
  g_ptr_array_add (argv, g_strdup ("--least"));
  g_ptr_array_add (argv, g_strdup (settings->policy.depmod_stubs == DKMS_STUBS_YES ? "0" : LEAST_COMPRESSED));
  g_ptr_array_add (argv, g_strdup ("--jobs"));
  g_ptr_array_add (argv, g_strdup (*settings->policy.jobs != '\0' ? settings->policy.jobs : processors));
  if (call->map != NULL)
    {
      g_ptr_array_add (argv, g_strdup ("--map"));
      g_ptr_array_add (argv, g_strdup (call->map));
    }
  if (settings->places.root->wall != NULL) /* nothing can be mounted behind it, but it has a /tmp of its own */
    {
      g_ptr_array_add (argv, g_strdup ("--private"));
      g_ptr_array_add (argv, g_strdup ("/tmp"));
    }
  if (prepare)
    g_ptr_array_add (argv, g_strdup ("--prepare"));
  else if (settings->policy.verbose)
    g_ptr_array_add (argv, g_strdup ("--verbose"));
  g_ptr_array_add (argv, g_strdup (call->base));
  g_ptr_array_add (argv, g_strdup (call->release));
  g_ptr_array_add (argv, NULL);

  DkmsCommand command = { .argv = (const char *const *)argv->pdata,
                          .root = settings->places.root,
                          .of_machine = TRUE,
                          .output_fd = settings->policy.verbose && !prepare ? -1 : -2,
                          .keep = keep,
                          .null_stdin = TRUE };
  return dkms_process_run (&command, error) == 0;
}

static gboolean
replace_indexes (const DkmsPlaces *places, DkmsListener *events, const DkmsWork *work, const DkmsDepmodCall *call,
                 int out, GError **error)
{
  g_autoptr (DkmsTransaction) tx = dkms_transaction_new (places);
  g_autoptr (GPtrArray) names = dkms_list_dir_at (out, ".", error);

  for (guint i = 0; names != NULL && i < names->len; i++)
    {
      g_autofree char *source = g_build_filename (work->path, "indexes", names->pdata[i], NULL);
      g_autofree char *target = g_build_filename (call->dir, names->pdata[i], NULL);

      if (g_str_has_prefix (names->pdata[i], "modules."))
        dkms_transaction_copy (tx, source, target, 0644);
    }
  dkms_transaction_delete (tx, call->note);
  return names != NULL && dkms_transaction_commit (tx, events, error);
}

gboolean
dkms_depmod_stubs (const DkmsSettings *settings, DkmsListener *events, const DkmsDepmodCall *call)
{
  const DkmsPlaces *places = &settings->places;
  g_auto (Dirs) dirs = { -1, -1, -1 };
  g_autoptr (GError) error = NULL;
  g_autoptr (DkmsWork) work = NULL;
  guint mark = dkms_unread_mark ();

  drop_stores (places, settings->policy.depmod_stubs == DKMS_STUBS_NO);
  if (settings->policy.depmod_stubs == DKMS_STUBS_NO)
    {
      dkms_unread_drop (mark);
      return FALSE;
    }
  work = dkms_work_new (places, &error);
  gboolean ok = work != NULL && open_dirs (places, work, call->dir, &dirs, &error)
                && run_helper (settings, call, &dirs, FALSE, &error)
                && replace_indexes (places, events, work, call, dirs.out, &error);
  if (!ok && error != NULL && settings->policy.verbose)
    DKMS_EMIT (events, DEPMOD_WITHOUT_STUBS, .error = error);
  dkms_unread_drop (mark); /* depmod itself decides what must be readable */
  return ok;
}

void
dkms_depmod_stubs_prepare (const DkmsSettings *settings, const DkmsDepmodCall *call)
{
  const DkmsPlaces *places = &settings->places;
  g_autofree char *store = dkms_layout_own (places, "stubs", call->release);
  g_auto (Dirs) dirs = { -1, -1, -1 };
  g_autoptr (GError) error = NULL;
  g_autoptr (DkmsWork) work = NULL;

  if (settings->policy.depmod_stubs == DKMS_STUBS_NO || dkms_root_is_file (places->root, store))
    return;
  work = dkms_work_new (places, &error);
  if (work == NULL || !open_dirs (places, work, call->dir, &dirs, &error)
      || !run_helper (settings, call, &dirs, TRUE, &error))
    g_debug ("No stubs of the modules of %s: %s", call->release, error != NULL ? error->message : "depmod needs none");
}
