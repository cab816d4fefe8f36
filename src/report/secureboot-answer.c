/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Collects the events of secureboot in JSON. */
#include "report/secureboot-answer.h"

#include <string.h>

#include "model/event-json.h"

/* Sets a member to true, false, or null if @word is "unknown". */
static void
set_known (json_t *object, const char *name, const char *word)
{
  dkms_json_set (object, name,
                 g_strcmp0 (word, "yes") == 0  ? json_true ()
                 : g_strcmp0 (word, "no") == 0 ? json_false ()
                                               : json_null ());
}

static json_t *
part (const DkmsSecurebootAnswer *self, const char *name)
{
  return json_object_get (self->secureboot, name);
}

static json_t *
last_kernel (const DkmsSecurebootAnswer *self)
{
  json_t *kernels = part (self, "kernels");

  return json_array_get (kernels, json_array_size (kernels) - 1);
}

/* ---- parts ---- */

static void
begin (DkmsSecurebootAnswer *self, const DkmsEvent *event)
{
  static const char *const counts[] = { "signed", "other", "unsigned", "refused" };
  json_t *modules = json_object ();

  json_decref (self->secureboot);
  self->secureboot = json_object ();
  set_known (self->secureboot, "efi", event->place);
  set_known (self->secureboot, "secure_boot", event->name);
  set_known (self->secureboot, "validation", event->text);
  dkms_json_set (self->secureboot, "keys", json_array ());
  dkms_json_set (self->secureboot, "kernels", json_array ());
  for (gsize i = 0; i < G_N_ELEMENTS (counts); i++)
    dkms_json_set (modules, counts[i], json_integer (0));
  dkms_json_set (self->secureboot, "modules", modules);
  dkms_json_set (self->secureboot, "files", json_array ());
}

static void
add_kernel (DkmsSecurebootAnswer *self, const DkmsEvent *event)
{
  json_t *kernel = json_object ();

  dkms_json_set_text (kernel, "kernel", event->id.kernel);
  dkms_json_set_text (kernel, "arch", event->id.arch);
  set_known (kernel, "enforced", event->name);
  set_known (kernel, "lockdown", event->text);
  dkms_json_set_text (kernel, "hash", event->place);
  dkms_json_set (kernel, "digests", json_array ());
  dkms_json_append (part (self, "kernels"), kernel);
  g_free (self->hash);
  self->hash = g_strdup (event->place);
}

/* Adds "RSA 2048" or "EC P-256". */
static void
add_kind (json_t *key, const char *kind)
{
  const char *rest = strchr (kind, ' ');
  g_autofree char *word = g_strndup (kind, rest != NULL ? (gsize)(rest - kind) : strlen (kind));
  g_autofree char *algorithm = g_ascii_strdown (word, -1);

  dkms_json_set_text (key, "algorithm", algorithm);
  if (rest != NULL && strcmp (algorithm, "rsa") == 0)
    dkms_json_set (key, "bits", json_integer ((json_int_t)g_ascii_strtoll (rest, NULL, 10)));
  else if (rest != NULL)
    dkms_json_set_text (key, "curve", rest + 1);
}

/* Returns: (transfer none): the key with that certificate, which may be new */
static json_t *
find_key (DkmsSecurebootAnswer *self, const DkmsEvent *event)
{
  json_t *keys = part (self, "keys"), *key;

  for (size_t i = 0; i < json_array_size (keys); i++)
    {
      key = json_array_get (keys, i);
      if (g_strcmp0 (json_string_value (json_object_get (key, "certificate")), event->place) == 0)
        return key;
    }
  key = json_object ();
  dkms_json_set_text (key, "path", event->path);
  dkms_json_set_text (key, "certificate", event->place);
  if (event->reason != NULL)
    {
      dkms_json_set_text (key, "subject", event->reason->text);
      dkms_json_set_text (key, "skid", event->reason->name);
      if (event->reason->path != NULL)
        add_kind (key, event->reason->path);
      dkms_json_set_text (key, "hash", self->hash);
      dkms_json_set_text (key, "not_after", event->reason->place);
    }
  dkms_json_set_text (key, "enrolment", event->name);
  dkms_json_set (key, "usable", json_object ());
  dkms_json_append (keys, key);
  return key;
}

