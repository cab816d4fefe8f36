/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Plans for one version of a module. */
#include "plan/one.h"

#include <string.h>

#include "base/error.h"
#include "plan/planner.h"
#include "store/register.h"

/* Whether the request only registers a source. */
static gboolean
is_registration (const DkmsRequest *request)
{
  return request->goal == DKMS_GOAL_REGISTERED || request->goal == DKMS_GOAL_LOADED;
}

static DkmsId
id_of (const DkmsPlanner *p)
{
  return (DkmsId){ .module = p->facts->module, .version = p->facts->version };
}

/* Returns: (transfer full) (nullable): the registered versions if the request names none, or the correct form of a name
 */
static char *
identity_advice (const DkmsPlanner *p)
{
  g_autofree char *known = NULL;
  g_autofree char *slashed = g_strconcat (p->facts->module, "/", NULL);
  const char *module = p->facts->module, *split = strpbrk (module, ",-@:");

  for (guint i = 0; i < p->facts->state->versions->len; i++)
    {
      const DkmsVersion *v = p->facts->state->versions->pdata[i];
      if (strcmp (v->module, module) == 0)
        dkms_add_choice (&known, module, v->version);
    }
  if (known != NULL)
    return DKMS_SAY (NAME_VERSION, .text = known);
  if (p->facts->near != NULL)
    return g_str_has_prefix (p->facts->near, slashed) ? DKMS_SAY (NAME_VERSION, .text = p->facts->near)
                                                      : DKMS_SAY (MEANT, .text = p->facts->near);
  while (split != NULL && !g_ascii_isdigit (split[1]))
    split = strpbrk (split + 1, ",-@:");
  if (split == NULL || split == module)
    return NULL;
  g_autofree char *name = g_strndup (module, (gsize)(split - module));
  return DKMS_SAY (WRITE_VERSION, .id = { .module = name, .version = split + 1 });
}

/* Whether the module, of which no version is named, is neither registered nor in the source tree, and the request does
 * not register it. */
static gboolean
is_nowhere (const DkmsPlanner *p)
{
  DkmsGoal goal = p->request->goal;
  g_autofree char *slashed = g_strconcat (p->facts->module, "/", NULL);

  if (goal == DKMS_GOAL_REGISTERED || goal == DKMS_GOAL_LOADED || goal == DKMS_GOAL_BUILT
      || goal == DKMS_GOAL_INSTALLED)
    return FALSE;
  for (guint i = 0; i < p->facts->state->versions->len; i++)
    if (strcmp (((const DkmsVersion *)p->facts->state->versions->pdata[i])->module, p->facts->module) == 0)
      return FALSE;
  return p->facts->near == NULL || !g_str_has_prefix (p->facts->near, slashed);
}

static gboolean
check_identity (const DkmsPlanner *p, GError **error)
{
  gboolean module = p->facts->module != NULL && *p->facts->module != '\0',
           version = p->facts->version != NULL && *p->facts->version != '\0';
  g_autofree char *advice = module && !version ? identity_advice (p) : NULL;

  if (module && version)
    return TRUE;
  if (module && is_nowhere (p))
    return DKMS_FAIL (error, UNKNOWN_MODULE, .id = { .module = p->facts->module }, .advice = advice);
  if (module)
    return DKMS_FAIL (error, NO_VERSION, .id = { .module = p->facts->module }, .advice = advice);
  return DKMS_FAIL (error, NO_IDENTITY, .name = p->request->action);
}

static gboolean
check_sound (const DkmsPlanner *p, const DkmsVersion *version, GError **error)
{
  return version == NULL || !version->broken || DKMS_FAIL (error, BROKEN, .id = id_of (p));
}

static gboolean
check_added (const DkmsPlanner *p, const DkmsVersion *version, GError **error)
{
  return version != NULL || DKMS_FAIL (error, NOT_ADDED, .id = id_of (p), .near = p->facts->near);
}

/* A source with an invalid PACKAGE_VERSION has an invalid dkms.conf; an invalid name on the command line has no source.
 */
