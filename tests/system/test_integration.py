"""Programs that packages and kernels call: common.postinst, the hooks, the autoinstaller."""
import json
import os
import pathlib
import re
import subprocess
import sys

import pytest
from conftest import ARCH, DKMS, K1, K2, strace

DATA = pathlib.Path(__file__).resolve().parents[2] / "data"
RUNNING = os.uname().release


@pytest.fixture
def postinst(root, tmp_path):
    link = tmp_path / "common.postinst"
    link.symlink_to(DKMS)

    def run(*arguments):
        return subprocess.run([link, "--root", root.path, *arguments], capture_output=True, text=True, check=False)
    return run


def states(root):
    return sorted(line.split(": ")[0].split(", ")[1] for line in root.status() if ": installed" in line)


# ---- common.postinst ----

def test_image_build_serves_every_kernel_with_headers(root, postinst):
    root.source()
    result = postinst("foo", "1.0")
    assert result.returncode == 0 and "chroot" in result.stdout and f"Building for {K1} and {K2}" in result.stdout
    assert states(root) == [K1, K2]


@pytest.mark.parametrize("arguments", [[], ["foo"]])
def test_name_and_version_are_needed(root, postinst, arguments):
    result = postinst(*arguments)
    assert result.returncode == 1 and "Usage: common.postinst NAME VERSION" in result.stderr


def test_running_and_newest(root, postinst):
    root.kernel(RUNNING)
    (root.path / "boot").mkdir()
    (root.path / "usr/bin").mkdir()
    (root.path / "usr/bin/dpkg").touch()
    for release in (K1, K2, "999.0.0-1-test"):
        (root.path / f"boot/config-{release}").touch()
    root.kernel("999.0.0-1-test")
    root.source()
    assert postinst("foo", "1.0").returncode == 0
    assert states(root) == sorted([RUNNING, "999.0.0-1-test"])


def test_newest_must_be_there(root, postinst):
    root.kernel(RUNNING)
    (root.path / "boot").mkdir()
    (root.path / "usr/bin").mkdir()
    (root.path / "usr/bin/dpkg").touch()
    (root.path / "boot/config-999.0.0-1-gone").touch()
    root.source()
    postinst("foo", "1.0")
    assert states(root) == [RUNNING]


def test_upgrade_in_a_chroot_serves_the_newest_only(root, postinst):
    (root.path / "boot").mkdir()
    (root.path / "usr/bin").mkdir()
    (root.path / "usr/bin/dpkg").touch()
    (root.path / "boot/config-999.0.0-1-test").touch()
    root.kernel("999.0.0-1-test")
    root.source()
    postinst("foo", "1.0", "", "", "upgrade")
    assert states(root) == ["999.0.0-1-test"]


def test_all_kernels_when_the_admin_says_so(root, postinst):
    root.kernel(RUNNING)
    root.framework("autoinstall_all_kernels=yes\n")
    root.source()
    postinst("foo", "1.0")
    assert states(root) == sorted([K1, K2, RUNNING])


def test_switched_off(root, postinst):
    root.source()
    (root.path / "etc/dkms/no-autoinstall").touch()
    assert postinst("foo", "1.0").returncode == 0 and root.status() == []


@pytest.mark.parametrize("line, added", [("AUTOINSTALL=no\n", True), ("AUTOINSTALL=\n", True), ("", True)])
def test_module_that_does_not_ask(root, postinst, line, added):
    root.source(conf=f"PACKAGE_NAME=foo\nPACKAGE_VERSION=1.0\nBUILT_MODULE_NAME=foo\nDEST_MODULE_LOCATION=/extra\n{line}")
    result = postinst("foo", "1.0")
    assert result.returncode == 0 and root.status() == ["foo/1.0: added"]
    assert "Nothing is built" in result.stdout


def test_override_can_switch_it_on(root, postinst):
    root.source(conf="PACKAGE_NAME=foo\nPACKAGE_VERSION=1.0\nBUILT_MODULE_NAME=foo\nDEST_MODULE_LOCATION=/extra\nSTRIP=no\n")
    (root.path / "etc/dkms/foo.conf").write_text("AUTOINSTALL=yes\n")
    postinst("foo", "1.0")
    assert states(root) == [K1, K2]


