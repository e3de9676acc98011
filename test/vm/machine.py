# SPDX-License-Identifier: Apache-2.0
"""machine: one QEMU process, from a cold boot or from a saved state, that runs one command and ends.

The devices are the same for every machine, so that any saved state can be resumed with other files behind them:

  vda   the root disk, writes go nowhere (snapshot)      ttyS0  console, kept for when something goes wrong
  vdb   the job: a tar                                   ttyS1  control: READY, GO, EXIT (guest/agent)
  vdc   a data disk; its writes can be logged            ports  hull.out: output; hull.files: a tar of /job/out

A saved state is the machine after boot, waiting for GO: its memory is a file that clones map privately, its devices
a few hundred KiB. It belongs to one QEMU build, processor, memory size, kernel, disk and command line: all of them are in
its key. What clones share (the kernel's random state, the clock) the agent sets anew from what GO brings.
"""

import contextlib
import fcntl
import glob
import hashlib
import json
import os
import select
import shutil
import signal
import socket
import subprocess
import tempfile
import time

import image
from profiles import COMMON, PROFILES

MEMORY_MB = int(os.environ.get("HULL_VM_MEMORY", "1536"))
TAR_BYTES = 1 << 30
DATA_BYTES = 4 << 30
PANIC = (b"Kernel panic", b"end Kernel panic")


class MachineError(Exception):
    """One line, for the user."""


class PoweredOff(Exception):
    """It shut itself down; with the last line of its console."""


def qemu_version():
    try:
        return subprocess.run(["qemu-system-x86_64", "--version"], capture_output=True, text=True, check=True).stdout.splitlines()[0]
    except FileNotFoundError:
        raise MachineError("qemu-system-x86_64 is not installed: run script/deps vm") from None


def accelerator():
    """HULL_VM_ACCEL=kvm for a machine where KVM works; emulation is the default because it is the same everywhere."""
    return os.environ.get("HULL_VM_ACCEL", "tcg")


class Plan:
    """What a machine is made of; its key names the saved state."""

    def __init__(self, cache, profile, virtual_time=False, cpus=1, append=""):
        if profile not in PROFILES:
            raise MachineError(f"no profile {profile}: there are {' '.join(PROFILES)}")
        row = PROFILES[profile]
        self.cache, self.profile, self.cpus = cache, profile, 1 if virtual_time else cpus
        self.virtual_time = virtual_time
        self.append = f"{COMMON} {row.append} {append}".strip()
        self.files = image.ensure(cache, row.image)
        self.image = row.image

    def accel(self):
        if self.virtual_time:
            return ["-accel", "tcg,thread=single", "-icount", "shift=2,sleep=off", "-cpu", "max"]
        if accelerator() == "kvm":
            return ["-accel", "kvm", "-cpu", "host"]
        return ["-accel", "tcg,thread=multi", "-cpu", "max"]

    def key(self):
        with open(__file__, "rb") as f:
            parts = [f.read().decode(), qemu_version(), str(MEMORY_MB), str(self.cpus), self.append, *self.accel(), os.path.basename(self.files)]
        return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:16]


def qemu(plan, tmp, root_disk, memory, incoming, tar, data, log):
    share = "off" if incoming else "on"
    backend = f"memory-backend-file,id=m0,size={MEMORY_MB}M,mem-path={memory},share={share}" if memory else \
        f"memory-backend-ram,id=m0,size={MEMORY_MB}M"
    disk = ["-blockdev", f"driver=file,filename={data},node-name=data-file", "-blockdev", "driver=raw,file=data-file,node-name=data-raw"]
    if log:
        disk += ["-blockdev", f"driver=file,filename={log},node-name=log-file",
                 "-blockdev", "driver=blklogwrites,file=data-raw,log=log-file,node-name=data"]
    argv = ["qemu-system-x86_64", "-M", "q35,memory-backend=m0,hpet=off", *plan.accel(), "-smp", str(plan.cpus), "-m", str(MEMORY_MB),
            "-object", backend, "-nodefaults", "-no-user-config", "-no-reboot", "-display", "none", "-rtc", "base=utc",
            "-kernel", plan.files + "/vmlinuz", "-initrd", plan.files + "/initrd.cpio", "-append", plan.append,
            "-drive", f"file={root_disk},format=raw,if=none,id=d0,cache=unsafe" + ("" if memory and not incoming else ",snapshot=on"),
            "-device", "virtio-blk-pci,drive=d0,id=vd0",
            "-drive", f"file={tar},format=raw,if=none,id=d1,readonly=on", "-device", "virtio-blk-pci,drive=d1,id=vd1",
            *disk, "-device", f"virtio-blk-pci,drive={'data' if log else 'data-raw'},id=vd2",
            "-device", "virtio-rng-pci", "-device", "virtio-serial-pci,id=vs",
            "-chardev", f"file,id=out,path={tmp}/out", "-device", "virtserialport,bus=vs.0,nr=1,chardev=out,name=hull.out",
            "-chardev", f"file,id=files,path={tmp}/files", "-device", "virtserialport,bus=vs.0,nr=2,chardev=files,name=hull.files",
            "-serial", f"file:{tmp}/console", "-chardev", f"socket,id=ctl,path={tmp}/ctl,server=on,wait=off", "-serial", "chardev:ctl",
            "-qmp", f"unix:{tmp}/qmp,server=on,wait=off"]
    if incoming:
        argv += ["-incoming", "defer"]
    with open(tmp + "/qemu", "w") as errors:
        # It dies with us, whatever happens to us.
        return subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=errors, stderr=errors, preexec_fn=die_with_parent)


