/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Makes the checks that a kernel makes before it loads a module. */
#include "check/load.h"

#include <errno.h>
#include <string.h>

const char *
dkms_known_name (DkmsKnown known)
{
  static const char *const names[] = { "no", "yes", "unknown" };

  return names[known];
}

/* Taints, in the order of their letters in /sys. */
enum { PROPRIETARY = 1, FORCED = 2, OUT_OF_TREE = 4, UNSIGNED = 8 };

typedef struct {
  const DkmsLoadModule *module;
  const DkmsLoadKernel *kernel;
  DkmsLoadVerdict verdict;
  guint taints;
  gboolean unsure; /* a check could not be made; it may refuse the module with another code */
} Check;

/* ---- how checks end ---- */

static gboolean
refuse (Check *self, int code, DkmsLoadReason reason, const char *symbol)
{
  self->verdict = (DkmsLoadVerdict){ .loads = DKMS_NO, .code = code, .reason = reason, .symbol = symbol };
  return FALSE;
}

/* The module may be refused for @reason. Returns: TRUE, because further checks follow */
static gboolean
doubt (Check *self, DkmsLoadReason reason, const char *symbol)
{
  if (!self->unsure)
    self->verdict = (DkmsLoadVerdict){ .loads = DKMS_DONT_KNOW, .reason = reason, .symbol = symbol };
  self->unsure = TRUE;
  return TRUE;
}

/* ---- the signature ---- */

/* Returns: whether a signature is missing or not trusted, in a way that only some policies refuse */
static gboolean
tolerate (Check *self, DkmsLoadReason reason)
{
  const DkmsLoadKernel *kernel = self->kernel;

  if (kernel->enforces == DKMS_YES)
    return refuse (self, EKEYREJECTED, reason, NULL);
  if (kernel->enforces == DKMS_DONT_KNOW)
    return doubt (self, reason, NULL);
  if (kernel->locked == DKMS_YES)
    return refuse (self, EPERM, reason, NULL);
  if (kernel->locked == DKMS_DONT_KNOW)
    return doubt (self, reason, NULL);
  self->taints |= UNSIGNED;
  return TRUE;
}

static gboolean
check_signers (Check *self)
{
  const DkmsSignatureFacts *signature = &self->module->signature;
  guint unsupported = 0, unknown = 0;
  gboolean good = FALSE;

  for (guint i = 0; i < signature->n_signers; i++)
    {
      const DkmsSignerFacts *signer = &signature->signers[i];
      if (signer->digest == DKMS_NO)
        unsupported++;
      else if (signer->digest == DKMS_YES && (signer->refuted || (signer->trusted == DKMS_YES && !signer->matches)))
        return refuse (self, EKEYREJECTED, DKMS_LOAD_TAMPERED, NULL);
      else if (signer->trusted == DKMS_YES && signer->digest == DKMS_YES)
        good = TRUE;
      else if (signer->trusted == DKMS_DONT_KNOW || (signer->trusted == DKMS_YES && signer->digest == DKMS_DONT_KNOW))
        unknown++;
    }
  if (good)
    return TRUE;
  if (unknown > 0)
    {
      /* Whether it is trusted matters only where an untrusted one is refused, or taints the kernel. */
      if (self->kernel->enforces == DKMS_NO && self->kernel->locked == DKMS_NO)
        {
          self->unsure = TRUE;
          return TRUE;
        }
      return doubt (self, DKMS_LOAD_KEY_UNKNOWN, NULL);
    }
  return tolerate (self, unsupported == signature->n_signers ? DKMS_LOAD_UNSUPPORTED : DKMS_LOAD_KEY_UNKNOWN);
}

static gboolean
check_signature (Check *self)
{
  const DkmsSignatureFacts *signature = &self->module->signature;

  if (!self->kernel->checks_signatures)
    return TRUE;
  if (!signature->is_signed)
    return tolerate (self, DKMS_LOAD_UNSIGNED);
  if (signature->error != 0)
    return refuse (self, signature->error, DKMS_LOAD_MALFORMED, NULL);
  if (signature->other_type)
    return tolerate (self, DKMS_LOAD_UNSUPPORTED);
  if (signature->blacklisted == DKMS_YES)
    return refuse (self, EKEYREJECTED, DKMS_LOAD_BLACKLISTED_HASH, NULL);
  if (signature->blacklisted == DKMS_DONT_KNOW)
    doubt (self, DKMS_LOAD_BLACKLISTED_HASH, NULL);
  return check_signers (self);
}

