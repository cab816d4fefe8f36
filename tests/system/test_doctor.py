"""dkms doctor: each fault is found and named by one identifier, repaired, and taken back."""
import base64
import fcntl
import hashlib
import json
import os
import pathlib
import random
import re
import subprocess
import time

import pytest
from conftest import ARCH, DKMS, K1, K2, Root, as_nobody, mounted

import faults
from modules import full_module


@pytest.fixture(scope="module")
def template(tmp_path_factory):
    """A sound root, which each test copies."""
    return faults.sound(Root(tmp_path_factory.mktemp("sound") / "root"))


@pytest.fixture
def root(template, tmp_path):
    """A copy of the sound root with its times. Stat signatures of copies differ, so their records are refreshed."""
    return copy_of(template, tmp_path / "root")


def copy_of(template, path):
    subprocess.run(["cp", "-a", template.path, path], check=True)
    root = Root.__new__(Root)
    root.path, root.tree, root.src, root.modules = path, path / "var/lib/dkms", path / "usr/src", path / "lib/modules"
    return root


def doctor(root, *arguments):
    return root("doctor", "--json", *arguments)


def test_sound(root):
    result = root.ok("doctor")
    assert result.out == "No problem was found.\n" and result.err == ""
    assert faults.found(doctor(root)) == []


def test_headers_of_debian(root):
    """The package of Linux 6.1 has the version of Linux in one of both files."""
    include = root.modules / K1 / "build/include"
    (include / "generated").mkdir()
    (include / "generated/utsrelease.h").write_text(f'#define UTS_RELEASE "{K1}"\n')
    (include / "config/kernel.release").write_text("6.1.192\n")
    assert faults.found(doctor(root)) == []


@pytest.mark.parametrize("name", faults.STATES)
def test_found(root, name):
    fault, make, kind = faults.STATES[name]
    make(root)
    before = root.snapshot()
    result = doctor(root)
    assert faults.found(result) == [fault], result
    finding = json.loads(result.out)["findings"][0]
    assert result.rc == (30 if finding["result"] == "problem" else 0)
    assert finding["repair"]["possible"] != bool(kind.get("left"))
    assert finding["repair"]["needs_yes"] == bool(kind.get("consent"))
    assert root.snapshot() == before


def consent(result):
    """The value of --fix that consents to every finding of @result by its file."""
    return "--fix=" + ",".join(f"{finding['id']}:{finding['path']}" for finding in json.loads(result.out)["findings"])


def attic(root):
    return sorted(path.name for path in (root.tree / ".dkms/attic").glob("*"))


def without_records(snapshot):
    return {path: content for path, content in snapshot.items() if not path.endswith((".record.json", ".recipe.json"))}


def agrees(root):
    """What status says of the builds is true on the disk."""
    for module in json.loads(root.ok("status", "--json").out)["modules"]:
        for build in module["builds"]:
            path = root.modules / build["kernel"] / f"updates/dkms/{module['module']}.ko"
            assert path.exists() == (build["state"] == "installed"), (module, path)
            assert not build["differs"] and not build["missing"]


@pytest.mark.parametrize("name", [name for name, (_, _, kind) in faults.STATES.items() if not kind.get("left")])
def test_repaired_and_taken_back(root, name):
    fault, make, kind = faults.STATES[name]
    make(root)
    before = root.snapshot()
    if kind.get("consent"): # not by --yes, and not by the name of the fault
        assert faults.found(root("doctor", "--json", "--fix", "--yes")) == [fault]
        assert faults.found(root("doctor", "--json", f"--fix={fault}")) == [fault] and root.snapshot() == before
        result = root("doctor", "--json", consent(doctor(root)))
    else:
        result = root("doctor", "--json", "--fix", "--yes")
    answer = json.loads(result.out)
    repaired = answer["findings"]
    assert result.rc == 0 and repaired[0]["id"] == fault and all(finding["fixed"] for finding in repaired), result
    assert len(repaired) == 1 or kind.get("more")
    assert faults.found(doctor(root)) == []
    agrees(root)
    after = root.snapshot()
    again = root.ok("doctor", "--json", "--fix", "--yes")
    assert root.snapshot() == after and json.loads(again.out)["findings"] == []
    undo = answer["findings"][0]["repair"]["undo"]
    assert undo == kind.get("undo", True) and attic(root) == ([answer["attic"]] if undo else [])
    if undo:
        root.ok("doctor", "--undo")
        assert without_records(root.snapshot()) == without_records(before) if kind.get("more") else root.snapshot() == before
        assert attic(root) == []
        assert faults.found(doctor(root)) == ([fault] if fault != "build-left" else []) # its directory is new again


