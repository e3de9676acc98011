# SPDX-License-Identifier: Apache-2.0
"""runtimes: the cases of OCI runtimes (oci-*): each runs the same bundle: docker's usual configuration and a static busybox.

  oci-run        run of `true`, without a seccomp profile
  oci-seccomp    the same with docker's default profile (seccomp.json)
  oci-exec       exec of `true`
  oci-cycle      create, start, wait for the end, delete
  oci-state      state of one container
  oci-list       list of ten
  oci-live       oci-run beside --live N running containers
  oci-peak       the largest resident set of a run, KiB, of the runtime's own processes
"""

import json
import os
import shutil
import subprocess

import peers

CAPS = ["CAP_" + c for c in ("CHOWN DAC_OVERRIDE FSETID FOWNER MKNOD NET_RAW SETGID SETUID SETFCAP SETPCAP NET_BIND_SERVICE SYS_CHROOT "
                             "KILL AUDIT_WRITE").split()]
NO = ["nosuid", "noexec", "nodev"]


def config(rootfs, args, seccomp=None):
    spec = {
        "ociVersion": "1.0.2",
        "process": {"user": {"uid": 0, "gid": 0}, "args": args, "env": ["PATH=/usr/sbin:/usr/bin:/sbin:/bin"], "cwd": "/",
                    "capabilities": {k: CAPS for k in ("bounding", "effective", "permitted")}, "noNewPrivileges": False},
        "root": {"path": rootfs}, "hostname": "bench",
        "mounts": [
            {"destination": "/proc", "type": "proc", "source": "proc", "options": NO},
            {"destination": "/dev", "type": "tmpfs", "source": "tmpfs", "options": ["nosuid", "strictatime", "mode=755", "size=65536k"]},
            {"destination": "/dev/pts", "type": "devpts", "source": "devpts",
             "options": ["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"]},
            {"destination": "/dev/shm", "type": "tmpfs", "source": "shm", "options": [*NO, "mode=1777", "size=65536k"]},
            {"destination": "/dev/mqueue", "type": "mqueue", "source": "mqueue", "options": NO},
            {"destination": "/sys", "type": "sysfs", "source": "sysfs", "options": [*NO, "ro"]},
            {"destination": "/sys/fs/cgroup", "type": "cgroup", "source": "cgroup", "options": [*NO, "relatime", "ro"]}],
        "linux": {
            "namespaces": [{"type": t} for t in ("pid", "network", "ipc", "uts", "mount", "cgroup")],
            "resources": {"devices": [{"allow": False, "access": "rwm"}], "pids": {"limit": 1000}},
            "maskedPaths": ["/proc/acpi", "/proc/asound", "/proc/kcore", "/proc/keys", "/proc/latency_stats", "/proc/timer_list",
                            "/proc/timer_stats", "/proc/sched_debug", "/sys/firmware", "/proc/scsi"],
            "readonlyPaths": ["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"]}}
    if seccomp:
        spec["linux"]["seccomp"] = seccomp
    return spec


class Runtime(peers.Engine):
    program = None

    def __init__(self, work, args):
        super().__init__(work, args)
        self.ids = []

    def cmd(self, *words):
        return [self.program or self.name, "--root", f"{self.run}/{self.name}", *words]

    def setup(self):
        root = os.path.join(self.dir, "rootfs")
        os.makedirs(root + "/bin")
        for d in ("proc", "dev", "sys"):
            os.mkdir(os.path.join(root, d))
        shutil.copy(shutil.which("busybox"), root + "/bin/busybox")
        for name in ("true", "sleep", "sh"):
            os.symlink("busybox", f"{root}/bin/{name}")
        with open(os.path.join(os.path.dirname(os.path.abspath(__file__)), "seccomp.json")) as f:
            profile = json.load(f)
        for name, args, seccomp in (("true", ["/bin/true"], None), ("seccomp", ["/bin/true"], profile), ("sleep", ["/bin/sleep", "100000"], None)):
            os.mkdir(f"{self.dir}/{name}")
            with open(f"{self.dir}/{name}/config.json", "w") as f:
                json.dump(config(root, args, seccomp), f)

    def start(self, prefix, n):
        """n running containers."""
        for i in range(n):
            self.ids.append(f"{prefix}-{os.getpid()}-{i}")
            self.do("run", "--detach", "--bundle", f"{self.dir}/sleep", self.ids[-1])

    def prepare(self, case):
        if case == "oci-exec":
            self.start(f"{self.name}-exec", 1)
        elif case in ("oci-state", "oci-list") and "list" not in self.done:
            self.start(f"{self.name}-list", 10 - len(self.ids))
            self.done.add("list")
        elif case == "oci-live":
            self.start(f"{self.name}-live", self.args.live)

    def command(self, case):
        name = f"{self.name}-{os.getpid()}"
        run = ["run", "--bundle", f"{self.dir}/{'seccomp' if case == 'oci-seccomp' else 'true'}", name]
        if case in ("oci-run", "oci-seccomp", "oci-live"):
            return self.cmd(*run)
        if case == "oci-exec":
            return self.cmd("exec", self.ids[0], "/bin/true")
        if case == "oci-state":
            return self.cmd("state", self.ids[0])
        if case == "oci-list":
            return self.cmd("list")
        if case == "oci-cycle":
            me = " ".join(self.cmd())
            # delete refuses while the process lives: tried again without waiting.
            return ["sh", "-c", f"{me} create --bundle {self.dir}/true {name} </dev/null >/dev/null 2>&1 && {me} start {name} && "
                                f"while ! {me} delete {name} 2>/dev/null; do :; done"]
        return None

    def peak(self):
        """KiB, of the runtime and what it waited for. busybox's time: a program that begins as a copy of a large one would count as that. It takes
        the kernel's kilobytes for pages."""
        out = subprocess.run(["busybox", "time", "-f", "%M", *self.command("oci-run")], stdin=subprocess.DEVNULL, capture_output=True,
                             text=True, check=True, env=self.env).stderr
        return int(out.split()[-1]) * 1024 // os.sysconf("SC_PAGE_SIZE")

    def teardown(self):
        for i in self.ids:
            self.do("delete", "--force", i, check=False)


class HullRuntime(Runtime):
    name = "hull"

    def __init__(self, work, args):
        super().__init__(work, args)
        self.program = os.path.join(os.path.dirname(os.path.abspath(args.hull)), "hull-runtime")


class Crun(Runtime):
    name, programs = "crun", ("crun",)


class Runc(Runtime):
    name, programs = "runc", ("runc",)


ALL = (HullRuntime, Crun, Runc)
CASES = ("oci-run", "oci-seccomp", "oci-exec", "oci-cycle", "oci-state", "oci-list")
