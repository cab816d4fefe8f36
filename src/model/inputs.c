/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The inputs of a build, their document and their comparison. */
#include "model/inputs.h"

#include <string.h>

#include "base/file.h"
#include "base/language.h"
#include "model/event-json.h"

#define FORMAT "dkms-inputs-1"

struct DkmsInputs {
  GTree *values; /* name -> value */
};

static int
compare_names (gconstpointer a, gconstpointer b, gpointer data)
{
  (void)data;
  return strcmp (a, b);
}

static DkmsInputs *
inputs_new (void)
{
  DkmsInputs *self = g_new0 (DkmsInputs, 1);

  self->values = g_tree_new_full (compare_names, NULL, g_free, g_free);
  return self;
}

DkmsInputs *
dkms_inputs_new (const DkmsId *id)
{
  DkmsInputs *self = inputs_new ();

  dkms_inputs_set (self, "format", FORMAT);
  dkms_inputs_set (self, "module", id->module);
  dkms_inputs_set (self, "version", id->version);
  dkms_inputs_set (self, "kernel", id->kernel);
  dkms_inputs_set (self, "arch", id->arch);
  return self;
}

void
dkms_inputs_free (DkmsInputs *self)
{
  if (self == NULL)
    return;
  g_tree_unref (self->values);
  g_free (self);
}

void
dkms_inputs_set (DkmsInputs *self, const char *name, const char *value)
{
  if (value != NULL)
    g_tree_insert (self->values, g_strdup (name), g_strdup (value));
}

const char *
dkms_inputs_get (const DkmsInputs *self, const char *name)
{
  return g_tree_lookup (self->values, name);
}

static gboolean
copy_value (gpointer name, gpointer value, gpointer data)
{
  dkms_inputs_set (data, name, value);
  return FALSE;
}

void
dkms_inputs_copy (DkmsInputs *self, const DkmsInputs *from)
{
  g_tree_foreach (from->values, copy_value, self);
}

static gboolean
copy_directive (gpointer name, gpointer value, gpointer data)
{
  static const char *const names[] = { "make", "prebuild", "postbuild", "depends", NULL };

  if (g_strv_contains (names, name) || g_str_has_prefix (name, "patch.") || g_str_has_prefix (name, "output."))
    dkms_inputs_set (data, name, value);
  return FALSE;
}

void
dkms_inputs_copy_recipe (DkmsInputs *self, const DkmsInputs *from)
{
  g_tree_foreach (from->values, copy_directive, self);
}

gboolean
dkms_inputs_are_complete (const DkmsInputs *self)
{
  static const char *const names[]
      = { "source", "admin", "make", "symvers", "config", "release", "btf", "compiler", "environment" };

  for (gsize i = 0; i < G_N_ELEMENTS (names); i++)
    if (dkms_inputs_get (self, names[i]) == NULL)
      return FALSE;
  return TRUE;
}

/* A comparison with other inputs. */
typedef struct {
  const DkmsInputs *other;
  GPtrArray *names;
} Differences;

static gboolean
add_difference (gpointer name, gpointer value, gpointer data)
{
  const Differences *self = data;

  if (g_strcmp0 (dkms_inputs_get (self->other, name), value) != 0)
    g_ptr_array_add (self->names, g_strdup (name));
  return FALSE;
}

static gboolean
add_missing (gpointer name, gpointer value, gpointer data)
{
  const Differences *self = data;

  if (dkms_inputs_get (self->other, name) == NULL)
    g_ptr_array_add (self->names, g_strdup (name));
  return FALSE;
}

char **
dkms_inputs_differences (const DkmsInputs *a, const DkmsInputs *b)
{
  g_autoptr (GPtrArray) names = g_ptr_array_new ();

  g_tree_foreach (a->values, add_difference, &(Differences){ b, names });
  g_tree_foreach (b->values, add_missing, &(Differences){ a, names });
  g_ptr_array_sort (names, dkms_compare_names);
  g_ptr_array_add (names, NULL);
  return (char **)g_ptr_array_free (g_steal_pointer (&names), FALSE);
}

static gboolean
append_line (gpointer name, gpointer value, gpointer data)
{
  GString *text = data;

  g_string_append (text, name);
  g_string_append_c (text, ' ');
  for (const char *c = value; *c != '\0'; c++)
    if (*c == '%' || *c == '\n' || *c == '\r')
      g_string_append_printf (text, "%%%02X", (guint)(guchar)*c);
    else
      g_string_append_c (text, *c);
  g_string_append_c (text, '\n');
  return FALSE;
}

char *
dkms_inputs_document (const DkmsInputs *self)
{
  GString *text = g_string_new (NULL);

  g_tree_foreach (self->values, append_line, text);
  return g_string_free (text, FALSE);
}

DkmsInputs *
dkms_inputs_from_document (const char *text)
{
  g_auto (GStrv) lines = g_strsplit (text, "\n", -1);
  DkmsInputs *self = inputs_new ();

  for (char **line = lines; *line != NULL; line++)
    {
      char *blank = strchr (*line, ' ');
      g_autofree char *value = blank != NULL ? g_uri_unescape_string (blank + 1, NULL) : NULL;
      if (blank != NULL)
        *blank = '\0';
      if (value != NULL)
        dkms_inputs_set (self, *line, value);
    }
  return self;
}

