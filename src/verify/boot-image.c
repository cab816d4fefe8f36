/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Reads boot images with a helper, and compares them with the root file system.
 *
 * A module is checked by these rules, which check/boot-image.c decides:
 *   - a copy in an image must be of the installed build, whatever the program that makes images changes in files;
 *   - a module that drives the root file system, that the configuration names, that a module in the image needs, or for
 *     which a hook is installed, must have a copy;
 *   - a module that replaces one of the kernel, which was moved aside, is not copied by programs that copy directories.
 */
#include "verify/boot-image.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/pairs.h"
#include "base/unread.h"
#include "store/answers.h"
#include "verify/image-wishes.h"
#include "verify/modprobe-config.h"

/* ---- the helper ---- */

/* What one answer of the helper says. */
typedef struct {
  GPtrArray *modules; /* (element-type DkmsImageModule) */
  GPtrArray *lines;   /* (element-type DkmsModprobeLine) */
  char *config;       /* (nullable): the path of the file that the next text belongs to */
  char *inner, *error, *parts;
  gboolean ended;
} Answer;

static void
answer_free (Answer *self)
{
  if (self == NULL)
    return;
  g_ptr_array_unref (self->modules);
  g_ptr_array_unref (self->lines);
  g_free (self->config);
  g_free (self->inner);
  g_free (self->error);
  g_free (self->parts);
  g_free (self);
}

G_DEFINE_AUTOPTR_CLEANUP_FUNC (Answer, answer_free)

/* @value: "SHA-256 PATH", or "- PATH". Returns: (transfer full) (nullable) */
static DkmsImageModule *
module_new (const char *value)
{
  const char *blank = strchr (value, ' ');
  DkmsImageModule *self;

  if (blank == NULL)
    return NULL;
  self = g_new0 (DkmsImageModule, 1);
  self->path = g_strdup (blank + 1);
  self->name = dkms_module_name_of (blank + 1);
  self->sha256 = *value != '-' ? g_strndup (value, (gsize)(blank - value)) : NULL;
  return self;
}

static void
take_pair (Answer *self, const char *key, const char *value)
{
  DkmsImageModule *last = self->modules->len > 0 ? self->modules->pdata[self->modules->len - 1] : NULL;
  const struct {
    const char *key;
    char **field; /* (nullable) */
  } fields[] = { { "build-id", last != NULL ? &last->build_id : NULL },
                 { "srcversion", last != NULL ? &last->srcversion : NULL },
                 { "vermagic", last != NULL ? &last->vermagic : NULL },
                 { "inner", &self->inner },
                 { "parts", &self->parts },
                 { "error", &self->error } };

  for (gsize i = 0; i < G_N_ELEMENTS (fields); i++)
    if (strcmp (key, fields[i].key) == 0 && fields[i].field != NULL)
      dkms_replace_text (fields[i].field, value);
  if (strcmp (key, "module") == 0)
    {
      DkmsImageModule *module = module_new (value);
      if (module != NULL)
        g_ptr_array_add (self->modules, module);
    }
  else if (strcmp (key, "signed") == 0 && last != NULL)
    last->is_signed = TRUE;
  else if (strcmp (key, "config") == 0 && strchr (value, ' ') != NULL)
    dkms_replace_text (&self->config, strchr (value, ' ') + 1);
  else if (strcmp (key, "text") == 0 && self->config != NULL)
    dkms_modprobe_lines_parse (self->lines, self->config, value);
  else if (strcmp (key, "end") == 0)
    self->ended = TRUE;
}

/* Asks the helper about the file @path inside the root. @kind: "image" or "module". Returns: (transfer full)
 * (nullable): NULL with an error if it cannot run */
