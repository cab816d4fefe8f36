"""Power cuts: changes that dkms reported as complete exist afterwards, and interrupted changes are complete or undone.

The root is an ext4 file system in a loop device. FS_IOC_SHUTDOWN discards all data that was not flushed. Then the file
system is mounted again, as after a power cut."""
import fcntl
import os
import subprocess
import time

import pytest

import lab as stage
from lab import DKMS, K1
from test_crash import SCENARIOS, count_points, set_stage, things, words  # noqa: F401

SHUTDOWN = 0x8004587D  # FS_IOC_SHUTDOWN, _IOR('X', 125, __u32)
NOLOGFLUSH = (2).to_bytes(4, "little")
CUTS = 40 if os.environ.get("DKMS_CRASH") == "all" else 6


class Disk:
    def __init__(self, path):
        self.image, self.mount = path / "disk.img", path / "disk"
        self.mount.mkdir()
        subprocess.run(["truncate", "-s", "96M", self.image], check=True)
        subprocess.run(["mkfs.ext4", "-q", "-F", self.image], check=True)
        self.plug()

    def plug(self):
        subprocess.run(["mount", "-o", "loop", self.image, self.mount], check=True)

    def cut(self):
        fd = os.open(self.mount, os.O_RDONLY)
        fcntl.ioctl(fd, SHUTDOWN, NOLOGFLUSH)
        os.close(fd)
        subprocess.run(["umount", self.mount], check=True)
        self.wait_for_loop()
        self.plug()

    def wait_for_loop(self):
        """The mount namespace of a killed build uses the file system and the loop device for a moment."""
        end = time.monotonic() + 60
        while subprocess.run(["losetup", "-j", self.image], capture_output=True, check=True).stdout:
            assert time.monotonic() < end, "something holds the loop device"
            time.sleep(0.01)

    def close(self):
        subprocess.run(["umount", self.mount], check=False)


@pytest.fixture
def disk(tmp_path):
    it = Disk(tmp_path)
    yield it
    it.close()


def prepare(name, things, disk):
    template, before, after = set_stage(name, things)
    lab = stage.copy_of(template, disk.mount / "root", things[2])
    if (template.path.parent / "elsewhere").exists():
        subprocess.run(["cp", "-a", template.path.parent / "elsewhere", disk.mount / "elsewhere"], check=True)
    subprocess.run(["sync", "-f", disk.mount], check=True)
    return lab, template, before, after


def test_the_cut_cuts(disk):
    """Checks the test itself: data that was not flushed is lost, and flushed data is not."""
    (disk.mount / "lost").write_text("x")
    with open(disk.mount / "kept", "w") as f:
        f.write("x")
        f.flush()
        os.fsync(f.fileno())
    fd = os.open(disk.mount, os.O_RDONLY)
    os.fsync(fd)
    os.close(fd)
    (disk.mount / "lost-too").write_text("x")
    disk.cut()
    assert (disk.mount / "kept").read_text() == "x" and not (disk.mount / "lost-too").exists()


@pytest.mark.parametrize("name", SCENARIOS)
def test_what_is_done_stays_done(things, disk, name):
    lab, _, before, after = prepare(name, things, disk)
    lab.ok(*words(lab, SCENARIOS[name][1]))
    disk.cut()
    assert lab.facts() == after
    assert [p for p in lab.problems(after, after) if not p.startswith("left over: ")] == []  # the next command deletes left-overs
    lab("remove", "nothing/1.0", "--all")
    assert lab.problems(after, after) + lab.untruths() == []


@pytest.mark.parametrize("name", ["install", "upgrade", "uninstall", "remove"])
def test_cut_in_the_middle(things, disk, name):
    """dkms is killed and the power is cut, at points spread over the run."""
    lab, template, before, after = prepare(name, things, disk)
    subprocess.run(["cp", "-a", lab.path, disk.mount / "template"], check=True)
    subprocess.run(["sync", "-f", disk.mount], check=True)
    total = count_points(name, things, template)
    for number in range(1, total + 1, max(total // CUTS, 1)):
        subprocess.run([things[1], "kill", str(number), DKMS, "--root", lab.path, *words(lab, SCENARIOS[name][1])], capture_output=True,
                       check=False, stdin=subprocess.DEVNULL)
        disk.cut()
        assert lab("status").rc == 0
        lab("remove", "nothing/1.0", "--all")
        assert lab.problems(before, after) + lab.untruths() == [], f"cut at {number}"
        subprocess.run(["rm", "-rf", lab.path], check=True)
        subprocess.run(["cp", "-a", disk.mount / "template", lab.path], check=True)
        subprocess.run(["sync", "-f", disk.mount], check=True)
