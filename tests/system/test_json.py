"""--json prints one document in all cases (docs/interface/json.md)."""
import base64
import json
import os
import pathlib
import pty
import shutil
import subprocess

import pytest
from conftest import ARCH, DKMS, K1, K2

TOP = pathlib.Path(__file__).resolve().parents[2]

JQ = shutil.which("jq")


def document(root, *arguments, rc=0, **keywords):
    result = root(*arguments, **keywords) # which checks the document against the schema
    assert result.rc == rc, result
    return json.loads(result.out)


def kinds(found):
    return [event["event"] for event in found["events"]]


@pytest.fixture
def states(root):
    """A tree with a version in each state."""
    root.kernel(K1)
    root.kernel(K2)
    for name in ("foo", "bar", "baz", "qux"):
        root.source(name)
    (root.modules / K1 / "kernel/drivers/misc").mkdir(parents=True)
    (root.modules / K1 / "kernel/drivers/misc/foo.ko").write_text("original")
    root.ok("install", "foo/1.0", "-k", K1, "--force")
    root.ok("build", "foo/1.0", "-k", K2)
    root.ok("build", "bar/1.0", "-k", K1)
    next((root.tree / "bar/1.0" / K1 / ARCH / "module").iterdir()).unlink()
    root.ok("add", "baz/1.0")
    root.ok("add", "qux/1.0")
    shutil.rmtree(root.src / "qux-1.0")
    return root


def test_status(states):
    found = document(states, "status", "--json")
    assert found["dkms"]["verb"] == "status" and found["dkms"]["root"] == str(states.path) and found["status"] == 0
    modules = {m["module"]: m for m in found["modules"]}
    assert {name: m["state"] for name, m in modules.items()} == {"bar": "built", "baz": "added", "foo": "installed", "qux": "broken"}
    assert modules["foo"]["builds"] == [
        {"kernel": K1, "arch": ARCH, "state": "installed", "originals": True, "missing": False, "differs": False},
        {"kernel": K2, "arch": ARCH, "state": "built", "originals": False, "missing": False, "differs": False}]
    assert modules["bar"]["builds"][0]["missing"] and modules["baz"]["builds"] == []
    assert kinds(found) == ["status-source-gone"]


def test_status_says_what_the_text_says(states):
    """The text of status can be composed from the document."""
    remarks = [("originals", " (Original modules exist)"), ("missing", " (Built modules are missing in the kernel modules folder)"),
               ("differs", " (Differences between built and installed modules)")]
    lines = []
    for module in document(states, "status", "--json")["modules"]:
        name = f"{module['module']}/{module['version']}"
        lines += [f"{name}, {b['kernel']}, {b['arch']}: {b['state']}" + "".join(text for key, text in remarks if b[key]) for b in module["builds"]]
        if not module["builds"]:
            lines.append(f"{name}: {module['state']}")
    assert lines == states.ok("status").out.splitlines()


def test_off_is_text(states):
    assert states.ok("status", "--json=off").out == states.ok("status").out
    assert document(states, "status", "--json=off", "--json")["modules"]


def test_empty_tree(root):
    assert document(root, "status", "--json")["modules"] == []


def test_forms(states):
    short, pretty = (states.ok("status", f"--json={form}").out for form in ("short", "pretty"))
    assert short.count("\n") == 1 and pretty.count("\n") > 20
    assert json.loads(short)["modules"] == json.loads(pretty)["modules"]
    result = states("status", "--json=yaml")
    assert result.rc == 2 and json.loads(result.out)["error"]["kind"] == "bad-json-style"


def test_on_a_terminal_it_is_pretty(states):
    master, slave = pty.openpty()
    process = subprocess.Popen([*states.command(), "status", "--json"], stdout=slave, stderr=subprocess.DEVNULL)
    os.close(slave)
    text = b""
    try:
        while chunk := os.read(master, 65536):
            text += chunk
    except OSError:
        pass
    os.close(master)
    assert process.wait() == 0 and text.count(b"\n") > 20 and json.loads(text)["status"] == 0


