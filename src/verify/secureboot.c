/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Reads the machine and kernels, judges the key and the installed modules, and emits both. */
#define _GNU_SOURCE
#include "verify/secureboot.h"

#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/unread.h"
#include "check/enrolment.h"
#include "kernel/kernel.h"
#include "machine/next-boot.h"
#include "store/layout.h"
#include "store/scan.h"
#include "verify/enrol.h"
#include "verify/key-checks.h"
#include "verify/probe.h"
#include "verify/trust.h"

enum { SIGNERS_SHOWN = 4 };

/* A kernel that is asked about. */
typedef struct {
  const DkmsSettings *settings;
  DkmsListener *events;
  DkmsId id; /* kernel and arch */
  const DkmsTrustReading *trust;
  char *hash; /* (nullable): the digest of its signatures */
  DkmsKnown needed;
  const DkmsOwnKey *key;   /* the best of the keys: one that the kernel accepts, or else the first one */
  DkmsEnrolment enrolment; /* of its certificate */
  gboolean denied;         /* the running kernel has refused a signature */
  guint refused, unsure;   /* installed module files */
} Subject;

/* ---- the machine ---- */

static char *
firmware_in_words (const DkmsRoot *root, const DkmsTrustReading *trust)
{
  const DkmsFirmware *firmware = &trust->firmware;

  if (!dkms_root_is_host (root) && firmware->efi == DKMS_DONT_KNOW) /* it has no /sys */
    return DKMS_SAY (BOOT_OF_ANOTHER, .path = root->host_path);
  if (firmware->efi == DKMS_NO)
    return DKMS_SAY (BOOT_WITHOUT_EFI, .kind = 0);
  if (firmware->efi == DKMS_DONT_KNOW || firmware->secure_boot == DKMS_DONT_KNOW)
    return DKMS_SAY (BOOT_UNKNOWN, .kind = 0);
  if (firmware->secure_boot == DKMS_NO)
    return DKMS_SAY (BOOT_INSECURE, .kind = 0);
  return firmware->unchecked       ? DKMS_SAY (BOOT_UNCHECKED, .kind = 0)
         : trust->shim == DKMS_YES ? DKMS_SAY (BOOT_SECURE_WITH_SHIM, .kind = 0)
                                   : DKMS_SAY (BOOT_SECURE, .kind = 0);
}

static void
emit_machine (const Subject *self)
{
  const DkmsTrustReading *trust = self->trust;
  g_autofree char *text = firmware_in_words (self->settings->places.root, trust);
  const char *validated = trust->firmware.unchecked ? "no" : dkms_known_name (trust->shim);

  DKMS_EMIT (self->events, SECURE_STATE, .name = dkms_known_name (trust->firmware.secure_boot), .text = validated,
             .place = dkms_known_name (trust->firmware.efi));
  DKMS_EMIT (self->events, SECURE_BOOT_IS, .text = text);
}

/* ---- the kernel ---- */

/* Returns: (transfer full): the digests that the kernel can verify, separated by commas */
static char *
emit_digests (const Subject *self)
{
  static const char *const digests[] = { "sha1", "sha256", "sha384", "sha512", "sha3-256", "sha3-384", "sha3-512" };
  GString *list = g_string_new (NULL);

  for (gsize i = 0; i < G_N_ELEMENTS (digests); i++)
    if (dkms_signing_options_have (&self->trust->options, digests[i], FALSE) == DKMS_YES)
      {
        DKMS_EMIT (self->events, SECURE_DIGEST, .id = self->id, .name = digests[i]);
        if (g_str_has_prefix (digests[i], "sha3-") || strcmp (digests[i], "sha1") == 0)
          continue; /* no kernel of a distribution signs with these */
        g_string_append_printf (list, "%s%s", list->len > 0 ? ", " : "", digests[i]);
      }
  return g_string_free (list, FALSE);
}

