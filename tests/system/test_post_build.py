"""The steps of one build share one sandbox, and POST_BUILD works on the result: what it can read, add and change, and which
changes are kept, with and without a sandbox."""
import hashlib
import json
import os
import subprocess

import pytest

from conftest import ARCH, K1, K2

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="builds are confined as root here")


@pytest.fixture(params=["auto", "off"])
def lab(root, request):
    root.framework(f"sandbox={request.param}\n")
    root.confined = request.param == "auto"
    return root


def base(root, kernel=K1):
    return root.tree / "foo/1.0" / kernel / ARCH


def post(root, script, extra=""):
    root.source(extra=f'POST_BUILD="post.sh $kernelver/$arch"\n{extra}',
                files={"foo.c": "foo 1.0\n", "post.sh": f'#!/bin/sh\nresult=$PWD/../$1\n{script}\n'})


def record(root):
    (module,) = json.loads((base(root) / ".record.json").read_text())["modules"]
    return module


# ---- the steps of one build ----

@pytest.mark.parametrize("place", ["/tmp/stage", "/var/tmp/stage", "{root}/usr/src/foo-1.0/stage", "{root}/lib/modules/{k}/build/stage",
                                   "{root}/var/lib/dkms/foo/1.0/stage"])
def test_steps_share_what_they_write_and_the_next_build_does_not(root, place):
    place = place.format(root=root.path, k=K1)
    root.source(extra='PRE_BUILD=pre.sh\nMAKE="cat %s && make -C $kernel_source_dir M=$dkms_tree/foo/1.0/build"\nPOST_BUILD=post.sh\n' % place,
                files={"foo.c": "x", "pre.sh": f"#!/bin/sh\ntest ! -e {place} && echo left by pre >{place}\n",
                       "post.sh": f"#!/bin/sh\ngrep 'left by pre' {place}\n"})
    for _ in range(2):
        root.ok("build", "foo/1.0", "-k", K1, "--force")
    log = (base(root) / "log/make.log").read_text()
    assert log.count("left by pre") == 2, log
    if place.startswith(str(root.path)):
        assert not os.path.exists(place)


def test_a_process_of_one_step_does_not_live_into_the_next(root):
    root.source(extra='PRE_BUILD=pre.sh\nMAKE="sh ./check.sh && make -C $kernel_source_dir M=$dkms_tree/foo/1.0/build"\n',
                files={"foo.c": "x", "pre.sh": "#!/bin/sh\nsetsid sleep 1000 & echo $! >pid\n", "check.sh": "#!/bin/sh\ntest ! -e /proc/$(cat pid)\n"})
    assert "sleep" in root.ok("build", "foo/1.0", "-k", K1).err


def test_each_step_gets_its_environment_and_arguments(root):
    root.source(extra="""PRE_BUILD="pre.sh 'a  b' \\$HOME''"\nMAKE="printf '%s\\n' 'c  d' && 'make' -C $kernel_source_dir M=$dkms_tree/foo/1.0/build"\n""",
                files={"foo.c": "x", "pre.sh": '#!/bin/sh\nprintf "<%s>\\n" "$@"\necho "v=$kernelver in=$(readlink /proc/self/fd/0)"\n'})
    root.ok("build", "foo/1.0", "-k", K1)
    log = (base(root) / "log/make.log").read_text()
    assert f"v={K1} in=/dev/null" in log, log


# ---- what POST_BUILD finds, adds and changes ----

def test_post_build_sees_the_result(lab):
    post(lab, '(cd "$result" && test -d log && cat module/foo.ko) && cd ../$kernelver/$arch/module && pwd')
    lab.ok("build", "foo/1.0", "-k", K1)
    assert "foo 1.0" in (base(lab) / "log/make.log").read_text()


def test_files_beside_the_modules_stay_with_the_build(lab):
    post(lab, 'echo "#define X" >"$result/config.h"; echo l >"$result/log/notes"')
    lab.ok("install", "foo/1.0", "-k", K1)
    assert (base(lab) / "config.h").read_text() == "#define X\n"
    assert (base(lab) / "log/notes").read_text() == "l\n"
    lab.ok("build", "foo/1.0", "-k", K1, "--force")
    assert (base(lab) / "config.h").exists()
    assert (base(lab) / "log/make.log").read_text().startswith("DKMS (")
    lab.ok("unbuild", "foo/1.0", "-k", K1)
    assert not (base(lab)).exists()


def test_they_travel_with_an_archive(lab):
    post(lab, 'echo "#define X" >"$result/config.h"')
    lab.ok("build", "foo/1.0", "-k", K1)
    lab.ok("mktarball", "foo/1.0", "-k", K1, "--archive", lab.path / "foo.tar.gz")
    lab.ok("remove", "foo/1.0", "--all")
    lab.ok("ldtarball", "--archive", lab.path / "foo.tar.gz", "--force")
    assert (base(lab) / "config.h").read_text() == "#define X\n"


def test_module_changed_by_the_script_is_the_one_that_counts(lab):
    post(lab, 'echo "signed by the script" >>"$result/module/foo.ko"')
    lab.ok("install", "foo/1.0", "-k", K1)
    installed = lab.modules / K1 / "updates/dkms/foo.ko"
    assert installed.read_text() == "foo 1.0\nsigned by the script\n"
    assert record(lab)["sha256"] == hashlib.sha256(installed.read_bytes()).hexdigest()
    assert lab.status() == [f"foo/1.0, {K1}, {ARCH}: installed"]


