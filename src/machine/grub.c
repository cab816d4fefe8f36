/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A reader of GRUB's script language, as far as menus use it. */
#define _GNU_SOURCE
#include "machine/grub.h"

#include <string.h>

enum {
  MOST_DEPTH = 32,        /* of blocks and submenus */
  MOST_TESTS = 64,        /* words of a condition */
  MOST_EXPANDED = 1 << 20 /* bytes of the values of variables; values can double the size of others */
};

typedef enum { TOKEN_WORD, TOKEN_END, TOKEN_OPEN, TOKEN_CLOSE, TOKEN_EOF } Token;

/* What a condition says. */
typedef enum { NO, MAYBE, YES } Truth;

/* An "if". */
typedef struct {
  Truth runs;   /* the commands of the current branch */
  Truth before; /* whether an earlier branch was taken */
  Truth outer;  /* whether the "if" itself is reached */
} Branch;

typedef struct {
  const char *at;
  gsize expanded;        /* bytes of values so far */
  GString *word;         /* the text of the last TOKEN_WORD */
  GHashTable *variables; /* name -> value */
  DkmsGrubMenu *menu;
  GPtrArray *levels; /* (element-type DkmsBootEntry): the open entries; not owned */
  Branch branches[MOST_DEPTH];
  guint depth;     /* of @branches */
  Truth condition; /* of the last command after "if" or "elif" */
} Reader;

/* ---- words ---- */

static const char *
variable (const Reader *self, const char *name)
{
  const char *value = g_hash_table_lookup (self->variables, name);

  return value != NULL ? value : "";
}

/* Appends the value of the variable at @self->at, which is behind a '$'. */
static void
expand (Reader *self)
{
  gboolean braces = *self->at == '{';
  const char *start = self->at + braces, *end = start;

  while (g_ascii_isalnum (*end) || *end == '_' || *end == '?' || *end == '*' || *end == '#' || *end == '@')
    end++;
  if (end == start || (braces && *end != '}'))
    {
      g_string_append_c (self->word, '$');
      return;
    }
  g_autofree char *name = g_strndup (start, (gsize)(end - start));
  const char *value = variable (self, name);
  self->expanded += strlen (value);
  if (self->expanded <= MOST_EXPANDED)
    g_string_append (self->word, value);
  self->at = end + braces;
}

/* Reads the text between double quotes. */
static void
read_quoted (Reader *self)
{
  while (*self->at != '\0' && *self->at != '"')
    if (*self->at == '\\' && self->at[1] != '\0' && strchr ("\\\"$", self->at[1]) != NULL)
      {
        g_string_append_c (self->word, self->at[1]);
        self->at += 2;
      }
    else if (*self->at == '$')
      {
        self->at++;
        expand (self);
      }
    else
      g_string_append_c (self->word, *self->at++);
  self->at += *self->at != '\0';
}

/* Reads one word. Returns: whether a part of it is in quotes */
static gboolean
read_word (Reader *self)
{
  gboolean quoted = FALSE;

  g_string_truncate (self->word, 0);
  while (*self->at != '\0' && strchr (" \t\n;", *self->at) == NULL)
    if (*self->at == '\'')
      {
        const char *end = strchrnul (++self->at, '\'');
        g_string_append_len (self->word, self->at, end - self->at);
        self->at = end + (*end != '\0');
        quoted = TRUE;
      }
    else if (*self->at == '"')
      {
        self->at++;
        read_quoted (self);
        quoted = TRUE;
      }
    else if (*self->at == '\\' && self->at[1] != '\0')
      {
        if (self->at[1] != '\n')
          g_string_append_c (self->word, self->at[1]);
        self->at += 2;
      }
    else if (*self->at == '$')
      {
        self->at++;
        expand (self);
      }
    else
      g_string_append_c (self->word, *self->at++);
  return quoted;
}

static Token
next (Reader *self)
{
  for (;;)
    {
      while (*self->at == ' ' || *self->at == '\t' || (*self->at == '\\' && self->at[1] == '\n'))
        self->at += *self->at == '\\' ? 2 : 1;
      if (*self->at == '#')
        self->at = strchrnul (self->at, '\n');
      if (*self->at == '\0')
        return TOKEN_EOF;
      if (*self->at == '\n' || *self->at == ';')
        {
          self->at++;
          return TOKEN_END;
        }
      if ((*self->at == '{' || *self->at == '}') && (self->at[1] == '\0' || strchr (" \t\n;", self->at[1]) != NULL))
        return *self->at++ == '{' ? TOKEN_OPEN : TOKEN_CLOSE;
      if (read_word (self) || self->word->len > 0)
        return TOKEN_WORD;
      /* An empty variable without quotes is no word. */
    }
}

/* ---- conditions ---- */

