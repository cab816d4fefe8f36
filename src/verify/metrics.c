/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Formats and writes metrics. */
#include "verify/metrics.h"

#include <fcntl.h>
#include <string.h>

#include "base/error.h"
#include "base/fd.h"
#include "base/publish.h"
#include "verify/verification.h"

/* Begins a metric. */
static void
head (GString *text, const char *name, const char *help)
{
  g_string_append_printf (text, "# HELP %s %s\n# TYPE %s gauge\n", name, help, name);
}

/* Appends one value of the metric @name. @labels: @count names and values in turn; the value NULL is
 * empty */
static void
value (GString *text, const char *name, gint64 number, const char *const *labels, gsize count)
{
  g_string_append (text, name);
  for (gsize i = 0; i < count; i += 2)
    {
      g_string_append_printf (text, "%s%s=\"", i == 0 ? "{" : ",", labels[i]);
      for (const char *at = labels[i + 1]; at != NULL && *at != '\0'; at++)
        if (*at == '\n')
          g_string_append (text, "\\n");
        else
          {
            if (*at == '"' || *at == '\\')
              g_string_append_c (text, '\\');
            g_string_append_c (text, *at);
          }
      g_string_append_c (text, '"');
    }
  g_string_append_printf (text, "%s %" G_GINT64_FORMAT "\n", count > 0 ? "}" : "", number);
}

#define VALUE(text, name, number, ...)                                                                                 \
  value ((text), (name), (number), (const char *const[]){ __VA_ARGS__ },                                               \
         sizeof ((const char *const[]){ __VA_ARGS__ }) / sizeof (char *))

static void
add_modules (GString *text, const GPtrArray *kernels)
{
  head (text, "dkms_modules", "Modules for a kernel, by what happens when they are loaded.");
  for (guint i = 0; i < kernels->len; i++)
    {
      const DkmsVerifiedKernel *kernel = kernels->pdata[i];
      guint counts[DKMS_VERDICT_PROBLEM + 1] = { 0 };
      for (guint m = 0; m < kernel->modules->len; m++)
        counts[((const DkmsVerifiedModule *)kernel->modules->pdata[m])->verdict]++;
      for (DkmsVerdict verdict = DKMS_VERDICT_EXCLUDED; verdict <= DKMS_VERDICT_PROBLEM; verdict++)
        VALUE (text, "dkms_modules", counts[verdict], "kernel", kernel->release, "next_boot",
               kernel->boot != NULL ? "true" : "false", "verdict", dkms_verdict_name (verdict));
    }
}

static void
add_problem (GString *text, const DkmsVerifiedModule *module, const DkmsCheckFinding *finding)
{
  if (finding->result == DKMS_RESULT_PROBLEM)
    VALUE (text, "dkms_module_problem", 1, "module", module->id->module, "version", module->id->version, "kernel",
           module->id->kernel, "file", finding->file, "check", dkms_check_name (dkms_code_check (finding->code)),
           "code", dkms_code_name (finding->code));
}

static void
add_problems (GString *text, const DkmsVerifiedKernel *kernel)
{
  for (guint m = 0; m < kernel->modules->len; m++)
    {
      const DkmsVerifiedModule *module = kernel->modules->pdata[m];
      for (guint i = 0; i < module->findings->len; i++)
        add_problem (text, module, module->findings->pdata[i]);
      for (guint f = 0; f < module->files->len; f++)
        {
          const DkmsVerifiedFile *file = module->files->pdata[f];
          for (guint i = 0; i < file->findings->len; i++)
            add_problem (text, module, file->findings->pdata[i]);
        }
    }
}

/* Returns: (nullable): what was read about trust for the first of @kernels; Secure Boot is the same for all */
static const DkmsTrustReading *
find_trust (const GPtrArray *kernels)
{
  for (guint i = 0; i < kernels->len; i++)
    if (((const DkmsVerifiedKernel *)kernels->pdata[i])->trust != NULL)
      return ((const DkmsVerifiedKernel *)kernels->pdata[i])->trust;
  return NULL;
}

/* @keys: (element-type DkmsOwnKey) */
static void
add_keys (GString *text, const GPtrArray *keys)
{
  gboolean first = TRUE;

  for (guint i = 0; i < keys->len; i++)
    {
      const DkmsCertificate *own = ((const DkmsOwnKey *)keys->pdata[i])->own;
      if (own == NULL)
        continue;
      if (first)
        head (text, "dkms_key_not_after_seconds", "When the certificate of a key that signs modules ends.");
      VALUE (text, "dkms_key_not_after_seconds", own->ends, "subject", own->subject);
      first = FALSE;
    }
}

char *
dkms_metrics_text (const GPtrArray *kernels, gint64 now)
{
  static const char *const states[] = { [DKMS_NO] = "off", [DKMS_YES] = "on", [DKMS_DONT_KNOW] = "unknown" };
  GString *text = g_string_new (NULL);
  const DkmsTrustReading *trust = find_trust (kernels);

  add_modules (text, kernels);
  head (text, "dkms_module_problem", "Why a module will not be there after a boot.");
  for (guint i = 0; i < kernels->len; i++)
    add_problems (text, kernels->pdata[i]);
  if (trust != NULL)
    {
      head (text, "dkms_secure_boot", "Whether Secure Boot is on.");
      VALUE (text, "dkms_secure_boot", 1, "state", states[trust->firmware.secure_boot]);
    }
  if (trust != NULL)
    add_keys (text, trust->keys);
  head (text, "dkms_next_boot_info", "The kernel that boots next.");
  for (guint i = 0; i < kernels->len; i++)
    {
      const DkmsVerifiedKernel *kernel = kernels->pdata[i];
      if (kernel->boot != NULL)
        VALUE (text, "dkms_next_boot_info", 1, "kernel", kernel->release, "loader",
               dkms_loader_name (kernel->boot->loader), "confidence", dkms_confidence_name (kernel->boot->confidence));
    }
  head (text, "dkms_last_verify_timestamp_seconds", "When this was written.");
  value (text, "dkms_last_verify_timestamp_seconds", now, NULL, 0);
  return g_string_free (text, FALSE);
}

gboolean
dkms_metrics_write (const char *path, const GPtrArray *kernels, GError **error)
{
  g_autofree char *text = dkms_metrics_text (kernels, g_get_real_time () / G_USEC_PER_SEC);
  g_autofree char *dir = g_path_get_dirname (path), *name = g_path_get_basename (path);
  g_auto (DkmsFd) fd = open (dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

  if (fd < 0)
    return dkms_fail_errno (error, "open the directory", dir);
  return dkms_publish_at (fd, name, text, strlen (text), 0644, error);
}
