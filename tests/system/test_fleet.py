"""matrix: jobs are listed, built by workers, and their reports merged."""
import json
import os
import pathlib
import re
import shlex
import shutil
import signal
import subprocess
import time
import xml.etree.ElementTree

import pytest
import yaml

from conftest import ARCH, DKMS, K1, K2, Crowd, Result, as_nobody, eventually, mounted


@pytest.fixture
def out(tmp_path):
    return tmp_path / "out"


def matrix(root, *arguments, rc=0, **keywords):
    result = root("matrix", *arguments, **keywords)
    assert result.rc == rc, result
    return result


def name(root, module, kernel=K1, version="1.0"):
    return f"{module}/{version}/{kernel}/{ARCH}@{root.path.name}"


def file(out, job, suffix=".json"):
    return out / (job.replace("%", "%25").replace("/", "%2F").replace("@", "%40") + suffix)


def report(out, job):
    return json.loads(file(out, job).read_text())


def results(out):
    return {(r := json.loads(path.read_text()))["id"]: r["result"] for path in out.glob("*%40*.json")}


def directory(root, module, where, **keywords):
    """A source that is not registered. Returns: its path"""
    source = root.source(module, **keywords)
    target = where / module
    shutil.move(source, target)
    return target


FAILS = {"extra": 'MAKE[0]="echo bad.c:1:2: error: oops; false"\n'}


def test_lists(root, tmp_path, out):
    root.source("foo")
    root.register("foo")
    bar = directory(root, "bar", tmp_path)
    root.kernel("6.9.0-bare", headers=False)
    names = [name(root, m, k) for m in ("bar", "foo") for k in (K1, K2)]
    assert matrix(root, "foo", bar).out.splitlines() == names
    assert matrix(root, bar, "foo/1.0", "foo", "-k", K2, "-k", K1).out.splitlines() == names
    document = json.loads(matrix(root, "--json", "foo", bar).out)
    assert [job["id"] for job in document["jobs"]] == names and document["missing"] == []
    listed = json.loads(matrix(root, "foo", bar, "--format", "json").out)
    assert listed["format"] == 1 and [job["id"] for job in listed["jobs"]] == names
    assert listed["jobs"][0] | {"argv": 0} == {"id": names[0], "module": "bar", "version": "1.0", "kernel": K1, "arch": ARCH,
                                               "root": root.path.name, "argv": 0}
    shards = json.loads(matrix(root, "foo", bar, "--format", "github", "--shards", "3").out)
    assert shards == {"include": [{"shard": "1/3", "jobs": 2}, {"shard": "2/3", "jobs": 1}, {"shard": "3/3", "jobs": 1}]}
    assert len(json.loads(matrix(root, "foo", bar, "--format", "github").out)["include"]) == 4
    assert matrix(root, "foo", "-k", K1, "--shards", "5").out == f"1/5  {names[2]}\n"
    assert matrix(root, "foo", "-k", "6.9.0-bare/arm64").out == f"foo/1.0/6.9.0-bare/arm64@{root.path.name}\n"
    assert not out.exists() and not (root.tree / "bar").exists()


def test_lines(root, tmp_path, out):
    """Each line is a command that a shell splits into the argv of the job, whatever is in the names."""
    evil = tmp_path / "a $(touch PWNED) 'b\" ;c"
    evil.mkdir()
    root.source("foo", extra='BUILD_DEPENDS="bar"\n')
    root.source("bar")
    sources = [shutil.move(root.src / f"{m}-1.0", evil / m) for m in ("foo", "bar")]
    lines = matrix(root, *sources, "--format", "lines", "--output", out).out.splitlines()
    argvs = [job["argv"] for job in json.loads(matrix(root, *sources, "--format", "json", "--output", out).out)["jobs"]]
    assert [shlex.split(line) for line in lines] == argvs and len(lines) == 4
    assert argvs[0] == ["dkms", "matrix", "--job", name(root, "bar"), "--output", str(out), "--root", str(root.path), "--",
                        str(evil / "bar")]
    assert argvs[2][-2:] == [str(evil / "foo"), str(evil / "bar")] # it needs bar
    for line in lines[::-1]:
        subprocess.run(["sh", "-c", line], check=True, cwd=tmp_path,
                       env=dict(os.environ, PATH=f"{pathlib.Path(DKMS).parent}:{os.environ['PATH']}"))
    assert set(results(out).values()) == {"built"} and len(results(out)) == 4
    assert matrix(root, "--merge", out).out.endswith("2 modules, 2 kernels: 4 good, 0 failed, 0 missing\n")
    assert not list(tmp_path.rglob("PWNED"))