def test_second_run_starts_afresh(root, postinst):
    root.source()
    postinst("foo", "1.0")
    (root.src / "foo-1.0/foo.c").write_text("patched\n")
    result = postinst("foo", "1.0")
    assert "Removing the old registration" in result.stdout and states(root) == [K1, K2]
    assert (root.modules / K1 / "updates/dkms/foo.ko").read_text() == "patched\n"


def test_tarball_root(root, postinst, tmp_path):
    root.source()
    root.ok("build", "foo/1.0", "-k", K1)
    place = root.path / "opt/tarballs"
    place.mkdir(parents=True)
    root.ok("mktarball", "foo/1.0", "-k", K1, "--archive", place / "foo-1.0.dkms.tar.gz")
    root.ok("remove", "foo/1.0", "--all")
    result = postinst("foo", "1.0", "/opt/tarballs")
    assert result.returncode == 0 and "Loaded the build" in result.stdout and states(root) == [K1, K2]
    (place / "foo-1.0.dkms.tar.gz").write_text("damaged")
    assert postinst("foo", "1.0", "/opt/tarballs").returncode == 2


def test_arch_is_passed_on(root, postinst):
    root.source()
    postinst("foo", "1.0", "", "riscv64")
    assert root.status() == [f"foo/1.0, {K1}, riscv64: installed", f"foo/1.0, {K2}, riscv64: installed"]


def test_trees_that_the_admin_moved(root, postinst):
    root.framework("dkms_tree=/opt/tree\nsource_tree=/opt/src\n")
    root.source()
    (root.path / "opt").mkdir(exist_ok=True)
    root.src.rename(root.path / "opt/src")
    for _ in range(2):
        result = postinst("foo", "1.0")
        assert result.returncode == 0 and states(root) == [K1, K2], result
    assert "Removing the old registration of foo/1.0" in result.stdout
    assert (root.path / "opt/tree/foo/1.0/source").is_symlink() and not root.tree.exists()


def test_it_starts_no_second_dkms(root, tmp_path):
    """common.postinst works in one process: it starts no second dkms and parses no output."""
    link = tmp_path / "common.postinst"
    link.symlink_to(DKMS)
    root.source()
    trace = tmp_path / "trace"
    strace("-e", "trace=execve", "-o", trace, link, "--root", root.path, "foo", "1.0", check=True)
    assert states(root) == [K1, K2]
    started = re.findall(r'execve\("([^"]*)"', trace.read_text())
    assert [path for path in started if path.endswith(("/dkms", "/common.postinst"))] == [str(link)]


FAILS_ON_K1 = {"foo.c": "x", "pre.sh": f"#!/bin/sh\n[ $kernelver != {K1} ] || exit 7\n"}


@pytest.mark.parametrize("text, expected", [("", [K2]), ("continue_on_error=true\n", [K2]), ("continue_on_error=no\n", [])])
@pytest.mark.parametrize("directive, code", [("PRE_BUILD", 7), ("PRE_INSTALL", 101)])
def test_one_kernel_fails(root, postinst, text, expected, directive, code):
    """A failing build and a failing installation have the same result (Q-91)."""
    root.framework(text)
    root.source(extra=f'{directive}="pre.sh"\n', files=FAILS_ON_K1)
    result = postinst("foo", "1.0")
    assert result.returncode == code and states(root) == expected and f"not installed for: {K1}" in result.stderr


def test_excluded_kernel_is_not_a_failure(root, postinst):
    root.source(extra=f'BUILD_EXCLUSIVE_KERNEL="^{K2}"\n')
    assert postinst("foo", "1.0").returncode == 0 and states(root) == [K2]


def test_each_build_is_named_once(root, postinst):
    """The output as apt shows it."""
    root.source()
    (root.modules / K2).rename(root.path / "away")
    result = postinst("foo", "1.0")
    assert result.returncode == 0
    assert sum(K1 in line and "foo/1.0" in line for line in result.stdout.splitlines()) == 1, result.stdout
    assert sum("Building" in line for line in result.stdout.splitlines()) == 2, "the build, and make"


