/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which modules a kernel should have, and what the tree and the directory of its modules show: the checks registered,
 * built, fresh, installed, index and chosen. */
#pragma once

#include "model/request.h"
#include "model/state.h"
#include "verify/verification.h"
#include "world/world.h"

/* What the checks of one run share. */
typedef struct {
  const DkmsSettings *settings;
  DkmsWorld *world;
  const DkmsState *state; /* all modules that the request is about */
  const DkmsRequest *request;
} DkmsTreeChecks;

/**
 * dkms_tree_checks_expect:
 * Adds the modules that are expected for the kernel of @kernel: the versions that are installed for it or for the
 * running kernel, and the latest version of each module with AUTOINSTALL=yes. A module that the request names is always
 * expected. Their findings, and the files of their builds, are filled in.
 */
gboolean dkms_tree_checks_expect (const DkmsTreeChecks *self, DkmsVerifiedKernel *kernel,
                                  GError **error) G_GNUC_WARN_UNUSED_RESULT;
/** Asks the index of the kernel which file modprobe takes for each file, and adds the findings of index and chosen. */
void dkms_tree_checks_look_up (const DkmsTreeChecks *self, DkmsVerifiedKernel *kernel);
