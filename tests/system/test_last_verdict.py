"""The last verdict: verify --last, --after-upgrade, --metrics, and records in the log of the system."""
import json
import re

import pytest
from conftest import K1, as_nobody
from test_verify import Machine, module


@pytest.fixture
def machine(root):
    return Machine(root)


def spoil(machine, name="foo"):
    """Installs a module that does not load."""
    machine.install(name, module(name, versions={"_printk": 1}))


def stored(machine):
    return machine.root.tree / ".dkms/verdict.json"


def test_last(machine):
    """It says the same, without checks, and whether it may be outdated."""
    spoil(machine)
    machine.install("bar")
    said = machine.root("verify")
    assert said.rc == 30 and "PROBLEM" in said.out
    last = machine.root("verify", "--last")
    text, checked = last.out.rstrip("\n").rsplit("\n", 1)
    assert last.rc == 30 and text + "\n" == said.out and re.fullmatch(r"Checked at \d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ\.", checked)
    assert last.err == said.err
    document, again = (json.loads(machine.root("verify", "--json", *words).out) for words in ([], ["--last"]))
    assert again["kernels"] == document["kernels"] and again["summary"] == document["summary"]
    assert again["last"]["changed"] is False and "last" not in document
    assert machine.root("verify", "--last", "--monitor").out == machine.root("verify", "--monitor").out
    machine.root.ok("uninstall", "foo/1.0", "-k", K1)
    outdated = machine.root("verify", "--last")
    assert outdated.rc == 30 and outdated.out.endswith("Something has changed since; 'dkms verify' checks again.\n")
    assert json.loads(machine.root("verify", "--last", "--json").out)["last"]["changed"] is True
    machine.root.ok("remove", "foo/1.0", "--all")
    machine.root.ok("verify")
    assert machine.root.ok("verify", "--last").out.startswith(f"The module loads in {K1}, which boots next (GRUB).\nChecked at ")
    assert machine.root.ok("verify", "--last", "--quiet-if-ok").out == ""


def test_user_reads_it(machine):
    spoil(machine)
    machine.root("verify")
    result = as_nobody(machine.root, "verify", "--last")
    assert result.rc == 30 and "PROBLEM" in result.out and stored(machine).stat().st_mode & 0o777 == 0o644


def test_no_verdict(machine):
    machine.install()
    result = machine.root("verify", "--last")
    assert result.rc == 31 and result.err == "\nError! No verdict is stored: the next boot has not been checked.\nCheck the next boot with 'dkms verify'.\n", result


@pytest.mark.parametrize("content, words", [("{", "is damaged"), ("", "is damaged"), ('{"format":2}', "was written by a newer version of dkms"),
                                            ('{"format":1,"time":"x","stamp":"y","expected":-1}', "is damaged"), ("[]", "is damaged")])
def test_file_that_cannot_be_used(machine, content, words):
    machine.install()
    stored(machine).write_text(content)
    result = machine.root("verify", "--last")
    assert result.rc == 31 and words in result.err and str(stored(machine)) in result.err, result
    assert machine.root.ok("verify", "--after-upgrade").out == ""
    machine.root.ok("verify", "--last")


@pytest.mark.parametrize("words", [["foo"], ["-k", "6.12.0-2-test"]])
def test_a_part_is_not_stored(machine, words):
    machine.install()
    machine.root("verify", *words)
    assert not stored(machine).exists()


def test_after_upgrade(machine):
    """A block, once, if something changed and is wrong."""
    machine.install()
    assert [machine.root.ok("verify", "--after-upgrade").out for _ in range(2)] == ["", ""]
    spoil(machine, "bad")
    first = machine.root.ok("verify", "--after-upgrade")
    assert "PROBLEM" in first.out and first.err == "" and machine.root.ok("verify", "--after-upgrade").out == ""
    before = stored(machine).read_bytes()
    (machine.root.path / "boot/grub/grub.cfg").touch()
    assert machine.root.ok("verify", "--after-upgrade").out == first.out and stored(machine).read_bytes() != before


def test_after_upgrade_without_kernels(root):
    root.source()
    root.ok("add", "foo/1.0")
    for path in root.modules.iterdir():
        path.rename(root.path / path.name)
    result = root.ok("verify", "--after-upgrade")
    assert (result.out, result.err) == ("", "")


def test_nothing_is_left_in_a_tree_that_dkms_has_never_written(machine):
    machine.root.ok("verify")
    assert not (machine.root.tree / ".dkms").exists()


def metrics(text):
    return {line.rsplit(" ", 1)[0]: float(line.rsplit(" ", 1)[1]) for line in text.splitlines() if not line.startswith("#")}


def test_metrics(machine, tmp_path):
    spoil(machine)
    machine.install("bar")
    file = tmp_path / "dkms.prom"
    file.write_text("old")
    result = machine.root("verify", "--metrics", file)
    assert result.rc == 30
    text = file.read_text()
    found = metrics(text)
    kernel = f'kernel="{K1}",next_boot="true"'
    assert found[f'dkms_modules{{{kernel},verdict="loads"}}'] == 1 and found[f'dkms_modules{{{kernel},verdict="problem"}}'] == 1
    assert found[f'dkms_modules{{{kernel},verdict="unknown"}}'] == 0
    assert found[f'dkms_module_problem{{module="foo",version="1.0",kernel="{K1}",file="foo",check="symbols",code="crc"}}'] == 1, found
    assert found[f'dkms_next_boot_info{{kernel="{K1}",loader="grub",confidence="certain"}}'] == 1
    assert found["dkms_last_verify_timestamp_seconds"] > 1.7e9 and any(name.startswith("dkms_secure_boot{") for name in found)
    names = {re.match(r"\w+", name)[0] for name in found}
    for word in "HELP", "TYPE":
        assert names <= set(re.findall(rf"^# {word} (\w+) ", text, re.M))
    assert list(tmp_path.glob("*dkms.prom*")) == [file]
    again = machine.root("verify", "--last", "--metrics", file)
    assert again.rc == 2 and "--metrics and --last" in again.err and file.read_text() == text, again
    missing = machine.root("verify", "--metrics", tmp_path / "absent/dkms.prom")
    assert missing.rc == 1 and str(tmp_path / "absent") in missing.err, missing