/* ---- the file ---- */

static gboolean
contains (const char *const *names, const char *name)
{
  return names != NULL && name != NULL && g_strv_contains (names, name);
}

static gboolean
check_file (Check *self)
{
  const DkmsLoadModule *module = self->module;
  const DkmsLoadKernel *kernel = self->kernel;

  if (!module->is_module)
    return refuse (self, ENOEXEC, DKMS_LOAD_NOT_A_MODULE, NULL);
  if (module->other_machine)
    return refuse (self, ENOEXEC, DKMS_LOAD_OTHER_MACHINE, NULL);
  if (!module->has_symbols)
    return refuse (self, ENOEXEC, DKMS_LOAD_NO_SYMBOLS, NULL);
  if (kernel->compares_struct_size && kernel->struct_size == 0)
    doubt (self, DKMS_LOAD_STRUCT_SIZE, NULL);
  else if (kernel->compares_struct_size && module->struct_size != kernel->struct_size)
    return refuse (self, ENOEXEC, DKMS_LOAD_STRUCT_SIZE, NULL);
  if (contains (kernel->forbidden, module->name))
    return refuse (self, EPERM, DKMS_LOAD_FORBIDDEN, NULL);
  return TRUE;
}

static gboolean
force (Check *self, DkmsLoadReason reason)
{
  if (!self->kernel->force_load)
    return refuse (self, ENOEXEC, reason, NULL);
  self->taints |= FORCED;
  return TRUE;
}

/* The CRC of module_layout stands for all structures that the kernel and its modules share. */
static gboolean
check_layout (Check *self)
{
  const DkmsLoadModule *module = self->module;

  if (!self->kernel->modversions)
    return TRUE;
  if (!module->has_crcs)
    return force (self, DKMS_LOAD_NO_CRCS);
  const DkmsSymbol layout = self->kernel->symbol (self->kernel->data, "module_layout");
  if (layout.found == DKMS_NO) /* nothing to compare with */
    return TRUE;
  if (layout.found == DKMS_DONT_KNOW || !layout.has_crc)
    return doubt (self, DKMS_LOAD_LAYOUT, "module_layout");
  if (!module->has_layout && module->may_lack_crcs)
    return TRUE;
  if (!module->has_layout || module->layout != layout.crc)
    return refuse (self, ENOEXEC, DKMS_LOAD_LAYOUT, "module_layout");
  return TRUE;
}

/* The release, which is the first word, counts only where there are no CRCs. */
static gboolean
check_vermagic (Check *self)
{
  const char *has = self->module->vermagic, *wants = self->kernel->vermagic;

  if (has == NULL)
    return force (self, DKMS_LOAD_NO_VERMAGIC);
  if (wants == NULL)
    return doubt (self, DKMS_LOAD_VERMAGIC, NULL);
  if (self->module->has_crcs && self->kernel->modversions)
    {
      has += strcspn (has, " ");
      wants += strcspn (wants, " ");
    }
  return strcmp (has, wants) == 0 || refuse (self, ENOEXEC, DKMS_LOAD_VERMAGIC, NULL);
}

/* ---- symbols ---- */

gboolean
dkms_load_is_gpl (const char *license)
{
  static const char *const compatible[]
      = { "GPL", "GPL v2", "GPL and additional rights", "Dual BSD/GPL", "Dual MIT/GPL", "Dual MPL/GPL", NULL };

  return license != NULL && g_strv_contains (compatible, license);
}

static gboolean
check_import (Check *self, const DkmsImport *import, gboolean *uses_proprietary, gboolean *uses_gpl)
{
  const DkmsLoadModule *module = self->module;
  const DkmsSymbol symbol = self->kernel->symbol (self->kernel->data, import->name);
  gboolean may_use_gpl = dkms_load_is_gpl (module->license);

  if (symbol.found == DKMS_DONT_KNOW)
    return import->weak || doubt (self, DKMS_LOAD_UNDEFINED, import->name);
  if (symbol.found == DKMS_NO)
    return import->weak || refuse (self, ENOENT, DKMS_LOAD_UNDEFINED, import->name);
  if (symbol.gpl_only && !may_use_gpl)
    return refuse (self, ENOENT, DKMS_LOAD_GPL_ONLY, import->name);
  *uses_gpl |= symbol.gpl_only;
  *uses_proprietary |= symbol.of_proprietary;
  self->taints |= symbol.of_proprietary ? PROPRIETARY : 0; /* a module inherits it */
  if (*uses_gpl && *uses_proprietary)
    return refuse (self, ENOENT, DKMS_LOAD_PROPRIETARY, import->name);
  if (self->kernel->modversions && module->has_crcs && symbol.has_crc && (import->has_crc || !module->may_lack_crcs))
    {
      if (!import->has_crc)
        return refuse (self, EINVAL, DKMS_LOAD_CRC_MISSING, import->name);
      if (import->crc != symbol.crc)
        return refuse (self, EINVAL, DKMS_LOAD_CRC, import->name);
    }
  if (symbol.name_space != NULL && *symbol.name_space != '\0' && !contains (module->namespaces, symbol.name_space)
      && !self->kernel->missing_namespaces)
    return refuse (self, EINVAL, DKMS_LOAD_NAMESPACE, import->name);
  return TRUE;
}

