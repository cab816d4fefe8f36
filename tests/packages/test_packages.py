"""The packages for distributions are built, checked, and used in separate roots."""
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

import pytest

TOP = pathlib.Path(__file__).resolve().parents[2]
sys.path[:0] = [str(TOP / "tests/boot"), str(TOP / "tests/lib")]

import debian  # noqa: E402
import machine  # noqa: E402
from debian import run  # noqa: E402


# ---- Debian ----

@pytest.fixture(scope="module")
def debs(tmp_path_factory):
    return debian.packages(tmp_path_factory)


def test_lintian(debs):
    text = subprocess.run(["lintian", "--fail-on", "warning", *debs.glob("*.changes")], capture_output=True, text=True, check=False)
    assert text.returncode == 0 and text.stdout == "", text.stdout + text.stderr


def test_files_are_where_debian_has_them(debs):
    package = next(debs.glob("dkms_*.deb"))
    files = set(re.findall(r" \./(\S+)", run("dpkg-deb", "-c", package)))
    for file in ("usr/sbin/dkms", "usr/lib/dkms/common.postinst", "usr/lib/dkms/dkms_autoinstaller", "usr/lib/dkms/dkms-autopkgtest", "etc/dkms/framework.conf",
                 "etc/kernel/postinst.d/dkms", "etc/kernel/header_postinst.d/dkms", "etc/kernel/preinst.d/dkms", "etc/kernel/prerm.d/dkms",
                 "usr/lib/kernel/install.d/40-dkms.install", "usr/share/apport/package-hooks/dkms_packages.py",
                 "usr/share/bash-completion/completions/dkms", "usr/share/man/man8/dkms.8.gz", "usr/share/man/man5/dkms.conf.5.gz",
                 "usr/lib/sysusers.d/dkms.conf"):
        assert file in files, file
    assert not [file for file in files if file.endswith(".service")], "the hooks build modules; Debian's package has no service"
    conffiles = run("dpkg-deb", "-I", package, "conffiles").split()
    assert {"/etc/dkms/framework.conf", "/etc/dkms/framework.conf.d/autoinstall_all_kernels.conf"} <= set(conffiles) and "/etc/kernel/postinst.d/dkms" in conffiles


def test_relations_are_those_of_debian(debs):
    """Compilers are recommended, headers are not mentioned, and packages of drivers that are too old are in conflict."""
    package = next(debs.glob("dkms_*.deb"))
    fields = {name: run("dpkg-deb", "-f", package, name).strip() for name in ("Version", "Depends", "Recommends", "Suggests", "Breaks", "Provides", "Homepage")}
    assert fields["Recommends"] == "gcc | c-compiler" and "linux-headers" not in "".join(fields.values())
    assert fields["Provides"] == f"dkms-autopkgtest (= {fields['Version']})" and fields["Homepage"]
    assert "systemd-standalone-sysusers | systemd-sysusers" in fields["Depends"].split(", ")
    assert {"wireguard-dkms (<< 1.0.20210606-1.0)", "virtualbox-dkms (<< 5)"} <= set(fields["Breaks"].split(", "))
    # Packages of Debian 12 build for the kernel of Debian 12.
    assert ("dahdi-dkms" in fields["Breaks"]) != ("VERSION_ID=\"12\"" in pathlib.Path("/etc/os-release").read_text())


SOURCE_PACKAGE = {
    "control": "Source: lamp\nSection: kernel\nPriority: optional\nMaintainer: A <a@lamp.invalid>\nStandards-Version: 4.6.2\n"
               "Build-Depends: debhelper-compat (= 13)\n\nPackage: lamp-dkms\nArchitecture: all\nDepends: ${misc:Depends}\n"
               "Description: module of a lamp\n A module.\n",
    "changelog": "lamp (@) unstable; urgency=medium\n\n  * New.\n\n -- A <a@lamp.invalid>  Tue, 24 Nov 2026 12:00:00 +0000\n",
    "rules": "#!/usr/bin/make -f\n%:\n\tdh $@ --with dkms\n",
    "lamp-dkms.install": "lamp.c usr/src/lamp-@\nKbuild usr/src/lamp-@\n",
    "lamp-dkms.dkms": 'PACKAGE_NAME="lamp"\nPACKAGE_VERSION="#MODULE_VERSION#"\nBUILT_MODULE_NAME[0]="lamp"\n'
                      'DEST_MODULE_LOCATION[0]="/updates"\nAUTOINSTALL="yes"\n',
}


