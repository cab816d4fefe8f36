/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Gathers the facts about module files, their kernel and its keys, and asks the pure verdict (check/load.h). */
#include "verify/file-checks.h"

#include <errno.h>
#include <string.h>

#include "base/language.h"
#include "check/boot-image.h"
#include "check/verdict.h"
#include "verify/lookup.h"

typedef struct {
  const DkmsSettings *settings;
  DkmsVerifiedKernel *kernel;
  GPtrArray *files;  /* element-type DkmsVerifiedFile: those that can be judged, and files that they depend on */
  GPtrArray *owners; /* element-type DkmsVerifiedModule (nullable elements): of each of files */
  GPtrArray *extra;  /* element-type DkmsVerifiedFile: modules of other packages that the files depend on; owns them */
  char **forbidden;
  DkmsLoadKernel plain; /* with the symbols of the kernel and its modules */
} Judge;

static void
judge_clear (Judge *self)
{
  g_ptr_array_unref (self->files);
  g_ptr_array_unref (self->owners);
  g_ptr_array_unref (self->extra);
  g_strfreev (self->forbidden);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Judge, judge_clear)

/* ---- the files ---- */

static DkmsVerifiedFile *
find_file (const Judge *self, const char *path)
{
  for (guint i = 0; i < self->files->len; i++)
    {
      DkmsVerifiedFile *file = self->files->pdata[i];
      if (file->path != NULL && strcmp (file->path, path) == 0)
        return file;
    }
  return NULL;
}

static void
add_file (Judge *self, DkmsVerifiedFile *file, DkmsVerifiedModule *owner)
{
  g_ptr_array_add (self->files, file);
  g_ptr_array_add (self->owners, owner);
}

/* Modules of the kernel itself belong to it. Those of other packages are judged like ours. */
static void
add_dependencies (Judge *self, const DkmsVerifiedFile *file)
{
  const DkmsPlaces *places = &self->settings->places;
  g_autofree char *own = g_build_filename (places->install_tree, self->kernel->release, "kernel/", NULL);

  for (char **path = file->depends; path != NULL && *path != NULL; path++)
    if (!g_str_has_prefix (*path, own) && find_file (self, *path) == NULL)
      {
        g_autofree char *name = dkms_module_name_of (*path);
        DkmsVerifiedFile *other = dkms_verified_file_new (name);

        other->path = g_strdup (*path);
        other->there = TRUE;
        g_ptr_array_add (self->extra, other);
        add_file (self, other, NULL);
      }
}

static void
collect_files (Judge *self)
{
  for (guint i = 0; i < self->kernel->modules->len; i++)
    {
      DkmsVerifiedModule *module = self->kernel->modules->pdata[i];
      for (guint f = 0; f < module->files->len; f++)
        if (((DkmsVerifiedFile *)module->files->pdata[f])->there)
          add_file (self, module->files->pdata[f], module);
    }
  for (guint i = 0, n = self->files->len; i < n; i++)
    add_dependencies (self, self->files->pdata[i]);
}

/* Returns: (transfer full) (element-type utf8): the paths of the files, on the host */
static GPtrArray *
host_paths (const Judge *self)
{
  GPtrArray *paths = g_ptr_array_new_with_free_func (g_free);

  for (guint i = 0; i < self->files->len; i++)
    {
      const DkmsVerifiedFile *file = self->files->pdata[i];
      char *path = dkms_root_resolved (self->settings->places.root, file->path);
      g_ptr_array_add (paths, path != NULL ? path : g_strdup ("/dev/null"));
    }
  return paths;
}

/* A file that crashes the helper leaves no answer about the others. Returns: (nullable): the answer about @path alone
 */
static DkmsModuleFile *
read_alone (const Judge *self, const DkmsVerifiedFile *file, char *path)
{
  g_autoptr (GPtrArray) paths = g_ptr_array_new ();
  g_autofree char *name = g_strjoin ("-", "module", self->kernel->release, file->name, NULL);

  g_ptr_array_add (paths, path);
  g_autoptr (GPtrArray) facts = dkms_module_files_remembered (&self->settings->places, name, paths, NULL);
  return facts != NULL ? g_steal_pointer (&facts->pdata[0]) : NULL;
}

