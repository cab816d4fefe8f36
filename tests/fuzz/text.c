/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Input: a letter that selects a parser, and a text of another program for it:
 *   o  os-release, of the distribution, or of a DIR given with --root
 *   k  a kernel's configuration, from its headers
 *   v  three versions, one per line, from recipes and names of directories
 *   m  MAKEFLAGS, from a make that started dkms
 *   c  cpu.max, from the kernel
 *   l  make.log, from the build of a package
 *   f  the findings of the sandbox, which package code may forge
 *   s  Module.symvers, modules.symbols and utsrelease.h, from a package's build and a kernel's headers
 *   n  framework.conf as the check for misspelled names reads it
 *   d  values of framework.conf, one per line
 *   p  a file of modprobe.d, from a boot image or a root
 *   b  dracut.conf or another list that a shell reads
 *   u  what a package manager prints, after a letter for its form
 * Findings: a crash; an inconsistent order of versions; words for a package manager that could be an option; control
 * characters in text for a terminal. */
#define _GNU_SOURCE
#include <pwd.h>
#include <sys/mman.h>

/* The result must not depend on the users of the machine. */
#define getpwnam(name) NULL
#include "../../src/conf/settings.c"
#undef getpwnam

#include "base/near.h"
#include "base/process.h"
#include "build/loadable.h"
#include "check/explain.h"
#include "check/line.h"
#include "check/modprobe-line.h"
#include "check/shell-list.h"
#include "conf/sandbox.h"
#include "conf/settings-check.h"
#include "forecast/apk.h"
#include "forecast/apt.h"
#include "forecast/dnf.h"
#include "forecast/pacman.h"
#include "forecast/zypper.h"
#include "fuzz.h"
#include "model/version.h"
#include "run/jobserver.h"

static void
os_release (FuzzInput *input)
{
  const DkmsSettings *settings = fuzz_settings ();
  DkmsDistro *distro;

  fuzz_write ("root/etc/os-release", input->data, input->size);
  distro = dkms_distro_read (settings->places.root, NULL);
  g_assert (distro != NULL && distro->family != NULL);
  static const char *const releases[]
      = { "6.1.0", "6.6.1-zen1-1-zen", "6.6.20_1", "6.6.20-gentoo-r1-dist", "6.8.12-4-pve", "6.8.5+debug", "" };
  for (gsize i = 0; i < G_N_ELEMENTS (releases); i++)
    g_free (dkms_distro_headers_package (distro, NULL, NULL, releases[i]));
  dkms_distro_free (distro);
}

static void
kernel_config (FuzzInput *input)
{
  g_autofree char *config = fuzz_text (input, '\0');
  static const char *const names[] = { "CONFIG_MODULES", "CONFIG_MODULE_SIG_HASH", "CONFIG_CC_VERSION_TEXT" };
  DkmsKernel kernel = { .source_dir = (char *)"/nowhere", .dir = (char *)"/nowhere" };
  g_auto (GStrv) env = g_new0 (char *, 1);

  for (gsize i = 0; i < G_N_ELEMENTS (names); i++)
    {
      g_autofree char *value = dkms_kernel_config_value (config, names[i]);
      g_assert (value == NULL || strchr (value, '\n') == NULL);
      (void)dkms_kernel_config_has (config, names[i]);
    }
  env = dkms_kernel_compiler_env (&kernel, fuzz_settings ()->places.root, config, env);
}

static int
sign_of (int order)
{
  return order > 0 ? 1 : order < 0 ? -1 : 0;
}

static void
versions (FuzzInput *input)
{
  g_autofree char *a = fuzz_text (input, '\n');
  g_autofree char *b = fuzz_text (input, '\n');
  g_autofree char *c = fuzz_text (input, '\n');
  int (*const orders[]) (const char *, const char *) = { dkms_version_compare, dkms_version_sort };

  for (gsize i = 0; i < G_N_ELEMENTS (orders); i++)
    {
      g_assert (orders[i](a, a) == 0);
      g_assert (sign_of (orders[i](a, b)) == -sign_of (orders[i](b, a)));
      if (orders[i](a, b) <= 0 && orders[i](b, c) <= 0)
        g_assert (orders[i](a, c) <= 0);
    }
}