static void
emit_kernel (const Subject *self)
{
  const DkmsSigningOptions *options = &self->trust->options;
  const DkmsModulePolicy *policy = &self->trust->policy;
  const char *keys = !options->elliptic_curves                  ? "RSA 2048-4096"
                     : options->release >= DKMS_RELEASE (6, 10) ? "RSA 2048-4096, EC P-256/384/521"
                                                                : "RSA 2048-4096, EC P-256/384";
  const DkmsPhrase phrase = !options->known                                            ? DKMS_PHRASE_KERNEL_UNKNOWN
                            : !options->signatures                                     ? DKMS_PHRASE_KERNEL_IGNORES
                            : policy->locked == DKMS_YES                               ? DKMS_PHRASE_KERNEL_LOCKED
                            : policy->enforces == DKMS_YES                             ? DKMS_PHRASE_KERNEL_ENFORCES
                            : policy->enforces == DKMS_NO && policy->locked == DKMS_NO ? DKMS_PHRASE_KERNEL_TOLERATES
                                                                                       : DKMS_PHRASE_KERNEL_MAY_ENFORCE;

  DKMS_EMIT (self->events, SECURE_KERNEL, .id = self->id, .name = dkms_known_name (policy->enforces),
             .text = dkms_known_name (policy->locked), .place = self->hash);
  g_autofree char *digests = emit_digests (self);
  g_autofree char *text = dkms_phrase_with (phrase, &(const DkmsErrorInfo){ .text = keys, .name = digests });
  DKMS_EMIT (self->events, SECURE_KERNEL_IS, .id = self->id, .text = text);
}

/* ---- the key ---- */

static DkmsEnrolment
enrolment_of (const Subject *self, const DkmsOwnKey *key, DkmsKnown *usable)
{
  const DkmsTrustReading *trust = self->trust;
  const DkmsCertificate *own = key->own;

  *usable = DKMS_DONT_KNOW;
  if (own == NULL)
    return self->needed == DKMS_NO ? DKMS_ENROLMENT_NOT_NEEDED : DKMS_ENROLMENT_UNKNOWN;
  if (trust->options.known)
    *usable = dkms_certificate_usable (&own->facts, &trust->options);
  const DkmsEnrolmentFacts facts = { .needed = self->needed,
                                     .usable = *usable,
                                     .listed = own->known,
                                     .source = own->source,
                                     .trust = own->trust,
                                     .to_enrol = dkms_certificate_is_on (own, DKMS_LIST_TO_ENROL),
                                     .to_delete = dkms_certificate_is_on (own, DKMS_LIST_TO_DELETE),
                                     .read = trust->unread == NULL,
                                     .reads_firmware_keys = trust->policy.reads_firmware_keys,
                                     .efi = trust->firmware.efi,
                                     .shim = trust->shim };
  return dkms_enrolment (&facts);
}

/* Whether the certificate does not exist, so that the next build will create it. */
static gboolean
is_to_be_created (const Subject *self, const DkmsOwnKey *key)
{
  guint mark = dkms_unread_mark ();
  struct stat st;
  gboolean absent
      = key->certificate == NULL
        || (dkms_root_stat (self->settings->places.root, key->certificate, &st) < 0 && dkms_unread_mark () == mark);

  dkms_unread_drop (mark);
  return absent;
}

static char *
key_in_words (const Subject *self, const DkmsOwnKey *key)
{
  const DkmsCertificate *own = key->own;

  if (own == NULL && is_to_be_created (self, key))
    return DKMS_SAY (KEY_NOT_CREATED, .kind = 0);
  if (own == NULL)
    return DKMS_SAY (KEY_UNREAD, .text = key->error);
  g_autofree char *ends = dkms_date_of (own->ends);
  return DKMS_SAY (KEY_SHOWN, .text = own->key, .name = self->hash, .near = own->name, .place = ends);
}

