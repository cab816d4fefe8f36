/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The table of options, from which parser, help and completions are made. */
#pragma once

#include "cli/options.h"
#include "cli/verbs.h"

typedef struct DkmsOptionInfo DkmsOptionInfo;

struct DkmsOptionInfo {
  const char *letter; /* (nullable): the short form */
  const char *name;   /* (nullable): the long form */
  const char *value;  /* (nullable): name of its value in the help; NULL for a flag */
  void (*take) (DkmsOptions *options, const DkmsOptionInfo *self, const char *value, DkmsListener *events);
  gsize field;       /* offset in DkmsOptions of the field that @take sets, if it is one field */
  DkmsWordKind kind; /* of the value */
  DkmsOptionId id;
  const char *summary; /* NULL: accepted, but not listed */
  gboolean optional;   /* the value may be omitted; it is written after "=" */
  const char *usual;   /* (nullable): its value if the option is absent, for the help */
  const char *group;   /* (nullable): heading of the group that begins with this option; NULL: the same group */
};

/** Returns: (transfer none): all options, ended by one without any name */
const DkmsOptionInfo *dkms_option_infos (void);
/** Returns: (transfer none) (nullable): the option of that letter or name, dashes included; or the only option whose
 * name begins with @word */
const DkmsOptionInfo *dkms_option_find (const char *word);
/** Returns: (transfer container): the options whose names begin with @word, which starts with two dashes */
GPtrArray *dkms_option_completions (const char *word);
/** Returns: whether @argument is the option @name, which may be abbreviated; @value: (out) (nullable): its value after
 * "=" */
gboolean dkms_option_is (const char *argument, const char *name, const char **value);
/** Returns: whether the help of @verb (nullable: any verb) lists @option */
gboolean dkms_option_serves (const DkmsOptionInfo *option, const DkmsVerbInfo *verb);
