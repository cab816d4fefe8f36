/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A forecast, from the headers to the answer. */
#define _GNU_SOURCE
#include "forecast/forecast.h"

#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/unread.h"
#include "build/loadable.h"
#include "forecast/headers.h"
#include "forecast/offer.h"
#include "forecast/result.h"
#include "forecast/scene.h"
#include "forecast/shadow.h"
#include "kernel/kernel.h"
#include "run/run.h"
#include "store/kept.h"
#include "store/layout.h"
#include "store/lock.h"
#include "store/register.h"
#include "store/scan.h"

#define MANAGER "manager" /* files of the package manager */

typedef struct {
  const DkmsSettings *settings;
  DkmsListener *events;
  const DkmsRequest *request;
  GPtrArray *offers;  /* element-type DkmsKernelOffer: empty if the caller gave headers */
  GPtrArray *headers; /* element-type DkmsAheadHeaders */
  GPtrArray *results;
  DkmsTrouble trouble;
} Forecast;

static void
forecast_clear (Forecast *self)
{
  g_clear_pointer (&self->offers, g_ptr_array_unref);
  g_clear_pointer (&self->headers, g_ptr_array_unref);
  g_clear_pointer (&self->results, g_ptr_array_unref);
  g_clear_error (&self->trouble.error);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Forecast, forecast_clear)

/* ---- kernels and headers ---- */

/* Returns: (transfer full): the architecture for a kernel that is not installed */
static char *
arch_for (const Forecast *self, const DkmsId *target)
{
  const DkmsPlaces *places = &self->settings->places;
  g_autofree char *dir = g_build_filename (places->install_tree, target->kernel, NULL);

  return target->arch != NULL
             ? g_strdup (target->arch)
             : dkms_distro_arch (self->settings->policy.distro, places->root, dir, dkms_running_machine ());
}

/* Takes the headers that the caller gave. */
static gboolean
take_given (Forecast *self, GError **error)
{
  const GPtrArray *targets = self->request->targets;
  const DkmsId *target = targets->len > 0 ? targets->pdata[0] : NULL;

  if (target == NULL) /* verbs-forecast.c refuses such requests, too */
    return DKMS_FAIL (error, HEADERS_OF_NO_KERNEL, .path = self->request->headers->pdata[0]);
  g_autofree char *arch = arch_for (self, target);
  const DkmsId id = { .kernel = target->kernel, .arch = arch };
  DkmsAheadHeaders *headers;

  if (!dkms_tree_check_name (DKMS_ERROR_BAD_TARGET, "kernel release", id.kernel, error)
      || !dkms_tree_check_name (DKMS_ERROR_BAD_TARGET, "architecture", id.arch, error)
      || !dkms_tree_check_kernel (id.kernel, error))
    return FALSE;
  headers = dkms_ahead_headers_unpack (self->settings, &id, self->request->headers, error);
  if (headers == NULL)
    return FALSE;
  g_ptr_array_add (self->headers, headers);
  return TRUE;
}

/* Selects the kernels that the caller named. One that no upgrade would install can have headers, too. */
static void
select_named (Forecast *self)
{
  const GPtrArray *targets = self->request->targets;
  g_autoptr (GPtrArray) all = g_steal_pointer (&self->offers);

  self->offers = g_ptr_array_new_with_free_func (dkms_kernel_offer_free);
  for (guint t = 0; t < targets->len; t++)
    {
      const char *release = ((const DkmsId *)targets->pdata[t])->kernel;
      DkmsKernelOffer *found = NULL;

      for (guint i = 0; i < all->len && release != NULL && found == NULL; i++)
        if (strcmp (((const DkmsKernelOffer *)all->pdata[i])->release, release) == 0)
          found = g_ptr_array_steal_index (all, i);
      if (release != NULL)
        g_ptr_array_add (self->offers, found != NULL ? found : dkms_kernel_offer_new (release));
    }
}

