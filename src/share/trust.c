/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Reads the file cache-trust. */
#define _GNU_SOURCE
#include "share/trust.h"

#include <string.h>

#include "base/error.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/language.h"
#include "base/process.h"
#include "base/unread.h"
#include "share/safe-place.h"

#define TRUST_FILE "/etc/dkms/cache-trust"

enum {
  MOST_BYTES = 1 << 20,
  MOST_PUBLIC_KEY = 4096,
  MOST_SIGNERS = 64,
  MOST_DENIED = 4096,
  ID = 8,
  KEY = 32,
  DIGEST = 64
};

static void
signer_free (gpointer data)
{
  DkmsCacheSigner *self = data;

  g_free (self->key);
  g_free (self->id);
  g_ptr_array_unref (self->globs);
  g_free (self);
}

void
dkms_trust_free (DkmsTrust *self)
{
  if (self == NULL)
    return;
  g_ptr_array_unref (self->signers);
  g_ptr_array_unref (self->denied);
  g_free (self);
}

gboolean
dkms_cache_signer_may_build (const DkmsCacheSigner *self, const char *module)
{
  for (guint i = 0; i < self->globs->len; i++)
    if (g_pattern_match_simple (self->globs->pdata[i], module))
      return TRUE;
  return self->globs->len == 0;
}

/* ---- lines ---- */

/* Decodes a public key: "Ed", an id, a key of Ed25519. Returns: (transfer full) (nullable): its bytes */
static guchar *
decode_key (const char *text)
{
  gsize size = 0;
  g_autofree guchar *bytes = *text != '\0' ? g_base64_decode (text, &size) : NULL;
  g_autofree char *again = size == 2 + ID + KEY ? g_base64_encode (bytes, size) : NULL;

  /* g_base64_decode() skips what it does not know. */
  return again != NULL && strcmp (again, text) == 0 && memcmp (bytes, "Ed", 2) == 0 ? g_steal_pointer (&bytes) : NULL;
}

static char *
id_of (const guchar *bytes)
{
  GString *id = g_string_new (NULL);

  for (int i = ID - 1; i >= 0; i--)
    g_string_append_printf (id, "%02X", bytes[2 + i]);
  return g_string_free (id, FALSE);
}

/* Whether a line before has the key or the id in @bytes. One key under two ids would be two signers for "require", and
 * two keys with one id would have the same place in the cache. */
static gboolean
is_known (const DkmsTrust *self, const guchar *bytes)
{
  for (guint i = 0; i < self->signers->len; i++)
    {
      const DkmsCacheSigner *other = self->signers->pdata[i];
      g_autofree guchar *theirs = decode_key (other->key);
      if (memcmp (theirs + 2, bytes + 2, ID) == 0 || memcmp (theirs + 2 + ID, bytes + 2 + ID, KEY) == 0)
        return TRUE;
    }
  return FALSE;
}

/* Each of the following functions takes the words behind the first one of a line, ended by NULL. They return: (transfer
 * none) (nullable): what is wrong with the line */

static const char *
take_signer (DkmsTrust *self, char **words)
{
  g_autofree guchar *bytes = words[0] != NULL ? decode_key (words[0]) : NULL;

  if (bytes == NULL)
    return N_ ("it has no public key of minisign");
  if (is_known (self, bytes))
    return N_ ("the key is in a line before");
  if (self->signers->len == MOST_SIGNERS)
    return N_ ("there are too many lines of this kind");
  DkmsCacheSigner *signer = g_new0 (DkmsCacheSigner, 1);
  signer->key = g_strdup (words[0]);
  signer->id = id_of (bytes);
  signer->globs = g_ptr_array_new_with_free_func (g_free);
  for (char **glob = words + 1; *glob != NULL; glob++)
    g_ptr_array_add (signer->globs, g_strdup (*glob));
  g_ptr_array_add (self->signers, signer);
  return NULL;
}

static const char *
take_require (DkmsTrust *self, char **words)
{
  guint64 number;

  if (self->require != 0)
    return N_ ("there are too many lines of this kind");
  if (words[0] == NULL || words[1] != NULL
      || !g_ascii_string_to_unsigned (words[0], 10, 1, MOST_SIGNERS, &number, NULL))
    return N_ ("it has no number of signers");
  self->require = (guint)number;
  return NULL;
}

static const char *
take_denied (DkmsTrust *self, char **words)
{
  g_autofree char *digest = words[0] != NULL ? g_ascii_strdown (words[0], -1) : NULL;

  if (digest == NULL || words[1] != NULL || strlen (digest) != DIGEST || strspn (digest, "0123456789abcdef") != DIGEST)
    return N_ ("it has no key or SHA-256, which has 64 digits");
  if (self->denied->len == MOST_DENIED)
    return N_ ("there are too many lines of this kind");
  g_ptr_array_add (self->denied, g_steal_pointer (&digest));
  return NULL;
}