static Answer *
ask (const DkmsSettings *settings, const char *kind, const char *path, GError **error)
{
  const char *const argv[] = { "dkms-facts", kind, NULL };
  g_autofree char *file = dkms_root_resolved (settings->places.root, path);
  g_autofree char *digest = g_compute_checksum_for_string (G_CHECKSUM_SHA256, path, -1);
  g_autofree char *name = g_strdup_printf ("%s-%.32s", kind, digest);
  g_autoptr (GPtrArray) files = g_ptr_array_new ();
  const char *at, *end, *key, *value;
  Answer *self;

  g_ptr_array_add (files, file);
  g_autoptr (GBytes) bytes = dkms_answers_ask (&settings->places, name, argv, files, error);
  if (bytes == NULL)
    return NULL;
  self = g_new0 (Answer, 1);
  self->modules = g_ptr_array_new_with_free_func ((GDestroyNotify)dkms_image_module_free);
  self->lines = dkms_modprobe_lines_new ();
  for (at = dkms_pairs_begin (bytes, &end); dkms_pairs_next (&at, end, &key, &value);)
    take_pair (self, key, value);
  return self;
}

/* ---- reading ---- */

static void
move_all (GPtrArray *to, GPtrArray *from)
{
  while (from->len > 0)
    g_ptr_array_add (to, g_ptr_array_steal_index (from, 0));
}

static void
set_unread (DkmsBootImages *self, const char *path, const char *why, int code)
{
  if (self->unread != NULL)
    return;
  self->bad = g_strdup (path);
  self->unread = g_strdup (why);
  self->needs_root = (code == EACCES || code == EPERM) && geteuid () != 0;
}

/* Adds the parts of dracut that made the image: lines of modules.txt. */
static void
add_parts (DkmsBootImages *self, const char *parts)
{
  g_auto (GStrv) lines = g_strsplit (parts, "\n", -1);

  for (char **line = lines; *line != NULL; line++)
    {
      char *name = g_strdelimit (g_strdup (*line), "-", '_');
      if (*name != '\0' && !g_hash_table_contains (self->wanted[DKMS_IMAGE_HOOK], name))
        g_hash_table_insert (self->wanted[DKMS_IMAGE_HOOK], name, g_strconcat ("dracut/", *line, NULL));
      else
        g_free (name);
    }
}

static void
take_answer (DkmsBootImages *self, const Answer *answer)
{
  for (guint i = 0; i < answer->modules->len; i++)
    ((DkmsImageModule *)answer->modules->pdata[i])->image = self->paths->len - 1;
  move_all (self->modules, answer->modules);
  move_all (self->configs, answer->lines);
  if (answer->inner != NULL && self->inner == NULL)
    self->inner = g_strdup (answer->inner);
  if (answer->parts != NULL)
    add_parts (self, answer->parts);
}

static void
read_image (DkmsBootImages *self, const DkmsSettings *settings, const char *path)
{
  g_autoptr (GError) error = NULL;
  guint mark = dkms_unread_mark ();
  g_auto (DkmsFd) fd = dkms_root_openat (settings->places.root, path, DKMS_READ_FLAGS, 0);
  int code = fd < 0 ? errno : 0;

  dkms_unread_drop (mark);
  g_ptr_array_add (self->paths, g_strdup (path));
  if (fd < 0)
    {
      set_unread (self, path, g_strerror (code), code);
      return;
    }
  g_autoptr (Answer) answer = ask (settings, "image", path, &error);
  if (answer == NULL)
    set_unread (self, path, error->message, 0);
  else if (answer->error != NULL || !answer->ended)
    set_unread (self, path, answer->error != NULL ? answer->error : "dkms-facts crashed", 0);
  if (answer != NULL)
    take_answer (self, answer);
}

/* Gathers why images should contain modules. */
static void
gather_wishes (DkmsBootImages *self, const DkmsSettings *settings)
{
  const DkmsRoot *root = settings->places.root;
  g_autoptr (DkmsModuleIndex) index = dkms_module_index_read (&settings->places, self->release);
  g_autoptr (GPtrArray) names = g_ptr_array_new ();
  g_autofree char *refused = NULL;

  for (guint i = 0; i < self->modules->len; i++)
    g_ptr_array_add (names, ((const DkmsImageModule *)self->modules->pdata[i])->name);
  dkms_image_wishes_configured (self->wanted[DKMS_IMAGE_CONFIGURED], root, self->tool, index);
  dkms_image_wishes_hooks (self->wanted[DKMS_IMAGE_HOOK], root, self->tool);
  dkms_image_wishes_needed (self->wanted[DKMS_IMAGE_NEEDED], index, names);
  if (dkms_root_is_host (root))
    dkms_image_wishes_root (self->wanted[DKMS_IMAGE_ROOT], root);
  self->lines = dkms_modprobe_config_read (root, &refused);
}