char *
dkms_inputs_identity (const DkmsInputs *self)
{
  g_autofree char *document = dkms_inputs_document (self);

  return g_compute_checksum_for_string (G_CHECKSUM_SHA256, document, -1);
}

/* ---- as JSON ---- */

static gboolean
add_member (gpointer name, gpointer value, gpointer data)
{
  dkms_json_set_text (data, name, value);
  return FALSE;
}

json_t *
dkms_inputs_to_json (const DkmsInputs *self)
{
  json_t *object = json_object ();

  g_tree_foreach (self->values, add_member, object);
  return object;
}

DkmsInputs *
dkms_inputs_from_json (const json_t *json)
{
  g_autoptr (DkmsInputs) self = inputs_new ();
  const char *name;
  json_t *value;

  json_object_foreach ((json_t *)json, name, value)
    {
      g_autofree char *text = dkms_json_get_text (json, name);
      if (!g_str_has_suffix (name, "_bytes"))
        dkms_inputs_set (self, name, text);
    }
  return dkms_inputs_get (self, "format") != NULL ? g_steal_pointer (&self) : NULL;
}

/* ---- changes ---- */

/* Names of inputs. A name that ends in a full stop is a prefix. */
typedef struct {
  DkmsStaleness bit;
  const char *word;
  const char *names[8];
} Group;

static const Group groups[] = {
  { DKMS_STALE_HEADERS, N_ ("headers"), { "symvers", "config", "btf" } },
  { DKMS_STALE_SOURCE, N_ ("source"), { "source", "admin", "make", "prebuild", "postbuild", "patch.", "output." } },
  { DKMS_STALE_DEPENDS, N_ ("depends"), { "depend." } },
  { DKMS_STALE_COMPILER, N_ ("compiler"), { "compiler" } },
  { DKMS_STALE_ENVIRONMENT, N_ ("environment"), { "environment" } },
};

static const Group *
find_group (const char *name)
{
  for (gsize i = 0; i < G_N_ELEMENTS (groups); i++)
    for (const char *const *n = groups[i].names; n < groups[i].names + G_N_ELEMENTS (groups[i].names) && *n != NULL;
         n++)
      if (g_str_has_suffix (*n, ".") ? g_str_has_prefix (name, *n) : strcmp (name, *n) == 0)
        return &groups[i];
  return NULL;
}

/* "gcc-12 gcc-12 (Debian 12.2.0-14) 12.2.0": the length of the command and of the major version, which is the number
 * that the last word begins with. Minor versions make compatible code. */
static gboolean
is_same_compiler (const char *a, const char *b)
{
  const char *word_a = strrchr (a, ' '), *word_b = strrchr (b, ' ');

  return strcspn (a, " ") == strcspn (b, " ") && strncmp (a, b, strcspn (a, " ")) == 0 && word_a != NULL
         && word_b != NULL && strcspn (word_a, ".") == strcspn (word_b, ".")
         && strncmp (word_a, word_b, strcspn (word_a, ".")) == 0;
}

typedef struct {
  const DkmsInputs *made, *now;
  guint staleness;
} Comparison;

static gboolean
compare_value (gpointer name, gpointer value, gpointer data)
{
  Comparison *self = data;
  const Group *group = find_group (name);
  const char *made = dkms_inputs_get (self->made, name), *now = dkms_inputs_get (self->now, name);
  /* The recipe determines the number of these inputs. If one is absent, it does not exist. */
  gboolean listed = strchr (name, '.') != NULL;

  if (group == NULL || ((made == NULL || now == NULL) && !listed))
    return FALSE;
  /* Without headers a build is impossible. */
  if (group->bit == DKMS_STALE_HEADERS && g_strcmp0 (now, "-") == 0)
    return FALSE;
  if (made == NULL || now == NULL
      || (strcmp (made, now) != 0 && (group->bit != DKMS_STALE_COMPILER || !is_same_compiler (made, now))))
    self->staleness |= group->bit;
  return FALSE;
}

guint
dkms_inputs_compare (const DkmsInputs *made, const DkmsInputs *now)
{
  Comparison comparison = { .made = made, .now = now };

  if (made == NULL || strcmp (dkms_inputs_get (made, "format"), dkms_inputs_get (now, "format")) != 0)
    return 0;
  g_tree_foreach (made->values, compare_value, &comparison);
  g_tree_foreach (now->values, compare_value, &comparison);
  return comparison.staleness;
}

char *
dkms_staleness_words (guint staleness)
{
  GString *words = g_string_new (NULL);
  g_autoptr (GString) translated = g_string_new (NULL);

  for (gsize i = 0; i < G_N_ELEMENTS (groups); i++)
    if ((staleness & groups[i].bit) != 0)
      {
        const char *before = words->len > 0 ? ", " : "";
        g_string_append_printf (words, "%s%s", before, groups[i].word);
        g_string_append_printf (translated, "%s%s", before, _ (groups[i].word));
      }
  dkms_language_remember (words->str, translated->str);
  return g_string_free (words, FALSE);
}
