"""Archives: what mktarball writes, and what ldtarball accepts and refuses."""
import io
import json
import os
import pathlib
import re
import stat
import subprocess
import tarfile

import pytest
from conftest import ARCH, DKMS, K1, K2, Root, as_nobody, strace

FORMS = {".tar.gz": b"\x1f\x8b", ".tar.xz": b"\xfd7zXZ", ".tar.zst": b"\x28\xb5\x2f\xfd", ".tar.bz2": b"BZh", ".tar": b"./"}


@pytest.fixture
def other(tmp_path):
    return Root(tmp_path / "other")


def built(root, *kernels):
    root.source(files={"foo.c": "foo 1.0\n", "sub/deep.h": "x\n", "run.sh": "#!/bin/sh\n"})
    for kernel in kernels or (K1,):
        root.ok("build", "foo/1.0", "-k", kernel)
    return root


def names(path):
    listing = subprocess.run(["tar", "-tf", path], capture_output=True, text=True, check=True).stdout
    return sorted(listing.split())


def archive(path, *members, sources=True):
    """A tar archive of (name, content or TarInfo), after the members of a valid source archive."""
    first = [("foo-1.0/dkms.conf", "PACKAGE_NAME=foo\nPACKAGE_VERSION=1.0\nBUILT_MODULE_NAME=foo\nDEST_MODULE_LOCATION=/extra\n"),
             ("foo-1.0/foo.c", "foo\n")] if sources else []
    with tarfile.open(path, "w") as tar:
        for member, content in [*first, *members]:
            info = member if isinstance(member, tarfile.TarInfo) else tarfile.TarInfo(member)
            data = content.encode() if isinstance(content, str) else b""
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return path


def special(name, kind, link="", mode=0o644):
    info = tarfile.TarInfo(name)
    info.type, info.linkname, info.mode = kind, link, mode
    return info, None


def test_default_place_and_content(root):
    built(root)
    root.ok("mktarball", "foo/1.0", "-k", K1)
    tarball = root.tree / f"foo/1.0/tarball/foo-1.0-kernel{K1}-{ARCH}.dkms.tar.gz"
    found = names(tarball)
    for name in ("./dkms_main_tree/", f"./dkms_main_tree/{K1}/{ARCH}/module/foo.ko", f"./dkms_main_tree/{K1}/{ARCH}/log/make.log",
                 "./dkms_source_tree/dkms.conf", "./dkms_source_tree/sub/deep.h"):
        assert name in found
    assert not (root.path / "tmp").exists(), "no scratch directory is created"
    assert root.status() == [f"foo/1.0, {K1}, {ARCH}: built"]


@pytest.mark.parametrize("suffix", FORMS)
def test_round_trip_in_every_form(root, other, tmp_path, suffix):
    built(root, K1, K2)
    file = tmp_path / f"x{suffix}"
    root.ok("mktarball", "foo/1.0", "--all", "--archive", file)
    assert file.read_bytes().startswith(FORMS[suffix])
    other.ok("ldtarball", file)
    assert other.status() == [f"foo/1.0, {K1}, {ARCH}: built", f"foo/1.0, {K2}, {ARCH}: built"]
    for tree in ("usr/src/foo-1.0/sub/deep.h", f"var/lib/dkms/foo/1.0/{K2}/{ARCH}/module/foo.ko"):
        assert (other.path / tree).read_bytes() == (root.path / tree).read_bytes()
    assert (other.src / "foo-1.0/run.sh").stat().st_mode & 0o111
    other.ok("install", "foo/1.0", "-k", K1)
    assert other.status("-k", K1) == [f"foo/1.0, {K1}, {ARCH}: installed"]


def test_loaded_builds_need_no_recipe_for_status(root, other, tmp_path):
    built(root)
    root.ok("mktarball", "foo/1.0", "-k", K1, "--archive", tmp_path / "x.tar")
    other.ok("ldtarball", tmp_path / "x.tar")
    trace = strace("-e", "trace=execve", DKMS, "--root", other.path, "status", check=True)
    assert trace.stderr.count("execve(") == 1 and "built" in trace.stdout