def write_module(directory, name, version):
    """The source of the example, with another name and version."""
    (directory / "Kbuild").write_text(f"obj-m := {name}.o\n")
    (directory / f"{name}.c").write_text((TOP / "examples/hello/hello.c").read_text().replace('"1.0"', f'"{version}"'))


def make_source_package(directory, version):
    source = directory / f"lamp-{version}"
    (source / "debian").mkdir(parents=True)
    for name, text in SOURCE_PACKAGE.items():
        (source / "debian" / name).write_text(text.replace("@", version) if name != "rules" else text)
    (source / "debian/rules").chmod(0o755)
    write_module(source, "lamp", version)


@pytest.fixture(scope="module")
def lamps(debs, root):
    """Two versions of a package that uses the debhelper add-on, built in the root in which the add-on is installed."""
    for version in ("1.0", "1.1"):
        make_source_package(root.path / "work", version)
        root.ok(f"cd /work/lamp-{version} && dpkg-buildpackage -us -uc -b -d")
    return root


@pytest.fixture(scope="module")
def root(tmp_path_factory, debs):
    """A new Debian in a chroot, with our packages."""
    root = debian.bootstrap("bookworm", tmp_path_factory.mktemp("debian") / "root")
    shutil.copytree(debs, root.path / "debs")
    try:
        root.ok("apt-get install -qq /debs/dkms_*.deb /debs/dh-dkms_*.deb dpkg-dev")
        yield root
    finally:
        root.delete()


def indexed(root, kernel):
    """The names of the modules in updates/dkms that modprobe finds."""
    text = (root.path / "lib/modules" / kernel / "modules.dep").read_text()
    return set(re.findall(r"^updates/dkms/([^/]+?)\.ko\S*:", text, re.M))


def obsolete(root):
    """Configuration files that dpkg keeps although the package does not contain them."""
    return sorted(line.split()[0] for line in root.ok("dpkg-query -W -f '${Conffiles}\n' dkms").splitlines() if line.endswith(" obsolete"))


SIX = ["v4l2loopback", "vpoll", "rapiddisk", "digimend", "evdi", "xtables-addons"]


@pytest.fixture(scope="module")
def kernels(root):
    """The releases of two kernels with headers in the archive. The headers of the first are installed."""
    names = [name for name in root.kernels_on_offer() if re.fullmatch(r"6[.]1[.]\S*-\d+-amd64", name)]
    assert len(names) >= 2
    old, new = sorted(names, key=debian.age)[-2:]
    root.ok(f"mkdir -p /boot; apt-get install -qq linux-headers-{old}")
    return old, new


def test_a_life(root, kernels):
    old, new = kernels
    # Six packages are built for the kernel with headers.
    text = root.ok("apt-get install -qq " + " ".join(f"{p}-dkms" for p in SIX))
    assert text.count("Building module(s)") >= 6 and "without a sandbox" not in text
    status = root.status()
    for name in SIX:
        assert any(line.startswith(name) and f", {old}, " in line and line.endswith(": installed") for line in status), status
    before = root.modules(old)
    assert len(before) >= 6
    # A second kernel with headers is installed: its hooks build all six packages.
    text = root.ok(f"apt-get install -qq linux-headers-{new} linux-image-{new}")
    assert text.count("Autoinstall on " + new) == 1
    assert root.modules(new) == before and indexed(root, new) >= set(before)
    # The same kernel is unpacked again.
    root.ok(f"apt-get install -qq --reinstall linux-image-{new}")
    assert root.modules(new) == before and indexed(root, new) >= set(before)
    # The kernel is removed, together with its builds.
    root.ok(f"apt-get purge -qq -y linux-image-{new} linux-headers-{new}")
    assert root.modules(new) == [] and not any(f", {new}, " in line for line in root.status())
    assert not (root.path / "lib/modules" / new).exists()
    # An upgrade to the dkms of the distribution, and back.
    state = root.status()
    (root.path / "etc/dkms/framework.conf.d/mine.conf").write_text("verbose=''\n")
    hook = root.path / "etc/kernel/preinst.d/dkms"
    text = hook.read_text()
    hook.write_text("#!/bin/sh\nexit 0\n") # a changed file is kept
    root.ok("apt-get install -qq --allow-downgrades dkms=$(apt-cache madison dkms | awk '{ print $3; exit }') dh-dkms-")
    assert obsolete(root) == ["/etc/kernel/preinst.d/dkms"] and not (root.path / "etc/dkms/framework.conf.d/autoinstall_all_kernels.conf").exists()
    assert root.modules(old) == before
    assert [line.split(" (")[0] for line in root.status()] == state
    root.ok("apt-get install -qq /debs/dkms_*.deb /debs/dh-dkms_*.deb; rm /etc/dkms/framework.conf.d/mine.conf")
    assert root.status() == state and root.modules(old) == before and obsolete(root) == []
    assert (root.path / "etc/dkms/framework.conf.d/autoinstall_all_kernels.conf").exists()
    assert hook.read_text() == "#!/bin/sh\nexit 0\n"
    hook.write_text(text)
    assert not (root.path / "etc/kernel/install.d/dkms").exists() and not (root.path / "etc/modprobe.d/dkms.conf").exists()
    # A second configuration changes nothing.
    root.ok("dpkg-reconfigure dkms")
    assert root.status() == state
    # The packages are removed.
    root.ok("apt-get purge -qq -y " + " ".join(f"{p}-dkms" for p in SIX))
    assert root.status() == [] and root.modules(old) == []
    assert [p.name for p in (root.path / "var/lib/dkms").iterdir() if not p.name.startswith(".") and p.is_dir()] == []


