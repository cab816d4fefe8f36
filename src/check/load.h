/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Whether a kernel will load a module file: a pure function of facts about the file, the kernel, its policy and the
 * symbols that others provide. It makes the checks of the kernel in the kernel's order (kernel/module/ of Linux 6.1 and
 * 6.12), so that the errno and the taint are those that the kernel would give.
 *
 * A fact may be unknown. Then the answer is unknown if the fact decides it, and never "loads". */
#pragma once

#include <glib.h>

typedef enum { DKMS_NO, DKMS_YES, DKMS_DONT_KNOW } DkmsKnown;

/** Returns: (transfer none): "no", "yes" or "unknown" */
const char *dkms_known_name (DkmsKnown known);

/* ---- facts about the file ---- */

/* A signature in the CMS message: of one signer. */
typedef struct {
  DkmsKnown digest;  /* this kernel can compute its digest, and verify this kind of signature */
  DkmsKnown trusted; /* this kernel knows the key of the signer, and the key is not revoked */
  gboolean matches;  /* the signature fits the bytes of the module; meaningful if the key is known to dkms */
  gboolean refuted;  /* a certificate in the message shows that the signature does not fit the bytes */
} DkmsSignerFacts;

typedef struct {
  gboolean is_signed;  /* the file ends with a signature */
  int error;           /* errno for a signature that cannot be parsed or has a form that kernels refuse; 0: none */
  gboolean other_type; /* it is no CMS message (id_type) */
  const DkmsSignerFacts *signers;
  guint n_signers;
  DkmsKnown blacklisted; /* the digest of the file is on a list of the firmware */
} DkmsSignatureFacts;

typedef struct {
  const char *name;
  gboolean weak;
  gboolean has_crc;
  guint32 crc; /* of the symbol that the module was built against */
} DkmsImport;

typedef struct {
  gboolean is_empty;
  gboolean is_module;            /* an ELF file that can be linked, with all sections that it names */
  gboolean other_machine;        /* built for another processor */
  gboolean has_symbols;          /* exactly one symbol table */
  guint64 struct_size;           /* of its struct module, in bytes */
  gboolean in_tree;              /* "intree" in .modinfo */
  const char *name;              /* of the module, as the kernel names it */
  const char *vermagic;          /* (nullable) */
  const char *license;           /* (nullable) */
  const char *const *namespaces; /* (nullable): those it imports; ended by NULL */
  gboolean has_crcs;             /* it has a section with CRCs, even if an entry is missing */
  gboolean may_lack_crcs;        /* the section is that of Linux 6.14, in which an entry may be missing */
  gboolean has_layout;           /* one of them is that of module_layout: */
  guint32 layout;
  const DkmsImport *imports;
  guint n_imports;
  const char *const *exports; /* (nullable): names; ended by NULL */
  gboolean has_btf;
  DkmsKnown btf_fits; /* its type information fits that of the kernel */
  DkmsSignatureFacts signature;
} DkmsLoadModule;

/* ---- facts about the kernel ---- */

typedef struct {
  DkmsKnown found;
  gboolean gpl_only;
  const char *name_space; /* (nullable) */
  gboolean has_crc;
  guint32 crc;
  gboolean of_proprietary; /* a module with another licence than the GPL exports it */
  const char *owner;       /* (nullable): name of the module that exports it; NULL: the kernel */
} DkmsSymbol;

/* Returns what the kernel, and modules that are loaded before, provide under @name. */
typedef DkmsSymbol (*DkmsSymbolFunc) (gconstpointer data, const char *name);

typedef struct {
  const char *vermagic;                                               /* (nullable): NULL if unknown */
  guint64 struct_size;                                                /* of its struct module; 0 if unknown */
  gboolean compares_struct_size;                                      /* it refuses another size */
  gboolean modversions, force_load, missing_namespaces, btf_mismatch; /* options of its configuration; the last two:
                                                                         "ALLOW" */
  gboolean checks_signatures;                                         /* MODULE_SIG */
  DkmsSymbolFunc symbol;
  gconstpointer data; /* of @symbol */
  /* Its policy, and the command line that it boots with. */
  DkmsKnown enforces;           /* only modules with a trusted signature are loaded */
  DkmsKnown locked;             /* lockdown refuses modules without a trusted signature */
  const char *const *forbidden; /* (nullable): names in module_blacklist=; ended by NULL */
} DkmsLoadKernel;

/* ---- the answer ---- */

/* Why a module is refused, or what a reader should know. */
typedef enum {
  DKMS_LOAD_FINE,
  DKMS_LOAD_UNSIGNED,
  DKMS_LOAD_MALFORMED,
  DKMS_LOAD_UNSUPPORTED,
  DKMS_LOAD_KEY_UNKNOWN,
  DKMS_LOAD_TAMPERED,
  DKMS_LOAD_BLACKLISTED_HASH,
  DKMS_LOAD_NOT_A_MODULE,
  DKMS_LOAD_OTHER_MACHINE,
  DKMS_LOAD_NO_SYMBOLS,
  DKMS_LOAD_STRUCT_SIZE,
  DKMS_LOAD_FORBIDDEN,
  DKMS_LOAD_LAYOUT,
  DKMS_LOAD_NO_CRCS,
  DKMS_LOAD_VERMAGIC,
  DKMS_LOAD_NO_VERMAGIC,
  DKMS_LOAD_UNDEFINED,
  DKMS_LOAD_GPL_ONLY,
  DKMS_LOAD_PROPRIETARY,
  DKMS_LOAD_CRC,
  DKMS_LOAD_CRC_MISSING,
  DKMS_LOAD_NAMESPACE,
  DKMS_LOAD_DUPLICATE,
  DKMS_LOAD_BTF
} DkmsLoadReason;

typedef struct {
  DkmsKnown loads;
  int code;              /* errno of finit_module(2), if it is refused; 0: it loads, or that is not known */
  char taint[8];         /* the letters in /sys/module/NAME/taint, if it loads */
  gboolean exact;        /* @code and @taint do not depend on something unknown */
  DkmsLoadReason reason; /* of the refusal, or what is not known */
  const char *symbol;    /* (nullable): the symbol that it is about; belongs to the facts */
} DkmsLoadVerdict;

/** Returns: whether @kernel loads @module */
DkmsLoadVerdict dkms_load_verdict (const DkmsLoadModule *module, const DkmsLoadKernel *kernel);
/** Returns: whether @kernel accepts @signature. Of @kernel, only its policy counts */
DkmsKnown dkms_load_accepts (const DkmsSignatureFacts *signature, const DkmsLoadKernel *kernel);
/** Returns: whether a module with @license (nullable) may use symbols for modules under the GPL only */
gboolean dkms_load_is_gpl (const char *license);
/** Returns: (transfer none) (nullable): the name of an errno that kernels give when they refuse a module */
const char *dkms_load_errno_name (int code);
