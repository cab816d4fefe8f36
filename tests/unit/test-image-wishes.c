/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which modules the configuration of a machine wants in its boot images. */
#include "verify/image-wishes.h"

#include <string.h>
#include <unistd.h>

#include "check/shell-list.h"
#include "fixture.h"

#define K "6.1.0-1-test"

static void
test_shell_lists (void)
{
  static const struct {
    const char *text, *want;
  } cases[] = {
    { "", "" },
    { "A=one", "one" },
    { "A=\"one two\"\n", "one two" },
    { "A+=\" one \"\nA+=\" two \"", "one two" },
    { "A=one\nA=two", "two" },
    { "A=one\nA+=' two'", "one two" },
    { "A=(one 'two' \"three\" # four\n five)\nB=(six)", "one two three five" },
    { "A=\"one\ntwo\"", "one two" },
    { "# A=one\n  A=two # three", "two" },
    { "A=\"one $B ${C} `d` e\\f two\"", "one two" },
    { "AA=one\nBA=two\nA =three", "" },
    { "echo A=one", "" },
    { "A=\"one", "one" },
    { "A=(one", "one" },
    { "A=(one\n", "one" },
    { "A=()", "" },
    { "A=one; B=two", "one" },
    { "A=(#\n", "" },
  };

  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_autoptr (GPtrArray) words = g_ptr_array_new_with_free_func (g_free);
      dkms_shell_list_read (cases[i].text, "A", words);
      g_ptr_array_add (words, NULL);
      g_autofree char *found = g_strjoinv (" ", (char **)words->pdata);
      g_test_message ("%s", cases[i].text);
      g_assert_cmpstr (found, ==, cases[i].want);
    }
}

static int
compare_names (gconstpointer a, gconstpointer b)
{
  return strcmp (a, b);
}

/* Returns: (transfer full): "NAME<BY " for each wish, in order */
static char *
join (GHashTable *wishes)
{
  GString *out = g_string_new (NULL);
  GList *names = g_list_sort (g_hash_table_get_keys (wishes), compare_names);

  for (GList *at = names; at != NULL; at = at->next)
    g_string_append_printf (out, "%s<%s ", (char *)at->data, (char *)g_hash_table_lookup (wishes, at->data));
  g_list_free (names);
  return g_string_free (out, FALSE);
}

#define WISHES(call)                                                                                                   \
  ({                                                                                                                   \
    g_autoptr (GHashTable) to = dkms_image_wishes_new ();                                                              \
    call;                                                                                                              \
    join (to);                                                                                                         \
  })

static void
assert_configured (const Fixture *self, DkmsImageTool tool, const char *want)
{
  g_autoptr (DkmsModuleIndex) index = dkms_module_index_read (&self->places, K);
  g_autofree char *found = WISHES (dkms_image_wishes_configured (to, self->places.root, tool, index));

  g_assert_cmpstr (found, ==, want);
}

static void
assert_hooks (const Fixture *self, DkmsImageTool tool, const char *want)
{
  g_autofree char *found = WISHES (dkms_image_wishes_hooks (to, self->places.root, tool));

  g_assert_cmpstr (found, ==, want);
}

