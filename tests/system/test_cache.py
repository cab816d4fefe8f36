"""The build cache: builds from the same inputs are taken from cache_dir."""
import hashlib
import json
import os
import pathlib
import re
import shutil
import subprocess

import pytest

from conftest import ARCH, K1, K2

CACHE = "var/cache/dkms"
TAKING = "Taking the modules of"


# The makefile of a kernel that compiles, and counts how often.
MAKEFILE = """\
all:
\t@for f in $(M)/*.c; do $(CC) -c $$f -o $${f%.c}.ko || exit 1; done
"""


def set_up(root, name="foo", version="1.0", text="int a;\n", settings="", **keywords):
    """Registers a module, and turns the build cache on."""
    for kernel in (K1, K2):
        (root.modules / kernel / "build/Makefile").write_text(MAKEFILE)
    root.framework(f"cache_dir=/{CACHE}\n" + settings)
    root.source(name, version, files={f"{name}.c": text}, **keywords)


def entries(root, kind="ac"):
    directory = root.path / CACHE / kind
    return sorted(directory.iterdir()) if directory.is_dir() else []


def another_machine(root):
    """What else but the cache is there is forgotten."""
    shutil.rmtree(root.path / "var/lib/dkms")


def built(root, name="foo", version="1.0", kernel=K1):
    """Contents of the files of a build, by their names."""
    base = root.tree / name / version / kernel / ARCH
    return {str(p.relative_to(base)): p.read_bytes() for p in base.rglob("*") if p.is_file() and not p.name.startswith(".")}


def attempt(root, name="foo", version="1.0", kernel=K1):
    return json.loads((root.tree / name / version / kernel / ARCH / ".attempt.json").read_text())


def test_second_build_is_a_copy(root):
    """With cache_dir, a build from the same inputs compiles nothing."""
    set_up(root)
    first = root.ok("build", "foo/1.0", "-k", K1)
    before = built(root)
    assert TAKING not in first.out and "Building module" in first.out
    assert len(entries(root)) == 1 and len(entries(root, "cas")) == 2
    another_machine(root)
    second = root.ok("build", "foo/1.0", "-k", K1)
    assert TAKING in second.out and "Building module" not in second.out
    after = built(root)
    module = "module/foo.ko"
    assert before.keys() == after.keys() and before[module] == after[module]
    assert after["log/make.log"].startswith(b"# from the build cache of this machine, built 20")
    assert before["log/make.log"] in after["log/make.log"]
    assert attempt(root)["cached"] == "local"
    # It is like any other build.
    assert root.status() == [f"foo/1.0, {K1}, {ARCH}: built"]
    root.ok("install", "foo/1.0", "-k", K1)
    assert root.status() == [f"foo/1.0, {K1}, {ARCH}: installed"]


def taken(result):
    return TAKING in result.out and "Building module" not in result.out


def rebuild(root, *arguments, kernel=K1, rc=0, **keywords):
    """Builds foo/1.0 as on another machine."""
    shutil.rmtree(root.path / "var/lib/dkms", ignore_errors=True)
    result = root("build", "foo/1.0", "-k", kernel, *arguments, **keywords)
    assert result.rc == rc, result
    return result


def change_source(root):
    (root.src / "foo-1.0/foo.c").write_text("int b;\n")


def change_recipe(root):
    with open(root.src / "foo-1.0/dkms.conf", "a") as file:
        file.write('MAKE[0]="make -C $kernel_source_dir M=$dkms_tree/foo/1.0/build EXTRA=1"\n')


def change_header(root):
    """A file of the headers that is neither Module.symvers nor the configuration."""
    (root.modules / K1 / "build/include").mkdir(exist_ok=True)
    (root.modules / K1 / "build/include/any.h").write_text("#define ANY 1\n")


def change_linked(root):
    (root.path / "usr/lib/kbuild/tool").write_text("two\n")


def change_included(root):
    (root.path / "usr/src/common/rules").write_text("# three\n")


def change_override(root):
    (root.path / "etc/dkms/foo.conf").write_text("# nothing\nCLEAN=true\n")


