/* SPDX-License-Identifier: GPL-2.0-or-later */
/* An evaluated dkms.conf: its directives, their checks, and what follows from them. */
#include "conf/recipe.h"

#include <regex.h>
#include <string.h>

#include "model/version.h"

#define RECORD_NAMES "BUILT_MODULE_NAME BUILT_MODULE_LOCATION DEST_MODULE_NAME DEST_MODULE_LOCATION"
#define EXCLUSIVE_NAMES                                                                                                \
  "BUILD_EXCLUSIVE_KERNEL BUILD_EXCLUSIVE_KERNEL_MIN BUILD_EXCLUSIVE_KERNEL_MAX BUILD_EXCLUSIVE_ARCH "                 \
  "BUILD_EXCLUSIVE_CONFIG"

const char dkms_recipe_names[] = "PACKAGE_NAME PACKAGE_VERSION " RECORD_NAMES
                                 " STRIP MAKE MAKE_MATCH PATCH PATCH_MATCH AUTOINSTALL NO_WEAK_MODULES "
                                 "BUILD_DEPENDS BUILD_DEPENDS_REBUILD " EXCLUSIVE_NAMES
                                 " PRE_BUILD POST_BUILD PRE_INSTALL POST_INSTALL POST_ADD POST_REMOVE OBSOLETE_BY";
const char dkms_recipe_deprecated_names[] = "CLEAN REMAKE_INITRD MODULES_CONF MODULES_CONF_OBSOLETES "
                                            "MODULES_CONF_ALIAS_TYPE MODULES_CONF_OBSOLETE_ONLY";

DkmsRecipe *
dkms_recipe_new (const char *path)
{
  DkmsRecipe *self = g_new0 (DkmsRecipe, 1);

  self->path = g_strdup (path);
  self->values = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, (GDestroyNotify)g_ptr_array_unref);
  self->deprecated = g_ptr_array_new_with_free_func (g_free);
  return self;
}

void
dkms_recipe_free (DkmsRecipe *self)
{
  if (self == NULL)
    return;
  g_free (self->path);
  g_hash_table_unref (self->values);
  g_ptr_array_unref (self->deprecated);
  g_free (self);
}

void
dkms_recipe_set (DkmsRecipe *self, const char *name, guint index, const char *value)
{
  GPtrArray *elements = g_hash_table_lookup (self->values, name);

  if (elements == NULL)
    {
      elements = g_ptr_array_new_with_free_func (g_free);
      g_hash_table_insert (self->values, g_strdup (name), elements);
    }
  if (elements->len <= index)
    g_ptr_array_set_size (elements, (gint)index + 1);
  g_free (elements->pdata[index]);
  elements->pdata[index] = g_strdup (value);
}

void
dkms_recipe_set_folded (DkmsRecipe *self, const char *name, guint index, const char *value)
{
  g_autoptr (GString) folded = g_string_sized_new (strlen (value));

  while (*value != '\0')
    {
      gsize blanks = strspn (value, " \t\n"), n = strcspn (value + blanks, " \t\n");

      if (blanks > 0)
        g_string_append_c (folded, ' ');
      g_string_append_len (folded, value + blanks, (gssize)n);
      value += blanks + n;
    }
  dkms_recipe_set (self, name, index, folded->str);
}

void
dkms_recipe_add_deprecated (DkmsRecipe *self, const char *file, const char *name, const char *value)
{
  static const char *const harmless[] = { "true", "/bin/true", "/usr/bin/true", NULL };

  if (strcmp (name, "CLEAN") == 0 && g_strv_contains (harmless, value))
    return;
  g_ptr_array_add (self->deprecated, g_strdup_printf ("%s is obsolete and has no effect (%s)", name, file));
}

const char *
dkms_recipe_get (const DkmsRecipe *self, const char *name, guint index)
{
  const GPtrArray *elements = g_hash_table_lookup (self->values, name);

  return elements != NULL && index < elements->len && elements->pdata[index] != NULL ? elements->pdata[index] : "";
}

