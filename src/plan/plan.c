/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Requests about one module, as steps. */
#include "plan/plan-private.h"

#include <string.h>

#include "base/error.h"

void
dkms_target_free (gpointer data)
{
  DkmsTarget *self = data;

  g_free (self->kernel);
  g_free (self->arch);
  g_free (self);
}

DkmsRequest *
dkms_request_new (void)
{
  DkmsRequest *self = g_new0 (DkmsRequest, 1);

  self->targets = g_ptr_array_new_with_free_func (dkms_target_free);
  return self;
}

void
dkms_request_free (DkmsRequest *self)
{
  if (self == NULL)
    return;
  g_free (self->module);
  g_free (self->version);
  g_free (self->source);
  g_free (self->archive);
  g_free (self->template);
  g_free (self->differs);
  g_ptr_array_unref (self->targets);
  g_free (self);
}

void
dkms_request_add_target (DkmsRequest *self, const char *kernel, const char *arch)
{
  DkmsTarget *target = g_new0 (DkmsTarget, 1);

  target->kernel = g_strdup (kernel);
  target->arch = g_strdup (arch);
  g_ptr_array_add (self->targets, target);
}

gboolean
dkms_request_has_target (const DkmsRequest *self, const char *kernel, const char *arch)
{
  for (guint i = 0; i < self->targets->len; i++)
    {
      const DkmsTarget *target = self->targets->pdata[i];
      if (strcmp (target->kernel, kernel) == 0 && strcmp (target->arch, arch) == 0)
        return TRUE;
    }
  return FALSE;
}

static void
step_free (gpointer data)
{
  DkmsStep *self = data;

  g_free (self->module);
  g_free (self->version);
  g_free (self->kernel);
  g_free (self->arch);
  g_free (self->text);
  g_array_unref (self->needs);
  g_array_unref (self->after);
  g_free (self);
}

static void
remark_free (gpointer data)
{
  DkmsRemark *self = data;

  g_free (self->kernel);
  g_free (self->text);
  g_free (self);
}

void
dkms_plan_remark (GPtrArray *list, const char *kernel, char *text)
{
  DkmsRemark *self = g_new0 (DkmsRemark, 1);

  self->kernel = g_strdup (kernel);
  self->text = text;
  g_ptr_array_add (list, self);
}

static DkmsPlan *
plan_new (void)
{
  DkmsPlan *self = g_new0 (DkmsPlan, 1);

  self->steps = g_ptr_array_new_with_free_func (step_free);
  self->installed = g_ptr_array_new_with_free_func (remark_free);
  self->deferred = g_ptr_array_new_with_free_func (remark_free);
  self->failed = g_ptr_array_new_with_free_func (remark_free);
  self->cycles = g_ptr_array_new_with_free_func (g_free);
  return self;
}

void
dkms_plan_free (DkmsPlan *self)
{
  if (self == NULL)
    return;
  g_ptr_array_unref (self->steps);
  g_ptr_array_unref (self->installed);
  g_ptr_array_unref (self->deferred);
  g_ptr_array_unref (self->failed);
  g_ptr_array_unref (self->cycles);
  g_free (self);
}

guint
dkms_plan_count_builds (const DkmsPlan *self)
{
  guint count = 0;

  for (guint i = 0; i < self->steps->len; i++)
    count += ((const DkmsStep *)self->steps->pdata[i])->kind == DKMS_STEP_BUILD;
  return count;
}

gboolean
dkms_step_installs (const DkmsStep *step)
{
  return step->kind == DKMS_STEP_INSTALL || step->kind == DKMS_STEP_REINSTALL;
}

char *
dkms_step_describe (const DkmsStep *step)
{
  static const char *const words[] = { "add",        "build",  "install", "reinstall", "uninstall", "unbuild",
                                       "unregister", "depmod", "load",    "pack",      "clean",     "note" };
  GString *line = g_string_new (step->again && step->kind == DKMS_STEP_BUILD ? "rebuild"
                                : step->again && step->kind == DKMS_STEP_ADD ? "replace the source of"
                                                                             : words[step->kind]);

  if (step->module != NULL)
    g_string_append_printf (line, " %s/%s", step->module, step->version);
  if (step->kernel != NULL)
    g_string_append_printf (line, " %s", step->kernel);
  if (step->kernel != NULL && step->arch != NULL)
    g_string_append_printf (line, " %s", step->arch);
  if (step->text != NULL)
    g_string_append_printf (line, ": %s", step->text);
  return g_string_free (line, FALSE);
}

