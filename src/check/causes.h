/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The known causes of failed builds, and the rules by which lines of a log show them: two tables, no logic. A new cause
 * is a row of each, and a log in tests/unit/test-causes.c. */
#pragma once

#include <glib.h>

/* The part of the system that has to change. */
typedef enum {
  DKMS_CLASS_ENVIRONMENT, /* the kernel headers */
  DKMS_CLASS_TOOLS,       /* programs and libraries that builds need */
  DKMS_CLASS_SYSTEM,      /* this machine, and the confinement of builds */
  DKMS_CLASS_CODE,        /* the source does not fit the kernel */
  DKMS_CLASS_MODPOST,     /* the module does not fit the kernel */
  DKMS_CLASS_RECIPE       /* dkms.conf, makefiles and scripts of the package */
} DkmsCauseClass;

/* The restriction of the sandbox that may be involved. */
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

/* Packages that an advice can name; kernel/distro.h knows their names in each distribution. */
typedef enum {
  DKMS_PACKAGE_NONE,
  DKMS_PACKAGE_HEADERS,  /* of a kernel */
  DKMS_PACKAGE_KBUILD,   /* with the programs of a kernel's headers */
  DKMS_PACKAGE_COMPILER, /* with a compiler */
  DKMS_PACKAGE_CLANG,    /* with clang and the related tools */
  DKMS_PACKAGE_PAHOLE,
  DKMS_PACKAGE_LIBELF,
  DKMS_PACKAGE_TOOL,   /* with a command */
  DKMS_PACKAGE_HEADER, /* with a C header of a library */
  DKMS_PACKAGE_LIBRARY /* with a library */
} DkmsPackage;

/* Texts contain {id} (foo/1.0), {module}, {kernel}, {name} (the subject of the line: an identifier, a program, a file),
 * {package} and {older} (another kernel for which this version is built). Text in brackets is omitted if a value in it
 * is unknown. */
typedef struct {
  const char *id; /* stable: other programs and users' notes contain it */
  DkmsCauseClass class;
  DkmsTopic topic;
  DkmsPackage package;
  const char *sentence; /* the problem, with full stop */
  const char *next;     /* the advice, with full stop */
  const char *page;     /* (nullable): the description that `explain <cause>` prints */
} DkmsCauseInfo;

enum {
  DKMS_RULE_CONTEXT = 1 << 0,    /* the line is not an error, and never the first error of a log */
  DKMS_RULE_WEAK = 1 << 1,       /* not mentioned if there is another cause */
  DKMS_RULE_LINE = 1 << 2,       /* applies also to the lines that make prints about a command */
  DKMS_RULE_NO_WARNING = 1 << 3, /* does not apply to warnings, which often look the same */
  /* Rules without a cause, which record that the section contains: */
  DKMS_RULE_SAW_126 = 1 << 4, /* a command that cannot be executed */
  DKMS_RULE_SAW_127 = 1 << 5, /* a command that was not found */
  DKMS_RULE_SAW_137 = 1 << 6, /* a command that was killed */
  DKMS_RULE_SAW_IMPORT_NS = 1 << 7,
  DKMS_RULE_SAW_UNDEFINED = 1 << 8,
  DKMS_RULE_SAW_KERNEL_COMPILER = 1 << 9, /* a line that names the compiler of the kernel */
  DKMS_RULE_SAW = DKMS_RULE_SAW_126 | DKMS_RULE_SAW_127 | DKMS_RULE_SAW_137 | DKMS_RULE_SAW_IMPORT_NS
                  | DKMS_RULE_SAW_UNDEFINED | DKMS_RULE_SAW_KERNEL_COMPILER,
  DKMS_RULE_OTHER_KERNEL = 1 << 10 /* only if {name} is not the kernel of the build */
};

/* A rule applies to a line that contains one of its marks and matches its expression. A mark that begins with ^ must be
 * at the beginning of the line. The position in the table is the rank: earlier rules are better evidence, independent
 * of the order of lines, because make -j mixes the output of several commands. */
typedef struct {
  const char *cause; /* (nullable): an id; NULL: the line is an error without a known cause */
  guint flags;       /* DKMS_RULE_... */
  guint needs;       /* DKMS_RULE_SAW_...: the section must contain one of them */
  const char *marks[34];
  const char *regex; /* (nullable): with group `name`; quotation marks in the line are replaced by ' */
} DkmsRule;

/** Returns: (transfer none) (nullable): the cause of that id */
const DkmsCauseInfo *dkms_cause_find (const char *id);
/** Returns: (transfer none): the causes, ended by one whose id is NULL */
const DkmsCauseInfo *dkms_cause_infos (void);
/** Returns: (transfer none): the rules, best rank first; @count: (out) */
const DkmsRule *dkms_cause_rules (guint *count);
/** Returns: (transfer none): "environment", "tools" and so on */
const char *dkms_cause_class_name (DkmsCauseClass class);
