/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The known causes of failed builds, and the rules by which lines of a log show them: two tables, no logic. A new cause
 * is a row of each, and a log in tests/unit/test-causes.c. */
#pragma once

#include <glib.h>

/* Who can do something about it. */
typedef enum {
  DKMS_CLASS_ENVIRONMENT, /* the kernel headers */
  DKMS_CLASS_TOOLS,       /* programs and libraries that builds need */
  DKMS_CLASS_SYSTEM,      /* this machine, and the confinement of builds */
  DKMS_CLASS_CODE,        /* the source does not fit the kernel */
  DKMS_CLASS_MODPOST,     /* the module does not fit the kernel */
  DKMS_CLASS_RECIPE       /* dkms.conf, makefiles and scripts of the package */
} DkmsCauseClass;

/* What the confinement of builds may have to do with it. */
typedef enum {
  DKMS_TOPIC_NONE,
  DKMS_TOPIC_NETWORK,
  DKMS_TOPIC_READ_ONLY,
  DKMS_TOPIC_OWNER,     /* changing the owner of a file */
  DKMS_TOPIC_ADDRESSES, /* of the kernel's symbols */
  DKMS_TOPIC_RIGHTS,    /* of root */
  DKMS_TOPIC_DENIED,    /* access to a file */
  DKMS_TOPIC_ABSENT     /* a file or a command */
} DkmsTopic;

/* Packages that a next step may name; kernel/distro.h knows how distributions call them. */
typedef enum {
  DKMS_PACKAGE_NONE,
  DKMS_PACKAGE_HEADERS,  /* of a kernel */
  DKMS_PACKAGE_KBUILD,   /* with the programs of a kernel's headers */
  DKMS_PACKAGE_COMPILER, /* with a compiler */
  DKMS_PACKAGE_CLANG,    /* with clang and the tools that go with it */
  DKMS_PACKAGE_PAHOLE,
  DKMS_PACKAGE_LIBELF,
  DKMS_PACKAGE_TOOL,   /* with a command */
  DKMS_PACKAGE_HEADER, /* with a C header of a library */
  DKMS_PACKAGE_LIBRARY /* with a library */
} DkmsPackage;

/* Texts contain {id} (foo/1.0), {module}, {kernel}, {name} (what the line is about: an identifier, a program, a file),
 * {package} and {older} (another kernel for which this version is built). A part in brackets is left out if a value in
 * it is not known. */
typedef struct {
  const char *id; /* stable: other programs and users' notes contain it */
  DkmsCauseClass class;
  DkmsTopic topic;
  DkmsPackage package;
  const char *sentence; /* what is wrong, with full stop */
  const char *next;     /* what to do, with full stop */
  const char *page;     /* (nullable): more about it, for a person who asks */
} DkmsCauseInfo;

enum {
  DKMS_RULE_CONTEXT = 1 << 0,    /* the line is no error: never the first error of a log */
  DKMS_RULE_WEAK = 1 << 1,       /* not worth mentioning beside another cause */
  DKMS_RULE_LINE = 1 << 2,       /* the lines that make prints about a command count, too */
  DKMS_RULE_NO_WARNING = 1 << 3, /* not if the line is a warning: those that look the same are common */
  /* Rules that are no cause: the section has seen this. */
  DKMS_RULE_SAW_126 = 1 << 4, /* a command that cannot be executed */
  DKMS_RULE_SAW_127 = 1 << 5, /* a command that was not found */
  DKMS_RULE_SAW_137 = 1 << 6, /* a command that was killed */
  DKMS_RULE_SAW_IMPORT_NS = 1 << 7,
  DKMS_RULE_SAW_UNDEFINED = 1 << 8,
  DKMS_RULE_SAW_KERNEL_COMPILER = 1 << 9, /* the line names the compiler of the kernel */
  DKMS_RULE_SAW = DKMS_RULE_SAW_126 | DKMS_RULE_SAW_127 | DKMS_RULE_SAW_137 | DKMS_RULE_SAW_IMPORT_NS
                  | DKMS_RULE_SAW_UNDEFINED | DKMS_RULE_SAW_KERNEL_COMPILER,
  DKMS_RULE_OTHER_KERNEL = 1 << 10 /* only if {name} is not the kernel of the build */
};

/* A rule applies to a line that holds one of its marks, which begin with ^ if they must begin the line, and that its
 * expression matches. Its place in the table is its rank: an earlier one is better evidence, whatever the order of
 * lines, because make -j mixes the output of several commands. */
typedef struct {
  const char *cause; /* (nullable): an id; without one the line is an error of which no more is known */
  guint flags;       /* DKMS_RULE_... */
  guint needs;       /* DKMS_RULE_SAW_...: one of them must have been seen */
  const char *marks[34];
  const char *regex; /* (nullable): with group `name`; quotation marks in the line are ' for it */
} DkmsRule;

/** Returns: (transfer none) (nullable): the cause of that id */
const DkmsCauseInfo *dkms_cause_find (const char *id);
/** Returns: (transfer none): the causes, ended by one without id */
const DkmsCauseInfo *dkms_cause_infos (void);
/** Returns: (transfer none): the rules, best rank first; @count: (out) */
const DkmsRule *dkms_cause_rules (guint *count);
/** Returns: (transfer none): "environment", "tools" and so on */
const char *dkms_cause_class_name (DkmsCauseClass class);