static void
makeflags (FuzzInput *input)
{
  g_autofree char *flags = fuzz_text (input, '\0');
  g_autofree char *jobs = dkms_jobs_from_makeflags (flags);
  g_autofree char *rest = dkms_makeflags_without_jobs (flags);

  g_assert (jobs == NULL || strspn (jobs, "0123456789") == strlen (jobs));
  g_assert (strlen (rest) <= strlen (flags));
}

static void
cpu_max (FuzzInput *input)
{
  g_autofree char *text = fuzz_text (input, '\0');

  (void)dkms_jobs_from_cpu_max (text);
}

static void
assert_printable (const char *text)
{
  g_autofree char *shown = text != NULL ? dkms_process_printable (text) : NULL;

  for (const guchar *c = (const guchar *)shown; c != NULL && *c != '\0'; c++)
    g_assert ((*c >= 0x20 || *c == '\n' || *c == '\t') && *c != 0x7f && (c[0] != 0xc2 || c[1] < 0x80 || c[1] > 0x9f));
}

/* Sentences must contain neither missing values nor control characters. */
static void
assert_explained (const DkmsDiagnosis *diagnosis)
{
  static const DkmsCauseFacts facts = { .module = "m", .version = "1", .kernel = "6.1.0-1-test" };

  for (guint i = 0; i < diagnosis->causes->len; i++)
    {
      g_autoptr (DkmsExplanation) shown = dkms_cause_explain (diagnosis->causes->pdata[i], diagnosis, &facts);
      for (const char *c = shown->sentence; *c != '\0'; c++)
        g_assert ((guchar)*c >= 0x20 && *c != 0x7f);
      g_assert (g_utf8_validate (shown->sentence, -1, NULL) && g_utf8_validate (shown->next, -1, NULL));
    }
}

static void
assert_same_in_pieces (const char *log, const DkmsDiagnosis *whole)
{
  DkmsLogScan *scan = dkms_log_scan_new ("6.1.0-1-test");
  g_autoptr (DkmsDiagnosis) pieces = NULL;

  for (gsize at = 0, size = strlen (log); at < size; at += 7)
    dkms_log_scan_feed (scan, log + at, MIN (7, size - at));
  pieces = dkms_log_scan_end (scan);
  g_assert (g_strcmp0 (pieces->first_error, whole->first_error) == 0 && g_strcmp0 (pieces->tail, whole->tail) == 0
            && pieces->causes->len == whole->causes->len);
}

static void
make_log (FuzzInput *input)
{
  g_autofree char *log = fuzz_text (input, '\0');
  g_autoptr (DkmsDiagnosis) diagnosis = dkms_log_diagnose (log, "6.1.0-1-test");
  const char *first = diagnosis->first_error, *tail = diagnosis->tail;
  g_auto (GStrv) lines = g_strsplit (log, "\n", 64);

  assert_printable (log);
  g_assert (tail == NULL || *tail != '\0');
  g_assert ((diagnosis->causes->len == 0) == (diagnosis->status == 0));
  assert_explained (diagnosis);
  assert_same_in_pieces (log, diagnosis);
  for (const char *c = first; c != NULL && *c != '\0'; c++)
    g_assert ((guchar)*c >= 0x20 || *c == '\t');
  for (char **line = lines; *line != NULL; line++)
    {
      g_auto (GStrv) paths = dkms_line_paths (*line);
      g_autofree char *command = dkms_line_command (*line);

      g_assert (command == NULL || strlen (command) <= strlen (*line));
      (void)dkms_line_topic (*line);
      (void)dkms_downloader_in (*line);
      for (char **path = paths; *path != NULL; path++)
        g_assert (**path == '/');
    }
}

