"""What recipes, overrides and framework.conf can say."""
import pytest

from conftest import ARCH, K1, K2


def log_of(root, kernel=K1):
    return (root.tree / f"foo/1.0/{kernel}/{ARCH}/log/make.log").read_text()


def test_values_keep_quotes_and_are_not_globbed(root):
    root.source(extra="MAKE='true \"a  b\" *?[x] && make -C ${kernel_source_dir} M=${dkms_tree}/${PACKAGE_NAME}/1.0/build'\n")
    root.ok("build", "foo/1.0", "-k", K1)
    assert '# command: true "a b" *?[x] && make -C /' in log_of(root)


ZFS = """\
PACKAGE_CONFIG="/etc/dkms/foo.conf"
PRE_BUILD="configure
  --prefix=/usr
  --with-linux=$(
    if [ -e "${kernel_source_dir/%build/source}" ]
    then
      echo "${kernel_source_dir/%build/source}"
    else
      echo "${kernel_source_dir}"
    fi
  )
  --with-linux-obj="${kernel_source_dir}"
  $(
    [[ -n \\"${ICP_ROOT}\\" ]] && \\
    {
      echo --with-qat=\\"${ICP_ROOT}\\"
    }
  )
  $(
    [[ -r ${PACKAGE_CONFIG} ]] \\
    && source ${PACKAGE_CONFIG} \\
    && shopt -q -s extglob \\
    && \\
    {
      if [[ ${ENABLE_DEBUG,,} == @(y|yes) ]]
      then
        echo --enable-debug
      fi
    }
  )
"
POST_BUILD="scripts/post
  -n ${PACKAGE_NAME}
  -a ${arch}
\t-k ${kernelver}
"
"""


def test_values_over_several_lines_are_one_command(root):
    """As all zfs-dkms and spl-dkms write them."""
    say = "#!/bin/bash\nprintf \"$(basename $0)\"; printf ' <%s>' \"$@\"; echo\n"
    root.source(extra=ZFS, files={"foo.c": "x", "configure": say, "scripts/post": say})
    root.ok("install", "foo/1.0", "-k", K1)
    headers = f"{root.modules}/{K1}/build"
    assert f"\nconfigure <--prefix=/usr> <--with-linux={headers}> <--with-linux-obj={headers}> <--with-qat=>\n" in log_of(root)
    assert f"\npost <-n> <foo> <-a> <{ARCH}> <-k> <{K1}>\n" in log_of(root)
    assert f"# command: cd {root.tree}/foo/1.0/build/ && {root.tree}/foo/1.0/build/configure --prefix=/usr --with-linux=" in log_of(root)


@pytest.mark.parametrize("make, command", [
    ("MAKE=\"make -C ${kernel_source_dir}\n  KSRC=x\n\tM=${dkms_tree}/foo/1.0/build\"", "-C {h} KSRC=x M={b}"),
    ("MAKE='make -C ${kernel_source_dir}\n  M=${dkms_tree}/foo/1.0/build\n'", "-C {h} M={b} "),
    # As the author meant them; the reference makes "\\ M=" of the first and "$( echo -C echo" of the second.
    ("MAKE='make -C $kernel_source_dir \\\n  M=$dkms_tree/foo/1.0/build'", "-C {h} M={b}"),
    ("MAKE='make $(\necho -C\necho $kernel_source_dir\n) M=$dkms_tree/foo/1.0/build'", "-C {h} M={b}"),
    ("MAKE=(\"make  -C\n$kernel_source_dir M=$dkms_tree/foo/1.0/build\")", "-C {h} M={b}")])
def test_make_over_several_lines(root, make, command):
    root.source(extra=make + "\n")
    root.ok("build", "foo/1.0", "-k", K1, "-j", "2")
    expected = command.format(h=f"{root.modules}/{K1}/build", b=f"{root.tree}/foo/1.0/build")
    assert f"# command: make -j2 KERNELRELEASE={K1} {expected}\n" in log_of(root)


def test_folding_is_for_every_directive(root):
    """What a blank at an end makes of a value is the reference's, too."""
    root.source(extra='PATCH=("a\n")\n')
    assert root("build", "foo/1.0", "-k", K1).rc == 5
    for line, code in (('DEST_MODULE_LOCATION[0]=" /updates"', 8), ('AUTOINSTALL="yes\n"', 8), ('BUILD_EXCLUSIVE_ARCH="' + ARCH + '\n"', 77),
                       ('BUILD_EXCLUSIVE_CONFIG="CONFIG_MODULES\n  !CONFIG_X"', 0), ('PACKAGE_NAME="foo\n"', 0)):
        root("remove", "foo/1.0", "--all")
        root.source(extra=line + "\n")
        assert root("build", "foo/1.0", "-k", K1).rc == code, line


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
        assert f"{name} a {K1} foo/1.0 " in out or name == "POST_ADD" and f"{name} a " in out
    assert f"POST_REMOVE a {K1} foo/1.0 " in root.ok("uninstall", "foo/1.0", "-k", K1).out


def test_missing_script_is_a_warning(root):
    root.source(extra="PRE_INSTALL=nothing.sh\n")
    assert "nothing.sh" in root.ok("install", "foo/1.0", "-k", K1).err
