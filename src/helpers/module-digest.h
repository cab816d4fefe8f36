/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Digests of a module, by which builds of the same inputs are compared. */
#pragma once

/** Prints the pairs about the module in the file @fd, of another party: "content", "payload" and "typeless", or
 * "refused" (helpers/dkms-entry.c describes them). */
void module_digest_put (int fd);