guint
dkms_recipe_count (const DkmsRecipe *self, const char *name)
{
  const GPtrArray *elements = g_hash_table_lookup (self->values, name);

  return elements != NULL ? elements->len : 0;
}

gboolean
dkms_recipe_yes (const DkmsRecipe *self, const char *name)
{
  return g_ascii_strcasecmp (dkms_recipe_get (self, name, 0), "yes") == 0;
}

char **
dkms_recipe_depends (const DkmsRecipe *self)
{
  GPtrArray *names = g_ptr_array_new ();

  for (guint i = 0; i < dkms_recipe_count (self, "BUILD_DEPENDS"); i++)
    {
      g_auto (GStrv) words = g_strsplit_set (dkms_recipe_get (self, "BUILD_DEPENDS", i), " \t\n", -1);
      for (char **word = words; *word != NULL; word++)
        if (**word != '\0')
          g_ptr_array_add (names, g_strdup (*word));
    }
  g_ptr_array_add (names, NULL);
  return (char **)g_ptr_array_free (names, FALSE);
}

static guint
count_records (const DkmsRecipe *self)
{
  static const char *const family[]
      = { "BUILT_MODULE_NAME", "BUILT_MODULE_LOCATION", "DEST_MODULE_NAME", "DEST_MODULE_LOCATION" };
  guint count = 0;

  for (gsize i = 0; i < G_N_ELEMENTS (family); i++)
    count = MAX (count, dkms_recipe_count (self, family[i]));
  return count;
}

/* Whether the regular expression in element @i of @name matches the kernel that the recipe was evaluated for: bash
 * tried it then (driver.bash). Recipes that were kept before it did so were kept because they fitted. */
static gboolean
matches (const DkmsRecipe *self, const char *name, guint i)
{
  g_autofree char *key = g_strconcat ("=", name, NULL);

  return strcmp (dkms_recipe_get (self, key, i), "0") != 0;
}

void
dkms_recipe_try_match (DkmsRecipe *self, const char *name, guint i, const char *kernel, const char *arch)
{
  static const char *const of_kernel[] = { "BUILD_EXCLUSIVE_KERNEL", "MAKE_MATCH", "PATCH_MATCH", NULL };
  gboolean about_arch = strcmp (name, "BUILD_EXCLUSIVE_ARCH") == 0;
  g_autofree char *key = g_strconcat ("=", name, NULL);
  gboolean found = FALSE;
  regex_t regex;

  if (!about_arch && !g_strv_contains (of_kernel, name))
    return;
  if (regcomp (&regex, dkms_recipe_get (self, name, i), REG_EXTENDED | REG_NOSUB) == 0)
    {
      found = regexec (&regex, about_arch ? arch : kernel, 0, NULL, 0) == 0;
      regfree (&regex);
    }
  dkms_recipe_set (self, key, i, found ? "1" : "0");
}

static gboolean
config_rejects (const char *tokens, const char *config)
{
  g_auto (GStrv) words = g_strsplit_set (tokens, " \t\n", -1);

  for (char **word = words; *word != NULL; word++)
    {
      gboolean not_wanted = **word == '!';
      if (**word != '\0' && dkms_kernel_config_has (config, *word + not_wanted) == not_wanted)
        return TRUE;
    }
  return FALSE;
}