DkmsBootImages *
dkms_boot_images_read (const DkmsSettings *settings, const char *release, const GPtrArray *images)
{
  DkmsBootImages *self = g_new0 (DkmsBootImages, 1);
  g_autoptr (GPtrArray) usual = NULL;
  g_autoptr (GError) error = NULL;
  guint mark = dkms_unread_mark ();

  self->release = g_strdup (release);
  self->paths = g_ptr_array_new_with_free_func (g_free);
  self->modules = g_ptr_array_new_with_free_func ((GDestroyNotify)dkms_image_module_free);
  self->configs = dkms_modprobe_lines_new ();
  for (guint i = 0; i < DKMS_IMAGE_LAST; i++)
    self->wanted[i] = dkms_image_wishes_new ();
  self->tool = dkms_image_tool_find (settings->places.root);
  self->kernel_install = dkms_image_kernel_install (&settings->places, release);
  if (images == NULL)
    images = usual = dkms_image_places (&settings->places, release, self->tool);
  if (!dkms_unread_since (mark, TRUE, &error) && images->len == 0)
    {
      const DkmsErrorInfo *info = dkms_error_info (error);
      set_unread (self, info->path, g_strerror ((int)info->number), (int)info->number);
    }
  for (guint i = 0; i < images->len; i++)
    read_image (self, settings, images->pdata[i]);
  if (self->paths->len > 0 && self->unread == NULL)
    gather_wishes (self, settings);
  else
    self->lines = dkms_modprobe_lines_new (); /* nothing is compared */
  return self;
}

void
dkms_boot_images_free (DkmsBootImages *self)
{
  if (self == NULL)
    return;
  g_free (self->release);
  g_free (self->kernel_install);
  g_ptr_array_unref (self->paths);
  g_ptr_array_unref (self->modules);
  g_ptr_array_unref (self->configs);
  g_free (self->inner);
  g_free (self->bad);
  g_free (self->unread);
  for (guint i = 0; i < DKMS_IMAGE_LAST; i++)
    g_hash_table_unref (self->wanted[i]);
  g_ptr_array_unref (self->lines);
  g_free (self);
}

/* ---- checks ---- */

/* What is being checked. */
typedef struct {
  const DkmsBootImages *images;
  const DkmsSettings *settings;
  const DkmsImageQuestion *module;
  char *command; /* (nullable): makes the images again */
  GPtrArray *findings;
} Check;

static const char *
image_of (const Check *self, const DkmsImageModule *copy)
{
  const GPtrArray *paths = self->images->paths;

  return paths->pdata[copy != NULL ? copy->image : paths->len - 1];
}

/* Returns: the copy of the module. @found: (out) (nullable) */
static DkmsImageCopy
find_copy (const Check *self, const DkmsImageModule **found)
{
  const DkmsImageQuestion *module = self->module;
  const DkmsBootImages *images = self->images;
  DkmsImageModule known = { .sha256 = (char *)(gsize)module->sha256 };
  DkmsImageCopy copy
      = dkms_image_find (images->modules, images->release, module->name, module->sha256 != NULL ? &known : NULL, found);

  if (copy == DKMS_COPY_ABSENT || copy == DKMS_COPY_SAME || module->path == NULL)
    return copy;
  g_autoptr (GError) ignored = NULL;
  g_autoptr (Answer) answer = ask (self->settings, "module", module->path, &ignored); /* which build is it? */
  return dkms_image_find (images->modules, images->release, module->name,
                          answer != NULL && answer->modules->len > 0 ? answer->modules->pdata[0] : NULL, found);
}

static guint
reasons_of (const Check *self)
{
  const DkmsImageQuestion *module = self->module;
  g_autofree char *name = dkms_module_name_of (module->name);
  guint reasons = 0;

  for (guint i = 0; i < DKMS_IMAGE_LAST; i++)
    if (g_hash_table_contains (self->images->wanted[i], name))
      reasons |= 1U << i;
  g_autofree char *place
      = module->replaced ? dkms_image_wishes_moved (&self->settings->places, self->images->release, name) : NULL;
  if (place != NULL && dkms_image_wishes_place (self->settings->places.root, self->images->tool, place))
    reasons |= 1U << DKMS_IMAGE_MOVED;
  return reasons;
}

