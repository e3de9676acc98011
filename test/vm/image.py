# SPDX-License-Identifier: Apache-2.0
"""image: a Debian 12 as a disk image, a kernel and an initramfs, from Debian's packages alone.

Made once per recipe, in a temporary directory beside its final name: a folder with that name is complete. What somebody who was killed
has left goes when the next is made, and so does what nobody has used for a while: another checkout may have another recipe. The key
covers this file and the guest's files; the packages are those of the day it was made.
"""

import contextlib
import ctypes
import fcntl
import glob
import hashlib
import os
import shutil
import signal
import subprocess
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
GUEST = os.path.join(HERE, "guest")
DISK_BYTES = 8 << 30
KEPT = 3 * 3600     # seconds since its last use
LONGEST = 1800      # seconds for a program that makes a part of it

BASE = """systemd systemd-sysv libpam-systemd dbus dbus-user-session kmod udev apparmor nftables iptables iproute2 uidmap busybox-static
    procps strace ca-certificates acl attr e2fsprogs xfsprogs perl-base python3-minimal python3 bats jq tmux libcap2-bin util-linux passwd xz-utils zstd
    gzip curl libcurl4 libisal2 libseccomp2 libyaml-0-2 fuse3 fuse-overlayfs passt slirp4netns criu""".split()
PEERS = """podman crun runc buildah conmon netavark aardvark-dns containerd docker.io skopeo docker-registry firewalld ufw""".split()
SELINUX = "selinux-policy-default selinux-basics policycoreutils auditd".split()
PACKAGES = {"debian": BASE, "peers": BASE + PEERS, "selinux": BASE + SELINUX}
DRIVERS = ["virtio_ring", "virtio", "virtio_pci_modern_dev", "virtio_pci_legacy_dev", "virtio_pci", "virtio_blk", "virtio_console"]

# Nothing of these is wanted while a machine that is emulated comes up.
MASKED = """getty.target getty@tty1.service serial-getty@ttyS0.service console-getty.service apt-daily.timer apt-daily-upgrade.timer
    dpkg-db-backup.timer e2scrub_all.timer e2scrub_reap.service fstrim.timer podman-auto-update.timer podman-auto-update.service
    podman-restart.service podman.service podman.socket systemd-pstore.service systemd-random-seed.service systemd-update-utmp.service
    systemd-journal-flush.service machines.target remote-fs.target modprobe@drm.service modprobe@configfs.service
    sys-kernel-config.mount sys-kernel-debug.mount sys-kernel-tracing.mount systemd-ask-password-console.path
    systemd-ask-password-wall.path systemd-sysusers.service systemd-binfmt.service proc-sys-fs-binfmt_misc.automount
    docker.service docker.socket containerd.service docker-registry.service firewalld.service ufw.service
    selinux-autorelabel-mark.service""".split()
MASKED_USER = """dirmngr.socket gpg-agent.socket gpg-agent-browser.socket gpg-agent-extra.socket gpg-agent-ssh.socket podman.service
    podman.socket podman-auto-update.timer podman-auto-update.service podman-restart.service systemd-tmpfiles-setup.service
    systemd-tmpfiles-clean.timer""".split()
PATIENT = "[Manager]\nDefaultTimeoutStartSec=900\nDefaultTimeoutStopSec=900\nDefaultDeviceTimeoutSec=900\n"
FILES = {
    "etc/hostname": "hullvm\n",
    "etc/hosts": "127.0.0.1 localhost hullvm\n::1 localhost\n",
    "etc/machine-id": "0123456789abcdef0123456789abcdef\n",
    "etc/modules-load.d/vm.conf": "overlay\nfuse\ntun\nveth\nbridge\n",
    "etc/modprobe.d/vm.conf": "".join(f"blacklist {m}\n" for m in (
        "aesni_intel", "powernow_k8", "ghash_clmulni_intel", "crct10dif_pclmul", "crc32_pclmul")),
    "etc/containers/storage.conf": '[storage]\ndriver = "overlay"\nrunroot = "/run/containers/storage"\n'
                                   'graphroot = "/var/lib/containers/storage"\n',
    "etc/systemd/system/user@.service.d/vm.conf": "[Service]\nDelegate=cpu cpuset io memory pids\nTimeoutStartSec=900\n",
    "etc/systemd/journald.conf.d/vm.conf": "[Journal]\nStorage=volatile\n",
    "etc/systemd/system.conf.d/vm.conf": PATIENT,
    "etc/systemd/user.conf.d/vm.conf": PATIENT,
    "etc/systemd/system/hull-vm.service": """[Unit]
Description=test job agent
After=basic.target systemd-logind.service dbus.service user@1000.service apparmor.service systemd-udev-trigger.service
Wants=systemd-logind.service user@1000.service
[Service]
ExecStart=/usr/local/sbin/hull-vm-agent
StandardInput=null
Delegate=yes
KillMode=process
""",
}