static gboolean
excluded_by (const DkmsRecipe *self, guint i, const DkmsKernel *kernel, const char *config)
{
  const char *regex = dkms_recipe_get (self, "BUILD_EXCLUSIVE_KERNEL", i);
  const char *min = dkms_recipe_get (self, "BUILD_EXCLUSIVE_KERNEL_MIN", i);
  const char *max = dkms_recipe_get (self, "BUILD_EXCLUSIVE_KERNEL_MAX", i);
  const char *arch = dkms_recipe_get (self, "BUILD_EXCLUSIVE_ARCH", i);
  const char *tokens = dkms_recipe_get (self, "BUILD_EXCLUSIVE_CONFIG", i);

  if (i == 0 && dkms_recipe_count (self, "BUILD_EXCLUSIVE_KERNEL_MAX") == 0)
    max = dkms_recipe_get (self, "OBSOLETE_BY", 0);
  return (*regex != '\0' && !matches (self, "BUILD_EXCLUSIVE_KERNEL", i))
         || (*min != '\0' && dkms_version_compare (kernel->release, min) < 0)
         || (*max != '\0' && dkms_version_compare (kernel->release, max) > 0)
         || (*arch != '\0' && !matches (self, "BUILD_EXCLUSIVE_ARCH", i))
         || (*tokens != '\0' && config != NULL && config_rejects (tokens, config));
}

gboolean
dkms_recipe_excluded (const DkmsRecipe *self, const DkmsKernel *kernel, const char *config)
{
  guint records = count_records (self);

  if (excluded_by (self, 0, kernel, config))
    return TRUE;
  for (guint i = 0; i < records; i++)
    if (!excluded_by (self, i, kernel, config))
      return FALSE;
  return records > 0;
}

static gboolean
should_strip (const DkmsRecipe *self, guint i)
{
  const char *own = dkms_recipe_get (self, "STRIP", i);
  const char *value = *own != '\0' ? own : dkms_recipe_get (self, "STRIP", 0);

  return *value != 'n' && *value != 'N';
}

static void
output_free (gpointer data)
{
  DkmsOutput *self = data;

  g_free (self->built_location);
  g_free (self->dest_location);
  g_free (self->conf_location);
  g_free (self);
}

/* @path, which is taken from "/", without empty parts, "." and "..". @leaves: (out): whether it climbs out of "/",
 * where it is held then. */
static char *
normalise (const char *path, gboolean *leaves)
{
  g_auto (GStrv) parts = g_strsplit (path, "/", -1);
  g_autoptr (GPtrArray) kept = g_ptr_array_new ();
  g_autofree char *joined = NULL;

  *leaves = FALSE;
  for (char **part = parts; *part != NULL; part++)
    {
      if (**part == '\0' || strcmp (*part, ".") == 0)
        continue;
      if (strcmp (*part, "..") != 0)
        g_ptr_array_add (kept, *part);
      else if (kept->len > 0)
        g_ptr_array_set_size (kept, (gint)kept->len - 1);
      else
        *leaves = TRUE;
    }
  g_ptr_array_add (kept, NULL);
  joined = g_strjoinv ("/", (char **)kept->pdata);
  return g_strconcat ("/", joined, NULL);
}

static gboolean
climbs_out (const char *path)
{
  gboolean leaves;

  g_free (normalise (path, &leaves));
  return leaves;
}

/* Where below the build directory @location is: it may also climb out of the directory and come back. Returns:
 * (transfer full) (nullable): "" or a relative path that ends in a slash; NULL when it is outside */
static char *
below_build (const char *location)
{
  static const char build[] = "/build";
  g_autofree char *from_above = g_strconcat (build, "/", location, NULL);
  gboolean leaves;
  g_autofree char *path = normalise (from_above, &leaves);

  if (leaves || !g_str_has_prefix (path, build) || (path[strlen (build)] != '/' && path[strlen (build)] != '\0'))
    return NULL;
  return path[strlen (build)] == '\0' ? g_strdup ("") : g_strconcat (path + strlen ("/build/"), "/", NULL);
}

static const char *
built_name (const DkmsRecipe *self, guint i, guint records)
{
  const char *name = dkms_recipe_get (self, "BUILT_MODULE_NAME", i);

  return *name == '\0' && records == 1 ? dkms_recipe_get (self, "PACKAGE_NAME", 0) : name;
}