/* Returns: (transfer full): why the image should contain the module, as a clause */
static char *
why (const Check *self, DkmsImageReason reason)
{
  g_autofree char *name = dkms_module_name_of (self->module->name);
  const char *by = g_hash_table_lookup (self->images->wanted[reason], name);

  switch (reason)
    {
    case DKMS_IMAGE_ROOT:
      return DKMS_SAY (IMAGE_NEEDS_FOR_ROOT);
    case DKMS_IMAGE_CONFIGURED:
      return DKMS_SAY (IMAGE_NAMED, .path = by);
    case DKMS_IMAGE_NEEDED:
      return DKMS_SAY (IMAGE_NEEDED, .name = by);
    case DKMS_IMAGE_HOOK:
      return DKMS_SAY (IMAGE_HOOK, .path = by);
    default:
      return NULL;
    }
}

static void
report (const Check *self, const DkmsImageVerdict *verdict, const DkmsImageModule *copy)
{
  g_autofree char *text
      = verdict->code == DKMS_CODE_DRIVER_GONE_EARLY ? g_strdup (self->command) : why (self, verdict->reason);

  dkms_check_findings_add (
      self->findings, verdict->code, verdict->result, verdict->confidence,
      &(const DkmsErrorInfo){ .name = self->module->name,
                              .path = image_of (self, copy),
                              .text = text,
                              .advice = verdict->code == DKMS_CODE_DRIVER_GONE_EARLY ? NULL : self->command });
}

/* Whether the next image would contain the file @path of modprobe.d: the programs do not copy all directories. */
static gboolean
is_copied (const DkmsBootImages *self, const char *path)
{
  g_autofree char *dir = g_path_get_dirname (path);
  const char *plain = dir + (g_str_has_prefix (dir, "/usr/lib/") ? strlen ("/usr") : 0) + 1;

  if (self->tool == DKMS_IMAGE_TOOL_INITRAMFS_TOOLS)
    return strcmp (plain, "etc/modprobe.d") == 0 || strcmp (plain, "lib/modprobe.d") == 0;
  for (guint i = 0; i < self->configs->len; i++)
    {
      const DkmsModprobeLine *line = self->configs->pdata[i];
      g_autofree char *other = g_path_get_dirname (line->path);
      if (g_str_has_suffix (other, plain))
        return TRUE;
    }
  return FALSE;
}

static gboolean
has_line (const GPtrArray *lines, const DkmsModprobeLine *line)
{
  for (guint i = 0; i < lines->len; i++)
    if (dkms_modprobe_lines_equal (lines->pdata[i], line))
      return TRUE;
  return FALSE;
}

/* Reports lines about the module that only one of both sides has. */
static void
check_lines (const Check *self, const GPtrArray *lines, const GPtrArray *others)
{
  static const char *const commands[] = { "blacklist", "install", "options", NULL };
  const DkmsBootImages *images = self->images;

  for (guint i = 0; i < lines->len; i++)
    {
      const DkmsModprobeLine *line = lines->pdata[i];
      if (!dkms_module_names_equal (line->name, self->module->name) || !g_strv_contains (commands, line->command)
          || has_line (others, line) || (lines == images->lines && !is_copied (images, line->path)))
        continue;
      g_autofree char *text
          = g_strdup_printf ("%s %s%s%s", line->command, line->name, *line->rest != '\0' ? " " : "", line->rest);
      g_autofree char *path = g_strconcat (*line->path == '/' ? "" : "/", line->path, NULL);
      DKMS_FIND (self->findings, IMAGE_CONFIG, WARNING, CERTAIN, .name = self->module->name, .path = path, .text = text,
                 .advice = self->command);
    }
}

/* A module in the image cannot be loaded there without those that it needs. */
static void
check_needs (const Check *self)
{
  const DkmsImageModule *ignored;

  for (guint i = 0; self->module->needs != NULL && self->module->needs[i] != NULL; i++)
    if (dkms_image_find (self->images->modules, self->images->release, self->module->needs[i], NULL, &ignored)
        == DKMS_COPY_ABSENT)
      {
        g_autofree char *text = DKMS_SAY (IMAGE_NEEDED, .name = self->module->name);
        DKMS_FIND (self->findings, IMAGE_MISSING, PROBLEM, LIKELY, .name = self->module->needs[i],
                   .path = image_of (self, NULL), .text = text, .advice = self->command);
      }
}

