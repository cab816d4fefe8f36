/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a line of a make.log is about, as far as confinement may be the reason: a table of marks, for the wordings of
 * many tools, and the objects that a line names. A new wording is a line here and one in tests/unit/test-first-error.c.
 */
#include <string.h>

#include "build/build.h"

/* The first mark found counts. */
static const struct {
  DkmsCause cause;
  const char *marks[32];
} causes[] = {
  { DKMS_CAUSE_NETWORK,
    { "Could not resolve host",
      "Couldn't resolve host",
      "Could not resolve proxy",
      "unable to resolve host",
      "name resolution",
      "Temporary failure resolving",
      "Could not resolve '",
      "Name or service not known",
      "nodename nor servname",
      "No address associated with hostname",
      "etwork is unreachable",
      "No route to host",
      "nknown host",
      "no such host",
      "bad address '",
      "ailed to connect to",
      "Could not connect to",
      "Couldn't connect to",
      "EAI_AGAIN",
      "ENETUNREACH",
      "ENOTFOUND",
      "NameResolutionError",
      "Bad hostname",
      "unable to look up",
      "Failed to establish a new connection",
      "Address family not supported",
      NULL } },
  { DKMS_CAUSE_READ_ONLY, { "ead-only file system", "EROFS", "[Errno 30]", NULL } },
  { DKMS_CAUSE_OWNER,
    { "changing ownership of", "cannot change ownership", "annot change owner", "preserve ownership", "chown",
      "changing group of", "preserving times", NULL } },
  { DKMS_CAUSE_ADDRESSES, { "kallsyms", NULL } },
  { DKMS_CAUSE_RIGHTS,
    { "Operation not permitted", "EPERM", "[Errno 1]", "you must be root", "must be run as root", "must be superuser",
      "need to be root", "Authentication failure", ": permission denied.", "permission denied on key", NULL } },
  { DKMS_CAUSE_DENIED, { "ermission denied", "EACCES", "[Errno 13]", NULL } },
  { DKMS_CAUSE_ABSENT,
    { "No such file", "not found", "cannot open", "No rule to make target", "cannot find", "does not exist",
      "doesn't exist", "no such", "ENOENT", "[Errno 2]", "annot stat", "not a directory", "unable to open",
      "required file not found", "irectory nonexistent", NULL } },
};

/* What fetches things from elsewhere, at times without a word when it cannot (wget -q): a command, and what must follow
 * it on the line. */
static const char *const downloaders[][2]
    = { { "wget", "://" },       { "curl", "://" },      { "git", "clone " },    { "git", "fetch" },
        { "git", "pull" },       { "git", "submodule" }, { "svn", "://" },       { "rsync", "::" },
        { "rsync", "://" },      { "pip", "install " },  { "pip3", "install " }, { "apt-get", "install " },
        { "apt", "install " },   { "dnf", "install " },  { "yum", "install " },  { "aria2c", "://" },
        { "cargo", "install " }, { "npm", "install" },   { "go", "get " },       { "hg", "clone " } };

static gboolean
is_word_end (char c)
{
  return c == '\0' || strchr (" \t\n;&|()`'\"", c) != NULL;
}

DkmsCause
dkms_cause_of (const char *line)
{
  for (gsize i = 0; i < G_N_ELEMENTS (causes); i++)
    for (const char *const *mark = causes[i].marks; *mark != NULL; mark++)
      if (strstr (line, *mark) != NULL)
        return causes[i].cause;
  return DKMS_CAUSE_NONE;
}

const char *
dkms_downloader_in (const char *text)
{
  for (gsize i = 0; i < G_N_ELEMENTS (downloaders); i++)
    {
      const char *word = downloaders[i][0];
      for (const char *at = text; (at = strstr (at, word)) != NULL; at++)
        {
          const char *rest = at + strlen (word);
          const char *found = strstr (rest, downloaders[i][1]);
          if ((at == text || at[-1] == '/' || is_word_end (at[-1])) && is_word_end (*rest) && *rest != '\0'
              && found != NULL && found < rest + strcspn (rest, "\n"))
            return word;
        }
    }
  return NULL;
}

/* ---- what a line names ---- */

/* Returns: how many bytes of a quotation mark or of punctuation @at begins with; 0: none */
static gsize
mark_size (const char *at)
{
  if (g_str_has_prefix (at, "\xe2\x80\x98") || g_str_has_prefix (at, "\xe2\x80\x99"))
    return 3;
  return *at != '\0' && strchr (" \t\n'\"`:,;()[]<>=", *at) != NULL ? 1 : 0;
}

char **
dkms_line_paths (const char *line)
{
  g_autoptr (GPtrArray) paths = g_ptr_array_new ();

  for (const char *at = line; *at != '\0'; at++)
    {
      const char *end = at;

      /* Behind a blank or a mark; no address on the network. */
      if (*at != '/' || at[1] == '/' || (at > line && mark_size (at - 1) == 0 && (guchar)at[-1] < 0x80))
        continue;
      while (*end != '\0' && mark_size (end) == 0)
        end++;
      if (end > at + 1)
        g_ptr_array_add (paths, g_strndup (at, (gsize)(end - at)));
      at = end - 1;
    }
  g_ptr_array_add (paths, NULL);
  return (char **)g_ptr_array_free (g_steal_pointer (&paths), FALSE);
}

gboolean
dkms_line_creates (const char *line)
{
  static const char *const marks[] = { "annot create", "annot touch", "annot make", "annot mkdir", "ailed to create" };
  gboolean creates = FALSE;

  for (gsize i = 0; i < G_N_ELEMENTS (marks); i++)
    creates |= strstr (line, marks[i]) != NULL;
  return creates;
}

char *
dkms_line_command (const char *line)
{
  static const char *const marks[] = { ": command not found", ": not found", ": No such file or directory", NULL };

  for (const char *const *mark = marks; *mark != NULL; mark++)
    {
      const char *end = strstr (line, *mark), *start = end;

      while (end != NULL && end > line && end[-1] == '\'')
        end--;
      if (end != NULL && end - line >= 3 && mark_size (end - 3) == 3)
        end -= 3;
      for (start = end; start != NULL && start > line && mark_size (start - 1) == 0 && (guchar)start[-1] < 0x80;)
        start--;
      if (end != NULL && end > start)
        return g_strndup (start, (gsize)(end - start));
    }
  return NULL;
}