def test_build_and_install(root):
    root.kernel(K1)
    root.source(extra='POST_INSTALL="hello"\n', files={"foo.c": "foo\n", "hello": "#!/bin/sh\necho hello\n"})
    found = document(root, "install", "foo/1.0", "-k", K1, "--json")
    assert found["status"] == 0 and "error" not in found
    for kind in ("added", "building", "step-begun", "installing", "script-runs", "script-printed", "piece-done"):
        assert kind in kinds(found), (kind, kinds(found))
    done = [e for e in found["events"] if e["event"] == "piece-done"]
    assert {"event": "piece-done", "module": "foo", "version": "1.0", "kernel": K1, "arch": ARCH, "name": "installed"} in done
    assert [e["text"] for e in found["events"] if e["event"] == "script-printed"] == ["hello"]
    assert root.status() == [f"foo/1.0, {K1}, {ARCH}: installed"]
    assert "already-installed" in [e["reason"]["event"] for e in document(root, "install", "foo/1.0", "-k", K1, "--json")["events"] if "reason" in e]


def test_failed_build(root):
    root.kernel(K1)
    root.source(extra='MAKE[0]="echo no; false"\n')
    found = document(root, "install", "foo/1.0", "-k", K1, "--json", rc=10)
    assert found["status"] == 10 and found["error"]["kind"] == "make-failed" and "foo/1.0" in found["error"]["message"]
    assert "piece-failed" in kinds(found)


FAILURES = { # directives -> exit status, kind, step and cause of the error, status of the failed program
    "known": ('MAKE[0]="echo cc: error: No space left on device; exit 3"\n', 10, "make-failed", "MAKE", "disk-full", 3),
    "unknown": ('MAKE[0]="echo no; false"\n', 10, "make-failed", "MAKE", "unknown", 1),
    "patch": ('PATCH[0]="bad.patch"\n', 6, "patch-failed", "PATCH", "patch", 1),
    "script": ('PRE_BUILD="fails"\n', 7, "script-failed", "PRE_BUILD", "script", 7),
    "not made": ('MAKE[0]="true"\n', 7, "module-not-made", None, "not-made", None)}


@pytest.mark.parametrize("which", FAILURES)
def test_fields_of_failed_builds(root, which):
    extra, rc, kind, step, cause, status = FAILURES[which]
    root.kernel(K1)
    patch = "--- a/foo.c\n+++ b/foo.c\n@@ -1 +1 @@\n-something else\n+x\n"
    root.source(extra=extra, files={"foo.c": "foo\n", "fails": "#!/bin/sh\nexit 7\n", "patches/bad.patch": patch})
    error = document(root, "build", "foo/1.0", "-k", K1, "--json", rc=rc)["error"]
    assert {"module": "foo", "version": "1.0", "kernel": K1, "arch": ARCH}.items() <= error.items()
    assert (error["kind"], error.get("step"), error["cause"], error.get("status")) == (kind, step, cause, status), error
    assert pathlib.Path(error["log"]).is_file() and f"The whole log: {error['log']}" in error["advice"], error
    assert f"Cause: {cause}" in root("explain", "foo/1.0", "-k", K1).out # the document contains the cause that explain prints


def test_autoinstall(root):
    root.kernel(K1)
    for name in ("foo", "bar"):
        root.source(name, extra='MAKE[0]="false"\n' if name == "bar" else "")
        root.ok("add", f"{name}/1.0")
    found = document(root, "autoinstall", "-k", K1, "--json", rc=11)
    assert found["error"]["kind"] == "autoinstall"
    assert {e["module"]: e["name"] for e in found["events"] if e["event"].startswith("piece-") and "module" in e} == {"foo": "installed", "bar": "failed"}


def test_match_and_dry_run(root):
    root.kernel(K1)
    root.kernel(K2)
    root.source()
    root.ok("install", "foo/1.0", "-k", K1)
    plan = document(root, "match", "--templatekernel", K1, "-k", K2, "--json", "--dry-run")
    assert [e["name"] for e in plan["events"] if e["event"] == "plan-step"] == ["build", "install", "depmod"]
    assert "building" in kinds(document(root, "match", "--templatekernel", K1, "-k", K2, "--json"))