static gboolean
check_new (const DkmsPlanner *p, GError **error)
{
  const DkmsId id = id_of (p);

  return dkms_tree_check_new (
      p->facts->source != NULL || p->facts->loads ? DKMS_ERROR_RESERVED_PACKAGE : DKMS_ERROR_RESERVED_NAME, &id, error);
}

static guint
plan_build (const DkmsPlanner *p, const DkmsId *target, const DkmsBuild *build, guint need)
{
  gboolean built = build != NULL && build->built;
  guint id;

  if (dkms_build_is_usable (build) && !p->request->force)
    return dkms_plan_push_remark (p->plan,
                                  &(DkmsId){ p->facts->module, p->facts->version, target->kernel, target->arch }, need,
                                  DKMS_EVENT_ALREADY_BUILT);
  id = dkms_plan_push (p->plan, DKMS_STEP_BUILD,
                       &(DkmsId){ p->facts->module, p->facts->version, target->kernel, target->arch }, need);
  ((DkmsStep *)p->plan->steps->pdata[id])->replaces = built;
  return id;
}

/* @version: (nullable): NULL: it will be added first; @replaced: its source will be replaced first. */
static void
plan_install (const DkmsPlanner *p, const DkmsId *target, const DkmsVersion *version, gboolean replaced, guint need)
{
  const DkmsBuild *build = version != NULL ? dkms_version_find (version, target) : NULL;
  gboolean built = build != NULL && build->built, installed = built && build->active;
  guint last;

  if (build != NULL && dkms_build_is_sound (build) && !p->request->force)
    {
      dkms_plan_push_remark (p->plan, &(DkmsId){ p->facts->module, p->facts->version, target->kernel, target->arch },
                             need,
                             build->stale ? DKMS_EVENT_INSTALLED_FROM_EARLIER_SOURCE : DKMS_EVENT_ALREADY_INSTALLED);
      return;
    }
  if (version != NULL && !replaced && (!built || (installed && !p->request->force)))
    {
      guint first = dkms_plan_push_install (p->plan, version, target, &last);
      if (need != DKMS_NO_STEP)
        g_array_append_val (((DkmsStep *)p->plan->steps->pdata[first])->needs, need);
      return;
    }
  /* For an incomplete build the install step fails (6). */
  if (!built || replaced || build->stale)
    {
      need = dkms_plan_push (p->plan, DKMS_STEP_BUILD,
                             &(DkmsId){ p->facts->module, p->facts->version, target->kernel, target->arch }, need);
      ((DkmsStep *)p->plan->steps->pdata[need])->replaces = built;
    }
  dkms_plan_push (p->plan, installed ? DKMS_STEP_REINSTALL : DKMS_STEP_INSTALL,
                  &(DkmsId){ p->facts->module, p->facts->version, target->kernel, target->arch }, need);
}

/* Fails because a source is given, and a different one is registered under its name. */
static gboolean
fail_other_source (const DkmsPlanner *p, DkmsError kind, GError **error)
{
  const DkmsErrorInfo info = { .kind = kind,
                               .id = id_of (p),
                               .path = p->request->archive != NULL ? p->request->archive : p->request->source,
                               .text = p->facts->differs != NULL ? p->facts->differs : "they differ" };

  return dkms_fail_with (error, &info);
}

/* Plans to load the content of an archive of 'dkms mktarball'. Existing builds are kept, unless forced. */
static gboolean
plan_load (const DkmsPlanner *p, gboolean registered, guint *last, GError **error)
{
  gboolean only_load = is_registration (p->request);

  if (registered && !p->request->force && only_load)
    return DKMS_FAIL (error, ARCHIVE_ADDED, .id = id_of (p), .path = p->request->archive);
  if (registered && !p->request->force && p->facts->source_state == DKMS_SOURCE_OTHER)
    return fail_other_source (p, DKMS_ERROR_ARCHIVE_OTHER_ADDED, error);
  *last = dkms_plan_push (p->plan, DKMS_STEP_LOAD, &(DkmsId){ p->facts->module, p->facts->version, NULL, NULL },
                          DKMS_NO_STEP);
  if (!registered)
    *last
        = dkms_plan_push (p->plan, DKMS_STEP_ADD, &(DkmsId){ p->facts->module, p->facts->version, NULL, NULL }, *last);
  return TRUE;
}

