/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Copies of modules in boot images. */
#include "check/boot-image.h"

#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fixture.h"
#include "verify/boot-image.h"

#define K "6.1.0-1-test"

static void
test_copies (void)
{
#define FLAGS "6.1.0-1-test SMP "
  static const DkmsImageModule plain
      = { .sha256 = (char *)"a", .build_id = (char *)"1", .vermagic = (char *)FLAGS },
      its_signed = { .sha256 = (char *)"b", .build_id = (char *)"1", .vermagic = (char *)FLAGS, .is_signed = TRUE },
      old = { .sha256 = (char *)"c", .srcversion = (char *)"S", .vermagic = (char *)FLAGS },
      bare = { .sha256 = (char *)"d", .vermagic = (char *)FLAGS };
  static const struct {
    const DkmsImageModule *installed; /* NULL: unreadable */
    DkmsImageModule copy;
    DkmsImageCopy want;
  } cases[] = {
    { &plain, { .sha256 = (char *)"a" }, DKMS_COPY_SAME },
    { &plain,
      { .sha256 = (char *)"x", .build_id = (char *)"1", .vermagic = (char *)FLAGS },
      DKMS_COPY_SAME }, /* stripped */
    { &plain, { .sha256 = (char *)"x", .build_id = (char *)"2", .vermagic = (char *)FLAGS }, DKMS_COPY_OTHER },
    { &plain, { .sha256 = (char *)"x", .build_id = (char *)"1", .vermagic = (char *)"other" }, DKMS_COPY_OTHER },
    { &plain, { .sha256 = (char *)"x", .srcversion = (char *)"S", .vermagic = (char *)FLAGS }, DKMS_COPY_OTHER },
    { &plain,
      { .sha256 = (char *)"x", .build_id = (char *)"1", .vermagic = (char *)FLAGS, .is_signed = TRUE },
      DKMS_COPY_SAME },
    { &its_signed, { .sha256 = (char *)"x", .build_id = (char *)"1", .vermagic = (char *)FLAGS }, DKMS_COPY_UNSIGNED },
    { &its_signed,
      { .sha256 = (char *)"x", .build_id = (char *)"1", .vermagic = (char *)FLAGS, .is_signed = TRUE },
      DKMS_COPY_OTHER }, /* signed with another key */
    { &old, { .sha256 = (char *)"x", .srcversion = (char *)"S", .vermagic = (char *)FLAGS }, DKMS_COPY_SAME },
    { &old, { .sha256 = (char *)"x", .srcversion = (char *)"T", .vermagic = (char *)FLAGS }, DKMS_COPY_OTHER },
    { &old, { .sha256 = (char *)"x", .srcversion = (char *)"S" }, DKMS_COPY_OTHER },
    { &bare, { .sha256 = (char *)"x", .vermagic = (char *)FLAGS }, DKMS_COPY_OTHER },
    { &bare, { .sha256 = NULL }, DKMS_COPY_UNKNOWN },
    { NULL, { .sha256 = (char *)"x" }, DKMS_COPY_UNKNOWN },
  };

  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_autoptr (GPtrArray) modules = g_ptr_array_new ();
      DkmsImageModule copy = cases[i].copy;
      const DkmsImageModule *found;

      copy.path = (char *)"usr/lib/modules/" K "/updates/dkms/a-b.ko.xz";
      copy.name = (char *)"a_b";
      g_ptr_array_add (modules, &copy);
      g_test_message ("case %zu", i);
      g_assert_cmpint (dkms_image_find (modules, K, "a-b", cases[i].installed, &found), ==, cases[i].want);
      g_assert_true (found == &copy);
      g_assert_cmpint (dkms_image_find (modules, K, "a", cases[i].installed, &found), ==, DKMS_COPY_ABSENT);
      g_assert_null (found);
      g_assert_cmpint (dkms_image_find (modules, "6.1.0-1", "a-b", cases[i].installed, &found), ==, DKMS_COPY_ABSENT);
    }
}