# Packages of Debian 12 from before Linux 6.12, with the cause of failure according to the errors of the compiler. The last three
# packages build.
CAUSES = {"adv-17v35x": "api-removed", "linux-apfs-rw": "api-removed", "ddcci": "api-removed", "dm-writeboost": "api-removed",
          "scap": "api-removed", "v4l2loopback": "api-removed", "dahdi": "api-arguments", "digimend": "api-type", "evdi": "api-type",
          "gost-crypto": "header-moved", "acpi-call": None, "bbswitch": None, "dpdk-kmods": None}
PACKAGES = {"linux-apfs-rw": "apfs-dkms", "scap": "falcosecurity-scap-dkms"} # other packages have the names of their modules


def test_causes_of_packages_that_are_too_old(root):
    """The sources are unpacked and not installed, because apt would install each for all kernels."""
    release = max((name for name in root.kernels_on_offer() if re.fullmatch(r"6[.]12[.][^-]*-amd64", name)), key=debian.age)
    packages = " ".join(PACKAGES.get(name, f"{name}-dkms") for name in CAUSES)
    root.ok(f"""apt-get install -qq dwarves; mkdir /work-old; cd /work-old; headers=linux-headers-{release}
        apt-get download -qq $headers $(apt-cache depends $headers | awk '/Depends: linux-(headers|kbuild)/ {{ print $2 }}') {packages} 2>&1
        for package in *.deb; do dpkg -x $package unpacked; done
        cp -a unpacked/usr/. /usr
        mkdir -p /lib/modules/{release}; ln -sfn /usr/src/$headers /lib/modules/{release}/build""")
    found = {}
    for name in CAUSES:
        (source,) = (root.path / "usr/src").glob(f"{name}-[0-9]*")
        module = f"{name}/{source.name.removeprefix(name + '-')}"
        text = root.run(f"dkms add {module} && dkms build {module} -k {release}").stdout
        answer = json.loads(root.ok(f"dkms explain {module} -k {release} --json || true"))
        found[name] = next((event["name"] for event in answer["events"] if event["event"] == "explain-sentence"), None)
        assert (found[name] is None) == any(line.startswith(f"{module}, {release}, ") and ": built" in line for line in root.status()), text
        if found[name]:
            assert re.search(rf"^  dkms explain {re.escape(module)} -k {re.escape(release)}$|Explanation: dkms explain", text, re.M), text
        root.ok(f"dkms remove {module} --all; rm -r /usr/src/{source.name}")
    assert found == CAUSES
    root.ok(f"rm -r /work-old /lib/modules/{release} /usr/src/linux-headers-{release} /usr/src/linux-headers-{release.removesuffix('-amd64')}-common")