static const DkmsPhrase states[] = {
  [DKMS_ENROLMENT_ENROLLED] = DKMS_PHRASE_IS_ENROLLED,
  [DKMS_ENROLMENT_BUILT_IN] = DKMS_PHRASE_IS_BUILT_IN,
  [DKMS_ENROLMENT_PENDING] = DKMS_PHRASE_IS_PENDING,
  [DKMS_ENROLMENT_PENDING_REMOVAL] = DKMS_PHRASE_IS_PENDING_REMOVAL,
  [DKMS_ENROLMENT_NOT_ENROLLED] = DKMS_PHRASE_IS_NOT_ENROLLED,
  [DKMS_ENROLMENT_REVOKED] = DKMS_PHRASE_IS_REVOKED,
  [DKMS_ENROLMENT_NOT_USABLE] = DKMS_PHRASE_IS_NOT_USABLE,
  [DKMS_ENROLMENT_PLATFORM_ONLY] = DKMS_PHRASE_IS_PLATFORM_ONLY,
  [DKMS_ENROLMENT_NOT_READ] = DKMS_PHRASE_IS_NOT_READ,
  [DKMS_ENROLMENT_NOT_NEEDED] = DKMS_PHRASE_IS_NOT_NEEDED,
  [DKMS_ENROLMENT_NO_EFI] = DKMS_PHRASE_IS_NO_EFI,
  [DKMS_ENROLMENT_NO_SHIM] = DKMS_PHRASE_IS_NO_SHIM,
  [DKMS_ENROLMENT_UNKNOWN] = DKMS_PHRASE_IS_UNKNOWN,
};

static void
emit_key (const Subject *self, const DkmsOwnKey *key)
{
  const DkmsCertificate *own = key->own;
  g_autofree char *ends = own != NULL ? dkms_time_text (own->ends) : NULL;
  const DkmsEvent certificate = { .kind = DKMS_EVENT_SECURE_CERTIFICATE,
                                  .text = own != NULL ? own->subject : NULL,
                                  .name = own != NULL ? own->identifier : NULL,
                                  .path = own != NULL ? own->key : NULL,
                                  .place = ends };
  g_autofree char *text = key_in_words (self, key);
  DkmsKnown usable;
  DkmsEnrolment enrolment = enrolment_of (self, key, &usable);

  DKMS_EMIT (self->events, SECURE_KEY, .id = self->id, .path = key->key, .place = key->certificate,
             .name = dkms_enrolment_name (enrolment), .text = dkms_known_name (usable),
             .reason = own != NULL ? &certificate : NULL);
  DKMS_EMIT (self->events, SECURE_KEY_IS, .path = key->key != NULL ? key->key : key->certificate, .text = text);
  if (own == NULL)
    return;
  g_autofree char *state = dkms_phrase_with (states[enrolment], &(const DkmsErrorInfo){ .path = self->trust->unread });
  DKMS_EMIT (self->events, SECURE_ENROLMENT_IS, .text = state);
}

/* One key that the kernel accepts is enough; the first one stands for keys that it does not accept. */
static void
choose_key (Subject *self)
{
  const GPtrArray *keys = self->trust->keys;
  DkmsKnown usable;

  self->key = keys->pdata[0];
  self->enrolment = enrolment_of (self, self->key, &usable);
  for (guint i = 1; i < keys->len && dkms_enrolment_serves (self->enrolment, self->needed) != DKMS_YES; i++)
    {
      DkmsEnrolment enrolment = enrolment_of (self, keys->pdata[i], &usable);

      if (dkms_enrolment_serves (enrolment, self->needed) == DKMS_YES)
        {
          self->key = keys->pdata[i];
          self->enrolment = enrolment;
        }
    }
}

static void
emit_keys (const Subject *self)
{
  const GPtrArray *keys = self->trust->keys;

  emit_key (self, self->key);
  for (guint i = 0; i < keys->len; i++)
    if (keys->pdata[i] != self->key)
      emit_key (self, keys->pdata[i]);
}

/* ---- the answer of the kernel ---- */

static void
emit_test (const Subject *self, const DkmsProbe *probe)
{
  const DkmsPhrase phrase = probe->enforces == DKMS_NO   ? DKMS_PHRASE_TEST_ACCEPTS_ALL
                            : probe->accepts == DKMS_YES ? DKMS_PHRASE_TEST_ACCEPTED
                            : probe->accepts == DKMS_NO  ? DKMS_PHRASE_TEST_REFUSED
                                                         : DKMS_PHRASE_TEST_UNCLEAR;
  g_autofree char *text = dkms_phrase_with (phrase, &(const DkmsErrorInfo){ 0 });

  DKMS_EMIT (self->events, SECURE_TEST, .id = self->id, .name = dkms_known_name (probe->enforces),
             .text = dkms_known_name (probe->accepts), .place = dkms_known_name (probe->trusts));
  DKMS_EMIT (self->events, SECURE_TEST_IS, .text = text);
}

/* ---- installed modules ---- */

