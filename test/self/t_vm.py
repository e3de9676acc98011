#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""t_vm: the cache of test/vm's images and saved states, with makers that only pretend: a changed recipe, two at once, no room, a maker
that was killed."""

import errno
import multiprocessing
import os
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
        with open(out + "/root.img", "w") as f:
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
    """Another recipe is another image; the old one goes, other kinds of images stay."""
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
    expect("kept", folders(cache), sorted(["guest", os.path.basename(other), os.path.basename(second)]))


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
    """A saved state belongs to all it was made with; half of one is none."""
    pretend(cache)
    machine.qemu_version = lambda: "QEMU 1"
    plans = [machine.Plan(cache, "v2"), machine.Plan(cache, "v1"), machine.Plan(cache, "v2", virtual_time=True), machine.Plan(cache, "v2", cpus=2),
             machine.Plan(cache, "v2", append="x")]
    keys = [p.key() for p in plans]
    machine.qemu_version = lambda: "QEMU 2"
    keys.append(plans[0].key())
    plans[0].files += "-of-another-recipe"
    keys.append(plans[0].key())
    expect("different keys", len(set(keys)), len(keys))

    def save(plan, out, limit):
        with open(out + "/memory", "w") as f:
            f.write("half")
        if not limit:
            raise TimeoutError
    machine.save = save
    try:
        machine.saved_state(plans[1], 0)
        raise AssertionError("saved what was never up")
    except machine.MachineError as e:
        expect("said", str(e), "the machine v1 was not up within 0 s")
    expect("left", [n for n in folders(cache) if n.startswith("state-")], [])
    done = machine.saved_state(plans[1], 1)
    expect("state", [n for n in folders(cache) if n.startswith("state-")], [os.path.basename(done)])


def mounts(cache):
    """What the maker mounts is not seen outside, so that no mount stays when it is killed."""
    os.mkdir(cache + "/bin")
    for name in ("mmdebstrap", "mkfs.ext4", "cpio", "dpkg-deb", "qemu-system-x86_64"):
        with open(f"{cache}/bin/{name}", "w") as f:
            f.write(f"#!/bin/sh\nmkdir {cache}/mnt && mount -t tmpfs none {cache}/mnt && touch {cache}/mounted\nexec sleep 600\n")
        os.chmod(f"{cache}/bin/{name}", 0o755)
    env = dict(os.environ, PATH=f"{cache}/bin:{os.environ['PATH']}", HULL_TEST_CACHE=cache)
    maker = subprocess.Popen([sys.executable, os.path.join(TOP, "test/vm/run"), "--", "true"], env=env, start_new_session=True)
    try:
        while not os.path.exists(cache + "/mounted") and maker.poll() is None:
            time.sleep(0.01)
        expect("mounted", (maker.poll(), os.path.ismount(cache + "/mnt")), (None, False))
    finally:
        os.killpg(maker.pid, signal.SIGKILL)
        maker.wait()
        subprocess.run(["umount", "-l", cache + "/mnt"], stderr=subprocess.DEVNULL)


def main():
    if os.geteuid() != 0:
        print("1..0 # SKIP making an image needs root")
        return 0
    image.shutil.which = lambda name: "/bin/" + name
    tests = (recipe, at_once, no_room, killed, mounts, states)
    good = {name: getattr(module, name) for module, name in ((image, "make"), (machine, "save"), (machine, "qemu_version"))}
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
        image.make, machine.save, machine.qemu_version = good["make"], good["save"], good["qemu_version"]
    return bad


if __name__ == "__main__":
    sys.exit(main())