def test_debhelper_add_on(lamps, kernels):
    old, _ = kernels
    text = lamps.ok("dpkg-deb -c /work/lamp-dkms_1.0_all.deb; dpkg-deb -I /work/lamp-dkms_1.0_all.deb")
    assert "./usr/src/lamp-1.0/dkms.conf" in text and re.search(r"Depends: .*dkms", text)
    lamps.ok("dpkg -i /work/lamp-dkms_1.0_all.deb")
    assert any(line.startswith(f"lamp/1.0, {old}, ") and line.endswith(": installed") for line in lamps.status()), lamps.status()
    # An upgrade leaves only the new version, and a removal leaves nothing.
    lamps.ok("dpkg -i /work/lamp-dkms_1.1_all.deb")
    assert {line.split(",")[0] for line in lamps.status()} == {"lamp/1.1"} and lamps.modules(old) == ["lamp"]
    assert not (lamps.path / "usr/src/lamp-1.0").exists()
    lamps.ok("dpkg --purge lamp-dkms")
    assert lamps.status() == [] and lamps.modules(old) == []


def test_headers_of_another_build_of_the_same_release(lamps, kernels):
    """Each change of the headers causes one build. A change of file times only causes none."""
    old, _ = kernels
    lamps.ok("dpkg -i /work/lamp-dkms_1.1_all.deb")
    installed = [line for line in lamps.status() if line.startswith(f"lamp/1.1, {old}, ") and line.endswith(": installed")]
    assert len(installed) == 1
    symbols = lamps.path / f"usr/src/linux-headers-{old}/Module.symvers"
    text = symbols.read_text()
    other, changed = re.subn(r"^0x[0-9a-f]{8}(\tmodule_layout\t)", r"0x12345678\1", text, flags=re.M)
    assert changed == 1

    def hooks():
        """The number of builds that the hook of header packages runs."""
        return lamps.ok(f"run-parts --exit-on-error --arg={old} /etc/kernel/header_postinst.d").count("Building module(s)")

    assert hooks() == 0
    for content in (other, text):
        symbols.write_text(content)
        assert [line for line in lamps.ok("dkms status --long").splitlines() if "stale" in line] == [f"{installed[0]} (stale: headers)"]
        assert hooks() == 1 and hooks() == 0
        (crc,) = re.findall(r"^0x([0-9a-f]{8})\tmodule_layout\t", content, re.M)
        assert f"0x{crc}\tmodule_layout" in lamps.ok(f"modprobe --dump-modversions $(find /lib/modules/{old} -name 'lamp.ko*')")
        os.utime(symbols)
        assert hooks() == 0 and "stale" not in lamps.ok("dkms status --long")
    assert lamps.status().count(installed[0]) == 1
    lamps.ok("dpkg --purge lamp-dkms")


def test_failing_module_keeps_no_kernel_from_being_configured(lamps, kernels):
    old, _ = kernels
    source = lamps.path / "usr/src/bad-1"
    source.mkdir()
    (source / "dkms.conf").write_text('PACKAGE_NAME=bad\nPACKAGE_VERSION=1\nBUILT_MODULE_NAME=bad\nDEST_MODULE_LOCATION=/updates\n'
                                      'AUTOINSTALL=yes\nMAKE="false"\n')
    (source / "bad.c").write_text("nothing\n")
    lamps.ok("dkms add bad/1")
    text = lamps.ok(f"run-parts --exit-on-error --arg={old} /etc/kernel/header_postinst.d")
    assert re.search(r"failed for:.* bad\(10\)\n(?:  .*\n)?  dkms explain bad/1 -k \S+", text), text
    (lamps.path / "etc/dkms/framework.conf.d/strict.conf").write_text("continue_on_error=false\n")
    assert lamps.run(f"run-parts --exit-on-error --arg={old} /etc/kernel/header_postinst.d").returncode != 0
    (lamps.path / "etc/dkms/framework.conf.d/strict.conf").unlink()
    lamps.ok("dkms remove bad/1 --all; rm -r /usr/src/bad-1")