static void
read_files (Judge *self)
{
  g_autoptr (GPtrArray) paths = host_paths (self);
  g_autofree char *name = g_strconcat ("modules-", self->kernel->release, NULL);
  g_autoptr (GError) error = NULL;
  g_autoptr (GPtrArray) facts = dkms_module_files_remembered (&self->settings->places, name, paths, &error);
  g_autoptr (GPtrArray) signatures = dkms_trust_reading_signatures (self->kernel->trust, self->settings, paths, NULL);

  for (guint i = 0; i < self->files->len; i++)
    {
      DkmsVerifiedFile *file = self->files->pdata[i];
      const DkmsVerifiedModule *owner = self->owners->pdata[i];
      const DkmsId id = owner != NULL ? *owner->id : (DkmsId){ .kernel = self->kernel->release };

      g_autoptr (DkmsModuleFile) module = facts != NULL ? g_steal_pointer (&facts->pdata[i]) : NULL;

      if ((module == NULL || !module->ended) && paths->len > 1)
        {
          g_clear_pointer (&module, dkms_module_file_free);
          module = read_alone (self, file, paths->pdata[i]);
        }
      if (module != NULL && (module->unread == EACCES || module->unread == EPERM))
        DKMS_FIND (file->findings, NEEDS_ROOT, UNKNOWN, CERTAIN, .id = id, .path = paths->pdata[i]);
      else if (module != NULL && module->ended)
        file->module = g_steal_pointer (&module);
      else
        DKMS_FIND (file->findings, CONTENT_UNREADABLE, PROBLEM, CERTAIN, .id = id, .name = file->name,
                   .text = error != NULL ? error->message : N_ ("the program that reads it failed"));
      if (signatures != NULL)
        file->signature = g_steal_pointer (&signatures->pdata[i]);
    }
}

/* ---- symbols ---- */

/* What the symbols of one file are resolved with. */
typedef struct {
  const Judge *judge;
  const DkmsVerifiedFile *file;
  DkmsLoadKernel plain; /* with the symbols of the kernel and its modules */
} Scope;

static const DkmsModuleExport *
find_export (const DkmsVerifiedFile *file, const char *name)
{
  for (guint i = 0; file->module != NULL && i < file->module->exports->len; i++)
    {
      const DkmsModuleExport *export = file->module->exports->pdata[i];
      if (strcmp (export->name, name) == 0)
        return export;
    }
  return NULL;
}

/* Returns: whether a file that is loaded before @file exports @name */
static gboolean
is_exported_before (const Judge *self, const DkmsVerifiedFile *file, const char *name)
{
  for (char **path = file->depends; path != NULL && *path != NULL; path++)
    {
      const DkmsVerifiedFile *other = find_file (self, *path);
      if (other != NULL && other != file && find_export (other, name) != NULL)
        return TRUE;
    }
  return FALSE;
}

/* The table of symbols has those of the kernel first: a module does not replace them. */
static gboolean
is_of_kernel (const Scope *self, const char *name)
{
  const DkmsSymbol symbol = self->plain.symbol (self->plain.data, name);

  return symbol.found == DKMS_YES && symbol.owner == NULL;
}

static DkmsSymbol
find_symbol (gconstpointer data, const char *name)
{
  const Scope *self = data;
  const Judge *judge = self->judge;

  if (find_export (self->file, name) != NULL)
    return (DkmsSymbol){ .found = is_of_kernel (self, name) || is_exported_before (judge, self->file, name) ? DKMS_YES
                                                                                                            : DKMS_NO };
  for (guint i = 0; i < judge->files->len; i++)
    {
      const DkmsVerifiedFile *file = judge->files->pdata[i];
      const DkmsModuleExport *export = find_export (file, name);
      if (export != NULL)
        return (DkmsSymbol){ .found = DKMS_YES,
                             .gpl_only = export->gpl_only,
                             .name_space = export->name_space,
                             .has_crc = export->has_crc,
                             .crc = export->crc,
                             .of_proprietary = !dkms_load_is_gpl (file->module->license) };
    }
  return self->plain.symbol (self->plain.data, name);
}

static void
add_providers (Judge *self)
{
  g_autoptr (GPtrArray) modules = g_ptr_array_new ();
  g_autoptr (GHashTable) providers = NULL;

  for (guint i = 0; i < self->files->len; i++)
    if (((const DkmsVerifiedFile *)self->files->pdata[i])->module != NULL)
      g_ptr_array_add (modules, ((const DkmsVerifiedFile *)self->files->pdata[i])->module);
  dkms_kernel_reading_provide (self->kernel->kernel, self->settings, modules, &providers);
}

/* ---- the verdict ---- */

/* Returns: (nullable): why it is not known which signatures the kernel accepts */
static const char *
trust_unread (const Judge *self)
{
  const DkmsTrustReading *trust = self->kernel->trust;

  if (trust->unread != NULL)
    return trust->unread;
  if (!trust->options.known)
    return N_ ("its configuration was not found");
  return trust->firmware.efi == DKMS_DONT_KNOW ? N_ ("the firmware that boots it is not known") : NULL;
}

/* Whether the type information of @file, a file of @owner (nullable), fits that of the kernel. With a base of its own,
 * the kernel adapts it. */
static DkmsKnown
btf_fits (const Judge *self, const DkmsVerifiedFile *file, const DkmsVerifiedModule *owner)
{
  const char *has = self->kernel->kernel->btf, *wants = owner != NULL ? owner->btf : NULL;

  if (file->module->has_btf_base)
    return DKMS_YES;
  return has == NULL || wants == NULL ? DKMS_DONT_KNOW : strcmp (has, wants) == 0 ? DKMS_YES : DKMS_NO;
}

