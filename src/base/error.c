/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Creates the errors of the table errors.def. */
#include "base/error.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>

#include "base/language.h"
#include "base/template.h"

/* ---- the table: one string a row, whose parts end with NUL. Pointers would be relocated at each start ---- */

#define ROW(kind, sentence, advice) #kind "\0" sentence "\0" advice

typedef struct {
#define DKMS_ERROR_KIND(kind, sentence, advice) char kind[sizeof (ROW (kind, sentence, advice))];
#include "base/errors.def"
#undef DKMS_ERROR_KIND
} Rows;

static const Rows rows = {
#define DKMS_ERROR_KIND(kind, sentence, advice) ROW (kind, sentence, advice),
#include "base/errors.def"
#undef DKMS_ERROR_KIND
};

static const guint16 starts[] = {
#define DKMS_ERROR_KIND(kind, sentence, advice) offsetof (Rows, kind),
#include "base/errors.def"
#undef DKMS_ERROR_KIND
};
G_STATIC_ASSERT (sizeof (Rows) <= G_MAXUINT16);

/* Returns: (transfer none): the name of @kind in C */
static const char *
identifier_of (DkmsError kind)
{
  return (const char *)&rows + starts[kind];
}

const char *
dkms_error_template (DkmsError kind, const char **advice)
{
  const char *name = identifier_of (kind), *sentence = name + strlen (name) + 1;

  *advice = sentence + strlen (sentence) + 1;
  return sentence;
}

char *
dkms_error_name (DkmsError kind)
{
  return g_strdelimit (g_ascii_strdown (identifier_of (kind), -1), "_", '-');
}

DkmsError
dkms_error_from_name (const char *name)
{
  g_autofree char *identifier = g_strdelimit (g_ascii_strup (name, -1), "-", '_');

  for (gsize i = 0; i < DKMS_ERROR_LAST; i++)
    if (strcmp (identifier_of ((DkmsError)i), identifier) == 0)
      return (DkmsError)i;
  return DKMS_ERROR_IO;
}

static const char *
phrase_template (DkmsPhrase phrase)
{
  switch (phrase)
    {
#define DKMS_PHRASE(name, text)                                                                                        \
  case DKMS_PHRASE_##name:                                                                                             \
    return text;
#include "base/errors.def"
#undef DKMS_PHRASE
    default:
      g_assert_not_reached ();
    }
}

static const char *
advice_for_errno (gint64 code)
{
  switch (code)
    {
#define DKMS_ERRNO_ADVICE(code, text)                                                                                  \
  case code:                                                                                                           \
    return text;
#include "base/errors.def"
#undef DKMS_ERRNO_ADVICE
    default:
      return NULL;
    }
}

/* ---- fields ---- */

typedef struct {
  DkmsErrorInfo info; /* owns its strings */
} DkmsErrorPrivate;

static void
dkms_error_private_init (DkmsErrorPrivate *self)
{
  self->info = (DkmsErrorInfo){ .kind = DKMS_ERROR_IO };
}

/* Returns: (transfer full): the fields that an error keeps after its message was filled in */
static DkmsErrorInfo
keep (const DkmsErrorInfo *from)
{
  return (DkmsErrorInfo){ .kind = from->kind,
                          .id = { g_strdup (from->id.module), g_strdup (from->id.version), g_strdup (from->id.kernel),
                                  g_strdup (from->id.arch) },
                          .path = g_strdup (from->path),
                          .step = g_strdup (from->step),
                          .log = g_strdup (from->log),
                          .cause = g_strdup (from->cause),
                          .advice = g_strdup (from->advice),
                          .number = from->number,
                          .status = from->status };
}

static void
dkms_error_private_copy (const DkmsErrorPrivate *from, DkmsErrorPrivate *to)
{
  to->info = keep (&from->info);
}

static void
dkms_error_private_clear (DkmsErrorPrivate *self)
{
  DkmsErrorInfo *info = &self->info;
  const char *const owned[] = { info->path, info->step, info->log, info->cause, info->advice };

  dkms_id_clear (&info->id);
  for (gsize i = 0; i < G_N_ELEMENTS (owned); i++)
    g_free ((char *)owned[i]);
}

G_DEFINE_EXTENDED_ERROR (DkmsError, dkms_error)

const DkmsErrorInfo *
dkms_error_info (const GError *error)
{
  static const DkmsErrorInfo nothing = { .kind = DKMS_ERROR_IO };

  return error != NULL && error->domain == DKMS_ERROR ? &dkms_error_get_private (error)->info : &nothing;
}

/* Returns: (transfer full) (nullable): the field @name of a DkmsErrorInfo */
static char *
field (gconstpointer subject, const char *name)
{
  const DkmsErrorInfo *info = subject;
  const struct {
    const char *name, *value;
  } fields[] = {
    { "module", info->id.module },
    { "version", info->id.version },
    { "kernel", info->id.kernel },
    { "arch", info->id.arch },
    { "path", info->path },
    { "place", info->place },
    { "name", info->name },
    { "text", info->text },
    { "near", info->near },
    { "step", info->step },
    { "log", info->log },
    { "advice", info->advice },
    { "error", info->error != NULL ? info->error->message : NULL },
    { "errno", info->number != 0 ? g_strerror ((int)info->number) : NULL },
  };

  for (gsize i = 0; i < G_N_ELEMENTS (fields); i++)
    if (strcmp (fields[i].name, name) == 0)
      return g_strdup (fields[i].value);
  if (strcmp (name, "number") == 0)
    return g_strdup_printf ("%" G_GINT64_FORMAT, info->number);
  if (strcmp (name, "limit") == 0)
    return g_strdup_printf ("%" G_GINT64_FORMAT, info->limit);
  if (strcmp (name, "status") == 0)
    return g_strdup_printf ("%d", info->status);
  g_assert_not_reached (); /* tests/unit/test-error.c fills in every row */
}

