/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The planner as a table: state, request, expected steps or error.
 *
 * State, one version per entry, separated by ';':
 *   m/v [broken] [auto] [deps=a,b] [badconf] [K=built] [K=installed]     (arch is always x) */
#include <string.h>

#include "base/error.h"
#include "plan/plan.h"

typedef struct {
  const char *name, *state, *verb, *identity, *kernels, *flags;
  const char *steps; /* described steps joined by '|', then "defer"/"fail" counts */
  int error;         /* DKMS_ERROR_*, or -1 */
} Case;

static const Case cases[] = {
  { "add", "", "add", "foo/1", "k1", "", "add foo/1", -1 },
  { "add-twice", "foo/1", "add", "foo/1", "k1", "", NULL, DKMS_ERROR_ALREADY_ADDED },
  { "add-repairs-broken", "foo/1 broken", "add", "foo/1", "k1", "", "add foo/1", -1 },
  { "add-no-version", "", "add", "foo", "k1", "", NULL, DKMS_ERROR_NO_IDENTITY },
  { "build-adds", "", "build", "foo/1", "k1", "", "add foo/1|build foo/1 k1 x", -1 },
  { "build-two", "foo/1", "build", "foo/1", "k1 k2", "", "build foo/1 k1 x|build foo/1 k2 x", -1 },
  { "build-done", "foo/1 k1=built", "build", "foo/1", "k1", "", "note foo/1 k1 x: already built", -1 },
  { "build-force", "foo/1 k1=built", "build", "foo/1", "k1", "force", "rebuild foo/1 k1 x", -1 },
  { "build-broken", "foo/1 broken", "build", "foo/1", "k1", "", NULL, DKMS_ERROR_BROKEN },
  { "install-all-steps", "", "install", "foo/1", "k1", "", "add foo/1|build foo/1 k1 x|install foo/1 k1 x|depmod k1",
    -1 },
  { "install-built", "foo/1 k1=built", "install", "foo/1", "k1", "", "install foo/1 k1 x|depmod k1", -1 },
  { "install-done", "foo/1 k1=installed", "install", "foo/1", "k1", "", "note foo/1 k1 x: already installed", -1 },
  { "install-force", "foo/1 k1=installed", "install", "foo/1", "k1", "force",
    "uninstall foo/1 k1 x|install foo/1 k1 x|depmod k1", -1 },
  { "install-two-kernels-two-depmods", "foo/1 k1=built k2=built", "install", "foo/1", "k1 k2", "",
    "install foo/1 k1 x|install foo/1 k2 x|depmod k1|depmod k2", -1 },
  { "uninstall", "foo/1 k1=installed", "uninstall", "foo/1", "k1", "", "uninstall foo/1 k1 x|depmod k1", -1 },
  { "uninstall-nothing", "foo/1 k1=built", "uninstall", "foo/1", "k1", "", "note foo/1 k1 x: not installed", -1 },
  { "uninstall-unknown", "", "uninstall", "foo/1", "k1", "", NULL, DKMS_ERROR_NOT_ADDED },
  { "unbuild", "foo/1 k1=installed", "unbuild", "foo/1", "k1", "", "uninstall foo/1 k1 x|unbuild foo/1 k1 x|depmod k1",
    -1 },
  { "remove-last", "foo/1 k1=built", "remove", "foo/1", "k1", "",
    "note foo/1 k1 x: not installed|unbuild foo/1 k1 x|unregister foo/1", -1 },
  { "remove-one-of-two", "foo/1 k1=built k2=built", "remove", "foo/1", "k1", "",
    "note foo/1 k1 x: not installed|unbuild foo/1 k1 x", -1 },
  { "remove-added", "foo/1", "remove", "foo/1", "k1", "",
    "note foo/1 k1 x: not installed|note foo/1 k1 x: not built|unregister foo/1", -1 },
  { "auto-nothing", "foo/1", "autoinstall", "", "k1", "", "", -1 },
  { "auto-latest", "foo/1 auto;foo/10 auto;foo/9 auto", "autoinstall", "", "k1", "",
    "build foo/10 k1 x|install foo/10 k1 x|depmod k1", -1 },
  { "auto-built", "foo/1 auto k1=built", "autoinstall", "", "k1", "", "install foo/1 k1 x|depmod k1", -1 },
  { "auto-done", "foo/1 auto k1=installed", "autoinstall", "", "k1", "", "", -1 },
  { "auto-dependents-in-a-later-round", "a/1 auto deps=b;b/1 auto;c/1 auto", "autoinstall", "", "k1", "",
    "build b/1 k1 x|install b/1 k1 x|build c/1 k1 x|install c/1 k1 x|build a/1 k1 x|install a/1 k1 x|depmod k1", -1 },
  { "auto-unknown-dependency", "a/1 auto deps=zzz", "autoinstall", "", "k1", "", "deferred 1", -1 },
  { "auto-known-but-off", "a/1 auto deps=b;b/1", "autoinstall", "", "k1", "", "failed 1", -1 },
  { "auto-self", "a/1 auto deps=a", "autoinstall", "", "k1", "", "failed 1", -1 },
  { "auto-cycle", "a/1 auto deps=b;b/1 auto deps=a", "autoinstall", "", "k1", "", "failed 2", -1 },
  { "auto-bad-conf-fails-only-itself", "a/1 badconf;b/1 auto", "autoinstall", "", "k1", "",
    "build b/1 k1 x|install b/1 k1 x|depmod k1|failed 1", -1 },
  { "auto-broken-skipped", "a/1 broken auto;b/1 auto", "autoinstall", "", "k1", "",
    "build b/1 k1 x|install b/1 k1 x|depmod k1", -1 },
};