/* Finds the offered kernels, and fetches their headers. */
static gboolean
take_offered_with (Forecast *self, const char *own, GError **error)
{
  const DkmsManager *manager = dkms_manager_find (self->settings, error);
  const DkmsId *first = self->request->targets->len > 0 ? self->request->targets->pdata[0] : NULL;

  if (manager == NULL || !manager->find (self->offers, own, error))
    return FALSE;
  if (first != NULL && first->kernel != NULL)
    select_named (self);
  for (guint i = 0; i < self->offers->len; i++)
    {
      DkmsKernelOffer *offer = self->offers->pdata[i];
      const DkmsId id = { .kernel = offer->release, .arch = first != NULL ? first->arch : NULL };
      g_autofree char *arch = arch_for (self, &id);

      if (!dkms_tree_check_name (DKMS_ERROR_BAD_TARGET, "kernel release", id.kernel, error)
          || !dkms_tree_check_kernel (id.kernel, error) || !manager->resolve (offer, own, error))
        return FALSE;
      if (offer->image == NULL && offer->headers->len == 0)
        return DKMS_FAIL (error, NOT_OFFERED, .id = id, .name = manager->name);
      if (offer->headers->len == 0)
        continue;
      g_autoptr (GError) local = NULL;
      DkmsAheadHeaders *headers
          = dkms_ahead_headers_fetch (self->settings, &(DkmsSource){ manager, own }, offer, arch, &local);
      if (headers == NULL && local != NULL)
        return g_propagate_error (error, g_steal_pointer (&local)), FALSE;
      if (headers != NULL)
        g_ptr_array_add (self->headers, headers);
    }
  return TRUE;
}

static gboolean
take_offered (Forecast *self, GError **error)
{
  const DkmsPlaces *places = &self->settings->places;
  g_autofree char *ahead = dkms_layout_own (places, "ahead", NULL);
  g_auto (DkmsFd) fd = dkms_root_open_dir (places->root, ahead, TRUE, error);
  g_autofree char *path = g_build_filename (ahead, MANAGER, NULL);
  g_autofree char *own = dkms_root_host_path (places->root, path);
  gboolean ok = fd >= 0 && dkms_remove_tree_at (fd, MANAGER, error) && dkms_mkdirs_at (fd, MANAGER, error)
                && take_offered_with (self, own, error);

  if (fd >= 0)
    dkms_discard_tree_at (fd, MANAGER);
  return ok;
}

/* Whether the headers of @headers appear where builds search for them. */
static gboolean
check_headers (const Forecast *self, const DkmsAheadHeaders *headers, GError **error)
{
  const DkmsPlaces *places = &self->settings->places;
  const DkmsId id = { .kernel = headers->release, .arch = headers->arch };
  g_autoptr (DkmsKernel) kernel = dkms_kernel_new (places->root, places->install_tree, &id, NULL, NULL);
  g_autofree char *header = dkms_kernel_read_built (kernel, places->root, "include/generated/utsrelease.h");
  g_autofree char *text = header != NULL ? dkms_release_of_header (header) : NULL;
  const GPtrArray *given = self->request->headers;
  const char *path = given->len > 0 ? given->pdata[0] : headers->root;

  if (!dkms_kernel_has_headers (kernel, places->root) || (text != NULL && strcmp (text, headers->release) != 0))
    return DKMS_FAIL (error, HEADERS_OF_ANOTHER, .id = id, .path = path, .text = text);
  return TRUE;
}

/* ---- the run ---- */

static void
hear (gpointer data, const DkmsEvent *event)
{
  Forecast *self = data;

  if (event->kind == DKMS_EVENT_ERROR && event->error != NULL && self->trouble.error == NULL
      && dkms_error_info (event->error)->id.module == NULL)
    self->trouble.error = g_error_copy (event->error);
  if (dkms_results_hear (self->results, event) || self->settings->policy.verbose)
    self->events->hear (self->events->data, event);
}

static gboolean
release_terminal (gpointer data, guint piece)
{
  const Forecast *self = data;

  return self->events->release_terminal != NULL && self->events->release_terminal (self->events->data, piece);
}

static void
tick (gpointer data)
{
  dkms_listener_tick (((const Forecast *)data)->events);
}

static int
interval (gpointer data)
{
  return dkms_listener_interval (((const Forecast *)data)->events);
}