def test_file_added_to_module_is_kept_and_not_installed(lab):
    post(lab, 'echo more >"$result/module/extra.ko"; mkdir "$result/module/sub" 2>/dev/null; true')
    lab.ok("install", "foo/1.0", "-k", K1)
    assert (base(lab) / "module/extra.ko").read_text() == "more\n"
    assert [f.name for f in (lab.modules / K1 / "updates/dkms").iterdir()] == ["foo.ko"]


def test_deleted_module_is_an_error(lab):
    post(lab, 'rm "$result/module/foo.ko"')
    result = lab("install", "foo/1.0", "-k", K1)
    assert result.rc == 7 and "module/foo.ko" in result.err, result
    assert lab.status() == ["foo/1.0: added"]


def test_failing_post_build_leaves_the_old_build(lab):
    lab.source()
    lab.ok("install", "foo/1.0", "-k", K1)
    before = (base(lab) / ".record.json").read_text()
    post(lab, 'echo x >"$result/config.h"; exit 9')
    assert lab("build", "foo/1.0", "-k", K1, "--force").rc == 9
    assert (base(lab) / ".record.json").read_text() == before
    assert not (base(lab) / "config.h").exists()
    assert lab.status() == [f"foo/1.0, {K1}, {ARCH}: installed"]
    assert lab("build", "foo/1.0", "-k", K2).rc == 9
    assert not (lab.tree / "foo/1.0" / K2).exists()


def test_builds_of_other_kernels_and_arches_are_there(lab):
    lab.ok("add", lab.source())
    lab.ok("build", "foo/1.0", "-k", K1)
    lab.ok("build", "foo/1.0", "-k", K2, "-a", "other")
    post(lab, f'cat ../{K1}/{ARCH}/module/foo.ko ../{K2}/other/module/foo.ko')
    lab.ok("build", "foo/1.0", "-k", K2)
    assert (base(lab, K2) / "log/make.log").read_text().count("foo 1.0\n") == 2


# ---- what a confined POST_BUILD cannot do ----

def test_other_builds_cannot_be_written(root):
    root.ok("add", root.source())
    root.ok("build", "foo/1.0", "-k", K1)
    root.ok("build", "foo/1.0", "-k", K2, "-a", "other")
    post(root, f'! touch ../{K1}/{ARCH}/evil && ! touch ../{K2}/other/evil && ! touch ../{K1}/{ARCH}/module/evil; echo x >../evil; echo x >../{K2}/evil')
    root.ok("build", "foo/1.0", "-k", K2)
    found = subprocess.run(["find", root.path, "-name", "evil"], capture_output=True, text=True, check=True)
    assert found.stdout == ""


@pytest.mark.parametrize("left", ['ln -s /etc/shadow "$result/x"', 'ln -s /etc/shadow "$result/module/x"', 'mkfifo "$result/x"', 'mkdir "$result/x"'])
def test_only_regular_files_are_kept(root, left):
    post(root, left)
    assert "Discarding x, which POST_BUILD left: it is not a regular file" in root.ok("build", "foo/1.0", "-k", K1).err
    assert not os.path.lexists(base(root) / "x") and not os.path.lexists(base(root) / "module/x")


@pytest.mark.parametrize("name", [".record.json", ".recipe.json", ".dep_bar", "module/.hidden"])
def test_names_of_dkms_are_not_taken(root, name):
    post(root, f'echo evil >"$result/{name}"')
    root.ok("build", "foo/1.0", "-k", K1)
    file = base(root) / name
    assert not file.exists() or "evil" not in file.read_text()


@pytest.mark.parametrize("replace", ['rm -r "$result/module"; ln -s /etc "$result/module"', 'rm -r "$result/module"', 'rm -r "$result/log"; echo x >"$result/log"'])
def test_directories_that_are_replaced_are_an_error(root, replace):
    post(root, replace)
    assert root("build", "foo/1.0", "-k", K1).rc != 0
    assert root.status() == ["foo/1.0: added"]


@pytest.mark.parametrize("much", ['i=0; while [ $i -lt 65 ]; do i=$((i+1)); echo $i >"$result/f$i"; done', 'head -c 70000000 /dev/zero >"$result/big"'])
def test_too_much_is_an_error(root, much):
    post(root, much)
    result = root("build", "foo/1.0", "-k", K1)
    assert result.rc == 7 and "more than 64 files or 64 MiB" in result.err, result


def test_set_id_bits_are_not_kept(root):
    post(root, 'echo x >"$result/tool"; chmod 6755 "$result/tool" "$result/module/foo.ko"')
    root.ok("build", "foo/1.0", "-k", K1)
    assert (base(root) / "tool").stat().st_mode & 0o7777 == 0o644
    assert (base(root) / "module/foo.ko").stat().st_mode & 0o7777 == 0o644


# ---- signatures ----

def test_post_build_sees_the_signature(real):
    real.framework("try_sign_modules=true\n")
    key = real.path / "var/lib/dkms"
    real.source(extra="POST_BUILD=post.sh\n", conf=None,
                files={"Makefile": "obj-m := foo.o\n", "foo.c": '#include <linux/module.h>\nMODULE_LICENSE("GPL");\n',
                       "post.sh": '#!/bin/sh\nfor f in foo.ko ../$kernelver/$arch/module/foo.ko*; do echo "signer of $f: $(modinfo -F signer $f)"; done\n'})
    conf = real.src / "foo-1.0/dkms.conf"
    conf.write_text(conf.read_text().replace('STRIP="no"\n', ""))
    real.ok("build", "foo/1.0", "-k", real.release)
    log = (base(real, real.release) / "log/make.log").read_text()
    assert log.count(": DKMS module signing key") == 2, log
    assert (key / "mok.key").exists()