@pytest.mark.parametrize("arguments,rc,kind", [
    (["--no-such-option"], 2, "unknown-option"), (["no-such-verb"], 2, "unknown-verb"), ([], 2, "no-verb"), (["build", "foo/1.0"], 2, "no-source"),
    (["unbuild", "foo/1.0"], 3, "not-added"), (["install", "-k", "a/b/c", "foo/1.0"], 2, "bad-target"), (["status", "--dkmstree"], 2, "option-without-value")])
def test_errors_are_documents(root, arguments, rc, kind):
    root.kernel(K1)
    for at in (0, len(arguments)):
        words = [*arguments[:at], "--json", *arguments[at:]]
        if words[-2:] == ["--dkmstree", "--json"]:
            continue # its value
        result = root(*words)
        assert (result.rc, json.loads(result.out)["error"]["kind"]) == (rc, kind), result
        assert json.loads(result.out)["error"]["message"] in result.err


def test_settings_that_cannot_be_read(root):
    (root.path / "etc/dkms").mkdir(parents=True, exist_ok=True)
    (root.path / "etc/dkms/framework.conf").write_text("sandbox=perhaps\n")
    result = root("status", "--json")
    assert result.rc != 0 and json.loads(result.out)["error"]["kind"] == "setting-not-mode"


def test_what_programs_print_is_not_in_it(root):
    """Output of scripts and depmod does not go to stdout, with and without --verbose."""
    root.kernel(K1)
    root.source(extra='PRE_INSTALL="hello"\nPOST_INSTALL="hello"\n', files={"foo.c": "foo\n", "hello": "#!/bin/sh\necho stray; echo stray >&2; echo stray >/dev/stdout\n"})
    document(root, "install", "foo/1.0", "-k", K1, "--json", "--verbose")
    assert root.status() == [f"foo/1.0, {K1}, {ARCH}: installed"]


def test_bytes_that_are_not_utf8(root):
    root.kernel(K1)
    root.source(extra='POST_ADD="hello"\n', files={"foo.c": "foo\n", "hello": "#!/bin/sh\nprintf 'a\\377b\\n'\n"})
    printed = next(e for e in document(root, "add", "foo/1.0", "--json")["events"] if e["event"] == "script-printed")
    assert printed["text"] == "a\ufffdb" and base64.b64decode(printed["text_bytes"]) == b"a\xffb"


def test_help_and_version_are_text(root):
    assert root.ok("--json", "--version").out.count("\n") == 1 and root.ok("status", "--json", "--help").out.startswith("Usage:")
    assert root.ok("--json", "-q", "status").out == ""


def test_reader_goes_away_and_full_disk(states):
    command = [*states.command(), "status", "--json"]
    assert subprocess.run(["sh", "-c", '"$@" | head -c 1 >/dev/null; exit "${PIPESTATUS:-0}"', "sh", *command], check=False).returncode == 0
    with open("/dev/full", "w") as full:
        result = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert result.returncode == 1 and "No space left on device" in result.stderr


def examples():
    """The commands with jq in the manual page."""
    page = (TOP / "man/dkms.8.in").read_text()
    return [line.replace("\\-", "-").replace("\\e", "\\") for line in page.splitlines() if line.startswith("dkms ") and "| jq" in line]


@pytest.mark.parametrize("line", examples())
def test_examples_of_the_manual(states, line):
    assert JQ, "jq is not installed; scripts/install-deps check installs it"
    shell = line.replace("dkms ", f"{DKMS} --root {states.path} ", 1)
    result = subprocess.run(["bash", "-o", "pipefail", "-c", shell], capture_output=True, text=True, check=False)
    assert result.returncode == 0 and result.stdout.strip(), (line, result)


def test_manual_has_examples():
    assert len(examples()) >= 3


def test_installed(tmp_path):
    """A schema is installed for each verb."""
    build = pathlib.Path(DKMS).resolve().parents[1]
    subprocess.run(["meson", "install", "-C", build, "--no-rebuild", "--quiet", "--destdir", tmp_path], check=True, capture_output=True)
    verbs = {line.split()[0] for line in subprocess.run([DKMS, "--help"], capture_output=True, text=True, check=True).stdout.split("Verbs:\n")[1].split("\n\n")[0].splitlines()
             if line.startswith("  ") and not line.startswith("   ")}
    found = {p.stem for p in tmp_path.rglob("share/dkms/schema/1/*.json")}
    assert found == verbs | {"command"}