# ---- several faults at once ----

COMPOSITIONS = int(os.environ.get("DKMS_COMPOSITIONS", "24"))


def outside(root):
    """Everything that doctor must not touch."""
    return {path: content for path, content in root.snapshot().items()
            if not path.startswith(("var/lib/dkms", "lib/modules"))}


def keys(result):
    return {(finding["id"], finding["module"], finding["version"], finding["kernel"], finding.get("path"))
            for finding in json.loads(result.out)["findings"] if not finding["fixed"]}


def compose(root, seed):
    """Makes some states, in any order. Returns: their names"""
    choice = random.Random(seed)
    made = []
    for name in choice.sample(sorted(faults.STATES), choice.randint(2, 5)):
        try:
            faults.STATES[name][1](root)
            made.append(name)
        except (OSError, ValueError, subprocess.CalledProcessError): # another state has taken away what it needs
            continue
    return made


@pytest.mark.parametrize("seed", range(COMPOSITIONS))
def test_compositions(root, seed):
    made = compose(root, seed)
    before, others = root.snapshot(), outside(root)
    looked = root("doctor", "--json", timeout=60)
    assert looked.rc in (0, 30, 31) and root.snapshot() == before, (made, looked)
    first = root("doctor", "--json", "--fix", "--yes", timeout=120)
    assert first.rc in (0, 30, 31), (made, first)
    assert outside(root) == others, made
    second = root("doctor", "--json", "--fix", "--yes", timeout=120)
    assert second.rc in (0, 30, 31), (made, second)
    assert keys(second) <= keys(first), (made, first, second)
    assert not any(finding["fixed"] for finding in json.loads(second.out)["findings"]), (made, first, second)
    assert outside(root) == others, made


# ---- faults that need more than files ----

def module(name="foo", release=K1):
    return full_module(name, info=["license=GPL", f"vermagic={release} SMP mod_unload "], filler=512)


def prepared_module(root, name="foo"):
    """Makes the build of @name for the first kernel copy a module that is an ELF file."""
    (root.modules / K1 / "build/Makefile").write_text("all:\n\t@for f in $(M)/*.in; do cp $$f $${f%.in}.ko || exit 1; done\n")
    (root.src / f"{name}-1.0/{name}.in").write_bytes(module(name))
    (faults.build(root, name, kernel=K2) / ".attempt.json").unlink(missing_ok=True) # its source has changed, too
    for verb in ("build", "install"):
        root.ok(verb, f"{name}/1.0", "-k", K1, "--force")


def test_wrong_kernel(root):
    prepared_module(root)
    assert faults.found(doctor(root)) == []
    other = module(release="6.9.9-other")
    (faults.build(root) / "module/foo.ko").write_bytes(other)
    faults.installed(root).write_bytes(other)

    def change(record):
        record["modules"][0]["sha256"] = hashlib.sha256(other).hexdigest()
    faults.record(root, change)
    result = doctor(root)
    assert faults.found(result) == ["wrong-kernel"] and "6.9.9-other" in result.out
    assert root.ok("doctor", "--fix", "--yes").out.count("Repaired") == 1 and faults.found(doctor(root)) == []
    assert faults.installed(root).read_bytes() == module()


@pytest.mark.parametrize("fault", ["unsigned", "key-changed"])
def test_signatures(root, fault):
    signed = 'CONFIG_MODULES=y\nCONFIG_MODULE_SIG_HASH="sha512"\n'
    root.framework("try_sign_modules=true\n")
    root.keys()
    if fault == "key-changed":
        root.kernel(K1, config=signed)
    for name in ("foo", "bar"):
        prepared_module(root, name)
    for name in ("foo", "bar"): # the configuration is an input of builds, which must not have changed
        (faults.build(root, name) / ".attempt.json").unlink()
    (root.modules / K1 / "build/include/config/auto.conf").write_text(signed)
    if fault == "key-changed":
        assert faults.found(doctor(root)) == []
    for name in ("mok.key", "mok.pub"):
        (root.tree / name).unlink()
    assert faults.found(doctor(root)) == [] # no build would sign
    subprocess.run([pathlib.Path(DKMS).resolve().parent / "helpers/dkms-sign", "generate", root.tree / "mok.key", root.tree / "mok.pub"], check=True)
    assert faults.found(doctor(root)) == [fault] * 2
    root.ok("doctor", "--fix", "--yes")
    assert faults.found(doctor(root)) == []


