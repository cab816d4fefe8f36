/* SPDX-License-Identifier: GPL-2.0-or-later */
/* One table of verbs and one of options, from which parser, help and completions are made. */
#pragma once

#include "cli/options.h"
#include "cli/verbs.h"

typedef struct DkmsOptionInfo DkmsOptionInfo;

struct DkmsOptionInfo {
  const char *letter; /* (nullable): the short form */
  const char *name;   /* (nullable): the long form */
  const char *value;  /* (nullable): what help calls its value; NULL for a flag */
  void (*take) (DkmsOptions *options, const DkmsOptionInfo *self, const char *value, DkmsListener *events);
  gsize field;       /* offset in DkmsOptions of what @take sets, if that is one field */
  DkmsWordKind kind; /* of the value */
  DkmsOptionId id;
  const char *summary; /* NULL: accepted and not shown */
  gboolean optional;   /* it may be given without a value; a value follows behind "=" */
};

/** Returns: (transfer none): all verbs, NULL-terminated */
const DkmsVerbInfo *const *dkms_verbs (void);
/** Returns: (transfer none) (nullable): the verb of that name */
const DkmsVerbInfo *dkms_verb_find (const char *name);
/** Returns: (transfer none) (nullable): what to use in place of a verb of earlier versions; NULL for other words */
const char *dkms_verb_dropped (const char *name);
/** Returns: (transfer none): all options, ended by one without any name */
const DkmsOptionInfo *dkms_option_infos (void);
/** Returns: (transfer none) (nullable): the option of that letter or name, dashes included */
const DkmsOptionInfo *dkms_option_find (const char *word);
/** Returns: whether @option is shown as one of @verb's (nullable: of any verb) */
gboolean dkms_option_serves (const DkmsOptionInfo *option, const DkmsVerbInfo *verb);