def test_runs(root, tmp_path, out):
    root.source("foo")
    root.register("foo")
    bar = directory(root, "bar", tmp_path, extra='BUILD_DEPENDS="foo"\n')
    bad = directory(root, "bad", tmp_path, **FAILS)
    excluded = directory(root, "excluded", tmp_path, extra='BUILD_EXCLUSIVE_KERNEL="^9"\n')
    lost = directory(root, "lost", tmp_path, extra='BUILD_DEPENDS="bad"\n')
    root.kernel("6.9.0-bare", headers=False)
    before = root.snapshot()
    sources = ["foo", bar, bad, excluded, lost, "-k", K1, "-k", "6.9.0-bare"]
    matrix(root, *sources, "--output", out, rc=11)
    assert results(out) == {name(root, module, kernel): "no-headers" if kernel != K1 else result
                            for kernel in (K1, "6.9.0-bare")
                            for module, result in (("foo", "built"), ("bar", "built"), ("bad", "failed"),
                                                   ("excluded", "excluded"), ("lost", "failed"))}
    made = report(out, name(root, "foo"))
    assert made["files"] == [{"path": "updates/dkms/foo.ko", "size": 8, "sha256": made["files"][0]["payload"],
                              "payload": made["files"][0]["sha256"]}]
    assert made["exit"] == 0 and made["shard"] == "1/1" and made["host"] and re.fullmatch("[0-9a-f]{64}", made["key"])
    failed = report(out, name(root, "bad"))
    assert failed["exit"] == 10 and failed["error"] == "bad.c:1:2: error: oops"
    assert "bad.c:1:2" in file(out, name(root, "bad"), ".log").read_text()
    assert report(out, name(root, "excluded"))["exit"] == 77 and report(out, name(root, "foo", "6.9.0-bare"))["exit"] == 21
    after = {path: entry for path, entry in root.snapshot().items() if not re.match("tmp(/|$)", path)}
    assert after == before
    assert not any(path.is_file() for path in (root.path / "tmp").rglob("*"))
    merged = matrix(root, "--merge", out, rc=11)
    table = merged.out.splitlines()
    assert re.fullmatch(rf" +{K1} +6.9.0-bare", table[0])
    assert re.fullmatch(r"bad/1.0 +FAILED +\d+ s +no headers", table[1])
    assert re.fullmatch(r"excluded/1.0 +excluded +no headers", table[3])
    assert f"  bad/1.0, {K1}: bad.c:1:2: error: oops" in table
    assert table[-1] == "5 modules, 2 kernels: 3 good, 7 failed, 0 missing"


def test_resumes(root, tmp_path, out):
    """Jobs with the same inputs are skipped; failures and other inputs are not."""
    source = directory(root, "foo", tmp_path)
    bar = directory(root, "bar", tmp_path, extra='BUILD_DEPENDS="foo"\n')
    bad = directory(root, "bad", tmp_path, **FAILS)
    excluded = directory(root, "excluded", tmp_path, extra='BUILD_EXCLUSIVE_KERNEL="^9"\n')
    command = [source, bar, bad, excluded, "-k", K1, "--output", out]

    def times():
        return {path.name.split("%")[0]: path.stat().st_mtime_ns for path in out.glob("*%40*.json")}

    def renewed():
        before = times()
        matrix(root, *command, rc=11)
        return {module for module, when in times().items() if before.get(module) != when}

    assert renewed() == {"foo", "bar", "bad", "excluded"}
    assert renewed() == {"bad"}
    kept = matrix(root, *command, rc=11).out
    assert f"{name(root, 'foo')}: built by an earlier run" in kept
    (source / "foo.c").write_text("other\n")
    assert renewed() == {"foo", "bar", "bad"} # bar depends on foo
    for module, result in (("foo", "cached"), ("bar", "error"), ("excluded", "no-headers")):
        path = file(out, name(root, module))
        path.write_text(path.read_text().replace(f'"result":"{report(out, name(root, module))["result"]}"', f'"result":"{result}"'))
    assert renewed() == {"bar", "bad", "excluded"}
    file(out, name(root, "foo")).write_text('{"format":1,')
    assert renewed() == {"foo", "bad"}


