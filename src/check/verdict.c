/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Converts verdicts to findings. */
#include "check/verdict.h"

#include <string.h>

#include "base/language.h"

/* The finding for each reason of a refusal. */
static DkmsCode
code_of (DkmsLoadReason reason)
{
  static const DkmsCode codes[] = {
    [DKMS_LOAD_UNSIGNED] = DKMS_CODE_UNSIGNED,
    [DKMS_LOAD_MALFORMED] = DKMS_CODE_MALFORMED,
    [DKMS_LOAD_UNSUPPORTED] = DKMS_CODE_DIGEST_UNAVAILABLE,
    [DKMS_LOAD_KEY_UNKNOWN] = DKMS_CODE_KEY_UNKNOWN,
    [DKMS_LOAD_TAMPERED] = DKMS_CODE_TAMPERED,
    [DKMS_LOAD_BLACKLISTED_HASH] = DKMS_CODE_BLACKLISTED_HASH,
    [DKMS_LOAD_NOT_A_MODULE] = DKMS_CODE_NOT_ELF,
    [DKMS_LOAD_OTHER_MACHINE] = DKMS_CODE_OTHER_MACHINE,
    [DKMS_LOAD_NO_SYMBOLS] = DKMS_CODE_STRIPPED_SYMBOLS,
    [DKMS_LOAD_STRUCT_SIZE] = DKMS_CODE_STRUCT_SIZE,
    [DKMS_LOAD_FORBIDDEN] = DKMS_CODE_CMDLINE_BLACKLIST,
    [DKMS_LOAD_LAYOUT] = DKMS_CODE_LAYOUT_CRC,
    [DKMS_LOAD_NO_CRCS] = DKMS_CODE_NO_CRCS,
    [DKMS_LOAD_VERMAGIC] = DKMS_CODE_OTHER_FLAGS,
    [DKMS_LOAD_NO_VERMAGIC] = DKMS_CODE_VERMAGIC_MISSING,
    [DKMS_LOAD_UNDEFINED] = DKMS_CODE_UNDEFINED,
    [DKMS_LOAD_GPL_ONLY] = DKMS_CODE_GPL_ONLY,
    [DKMS_LOAD_PROPRIETARY] = DKMS_CODE_GPL_ONLY,
    [DKMS_LOAD_CRC] = DKMS_CODE_CRC,
    [DKMS_LOAD_CRC_MISSING] = DKMS_CODE_CRC_MISSING,
    [DKMS_LOAD_NAMESPACE] = DKMS_CODE_NAMESPACE,
    [DKMS_LOAD_DUPLICATE] = DKMS_CODE_DUPLICATE_EXPORT,
    [DKMS_LOAD_BTF] = DKMS_CODE_BTF_MISMATCH,
  };

  return codes[reason];
}

/* A signer whose certificate is known gets a more exact finding. */
static DkmsCode
code_of_trust (DkmsTrust trust)
{
  return trust == DKMS_TRUST_UNUSABLE        ? DKMS_CODE_KEY_UNUSABLE
         : trust == DKMS_TRUST_PLATFORM_ONLY ? DKMS_CODE_PLATFORM_ONLY
         : trust == DKMS_TRUST_REVOKED       ? DKMS_CODE_KEY_REVOKED
                                             : DKMS_CODE_KEY_UNKNOWN;
}

static gboolean
is_about_trust (DkmsLoadReason reason)
{
  return reason >= DKMS_LOAD_UNSIGNED && reason <= DKMS_LOAD_BLACKLISTED_HASH;
}

static gboolean
is_about_symbols (DkmsLoadReason reason)
{
  return reason == DKMS_LOAD_LAYOUT || (reason >= DKMS_LOAD_UNDEFINED && reason <= DKMS_LOAD_DUPLICATE);
}