static Truth not(Truth truth)
{
  return truth == MAYBE ? MAYBE : truth == YES ? NO : YES;
}

static Truth
both (Truth a, Truth b)
{
  return MIN (a, b);
}

static Truth
either (Truth a, Truth b)
{
  return MAX (a, b);
}

/* Evaluates the test in @words from @i to before @end: "[" ... "]" without the brackets. */
static Truth
test (const GPtrArray *words, guint i, guint end)
{
  gboolean negate = FALSE;

  for (; i < end && strcmp (words->pdata[i], "!") == 0; i++)
    negate = !negate;
  for (guint k = i + 1; k + 1 < end; k++) /* -o binds less than -a */
    if (strcmp (words->pdata[k], "-o") == 0)
      return either (negate ? not(test (words, i, k)) : test (words, i, k), test (words, k + 1, end));
  for (guint k = i + 1; k + 1 < end; k++)
    if (strcmp (words->pdata[k], "-a") == 0)
      return both (negate ? not(test (words, i, k)) : test (words, i, k), test (words, k + 1, end));
  Truth truth = MAYBE;
  const char *const *w = (const char *const *)words->pdata + i;
  if (end - i == 0)
    truth = NO;
  else if (end - i == 1)
    truth = *w[0] != '\0' ? YES : NO;
  else if (end - i == 2 && strcmp (w[0], "-n") == 0)
    truth = *w[1] != '\0' ? YES : NO;
  else if (end - i == 2 && strcmp (w[0], "-z") == 0)
    truth = *w[1] == '\0' ? YES : NO;
  else if (end - i == 2 && strcmp (w[0], "-s") == 0 && g_str_has_suffix (w[1], "/grubenv"))
    truth = MAYBE; /* load_env sets nothing if there is no environment block */
  else if (end - i == 3 && (strcmp (w[1], "=") == 0 || strcmp (w[1], "==") == 0))
    truth = strcmp (w[0], w[2]) == 0 ? YES : NO;
  else if (end - i == 3 && strcmp (w[1], "!=") == 0)
    truth = strcmp (w[0], w[2]) != 0 ? YES : NO;
  return negate ? not(truth) : truth;
}

static Truth
evaluate (const GPtrArray *words)
{
  const char *first = words->pdata[0], *last = words->pdata[words->len - 1];

  if (strcmp (first, "[") == 0 && strcmp (last, "]") == 0 && words->len <= MOST_TESTS)
    return test (words, 1, words->len - 1);
  if (strcmp (first, "true") == 0)
    return YES;
  return strcmp (first, "false") == 0 ? NO : MAYBE;
}

/* Returns: whether the current command runs */
static Truth
runs (const Reader *self)
{
  return self->depth > 0 ? self->branches[MIN (self->depth, MOST_DEPTH) - 1].runs : YES;
}

static void
begin_if (Reader *self)
{
  Truth outer = runs (self);

  if (self->depth < MOST_DEPTH)
    self->branches[self->depth] = (Branch){ .runs = NO, .before = NO, .outer = outer };
  self->depth++;
}

/* Begins a branch of the innermost "if". @truth: its condition */
static void
begin_branch (Reader *self, Truth truth)
{
  if (self->depth == 0 || self->depth > MOST_DEPTH)
    return;
  Branch *branch = &self->branches[self->depth - 1];
  branch->runs = both (branch->outer, both (truth, not(branch->before)));
  branch->before = either (branch->before, truth);
}

/* ---- commands ---- */

/* Returns: the entry that is being read; NULL: none is */
static DkmsBootEntry *
current (const Reader *self)
{
  return self->levels->len > 0 ? self->levels->pdata[self->levels->len - 1] : NULL;
}

static void
assign (Reader *self, const char *text)
{
  const char *equals = strchr (text, '=');

  if (equals == NULL)
    return;
  g_autofree char *name = g_strndup (text, (gsize)(equals - text));
  if (strcmp (name, "default") == 0 && current (self) == NULL)
    self->menu->certain
        = runs (self) == YES || (self->menu->certain && strcmp (variable (self, name), equals + 1) == 0);
  g_hash_table_insert (self->variables, g_steal_pointer (&name), g_strdup (equals + 1));
}

/* Returns: (transfer full): the words from @first on, joined with blanks */
static char *
join (const GPtrArray *words, guint first)
{
  GString *out = g_string_new (NULL);

  for (guint i = first; i < words->len; i++)
    g_string_append_printf (out, "%s%s", i > first ? " " : "", (const char *)words->pdata[i]);
  return g_string_free (out, FALSE);
}

