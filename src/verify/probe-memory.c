/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Stores and finds the answers of kernels. */
#include "verify/probe-memory.h"

#include <string.h>

#include "store/answers.h"

enum { WORDS = 3 };

char *
dkms_probe_key (const DkmsKernelReading *kernel, const DkmsFirmwareReading *firmware, const char *certificates)
{
  g_autoptr (GChecksum) sum = g_checksum_new (G_CHECKSUM_SHA256);

  if (kernel->build == NULL)
    return NULL;
  for (const char *const *word = (const char *const[]){ kernel->release, kernel->build, certificates, NULL };
       *word != NULL; word++)
    g_checksum_update (sum, (const guchar *)*word, (gssize)strlen (*word) + 1);
  for (guint i = 0; i < DKMS_LIST_LAST; i++)
    {
      const GPtrArray *parts = firmware->lists[i].parts;
      for (guint k = 0; k < parts->len && i != DKMS_LIST_TO_ENROL && i != DKMS_LIST_TO_DELETE; k++)
        {
          g_autofree char *digest = g_compute_checksum_for_bytes (G_CHECKSUM_SHA256, parts->pdata[k]);
          g_checksum_update (sum, (const guchar *)digest, -1);
        }
      g_checksum_update (sum, (const guchar *)"", 1);
    }
  const char state[]
      = { (char)firmware->state.efi, (char)firmware->state.secure_boot, (char)firmware->state.unchecked };
  g_checksum_update (sum, (const guchar *)state, sizeof state);
  return g_strdup (g_checksum_get_string (sum));
}

gboolean
dkms_probe_recall (const DkmsPlaces *places, const char *release, const char *key, DkmsProbe *probe)
{
  g_autofree char *name = g_strconcat ("probe-", release, NULL);
  g_autoptr (GBytes) answer = key != NULL ? dkms_answers_recall (places, name, key) : NULL;
  const char *digits = answer != NULL ? g_bytes_get_data (answer, NULL) : NULL;
  DkmsKnown words[WORDS];

  if (answer == NULL || g_bytes_get_size (answer) != WORDS)
    return FALSE;
  for (guint i = 0; i < WORDS; i++)
    {
      if (digits[i] < '0' || digits[i] > '0' + DKMS_DONT_KNOW)
        return FALSE;
      words[i] = (DkmsKnown)(digits[i] - '0');
    }
  *probe = (DkmsProbe){ .enforces = words[0], .accepts = words[1], .trusts = words[2] };
  return TRUE;
}

void
dkms_probe_remember (const DkmsPlaces *places, const char *release, const char *key, const DkmsProbe *probe)
{
  const char digits[WORDS]
      = { (char)('0' + probe->enforces), (char)('0' + probe->accepts), (char)('0' + probe->trusts) };
  g_autofree char *name = g_strconcat ("probe-", release, NULL);
  g_autoptr (GBytes) answer = g_bytes_new (digits, sizeof digits);

  dkms_answers_remember (places, name, key, answer);
}