def test_index(root):
    subprocess.run(["depmod", "-b", root.path, K1], check=True, capture_output=True)
    index = root.modules / K1 / "modules.dep"
    index.write_text("".join(line for line in index.read_text().splitlines(True) if "foo" not in line))
    result = doctor(root)
    assert faults.found(result) == ["depmod-due"] and "lacks" in result.out and result.rc == 30
    root.ok("doctor", "--fix", "--yes")
    assert "foo.ko" in index.read_text() and faults.found(doctor(root)) == []
    later = time.time() + 60
    os.utime(faults.installed(root), (later, later))
    result = doctor(root)
    assert faults.found(result) == ["depmod-due"] and "older" in result.out and result.rc == 0


@pytest.mark.parametrize("options, text", [("noexec,size=50%", "noexec"), ("size=20m", "MiB left")])
def test_file_system(root, tmp_path, options, text):
    with mounted(tmp_path / "disk", options):
        subprocess.run(["cp", "-a", root.path, tmp_path / "disk/root"], check=True)
        other = copy_of(root, tmp_path / "disk/other")
        result = doctor(other)
        assert faults.found(result) == ["noexec"] and text in result.out and result.rc == 30
        assert json.loads(result.out)["findings"][0]["repair"]["possible"] is False


def test_modules_of_the_running_kernel_are_gone(root, tmp_path):
    """Only for the root of the machine: /usr/lib/modules is another directory, which an upgrade has changed."""
    modules = tmp_path / "modules"
    (modules / "6.99.0-arch1-1/kernel").mkdir(parents=True)
    (modules / "6.99.0-arch1-1/pkgbase").write_text("linux\n")
    real = pathlib.Path("/lib/modules").resolve()
    command = f'mount --bind {modules} {real} && exec "$0" "$@"'
    result = subprocess.run(["unshare", "-m", "sh", "-c", command, DKMS, "doctor", "--json", "--dkmstree", root.tree], capture_output=True, text=True,
                            check=False, env=dict(os.environ, LC_ALL="C"))
    named = {finding["id"]: finding["kernel"] for finding in json.loads(result.stdout)["findings"]}
    assert named.get("kernel-renamed") == os.uname().release


# ---- consent, undo, other runs ----

def test_an_undo_is_refused_after_a_change(root):
    faults.STATES["file_foreign"][1](root)
    alien = root.modules / K1 / "updates/dkms/alien.ko"
    root.ok("doctor", f"--fix=file-foreign:{alien}")
    alien.write_text("another\n")
    before = root.snapshot()
    result = root("doctor", "--undo")
    assert result.rc == 1 and "has changed since the repair" in result.err and root.snapshot() == before and len(attic(root)) == 1
    alien.unlink()
    kept = next((root.tree / ".dkms/attic").glob("*/0"))
    kept.write_text("changed in the attic\n")
    assert root("doctor", "--undo").rc == 1 and not alien.exists()
    kept.write_text("alien\n")
    root.ok("doctor", f"--undo={attic(root)[0]}")
    assert alien.read_text() == "alien\n" and root("doctor", "--undo").rc == 3


def test_undos_in_any_order(root):
    names = ("orphan_version", "weak_dangling", "build_left")
    for name in names:
        faults.STATES[name][1](root)
    before = root.snapshot()
    root.ok("doctor", "--fix", "--yes")
    repairs = attic(root)
    assert len(repairs) == 3
    for repair in (repairs[1], repairs[0], repairs[2]):
        root.ok("doctor", f"--undo={repair}")
    assert root.snapshot() == before and root("doctor", f"--undo={repairs[0]}").rc == 3