class ImageError(Exception):
    """One line, for the user."""


def die_with_parent():
    ctypes.CDLL(None).prctl(1, signal.SIGKILL, 0, 0, 0)


def run(*argv, **kw):
    name = "mmdebstrap" if "mmdebstrap" in argv else argv[0]
    try:
        done = subprocess.run(argv, preexec_fn=die_with_parent, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                              errors="replace", timeout=LONGEST, **kw)
    except subprocess.TimeoutExpired:
        raise ImageError(f"{name}: no end after {LONGEST} s; the load of this machine is {os.getloadavg()[0]:.0f}") from None
    if done.returncode:
        last = [line for line in done.stdout.splitlines() if line.strip()][-1:] or ["no output"]
        raise ImageError(f"{name}: status {done.returncode}: {last[0]}")
    return done.stdout


def key(name):
    h = hashlib.sha256(name.encode())
    for path in [os.path.abspath(__file__), *sorted(glob.glob(GUEST + "/*"))]:
        with open(path, "rb") as f:
            h.update(f.read() + b"\0")
    return h.hexdigest()[:16]


def write(root, path, text, mode=0o644):
    path = os.path.join(root, path)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with contextlib.suppress(FileNotFoundError):
        os.unlink(path)
    with open(path, "w") as f:
        f.write(text)
    os.chmod(path, mode)


def link(root, path, target):
    path = os.path.join(root, path)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with contextlib.suppress(FileNotFoundError):
        os.unlink(path)
    os.symlink(target, path)


def make_root(root, packages):
    # In process and mount namespaces of its own: all of it ends with us.
    run("unshare", "--mount", "--propagation", "private", "--pid", "--fork", "--kill-child", "--mount-proc",
        "mmdebstrap", "--mode=root", "--variant=minbase", "--format=directory", "--include=" + ",".join(packages),
        *(f"--dpkgopt=path-exclude=/usr/share/{d}/*" for d in ("doc", "man", "locale", "info")), "--dpkgopt=force-unsafe-io",
        '--aptopt=Apt::Install-Recommends "false"', '--aptopt=Acquire::Retries "3"', "bookworm", root)


def configure(root):
    for path, text in FILES.items():
        write(root, path, text)
    write(root, "etc/resolv.conf", "")
    shutil.rmtree(root + "/etc/cni/net.d", ignore_errors=True)
    run("chroot", root, "useradd", "-m", "-u", "1000", "-s", "/bin/bash", "tester")
    for name in ("subuid", "subgid"):
        with open(f"{root}/etc/{name}", "a+") as f:
            f.seek(0)
            if "tester:" not in f.read():
                f.write("tester:100000:65536\n")
    write(root, "var/lib/systemd/linger/tester", "")
    for unit in ("systemd-journald", "systemd-logind", "systemd-udevd"):
        write(root, f"etc/systemd/system/{unit}.service.d/vm.conf", "[Service]\nWatchdogSec=0\nTimeoutStartSec=900\n")
    for unit in MASKED:
        link(root, "etc/systemd/system/" + unit, "/dev/null")
    for unit in MASKED_USER:
        link(root, "etc/systemd/user/" + unit, "/dev/null")
    for path in glob.glob(root + "/usr/lib/systemd/system-generators/*"):
        link(root, "etc/systemd/system-generators/" + os.path.basename(path), "/dev/null")
    link(root, "etc/systemd/system/default.target", "/lib/systemd/system/multi-user.target")
    link(root, "etc/systemd/system/multi-user.target.wants/hull-vm.service", "../hull-vm.service")
    for name, to in (("agent", "hull-vm-agent"), ("init", "hull-vm-init")):
        shutil.copy(os.path.join(GUEST, name), f"{root}/usr/local/sbin/{to}")
        os.chmod(f"{root}/usr/local/sbin/{to}", 0o755)


