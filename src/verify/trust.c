/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Gathers certificates, judges them by the rules of check/policy.h, and finds the signers of modules. */
#define _GNU_SOURCE
#include "verify/trust.h"

#include <errno.h>
#include <string.h>

#include "base/fd.h"
#include "base/file.h"
#include "base/pairs.h"
#include "base/unread.h"
#include "build/sign.h"
#include "store/answers.h"
#include "verify/probe-memory.h"

enum { LARGEST_CERTIFICATE = 1 << 20 };

/* ---- where certificates are ---- */

/* A file or list with certificates. */
typedef struct {
  gboolean built_in; /* in the image of the kernel */
  DkmsKeyList list;  /* LAST: in none of the firmware */
  DkmsOwnKey *own;   /* (nullable): the key whose certificate it is */
} Place;

typedef struct {
  DkmsTrustReading *reading;
  GPtrArray *inputs; /* (element-type GBytes) */
  GArray *places;    /* (element-type Place): of each input */
  GHashTable *found; /* SHA-256 -> its certificate, borrowed */
  gboolean failed;   /* a list that the kernel reads could not be read */
} Search;

static void
add_input (Search *self, GBytes *content, Place place)
{
  g_ptr_array_add (self->inputs, content);
  g_array_append_val (self->places, place);
}

static void
note_unread (Search *self, DkmsKeyList list, const char *path)
{
  if (list == DKMS_LIST_OWNER || list == DKMS_LIST_FIRMWARE)
    self->failed = TRUE;
  if (self->reading->unread == NULL)
    self->reading->unread = g_strdup (path);
}

static void
add_firmware (Search *self, const DkmsFirmwareReading *firmware)
{
  for (guint i = 0; i < DKMS_LIST_LAST; i++)
    {
      const DkmsKeyListReading *list = &firmware->lists[i];
      for (guint k = 0; k < list->parts->len; k++)
        add_input (self, g_bytes_ref (list->parts->pdata[k]), (Place){ .list = (DkmsKeyList)i });
      if (list->unread != NULL)
        note_unread (self, (DkmsKeyList)i, list->unread);
    }
}

/* Reads a file with a certificate. A file that also contains a private key is left alone. Returns: (nullable) */
static GBytes *
read_certificate (const DkmsRoot *root, const char *path, GError **error)
{
  static const char private_key[] = "PRIVATE KEY-----";
  gsize size = 0;
  g_autofree char *content = dkms_root_read (root, path, LARGEST_CERTIFICATE, &size, error);

  if (content == NULL)
    return NULL;
  if (memmem (content, size, private_key, strlen (private_key)) != NULL)
    {
      explicit_bzero (content, size);
      return DKMS_FAIL (error, CERTIFICATE_WITH_KEY, .path = path), NULL;
    }
  return g_bytes_new_take (g_steal_pointer (&content), size);
}

/* Adds old certificates beside @certificate: mok.pub.1, mok.pub.2 and mok.pub.old. They only give names to
 * signers. */
static void
add_old (Search *self, const DkmsRoot *root, const char *certificate)
{
  g_autofree char *directory = g_path_get_dirname (certificate), *name = g_path_get_basename (certificate);
  guint mark = dkms_unread_mark ();
  g_auto (DkmsFd) fd = dkms_root_openat (root, directory, O_RDONLY | O_DIRECTORY, 0);
  g_autoptr (GPtrArray) names = fd >= 0 ? dkms_list_dir_at (fd, ".", NULL) : NULL;

  for (guint i = 0; names != NULL && i < names->len; i++)
    {
      const char *other = names->pdata[i], *rest = other + strlen (name);
      if (!g_str_has_prefix (other, name) || *rest != '.'
          || (strcmp (rest, ".old") != 0 && (rest[1] == '\0' || rest[1 + strspn (rest + 1, "0123456789")] != '\0')))
        continue;
      g_autofree char *path = g_build_filename (directory, other, NULL);
      g_autoptr (GError) ignored = NULL;
      GBytes *content = read_certificate (root, path, &ignored);
      if (content != NULL)
        add_input (self, content, (Place){ .list = DKMS_LIST_LAST });
    }
  dkms_unread_drop (mark);
}

