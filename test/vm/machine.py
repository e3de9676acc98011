# SPDX-License-Identifier: Apache-2.0
"""machine: one QEMU process, from a cold boot or from a saved state, that runs one command and ends.

The devices are the same for every machine, so that any saved state can be resumed with other files behind them:

  vda   the root disk, writes go nowhere (snapshot)      ttyS0  console, kept for when something goes wrong
  vdb   the job: a tar                                   ttyS1  control: READY, GO, EXIT (guest/agent)
  vdc   a data disk; its writes can be logged            ports  hull.out: output; hull.files: a tar of /job/out

A saved state is the machine after boot, waiting for GO: its memory is a file that clones map privately, its devices
a few hundred KiB. It belongs to one QEMU build, processor, memory size, kernel, disk and command line: all of them are in
its key. What clones share (the kernel's random state, the clock) the agent sets anew from what GO brings.

A machine that does not start is started once more before that is an error; one whose time is up is not.
"""

import contextlib
import fcntl
import glob
import hashlib
import json
import os
import select
import shutil
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
QEMU, KVM = "qemu-system-x86_64", "/dev/kvm"
KVM_UP = 20             # seconds for a kernel alone: one or two where KVM works
UP = 1200               # seconds for a boot: 33 on an idle machine
NO_ROOM = 32 << 20      # bytes: less than that is why a machine stands still


class MachineError(Exception):
    """One line, for the user."""


class NotUp(MachineError):
    """It had its time."""


class PoweredOff(Exception):
    """It shut itself down; with the last line of its console."""


def identity(path):
    """Another file, or one that was written anew, is another."""
    st = os.stat(path)
    return f"{st.st_size} {st.st_mtime_ns}"


def qemu_version():
    """Its words and its file: a build of one's own may say the same as Debian's."""
    try:
        words = subprocess.run([QEMU, "--version"], capture_output=True, text=True, check=True).stdout.splitlines()[0]
        return f"{words} {identity(shutil.which(QEMU))}"
    except FileNotFoundError:
        raise MachineError(f"{QEMU} is not installed: run script/deps vm") from None


def why_no_kvm():
    create_vm = 0xAE01
    try:
        kvm = os.open(KVM, os.O_RDWR | os.O_CLOEXEC)
        try:
            os.close(fcntl.ioctl(kvm, create_vm, 0))
        finally:
            os.close(kvm)
    except OSError as e:
        return f"{KVM}: {e.strerror}"
    return None


def kernel_comes_up(files):
    """That a kernel without disks gets as far as its first program: that one ends at once, the kernel panics, QEMU ends."""
    argv = [QEMU, "-M", "q35,hpet=off", "-accel", "kvm", "-cpu", "host", "-m", "256", "-nodefaults", "-no-user-config", "-no-reboot",
            "-display", "none", "-kernel", files + "/vmlinuz", "-initrd", files + "/initrd.cpio",
            "-append", "console=ttyS0 quiet panic=-1 rdinit=/bin/busybox", "-serial", "stdio"]
    try:
        done = subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, timeout=KVM_UP, preexec_fn=image.die_with_parent, check=False)
    except subprocess.TimeoutExpired:
        return False
    return any(word in done.stdout for word in PANIC)


def why_kvm_fails(cache, files):
    """None, or a sentence. Asked once, and written down."""
    with open("/proc/sys/kernel/random/boot_id") as f:
        now = f"{f.read()}{qemu_version()}\n{identity(files + '/vmlinuz')}\n"
    with open(f"{cache}/kvm", "a+") as f:
        fcntl.flock(f, fcntl.LOCK_EX)
        f.seek(0)
        known, _, answer = f.read().rpartition("=")
        if known != now:
            answer = "up" if kernel_comes_up(files) else "down"
            f.truncate(0)
            f.write(f"{now}={answer}")
    return None if answer == "up" else f"no kernel comes up in it within {KVM_UP} s"


def accelerator(cache, files):
    """KVM where it works, emulation elsewhere; HULL_VM_ACCEL=tcg or kvm says which.

    There are machines with a KVM that takes minutes for what takes a second, or stands still: some that are machines themselves. So it
    has to bring a kernel up once; what came of it holds until this machine boots, and QEMU or the kernel change.
    """
    want = os.environ.get("HULL_VM_ACCEL", "")
    if want not in ("", "kvm", "tcg"):
        raise MachineError(f"HULL_VM_ACCEL={want}: it is kvm or tcg")
    why = "it is not wanted" if want == "tcg" else why_no_kvm() or why_kvm_fails(cache, files)
    if want == "kvm" and why:
        raise MachineError(f"no KVM on this machine: {why}")
    return "tcg" if why else "kvm"


def processor():
    """What -cpu host is on this machine."""
    with open("/proc/cpuinfo") as f:
        return "".join(sorted({line for line in f if line.startswith(("model name", "flags", "microcode"))}))


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
        self.kvm = not virtual_time and accelerator(cache, self.files) == "kvm"
        self.image = row.image

    def accel(self):
        if self.virtual_time:
            return ["-accel", "tcg,thread=single", "-icount", "shift=2,sleep=off", "-cpu", "max"]
        if self.kvm:
            return ["-accel", "kvm", "-cpu", "host"]
        return ["-accel", "tcg,thread=multi", "-cpu", "max"]

    def key(self):
        with open(__file__, "rb") as f:
            parts = [f.read().decode(), qemu_version(), str(MEMORY_MB), str(self.cpus), self.append, *self.accel(), os.path.basename(self.files)]
        parts += [processor()] if self.kvm else []
        parts += [identity(f"{self.files}/{name}") for name in ("vmlinuz", "initrd.cpio", "root.img")]
        return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:16]


