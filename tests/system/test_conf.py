"""The language of recipes, overrides and framework.conf."""
import os
import pwd

import pytest

from conftest import ARCH, DKMS, K1, K2, strace


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
    """All zfs-dkms and spl-dkms packages write values in this way."""
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
    # The meaning that the author intended. The reference reads "\\ M=" in the first and "$( echo -C echo" in the second.
    ("MAKE='make -C $kernel_source_dir \\\n  M=$dkms_tree/foo/1.0/build'", "-C {h} M={b}"),
    ("MAKE='make $(\necho -C\necho $kernel_source_dir\n) M=$dkms_tree/foo/1.0/build'", "-C {h} M={b}"),
    ("MAKE=(\"make  -C\n$kernel_source_dir M=$dkms_tree/foo/1.0/build\")", "-C {h} M={b}")])
def test_make_over_several_lines(root, make, command):
    root.source(extra=make + "\n")
    root.ok("build", "foo/1.0", "-k", K1, "-j", "2")
    expected = command.format(h=f"{root.modules}/{K1}/build", b=f"{root.tree}/foo/1.0/build")
    assert f"# command: make -j2 KERNELRELEASE={K1} {expected}\n" in log_of(root)


def test_folding_is_for_every_directive(root):
    """Blanks at the ends of values are treated as in the reference."""
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


@pytest.mark.parametrize("recipe, directive, rc, line", [
    ("", "BUILD_EXCLUSIVE_KERNEL=^5", 77, ""), ("BUILD_EXCLUSIVE_KERNEL=^5\n", "BUILD_EXCLUSIVE_KERNEL=^6", 0, ""),
    ("", "BUILD_EXCLUSIVE_ARCH=sparc", 77, ""), ("", "BUILD_EXCLUSIVE_KERNEL=[", 77, ""),
    ("MAKE[1]='cp foo.c foo.ko # one'\nMAKE_MATCH[1]=^6\n", "MAKE_MATCH[1]=^5", 0, "-C "),
    ("MAKE[1]='cp foo.c foo.ko # one'\n", "MAKE_MATCH[1]=^6", 0, "# one\n")])
def test_directive_with_an_expression(root, recipe, directive, rc, line):
    root.source(extra=recipe)
    assert root("build", "foo/1.0", "-k", K1, "--directive", directive).rc == rc
    assert rc != 0 or line in log_of(root)


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


@pytest.mark.parametrize("end, jobs", [("exit 0", None), ("exec true", None), ("kill -9 $BASHPID", None), ("set -u", "7"), ("set -e; false", "7"), ("return 3", "7"), ("exit() { :; }; exit 1", "7"),
                                       ("readonly parallel_jobs", "7"), ("set -f; IFS=x; set -o posix", "7"), ("unset PATH; cd /", "7")])
def test_framework_conf_that_ends_its_shell(root, end, jobs):
    """As in the reference, the settings of such a file are ignored, and those of others count. A warning is new."""
    drop_in = root.path / "etc/dkms/framework.conf.d"
    drop_in.mkdir()
    (drop_in / "a.conf").write_text("dkms_tree=/srv/dkms\n")
    (drop_in / "b.conf").write_text(f"parallel_jobs=7\n{end}\n")
    (drop_in / "c.conf").write_text("[ ! $parallel_jobs ] || tmp_location=/tmp\nverbose=\n")
    root.source()
    result = root.ok("build", "foo/1.0", "-k", K1)
    command = (root.path / f"srv/dkms/foo/1.0/{K1}/{ARCH}/log/make.log").read_text()
    assert (f"make -j{jobs} KERN" in command) if jobs else "make -j7 " not in command
    assert (f"Ignoring {drop_in}/b.conf: it ends its shell" in result.err) == (jobs is None)
    assert "b.conf" not in root.ok("--help").err


@pytest.mark.parametrize("line", ["sandbox=strict", "build_user=root"])
def test_framework_conf_about_confinement_must_be_whole(root, line):
    (root.path / "etc/dkms/framework.conf").write_text(f"{line}\nexit 0\n")
    root.source()
    result = root("add", "foo/1.0")
    assert result.rc == 8 and "ended its shell" in result.err


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


# ---- reading recipes ----

def nobody_owns(*paths):
    user = pwd.getpwnam("nobody")
    for path in paths:
        os.chown(path, user.pw_uid, user.pw_gid)


