/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Scripts of a package may call dkms about their own module: the run that waits for such a script lends it its locks.
 *
 * The lender writes a file in its scratch directory that lists the locks, names it in the environment of the script
 * (DKMS_LOAN), and takes it back when the script has ended. A run that finds a lock held looks for it in the loan that
 * its environment names. It holds a shared lock on the file as long as it uses the loan, and the lender waits for an
 * exclusive one, so the two never work at the same time, even if the script leaves the borrower running.
 *
 * Why that is safe:
 * - A script runs between transactions of its run, which reads the state of the tree again before each later step.
 * - Nobody else has the locks: what the lender holds exclusively is the borrower's alone. Where the lender holds the
 *   lock of the module shared, no other run adds or removes a version of it, and those that build for other kernels
 *   publish nothing for a version that is gone. Borrowers who want it exclusively take turns (locks/loan/<m>).
 * - Nothing waits in a circle: what was not lent and is held by a process that waits for us is an error at once, and a
 *   run that is called by a script waits for nobody for long. */
#pragma once

#include "base/id.h"
#include "conf/places.h"
#include "store/work.h"

typedef struct DkmsLoan DkmsLoan;

/**
 * dkms_loan_open:
 * @id: the build that the script is about; kernel may be NULL
 * @all: every build of the module is lent: the lender works on none of them meanwhile
 *
 * Returns: (transfer full) (nullable): NULL when it could not be written; then nested calls fail
 */
DkmsLoan *dkms_loan_open (const DkmsWork *work, const DkmsId *id, gboolean all);
/** Returns: (transfer none): the value of DKMS_LOAN */
const char *dkms_loan_name (const DkmsLoan *self);
/** Waits until nobody uses the loan (nullable) any more, or a signal wants to end the run, and takes it back. */
void dkms_loan_close (DkmsLoan *self);

/** Returns: a descriptor that is to be unlocked and closed when the lock @name is not needed any more; -1: not lent */
int dkms_loan_borrow (const DkmsPlaces *places, const char *name);
