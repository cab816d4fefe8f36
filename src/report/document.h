/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The actions and the answer of a command, as one JSON document (--json; data/schema has its schema). Private to
 * report/.
 *
 *   {"dkms": {"format": 1, "version": ..., "verb": ..., "time": ..., "root": ..., "machine": ...},
 *    "status": 0, "modules": [...], "events": [...], "error": {...}}
 *
 * Members are added within format 1, and never renamed, retyped or removed. A member that does not apply is absent;
 * null means that its value is not known. */
#pragma once

#include "model/event.h"

typedef struct DkmsDocument DkmsDocument;

/** Returns: (transfer full): a document without content */
DkmsDocument *dkms_document_new (void);
void dkms_document_free (DkmsDocument *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (DkmsDocument, dkms_document_free)

/** Adds @event to the document. */
void dkms_document_hear (DkmsDocument *self, const DkmsEvent *event);

/**
 * dkms_document_finish:
 * @verb: (nullable): of the command line
 * @root: the root of the command, as on the command line
 * @status: exit status of the command
 * @pretty: with line ends and indentation
 *
 * Returns: (transfer full): the text of the document, which ends with a line end
 */
char *dkms_document_finish (DkmsDocument *self, const char *verb, const char *root, int status, gboolean pretty);
