/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Runs the steps of a plan, with as many at the same time as the plan allows.
 *
 * Builds and depmod run in worker processes. So do installations while builds run, one at a time, because scripts of
 * packages may take long. All other steps run in this process, one after the other: they are short, and the lock of the
 * tree serializes their changes in any case. A build starts when the steps that it needs are done, a slot of the job
 * server is free, and the lock of its chain is acquired. Of several such builds, the one with the longest way to the
 * end of the plan starts first. Slots that no build needs make stubs for depmod (run/prepare.h). The chain of a step
 * consists of all steps for one module and kernel. Its lock is acquired when its first step starts, and released after
 * its last one. While another run holds it, other chains continue. */
#define _GNU_SOURCE
#include "run/schedule.h"

#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/signalfd.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/fd.h"
#include "base/process.h"
#include "install/depmod.h"
#include "run/caching.h"
#include "run/chain.h"
#include "run/order.h"
#include "run/prepare.h"
#include "run/step-build.h"
#include "run/step-install.h"
#include "run/steps.h"
#include "run/suspend.h"
#include "run/worker.h"
#include "store/lock.h"
#include "store/recovery.h"

enum { LOCK_RETRY_MS = 50, TERM_GRACE_MS = 200, MAX_NICE = 19 };
/* Descriptors for a locked chain, for a worker and its build, and for temporary use (each level of a directory that is
 * copied takes one). */
enum { CHAIN_DESCRIPTORS = 2, WORKER_DESCRIPTORS = 4, SPARE_DESCRIPTORS = 32 };

typedef struct {
  DkmsRun *run;
  guint pieces;         /* number of chains whose first step has started */
  GHashTable *chains;   /* name -> DkmsChain */
  DkmsChain **chain_of; /* by step */
  DkmsWorker **worker;  /* by step; NULL: none */
  DkmsBuildWork **build;
  double *way;       /* by step: seconds from its start to the end of the last step that needs it */
  guint *by_way;     /* steps, those with the longest way first */
  guint building;    /* number of running builds */
  guint locked;      /* number of locked chains */
  guint descriptors; /* limit of descriptors for chains and workers */
  DkmsPreparation *preparation;
  gboolean parallel, installing; /* there are several builds; an install runs in a worker */
  gboolean lock_busy, slot_busy;
  int signals; /* signalfd */
  int caught;  /* the signal that ends the run; 0: none */
} Schedule;

/* Stops everything until it is continued. */
static void
suspend (gpointer data)
{
  const Schedule *self = data;

  dkms_suspend (self->run->events);
}

/* Handles the signals that have arrived, up to one that ends the run. A new size of the terminal only wakes this
 * process, which then draws live lines. */
static void
take_signal (Schedule *self)
{
  struct signalfd_siginfo info;

  while (self->caught == 0 && read (self->signals, &info, sizeof info) == (ssize_t)sizeof info)
    if (info.ssi_signo == SIGTSTP)
      suspend (self);
    else if (info.ssi_signo != SIGWINCH)
      self->caught = (int)info.ssi_signo;
}

/* ---- chains ---- */

/* Returns the chain of step @id; every step has one. */
static DkmsChain *
chain_at (const Schedule *self, guint id)
{
  DkmsChain *chain = self->chain_of[id];

  g_assert (chain != NULL);
  return chain;
}

/* Whether descriptors for one more chain are available. If nothing runs that would release some, the chain is tried in
 * any case. */
static gboolean
has_room (const Schedule *self)
{
  guint workers = self->building + dkms_preparation_count (self->preparation) + self->installing;

  return workers == 0
         || (self->locked + 1) * CHAIN_DESCRIPTORS + (workers + 1) * WORKER_DESCRIPTORS <= self->descriptors;
}

/* Returns: FALSE if another run holds the lock, if it has to wait for descriptors, or with an error */
static gboolean
lock_chain (Schedule *self, DkmsChain *chain, GError **error)
{
  if (chain->locked || chain->build_lock_name == NULL)
    return TRUE;
  if (!has_room (self))
    return FALSE;
  if (!dkms_chain_lock (chain, self->run, error))
    {
      self->lock_busy |= chain->waits;
      return FALSE;
    }
  self->locked++;
  /* The previous holder may have been killed during a change. */
  return dkms_journal_recover (&self->run->settings->places, self->run->events, error);
}