def label(root):
    """SELinux: the labels are written here, so that no machine has to relabel itself when it boots."""
    write(root, "etc/selinux/config", "SELINUX=enforcing\nSELINUXTYPE=default\n")
    with contextlib.suppress(FileNotFoundError):
        os.unlink(root + "/.autorelabel")
    contexts = "/etc/selinux/default/contexts/files/file_contexts"
    run("unshare", "--mount", "--propagation", "private", "sh", "-c",
        'mount -t proc proc "$1/proc" && exec chroot "$1" setfiles -F "$2" /', "sh", root, contexts)


def make_kernel(work, root, out):
    package = run("apt-cache", "depends", "linux-image-cloud-amd64").partition("Depends: ")[2].split()[:1]
    if not package:
        raise ImageError("apt does not know linux-image-cloud-amd64: run apt-get update")
    kernel = os.path.join(work, "kernel")
    os.mkdir(kernel)
    run("apt-get", "-q", "-o", "Acquire::Retries=3", "download", *package, cwd=kernel)
    run("dpkg-deb", "-x", glob.glob(kernel + "/*.deb")[0], kernel)
    shutil.copy(glob.glob(kernel + "/boot/vmlinuz-*")[0], out + "/vmlinuz")
    modules = kernel + "/lib/modules"
    shutil.copytree(modules, root + "/usr/lib/modules", symlinks=True, dirs_exist_ok=True)
    run("chroot", root, "depmod", os.listdir(modules)[0])
    first = os.path.join(work, "first")
    for d in ("bin", "dev", "proc", "new", "m"):
        os.makedirs(os.path.join(first, d))
    shutil.copy("/bin/busybox", first + "/bin/busybox")
    os.symlink("busybox", first + "/bin/sh")
    shutil.copy(GUEST + "/first", first + "/init")
    os.chmod(first + "/init", 0o755)
    for n, name in enumerate(DRIVERS):
        for path in glob.glob(f"{modules}/**/{name}.ko", recursive=True):
            shutil.copy(path, f"{first}/m/{n}-{name}.ko")
    with open(out + "/initrd.cpio", "wb") as f:
        names = "\n".join(os.path.relpath(os.path.join(d, n), first) for d, ds, fs in os.walk(first) for n in ds + fs)
        subprocess.run(["cpio", "-o", "-H", "newc", "--quiet"], input=names.encode(), stdout=f, cwd=first, check=True)


def make(name, out):
    work = os.path.join(out, "work")
    root = os.path.join(work, "root")
    os.makedirs(work)
    make_root(root, PACKAGES[name])
    configure(root)
    make_kernel(work, root, out)
    if name == "selinux":
        label(root)
    disk = out + "/root.img"
    with open(disk, "wb") as f:
        f.truncate(DISK_BYTES)
    run("mkfs.ext4", "-q", "-O", "^has_journal", "-E", "lazy_itable_init=1,nodiscard", "-m0", "-d", root, disk)
    shutil.rmtree(work)


def in_use(done):
    """That it is there, and that it was used now."""
    with contextlib.suppress(OSError):
        os.utime(done)
        return True
    return False


def tidy(pattern):
    """By who holds the lock: what ends in the middle has -tmp- in its name."""
    for old in glob.glob(pattern):
        with contextlib.suppress(OSError):
            if os.path.isdir(old) and ("-tmp-" in os.path.basename(old) or time.time() - os.stat(old).st_mtime > KEPT):
                shutil.rmtree(old, ignore_errors=True)


def ensure(cache, name):
    """The folder with vmlinuz, initrd.cpio and root.img."""
    missing = [p for p in ("mmdebstrap", "mkfs.ext4", "cpio", "dpkg-deb", "qemu-system-x86_64") if not shutil.which(p)]
    if missing:
        raise ImageError(f"needs {' '.join(missing)}: run script/deps vm")
    os.makedirs(cache, exist_ok=True)
    done = os.path.join(cache, f"vm-{name}-{key(name)}")
    with open(os.path.join(cache, f"vm-{name}.lock"), "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if in_use(done):
            return done
        if os.geteuid() != 0:
            raise ImageError("making the image needs root")
        tidy(os.path.join(cache, f"vm-{name}-*"))
        out = tempfile.mkdtemp(prefix=f"vm-{name}-tmp-", dir=cache)
        os.chmod(out, 0o755)
        try:
            make(name, out)
            os.rename(out, done)
        except OSError as e:
            raise ImageError(f"{e.filename or cache}: {e.strerror}") from e
        finally:
            shutil.rmtree(out, ignore_errors=True)
    return done