CHANGES = {"source": change_source, "recipe": change_recipe, "header": change_header, "what a link leads to": change_linked,
           "what the Makefile includes": change_included, "override": change_override}


def test_every_input_is_in_the_key(root):
    """A change of one input is a miss, and the first inputs are still a hit."""
    set_up(root)
    build = root.modules / K1 / "build"
    (root.path / "usr/lib/kbuild").mkdir(parents=True)
    (root.path / "usr/lib/kbuild/tool").write_text("one\n")
    (root.path / "usr/src/common").mkdir()
    (root.path / "usr/src/common/Makefile").write_text(MAKEFILE)
    (root.path / "usr/src/common/rules").write_text("# one\n")
    (build / "scripts").symlink_to(os.path.relpath(root.path / "usr/lib/kbuild", build))
    (build / "Makefile").write_text(f"include {root.path}/usr/src/common/Makefile\n")
    rebuild(root)
    assert taken(rebuild(root))
    for name, change in CHANGES.items():
        change(root)
        assert not taken(rebuild(root)), name
    assert not taken(rebuild(root, env=dict(os.environ, KCFLAGS="-DONE")))
    assert not taken(rebuild(root, env=dict(os.environ, ANY_VARIABLE="1")))
    assert not taken(rebuild(root, "--directive", "CLEAN=false"))
    assert taken(rebuild(root, env=dict(os.environ, SSH_CONNECTION="here", LC_TIME="C", SUDO_USER="someone")))
    assert not taken(rebuild(root, kernel=K2))
    assert taken(rebuild(root, kernel=K2, env=dict(os.environ, XDG_RUNTIME_DIR="/run")))


def test_other_places_are_other_inputs(root):
    """The compiler writes the directory of the build into what it makes."""
    set_up(root)
    rebuild(root)
    (root.path / "srv/tree").mkdir(parents=True)
    assert not taken(rebuild(root, "--dkmstree", "/srv/tree"))


def test_options(root):
    set_up(root)
    rebuild(root, "--no-cache")
    assert not entries(root)
    rebuild(root)
    assert not taken(rebuild(root, "--no-cache"))
    assert taken(rebuild(root))
    # --force builds, and replaces the entry.
    stored, = entries(root)
    before = stored.stat().st_ino
    assert not taken(rebuild(root, "--force"))
    assert entries(root) == [stored] and stored.stat().st_ino != before
    root.framework(f'cache_dir=/{CACHE}\ncache_exclude="bar f*"\n')
    assert not taken(rebuild(root))


@pytest.mark.parametrize("value", ["cache", "./cache"])
def test_relative_directory(root, value):
    set_up(root)
    root.framework(f"cache_dir={value}\n")
    result = root("build", "foo/1.0", "-k", K1)
    assert result.rc == 2 and "cache_dir" in result.err and "absolute" in result.err


def test_remove_forgets(root):
    """Remove and build again is how users get rid of a bad build."""
    set_up(root)
    root.ok("build", "foo/1.0", "-k", K1, "-k", K2)
    assert len(entries(root)) == 2
    root.ok("unbuild", "foo/1.0", "-k", K2)
    assert len(entries(root)) == 1
    root.ok("remove", "foo/1.0", "--all")
    assert not entries(root)
    assert not taken(root.ok("build", "foo/1.0", "-k", K1))


def test_known_failure(root):
    set_up(root, text="int a = ;\n")
    first = rebuild(root, rc=10)
    assert len(entries(root)) == 1
    second = rebuild(root, rc=10)
    assert "known to fail" in second.err and "expected expression" in second.err and "--force" in second.err, second
    log = pathlib.Path(re.search(r"\S+/make\.log", second.err)[0]).read_text()
    assert "# from the build cache" in log and "expected expression" in log
    assert "expected expression" in root.ok("explain", "foo/1.0", "-k", K1).out
    assert len(entries(root)) == 1
    assert "known to fail" not in rebuild(root, "--force", rc=10).err
    root.framework(f"cache_dir=/{CACHE}\ncache_negative=0\n")
    assert "known to fail" not in rebuild(root, rc=10).err
    root.ok("remove", "foo/1.0", "--all")
    assert not entries(root)
    assert first.err.count("Error!") == second.err.count("Error!") == 1


