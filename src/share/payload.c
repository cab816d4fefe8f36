/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Asks the helper for digests of modules, and compares them. */
#include "share/payload.h"

#include "base/error.h"
#include "base/pairs.h"
#include "base/process.h"

static void
payload_free (gpointer data)
{
  DkmsPayload *self = data;

  g_free (self->content);
  g_free (self->payload);
  g_free (self->typeless);
  g_free (self);
}

/* Returns: (transfer full) (nullable): what the helper printed. @ended: (out): whether that is all */
static GPtrArray *
take_pairs (GBytes *output, gboolean *ended)
{
  g_autoptr (GPtrArray) found = g_ptr_array_new_with_free_func (payload_free);
  const char *end, *at = dkms_pairs_begin (output, &end), *key, *value;
  DkmsPayload *last = NULL;

  *ended = FALSE;
  while (dkms_pairs_next (&at, end, &key, &value))
    if (strcmp (key, "content") == 0 || strcmp (key, "refused") == 0)
      {
        last = g_new0 (DkmsPayload, 1);
        last->content = strcmp (key, "content") == 0 ? g_strdup (value) : NULL;
        g_ptr_array_add (found, last);
      }
    else if (last != NULL && strcmp (key, "payload") == 0)
      dkms_replace_text (&last->payload, value);
    else if (last != NULL && strcmp (key, "typeless") == 0)
      dkms_replace_text (&last->typeless, value);
    else
      *ended = strcmp (key, "end") == 0;
  return g_steal_pointer (&found);
}

GPtrArray *
dkms_payloads_read (const GArray *fds, GError **error)
{
  g_autofree char *helper = dkms_process_helper ("dkms-entry");
  g_autoptr (GPtrArray) argv = g_ptr_array_new_with_free_func (g_free);
  gsize size = 0;
  int status = 0;
  gboolean ended;

  if (fds->len == 0)
    return g_ptr_array_new_with_free_func (payload_free);
  g_ptr_array_add (argv, g_strdup (helper));
  g_ptr_array_add (argv, g_strdup ("digest"));
  for (guint i = 0; i < fds->len; i++)
    g_ptr_array_add (argv, g_strdup_printf ("/proc/self/fd/%d", g_array_index (fds, int, i)));
  g_ptr_array_add (argv, NULL);
  const DkmsCommand command
      = { .argv = (const char *const *)argv->pdata, .keep = fds, .output_fd = -1, .null_stdin = TRUE };
  char *text = dkms_process_capture (&command, &size, &status, error);
  if (text == NULL)
    return NULL;
  g_autoptr (GBytes) output = g_bytes_new_take (text, size);
  g_autoptr (GPtrArray) found = take_pairs (output, &ended);
  if (status != 0 || !ended || found->len != fds->len)
    return (void)DKMS_FAIL (error, HELPER_FAILED, .name = "dkms-entry", .status = status), NULL;
  return g_steal_pointer (&found);
}

DkmsPayloadOrder
dkms_payload_compare (const DkmsPayload *a, const DkmsPayload *b)
{
  if (a->content == NULL || b->content == NULL)
    return DKMS_PAYLOAD_UNKNOWN;
  if (strcmp (a->content, b->content) == 0)
    return DKMS_PAYLOAD_EQUAL;
  if (a->payload == NULL || b->payload == NULL)
    return DKMS_PAYLOAD_DIFFERS;
  if (strcmp (a->payload, b->payload) == 0)
    return DKMS_PAYLOAD_FILE_DIFFERS;
  return g_strcmp0 (a->typeless, b->typeless) == 0 ? DKMS_PAYLOAD_TYPES_DIFFER : DKMS_PAYLOAD_DIFFERS;
}