static void
add_key (DkmsSecurebootAnswer *self, const DkmsEvent *event)
{
  json_t *key = find_key (self, event);

  set_known (json_object_get (key, "usable"), event->id.kernel, event->text);
  if (json_object_get (last_kernel (self), "enrolment") != NULL)
    return; /* the best key is the first one */
  dkms_json_set_text (last_kernel (self), "certificate", event->place);
  dkms_json_set_text (last_kernel (self), "enrolment", event->name);
}

static void
add_test (DkmsSecurebootAnswer *self, const DkmsEvent *event)
{
  json_t *test = json_object ();

  dkms_json_set_text (test, "kernel", event->id.kernel);
  set_known (test, "enforced", event->name);
  set_known (test, "accepted", event->text);
  set_known (test, "trusted", event->place);
  dkms_json_set (self->secureboot, "test", test);
}

static void
increase (const DkmsSecurebootAnswer *self, const char *name)
{
  json_t *modules = part (self, "modules");

  dkms_json_set (modules, name, json_integer (json_integer_value (json_object_get (modules, name)) + 1));
}

static void
add_file (DkmsSecurebootAnswer *self, const DkmsEvent *event)
{
  json_t *file = json_object ();

  dkms_json_set_text (file, "module", event->id.module);
  dkms_json_set_text (file, "version", event->id.version);
  dkms_json_set_text (file, "kernel", event->id.kernel);
  dkms_json_set_text (file, "path", event->path);
  dkms_json_set_text (file, "signed_by", event->name);
  dkms_json_set_text (file, "signer", event->text);
  set_known (file, "accepted", event->place);
  dkms_json_append (part (self, "files"), file);
  increase (self, strcmp (event->name, "own") == 0 ? "signed" : event->name);
  if (strcmp (event->place, "no") == 0)
    increase (self, "refused");
}

/* ---- the answer ---- */

gboolean
dkms_secureboot_answer_hear (DkmsSecurebootAnswer *self, const DkmsEvent *event)
{
  switch (event->kind)
    {
    case DKMS_EVENT_SECURE_STATE:
      begin (self, event);
      return TRUE;
    case DKMS_EVENT_SECURE_KERNEL:
      add_kernel (self, event);
      return TRUE;
    case DKMS_EVENT_SECURE_DIGEST:
      dkms_json_append_text (json_object_get (last_kernel (self), "digests"), event->name);
      return TRUE;
    case DKMS_EVENT_SECURE_KEY:
      add_key (self, event);
      return TRUE;
    case DKMS_EVENT_SECURE_TEST:
      add_test (self, event);
      return TRUE;
    case DKMS_EVENT_SECURE_FILE:
      add_file (self, event);
      return TRUE;
    case DKMS_EVENT_SECURE_BOOT_IS:
    case DKMS_EVENT_SECURE_KERNEL_IS:
    case DKMS_EVENT_SECURE_KEY_IS:
    case DKMS_EVENT_SECURE_ENROLMENT_IS:
    case DKMS_EVENT_SECURE_TEST_IS:
    case DKMS_EVENT_SECURE_MODULES_ARE:
      return TRUE; /* the same in words */
    default:
      return FALSE;
    }
}

void
dkms_secureboot_answer_finish (DkmsSecurebootAnswer *self, json_t *document)
{
  if (self->secureboot != NULL)
    dkms_json_set (document, "secureboot", json_incref (self->secureboot));
}

void
dkms_secureboot_answer_clear (DkmsSecurebootAnswer *self)
{
  json_decref (self->secureboot);
  g_free (self->hash);
}