static void
own_key_free (gpointer data)
{
  DkmsOwnKey *self = data;

  g_free (self->key);
  g_free (self->certificate);
  g_free (self->error);
  g_free (self);
}

static void
add_own (Search *self, const DkmsSettings *settings, const DkmsKernelReading *kernel)
{
  const DkmsRoot *root = settings->places.root;
  const DkmsId id = { .kernel = kernel->release, .arch = dkms_running_machine () };
  g_autoptr (GError) failed = NULL;
  g_autoptr (DkmsKernel) headers = dkms_kernel_new (root, settings->places.install_tree, &id, NULL, NULL);
  guint mark = dkms_unread_mark ();
  g_autoptr (GPtrArray) pairs = dkms_signer_files (settings, headers, kernel->config, &failed);

  const guint count = pairs != NULL ? pairs->len : 0;

  for (guint i = 0; i < MAX (count, 1); i++)
    {
      const DkmsKeyPair *pair = i < count ? pairs->pdata[i] : NULL;
      DkmsOwnKey *key = g_new0 (DkmsOwnKey, 1);
      g_autoptr (GError) error = NULL;

      g_ptr_array_add (self->reading->keys, key);
      key->error = failed != NULL ? g_strdup (failed->message) : NULL;
      if (pair == NULL)
        continue;
      key->key = g_strdup (pair->key);
      key->certificate = g_strdup (pair->certificate);
      GBytes *content = read_certificate (root, key->certificate, &error);
      if (content != NULL)
        add_input (self, content, (Place){ .list = DKMS_LIST_LAST, .own = key });
      else
        key->error = g_strdup (error->message);
      add_old (self, root, key->certificate);
    }
  dkms_unread_drop (mark);
}

/* ---- trust ---- */

/* From bad to good, for a certificate that is on several lists. */
static int
rank_of (DkmsTrust trust)
{
  static const int ranks[] = { [DKMS_TRUST_UNUSABLE] = 0,      [DKMS_TRUST_NOT_READ] = 1, [DKMS_TRUST_REVOKED] = 2,
                               [DKMS_TRUST_PLATFORM_ONLY] = 3, [DKMS_TRUST_UNKNOWN] = 4,  [DKMS_TRUST_TRUSTED] = 5 };

  return ranks[trust];
}

/* Judges @certificate in the list of @source, unless it counts more in another one. */
static void
judge (DkmsCertificate *certificate, DkmsKeySource source, const DkmsTrustReading *reading)
{
  certificate->facts.source = source;
  DkmsTrust trust
      = dkms_trust (&certificate->facts, &reading->options, &reading->firmware, &reading->policy, &reading->rules);

  if (certificate->known && rank_of (trust) <= rank_of (certificate->trust))
    return;
  certificate->known = TRUE;
  certificate->source = source;
  certificate->trust = trust;
  certificate->confidence = trust == DKMS_TRUST_UNKNOWN   ? DKMS_CONFIDENCE_UNKNOWN
                            : source == DKMS_KEY_BUILT_IN ? DKMS_CONFIDENCE_CERTAIN
                                                          : DKMS_CONFIDENCE_LIKELY;
}

/* Takes the certificates and hashes of one input. @built_in: (element-type DkmsCertificate): gets those in the image */
static void
take_list (Search *self, DkmsCertificateList *list, const Place *place, GPtrArray *built_in)
{
  DkmsTrustReading *reading = self->reading;

  while (list->certificates->len > 0)
    {
      DkmsCertificate *certificate = g_ptr_array_steal_index (list->certificates, 0);
      DkmsCertificate *known = g_hash_table_lookup (self->found, certificate->sha256);
      if (known != NULL)
        dkms_certificate_free (certificate);
      else
        {
          g_ptr_array_add (reading->certificates, certificate);
          g_hash_table_insert (self->found, certificate->sha256, certificate);
          known = certificate;
        }
      if (place->list < DKMS_LIST_LAST)
        known->lists |= 1U << place->list;
      if (place->built_in)
        g_ptr_array_add (built_in, known);
      if (place->own != NULL && place->own->own == NULL)
        {
          known->own = TRUE;
          place->own->own = known;
        }
    }
  /* Kernels do not read shim's lists without Secure Boot. */
  gboolean reads_shim = reading->firmware.secure_boot != DKMS_NO && !reading->firmware.unchecked;
  for (guint i = 0; i < list->hashes->len; i++)
    if (place->list == DKMS_LIST_FORBIDDEN || (place->list == DKMS_LIST_REVOKED && reads_shim))
      g_hash_table_add (reading->forbidden, g_strdup (list->hashes->pdata[i]));
  if (list->error != NULL && place->list < DKMS_LIST_LAST)
    note_unread (self, place->list, dkms_key_list_name (place->list));
  if (list->error != NULL && place->own != NULL && place->own->own == NULL)
    dkms_replace_text (&place->own->error, list->error);
}