def qemu(plan, tmp, root_disk, memory, incoming, tar, data, log):
    share = "off" if incoming else "on"
    backend = f"memory-backend-file,id=m0,size={MEMORY_MB}M,mem-path={memory},share={share}" if memory else \
        f"memory-backend-ram,id=m0,size={MEMORY_MB}M"
    disk = ["-blockdev", f"driver=file,filename={data},node-name=data-file", "-blockdev", "driver=raw,file=data-file,node-name=data-raw"]
    if log:
        disk += ["-blockdev", f"driver=file,filename={log},node-name=log-file",
                 "-blockdev", "driver=blklogwrites,file=data-raw,log=log-file,node-name=data"]
    argv = [QEMU, "-M", "q35,memory-backend=m0,hpet=off", *plan.accel(), "-smp", str(plan.cpus), "-m", str(MEMORY_MB),
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
        return subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=errors, stderr=errors, preexec_fn=image.die_with_parent)


class Litter:
    """Folders that go when we have ended, however we did: a shell waits for the end of a pipe that only we hold.

    Each holds a lock while it is in use: one whose lock is free was left when we and the shell were killed, and goes with the next run.
    """
    script = 'while read -r d; do set -- "$@" "$d"; done; exec rm -rf "$@"'
    shell = None

    @classmethod
    def folder(cls, where):
        for old in glob.glob(os.path.join(where, "hull-vm.*")):
            with contextlib.suppress(OSError), open(old + "/lock") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(old, ignore_errors=True)
        if not cls.shell:
            cls.shell = subprocess.Popen(["sh", "-c", cls.script, "sh"], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL,
                                         stderr=subprocess.DEVNULL, start_new_session=True)
        new = tempfile.mkdtemp(prefix="hull-vm-new.", dir=where)
        path = new.replace("hull-vm-new.", "hull-vm.")
        cls.shell.stdin.write(f"{new}\n{path}\n".encode())
        cls.shell.stdin.flush()
        lock = open(new + "/lock", "w")  # noqa: SIM115
        fcntl.flock(lock, fcntl.LOCK_EX)
        os.rename(new, path)
        return path, lock


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
        self.tmp, self.lock = Litter.folder(tempfile.gettempdir())
        return self

    def __exit__(self, *_):
        self.stop()
        shutil.rmtree(self.tmp, ignore_errors=True)
        self.lock.close()

    def stop(self):
        if self.control:
            self.control.close()
        if self.process and self.process.poll() is None:
            self.process.kill()
            self.process.wait()

    def begin(self, start, again=None):
        """start, and when that fails, once more."""
        try:
            start()
        except MachineError:
            self.stop()
            self.left, self.read = b"", 0
            for name in ("ctl", "qmp", "out", "files", "console"):
                with contextlib.suppress(FileNotFoundError):
                    os.unlink(f"{self.tmp}/{name}")
            (again or start)()

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
        except PoweredOff as e:
            raise MachineError(f"the machine ended while it booted: {e}") from None

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
            for where in {self.tmp, os.environ.get("TMPDIR", "/var/tmp")}:
                if shutil.disk_usage(where).free < NO_ROOM:
                    raise MachineError(f"{where}: no room for what the machine writes")
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
    with Machine(plan, limit) as m, contextlib.ExitStack() as after:
        shm, lock = Litter.folder(place_for_memory(plan))
        after.callback(lock.close)
        after.callback(shutil.rmtree, shm, ignore_errors=True)
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


def make_state(plan, prefix, done, limit):
    out = tempfile.mkdtemp(prefix=prefix + "tmp-")
    os.chmod(out, 0o755)
    try:
        save(plan, out, limit)
        os.rename(out, done)
    except TimeoutError:
        raise NotUp(f"the machine {plan.profile} was not up within {limit} s; the load of this one is {os.getloadavg()[0]:.0f} "
                    f"on {os.cpu_count()} processors") from None
    except subprocess.CalledProcessError:
        raise MachineError(f"{plan.cache}: no room for the saved state") from None
    except subprocess.TimeoutExpired:
        raise MachineError("QEMU does not end") from None
    finally:
        shutil.rmtree(out, ignore_errors=True)


def saved_state(plan, limit=UP, anew=False):
    """The folder of the saved state, made when it is not there. Complete when it has its final name. anew: what is there is no good."""
    prefix = os.path.join(plan.cache, f"state-{plan.profile}-{'icount-' if plan.virtual_time else ''}{plan.cpus}-")
    done = prefix + plan.key()
    with open(prefix.rstrip("-") + ".lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not anew and image.in_use(done):
            return done
        shutil.rmtree(done, ignore_errors=True)
        image.tidy(prefix + "*")
        try:
            make_state(plan, prefix, done, limit)
        except NotUp:
            raise
        except MachineError:
            make_state(plan, prefix, done, limit)
    return done