def test_cached(root, out):
    """A build that the build cache has is taken from it, and has the same modules and key."""
    root.framework("cache_dir=/var/cache/dkms\n")
    root.source("foo", files={"foo.c": "int a;\n"})
    root.register("foo")
    (root.modules / K1 / "build/Makefile").write_text("all:\n\t$(CC) -c $(M)/foo.c -o $(M)/foo.ko\n")
    matrix(root, "foo", "-k", K1, "--output", out / "one")
    matrix(root, "foo", "-k", K1, "--output", out / "two")
    reports = [report(out / where, name(root, "foo")) for where in ("one", "two")]
    assert [one["result"] for one in reports] == ["built", "cached"]
    assert reports[0]["files"] == reports[1]["files"] and reports[0]["key"] == reports[1]["key"]
    assert "cached" in matrix(root, "--merge", out / "two").out
    assert "cached by an earlier run" in matrix(root, "foo", "-k", K1, "--output", out / "two").out


def test_shards(root, tmp_path, out):
    sources = [directory(root, f"m{i}", tmp_path) for i in range(5)]
    parts = []
    for i in (1, 2, 3):
        matrix(root, *sources, "--shard", f"{i}/3", "--output", tmp_path / str(i))
        parts.append(results(tmp_path / str(i)))
    assert [len(part) for part in parts] == [4, 3, 3] and len(set().union(*parts)) == 10
    for i, text in enumerate(("JOB_COMPLETION_INDEX=0", "JOB_COMPLETION_INDEX=1", "JOB_COMPLETION_INDEX=2")):
        matrix(root, *sources[::-1], "--shard", "auto", "--output", out, env=dict([text.split("=")], DKMS_SHARDS="3"))
    assert results(out) == parts[0] | parts[1] | parts[2]
    table = matrix(root, "--merge", out).out
    everywhere = tmp_path / "all"
    everywhere.mkdir()
    for i in "123": # as artifacts of a CI: one directory each
        shutil.move(tmp_path / i, everywhere / i)
    assert re.sub("[0-9]+ s", "", matrix(root, "--merge", everywhere).out) == re.sub("[0-9]+ s", "", table)
    assert "No known environment variable" in matrix(root, *sources, "--shard", "auto", "--output", out, rc=2).err
    # With durations, the longest job is alone.
    durations = tmp_path / "durations"
    merged = json.loads(matrix(root, "--merge", out, "--json").out)
    assert merged["missing"] == [] and len(merged["jobs"]) == 10
    for job in merged["jobs"]:
        job["seconds"] = 100 if job["id"] == name(root, "m3") else 1
    durations.write_text(json.dumps(merged))
    shards = matrix(root, *sources, "--shards", "2", "--durations", durations).out.splitlines()
    assert [line for line in shards if line.startswith("1/2")] == [f"1/2  {name(root, 'm3')}"]
    matrix(root, *sources, "--shard", "1/2", "--durations", durations, "--output", tmp_path / "one")
    assert results(tmp_path / "one") == {name(root, "m3"): "built"}
    durations.write_text("{}")
    matrix(root, *sources, "--shards", "2", "--durations", durations, rc=2)


def test_versions_and_roots(root, tmp_path, out):
    """Two versions of one module, two architectures of one kernel, two roots."""
    for version in "1.0", "2.0":
        root.source("foo", version)
        root.register("foo", version)
    other = tmp_path / "other"
    shutil.copytree(root.path, other, symlinks=True)
    matrix(root, "foo/1.0", "foo/2.0", "-k", f"{K1}/x86_64", "-k", f"{K1}/other", "--root", other, "--output", out)
    assert set(results(out)) == {f"foo/{v}/{K1}/{a}@{r}" for v in ("1.0", "2.0") for a in ("x86_64", "other")
                                 for r in ("root", "other")}
    assert set(results(out).values()) == {"built"}
    table = matrix(root, "--merge", out).out
    assert f"{K1}/x86_64@root" in table and "not reproducible" not in table
    twin = tmp_path / "twin/other"
    shutil.copytree(root.path, twin, symlinks=True)
    assert "same name" in matrix(root, "foo/1.0", "--root", other, "--root", twin, rc=2).err