/* Which of several files loads. */
static void
test_places_in_images (void)
{
  static const struct {
    const char *paths[3]; /* the digest of each is its number */
    const char *want;
  } cases[] = {
    { { "lib/modules/" K "/kernel/a.ko", "lib/modules/" K "/updates/a.ko" }, "1" },
    { { "lib/modules/" K "/updates/a.ko", "lib/modules/" K "/kernel/a.ko" }, "0" },
    { { "lib/modules/" K "/extra/a.ko", "lib/modules/" K "/kernel/a.ko", "lib/modules/" K "/extra/a.ko" }, "2" },
    { { "usr/lib/modules/a.ko" }, "0" }, /* booster */
    { { "lib/modules/6.1.0/updates/a.ko", "lib/modules/" K "/kernel/a.ko" }, "1" },
    { { "lib/modules/" K "x/updates/a.ko", "bin/a.ko" }, NULL },
  };

  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      static const char *const digests[] = { "0", "1", "2" };
      DkmsImageModule files[3];
      g_autoptr (GPtrArray) modules = g_ptr_array_new ();
      const DkmsImageModule *found;

      for (gsize k = 0; k < 3 && cases[i].paths[k] != NULL; k++)
        {
          files[k] = (DkmsImageModule){ .path = (char *)(gsize)cases[i].paths[k],
                                        .name = (char *)"a",
                                        .sha256 = (char *)(gsize)digests[k] };
          g_ptr_array_add (modules, &files[k]);
        }
      (void)dkms_image_find (modules, K, "a", NULL, &found);
      g_assert_cmpstr (found != NULL ? found->sha256 : NULL, ==, cases[i].want);
    }
}

static void
test_verdicts (void)
{
#define BIT(reason) (1U << DKMS_IMAGE_##reason)
  static const struct {
    DkmsImageCopy copy;
    guint reasons;
    gboolean enforced;
    const char *want; /* NULL: nothing is wrong */
  } cases[] = {
    { DKMS_COPY_ABSENT, 0, FALSE, NULL },
    { DKMS_COPY_ABSENT, BIT (ROOT), FALSE, "image-missing problem likely" },
    { DKMS_COPY_ABSENT, BIT (CONFIGURED), FALSE, "image-missing problem likely" },
    { DKMS_COPY_ABSENT, BIT (NEEDED), FALSE, "image-missing problem likely" },
    { DKMS_COPY_ABSENT, BIT (HOOK), FALSE, "image-missing warning likely" },
    { DKMS_COPY_ABSENT, BIT (HOOK) | BIT (ROOT), FALSE, "image-missing problem likely" },
    { DKMS_COPY_ABSENT, BIT (MOVED), FALSE, "driver-gone-early warning likely" },
    { DKMS_COPY_ABSENT, BIT (MOVED) | BIT (CONFIGURED), FALSE, "image-missing problem likely" },
    { DKMS_COPY_SAME, BIT (ROOT) | BIT (MOVED), TRUE, NULL },
    { DKMS_COPY_OTHER, 0, FALSE, "image-stale problem certain" },
    { DKMS_COPY_OTHER, BIT (HOOK), FALSE, "image-stale problem certain" },
    { DKMS_COPY_UNSIGNED, 0, FALSE, "image-unsigned warning certain" },
    { DKMS_COPY_UNSIGNED, 0, TRUE, "image-unsigned problem certain" },
    { DKMS_COPY_UNKNOWN, 0, FALSE, "image-copy-unknown unknown unknown" },
  };

  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      DkmsImageVerdict verdict = dkms_image_verdict (cases[i].copy, cases[i].reasons, cases[i].enforced);
      g_autofree char *found = verdict.any
                                   ? g_strjoin (" ", dkms_code_name (verdict.code), dkms_result_name (verdict.result),
                                                dkms_confidence_name (verdict.confidence), NULL)
                                   : NULL;
      g_test_message ("case %zu", i);
      g_assert_cmpstr (found, ==, cases[i].want);
    }
}

/* ---- whole images ---- */

/* Adds a file to an archive in the format newc. */
static void
add_member (GString *to, const char *path, const char *content)
{
  gsize length = strlen (path) + 1, size = strlen (content);

  g_string_append_printf (to, "070701%08x%08x%08x%08x%08x%08x%08zx%08x%08x%08x%08x%08zx%08x", 1, 0100644, 0, 0, 1, 0,
                          size, 0, 0, 0, 0, length, 0);
  g_string_append_len (to, path, (gssize)length);
  while (to->len % 4 != 0)
    g_string_append_c (to, '\0');
  g_string_append (to, content);
  while (to->len % 4 != 0)
    g_string_append_c (to, '\0');
}

static void
put_image (const Fixture *self, const char *path, const char *const *files)
{
  g_autoptr (GString) image = g_string_new (NULL);
  g_autofree char *full = g_strconcat (self->dir, path, NULL);
  g_autofree char *dir = g_path_get_dirname (full);

  for (; *files != NULL; files += 2)
    add_member (image, files[0], files[1]);
  add_member (image, "TRAILER!!!", "");
  g_assert_cmpint (g_mkdir_with_parents (dir, 0755), ==, 0);
  g_assert_true (g_file_set_contents (full, image->str, (gssize)image->len, NULL));
}