def test_openrc_service(lamps, kernels):
    """openrc-run starts the service for the kernel that uname prints."""
    old, _ = kernels
    script = (TOP / "data/openrc/dkms.in").read_text().replace("@sbindir@", "/usr/sbin")
    # openrc of Debian lacks the services of a distribution that boots with it.
    for name, text in (("dkms", script), ("localmount", "#!/sbin/openrc-run\nstart () { :; }\n")):
        (lamps.path / "etc/init.d" / name).write_text(text)
        (lamps.path / "etc/init.d" / name).chmod(0o755)
    lamps.ok("apt-get install -qq openrc; mkdir -p /run/openrc; touch /run/openrc/softlevel; dpkg -i /work/lamp-dkms_1.1_all.deb; "
             f"dkms unbuild lamp/1.1 --all; mv /bin/uname /bin/uname.real; printf '#!/bin/sh\\necho {old}\\n' > /bin/uname; chmod +x /bin/uname")
    try:
        text = lamps.ok("rc-service dkms start")
        assert f"Autoinstall on {old} succeeded for: lamp" in text and lamps.modules(old) == ["lamp"]
        assert "started" in lamps.ok("rc-service dkms status")
        text = lamps.ok("rc-service dkms restart")
        assert "lamp" not in text, "nothing had to be done"
        lamps.ok("rc-service dkms stop; touch /etc/dkms/no-autoinstall; dkms uninstall lamp/1.1 --all; rc-service dkms start")
        assert lamps.modules(old) == []
    finally:
        lamps.ok("mv /bin/uname.real /bin/uname; rm -f /etc/dkms/no-autoinstall /etc/init.d/dkms /etc/init.d/localmount")
    lamps.ok("apt-get purge -qq -y lamp-dkms openrc")


CHECK_SERVICE = """\
[Unit]
After=dkms.service
[Service]
Type=oneshot
ExecStart=/check
StandardOutput=file:/dev/ttyS1
[Install]
WantedBy=multi-user.target
"""
CHECK = """\
#!/bin/sh
state () { systemctl show dkms -p ActiveState -p Result -p ExecMainStatus | tr = ' ' | sed "s/^/$1-/"; }
messages () { journalctl -u dkms -o cat _COMM=dkms | sed "s/^/$1-message /"; }
sleep 1
state boot
messages boot
echo "status $(dkms status)"
modprobe lamp && echo "version $(cat /sys/module/lamp/version)"
lines=$(messages '' | wc -l)
systemctl restart dkms
state again
echo "again-lines $(($(messages '' | wc -l) - lines))"
echo "order $(systemctl show dkms -p Before --value)"
echo "units $(systemctl --failed --plain --no-legend dkms.service)"
echo end
systemctl poweroff
"""


def test_service_at_boot(lamps, kernels, tmp_path):
    """A real systemd starts the unit for other distributions. It builds missing modules for the booted kernel, and has nothing to do
    when it is started again."""
    old, _ = kernels
    lamps.ok("mkdir -p /etc/initramfs-tools/conf.d; echo MODULES=list > /etc/initramfs-tools/conf.d/small; "
             "apt-get install -qq initramfs-tools; printf 'virtio_pci\\nvirtio_blk\\next4\\n' > /etc/initramfs-tools/modules; "
             f"apt-get install -qq linux-image-{old} systemd-sysv udev")
    lamps.ok("dpkg -i /work/lamp-dkms_1.1_all.deb; dkms unbuild lamp/1.1 --all")
    assert lamps.status() == ["lamp/1.1: added"]
    (lamps.path / "check").write_text(CHECK)
    (lamps.path / "check").chmod(0o755)
    (lamps.path / "etc/systemd/system/check.service").write_text(CHECK_SERVICE)
    (lamps.path / "etc/systemd/system/dkms.service").write_text((TOP / "data/dkms.service.in").read_text().replace("@sbindir@", "/usr/sbin"))
    lamps.ok("systemctl enable -q dkms.service check.service; passwd -q -d root")
    disk = tmp_path / "disk"
    run("truncate", "-s", "6G", disk)
    run("mkfs.ext4", "-q", "-d", lamps.path, disk)
    guest = machine.boot(tmp_path, "service", lamps.path / f"boot/vmlinuz-{old}", lamps.path / f"boot/initrd.img-{old}",
                        append="root=/dev/vda rw systemd.show_status=0", disk=disk).facts
    disk.unlink()
    assert (guest["boot-ActiveState"], guest["boot-Result"], guest["boot-ExecMainStatus"]) == ("active", "success", "0"), guest
    assert guest["status"] == f"lamp/1.1, {old}, x86_64: installed" and guest["version"] == "1.1"
    assert guest["boot-message"] == f"Autoinstall on {old} succeeded for: lamp"  # the last line
    assert guest["again-ActiveState"] == "active" and guest["again-lines"] == "0", "nothing is printed if nothing is to do"
    assert {"graphical.target", "multi-user.target"} <= set(guest["order"].split()) and guest["units"] == ""
    lamps.ok("systemctl disable -q dkms.service check.service; apt-get purge -qq -y lamp-dkms; "
             "rm -f /check /etc/systemd/system/check.service /etc/systemd/system/dkms.service")