GPtrArray *
dkms_recipe_outputs (const DkmsRecipe *self, const DkmsKernel *kernel, const char *destination, const char *config)
{
  GPtrArray *outputs = g_ptr_array_new_with_free_func (output_free);
  guint records = count_records (self);
  gboolean global = excluded_by (self, 0, kernel, config);

  for (guint i = 0; i < records; i++)
    {
      DkmsOutput *output = g_new0 (DkmsOutput, 1);
      const char *dest = dkms_recipe_get (self, "DEST_MODULE_NAME", i);
      gboolean leaves;

      output->built_name = built_name (self, i, records);
      output->built_location = below_build (dkms_recipe_get (self, "BUILT_MODULE_LOCATION", i));
      if (output->built_location == NULL)
        output->built_location = g_strdup (""); /* of a recipe that dkms_recipe_check() refuses */
      output->dest_name = *dest != '\0' ? dest : output->built_name;
      output->conf_location = normalise (dkms_recipe_get (self, "DEST_MODULE_LOCATION", i), &leaves);
      output->dest_location = g_strdup (destination != NULL ? destination : output->conf_location);
      output->strip = should_strip (self, i);
      output->excluded = global || excluded_by (self, i, kernel, config);
      g_ptr_array_add (outputs, output);
    }
  return outputs;
}

static void
check_record (const DkmsRecipe *self, guint i, guint records, GPtrArray *problems)
{
  static const char *const prefixes[] = { "/kernel", "/updates", "/extra" };
  const char *built = built_name (self, i, records);
  const char *dest = dkms_recipe_get (self, "DEST_MODULE_NAME", i);
  const char *location = dkms_recipe_get (self, "DEST_MODULE_LOCATION", i);
  const char *built_location = dkms_recipe_get (self, "BUILT_MODULE_LOCATION", i);
  g_autofree char *built_path = g_strconcat (built_location, "/", built, NULL);
  g_autofree char *below = below_build (built_path);
  gboolean allowed = FALSE;

  if (*dest == '\0')
    dest = built;
  if (*built == '\0')
    g_ptr_array_add (problems, g_strdup_printf ("record %u has no BUILT_MODULE_NAME", i));
  if (g_str_has_suffix (built, ".o") || g_str_has_suffix (built, ".ko"))
    g_ptr_array_add (problems, g_strdup_printf ("BUILT_MODULE_NAME[%u]=\"%s\" must not end in .o or .ko", i, built));
  if (g_str_has_suffix (dest, ".o") || g_str_has_suffix (dest, ".ko"))
    g_ptr_array_add (problems, g_strdup_printf ("DEST_MODULE_NAME[%u]=\"%s\" must not end in .o or .ko", i, dest));
  for (gsize p = 0; p < G_N_ELEMENTS (prefixes); p++)
    allowed |= g_str_has_prefix (location, prefixes[p]);
  if (*location == '\0')
    g_ptr_array_add (problems, g_strdup_printf ("record %u has no DEST_MODULE_LOCATION", i));
  else if (!allowed)
    g_ptr_array_add (
        problems,
        g_strdup_printf ("DEST_MODULE_LOCATION[%u]=\"%s\" must start with /kernel, /updates or /extra", i, location));
  if (climbs_out (location))
    g_ptr_array_add (
        problems,
        g_strdup_printf ("DEST_MODULE_LOCATION[%u]=\"%s\" leads out of the kernel's module directory", i, location));
  for (const char *c = dest; *c != '\0'; c++)
    if (g_ascii_iscntrl (*c))
      {
        g_autofree char *shown = g_strescape (dest, NULL);
        g_ptr_array_add (problems,
                         g_strdup_printf ("DEST_MODULE_NAME[%u]=\"%s\" contains a control character", i, shown));
        break;
      }
  if (strchr (dest, '/') != NULL)
    g_ptr_array_add (problems, g_strdup_printf ("DEST_MODULE_NAME[%u]=\"%s\" must not contain a slash", i, dest));
  if (below == NULL)
    g_ptr_array_add (problems, g_strdup_printf ("BUILT_MODULE_LOCATION[%u]=\"%s\" leads out of the build directory", i,
                                                built_location));
}