static DkmsSettings
settings_of (const Fixture *self)
{
  return (DkmsSettings){
    .places = { .root = self->places.root, .dkms_tree = (char *)"/tree", .install_tree = (char *)"/lib/modules" }
  };
}

static char *
check (const Fixture *self, const GPtrArray *images, const DkmsImageQuestion *module)
{
  DkmsSettings settings = settings_of (self);
  g_autoptr (DkmsBootImages) read = dkms_boot_images_read (&settings, K, images);
  g_autoptr (GPtrArray) findings = dkms_check_findings_new ();

  dkms_boot_images_check (read, &settings, module, findings);
  return fixture_show (findings);
}

static void
put_tool (const Fixture *self)
{
  fixture_put (self, "/usr/sbin/update-initramfs", "");
  fixture_put (self, "/usr/sbin/mkinitramfs", "");
}

#define DIGEST "d4735e3a265e16eee03f59718b9b5d03019c07d8b6c51f90da3a666eec13ab35" /* SHA-256 of "2" */
#define FOO "usr/lib/modules/" K "/updates/dkms/foo.ko"
#define UPDATE " [update-initramfs -u -k " K "]"
static const DkmsImageQuestion foo = { .name = "foo", .sha256 = DIGEST };

static void
test_images (Fixture *self, gconstpointer data)
{
  static const struct {
    const char *files[6], *want;
  } cases[] = {
    { { "init", "" }, "" },
    { { FOO, "2" }, "" },
    { { FOO, "1" },
      "image-stale problem: the boot image /boot/initrd.img-" K
      " holds another build of foo than the one installed" UPDATE },
    { { FOO, "1", FOO, "2" }, "" },
    { { "usr/lib/modules/" K "/kernel/foo.ko", "1", FOO, "2" }, "" },
    { { FOO, "2", "etc/modprobe.d/a.conf", "blacklist foo" },
      "image-config warning: the boot image and /etc/modprobe.d/a.conf differ in a line about foo: blacklist "
      "foo" UPDATE },
    { { FOO, "2", "etc/modprobe.d/a.conf", "blacklist bar" }, "" },
    { { "squashfs-root.img", "hsqs" },
      "image-copy-unknown unknown: whether the boot image /boot/initrd.img-" K
      " holds the installed foo is not known" UPDATE },
    { { "squashfs-root.img", "hsqs", FOO, "2" }, "" },
  };

  put_tool (self);
  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_autofree char *found = NULL;
      put_image (self, "/boot/initrd.img-" K, cases[i].files);
      found = check (self, NULL, &foo);
      g_test_message ("case %zu", i);
      g_assert_cmpstr (found, ==, cases[i].want);
    }
}

static void
test_missing (Fixture *self, gconstpointer data)
{
  static const char *const files[] = { "init", "", NULL };
  static const char *const needs[] = { "bar", "baz", NULL };
  static const char *const two[] = { FOO, "2", "lib/modules/" K "/extra/bar.ko.xz", "", NULL };
  DkmsImageQuestion moved = foo;

  put_tool (self);
  put_image (self, "/boot/initrd.img-" K, files);
  fixture_put (self, "/etc/initramfs-tools/modules", "foo\n");
  g_autofree char *named = check (self, NULL, &foo);
  g_assert_cmpstr (named, ==,
                   "image-missing problem: the boot image /boot/initrd.img-" K
                   " lacks foo, which /etc/initramfs-tools/modules names" UPDATE);
  fixture_put (self, "/etc/initramfs-tools/modules", "");
  fixture_put (self, "/usr/share/initramfs-tools/hooks/foo", "");
  g_autofree char *hooked = check (self, NULL, &foo);
  g_assert_true (g_str_has_prefix (hooked, "image-missing warning: ") && strstr (hooked, "hooks/foo is installed"));
  moved.name = "other";
  moved.replaced = TRUE;
  fixture_put (self, "/lib/modules/" K "/modules.order", "kernel/x.ko\nkernel/drivers/net/other.ko\n");
  g_autofree char *gone = check (self, NULL, &moved);
  g_assert_cmpstr (gone, ==,
                   "driver-gone-early warning: other replaces a module that boot images contain, so its device has no "
                   "driver until the root is mounted [Add other to /etc/initramfs-tools/modules, then run "
                   "'update-initramfs -u -k " K "'.]");
  fixture_put (self, "/lib/modules/" K "/kernel/drivers/net/other.ko.xz", ""); /* it is still there */
  g_autofree char *there = check (self, NULL, &moved);
  g_assert_cmpstr (there, ==, "");
  /* A module in the image without the ones it needs. */
  moved = foo;
  moved.needs = needs;
  put_image (self, "/boot/initrd.img-" K, two);
  g_autofree char *needed = check (self, NULL, &moved);
  g_assert_cmpstr (needed, ==,
                   "image-missing problem: the boot image /boot/initrd.img-" K
                   " lacks baz, which foo in it needs" UPDATE);
}