/* Runs an autoinstall in the copy of the tree, without its installations. */
static gboolean
run (Forecast *self, GError **error)
{
  DkmsListener events
      = { .hear = hear, .release_terminal = release_terminal, .tick = tick, .interval = interval, .data = self };
  g_autoptr (GPtrArray) targets = dkms_targets_new ();
  DkmsRequest request = *self->request;
  g_autoptr (GError) local = NULL;
  int status = 0;

  request.forecast = TRUE;
  request.action = (char *)"autoinstall";
  request.targets = targets;
  for (guint i = 0; i < self->headers->len; i++)
    {
      const DkmsAheadHeaders *headers = self->headers->pdata[i];
      dkms_targets_add (targets, &(DkmsId){ .kernel = headers->release, .arch = headers->arch });
    }
  if (dkms_run (self->settings, &events, &request, NULL, &status, &local))
    return TRUE;
  self->trouble.late
      = g_error_matches (local, DKMS_ERROR, DKMS_ERROR_INTERRUPTED) && dkms_error_info (local)->status == 128 + SIGALRM;
  if (self->trouble.late || g_error_matches (local, DKMS_ERROR, DKMS_ERROR_AUTOINSTALL))
    return TRUE;
  return g_propagate_error (error, g_steal_pointer (&local)), FALSE;
}

/* Ends the run after a time. The scheduler takes the signal; elsewhere it waits until the scheduler runs. */
static gboolean
run_in_time (Forecast *self, GError **error)
{
  sigset_t alarms, before;
  gboolean ok;

  (void)sigemptyset (&alarms);
  (void)sigaddset (&alarms, SIGALRM);
  (void)sigprocmask (SIG_BLOCK, &alarms, &before);
  (void)alarm (self->settings->policy.forecast_seconds);
  ok = run (self, error);
  (void)alarm (0);
  struct timespec none = { 0 };
  (void)sigtimedwait (&alarms, NULL, &none); /* one that came too late */
  (void)sigprocmask (SIG_SETMASK, &before, NULL);
  return ok;
}

static gboolean
try_builds (Forecast *self, GError **error)
{
  const DkmsPlaces *places = &self->settings->places;
  g_autofree char *copy = dkms_shadow_path (places);
  DkmsMounts *mounts;
  gboolean ok = TRUE;

  if (!dkms_shadow_make (places, self->request, error)
      || (mounts = dkms_scene_enter (places, self->headers, copy, error)) == NULL)
    return FALSE;
  for (guint i = 0; i < self->headers->len && ok; i++)
    ok = check_headers (self, self->headers->pdata[i], error);
  ok = ok && run_in_time (self, error);
  dkms_unread_drop (0); /* the results show what it could not read */
  return dkms_scene_leave (mounts, places, ok ? error : NULL) && ok
         && dkms_results_decide (self->results, places, &self->trouble, error);
}

/* ---- the answer ---- */

static guint
count (const Forecast *self, const char *word)
{
  guint n = 0;

  for (guint i = 0; i < self->results->len; i++)
    n += strcmp (((const DkmsForecastResult *)self->results->pdata[i])->word, word) == 0;
  return n;
}

/* Explains how to stay with the kernel of today. */
static void
emit_hold (const Forecast *self, const char *kernel)
{
  g_autofree char *command = dkms_distro_hold (self->settings->policy.distro, kernel);
  g_autoptr (GPtrArray) names = g_ptr_array_new ();

  for (guint i = 0; i < self->results->len; i++)
    {
      const DkmsForecastResult *result = self->results->pdata[i];
      if (strcmp (result->word, "fails") == 0 && strcmp (result->id->kernel, kernel) == 0)
        g_ptr_array_add (names, (gpointer)result->id->module);
    }
  if (names->len == 0 || command == NULL)
    return;
  g_autofree char *list = dkms_list_names ((const char *const *)names->pdata, names->len, names->len);
  DKMS_EMIT (self->events, FORECAST_HOLD, .text = list, .place = command);
}

static void
emit_package (const Forecast *self, const char *kernel, const DkmsPackageOffer *package)
{
  DKMS_EMIT (self->events, FORECAST_PACKAGE, .id = { .kernel = kernel }, .name = package->name,
             .text = package->version, .place = package->origin);
}