guint
dkms_plan_push (DkmsPlan *plan, DkmsStepKind kind, const char *module, const char *version, const DkmsTarget *target,
                guint need)
{
  DkmsStep *step = g_new0 (DkmsStep, 1);

  step->kind = kind;
  step->module = g_strdup (module);
  step->version = g_strdup (version);
  step->kernel = target != NULL ? g_strdup (target->kernel) : NULL;
  step->arch = target != NULL ? g_strdup (target->arch) : NULL;
  step->needs = g_array_new (FALSE, FALSE, sizeof (guint));
  step->after = g_array_new (FALSE, FALSE, sizeof (guint));
  if (need != DKMS_NO_STEP)
    g_array_append_val (step->needs, need);
  g_ptr_array_add (plan->steps, step);
  return plan->steps->len - 1;
}

guint
dkms_plan_push_notice (DkmsPlan *plan, const char *module, const char *version, const DkmsTarget *target, guint need,
                       const char *text)
{
  guint id = dkms_plan_push (plan, DKMS_STEP_NOTICE, module, version, target, need);

  ((DkmsStep *)plan->steps->pdata[id])->text = g_strdup (text);
  return id;
}

gboolean
dkms_plan_is_usable (const DkmsBuild *build)
{
  return build != NULL && build->built && !build->incomplete && !build->stale;
}

gboolean
dkms_plan_is_sound (const DkmsBuild *build)
{
  return build != NULL && build->built && build->active && !build->gone;
}

guint
dkms_plan_push_install (DkmsPlan *plan, const DkmsVersion *v, const DkmsTarget *target, guint *last)
{
  const DkmsBuild *build = dkms_version_find (v, target->kernel, target->arch);
  const DkmsBuild *remains = dkms_version_find_remains (v, target->kernel, target->arch);
  guint first = DKMS_NO_STEP;

  if (!dkms_plan_is_usable (build))
    {
      first = dkms_plan_push (plan, DKMS_STEP_BUILD, v->module, v->version, target, DKMS_NO_STEP);
      ((DkmsStep *)plan->steps->pdata[first])->again = build != NULL && build->built;
    }
  *last = dkms_plan_push (plan, DKMS_STEP_INSTALL, v->module, v->version, target, first);
  /* A link that is left makes a build look installed as soon as it is there. */
  ((DkmsStep *)plan->steps->pdata[*last])->again
      = (build != NULL && build->active) || (remains != NULL && remains->active);
  return first != DKMS_NO_STEP ? first : *last;
}

/* The depmod step of a kernel. */
static DkmsStep *
depmod_for (DkmsPlan *plan, GHashTable *ids, const char *kernel)
{
  DkmsTarget target = { (char *)kernel, NULL };
  guint id = GPOINTER_TO_UINT (g_hash_table_lookup (ids, kernel));

  if (id > 0)
    return plan->steps->pdata[id - 1];
  id = dkms_plan_push (plan, DKMS_STEP_DEPMOD, NULL, NULL, &target, DKMS_NO_STEP);
  g_hash_table_insert (ids, g_strdup (kernel), GUINT_TO_POINTER (id + 1));
  return plan->steps->pdata[id];
}

/* One depmod for each kernel whose modules change, after all of them, and for each target whose index lacks some. */
static void
push_depmods (DkmsPlan *plan, const DkmsRequest *request, const DkmsState *state)
{
  guint count = plan->steps->len;
  g_autoptr (GHashTable) ids = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);

  for (guint i = 0; i < count; i++)
    {
      const DkmsStep *step = plan->steps->pdata[i];

      if (!dkms_step_installs (step) && step->kind != DKMS_STEP_UNINSTALL)
        continue;
      g_array_append_val (depmod_for (plan, ids, step->kernel)->needs, i);
    }
  for (guint t = 0; t < request->targets->len; t++)
    for (guint i = 0; i < state->versions->len; i++)
      {
        const DkmsTarget *target = request->targets->pdata[t];
        const DkmsBuild *build = dkms_version_find (state->versions->pdata[i], target->kernel, target->arch);

        if (build != NULL && build->unindexed)
          depmod_for (plan, ids, target->kernel)->due = TRUE;
      }
}

