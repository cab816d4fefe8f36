/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Finds faults of permissions, file systems and hooks, and recipes that are out of date. */
#define _GNU_SOURCE
#include "doctor/look-machine.h"

#include <fcntl.h>
#include <string.h>
#include <sys/statvfs.h>

#include "base/fd.h"
#include "base/file.h"
#include "base/unread.h"
#include "store/layout.h"

enum { LEAST_MIB = 200 };

/* ---- permissions ---- */

/* Whether users other than root and the caller can change a file with this status. */
static gboolean
is_open (const struct stat *st)
{
  return (st->st_mode & 0002) != 0 || ((st->st_mode & 0020) != 0 && st->st_gid != 0 && st->st_gid != getegid ());
}

static void
look_at_mode (DkmsLook *self, const char *path, gboolean secret)
{
  struct stat st;

  if (dkms_root_stat (self->settings->places.root, path, &st) < 0)
    return;
  g_autofree char *mode = g_strdup_printf ("%04o", st.st_mode & 07777);
  if (is_open (&st))
    DKMS_FOUND (self, RIGHTS_WRITE, .path = path, .text = mode);
  else if (secret && (st.st_mode & 0077) != 0)
    DKMS_FOUND (self, RIGHTS_READ, .path = path, .text = mode);
}

static void
look_at_modes (DkmsLook *self)
{
  static const char *const dirs[] = { "", ".dkms", ".dkms/journal", ".dkms/work", ".dkms/depmod", ".dkms/locks" };
  const DkmsPlaces *places = &self->settings->places;
  const char *signing_key = self->settings->policy.signing_key;
  g_autoptr (GPtrArray) files = dkms_settings_files (places);
  g_autofree char *usual = g_build_filename (places->dkms_tree, "mok.key", NULL);
  const char *family = self->settings->policy.distro->family->key;
  const char *const keys[] = { usual, signing_key, family };

  for (gsize i = 0; i < G_N_ELEMENTS (dirs); i++)
    {
      g_autofree char *path
          = *dirs[i] != '\0' ? g_build_filename (places->dkms_tree, dirs[i], NULL) : g_strdup (places->dkms_tree);
      look_at_mode (self, path, FALSE);
    }
  for (gsize i = 0; i < G_N_ELEMENTS (keys); i++)
    if (keys[i] != NULL && *keys[i] == '/' && strpbrk (keys[i], ";:$") == NULL
        && (i == 0 || strcmp (keys[i], usual) != 0))
      look_at_mode (self, keys[i], TRUE);
  for (guint i = 0; i < files->len; i++)
    look_at_mode (self, files->pdata[i], FALSE);
}

/* ---- file systems ---- */

/* Returns: (transfer full): the mount point of @path of the host, in which links are resolved */
static char *
mount_point (const char *path)
{
  char *at = g_strdup (path);
  struct stat first, st;

  if (stat (at, &first) < 0)
    return at;
  while (strcmp (at, "/") != 0)
    {
      g_autofree char *up = g_path_get_dirname (at);
      if (stat (up, &st) < 0 || st.st_dev != first.st_dev)
        break;
      g_free (at);
      at = g_steal_pointer (&up);
    }
  return at;
}

static void
look_at_space (DkmsLook *self)
{
  const DkmsPlaces *places = &self->settings->places;
  g_auto (DkmsFd) fd = dkms_root_openat (places->root, places->dkms_tree, O_RDONLY | O_DIRECTORY, 0);
  struct statvfs st;

  if (fd < 0 || fstatvfs (fd, &st) < 0)
    return;
  guint64 free_mib = (guint64)st.f_bavail * st.f_frsize >> 20;
  if ((st.f_flag & ST_NOEXEC) != 0)
    {
      g_autofree char *host = dkms_root_resolved (places->root, places->dkms_tree), *mount = mount_point (host);
      const char *prefix = places->root->host_path; /* it is added again */
      const char *inside = g_str_has_prefix (mount, prefix) ? mount + strlen (prefix) : mount;
      DKMS_FOUND (self, NOEXEC, .path = places->dkms_tree, .place = inside);
    }
  else if (free_mib < LEAST_MIB)
    DKMS_FOUND (self, FULL, .path = places->dkms_tree, .number = (gint64)free_mib, .limit = LEAST_MIB);
}

/* ---- hooks ---- */

/* Whether a service manager starts dkms at boot. */
static gboolean
has_service (const DkmsPlaces *places)
{
  static const char *const links[] = { "/etc/systemd/system/multi-user.target.wants/dkms.service",
                                       "/etc/runlevels/default/dkms", "/etc/runlevels/boot/dkms" };

  for (gsize i = 0; i < G_N_ELEMENTS (links); i++)
    if (dkms_look_exists (places, links[i]))
      return TRUE;
  return FALSE;
}