/* Plans the registration of the source, if necessary. @last: (out): its step. */
static gboolean
plan_add (const DkmsPlanner *p, const DkmsVersion *version, guint *last, GError **error)
{
  gboolean registered = version != NULL && !version->broken;
  gboolean only_add = is_registration (p->request);

  if (!registered)
    {
      /* A given source restores a version whose source does not exist. */
      if (!only_add && p->facts->source == NULL && !check_sound (p, version, error))
        return FALSE;
      *last = dkms_plan_push (p->plan, DKMS_STEP_ADD, &(DkmsId){ p->facts->module, p->facts->version, NULL, NULL },
                              DKMS_NO_STEP);
      return TRUE;
    }
  if (p->facts->source != NULL && p->facts->source_state == DKMS_SOURCE_OTHER)
    {
      if (!p->request->force)
        return fail_other_source (p, DKMS_ERROR_OTHER_SOURCE_ADDED, error);
      *last = dkms_plan_push (p->plan, DKMS_STEP_ADD, &(DkmsId){ p->facts->module, p->facts->version, NULL, NULL },
                              DKMS_NO_STEP);
      ((DkmsStep *)p->plan->steps->pdata[*last])->replaces = TRUE;
      return TRUE;
    }
  if (!only_add || (p->request->force && p->facts->source != NULL))
    return TRUE;
  if (p->facts->source != NULL)
    return DKMS_FAIL (error, SAME_SOURCE_ADDED, .id = id_of (p));
  return DKMS_FAIL (error, ALREADY_ADDED, .id = id_of (p));
}

static gboolean
plan_forward (const DkmsPlanner *p, GError **error)
{
  const DkmsVersion *version;
  gboolean replaced;
  guint added = DKMS_NO_STEP;

  if (!check_identity (p, error))
    return FALSE;
  version = dkms_state_find (p->facts->state, &(DkmsId){ p->facts->module, p->facts->version, NULL, NULL });
  if (version == NULL && !check_new (p, error))
    return FALSE;
  if (!(p->facts->loads ? plan_load (p, version != NULL && !version->broken, &added, error)
                        : plan_add (p, version, &added, error)))
    return FALSE;
  if (is_registration (p->request))
    return TRUE;
  replaced = added != DKMS_NO_STEP && ((const DkmsStep *)p->plan->steps->pdata[added])->replaces;
  for (guint i = 0; i < p->facts->targets->len; i++)
    {
      const DkmsId *target = p->facts->targets->pdata[i];
      const DkmsBuild *build = version != NULL ? dkms_version_find (version, target) : NULL;

      if (p->request->goal == DKMS_GOAL_BUILT)
        plan_build (p, target, build, added);
      else
        plan_install (p, target, version, replaced, added);
    }
  return TRUE;
}

/* Whether any build remains without those for the targets. Remains of an installed build count, because otherwise
 * nothing would show that its files must be deleted. */
static gboolean
something_left (const DkmsPlanner *p, const DkmsVersion *version)
{
  for (guint b = 0; b < version->builds->len; b++)
    {
      const DkmsBuild *build = version->builds->pdata[b];
      if (!dkms_targets_contain (p->facts->targets, &(DkmsId){ .kernel = build->kernel, .arch = build->arch }))
        return TRUE;
    }
  for (guint b = 0; b < version->remains->len; b++)
    {
      const DkmsBuild *build = version->remains->pdata[b];
      if (build->active
          && !dkms_targets_contain (p->facts->targets, &(DkmsId){ .kernel = build->kernel, .arch = build->arch }))
        return TRUE;
    }
  return FALSE;
}

/* An incomplete build is removed like a complete one. */
static const DkmsBuild *
build_or_remains (const DkmsVersion *version, const DkmsId *target)
{
  const DkmsBuild *build = dkms_version_find (version, target);

  return build != NULL ? build : dkms_version_find_remains (version, target);
}

/* A build of a version without a source is removed by its record. If nothing is built, the version is broken (4) for
 * every command except one that unregisters it, and names no kernel. */