EARLIER_POSTINST = """#!/bin/sh
set -e
deb-systemd-helper unmask dkms.service
deb-systemd-helper enable dkms.service
"""


def test_unit_of_an_earlier_package_goes(lamps):
    """Earlier packages of dkms had a service. After an upgrade, and after a purge, no link that enabled it is left."""
    tree = lamps.path / "work/earlier"
    for directory in ("DEBIAN", "lib/systemd/system", "etc/modprobe.d"):
        (tree / directory).mkdir(parents=True)
    (tree / "DEBIAN/control").write_text("Package: dkms\nVersion: 3.2.1-1\nArchitecture: all\nMaintainer: A <a@lamp.invalid>\nDescription: earlier\n")
    (tree / "DEBIAN/conffiles").write_text("/etc/modprobe.d/dkms.conf\n")
    (tree / "DEBIAN/postinst").write_text(EARLIER_POSTINST)
    (tree / "DEBIAN/postinst").chmod(0o755)
    (tree / "etc/modprobe.d/dkms.conf").write_text("# a stub\n")
    (tree / "lib/systemd/system/dkms.service").write_text("[Unit]\nDescription=x\n[Service]\nExecStart=/bin/true\n[Install]\nWantedBy=multi-user.target\n")
    lamps.ok("dpkg-deb -b /work/earlier /work/earlier.deb")
    link, stub = lamps.path / "etc/systemd/system/multi-user.target.wants/dkms.service", lamps.path / "etc/modprobe.d/dkms.conf"
    state = lamps.path / "var/lib/systemd/deb-systemd-helper-enabled/dkms.service.dsh-also"
    for options in (None, "options lamp bright=1\n"):
        lamps.ok("apt-get purge -qq dkms dh-dkms; dpkg -i /work/earlier.deb")
        assert link.is_symlink() and state.exists()
        if options:
            stub.write_text(options)
        lamps.ok("apt-get install -qq /debs/dkms_*.deb /debs/dh-dkms_*.deb")
        assert not link.is_symlink() and not state.exists() and not list(stub.parent.glob("dkms.conf?*"))
        assert (stub.read_text() if stub.exists() else None) == options, "settings of the administrator are kept"
    lamps.ok("apt-get purge -qq dkms; dpkg -i /debs/dkms_*.deb")
    assert not stub.exists()


def test_purge_leaves_nothing(lamps):
    lamps.ok("apt-get purge -qq -y dkms dh-dkms")
    left = [p for p in ("usr/sbin/dkms", "usr/lib/dkms", "usr/libexec/dkms", "var/lib/dkms", "etc/kernel/postinst.d/dkms",
                        "etc/dkms", "etc/modprobe.d/dkms.conf", "lib/systemd/system/dkms.service") if (lamps.path / p).exists()]
    assert left == []


# ---- other distributions ----

def test_rpm(tmp_path):
    run(TOP / "scripts/make-package", "rpm", tmp_path)
    package = next(tmp_path.glob("dkms-*.rpm"))
    target = tmp_path / "root"
    run("rpm", "--root", target, "-i", "--nodeps", "--noscripts", package)
    assert os.readlink(target / "usr/lib/dkms/common.postinst") == "../../sbin/dkms"
    for file in ("usr/sbin/dkms", "usr/libexec/dkms/dkms-sign", "usr/lib/dkms/common.postinst", "usr/lib/systemd/system/dkms.service",
                 "usr/lib/kernel/install.d/40-dkms.install", "etc/dkms/framework.conf"):
        assert (target / file).exists(), file
    assert not (target / "usr/lib/dkms/dkms_autoinstaller").exists()
    assert len(list((target / "usr/share/man").rglob("dkms*.[58]*"))) == 3 # compressed in some families
    assert "/etc/dkms/framework.conf" in run("rpm", "-qcp", package)
    # A manual upgrade keeps the files of the administrator.
    (target / "etc/dkms/framework.conf").write_text("# mine\n")
    run("rpm", "--root", target, "-U", "--force", "--nodeps", "--noscripts", package)
    assert (target / "etc/dkms/framework.conf").read_text() == "# mine\n"
    run("rpm", "--root", target, "-e", "--nodeps", "--noscripts", "dkms")
    assert not (target / "usr/sbin/dkms").exists()