static void
check_booleans (const DkmsRecipe *self, GPtrArray *problems)
{
  static const char *const names[] = { "AUTOINSTALL", "BUILD_DEPENDS_REBUILD", "NO_WEAK_MODULES" };

  for (gsize i = 0; i < G_N_ELEMENTS (names); i++)
    {
      const char *value = dkms_recipe_get (self, names[i], 0);
      if (*value != '\0' && g_ascii_strcasecmp (value, "yes") != 0 && g_ascii_strcasecmp (value, "no") != 0)
        g_ptr_array_add (problems, g_strdup_printf ("%s=\"%s\" must be yes or no", names[i], value));
    }
}

static void
check_duplicates (const DkmsRecipe *self, guint records, GPtrArray *problems)
{
  g_autoptr (GHashTable) built = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  g_autoptr (GHashTable) dest = g_hash_table_new (g_str_hash, g_str_equal);

  for (guint i = 0; i < records; i++)
    {
      const char *name = built_name (self, i, records);
      const char *to = dkms_recipe_get (self, "DEST_MODULE_NAME", i);
      const char *location = dkms_recipe_get (self, "BUILT_MODULE_LOCATION", i);
      gboolean slash = *location == '\0' || g_str_has_suffix (location, "/");

      if (!g_hash_table_add (built, g_strconcat (location, slash ? "" : "/", name, NULL)))
        g_ptr_array_add (problems, g_strdup_printf ("module %s%s%s is listed twice", location, slash ? "" : "/", name));
      if (!g_hash_table_add (dest, (gpointer)(*to != '\0' ? to : name)))
        g_ptr_array_add (problems, g_strdup_printf ("two modules would be installed as %s", *to != '\0' ? to : name));
    }
}

GPtrArray *
dkms_recipe_check (const DkmsRecipe *self, gboolean strict)
{
  GPtrArray *problems = g_ptr_array_new_with_free_func (g_free);
  guint records = count_records (self);

  if (*dkms_recipe_get (self, "PACKAGE_NAME", 0) == '\0')
    g_ptr_array_add (problems, g_strdup ("PACKAGE_NAME is missing"));
  if (*dkms_recipe_get (self, "PACKAGE_VERSION", 0) == '\0')
    g_ptr_array_add (problems, g_strdup ("PACKAGE_VERSION is missing"));
  for (guint i = 0; i < records; i++)
    check_record (self, i, records, problems);
  if (strict)
    check_duplicates (self, records, problems);
  check_booleans (self, problems);
  return problems;
}

/* Whether @text has a word between two characters @mark, as templates have. */
static gboolean
has_marked_word (const char *text, char mark)
{
  const char *start = strchr (text, mark), *end = start != NULL ? strchr (start + 1, mark) : NULL;

  if (end == NULL || end == start + 1)
    return FALSE;
  for (const char *at = start + 1; at < end; at++)
    if (!g_ascii_isalpha (*at) && *at != '_')
      return has_marked_word (end, mark);
  return TRUE;
}

char *
dkms_recipe_placeholder (const DkmsRecipe *self)
{
  static const char *const names[] = { "PACKAGE_NAME", "PACKAGE_VERSION" };

  for (gsize i = 0; i < G_N_ELEMENTS (names); i++)
    {
      const char *value = dkms_recipe_get (self, names[i], 0);
      gboolean hash = strchr (value, '#') != NULL;

      if (hash || has_marked_word (value, '@') || has_marked_word (value, '%'))
        return g_strdup_printf ("%s=\"%s\" in %s is a placeholder that was not filled in.%s\n"
                                "Use a release of the source, or let its own build system make dkms.conf first.",
                                names[i], value, self->path,
                                hash ? " Most versions of make cannot build in a directory with a '#' in its name."
                                     : "");
    }
  return NULL;
}

