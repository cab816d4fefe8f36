/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Asks the running kernel about signatures, with a file that it cannot load. */
#define _GNU_SOURCE
#include "verify/probe.h"

#include <elf.h>
#include <errno.h>
#include <link.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <linux/capability.h>

#include "base/error.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/language.h"
#include "build/sign.h"
#include "kernel/kernel.h"
#include "store/work.h"
#include "verify/probe-memory.h"

#define NAME "dkms_signature_test"

/* ---- the file ---- */

enum { NONE, INFO, THIS_MODULE, SYMBOLS, STRINGS, SECTION_NAMES, BEYOND, N_SECTIONS };

/* An ELF file. Kernels 4.19 to 5.11 look for the name of the module before they check its signature. */
typedef struct {
  ElfW (Ehdr) header;
  ElfW (Shdr) sections[N_SECTIONS];
  char info[64], this_module[2048];
  ElfW (Sym) symbols[1];
  char strings[8], names[80];
} Image;

static void
set_section (Image *image, int number, ElfW (Word) name, gsize offset, gsize size)
{
  ElfW (Shdr) *section = &image->sections[number];

  section->sh_name = name;
  section->sh_type = number == SYMBOLS                              ? SHT_SYMTAB
                     : number == STRINGS || number == SECTION_NAMES ? SHT_STRTAB
                                                                    : SHT_PROGBITS;
  section->sh_offset = offset;
  section->sh_size = size;
  section->sh_addralign = 1;
}

/* @own: the header of a program of this machine */
static Image *
make_image (const ElfW (Ehdr) * own)
{
  static const char info[] = "name=" NAME "\0license=GPL";
  static const char names[] = "\0.modinfo\0.gnu.linkonce.this_module\0.symtab\0.strtab\0.shstrtab\0.beyond";
  enum { MODINFO = 1, LINKONCE = 10, SYMTAB = 36, STRTAB = 44, SHSTRTAB = 52, DOT_BEYOND = 62 };
  enum { FAR = 1 << 30 };
  Image *image = g_new0 (Image, 1);

  G_STATIC_ASSERT (sizeof names <= sizeof image->names && sizeof info <= sizeof image->info);
  image->header = *own;
  image->header.e_type = ET_REL;
  image->header.e_entry = image->header.e_phoff = 0;
  image->header.e_phentsize = image->header.e_phnum = 0;
  image->header.e_ehsize = sizeof image->header;
  image->header.e_shoff = G_STRUCT_OFFSET (Image, sections);
  image->header.e_shentsize = sizeof image->sections[0];
  image->header.e_shnum = N_SECTIONS;
  image->header.e_shstrndx = SECTION_NAMES;
  memcpy (image->info, info, sizeof info);
  memcpy (image->names, names, sizeof names);
  set_section (image, INFO, MODINFO, G_STRUCT_OFFSET (Image, info), sizeof info);
  set_section (image, THIS_MODULE, LINKONCE, G_STRUCT_OFFSET (Image, this_module), sizeof image->this_module);
  set_section (image, SYMBOLS, SYMTAB, G_STRUCT_OFFSET (Image, symbols), sizeof image->symbols);
  image->sections[SYMBOLS].sh_link = STRINGS;
  image->sections[SYMBOLS].sh_entsize = sizeof image->symbols[0];
  set_section (image, STRINGS, STRTAB, G_STRUCT_OFFSET (Image, strings), 1);
  set_section (image, SECTION_NAMES, SHSTRTAB, G_STRUCT_OFFSET (Image, names), sizeof names);
  set_section (image, BEYOND, DOT_BEYOND, FAR, FAR); /* no kernel loads such a file */
  return image;
}