def test_source_only(root, other, tmp_path):
    built(root)
    root.ok("mktarball", "foo/1.0", "--source-only")
    file = root.tree / "foo/1.0/tarball/foo-1.0-source-only.dkms.tar.gz"
    assert not [n for n in names(file) if n.startswith("./dkms_main_tree/") and n != "./dkms_main_tree/"]
    other.ok("ldtarball", "--archive", file)
    assert other.status() == ["foo/1.0: added"]


def test_binaries_only(root, other, tmp_path):
    built(root)
    file = tmp_path / "b.tar.gz"
    root.ok("mktarball", "foo/1.0", "-k", K1, "--binaries-only", "--archive", file)
    found = names(file)
    assert "./dkms_binaries_only/dkms.conf" in found and not [n for n in found if "dkms_source_tree" in n]
    with tarfile.open(file) as tar:
        assert tar.extractfile("./dkms_binaries_only/PACKAGE_NAME").read() == b"foo\n"
        assert tar.extractfile("./dkms_binaries_only/PACKAGE_VERSION").read() == b"1.0\n"
    other.ok("ldtarball", file)
    assert other.status() == [f"foo/1.0, {K1}, {ARCH}: built"] and not (other.src / "foo-1.0").exists()
    other.ok("install", "foo/1.0", "-k", K1)
    assert other("build", "foo/1.0", "-k", K2).rc == 8, "the source is missing"
    other.ok("remove", "foo/1.0", "-k", K1)
    assert other.status() == [] and not (other.tree / "foo").exists()


def test_both_kinds_at_once(root):
    assert root("mktarball", "foo/1.0", "--source-only", "--binaries-only").rc == 8


def test_bare_archive_name_goes_to_the_tree(root):
    built(root)
    root.ok("mktarball", "foo/1.0", "-k", K1, "--archive", "mine.tar.xz")
    assert (root.tree / "foo/1.0/tarball/mine.tar.xz").is_file()


def test_long_list_of_kernels(root):
    built(root)
    kernels = [f"6.1.0-{i}-with-a-rather-long-name-of-its-own" for i in range(5)]
    for kernel in kernels:
        root.kernel(kernel)
        root.ok("build", "foo/1.0", "-k", kernel)
    root.ok("mktarball", "foo/1.0", "--all")
    assert (root.tree / "foo/1.0/tarball/foo-1.0-manykernels.dkms.tar.gz").is_file()


def test_mktarball_refusals(root, tmp_path):
    built(root)
    before = root.snapshot()
    assert root("mktarball", "foo/1.0", "-k", K2).rc == 6
    assert root("mktarball").rc == 1 and root("mktarball", "foo", "-k", K2).rc == 6
    assert root("mktarball", "bar/1").rc == 3
    (tmp_path / "file").write_text("")
    result = root("mktarball", "foo/1.0", "-k", K1, "--archive", tmp_path / "file/x.tar")
    assert result.rc == 9 and "file" in result.err
    root.ok("remove", "foo/1.0", "--all")
    root.ok("add", "foo/1.0")
    assert root("mktarball", "foo/1.0", "--all").rc == 6, "an empty selection"
    root.ok("build", "foo/1.0", "-k", K1)
    assert {k for k in root.snapshot() if ".dep" not in k} == set(before)
    (root.src / "foo-1.0").rename(root.src / "gone")
    assert root("mktarball", "foo/1.0", "-k", K1).rc == 4


def test_equal_trees_make_equal_archives(root, tmp_path):
    built(root)
    for name in ("a.tar", "b.tar"):
        root.ok("mktarball", "foo/1.0", "--source-only", "--archive", tmp_path / name)
    first, second = [subprocess.run(["tar", "-xOf", tmp_path / n], capture_output=True, check=True).stdout for n in ("a.tar", "b.tar")]
    assert first == second and names(tmp_path / "a.tar") == names(tmp_path / "b.tar")


@pytest.mark.parametrize("verb", ["add", "ldtarball"])
def test_generic_source_archive(root, tmp_path, verb):
    root.ok(verb, archive(tmp_path / "src.tar"))
    assert root.status() == ["foo/1.0: added"]
    assert (root.src / "foo-1.0/foo.c").read_text() == "foo\n"
    assert root(verb, archive(tmp_path / "src.tar")).rc == 3