static DkmsVerb
verb_of (const char *name)
{
  static const char *const names[]
      = { "none", "add", "build", "install", "uninstall", "unbuild", "remove", "autoinstall" };

  for (gsize i = 0; i < G_N_ELEMENTS (names); i++)
    if (strcmp (names[i], name) == 0)
      return (DkmsVerb)i;
  g_assert_not_reached ();
}

static void
parse_version (DkmsState *state, const char *text)
{
  g_auto (GStrv) words = g_strsplit (text, " ", -1);
  g_auto (GStrv) id = g_strsplit (words[0], "/", 2);
  DkmsVersion *v = dkms_state_add (state, id[0], id[1]);

  for (char **word = words + 1; *word != NULL; word++)
    {
      char *equals = strchr (*word, '=');

      if (strcmp (*word, "broken") == 0)
        v->broken = TRUE;
      else if (strcmp (*word, "auto") == 0)
        v->autoinstall = TRUE;
      else if (strcmp (*word, "badconf") == 0)
        dkms_fail (&v->conf_error, DKMS_ERROR_BAD_CONF, NULL, NULL, "bad");
      else if (g_str_has_prefix (*word, "deps="))
        v->depends = g_strsplit (*word + 5, ",", -1);
      else
        {
          *equals = '\0';
          DkmsBuild *build = dkms_version_add_build (v, *word, "x");
          build->built = TRUE;
          build->active = strcmp (equals + 1, "installed") == 0;
        }
    }
}

static DkmsState *
parse_state (const char *text)
{
  DkmsState *state = dkms_state_new ();
  g_auto (GStrv) entries = g_strsplit (text, ";", -1);

  for (char **entry = entries; *entry != NULL && **entry != '\0'; entry++)
    parse_version (state, *entry);
  return state;
}

static char *
describe (const DkmsPlan *plan)
{
  GString *all = g_string_new (NULL);

  for (guint i = 0; i < plan->steps->len; i++)
    {
      g_autofree char *line = dkms_step_describe (plan->steps->pdata[i]);
      g_string_append_printf (all, "%s%s", all->len > 0 ? "|" : "", line);
    }
  if (plan->failed->len > 0)
    g_string_append_printf (all, "%sfailed %u", all->len > 0 ? "|" : "", plan->failed->len);
  if (plan->deferred->len > 0)
    g_string_append_printf (all, "%sdeferred %u", all->len > 0 ? "|" : "", plan->deferred->len);
  return g_string_free (all, FALSE);
}

static void
test_case (gconstpointer data)
{
  const Case *c = data;
  g_autoptr (DkmsState) state = parse_state (c->state);
  g_autoptr (DkmsRequest) request = dkms_request_new ();
  g_auto (GStrv) id = g_strsplit (c->identity, "/", 2);
  g_auto (GStrv) kernels = g_strsplit (c->kernels, " ", -1);
  g_autoptr (GError) error = NULL;

  request->verb = verb_of (c->verb);
  request->module = g_strdup (id[0]);
  request->version = id[0] != NULL ? g_strdup (id[1]) : NULL;
  request->force = strcmp (c->flags, "force") == 0;
  for (char **k = kernels; *k != NULL; k++)
    dkms_request_add_target (request, *k, "x");

  g_autoptr (DkmsPlan) plan = dkms_plan_make (request, state, &error);
  if (c->error >= 0)
    {
      g_assert_null (plan);
      g_assert_error (error, DKMS_ERROR, c->error);
      return;
    }
  g_assert_no_error (error);
  g_autofree char *got = describe (plan);
  g_assert_cmpstr (got, ==, c->steps);
  for (guint i = 0; i < plan->steps->len; i++) /* the order is one in which the steps can run */
    {
      const DkmsStep *step = plan->steps->pdata[i];
      for (guint n = 0; n < step->needs->len; n++)
        g_assert_cmpuint (g_array_index (step->needs, guint, n), <, i);
      for (guint n = 0; n < step->after->len; n++)
        g_assert_cmpuint (g_array_index (step->after, guint, n), <, i);
    }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_autofree char *path = g_strconcat ("/plan/", cases[i].name, NULL);
      g_test_add_data_func (path, &cases[i], test_case);
    }
  return g_test_run ();
}