static void
test_configurations (Fixture *self, gconstpointer data)
{
  self->places.install_tree = g_strdup ("/lib/modules");
  fixture_put (self, "/lib/modules/" K "/modules.dep",
               "kernel/fs/ext4.ko: kernel/fs/jbd2.ko\nupdates/dkms/a-b.ko.xz:\nextra/c.ko:\nextra/deep/d.ko:\n");
  fixture_put (self, "/etc/initramfs-tools/modules", "# one\n\na-b option=1\n  two\n");
  fixture_put (self, "/usr/share/initramfs-tools/modules.d/pkg", "three");
  fixture_put (self, "/usr/share/initramfs-tools/hooks/a-hook", "");
  fixture_put (self, "/etc/initramfs-tools/hooks/own", "");
  assert_configured (self, DKMS_IMAGE_TOOL_INITRAMFS_TOOLS,
                     "a_b</etc/initramfs-tools/modules three</usr/share/initramfs-tools/modules.d/pkg "
                     "two</etc/initramfs-tools/modules ");
  assert_hooks (self, DKMS_IMAGE_TOOL_INITRAMFS_TOOLS,
                "a_hook</usr/share/initramfs-tools/hooks/a-hook own</etc/initramfs-tools/hooks/own ");
  fixture_put (self, "/etc/dracut.conf", "add_drivers+=\" zero \"\n");
  fixture_put (self, "/usr/lib/dracut/dracut.conf.d/10-a.conf", "add_drivers+=\" hidden \"\n");
  fixture_put (self, "/usr/lib/dracut/dracut.conf.d/20-b.conf", "add_drivers+=\" one \"\n");
  fixture_put (self, "/etc/dracut.conf.d/10-a.conf", "force_drivers+=\" two \"\n");
  assert_configured (self, DKMS_IMAGE_TOOL_DRACUT,
                     "one</usr/lib/dracut/dracut.conf.d/20-b.conf two</etc/dracut.conf.d/10-a.conf "
                     "zero</usr/lib/dracut/dracut.conf.d/20-b.conf ");
  fixture_put (self, "/etc/mkinitcpio.conf", "MODULES=(one two?)\nHOOKS=(base zfs)\n");
  assert_configured (self, DKMS_IMAGE_TOOL_MKINITCPIO, "one</etc/mkinitcpio.conf two</etc/mkinitcpio.conf ");
  assert_hooks (self, DKMS_IMAGE_TOOL_MKINITCPIO, "base</etc/mkinitcpio.conf zfs</etc/mkinitcpio.conf ");
  fixture_put (self, "/etc/mkinitcpio.conf.d/x.conf", "MODULES=(three)\n");
  assert_configured (self, DKMS_IMAGE_TOOL_MKINITCPIO, "three</etc/mkinitcpio.conf.d/x.conf ");
  fixture_put (self, "/etc/booster.yaml",
               "universal: false\nmodules: -*,one,-two, kernel/sound/,extra/c.ko\nmodules_force_load: three\n");
  assert_configured (self, DKMS_IMAGE_TOOL_BOOSTER,
                     "c</etc/booster.yaml one</etc/booster.yaml three</etc/booster.yaml ");
  fixture_put (self, "/etc/mkinitfs/mkinitfs.conf", "features=\"base own ../../x\"\n");
  fixture_put (self, "/etc/mkinitfs/features.d/base.modules", "kernel/fs/ext4.ko*\n# extra\n");
  fixture_put (self, "/etc/mkinitfs/features.d/own.modules", "extra\nupdates/*/a-b.ko*\nupdates/*.ko*\n");
  fixture_put (self, "/etc/mkinitfs/features.d/off.modules", "kernel/fs/jbd2.ko\n");
  assert_configured (self, DKMS_IMAGE_TOOL_MKINITFS,
                     "a_b</etc/mkinitfs/features.d/own.modules c</etc/mkinitfs/features.d/own.modules "
                     "d</etc/mkinitfs/features.d/own.modules ext4</etc/mkinitfs/features.d/base.modules ");
  assert_configured (self, DKMS_IMAGE_TOOL_NONE, "");
}

static void
test_needed (Fixture *self, gconstpointer data)
{
  self->places.install_tree = g_strdup ("/lib/modules");
  fixture_put (self, "/lib/modules/" K "/modules.dep",
               "updates/zfs.ko: updates/spl.ko updates/a-b.ko\nupdates/spl.ko:\nupdates/c.ko: updates/d.ko\n");
  fixture_put (self, "/lib/modules/" K "/modules.softdep",
               "# x\nsoftdep zfs pre: soft-one post: two\nsoftdep c pre: e\n");
  g_autoptr (DkmsModuleIndex) index = dkms_module_index_read (&self->places, K);
  g_autoptr (DkmsModuleIndex) none = dkms_module_index_read (&self->places, "other");
  g_autoptr (GPtrArray) names = g_ptr_array_new ();
  g_ptr_array_add (names, (gpointer) "zfs");
  g_autofree char *found = WISHES (dkms_image_wishes_needed (to, index, names));
  g_assert_cmpstr (found, ==, "a_b<zfs soft_one<zfs spl<zfs two<zfs ");
  g_autofree char *nothing = WISHES (dkms_image_wishes_needed (to, none, names));
  g_assert_cmpstr (nothing, ==, "");
}