def test_without_root(root, tmp_path, out):
    """The tree of the root need not exist, and the user needs no right but to write to the directory for reports."""
    root.source("foo")
    (root.path / "tmp").mkdir(mode=0o1777)
    (root.path / "tmp").chmod(0o1777)
    out.mkdir()
    result = as_nobody(root, "matrix", "foo/1.0", "-k", K1, "--output", out, own=[out])
    assert result.rc == 0, result
    assert results(out) == {name(root, "foo"): "built"}
    assert not root.tree.exists()


def test_slot_of_another(root, out):
    root.source("foo")
    slot = root.path / "tmp" / f"dkms-matrix-{os.geteuid()}"
    slot.mkdir(parents=True)
    slot.chmod(0o777)
    assert "Another user can write to" in matrix(root, "foo/1.0", "-k", K1, "--output", out, rc=1).err
    slot.rmdir()
    slot.symlink_to("/etc")
    matrix(root, "foo/1.0", "-k", K1, "--output", out, rc=1)
    assert not results(out)


def crowded(root, count):
    """Registers modules whose builds wait for the test."""
    for i in range(count):
        root.source(f"m{i}", extra=f'MAKE[0]="sleep {Crowd.SECONDS}; make -C $kernel_source_dir M=$dkms_tree/$PACKAGE_NAME/$PACKAGE_VERSION/build"\n')
        root.register(f"m{i}")
    return [f"m{i}" for i in range(count)]


def start(root, *arguments):
    return subprocess.Popen([DKMS, "--root", root.path, "matrix", *map(str, arguments)], stdout=subprocess.DEVNULL,
                            stderr=subprocess.DEVNULL, env=dict(os.environ, LC_ALL="C"))


@pytest.mark.xdist_group("crowd")
def test_killed(root, out):
    """A worker that is killed leaves the reports of the jobs that have ended. The next one does the others."""
    modules = crowded(root, 4)
    crowd = Crowd()
    command = [*modules, "-k", K1, "--output", out, "-j", "2"]
    worker = start(root, *command)
    first = crowd.wait(2, worker)
    crowd.release(first)
    eventually(lambda: len(results(out)) == 2)
    crowd.wait(2, worker)
    worker.kill()
    worker.wait()
    crowd.release()
    root.settle()
    eventually(lambda: not crowd.members())
    done = results(out)
    assert len(done) == 2 and set(done.values()) == {"built"}
    seen = {job: file(out, job).stat().st_mtime_ns for job in done}
    assert matrix(root, "--merge", out, rc=12).out.endswith("2 good, 0 failed, 2 missing\n")
    worker = start(root, *command)
    crowd.hold(worker, 2, 2)
    assert worker.wait() == 0
    assert len(results(out)) == 4 and {job: file(out, job).stat().st_mtime_ns for job in done} == seen
    assert [path.name for path in (root.path / "tmp").glob("*/*")] == ["0"]
    assert not list((root.path / "tmp").glob("*/*/*"))


@pytest.mark.xdist_group("crowd")
def test_interrupted(root, out):
    """A worker that is told to end reports nothing about jobs that have not ended."""
    modules = crowded(root, 2)
    crowd = Crowd()
    worker = start(root, *modules, "-k", K1, "--output", out, "-j", "2")
    crowd.wait(2, worker)
    worker.send_signal(signal.SIGTERM)
    assert worker.wait() != 0
    crowd.release()
    assert results(out) == {}


@pytest.mark.xdist_group("crowd")
def test_two_workers(root, out):
    """Two workers on the same shard do the same work twice, in directories of their own, and do not disturb each other."""
    modules = crowded(root, 2)
    crowd = Crowd()
    command = [*modules, "-k", K1, "--output", out, "-j", "2"]
    workers = [start(root, *command), start(root, *command)]
    crowd.wait(4, workers[0])
    assert {path.name for path in (root.path / "tmp").glob("*/*")} == {"0", "1"}
    crowd.release()
    assert [worker.wait() for worker in workers] == [0, 0]
    assert set(results(out).values()) == {"built"} and len(results(out)) == 2
    assert {path.suffix for path in out.iterdir()} == {".json", ".log"} # nothing unfinished


