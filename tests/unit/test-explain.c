/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The explanation of a cause: how the search of headers changes its sentence. */
#include <string.h>

#include "check/explain.h"

#define K "6.12.1-test"

typedef struct {
  const char *in_new, *in_old; /* identifiers */
  guint asked;
} Headers;

static DkmsSeen
find_word (gpointer data, const char *kernel, const char *word, char **file)
{
  Headers *headers = data;
  const char *words = strcmp (kernel, K) == 0 ? headers->in_new : headers->in_old;

  headers->asked++;
  if (words == NULL)
    return DKMS_SEEN_UNKNOWN;
  if (strstr (words, word) == NULL)
    return DKMS_SEEN_NO;
  *file = g_strdup ("include/linux/x.h");
  return DKMS_SEEN_YES;
}

static void
test_looking (void)
{
  static const char log[] = "/t/foo/1.0/build/v.c:3:2: error: implicit declaration of function ‘strlcpy’ in "
                            "/usr/src/linux-headers-x/include/a.h of /t/foo/1.0/build\n";
  static const struct {
    const char *in_new, *in_old, *older, *sentence, *looked;
  } cases[] = {
    { "strscpy", "strlcpy", "6.1.0", "foo/1.0 is too old for kernel " K ": 'strlcpy' is gone.",
      "'strlcpy' is in the headers of 6.1.0, for which foo/1.0 is built, and not in those of " K "." },
    { "strscpy", "strlcpy", "6.13.0", "foo/1.0 needs a newer kernel than " K ", which has no 'strlcpy'.",
      "'strlcpy' is in the headers of 6.13.0, for which foo/1.0 is built, and not in those of " K "." },
    { "strscpy", "strscpy", "6.1.0", "foo/1.0 does not fit kernel " K ": 'strlcpy' was removed or moved.",
      "'strlcpy' is neither in the headers of " K " nor in those of 6.1.0, for which foo/1.0 is built." },
    { "strscpy", NULL, NULL, "foo/1.0 does not fit kernel " K ": 'strlcpy' was removed or moved.",
      "'strlcpy' is not in the headers of " K "." },
    { "strlcpy", "strlcpy", "6.1.0", "foo/1.0 does not fit kernel " K ": 'strlcpy' was removed or moved.",
      "The headers of " K " mention it in include/linux/x.h, which the source may not include." },
    { NULL, NULL, "6.1.0", "foo/1.0 does not fit kernel " K ": 'strlcpy' was removed or moved.", NULL },
  };
  g_autoptr (DkmsDiagnosis) diagnosis = dkms_log_diagnose (log, K);

  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      Headers headers = { cases[i].in_new, cases[i].in_old, 0 };
      const DkmsCauseFacts facts = { .module = "foo",
                                     .version = "1.0",
                                     .kernel = K,
                                     .older = cases[i].older,
                                     .area = "/t/foo/1.0/build",
                                     .headers = "/usr/src/linux-headers-x",
                                     .find_word = find_word,
                                     .data = &headers };
      g_autoptr (DkmsExplanation) shown = dkms_cause_explain (dkms_diagnosis_cause (diagnosis), diagnosis, &facts);
      g_assert_cmpstr (shown->sentence, ==, cases[i].sentence);
      g_assert_cmpstr (shown->looked, ==, cases[i].looked);
      g_assert_cmpstr (shown->line, ==,
                       "v.c:3:2: error: implicit declaration of function 'strlcpy' in <kernel>/include/a.h of .");
    }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/check/explain/looking", test_looking);
  return g_test_run ();
}
