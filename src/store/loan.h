/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Scripts of a package may call dkms for their own module. The run that waits for such a script lends it its locks.
 *
 * The lender writes a file to its scratch directory that lists the locks, names the file in the environment of the
 * script (DKMS_LOAN), and deletes it when the script has ended. A run that finds a lock held searches for the lock in
 * the loan that its environment names. It holds a shared lock on the file while it uses the loan, and the lender waits
 * for an exclusive one. Therefore the two never work at the same time, even if the script leaves the borrower running.
 *
 * This is safe because:
 * - A script runs between transactions of its run, which reads the state of the tree again before each later step.
 * - No other run has the locks: a lock that the lender holds exclusively is only available to the borrower. If the
 *   lender holds the lock of the module shared, no other run adds or removes a version of it, and runs that build for
 *   other kernels do not publish builds of an unregistered version. Borrowers that need the lock exclusively take turns
 *   (locks/loan/<m>).
 * - Deadlocks are prevented: if a lock was not lent and is held by a process that waits for the borrower, this is an
 *   error at once, and a run that a script called waits only for a limited time. */
#pragma once

#include "base/id.h"
#include "conf/places.h"
#include "store/work.h"

typedef struct DkmsLoan DkmsLoan;

/**
 * dkms_loan_open:
 * @id: the build of the script; kernel may be NULL
 * @all: whether to lend all builds of the module, because the lender works on none of them during the script
 *
 * Returns: (transfer full) (nullable): NULL if it could not be written; then nested calls fail
 */
DkmsLoan *dkms_loan_open (const DkmsWork *work, const DkmsId *id, gboolean all);
/** Returns: (transfer none): the value of DKMS_LOAN */
const char *dkms_loan_name (const DkmsLoan *self);
/** Waits until no process uses the loan (nullable), or a signal is pending, and ends the loan. */
void dkms_loan_close (DkmsLoan *self);

/** Returns: a descriptor that the caller unlocks and closes to release the lock @name; -1: not lent */
int dkms_loan_borrow (const DkmsPlaces *places, const char *name);