/* Module files of one kernel. */
typedef struct {
  GPtrArray *paths; /* (element-type utf8): in the tree, paths of the host */
  GPtrArray *ids;   /* (element-type DkmsId): of each */
} Files;

static void
add_build (const DkmsPlaces *places, const DkmsId *id, Files *to)
{
  g_autofree char *dir = dkms_layout_build (places, id, "module");
  g_auto (DkmsFd) fd = dkms_root_openat (places->root, dir, O_RDONLY | O_DIRECTORY, 0);
  g_autoptr (GPtrArray) names = fd >= 0 ? dkms_list_dir_at (fd, ".", NULL) : NULL;

  for (guint i = 0; names != NULL && i < names->len; i++)
    {
      g_autofree char *path = g_build_filename (dir, names->pdata[i], NULL);
      if (strstr (names->pdata[i], ".ko") == NULL)
        continue;
      g_ptr_array_add (to->paths, dkms_root_resolved (places->root, path));
      g_ptr_array_add (to->ids, dkms_id_copy (id));
    }
}

/* Finds the files of builds that are installed for the kernel. */
static gboolean
find_files (const Subject *self, Files *to, GError **error)
{
  const DkmsPlaces *places = &self->settings->places;
  g_autoptr (DkmsState) state = dkms_state_read_most (places, NULL, error);

  for (guint i = 0; state != NULL && i < state->versions->len; i++)
    {
      const DkmsVersion *version = state->versions->pdata[i];
      for (guint k = 0; k < version->builds->len; k++)
        {
          const DkmsBuild *build = version->builds->pdata[k];
          const DkmsId id = dkms_build_id (version, build);
          if (build->active && strcmp (build->kernel, self->id.kernel) == 0)
            add_build (places, &id, to);
        }
    }
  return state != NULL;
}

/* Returns: whether the kernel accepts the signature */
static DkmsKnown
accepts (const Subject *self, const DkmsFileSignature *signature)
{
  DkmsLoadKernel kernel = { 0 };

  dkms_trust_reading_policy (self->trust, &kernel);
  return signature->error != NULL ? DKMS_DONT_KNOW : dkms_load_accepts (&signature->facts, &kernel);
}

typedef struct {
  guint own, other, unsigned_;
  GPtrArray *signers; /* (element-type utf8): phrases about other signers, each once */
} Counts;

static void
note_signer (Counts *counts, const char *module, const DkmsCertificate *signer)
{
  char *phrase = signer != NULL ? DKMS_SAY (ONE_OTHER_SIGNER, .name = module, .text = signer->name)
                                : DKMS_SAY (ONE_UNKNOWN_SIGNER, .name = module);

  if (g_ptr_array_find_with_equal_func (counts->signers, phrase, g_str_equal, NULL))
    g_free (phrase);
  else
    g_ptr_array_add (counts->signers, phrase);
}

static void
take_file (Subject *self, const char *path, const DkmsId *id, const DkmsFileSignature *signature, Counts *counts)
{
  const DkmsCertificate *signer = signature->certificates->len > 0 ? signature->certificates->pdata[0] : NULL;
  gboolean own = dkms_file_signature_is_own (signature);
  DkmsKnown accepted = accepts (self, signature);
  const char *kind = own ? "own" : signature->facts.is_signed ? "other" : "unsigned";

  self->refused += accepted == DKMS_NO;
  self->unsure += accepted == DKMS_DONT_KNOW;
  counts->own += own;
  counts->unsigned_ += !signature->facts.is_signed;
  if (!own && signature->facts.is_signed)
    {
      counts->other++;
      note_signer (counts, id->module, signer);
    }
  DKMS_EMIT (self->events, SECURE_FILE, .id = *id, .path = path, .name = kind, .place = dkms_known_name (accepted),
             .text = signer != NULL ? signer->name : NULL);
}

static void
emit_counts (const Subject *self, const Counts *counts)
{
  g_autofree char *own = g_strdup_printf ("%u", counts->own), *other = g_strdup_printf ("%u", counts->other),
                  *none = g_strdup_printf ("%u", counts->unsigned_);
  g_autofree char *list = counts->signers->len > 0 ? dkms_list_names ((const char *const *)counts->signers->pdata,
                                                                      counts->signers->len, SIGNERS_SHOWN)
                                                   : NULL;
  gboolean empty = counts->own + counts->other + counts->unsigned_ == 0;
  g_autofree char *text = empty ? DKMS_SAY (MODULES_NONE, .kind = 0)
                                : DKMS_SAY (MODULES_SIGNED, .text = own, .name = other, .place = none, .near = list);

  DKMS_EMIT (self->events, SECURE_MODULES_ARE, .text = text);
}