def test_kernels_without_headers_and_boot_kernels(root, postinst):
    (root.modules / "6.2.0-BOOT/build").mkdir(parents=True)
    (root.modules / "6.3.0-bare/build").mkdir(parents=True)
    root.source()
    result = postinst("foo", "1.0")
    assert result.returncode == 0 and states(root) == [K1, K2]
    assert "6.3.0-bare are missing" in result.stdout and "6.2.0-BOOT" in result.stdout


def test_no_kernel_at_all(root, postinst):
    for kernel in (K1, K2):
        (root.modules / kernel).rename(root.path / f"away-{kernel}")
    root.source()
    result = postinst("foo", "1.0")
    assert result.returncode == 0 and "Warning" in result.stderr and root.status() == ["foo/1.0: added"]


def test_bad_conf_is_fatal(root, postinst):
    root.source(conf="PACKAGE_NAME=foo\n")
    assert postinst("foo", "1.0").returncode == 8


# ---- hooks ----

@pytest.fixture
def hooks(tmp_path):
    """The installed scripts below a directory, with a dkms that records its calls."""
    place = tmp_path / "sys"
    values = {"@sbindir@": place / "sbin", "@libdir@": place / "lib", "@moddir@": place / "modules", "@kconfdir@": place / "kernel",
              "@confdir@": place / "etc"}
    targets = {"hooks/dkms_autoinstaller.in": "lib/dkms_autoinstaller", "hooks/kernel-postinst.in": "kernel/postinst.d/dkms",
               "hooks/kernel-preinst": "kernel/preinst.d/dkms", "hooks/kernel-prerm": "kernel/prerm.d/dkms",
               "hooks/kernel-install-debian.in": "install.d/debian", "hooks/kernel-install-redhat": "install.d/redhat"}
    for source, target in targets.items():
        text = (DATA / source).read_text()
        for mark, value in values.items():
            text = text.replace(mark, str(value))
        (place / target).parent.mkdir(parents=True, exist_ok=True)
        (place / target).write_text(text)
        (place / target).chmod(0o755)
    (place / "modules" / K1 / "build/include").mkdir(parents=True)
    (place / "sbin").mkdir()

    def run(script, *arguments, status=0, dkms=True):
        program = place / "sbin/dkms"
        program.unlink(missing_ok=True)
        (place / "calls").unlink(missing_ok=True)
        if dkms:
            program.write_text(f'#!/bin/sh\n[ "$DKMS_PLAIN" ] || echo live >> {place}/calls\necho "$@" >> {place}/calls\nexit {status}\n')
            program.chmod(0o755)
        env = dict(os.environ, PATH=f"{place}/sbin:/usr/bin:/bin")
        result = subprocess.run([place / script, *arguments], capture_output=True, text=True, env=env, check=False)
        calls = (place / "calls").read_text().splitlines() if (place / "calls").exists() else []
        return result.returncode, calls
    run.place = place
    return run


AUTOINSTALL = [f"autoinstall --kernelver {K1}"]


@pytest.mark.parametrize("script, arguments, status, expected", [
    ("lib/dkms_autoinstaller", ["start", K1], 0, (0, AUTOINSTALL)), ("lib/dkms_autoinstaller", ["start", K1], 11, (1, AUTOINSTALL)),
    ("lib/dkms_autoinstaller", ["start", "6.0-no-headers"], 0, (0, [])), ("lib/dkms_autoinstaller", ["stop"], 0, (0, [])),
    ("lib/dkms_autoinstaller", ["status"], 0, (0, [])), ("lib/dkms_autoinstaller", ["reload"], 0, (0, [])),
    ("lib/dkms_autoinstaller", ["nonsense"], 0, (2, [])), ("lib/dkms_autoinstaller", [], 0, (2, [])),
    ("kernel/postinst.d/dkms", [K1, "/boot/vmlinuz"], 0, (0, AUTOINSTALL)), ("kernel/postinst.d/dkms", [K1], 21, (0, AUTOINSTALL)),
    ("kernel/preinst.d/dkms", [K1], 14, (0, [f"kernel_preinst -k {K1}"])), ("kernel/prerm.d/dkms", [K1], 14, (0, [f"kernel_prerm -k {K1}"])),
    ("install.d/debian", ["add", K1, "/boot/x"], 11, (0, AUTOINSTALL)), ("install.d/debian", ["remove", K1], 5, (0, [f"kernel_prerm -k {K1}"])),
    ("install.d/redhat", ["add", K1], 11, (0, [f"kernel_postinst --kernelver {K1}"])),
    ("install.d/redhat", ["remove", K1], 14, (0, [f"kernel_prerm --kernelver {K1}"])), ("install.d/redhat", ["inspect", K1], 0, (0, [])),
])
def test_hook(hooks, script, arguments, status, expected):
    assert hooks(script, *arguments, status=status) == expected