static gboolean
check_imports (Check *self)
{
  gboolean uses_proprietary = FALSE, uses_gpl = FALSE;

  if (!dkms_load_is_gpl (self->module->license))
    self->taints |= PROPRIETARY;
  for (guint i = 0; i < self->module->n_imports; i++)
    if (!check_import (self, &self->module->imports[i], &uses_proprietary, &uses_gpl))
      return FALSE;
  return TRUE;
}

static gboolean
check_exports (Check *self)
{
  for (const char *const *name = self->module->exports; name != NULL && *name != NULL; name++)
    {
      const DkmsSymbol symbol = self->kernel->symbol (self->kernel->data, *name);
      if (symbol.found == DKMS_YES && (symbol.owner == NULL || g_strcmp0 (symbol.owner, self->module->name) != 0))
        return refuse (self, ENOEXEC, DKMS_LOAD_DUPLICATE, *name);
    }
  return TRUE;
}

static gboolean
check_btf (Check *self)
{
  if (!self->module->has_btf || self->kernel->btf_mismatch || self->module->btf_fits == DKMS_YES)
    return TRUE;
  if (self->module->btf_fits == DKMS_DONT_KNOW)
    return doubt (self, DKMS_LOAD_BTF, NULL);
  return refuse (self, EINVAL, DKMS_LOAD_BTF, NULL);
}

/* ---- all of them ---- */

static void
write_taint (const Check *self, char taint[static 8])
{
  static const char letters[] = "PFOE";
  gsize n = 0;

  for (gsize i = 0; letters[i] != '\0'; i++)
    if ((self->taints & 1u << i) != 0)
      taint[n++] = letters[i];
  taint[n] = '\0';
}

DkmsLoadVerdict
dkms_load_verdict (const DkmsLoadModule *module, const DkmsLoadKernel *kernel)
{
  Check self = { .module = module, .kernel = kernel, .verdict = { .loads = DKMS_YES } };

  if (module->is_empty)
    (void)refuse (&self, EINVAL, DKMS_LOAD_NOT_A_MODULE, NULL);
  else if (check_signature (&self) && check_file (&self) && check_layout (&self) && check_vermagic (&self)
           && check_imports (&self) && check_exports (&self))
    (void)check_btf (&self);
  if (!module->in_tree)
    self.taints |= OUT_OF_TREE;
  if (self.verdict.loads == DKMS_YES)
    write_taint (&self, self.verdict.taint);
  self.verdict.exact = !self.unsure;
  return self.verdict;
}

DkmsKnown
dkms_load_accepts (const DkmsSignatureFacts *signature, const DkmsLoadKernel *kernel)
{
  const DkmsLoadModule module = { .signature = *signature };
  Check self = { .module = &module, .kernel = kernel, .verdict = { .loads = DKMS_YES } };

  (void)check_signature (&self);
  return self.verdict.loads;
}

const char *
dkms_load_errno_name (int code)
{
  static const struct {
    int code;
    const char *name;
  } names[] = {
    { EPERM, "EPERM" },     { ENOENT, "ENOENT" },
    { ENOEXEC, "ENOEXEC" }, { EEXIST, "EEXIST" },
    { EINVAL, "EINVAL" },   { ENOPKG, "ENOPKG" },
    { EBADMSG, "EBADMSG" }, { EMSGSIZE, "EMSGSIZE" },
    { ENOKEY, "ENOKEY" },   { EKEYREJECTED, "EKEYREJECTED" },
  };

  for (gsize i = 0; i < G_N_ELEMENTS (names); i++)
    if (names[i].code == code)
      return names[i].name;
  return NULL;
}