void
dkms_plan_cut_builds (DkmsPlan *self)
{
  guint first = 0, kept;

  while (first < self->steps->len && ((const DkmsStep *)self->steps->pdata[first])->kind != DKMS_STEP_BUILD)
    first++;
  kept = first;
  for (guint i = first; i < self->steps->len; i++)
    {
      DkmsStep *step = self->steps->pdata[i];

      for (guint n = step->needs->len; n-- > 0;)
        if (g_array_index (step->needs, guint, n) >= first)
          g_array_remove_index (step->needs, n);
      if (step->kind != DKMS_STEP_DEPMOD || (step->needs->len == 0 && !step->due))
        continue;
      /* Nothing refers to a depmod, so that it may move. */
      self->steps->pdata[i] = self->steps->pdata[kept];
      self->steps->pdata[kept++] = step;
    }
  g_ptr_array_set_size (self->steps, (int)kept);
}

/* The versions of the module that the request names without one, or the way to write what it probably means. */
static char *
identity_advice (const DkmsRequest *request, const DkmsState *state)
{
  g_autoptr (GString) known = g_string_new (NULL);
  const char *module = request->module, *split = strpbrk (module, ",-");

  for (guint i = 0; i < state->versions->len; i++)
    {
      const DkmsVersion *v = state->versions->pdata[i];
      if (strcmp (v->module, module) == 0)
        g_string_append_printf (known, "%s %s/%s", known->len > 0 ? " or" : "", v->module, v->version);
    }
  if (known->len > 0)
    return g_strdup_printf ("Name the version:%s.", known->str);
  while (split != NULL && !g_ascii_isdigit (split[1]))
    split = strpbrk (split + 1, ",-");
  if (split != NULL && split > module)
    return g_strdup_printf ("Write it %.*s/%s.", (int)(split - module), module, split + 1);
  return g_strdup_printf ("Name the version, as in: %s/1.2 (see 'dkms status').", module);
}

static gboolean
check_identity (const DkmsRequest *request, const DkmsState *state, GError **error)
{
  gboolean module = request->module != NULL && *request->module != '\0',
           version = request->version != NULL && *request->version != '\0';
  g_autofree char *advice = module && !version ? identity_advice (request, state) : NULL;

  if (module && version)
    return TRUE;
  if (module)
    return dkms_fail (error, DKMS_ERROR_NO_IDENTITY, NULL, advice, "No version of %s is named", request->module);
  return dkms_fail (error, DKMS_ERROR_NO_IDENTITY, NULL, "Name both, as in: dkms install foo/1.2 (see 'dkms status').",
                    "No module is named");
}

static gboolean
check_sound (const DkmsRequest *request, const DkmsVersion *version, GError **error)
{
  g_autofree char *advice = NULL;

  if (version == NULL || !version->broken)
    return TRUE;
  advice = g_strdup_printf ("Put its source directory back (reinstall its package), or run: dkms remove %s/%s --all",
                            request->module, request->version);
  return dkms_fail (error, DKMS_ERROR_BROKEN, NULL, advice, "%s/%s is broken: its source is gone", request->module,
                    request->version);
}

static gboolean
check_added (const DkmsRequest *request, const DkmsVersion *version, GError **error)
{
  if (version != NULL)
    return TRUE;
  return dkms_fail (error, DKMS_ERROR_NOT_ADDED, NULL, "'dkms status' lists what is.", "%s/%s is not in the tree",
                    request->module, request->version);
}

/* A source with a bad PACKAGE_VERSION is a bad dkms.conf; a bad name on the command line names no source. */
static gboolean
check_new (const DkmsRequest *request, GError **error)
{
  if (dkms_tree_check_new (request->module, request->version, error))
    return TRUE;
  dkms_error_set_code (error != NULL ? *error : NULL,
                       request->source != NULL || request->loads ? DKMS_ERROR_BAD_CONF : DKMS_ERROR_NO_SOURCE);
  return FALSE;
}

/* Whether something could be built for every target: <m>/<v>/source/<arch> would be a directory of the user's. */
static gboolean
check_kernels (const DkmsRequest *request, GError **error)
{
  for (guint i = 0; i < request->targets->len; i++)
    if (!dkms_tree_check_kernel (((const DkmsTarget *)request->targets->pdata[i])->kernel, error))
      return FALSE;
  return TRUE;
}