/* Returns: (nullable): the headers of @release */
static const DkmsAheadHeaders *
headers_of (const Forecast *self, const char *release)
{
  for (guint i = 0; i < self->headers->len; i++)
    if (strcmp (((const DkmsAheadHeaders *)self->headers->pdata[i])->release, release) == 0)
      return self->headers->pdata[i];
  return NULL;
}

/* Emits what is known about the kernel @id. @offer: (nullable) */
static void
emit_kernel (const Forecast *self, const DkmsId *id, const DkmsKernelOffer *offer)
{
  gboolean have = headers_of (self, id->kernel) != NULL;
  const char *origin = offer != NULL && offer->image != NULL ? offer->image->origin : NULL;
  g_autofree char *usual = g_strconcat ("linux-headers-", id->kernel, NULL);
  const char *package = offer == NULL             ? NULL
                        : offer->image != NULL    ? offer->image->name
                        : offer->headers->len > 0 ? ((const DkmsPackageOffer *)offer->headers->pdata[0])->name
                                                  : usual;
  g_autofree char *size
      = offer != NULL && offer->size > 0 ? g_strdup_printf ("%.1f MB", (double)offer->size / 1e6) : NULL;

  DKMS_EMIT (self->events, FORECAST_KERNEL, .id = *id, .name = offer == NULL ? "given" : have ? "fetched" : "missing");
  if (offer != NULL && offer->image != NULL)
    emit_package (self, id->kernel, offer->image);
  for (guint i = 0; offer != NULL && i < offer->headers->len; i++)
    emit_package (self, id->kernel, offer->headers->pdata[i]);
  if (offer == NULL)
    DKMS_EMIT (self->events, FORECAST_GIVEN, .id = *id);
  else if (!have)
    DKMS_EMIT (self->events, FORECAST_MISSING, .id = *id, .text = package, .place = offer->why);
  else
    DKMS_EMIT (self->events, FORECAST_OFFER, .id = *id, .text = package, .place = origin, .name = size);
  if (have)
    {
      dkms_results_emit (self->results, self->settings, self->events, id->kernel);
      emit_hold (self, id->kernel);
    }
}

static void
emit_all (const Forecast *self)
{
  for (guint i = 0; i < self->offers->len; i++)
    {
      const DkmsKernelOffer *offer = self->offers->pdata[i];
      const DkmsAheadHeaders *headers = headers_of (self, offer->release);
      const DkmsId id = { .kernel = offer->release, .arch = headers != NULL ? headers->arch : NULL };
      if (i > 0)
        DKMS_EMIT (self->events, BLANK);
      emit_kernel (self, &id, offer);
    }
  for (guint i = 0; i < self->headers->len && self->offers->len == 0; i++)
    {
      const DkmsAheadHeaders *headers = self->headers->pdata[i];
      const DkmsId id = { .kernel = headers->release, .arch = headers->arch };
      emit_kernel (self, &id, NULL);
    }
  if (self->headers->len == 0 && self->offers->len == 0)
    DKMS_EMIT (self->events, FORECAST_NOTHING);
}

static gboolean
conclude (const Forecast *self, GError **error)
{
  guint fails = count (self, "fails"), builds = count (self, "builds"), excluded = count (self, "excluded"),
        all = self->results->len - excluded, unknown = all - fails - builds;
  const char *kernel = self->headers->len == 1 ? ((const DkmsAheadHeaders *)self->headers->pdata[0])->release : NULL;
  const DkmsKernelOffer *unfetched = NULL, *missing = NULL;

  for (guint i = 0; i < self->offers->len; i++)
    {
      const DkmsKernelOffer *offer = self->offers->pdata[i];
      if (offer->headers->len == 0)
        missing = offer;
      else if (offer->why != NULL)
        unfetched = offer;
    }
  emit_all (self);
  if (fails > 0)
    return DKMS_FAIL (error, WILL_NOT_BUILD, .number = fails, .limit = all, .id = { .kernel = kernel });
  if (missing != NULL)
    return DKMS_FAIL (error, HEADERS_NOT_OFFERED, .id = { .kernel = missing->release });
  if (unfetched != NULL)
    return DKMS_FAIL (error, HEADERS_NOT_FETCHED, .id = { .kernel = unfetched->release });
  return unknown == 0
         || DKMS_FAIL (error, BUILDING_UNKNOWN, .number = unknown, .limit = all, .id = { .kernel = kernel });
}

