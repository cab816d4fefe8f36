/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Makes findings of doctor from the table faults.def. */
#include "check/fault.h"

#include <string.h>

static const struct {
  const char *id, *sentence, *would;
  gboolean problem, needs_yes;
  DkmsRepair repair;
} rows[] = {
#define PROBLEM TRUE
#define WARNING FALSE
#define YES TRUE
#define NO FALSE
#define DKMS_FAULT_KIND(kind, id, result, way, consent, sentence, would)                                               \
  { id, sentence, would, result, consent, DKMS_REPAIR_##way },
#include "check/faults.def"
#undef DKMS_FAULT_KIND
#undef PROBLEM
#undef WARNING
#undef YES
#undef NO
};

static void
finding_free (gpointer data)
{
  DkmsFaultFinding *self = data;

  dkms_id_clear (&self->id);
  g_free (self->path);
  g_free (self->place);
  g_free (self->name);
  g_free (self->text);
  g_free (self->sentence);
  g_free (self->would);
  g_free (self);
}

GPtrArray *
dkms_fault_findings_new (void)
{
  return g_ptr_array_new_with_free_func (finding_free);
}

/* Returns: (transfer full) (nullable): @path (nullable) as people see it */
static char *
shown (const char *root, const char *path)
{
  return path != NULL ? g_strconcat (root != NULL ? root : "", path, NULL) : NULL;
}

DkmsFaultFinding *
dkms_fault_findings_add (GPtrArray *findings, const char *root, DkmsFault fault, const DkmsErrorInfo *info)
{
  DkmsFaultFinding *self = g_new0 (DkmsFaultFinding, 1);
  g_autofree char *path = shown (root, info->path), *place = shown (root, info->place);
  DkmsErrorInfo visible = *info;

  visible.path = path;
  visible.place = place;
  self->fault = fault;
  self->id = (DkmsId){ g_strdup (info->id.module), g_strdup (info->id.version), g_strdup (info->id.kernel),
                       g_strdup (info->id.arch) };
  self->path = g_strdup (info->path);
  self->place = g_strdup (info->place);
  self->name = g_strdup (info->name);
  self->text = g_strdup (info->text);
  self->sentence = dkms_sentence_with (rows[fault].sentence, &visible);
  self->would = dkms_sentence_with (rows[fault].would, &visible);
  g_ptr_array_add (findings, self);
  return self;
}

const char *
dkms_fault_name (DkmsFault fault)
{
  return rows[fault].id;
}

gboolean
dkms_fault_from_name (const char *name, DkmsFault *fault)
{
  for (guint i = 0; i < DKMS_FAULT_LAST; i++)
    if (strcmp (rows[i].id, name) == 0)
      {
        *fault = (DkmsFault)i;
        return TRUE;
      }
  return FALSE;
}

gboolean
dkms_fault_is_problem (DkmsFault fault)
{
  return rows[fault].problem;
}

DkmsRepair
dkms_fault_repair (DkmsFault fault)
{
  return rows[fault].repair;
}

gboolean
dkms_fault_needs_yes (DkmsFault fault)
{
  return rows[fault].needs_yes;
}

char *
dkms_fault_describe (DkmsFault fault, char **would)
{
  static const DkmsErrorInfo words = { .id = { "MODULE", "VERSION", "KERNEL", NULL },
                                       .name = "NAME",
                                       .path = "PATH",
                                       .place = "OTHER-PATH",
                                       .text = "...",
                                       .number = 1,
                                       .limit = 200 };

  *would = dkms_sentence_with (rows[fault].would, &words);
  return dkms_sentence_with (rows[fault].sentence, &words);
}

char *
dkms_fault_finding_subject (const DkmsFaultFinding *self, const char *root)
{
  g_autoptr (GString) text = g_string_new (NULL);

  if (self->id.module != NULL)
    g_string_append (text, self->id.module);
  if (self->id.version != NULL)
    g_string_append_printf (text, "/%s", self->id.version);
  if (self->id.kernel != NULL)
    g_string_append_printf (text, "%s%s", text->len > 0 ? "," : "", self->id.kernel);
  if (text->len == 0 && self->path != NULL)
    g_string_append_printf (text, "%s%s", root != NULL ? root : "", self->path);
  return g_string_free (g_steal_pointer (&text), FALSE);
}

gboolean
dkms_fault_finding_is_selected (const DkmsFaultFinding *self, const char *root, const char *words, gboolean *precisely)
{
  g_auto (GStrv) list = g_strsplit (words, ",", -1);
  g_autofree char *path = shown (root, self->path), *subject = dkms_fault_finding_subject (self, root);
  gboolean selected = FALSE;

  *precisely = FALSE;
  for (char **word = list; *word != NULL; word++)
    {
      char *colon = strchr (*word, ':');

      if (colon != NULL)
        *colon++ = '\0';
      if (strcmp (*word, rows[self->fault].id) != 0)
        continue;
      /* A subject with a comma is selected by its path, or by its first part. */
      gboolean here
          = colon != NULL
            && (g_strcmp0 (colon, path) == 0 || g_strcmp0 (colon, self->path) == 0 || strcmp (colon, subject) == 0);
      *precisely |= here;
      selected |= here || colon == NULL;
    }
  return selected;
}

char *
dkms_fault_unknown_word (const char *words)
{
  g_auto (GStrv) list = g_strsplit (words, ",", -1);
  DkmsFault fault;

  for (char **word = list; *word != NULL; word++)
    {
      g_autofree char *name = g_strndup (*word, strcspn (*word, ":"));
      if (*name == '\0' || !dkms_fault_from_name (name, &fault))
        return g_strdup (*word);
    }
  return NULL;
}
