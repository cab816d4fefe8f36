/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Gathers a report, section by section. */
#define _GNU_SOURCE
#include "inspect/bundle.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/process.h"
#include "base/publish.h"
#include "base/unread.h"
#include "check/redact.h"
#include "conf/overrides.h"
#include "config.h"
#include "inspect/explain.h"
#include "model/event-json.h"
#include "store/attempts.h"
#include "store/layout.h"
#include "store/register.h"
#include "store/scan.h"

/* Of a longer log, the beginning shows what is built, and the end why it failed. */
enum { MOST_TEXT = 1 << 20, MOST_LOG_HEAD = 64 << 10, MOST_LOG_TAIL = 512 << 10 };

typedef struct {
  const DkmsSettings *settings;
  const DkmsId *id;
  GString *text;
} Bundle;

/* ---- Markdown ---- */

/* Returns a Markdown fence that is longer than every one in @text. */
static char *
fence_for (const char *text)
{
  gsize longest = 2;

  for (const char *at = text; (at = strchr (at, '`')) != NULL;)
    {
      gsize length = strspn (at, "`");
      longest = MAX (longest, length);
      at += length;
    }
  return g_strnfill (longest + 1, '`');
}

/* @text: (nullable): NULL adds nothing */
static void
add_section (const Bundle *self, const char *title, const char *text)
{
  if (text == NULL || *text == '\0')
    return;
  g_autofree char *fence = fence_for (text);
  g_string_append_printf (self->text, "\n## %s\n\n%s\n%s%s%s\n", title, fence, text,
                          g_str_has_suffix (text, "\n") ? "" : "\n", fence);
}

static void
add_row (const Bundle *self, const char *name, const char *value)
{
  if (value != NULL && *value != '\0')
    g_string_append_printf (self->text, "- %s: %s\n", name, value);
}

/* ---- what goes in ---- */

/* Adds the file @path inside the root as a section. */
static void
add_file (const Bundle *self, const char *path)
{
  g_autofree char *text = dkms_root_read (self->settings->places.root, path, MOST_TEXT, NULL, NULL);

  add_section (self, path, text);
}

/* Returns the first line of the output of a program, or NULL if it cannot be run. A root that contains only data has no
 * programs; those of the machine would describe the machine. */
static char *
first_line (const Bundle *self, const char *const *argv)
{
  const DkmsRoot *root = self->settings->places.root;
  const DkmsCommand command = { .argv = argv, .root = root, .null_stdin = TRUE };
  int status = 0;
  char *text = root->has_shell ? dkms_process_capture (&command, NULL, &status, NULL) : NULL;

  if (text == NULL || status != 0)
    return g_free (text), NULL;
  text[strcspn (text, "\n")] = '\0';
  return text;
}

/* Adds the package that owns @path, with its version. */
static void
add_package (const Bundle *self, const char *what, const char *path)
{
  const DkmsSettings *s = self->settings;
  g_autofree char *package = dkms_distro_package (s->policy.distro, s->places.root, path);
  const char *rpm[] = { "rpm", "-q", package, NULL };
  const char *dpkg[] = { "dpkg-query", "-W", "-f", "${binary:Package} ${Version}\n", package, NULL };
  g_autofree char *version = package != NULL ? first_line (self, s->policy.distro->family->rpm ? rpm : dpkg) : NULL;

  add_row (self, what, version != NULL ? version : package);
}

static void
add_summary (const Bundle *self, const DkmsAttempt *attempt)
{
  const DkmsSettings *s = self->settings;
  g_autofree char *about = self->id != NULL ? dkms_id_format (self->id) : NULL;
  g_autofree char *source = self->id != NULL ? dkms_layout_unpacked (&s->places, self->id) : NULL;
  g_autofree char *headers
      = self->id != NULL ? g_build_filename (s->places.install_tree, self->id->kernel, "build", NULL) : NULL;
  g_autofree char *canonical = headers != NULL ? dkms_root_canonical (s->places.root, headers) : NULL;

  add_row (self, "dkms", DKMS_VERSION);
  add_row (self, "Build", about);
  if (attempt != NULL)
    {
      g_autofree char *time = dkms_attempt_time (attempt);
      add_row (self, "Outcome", dkms_attempt_outcome_name (attempt->outcome));
      add_row (self, "Cause", attempt->cause);
      add_row (self, "First error", attempt->first_error);
      add_row (self, "Time", time);
    }
  add_row (self, "Running kernel", dkms_running_release ());
  add_row (self, "Architecture", dkms_running_machine ());
  add_row (self, "Distribution", s->policy.distro->id);
  if (source != NULL)
    add_package (self, "Package of the source", source);
  if (canonical != NULL)
    add_package (self, "Package of the headers", canonical);
}