/* A kernel that does not contain the digest of a signature loads a module for it. */
static void
test_digests (Fixture *self, gconstpointer data)
{
  static const char *const alone[] = { FOO, "2", NULL },
                           *const both[] = { FOO, "2", "lib/modules/" K "/kernel/sha512-fast.ko", "", NULL },
                           *const none[] = { "init", "", NULL };
  g_autoptr (GPtrArray) names = g_ptr_array_new ();
  DkmsImageQuestion question = foo;

  put_tool (self);
  put_image (self, "/boot/initrd.img-" K, alone);
  question.digests = names;
  question.enforced = TRUE;
  g_autofree char *nothing = check (self, NULL, &question); /* that nothing computes it is another finding */
  g_assert_cmpstr (nothing, ==, "");
  g_ptr_array_add (names, (gpointer) "sha512_generic");
  g_ptr_array_add (names, (gpointer) "sha512_fast");
  g_autofree char *lacking = check (self, NULL, &question);
  g_assert_cmpstr (lacking, ==,
                   "image-digest problem: the boot image /boot/initrd.img-" K " holds foo, but not the module "
                   "sha512_generic that verifies its signature [Sign foo with sha256, or have the boot image contain "
                   "sha512_generic.]");
  question.enforced = FALSE; /* the kernel takes it for unsigned */
  g_autofree char *unenforced = check (self, NULL, &question);
  g_assert_cmpstr (unenforced, ==, "");
  question.enforced = TRUE;
  put_image (self, "/boot/initrd.img-" K, both);
  g_autofree char *reached = check (self, NULL, &question);
  g_assert_cmpstr (reached, ==, "");
  put_image (self, "/boot/initrd.img-" K, none);
  g_autofree char *later = check (self, NULL, &question); /* after the root is mounted */
  g_assert_cmpstr (later, ==, "");
}

static void
test_given_images (Fixture *self, gconstpointer data)
{
  static const char *const first[] = { FOO, "1", NULL }, *const second[] = { FOO, "2", NULL };
  g_autoptr (GPtrArray) images = g_ptr_array_new ();

  put_image (self, "/boot/a", first);
  put_image (self, "/boot/b", second);
  g_ptr_array_add (images, (gpointer) "/boot/a");
  g_ptr_array_add (images, (gpointer) "/boot/b");
  g_autofree char *good = check (self, images, &foo);
  g_assert_cmpstr (good, ==, "");
  g_ptr_array_set_size (images, 1);
  g_autofree char *stale = check (self, images, &foo); /* nothing is known about a command */
  g_assert_cmpstr (stale, ==,
                   "image-stale problem: the boot image /boot/a holds another build of foo than the one installed []");
  fixture_put (self, "/boot/a", "no image");
  g_autofree char *bad = check (self, images, &foo);
  g_assert_cmpstr (bad, ==,
                   "image-unreadable unknown: the boot image /boot/a cannot be read: a part of it has an unknown "
                   "format or compression []");
  g_ptr_array_set_size (images, 0);
  g_autofree char *none = check (self, images, &foo);
  g_assert_cmpstr (none, ==, "");
}

/* A user who may not read an image, or its directory. */
static void
test_refused (Fixture *self, gconstpointer data)
{
  enum { NOBODY = 65534 };
  static const char *const files[] = { FOO, "1", NULL };
  g_autofree char *image = g_strconcat (self->dir, "/boot/initrd.img-" K, NULL);
  g_autofree char *boot = g_strconcat (self->dir, "/boot", NULL);

  put_image (self, "/boot/initrd.img-" K, files);
  g_assert_cmpint (chmod (self->dir, 0755), ==, 0);
  for (gsize i = 0; i < 2; i++)
    {
      gboolean drop = geteuid () == 0;
      g_autofree char *found = NULL;

      g_assert_cmpint (chmod (i == 0 ? image : boot, 0), ==, 0);
      g_assert_true (!drop || seteuid (NOBODY) == 0);
      found = check (self, NULL, &foo);
      g_assert_true (!drop || seteuid (0) == 0);
      g_assert_cmpint (chmod (i == 0 ? image : boot, 0755), ==, 0);
      g_test_message ("%s", found);
      g_assert_true (g_str_has_prefix (found, "image-unreadable unknown: the boot image ")
                     && g_str_has_suffix (found, "cannot be read: Permission denied [Run the command as root.]"));
    }
}