static void
findings (FuzzInput *input)
{
  static int report = -1;
  g_auto (DkmsFindings) read = { 0 };

  if (report < 0)
    report = memfd_create ("findings", MFD_CLOEXEC);
  g_assert (report >= 0 && ftruncate (report, 0) == 0);
  g_assert (pwrite (report, input->data, input->size, 0) == (ssize_t)input->size);
  dkms_findings_read (&read, report);
  g_assert (!read.missing || read.failure != NULL);
}

static void
symbols (FuzzInput *input)
{
  g_autofree char *text = fuzz_text (input, '\0');
  g_autofree char *release = dkms_release_of_header (text);
  g_autoptr (GHashTable) keys = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, g_free);
  g_autoptr (GHashTable) wanted = g_hash_table_new (g_str_hash, g_str_equal);
  g_autoptr (GHashTable) differing = g_hash_table_new (g_str_hash, g_str_equal);
  static const char *const names[] = { "a", "printk", "__this_module", "kmalloc" };
  GHashTableIter iter;
  gpointer key, value;

  g_assert (release == NULL || strchr (release, '"') == NULL);
  for (gsize i = 0; i < G_N_ELEMENTS (names); i++)
    g_hash_table_insert (keys, g_strdup (names[i]), g_strdup ("0x12345678"));
  for (int round = 0; round < 2; round++)
    {
      g_hash_table_iter_init (&iter, keys);
      while (g_hash_table_iter_next (&iter, &key, &value))
        g_hash_table_insert (wanted, key, value);
      if (round == 0)
        dkms_symvers_take (text, wanted, differing);
      else
        dkms_symbol_index_take (text, wanted);
    }
}

static void
names_of_settings (FuzzInput *input)
{
  const DkmsSettings *settings = fuzz_settings ();
  g_autoptr (GPtrArray) unknown = NULL;
  g_autofree char *file = NULL;

  fuzz_write ("root/etc/dkms/framework.conf", input->data, input->size);
  unknown = dkms_settings_unknown (&settings->places);
  g_free (dkms_settings_place (&settings->places, "sandbox", &file));
  (void)only_comments (settings->places.root, "/etc/dkms/framework.conf");
  (void)is_about_confinement (&settings->places, "/etc/dkms/framework.conf");
}

/* Handles one line, name and value, of the evaluated framework.conf. */
static void
take_line (DkmsVars *values, const char *line)
{
  const char *equals = strchr (line, '=');
  g_autofree char *name = equals != NULL ? g_strndup (line, (gsize)(equals - line)) : NULL;

  if (equals != NULL)
    dkms_vars_set_folded (values, name, 0, equals + 1);
}

static void
values_of_settings (FuzzInput *input)
{
  static DkmsSettings *settings;
  g_autoptr (DkmsVars) values = dkms_vars_new ("framework.conf");
  g_autoptr (GError) error = NULL;

  if (settings == NULL)
    settings = dkms_settings_new (dkms_root_open (fuzz_settings ()->places.root->host_path, NULL), NULL);
  g_assert (settings != NULL);
  while (input->size > 0)
    {
      g_autofree char *line = fuzz_text (input, '\n');
      take_line (values, line);
    }
  gboolean good = take_values (settings, values, &error) && take_confinement (settings, values, &error);
  g_assert (good == (error == NULL));
  g_assert (*settings->places.dkms_tree == '/' && *settings->places.source_tree == '/'
            && *settings->places.install_tree == '/');
  g_assert (settings->policy.recipe_timeout >= 1 && settings->policy.tarball_limit_mib >= 1);
  g_free (dkms_policy_destination (&settings->policy));
  dkms_event_free (
      dkms_settings_bad_command (&settings->places, "post_transaction", settings->policy.post_transaction));
}

