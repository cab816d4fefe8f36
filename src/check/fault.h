/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The catalogue of faults that doctor finds in the tree and on the machine, made from one table (faults.def). The names
 * of faults are stable: programs read them, --fix takes them, and `dkms explain <fault>` describes them. */
#pragma once

#include "base/error.h"

typedef enum {
#define DKMS_FAULT_KIND(kind, id, result, way, consent, sentence, would) DKMS_FAULT_##kind,
#include "check/faults.def"
#undef DKMS_FAULT_KIND
  DKMS_FAULT_LAST
} DkmsFault;

/* How a fault is repaired. */
typedef enum {
  DKMS_REPAIR_TELL, /* only the user can */
  DKMS_REPAIR_MOVE, /* files are moved to the attic, and links and files created; it can be undone */
  DKMS_REPAIR_MODE, /* the mode of a file is changed; it can be undone */
  DKMS_REPAIR_RUN   /* by a run of dkms, such as a build or depmod; it cannot be undone */
} DkmsRepair;

/* A fault that was found. */
typedef struct {
  DkmsFault fault;
  DkmsId id;       /* the subject, whose strings belong to this value; any part may be NULL */
  char *path;      /* (nullable): the file that it is about, inside the root */
  char *place;     /* (nullable): another file, inside the root */
  char *name;      /* (nullable) */
  char *text;      /* (nullable) */
  char *sentence;  /* in English, without full stop */
  char *would;     /* what the repair does, likewise */
  gboolean fixed;  /* it was repaired */
  gboolean locked; /* a running dkms works on its subject */
} DkmsFaultFinding;

/** Returns: (transfer full) (element-type DkmsFaultFinding): an empty list that owns its findings */
GPtrArray *dkms_fault_findings_new (void);

/**
 * dkms_fault_findings_add:
 * @findings: a list of dkms_fault_findings_new()
 * @root: (nullable): in the sentences, paths of the host are shown for paths inside this root, given as its prefix
 * @info: the fields of the sentences; paths are inside the root
 *
 * Returns: (transfer none): the finding
 */
DkmsFaultFinding *dkms_fault_findings_add (GPtrArray *findings, const char *root, DkmsFault fault,
                                           const DkmsErrorInfo *info);

/** Returns: (transfer none): the name of a fault, such as "source-gone" */
const char *dkms_fault_name (DkmsFault fault);
/** Returns: whether @name is the name of a fault; @fault: (out): the first of that name */
gboolean dkms_fault_from_name (const char *name, DkmsFault *fault);
/** Returns: whether the fault is a problem, and not only a warning */
gboolean dkms_fault_is_problem (DkmsFault fault);
/** Returns: how the fault is repaired */
DkmsRepair dkms_fault_repair (DkmsFault fault);
/** Returns: whether the repair needs consent for this very item, because it takes away what may belong to others */
gboolean dkms_fault_needs_yes (DkmsFault fault);
/** Returns: (transfer full): the sentence, without full stop, with placeholders in capitals
 * @would: (out) (transfer full): what its repair does */
char *dkms_fault_describe (DkmsFault fault, char **would);

/** Returns: (transfer full): the subject as people see it: module/version, a kernel, a path, or several of them */
char *dkms_fault_finding_subject (const DkmsFaultFinding *self, const char *root);
/** Returns: whether @words, such as "source-gone,file-foreign:PATH", select @self by its name, or by its name and its
 * path, inside the root or of the host, or subject; @precisely: (out): by path or subject */
gboolean dkms_fault_finding_is_selected (const DkmsFaultFinding *self, const char *root, const char *words,
                                         gboolean *precisely);
/** Returns: (transfer full) (nullable): the first of @words that is not the name of a fault */
char *dkms_fault_unknown_word (const char *words);