/* Returns: (nullable): the value of {text} in the sentence */
static const char *
text_for (const DkmsLoadVerdict *verdict, DkmsCode code, const DkmsLoadModule *module,
          const DkmsVerdictContext *context)
{
  switch (code)
    {
    case DKMS_CODE_KEY_UNKNOWN:
    case DKMS_CODE_KEY_REVOKED:
    case DKMS_CODE_KEY_UNUSABLE:
    case DKMS_CODE_PLATFORM_ONLY:
      return context->signer;
    case DKMS_CODE_DIGEST_UNAVAILABLE:
      return context->digest;
    case DKMS_CODE_NOT_ELF:
      return context->error != NULL ? context->error : N_ ("it is empty or damaged");
    case DKMS_CODE_OTHER_FLAGS:
      return module->vermagic;
    case DKMS_CODE_CMDLINE_BLACKLIST:
      return "module_blacklist=";
    default:
      return verdict->symbol;
    }
}

static DkmsConfidence
confidence_of (DkmsLoadReason reason, const DkmsVerdictContext *context)
{
  return is_about_symbols (reason) ? context->symbols
         : is_about_trust (reason) ? context->policy
                                   : DKMS_CONFIDENCE_CERTAIN;
}

static void
find_unknown (const DkmsLoadVerdict *verdict, const DkmsVerdictContext *context, GPtrArray *findings)
{
  if (is_about_trust (verdict->reason))
    DKMS_FIND (findings, TRUST_UNKNOWN, UNKNOWN, UNKNOWN, .id = context->id, .name = context->file,
               .text = context->policy_unread);
  else
    DKMS_FIND (findings, SYMBOLS_UNKNOWN, UNKNOWN, UNKNOWN, .id = context->id, .name = context->file,
               .text = context->kernel_unread != NULL ? context->kernel_unread : N_ ("no source of them exists"));
}

/* A module that loads although its signature is not trusted taints the kernel. */
static void
find_taint (const DkmsLoadVerdict *verdict, const DkmsLoadModule *module, const DkmsVerdictContext *context,
            GPtrArray *findings)
{
  DkmsCode code = !module->signature.is_signed ? DKMS_CODE_UNSIGNED : code_of_trust (context->trust);

  if (strchr (verdict->taint, 'E') == NULL)
    return;
  if (module->signature.is_signed && (module->signature.other_type || module->signature.n_signers == 0))
    code = DKMS_CODE_DIGEST_UNAVAILABLE;
  dkms_check_findings_add (findings, code, DKMS_RESULT_NOTE, context->policy,
                           &(const DkmsErrorInfo){ .id = context->id,
                                                   .name = context->file,
                                                   .text = text_for (verdict, code, module, context) });
}

/* The release in vermagic differs, and the kernel compares symbols instead. */
static void
find_release (const DkmsLoadModule *module, const DkmsLoadKernel *kernel, const DkmsVerdictContext *context,
              GPtrArray *findings)
{
  g_autofree char *release = NULL;
  gsize length;

  if (module->vermagic == NULL || kernel->vermagic == NULL)
    return;
  length = strcspn (module->vermagic, " ");
  if (length == strcspn (kernel->vermagic, " ") && strncmp (module->vermagic, kernel->vermagic, length) == 0)
    return;
  release = g_strndup (module->vermagic, length);
  DKMS_FIND (findings, OTHER_RELEASE, NOTE, CERTAIN, .id = context->id, .name = context->file, .text = release);
}

void
dkms_verdict_find (const DkmsLoadVerdict *verdict, const DkmsLoadModule *module, const DkmsLoadKernel *kernel,
                   const DkmsVerdictContext *context, GPtrArray *findings)
{
  DkmsCode code;

  if (verdict->loads == DKMS_DONT_KNOW)
    {
      find_unknown (verdict, context, findings);
      return;
    }
  if (verdict->loads == DKMS_YES)
    {
      find_taint (verdict, module, context, findings);
      find_release (module, kernel, context, findings);
      if (module->has_btf && module->btf_fits == DKMS_NO)
        DKMS_FIND (findings, BTF_MISMATCH, WARNING, CERTAIN, .id = context->id, .name = context->file);
      return;
    }
  code = verdict->reason == DKMS_LOAD_KEY_UNKNOWN && context->signer != NULL ? code_of_trust (context->trust)
                                                                             : code_of (verdict->reason);
  dkms_check_findings_add (findings, code, DKMS_RESULT_PROBLEM, confidence_of (verdict->reason, context),
                           &(const DkmsErrorInfo){ .id = context->id,
                                                   .name = context->file,
                                                   .text = text_for (verdict, code, module, context) });
}
