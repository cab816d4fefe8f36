/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Asks zypper for kernels and their headers, and fetches packages. Its answers are XML. */
#include "forecast/zypper.h"

#include <string.h>

#include "base/error.h"

enum { NOTHING_FOUND = 104 };

/* ---- parsing ---- */

/* The flavour of the kernel in the package @name, such as "default". Returns: (nullable): NULL if it contains none */
static const char *
flavour_of (const char *name)
{
  static const char *const others[] = { "devel", "docs", "firmware", "macros", "source", "syms", NULL };
  const char *flavour = name + strlen ("kernel-");

  return g_str_has_prefix (name, "kernel-") && *flavour != '\0' && strchr (flavour, '-') == NULL
                 && !g_strv_contains (others, flavour)
             ? flavour
             : NULL;
}

/* Returns: (transfer full) (nullable): @edition, a version and a release, without the last number, which counts how
 * often the same source was compiled; packages of one kernel differ in it */
static char *
source_of (const char *edition)
{
  const char *dash = strrchr (edition, '-'), *last = strrchr (edition, '.');

  if (dash == NULL || !g_ascii_isdigit (*edition))
    return NULL;
  return last != NULL && last > dash ? g_strndup (edition, (gsize)(last - edition)) : g_strdup (edition);
}

/* Returns: (transfer full): the package that the attributes of an element describe; NULL if there is none */
static DkmsPackageOffer *
read_attributes (const char *const *names, const char *const *values)
{
  const char *kind = NULL, *name = NULL, *edition = NULL, *origin = NULL;

  for (gsize i = 0; names[i] != NULL; i++)
    {
      if (strcmp (names[i], "kind") == 0)
        kind = values[i];
      else if (strcmp (names[i], "name") == 0)
        name = values[i];
      else if (strcmp (names[i], "edition") == 0)
        edition = values[i];
      else if (strcmp (names[i], "repository") == 0)
        origin = values[i];
    }
  return g_strcmp0 (kind, "package") == 0 && name != NULL && edition != NULL
             ? dkms_package_offer_new (name, edition, origin)
             : NULL;
}

/* What a parser adds packages to. */
typedef struct {
  const char *element;
  void (*take) (const DkmsPackageOffer *package, gpointer data);
  gpointer data;
} Reader;

static void
start_element (GMarkupParseContext *context G_GNUC_UNUSED, const char *element, const char **names, const char **values,
               gpointer data, GError **error G_GNUC_UNUSED)
{
  const Reader *self = data;
  DkmsPackageOffer *package = strcmp (element, self->element) == 0
                                  ? read_attributes ((const char *const *)names, (const char *const *)values)
                                  : NULL;

  if (package != NULL)
    self->take (package, self->data);
  dkms_package_offer_free (package);
}

static gboolean
parse (const char *text, Reader *reader, GError **error)
{
  static const GMarkupParser parser = { .start_element = start_element };
  g_autoptr (GMarkupParseContext) context = g_markup_parse_context_new (&parser, 0, reader, NULL);
  g_autoptr (GError) local = NULL;

  return *text == '\0'
         || (g_markup_parse_context_parse (context, text, (gssize)strlen (text), &local)
             && g_markup_parse_context_end_parse (context, &local))
         || DKMS_FAIL (error, OFFERS_UNKNOWN, .name = "zypper", .text = local->message);
}

static void
take_update (const DkmsPackageOffer *package, gpointer data)
{
  const char *flavour = flavour_of (package->name);
  g_autofree char *source = source_of (package->version);
  g_autofree char *release = flavour != NULL && source != NULL ? g_strconcat (source, "-", flavour, NULL) : NULL;

  if (release != NULL)
    dkms_offers_add (data, release, package);
}

gboolean
dkms_zypper_read_updates (const char *text, GPtrArray *offers, GError **error)
{
  return parse (text, &(Reader){ "update", take_update, offers }, error);
}

static const DkmsPackageOffer *
header_named (const DkmsKernelOffer *offer, const char *name)
{
  for (guint i = 0; i < offer->headers->len; i++)
    if (strcmp (((const DkmsPackageOffer *)offer->headers->pdata[i])->name, name) == 0)
      return offer->headers->pdata[i];
  return NULL;
}

/* Takes packages from the source of the kernel, each once. */
static void
take_found (const DkmsPackageOffer *package, gpointer data)
{
  DkmsKernelOffer *offer = data;
  g_autofree char *source = source_of (package->version);
  gsize n = source != NULL ? strlen (source) : 0;

  if (n > 0 && strncmp (offer->release, source, n) == 0 && offer->release[n] == '-'
      && header_named (offer, package->name) == NULL)
    dkms_kernel_offer_need (offer, package->name, package->version, package->origin);
}

/* Returns: (transfer full): the package with the headers of this flavour */
static char *
devel_of (const DkmsKernelOffer *offer)
{
  const char *flavour = strrchr (offer->release, '-');

  return g_strdup_printf ("kernel%s-devel", flavour != NULL ? flavour : "-default");
}

gboolean
dkms_zypper_read_search (const char *text, DkmsKernelOffer *offer, GError **error)
{
  g_autofree char *devel = devel_of (offer);

  if (!parse (text, &(Reader){ "solvable", take_found, offer }, error))
    return FALSE;
  if (header_named (offer, devel) == NULL) /* the others are of no use without it */
    g_ptr_array_set_size (offer->headers, 0);
  return TRUE;
}

/* ---- asking zypper ---- */

static gboolean
find (GPtrArray *offers, const char *own G_GNUC_UNUSED, GError **error)
{
  const char *argv[] = { "zypper", "-x", "--non-interactive", "--no-refresh", "list-updates", "-t", "package", NULL };
  g_autofree char *text = dkms_manager_ask ("zypper", argv, NULL, error);

  return text != NULL && dkms_zypper_read_updates (text, offers, error);
}

/* The headers of a flavour are links into those of all flavours, which some flavours have in a package of their own. */
static gboolean
resolve (DkmsKernelOffer *offer, const char *own G_GNUC_UNUSED, GError **error)
{
  const char *flavour = strrchr (offer->release, '-');
  g_autofree char *devel = devel_of (offer);
  g_autofree char *tree = g_strconcat ("kernel-devel", flavour, NULL);
  const char *argv[] = { "zypper",
                         "-x",
                         "--non-interactive",
                         "--no-refresh",
                         "search",
                         "-s",
                         "--match-exact",
                         "-t",
                         "package",
                         devel,
                         "kernel-devel",
                         "kernel-macros",
                         flavour != NULL ? tree : NULL,
                         NULL };
  g_autofree char *text = dkms_manager_ask_for ("zypper", argv, NULL, NOTHING_FOUND, error);

  return text != NULL && dkms_zypper_read_search (text, offer, error);
}

/* zypper checks the digests of packages. */
static gboolean
fetch (const DkmsKernelOffer *offer, const char *own G_GNUC_UNUSED, const char *dir, GError **error)
{
  const char *const words[]
      = { "zypper", "-x", "--non-interactive", "--no-refresh", "--pkg-cache-dir", dir, "download", NULL };

  return dkms_manager_fetch ("zypper", words, offer, "=", NULL, error);
}

const DkmsManager dkms_manager_zypper
    = { .name = "zypper", .programs = "zypper", .find = find, .resolve = resolve, .fetch = fetch };