static void
decide (Schedule *self, guint id, DkmsOutcome outcome)
{
  const DkmsStep *step = self->run->plan->steps->pdata[id];
  DkmsChain *chain = chain_at (self, id);

  if (step->kind == DKMS_STEP_DEPMOD)
    dkms_preparation_stop (self->preparation, step->id->kernel);
  self->run->outcomes[id] = outcome;
  chain->failed |= outcome == OUTCOME_FAILED;
  if (--chain->left > 0)
    return;
  if (chain->piece != 0)
    dkms_chain_end_piece (chain, self->run, self->chain_of);
  /* Another run may need the lock while this one works on other chains. */
  self->locked -= chain->locked;
  if (chain->build_lock_name != NULL)
    g_hash_table_remove (self->run->locks, chain->build_lock_name);
  g_clear_pointer (&chain->build_lock, dkms_lock_release);
  g_clear_pointer (&chain->module_lock, dkms_lock_release);
}

/* ---- starting and ending steps ---- */

/* Whether the error means that one module is skipped, which is not a failure. */
static gboolean
is_skip (const GError *error)
{
  return g_error_matches (error, DKMS_ERROR, DKMS_ERROR_EXCLUDED)
         || g_error_matches (error, DKMS_ERROR, DKMS_ERROR_REMOVED_MEANWHILE);
}

static void
report_failure (DkmsListener *events, const GError *error)
{
  if (is_skip (error))
    DKMS_EMIT (events, EXCLUDED, .error = error);
  else
    DKMS_EMIT (events, ERROR, .error = error);
}

/* Assigns the following events to the chain of the step. */
static void
use_channel (Schedule *self, guint id)
{
  DkmsChain *chain = chain_at (self, id);

  if (chain->piece == 0)
    {
      chain->piece = ++self->pieces;
      dkms_listener_hear (self->run->events, &(const DkmsEvent){ .kind = DKMS_EVENT_PIECE_BEGUN,
                                                                 .id = chain->id,
                                                                 .piece = chain->piece,
                                                                 .seconds = chain->expected });
    }
  self->run->events->piece = chain->piece;
}

static void
end_step (Schedule *self, guint id, GError *error)
{
  DkmsRun *run = self->run;

  if (error == NULL)
    {
      decide (self, id, OUTCOME_DONE);
      return;
    }
  if (g_error_matches (error, DKMS_ERROR, DKMS_ERROR_INTERRUPTED))
    {
      take_signal (self); /* the interruption of the run is reported once, at the end */
      run->codes[id] = dkms_run_exit_code (run, error);
      decide (self, id, OUTCOME_BLOCKED);
      return;
    }
  use_channel (self, id);
  run->codes[id] = dkms_run_exit_code (run, error);
  report_failure (run->events, error);
  run->events->piece = 0;
  decide (self, id, is_skip (error) ? OUTCOME_SKIPPED : OUTCOME_FAILED);
}

typedef struct {
  DkmsRun *run;
  const DkmsStep *step;
} StepArgs;

static gboolean
run_depmod (gpointer data, DkmsListener *events, GError **error)
{
  const StepArgs *self = data;

  dkms_depmod (self->run->settings, events, self->run->work, self->step->id->kernel, self->run->request->no_depmod,
               dkms_jobserver_pipe (self->run->jobserver));
  return TRUE;
}

static void
start_worker (Schedule *self, guint id, DkmsWorkFunc work, gpointer data)
{
  g_autoptr (GError) error = NULL;

  self->run->outcomes[id] = OUTCOME_RUNNING;
  self->worker[id] = dkms_worker_start (work, data, &error);
  if (self->worker[id] != NULL)
    DKMS_EMIT (self->run->events, PIECE_BUSY, .number = TRUE);
  else
    end_step (self, id, error);
}

/* Whether a running build of the same version shares the work area with this one. */
static gboolean
area_is_taken (const Schedule *self, const DkmsStep *step)
{
  for (guint i = 0; i < self->run->plan->steps->len; i++)
    if (self->build[i] != NULL && !self->build[i]->job.confined
        && strcmp (self->build[i]->job.id.module, step->id->module) == 0
        && strcmp (self->build[i]->job.id.version, step->id->version) == 0)
      return TRUE;
  return FALSE;
}

