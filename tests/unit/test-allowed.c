/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What modprobe's configuration and the command line of the kernel allow, and rivals of modules. */
#include "verify/allowed.h"

#include <string.h>
#include <unistd.h>

#include "fixture.h"
#include "verify/modprobe-config.h"

#define K "6.1.0-1-test"

static DkmsSettings
settings_of (const Fixture *self)
{
  return (DkmsSettings){
    .places = { .root = self->places.root, .dkms_tree = (char *)"/tree", .install_tree = (char *)"/lib/modules" }
  };
}

static void
test_modprobe_lines (void)
{
  g_autoptr (GPtrArray) lines = dkms_modprobe_lines_new ();
  g_autoptr (GString) found = g_string_new (NULL);
  g_auto (GStrv) names = dkms_softdep_names ("pre: a-b c post: d");
  g_autofree char *joined = g_strjoinv (" ", names);

  dkms_modprobe_lines_parse (lines, "/f",
                             "# blacklist a\nblacklist  a-b \n\noptions c x=1 \\\n\ty=2\nblacklist\n"
                             "install d /bin/false\n  softdep e pre: f\\");
  for (guint i = 0; i < lines->len; i++)
    {
      const DkmsModprobeLine *line = lines->pdata[i];
      g_string_append_printf (found, "%s|%s|%s;", line->command, line->name, line->rest);
    }
  g_assert_cmpstr (found->str, ==, "blacklist|a_b|;options|c|x=1 y=2;install|d|/bin/false;softdep|e|pre: f\\;");
  g_assert_cmpstr (joined, ==, "a_b c d");
}

static void
test_modprobe_config (Fixture *self, gconstpointer data)
{
  g_autoptr (GString) found = g_string_new (NULL);
  g_autofree char *refused = NULL, *link = g_strconcat (self->dir, "/etc/modprobe.d/c.conf", NULL);

  fixture_put (self, "/usr/lib/modprobe.d/a.conf", "blacklist hidden\n");
  fixture_put (self, "/usr/lib/modprobe.d/b.conf", "blacklist two\n");
  fixture_put (self, "/lib/modprobe.d/c.conf", "blacklist masked\n");
  fixture_put (self, "/run/modprobe.d/a.conf", "blacklist one\n");
  fixture_put (self, "/usr/local/lib/modprobe.d/d.conf", "blacklist three\n");
  fixture_put (self, "/etc/modprobe.d/e.txt", "blacklist other\n");
  g_assert_cmpint (symlink ("/dev/null", link), ==, 0);
  g_autoptr (GPtrArray) lines = dkms_modprobe_config_read (self->places.root, &refused);
  for (guint i = 0; i < lines->len; i++)
    g_string_append_printf (found, "%s ", ((const DkmsModprobeLine *)lines->pdata[i])->name);
  g_assert_cmpstr (found->str, ==, "one two three ");
  g_assert_null (refused);
}

static void
test_allowed (Fixture *self, gconstpointer data)
{
  static const struct {
    const char *name, *want;
  } cases[]
      = { { "one", "blacklisted warning: /etc/modprobe.d/a.conf blacklists one, so it is only loaded by name []" },
          { "two",
            "install-override problem: /etc/modprobe.d/a.conf replaces loading two by a command: /bin/false []" },
          { "three", "install-override warning: /etc/modprobe.d/a.conf replaces loading three by a command: modprobe "
                     "--ignore-install three []" },
          { "four-x", "cmdline-blacklist problem: the command line of the kernel forbids four-x [Remove four-x from "
                      "module_blacklist on the command line of the kernel.]" },
          { "five", "cmdline-blacklist warning: the command line of the kernel forbids five [Remove five from "
                    "modprobe.blacklist on the command line of the kernel.]" },
          { "six", "" } };
  DkmsSettings settings = settings_of (self);

  fixture_put (self, "/etc/modprobe.d/a.conf",
               "blacklist one\ninstall two /bin/false\ninstall three modprobe --ignore-install three\n");
  g_autoptr (DkmsAllowed) allowed
      = dkms_allowed_new (&settings, K, "quiet module_blacklist=x,four_x modprobe.blacklist=five");
  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_autoptr (GPtrArray) findings = dkms_check_findings_new ();
      dkms_allowed_check (allowed, cases[i].name, findings);
      g_autofree char *found = fixture_show (findings);
      g_assert_cmpstr (found, ==, cases[i].want);
    }
}

static void
test_rivals (Fixture *self, gconstpointer data)
{
  static const struct {
    const char *name, *want;
  } cases[] = { { "r8125", "r8169" }, { "r8169", "r8125" }, { "usbmine", "" }, { "hidmine", "" }, { "nothing", "" } };
  DkmsSettings settings = settings_of (self);

  fixture_put (self, "/sys/bus/pci/devices/0000:01/modalias", "pci:v000010ECd00008125sv00001043sd1bc02sc00i00\n");
  fixture_put (self, "/sys/bus/usb/devices/1-1/modalias", "usb:v1234p5678d0100dc00dsc00dp00ic03isc01ip01in00\n");
  fixture_put (self, "/sys/bus/hid/devices/1/modalias", "hid:b0003g0001v0000056Ap00000374\n");
  fixture_put (
      self, "/lib/modules/" K "/modules.alias",
      "# Aliases\nalias pci:v000010ECd00008125sv*sd*bc*sc*i* r8125\nalias pci:v000010ECd00008125sv*sd*bc*sc*i* r8169\n"
      "alias pci:v000010ECd00008125sv*sd*bc*sc*i* off\nalias pci:v000010ECd00009999sv*sd*bc*sc*i* other\n"
      "alias pci:v*d*sv*sd*bc02sc00i00* class\nalias usb:v1234p5678d*dc*dsc*dp*ic*isc*ip*in* usbmine\n"
      "alias usb:v*p*d*dc*dsc*dp*ic03isc*ip*in* usbhid\nalias hid:b*g*v*p* hid_generic\n"
      "alias hid:b0003g*v0000056Ap00000374 hidmine\n");
  fixture_put (self, "/etc/modprobe.d/a.conf", "blacklist off\n");
  g_autoptr (DkmsAllowed) allowed = dkms_allowed_new (&settings, K, NULL);
  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_autoptr (GPtrArray) rivals = dkms_allowed_rivals (allowed, cases[i].name);
      g_ptr_array_add (rivals, NULL);
      g_autofree char *found = g_strjoinv (" ", (char **)rivals->pdata);
      g_assert_cmpstr (found, ==, cases[i].want);
      g_autoptr (GPtrArray) findings = dkms_check_findings_new ();
      dkms_rivals_check (allowed, cases[i].name, findings); /* the devices are those of another machine */
      g_assert_cmpuint (findings->len, ==, 0);
    }
}

#define ADD(name, func) g_test_add ("/allowed/" name, Fixture, NULL, fixture_set_up, func, fixture_tear_down)

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/allowed/modprobe-lines", test_modprobe_lines);
  ADD ("modprobe-config", test_modprobe_config);
  ADD ("allowed", test_allowed);
  ADD ("rivals", test_rivals);
  return g_test_run ();
}