def test_arch(tmp_path):
    version = re.search(r"^pkgver=(\S+)", (TOP / "packaging/PKGBUILD").read_text(), re.M)[1]
    assert "dev" not in version or run("vercmp", version, version.split("dev")[0]).strip() == "-1", "the release is newer than the development version"
    tmp_path.chmod(0o755)
    run(TOP / "scripts/make-package", "arch", tmp_path)
    package = next(tmp_path.glob("dkms-*.pkg.tar*"))
    target = tmp_path / "root"
    (target / "var/lib/pacman").mkdir(parents=True)
    run("pacman", "--root", target, "--noconfirm", "--noscriptlet", "-Udd", package)
    for file in ("usr/bin/dkms", "usr/share/libalpm/hooks/70-dkms-prepare.hook", "usr/share/libalpm/hooks/70-dkms-finish.hook",
                 "usr/share/libalpm/scripts/dkms-hook", "usr/lib/systemd/system/dkms.service", "etc/dkms/framework.conf"):
        assert (target / file).exists(), file
    assert "etc/dkms/framework.conf" in run("pacman", "--root", target, "-Qii", "dkms")


class Arch:
    """The root without Debian's packages of dkms, with pacman, whose transactions run the hooks."""

    def __init__(self, root, package):
        self.root = root
        root.ok("apt-get purge -qq -y dkms dh-dkms; apt-get install -qq pacman-package-manager libarchive-tools gcc make patch binutils kmod "
                "libjansson4 libarchive13 libseccomp2 libkmod2 libglib2.0-0")
        (root.path / "etc/pacman.conf").write_text("[options]\nArchitecture = auto\n")
        (root.path / "etc/os-release").unlink()
        (root.path / "etc/os-release").write_text("ID=arch\n")
        # like the hook of kmod, which runs before ours
        hooks = root.path / "etc/pacman.d/hooks"
        hooks.mkdir(parents=True)
        (hooks / "60-depmod.hook").write_text(
            "[Trigger]\nOperation = Install\nOperation = Upgrade\nType = Path\nTarget = usr/lib/modules/*/vmlinuz\n\n"
            "[Action]\nWhen = PostTransaction\nNeedsTargets\n"
            "Exec = /bin/sh -c 'while read -r f; do f=${f%/vmlinuz}; depmod ${f##*/}; done'\n")
        (root.path / "packages").mkdir()
        shutil.copy(package, root.path / "packages")
        self.install(package.name, "-dd")

    def install(self, *words):
        return self.root.ok("cd /packages && pacman --noconfirm -U " + " ".join(words))

    def remove(self, *names):
        return self.root.ok("pacman --noconfirm -R " + " ".join(names))

    def package(self, name, version, tree):
        """Builds a package from @tree. Returns: the name of the file"""
        (tree / ".PKGINFO").write_text(f"pkgname = {name}\npkgver = {version}-1\npkgdesc = {name}\nurl = https://arch.invalid\n"
                                       "builddate = 1790000000\npackager = A <a@arch.invalid>\nsize = 1000\narch = any\n")
        file = f"{name}-{version}-1-any.pkg.tar"
        run("bsdtar", "-C", tree, "-cf", self.root.path / "packages" / file, ".PKGINFO", *sorted(p.name for p in tree.iterdir() if p.name != ".PKGINFO"))
        shutil.rmtree(tree)
        return file

    def build(self, name):
        """Builds the package of an example, as its guide does. makepkg refuses root, and an ordinary user cannot enter the
        directories of the tests. Returns: the name of the file"""
        with tempfile.TemporaryDirectory() as place:
            directory = pathlib.Path(place)
            shutil.copytree(TOP / "examples" / name, directory / name)
            run("tar", "-C", directory, "-czf", directory / f"{name}-1.0.tar.gz", "--transform", f"s,^{name},{name}-1.0,", name)
            shutil.move(directory / name / "packaging/PKGBUILD", directory)
            run("chown", "-R", "nobody", directory)
            run("setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups", "env", f"HOME={directory}", "makepkg", "--nodeps", cwd=directory)
            package = next(directory.glob(f"{name}-dkms-1.0-1-any.pkg.tar*"))
            shutil.copy(package, self.root.path / "packages")
        return package.name + " -dd"

    def module_package(self, name, version):
        tree = self.root.path / "packages/tree"
        source = tree / f"usr/src/{name}-{version}"
        source.mkdir(parents=True)
        write_module(source, name, version)
        (source / "dkms.conf").write_text(f'PACKAGE_NAME="{name}"\nPACKAGE_VERSION="{version}"\nBUILT_MODULE_NAME="{name}"\n'
                                          'DEST_MODULE_LOCATION="/updates"\nAUTOINSTALL="yes"\n')
        return self.package(f"{name}-dkms", version, tree)

    def kernel_packages(self, name, release, like):
        """A kernel with headers, copied from Debian's kernel @like, with another release."""
        tree = self.root.path / "packages/tree"
        modules = tree / "usr/lib/modules" / release
        modules.mkdir(parents=True)
        (modules / "vmlinuz").write_text("kernel\n")
        (modules / "modules.order").write_text("")
        (modules / "modules.builtin").write_text("")
        kernel = self.package(name, "6.1", tree)
        build = modules / "build"
        shutil.copytree(self.root.path / f"usr/src/linux-headers-{like}", build)
        for file in ("include/config/kernel.release", "include/generated/utsrelease.h"):
            path = build / file
            path.write_text(path.read_text().replace(like, release))
        return kernel, self.package(f"{name}-headers", "6.1", tree)