def test_file_beside_the_recipe(root, tmp_path):
    """A file named without a directory is found in the directory of the source, in any working directory of the caller."""
    directory = tmp_path / "checkout"
    root.source().rename(directory)
    (directory / "dkms.conf").write_text((directory / "dkms.conf").read_text().replace('"1.0"', '"$(cat VERSION)"') + ". ./common.sh\n")
    (directory / "VERSION").write_text("1.0\n")
    (directory / "common.sh").write_text("DEST_MODULE_NAME[0]=common\n")
    root.ok("add", directory, cwd="/")
    root.ok("install", "foo/1.0", "-k", K1, cwd="/")
    assert (root.modules / K1 / "updates/dkms/common.ko").exists()


def test_override_dest_module_location(root):
    extra = 'DEST_MODULE_LOCATION[0]="$(override_dest_module_location /extra/x)"\nPRE_INSTALL="say.sh $(override_dest_module_location /extra/x)"\n'
    for name, place in (("debian", "/updates/dkms"), ("fedora", "/extra"), ("gentoo", "/extra/x")):
        root.os_release(name)
        root.source(extra=extra, files={"foo.c": "x", "say.sh": "#!/bin/sh\necho said $1\n"})
        assert f"said {place}\n" in root.ok("install", "foo/1.0", "-k", K1).out
        assert (root.modules / K1 / place[1:] / "foo.ko").exists()
        root.ok("remove", "foo/1.0", "--all")


@pytest.mark.parametrize("crlf", [False, True])
@pytest.mark.parametrize("last", ["A=1; /bin/true", "A=1 && /bin/true", "/bin/false || /bin/true", "/bin/true", "(A=1; /bin/true)"])
def test_last_command_of_a_file_is_a_program(root, last, crlf):
    """bash must not replace itself by that program."""
    conf = root.source() / "dkms.conf"
    text = conf.read_text() + last + "\n"
    conf.write_text(text.replace("\n", "\r\n") if crlf else text, newline="")
    (root.path / "etc/dkms/framework.conf").write_text(f"parallel_jobs=7\n{last}\n")
    result = root.ok("install", "foo/1.0", "-k", K1)
    assert "make -j7 " in log_of(root) and "Ignoring " not in result.err


def test_byte_order_mark(root):
    conf = root.source() / "dkms.conf"
    conf.write_bytes(b"\xef\xbb\xbf" + conf.read_bytes().replace(b"\n", b"\r\n"))
    (root.path / "etc/dkms/framework.conf").write_bytes(b"\xef\xbb\xbfparallel_jobs=7\r\n")
    (root.path / "etc/dkms/foo.conf").write_bytes(b"\xef\xbb\xbfDEST_MODULE_NAME=bar\n")
    root.ok("install", "foo/1.0", "-k", K1)
    assert (root.modules / K1 / "updates/dkms/bar.ko").exists() and "make -j7 " in log_of(root)
    (root.path / "etc/dkms/framework.conf").write_bytes(b"\xef\xbb\xbf# parallel_jobs=7\n")
    assert root.ok("status").err == ""


def test_mended_recipe_knows_its_path(root):
    """Recipes with CR LF are passed to bash as text, and can still read files beside them."""
    root.source(extra='. "$(dirname "${BASH_SOURCE[0]}")/common.sh"\nPRE_BUILD="say.sh ${BASH_SOURCE##*/}"\n',
                files={"foo.c": "x", "common.sh": "DEST_MODULE_NAME=common\n", "say.sh": "#!/bin/sh\necho said $1\n"})
    conf = root.src / "foo-1.0/dkms.conf"
    conf.write_bytes(conf.read_bytes().replace(b"\n", b"\r\n"))
    root.ok("install", "foo/1.0", "-k", K1)
    assert (root.modules / K1 / "updates/dkms/common.ko").exists() and "\nsaid dkms.conf\n" in log_of(root)


@pytest.mark.skipif(os.geteuid() != 0, reason="files of others are made as root")
@pytest.mark.parametrize("user", ["", "build_user=nobody\n"])
@pytest.mark.parametrize("what", ["file", "directory", "override"])
def test_recipe_that_only_its_owner_may_read(root, what, user):
    """Without capabilities, root cannot read files of other users, and the build user cannot read files of root."""
    root.path.chmod(0o755)
    root.framework(user)
    source = root.source(extra="PRE_BUILD=say.sh\n", files={"foo.c": "x", "say.sh": "#!/bin/sh\necho said\n"})
    override = root.path / "etc/dkms/foo.conf"
    override.write_text("DEST_MODULE_NAME=bar\n")
    owned = {"file": source / "dkms.conf", "directory": source, "override": override}[what]
    owned.chmod(0o700)
    if not user:
        nobody_owns(owned)
    root.ok("install", "foo/1.0", "-k", K1)
    assert (root.modules / K1 / "updates/dkms/bar.ko").exists() and "\nsaid\n" in log_of(root)


