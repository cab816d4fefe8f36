/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The personality common.postinst. */
#pragma once

/** Runs common.postinst (docs/interface/integration.md §6). Returns: its exit status */
int dkms_postinst_main (int argc, char **argv);