def test_failures_of_the_machine_are_not_stored(root):
    set_up(root)
    root.source("foo", files={"foo.c": "int a;\n"}, extra='PRE_BUILD="stop.sh"\n')
    for text in ("kill -9 $$", "echo No space left on device >&2; exit 1"):
        (root.src / "foo-1.0/stop.sh").write_text(f"#!/bin/sh\n{text}\n")
        (root.src / "foo-1.0/stop.sh").chmod(0o755)
        shutil.rmtree(root.tree, ignore_errors=True)
        assert root("build", "foo/1.0", "-k", K1).rc != 0
        assert not entries(root), text


def test_files_of_post_build(root):
    set_up(root, extra='POST_BUILD="post.sh"\n')
    script = root.src / "foo-1.0/post.sh"
    script.write_text("#!/bin/sh\necho ran >&2\necho extra > ../$kernelver/$arch/foo.h\n")
    script.chmod(0o755)
    rebuild(root)
    before = built(root)
    assert before["foo.h"] == b"extra\n"
    second = rebuild(root)
    after = built(root)
    assert taken(second) and after["foo.h"] == b"extra\n" and after["module/foo.ko"] == before["module/foo.ko"]
    # A module that the script has changed is signed and compressed already.
    script.write_text("#!/bin/sh\nprintf x >> ../$kernelver/$arch/module/foo.ko\n")
    count = len(entries(root))
    rebuild(root)
    assert len(entries(root)) == count


def manifest(entry):
    return json.loads(re.search(rb'\{"format":1.*\]\}', entry.read_bytes())[0])


def damage(path, at):
    content = bytearray(path.read_bytes())
    content[at] ^= 1
    path.write_bytes(content)


def test_damaged_files_are_a_miss(root):
    """One bit of an entry and of each blob; the next build replaces what is damaged."""
    set_up(root)
    rebuild(root)
    entry, = entries(root)
    for index in range(3):
        for share in (0, 0.5, 0.99):
            paths = [root.path / CACHE / "cas" / file["blob"] for file in manifest(entry)["files"]] + [entry]
            path = paths[index]
            damage(path, int(path.stat().st_size * share))
            result = rebuild(root)
            # The entry has bytes that nothing depends on, such as the name of its worker.
            assert path == entry or not taken(result), (path, share)
            assert taken(result) or f"foo/1.0 for {K1} in the build cache is not used" in result.err
        assert taken(rebuild(root))


def test_an_entry_of_another_build(root):
    set_up(root)
    rebuild(root)
    first, = entries(root)
    content = first.read_bytes()
    change_source(root)
    rebuild(root)
    second, = set(entries(root)) - {first}
    second.write_bytes(content)
    result = rebuild(root)
    assert not taken(result) and "another key" in result.err
    assert taken(rebuild(root))


def test_missing_blob(root):
    set_up(root)
    rebuild(root)
    entries(root, "cas")[0].unlink()
    result = rebuild(root)
    assert not taken(result) and "Warning" not in result.err
    assert taken(rebuild(root))


@pytest.mark.parametrize("place", [CACHE, "var/cache", f"{CACHE}/cas"])
def test_others_can_write(root, place):
    set_up(root)
    rebuild(root)
    (root.path / place).chmod(0o777)
    result = rebuild(root)
    assert not taken(result) and result.err.count("others can write") == 1
    (root.path / place).chmod(0o755)
    assert taken(rebuild(root))
    os.chown(root.path / place, 65534, 65534)
    assert not taken(rebuild(root))


def test_links_in_the_cache_are_not_followed(root):
    set_up(root)
    rebuild(root)
    entry, = entries(root)
    aside = root.path / "aside"
    entry.rename(aside)
    entry.symlink_to(aside)
    assert not taken(rebuild(root))
    assert not entry.is_symlink() or aside.exists()