static guint
plan_build (DkmsPlan *plan, const DkmsRequest *request, const DkmsTarget *target, const DkmsBuild *build, guint need)
{
  gboolean built = build != NULL && build->built;
  guint id;

  if (dkms_plan_is_usable (build) && !request->force)
    return dkms_plan_push_notice (plan, request->module, request->version, target, need, "already built");
  id = dkms_plan_push (plan, DKMS_STEP_BUILD, request->module, request->version, target, need);
  ((DkmsStep *)plan->steps->pdata[id])->again = built;
  return id;
}

/* @version: (nullable): NULL: it is to be added first; @replaced: its source is another one when the steps run. */
static void
plan_install (DkmsPlan *plan, const DkmsRequest *request, const DkmsTarget *target, const DkmsVersion *version,
              gboolean replaced, guint need)
{
  const DkmsBuild *build = version != NULL ? dkms_version_find (version, target->kernel, target->arch) : NULL;
  gboolean built = build != NULL && build->built, installed = built && build->active;
  guint last;

  if (dkms_plan_is_sound (build) && !request->force)
    {
      dkms_plan_push_notice (plan, request->module, request->version, target, need,
                             build->stale ? "already installed, from an earlier source; --force replaces it"
                                          : "already installed");
      return;
    }
  if (version != NULL && !replaced && (!built || (installed && !request->force)))
    {
      guint first = dkms_plan_push_install (plan, version, target, &last);
      if (need != DKMS_NO_STEP)
        g_array_append_val (((DkmsStep *)plan->steps->pdata[first])->needs, need);
      return;
    }
  /* A build that is not complete is an error of the install (6). */
  if (!built || replaced || build->stale)
    {
      need = dkms_plan_push (plan, DKMS_STEP_BUILD, request->module, request->version, target, need);
      ((DkmsStep *)plan->steps->pdata[need])->again = built;
    }
  dkms_plan_push (plan, installed ? DKMS_STEP_REINSTALL : DKMS_STEP_INSTALL, request->module, request->version, target,
                  need);
}

/* A source is given, and another one is registered under its name. */
static gboolean
fail_other_source (const DkmsRequest *request, DkmsError code, GError **error)
{
  const char *given = request->archive != NULL ? request->archive : request->source;
  g_autofree char *advice
      = g_strdup_printf ("--force takes %s; without a directory or archive, the registered source is used.", given);

  return dkms_fail (error, code, given, advice, "%s/%s is registered already, from other sources: %s", request->module,
                    request->version, request->differs != NULL ? request->differs : "they differ");
}

/* What an archive of 'dkms mktarball' holds is loaded; what is there already stays, unless it is forced. */
static gboolean
plan_load (DkmsPlan *plan, const DkmsRequest *request, gboolean registered, guint *last, GError **error)
{
  gboolean only_load = request->verb == DKMS_VERB_ADD || request->verb == DKMS_VERB_LDTARBALL;

  if (registered && !request->force && only_load)
    return dkms_fail (error, DKMS_ERROR_ARCHIVE_ADDED, request->archive,
                      "Remove it first, or use --force to load over it.", "%s/%s is in the tree already",
                      request->module, request->version);
  if (registered && !request->force && request->source_state == DKMS_SOURCE_OTHER)
    return fail_other_source (request, DKMS_ERROR_ARCHIVE_ADDED, error);
  *last = dkms_plan_push (plan, DKMS_STEP_LOAD, request->module, request->version, NULL, DKMS_NO_STEP);
  if (!registered)
    *last = dkms_plan_push (plan, DKMS_STEP_ADD, request->module, request->version, NULL, *last);
  return TRUE;
}

