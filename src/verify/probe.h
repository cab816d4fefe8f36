/* SPDX-License-Identifier: GPL-2.0-or-later */
/* `dkms secureboot --test`: asks the running kernel whether it accepts the signatures of dkms, without loading
 * anything. */
#pragma once

#include "check/probe.h"
#include "machine/firmware.h"
#include "model/event.h"
#include "verify/kernel-facts.h"
#include "verify/trust.h"

/**
 * dkms_probe_run:
 * @kernel: the running kernel
 * @trust: of @kernel
 *
 * Signs a file as modules are signed, and gives it to finit_module(2). The file is not a module: a section of it lies
 * behind its end, so no kernel can load it. Kernels find that after they have checked the signature, and before the
 * file can taint them. The kernel logs the refusal. Also gives it the same file without a signature, and with a wrong
 * one.
 *
 * The answer is remembered for this build of the kernel, the lists of the firmware and the certificate.
 */
gboolean dkms_probe_run (const DkmsSettings *settings, const DkmsKernelReading *kernel, const DkmsTrustReading *trust,
                         DkmsProbe *probe, GError **error) G_GNUC_WARN_UNUSED_RESULT;