static gboolean
emit_modules (Subject *self, GError **error)
{
  g_autoptr (GPtrArray) paths = g_ptr_array_new_with_free_func (g_free);
  g_autoptr (GPtrArray) ids = g_ptr_array_new_with_free_func ((GDestroyNotify)dkms_id_free);
  g_autoptr (GPtrArray) signers = g_ptr_array_new_with_free_func (g_free);
  Files files = { paths, ids };
  Counts counts = { .signers = signers };

  if (!find_files (self, &files, error))
    return FALSE;
  g_autoptr (GPtrArray) signatures = dkms_trust_reading_signatures (self->trust, self->settings, paths, error);
  if (signatures == NULL)
    return FALSE;
  for (guint i = 0; i < paths->len; i++)
    take_file (self, paths->pdata[i], ids->pdata[i], signatures->pdata[i], &counts);
  emit_counts (self, &counts);
  return TRUE;
}

/* ---- advice ---- */

/* Returns: (transfer full) (nullable): what to do about the key */
static char *
advice_for (const Subject *self)
{
  const DkmsTrustReading *trust = self->trust;

  if (self->key->own == NULL && is_to_be_created (self, self->key))
    return DKMS_SAY (CREATE_IT, .kind = 0);
  switch (self->enrolment)
    {
    case DKMS_ENROLMENT_NOT_ENROLLED:
      return DKMS_SAY (ENROL_IT, .kind = 0);
    case DKMS_ENROLMENT_PENDING:
      return DKMS_SAY (CONFIRM_IT, .kind = 0);
    case DKMS_ENROLMENT_PENDING_REMOVAL:
      return DKMS_SAY (KEEP_IT, .kind = 0);
    case DKMS_ENROLMENT_REVOKED:
    case DKMS_ENROLMENT_NOT_USABLE:
      return DKMS_SAY (REPLACE_KEY, .path = self->key->key, .place = self->key->certificate);
    case DKMS_ENROLMENT_PLATFORM_ONLY:
      return trust->options.only_ca ? DKMS_SAY (NEEDS_CA, .kind = 0) : DKMS_SAY (BUILD_IT_IN, .kind = 0);
    case DKMS_ENROLMENT_NOT_READ:
      return DKMS_SAY (USE_RUNTIME, .kind = 0);
    case DKMS_ENROLMENT_NO_EFI:
      return DKMS_SAY (BUILD_IT_IN, .kind = 0);
    case DKMS_ENROLMENT_NO_SHIM:
      return DKMS_SAY (USE_DB, .kind = 0);
    case DKMS_ENROLMENT_UNKNOWN:
      return geteuid () != 0 && dkms_root_is_host (self->settings->places.root) ? DKMS_SAY (RUN_AS_ROOT, .kind = 0)
                                                                                : NULL;
    default:
      return NULL;
    }
}

/* Emits advice, and fails if something will be refused or is not known. The first failure remains. */
static void
conclude (const Subject *self, GError **error)
{
  DkmsKnown serves = dkms_enrolment_serves (self->enrolment, self->needed);
  gboolean absent = self->key->own == NULL && is_to_be_created (self, self->key);
  g_autofree char *advice = serves != DKMS_YES || absent ? advice_for (self) : NULL;
  gboolean refused = self->denied || self->refused > 0 || (serves == DKMS_NO && !absent),
           unknown = self->unsure > 0 || (serves == DKMS_DONT_KNOW && !absent);

  if (advice == NULL && self->refused > 0)
    advice = DKMS_SAY (SIGN_AGAIN);
  if (advice != NULL)
    DKMS_EMIT (self->events, SECURE_NEXT, .text = advice);
  if (refused && !g_error_matches (*error, DKMS_ERROR, DKMS_ERROR_SIGNATURES_REFUSED))
    {
      g_clear_error (error);
      (void)DKMS_FAIL (error, SIGNATURES_REFUSED, .id = self->id);
    }
  else if (unknown && *error == NULL)
    (void)DKMS_FAIL (error, SIGNATURES_UNKNOWN, .id = self->id);
}