def test_size_is_limited(root):
    """The files that were not used for the longest time are deleted."""
    import random
    set_up(root, settings="cache_size_mib=1\n")
    noise = random.Random(1)
    for number in range(4):
        text = "".join(f"char a{i}[] = \"{noise.randbytes(2000).hex()}\";\n" for i in range(100))
        (root.src / "foo-1.0/foo.c").write_text(text)
        rebuild(root)
    size = sum(p.stat().st_size for kind in ("ac", "cas") for p in entries(root, kind))
    assert 0 < size <= 1 << 20
    assert taken(rebuild(root)), "the last build is the last to be deleted"


def test_autoinstall_and_ordinary_users(root):
    set_up(root)
    root.ok("add", "foo/1.0")
    root.ok("autoinstall", "-k", K1)
    shutil.rmtree(root.path / "var/lib/dkms")
    shutil.rmtree(root.modules / K1 / "updates", ignore_errors=True)
    root.ok("add", "foo/1.0")
    result = root.ok("autoinstall", "-k", K1)
    assert TAKING in result.out and root.status() == [f"foo/1.0, {K1}, {ARCH}: installed"]


def test_signed_after_taking(root):
    """What is stored is unsigned; the machine that takes it signs with its own key."""
    root.kernel(K1, config='CONFIG_MODULES=y\nCONFIG_MODULE_SIG_HASH="sha256"\n')
    set_up(root)
    root.keys()
    (root.path / "keys").mkdir()
    for name in ("mok.key", "mok.pub"):
        shutil.copy(root.tree / name, root.path / "keys" / name)
    root.framework(f"cache_dir=/{CACHE}\ntry_sign_modules=true\nmok_signing_key=/keys/mok.key\nmok_certificate=/keys/mok.pub\n")
    rebuild(root)
    signed = next(v for k, v in built(root).items() if k.startswith("module/foo.ko"))
    size = next(file["size"] for file in manifest(entries(root)[0])["files"] if file["path"] == "module/foo.ko")
    assert signed.endswith(b"~Module signature appended~\n")
    assert size < len(signed)
    assert taken(rebuild(root))
    again = next(v for k, v in built(root).items() if k.startswith("module/foo.ko"))
    assert again[:size] == signed[:size] and again.endswith(b"~Module signature appended~\n")


def test_largest_file(root):
    """A file that is too large is a miss, and nothing of it is unpacked."""
    set_up(root, text="".join(f"char a{i}[1 << 16] = {{1}};\n" for i in range(40)))
    rebuild(root)
    assert taken(rebuild(root))
    root.framework(f"cache_dir=/{CACHE}\ncache_object_mib=1\n")
    result = rebuild(root)
    assert not taken(result) and "too large" in result.err


def test_the_verb_shows_and_prunes(root):
    """cache status, cache key, cache why, and cache prune with --max-size."""
    root.framework("")
    assert "not cached" in root.ok("cache").out
    set_up(root)
    root.ok("build", "foo/1.0", "-k", K1, "--no-cache")
    assert "built without the cache" in root.ok("cache", "why", "foo").out
    rebuild(root)
    rebuild(root)
    out = root.ok("cache", "status").out
    assert "/var/cache/dkms" in out and "1, 0.0 MiB of 1024 MiB" in out and "1 of 1 builds were taken" in out
    keys = root.ok("cache", "key", "foo/1.0").out.splitlines()
    assert [line.split("  ")[1] for line in keys] == [f"foo/1.0, {kernel}, {ARCH}" for kernel in (K1, K2)]
    event, = json.loads(root.ok("cache", "key", "foo", "-k", K1, "--json=short").out)["events"]
    assert event["name"] == keys[0].split()[0] == hashlib.sha256(event["text"].encode()).hexdigest()
    assert manifest(entries(root)[0])["key"] == event["name"]
    assert "nothing has changed" in root.ok("cache", "why").out
    change_source(root)
    change_header(root)
    assert "changed: env.ANY, headers, source" in root.ok("cache", "why", "foo", env=dict(os.environ, ANY="1")).out
    assert root("cache", "why", "bar").rc == 3
    assert root("cache", "prune", "--max-size", "much").rc == 2
    assert "Deleted 0 files" in root.ok("cache", "prune").out
    count = len(entries(root)) + len(entries(root, "cas"))
    assert f"Deleted {count} files" in root.ok("cache", "prune", "--max-size", "0").out and not entries(root)


