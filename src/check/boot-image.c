/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Compares modules, and has the table of what a missing or different copy means. */
#include "check/boot-image.h"

#include <string.h>

void
dkms_image_module_free (DkmsImageModule *self)
{
  if (self == NULL)
    return;
  g_free (self->path);
  g_free (self->name);
  g_free (self->sha256);
  g_free (self->build_id);
  g_free (self->srcversion);
  g_free (self->vermagic);
  g_free (self);
}

char *
dkms_module_name_of (const char *path)
{
  const char *slash = strrchr (path, '/'), *start = slash != NULL ? slash + 1 : path;
  char *name = g_strndup (start, strcspn (start, "."));

  return g_strdelimit (name, "-", '_');
}

gboolean
dkms_module_names_equal (const char *one, const char *other)
{
  for (; *one != '\0' && *other != '\0'; one++, other++)
    if (*one != *other && !(strchr ("-_", *one) != NULL && strchr ("-_", *other) != NULL))
      return FALSE;
  return *one == *other;
}

/* ---- copies ---- */

static gboolean
both_equal (const char *one, const char *other)
{
  return one != NULL && other != NULL && strcmp (one, other) == 0;
}

/* Returns: whether both files are of one build, and differ in symbols for debuggers or in their signatures */
static gboolean
are_of_one_build (const DkmsImageModule *one, const DkmsImageModule *other)
{
  if (g_strcmp0 (one->vermagic, other->vermagic) != 0)
    return FALSE;
  if (one->build_id != NULL || other->build_id != NULL)
    return both_equal (one->build_id, other->build_id);
  return one->vermagic != NULL && both_equal (one->srcversion, other->srcversion);
}

static DkmsImageCopy
compare (const DkmsImageModule *copy, const DkmsImageModule *installed)
{
  if (installed == NULL || installed->sha256 == NULL || copy->sha256 == NULL)
    return DKMS_COPY_UNKNOWN;
  if (strcmp (copy->sha256, installed->sha256) == 0)
    return DKMS_COPY_SAME;
  if (!are_of_one_build (copy, installed))
    return DKMS_COPY_OTHER;
  if (installed->is_signed)
    return copy->is_signed ? DKMS_COPY_OTHER : DKMS_COPY_UNSIGNED; /* both: signed anew */
  return DKMS_COPY_SAME;
}

/* Returns: whether @path in an image is a module of @release, or of an image for one kernel (booster); @in_tree: (out):
 * whether it lies where modules of the kernel's package lie */
static gboolean
is_for (const char *path, const char *release, gboolean *in_tree)
{
  static const char top[] = "lib/modules/";
  const char *at = strstr (path, top), *tail = at != NULL ? at + strlen (top) : NULL;
  gsize length = strlen (release);

  *in_tree = FALSE;
  if (tail == NULL)
    return FALSE;
  if (strchr (tail, '/') == NULL)
    return TRUE;
  if (strncmp (tail, release, length) != 0 || tail[length] != '/')
    return FALSE;
  *in_tree = g_str_has_prefix (tail + length + 1, "kernel/");
  return TRUE;
}

DkmsImageCopy
dkms_image_find (const GPtrArray *modules, const char *release, const char *name, const DkmsImageModule *installed,
                 const DkmsImageModule **found)
{
  gboolean found_in_tree = FALSE, in_tree;

  *found = NULL;
  for (guint i = modules->len; i > 0; i--) /* the last one with a path counts */
    {
      const DkmsImageModule *module = modules->pdata[i - 1];
      if (!dkms_module_names_equal (module->name, name) || !is_for (module->path, release, &in_tree))
        continue;
      if (*found == NULL || (found_in_tree && !in_tree))
        {
          *found = module;
          found_in_tree = in_tree;
        }
    }
  return *found != NULL ? compare (*found, installed) : DKMS_COPY_ABSENT;
}

/* ---- the table ---- */

DkmsImageVerdict
dkms_image_verdict (DkmsImageCopy copy, guint reasons, gboolean enforced)
{
  /* What it means that images lack a module, from strong to weak reasons. A module that nothing names is loaded after
   * the root is mounted. */
  static const struct {
    DkmsImageReason reason;
    DkmsCode code;
    DkmsResult result;
  } absent[] = { { DKMS_IMAGE_ROOT, DKMS_CODE_IMAGE_MISSING, DKMS_RESULT_PROBLEM },
                 { DKMS_IMAGE_CONFIGURED, DKMS_CODE_IMAGE_MISSING, DKMS_RESULT_PROBLEM },
                 { DKMS_IMAGE_NEEDED, DKMS_CODE_IMAGE_MISSING, DKMS_RESULT_PROBLEM },
                 { DKMS_IMAGE_HOOK, DKMS_CODE_IMAGE_MISSING, DKMS_RESULT_WARNING },
                 { DKMS_IMAGE_MOVED, DKMS_CODE_DRIVER_GONE_EARLY, DKMS_RESULT_WARNING } };
  DkmsImageVerdict verdict
      = { TRUE, DKMS_CODE_IMAGE_STALE, DKMS_RESULT_PROBLEM, DKMS_CONFIDENCE_CERTAIN, DKMS_IMAGE_COPIED };

  if (copy == DKMS_COPY_OTHER)
    return verdict;
  if (copy == DKMS_COPY_UNSIGNED)
    {
      verdict.code = DKMS_CODE_IMAGE_UNSIGNED;
      verdict.result = enforced ? DKMS_RESULT_PROBLEM : DKMS_RESULT_WARNING;
      return verdict;
    }
  if (copy == DKMS_COPY_UNKNOWN)
    {
      verdict.code = DKMS_CODE_IMAGE_COPY_UNKNOWN;
      verdict.result = DKMS_RESULT_UNKNOWN;
      verdict.confidence = DKMS_CONFIDENCE_UNKNOWN;
      return verdict;
    }
  for (gsize i = 0; copy == DKMS_COPY_ABSENT && i < G_N_ELEMENTS (absent); i++)
    if ((reasons & 1U << absent[i].reason) != 0)
      return (DkmsImageVerdict){ TRUE, absent[i].code, absent[i].result, DKMS_CONFIDENCE_LIKELY, absent[i].reason };
  return (DkmsImageVerdict){ .any = FALSE };
}