def die_with_parent():
    import ctypes
    ctypes.CDLL(None).prctl(1, signal.SIGKILL, 0, 0, 0)


class Qmp:
    def __init__(self, sock):
        self.file = sock.makefile("rw")
        self.file.readline()
        self.call("qmp_capabilities")

    def call(self, name, **arguments):
        self.file.write(json.dumps({"execute": name, "arguments": arguments}) + "\n")
        self.file.flush()
        while line := self.file.readline():
            reply = json.loads(line)
            if "return" in reply:
                return reply["return"]
            if "error" in reply:
                raise MachineError(f"QEMU: {name}: {reply['error'].get('desc')}")
        raise MachineError(f"QEMU ended at {name}")

    def migrated(self, seconds=120):
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            status = self.call("query-migrate").get("status")
            if status == "completed":
                return
            if status in ("failed", "cancelled"):
                raise MachineError("QEMU: the saved state could not be " + ("loaded" if status == "failed" else status))
            time.sleep(0.01)
        raise MachineError("QEMU: the state did not go over in time")


class Machine:
    """with Machine(plan) as m: m.start(tar); m.go(user); status = m.finish(on_output)"""

    def __init__(self, plan, limit):
        self.plan, self.end = plan, time.monotonic() + limit
        self.process = self.control = None
        self.left = b""
        self.read = 0

    def __enter__(self):
        """A directory of its own, whose lock is held: one with a free lock was left by somebody who was killed."""
        for old in glob.glob(os.path.join(tempfile.gettempdir(), "hull-vm.*")):
            with contextlib.suppress(OSError), open(old + "/lock") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(old, ignore_errors=True)
        self.tmp = tempfile.mkdtemp(prefix="hull-vm.")
        self.lock = open(self.tmp + "/lock", "w")  # noqa: SIM115
        fcntl.flock(self.lock, fcntl.LOCK_EX)
        return self

    def __exit__(self, *_):
        self.stop()
        shutil.rmtree(self.tmp, ignore_errors=True)
        self.lock.close()

    def stop(self):
        if self.process and self.process.poll() is None:
            self.process.kill()
            self.process.wait()

    def connect(self, name):
        path = f"{self.tmp}/{name}"
        while time.monotonic() < self.end:
            with contextlib.suppress(OSError):
                s = socket.socket(socket.AF_UNIX)
                s.connect(path)
                return s
            if self.process.poll() is not None:
                raise MachineError("QEMU does not start: " + self.last_line("qemu"))
            time.sleep(0.01)
        raise MachineError("QEMU does not answer")

    def last_line(self, name):
        with contextlib.suppress(OSError), open(f"{self.tmp}/{name}", errors="replace") as f:
            lines = [line.strip() for line in f.read()[-4000:].splitlines() if line.strip()]
            return lines[-1] if lines else "it says nothing"
        return "it says nothing"

    def boot(self, root_disk, memory, tar, data, log=None):
        self.process = qemu(self.plan, self.tmp, root_disk, memory, False, tar, data, log)
        self.control = self.connect("ctl")
        try:
            self.wait_for(b"READY")
        except ConnectionError:
            raise MachineError("QEMU ended: " + self.last_line("qemu")) from None

    def resume(self, state, tar, data, log=None):
        self.process = qemu(self.plan, self.tmp, state + "/disk.img", state + "/memory", True, tar, data, log)
        self.control = self.connect("ctl")
        try:
            q = Qmp(self.connect("qmp"))
            q.call("migrate-set-capabilities", capabilities=[{"capability": "x-ignore-shared", "state": True}])
            q.call("migrate-incoming", uri=f"exec:cat {state}/devices")
            q.migrated()
            q.call("cont")
        except (ConnectionError, ValueError):
            raise MachineError("QEMU ended: " + self.last_line("qemu")) from None

    def go(self, user, disk):
        self.control.sendall(f"GO {int(time.time())} {user} {os.urandom(32).hex()} {'disk' if disk else '-'}\n".encode())

    def line(self, seconds):
        """The next line of the control port, or None when none came in that time."""
        until = min(self.end, time.monotonic() + seconds)
        while b"\n" not in self.left:
            left = until - time.monotonic()
            if left <= 0 or not select.select([self.control], [], [], left)[0]:
                return None
            data = self.control.recv(4096)
            if not data:
                self.check()
                self.ended()
            self.left += data
        text, self.left = self.left.split(b"\n", 1)
        return text.strip()

    def ended(self):
        """The control port was closed: QEMU exits with 0 after a shutdown, and not before its disks are written."""
        try:
            status = self.process.wait(30)
        except subprocess.TimeoutExpired:
            raise MachineError("the machine went away, QEMU did not") from None
        if status:
            raise MachineError(f"QEMU ended with status {status}: " + self.last_line("qemu"))
        raise PoweredOff(self.last_line("console"))

    def check(self):
        if time.monotonic() >= self.end:
            raise TimeoutError
        with contextlib.suppress(OSError), open(self.tmp + "/console", "rb") as f:
            f.seek(max(0, os.path.getsize(self.tmp + "/console") - 4000))
            tail = f.read()
            if any(p in tail for p in PANIC):
                raise MachineError("the kernel panicked: " + next(
                    (t for t in tail.decode(errors="replace").splitlines() if "Kernel panic" in t), "").strip())

    def wait_for(self, word):
        while True:
            line = self.line(0.5)
            if line and line.startswith(word):
                return line
            self.check()

    def output(self):
        """What came since the last call."""
        with open(self.tmp + "/out", "rb") as f:
            f.seek(self.read)
            data = f.read(1 << 20)
        self.read += len(data)
        return data

    def finish(self, on_output):
        """Until the command ends; on_output(bytes) may raise to end it earlier. Returns its status."""
        while True:
            line = self.line(0.05)
            while data := self.output():
                on_output(data)
            if line and line.startswith(b"EXIT"):
                return int(line.split()[1])
            self.check()


