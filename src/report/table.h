/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The answer of status as a table, with what to do about each row. */
#pragma once

#include "model/event.h"

typedef struct DkmsTable DkmsTable;

/**
 * dkms_table_new:
 * @columns: (nullable): names separated by commas, as dkms_table_check() accepts them; NULL: all usual columns that are
 * not empty
 * @raw: for programs: columns are separated by one blank, and no summary follows
 *
 * Returns: (transfer full): a table without rows
 */
DkmsTable *dkms_table_new (const char *columns, gboolean raw);
/** @self: (nullable) */
void dkms_table_free (DkmsTable *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (DkmsTable, dkms_table_free)

/** Fails with the first of @columns, names separated by commas, that is not a column. */
gboolean dkms_table_check (const char *columns, GError **error) G_GNUC_WARN_UNUSED_RESULT;
/** Returns: (transfer none): the name of column @n, which counts from 0; NULL if there are not so many */
const char *dkms_table_column (guint n);
/** Returns: whether a column of @columns (nullable: the usual ones) shows what `status --long` reads */
gboolean dkms_table_is_detailed (const char *columns);

/** Takes the answers of status. Returns: whether @event is one */
gboolean dkms_table_hear (DkmsTable *self, const DkmsEvent *event);

/** Prints the table, if it has rows, and its summary to the standard output. */
gboolean dkms_table_print (const DkmsTable *self, GError **error) G_GNUC_WARN_UNUSED_RESULT;