/* Reads all inputs, and judges what they contain. */
static void
read_inputs (Search *self, const DkmsPlaces *places)
{
  DkmsTrustReading *reading = self->reading;
  g_autofree char *name = g_strconcat ("certificates-", reading->release, NULL);
  g_autoptr (GError) error = NULL;
  g_autoptr (GPtrArray) lists = dkms_certificates_read (places, name, self->inputs, &error);
  g_autoptr (GPtrArray) built_in = g_ptr_array_new ();

  if (lists == NULL)
    {
      self->failed = TRUE;
      reading->unread = g_strdup (error->message);
      return;
    }
  for (guint i = 0; i < lists->len; i++)
    take_list (self, lists->pdata[i], &g_array_index (self->places, Place, i), built_in);
  for (guint i = 0; i < reading->certificates->len; i++)
    {
      DkmsCertificate *certificate = reading->certificates->pdata[i];
      certificate->facts.revoked = dkms_certificate_is_on (certificate, DKMS_LIST_FORBIDDEN)
                                   || dkms_certificate_is_on (certificate, DKMS_LIST_REVOKED);
      if (g_ptr_array_find (built_in, certificate, NULL))
        judge (certificate, DKMS_KEY_BUILT_IN, reading);
      if (dkms_certificate_is_on (certificate, DKMS_LIST_OWNER))
        judge (certificate, DKMS_KEY_MACHINE_OWNER, reading);
      if (dkms_certificate_is_on (certificate, DKMS_LIST_FIRMWARE))
        judge (certificate, DKMS_KEY_FIRMWARE, reading);
    }
}

/* ---- answers of kernels ---- */

/* A key that the running kernel has, and that is on no list of the firmware, is part of it, or was added by a program.
 * Only root sees all keys. */
static void
take_running (DkmsTrustReading *self)
{
  g_autofree char *keys = NULL;

  if (strcmp (self->release, dkms_running_release ()) != 0 || !g_file_get_contents ("/proc/keys", &keys, NULL, NULL))
    return;
  for (guint i = 0; i < self->certificates->len; i++)
    {
      DkmsCertificate *certificate = self->certificates->pdata[i];
      g_autofree char *words = g_strconcat (": ", certificate->identifier, ": X509.", NULL);
      if (!certificate->own || certificate->known || certificate->identifier == NULL || strstr (keys, words) == NULL)
        continue;
      judge (certificate, DKMS_KEY_BUILT_IN, self);
      certificate->confidence = MIN (certificate->confidence, DKMS_CONFIDENCE_LIKELY);
    }
}

static void
take_policy (DkmsModulePolicy *policy, const DkmsProbe *probe, gboolean now)
{
  if (probe->enforces == DKMS_DONT_KNOW)
    return;
  if (now || policy->enforces == DKMS_DONT_KNOW)
    policy->enforces = probe->enforces;
  if ((now || policy->locked == DKMS_DONT_KNOW) && probe->enforces == DKMS_NO)
    policy->locked = DKMS_NO;
}

void
dkms_trust_reading_take (DkmsTrustReading *self, const DkmsProbe *probe, gboolean now)
{
  const DkmsOwnKey *key = self->keys->pdata[0];
  DkmsCertificate *own = NULL;

  take_policy (&self->policy, probe, now);
  for (guint i = 0; i < self->certificates->len && own == NULL; i++)
    if (self->certificates->pdata[i] == key->own)
      own = self->certificates->pdata[i];
  if (own == NULL || probe->trusts == DKMS_DONT_KNOW || self->keys->len > 1) /* it is not known which of them */
    return;
  if (probe->trusts == DKMS_YES && !own->known)
    own->source = DKMS_KEY_BUILT_IN; /* or added by a program since the kernel started */
  if (probe->trusts == DKMS_YES)
    {
      own->known = TRUE;
      own->trust = DKMS_TRUST_TRUSTED;
    }
  else if (own->known && (own->trust == DKMS_TRUST_TRUSTED || own->trust == DKMS_TRUST_UNKNOWN))
    own->trust = DKMS_TRUST_PLATFORM_ONLY;
  own->confidence = DKMS_CONFIDENCE_CERTAIN;
}