@pytest.mark.parametrize("text, status", [("", 0), ("continue_on_error=true\n", 0), ("continue_on_error=false\n", 1), ("# nothing\n", 0)])
def test_continue_on_error_decides_whether_a_kernel_is_configured(hooks, text, status):
    (hooks.place / "etc/framework.conf.d").mkdir(parents=True)
    (hooks.place / "etc/framework.conf.d/mine.conf").write_text(text)
    assert hooks("kernel/postinst.d/dkms", K1, status=11) == (status, AUTOINSTALL)
    assert hooks("kernel/postinst.d/dkms", K1, status=0) == (0, AUTOINSTALL)


def test_autoinstaller_takes_the_running_kernel(hooks):
    (hooks.place / "modules" / RUNNING / "build/include").mkdir(parents=True)
    assert hooks("lib/dkms_autoinstaller", "start") == (0, [f"autoinstall --kernelver {RUNNING}"])


@pytest.mark.parametrize("script", ["lib/dkms_autoinstaller", "kernel/postinst.d/dkms", "kernel/preinst.d/dkms", "kernel/prerm.d/dkms"])
def test_hooks_of_a_removed_dkms_do_nothing(hooks, script):
    assert hooks(script, *(["start", K1] if "auto" in script else [K1]), dkms=False) == (0, [])


def test_hooks_without_the_autoinstaller(hooks):
    (hooks.place / "lib/dkms_autoinstaller").unlink()
    assert hooks("kernel/postinst.d/dkms", K1) == (0, [])


@pytest.mark.parametrize("path", sorted(p.relative_to(DATA) for p in DATA.rglob("*") if p.is_file() and p.read_text().startswith("#!")))
def test_scripts_have_no_syntax_errors(path):
    first = (DATA / path).read_text().splitlines()[0]
    checker = [sys.executable, "-c", "import ast, sys; ast.parse(open(sys.argv[1]).read())"] if "python" in first else \
        ["bash" if "bash" in first else "sh", "-n"]
    subprocess.run([*checker, DATA / path], check=True)


def test_shipped_framework_conf_changes_nothing(root):
    text = (DATA / "framework.conf").read_text()
    assert all(not line or line.startswith("#") for line in text.splitlines())
    for variable in ("source_tree dkms_tree install_tree tmp_location verbose symlink_modules autoinstall_all_kernels sign_file try_sign_modules "
                     "mok_signing_key mok_certificate modprobe_on_install parallel_jobs compress_gzip_opts compress_xz_opts compress_zstd_opts "
                     "build_environment post_transaction continue_on_error").split():
        assert f"\n#{variable}=" in text
    root.framework(text)
    trace = strace("-e", "trace=execve", DKMS, "--root", root.path, "status", check=True)
    assert trace.stderr.count("execve(") == 1, "a file with comments only is read without a shell"
    examples = "\n".join(line[1:] for line in text.splitlines() if line.startswith("#") and "=" in line and line[1].isalpha() and " " not in line.split("=")[0])
    subprocess.run(["sh", "-n"], input=examples, text=True, check=True)


VERBS = ("add", "build", "install", "uninstall", "unbuild", "remove", "autoinstall", "prune", "sign", "status", "explain", "log", "report", "verify", "doctor", "secureboot", "forecast", "cache", "matrix", "match", "mktarball",
         "ldtarball", "generate_mok", "kernel_preinst", "kernel_postinst", "kernel_prerm")