def test_install_straight_from_an_archive(root, other, tmp_path):
    root.ok("install", archive(tmp_path / "src.tar"), "-k", K1)
    assert root.status() == [f"foo/1.0, {K1}, {ARCH}: installed"]
    root.ok("mktarball", "foo/1.0", "-k", K1, "--archive", tmp_path / "ours.tar.gz")
    result = other.ok("install", tmp_path / "ours.tar.gz", "-k", K1)
    assert "Building" not in result.out, "the archive has the build"
    assert other.status() == [f"foo/1.0, {K1}, {ARCH}: installed"]


def test_already_added(root, tmp_path):
    built(root)
    root.ok("mktarball", "foo/1.0", "-k", K1, "--archive", tmp_path / "x.tar")
    (root.path / "tmp").mkdir()
    before = root.snapshot()
    for verb in ("ldtarball", "add"):
        assert root(verb, tmp_path / "x.tar").rc == 8
    assert root.snapshot() == before


def test_force_loads_over_what_is_there(root, tmp_path):
    built(root, K1, K2)
    root.ok("mktarball", "foo/1.0", "--all", "--archive", tmp_path / "x.tar")
    module = root.tree / f"foo/1.0/{K2}/{ARCH}/module/foo.ko"
    module.write_text("changed")
    (root.src / "foo-1.0/foo.c").write_text("changed")
    root.ok("ldtarball", tmp_path / "x.tar", "--force")
    assert module.read_text() == "foo 1.0\n" and (root.src / "foo-1.0/foo.c").read_text() == "foo 1.0\n"


def test_other_sources_in_the_way(root, other, tmp_path):
    built(root)
    root.ok("mktarball", "foo/1.0", "-k", K1, "--archive", tmp_path / "x.tar")
    other.source(files={"foo.c": "different\n"})
    before = other.snapshot()
    result = other("ldtarball", tmp_path / "x.tar")
    assert result.rc == 8 and "--force" in result.err
    after = {k: v for k, v in other.snapshot().items() if k in before}
    assert after == before and other.status() == []


def test_damaged_build_is_reported(root, other, tmp_path):
    built(root)
    root.ok("mktarball", "foo/1.0", "-k", K1, "--archive", tmp_path / "x.tar")
    (tmp_path / "u").mkdir()
    subprocess.run(["tar", "-xf", tmp_path / "x.tar", "-C", tmp_path / "u"], check=True)
    (tmp_path / f"u/dkms_main_tree/{K1}/{ARCH}/module/foo.ko").write_text("evil")
    subprocess.run(["tar", "-cf", tmp_path / "y.tar", "-C", tmp_path / "u", "."], check=True)
    result = other.ok("ldtarball", tmp_path / "y.tar")
    assert "differs from its record" in result.err


EVIL = {
    "absolute": ("/etc/evil", "x"), "climbing": ("foo-1.0/../../evil", "x"), "dotdot at the end": ("foo-1.0/..", "x"),
    "link out": special("foo-1.0/link", tarfile.SYMTYPE, "../../etc/passwd"), "absolute link": special("l", tarfile.SYMTYPE, "/etc"),
    "hard link": special("foo-1.0/h", tarfile.LNKTYPE, "/etc/passwd"), "hard link up": special("h", tarfile.LNKTYPE, "../x"),
    "device": special("foo-1.0/dev", tarfile.CHRTYPE), "block device": special("foo-1.0/sda", tarfile.BLKTYPE),
    "fifo": special("foo-1.0/fifo", tarfile.FIFOTYPE), "setuid": special("foo-1.0/su", tarfile.REGTYPE, mode=0o4755),
    "setgid": special("foo-1.0/sg", tarfile.REGTYPE, mode=0o2755),
    "deep": ("foo-1.0/" + "d/" * 70 + "x", "x"),
}


