/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Keys and signatures of minisign 0.11 and signify 31 (made by the tools themselves), and of dkms. */
#include "ed25519.h"
#include "helpers/minisign.h"

#include <glib.h>
#include <openssl/evp.h>
#include <string.h>

static const char signed_text[] = "{\"format\":1}\n";

typedef struct {
  const char *name, *key, *id, *file;
} Sample;

static const Sample samples[] = {
  { "minisign, pure", "RWRn083xbTEHeFyGRzreavW7lVSOsLDJ79ouK3p0KXy9Bi81jfiIIJ09", "7807316DF1CDD367",
    "untrusted comment: signature from minisign secret key\n"
    "RWRn083xbTEHeGQWBYlL4HkYHtzTV6OolYTRidWXEvXydUBPGfS5TMls4EJoDb4KCKRCTU9jzB3X7MoGDd/lVqBw07Hpsj5R+gs=\n"
    "trusted comment: trusted words\n"
    "G3J57inrbVg6gJBCt+YgC4tK/hPXBt+tRSUFIrX2OddoaeaJXo9uZCS8q5R4ZtC6RwVHIrKw252xM3iJGdrgDA==\n" },
  { "minisign, prehashed", "RWRn083xbTEHeFyGRzreavW7lVSOsLDJ79ouK3p0KXy9Bi81jfiIIJ09", "7807316DF1CDD367",
    "untrusted comment: signature from minisign secret key\n"
    "RURn083xbTEHeFIrD+B2L1dYOARvVRU8tKEIZiPgYz0iTsI9DW3Owj8X46A833qL1radhEk9du6H62EpFpIfnV34a5zoKKyClgw=\n"
    "trusted comment: trusted words\n"
    "cNhWMuNFhERDDFF804E7hsJKy9UmFgU3JBal6ooBXzAed5uOYxeWhn8fVrUc/ZkvWOIP0Zp6UtN9psgX1RObDg==\n" },
  { "signify", "RWSAxxgoHEve+1CgFD5dkZmxiqk0pSXM2wIoM7iNFWqsO03v+/6vbEe4", "FBDE4B1C2818C780",
    "untrusted comment: verify with s.pub\n"
    "RWSAxxgoHEve+4lMIO+hDUAKivnRz5/IpPIs2QZNHagdStibX3LGJu/iOyQtGl8GCdAYHsJ4XEtgYJKQUnMvlWUYtPD+hitf+gM=\n" },
  { "dkms", "RWT/9XCX+ze6osFp6zg8IQKJ7IH7scRoUHHW78e7qEmEJkc9DqMwxXfH", "A2BA37FB9770F5FF",
    "untrusted comment: signature from dkms key A2BA37FB9770F5FF\n"
    "RWT/9XCX+ze6osgYonGXCOi7ffW5GoY7fyCMc38BSeVgVf7krbScDG5U6G34Wr7bdf3NZuF9lzbzUGGe0hT6NO4feYZyzs3WmQQ=\n"
    "trusted comment: build of dkms\n"
    "PpV7IQjFLp9dk9LM8zLbvs82c/JD13OWqpaKGwEsktwk9RO7sjRko43oXl1UImIQ2fClh1fMoenmq1LNc2Y9CA==\n" },
};

static const char *
verify (const Sample *sample, const char *text, const char *file)
{
  MinisignKey key;

  g_assert_true (minisign_key_read (&key, sample->key));
  return minisign_verify (&key, text, strlen (text), file, strlen (file));
}

static void
test_samples (void)
{
  for (gsize i = 0; i < G_N_ELEMENTS (samples); i++)
    {
      const Sample *sample = &samples[i];
      MinisignKey key;
      char name[MINISIGN_NAME + 1], again[MINISIGN_KEY_TEXT + 1];

      g_test_message ("%s", sample->name);
      g_assert_true (minisign_key_read (&key, sample->key));
      minisign_key_name (&key, name);
      minisign_key_write (&key, again);
      g_assert_cmpstr (name, ==, sample->id);
      g_assert_cmpstr (again, ==, sample->key);
      g_assert_cmpstr (verify (sample, signed_text, sample->file), ==, NULL);
      g_assert_cmpstr (verify (sample, "{\"format\":2}\n", sample->file), ==, "the signature is wrong");
      g_assert_cmpstr (verify (sample, "", sample->file), ==, "the signature is wrong");
    }
}