static void
test_usual_places (Fixture *self, gconstpointer data)
{
  static const struct {
    DkmsImageTool tool;
    const char *path;
  } cases[] = { { DKMS_IMAGE_TOOL_NONE, "/lib/modules/" K "/initrd" },
                { DKMS_IMAGE_TOOL_NONE, "/boot/efi/0123/" K "/initrd" },
                { DKMS_IMAGE_TOOL_NONE, "/efi/token/" K "/initrd-1" },
                { DKMS_IMAGE_TOOL_MKINITFS, "/boot/initramfs-test" },
                { DKMS_IMAGE_TOOL_NONE, "/boot/booster-linux.img" },
                { DKMS_IMAGE_TOOL_NONE, "/boot/initramfs-linux.img" },
                { DKMS_IMAGE_TOOL_BOOSTER, "/boot/booster-linux.img" },
                { DKMS_IMAGE_TOOL_MKINITCPIO, "/own/image" },
                { DKMS_IMAGE_TOOL_NONE, "/boot/initrd-" K },
                { DKMS_IMAGE_TOOL_NONE, "/boot/initramfs-" K ".img" },
                { DKMS_IMAGE_TOOL_NONE, "/boot/initrd.img-" K } };

  self->places.install_tree = g_strdup ("/lib/modules");
  fixture_put (self, "/lib/modules/" K "/pkgbase", "linux\n");
  fixture_put (self, "/etc/machine-id", "0123\n");
  fixture_put (self, "/etc/kernel/entry-token", "token\n");
  fixture_put (self, "/etc/mkinitcpio.d/linux.preset", "PRESETS=('default')\ndefault_image=\"/own/image\"\n");
  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++) /* later ones have precedence */
    {
      fixture_put (self, cases[i].path, "");
      g_autoptr (GPtrArray) found = dkms_image_places (&self->places, K, cases[i].tool);
      g_test_message ("%s", cases[i].path);
      g_assert_cmpuint (found->len, ==, 1);
      g_assert_cmpstr (found->pdata[0], ==, cases[i].path);
    }
}

static void
test_commands (Fixture *self, gconstpointer data)
{
  static const struct {
    const char *file, *image, *want;
  } cases[]
      = { { "/sbin/mkinitfs", "/boot/initramfs-test", "mkinitfs " K },
          { "/usr/bin/mkinitcpio", "/boot/initramfs-linux.img", "mkinitcpio -P" },
          { "/usr/bin/booster", "/boot/booster-linux.img",
            "booster build --force --kernel-version " K " /boot/booster-linux.img" },
          { "/usr/bin/dracut", "/boot/initramfs.img", "dracut --force --kver " K },
          { "/usr/bin/dracut", "/efi/EFI/Linux/a.efi", "dracut --force --uefi --kver " K },
          { "/usr/bin/kernel-install", "/efi/EFI/Linux/a.efi", "kernel-install add " K " /lib/modules/" K "/vmlinuz" },
          { "/usr/bin/kernel-install", "/boot/initrd", "dracut --force --kver " K } };
  DkmsSettings settings = settings_of (self);

  fixture_put (self, "/etc/kernel/install.conf", "layout=uki\n");
  fixture_put (self, "/lib/modules/" K "/vmlinuz", "");
  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_autoptr (GPtrArray) images = g_ptr_array_new ();
      fixture_put (self, cases[i].file, "");
      g_ptr_array_add (images, (gpointer)(gsize)cases[i].image);
      g_autoptr (DkmsBootImages) read = dkms_boot_images_read (&settings, K, images);
      g_autofree char *command = dkms_boot_images_command (read);
      g_assert_cmpstr (command, ==, cases[i].want);
    }
}

#define ADD(name, func) g_test_add ("/boot-image/" name, Fixture, NULL, fixture_set_up, func, fixture_tear_down)

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  fixture_provide_helpers ();
  g_test_add_func ("/boot-image/copies", test_copies);
  g_test_add_func ("/boot-image/places-in-images", test_places_in_images);
  g_test_add_func ("/boot-image/verdicts", test_verdicts);
  ADD ("images", test_images);
  ADD ("missing", test_missing);
  ADD ("digests", test_digests);
  ADD ("given-images", test_given_images);
  ADD ("refused", test_refused);
  ADD ("usual-places", test_usual_places);
  ADD ("commands", test_commands);
  return g_test_run ();
}
