/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Starts and ends the workers that make stubs. */
#include "run/prepare.h"

#include <sys/resource.h>
#include <unistd.h>

#include "install/depmod.h"
#include "run/jobserver.h"
#include "run/suspend.h"
#include "run/worker.h"

enum { IDLE = 19 }; /* nice value of a process that has no slot */

struct DkmsPreparation {
  DkmsRun *run;
  GHashTable *workers;  /* kernel -> DkmsWorker */
  GHashTable *tried;    /* kernels for which a worker was started */
  DkmsJobserver *spare; /* (nullable): the slots of a single build */
  guint taken;          /* how many slots of @spare the build has */
};

DkmsPreparation *
dkms_preparation_new (DkmsRun *run)
{
  DkmsPreparation *self = g_new0 (DkmsPreparation, 1);

  self->run = run;
  self->workers = g_hash_table_new_full (g_str_hash, g_str_equal, NULL, (GDestroyNotify)dkms_worker_free);
  self->tried = g_hash_table_new (g_str_hash, g_str_equal);
  return self;
}

void
dkms_preparation_free (DkmsPreparation *self)
{
  if (self == NULL)
    return;
  g_hash_table_unref (self->workers);
  g_hash_table_unref (self->tried);
  dkms_jobserver_free (self->spare);
  g_free (self);
}

typedef struct {
  const DkmsPreparation *of;
  const char *kernel;
} Args;

static gboolean
make_stubs (gpointer data, DkmsListener *events, GError **error)
{
  const Args *self = data;
  const DkmsRun *run = self->of->run;
  const DkmsJobserver *slots = run->jobserver != NULL ? run->jobserver : self->of->spare;

  if (run->jobserver == NULL && setpriority (PRIO_PROCESS, 0, IDLE) < 0)
    return TRUE;
  dkms_depmod_prepare (run->settings, self->kernel, slots != NULL ? dkms_jobserver_pipe (slots) : -1);
  return TRUE;
}

/* Returns: whether a worker may start */
static gboolean
take_slot (DkmsPreparation *self)
{
  if (self->run->jobserver != NULL)
    return dkms_jobserver_take (self->run->jobserver);
  if (self->spare == NULL)
    {
      self->spare = dkms_jobserver_new (self->run->settings->policy.jobs, NULL, NULL, NULL, NULL, NULL);
      while (self->spare != NULL && dkms_jobserver_pipe (self->spare) >= 0 && dkms_jobserver_take (self->spare))
        self->taken++;
    }
  /* Only root can take back that a process is idle. */
  return self->spare != NULL && geteuid () == 0 && self->taken != 1 && g_hash_table_size (self->workers) == 0;
}

static void
give_slot (DkmsPreparation *self)
{
  if (self->run->jobserver != NULL)
    dkms_jobserver_give (self->run->jobserver);
}

void
dkms_preparation_start (DkmsPreparation *self)
{
  const DkmsRun *run = self->run;

  for (guint i = 0; i < run->plan->steps->len && !run->request->no_depmod; i++)
    {
      const DkmsStep *step = run->plan->steps->pdata[i];
      const Args args = { self, step->id->kernel };

      if (step->kind != DKMS_STEP_DEPMOD || run->outcomes[i] != OUTCOME_WAITING
          || g_hash_table_contains (self->tried, args.kernel))
        continue;
      if (!take_slot (self))
        return;
      g_hash_table_add (self->tried, (gpointer)args.kernel);
      DkmsWorker *worker = dkms_worker_start (make_stubs, (gpointer)&args, NULL);
      if (worker != NULL)
        g_hash_table_insert (self->workers, (gpointer)args.kernel, worker);
      else
        give_slot (self); /* depmod will make the stubs */
    }
}

gboolean
dkms_preparation_is_running (const DkmsPreparation *self, const char *kernel)
{
  return g_hash_table_contains (self->workers, kernel);
}

void
dkms_preparation_stop (DkmsPreparation *self, const char *kernel)
{
  if (g_hash_table_remove (self->workers, kernel))
    give_slot (self);
}

void
dkms_preparation_take_all (DkmsPreparation *self)
{
  if (self->taken > 0 && g_hash_table_size (self->workers) > 0)
    dkms_hurry (); /* depmod waits for the worker now; on a busy machine an idle process would hardly run */
  for (; self->taken > 1; self->taken--) /* the worker has one already */
    dkms_jobserver_give (self->spare);
}

guint
dkms_preparation_count (const DkmsPreparation *self)
{
  return g_hash_table_size (self->workers);
}

void
dkms_preparation_poll (const DkmsPreparation *self, struct pollfd *fds)
{
  GHashTableIter iter;
  gpointer worker;

  g_hash_table_iter_init (&iter, self->workers);
  while (g_hash_table_iter_next (&iter, NULL, &worker))
    *fds++ = (struct pollfd){ .fd = ((const DkmsWorker *)worker)->lines, .events = POLLIN };
}

void
dkms_preparation_listen (DkmsPreparation *self)
{
  GHashTableIter iter;
  gpointer worker;

  g_hash_table_iter_init (&iter, self->workers);
  while (g_hash_table_iter_next (&iter, NULL, &worker))
    if (!dkms_worker_listen (worker, self->run->events))
      {
        g_hash_table_iter_remove (&iter);
        give_slot (self);
      }
}