/* Each bit of a signature file counts, but in the first line: its comment is not signed. */
static void
test_bits (void)
{
  for (gsize i = 0; i < G_N_ELEMENTS (samples); i++)
    {
      const Sample *sample = &samples[i];
      gsize free_until = strcspn (sample->file, "\n"), free_from = strlen ("untrusted comment: ");

      for (gsize at = 0; at < strlen (sample->file); at++)
        for (unsigned bit = 0; bit < 8; bit++)
          {
            g_autofree char *file = g_strdup (sample->file);
            file[at] = (char)(file[at] ^ (1 << bit));
            const gboolean comment = at >= free_from && at < free_until && file[at] != '\n';
            if (file[at] == '\0') /* it ends there */
              continue;
            /* The last line may have no end, and a line may end with a carriage return. */
            if (!comment && !(at == strlen (sample->file) - 1))
              g_assert_cmpstr (verify (sample, signed_text, file), !=, NULL);
          }
    }
}

static void
test_lengths (void)
{
  for (gsize i = 0; i < G_N_ELEMENTS (samples); i++)
    {
      const Sample *sample = &samples[i];
      const char *second = strchr (strchr (sample->file, '\n') + 1, '\n');

      for (gsize length = 0; length < strlen (sample->file); length++)
        {
          g_autofree char *file = g_strndup (sample->file, length);
          const char *reason = verify (sample, signed_text, file);
          gboolean whole = length == strlen (sample->file) - 1,
                   two = sample->file + length == second || sample->file + length == second + 1;
          g_assert_true ((reason == NULL) == (whole || two));
        }
      g_autofree char *more = g_strconcat (sample->file, "x", NULL);
      g_assert_cmpstr (verify (sample, signed_text, more), !=, NULL);
    }
  MinisignKey key = { 0 };
  g_autofree char *large = g_strnfill (MINISIGN_MOST_FILE + 1, 'x');
  g_assert_cmpstr (minisign_verify (&key, "", 0, NULL, 0), ==, "the signature is damaged");
  g_assert_cmpstr (minisign_verify (&key, "", 0, large, strlen (large)), ==, "the signature is damaged");
}

/* A signature of another key, and one under the id of another key. */
static void
test_keys (void)
{
  MinisignKey mine, other;

  g_assert_true (minisign_key_read (&mine, samples[0].key));
  g_assert_true (minisign_key_read (&other, samples[3].key));
  g_assert_cmpstr (
      minisign_verify (&other, signed_text, strlen (signed_text), samples[0].file, strlen (samples[0].file)), ==,
      "it is signed with another key");
  memcpy (other.id, mine.id, sizeof other.id);
  g_assert_cmpstr (
      minisign_verify (&other, signed_text, strlen (signed_text), samples[0].file, strlen (samples[0].file)), ==,
      "the signature is wrong");
  static const char *const bad[] = { "",
                                     "RWQ",
                                     "RWRn083xbTEHeFyGRzreavW7lVSOsLDJ79ouK3p0KXy9Bi81jfiIIJ0",
                                     "not a key",
                                     "RWRn083xbTEHeFyGRzreavW7lVSOsLDJ79ouK3p0KXy9Bi81jfiIIJ09=",
                                     "RURn083xbTEHeFyGRzreavW7lVSOsLDJ79ouK3p0KXy9Bi81jfiIIJ09",
                                     " WRn083xbTEHeFyGRzreavW7lVSOsLDJ79ouK3p0KXy9Bi81jfiIIJ09" };
  for (gsize i = 0; i < G_N_ELEMENTS (bad); i++)
    g_assert_false (minisign_key_read (&other, bad[i]));
}

static void
test_write (void)
{
  const unsigned char seed[32] = { 1, 2, 3 };
  EVP_PKEY *private = EVP_PKEY_new_raw_private_key (EVP_PKEY_ED25519, NULL, seed, sizeof seed);
  MinisignKey key;
  size_t size = sizeof key.key;

  g_assert_cmpint (EVP_PKEY_get_raw_public_key (private, key.key, &size), ==, 1);
  minisign_key_set_id (&key);
  char *text = minisign_write (&key, "abc", 3, "words", ed25519_sign, private);
  g_assert_nonnull (text);
  g_assert_cmpstr (minisign_verify (&key, "abc", 3, text, strlen (text)), ==, NULL);
  g_assert_cmpstr (minisign_verify (&key, "abd", 3, text, strlen (text)), ==, "the signature is wrong");
  char *comment = strstr (text, "words");
  g_assert_nonnull (comment);
  *comment = 'W';
  g_assert_cmpstr (minisign_verify (&key, "abc", 3, text, strlen (text)), ==, "the signature of the comment is wrong");
  free (text);
  EVP_PKEY_free (private);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/minisign/samples", test_samples);
  g_test_add_func ("/minisign/bits", test_bits);
  g_test_add_func ("/minisign/lengths", test_lengths);
  g_test_add_func ("/minisign/keys", test_keys);
  g_test_add_func ("/minisign/write", test_write);
  return g_test_run ();
}