static void
judge_file (const Judge *self, DkmsVerifiedFile *file, const DkmsVerifiedModule *owner)
{
  const DkmsKernelReading *reading = self->kernel->kernel;
  const DkmsTrustReading *trust = self->kernel->trust;
  static const DkmsSignerFacts anybody = { .digest = DKMS_DONT_KNOW, .trusted = DKMS_DONT_KNOW };
  const DkmsSignatureFacts unread = { .is_signed = TRUE, .signers = &anybody, .n_signers = 1 };
  const DkmsCertificate *signer = file->signature != NULL && file->signature->certificates->len > 0
                                      ? file->signature->certificates->pdata[0]
                                      : NULL;
  Scope scope = { self, file, self->plain };
  DkmsLoadModule module = { 0 };
  DkmsLoadKernel kernel = { 0 };
  DkmsVerdictContext context
      = { .id = owner != NULL ? *owner->id : (DkmsId){ .kernel = self->kernel->release },
          .file = file->name,
          .error = file->module->error,
          .signer = signer != NULL ? signer->subject : NULL,
          .digest = file->signature != NULL ? file->signature->digest : NULL,
          .trust = signer != NULL ? signer->trust : DKMS_TRUST_UNKNOWN,
          .kernel_unread = reading->unread,
          .policy_unread = trust_unread (self),
          .symbols = reading->confidence,
          .policy
          = MIN (trust->confidence, signer != NULL && signer->known ? signer->confidence : DKMS_CONFIDENCE_CERTAIN) };

  dkms_module_file_facts (file->module, reading->machine, &module);
  module.signature = file->signature != NULL && file->signature->error == NULL ? file->signature->facts : unread;
  module.btf_fits = btf_fits (self, file, owner);
  kernel = scope.plain;
  kernel.symbol = find_symbol;
  kernel.data = &scope;
  dkms_trust_reading_policy (trust, &kernel);
  kernel.forbidden = (const char *const *)self->forbidden;
  const DkmsLoadVerdict verdict = dkms_load_verdict (&module, &kernel);
  dkms_verdict_find (&verdict, &module, &kernel, &context, file->findings);
  if (file->answer == DKMS_ANSWER_UNKNOWN)
    file->answer = verdict.loads == DKMS_YES  ? DKMS_ANSWER_LOADS
                   : verdict.loads == DKMS_NO ? DKMS_ANSWER_REFUSED
                                              : DKMS_ANSWER_UNKNOWN;
  file->code = verdict.loads == DKMS_NO ? verdict.code : 0;
  memcpy (file->taint, verdict.taint, sizeof file->taint);
}

/* A module whose dependency does not load does not load either. The index lists dependencies of dependencies, too. */
static void
judge_dependencies (const Judge *self, DkmsVerifiedFile *file, const DkmsVerifiedModule *owner)
{
  for (char **path = file->depends; path != NULL && *path != NULL; path++)
    {
      const DkmsVerifiedFile *other = find_file (self, *path);
      if (other == NULL || other->answer == DKMS_ANSWER_LOADS)
        continue;
      if (other->answer == DKMS_ANSWER_UNKNOWN)
        DKMS_FIND (file->findings, DEPENDENCY, UNKNOWN, UNKNOWN, .id = *owner->id, .name = file->name,
                   .text = other->name);
      else
        DKMS_FIND (file->findings, DEPENDENCY, PROBLEM, CERTAIN, .id = *owner->id, .name = file->name,
                   .text = other->name);
    }
}

void
dkms_file_checks_judge (const DkmsSettings *settings, DkmsVerifiedKernel *kernel, const char *image,
                        const char *cmdline)
{
  g_auto (Judge) self = { .settings = settings,
                          .kernel = kernel,
                          .files = g_ptr_array_new (),
                          .owners = g_ptr_array_new (),
                          .extra = g_ptr_array_new_with_free_func ((GDestroyNotify)dkms_verified_file_free) };

  collect_files (&self);
  kernel->kernel = dkms_kernel_reading_new (settings, kernel->release, image);
  kernel->trust = dkms_trust_reading_new (settings, kernel->kernel, cmdline);
  if (cmdline != NULL)
    self.forbidden = dkms_cmdline_list (cmdline, "module_blacklist");
  if (self.files->len == 0)
    return;
  read_files (&self);
  add_providers (&self);
  dkms_kernel_reading_facts (kernel->kernel, &self.plain);
  for (guint i = 0; i < self.files->len; i++)
    if (((DkmsVerifiedFile *)self.files->pdata[i])->module != NULL)
      judge_file (&self, self.files->pdata[i], self.owners->pdata[i]);
  for (guint i = 0; kernel->kernel->other_headers && i < kernel->modules->len; i++)
    {
      const DkmsVerifiedModule *module = kernel->modules->pdata[i];
      if (module->files->len > 0)
        DKMS_FIND (module->findings, HEADERS_OF_ANOTHER_BUILD, WARNING, CERTAIN, .id = *module->id);
    }
  for (guint i = 0; i < self.files->len; i++)
    if (self.owners->pdata[i] != NULL)
      judge_dependencies (&self, self.files->pdata[i], self.owners->pdata[i]);
}