/* ---- the verb ---- */

/* Returns: (transfer full) (nullable): the command line with which the kernel runs or will boot; that of the running
 * kernel for others, because boot loaders usually give all kernels the same one */
static char *
cmdline_of (const DkmsRoot *root, const char *release, const DkmsNextBoot *boot)
{
  char *text = NULL;

  if (g_strcmp0 (boot->release, release) == 0 && boot->cmdline != NULL
      && strcmp (release, dkms_running_release ()) != 0)
    return g_strdup (boot->cmdline);
  if (!dkms_root_is_host (root) || !g_file_get_contents ("/proc/cmdline", &text, NULL, NULL))
    return NULL;
  return text;
}

static gboolean
answer_for (const DkmsSettings *settings, DkmsListener *events, const DkmsId *id, const DkmsNextBoot *boot,
            const DkmsRequest *request, GError **error)
{
  const DkmsRoot *root = settings->places.root;
  gboolean next = g_strcmp0 (boot->release, id->kernel) == 0;
  g_autofree char *cmdline = cmdline_of (root, id->kernel, boot);
  g_autoptr (DkmsKernelReading) kernel = dkms_kernel_reading_new (settings, id->kernel, next ? boot->kernel : NULL);
  g_autoptr (DkmsTrustReading) trust = dkms_trust_reading_new (settings, kernel, cmdline);
  g_autofree char *hash = dkms_kernel_config_value (kernel->config, "CONFIG_MODULE_SIG_HASH");
  const DkmsModulePolicy *policy = &trust->policy;
  g_autoptr (GError) failed = NULL;
  Subject self = { .settings = settings,
                   .events = events,
                   .id = { .kernel = id->kernel, .arch = id->arch },
                   .trust = trust,
                   .hash = hash };
  DkmsProbe probe;

  if (request->test && !dkms_probe_run (settings, kernel, trust, &probe, error))
    return FALSE;
  if (request->test)
    {
      dkms_trust_reading_take (trust, &probe, TRUE);
      self.denied = probe.accepts == DKMS_NO;
    }
  self.needed = policy->enforces == DKMS_YES || policy->locked == DKMS_YES ? DKMS_YES
                : policy->enforces == DKMS_NO && policy->locked == DKMS_NO ? DKMS_NO
                                                                           : DKMS_DONT_KNOW;
  if (id == request->targets->pdata[0])
    emit_machine (&self);
  emit_kernel (&self);
  choose_key (&self);
  emit_keys (&self);
  if (request->test)
    emit_test (&self, &probe);
  if (!emit_modules (&self, &failed))
    {
      g_clear_error (error);
      g_propagate_error (error, g_steal_pointer (&failed));
      return FALSE;
    }
  dkms_key_checks (settings, events, trust, hash);
  conclude (&self, error);
  return TRUE;
}

static gboolean
enrol_for (const DkmsSettings *settings, DkmsListener *events, const DkmsId *id, GError **error)
{
  g_autoptr (DkmsKernelReading) kernel = dkms_kernel_reading_new (settings, id->kernel, NULL);
  g_autoptr (DkmsTrustReading) trust = dkms_trust_reading_new (settings, kernel, NULL);

  return dkms_enrol (settings, events, trust, error);
}

gboolean
dkms_secureboot (const DkmsSettings *settings, DkmsListener *events, const DkmsRequest *request, GError **error)
{
  g_autoptr (DkmsNextBoot) boot = dkms_next_boot_find (settings->places.root, settings->places.install_tree);
  g_autoptr (GError) failed = NULL;

  if (request->enroll)
    return enrol_for (settings, events, request->targets->pdata[0], error);
  for (guint i = 0; i < request->targets->len; i++)
    {
      const DkmsId *target = request->targets->pdata[i];
      if (i > 0)
        DKMS_EMIT (events, BLANK, .piece = 0);
      if (!answer_for (settings, events, target, boot, request, &failed))
        break;
    }
  if (failed == NULL)
    return TRUE;
  g_propagate_error (error, g_steal_pointer (&failed));
  return FALSE;
}
