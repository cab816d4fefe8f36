"""The order of flushes: a change survives a power cut only if each part is flushed before the next one relies on it
(store/transaction.h). The crash tier simulates power cuts at all moments; these tests check the order with strace."""
import collections
import os
import re

from conftest import ARCH, DKMS, K1, strace

Call = collections.namedtuple("Call", "name path target")  # target: of a rename
CALLS = "rename,renameat,renameat2,fsync,fdatasync,syncfs,unlink,unlinkat,symlinkat"


def calls_of(root, *arguments):
    """The successful calls of a run, in their order, with complete paths."""
    traced = strace("-y", "-s", "4096", "-e", f"trace={CALLS}", DKMS, "--root", root.path, *arguments)
    assert traced.returncode == 0, traced.stderr
    found, begun = [], {}
    for line in traced.stderr.splitlines():
        process, text = match.groups() if (match := re.match(r"(?:\[pid +(\d+)\] )?(.*)", line)) else ("", line)
        if text.endswith("<unfinished ...>"):
            begun[process] = text.removesuffix("<unfinished ...>")
            continue
        if match := re.match(r"<\.\.\. \w+ resumed>(.*)", text):
            text = begun.pop(process, "") + match[1]
        if not (match := re.match(r"(\w+)\((.*)\) += 0$", text)):
            continue
        words = re.findall(r"(?:\d+|AT_FDCWD)<([^>]*)>|\"([^\"]*)\"", match[2])
        paths, base = [], ""
        for directory, name in words:
            if directory:
                base = directory
            if name:
                paths.append(os.path.join(base, name))
        if match[1] in ("fsync", "fdatasync", "syncfs"):
            paths = [base]
        if match[1] == "symlinkat":
            paths = paths[-1:]
        found.append(Call(match[1], paths[0], paths[1] if len(paths) > 1 else ""))
    return found


def renames(calls):
    return [(i, call) for i, call in enumerate(calls) if call.name.startswith("rename")]


def has(calls, name, path):
    return any(call.name == name and call.path == str(path) for call in calls)


def install(root):
    root.source()
    root.ok("build", "foo/1.0", "-k", K1)
    (root.modules / K1 / "modules.dep").touch()
    calls = calls_of(root, "install", "foo/1.0", "-k", K1)
    journal = root.tree / ".dkms/journal"
    written = [i for i, call in renames(calls) if os.path.dirname(call.target) == str(journal)]
    dropped = [i for i, call in enumerate(calls) if call.name == "unlinkat" and os.path.dirname(call.path) == str(journal)]
    assert len(written) == 2 and len(dropped) == 1, "one change: the journal with temporary files, the journal with changes, the deletion"
    return calls, journal, written[1], dropped[0]


def test_the_journal_is_on_the_disk_before_anything_is_replaced(root):
    """Guards the order: temporary files, the journal that lists them, the name of the journal, the change."""
    calls, journal, written, _ = install(root)
    replaced = [(i, call) for i, call in renames(calls) if os.path.basename(call.path).startswith(".dkms-")]
    links = {call.path for call in calls if call.name == "symlinkat"}
    assert {os.path.relpath(call.target, root.path) for _, call in replaced} >= {
        f"lib/modules/{K1}/updates/dkms/foo.ko", f"var/lib/dkms/foo/kernel-{K1}-{ARCH}"}
    assert has(calls[:written], "fsync", calls[written].path), "the journal is renamed before its content is flushed"
    for i, call in replaced:
        assert i > written, f"{call.target} is replaced before the journal lists it"
        assert has(calls[written:i], "fsync", journal), f"{call.target} is replaced before the name of the journal is flushed"
        assert call.path in links or has(calls[:written], "fsync", call.path), f"the content of {call.target} is not flushed"


def test_what_was_replaced_is_on_the_disk_before_the_journal_goes(root):
    """Guards the end of a change: after the journal is deleted, no later run completes the change."""
    calls, journal, written, dropped = install(root)
    last = max(i for i, call in renames(calls) if i < dropped)
    for _, call in renames(calls[:dropped]):
        if os.path.basename(call.path).startswith(".dkms-"):
            assert has(calls[last:dropped], "fsync", os.path.dirname(call.target)), f"the name of {call.target} is not flushed"
    assert written < last < dropped
    assert has(calls[dropped:], "fsync", journal), "the deletion of the journal is not flushed"


def test_the_record_is_on_the_disk(root):
    """Guards .record.json, which lists the installed files that belong to dkms."""
    calls, _, _, _ = install(root)
    records = [(i, call) for i, call in renames(calls) if call.target.endswith("/.record.json")]
    assert records
    for i, call in records:
        assert has(calls[:i], "fsync", call.path) and has(calls[i:], "fsync", os.path.dirname(call.target))


def test_the_index_is_on_the_disk_in_the_end(root):
    """Guards modules.dep and the other indexes: depmod does not flush them, and without them no module is found after a boot."""
    calls, _, _, dropped = install(root)
    names = [name for name in os.listdir(root.modules / K1) if name.startswith("modules.")]
    assert len(names) > 1
    for name in names:
        assert has(calls[dropped:], "fsync", root.modules / K1 / name), name
    assert has(calls[dropped:], "fsync", root.modules / K1)
