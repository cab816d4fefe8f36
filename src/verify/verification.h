/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The answer of verify, as values: kernels, the modules that are expected in them, and their files with findings. */
#pragma once

#include "machine/next-boot.h"
#include "verify/boot-image.h"
#include "verify/trust.h"

/* What happens when the module is loaded after the next boot. */
typedef enum {
  DKMS_ANSWER_LOADS,
  DKMS_ANSWER_REFUSED, /* the kernel refuses the file */
  DKMS_ANSWER_ABSENT,  /* no file is there */
  DKMS_ANSWER_HIDDEN,  /* modprobe takes another file, or none */
  DKMS_ANSWER_UNKNOWN
} DkmsAnswer;

/* The result about a module, from good to bad; also an exit status with more than one. */
typedef enum {
  DKMS_VERDICT_EXCLUDED, /* it is not for this kernel: nothing is wrong */
  DKMS_VERDICT_LOADS,
  DKMS_VERDICT_WARNING,
  DKMS_VERDICT_UNKNOWN,
  DKMS_VERDICT_PROBLEM
} DkmsVerdict;

/* A module file of a build. */
typedef struct {
  char *name; /* of the module, without suffix */
  char *path; /* (nullable): where it should be installed, inside the root; NULL: that is unknown */
  DkmsAnswer answer;
  int code;                     /* errno of finit_module(2), if it is refused */
  char taint[8];                /* letters in /sys/module/NAME/taint, if it loads */
  gboolean there;               /* the file at @path can be judged */
  gboolean indexed;             /* only its signature has changed since depmod ran */
  GPtrArray *findings;          /* element-type DkmsCheckFinding */
  DkmsModuleFile *module;       /* (nullable): what it says about itself */
  DkmsFileSignature *signature; /* (nullable) */
  char **depends;               /* (nullable): files that modprobe loads before it, inside the root */
} DkmsVerifiedFile;

/* A version of a module, for one kernel. */
typedef struct {
  DkmsId *id;
  GPtrArray *files;    /* element-type DkmsVerifiedFile */
  GPtrArray *findings; /* element-type DkmsCheckFinding: about the version as a whole */
  char *btf; /* (nullable): SHA-256 of the type information that it was built against; NULL: unknown, or none */
  DkmsVerdict verdict;
} DkmsVerifiedModule;

typedef struct {
  char *release, *arch;
  DkmsNextBoot *boot;        /* (nullable): it boots next, with this entry */
  DkmsKernelReading *kernel; /* (nullable): NULL if no module was judged */
  DkmsTrustReading *trust;   /* (nullable) */
  DkmsBootImages *images;    /* (nullable) */
  GPtrArray *modules;        /* element-type DkmsVerifiedModule */
  DkmsVerdict verdict;       /* the worst of its modules */
} DkmsVerifiedKernel;

DkmsVerifiedFile *dkms_verified_file_new (const char *name);
void dkms_verified_file_free (DkmsVerifiedFile *self);
/** @id: copied */
DkmsVerifiedModule *dkms_verified_module_new (const DkmsId *id);
DkmsVerifiedKernel *dkms_verified_kernel_new (const DkmsId *kernel);
void dkms_verified_kernel_free (DkmsVerifiedKernel *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (DkmsVerifiedKernel, dkms_verified_kernel_free)

/** Sets the verdict of @self by the findings and answers of its modules, and theirs. */
void dkms_verified_kernel_conclude (DkmsVerifiedKernel *self);
/** Returns: (transfer none) (nullable): the worst finding about @self or its files */
const DkmsCheckFinding *dkms_verified_module_worst (const DkmsVerifiedModule *self);
/** Returns: (transfer none): "loads", "refused", "absent", "hidden" or "unknown" */
const char *dkms_answer_name (DkmsAnswer answer);
/** Returns: (transfer none): "excluded", "loads", "warning", "unknown" or "problem" */
const char *dkms_verdict_name (DkmsVerdict verdict);
