# SPDX-License-Identifier: Apache-2.0
"""own_root: in a chroot, the chroot's root as the root of a mount namespace of our own, for us and whoever we start.

What tests do in private mount namespaces is not to be had in a chroot: its root may be no mount point, setns(2) leaves it, and
the kernel makes no user namespace there. That hull itself works in one is tested by a chroot made for that (cli/security.bats).
"""

import contextlib
import ctypes
import os

CLONE_NEWNS, MS_BIND, MS_REC, MS_PRIVATE, MNT_DETACH = 0x20000, 0x1000, 0x4000, 0x40000, 2
libc = ctypes.CDLL(None, use_errno=True)


def call(name, *args):
    if getattr(libc, name)(*args) < 0:
        code = ctypes.get_errno()
        raise OSError(code, f"{name}: {os.strerror(code)}")


@contextlib.contextmanager
def opened(path):
    fd = os.open(path, os.O_RDONLY)
    try:
        yield fd
    finally:
        os.close(fd)


def mount_of(fd):
    with open(f"/proc/self/fdinfo/{fd}") as f:
        return next(line.split()[1] for line in f if line.startswith("mnt_id:")), os.fstat(fd).st_ino


def go_to_top():
    """setns(2) to the namespace one is in makes its root ours."""
    with opened("/proc/self/ns/mnt") as self:
        call("setns", self, CLONE_NEWNS)


def is_chrooted():
    with opened("/") as root, opened(".") as cwd:
        go_to_top()
        with opened("/") as top:
            same = mount_of(root) == mount_of(top)
        os.fchdir(root)
        os.chroot(".")
        os.fchdir(cwd)
    return not same


def take():
    """To be called as root, before there are threads."""
    if not is_chrooted():
        return
    call("unshare", CLONE_NEWNS)
    cwd = os.getcwd()
    with opened("/") as root:
        go_to_top()
        call("mount", None, b"/", None, MS_REC | MS_PRIVATE, None)
        os.fchdir(root)
        call("mount", b".", b".", None, MS_BIND | MS_REC, None)
        os.chdir(os.getcwd())  # onto the mount that lies there now
    call("pivot_root", b".", b".")
    call("umount2", b".", MNT_DETACH)
    os.chdir(cwd)