@pytest.mark.parametrize("kind", EVIL)
@pytest.mark.parametrize("verb", ["ldtarball", "add", "install"])
def test_evil_archives_leave_nothing(root, tmp_path, kind, verb):
    before = root.snapshot()
    result = root(verb, archive(tmp_path / "evil.tar", EVIL[kind]))
    assert result.rc == 3 and "evil.tar" in result.err and "Nothing from the archive was used" in result.err
    assert {k: v for k, v in root.snapshot().items() if k not in ("tmp", "var", "var/lib", "var/lib/dkms")} == before
    assert not list((root.path / "tmp").iterdir()) and not (tmp_path / "evil").exists()


LEADS_OUT = {
    "hard link up": (special("d/h", tarfile.LNKTYPE, "../victim"), "a hard link that leads out of the archive"),
    "hard link by its whole path": (special("h", tarfile.LNKTYPE, "{top}/victim"), "a hard link that leads out of the archive"),
    "hard link that climbs in the middle": (special("h", tarfile.LNKTYPE, "d/../../victim"), "a hard link that leads out of the archive"),
    "link up": (special("d/l", tarfile.SYMTYPE, "../../victim"), "a symbolic link that leads out of the archive"),
    "link by its whole path": (special("l", tarfile.SYMTYPE, "{top}/victim"), "a symbolic link that leads out of the archive"),
    "link down and up": (special("l", tarfile.SYMTYPE, "d/../../victim"), "a symbolic link that leads out of the archive"),
    "whole path": (("{top}/evil", "x"), "an absolute path"),
    "path that climbs": (("d/../../evil", "x"), "a path that leads out of the archive"),
}


@pytest.mark.parametrize("kind", LEADS_OUT)
def test_the_helper_refuses_members_that_lead_out(tmp_path, kind):
    """Guards the checks of dkms-archive: the targets exist, so no other error can occur."""
    (member, text), reason = LEADS_OUT[kind]
    (tmp_path / "victim").write_text("precious")
    (tmp_path / "inside").mkdir()
    if isinstance(member, str):
        member = member.format(top=tmp_path)
    else:
        member.linkname = member.linkname.format(top=tmp_path)
    evil = archive(tmp_path / "evil.tar", special("d", tarfile.DIRTYPE, mode=0o755), (member, text))
    result = subprocess.run([pathlib.Path(DKMS).parent / "helpers/dkms-archive", "extract", evil, tmp_path / "inside", "1000000"],
                            capture_output=True, text=True, check=False)
    assert result.returncode == 1 and reason in result.stderr, result
    assert (tmp_path / "victim").stat().st_nlink == 1 and not (tmp_path / "evil").exists()
    assert not any(path.is_symlink() for path in (tmp_path / "inside").rglob("*"))


def test_link_through_a_link(root, tmp_path):
    evil = archive(tmp_path / "evil.tar", special("foo-1.0/a", tarfile.SYMTYPE, "."), special("foo-1.0/a/b", tarfile.SYMTYPE, "../.."),
                   ("foo-1.0/a/b/evil", "x"))
    assert root("ldtarball", evil).rc == 3 and not list(tmp_path.rglob("evil"))


def test_link_of_which_nobody_knows_where_it_leads(root, tmp_path):
    result = root("ldtarball", archive(tmp_path / "x.tar", special("foo-1.0/link", tarfile.SYMTYPE, "n" * 300)))
    assert result.rc == 3 and "contains the symbolic link link, which cannot be followed: File name too long." in result.err, result
    assert not (root.src / "foo-1.0").exists()


def test_harmless_links_are_kept(root, tmp_path):
    root.ok("ldtarball", archive(tmp_path / "x.tar", special("foo-1.0/sub", tarfile.DIRTYPE, mode=0o755),
                                 special("foo-1.0/sub/link", tarfile.SYMTYPE, "../foo.c")))
    assert os.readlink(root.src / "foo-1.0/sub/link") == "../foo.c"


def test_size_limit(root, tmp_path):
    root.framework("tarball_limit_mib=1\n")
    result = root("ldtarball", archive(tmp_path / "x.tar", ("foo-1.0/big", "x" * (2 << 20))))
    assert result.rc == 3 and "limit" in result.err and not list((root.path / "tmp").iterdir())