def test_full_disk(root, tmp_path, out):
    """If a report cannot be written, the worker fails, and the job is missing."""
    root.source("foo")
    root.register("foo")
    with mounted(out, "size=64k"):
        matrix(root, "foo", "-k", K1, "--output", out)
        file(out, name(root, "foo")).unlink()
        with pytest.raises(OSError):
            (out / "filler").write_bytes(b"x" * 65536)
        result = root("matrix", "foo", "-k", K1, "--output", out)
        assert result.rc not in (0, 11) and "No space left" in result.err, result
        assert not file(out, name(root, "foo")).exists()
        assert {path.name for path in out.iterdir()} - {"filler", "jobs.json"} <= {file(out, name(root, "foo"), ".log").name}
        (out / "filler").unlink()
        matrix(root, "foo", "-k", K1, "--output", out)
        assert results(out) == {name(root, "foo"): "built"}


# A kernel that compiles, and a source whose module contains its place.
COMPILES = "all:\n\t@cd $(M) && for f in *.c; do $(CC) -g $(KCFLAGS) -c $(M)/$$f -o $${f%.c}.ko || exit 1; done\n"
TEXT = "const char *file = __FILE__;\nint a (void) { return 1; }\n"


def test_builds_in_other_places_are_equal(root, tmp_path, out):
    """Two workers in two directories, with other variables: --merge compares what is loaded."""
    (root.modules / K1 / "build/Makefile").write_text(COMPILES)
    foo = directory(root, "foo", tmp_path, files={"foo.c": TEXT})
    found = []
    for place, zone in (("srv/one", "UTC"), ("srv/another/place", "Asia/Tokyo")):
        (root.path / place).mkdir(parents=True)
        matrix(root, foo, "-k", K1, "--output", out / zone.replace("/", "-"), env={"TMPDIR": f"/{place}", "TZ": zone, "ANY": zone})
        found.append(report(out / zone.replace("/", "-"), name(root, "foo")))
    assert found[0]["key"] == found[1]["key"] and found[0]["files"] == found[1]["files"]
    module, = found[0]["files"]
    assert module["payload"] != module["sha256"] and "not reproducible" not in matrix(root, "--merge", out).out


def test_disk_of_builds(root, out):
    """A full disk is the fault of the machine, and the job is tried again."""
    root.source("foo", extra='MAKE[0]="echo cp: No space left on device >&2; false"\n')
    root.register("foo")
    matrix(root, "foo", "-k", K1, "--output", out, rc=11)
    assert report(out, name(root, "foo"))["result"] == "error"
    assert "ERROR" in matrix(root, "--merge", out, rc=11).out


def test_merge(root, tmp_path, out):
    sources = [directory(root, module, tmp_path, **(FAILS if module == "bad" else {})) for module in ("bad", "foo", "foo2", "gone")]
    matrix(root, *sources, "-k", K1, "--output", out, rc=11)
    file(out, name(root, "gone")).unlink()
    file(out, name(root, "bad")).unlink()
    missing = matrix(root, "--merge", out, rc=12)
    assert name(root, "gone") in missing.err and name(root, "bad") in missing.err
    assert missing.out.endswith("4 modules, 1 kernel: 2 good, 0 failed, 2 missing\n")
    matrix(root, sources[0], "-k", K1, "--job", name(root, "bad"), "--output", out, rc=11)
    # The same job by another worker, with another result; a file that is no report; one that is unfinished; a huge one
    again = out / "worker 2"
    again.mkdir()
    other = report(out, name(root, "foo"))
    other["files"][0]["payload"] = "0" * 64
    other["host"], other["start"] = "\x1b[31mred|<b>", "2020-01-01T00:00:00Z"
    file(again, name(root, "foo")).write_text(json.dumps(other))
    (again / "x%40y.json").write_text("{]")
    (again / "huge%40y.json").write_bytes(b" " * (2 << 20))
    (again / ".tmp.json").write_text("{]")
    (again / "notes.txt").write_text("hello")
    (again / "device.json").symlink_to("/dev/zero")
    result = matrix(root, "--merge", out, rc=11)
    assert "\x1b" not in result.out
    assert f"  not reproducible: {name(root, 'foo')} (" in result.out
    for bad in "worker 2/x%40y.json", "worker 2/huge%40y.json", "worker 2/device.json":
        assert f"  not a report: {bad}\n" in result.out
    assert result.out.endswith("4 modules, 1 kernel: 2 good, 1 failed, 1 missing\n")
    document = json.loads(matrix(root, "--merge", out, "--json", rc=11).out)
    assert document["missing"] == [name(root, "gone")] and len(document["unreadable"]) == 3
    assert document["differing"] == [[name(root, "foo")] * 2]
    assert {job["id"]: job["result"] for job in document["jobs"]} == {name(root, "bad"): "failed", name(root, "foo"): "built",
                                                                     name(root, "foo2"): "built"}
    suite = xml.etree.ElementTree.fromstring(matrix(root, "--merge", out, "--format", "junit", rc=11).out)
    assert (suite.get("tests"), suite.get("failures"), suite.get("errors")) == ("4", "1", "1")
    assert [case.get("classname") for case in suite if case.find("failure") is not None] == ["bad/1.0"]
    markdown = matrix(root, "--merge", out, "--format", "markdown", rc=11).out
    assert markdown.splitlines()[1] == "|---|---|" and "<b>" not in markdown
    (out / "jobs.json").unlink()
    assert "no list of jobs" in matrix(root, "--merge", again, rc=12).err
    matrix(root, "--merge", tmp_path / "nothing", rc=1)