/* ---- the make command ---- */

enum { MAX_NESTING = 64 };

/* Returns: the end of the piece of shell text at @at that belongs together: a quoted string, $(...), ${...},
 * back-quotes, an escaped character, or one plain character. What is nested deeper than MAX_NESTING in it ends with the
 * text: a recipe can nest as deep as the stack is large. */
static const char *
skip_piece (const char *at, guint nesting)
{
  char close = *at == '\'' || *at == '"' || *at == '`' ? *at : '\0';
  gboolean substitution = *at == '$' && (at[1] == '(' || at[1] == '{');

  if (*at == '\\' && at[1] != '\0')
    return at + 2;
  if (close == '\0' && !substitution)
    return at + 1;
  if (nesting == MAX_NESTING)
    return at + strlen (at);
  if (substitution)
    close = *++at == '(' ? ')' : '}';
  for (at++; *at != '\0' && *at != close;)
    if (close == '\'')
      at++;
    else if (close == '"' && *at == '\'')
      at++;
    else
      at = skip_piece (at, nesting + 1);
  return *at != '\0' ? at + 1 : at;
}

/* Returns: the length of the operator at @at that ends a simple command, 0 if there is none */
static gsize
operator_length (const char *at)
{
  if ((*at == '>' || *at == '<') && (at[1] == '&' || at[1] == '|'))
    return 0; /* of a redirection */
  if (*at == '&' && at[1] == '>')
    return 0;
  return strspn (at, ";&|()") > 0 ? 1 : 0;
}

typedef struct {
  const char *start, *end;
} Word;

/* The next word at @at, up to the end of its simple command. Returns: FALSE when there is none */
static gboolean
next_word (const char *at, Word *word)
{
  at += strspn (at, " \t\n");
  word->start = word->end = at;
  if (*at == '#')
    return FALSE; /* the rest is a comment */
  while (*at != '\0' && strchr (" \t\n", *at) == NULL && operator_length (at) == 0)
    at = (*at == '>' || *at == '<' || *at == '&') && at[1] != '\0' && at[1] != ' ' ? at + 2 : skip_piece (at, 0);
  word->end = at;
  return word->end > word->start;
}

static gboolean
is_make (const Word *word)
{
  g_autofree char *text = g_strndup (word->start, (gsize)(word->end - word->start));
  g_autofree char *plain = g_shell_unquote (text, NULL);
  g_autofree char *name = plain != NULL ? g_path_get_basename (plain) : NULL;

  return name != NULL && (strcmp (name, "make") == 0 || strcmp (name, "gmake") == 0);
}

static gboolean
is_one_of (const Word *word, const char *const *words)
{
  g_autofree char *text = g_strndup (word->start, (gsize)(word->end - word->start));

  return g_strv_contains (words, text);
}

static gboolean
is_assignment (const Word *word)
{
  gsize n = 0, length = (gsize)(word->end - word->start);

  while (n < length && (g_ascii_isalnum (word->start[n]) || word->start[n] == '_'))
    n++;
  return n > 0 && n < length && word->start[n] == '=';
}

/* Whether the simple command that begins at @at is a make. @end: (out): where its words end; @next: (out): the
 * operator or comment behind it */
static gboolean
runs_make (const char *at, const char **end, const char **next)
{
  static const char *const keywords[] = { "!", "{", "if", "then", "elif", "else", "while", "until", "do", NULL };
  static const char *const wrappers[] = { "env", "nice", "ionice", "nohup", "time", "exec", "command", NULL };
  gboolean make = FALSE, command = TRUE, wrapped = FALSE;
  Word word;

  for (*end = at; next_word (at, &word); at = *end = word.end)
    {
      make |= command && is_make (&word);
      wrapped |= command && is_one_of (&word, wrappers); /* with options, whose values look like commands */
      command = command && !make && (wrapped || is_one_of (&word, keywords) || is_assignment (&word));
    }
  *next = word.start;
  return make;
}

