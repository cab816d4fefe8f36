/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Kernels that dnf offers (versions 4 and 5). */
#pragma once

#include "forecast/offer.h"

extern const DkmsManager dkms_manager_dnf;

/* ---- for tests ---- */

/** Adds the kernels in the output of `dnf repoquery --qf "%{name} %{version}-%{release}.%{arch} %{repoid}\n"`. */
void dkms_dnf_read_query (const char *text, GPtrArray *offers);
