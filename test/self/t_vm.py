#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""t_vm: test/vm's images and saved states, with makers that only pretend: a changed recipe, two at once, no room, a maker that was killed,
no KVM; what a killed run leaves; a machine that does not start."""

import errno
import multiprocessing
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(TOP, "test/vm"))
import image  # noqa: E402
import machine  # noqa: E402

FORK = multiprocessing.get_context("fork")     # makers are pretended in here


def expect(what, got, want):
    if got != want:
        raise AssertionError(f"{what}: {got!r}, not {want!r}")


def folders(cache):
    return sorted(n for n in os.listdir(cache) if os.path.isdir(os.path.join(cache, n)))


def pretend(cache, seconds=0.0, fail=None):
    """A maker of images that notes that it was asked."""
    def make(name, out):
        with open(os.path.join(cache, "made"), "a") as f:
            f.write(name + "\n")
        for part in ("vmlinuz", "initrd.cpio", "root.img"):
            with open(f"{out}/{part}", "w") as f:
                f.write("half")
        time.sleep(seconds)
        if fail:
            raise fail
        with open(out + "/root.img", "a") as f:
            f.write(" whole")
    image.make = make


def made(cache):
    with open(os.path.join(cache, "made")) as f:
        return f.read().split()


def recipe(cache):
    """Another recipe is another image; what nobody has used for long goes, other kinds of images stay, and what another checkout uses does."""
    pretend(cache)
    first = image.ensure(cache, "debian")
    other = image.ensure(cache, "selinux")
    expect("again", image.ensure(cache, "debian"), first)
    guest = os.path.join(cache, "guest")
    os.mkdir(guest)
    with open(guest + "/agent", "w") as f:
        f.write("#!/bin/sh\n")
    before, image.GUEST = image.GUEST, guest
    try:
        second = image.ensure(cache, "debian")
    finally:
        image.GUEST = before
    expect("is another", second != first, True)
    expect("made", made(cache), ["debian", "selinux", "debian"])
    expect("kept", folders(cache), sorted(["guest", *(os.path.basename(p) for p in (first, other, second))]))
    for path in (first, other, second):
        os.utime(path, (1, 1))
    expect("used again", image.ensure(cache, "debian"), first)
    with open(guest + "/agent", "a") as f:
        f.write("true\n")
    image.GUEST = guest
    try:
        third = image.ensure(cache, "debian")
    finally:
        image.GUEST = before
    expect("kept of four", folders(cache), sorted(["guest", *(os.path.basename(p) for p in (first, other, third))]))


def at_once(cache):
    """Who comes second waits, and has what the first has made."""
    pretend(cache, 0.3)
    people = [FORK.Process(target=image.ensure, args=(cache, "debian")) for _ in range(3)]
    for p in people:
        p.start()
    for p in people:
        p.join()
    expect("statuses", [p.exitcode for p in people], [0, 0, 0])
    expect("made", made(cache), ["debian"])
    with open(os.path.join(image.ensure(cache, "debian"), "root.img")) as f:
        expect("image", f.read(), "half whole")


def no_room(cache):
    """One line; nothing is half there; with room again it works."""
    for why in (OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), cache + "/root.img"), image.ImageError("mkfs.ext4: status 1: no space")):
        pretend(cache, fail=why)
        try:
            image.ensure(cache, "debian")
            raise AssertionError("made without room")
        except image.ImageError as e:
            expect("lines", ("\n" in str(e), "space" in str(e)), (False, True))
        expect("left", folders(cache), [])
    pretend(cache)
    expect("made", os.path.isdir(image.ensure(cache, "debian")), True)


def killed(cache):
    """What a maker who was killed has left is not taken for an image, and goes with the next."""
    pretend(cache, 600)
    maker = FORK.Process(target=image.ensure, args=(cache, "debian"))
    maker.start()
    while not any("-tmp-" in n and os.listdir(os.path.join(cache, n)) for n in folders(cache)):
        time.sleep(0.01)
    maker.kill()
    maker.join()
    expect("left", len(folders(cache)), 1)
    pretend(cache)
    whole = image.ensure(cache, "debian")
    expect("after", folders(cache), [os.path.basename(whole)])


def states(cache):
    """A saved state belongs to all it was made with; half of one is none; one that is no good is made anew, and so is one that failed once."""
    pretend(cache)
    machine.qemu_version = lambda: "QEMU 1"
    machine.why_no_kvm = lambda: "pretended"
    plans = [machine.Plan(cache, "v2"), machine.Plan(cache, "v1"), machine.Plan(cache, "v2", virtual_time=True), machine.Plan(cache, "v2", cpus=2),
             machine.Plan(cache, "v2", append="x")]
    keys = [p.key() for p in plans]
    machine.qemu_version = lambda: "QEMU 2"
    keys.append(plans[0].key())
    memory, machine.MEMORY_MB = machine.MEMORY_MB, 4096
    keys.append(plans[0].key())
    machine.MEMORY_MB = memory
    with open(plans[0].files + "/vmlinuz", "w") as f:
        f.write("another kernel by the same recipe")
    keys.append(plans[0].key())
    machine.why_no_kvm = lambda: None
    machine.kernel_comes_up = lambda files: True
    for words in ("one", "another"):
        machine.processor = lambda words=words: words
        keys.append(machine.Plan(cache, "v2").key())
    other = cache + "/of-another-recipe"
    shutil.copytree(plans[0].files, other)
    plans[0].files = other
    keys.append(plans[0].key())
    expect("different keys", len(set(keys)), len(keys))
    expect("the same", machine.Plan(cache, "v2").key(), machine.Plan(cache, "v2").key())
    tries = []

    def save(plan, out, limit):
        tries.append(out)
        with open(out + "/memory", "w") as f:
            f.write("half")
        if not limit:
            raise TimeoutError
        if len(tries) == fails:
            raise machine.MachineError("QEMU ended")
    machine.save, fails = save, 0
    try:
        machine.saved_state(plans[1], 0)
        raise AssertionError("saved what was never up")
    except machine.MachineError as e:
        expect("said", str(e).partition(";")[0], "the machine v1 was not up within 0 s")
        expect("tries when the time was up", len(tries), 1)
    expect("left", [n for n in folders(cache) if n.startswith("state-")], [])
    fails = 2
    done = machine.saved_state(plans[1], 1)
    expect("state", [n for n in folders(cache) if n.startswith("state-")], [os.path.basename(done)])
    expect("tries", (len(tries), machine.saved_state(plans[1], 1), len(tries)), (3, done, 3))
    machine.saved_state(plans[1], 1, anew=True)
    expect("anew", len(tries), 4)


def no_kvm(cache):
    """KVM is taken where it works; who asks for it by name and has none is told why, in a line."""
    for path, want, got in (
            ("/no/such/kvm", "", "tcg"), ("/dev/null", "tcg", "tcg"), ("/no/such/kvm", "kvm", "no KVM on this machine: /no/such/kvm: No such file"),
            ("/dev/null", "kvm", "no KVM on this machine: /dev/null: Inappropriate"), ("/dev/null", "xen", "HULL_VM_ACCEL=xen: it is kvm or tcg")):
        machine.KVM, os.environ["HULL_VM_ACCEL"] = path, want
        try:
            said = machine.accelerator(cache, cache)
        except machine.MachineError as e:
            said = str(e)
        expect(f"{path} {want}", said[:len(got)], got)
    machine.KVM = "/dev/kvm"
    del os.environ["HULL_VM_ACCEL"]


def lame_kvm(cache):
    """A KVM that is there and brings no kernel up is none; it is asked once for one boot, QEMU and kernel."""
    asked = []
    machine.qemu_version = lambda: "QEMU 1"
    machine.why_no_kvm = lambda: None
    machine.kernel_comes_up = lambda files: asked.append(files)
    with open(cache + "/vmlinuz", "w") as f:
        f.write("a kernel")
    expect("lame", [machine.accelerator(cache, cache) for _ in range(2)], ["tcg", "tcg"])
    os.environ["HULL_VM_ACCEL"] = "kvm"
    try:
        machine.accelerator(cache, cache)
        raise AssertionError("taken")
    except machine.MachineError as e:
        expect("said", str(e), f"no KVM on this machine: no kernel comes up in it within {machine.KVM_UP} s")
    del os.environ["HULL_VM_ACCEL"]
    expect("asked", len(asked), 1)
    machine.kernel_comes_up = lambda files: asked.append(files) or True
    machine.qemu_version = lambda: "QEMU 2"
    expect("another", [machine.accelerator(cache, cache) for _ in range(2)], ["kvm", "kvm"])
    expect("asked again", len(asked), 2)


def litter(cache):
    """What a run keeps while it runs goes when it is killed, and with the next run when all of it was."""
    for all_of_it in (False, True):
        pid = os.fork()
        if not pid:
            machine.Litter.shell = None
            path, _ = machine.Litter.folder(cache)
            with open(path + "/memory", "w") as f:
                f.write(str(machine.Litter.shell.pid))
            os.rename(path + "/memory", cache + "/shell")
            time.sleep(600)
        while not os.path.exists(cache + "/shell"):
            time.sleep(0.01)
        expect("in use", len(folders(cache)), 1)
        with open(cache + "/shell") as f:
            shell = int(f.read())
        os.unlink(cache + "/shell")
        for one in [shell] * all_of_it + [pid]:
            os.kill(one, signal.SIGKILL)
        os.waitpid(pid, 0)
        until = time.monotonic() + 60
        while not all_of_it and folders(cache) and time.monotonic() < until:
            time.sleep(0.01)
        expect("left", len(folders(cache)), int(all_of_it))
    path, lock = machine.Litter.folder(cache)
    expect("after the next", folders(cache), [os.path.basename(path)])
    lock.close()


def second_start(cache):
    """A machine that does not start is started once more, and not a third time."""
    m = machine.Machine(None, 60)
    m.tmp = cache
    for fails, want in ((0, 1), (1, 2), (2, None)):
        tries = []

        def start(tries=tries, fails=fails):
            tries.append(1)
            if len(tries) <= fails:
                raise machine.MachineError("QEMU ended")
        try:
            m.begin(start)
            expect("tries", len(tries), want)
        except machine.MachineError:
            expect("fails twice", (len(tries), want), (2, None))


SECONDS = f"600.{os.getpid()}"


def words_of(pid):
    try:
        with open(f"/proc/{pid}/cmdline") as f:
            return f.read().split("\0")[:-1]
    except OSError:
        return []


def mounts(cache):
    """What the maker mounts is not seen outside, so that no mount stays when it is killed; what it has started ends with it."""
    os.mkdir(cache + "/bin")
    for name in ("mmdebstrap", "mkfs.ext4", "cpio", "dpkg-deb", "qemu-system-x86_64"):
        with open(f"{cache}/bin/{name}", "w") as f:
            f.write(f"#!/bin/sh\nmkdir {cache}/mnt && mount -t tmpfs none {cache}/mnt && touch {cache}/mounted\nexec sleep {SECONDS}\n")
        os.chmod(f"{cache}/bin/{name}", 0o755)
    env = dict(os.environ, PATH=f"{cache}/bin:{os.environ['PATH']}", HULL_TEST_CACHE=cache)
    maker = subprocess.Popen([sys.executable, os.path.join(TOP, "test/vm/run"), "--", "true"], env=env, start_new_session=True)
    try:
        while not os.path.exists(cache + "/mounted") and maker.poll() is None:
            time.sleep(0.01)
        expect("mounted", (maker.poll(), os.path.ismount(cache + "/mnt")), (None, False))
        maker.kill()
        maker.wait()
        until = time.monotonic() + 60
        while running := [p for p in os.listdir("/proc") if p.isdigit() and words_of(p)[-2:] == ["sleep", SECONDS]]:
            expect("its processes end", time.monotonic() < until or running, True)
            time.sleep(0.05)
    finally:
        if maker.poll() is None:
            os.killpg(maker.pid, signal.SIGKILL)
            maker.wait()
        subprocess.run(["umount", "-l", cache + "/mnt"], stderr=subprocess.DEVNULL)


PRETENDED = ((image, "make"), (machine, "save"), (machine, "qemu_version"), (machine, "why_no_kvm"), (machine, "processor"),
             (machine, "kernel_comes_up"))


def main():
    if os.geteuid() != 0:
        print("1..0 # SKIP making an image needs root")
        return 0
    image.shutil.which = lambda name: "/bin/" + name
    tests = (recipe, at_once, no_room, killed, mounts, states, no_kvm, lame_kvm, litter, second_start)
    good = {(module, name): getattr(module, name) for module, name in PRETENDED}
    bad = 0
    print(f"1..{len(tests)}")
    for n, test in enumerate(tests, 1):
        with tempfile.TemporaryDirectory(prefix="hull-self.") as cache:
            try:
                test(cache)
                print(f"ok {n} {test.__name__}", flush=True)
            except Exception as e:  # noqa: BLE001
                bad = 1
                print(f"not ok {n} {test.__name__}\n# {type(e).__name__}: {e}", flush=True)
        for (module, name), was in good.items():
            setattr(module, name, was)
    return bad


if __name__ == "__main__":
    sys.exit(main())
