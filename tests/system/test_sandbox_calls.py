"""System calls in a build: allowed ones work, forbidden ones fail with EPERM, and unknown ones with ENOSYS."""
import errno
import os
import subprocess

import pytest

from conftest import ARCH, K1
from test_sandbox import caged  # noqa: F401

pytestmark = [pytest.mark.skipif(os.geteuid() != 0, reason="what the sandbox keeps from root is tested as root"),
              pytest.mark.skipif(ARCH != "x86_64", reason="the numbers of system calls are those of x86-64")]

# name, number, arguments, expected errno (0: success)
CALLS = [
    ("getpid", 39, [], 0), ("sched_yield", 24, [], 0), ("socketpair", 53, [1, 1, 0, "buffer"], 0), ("inet", 41, [2, 1, 0], 0),
    ("netlink", 41, [16, 3, 0], 0), ("prlimit-self", 302, [0, 7, 0, "buffer"], 0), ("personality-read", 135, [0xffffffff], 0),
    ("memfd", 319, ["buffer", 0], 0), ("pidfd", 434, [1, 0], 0),
    *[(f"family-{n}", 41, [n, 1, 0], errno.EAFNOSUPPORT) for n in (0, 1, *range(3, 10), *range(11, 16), *range(17, 46), 0x100000001)],
    ("prlimit-watch", 302, [1, 7, "buffer", 0], errno.EPERM), ("personality-exec", 135, [0x0400000], errno.EPERM),
    ("personality-zero", 135, [0x0100000], errno.EPERM),
    ("personality-high", 135, [0x80400000], errno.EPERM), ("personality-32", 135, [8], 0),
    ("mount", 165, [0, 0, 0, 0, 0], errno.EPERM), ("umount", 166, [0, 0], errno.EPERM), ("pivot_root", 155, [0, 0], errno.EPERM),
    ("unshare", 272, [0x20000], errno.EPERM), ("setns", 308, [0, 0], errno.EPERM), ("ptrace", 101, [0, 0, 0, 0], errno.EPERM),
    ("clone-userns", 56, [0x10000000, 0, 0, 0, 0], errno.EPERM), ("clone3", 435, [0, 0], errno.ENOSYS),
    ("bpf", 321, [0, 0, 0], errno.EPERM), ("keyctl", 250, [0, 0, 0, 0, 0], errno.EPERM), ("io_uring", 425, [1, 0], errno.EPERM),
    ("userfaultfd", 323, [0], errno.EPERM), ("perf", 298, [0, 0, 0, 0, 0], errno.EPERM), ("init_module", 175, [0, 0, 0], errno.EPERM),
    ("reboot", 169, [0, 0, 0, 0], errno.EPERM), ("kexec", 246, [0, 0, 0, 0], errno.EPERM), ("sethostname", 170, [0, 0], errno.EPERM),
    ("open_by_handle", 304, [0, 0, 0], errno.EPERM), ("open_tree", 428, [0, 0, 0], errno.EPERM), ("move_mount", 429, [0, 0, 0, 0, 0], errno.EPERM),
    ("tiocsti", 16, [0, 0x5412, "buffer"], errno.EPERM), ("tiocsti-high", 16, [0, 0x100005412, "buffer"], errno.EPERM),
    ("subvolume", 16, [0, 0x5000940e, "buffer"], errno.EPERM),
    ("chroot", 161, ["buffer"], errno.ENOSYS), ("modify_ldt", 154, [0, 0, 0], errno.ENOSYS), ("memfd_secret", 447, [0], errno.ENOSYS),
    ("set_mempolicy", 238, [0, 0, 0], errno.ENOSYS), ("quotactl_fd", 443, [0, 0, 0, 0], errno.ENOSYS), ("landlock", 444, [0, 0, 1], errno.ENOSYS),
    ("next-years", 999, [], errno.ENOSYS),
]

PROBE = """#!/usr/bin/python3
import ctypes
libc = ctypes.CDLL(None, use_errno=True)
libc.syscall.restype = ctypes.c_long
for name, number, arguments in {calls!r}:
    buffer = ctypes.create_string_buffer(64)
    words = [ctypes.c_void_p(ctypes.addressof(buffer)) if a == "buffer" else ctypes.c_ulong(a) for a in arguments]
    ctypes.set_errno(0)
    result = libc.syscall(ctypes.c_long(number), *words)
    print("CALL", name, ctypes.get_errno() if result == -1 else 0, flush=True)
"""


def test_calls(root):
    root.source(extra="PRE_BUILD=probe.py\n", files={"foo.c": "x", "probe.py": PROBE.format(calls=[c[:3] for c in CALLS])})
    root.ok("build", "foo/1.0", "-k", K1)
    log = (root.tree / "foo/1.0" / K1 / ARCH / "log/make.log").read_text()
    seen = {line.split()[1]: int(line.split()[2]) for line in log.splitlines() if line.startswith("CALL ")}
    assert seen == {name: expected for name, _, _, expected in CALLS}


THIRTY_TWO = """
.globl _start
_start:
  sub $16, %esp
  movl $2, 0(%esp); movl $1, 4(%esp); movl $0, 8(%esp)
  mov $102, %eax; mov $1, %ebx; mov %esp, %ecx; int $0x80   # socketcall (SYS_SOCKET, AF_INET)
  cmp $-1, %eax                                             # EPERM
  mov $1, %ebx
  jne end
  mov $359, %eax; mov $38, %ebx; mov $5, %ecx; xor %edx, %edx; int $0x80   # socket (AF_ALG)
  cmp $-97, %eax                                            # EAFNOSUPPORT
  mov $2, %ebx
  jne end
  mov $21, %eax; int $0x80                                  # mount
  cmp $-1, %eax
  mov $3, %ebx
  jne end
  mov $0, %ebx
end:
  mov $1, %eax; int $0x80
"""


def runs(program):
    """Whether this kernel runs such programs (ia32_emulation on its command line)."""
    try:
        subprocess.run([program], check=False)
    except OSError as error:
        assert error.errno == errno.ENOEXEC
        return False
    return True


def test_calls_of_32_bit_programs(root, tmp_path):
    """They are filtered, too; a kernel that does not run them needs no filter."""
    (tmp_path / "probe.S").write_text(THIRTY_TWO)
    root.source(extra="PRE_BUILD=probe\n")
    subprocess.run(["gcc", "-m32", "-nostdlib", "-static", "-o", root.src / "foo-1.0/probe", tmp_path / "probe.S"], check=True)
    result = root("build", "foo/1.0", "-k", K1)
    assert result.rc == 0 or (result.rc == 126 and not runs(root.src / "foo-1.0/probe")), result


def test_process_1_has_few_capabilities(root):
    root.source(extra="PRE_BUILD=probe\n", files={"foo.c": "x", "probe": "#!/bin/sh\ngrep Cap /proc/1/status\n"})
    root.ok("build", "foo/1.0", "-k", K1)
    log = (root.tree / "foo/1.0" / K1 / ARCH / "log/make.log").read_text()
    (effective,) = [int(line.split()[1], 16) for line in log.splitlines() if line.startswith("CapEff")]
    wanted = sum(1 << n for n in (1, 2, 5, 6, 7, 8, 23))  # dac_override, dac_read_search, kill, setgid, setuid, setpcap, sys_nice
    assert effective & ~wanted == 0
