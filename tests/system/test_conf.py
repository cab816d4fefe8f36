"""What recipes, overrides and framework.conf can say."""
from conftest import ARCH, K1, K2


def log_of(root, kernel=K1):
    return (root.tree / f"foo/1.0/{kernel}/{ARCH}/log/make.log").read_text()


def test_values_keep_blanks_and_quotes(root):
    root.source(extra="MAKE='true \"a  b\" *?[x] && make -C ${kernel_source_dir} M=${dkms_tree}/${PACKAGE_NAME}/1.0/build'\n")
    root.ok("build", "foo/1.0", "-k", K1)
    assert '# command: true "a  b" *?[x] && make -C /' in log_of(root)


def test_second_expansion_happens_once(root):
    root.source(extra="A='$B'\nB='$C'\nC=no\nMAKE='make -C $kernel_source_dir M=$dkms_tree/foo/1.0/build # $A'\n")
    root.ok("build", "foo/1.0", "-k", K1)
    assert "# $B\n" in log_of(root)


def test_overrides_in_etc(root):
    root.source(extra="PATCH[0]=p.patch\nPRE_BUILD=pre.sh\n",
                files={"foo.c": "one\n", "patches/p.patch": "broken", "pre.sh": "#!/bin/sh\nexit 1\n"})
    override = root.path / "etc/dkms/foo"
    (override / "patches").mkdir(parents=True)
    (override / "patches/p.patch").write_text("--- a/foo.c\n+++ b/foo.c\n@@ -1 +1 @@\n-one\n+patched\n")
    (override / "pre.sh").write_text("#!/bin/sh\necho \"admin's script for $kernelver in $PWD\"\n")
    (override / "pre.sh").chmod(0o755)
    (root.path / f"etc/dkms/foo--{K1}.conf").write_text("DEST_MODULE_NAME[0]=renamed\n")
    root.ok("install", "foo/1.0", "-k", K1, "-k", K2)
    assert (root.modules / K1 / "updates/dkms/renamed.ko").read_text() == "patched\n"
    assert (root.modules / K2 / "updates/dkms/foo.ko").exists()
    assert f"admin's script for {K1} in " in log_of(root)


def test_directive(root):
    root.source(extra="PRE_BUILD=pre.sh\n", files={"foo.c": "x", "pre.sh": "#!/bin/sh\necho got $MY_OWN\n"})
    root.ok("install", "foo/1.0", "-k", K1, "--directive", "DEST_MODULE_NAME=bar", "--directive=MY_OWN=a=b c")
    assert (root.modules / K1 / "updates/dkms/bar.ko").exists()
    assert "got a=b c" in log_of(root)


def test_framework_conf(root):
    drop_in = root.path / "etc/dkms/framework.conf.d"
    drop_in.mkdir()
    (root.path / "etc/dkms/framework.conf").write_text("dkms_tree=/wrong\nparallel_jobs=7\nmodule_injected=1\n")
    (drop_in / "a.conf").write_text("dkms_tree=/srv/dkms\r\n")
    root.source()
    root.ok("build", "foo/1.0", "-k", K1)
    log = root.path / f"srv/dkms/foo/1.0/{K1}/{ARCH}/log/make.log"
    assert "make -j7 KERNELRELEASE" in log.read_text()
    root.ok("build", "foo/1.0", "-k", K2, "-j", "0")
    assert "make -j KERNELRELEASE" in (root.path / f"srv/dkms/foo/1.0/{K2}/{ARCH}/log/make.log").read_text()


def test_destination_by_distribution(root):
    for name, like, place in (("ubuntu", "debian", "updates/dkms"), ("fedora", None, "extra"), ("opensuse-leap", "suse opensuse", "updates"),
                              ("arch", None, "updates/dkms"), ("alpine", None, "kernel/drivers/misc")):
        root.os_release(name, like)
        root.source()
        root.ok("install", "foo/1.0", "-k", K1)
        assert (root.modules / K1 / place / "foo.ko").exists(), name
        root.ok("remove", "foo/1.0", "--all")


def test_scripts_see_their_world(root):
    names = ("POST_ADD", "PRE_INSTALL", "POST_INSTALL", "POST_REMOVE")
    root.source(extra="".join(f'{n}="say.sh {n} \'a\'"\n' for n in names),
                files={"foo.c": "x", "say.sh": "#!/bin/sh\necho \"$1 $2 $kernelver $module/$module_version $PWD\"\n"})
    out = root.ok("install", "foo/1.0", "-k", K1).out
    for name in names[:3]:
        assert f"{name} 'a' {K1} foo/1.0 " in out or name == "POST_ADD" and f"{name} 'a' " in out
    assert f"POST_REMOVE 'a' {K1} foo/1.0 " in root.ok("uninstall", "foo/1.0", "-k", K1).out


def test_missing_script_is_a_warning(root):
    root.source(extra="PRE_INSTALL=nothing.sh\n")
    assert "nothing.sh" in root.ok("install", "foo/1.0", "-k", K1).err