/* Writes the file below the scratch directory @work. */
static gboolean
write_file (const DkmsWork *work, const char *name, const void *data, gsize size, GError **error)
{
  g_auto (DkmsFd) fd = openat (work->fd, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

  if (fd < 0)
    return dkms_fail_errno (error, "create", name);
  return dkms_write_all (fd, data, size, name, error);
}

static gboolean
write_files (const DkmsWork *work, GError **error)
{
  g_auto (DkmsFd) fd = open ("/proc/self/exe", O_RDONLY | O_CLOEXEC);
  ElfW (Ehdr) own;

  if (fd < 0 || read (fd, &own, sizeof own) != sizeof own)
    return dkms_fail_errno (error, "read", "/proc/self/exe");
  g_autofree Image *image = make_image (&own);
  return write_file (work, "plain", image, sizeof *image, error)
         && write_file (work, "signed", image, sizeof *image, error)
         && write_file (work, "changed", image, sizeof *image, error);
}

/* Changes a byte of the file that has no meaning. */
static gboolean
change (const DkmsWork *work, GError **error)
{
  const off_t at = G_STRUCT_OFFSET (Image, names) + sizeof ((Image *)NULL)->names - 1;
  g_auto (DkmsFd) fd = openat (work->fd, "changed", O_WRONLY | O_CLOEXEC | O_NOFOLLOW);

  return (fd >= 0 && pwrite (fd, "x", 1, at) == 1) || dkms_fail_errno (error, "write", "changed");
}

/* ---- the signatures ---- */

static gboolean
sign (const DkmsSettings *settings, const DkmsKernelReading *kernel, const DkmsWork *work, GError **error)
{
  const DkmsPlaces *places = &settings->places;
  const DkmsId id = { .kernel = kernel->release, .arch = dkms_running_machine () };
  g_autoptr (GPtrArray) heard = dkms_events_new (), paths = g_ptr_array_new_with_free_func (g_free);
  DkmsListener silent = dkms_listener_keeping (heard);
  g_autoptr (DkmsKernel) headers = dkms_kernel_new (places->root, places->install_tree, &id, NULL, NULL);
  g_autoptr (DkmsSigner) signer = dkms_signer_new (settings, &silent, headers, kernel->config);

  if (!signer->ready)
    return DKMS_FAIL (error, TEST_NOT_SIGNED, .error = signer->error);
  g_ptr_array_add (paths, g_build_filename (work->path, "signed", NULL));
  g_ptr_array_add (paths, g_build_filename (work->path, "changed", NULL));
  return dkms_signer_sign_all (signer, places, &silent, paths, error) && change (work, error);
}

/* ---- the kernel ---- */

/* Fails if the kernel would refuse any file of this process. */
static gboolean
check_permitted (GError **error)
{
  g_autofree char *disabled = NULL, *users = NULL;

  if (prctl (PR_CAPBSET_READ, CAP_SYS_MODULE, 0, 0, 0) != 1
      || (g_file_get_contents ("/proc/self/uid_map", &users, NULL, NULL) && strstr (users, "4294967295") == NULL))
    return DKMS_FAIL (error, TEST_NOT_PERMITTED, .text = N_ ("this container may not load modules"));
  if (g_file_get_contents ("/proc/sys/kernel/modules_disabled", &disabled, NULL, NULL) && *disabled == '1')
    return DKMS_FAIL (error, TEST_NOT_PERMITTED, .text = N_ ("it loads no more modules until the next boot"));
  return TRUE;
}

static gboolean
is_locked_down (void)
{
  g_autofree char *text = NULL;

  return g_file_get_contents ("/sys/kernel/security/lockdown", &text, NULL, NULL)
         && (strstr (text, "[integrity]") != NULL || strstr (text, "[confidentiality]") != NULL);
}

/* Returns: errno of the kernel for the file @name */
static int
ask (const DkmsWork *work, const char *name)
{
  g_auto (DkmsFd) fd = openat (work->fd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);

  if (fd < 0)
    return errno;
  return syscall (SYS_finit_module, fd, "", 0) < 0 ? errno : 0;
}

/* Fails if the machine, or this process, cannot ask. */
static gboolean
check_machine (const DkmsSettings *settings, const DkmsKernelReading *kernel, const DkmsTrustReading *trust,
               const struct utsname *running, GError **error)
{
  if (!dkms_root_is_host (settings->places.root))
    return DKMS_FAIL (error, TEST_ELSEWHERE, .path = settings->places.root->host_path);
  if (geteuid () != 0)
    return DKMS_FAIL (error, NEEDS_ROOT, .name = "secureboot", .text = "--test");
  if (strcmp (kernel->release, running->release) != 0)
    return DKMS_FAIL (error, TEST_OTHER_KERNEL, .id = { .kernel = kernel->release }, .text = running->release);
  for (guint i = 0; i < trust->keys->len; i++)
    {
      const DkmsOwnKey *key = trust->keys->pdata[i];
      if (key->own == NULL)
        return DKMS_FAIL (error, CERTIFICATE_ABSENT, .path = key->certificate);
    }
  return check_permitted (error);
}

gboolean
dkms_probe_run (const DkmsSettings *settings, const DkmsKernelReading *kernel, const DkmsTrustReading *trust,
                DkmsProbe *probe, GError **error)
{
  struct utsname running = { 0 };

  (void)uname (&running); /* can fail only for an invalid pointer */
  if (!check_machine (settings, kernel, trust, &running, error))
    return FALSE;
  g_autoptr (DkmsWork) work = dkms_work_new (&settings->places, error);
  if (work == NULL || !write_files (work, error) || !sign (settings, kernel, work, error))
    return FALSE;
  const DkmsProbeErrors errors = { .plain = ask (work, "plain"),
                                   .with_key = ask (work, "signed"),
                                   .changed = ask (work, "changed"),
                                   .locked = is_locked_down () };
  *probe = dkms_probe (&errors);
  if (trust->probe_key != NULL && strcmp (running.version, kernel->build) == 0)
    dkms_probe_remember (&settings->places, kernel->release, trust->probe_key, probe);
  return TRUE;
}
