/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Functions that all fuzz targets share. */
#define _GNU_SOURCE
#include "fuzz.h"

#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <unistd.h>

#include "base/file.h"
#include "base/unread.h"
#include "base/walk.h"

uint8_t
fuzz_byte (FuzzInput *input)
{
  if (input->size == 0)
    return 0;
  input->size--;
  return *input->data++;
}

const uint8_t *
fuzz_piece (FuzzInput *input, size_t *size)
{
  size_t wanted = (size_t)fuzz_byte (input) + 1;
  const uint8_t *piece = input->data;

  *size = MIN (wanted, input->size);
  input->data += *size;
  input->size -= *size;
  return piece;
}

char *
fuzz_text (FuzzInput *input, char end)
{
  const uint8_t *stop = input->size > 0 ? memchr (input->data, end, input->size) : NULL;
  size_t size = stop != NULL ? (size_t)(stop - input->data) : input->size;
  char *text = g_malloc (size + 1);
  size_t kept = 0;

  for (size_t i = 0; i < size; i++)
    if (input->data[i] != '\0')
      text[kept++] = (char)input->data[i];
  text[kept] = '\0';
  size += stop != NULL;
  input->data += size;
  input->size -= size;
  return text;
}

/* GLib would raise SIGTRAP, which libFuzzer does not catch, so that the input would be lost. */
static void
take_log (const char *domain, GLogLevelFlags level, const char *message, gpointer data)
{
  if ((level & (G_LOG_LEVEL_ERROR | G_LOG_LEVEL_CRITICAL | G_LOG_LEVEL_WARNING)) == 0)
    return;
  g_printerr ("%s\n", message);
  abort ();
}

void
fuzz_begin (void)
{
  static gboolean done;

  /* Accumulated notes would look like leaks, and libFuzzer stops the search for leaks after a thousand of them. */
  dkms_unread_drop (0);
  if (done)
    return;
  done = TRUE;
  (void)g_log_set_default_handler (take_log, NULL);
  g_unsetenv ("DKMS_LOAN");
}

/* ---- the directory ---- */

static char *place;

static void
delete_place (void)
{
  dkms_discard_tree_at (AT_FDCWD, place);
}

const char *
fuzz_place (void)
{
  if (place == NULL)
    {
      place = g_dir_make_tmp ("dkms-fuzz-XXXXXX", NULL);
      g_assert (place != NULL);
      (void)atexit (delete_place);
    }
  return place;
}