static void
look_at_hooks (DkmsLook *self)
{
  static const char *const programs[]
      = { "/etc/kernel/postinst.d/dkms", "/usr/lib/kernel/install.d/40-dkms.install",
          "/lib/kernel/install.d/40-dkms.install", "/usr/share/libalpm/scripts/dkms-hook" };
  const DkmsPlaces *places = &self->settings->places;
  const char *off = "/etc/dkms/no-autoinstall";
  gboolean found = has_service (places);

  if (self->state->versions->len == 0)
    return;
  if (dkms_root_is_file (places->root, off))
    DKMS_FOUND (self, AUTOINSTALL_OFF, .path = off);
  for (gsize i = 0; i < G_N_ELEMENTS (programs); i++)
    {
      struct stat st;

      if (dkms_root_stat (places->root, programs[i], &st) < 0 || !S_ISREG (st.st_mode))
        continue;
      if ((st.st_mode & 0111) == 0)
        DKMS_FOUND (self, HOOK_NOT_EXECUTABLE, .path = programs[i]);
      found = TRUE;
    }
  if (!found)
    {
      gboolean systemd = dkms_root_is_dir (places->root, "/usr/lib/systemd/system")
                         || dkms_root_is_dir (places->root, "/lib/systemd/system");
      DKMS_FOUND (self, HOOK_ABSENT,
                  .text = systemd ? "reinstall the package dkms, or run 'systemctl enable dkms.service'"
                                  : "reinstall the package dkms");
    }
}

void
dkms_look_at_machine (DkmsLook *self)
{
  look_at_modes (self);
  look_at_space (self);
  DkmsLookPart part = dkms_look_begin (self);
  look_at_hooks (self);
  dkms_look_end (self, part);
}

/* ---- recipes ---- */

/* Returns: the identifier of @v for a kernel: one that it is built for, or the running one */
static DkmsId
any_build (const DkmsVersion *v)
{
  return v->builds->len > 0 ? dkms_build_id (v, v->builds->pdata[v->builds->len - 1])
                            : (DkmsId){ v->module, v->version, dkms_running_release (), dkms_running_machine () };
}

static void
look_at_recipe (DkmsLook *self, const DkmsVersion *v)
{
  const DkmsPlaces *places = &self->settings->places;
  const DkmsId id = any_build (v), of = { v->module, v->version, NULL, NULL };
  const DkmsRecipe *recipe = dkms_world_recipe (self->world, &id, NULL);
  const DkmsVersion *latest = dkms_state_latest (self->state, v->module);
  g_autofree char *conf = dkms_layout_source (places, &of, "dkms.conf"), *list = NULL;
  g_autoptr (GPtrArray) names = g_ptr_array_new ();

  if (recipe == NULL)
    return;
  for (guint i = 0; i < recipe->vars->deprecated->len; i++)
    {
      const DkmsEvent *event = recipe->vars->deprecated->pdata[i];
      if (event->name != NULL && !g_ptr_array_find_with_equal_func (names, event->name, g_str_equal, NULL))
        g_ptr_array_add (names, (gpointer)event->name);
    }
  if (names->len > 0)
    {
      g_ptr_array_add (names, NULL);
      list = g_strjoinv (", ", (char **)names->pdata);
      DKMS_FOUND (self, CONF_DEPRECATED, .id = of, .path = conf, .name = list);
    }
  if (latest == NULL || latest == v || !recipe->autoinstall)
    return;
  const DkmsId newest = any_build (latest);
  const DkmsRecipe *other = dkms_world_recipe (self->world, &newest, NULL);
  g_autofree char *name = g_strconcat (latest->module, "/", latest->version, NULL);
  if (other != NULL && !other->autoinstall)
    DKMS_FOUND (self, CONF_NOT_LATEST, .id = of, .path = conf, .text = name);
}

void
dkms_look_at_recipes (DkmsLook *self)
{
  for (guint i = 0; i < self->state->versions->len; i++)
    {
      const DkmsVersion *v = self->state->versions->pdata[i];
      const DkmsId id = any_build (v);
      if (!v->broken && !g_hash_table_contains (self->busy, v->module))
        dkms_world_want (self->world, &id);
    }
  if (!dkms_world_load (self->world, NULL))
    return;
  for (guint i = 0; i < self->state->versions->len; i++)
    {
      const DkmsVersion *v = self->state->versions->pdata[i];
      if (!v->broken && !g_hash_table_contains (self->busy, v->module))
        look_at_recipe (self, v);
    }
}