# ---- reproducible ----

# A compiler that writes its place, for __FILE__ and for debugging data.
COMPILES = """\
all:
\t@cd $(M) && for f in *.c; do $(CC) -g $(KCFLAGS) -c $(M)/$$f -o $${f%.c}.ko || exit 1; done
"""
TEXT = 'const char *file = __FILE__;\nint a (void) { return 1; }\n'


def set_up_reproducible(root, settings="", **keywords):
    set_up(root, text=TEXT, settings="reproducible=yes\n" + settings, **keywords)
    for kernel in (K1, K2):
        (root.modules / kernel / "build/Makefile").write_text(COMPILES)


def elsewhere(root, place, env=None, arguments=(), rc=0):
    """Builds foo/1.0 in another tree. Returns: the result, and the content of the build"""
    shutil.rmtree(root.path / "var/lib/dkms", ignore_errors=True)
    shutil.rmtree(root.path / place, ignore_errors=True)
    (root.path / place).mkdir(parents=True)
    result = root("build", "foo/1.0", "-k", K1, "--dkmstree", f"/{place}", *arguments, **({"env": env} if env else {}))
    assert result.rc == rc, result
    base = root.path / place / "foo/1.0" / K1 / ARCH
    return result, (base / "module/foo.ko").read_bytes() if rc == 0 else None


HERE = {"TZ": "America/New_York", "USER": "someone", "LOGNAME": "someone", "HOME": "/home/someone", "KCFLAGS": "-DCHANGED", "ANY": "1",
        "KBUILD_BUILD_HOST": "here", "LC_ALL": "de_DE.UTF-8", "CFLAGS_MODULE": "-O0", "PATH": "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin"}


def test_reproducible_builds_are_equal_everywhere(root):
    """With reproducible, neither place nor caller are in the key or in the result."""
    set_up_reproducible(root)
    first, one = elsewhere(root, "srv/one", arguments=("--no-cache",))
    second, two = elsewhere(root, "srv/a/longer/place", env=dict(os.environ, **HERE), arguments=("--no-cache",))
    assert not taken(first) and not taken(second)
    assert one == two and b"/usr/src/foo-1.0/foo.c" in one and b"srv" not in one
    assert not taken(elsewhere(root, "srv/one")[0])
    again, three = elsewhere(root, "srv/a/longer/place", env=dict(os.environ, **HERE))
    assert taken(again) and three == one
    inputs = json.loads((root.path / "srv/a/longer/place/foo/1.0" / K1 / ARCH / ".attempt.json").read_text())
    assert inputs["reproducible"] is True
    names = [name for name in inputs["cache_inputs"] if name.startswith("env.")]
    assert "env.KCFLAGS" in names and not {"env.ANY", "env.place", "env.HOME"} & set(names)
    # Without it, both are other builds.
    root.framework(f"cache_dir=/{CACHE}\n")
    assert b"/srv/one/" in elsewhere(root, "srv/one")[1]
    assert not taken(elsewhere(root, "srv/two")[0])