def test_only_the_named_fault_is_repaired(root):
    for name in ("orphan_version", "weak_dangling"):
        faults.STATES[name][1](root)
    assert faults.found(root("doctor", "--json", "-m", "nothing")) == ["orphan-version"]
    assert faults.found(root("doctor", "--json", "-k", K2)) == ["weak-dangling"]
    assert faults.found(root("doctor", "--json", "-k", K1)) == []
    result = json.loads(root("doctor", "--json", "--fix=orphan-version").out)
    assert {finding["id"]: finding["fixed"] for finding in result["findings"]} == {"orphan-version": True, "weak-dangling": False}
    assert root("doctor", "--fix=no-such-fault").rc == 2 and root("doctor", "--fix", "--undo").rc == 2


def test_nothing_is_repaired_without_an_answer(root):
    faults.STATES["orphan_version"][1](root)
    before = root.snapshot()
    result = root("doctor", "--fix")
    assert result.rc == 30 and root.snapshot() == before


@pytest.mark.parametrize("keys, left", [("n\nn\nn\n", 3), ("y\nn\nn\n", 2), ("n\na\nn\n", 2), ("a\ny\n", 0), ("a\nn\n", 1), ("a\na\n", 1)])
def test_questions(root, keys, left):
    """The answer 'a' is not one for what needs consent for that item."""
    for name in ("build_left", "orphan_version", "file_foreign"):
        faults.STATES[name][1](root)
    master, slave = os.openpty()
    os.write(master, keys.encode())
    with subprocess.Popen([*root.command(), "doctor", "--fix"], stdin=slave, stdout=slave, stderr=slave, env=dict(os.environ, LC_ALL="C")) as process:
        os.close(slave)
        said = b""
        try:
            while chunk := os.read(master, 4096):
                said += chunk
        except OSError: # the program has ended
            pass
    os.close(master)
    assert len(faults.found(doctor(root))) == left, said.decode()


def test_old_repairs_are_deleted(root):
    faults.STATES["orphan_version"][1](root)
    root.ok("doctor", "--fix", "--yes")
    manifest = root.tree / f".dkms/attic/{attic(root)[0]}/manifest.json"
    content = json.loads(manifest.read_text())
    content["time"] -= 91 * 24 * 60 * 60
    manifest.write_text(json.dumps(content))
    faults.STATES["weak_dangling"][1](root)
    root.ok("doctor", "--fix", "--yes")
    assert [json.loads(path.read_text())["fault"] for path in (root.tree / ".dkms/attic").glob("*/manifest.json")] == ["weak-dangling"]