static void
test_directories (Fixture *self, gconstpointer data)
{
  const DkmsRoot *root = self->places.root;
  const DkmsImageTool tool = DKMS_IMAGE_TOOL_INITRAMFS_TOOLS;

  g_assert_true (dkms_image_wishes_place (root, tool, "kernel/drivers/net/ethernet/intel/e1000"));
  g_assert_true (dkms_image_wishes_place (root, tool, "kernel/drivers/scsi"));
  g_assert_false (dkms_image_wishes_place (root, tool, "kernel/drivers/net/wireless/realtek"));
  g_assert_false (dkms_image_wishes_place (root, tool, "kernel/drivers/network"));
  g_assert_false (dkms_image_wishes_place (root, tool, "kernel/drivers/gpu/drm"));
  g_assert_false (dkms_image_wishes_place (root, tool, "updates/drivers/net"));
  g_assert_false (dkms_image_wishes_place (root, DKMS_IMAGE_TOOL_DRACUT, "kernel/drivers/net"));
  fixture_put (self, "/etc/initramfs-tools/initramfs.conf", "MODULES=most\n");
  g_assert_true (dkms_image_wishes_place (root, tool, "kernel/drivers/net"));
  fixture_put (self, "/etc/initramfs-tools/conf.d/mine", "MODULES=dep\n");
  g_assert_false (dkms_image_wishes_place (root, tool, "kernel/drivers/net"));
}

static void
put_link (const Fixture *self, const char *path, const char *to)
{
  g_autofree char *full = g_strconcat (self->dir, path, NULL);
  g_autofree char *dir = g_path_get_dirname (full);

  g_assert_cmpint (g_mkdir_with_parents (dir, 0755), ==, 0);
  g_assert_cmpint (symlink (to, full), ==, 0);
}

/* The root is an encrypted part of an NVMe disk behind a controller. */
static void
test_root (Fixture *self, gconstpointer data)
{
  static const char disk[] = "/sys/devices/pci0/0000:01/nvme/nvme0/nvme0n1/nvme0n1p2";

  fixture_put (self, "/proc/self/mountinfo",
               "21 1 0:20 / /proc rw - proc proc rw\n22 1 8:1 / / rw - xfs /dev/sda rw\n"
               "23 1 253:0 / / rw,relatime shared:1 - ext4 /dev/mapper/root rw\n24 1 8:9 / /home rw - btrfs x rw\n");
  g_autofree char *size = g_strconcat (disk, "/size", NULL);
  fixture_put (self, size, "1");
  fixture_put (self, "/sys/devices/virtual/block/dm-0/size", "1");
  fixture_put (self, "/sys/module/nvme/version", "1");
  fixture_put (self, "/sys/module/vmd/version", "1");
  put_link (self, "/sys/bus/pci/drivers/nvme/module", "../../../../module/nvme");
  put_link (self, "/sys/bus/pci/drivers/vmd/module", "../../../../module/vmd");
  put_link (self, "/sys/devices/pci0/0000:01/driver", "../../../bus/pci/drivers/nvme");
  put_link (self, "/sys/devices/pci0/driver", "../../bus/pci/drivers/vmd");
  put_link (self, "/sys/dev/block/253:0", "../../devices/virtual/block/dm-0");
  put_link (self, "/sys/devices/virtual/block/dm-0/slaves/nvme0n1p2",
            "../../../../pci0/0000:01/nvme/nvme0/nvme0n1/nvme0n1p2");
  g_autofree char *found = WISHES (dkms_image_wishes_root (to, self->places.root));
  g_assert_cmpstr (found, ==, "ext4</ nvme</ vmd</ ");
}

#define ADD(name, func) g_test_add ("/image-wishes/" name, Fixture, NULL, fixture_set_up, func, fixture_tear_down)

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/image-wishes/shell-lists", test_shell_lists);
  ADD ("configurations", test_configurations);
  ADD ("needed", test_needed);
  ADD ("directories", test_directories);
  ADD ("root", test_root);
  return g_test_run ();
}