def test_pacman_transactions(root, kernels, tmp_path):
    """One transaction installs modules, kernels and headers: every module is built once, and depmod runs once for each kernel."""
    old, _ = kernels
    tmp_path.chmod(0o755)
    run(TOP / "scripts/make-package", "arch", tmp_path)
    arch = Arch(root, next(tmp_path.glob("dkms-*.pkg.tar*")))
    first, second = "6.1.1-arch1-1", "6.1.2-lts"
    text = arch.install(*arch.kernel_packages("linux", first, old), *arch.kernel_packages("linux-lts", second, old),
                        arch.module_package("lamp", "1.0"), arch.module_package("two-lamps", "2.0"))
    assert text.count("Installing DKMS modules...") == 1
    for kernel in (first, second):
        assert text.count(f"Autoinstall on {kernel} succeeded for: lamp two-lamps") == 1, text
        assert text.count(f"Running depmod for {kernel}") == 1
        assert indexed(root, kernel) == {"lamp", "two-lamps"}
    # An upgrade of one package leaves only the new version. Other packages are unchanged.
    untouched = (root.path / "usr/lib/modules" / first / "updates/dkms")
    before = [p.stat().st_mtime_ns for p in untouched.glob("two-lamps.ko*")]
    text = arch.install(arch.module_package("lamp", "1.1"))
    assert {line.split(",")[0] for line in root.status()} == {"lamp/1.1", "two-lamps/2.0"} and len(root.status()) == 6
    assert all(line.endswith(": installed") for line in root.status())
    assert before == [p.stat().st_mtime_ns for p in untouched.glob("two-lamps.ko*")]
    # A kernel is removed with its builds, and no directory is left.
    arch.remove("linux-lts", "linux-lts-headers")
    assert sorted({line.split(", ")[1] for line in root.status()} - {old}) == [first]
    assert not (root.path / "usr/lib/modules" / second).exists()
    # The PKGBUILD of the example.
    text = arch.install(arch.build("my-driver"))
    assert any(line.startswith(f"my-driver/1.0, {first}, ") and line.endswith(": installed") for line in root.status()), text
    arch.remove("my-driver-dkms")
    assert not any("my-driver" in line for line in root.status()) and "my-driver" not in root.modules(first)
    # Packages of modules are removed.
    arch.remove("lamp-dkms", "two-lamps-dkms")
    assert root.status() == [] and root.modules(first) == [] and indexed(root, first) == set()
    arch.remove("dkms")
    assert not (root.path / "usr/bin/dkms").exists()