def blank(path, size):
    with open(path, "wb") as f:
        f.truncate(size)


def place_for_memory(plan):
    """Where the memory lies while a machine boots: a file on a disk would be written back all the time."""
    with contextlib.suppress(OSError):
        if shutil.disk_usage("/dev/shm").free > MEMORY_MB << 20:
            return "/dev/shm"
    return plan.cache


def save(plan, out, limit):
    """Boots once and saves."""
    with Machine(plan, limit) as m, tempfile.TemporaryDirectory(prefix="hull-vm.", dir=place_for_memory(plan)) as shm:
        subprocess.run(["cp", "--sparse=always", plan.files + "/root.img", out + "/disk.img"], check=True, stderr=subprocess.DEVNULL)
        blank(m.tmp + "/tar", TAR_BYTES)
        blank(m.tmp + "/data", DATA_BYTES)
        m.boot(out + "/disk.img", shm + "/memory", m.tmp + "/tar", m.tmp + "/data")
        time.sleep(0 if plan.virtual_time else 3)
        q = Qmp(m.connect("qmp"))
        q.call("stop")
        q.call("migrate-set-capabilities", capabilities=[{"capability": "x-ignore-shared", "state": True}])
        q.call("migrate", uri=f"exec:cat > {out}/devices")
        q.migrated()
        q.call("quit")
        m.process.wait(120)
        subprocess.run(["cp", "--sparse=always", shm + "/memory", out + "/memory"], check=True, stderr=subprocess.DEVNULL)


def saved_state(plan, limit=1200):
    """The folder of the saved state, made when it is not there. Complete when it has its final name."""
    prefix = os.path.join(plan.cache, f"state-{plan.profile}-{'icount-' if plan.virtual_time else ''}{plan.cpus}-")
    done = prefix + plan.key()
    with open(prefix.rstrip("-") + ".lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if os.path.isdir(done):
            return done
        for old in glob.glob(prefix + "*"):
            if os.path.isdir(old):
                shutil.rmtree(old, ignore_errors=True)
        out = tempfile.mkdtemp(prefix=prefix + "tmp-")
        os.chmod(out, 0o755)
        try:
            save(plan, out, limit)
            os.rename(out, done)
        except TimeoutError:
            raise MachineError(f"the machine {plan.profile} was not up within {limit} s") from None
        except subprocess.CalledProcessError:
            raise MachineError(f"{plan.cache}: no room for the saved state") from None
        except subprocess.TimeoutExpired:
            raise MachineError("QEMU does not end") from None
        finally:
            shutil.rmtree(out, ignore_errors=True)
    return done