/* ---- making ---- */

GError *
dkms_error_new_made (const DkmsErrorInfo *info, const char *message)
{
  GError *error = g_error_new_literal (DKMS_ERROR, (int)info->kind, message);

  dkms_error_get_private (error)->info = keep (info);
  return error;
}

/* Returns: (transfer full) (nullable): the advice of the table, the advice given with the error, or that of its cause
 */
static char *
advice_of (const DkmsErrorInfo *info, const char *sentence, const char *advice)
{
  g_autofree char *text = NULL;

  if (info->advice != NULL && strstr (advice, "{advice}") == NULL)
    return g_strdup (info->advice);
  if (*advice == '\0' && info->error != NULL)
    return g_strdup (dkms_error_info (info->error)->advice);
  if (*advice == '\0' && strstr (sentence, "{errno}") != NULL)
    return g_strdup (advice_for_errno (info->number));
  text = dkms_template_fill (advice, "", field, info);
  return *text != '\0' ? g_steal_pointer (&text) : NULL;
}

gboolean
dkms_fail_with (GError **error, const DkmsErrorInfo *info)
{
  DkmsErrorInfo made = *info;
  const char *advice, *sentence = dkms_error_template (info->kind, &advice);

  if (error == NULL)
    return FALSE;
  if (made.path == NULL)
    made.path = dkms_error_info (info->error)->path;
  g_autofree char *message = dkms_template_fill (sentence, "", field, &made);
  g_autofree char *next = advice_of (&made, sentence, advice);
  made.advice = next;
  *error = dkms_error_new_made (&made, message);
  return FALSE;
}

gboolean
dkms_fail_errno (GError **error, const char *doing, const char *path)
{
  int code = errno;

  DKMS_FAIL (error, IO, .text = doing, .path = path, .number = code);
  errno = code;
  return FALSE;
}

/* ---- advice ---- */

char *
dkms_sentence_with (const char *text, const DkmsErrorInfo *info)
{
  return dkms_template_fill (text, "", field, info);
}

char *
dkms_phrase_with (DkmsPhrase phrase, const DkmsErrorInfo *info)
{
  return dkms_template_fill (phrase_template (phrase), "", field, info);
}

char *
dkms_list_names (const char *const *names, guint count, guint most)
{
  g_autoptr (GString) text = g_string_new (count > 0 ? names[0] : "");

  for (guint i = 1; i < MIN (count - 1, most); i++)
    g_string_append_printf (text, ", %s", names[i]);
  if (count > most)
    return DKMS_SAY (AND_MORE, .text = text->str, .number = count - most);
  return count > 1 ? DKMS_SAY (AND, .text = text->str, .name = names[count - 1]) : g_strdup (text->str);
}

void
dkms_add_choice (char **text, const char *module, const char *version)
{
  g_autofree char *before = *text;
  g_autofree char *name = g_strdup_printf ("%s/%s", module, version);

  *text = before != NULL ? DKMS_SAY (OR, .text = before, .name = name) : g_steal_pointer (&name);
}

void
dkms_error_add_advice (GError *error, const char *line)
{
  if (error == NULL || error->domain != DKMS_ERROR)
    return;
  DkmsErrorInfo *info = &dkms_error_get_private (error)->info;
  g_autofree char *before = (char *)info->advice;
  info->advice = before != NULL ? DKMS_SAY (TWO_LINES, .text = before, .advice = line) : g_strdup (line);
}

/* Returns: whether @text is a row of helpers.def with values */
static gboolean
recall_row (const char *text)
{
  static const char texts[] =
#define DKMS_HELPER_TEXT(text) text "\0"
#include "base/helpers.def"
#undef DKMS_HELPER_TEXT
      ;

  for (gsize at = 0; at + 1 < sizeof texts; at += strlen (texts + at) + 1)
    if (dkms_template_recall (texts + at, text))
      return TRUE;
  return FALSE;
}

void
dkms_recall_helper (const char *text)
{
  const char *bracket = g_str_has_suffix (text, ")") ? g_strrstr (text, " (") : NULL; /* the reason of a library */
  g_autofree char *whole = g_strndup (text, bracket != NULL ? (gsize)(bracket - text) : strlen (text));

  if (dkms_language_is_english ())
    return;
  if (!recall_row (whole))
    dkms_language_recall (text);
  else if (bracket != NULL)
    {
      g_autofree char *translation = g_strconcat (dkms_language_of (whole), bracket, NULL);
      dkms_language_remember (text, translation);
    }
}

void
dkms_error_recall (const GError *error)
{
  const DkmsErrorInfo *info = dkms_error_info (error);
  const char *advice, *sentence = dkms_error_template (info->kind, &advice);

  if (error == NULL || dkms_language_is_english ())
    return;
  (void)dkms_template_recall (sentence, error->message);
  if (info->advice != NULL)
    (void)dkms_template_recall (advice, info->advice);
}

static void
set_text (const char **field, const char *text)
{
  if (text == NULL)
    return;
  g_free ((char *)*field);
  *field = g_strdup (text);
}

void
dkms_error_set_failure (GError *error, const char *cause, const char *log)
{
  if (error == NULL || error->domain != DKMS_ERROR)
    return;
  DkmsErrorInfo *info = &dkms_error_get_private (error)->info;
  set_text (&info->cause, cause);
  set_text (&info->log, log);
}
