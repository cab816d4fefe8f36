/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Runs the commands of a build in its work area, confined if the job is. */
#define _GNU_SOURCE
#include "build/area.h"

#include <unistd.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/process.h"
#include "build/log.h"
#include "build/sign.h"
#include "conf/sandbox-session.h"
#include "conf/sandbox.h"
#include "store/layout.h"

void
dkms_area_clear (DkmsWorkArea *self)
{
  const int descriptors[] = { self->fd, self->log_fd, self->result_fd };

  dkms_sandbox_close (self->sandbox);
  g_free (self->view);
  g_free (self->result_dir);
  g_free (self->dir);
  g_free (self->place);
  g_free (self->tool_dir);
  g_free (self->ended);
  dkms_lock_release (self->lock);
  for (gsize i = 0; i < G_N_ELEMENTS (descriptors); i++)
    if (descriptors[i] >= 0)
      (void)close (descriptors[i]);
  g_strfreev (self->env);
}

const char *
dkms_area_suffix (const DkmsJob *job)
{
  return job->request->forecast ? "" : dkms_kernel_compression (job->kernel, job->settings->places.root);
}

void
dkms_area_adopt (DkmsWorkArea *area, double seconds)
{
  const DkmsJob *job = area->job;

  area->place = dkms_layout_version (&job->settings->places, &job->id, "build");
  area->tool_dir = dkms_root_tool_path (job->settings->places.root, area->place);
  area->suffix = dkms_area_suffix (job);
  area->seconds = seconds;
}

gboolean
dkms_area_prepare (DkmsWorkArea *area, GError **error)
{
  const DkmsJob *job = area->job;
  const DkmsRoot *root = job->settings->places.root;
  g_autofree char *version_dir = g_path_get_dirname (area->tool_dir);
  g_autofree char *scratch = dkms_root_host_path (root, area->dir);
  g_autofree char *view = area->view != NULL ? dkms_root_host_path (root, area->view) : NULL;
  g_autoptr (GPtrArray) releases = g_ptr_array_new ();
  g_autoptr (GPtrArray) keys = NULL;

  if (!job->confined)
    return TRUE;
  g_ptr_array_add (releases, job->kernel->release);
  /* The key is hidden, even if the modules stay unsigned. */
  keys = dkms_settings_key_files (job->settings, releases, error);
  if (keys == NULL)
    return FALSE;
  for (guint i = 0; job->signer != NULL && job->signer->pairs != NULL && i < job->signer->pairs->len; i++)
    g_ptr_array_add (keys, dkms_root_tool_path (root, ((const DkmsKeyPair *)job->signer->pairs->pdata[i])->key));
  const DkmsConfinement confinement = { .settings = job->settings,
                                        .conf_file = job->request->conf_file,
                                        .kernel_config = job->request->kernel_config,
                                        .kernel_source_dir = job->kernel->source_dir,
                                        .version_dir = version_dir,
                                        .scratch = scratch,
                                        .result_dir = area->result_dir,
                                        .result = view,
                                        .make_flags = job->make_flags,
                                        .keys = keys };

  area->sandbox = dkms_sandbox_open (&confinement, job->keep, error);
  return area->sandbox != NULL;
}

static int
run_confined (DkmsWorkArea *area, const DkmsCommand *command, const char *what, GError **error)
{
  const DkmsJob *job = area->job;
  g_auto (DkmsFindings) findings = { 0 };
  int status;

  status = dkms_sandbox_run (area->sandbox, command, &findings, error);
  if (status < 0)
    return -1;
  g_free (area->ended);
  area->ended = g_steal_pointer (&findings.ended);
  if (area->ended != NULL && command->output_fd == area->log_fd)
    dkms_log_note (area, "dkms-sandbox", area->ended);
  if (findings.left != NULL)
    DKMS_EMIT (job->events, PROCESSES_LEFT, .id = job->id, .name = what, .text = findings.left);
  if (findings.failure != NULL)
    return DKMS_FAIL (error, BUILD_NOT_CONFINED, .id = job->id, .text = findings.failure), -1;
  return status;
}

typedef struct {
  DkmsWorkArea *area;
  const DkmsCommand *command;
  const char *what;
} AreaRun;

static int
run_in_area (gpointer data, GError **error)
{
  const AreaRun *run = data;

  return run->area->job->confined ? run_confined (run->area, run->command, run->what, error)
                                  : dkms_process_run (run->command, error);
}

/* Each section of the log is also a step of the attempt. */
static int
run_section (const DkmsWorkArea *area, int output_fd, const DkmsSection *section, GError **error)
{
  gint64 start = dkms_clock_now ();
  int status = dkms_log_section (area->job->events, output_fd, section, error);

  dkms_attempt_add_step (area->job->attempt, section->title, status < 0 ? 127 : status, dkms_clock_since (start));
  return status;
}

int
dkms_area_exec (DkmsWorkArea *area, const char *const *argv, int output_fd, const char *section, const char *line,
                GError **error)
{
  const DkmsCommand command = { .argv = argv,
                                .env = area->env,
                                .root = area->job->settings->places.root,
                                .cwd = area->tool_dir,
                                .output_fd = output_fd,
                                .keep = area->job->keep,
                                .null_stdin = TRUE };
  AreaRun run = { area, &command, section != NULL ? section : argv[0] };

  const DkmsSection of_log = { section, line, run_in_area, &run };

  return section != NULL ? run_section (area, output_fd, &of_log, error) : run_in_area (&run, error);
}

int
dkms_area_step (DkmsWorkArea *area, const char *title, const char *command_line, GError **error)
{
  const char *argv[] = { "/bin/bash", "-p", "-c", command_line, NULL };

  return dkms_area_exec (area, argv, area->log_fd, title, command_line, error);
}