def test_environment_of_reproducible_builds(root):
    """cache_environment adds variables; build_environment and directives still count, each of them in the key."""
    set_up_reproducible(root, extra='PRE_BUILD="show.sh"\n')
    script = root.src / "foo-1.0/show.sh"
    script.write_text("#!/bin/sh\necho BEGIN >&2\nenv >&2\necho END >&2\n")
    script.chmod(0o755)
    caller = dict(os.environ, MINE="here", OTHER="no", GITHUB_TOKEN="secret")

    def shown(arguments=()):
        result, _ = elsewhere(root, "srv/one", env=caller, arguments=arguments)
        log = (root.path / "srv/one/foo/1.0" / K1 / ARCH / "log/make.log").read_text()
        return result, dict(line.split("=", 1) for line in log.split("BEGIN\n")[1].split("\nEND")[0].splitlines() if "=" in line)

    _, env = shown()
    assert not {"MINE", "OTHER", "GITHUB_TOKEN"} & set(env)
    fixed = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C", "TZ": "UTC", "SOURCE_DATE_EPOCH": "1577836800",
             "KBUILD_BUILD_TIMESTAMP": "2020-01-01", "KBUILD_BUILD_USER": "dkms", "KBUILD_BUILD_HOST": "dkms",
             "module": "foo", "module_version": "1.0", "kernelver": K1, "arch": ARCH}
    assert {name: env.get(name) for name in fixed} == fixed
    place = f"{root.path}/srv/one/foo/1.0/build"
    assert env["KCFLAGS"] == env["KAFLAGS"] and env["KCFLAGS"].startswith(f"-ffile-prefix-map={place}=/usr/src/foo-1.0"), env["KCFLAGS"]
    (root.path / "etc/build.env").write_text("export KCFLAGS=-DOF_FILE\n")
    root.framework(f'cache_dir=/{CACHE}\nreproducible=yes\ncache_environment="MINE ABSENT GITHUB_TOKEN"\nbuild_environment=/etc/build.env\n')
    second, env = shown(("--directive", "CLEAN=false"))
    assert not taken(second) and env["MINE"] == "here" and env["CLEAN"] == "false" and not {"ABSENT", "GITHUB_TOKEN"} & set(env)
    assert env["KCFLAGS"].startswith("-DOF_FILE -ffile-prefix-map=")
    assert taken(shown(("--directive", "CLEAN=false"))[0])
    caller["MINE"] = "there"
    assert not taken(shown(("--directive", "CLEAN=false"))[0])


def test_place_that_cannot_be_replaced(root):
    """An old compiler, or a recipe with options of its own: then the place is an input."""
    set_up_reproducible(root)
    recipe = (root.src / "foo-1.0/dkms.conf").read_text()
    with open(root.src / "foo-1.0/dkms.conf", "a") as file:
        file.write('MAKE[0]="make -C $kernel_source_dir M=$dkms_tree/foo/1.0/build KCFLAGS=-DOWN"\n')
    elsewhere(root, "srv/one")
    assert not taken(elsewhere(root, "srv/two")[0]) and taken(elsewhere(root, "srv/one")[0])
    (root.src / "foo-1.0/dkms.conf").write_text(recipe)
    elsewhere(root, "srv/one")
    assert taken(elsewhere(root, "srv/two")[0])
    # A compiler without the option.
    compiler = root.src / "foo-1.0/cc"
    compiler.write_text('#!/bin/sh\ncase "$*" in *-file-prefix-map*|*-ffile-prefix-map*) exit 1 ;; esac\nexec gcc "$@"\n')
    compiler.chmod(0o755)
    variables = root.modules / K1 / "build/.kernelvariables"
    variables.write_text(f"CC = {compiler}\n")
    elsewhere(root, "srv/one")
    assert not taken(elsewhere(root, "srv/two")[0])
    variables.unlink()
    # A place that an option cannot name.
    elsewhere(root, "srv/one=x")
    assert not taken(elsewhere(root, "srv/two=x")[0])


def test_files_of_needed_modules_are_inputs(root):
    """A file that POST_BUILD of a module in BUILD_DEPENDS leaves is in the key."""
    set_up(root)
    root.source("base", files={"base.c": "int b;\n"}, extra='POST_BUILD="post.sh"\n')
    script = root.src / "base-1.0/post.sh"

    def build_both(text):
        for directory in (root.tree, root.modules / K1 / "updates"):
            shutil.rmtree(directory, ignore_errors=True)
        script.write_text(f"#!/bin/sh\necho {text} > ../$kernelver/$arch/base.h\n")
        script.chmod(0o755)
        root.ok("install", "base/1.0", "-k", K1, "--no-depmod")
        return root.ok("build", "foo/1.0", "-k", K1)

    with open(root.src / "foo-1.0/dkms.conf", "a") as file:
        file.write("BUILD_DEPENDS=base\n")
    build_both("one")
    assert taken(build_both("one"))
    assert not taken(build_both("two"))
    assert attempt(root)["cache_inputs"]["depend.base"].startswith(attempt(root)["inputs"]["depend.base"] + " ")