/* Adds the builds of the module, and their states. */
static void
add_state (const Bundle *self, const char *module)
{
  g_autoptr (DkmsState) state = dkms_state_read_most (&self->settings->places, &(DkmsId){ .module = module }, NULL);
  g_autoptr (GString) lines = g_string_new (NULL);

  for (guint i = 0; state != NULL && i < state->versions->len; i++)
    {
      const DkmsVersion *v = state->versions->pdata[i];
      if (v->builds->len == 0)
        g_string_append_printf (lines, "%s/%s: %s\n", v->module, v->version, v->broken ? "broken" : "added");
      for (guint k = 0; k < v->builds->len; k++)
        {
          const DkmsBuild *b = v->builds->pdata[k];
          g_string_append_printf (lines, "%s/%s, %s, %s: %s\n", v->module, v->version, b->kernel, b->arch,
                                  dkms_build_word (b));
        }
    }
  add_section (self, "Modules", lines->str);
}

/* Adds the lines of the kernel's configuration that affect whether modules build and load. */
static void
add_config (const Bundle *self)
{
  static const char *const prefixes[] = { "CONFIG_CC_",
                                          "CONFIG_LD_",
                                          "CONFIG_GCC_",
                                          "CONFIG_CLANG_",
                                          "CONFIG_MODULE",
                                          "CONFIG_MODVERSIONS",
                                          "CONFIG_ASM_MODVERSIONS",
                                          "CONFIG_DEBUG_INFO_BTF",
                                          "CONFIG_PAHOLE_",
                                          "CONFIG_LOCK_DOWN",
                                          "CONFIG_SECURITY_LOCKDOWN",
                                          "CONFIG_IMA_ARCH_POLICY",
                                          "CONFIG_INTEGRITY_",
                                          "CONFIG_EFI_DISABLE_RUNTIME",
                                          "CONFIG_PREEMPT",
                                          "CONFIG_UNUSED_" };
  const DkmsPlaces *places = &self->settings->places;
  g_autoptr (DkmsKernel) kernel = dkms_kernel_new (places->root, places->install_tree, self->id, NULL, NULL);
  g_autofree char *config = dkms_kernel_read_config (kernel, places->root);
  g_auto (GStrv) lines = g_strsplit (config != NULL ? config : "", "\n", -1);
  g_autoptr (GString) kept = g_string_new (NULL);

  for (char **line = lines; *line != NULL; line++)
    for (gsize i = 0; i < G_N_ELEMENTS (prefixes); i++)
      if (g_str_has_prefix (*line, prefixes[i]))
        {
          g_string_append_printf (kept, "%s\n", *line);
          break;
        }
  add_section (self, "Configuration of the kernel", kept->str);
}

static void
add_log (const Bundle *self, const char *path)
{
  g_auto (DkmsFd) fd = dkms_root_openat (self->settings->places.root, path, DKMS_READ_FLAGS, 0);
  g_autofree char *head = g_malloc0 (MOST_LOG_HEAD + 1), *tail = g_malloc0 (MOST_LOG_TAIL + 1);
  struct stat st;

  if (fd < 0 || fstat (fd, &st) < 0 || !S_ISREG (st.st_mode))
    return;
  gboolean cut = st.st_size > MOST_LOG_HEAD + MOST_LOG_TAIL;
  off_t rest = cut ? st.st_size - MOST_LOG_TAIL : MIN (st.st_size, MOST_LOG_HEAD);
  if (pread (fd, head, MOST_LOG_HEAD, 0) < 0 || pread (fd, tail, MOST_LOG_TAIL, rest) < 0)
    return dkms_unread_note (fd, "", errno);
  g_autofree char *text = cut ? g_strconcat (head, "\n[...]\n", tail, NULL) : g_strconcat (head, tail, NULL);
  add_section (self, "make.log", text);
}

static void
add_record (const Bundle *self, const DkmsAttempt *attempt)
{
  g_autofree char *text = dkms_json_to_text (dkms_attempt_to_json (attempt), JSON_INDENT (1));

  add_section (self, "attempt.json", text);
}

/* Adds only assignments: a framework.conf with only comments is omitted. */
static void
add_settings (const Bundle *self)
{
  g_autoptr (GPtrArray) files = dkms_settings_files (&self->settings->places);

  for (guint i = 0; i < files->len; i++)
    {
      g_autofree char *text = dkms_root_read (self->settings->places.root, files->pdata[i], MOST_TEXT, NULL, NULL);
      g_autofree char *plain = text != NULL ? dkms_overrides_text (text) : NULL;
      add_section (self, files->pdata[i], plain);
    }
}