def test_recipe_that_is_a_link(root, tmp_path):
    """The target of the link is in a directory that is hidden from recipes."""
    directory = tmp_path / "checkout"
    root.source().rename(directory)
    for place in (tmp_path, root.src):
        (place / "recipe").write_text((directory / "dkms.conf").read_text())
    (directory / "dkms.conf").unlink()
    (directory / "dkms.conf").symlink_to("../recipe")
    root.ok("add", directory)
    root.ok("install", "foo/1.0", "-k", K1)


@pytest.mark.parametrize("how", ["declare -a", "typeset", "local", "declare -x", "declare -g", "readonly", "export"])
def test_declared_values_count(root, how):
    """The reference also sources recipes in a function."""
    root.source(extra=f"{how} DEST_MODULE_NAME=([0]=bar)\n")
    (root.path / "etc/dkms/foo.conf").write_text("DEST_MODULE_LOCATION=/extra\n")
    root.ok("install", "foo/1.0", "-k", K1)
    assert (root.modules / K1 / "updates/dkms/bar.ko").exists()


def test_more_recipes_than_descriptors(root):
    names = [f"m{i}" for i in range(40)]
    for name in names:
        conf = root.source(name) / "dkms.conf"
        conf.write_bytes(conf.read_bytes().replace(b"\n", b"\r\n"))
        (root.tree / name / "1.0").mkdir(parents=True)
        (root.tree / name / "1.0/source").symlink_to(f"/usr/src/{name}-1.0")
    out = root.ok("autoinstall", "-k", K1, "--dry-run").out
    assert all(f"{name}/1.0" in out for name in names)


@pytest.mark.skipif(os.geteuid() != 0, reason="what is kept from root is tested as root")
@pytest.mark.parametrize("mode, rc", [("auto", 0), ("strict", 1)])
def test_recipe_is_not_read_unconfined_in_silence(root, tmp_path, mode, rc):
    directory = tmp_path / "checkout"
    root.source(extra=f"touch {tmp_path}/mark\n").rename(directory)
    (root.path / "etc/dkms/framework.conf").write_text(f"sandbox={mode}\n")
    result = strace("-o", "/dev/null", "-e", "inject=unshare:error=EPERM", DKMS, "--root", root.path, "add", directory, check=False,
                    env={"DKMS_CONFINED_TO": str(root.path)})
    assert result.returncode == rc and "namespaces: Operation not permitted" in result.stderr, result
    assert result.stderr.count("Evaluating recipes without a sandbox: ") == (mode == "auto")
    assert (tmp_path / "mark").exists() == (mode == "auto")


def test_status_of_one_kernel_reads_no_other_recipes(root):
    root.source(extra="echo evaluated for $kernelver >&2\n")
    root.ok("install", "foo/1.0", "-k", K1, "-k", K2)
    for record in root.tree.rglob(".record.json"):
        record.unlink()  # like builds of the reference
    for filters, kernels in ((["-k", K1], [K1]), (["-k", K1, "-k", K2], [K1, K2]), ([], [K1, K2]), (["-a", "sparc"], [])):
        result = root.ok("status", *filters)
        assert result.err == "".join(f"evaluated for {k}\n" for k in kernels), (filters, result)


def test_placeholder_is_explained(real):
    """The compiler's helpers fail without an explanation or, with make 4.4, the build gets a wrong version."""
    version = "#MODULE_VERSION#"
    real.source("foo", version, files={"foo.c": "#include <linux/module.h>\nMODULE_LICENSE(\"GPL\");\n", "Makefile": "obj-m := foo.o\n"})
    result = real("build", f"foo/{version}", "-k", real.release)
    assert result.rc in (0, 10) and result.err.count(f'PACKAGE_VERSION="{version}" in ') == 1, result
    assert "is a placeholder that was not filled in. Most versions of make cannot build in a directory with a '#'" in result.err


def test_expressions_in_a_root_without_devices(chrooted):
    chrooted.framework("sandbox=off\n")
    chrooted.source(extra="BUILD_EXCLUSIVE_KERNEL='^6'\nMAKE='cp foo.c foo.ko'\n")
    (chrooted.path / "dev/null").unlink()
    chrooted.ok("build", "foo/1.0", "-k", K1)
    assert not (chrooted.path / "dev/null").exists()
