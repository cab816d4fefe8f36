/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the package managers have in common. */
#include "forecast/offer.h"

#include <string.h>

#include "base/error.h"
#include "base/process.h"
#include "forecast/apk.h"
#include "forecast/apt.h"
#include "forecast/dnf.h"
#include "forecast/pacman.h"
#include "forecast/zypper.h"

enum { MOST_KERNELS = 32, MOST_PACKAGES = 64, LONGEST_WORD = 200 };

/* Names and versions become words of command lines. */
static gboolean
is_word (const char *text)
{
  gsize n = 0;

  if (!g_ascii_isalnum (*text))
    return FALSE;
  while (g_ascii_isalnum (text[n]) || (text[n] != '\0' && strchr (".+-_~:^@", text[n]) != NULL))
    n++;
  return text[n] == '\0' && n <= LONGEST_WORD;
}

DkmsPackageOffer *
dkms_package_offer_new (const char *name, const char *version, const char *origin)
{
  DkmsPackageOffer *self;

  if (!is_word (name) || (version != NULL && !is_word (version)))
    return NULL;
  self = g_new0 (DkmsPackageOffer, 1);
  self->name = g_strdup (name);
  self->version = g_strdup (version);
  self->origin = g_strdup (origin);
  return self;
}

void
dkms_package_offer_free (gpointer data)
{
  DkmsPackageOffer *self = data;

  if (self == NULL)
    return;
  g_free (self->name);
  g_free (self->version);
  g_free (self->origin);
  g_free (self);
}

DkmsKernelOffer *
dkms_kernel_offer_new (const char *release)
{
  DkmsKernelOffer *self = g_new0 (DkmsKernelOffer, 1);

  self->release = g_strdup (release);
  self->headers = g_ptr_array_new_with_free_func (dkms_package_offer_free);
  return self;
}

void
dkms_kernel_offer_free (gpointer data)
{
  DkmsKernelOffer *self = data;

  g_free (self->release);
  dkms_package_offer_free (self->image);
  g_ptr_array_unref (self->headers);
  g_free (self->why);
  g_free (self);
}

void
dkms_kernel_offer_need (DkmsKernelOffer *self, const char *name, const char *version, const char *origin)
{
  DkmsPackageOffer *package
      = self->headers->len < MOST_PACKAGES ? dkms_package_offer_new (name, version, origin) : NULL;

  if (package != NULL)
    g_ptr_array_add (self->headers, package);
}

gboolean
dkms_manager_fetch (const char *name, const char *const *words, const DkmsKernelOffer *offer, const char *joint,
                    const char *cwd, GError **error)
{
  g_autoptr (GPtrArray) argv = g_ptr_array_new_with_free_func (g_free);

  for (const char *const *word = words; *word != NULL; word++)
    g_ptr_array_add (argv, g_strdup (*word));
  for (guint i = 0; i < offer->headers->len; i++)
    {
      const DkmsPackageOffer *package = offer->headers->pdata[i];
      g_ptr_array_add (argv, g_strconcat (package->name, joint, package->version, NULL));
    }
  g_ptr_array_add (argv, NULL);
  g_autofree char *text = dkms_manager_ask (name, (const char *const *)argv->pdata, cwd, error);
  return text != NULL;
}

void
dkms_offers_add (GPtrArray *offers, const char *release, const DkmsPackageOffer *image)
{
  if (image == NULL || !is_word (release) || offers->len >= MOST_KERNELS)
    return;
  for (guint i = 0; i < offers->len; i++)
    if (strcmp (((const DkmsKernelOffer *)offers->pdata[i])->release, release) == 0)
      return;
  DkmsKernelOffer *offer = dkms_kernel_offer_new (release);
  offer->image = dkms_package_offer_new (image->name, image->version, image->origin);
  g_ptr_array_add (offers, offer);
}

/* Returns: (transfer full) (nullable): the last line of @text that says something */
static char *
last_line (const char *text)
{
  g_auto (GStrv) lines = g_strsplit (text, "\n", -1);
  guint n = g_strv_length (lines);

  while (n > 0 && *g_strstrip (lines[n - 1]) == '\0')
    n--;
  return n > 0 ? g_strdup (lines[n - 1]) : NULL;
}

/* @nothing: an exit status that means that nothing was found; 0: none */
static char *
ask (const char *name, const DkmsCommand *command, int nothing, GError **error)
{
  g_autoptr (GError) local = NULL;
  int status = 0;
  g_autofree char *text = dkms_process_capture (command, NULL, &status, &local);

  if (text != NULL && (status == 0 || status == nothing))
    return g_steal_pointer (&text);
  if (text == NULL)
    return DKMS_FAIL (error, OFFERS_UNKNOWN, .name = name, .text = local->message), NULL;
  /* Its messages are elsewhere: run it once more, because it changes nothing. */
  g_autofree char *said = dkms_process_transcript (command, &status, NULL);
  g_autofree char *line = said != NULL ? last_line (said) : NULL;
  return DKMS_FAIL (error, OFFERS_UNKNOWN, .name = name, .text = line), NULL;
}

char *
dkms_manager_ask (const char *name, const char *const *argv, const char *cwd, GError **error)
{
  g_auto (GStrv) env = dkms_process_speak_english (g_get_environ ());
  const DkmsCommand command = { .argv = argv, .env = env, .cwd = cwd, .null_stdin = TRUE };

  return ask (name, &command, 0, error);
}

char *
dkms_manager_ask_for (const char *name, const char *const *argv, const char *variable, int nothing, GError **error)
{
  g_auto (GStrv) env = dkms_process_speak_english (g_get_environ ());
  g_autofree char *variable_name = variable != NULL ? g_strndup (variable, strcspn (variable, "=")) : NULL;

  if (variable != NULL)
    env = g_environ_setenv (g_steal_pointer (&env), variable_name, variable + strlen (variable_name) + 1, TRUE);
  const DkmsCommand command = { .argv = argv, .env = env, .null_stdin = TRUE };
  return ask (name, &command, nothing, error);
}

static gboolean
has_programs (const char *programs)
{
  g_auto (GStrv) names = g_strsplit (programs, " ", -1);
  gboolean all = TRUE;

  for (char **name = names; *name != NULL; name++)
    {
      g_autofree char *path = g_find_program_in_path (*name);
      all = all && path != NULL;
    }
  return all;
}

const DkmsManager *
dkms_manager_find (const DkmsSettings *settings, GError **error)
{
  static const DkmsManager *const managers[]
      = { &dkms_manager_apt, &dkms_manager_dnf, &dkms_manager_zypper, &dkms_manager_pacman, &dkms_manager_apk };
  const char *name = dkms_distro_manager (settings->policy.distro);

  /* The package manager of another root would need the network, and write to that root. */
  for (gsize i = 0; i < G_N_ELEMENTS (managers) && dkms_root_is_host (settings->places.root); i++)
    if (g_strcmp0 (managers[i]->name, name) == 0 && has_programs (managers[i]->programs))
      return managers[i];
  return DKMS_FAIL (error, NO_PACKAGE_MANAGER), NULL;
}