/* Returns: whether something changed */
static gboolean
start_build (Schedule *self, guint id)
{
  DkmsRun *run = self->run;
  const DkmsStep *step = run->plan->steps->pdata[id];
  g_autoptr (GError) error = NULL;

  if (area_is_taken (self, step) || !has_room (self))
    return FALSE;
  if (run->jobserver != NULL && !dkms_jobserver_take (run->jobserver))
    {
      self->slot_busy = TRUE;
      return FALSE;
    }
  use_channel (self, id);
  chain_at (self, id)->worked = TRUE;
  gboolean ok = dkms_step_prepare_build (run, step, &self->build[id], &error);
  if (ok && self->build[id] != NULL)
    {
      /* With more jobs than processors, builds that started first, which have the longest way, keep their priority. */
      self->build[id]->nice = (int)MIN (self->building / g_get_num_processors (), MAX_NICE);
      self->build[id]->job.expected = chain_at (self, id)->expected;
      self->building++;
      start_worker (self, id, dkms_build_work_do, self->build[id]);
    }
  run->events->piece = 0;
  if (self->worker[id] != NULL)
    return TRUE;
  if (run->jobserver != NULL)
    dkms_jobserver_give (run->jobserver);
  self->building -= self->build[id] != NULL;
  g_clear_pointer (&self->build[id], dkms_build_work_free);
  if (run->outcomes[id] <= OUTCOME_RUNNING)
    end_step (self, id, error);
  return TRUE;
}

static void
do_here (Schedule *self, guint id)
{
  const DkmsStep *step = self->run->plan->steps->pdata[id];
  g_autoptr (GError) error = NULL;

  use_channel (self, id);
  chain_at (self, id)->worked |= step->kind != DKMS_STEP_REMARK;
  gboolean ok = dkms_step_do (self->run, step, &error);
  self->run->events->piece = 0;
  end_step (self, id, ok ? NULL : error);
}

static gboolean
run_install (gpointer data, DkmsListener *events, GError **error)
{
  const StepArgs *self = data;

  *self->run->events = *events; /* in this process, all holders of the listener now send to the parent */
  return dkms_step_do (self->run, self->step, error);
}

/* Returns: whether anything changed */
static gboolean
start_step (Schedule *self, guint id)
{
  DkmsRun *run = self->run;
  const DkmsStep *step = run->plan->steps->pdata[id];
  DkmsOutcome verdict = run->outcomes[id] == OUTCOME_WAITING ? dkms_order_verdict (run, step) : OUTCOME_WAITING;
  g_autoptr (GError) error = NULL;

  if (verdict == OUTCOME_WAITING
      || (verdict == OUTCOME_RUNNING && step->kind == DKMS_STEP_DEPMOD
          && dkms_preparation_is_running (self->preparation, step->id->kernel)))
    return FALSE;
  if (verdict != OUTCOME_RUNNING)
    {
      dkms_order_take_code (run, id);
      decide (self, id, verdict);
      return TRUE;
    }
  if (!lock_chain (self, chain_at (self, id), &error))
    {
      if (error == NULL)
        return FALSE;
      end_step (self, id, error);
      return TRUE;
    }
  if (step->kind == DKMS_STEP_BUILD)
    return start_build (self, id);
  gboolean installs = dkms_step_installs (step) && self->parallel;
  if (installs && self->installing)
    return FALSE;
  if (!installs && step->kind != DKMS_STEP_DEPMOD)
    {
      do_here (self, id);
      return TRUE;
    }
  StepArgs args = { run, step };
  use_channel (self, id);
  chain_at (self, id)->worked |= installs;
  start_worker (self, id, installs ? run_install : run_depmod, &args);
  self->installing |= installs && self->worker[id] != NULL;
  run->events->piece = 0;
  return TRUE;
}

static void
end_worker (Schedule *self, guint id)
{
  g_autoptr (DkmsWorker) worker = g_steal_pointer (&self->worker[id]);
  g_autoptr (GError) error = NULL;
  gboolean ok = dkms_worker_finish (worker, &error);

  dkms_listener_hear (self->run->events,
                      &(const DkmsEvent){ .kind = DKMS_EVENT_PIECE_BUSY, .piece = chain_at (self, id)->piece });
  if (self->build[id] != NULL)
    {
      g_clear_pointer (&self->build[id], dkms_build_work_free);
      self->building--;
      if (self->run->jobserver != NULL)
        dkms_jobserver_give (self->run->jobserver);
      if (self->building == 0)
        dkms_preparation_take_all (self->preparation);
    }
  else if (dkms_step_installs (self->run->plan->steps->pdata[id]))
    self->installing = FALSE;
  end_step (self, id, ok ? NULL : error);
}

