/* SPDX-License-Identifier: GPL-2.0-or-later */
/* show-kernel ROOT RELEASE IMAGE [--provide MODULE...] [SYMBOL...]: prints what verify/kernel-facts.c reads about a
 * kernel, for tests/system/test_kernel_facts.py. IMAGE: "-" for the usual places. */
#include <stdio.h>
#include <string.h>

#include "base/process.h"
#include "store/answers.h"
#include "verify/kernel-facts.h"

static void
show_symbol (const DkmsKernelReading *reading, const char *name)
{
  static const char *const found[] = { "no", "yes", "unknown" };
  DkmsLoadKernel kernel = { 0 };

  dkms_kernel_reading_facts (reading, &kernel);
  const DkmsSymbol symbol = kernel.symbol (kernel.data, name);
  printf ("%s: %s", name, found[symbol.found]);
  if (symbol.found == DKMS_YES)
    printf (" %s %08x %s%s%s%s%s%s", symbol.gpl_only ? "gpl" : "any", symbol.has_crc ? symbol.crc : 0,
            symbol.has_crc ? "crc" : "-", symbol.name_space != NULL ? " space=" : "",
            symbol.name_space != NULL ? symbol.name_space : "", symbol.owner != NULL ? " owner=" : "",
            symbol.owner != NULL ? symbol.owner : "", symbol.of_proprietary ? " proprietary" : "");
  putchar ('\n');
}

static void
show_text (const char *name, const char *text)
{
  printf ("%s: %s\n", name, text != NULL ? text : "-");
}

static void
show (const DkmsKernelReading *reading)
{
  DkmsLoadKernel kernel = { 0 };

  dkms_kernel_reading_facts (reading, &kernel);
  show_text ("image", reading->image);
  show_text ("unread", reading->unread);
  show_text ("vermagic", reading->vermagic);
  show_text ("btf", reading->btf);
  printf ("config: %d\n", reading->config != NULL ? (int)strlen (reading->config) : -1);
  show_text ("confidence", dkms_confidence_name (reading->confidence));
  printf ("struct: %u\nmachine: %u\ncertificates: %u\n", (guint)reading->struct_size, reading->machine,
          reading->certificates->len);
  printf ("flags:%s%s%s%s%s%s%s\n", reading->needs_root ? " needs_root" : "",
          reading->other_headers ? " other_headers" : "", kernel.compares_struct_size ? " compares_struct_size" : "",
          kernel.modversions ? " modversions" : "", kernel.force_load ? " force_load" : "",
          kernel.missing_namespaces ? " missing_namespaces" : "", kernel.btf_mismatch ? " btf_mismatch" : "");
}

/* Reads the module @path, and adds the modules that provide its symbols. */
static void
provide (DkmsKernelReading *reading, const DkmsSettings *settings, const char *path)
{
  const char *const argv[] = { "dkms-modinfo", "--facts", NULL };
  g_autoptr (GPtrArray) paths = g_ptr_array_new ();
  g_autoptr (GError) error = NULL;
  GHashTable *providers = NULL;
  GHashTableIter iter;
  gpointer name, value;
  gsize size;

  g_ptr_array_add (paths, (gpointer)path);
  g_autoptr (GBytes) answer = dkms_answers_ask (&settings->places, "shown", argv, paths, &error);
  g_assert_no_error (error);
  const char *text = g_bytes_get_data (answer, &size);
  g_autoptr (GPtrArray) files = dkms_module_files_parse (text, size, 1);
  dkms_kernel_reading_provide (reading, settings, files, &providers);
  g_hash_table_iter_init (&iter, providers);
  while (g_hash_table_iter_next (&iter, &name, &value))
    printf ("provider %s: %s\n", (char *)name, (char *)value);
  g_hash_table_unref (providers);
}

int
main (int argc, char **argv)
{
  g_autoptr (GError) error = NULL;

  g_assert_cmpint (argc, >=, 4);
  dkms_process_begin ();
  DkmsSettings settings = { .places = { .root = dkms_root_open (argv[1], &error),
                                        .dkms_tree = (char *)"/var/lib/dkms",
                                        .install_tree = (char *)"/lib/modules" } };
  g_assert_no_error (error);
  gint64 start = g_get_monotonic_time ();
  DkmsKernelReading *reading
      = dkms_kernel_reading_new (&settings, argv[2], strcmp (argv[3], "-") == 0 ? NULL : argv[3]);
  show (reading);
  for (char **word = argv + 4; *word != NULL; word++)
    if (strcmp (*word, "--provide") == 0)
      provide (reading, &settings, *++word);
    else
      show_symbol (reading, *word);
  fprintf (stderr, "%d us\n", (int)(g_get_monotonic_time () - start));
  dkms_kernel_reading_free (reading);
  dkms_root_free (settings.places.root);
  return 0;
}