/* Registers the source, if that is to be done: @last is the step that does so. */
static gboolean
plan_add (DkmsPlan *plan, const DkmsRequest *request, const DkmsVersion *version, guint *last, GError **error)
{
  gboolean registered = version != NULL && !version->broken;
  gboolean only_add = request->verb == DKMS_VERB_ADD || request->verb == DKMS_VERB_LDTARBALL;

  if (!registered)
    {
      /* A source that is given mends a version whose source is gone. */
      if (!only_add && request->source == NULL && !check_sound (request, version, error))
        return FALSE;
      *last = dkms_plan_push (plan, DKMS_STEP_ADD, request->module, request->version, NULL, DKMS_NO_STEP);
      return TRUE;
    }
  if (request->source != NULL && request->source_state == DKMS_SOURCE_OTHER)
    {
      if (!request->force)
        return fail_other_source (request, DKMS_ERROR_ALREADY_ADDED, error);
      *last = dkms_plan_push (plan, DKMS_STEP_ADD, request->module, request->version, NULL, DKMS_NO_STEP);
      ((DkmsStep *)plan->steps->pdata[*last])->again = TRUE;
      return TRUE;
    }
  if (!only_add || (request->force && request->source != NULL))
    return TRUE;
  if (request->source != NULL)
    return dkms_fail (error, DKMS_ERROR_ALREADY_ADDED, NULL,
                      "Build it with 'dkms build' or install it with 'dkms install'.",
                      "%s/%s is registered already, from the same source", request->module, request->version);
  return dkms_fail (error, DKMS_ERROR_ALREADY_ADDED, NULL, "Remove it first, or give the new source another version.",
                    "%s/%s is in the tree already", request->module, request->version);
}

static gboolean
plan_forward (DkmsPlan *plan, const DkmsRequest *request, const DkmsState *state, GError **error)
{
  const DkmsVersion *version;
  gboolean replaced;
  guint added = DKMS_NO_STEP;

  if (!check_identity (request, state, error))
    return FALSE;
  version = dkms_state_find (state, request->module, request->version);
  if (version == NULL && !check_new (request, error))
    return FALSE;
  if (!(request->loads ? plan_load (plan, request, version != NULL && !version->broken, &added, error)
                       : plan_add (plan, request, version, &added, error)))
    return FALSE;
  if (request->verb == DKMS_VERB_ADD || request->verb == DKMS_VERB_LDTARBALL)
    return TRUE;
  replaced = added != DKMS_NO_STEP && ((const DkmsStep *)plan->steps->pdata[added])->again;
  for (guint i = 0; i < request->targets->len; i++)
    {
      const DkmsTarget *target = request->targets->pdata[i];
      const DkmsBuild *build = version != NULL ? dkms_version_find (version, target->kernel, target->arch) : NULL;

      if (request->verb == DKMS_VERB_BUILD)
        plan_build (plan, request, target, build, added);
      else
        plan_install (plan, request, target, version, replaced, added);
    }
  return TRUE;
}

/* Whether any build would be left once the targets are gone. What is left of one counts if it was installed: its files
 * would never be taken away once nothing tells of them. */
static gboolean
something_left (const DkmsRequest *request, const DkmsVersion *version)
{
  for (guint b = 0; b < version->builds->len; b++)
    {
      const DkmsBuild *build = version->builds->pdata[b];
      if (!dkms_request_has_target (request, build->kernel, build->arch))
        return TRUE;
    }
  for (guint b = 0; b < version->remains->len; b++)
    {
      const DkmsBuild *build = version->remains->pdata[b];
      if (build->active && !dkms_request_has_target (request, build->kernel, build->arch))
        return TRUE;
    }
  return FALSE;
}

/* A build that is half gone is taken away like a whole one. */
static const DkmsBuild *
build_or_remains (const DkmsVersion *version, const DkmsTarget *target)
{
  const DkmsBuild *build = dkms_version_find (version, target->kernel, target->arch);

  return build != NULL ? build : dkms_version_find_remains (version, target->kernel, target->arch);
}

/* What is built or installed of a version without source is taken away by its record. Where nothing is, it is broken as
 * for every other verb (4), but for the one command that takes it off the list. */
static gboolean
can_be_taken_away (const DkmsRequest *request, const DkmsVersion *version)
{
  if (!version->broken || (request->verb == DKMS_VERB_REMOVE && request->all))
    return TRUE;
  for (guint i = 0; i < request->targets->len; i++)
    if (build_or_remains (version, request->targets->pdata[i]) != NULL)
      return TRUE;
  return FALSE;
}