static void
add_build (const Bundle *self, const DkmsAttemptFile *file, const DkmsAttempt *attempt)
{
  const DkmsPlaces *places = &self->settings->places;
  g_autofree char *conf = dkms_layout_source (places, self->id, "dkms.conf");
  g_autoptr (GPtrArray) overrides = dkms_overrides_list (places, self->id);
  g_autofree char *record = dkms_layout_build (places, self->id, ".record.json");

  if (attempt != NULL)
    add_record (self, attempt);
  if (file->log != NULL)
    add_log (self, file->log);
  add_file (self, conf);
  for (guint i = 0; i < overrides->len; i++)
    add_file (self, overrides->pdata[i]);
  add_file (self, record);
  add_config (self);
}

/* ---- the whole ---- */

/* Returns: (transfer none) (nullable): the attempt for the report */
static const DkmsAttemptFile *
choose (const GPtrArray *attempts, const DkmsRequest *request)
{
  const DkmsAttemptFile *newest = NULL;

  for (guint i = 0; i < attempts->len; i++)
    {
      const DkmsAttemptFile *file = attempts->pdata[i];
      if (!dkms_targets_pass (request->targets, file->id))
        continue;
      if (file->outcome == DKMS_OUTCOME_FAILED || file->outcome == DKMS_OUTCOME_INTERRUPTED)
        return file;
      if (newest == NULL)
        newest = file;
    }
  return newest;
}

/* Fails if there is nothing to report. */
static gboolean
check_known (const Bundle *self, const DkmsRequest *request, GError **error)
{
  const DkmsId named = { .module = dkms_request_word (request), .version = request->version };
  g_autoptr (DkmsState) state = NULL;

  if (self->id != NULL || named.module == NULL)
    return TRUE;
  if (!dkms_tree_check_name (DKMS_ERROR_BAD_NAME, "module name", named.module, error))
    return FALSE;
  state = dkms_state_read_most (&self->settings->places, &named, error);
  if (state == NULL || state->versions->len > 0)
    return state != NULL;
  return dkms_explain_fail_unknown (&self->settings->places, request, FALSE, error);
}

static char *
redact (const char *text)
{
  const char *const users[] = { g_getenv ("SUDO_USER") != NULL ? g_getenv ("SUDO_USER") : "",
                                g_getenv ("LOGNAME") != NULL ? g_getenv ("LOGNAME") : "", g_get_user_name (), NULL };
  const DkmsRedaction names = { users, g_get_host_name () };

  return dkms_redact (text, &names);
}

gboolean
dkms_bundle (const DkmsSettings *settings, DkmsListener *events, const DkmsRequest *request, GError **error)
{
  const char *word = dkms_request_word (request);
  const DkmsId filter = { word, request->version, NULL, NULL };
  g_autoptr (GPtrArray) attempts = dkms_attempts_list (&settings->places, &filter);
  const DkmsAttemptFile *file = choose (attempts, request);
  g_autoptr (DkmsAttempt) attempt = file != NULL ? dkms_attempts_read (&settings->places, file) : NULL;
  g_autoptr (GString) text = g_string_new ("# Report of dkms\n\n");
  const Bundle self = { settings, file != NULL ? file->id : NULL, text };
  const char *module = self.id != NULL ? self.id->module : word;

  if (!dkms_unread_check (error) || !check_known (&self, request, error))
    return FALSE;
  add_summary (&self, attempt);
  if (module != NULL)
    add_state (&self, module);
  if (file != NULL)
    add_build (&self, file, attempt);
  add_settings (&self);
  add_file (&self, "/etc/os-release");
  g_autofree char *shown = redact (text->str);
  if (request->output == NULL)
    {
      g_strchomp (shown);
      DKMS_EMIT (events, REPORT_TEXT, .text = shown);
      DKMS_EMIT (events, REPORT_ADVICE);
      return TRUE;
    }
  g_autoptr (GError) local = NULL;
  if (!dkms_publish_at (AT_FDCWD, request->output, shown, strlen (shown), 0600, &local))
    return DKMS_FAIL (error, REPORT_NOT_WRITTEN, .error = local);
  DKMS_EMIT (events, REPORT_WRITTEN, .path = request->output);
  DKMS_EMIT (events, REPORT_ADVICE);
  return TRUE;
}