/* A directory without permissions cannot be deleted, so they are restored first. */
static void
open_up (int dir_fd, const char *name)
{
  int fd = -1;
  g_autoptr (GPtrArray) names = NULL;

  if (dkms_is_link_at (dir_fd, name) || !dkms_is_dir_at (dir_fd, name))
    return;
  if (fchmodat (dir_fd, name, 0700, 0) == 0)
    fd = openat (dir_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  g_assert (fd >= 0);
  names = dkms_list_dir_at (fd, ".", NULL);
  for (guint i = 0; names != NULL && i < names->len; i++)
    open_up (fd, names->pdata[i]);
  (void)close (fd);
}

void
fuzz_delete (const char *name)
{
  g_autofree char *path = g_build_filename (fuzz_place (), name, NULL);
  g_autoptr (GError) error = NULL;

  if (dkms_remove_tree_at (AT_FDCWD, path, NULL))
    return;
  open_up (AT_FDCWD, path);
  if (!dkms_remove_tree_at (AT_FDCWD, path, &error))
    g_error ("%s", error->message);
}

void
fuzz_write (const char *path, const void *data, size_t size)
{
  g_autofree char *full = g_build_filename (fuzz_place (), path, NULL);
  int fd = open (full, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

  if (fd < 0)
    {
      g_autofree char *dir = g_path_get_dirname (full);
      g_assert (g_mkdir_with_parents (dir, 0755) == 0);
      fd = open (full, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    }
  g_assert (fd >= 0 && dkms_write_all (fd, data, size, full, NULL));
  (void)close (fd);
}

/* ---- watches ---- */

typedef struct {
  int number; /* the watch descriptor of inotify */
  char *path;
} Watched;

struct FuzzWatch {
  int fd;
  GArray *watched; /* element-type Watched */
};

static void
watched_clear (gpointer data)
{
  Watched *watched = data;

  g_free (watched->path);
}

FuzzWatch *
fuzz_watch_new (void)
{
  FuzzWatch *self = g_new0 (FuzzWatch, 1);

  self->fd = inotify_init1 (IN_NONBLOCK | IN_CLOEXEC);
  g_assert (self->fd >= 0);
  self->watched = g_array_new (FALSE, FALSE, sizeof (Watched));
  g_array_set_clear_func (self->watched, watched_clear);
  return self;
}

void
fuzz_watch_free (FuzzWatch *self)
{
  if (self == NULL)
    return;
  (void)close (self->fd);
  g_array_unref (self->watched);
  g_free (self);
}

void
fuzz_watch_add (FuzzWatch *self, const char *path)
{
  g_autofree char *full = g_build_filename (fuzz_place (), path, NULL);
  const uint32_t changes = IN_MODIFY | IN_ATTRIB | IN_CREATE | IN_DELETE | IN_DELETE_SELF | IN_MOVE | IN_MOVE_SELF;
  Watched watched = { inotify_add_watch (self->fd, full, changes | IN_DONT_FOLLOW), g_strdup (path) };

  g_assert (watched.number >= 0);
  g_array_append_val (self->watched, watched);
}

static const char *
path_of_watched (const FuzzWatch *self, int number)
{
  for (guint i = 0; i < self->watched->len; i++)
    if (g_array_index (self->watched, Watched, i).number == number)
      return g_array_index (self->watched, Watched, i).path;
  return NULL; /* the queue of inotify overflowed */
}

gboolean
fuzz_watch_changed (FuzzWatch *self, FuzzExpectFunc expects)
{
  _Alignas(struct inotify_event) char buffer[4096];
  gboolean changed = FALSE;
  ssize_t n;

  while ((n = read (self->fd, buffer, sizeof buffer)) > 0)
    for (ssize_t at = 0; at < n;)
      {
        const struct inotify_event *event = (const struct inotify_event *)(buffer + at);
        const char *path = path_of_watched (self, event->wd);

        changed = changed || path == NULL || expects == NULL || !expects (path, event->len > 0 ? event->name : "");
        at += (ssize_t)(sizeof *event + event->len);
      }
  g_assert (n < 0 && errno == EAGAIN);
  return changed;
}

/* ---- the canary ---- */

/* Reading all files after each input would take most of the time. inotify reports changes; the files are read after
 * some of the inputs only. */
enum { LOOK_EVERY = 1000 };

static FuzzWatch *watch;
static char *canary;           /* the initial state of the canary */
static const char *may_change; /* a path in the directory */

static gboolean
describe (const DkmsWalkEntry *entry, gpointer data, GError **error)
{
  GString *text = data;

  if (entry->st != NULL)
    {
      g_autofree char *signature = dkms_stat_signature (entry->st);
      g_string_append_printf (text, "%s %o %s\n", entry->path, entry->st->st_mode, signature);
    }
  return TRUE;
}

static char *
look (void)
{
  g_autoptr (GString) text = g_string_new (NULL);
  g_autofree char *inside = g_build_filename (fuzz_place (), "canary", NULL);
  g_autoptr (GPtrArray) names = dkms_list_dir_at (AT_FDCWD, fuzz_place (), NULL);

  g_assert (names != NULL && dkms_walk_at (AT_FDCWD, inside, describe, text, NULL));
  for (guint i = 0; i < names->len; i++)
    if (g_strcmp0 (names->pdata[i], may_change) != 0)
      g_string_append_printf (text, "%s\n", (char *)names->pdata[i]);
  return g_string_free (g_steal_pointer (&text), FALSE);
}

void
fuzz_canary_make (const char *except)
{
  static const char *const parts[]
      = { "", "canary", "canary/file", "canary/link", "canary/.dkms-00000001-0", "canary/dir", "canary/dir/file" };
  g_autofree char *link = g_build_filename (fuzz_place (), "canary", "link", NULL);

  if (watch != NULL)
    return;
  may_change = except;
  fuzz_write ("canary/file", "stays\n", 6);
  fuzz_write ("canary/.dkms-00000001-0", "stays\n", 6);
  fuzz_write ("canary/dir/file", "stays\n", 6);
  g_assert (symlink ("file", link) == 0);
  watch = fuzz_watch_new ();
  for (gsize i = 0; i < G_N_ELEMENTS (parts); i++)
    fuzz_watch_add (watch, parts[i]);
  canary = look ();
}

static gboolean
is_exception (const char *path, const char *name)
{
  return *path == '\0' && g_strcmp0 (name, may_change) == 0;
}

void
fuzz_canary_check (void)
{
  static guint count;
  gboolean changed = fuzz_watch_changed (watch, is_exception);
  g_autofree char *now = changed || ++count % LOOK_EVERY == 0 ? look () : NULL;

  if (changed || (now != NULL && strcmp (now, canary) != 0))
    g_error ("The canary was touched. Before:\n%s\nNow:\n%s", canary, now);
}

/* ---- settings ---- */

DkmsSettings *
fuzz_settings (void)
{
  static DkmsSettings *settings;
  static const char release[] = "ID=debian\n";
  g_autofree char *root = NULL;

  if (settings != NULL)
    return settings;
  fuzz_write ("root/etc/os-release", release, sizeof release - 1);
  root = g_build_filename (fuzz_place (), "root", NULL);
  settings = dkms_settings_new (dkms_root_open (root, NULL), NULL);
  g_assert (settings != NULL);
  g_free (settings->places.dkms_tree);
  settings->places.dkms_tree = g_strdup ("/tree");
  return settings;
}

static void
hear_nothing (gpointer data, const DkmsEvent *event)
{
}

DkmsListener *
fuzz_listener (void)
{
  static DkmsListener listener = { .hear = hear_nothing };

  return &listener;
}