/* Starts the steps that can start, short ones first, because they may allow further steps to start. */
static void
start_all (Schedule *self)
{
  gboolean progress = TRUE;
  guint count = self->run->plan->steps->len;

  while (progress && self->caught == 0)
    {
      progress = self->lock_busy = self->slot_busy = FALSE;
      for (guint i = 0; i < count; i++)
        if (((const DkmsStep *)self->run->plan->steps->pdata[i])->kind != DKMS_STEP_BUILD)
          progress |= start_step (self, i);
      for (guint i = 0; i < count && !self->slot_busy; i++)
        if (((const DkmsStep *)self->run->plan->steps->pdata[self->by_way[i]])->kind == DKMS_STEP_BUILD)
          progress |= start_step (self, self->by_way[i]);
    }
  if (self->building > 0 && !self->slot_busy && self->caught == 0 && has_room (self))
    dkms_preparation_start (self->preparation);
}

/* ---- waiting ---- */

static gboolean
all_decided (const Schedule *self)
{
  for (guint i = 0; i < self->run->plan->steps->len; i++)
    if (self->run->outcomes[i] <= OUTCOME_RUNNING)
      return FALSE;
  return TRUE;
}

static void
hear_worker (gpointer data, const DkmsEvent *event)
{
  const Schedule *self = data;

  if (dkms_run_hear_of_cache (self->run, event))
    dkms_listener_hear (self->run->events, event);
}

/* Waits for events, and handles them. */
static void
wait_for_events (Schedule *self)
{
  guint count = self->run->plan->steps->len, n = 0, others = dkms_preparation_count (self->preparation);
  g_autofree struct pollfd *fds = g_new0 (struct pollfd, count + 2 + others);
  g_autofree guint *ids = g_new0 (guint, count + 2);
  DkmsListener workers = { .hear = hear_worker, .data = self };
  int timeout = dkms_listener_interval (self->run->events);
  int relay = self->run->jobserver != NULL ? dkms_jobserver_relay (self->run->jobserver) : -1;

  fds[n++] = (struct pollfd){ .fd = self->signals, .events = POLLIN };
  fds[n++] = (struct pollfd){ .fd = self->slot_busy && self->run->jobserver != NULL
                                        ? dkms_jobserver_fd (self->run->jobserver)
                                        : -1,
                              .events = POLLIN };
  for (guint i = 0; i < count; i++)
    if (self->worker[i] != NULL)
      {
        ids[n] = i;
        fds[n++] = (struct pollfd){ .fd = self->worker[i]->lines, .events = POLLIN };
      }
  if (self->lock_busy && (timeout < 0 || timeout > LOCK_RETRY_MS))
    timeout = LOCK_RETRY_MS;
  if (relay >= 0 && (timeout < 0 || timeout > relay))
    timeout = relay;
  dkms_preparation_poll (self->preparation, fds + n);
  if (poll (fds, n + others, timeout) < 0 && errno != EINTR)
    return;
  if ((fds[0].revents & POLLIN) != 0)
    take_signal (self);
  for (guint f = 2; f < n; f++)
    if (fds[f].revents != 0)
      {
        use_channel (self, ids[f]);
        gboolean more = dkms_worker_listen (self->worker[ids[f]], &workers);
        self->run->events->piece = 0;
        if (!more)
          end_worker (self, ids[f]);
      }
  dkms_preparation_listen (self->preparation);
  dkms_listener_tick (self->run->events);
}

/* Kills all builds, with their process groups, and undoes or completes their changes. */
static gboolean
stop_all (Schedule *self, GError **error)
{
  guint count = self->run->plan->steps->len;
  g_autoptr (GError) local = NULL;

  for (guint i = 0; i < count; i++)
    if (self->worker[i] != NULL)
      dkms_worker_kill (self->worker[i], SIGTERM);
  if (self->building > 0)
    g_usleep (TERM_GRACE_MS * 1000); /* time for make to delete incomplete files */
  for (guint i = 0; i < count; i++)
    {
      g_clear_pointer (&self->worker[i], dkms_worker_free); /* kills remaining processes */
      g_clear_pointer (&self->build[i], dkms_build_work_free);
      if (self->run->outcomes[i] <= OUTCOME_RUNNING)
        self->run->outcomes[i] = OUTCOME_BLOCKED;
    }
  /* If another run holds the lock of the tree, that run recovers, so this one need not wait for it. */
  if (!dkms_journal_try_recover (&self->run->settings->places, self->run->events, &local))
    DKMS_EMIT (self->run->events, ERROR_IGNORED, .error = local);
  /* Without depmod, the installed modules would not be found at the next boot. */
  for (guint i = 0; i < count; i++)
    {
      const DkmsStep *step = self->run->plan->steps->pdata[i];
      g_autofree char *note = step->kind == DKMS_STEP_DEPMOD
                                  ? dkms_depmod_note (&self->run->settings->places, self->run->work, step->id->kernel)
                                  : NULL;
      if (note != NULL && dkms_root_is_file (self->run->settings->places.root, note))
        dkms_depmod (self->run->settings, self->run->events, self->run->work, step->id->kernel,
                     self->run->request->no_depmod, -1);
    }
  return DKMS_FAIL (error, INTERRUPTED, .status = 128 + self->caught);
}