/* @line with LLVM=1 as the last argument of every make in it; without any make, as its last word, where the reference
 * has it always. */
static char *
add_llvm (const char *line)
{
  GString *result = g_string_new (NULL);
  gboolean any = FALSE;
  const char *copied = line, *end, *next;

  for (const char *at = line; *at != '\0'; at = next + operator_length (next))
    {
      if (runs_make (at, &end, &next))
        {
          g_string_append_len (result, copied, end - copied);
          g_string_append (result, " LLVM=1");
          copied = end;
          any = TRUE;
        }
      if (*next == '#')
        break;
    }
  g_string_append (result, copied);
  if (!any)
    g_string_append (result, " LLVM=1");
  return g_string_free (result, FALSE);
}

char *
dkms_recipe_make (const DkmsRecipe *self, const DkmsKernel *kernel, const char *build_dir, gboolean llvm)
{
  const char *chosen = *dkms_recipe_get (self, "MAKE_MATCH", 0) == '\0' ? dkms_recipe_get (self, "MAKE", 0) : "";
  g_autofree char *standard = g_strdup_printf ("make -C %s M=%s", kernel->source_dir, build_dir);

  for (guint i = 0; i < dkms_recipe_count (self, "MAKE"); i++)
    {
      const char *make = dkms_recipe_get (self, "MAKE", i), *match = dkms_recipe_get (self, "MAKE_MATCH", i);
      if (*make != '\0' && *match != '\0' && matches (self, "MAKE_MATCH", i))
        chosen = make;
    }
  if (*chosen == '\0')
    chosen = standard;
  return llvm ? add_llvm (chosen) : g_strdup (chosen);
}

char *
dkms_recipe_inject (const char *make, const char *jobs, const char *release)
{
  if (!g_str_has_prefix (make, "make") || (make[4] != '\0' && !g_ascii_isspace (make[4])))
    return g_strdup (make);
  if (jobs == NULL)
    return g_strdup_printf ("make KERNELRELEASE=%s%s", release, make + 4);
  return g_strdup_printf ("make -j%s KERNELRELEASE=%s%s", jobs, release, make + 4);
}

GPtrArray *
dkms_recipe_patches (const DkmsRecipe *self)
{
  GPtrArray *patches = g_ptr_array_new ();

  for (guint i = 0; i < dkms_recipe_count (self, "PATCH"); i++)
    {
      const char *patch = dkms_recipe_get (self, "PATCH", i), *match = dkms_recipe_get (self, "PATCH_MATCH", i);
      if (*patch != '\0' && (*match == '\0' || matches (self, "PATCH_MATCH", i)))
        g_ptr_array_add (patches, (gpointer)patch);
    }
  return patches;
}

json_t *
dkms_recipe_to_json (const DkmsRecipe *self)
{
  json_t *object = json_object ();
  GHashTableIter iter;
  gpointer name, value;

  g_hash_table_iter_init (&iter, self->values);
  while (g_hash_table_iter_next (&iter, &name, &value))
    {
      const GPtrArray *elements = value;
      json_t *array = json_array ();

      for (guint i = 0; i < elements->len; i++)
        json_array_append_new (array, elements->pdata[i] != NULL ? json_string (elements->pdata[i]) : json_null ());
      json_object_set_new (object, name, array);
    }
  return object;
}

DkmsRecipe *
dkms_recipe_from_json (const char *path, json_t *json)
{
  g_autoptr (DkmsRecipe) self = dkms_recipe_new (path);
  const char *name;
  json_t *array, *element;
  size_t i;

  if (!json_is_object (json))
    return NULL;
  json_object_foreach (json, name, array)
    json_array_foreach (array, i, element)
      if (json_is_string (element))
        dkms_recipe_set (self, name, (guint)i, json_string_value (element));
  return g_steal_pointer (&self);
}