@pytest.mark.parametrize("content, rc", [(b"", 3), (b"no archive at all", 3), (b"\x1f\x8b" + b"x" * 600, 3)])
def test_files_that_are_not_archives(root, tmp_path, content, rc):
    (tmp_path / "x.tar.gz").write_bytes(content)
    result = root("ldtarball", tmp_path / "x.tar.gz")
    assert result.rc == rc and "x.tar.gz" in result.err and root.status() == []


def test_truncated(root, other, tmp_path):
    built(root)
    root.ok("mktarball", "foo/1.0", "-k", K1, "--archive", tmp_path / "x.tar.gz")
    data = (tmp_path / "x.tar.gz").read_bytes()
    (tmp_path / "y.tar.gz").write_bytes(data[:len(data) // 2])
    assert other("ldtarball", tmp_path / "y.tar.gz").rc == 3 and other.status() == []


def test_incomplete_archives(root, tmp_path):
    assert root("ldtarball", tmp_path / "none.tar").rc == 2
    assert root("ldtarball", archive(tmp_path / "a.tar", ("foo/foo.c", "x"), sources=False)).rc == 3
    assert root("ldtarball", archive(tmp_path / "b.tar", ("dkms_main_tree/x", "x"), sources=False)).rc == 7
    assert root("ldtarball", archive(tmp_path / "c.tar", ("dkms_main_tree/x", "x"), ("dkms_source_tree/dkms.conf", "PACKAGE_NAME=x\n"),
                                     sources=False)).rc == 8
    assert root("ldtarball", archive(tmp_path / "d.tar", ("dkms_main_tree/x", "x"), ("dkms_source_tree/dkms.conf",
                                     "PACKAGE_NAME=../x\nPACKAGE_VERSION=1\nBUILT_MODULE_NAME=x\nDEST_MODULE_LOCATION=/extra\n"),
                                     sources=False)).rc == 8
    assert root.status() == [] and not list((root.path / "tmp").iterdir())


def test_like_the_references_archive(root, tmp_path):
    """An archive of the reference: no records, a hidden .dep_ file."""
    conf = "PACKAGE_NAME=foo\nPACKAGE_VERSION=1.0\nBUILT_MODULE_NAME=foo\nDEST_MODULE_LOCATION=/extra\n"
    root.ok("ldtarball", archive(tmp_path / "r.tar", ("./dkms_main_tree/" + f"{K1}/{ARCH}/module/foo.ko", "ko"),
                                 (f"./dkms_main_tree/{K1}/{ARCH}/log/make.log", "log"), (f"./dkms_main_tree/{K1}/{ARCH}/.dep_bar", "2\n"),
                                 (f"./dkms_main_tree/{K2}/{ARCH}/module/foo.ko", "ko2"), ("./dkms_source_tree/dkms.conf", conf),
                                 ("./dkms_source_tree/foo.c", "x"), sources=False))
    assert root.status() == [f"foo/1.0, {K1}, {ARCH}: built", f"foo/1.0, {K2}, {ARCH}: built"]
    assert (root.tree / f"foo/1.0/{K1}/{ARCH}/.dep_bar").read_text() == "2\n"


@pytest.mark.parametrize("works", [True, False])
def test_rpm_argument(root, tmp_path, works):
    """rpm installs the package, and autoinstall the module."""
    fake = tmp_path / "bin"
    fake.mkdir()
    (fake / "rpm").write_text(f'#!/bin/sh\necho "$@" > {root.path}/called\nexit {0 if works else 1}\n')
    (fake / "rpm").chmod(0o755)
    (tmp_path / "foo.rpm").write_text("")
    root.source()
    root.ok("add", "foo/1.0")
    result = root("ldtarball", tmp_path / "foo.rpm", "-k", K1, env={"PATH": f"{fake}:{os.environ['PATH']}"})
    assert (root.path / "called").read_text().split() == ["-Uvh", str(tmp_path / "foo.rpm")]
    assert result.rc == (0 if works else 9)
    assert root.status() == ([f"foo/1.0, {K1}, {ARCH}: installed"] if works else ["foo/1.0: added"])


def test_archive_is_not_world_writable(root, tmp_path):
    built(root)
    root.ok("mktarball", "foo/1.0", "--source-only", "--archive", tmp_path / "x.tar")
    assert stat.S_IMODE((tmp_path / "x.tar").stat().st_mode) == 0o644
    assert pathlib.Path(tmp_path / "x.tar").stat().st_size > 0 and len(list(tmp_path.glob("x.tar*"))) == 1


# ---- contradictory archives ----

def repacked(root, tmp_path, change):
    """An archive with a build, after @change was applied to its unpacked directory."""
    built(root)
    root.ok("mktarball", "foo/1.0", "-k", K1, "--archive", tmp_path / "good.tar")
    unpacked = tmp_path / "unpacked"
    unpacked.mkdir()
    subprocess.run(["tar", "-xf", tmp_path / "good.tar", "-C", unpacked], check=True)
    change(unpacked / "dkms_main_tree" / K1 / ARCH, unpacked / "dkms_source_tree")
    subprocess.run(["tar", "-cf", tmp_path / "evil.tar", "-C", unpacked, "."], check=True)
    return tmp_path / "evil.tar"


def edited(name, /, **values):
    def change(build, _):
        document = json.loads((build / name).read_text())
        if name == ".record.json":
            document["modules"][0].update(values)
        else:
            document.update({key: [value] for key, value in values.items()})
        (build / name).write_text(json.dumps(document))
    return change


def linked(**links):
    def change(_, source):
        for name, target in links.items():
            path = source / name.replace("__", "/")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.symlink_to(target)
    return change


def text_of(name, text):
    return lambda build, _: (build / name).write_text(text)


HOSTILE = {
    "record climbs": edited(".record.json", location="/../../../../victim"),
    "record climbs inside": edited(".record.json", location="/kernel/../../../../victim"),
    "record names a path": edited(".record.json", name="../../victim/y"),
    "record names a file elsewhere": edited(".record.json", file="../../../../victim/y.ko"),
    "record with control characters": edited(".record.json", name="foo\n\x1b[2J"),
    "record of a relative place": edited(".record.json", location="victim"),
    "record that is no record": text_of(".record.json", "[1]"),
    "recipe climbs": edited(".recipe.json", DEST_MODULE_LOCATION="/kernel/../../../../victim"),
    "recipe names a path": edited(".recipe.json", DEST_MODULE_NAME="../../../../../victim/y"),
    "recipe builds elsewhere": edited(".recipe.json", BUILT_MODULE_LOCATION="../../../../victim"),
    "recipe elsewhere": edited(".recipe.json", DEST_MODULE_LOCATION="/etc"),
    "recipe that is no recipe": text_of(".recipe.json", "{"),
    "link in a build": lambda build, _: (build / "module/bar.ko").symlink_to("../../../../../../../../victim/y.ko"),
    "fifo in a build": lambda build, _: os.mkfifo(build / "module/fifo"),
    "link by way of links": linked(d__e__up="..", out="d/e/up/e/up/../../../victim/passwd"),
    "link to the archive": linked(x="../dkms_main_tree"),
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_hostile_archives_are_refused_as_a_whole(root, other, tmp_path, kind):
    victim = other.path / "victim"
    victim.mkdir()
    (victim / "y.ko").write_text("precious")
    other.source(version="2.0")
    other.ok("add", "foo/2.0")
    evil = repacked(root, tmp_path, HOSTILE[kind])
    before = other.snapshot()
    result = other("ldtarball", evil)
    assert result.rc in (2, 3, 7) and "evil.tar" in result.err or "archive" in result.err, result
    assert {k: v for k, v in other.snapshot().items() if k != "tmp"} == before
    other.ok("install", "foo/2.0", "-k", K1)
    other.ok("remove", "foo/2.0", "--all")
    assert (victim / "y.ko").read_text() == "precious"


def test_a_record_that_was_changed_in_the_tree_deletes_nothing(root):
    """The record may be wrong because of a broken file system or an old copy, so it is checked."""
    victim = root.path / "victim"
    victim.mkdir()
    (victim / "foo.ko").write_text("precious")
    root.source()
    root.source(version="2.0")
    root.ok("install", "foo/1.0", "-k", K1)
    base = root.tree / "foo/1.0" / K1 / ARCH
    edited(".record.json", location="/../../../victim")(base, None)
    edited(".recipe.json", DEST_MODULE_LOCATION="/kernel/../../../../victim")(base, None)
    root("install", "foo/2.0", "-k", K1)
    root("uninstall", "foo/1.0", "-k", K1)
    root("remove", "foo/1.0", "--all")
    assert (victim / "foo.ko").read_text() == "precious"


def test_holes_count(root, tmp_path):
    root.framework("tarball_limit_mib=10\n")
    (tmp_path / "foo-1.0").mkdir()
    (tmp_path / "foo-1.0/dkms.conf").write_text("PACKAGE_NAME=foo\nPACKAGE_VERSION=1.0\nBUILT_MODULE_NAME=foo\nDEST_MODULE_LOCATION=/extra\n")
    for name, data in (("end", b""), ("middle", b"x")):
        with open(tmp_path / "foo-1.0/sparse", "wb") as sparse:
            sparse.seek(100 << 20)
            sparse.write(data)
            sparse.truncate(100 << 20 | len(data))
        subprocess.run(["tar", "--sparse", "-czf", tmp_path / f"{name}.tar.gz", "-C", tmp_path, "foo-1.0"], check=True)
        result = root("ldtarball", tmp_path / f"{name}.tar.gz")
        assert result.rc == 3 and "more than the limit" in result.err, result
    with tarfile.open(tmp_path / "map.tar", "w", format=tarfile.PAX_FORMAT) as archive:
        archive.add(tmp_path / "foo-1.0/dkms.conf", "foo-1.0/dkms.conf")
        member = tarfile.TarInfo("foo-1.0/sparse")  # the size is one byte, but the map places this byte after a hole
        member.size = 1
        member.pax_headers = {"GNU.sparse.size": "1", "GNU.sparse.numblocks": "1", "GNU.sparse.map": f"{100 << 20},1"}
        archive.addfile(member, io.BytesIO(b"x"))
    result = root("ldtarball", tmp_path / "map.tar")
    # Newer releases of libarchive refuse such a map.
    assert result.rc == 3 and re.search("more than the limit|Malformed sparse map", result.err), result


def test_whoever_may_read_may_pack(root, tmp_path):
    root.source()
    root.ok("build", "foo/1.0", "-k", K1)
    before = root.snapshot()
    (tmp_path / "mine").mkdir()
    subprocess.run(["chown", "nobody", tmp_path / "mine"], check=True)
    result = as_nobody(root, "mktarball", "foo/1.0", "-k", K1, "--archive", tmp_path / "mine/x.tar.gz")
    assert result.rc == 0 and (tmp_path / "mine/x.tar.gz").exists(), result
    assert root.snapshot() == before
    for arguments in (["--archive", tmp_path / "x.tar.gz"], ["--archive", tmp_path / "new/x.tar.gz"], [], ["--archive", "x.tar.gz"]):
        result = as_nobody(root, "mktarball", "foo/1.0", "-k", K1, *arguments)
        assert result.rc == 9 and "Cannot write" in result.err, result
    assert sorted(p.name for p in tmp_path.glob("*x.tar*")) == []


def test_binaries_for_a_kernel_without_modules(root, other, tmp_path):
    """A compressed build from an archive is installed where nothing shows how the kernel compresses its modules, and is not stale, because
    the version has no source there."""
    (root.kernel(K1) / "kernel").mkdir()
    (root.modules / K1 / "kernel/a.ko.xz").write_bytes(b"x")
    built(root)
    root.ok("mktarball", "foo/1.0", "-k", K1, "--binaries-only", "--archive", tmp_path / "a.tar")
    assert "/var/lib/dkms/foo/1.0/source\n" in other.ok("ldtarball", tmp_path / "a.tar").out
    other.ok("install", "foo/1.0", "-k", K1)
    assert [path.name for path in (other.modules / K1).rglob("foo.ko*")] == ["foo.ko.xz"]
    assert other.status() == [f"foo/1.0, {K1}, {ARCH}: installed"]
    assert "stale" not in other.ok("status", "-t").out.lower()
    other.ok("uninstall", "foo/1.0", "-k", K1)
    assert not list((other.modules / K1).rglob("foo.ko*"))