static void
take_remembered (DkmsTrustReading *self, const DkmsPlaces *places, const DkmsKernelReading *kernel,
                 const DkmsFirmwareReading *firmware)
{
  g_autoptr (GString) certificates = g_string_new (NULL);
  DkmsProbe probe;

  for (guint i = 0; i < self->keys->len; i++)
    {
      const DkmsCertificate *own = ((const DkmsOwnKey *)self->keys->pdata[i])->own;
      if (own == NULL)
        return;
      g_string_append (certificates, own->sha256);
    }
  self->probe_key = dkms_probe_key (kernel, firmware, certificates->str);
  if (dkms_probe_recall (places, self->release, self->probe_key, &probe))
    dkms_trust_reading_take (self, &probe, FALSE);
}

/* ---- the reading ---- */

/* Returns: what the policy rests on */
static DkmsConfidence
confidence_of (const DkmsTrustReading *self)
{
  if (self->policy.others != NULL || self->policy.enforces == DKMS_DONT_KNOW || self->policy.locked == DKMS_DONT_KNOW)
    return DKMS_CONFIDENCE_UNKNOWN;
  return self->rules.platform_counts == DKMS_DONT_KNOW ? DKMS_CONFIDENCE_LIKELY : DKMS_CONFIDENCE_CERTAIN;
}

DkmsTrustReading *
dkms_trust_reading_new (const DkmsSettings *settings, const DkmsKernelReading *kernel, const char *cmdline)
{
  DkmsTrustReading *self = g_new0 (DkmsTrustReading, 1);
  const DkmsRoot *root = settings->places.root;
  g_autoptr (DkmsFirmwareReading) firmware = dkms_firmware_read (root); /* unknown in a root without /sys */
  g_autoptr (GPtrArray) inputs = g_ptr_array_new_with_free_func ((GDestroyNotify)g_bytes_unref);
  g_autoptr (GArray) places = g_array_new (FALSE, FALSE, sizeof (Place));
  g_autoptr (GHashTable) found = g_hash_table_new (g_str_hash, g_str_equal);
  Search search = { self, inputs, places, found, FALSE };

  self->release = g_strdup (kernel->release);
  self->digests = dkms_digest_modules_new (&settings->places, self->release);
  self->certificates = g_ptr_array_new_with_free_func ((GDestroyNotify)dkms_certificate_free);
  self->keys = g_ptr_array_new_with_free_func (own_key_free);
  self->forbidden = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  self->firmware = firmware->state;
  self->shim = firmware->shim;
  self->options = dkms_signing_options_read (kernel->config);
  self->policy = dkms_module_policy (&self->options, &self->firmware, cmdline);
  self->rules = dkms_vendor_rules (settings->policy.distro->id, &self->options);
  if (kernel->certificates != NULL && kernel->certificates->len > 0)
    add_input (&search, dkms_certificates_join (kernel->certificates),
               (Place){ .built_in = TRUE, .list = DKMS_LIST_LAST });
  add_firmware (&search, firmware);
  add_own (&search, settings, kernel);
  read_inputs (&search, &settings->places);
  if (dkms_root_is_host (root) && !search.failed)
    take_running (self);
  take_remembered (self, &settings->places, kernel, firmware);
  self->confidence = confidence_of (self);
  /* A kernel without certificates is unusual: probably they were not found. */
  self->complete
      = kernel->certificates != NULL && kernel->certificates->len > 0
        && (self->policy.reads_firmware_keys == DKMS_NO || (self->firmware.efi == DKMS_YES && !search.failed));
  return self;
}

void
dkms_trust_reading_policy (const DkmsTrustReading *self, DkmsLoadKernel *to)
{
  to->checks_signatures = !self->options.known || self->options.signatures;
  to->enforces = self->policy.enforces;
  to->locked = self->policy.locked;
}