static void
begin_entry (Reader *self, const GPtrArray *words)
{
  static const char *const with_value[] = { "--class", "--users", "--hotkey", "--id", NULL };
  DkmsBootEntry *outer = current (self);
  DkmsBootEntry *entry = NULL;
  g_autofree char *id = NULL;

  for (guint i = 1; i < words->len; i++)
    {
      const char *word = words->pdata[i];
      gboolean takes = g_strv_contains (with_value, word) && i + 1 < words->len;

      if (takes && strcmp (word, "--id") == 0)
        {
          g_free (id);
          id = g_strdup (words->pdata[i + 1]);
        }
      if (g_str_has_prefix (word, "--id="))
        {
          g_free (id);
          id = g_strdup (word + strlen ("--id="));
        }
      i += takes;
      if (!takes && !g_str_has_prefix (word, "--") && entry == NULL)
        entry = dkms_boot_entry_new (g_strdup (word));
    }
  if (entry == NULL)
    entry = dkms_boot_entry_new (g_strdup (""));
  entry->id = g_steal_pointer (&id);
  if (strcmp (words->pdata[0], "submenu") == 0)
    entry->entries = dkms_boot_entries_new ();
  g_ptr_array_add (outer != NULL && outer->entries != NULL ? outer->entries : self->menu->entries, entry);
  g_ptr_array_add (self->levels, entry);
}

/* Skips a block of braces, of which the first is read. */
static void
skip_block (Reader *self)
{
  Token token;

  for (guint depth = 1; depth > 0 && (token = next (self)) != TOKEN_EOF;)
    depth += token == TOKEN_OPEN ? 1U : token == TOKEN_CLOSE ? -1U : 0;
}

static gboolean
is_one_of (const char *word, const char *names)
{
  g_auto (GStrv) list = g_strsplit (names, " ", -1);

  return g_strv_contains ((const char *const *)list, word);
}

/* Runs a command that is not a keyword. */
static void
run (Reader *self, const GPtrArray *words)
{
  const char *name = words->pdata[0], *argument = words->len > 1 ? words->pdata[1] : NULL;
  DkmsBootEntry *entry = current (self);

  if (runs (self) == NO)
    return;
  if (strcmp (name, "set") == 0 && argument != NULL)
    assign (self, argument);
  else if (strchr (name, '=') != NULL)
    assign (self, name);
  else if (strcmp (name, "blscfg") == 0 && !self->menu->has_bls)
    {
      self->menu->has_bls = TRUE;
      self->menu->bls_at = self->menu->entries->len;
    }
  else if (entry != NULL && argument != NULL && entry->kernel == NULL && is_one_of (name, "linux linux16 linuxefi"))
    {
      entry->kernel = g_strdup (argument);
      entry->cmdline = join (words, 2);
    }
  else if (entry != NULL && is_one_of (name, "initrd initrd16 initrdefi"))
    for (guint i = 1; i < words->len; i++)
      g_ptr_array_add (entry->initrds, g_strdup (words->pdata[i]));
}

/* Returns: whether @words begin with a keyword, which was carried out. The rest of the words is a command */
static gboolean
take_keyword (Reader *self, GPtrArray *words)
{
  const char *word = words->pdata[0];

  if (strcmp (word, "if") == 0 || strcmp (word, "while") == 0 || strcmp (word, "until") == 0)
    begin_if (self);
  else if (strcmp (word, "for") == 0)
    {
      begin_if (self);
      begin_branch (self, MAYBE);
      g_ptr_array_set_size (words, 1);
    }
  else if (strcmp (word, "elif") == 0 || strcmp (word, "then") == 0 || strcmp (word, "do") == 0)
    ;
  else if (strcmp (word, "else") == 0)
    begin_branch (self, YES);
  else if (strcmp (word, "fi") == 0 || strcmp (word, "done") == 0)
    self->depth -= self->depth > 0;
  else
    return FALSE;
  gboolean branches = is_one_of (word, "if elif"), loops = is_one_of (word, "while until");
  g_ptr_array_remove_index (words, 0); /* frees @word */
  if ((branches || loops) && words->len > 0)
    {
      begin_branch (self, branches ? evaluate (words) : MAYBE);
      g_ptr_array_set_size (words, 0);
    }
  return TRUE;
}

/* @token: how the command ended */
static void
take_command (Reader *self, GPtrArray *words, Token token)
{
  while (words->len > 0 && take_keyword (self, words))
    ;
  const char *name = words->len > 0 ? words->pdata[0] : "";
  if (token == TOKEN_OPEN && (strcmp (name, "menuentry") == 0 || strcmp (name, "submenu") == 0) && runs (self) != NO
      && self->levels->len < MOST_DEPTH)
    begin_entry (self, words);
  else if (token == TOKEN_OPEN)
    skip_block (self);
  else if (words->len > 0)
    run (self, words);
  if (token == TOKEN_CLOSE && self->levels->len > 0)
    g_ptr_array_set_size (self->levels, (int)self->levels->len - 1);
  g_ptr_array_set_size (words, 0);
}

