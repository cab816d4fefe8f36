"""A hostile package, with sources in several places and several build users: each of its attempts fails, and the log names the
attempt and the reason."""
import os
import re
import shutil
import subprocess

import pytest

from conftest import ARCH, K1
from test_places import OWNER, machine  # noqa: F401 (a fixture)

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="what is kept from root is tested as root")


def socket(family):
    return f"python3 -c 'import socket; socket.socket({family}, socket.SOCK_DGRAM)'"


def call(expression):
    return f"python3 -c 'import ctypes, os, sys; c = ctypes.CDLL(None, use_errno=True); {expression} and sys.exit(os.strerror(ctypes.get_errno()))'"


TRIES = [
    # files of others
    "touch /evil", "touch /etc/evil", "touch /usr/evil", "touch /usr/bin/evil", "touch /opt/evil", "touch /boot/evil", "touch /var/evil",
    "touch /home/evil", "touch /var/lib/dkms/evil", "touch /var/lib/dkms/other/1.0/evil", "touch /lib/modules/evil", "mkdir /srv/evil",
    "touch /etc/dkms/evil.conf", "echo x > /etc/passwd", "echo x >> /etc/os-release", "rm /usr/bin/make", "chmod 4755 /usr/bin/make", "mv /usr/bin/make /tmp",
    "ln -s x /etc/evil", "ln /etc/passwd /etc/evil", "truncate -s 0 /lib/modules/{k}/modules.dep", "touch /sys/evil", "touch /proc/evil",
    # secret files
    "cat /etc/shadow", "cat /etc/ssh/ssh_host_rsa_key", "cat /var/lib/dkms/mok.key", "ls /root/.ssh", "cat /home/dev/secret", "cat /tmp/secret",
    "cat /run/secret", "cat /var/log/auth.log", "cat /boot/initrd.img", "cat /proc/1/environ", "cat /proc/1/mem", "ls /proc/1/root/", "cat /proc/1/fd/0",
    "cat /proc/kcore", "cat /proc/kmsg", "dmesg", "cat /dev/mem", "cat /dev/kmsg", "cat /dev/vda /dev/sda", "ls /sys/kernel/debug/x",
    # the kernel
    "echo 0 > /proc/sys/kernel/printk", "echo x > /proc/sys/kernel/core_pattern", "echo h > /proc/sysrq-trigger", "rmmod loop", "modprobe dummy",
    call("c.sethostname(b\"evil\", 4)"), call("c.swapon(b\"/tmp/x\", 0)"), call("c.acct(b\"/tmp/x\")"), call("c.ptrace(16, 1, 0, 0)"),
    # mounts and namespaces
    "mount -t tmpfs none /tmp", "mount --bind / /tmp", "mount -o remount,rw /usr", "umount /usr", "umount -l /", "unshare -m true", "unshare -U true",
    "unshare -n true", "unshare -p -f true", "nsenter -t 1 -m true", "chroot / true", "mknod /tmp/disk b 8 0", "mknod /tmp/mem c 1 1",
    # privileges
    "su daemon -s /bin/true", "setpriv --reuid 1 true", "renice -n -5 $$", "chrt -f 10 true", "ulimit -Hn 1000000",
    # network
    "exec 3<>/dev/tcp/192.0.2.1/80", "exec 3<>/dev/tcp/127.0.0.1/22", socket("socket.AF_UNIX"), socket("socket.AF_PACKET"), socket("socket.AF_VSOCK"),
    socket("38"), socket("31"),
]

SCRIPT = """#!/bin/bash
n=0
while IFS= read -r try; do
  n=$((n + 1))
  if output=$(eval "$try" 2>&1 </dev/null); then echo "THROUGH: $try: $output"; else echo "stopped $n: $try: ${output%%$'\\n'*}"; fi
done < tries
exit 0
"""


def everything_is_stopped(lab, source, command):
    files = {"foo.c": "x", "evil.sh": SCRIPT, "tries": "\n".join(TRIES).replace("{k}", K1) + "\n"}
    lab.source(extra="PRE_BUILD=evil.sh\n", files=files)
    if source != "/usr/src/foo-1.0":
        (lab.path / source.lstrip("/")).parent.mkdir(parents=True, exist_ok=True)
        shutil.move(lab.src / "foo-1.0", lab.path / source.lstrip("/"))
    lab.ok(*command, "-k", K1)
    log = (lab.tree / f"foo/1.0/{K1}/{ARCH}/log/make.log").read_text()
    assert "THROUGH" not in log, log
    assert [int(n) for n in re.findall(r"^stopped (\d+): .*: \S", log, re.M)] == list(range(1, len(TRIES) + 1)), log
    made = subprocess.run(["find", lab.path, "(", "-name", "proc", "-o", "-name", "usr", ")", "-prune", "-o", "-name", "evil", "-print", "-o",
                           "-name", "evil.conf", "-print"], capture_output=True, text=True, check=True)
    assert made.stdout == ""


def test_list():
    assert len(TRIES) == len(set(TRIES)) >= 60


@pytest.mark.parametrize("user", ["", OWNER.pw_name])
@pytest.mark.parametrize("source", ["/usr/src/foo-1.0", "/home/dev/drv", "/root/drv", "/tmp/drv"])
def test_in_a_chroot(machine, source, user):
    machine.framework(f"sandbox=strict\nbuild_user={user}\n")
    for path in ("/var/lib/dkms/mok.key", "/root/.ssh/id", "/home/dev/secret", "/tmp/secret", "/run/secret", "/var/log/auth.log", "/boot/initrd.img"):
        machine.file(path, "secret\n", 0o644)
    everything_is_stopped(machine, source, ["build", "foo/1.0" if source == "/usr/src/foo-1.0" else source])


@pytest.mark.parametrize("user", ["", OWNER.pw_name])
def test_on_the_machine(root, user):
    root.framework(f"sandbox=strict\nbuild_user={user}\n")
    everything_is_stopped(root, "/usr/src/foo-1.0", ["build", "foo/1.0"])