@pytest.mark.parametrize("arguments, text", [
    ([], "needs a module or a source"),
    (["foo", "--shard", "1/2"], "needs a directory"),
    (["foo", "--shard", "3/2", "--output", "o"], "not the number of a shard"),
    (["foo", "--format", "xml"], "Use text, lines, json, github"),
    (["--merge", ".", "--format", "json"], "Use text, markdown, junit"),
    (["foo", "--merge", "."], "cannot be used with --merge"),
    (["--merge", ".", "--shard", "1/2"], "cannot be used with --merge"),
    (["foo", "--shards", "0"], "not a number of shards"),
    (["foo", "--shards", "257", "--format", "github"], "from 1 to 256"),
    (["foo", "--job", "foo", "--output", "o"], "not a job"),
    (["foo", "--job", f"bar/1.0/{K1}/{ARCH}@root", "--output", "o"], "not a job"),
    (["foo", "--job", f"foo/1.0/{K1}/{ARCH}@host", "--output", "o"], "not a job"),
])
def test_refusals(root, tmp_path, arguments, text):
    root.source("foo")
    root.register("foo")
    result = matrix(root, *arguments, rc=2, cwd=tmp_path)
    assert text in result.err
    assert not (tmp_path / "o").exists()


def test_unknown_sources(root, tmp_path):
    root.source("foo")
    assert "bar/1.0 is not registered" in matrix(root, "foo/1.0", "bar/1.0", rc=3).err
    (tmp_path / "empty").mkdir()
    assert "no dkms.conf" in root("matrix", "foo/1.0", f"{tmp_path}/empty/").err
    assert root("matrix", "foo/1.0", tmp_path / "absent").rc != 0


def test_unconfined(root, out):
    """Unlike a forecast, a matrix builds also where builds cannot be confined, as in containers."""
    root.framework("sandbox=off\n")
    root.source("foo")
    root.register("foo")
    matrix(root, "foo", "--output", out)
    assert set(results(out).values()) == {"built"}


def test_real(real, tmp_path, out):
    """A real module: two runs in any directory give the same bytes and keys."""
    source = tmp_path / "probe"
    source.mkdir()
    (source / "Makefile").write_text("obj-m := probe.o\n")
    (source / "probe.c").write_text('#include <linux/module.h>\nMODULE_LICENSE ("GPL");\n'
                                    'static int __init probe_init (void) { pr_info ("%s\\n", __FILE__); return 0; }\n'
                                    'module_init (probe_init);\n')
    (source / "dkms.conf").write_text('PACKAGE_NAME="probe"\nPACKAGE_VERSION="1.0"\nBUILT_MODULE_NAME[0]="probe"\n'
                                      'DEST_MODULE_LOCATION[0]="/updates"\n')
    for where in "one", "two":
        matrix(real, source, "--output", out / where)
    reports = [json.loads(next((out / where).glob("*%40*.json")).read_text()) for where in ("one", "two")]
    assert reports[0]["result"] == "built" and reports[0]["key"] == reports[1]["key"]
    assert reports[0]["files"] == reports[1]["files"]
    assert "not reproducible" not in matrix(real, "--merge", out).out