def test_a_running_dkms_is_not_disturbed(root):
    faults.STATES["source_gone"][1](root)
    lock = root.tree / ".dkms/locks/module/foo"
    lock.parent.mkdir(parents=True, exist_ok=True)
    with open(lock, "w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        before = root.snapshot()
        for arguments in ([], ["--fix", "--yes"]):
            result = root("doctor", *arguments)
            assert result.rc == 31 and "foo was not examined, because a running dkms works on it" in result.err and root.snapshot() == before
    assert faults.found(doctor(root)) == ["source-gone"]


def test_one_doctor_repairs(root):
    faults.STATES["orphan_version"][1](root)
    lock = root.tree / ".dkms/locks/attic"
    lock.parent.mkdir(parents=True, exist_ok=True)
    with subprocess.Popen(["flock", lock, "sh", "-c", "echo held; exec sleep 1000"], stdout=subprocess.PIPE, text=True) as holder:
        try:
            assert holder.stdout.readline() == "held\n"
            before = root.snapshot()
            for arguments in (["--fix", "--yes"], ["--undo"]):
                result = root("doctor", *arguments)
                assert result.rc == 1 and "Another dkms doctor is repairing" in result.err and root.snapshot() == before
            assert faults.found(doctor(root)) == ["orphan-version"]
        finally:
            subprocess.run(["pkill", "-P", str(holder.pid)], check=False)
            holder.kill()


def test_what_cannot_be_read_is_not_missing(root):
    (root.tree / "foo").chmod(0o700)
    result = as_nobody(root, "doctor", "--json")
    assert result.rc == 31 and json.loads(result.out)["findings"] == [] and "could not be examined" in result.err
    (root.tree / "foo").chmod(0o755)
    assert as_nobody(root, "doctor").rc == 0


@pytest.mark.parametrize("part", ["", "foo", "foo/1.0", f"foo/1.0/{K1}", f"foo/1.0/{K1}/x86_64", f"foo/1.0/{K1}/x86_64/.record.json", "foo/1.0/source",
                                  f"foo/1.0/{K1}/x86_64/module", "modules", f"modules/{K1}", f"modules/{K1}/updates/dkms/foo.ko", "src", "src/foo-1.0"])
def test_a_broken_disk_is_no_fault(root, broken, part):
    path = {"modules": root.modules, "src": root.src}.get(part.split("/")[0])
    path = path / part.partition("/")[2] if path else root.tree / part.replace("x86_64", ARCH)
    result = broken(path, "doctor", "--json")
    assert result.rc in (1, 31) and json.loads(result.out).get("findings", []) == [], result


def test_a_manifest_leads_nowhere_else(root):
    faults.STATES["orphan_version"][1](root)
    root.ok("doctor", "--fix", "--yes")
    manifest = root.tree / f".dkms/attic/{attic(root)[0]}/manifest.json"
    content = manifest.read_text()
    for path in ("/etc/evil", "/var/lib/dkms/../../../etc/evil", "evil", "/var/lib/dkms"):
        changed = json.loads(content)
        changed["entries"][0]["from"] = path
        manifest.write_text(json.dumps(changed))
        before = root.snapshot()
        assert root("doctor", "--undo").rc == 1 and root.snapshot() == before
    manifest.write_text("{")
    assert root("doctor", "--undo").rc == 1
    manifest.write_text(content)
    root.ok("doctor", "--undo")


def test_every_fault_is_explained(root):
    table = (pathlib.Path(__file__).parents[2] / "src/check/faults.def").read_text()
    names = sorted(set(re.findall(r'DKMS_FAULT_KIND \(\w+, "([a-z-]+)"', table)))
    assert len(names) == 34 and {fault for fault, _, _ in faults.STATES.values()} | {"noexec", "kernel-renamed", "wrong-kernel", "unsigned", "key-changed"} == set(names)
    manual = (pathlib.Path(__file__).parents[2] / "man/dkms.8.in").read_text()
    for name in names:
        assert re.search(rf"^\.It Cm (.* )?{name}( |$)", manual, re.M), name
    for name in ("source-gone", "kernel-husk"):
        assert "a fault that 'dkms doctor' finds" in root.ok("explain", name).out


def test_a_name_that_is_not_utf8(root):
    """It is shown, and not changed, because no journal can contain it."""
    strange = os.fsencode(root.tree) + b"/b\xffd"
    os.makedirs(strange)

    def run(*words):
        return subprocess.run([*root.command(), "doctor", *words], capture_output=True, check=False, stdin=subprocess.DEVNULL)
    found = [finding for finding in json.loads(run("--json").stdout)["findings"] if finding["id"] == "empty-module"]
    assert [base64.b64decode(finding["module_bytes"]) for finding in found] == [b"b\xffd"]
    fixed = run("--fix", "--yes")
    assert fixed.returncode == 30 and b"was not repaired" in fixed.stderr and b"the path is not valid UTF-8" in fixed.stderr
    assert b"Repaired" not in fixed.stdout and os.path.isdir(strange)


@pytest.mark.parametrize("digest, found", [(hashlib.sha256(b"original\n").hexdigest(), False), ("0" * 64, True), (hashlib.md5(b"original\n").hexdigest(), False),
                                           ("0" * 32, True), ("", False)])
def test_original_of_rpm(root, tmp_path, digest, found):
    """rpm knows the digest of the file of the present package, too."""
    faults.original(root)
    root.os_release("fedora")
    place = f"/lib/modules/{K1}/kernel/drivers/misc/foo.ko"
    rpm = tmp_path / "bin/rpm"
    rpm.parent.mkdir()
    rpm.write_text(f"#!/bin/sh\ncase $3 in *DIGESTS*) printf '%s\\n' '{place}x {'1' * 64}' '{place} {digest}' ;; *) echo kernel-modules ;; esac\n")
    rpm.chmod(0o755)
    result = root("doctor", "--json", env={"PATH": f"{rpm.parent}:{os.environ['PATH']}"})
    assert ("original-outdated" in faults.found(result)) == found, result