static guint
count_pieces (const Schedule *self)
{
  GHashTableIter iter;
  gpointer chain;
  guint count = 0;

  g_hash_table_iter_init (&iter, self->chains);
  while (g_hash_table_iter_next (&iter, NULL, &chain))
    count += ((DkmsChain *)chain)->build_lock_name != NULL;
  return count;
}

/* A signal that the caller ignores, such as SIGHUP with nohup, is not caught. */
static void
add_unless_ignored (sigset_t *set, int number)
{
  struct sigaction action;

  if (sigaction (number, NULL, &action) == 0 && action.sa_handler != SIG_IGN)
    (void)sigaddset (set, number);
}

gboolean
dkms_schedule (DkmsRun *run, GError **error)
{
  guint count = run->plan->steps->len;
  g_autoptr (GHashTable) chains = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, dkms_chain_free);
  g_autofree DkmsChain **chain_of = g_new0 (DkmsChain *, count + 1);
  g_autofree DkmsWorker **workers = g_new0 (DkmsWorker *, count + 1);
  g_autofree DkmsBuildWork **builds = g_new0 (DkmsBuildWork *, count + 1);
  g_autofree double *way = g_new0 (double, count + 1), *past = g_new0 (double, count + 1);
  g_autofree guint *by_way = g_new0 (guint, count + 1);
  g_autoptr (DkmsPreparation) preparation = dkms_preparation_new (run);
  Schedule self = { .run = run,
                    .chains = chains,
                    .chain_of = chain_of,
                    .worker = workers,
                    .build = builds,
                    .way = way,
                    .by_way = by_way,
                    .preparation = preparation };
  g_auto (DkmsFd) signals = -1;
  sigset_t ends, before;
  gboolean ok = TRUE;

  (void)fflush (stdout); /* while a signal can still end the process if the reader is slow */
  (void)sigemptyset (&ends);
  add_unless_ignored (&ends, SIGINT);
  add_unless_ignored (&ends, SIGTERM);
  add_unless_ignored (&ends, SIGHUP);
  add_unless_ignored (&ends, SIGTSTP);
  (void)sigaddset (&ends, SIGWINCH);
  (void)sigaddset (&ends, SIGALRM); /* the time for a forecast is over */
  if (sigprocmask (SIG_BLOCK, &ends, &before) < 0 || (signals = signalfd (-1, &ends, SFD_CLOEXEC | SFD_NONBLOCK)) < 0)
    return dkms_fail_errno (error, "prepare for", "signals");
  self.signals = signals;
  for (guint i = 0; i < count; i++)
    {
      chain_of[i] = dkms_chain_for (chains, run->plan->steps->pdata[i]);
      chain_of[i]->left++;
    }
  guint descriptors = dkms_process_free_descriptors ();
  self.descriptors = descriptors > SPARE_DESCRIPTORS ? descriptors - SPARE_DESCRIPTORS : 0;
  self.parallel = dkms_plan_count_builds (run->plan) > 1;
  dkms_order_measure (run, way, by_way, past);
  double expected = dkms_chain_expect (chain_of, run->plan, past);
  DKMS_EMIT (run->events, WORK_BEGUN, .number = (int)count_pieces (&self), .seconds = expected);
  dkms_clock_share ();
  dkms_process_set_stop (suspend, &self);

  for (;;)
    {
      take_signal (&self); /* a signal that came during the work */
      if (self.caught == 0)
        start_all (&self);
      if (self.caught != 0 || all_decided (&self))
        break;
      wait_for_events (&self);
      if (self.caught != 0)
        break;
    }
  DKMS_EMIT (run->events, WORK_ENDED);
  take_signal (&self);
  if (self.caught != 0)
    ok = stop_all (&self, error);
  dkms_process_set_stop (NULL, NULL);
  (void)sigprocmask (SIG_SETMASK, &before, NULL);
  return ok;
}
