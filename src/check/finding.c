/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Makes findings from the table findings.def. */
#include "check/finding.h"

#include <string.h>

static const struct {
  const char *id, *sentence, *advice;
  DkmsCheck check;
} rows[] = {
#define DKMS_FINDING_CODE(code, id, check, sentence, advice) { id, sentence, advice, DKMS_CHECK_##check },
#include "check/findings.def"
#undef DKMS_FINDING_CODE
};

static void
finding_free (gpointer data)
{
  DkmsCheckFinding *self = data;

  g_free (self->file);
  g_free (self->text);
  g_free (self->advice);
  g_free (self);
}

GPtrArray *
dkms_check_findings_new (void)
{
  return g_ptr_array_new_with_free_func (finding_free);
}

void
dkms_check_findings_add (GPtrArray *findings, DkmsCode code, DkmsResult result, DkmsConfidence confidence,
                         const DkmsErrorInfo *info)
{
  DkmsCheckFinding *self;

  for (guint i = 0; i < findings->len; i++)
    {
      const DkmsCheckFinding *other = findings->pdata[i];
      if (other->code == code && g_strcmp0 (other->file, info->name) == 0)
        return;
    }
  self = g_new0 (DkmsCheckFinding, 1);
  self->code = code;
  self->result = result;
  self->confidence = confidence;
  self->file = g_strdup (info->name);
  self->text = dkms_sentence_with (rows[code].sentence, info);
  if (info->advice != NULL)
    self->advice = g_strdup (info->advice);
  else if (*rows[code].advice != '\0')
    self->advice = dkms_sentence_with (rows[code].advice, info);
  g_ptr_array_add (findings, self);
}

const DkmsCheckFinding *
dkms_check_findings_worst (const GPtrArray *findings)
{
  const DkmsCheckFinding *worst = NULL;

  for (guint i = 0; i < findings->len; i++)
    {
      const DkmsCheckFinding *finding = findings->pdata[i];
      if (worst == NULL || finding->result > worst->result)
        worst = finding;
    }
  return worst;
}

const char *
dkms_code_name (DkmsCode code)
{
  return rows[code].id;
}

gboolean
dkms_code_from_name (const char *name, DkmsCode *code)
{
  for (guint i = 0; i < DKMS_CODE_LAST; i++)
    if (strcmp (rows[i].id, name) == 0)
      {
        *code = (DkmsCode)i;
        return TRUE;
      }
  return FALSE;
}

char *
dkms_code_describe (DkmsCode code, char **advice)
{
  static const DkmsErrorInfo words
      = { .id = { "MODULE", "VERSION", "KERNEL", NULL }, .name = "FILE", .path = "PATH", .text = "..." };

  *advice = *rows[code].advice != '\0' ? dkms_sentence_with (rows[code].advice, &words) : NULL;
  return dkms_sentence_with (rows[code].sentence, &words);
}

DkmsCheck
dkms_code_check (DkmsCode code)
{
  return rows[code].check;
}

const char *
dkms_check_name (DkmsCheck check)
{
  static const char *const names[]
      = { "registered", "built",   "fresh", "installed", "index",      "chosen",  "readable", "format",      "vermagic",
          "symbols",    "exports", "btf",   "signature", "boot-image", "allowed", "rivals",   "dependencies" };
  G_STATIC_ASSERT (G_N_ELEMENTS (names) == DKMS_CHECK_LAST);

  return names[check];
}

const char *
dkms_result_name (DkmsResult result)
{
  static const char *const names[] = { "note", "warning", "unknown", "problem" };

  return names[result];
}

const char *
dkms_confidence_name (DkmsConfidence confidence)
{
  static const char *const names[] = { "unknown", "likely", "certain" };

  return names[confidence];
}