/* The kernel refuses a signature if it cannot load a module that computes its digest. */
static void
check_digest (const Check *self)
{
  const GPtrArray *names = self->module->digests;
  const DkmsImageModule *ignored;

  for (guint i = 0; names != NULL && i < names->len; i++)
    if (dkms_image_find (self->images->modules, self->images->release, names->pdata[i], NULL, &ignored)
        != DKMS_COPY_ABSENT)
      return;
  if (names != NULL && names->len > 0 && self->module->enforced)
    DKMS_FIND (self->findings, IMAGE_DIGEST, PROBLEM, LIKELY, .name = self->module->name, .path = image_of (self, NULL),
               .text = names->pdata[0]);
}

void
dkms_boot_images_check (const DkmsBootImages *self, const DkmsSettings *settings, const DkmsImageQuestion *module,
                        GPtrArray *findings)
{
  g_autofree char *command = dkms_boot_images_command (self);
  Check check = { self, settings, module, command, findings };
  g_autofree char *advice = self->needs_root ? DKMS_SAY (RUN_AS_ROOT) : NULL;
  const DkmsImageModule *found = NULL;

  if (self->unread != NULL)
    {
      DKMS_FIND (findings, IMAGE_UNREADABLE, UNKNOWN, UNKNOWN, .name = module->name, .path = self->bad,
                 .text = self->unread, .advice = advice);
      return;
    }
  if (self->paths->len == 0)
    return;
  DkmsImageCopy copy = find_copy (&check, &found);
  DkmsImageVerdict verdict = dkms_image_verdict (copy, reasons_of (&check), module->enforced);
  if (self->inner != NULL && copy == DKMS_COPY_ABSENT)
    verdict = (DkmsImageVerdict){ TRUE, DKMS_CODE_IMAGE_COPY_UNKNOWN, DKMS_RESULT_UNKNOWN, DKMS_CONFIDENCE_UNKNOWN,
                                  DKMS_IMAGE_COPIED };
  if (verdict.any)
    report (&check, &verdict, found);
  if (copy == DKMS_COPY_ABSENT)
    return;
  check_needs (&check);
  check_digest (&check);
  check_lines (&check, self->lines, self->configs);
  check_lines (&check, self->configs, self->lines);
}

const char *
dkms_boot_images_other (const DkmsBootImages *self, const DkmsSettings *settings, const DkmsImageQuestion *module)
{
  const Check check = { self, settings, module, NULL, NULL };
  const DkmsImageModule *found = NULL;

  return self->paths->len > 0 && find_copy (&check, &found) == DKMS_COPY_OTHER ? image_of (&check, found) : NULL;
}

char *
dkms_boot_images_command (const DkmsBootImages *self)
{
  const char *path = self->paths->len > 0 ? self->paths->pdata[self->paths->len - 1] : "";
  gboolean unified = g_str_has_suffix (path, ".efi");

  if (unified && self->kernel_install != NULL)
    return g_strdup_printf ("kernel-install add %s %s", self->release, self->kernel_install);
  switch (self->tool)
    {
    case DKMS_IMAGE_TOOL_INITRAMFS_TOOLS:
      return g_strdup_printf ("update-initramfs -u -k %s", self->release);
    case DKMS_IMAGE_TOOL_DRACUT:
      return g_strdup_printf ("dracut --force%s --kver %s", unified ? " --uefi" : "", self->release);
    case DKMS_IMAGE_TOOL_MKINITCPIO:
      return g_strdup ("mkinitcpio -P");
    case DKMS_IMAGE_TOOL_BOOSTER:
      return g_strdup_printf ("booster build --force --kernel-version %s %s", self->release,
                              *path != '\0' ? path : "/boot/booster.img");
    case DKMS_IMAGE_TOOL_MKINITFS:
      return g_strdup_printf ("mkinitfs %s", self->release);
    default:
      return NULL;
    }
}