static gboolean
plan_backward (DkmsPlan *plan, const DkmsRequest *request, const DkmsState *state, GError **error)
{
  const DkmsVersion *version;
  guint last = DKMS_NO_STEP;

  if (!check_identity (request, state, error))
    return FALSE;
  version = dkms_state_find (state, request->module, request->version);
  if (!check_added (request, version, error)
      || (!can_be_taken_away (request, version) && !check_sound (request, version, error)))
    return FALSE;
  for (guint i = 0; i < request->targets->len; i++)
    {
      const DkmsTarget *target = request->targets->pdata[i];
      const DkmsBuild *build = build_or_remains (version, target);
      gboolean built = build != NULL, installed = built && build->active;

      if (installed)
        last = dkms_plan_push (plan, DKMS_STEP_UNINSTALL, request->module, request->version, target, last);
      else
        last = dkms_plan_push_notice (plan, request->module, request->version, target, last, "not installed");
      if (request->verb == DKMS_VERB_UNINSTALL)
        continue;
      if (built)
        last = dkms_plan_push (plan, DKMS_STEP_UNBUILD, request->module, request->version, target, last);
      else
        last = dkms_plan_push_notice (plan, request->module, request->version, target, last, "not built");
    }
  if (request->verb == DKMS_VERB_REMOVE && !something_left (request, version))
    dkms_plan_push (plan, DKMS_STEP_UNREGISTER, request->module, request->version, NULL, last);
  return TRUE;
}

/* ---- tarballs ---- */

static gboolean
plan_pack (DkmsPlan *plan, const DkmsRequest *request, const DkmsState *state, GError **error)
{
  const DkmsVersion *version;

  if (!check_identity (request, state, error))
    return FALSE;
  version = dkms_state_find (state, request->module, request->version);
  if (!check_sound (request, version, error) || !check_added (request, version, error))
    return FALSE;
  for (guint i = 0; !request->source_only && i < request->targets->len; i++)
    {
      const DkmsTarget *target = request->targets->pdata[i];
      if (dkms_version_find (version, target->kernel, target->arch) == NULL)
        return dkms_fail (error, DKMS_ERROR_PACK_FAILED, NULL,
                          "Build it first, name other kernels with -k, or pack with --all or --source-only.",
                          "%s/%s is not built for kernel %s (%s)", request->module, request->version, target->kernel,
                          target->arch);
    }
  if (!request->source_only && request->targets->len == 0)
    return dkms_fail (error, DKMS_ERROR_PACK_FAILED, NULL, "Build it first, or pack with --source-only.",
                      "%s/%s is built for no kernel", request->module, request->version);
  dkms_plan_push (plan, DKMS_STEP_PACK, request->module, request->version, NULL, DKMS_NO_STEP);
  return TRUE;
}

DkmsPlan *
dkms_plan_make (const DkmsRequest *request, const DkmsState *state, GError **error)
{
  g_autoptr (DkmsPlan) plan = plan_new ();
  gboolean ok;

  switch (request->verb)
    {
    case DKMS_VERB_BUILD:
    case DKMS_VERB_INSTALL:
      ok = check_kernels (request, error) && plan_forward (plan, request, state, error);
      break;
    case DKMS_VERB_ADD:
    case DKMS_VERB_LDTARBALL:
      ok = plan_forward (plan, request, state, error);
      break;
    case DKMS_VERB_UNINSTALL:
    case DKMS_VERB_UNBUILD:
    case DKMS_VERB_REMOVE:
      ok = plan_backward (plan, request, state, error);
      break;
    case DKMS_VERB_MKTARBALL:
      ok = plan_pack (plan, request, state, error);
      break;
    case DKMS_VERB_MATCH:
      ok = check_kernels (request, error) && dkms_plan_match (plan, request, state, error);
      break;
    case DKMS_VERB_KERNEL_PREINST:
    case DKMS_VERB_KERNEL_PRERM:
      dkms_plan_clear (plan, request, state);
      ok = TRUE;
      break;
    case DKMS_VERB_AUTOINSTALL:
    case DKMS_VERB_KERNEL_POSTINST:
      ok = check_kernels (request, error);
      for (guint i = 0; ok && i < request->targets->len; i++)
        dkms_plan_autoinstall (plan, request->targets->pdata[i], state);
      break;
    default:
      ok = dkms_fail (error, DKMS_ERROR_USAGE, NULL, NULL, "This verb has no plan");
    }
  if (!ok)
    return NULL;
  if (!request->force
      && (request->verb == DKMS_VERB_INSTALL || request->verb == DKMS_VERB_MATCH
          || dkms_verb_is_autoinstall (request->verb)))
    for (guint i = 0; i < request->targets->len; i++)
      dkms_plan_dependents (plan, state, request->targets->pdata[i]);
  push_depmods (plan, request, state);
  if (dkms_verb_clears_kernel (request->verb))
    dkms_plan_clean (plan, request->targets->pdata[0]);
  return g_steal_pointer (&plan);
}