/* Whether the module and the version in the request are registered. */
static gboolean
check_module (const DkmsPlaces *places, const DkmsRequest *request, GError **error)
{
  const char *module = dkms_request_word (request);
  g_autoptr (DkmsState) state = module != NULL ? dkms_state_read (places, &(DkmsId){ .module = module }, error) : NULL;

  if (module == NULL || state == NULL)
    return module == NULL;
  const DkmsId named = { module, request->version, NULL, NULL };
  return dkms_state_has (state, &named) || DKMS_FAIL (error, NOT_ADDED, .id = named);
}

/* Returns: what a hook does if a module will not build; for the user, that is an error */
static DkmsForecastMode
mode_of (const DkmsPolicy *policy, const char *hook)
{
  if (hook == NULL)
    return DKMS_FORECAST_ABORT;
  if (policy->forecast == DKMS_FORECAST_OFF || strcmp (hook, "attended") == 0)
    return policy->forecast;
  /* Nothing waits for the timer; its unit fails, so that the problem is seen. */
  if (strcmp (hook, "timer") == 0 || policy->forecast_unattended == DKMS_FORECAST_ABORT)
    return DKMS_FORECAST_ABORT;
  return DKMS_FORECAST_WARN;
}

/* Ends the work of a hook, which fails only if a module certainly does not build, and then only if the policy says so.
 */
static gboolean
end_hook (const Forecast *self, GError *error, GError **result)
{
  gboolean fails = g_error_matches (error, DKMS_ERROR, DKMS_ERROR_WILL_NOT_BUILD);

  if (fails && mode_of (&self->settings->policy, self->request->hook) == DKMS_FORECAST_ABORT)
    return g_propagate_error (result, error), FALSE;
  DKMS_EMIT (self->events, FORECAST_WARNS, .error = error);
  g_error_free (error);
  return TRUE;
}

/* Whether a hook has something to try. */
static gboolean
has_modules (const DkmsPlaces *places)
{
  g_autoptr (DkmsState) state = dkms_state_read_most (places, &(DkmsId){ .module = NULL }, NULL);

  return state != NULL && state->versions->len > 0;
}

static gboolean
run_locked (Forecast *self, GError **error)
{
  const DkmsPlaces *places = &self->settings->places;
  gboolean ok = (self->request->headers->len > 0 ? take_given (self, error) : take_offered (self, error))
                && (self->headers->len == 0 || try_builds (self, error));

  dkms_shadow_drop (places);
  dkms_kept_limit (places, self->settings->policy.ahead_limit_mib);
  return ok && conclude (self, error);
}

gboolean
dkms_forecast (const DkmsSettings *settings, DkmsListener *events, const DkmsRequest *request, GError **error)
{
  const DkmsPlaces *places = &settings->places;
  g_auto (Forecast) self = { .settings = settings, .events = events, .request = request };
  const DkmsId *first = request->targets->len > 0 ? request->targets->pdata[0] : NULL;
  g_autofree char *ahead = dkms_layout_own (places, "ahead", NULL);
  GError *local = NULL;

  if (request->hook != NULL
      && (mode_of (&settings->policy, request->hook) == DKMS_FORECAST_OFF || !has_modules (places)))
    return TRUE;
  g_auto (DkmsFd) dir = dkms_root_open_dir (places->root, ahead, TRUE, error);
  g_autoptr (DkmsLock) lock = dir >= 0 ? dkms_lock_take (places, events, DKMS_KEPT_LOCK, TRUE, error) : NULL;
  if (lock == NULL || !check_module (places, request, error))
    return FALSE;
  self.offers = g_ptr_array_new_with_free_func (dkms_kernel_offer_free);
  self.headers = g_ptr_array_new_with_free_func ((GDestroyNotify)dkms_ahead_headers_free);
  self.results = dkms_results_new ();
  if (request->hook != NULL && first != NULL && first->kernel != NULL)
    DKMS_EMIT (events, FORECAST_TRIES, .id = { .kernel = first->kernel });
  if (run_locked (&self, &local))
    return TRUE;
  if (request->hook != NULL)
    return end_hook (&self, local, error);
  return g_propagate_error (error, local), FALSE;
}