static void
modprobe_lines (FuzzInput *input)
{
  g_autofree char *text = fuzz_text (input, '\0');
  g_autoptr (GPtrArray) lines = dkms_modprobe_lines_new ();

  dkms_modprobe_lines_parse (lines, "/f", text);
  for (guint i = 0; i < lines->len; i++)
    {
      const DkmsModprobeLine *line = lines->pdata[i];
      g_auto (GStrv) named = dkms_softdep_names (line->rest);
      g_assert (named != NULL);
      g_assert (*line->command != '\0' && *line->name != '\0' && strpbrk (line->name, " \t\n") == NULL);
    }
}

static void
shell_list (FuzzInput *input)
{
  g_autofree char *text = fuzz_text (input, '\0');
  g_autoptr (GPtrArray) words = g_ptr_array_new_with_free_func (g_free);

  dkms_shell_list_read (text, "A", words);
  for (guint i = 0; i < words->len; i++)
    g_assert (*(char *)words->pdata[i] != '\0' && strpbrk (words->pdata[i], " \t\n$`\\") == NULL);
}

/* Names and versions become words of commands, and a release the name of a directory. */
static void
assert_word (const char *word)
{
  g_assert (g_ascii_isalnum (*word) && strlen (word) <= 200);
  for (const char *c = word; *c != '\0'; c++)
    g_assert (g_ascii_isalnum (*c) || strchr (".+-_~:^@", *c) != NULL);
}

static void
assert_packages (const GPtrArray *packages)
{
  g_assert (packages->len <= 64);
  for (guint i = 0; i < packages->len; i++)
    {
      const DkmsPackageOffer *package = packages->pdata[i];
      assert_word (package->name);
      assert_word (package->version);
    }
}

static void
package_manager (FuzzInput *input)
{
  char form = (char)fuzz_byte (input);
  g_autofree char *text = fuzz_text (input, '\0');
  g_autoptr (GPtrArray) offers = g_ptr_array_new_with_free_func (dkms_kernel_offer_free);
  DkmsKernelOffer *offer = dkms_kernel_offer_new ("6.12.0-1.1-default");
  g_autoptr (GPtrArray) depends = NULL;
  g_autoptr (GError) error = NULL;

  if (form == 'a')
    dkms_apt_read_upgrade (text, offers);
  else if (form == 'd')
    dkms_dnf_read_query (text, offers);
  else if (form == 'z')
    g_assert (dkms_zypper_read_updates (text, offers, &error) || error != NULL);
  else if (form == 's')
    g_assert (dkms_zypper_read_search (text, offer, &error) || error != NULL);
  else if (form == 'p')
    dkms_pacman_read_updates (text, offers);
  else if (form == 'q')
    dkms_pacman_read_packages (text, offer);
  else if (form == 'k')
    dkms_apk_read_upgrade (text, offers);
  else if (form == 'e')
    dkms_apk_read_search (text, "linux-lts-dev", offer);
  else if (form == 'n')
    depends = dkms_apt_depends (text);
  for (guint i = 0; i < offers->len; i++)
    {
      const DkmsKernelOffer *kernel = offers->pdata[i];
      assert_word (kernel->release);
      assert_word (kernel->image->name);
      assert_word (kernel->image->version);
    }
  g_assert (offers->len <= 32);
  assert_packages (offer->headers);
  dkms_kernel_offer_free (offer);
}

int
LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
  static const struct {
    char letter;
    void (*parse) (FuzzInput *input);
  } parsers[] = { { 'o', os_release },        { 'k', kernel_config },      { 'v', versions },       { 'm', makeflags },
                  { 'c', cpu_max },           { 'l', make_log },           { 'f', findings },       { 's', symbols },
                  { 'n', names_of_settings }, { 'd', values_of_settings }, { 'p', modprobe_lines }, { 'b', shell_list },
                  { 'u', package_manager } };
  FuzzInput input = { data, size };
  char letter = (char)fuzz_byte (&input);

  fuzz_begin ();
  for (gsize i = 0; i < G_N_ELEMENTS (parsers); i++)
    if (parsers[i].letter == letter)
      {
        parsers[i].parse (&input);
        return 0;
      }
  return -1; /* not added to the corpus */
}