# ---- cache verify ----

def verify(root, *arguments, rc=0, **keywords):
    result = root("cache", "verify", *arguments, **keywords)
    assert result.rc == rc, result
    return result.out


def installed(root):
    """Everything of the tree and of the installed modules but what runs remember."""
    return {path: entry for path, entry in root.snapshot().items() if not re.match("tmp(/|$)", path)}


@pytest.mark.parametrize("reproducible", ["yes", "no"])
def test_verify(root, reproducible):
    """It builds again, without the cache, and the tree does not change."""
    set_up_reproducible(root)
    root.framework(f"cache_dir=/{CACHE}\nreproducible={reproducible}\n")
    root.source("bar", files={"bar.c": TEXT}, extra='BUILD_DEPENDS="foo"\n')
    root.ok("install", "foo/1.0", "-k", K1)
    root.ok("build", "bar/1.0", "-k", K1)
    before, stored = installed(root), entries(root)
    out = verify(root)
    assert out.count("again") == 2 and out.count(": equal\n") == 2, out
    assert installed(root) == before and entries(root) == stored
    # The recorded environment decides, not today's setting.
    root.framework("reproducible=" + {"yes": "no", "no": "yes"}[reproducible] + "\n")
    assert ": equal\n" in verify(root, "foo/1.0", "-k", K1)
    assert verify(root, "foo", "-k", K2) == ""
    assert "not registered" in root("cache", "verify", "other").err
    change_source(root)
    out = verify(root, "foo", rc=7)
    assert f"foo/1.0, {K1}, {ARCH}: foo: what the kernel loads differs\n" in out
    assert f"foo/1.0, {K1}, {ARCH}: inputs that have changed since it was built: source\n" in out
    (root.src / "foo-1.0/foo.c").write_text("int a = ;\n")
    result = root("cache", "verify", "foo")
    assert result.rc == 31 and f"foo/1.0, {K1}, {ARCH}: not compared: " in result.out and "expected expression" in result.out


# Builds that differ each time: in the type information, in what is not loaded, in the order of sections.
UNEQUAL = {
    ".BTF,alloc": (0, "foo: only the type information (.BTF) differs, which does not count\n"),
    ".comment.more": (7, "foo: the file differs, but the kernel loads the same\n"),
    ".data.more,alloc": (7, "foo: what the kernel loads differs\n"),
}


@pytest.mark.parametrize("section", UNEQUAL)
def test_verify_says_what_differs(root, section):
    """Also of a module that is signed and compressed."""
    code, line = UNEQUAL[section]
    root.kernel(K1, config='CONFIG_MODULES=y\nCONFIG_MODULE_SIG_HASH="sha256"\n')
    set_up(root, text=TEXT)
    root.keys()
    root.framework("try_sign_modules=true\n")
    name, _, flags = section.partition(",")
    (root.modules / K1 / "build/Makefile").write_text(
        "all:\n\t@cd $(M) && $(CC) -c foo.c -o foo.ko && head -c 16 /dev/urandom > random && "
        f"objcopy --add-section {name}=random " + (f"--set-section-flags {name}=alloc,readonly,data " if flags else "") + "foo.ko\n")
    kernel = root.modules / K1 / "kernel/any.ko.xz"
    kernel.parent.mkdir(parents=True, exist_ok=True)
    kernel.touch()
    root.ok("build", "foo/1.0", "-k", K1)
    module, = [path for path in built(root) if path.startswith("module/foo.ko")]
    assert module == "module/foo.ko.xz"
    out = verify(root, "foo", rc=code)
    assert line in out and (": equal\n" in out) == (code == 0), out