static gboolean
can_be_removed (const DkmsPlanner *p, const DkmsVersion *version)
{
  if (!version->broken
      || (p->request->goal == DKMS_GOAL_GONE
          && (p->request->all || (p->request->usual_kernel && !something_left (p, version)))))
    return TRUE;
  for (guint i = 0; i < p->facts->targets->len; i++)
    if (build_or_remains (version, p->facts->targets->pdata[i]) != NULL)
      return TRUE;
  return FALSE;
}

static gboolean
plan_backward (const DkmsPlanner *p, GError **error)
{
  const DkmsVersion *version;
  guint last = DKMS_NO_STEP;

  if (!check_identity (p, error))
    return FALSE;
  version = dkms_state_find (p->facts->state, &(DkmsId){ p->facts->module, p->facts->version, NULL, NULL });
  if (!check_added (p, version, error) || (!can_be_removed (p, version) && !check_sound (p, version, error)))
    return FALSE;
  for (guint i = 0; i < p->facts->targets->len; i++)
    {
      const DkmsId *target = p->facts->targets->pdata[i];
      const DkmsBuild *build = build_or_remains (version, target);
      gboolean built = build != NULL, installed = built && build->active;

      if (installed)
        last = dkms_plan_push (p->plan, DKMS_STEP_UNINSTALL,
                               &(DkmsId){ p->facts->module, p->facts->version, target->kernel, target->arch }, last);
      else
        last = dkms_plan_push_remark (p->plan,
                                      &(DkmsId){ p->facts->module, p->facts->version, target->kernel, target->arch },
                                      last, DKMS_EVENT_NOT_INSTALLED);
      if (p->request->goal == DKMS_GOAL_NOT_INSTALLED)
        continue;
      if (built)
        last = dkms_plan_push (p->plan, DKMS_STEP_UNBUILD,
                               &(DkmsId){ p->facts->module, p->facts->version, target->kernel, target->arch }, last);
      else
        last = dkms_plan_push_remark (p->plan,
                                      &(DkmsId){ p->facts->module, p->facts->version, target->kernel, target->arch },
                                      last, DKMS_EVENT_NOT_BUILT);
    }
  if (p->request->goal == DKMS_GOAL_GONE && !something_left (p, version))
    dkms_plan_push (p->plan, DKMS_STEP_UNREGISTER, &(DkmsId){ p->facts->module, p->facts->version, NULL, NULL }, last);
  return TRUE;
}

static gboolean
plan_pack (const DkmsPlanner *p, GError **error)
{
  const DkmsVersion *version;

  if (!check_identity (p, error))
    return FALSE;
  version = dkms_state_find (p->facts->state, &(DkmsId){ p->facts->module, p->facts->version, NULL, NULL });
  if (!check_sound (p, version, error) || !check_added (p, version, error))
    return FALSE;
  for (guint i = 0; !p->request->source_only && i < p->facts->targets->len; i++)
    {
      const DkmsId *target = p->facts->targets->pdata[i];
      if (dkms_version_find (version, target) == NULL)
        return DKMS_FAIL (error, NOT_BUILT,
                          .id = { p->facts->module, p->facts->version, target->kernel, target->arch });
    }
  if (!p->request->source_only && p->facts->targets->len == 0)
    return DKMS_FAIL (error, NEVER_BUILT, .id = id_of (p));
  dkms_plan_push (p->plan, DKMS_STEP_PACK, &(DkmsId){ p->facts->module, p->facts->version, NULL, NULL }, DKMS_NO_STEP);
  return TRUE;
}

gboolean
dkms_plan_one (const DkmsPlanner *p, GError **error)
{
  switch (p->request->goal)
    {
    case DKMS_GOAL_REGISTERED:
    case DKMS_GOAL_LOADED:
    case DKMS_GOAL_BUILT:
    case DKMS_GOAL_INSTALLED:
      return plan_forward (p, error);
    case DKMS_GOAL_NOT_INSTALLED:
    case DKMS_GOAL_NOT_BUILT:
    case DKMS_GOAL_GONE:
      return plan_backward (p, error);
    case DKMS_GOAL_PACKED:
      return plan_pack (p, error);
    default:
      return DKMS_FAIL (error, NO_PLAN);
    }
}