void
dkms_trust_reading_free (DkmsTrustReading *self)
{
  if (self == NULL)
    return;
  g_free (self->release);
  g_ptr_array_unref (self->certificates);
  g_hash_table_unref (self->forbidden);
  g_free (self->unread);
  g_ptr_array_unref (self->keys);
  g_free (self->probe_key);
  dkms_digest_modules_free (self->digests);
  g_free (self);
}

/* ---- signatures of modules ---- */

void
dkms_file_signature_free (DkmsFileSignature *self)
{
  if (self == NULL)
    return;
  g_array_unref (self->signers);
  g_ptr_array_unref (self->certificates);
  g_free (self->digest);
  g_free (self->error);
  g_free (self);
}

gboolean
dkms_file_signature_is_own (const DkmsFileSignature *self)
{
  for (guint i = 0; i < self->certificates->len; i++)
    {
      const DkmsCertificate *certificate = self->certificates->pdata[i];
      if (certificate != NULL && certificate->own)
        return TRUE;
    }
  return FALSE;
}

static int
compare_trust (gconstpointer a, gconstpointer b)
{
  const DkmsCertificate *first = *(DkmsCertificate *const *)a, *second = *(DkmsCertificate *const *)b;
  int one = first->known ? rank_of (first->trust) : -1, other = second->known ? rank_of (second->trust) : -1;

  return one != other ? (one > other ? -1 : 1) : strcmp (first->sha256, second->sha256);
}

/* Returns: whether the kernel trusts the key of a signer. @certificate: (nullable): of the signer */
static DkmsKnown
trusts (const DkmsTrustReading *self, const DkmsCertificate *certificate)
{
  if (certificate == NULL || !certificate->known)
    return self->complete ? DKMS_NO : DKMS_DONT_KNOW;
  return certificate->trust == DKMS_TRUST_TRUSTED   ? DKMS_YES
         : certificate->trust == DKMS_TRUST_UNKNOWN ? DKMS_DONT_KNOW
                                                    : DKMS_NO;
}

/* Returns: errno with which the kernel refuses a message that contains a certificate with this key; 0: none. It
 * verifies with the certificate before it looks for one that it trusts */
static int
error_of_carried (const DkmsTrustReading *self, const char *kind, const char *size)
{
  g_autofree char *text = g_strconcat (kind, " ", size, NULL);
  DkmsCertificate *certificate = g_new0 (DkmsCertificate, 1);

  dkms_certificate_take_key (certificate, text);
  DkmsKnown usable = self->options.known ? dkms_certificate_usable (&certificate->facts, &self->options) : DKMS_YES;
  int code = usable != DKMS_NO ? 0 : certificate->facts.is_rsa ? EINVAL : ENOENT;
  dkms_certificate_free (certificate);
  return code;
}

/* Takes "DIGEST pss|plain NUMBER matches|differs|refuted [KEY]". */
static void
take_signer (const DkmsTrustReading *self, const char *value, const GPtrArray *certificates, DkmsFileSignature *to)
{
  g_auto (GStrv) words = g_strsplit (value, " ", -1);
  DkmsSignerFacts signer = { 0 };
  DkmsCertificate *certificate = NULL;

  if (g_strv_length (words) < 4)
    return;
  guint64 number = g_ascii_isdigit (*words[2]) ? g_ascii_strtoull (words[2], NULL, 10) : G_MAXUINT64;
  if (number < certificates->len)
    certificate = certificates->pdata[number];
  signer.digest
      = strcmp (words[1], "pss") == 0 ? DKMS_NO : dkms_digest_modules_have (self->digests, &self->options, words[0]);
  if (certificate != NULL && !certificate->facts.is_rsa && !certificate->facts.is_elliptic)
    signer.digest = DKMS_NO; /* kernels do not know the algorithm */
  if (signer.digest != DKMS_NO && g_strv_length (words) == 6 && to->facts.error == 0)
    to->facts.error = error_of_carried (self, words[4], words[5]);
  signer.trusted = trusts (self, certificate);
  signer.matches = strcmp (words[3], "matches") == 0;
  signer.refuted = strcmp (words[3], "refuted") == 0;
  g_array_append_val (to->signers, signer);
  g_ptr_array_add (to->certificates, certificate);
  if (to->digest == NULL)
    to->digest = g_ascii_strdown (words[0], -1);
}

