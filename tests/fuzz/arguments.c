/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Input: the words of a command line, each ended by a NUL, as scripts of package managers, hooks and users write them.
 * They are parsed and checked, and a plan is made for a tree with two modules. The plan is not run.
 * Findings: a crash; a refusal without an error; a name that leads out of the tree. */
#include "../../src/cli/cli.c"

#include "cli/check.h"
#include "cli/exit-code.h"
#include "cli/options.h"
#include "cli/verbs.h"
#include "fuzz.h"
#include "store/scan.h"

enum { MOST_WORDS = 32 };

static void
fill (void)
{
  static gboolean done;

  if (done)
    return;
  done = TRUE;
  fuzz_write ("root/usr/src/foo-1.0/dkms.conf", "PACKAGE_NAME=foo\n", 17);
  fuzz_write ("root/tree/foo/1.0/x", "", 0);
  fuzz_write ("root/tree/bar/2.0/6.1.0/x86_64/module/bar.ko", "", 0);
  fuzz_write ("root/lib/modules/6.1.0/build/include/x", "", 0);
  fuzz_write ("root/foo.tar.gz", "", 0);
  fuzz_write ("root/dkms.conf", "", 0);
}

/* The running kernel and the machine are read once per process. Everything else is read from the root. */
static DkmsSettings *
new_settings (void)
{
  DkmsSettings *settings = g_new0 (DkmsSettings, 1);
  const DkmsSettings *like = fuzz_settings ();

  *settings = *like;
  settings->places.source_tree = g_strdup ("/usr/src");
  settings->places.dkms_tree = g_strdup ("/tree");
  settings->places.install_tree = g_strdup ("/lib/modules");
  settings->places.tmp_location = g_strdup ("/tmp");
  settings->policy.jobs = g_strdup ("2");
  settings->policy.addon_modules_dir = g_strdup ("");
  settings->policy.post_transaction = g_strdup ("");
  settings->policy.build_environment = g_strdup ("");
  settings->policy.signing_key = g_strdup ("");
  settings->policy.cache_dir = g_strdup ("");
  settings->policy.cache_exclude = g_strdup ("");
  settings->policy.cache_environment = g_strdup ("");
  dkms_remote_policy_init (&settings->policy.remote);
  settings->places.root = dkms_root_open (like->places.root->host_path, NULL);
  settings->policy.distro = dkms_distro_read (settings->places.root, NULL);
  return settings;
}

static void
assert_name (const char *name)
{
  g_assert (name == NULL || (strchr (name, '/') == NULL && strcmp (name, "..") != 0 && strcmp (name, ".") != 0));
}

static void
make_plan (const DkmsSettings *settings, const DkmsRequest *request)
{
  g_autoptr (DkmsFacts) facts = dkms_facts_new (request);
  g_autoptr (GError) error = NULL;
  g_autoptr (DkmsPlan) plan = NULL;

  facts->state = dkms_state_read (&settings->places, NULL, NULL);
  if (facts->state == NULL) /* the tree is a file */
    return;
  assert_name (request->module);
  assert_name (request->version);
  for (guint i = 0; i < request->targets->len; i++)
    {
      const DkmsId *target = request->targets->pdata[i];
      assert_name (target->kernel);
      assert_name (target->arch);
    }
  plan = dkms_plan_make (request, facts, &error);
  g_assert ((plan == NULL) == (error != NULL));
  for (guint i = 0; plan != NULL && i < plan->steps->len; i++)
    g_assert (dkms_step_word (plan->steps->pdata[i]) != NULL);
}

int
LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
  g_auto (GStrv) argv = g_new0 (char *, MOST_WORDS + 2);
  FuzzInput input = { data, size };
  g_autoptr (GError) error = NULL;
  g_autoptr (DkmsOptions) options = NULL;
  g_autoptr (DkmsSettings) settings = NULL;
  g_autoptr (DkmsRequest) request = NULL;
  const DkmsVerbInfo *verb;
  int argc = 0;

  fuzz_begin ();
  fill ();
  argv[argc++] = g_strdup ("dkms");
  while (input.size > 0 && argc <= MOST_WORDS)
    argv[argc++] = fuzz_text (&input, '\0');
  (void)root_argument (argc, argv);
  options = dkms_options_parse (argc, argv, fuzz_listener (), &error);
  g_assert ((options == NULL) == (error != NULL));
  if (options == NULL)
    {
      g_assert (dkms_exit_code (NULL, error) != 0);
      return 0;
    }
  verb = options->verb != NULL ? dkms_verb_find (options->verb) : NULL;
  if (verb == NULL)
    {
      g_assert (options->help || options->version_asked || !dkms_fail_verb (options, &error));
      return 0;
    }
  settings = new_settings ();
  dkms_options_apply (options, settings);
  if (check_combination (options, verb, &error)
      && dkms_options_check (options, settings, verb, fuzz_listener (), &error)
      && (request = make_request (verb, settings, options, &error)) != NULL)
    {
      if (verb->answer == NULL)
        make_plan (settings, request);
    }
  else
    g_assert (error != NULL && dkms_exit_code (verb->name, error) != 0);
  return 0;
}
