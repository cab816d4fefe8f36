/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Stores and reads the last verdict, and computes what it depends on. */
#include "verify/last-verdict.h"

#include <string.h>

#include "base/error.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/publish.h"
#include "base/unread.h"
#include "kernel/kernel.h"
#include "model/event-json.h"
#include "store/layout.h"

enum { FORMAT = 1, MOST_BYTES = 4 << 20 };

void
dkms_last_verdict_free (DkmsLastVerdict *self)
{
  if (self == NULL)
    return;
  g_free (self->time);
  g_free (self->stamp);
  g_free (self->kernel);
  g_clear_pointer (&self->events, g_ptr_array_unref);
  g_free (self);
}

/* ---- the stamp ---- */

static void
add_file (GChecksum *sum, const DkmsRoot *root, const char *path)
{
  struct stat st;
  g_autofree char *signature = dkms_root_stat (root, path, &st) == 0 ? dkms_stat_signature (&st) : g_strdup ("");

  g_checksum_update (sum, (const guchar *)path, (gssize)strlen (path) + 1);
  g_checksum_update (sum, (const guchar *)signature, (gssize)strlen (signature) + 1);
}

/* Adds the entries of the directory @path, in byte order. */
static void
add_entries (GChecksum *sum, const DkmsRoot *root, const char *path)
{
  g_auto (DkmsFd) dir = dkms_root_open_dir (root, path, FALSE, NULL);
  g_autoptr (GPtrArray) names = dir >= 0 ? dkms_list_dir_at (dir, ".", NULL) : NULL;

  for (guint i = 0; names != NULL && i < names->len; i++)
    {
      g_autofree char *entry = g_build_filename (path, names->pdata[i], NULL);
      add_file (sum, root, entry);
    }
}

char *
dkms_verdict_stamp (const DkmsPlaces *places)
{
  static const char *const directories[] = { "/boot",
                                             "/boot/grub",
                                             "/boot/grub2",
                                             "/boot/loader",
                                             "/boot/loader/entries",
                                             "/boot/efi/loader/entries",
                                             "/boot/EFI/Linux",
                                             "/boot/efi/EFI/Linux",
                                             "/efi/EFI/Linux",
                                             "/efi/loader/entries",
                                             "/etc/modprobe.d" };
  static const char *const of_kernel[]
      = { "modules.dep.bin", "build/include/config/auto.conf", "build/Module.symvers" };
  g_autoptr (GChecksum) sum = g_checksum_new (G_CHECKSUM_SHA256);
  g_autoptr (GPtrArray) kernels = dkms_kernel_list (places->root, places->install_tree, FALSE);
  g_autofree char *sequence = dkms_layout_own (places, "sequence", NULL);
  guint mark = dkms_unread_mark ();

  add_file (sum, places->root, sequence);
  for (gsize i = 0; i < G_N_ELEMENTS (directories); i++)
    add_entries (sum, places->root, directories[i]);
  for (guint i = 0; i < kernels->len; i++)
    for (gsize f = 0; f < G_N_ELEMENTS (of_kernel); f++)
      {
        g_autofree char *path = g_build_filename (places->install_tree, kernels->pdata[i], of_kernel[f], NULL);
        add_file (sum, places->root, path);
      }
  dkms_unread_drop (mark);
  return g_strdup (g_checksum_get_string (sum));
}

/* ---- the file ---- */

static char *
to_text (const DkmsLastVerdict *self)
{
  json_t *object = json_object (), *events = json_array ();

  dkms_json_set (object, "format", json_integer (FORMAT));
  dkms_json_set_text (object, "time", self->time);
  dkms_json_set_text (object, "stamp", self->stamp);
  dkms_json_set_text (object, "kernel", self->kernel);
  dkms_json_set (object, "expected", json_integer (self->counts.expected));
  dkms_json_set (object, "problems", json_integer (self->counts.problems));
  dkms_json_set (object, "warnings", json_integer (self->counts.warnings));
  dkms_json_set (object, "unknown", json_integer (self->counts.unknown));
  for (guint i = 0; i < self->events->len; i++)
    dkms_json_append (events, dkms_event_to_json (self->events->pdata[i]));
  dkms_json_set (object, "events", events);
  return dkms_json_to_text (object, JSON_COMPACT);
}

void
dkms_last_verdict_write (const DkmsPlaces *places, const DkmsLastVerdict *self)
{
  g_autofree char *path = dkms_layout_own (places, "verdict.json", NULL), *name = NULL, *text = to_text (self);
  guint mark = dkms_unread_mark ();
  g_auto (DkmsFd) dir = dkms_root_open_parent (places->root, path, FALSE, &name, NULL);
  g_autoptr (GError) ignored = NULL; /* the next verdict will be stored */

  if (dir >= 0 && !dkms_publish_at (dir, name, text, strlen (text), 0644, &ignored))
    g_debug ("%s", ignored->message);
  dkms_unread_drop (mark);
}

static gboolean
take_count (const json_t *object, const char *key, guint *to)
{
  const json_t *value = json_object_get (object, key);
  json_int_t number = json_integer_value (value);

  *to = (guint)number;
  return json_is_integer (value) && number >= 0 && number <= G_MAXINT;
}

static gboolean
take_events (DkmsLastVerdict *self, const json_t *events)
{
  const json_t *value;
  size_t i;

  if (!json_is_array (events))
    return FALSE;
  json_array_foreach (events, i, value)
    {
      g_autofree char *line = json_dumps (value, JSON_COMPACT);
      DkmsEvent *event = line != NULL ? dkms_event_from_line (line, strlen (line)) : NULL;
      if (event != NULL) /* of a newer version: without its line */
        g_ptr_array_add (self->events, event);
    }
  return TRUE;
}

DkmsLastVerdict *
dkms_last_verdict_read (const DkmsPlaces *places, GError **error)
{
  g_autofree char *path = dkms_layout_own (places, "verdict.json", NULL), *text = NULL;
  g_autofree char *shown = dkms_root_host_path (places->root, path);
  g_autoptr (DkmsLastVerdict) self = g_new0 (DkmsLastVerdict, 1);
  struct stat st;
  gsize size = 0;

  if (dkms_root_stat (places->root, path, &st) < 0 && dkms_is_absent (errno))
    return NULL;
  text = dkms_root_read (places->root, path, MOST_BYTES, &size, error);
  if (text == NULL)
    return NULL;
  json_t *object = json_loadb (text, size, JSON_ALLOW_NUL, NULL);
  self->events = dkms_events_new ();
  self->time = dkms_json_get_text (object, "time");
  self->stamp = dkms_json_get_text (object, "stamp");
  self->kernel = dkms_json_get_text (object, "kernel");
  json_int_t format = json_integer_value (json_object_get (object, "format"));
  gboolean good = format == FORMAT && self->time != NULL && self->stamp != NULL
                  && take_count (object, "expected", &self->counts.expected)
                  && take_count (object, "problems", &self->counts.problems)
                  && take_count (object, "warnings", &self->counts.warnings)
                  && take_count (object, "unknown", &self->counts.unknown)
                  && take_events (self, json_object_get (object, "events"));
  json_decref (object);
  self->counts.next = self->kernel;
  if (good)
    return g_steal_pointer (&self);
  if (format > FORMAT)
    (void)DKMS_FAIL (error, VERDICT_NEWER, .path = shown);
  else
    (void)DKMS_FAIL (error, VERDICT_DAMAGED, .path = shown);
  return NULL;
}