DkmsGrubMenu *
dkms_grub_parse (const char *text, GHashTable *environment, gboolean efi)
{
  g_autoptr (DkmsGrubMenu) menu = g_new0 (DkmsGrubMenu, 1);
  g_autoptr (GHashTable) variables = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, g_free);
  g_autoptr (GPtrArray) levels = g_ptr_array_new ();
  g_autoptr (GPtrArray) words = g_ptr_array_new_with_free_func (g_free);
  g_autoptr (GString) word = g_string_new (NULL);
  Reader self = { .at = text, .word = word, .variables = variables, .menu = menu, .levels = levels };
  GHashTableIter iter;
  gpointer name, value;
  Token token;

  menu->entries = dkms_boot_entries_new ();
  menu->certain = TRUE;
  g_hash_table_insert (variables, g_strdup ("feature_menuentry_id"), g_strdup ("y"));
  g_hash_table_insert (variables, g_strdup ("grub_platform"), g_strdup (efi ? "efi" : "pc"));
  g_hash_table_iter_init (&iter, environment != NULL ? environment : variables);
  while (environment != NULL && g_hash_table_iter_next (&iter, &name, &value))
    g_hash_table_insert (variables, g_strdup (name), g_strdup (value));
  do
    {
      token = next (&self);
      if (token == TOKEN_WORD)
        g_ptr_array_add (words, g_strdup (word->str));
      else
        take_command (&self, words, token);
    }
  while (token != TOKEN_EOF);
  menu->certain = menu->certain && self.expanded <= MOST_EXPANDED;
  value = g_hash_table_lookup (variables, "default");
  menu->selector = g_strdup (value);
  return g_steal_pointer (&menu);
}

void
dkms_grub_menu_free (DkmsGrubMenu *self)
{
  if (self == NULL)
    return;
  g_ptr_array_unref (self->entries);
  g_free (self->selector);
  g_free (self);
}

GHashTable *
dkms_grub_environment (const char *text)
{
  static const char signature[] = "# GRUB Environment Block\n";
  g_auto (GStrv) lines = g_str_has_prefix (text, signature) ? g_strsplit (text + strlen (signature), "\n", -1) : NULL;
  g_autoptr (GHashTable) variables = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, g_free);

  if (lines == NULL)
    return NULL;
  for (char **line = lines; *line != NULL; line++)
    {
      char *equals = **line != '#' ? strchr (*line, '=') : NULL;
      if (equals != NULL)
        g_hash_table_insert (variables, g_strndup (*line, (gsize)(equals - *line)), g_strdup (equals + 1));
    }
  return g_steal_pointer (&variables);
}

/* ---- the choice ---- */

/* Splits @selector at '>'; '>>' is a '>' in a title. Returns: (transfer full) */
static GPtrArray *
split (const char *selector)
{
  GPtrArray *parts = g_ptr_array_new_with_free_func (g_free);
  GString *part = g_string_new (NULL);

  for (const char *at = selector; *at != '\0'; at++)
    if (*at == '>' && at[1] != '>')
      {
        g_ptr_array_add (parts, g_strdup (part->str));
        g_string_truncate (part, 0);
      }
    else
      {
        g_string_append_c (part, *at);
        at += *at == '>';
      }
  g_ptr_array_add (parts, g_string_free (part, FALSE));
  return parts;
}

static const DkmsBootEntry *
find (const GPtrArray *entries, const char *part)
{
  guint64 number;

  if (g_ascii_string_to_unsigned (part, 10, 0, G_MAXUINT, &number, NULL))
    return number < entries->len ? entries->pdata[number] : NULL;
  for (guint i = 0; i < entries->len; i++)
    {
      const DkmsBootEntry *entry = entries->pdata[i];
      if (strcmp (entry->title, part) == 0 || g_strcmp0 (entry->id, part) == 0)
        return entry;
    }
  return NULL;
}

const DkmsBootEntry *
dkms_grub_choose (const DkmsGrubMenu *self, gboolean *certain)
{
  g_autoptr (GPtrArray) parts = split (self->selector != NULL ? self->selector : "0");
  const GPtrArray *entries = self->entries;
  const DkmsBootEntry *entry = NULL;

  *certain = *certain && self->certain;
  for (guint i = 0; entries != NULL && entries->len > 0; i++)
    {
      const char *part = i < parts->len ? parts->pdata[i] : "";
      entry = *part != '\0' ? find (entries, part) : NULL;
      if (entry == NULL)
        {
          *certain = *certain && *part == '\0' && i == 0; /* GRUB takes the first entry */
          entry = entries->pdata[0];
        }
      entries = entry->entries;
    }
  return entry;
}
