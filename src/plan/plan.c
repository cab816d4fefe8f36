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
  g_free (self);
}

char *
dkms_step_describe (const DkmsStep *step)
{
  static const char *const words[]
      = { "add", "build", "install", "uninstall", "unbuild", "unregister", "depmod", "note" };
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
  if (request->verb == DKMS_VERB_ADD)
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
  if (version == NULL)
    added = push (plan, DKMS_STEP_ADD, request->module, request->version, NULL, NONE);
  else if (request->source != NULL)
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

/* ---- autoinstall ---- */

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
      ok = plan_forward (plan, request, state, error);
      break;
    case DKMS_VERB_UNINSTALL:
    case DKMS_VERB_UNBUILD:
    case DKMS_VERB_REMOVE:
      ok = plan_backward (plan, request, state, error);
      break;
    case DKMS_VERB_AUTOINSTALL:
      ok = plan_autoinstall (plan, request, state);
      break;
    default:
      ok = dkms_fail (error, DKMS_ERROR_USAGE, NULL, NULL, "This verb has no plan");
    }
  if (!ok)
    return NULL;
  push_depmods (plan);
  return g_steal_pointer (&plan);
}