/* Returns: whether a list of the firmware forbids the file with this digest, and the kernel heeds it */
static DkmsKnown
is_forbidden (const DkmsTrustReading *self, const char *sha256)
{
  if (self->rules.hashes_count == DKMS_NO || self->policy.reads_firmware_keys == DKMS_NO)
    return DKMS_NO;
  if (g_hash_table_contains (self->forbidden, sha256))
    return self->policy.reads_firmware_keys == DKMS_YES ? self->rules.hashes_count : DKMS_DONT_KNOW;
  return self->firmware.efi == DKMS_YES && self->unread == NULL ? DKMS_NO : DKMS_DONT_KNOW;
}

static int
errno_of (const char *name)
{
  return strcmp (name, "EMSGSIZE") == 0 ? EMSGSIZE : strcmp (name, "EKEYREJECTED") == 0 ? EKEYREJECTED : EBADMSG;
}

/* Reads what the helper printed about one file, at @at; moves @at behind it. */
static DkmsFileSignature *
read_signature (const DkmsTrustReading *self, const char **at, const char *end, const GPtrArray *certificates)
{
  DkmsFileSignature *to = g_new0 (DkmsFileSignature, 1);
  gboolean ended = FALSE;
  const char *key, *value;

  to->signers = g_array_new (FALSE, FALSE, sizeof (DkmsSignerFacts));
  to->certificates = g_ptr_array_new ();
  to->facts.is_signed = TRUE;
  to->facts.blacklisted = DKMS_DONT_KNOW;
  while (!ended && dkms_pairs_next (at, end, &key, &value))
    if (strcmp (key, "sha256") == 0)
      to->facts.blacklisted = is_forbidden (self, value);
    else if (strcmp (key, "unsigned") == 0)
      to->facts.is_signed = FALSE;
    else if (strcmp (key, "refused") == 0 && strcmp (value, "ENOPKG") == 0)
      to->facts.other_type = TRUE;
    else if (strcmp (key, "refused") == 0)
      to->facts.error = errno_of (value);
    else if (strcmp (key, "signer") == 0)
      take_signer (self, value, certificates, to);
    else if (strcmp (key, "error") == 0)
      to->error = g_strdup (value);
    else if (strcmp (key, "end") == 0)
      ended = TRUE;
  if (!ended && to->error == NULL)
    to->error = g_strdup ("the helper failed");
  to->facts.signers = (const DkmsSignerFacts *)(void *)to->signers->data;
  to->facts.n_signers = to->signers->len;
  return to;
}

GPtrArray *
dkms_trust_reading_signatures (const DkmsTrustReading *self, const DkmsSettings *settings, const GPtrArray *paths,
                               GError **error)
{
  static const char *const argv[] = { "dkms-trust", "signature", NULL };
  g_autofree char *name = g_strconcat ("signatures-", self->release, NULL);
  g_autoptr (GPtrArray) certificates = g_ptr_array_new (), ders = g_ptr_array_new ();
  g_autoptr (GPtrArray) inputs = g_ptr_array_new_with_free_func ((GDestroyNotify)g_bytes_unref);
  GPtrArray *signatures = g_ptr_array_new_with_free_func ((GDestroyNotify)dkms_file_signature_free);
  const char *at, *end;

  if (paths->len == 0)
    return signatures;
  /* The helper names the first certificate of a signer. */
  for (guint i = 0; i < self->certificates->len; i++)
    g_ptr_array_add (certificates, self->certificates->pdata[i]);
  g_ptr_array_sort (certificates, compare_trust);
  for (guint i = 0; i < certificates->len; i++)
    g_ptr_array_add (ders, ((const DkmsCertificate *)certificates->pdata[i])->der);
  g_ptr_array_add (inputs, dkms_certificates_join (ders));
  g_autoptr (GBytes) answer = dkms_answers_ask_with (&settings->places, name, argv, inputs, paths, error);
  if (answer == NULL)
    return g_ptr_array_unref (signatures), NULL;
  at = dkms_pairs_begin (answer, &end);
  for (guint i = 0; i < paths->len; i++)
    g_ptr_array_add (signatures, read_signature (self, &at, end, certificates));
  return signatures;
}
