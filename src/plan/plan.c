/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "plan/plan.h"

#include <string.h>

#include "base/error.h"
#include "kernel/version.h"

#define NONE G_MAXUINT

static void
target_free (gpointer data)
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

  self->targets = g_ptr_array_new_with_free_func (target_free);
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

static DkmsPlan *
plan_new (void)
{
  DkmsPlan *self = g_new0 (DkmsPlan, 1);

  self->steps = g_ptr_array_new_with_free_func (step_free);
  self->installed = g_ptr_array_new_with_free_func (g_free);
  self->deferred = g_ptr_array_new_with_free_func (g_free);
  self->failed = g_ptr_array_new_with_free_func (g_free);
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

char *
dkms_step_describe (const DkmsStep *step)
{
  static const char *const words[]
      = { "add", "build", "install", "uninstall", "unbuild", "unregister", "depmod", "load", "pack", "clean", "note" };
  GString *line = g_string_new (step->rebuild ? "rebuild" : words[step->kind]);

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

/* Appends a step that needs step @need (NONE: nothing). Returns: its number */
static guint
push (DkmsPlan *plan, DkmsStepKind kind, const char *module, const char *version, const DkmsTarget *target, guint need)
{
  DkmsStep *step = g_new0 (DkmsStep, 1);

  step->kind = kind;
  step->module = g_strdup (module);
  step->version = g_strdup (version);
  step->kernel = target != NULL ? g_strdup (target->kernel) : NULL;
  step->arch = target != NULL ? g_strdup (target->arch) : NULL;
  step->needs = g_array_new (FALSE, FALSE, sizeof (guint));
  step->after = g_array_new (FALSE, FALSE, sizeof (guint));
  if (need != NONE)
    g_array_append_val (step->needs, need);
  g_ptr_array_add (plan->steps, step);
  return plan->steps->len - 1;
}

static guint
push_notice (DkmsPlan *plan, const char *module, const char *version, const DkmsTarget *target, guint need,
             const char *text)
{
  guint id = push (plan, DKMS_STEP_NOTICE, module, version, target, need);

  ((DkmsStep *)plan->steps->pdata[id])->text = g_strdup (text);
  return id;
}

/* One depmod for each kernel whose modules change, after all of them. */
static void
push_depmods (DkmsPlan *plan)
{
  guint count = plan->steps->len;
  g_autoptr (GHashTable) ids = g_hash_table_new (g_str_hash, g_str_equal);

  for (guint i = 0; i < count; i++)
    {
      const DkmsStep *step = plan->steps->pdata[i];
      DkmsTarget target = { step->kernel, NULL };
      guint id;

      if (step->kind != DKMS_STEP_INSTALL && step->kind != DKMS_STEP_UNINSTALL)
        continue;
      id = GPOINTER_TO_UINT (g_hash_table_lookup (ids, step->kernel));
      if (id == 0)
        {
          id = push (plan, DKMS_STEP_DEPMOD, NULL, NULL, &target, NONE);
          step = plan->steps->pdata[i];
          g_hash_table_insert (ids, step->kernel, GUINT_TO_POINTER (id));
        }
      g_array_append_val (((DkmsStep *)plan->steps->pdata[id])->needs, i);
    }
}

static gboolean
check_identity (const DkmsRequest *request, GError **error)
{
  if (request->module != NULL && *request->module != '\0' && request->version != NULL && *request->version != '\0')
    return TRUE;
  return dkms_fail (error, DKMS_ERROR_NO_IDENTITY, NULL, "Name both, as in: dkms install foo/1.2 (see 'dkms status').",
                    "Module or version missing");
}

static gboolean
check_sound (const DkmsRequest *request, const DkmsVersion *version, GError **error)
{
  if (version == NULL || !version->broken)
    return TRUE;
  return dkms_fail (
      error, DKMS_ERROR_BROKEN, NULL,
      "Put its source directory back (reinstall its package), or delete the version's directory in the tree.",
      "%s/%s is broken: its source is gone", request->module, request->version);
}

static gboolean
check_added (const DkmsRequest *request, const DkmsVersion *version, GError **error)
{
  if (version != NULL)
    return TRUE;
  return dkms_fail (error, DKMS_ERROR_NOT_ADDED, NULL, "'dkms status' lists what is.", "%s/%s is not in the tree",
                    request->module, request->version);
}

static guint
plan_build (DkmsPlan *plan, const DkmsRequest *request, const DkmsTarget *target, const DkmsBuild *build, guint need)
{
  gboolean built = build != NULL && build->built;
  guint id;

  if (built && !request->force)
    return push_notice (plan, request->module, request->version, target, need, "already built");
  id = push (plan, DKMS_STEP_BUILD, request->module, request->version, target, need);
  ((DkmsStep *)plan->steps->pdata[id])->rebuild = built;
  return id;
}

static void
plan_install (DkmsPlan *plan, const DkmsRequest *request, const DkmsTarget *target, const DkmsBuild *build, guint need)
{
  gboolean built = build != NULL && build->built, installed = built && build->active;

  if (installed && !request->force)
    {
      push_notice (plan, request->module, request->version, target, need, "already installed");
      return;
    }
  if (installed)
    need = push (plan, DKMS_STEP_UNINSTALL, request->module, request->version, target, need);
  else if (!built)
    need = push (plan, DKMS_STEP_BUILD, request->module, request->version, target, need);
  push (plan, DKMS_STEP_INSTALL, request->module, request->version, target, need);
}

static gboolean
plan_forward (DkmsPlan *plan, const DkmsRequest *request, const DkmsState *state, GError **error)
{
  const DkmsVersion *version;
  guint added = NONE;

  if (!check_identity (request, error))
    return FALSE;
  version = dkms_state_find (state, request->module, request->version);
  if (request->loads)
    {
      if (version != NULL && !version->broken && !request->force)
        return dkms_fail (error, DKMS_ERROR_ARCHIVE_ADDED, request->archive,
                          "Remove it first, or use --force to load over it.", "%s/%s is in the tree already",
                          request->module, request->version);
      added = push (plan, DKMS_STEP_LOAD, request->module, request->version, NULL, NONE);
      if (version == NULL || version->broken)
        added = push (plan, DKMS_STEP_ADD, request->module, request->version, NULL, added);
      if (request->verb == DKMS_VERB_ADD || request->verb == DKMS_VERB_LDTARBALL)
        return TRUE;
    }
  else if (request->verb == DKMS_VERB_ADD || request->verb == DKMS_VERB_LDTARBALL)
    {
      if (version != NULL && !version->broken)
        return dkms_fail (error, DKMS_ERROR_ALREADY_ADDED, NULL,
                          "Remove it first, or give the new source another version.", "%s/%s is in the tree already",
                          request->module, request->version);
      push (plan, DKMS_STEP_ADD, request->module, request->version, NULL, NONE);
      return TRUE;
    }
  if (!check_sound (request, version, error))
    return FALSE;
  if (version == NULL && added == NONE)
    added = push (plan, DKMS_STEP_ADD, request->module, request->version, NULL, NONE);
  else if (request->source != NULL && !request->loads)
    return dkms_fail (error, DKMS_ERROR_ALREADY_ADDED, request->source,
                      "Name it as module/version to use the one in the tree, or remove that first.",
                      "%s/%s is in the tree already", request->module, request->version);
  for (guint i = 0; i < request->targets->len; i++)
    {
      const DkmsTarget *target = request->targets->pdata[i];
      const DkmsBuild *build = version != NULL ? dkms_version_find (version, target->kernel, target->arch) : NULL;

      if (request->verb == DKMS_VERB_BUILD)
        plan_build (plan, request, target, build, added);
      else
        plan_install (plan, request, target, build, added);
    }
  return TRUE;
}

/* Whether any build would be left once the targets are gone. */
static gboolean
something_left (const DkmsRequest *request, const DkmsVersion *version)
{
  for (guint b = 0; b < version->builds->len; b++)
    {
      const DkmsBuild *build = version->builds->pdata[b];
      gboolean goes = FALSE;

      for (guint t = 0; t < request->targets->len; t++)
        {
          const DkmsTarget *target = request->targets->pdata[t];
          goes |= strcmp (target->kernel, build->kernel) == 0 && strcmp (target->arch, build->arch) == 0;
        }
      if (!goes)
        return TRUE;
    }
  return FALSE;
}

static gboolean
plan_backward (DkmsPlan *plan, const DkmsRequest *request, const DkmsState *state, GError **error)
{
  const DkmsVersion *version;
  guint last = NONE;

  if (!check_identity (request, error))
    return FALSE;
  version = dkms_state_find (state, request->module, request->version);
  if (!check_sound (request, version, error) || !check_added (request, version, error))
    return FALSE;
  for (guint i = 0; i < request->targets->len; i++)
    {
      const DkmsTarget *target = request->targets->pdata[i];
      const DkmsBuild *build = dkms_version_find (version, target->kernel, target->arch);
      gboolean built = build != NULL && build->built, installed = built && build->active;

      if (installed)
        last = push (plan, DKMS_STEP_UNINSTALL, request->module, request->version, target, last);
      else
        last = push_notice (plan, request->module, request->version, target, last, "not installed");
      if (request->verb == DKMS_VERB_UNINSTALL)
        continue;
      if (built)
        last = push (plan, DKMS_STEP_UNBUILD, request->module, request->version, target, last);
      else
        last = push_notice (plan, request->module, request->version, target, last, "not built");
    }
  if (request->verb == DKMS_VERB_REMOVE && !something_left (request, version))
    push (plan, DKMS_STEP_UNREGISTER, request->module, request->version, NULL, last);
  return TRUE;
}

/* ---- tarballs ---- */

static gboolean
plan_pack (DkmsPlan *plan, const DkmsRequest *request, const DkmsState *state, GError **error)
{
  const DkmsVersion *version;

  if (!check_identity (request, error))
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
  push (plan, DKMS_STEP_PACK, request->module, request->version, NULL, NONE);
  return TRUE;
}

/* ---- many modules for one kernel ---- */

/* For the target kernel what is installed for the template, in the same versions. */
static gboolean
plan_match (DkmsPlan *plan, const DkmsRequest *request, const DkmsState *state, GError **error)
{
  const DkmsTarget *target = request->targets->pdata[0];

  if (request->module != NULL && state->versions->len == 0)
    return dkms_fail (error, DKMS_ERROR_NOT_ADDED, NULL, "'dkms status' lists what is.", "%s is not in the tree",
                      request->module);
  for (guint i = 0; i < state->versions->len; i++)
    {
      const DkmsVersion *v = state->versions->pdata[i];
      const DkmsBuild *model = dkms_version_find (v, request->template, target->arch);
      const DkmsBuild *build = dkms_version_find (v, target->kernel, target->arch);
      guint need = NONE;

      if (v->broken || model == NULL || !model->active)
        continue;
      if (build != NULL && build->active)
        {
          push_notice (plan, v->module, v->version, target, NONE, "already installed");
          continue;
        }
      if (build == NULL)
        need = push (plan, DKMS_STEP_BUILD, v->module, v->version, target, NONE);
      push (plan, DKMS_STEP_INSTALL, v->module, v->version, target, need);
    }
  return TRUE;
}

/* Before a kernel is replaced (those that come back by themselves) or removed (all): away with its builds. */
static void
plan_clear (DkmsPlan *plan, const DkmsRequest *request, const DkmsState *state)
{
  const DkmsTarget *target = request->targets->pdata[0];

  for (guint i = 0; i < state->versions->len; i++)
    {
      const DkmsVersion *v = state->versions->pdata[i];
      const DkmsBuild *build = dkms_version_find (v, target->kernel, target->arch);
      guint need = NONE;

      if (build == NULL)
        continue;
      if (request->verb == DKMS_VERB_KERNEL_PREINST && v->conf_error != NULL)
        g_ptr_array_add (plan->failed, g_strdup_printf ("%s/%s: %s", v->module, v->version, v->conf_error->message));
      if (request->verb == DKMS_VERB_KERNEL_PREINST && !v->autoinstall)
        continue;
      if (build->active)
        need = push (plan, DKMS_STEP_UNINSTALL, v->module, v->version, target, NONE);
      push (plan, DKMS_STEP_UNBUILD, v->module, v->version, target, need);
    }
}

static void
push_clean (DkmsPlan *plan, const DkmsTarget *target)
{
  guint count = plan->steps->len;
  DkmsTarget kernel = { target->kernel, NULL };
  guint id = push (plan, DKMS_STEP_CLEAN, NULL, NULL, &kernel, NONE);
  DkmsStep *step = plan->steps->pdata[id];

  for (guint i = 0; i < count; i++)
    g_array_append_val (step->needs, i);
}

/* ---- dependents ---- */

/* The version of @module that is installed for @target when the plan is through; @step is what installs it. */
static const char *
version_in_the_end (const DkmsPlan *plan, const DkmsState *state, const char *module, const DkmsTarget *target,
                    guint *step)
{
  const DkmsVersion *now = dkms_state_installed (state, module, target->kernel, target->arch);

  *step = NONE;
  for (guint i = plan->steps->len; i-- > 0;)
    {
      const DkmsStep *s = plan->steps->pdata[i];
      if (s->kind == DKMS_STEP_INSTALL && strcmp (s->module, module) == 0 && strcmp (s->kernel, target->kernel) == 0
          && strcmp (s->arch, target->arch) == 0)
        {
          *step = i;
          return s->version;
        }
    }
  return now != NULL ? now->version : NULL;
}

typedef struct {
  const DkmsVersion *version;
  const DkmsBuild *build;
  char *why;
} Dependent;

static void
dependent_clear (gpointer data)
{
  g_free (((Dependent *)data)->why);
}

static gboolean
is_planned (const DkmsPlan *plan, const char *module, const DkmsTarget *target)
{
  for (guint i = 0; i < plan->steps->len; i++)
    {
      const DkmsStep *s = plan->steps->pdata[i];
      if ((s->kind == DKMS_STEP_INSTALL || s->kind == DKMS_STEP_BUILD) && strcmp (s->module, module) == 0
          && strcmp (s->kernel, target->kernel) == 0 && strcmp (s->arch, target->arch) == 0)
        return TRUE;
    }
  return FALSE;
}

/* Builds, of modules with no plans of their own, that saw another version of a module they depend on than the one that
 * will be installed. */
static GArray *
find_outdated (const DkmsPlan *plan, const DkmsState *state, const DkmsTarget *target)
{
  GArray *found = g_array_new (FALSE, FALSE, sizeof (Dependent));

  g_array_set_clear_func (found, dependent_clear);
  for (guint i = 0; i < state->versions->len; i++)
    {
      const DkmsVersion *v = state->versions->pdata[i];
      const DkmsBuild *build = v->broken ? NULL : dkms_version_find (v, target->kernel, target->arch);
      GHashTableIter iter;
      gpointer name, seen;

      if (build == NULL || build->seen == NULL || is_planned (plan, v->module, target))
        continue;
      g_hash_table_iter_init (&iter, build->seen);
      while (g_hash_table_iter_next (&iter, &name, &seen))
        {
          guint step;
          const char *version = version_in_the_end (plan, state, name, target, &step);
          if (version == NULL || strcmp (version, seen) == 0)
            continue;
          Dependent d
              = { v, build,
                  g_strdup_printf ("because %s changed from version %s to %s", (char *)name, (char *)seen, version) };
          g_array_append_val (found, d);
          break;
        }
    }
  return found;
}

static gboolean
waits_for_another (const Dependent *d, const GArray *outdated)
{
  for (guint i = 0; i < outdated->len; i++)
    {
      const DkmsVersion *other = g_array_index (outdated, Dependent, i).version;
      if (g_hash_table_contains (d->build->seen, other->module))
        return TRUE; /* itself included: that cannot be ordered either */
    }
  return FALSE;
}

static void
push_dependent (DkmsPlan *plan, const DkmsState *state, const Dependent *d, const DkmsTarget *target)
{
  guint first = NONE, last;
  GHashTableIter iter;
  gpointer name;

  if (d->build->active)
    first = push (plan, DKMS_STEP_UNINSTALL, d->version->module, d->version->version, target, NONE);
  last = push (plan, DKMS_STEP_BUILD, d->version->module, d->version->version, target, first);
  if (first == NONE)
    first = last;
  ((DkmsStep *)plan->steps->pdata[last])->rebuild = TRUE;
  ((DkmsStep *)plan->steps->pdata[last])->dependent = TRUE;
  ((DkmsStep *)plan->steps->pdata[last])->text = g_strdup (d->why);
  g_hash_table_iter_init (&iter, d->build->seen);
  while (g_hash_table_iter_next (&iter, &name, NULL))
    {
      guint step;
      (void)version_in_the_end (plan, state, name, target, &step);
      if (step != NONE)
        g_array_append_val (((DkmsStep *)plan->steps->pdata[first])->needs, step);
    }
  if (d->build->active)
    {
      last = push (plan, DKMS_STEP_INSTALL, d->version->module, d->version->version, target, last);
      ((DkmsStep *)plan->steps->pdata[last])->dependent = TRUE;
    }
}

/* Each outdated build once, after those it depends on; what was only built stays only built. */
static void
plan_dependents (DkmsPlan *plan, const DkmsState *state, const DkmsTarget *target)
{
  g_autoptr (GArray) outdated = find_outdated (plan, state, target);
  gboolean progress = TRUE;

  while (progress)
    {
      progress = FALSE;
      for (guint i = 0; i < outdated->len && !progress; i++)
        {
          const Dependent *d = &g_array_index (outdated, Dependent, i);
          if (waits_for_another (d, outdated))
            continue;
          push_dependent (plan, state, d, target);
          g_array_remove_index (outdated, i);
          progress = TRUE;
        }
    }
  for (guint i = 0; i < outdated->len; i++)
    {
      const DkmsVersion *v = g_array_index (outdated, Dependent, i).version;
      g_ptr_array_add (plan->cycles,
                       g_strdup_printf ("%s/%s is to be rebuilt, but it and what it depends on wait for each other",
                                        v->module, v->version));
    }
}

/* ---- autoinstall ---- */

gboolean
dkms_verb_is_autoinstall (DkmsVerb verb)
{
  return verb == DKMS_VERB_AUTOINSTALL || verb == DKMS_VERB_KERNEL_POSTINST;
}

gboolean
dkms_verb_clears_kernel (DkmsVerb verb)
{
  return verb == DKMS_VERB_KERNEL_PREINST || verb == DKMS_VERB_KERNEL_PRERM;
}

typedef struct {
  const DkmsVersion *version;
  guint step; /* its install step; NONE until planned */
} Candidate;

DkmsVersion *
dkms_plan_latest (const DkmsState *state, const char *module)
{
  DkmsVersion *latest = NULL;

  for (guint i = 0; i < state->versions->len; i++)
    {
      DkmsVersion *v = state->versions->pdata[i];
      if (strcmp (v->module, module) == 0 && !v->broken
          && (latest == NULL || dkms_version_compare (v->version, latest->version) > 0))
        latest = v;
    }
  return latest;
}

static Candidate *
find_candidate (GArray *queue, const char *module)
{
  for (guint i = 0; i < queue->len; i++)
    if (strcmp (g_array_index (queue, Candidate, i).version->module, module) == 0)
      return &g_array_index (queue, Candidate, i);
  return NULL;
}

/* Fills the queue with the latest version of every module that wants to be there and is not. */
static void
collect (DkmsPlan *plan, const DkmsState *state, const DkmsTarget *target, GArray *queue)
{
  const char *last = "";

  for (guint i = 0; i < state->versions->len; i++)
    {
      const DkmsVersion *v = dkms_plan_latest (state, ((DkmsVersion *)state->versions->pdata[i])->module);
      const DkmsBuild *build;
      Candidate candidate = { v, NONE };

      if (v == NULL || strcmp (v->module, last) == 0)
        continue;
      last = v->module;
      build = dkms_version_find (v, target->kernel, target->arch);
      if (build != NULL && build->active)
        g_ptr_array_add (plan->installed, g_strdup (v->module));
      else if (v->conf_error != NULL)
        g_ptr_array_add (plan->failed, g_strdup_printf ("%s/%s: %s", v->module, v->version, v->conf_error->message));
      else if (v->autoinstall)
        g_array_append_val (queue, candidate);
    }
}

/* Whether all dependencies of @c are installed or planned before step @limit; the others are named
 * in @known (in the tree) and @unknown. */
static gboolean
ready (const DkmsPlan *plan, GArray *queue, const Candidate *c, GArray *waits_for, GString *known, GString *unknown,
       const DkmsState *state, guint limit)
{
  gboolean all = TRUE;

  for (char **name = c->version->depends; name != NULL && *name != NULL; name++)
    {
      const Candidate *other = find_candidate (queue, *name);

      if (g_ptr_array_find_with_equal_func (plan->installed, *name, g_str_equal, NULL))
        continue;
      if (other != NULL && other->step != NONE && other->step < limit)
        {
          g_array_append_val (waits_for, other->step);
          continue;
        }
      all = FALSE;
      g_string_append_printf (dkms_plan_latest (state, *name) != NULL ? known : unknown, " %s", *name);
    }
  return all;
}

static gboolean
plan_autoinstall (DkmsPlan *plan, const DkmsRequest *request, const DkmsState *state)
{
  const DkmsTarget *target = request->targets->pdata[0];
  g_autoptr (GArray) queue = g_array_new (FALSE, FALSE, sizeof (Candidate));
  gboolean progress = TRUE;

  collect (plan, state, target, queue);
  while (progress)
    {
      guint round = plan->steps->len; /* what this round plans counts from the next one on */

      progress = FALSE;
      for (guint i = 0; i < queue->len; i++)
        {
          Candidate *c = &g_array_index (queue, Candidate, i);
          g_autoptr (GArray) waits_for = g_array_new (FALSE, FALSE, sizeof (guint));
          g_autoptr (GString) known = g_string_new (NULL);
          g_autoptr (GString) unknown = g_string_new (NULL);
          const DkmsBuild *build;
          guint step = NONE;

          if (c->step != NONE || !ready (plan, queue, c, waits_for, known, unknown, state, round))
            continue;
          build = dkms_version_find (c->version, target->kernel, target->arch);
          if (build == NULL || !build->built)
            {
              step = push (plan, DKMS_STEP_BUILD, c->version->module, c->version->version, target, NONE);
              g_array_append_vals (((DkmsStep *)plan->steps->pdata[step])->after, waits_for->data, waits_for->len);
            }
          c->step = push (plan, DKMS_STEP_INSTALL, c->version->module, c->version->version, target, step);
          if (step == NONE)
            g_array_append_vals (((DkmsStep *)plan->steps->pdata[c->step])->after, waits_for->data, waits_for->len);
          progress = TRUE;
        }
    }
  for (guint i = 0; i < queue->len; i++)
    {
      const Candidate *c = &g_array_index (queue, Candidate, i);
      g_autoptr (GArray) waits_for = g_array_new (FALSE, FALSE, sizeof (guint));
      g_autoptr (GString) known = g_string_new (NULL);
      g_autoptr (GString) unknown = g_string_new (NULL);

      if (c->step != NONE)
        continue;
      (void)ready (plan, queue, c, waits_for, known, unknown, state, NONE);
      if (known->len > 0)
        g_ptr_array_add (plan->failed, g_strdup_printf ("%s/%s needs modules that are not installed and will not be:%s",
                                                        c->version->module, c->version->version, known->str));
      else
        g_ptr_array_add (plan->deferred, g_strdup_printf ("%s/%s waits for modules that are not in the tree:%s",
                                                          c->version->module, c->version->version, unknown->str));
    }
  return TRUE;
}

DkmsPlan *
dkms_plan_make (const DkmsRequest *request, const DkmsState *state, GError **error)
{
  g_autoptr (DkmsPlan) plan = plan_new ();
  gboolean ok;

  switch (request->verb)
    {
    case DKMS_VERB_ADD:
    case DKMS_VERB_BUILD:
    case DKMS_VERB_INSTALL:
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
      ok = plan_match (plan, request, state, error);
      break;
    case DKMS_VERB_KERNEL_PREINST:
    case DKMS_VERB_KERNEL_PRERM:
      plan_clear (plan, request, state);
      ok = TRUE;
      break;
    case DKMS_VERB_AUTOINSTALL:
    case DKMS_VERB_KERNEL_POSTINST:
      ok = plan_autoinstall (plan, request, state);
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
      plan_dependents (plan, state, request->targets->pdata[i]);
  push_depmods (plan);
  if (dkms_verb_clears_kernel (request->verb))
    push_clean (plan, request->targets->pdata[0]);
  return g_steal_pointer (&plan);
}