/* Returns: (transfer full): the words of @line before a comment */
static char **
split (const char *line)
{
  g_auto (GStrv) pieces = g_strsplit_set (line, " \t\r", -1);
  g_autoptr (GPtrArray) words = g_ptr_array_new ();

  for (char **piece = pieces; *piece != NULL && **piece != '#'; piece++)
    if (**piece != '\0')
      g_ptr_array_add (words, g_strdup (*piece));
  g_ptr_array_add (words, NULL);
  return (char **)g_ptr_array_steal (words, NULL);
}

static const char *
take_line (DkmsTrust *self, const char *line)
{
  static const struct {
    const char *word;
    const char *(*take) (DkmsTrust *self, char **words);
  } kinds[] = { { "trust", take_signer }, { "require", take_require }, { "deny", take_denied } };
  g_auto (GStrv) words = split (line);

  if (words[0] == NULL)
    return NULL;
  for (gsize i = 0; i < G_N_ELEMENTS (kinds); i++)
    if (strcmp (words[0], kinds[i].word) == 0)
      return kinds[i].take (self, words + 1);
  return N_ ("it does not begin with trust, require or deny");
}

DkmsTrust *
dkms_trust_parse (const char *text, gsize size, const char *path, GError **error)
{
  g_autoptr (DkmsTrust) self = g_new0 (DkmsTrust, 1);
  g_auto (GStrv) lines = g_strsplit (text, "\n", -1);
  guint number = 0;

  self->signers = g_ptr_array_new_with_free_func (signer_free);
  self->denied = g_ptr_array_new_with_free_func (g_free);
  for (char **line = lines; *line != NULL; line++)
    {
      const char *reason = g_utf8_validate (*line, -1, NULL) ? take_line (self, *line) : N_ ("it is not UTF-8");
      number++;
      if (reason == NULL && line[1] == NULL && strlen (text) != size)
        reason = N_ ("it has a NUL");
      if (reason != NULL)
        return (void)DKMS_FAIL (error, TRUST_LINE_BAD, .path = path, .number = number, .text = reason), NULL;
    }
  self->require = MAX (self->require, 1);
  if (self->require > 1 && self->require > self->signers->len)
    return (void)DKMS_FAIL (error, TRUST_TOO_FEW, .path = path, .number = self->require, .limit = self->signers->len),
           NULL;
  return g_steal_pointer (&self);
}

/* ---- the file ---- */

/* Checks the file @fd and what leads to it. */
static gboolean
check_place (const DkmsRoot *root, int fd, GError **error)
{
  g_autofree char *unsafe = NULL;
  struct stat st;

  if (!dkms_find_unsafe (root, TRUST_FILE, &unsafe, error))
    return FALSE;
  if (fstat (fd, &st) < 0)
    return dkms_fail_errno (error, "read", TRUST_FILE);
  if (unsafe == NULL && !dkms_is_safe (&st, FALSE)) /* it was replaced */
    unsafe = g_strdup (TRUST_FILE);
  return unsafe == NULL || DKMS_FAIL (error, TRUST_WRITABLE, .path = unsafe, .name = TRUST_FILE);
}

DkmsTrust *
dkms_trust_read (const DkmsSettings *settings, GError **error)
{
  const DkmsRoot *root = settings->places.root;
  g_auto (DkmsFd) fd = dkms_root_openat (root, TRUST_FILE, DKMS_READ_FLAGS, 0);
  gsize size = 0;

  if (fd < 0 && dkms_is_absent (errno))
    return dkms_trust_parse ("", 0, TRUST_FILE, error);
  g_autofree char *text = dkms_read_fd (fd, TRUST_FILE, MOST_BYTES, &size, error);
  if (text == NULL || !check_place (root, fd, error))
    return NULL;
  return dkms_trust_parse (text, size, TRUST_FILE, error);
}

/* ---- keys ---- */

char *
dkms_trust_generate (const char *path, GError **error)
{
  g_autofree char *helper = dkms_process_helper ("dkms-sign");
  g_autofree char *public = g_strconcat (path, ".pub", NULL);
  const char *const argv[] = { helper, "generate-cache-key", path, NULL };
  const DkmsCommand command = { .argv = argv, .null_stdin = TRUE };
  int status = 0;
  g_autofree char *output = dkms_process_transcript (&command, &status, error);

  if (output == NULL)
    return NULL;
  dkms_recall_helper (g_strchomp (output));
  if (status != 0)
    return (void)DKMS_FAIL (error, CACHE_KEY_NOT_MADE, .path = path, .text = output), NULL;
  g_autofree char *text = dkms_read_at (AT_FDCWD, public, MOST_PUBLIC_KEY, NULL, error);
  if (text == NULL)
    return NULL;
  g_auto (GStrv) lines = g_strsplit (text, "\n", 3);
  return g_strdup (lines[0] != NULL && lines[1] != NULL ? lines[1] : "");
}