EVERYWHERE = {"/usr/lib/dkms/dkms-motd", "/usr/lib/dkms/dkms-after-upgrade", *(f"/usr/share/dkms/schema/1/{name}.json" for name in ("command", *VERBS)), "/usr/sbin/dkms", "/etc/dkms/framework.conf", "/usr/share/man/man8/dkms.8", "/usr/share/man/man5/dkms.conf.5",
              "/usr/share/man/man5/dkms-framework.conf.5", "/usr/share/man/man5/dkms-cache-trust.5", "/usr/share/bash-completion/completions/dkms",
              "/usr/share/fish/vendor_completions.d/dkms.fish", "/usr/share/locale/de/LC_MESSAGES/dkms.mo", *(f"/usr/libexec/dkms/dkms-{n}" for n in ("archive", "compress", "depmod", "entry", "facts", "modinfo", "sandbox", "sign", "table", "transfer", "trust"))}
VERIFY = {f"/usr/lib/systemd/system/dkms-verify{n}" for n in (".service", ".timer", ".path", "-later.timer")} | {f"/usr/lib/systemd/system/dkms-forecast{n}" for n in (".service", ".timer")}
SYSTEMD = VERIFY | {"/usr/lib/systemd/system/dkms.service", "/usr/lib/systemd/catalog/dkms.catalog", "/usr/lib/sysusers.d/dkms.conf"}
OPENRC = {"/etc/init.d/dkms", "/etc/cron.daily/dkms", "/usr/lib/sysusers.d/dkms.conf"}
ZSH = {"/usr/share/zsh/site-functions/_dkms"}
DEBIAN = VERIFY | {"/etc/apt/apt.conf.d/60dkms", "/etc/apt/apt.conf.d/50dkms", "/usr/lib/dkms/forecast-apt", "/usr/lib/dkms/forecast-run", "/etc/needrestart/conf.d/60-dkms.conf", "/etc/molly-guard/run.d/60-dkms", "/usr/share/zsh/vendor-completions/_dkms", "/usr/lib/dkms/dkms_autoinstaller", "/usr/lib/dkms/dkms-autopkgtest", "/usr/share/apport/package-hooks/dkms_packages.py", "/usr/lib/sysusers.d/dkms.conf",
          "/usr/lib/systemd/catalog/dkms.catalog",
          "/usr/lib/kernel/install.d/40-dkms.install",
          *(f"/etc/kernel/{n}.d/dkms" for n in ("postinst", "header_postinst", "preinst", "prerm"))}
REDHAT = {"/usr/lib/kernel/install.d/40-dkms.install"} | SYSTEMD | ZSH
DNF = {"/usr/lib/dkms/forecast-run", "/usr/lib/python3/site-packages/dnf-plugins/dkms_forecast.py"}
ARCH = {"/usr/share/libalpm/scripts/dkms-hook", "/usr/share/libalpm/scripts/dkms-forecast-hook", "/usr/lib/dkms/forecast-run",
        "/usr/share/libalpm/hooks/60-dkms-forecast.hook", *(f"/usr/share/libalpm/hooks/70-dkms-{n}.hook" for n in ("prepare", "finish")),
        "/usr/share/libalpm/hooks/90-dkms-verify.hook"} | SYSTEMD | ZSH


@pytest.mark.parametrize("distro, init, files", [("debian", "auto", DEBIAN), ("redhat", "auto", REDHAT), ("redhat-dnf", "auto", REDHAT | DNF), ("arch", "auto", ARCH),
                                                 ("generic", "none", ZSH), ("generic", "openrc", OPENRC | ZSH), ("generic", "systemd", SYSTEMD | ZSH)])
def test_make_install_brings_the_files_of_the_family(tmp_path, distro, init, files):
    dnf = "/usr/lib/python3/site-packages/dnf-plugins" if distro == "redhat-dnf" else ""
    subprocess.run(["meson", "setup", tmp_path / "b", DATA.parent, f"-Ddistro={distro.removesuffix('-dnf')}", f"-Dinit={init}",
                    f"-Ddnf_plugins={dnf}"], check=True, capture_output=True)
    listing = (tmp_path / "b/meson-info/intro-installed.json").read_text()
    assert set(json.loads(listing).values()) == EVERYWHERE | files