def test_many(root, tmp_path, out, capsys):
    """10,000 jobs are listed and 10,000 reports merged. The time is printed; the number of system calls is limited."""
    sources = [directory(root, f"m{i:02}", tmp_path) for i in range(100)]
    kernels = [word for i in range(100) for word in ("-k", f"6.{i}.0-test")]
    begun = time.process_time(), time.monotonic()
    listed = matrix(root, *sources, *kernels, "--output", out, "--format", "lines")
    times = [time.monotonic() - begun[1]]
    assert len(listed.out.splitlines()) == 10000
    for job in json.loads((out / "jobs.json").read_text())["jobs"]:
        file(out, job["id"]).write_text(json.dumps(
            job | {"format": 1, "result": "built", "exit": 0, "seconds": 57.8, "key": "0" * 64, "host": "vm", "shard": "1/8",
                   "start": "2026-01-01T00:00:00Z", "files": [{"path": "updates/foo.ko", "size": 1, "sha256": "0" * 64, "payload": "0" * 64}]}))
    begun = time.monotonic()
    merged = matrix(root, "--merge", out)
    times.append(time.monotonic() - begun)
    assert merged.out.endswith("100 modules, 100 kernels: 10000 good, 0 failed, 0 missing\n")
    trace = tmp_path / "trace"
    def calls(*arguments):
        subprocess.run(["strace", "-f", "-c", "-o", trace, DKMS, "--root", root.path, "matrix", *arguments], check=True,
                       stdout=subprocess.DEVNULL, env=dict(os.environ, LC_ALL="C", ASAN_OPTIONS="detect_leaks=0"))
        return int(re.search(r"([0-9]+) +[0-9]* *total", trace.read_text()).group(1))
    counts = calls(*sources, *kernels), calls("--merge", out)
    assert counts[0] < 10000 and counts[1] < 10000 * 8, counts
    with capsys.disabled():
        print(f"\nlisting 10,000 jobs: {times[0]:.2f} s, {counts[0]} calls; merging: {times[1]:.2f} s, {counts[1]} calls")


SNIPPETS = sorted((pathlib.Path(__file__).resolve().parents[2] / "docs/fleet").iterdir())


@pytest.mark.parametrize("path", SNIPPETS, ids=[path.name for path in SNIPPETS])
def test_snippets(path, tmp_path):
    """The syntax of docs/fleet. tests/fleet runs the engines that can be had."""
    text = path.read_text()
    if path.suffix == ".sh":
        subprocess.run(["shellcheck", "-s", "sh", path], check=True)
    elif path.suffix == ".mk":
        (tmp_path / "dkms").write_text("#!/bin/sh\necho \"$@\"\n")
        (tmp_path / "dkms").chmod(0o755)
        ran = subprocess.run(["make", "--no-print-directory", "-f", path, "SOURCES=x", "SHARDS=3"], check=True, capture_output=True, text=True,
                             env=dict(os.environ, PATH=f"{tmp_path}:{os.environ['PATH']}"))
        assert sorted(ran.stdout.splitlines()) == ["matrix --merge results"] + [f"matrix x --shard {i}/3 --output results" for i in (1, 2, 3)]
    elif path.suffix == ".conf":
        assert text.count("{") == text.count("}") and text.startswith("# ")
    elif path.name == "bazel-remote.yml":
        # bazel-remote itself is not a package of Debian; these are options of it.
        assert set(yaml.safe_load(text)) == {"dir", "max_size", "http_address", "htpasswd_file", "allow_unauthenticated_reads", "storage_mode"}
    elif path.suffix in (".yaml", ".yml"):
        document = yaml.safe_load(text)
        assert document and "dkms matrix" in text.replace('", "', " ")
        if path.name == "github.yml":
            assert set(document["jobs"]) == {"list", "build", "table"}
            assert document["jobs"]["build"]["strategy"]["matrix"] == "${{ fromJSON(needs.list.outputs.shards) }}"
        elif path.name == "gitlab.yml":
            assert document["build"]["parallel"] <= 200
        else:
            job = document["spec"]
            environment = {one["name"]: one["value"] for one in job["template"]["spec"]["containers"][0]["env"]}
            assert job["completionMode"] == "Indexed" and int(environment["DKMS_SHARDS"]) == job["completions"]
    else:
        assert path.name == "README.md" and all(f"({other.name})" in text for other in SNIPPETS if other != path)
