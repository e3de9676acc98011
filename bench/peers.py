# SPDX-License-Identifier: Apache-2.0
"""peers: each engine's way to do the cases: how it is set up, the command of a case, what it leaves beside a container."""

import contextlib
import json
import io
import os
import resource
import shutil
import signal
import subprocess
import tarfile
import tempfile
import time

import make_image
import measure

IMAGES = ("load", "save", "rmi", "pull", "push", "push-again", "push-loaded")
RUN = None  # bench/run's directory for what does not survive a reboot
TOP = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


def quiet(*argv, env=None, check=True, **kw):
    # A file, not a pipe: what stays running keeps its copy of stdout.
    with tempfile.TemporaryFile() as out:
        status = subprocess.run(argv, env=env, stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT, **kw).returncode
        out.seek(0)
        text = out.read().decode(errors="replace")
    if check and status:
        raise SystemExit(f"bench: {' '.join(argv)}: status {status}\n{text[-1500:]}")
    return text


class Engine:
    """The commands are docker's, which docker, podman and hull share."""
    name, programs = "", ()
    base = ()

    def __init__(self, work, args):
        self.args = args
        self.dir = os.path.join(work, self.name)
        self.run = RUN or os.path.join(work, "run")
        os.makedirs(self.run, exist_ok=True)
        self.box = os.path.join(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(args.hull)))), "box/box.tar")
        self.env = dict(os.environ)
        self.pids = []
        self.done = set()

    def missing(self):
        gone = [p for p in self.programs if not shutil.which(p)]
        return f"not installed: {' '.join(gone)}" if gone else None

    def takes(self, case):
        """Is it to be made ready for the case?"""
        return True

    def renew(self):
        """Everything it has goes; its directory lies on an ext4 of its own from now on, a new one each time."""
        self.teardown()
        self.done.clear()
        self.pids.clear()
        self.let_go()
        shutil.rmtree(self.dir, ignore_errors=True)
        os.makedirs(self.dir)
        disk = self.dir + ".disk"
        with open(disk, "w") as f:
            f.truncate(6 << 30)
        quiet("mkfs.ext4", "-q", "-F", "-N", "200000", "-E", "lazy_itable_init=0", disk)
        loop = quiet("losetup", "--find", "--show", "--direct-io=on", disk).strip()
        quiet("mount", loop, self.dir)
        quiet("losetup", "-d", loop)  # when it is unmounted
        quiet("sync", "-f", self.dir)
        self.setup()

    def let_go(self):
        if os.path.ismount(self.dir):
            quiet("umount", "-l", self.dir)
            os.unlink(self.dir + ".disk")

    def daemons(self):
        return self.pids

    def cmd(self, *words):
        return [*self.base, *words]

    def do(self, *words, check=True):
        return quiet(*self.cmd(*words), env=self.env, check=check)

    def command(self, case):
        return {
            "run": self.cmd("run", *self.run_options, "--rm", "--network", "host", "box", "true"),
            "run-isolated": self.cmd("run", *self.run_options, "--rm", "--network", "none", "box", "true"),
            "run-port": self.cmd("run", *self.run_options, "--rm", "-p", "18080:80", "box", "true"),
            "run-ports": self.cmd("run", *self.run_options, "--rm", "-p", "18100-18199:100-199", "box", "true"),
            "exec": self.cmd("exec", "bench", "true"),
            "cp-in": self.cmd("cp", self.gigabyte(), "bench:/gigabyte"),
            "cp-out": self.cmd("cp", "bench:/gigabyte", self.dir + "/out"),
            "ps": self.cmd("ps", "-a"),
            "ps-logs": self.cmd("ps", "-a"),
            "inspect": self.cmd("inspect", "bench"),
            "inspect-logs": self.cmd("inspect", "much"),
            "commit": self.cmd("commit", *self.commit_options, "big", "committed"),
            # As somebody leaves it open in a pipe: CPU / wall is its share of one core.
            "stats": ["sh", "-c", f"timeout 10 {' '.join(self.cmd('stats'))}; test $? = 124"],
            "load": self.cmd("load", "-q", "-i", self.args.archive or ""),
            "save": self.cmd("save", *self.save_options, "-o", self.dir + "/saved.tar", make_image.NAME),
            "rmi": self.cmd("rmi", make_image.NAME),
            "pull": self.pull_command(),
            "push": self.push_command(),
            "push-again": self.push_command(),
            "push-loaded": self.push_command("-loaded"),
        }.get(case)

    def gigabyte(self):
        """A file of 1 GiB without holes, the same for all."""
        return os.path.join(os.path.dirname(self.dir), "gigabyte")

    def make_gigabyte(self):
        if not os.path.exists(self.gigabyte()):
            with open(self.gigabyte(), "wb") as f:
                for _ in range(64):
                    f.write(os.urandom(16 << 20))

    def pull_command(self):
        if not self.args.image:
            return None
        pull = self.cmd("pull", "-q", *self.pull_options, self.args.image)
        return pull if self.args.source else ["sh", "-c", f"{' '.join(self.cmd('rmi', '-f', self.args.image))} >/dev/null 2>&1; {' '.join(pull)}"]

    def target(self, kind=""):
        return f"{self.args.registry.host}/{self.name}{kind}:1"

    def push_command(self, kind=""):
        return self.cmd("push", *self.pull_options, self.target(kind)) if self.args.registry else None

    def before(self, case):
        """Right before a round, not counted."""
        if case == "load":
            self.do("rmi", "-f", make_image.NAME, check=False)
        if case == "save":
            with contextlib.suppress(FileNotFoundError):
                os.unlink(self.dir + "/saved.tar")
        if case in ("save", "rmi") and not self.do("images", "-q", make_image.NAME).strip():
            self.do("load", "-q", "-i", self.args.archive)
        if case == "commit" and self.base:
            self.do("rmi", "-f", "committed", check=False)
        if case in ("push", "push-loaded"):
            shutil.rmtree(os.path.join(self.args.registry.folder, "data"), ignore_errors=True)

    pull_options = run_options = save_options = commit_options = ()

    def prepare(self, case):
        if case in ("cp-in", "cp-out", "commit"):
            self.make_gigabyte()
            os.makedirs(self.dir, exist_ok=True)
        if case in ("exec", "memory", "cp-in", "cp-out", "inspect", "inspect-logs", "ps-logs") and "bench" not in self.done:
            self.do("run", *self.run_options, "-d", "--name", "bench", "--network", "none", "box", "sleep", "100000")
            self.done.add("bench")
        if case in ("ps-logs", "inspect-logs") and "much" not in self.done:
            self.make_much()
        if case == "commit" and "big" not in self.done:
            self.do("create", *self.run_options, "--name", "big", "--network", "none", "box", "true")
            self.do("cp", self.gigabyte(), "big:/gigabyte")
            self.done.add("big")
        if case == "stats" and "stats" not in self.done:
            for i in range(self.args.running - len(self.done & {"bench"})):
                self.do("run", "-d", *self.run_options, "--name", f"s{i}", "--network", "none", "box", "sleep", "100000")
            self.done.add("stats")
        if case == "cp-out":
            self.do("cp", self.gigabyte(), "bench:/gigabyte")
        if case == "push-loaded":
            self.do("load", "-q", "-i", self.args.archive)
            self.do("tag", make_image.NAME, self.target("-loaded"))
        if case in ("push", "push-again") and "push" not in self.done:
            self.do("pull", "-q", *self.pull_options, self.args.image)
            self.do("tag", self.args.image, self.target())
            self.done.add("push")
        if case == "push-again":
            self.do("push", *self.pull_options, self.target())
        if case == "ps" and "ps" not in self.done:
            for i in range(self.args.containers - len(self.done & {"bench"})):
                self.do("create", *self.run_options, "--name", f"n{i}", "--network", "none", "box", "true")
            self.done.add("ps")

    def make_much(self):
        """A container that has said 64 MB and been started a hundred times."""
        self.do("run", *self.run_options, "--name", "much", "--network", "none", "box", "sh", "-c",
                "[ -e /said ] || yes 0123456789012345678901234567890123456789012345678901234567890123 | head -n 1000000; : >/said")
        for _ in range(100):
            self.do("start", "-a", "much")
        self.done.add("much")

    def beside_container(self):
        return []

    def setup(self):
        pass

    def teardown(self):
        names = [*(self.done & {"bench", "big", "much"}), *(f"s{i}" for i in range(self.args.running) if "stats" in self.done)]
        if names:
            self.do("rm", "-f", *names, check=False)


def process_named(name, match):
    for pid in filter(str.isdigit, os.listdir("/proc")):
        with contextlib.suppress(OSError):
            with open(f"/proc/{pid}/cmdline", "rb") as f:
                words = f.read().decode(errors="replace").split("\0")
            if os.path.basename(words[0]) == name and any(match in w for w in words):
                yield int(pid)


class Hull(Engine):
    name = "hull"

    def __init__(self, work, args):
        super().__init__(work, args)
        self.base = (os.path.abspath(args.hull),)
        self.env.update(HULL_ROOT=self.dir + "/root", HULL_RUN_ROOT=self.run + "/hull")

    def missing(self):
        return None if os.access(self.base[0], os.X_OK) else f"not built: {self.base[0]}"

    def setup(self):
        self.do("run", "--rm", "--network", "none", "box", "true")

    def beside_container(self):
        state = json.loads(self.do("inspect", "bench"))[0]["State"]
        with open(f"/proc/{state['Pid']}/stat") as f:
            yield "monitor", int(f.read().rsplit(")", 1)[1].split()[1])

    def teardown(self):
        ids = self.do("ps", "-aq", check=False).split()
        for i in range(0, len(ids), 100):
            self.do("rm", "-f", *ids[i:i + 100], check=False)


class HullFiles(Hull):
    """Layers as extracted files."""
    name = "hull-files"

    def __init__(self, work, args):
        super().__init__(work, args)
        self.env.update(HULL_STORAGE="files", HULL_RUN_ROOT=self.run + "/hull-files")

    def takes(self, case):
        return case in IMAGES

    def command(self, case):
        return super().command(case) if self.takes(case) else None


def docker_archive(box, out):
    """box.tar with the manifest.json that docker load wants beside the OCI index."""
    with tarfile.open(box) as src, tarfile.open(out, "w") as dst:
        def text(name):
            return json.load(src.extractfile(name))
        manifest = text("blobs/sha256/" + text("index.json")["manifests"][0]["digest"][7:])
        for m in src:
            dst.addfile(m, src.extractfile(m) if m.isfile() else None)
        row = [{"Config": "blobs/sha256/" + manifest["config"]["digest"][7:], "RepoTags": ["box:latest"],
                "Layers": ["blobs/sha256/" + d["digest"][7:] for d in manifest["layers"]]}]
        info = tarfile.TarInfo("manifest.json")
        data = json.dumps(row).encode()
        info.size = len(data)
        dst.addfile(info, io.BytesIO(data))


class Daemons(Engine):
    """With daemons of its own, whose time counts."""

    def start(self, *argv):
        with open(os.path.join(self.dir, "log"), "a") as log:
            child = subprocess.Popen(argv, env=self.env, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        self.pids.append(child.pid)
        measure.daemon_pids.add(child.pid)
        return child

    def wait(self, ready):
        for _ in range(300):
            if ready():
                return
            time.sleep(0.1)
        with open(os.path.join(self.dir, "log")) as f:
            raise SystemExit(f"bench: {self.name} does not come up\n" + f.read()[-2000:])

    def teardown(self):
        if not self.pids:
            return
        for child in reversed(self.children):
            child.send_signal(signal.SIGTERM)
            with contextlib.suppress(subprocess.TimeoutExpired):
                child.wait(20)
            child.kill()
            child.wait()
            measure.daemon_pids.discard(child.pid)
        quiet("sh", "-c", f"awk '$5 ~ \"^({self.dir}|{self.run})/\" {{ print $5 }}' /proc/self/mountinfo | sort -r | xargs -r umount -l", check=False)


class Docker(Daemons):
    name, programs = "docker", ("docker", "dockerd", "containerd", "runc")

    def __init__(self, work, args):
        super().__init__(work, args)
        self.base = (next(p for p in ("/usr/bin/docker", shutil.which("docker") or "docker") if os.path.exists(p)),
                     "-H", f"unix://{self.dir}/docker.sock") if shutil.which("docker") else ()

    def setup(self):
        os.makedirs(self.dir, exist_ok=True)
        d = self.dir
        self.children = [self.start("containerd", "--root", d + "/ctd", "--state", self.run + "/ctd", "--address", d + "/ctd.sock")]
        self.wait(lambda: os.path.exists(d + "/ctd.sock"))
        self.children.append(self.start(
            "dockerd", "--data-root", d + "/data", "--exec-root", self.run + "/docker", "--pidfile", d + "/pid", "-H", f"unix://{d}/docker.sock",
            "--containerd", d + "/ctd.sock", *([] if self.args.own_network else ["--bridge", "none", "--iptables=false", "--ip6tables=false"]),
            "--storage-driver", "overlay2"))
        self.wait(lambda: subprocess.run([*self.base, "version"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).returncode == 0)
        docker_archive(self.box, d + "/box.tar")
        self.do("load", "-i", d + "/box.tar")

    def beside_container(self):
        ids = self.do("ps", "-q", "--no-trunc", "--filter", "name=bench").split()
        for pid in process_named("containerd-shim-runc-v2", ids[0]):
            yield "containerd-shim-runc-v2", pid
        for pid, name in zip(self.pids, ("containerd (one for all)", "dockerd (one for all)")):
            yield name, pid

    def teardown(self):
        if not self.pids:
            return
        with contextlib.suppress(SystemExit):
            ids = self.do("ps", "-aq", check=False).split()
            if ids and ids[0].isalnum():
                self.do("rm", "-f", *ids, check=False)
        super().teardown()


class HullServe(Daemons):
    """docker's command line, with `hull serve` in dockerd's place."""
    name, programs = "docker-hull", ("docker",)
    cases = ("run", "run-isolated", "run-port", "exec", "ps", "inspect")

    def __init__(self, work, args):
        super().__init__(work, args)
        self.hull = os.path.abspath(args.hull)
        self.base = (next(p for p in ("/usr/bin/docker", shutil.which("docker") or "docker") if os.path.exists(p)), "-H", f"unix://{self.dir}/hull.sock")
        self.env.update(HULL_ROOT=self.dir + "/root", HULL_RUN_ROOT=self.run + "/docker-hull")

    def takes(self, case):
        return case in self.cases

    def command(self, case):
        return super().command(case) if self.takes(case) else None

    def setup(self):
        os.makedirs(self.dir, exist_ok=True)
        quiet(self.hull, "run", "--rm", "--network", "none", "box", "true", env=self.env)
        self.children = [self.start(self.hull, "serve", f"unix://{self.dir}/hull.sock")]
        self.wait(lambda: os.path.exists(self.dir + "/hull.sock"))

    def beside_container(self):
        yield from Hull.beside_container(self)
        yield "hull serve", self.pids[0]

    def teardown(self):
        if self.pids:
            Hull.teardown(self)
        super().teardown()


class Containerd(Daemons):
    """Its own client, for pull alone."""
    name, programs = "containerd", ("ctr", "containerd")

    def __init__(self, work, args):
        super().__init__(work, args)
        self.base = ("ctr", "-a", self.dir + "/ctd.sock")

    def takes(self, case):
        return case == "pull" and self.args.source

    def command(self, case):
        return self.cmd("images", "pull", "--plain-http", self.args.image) if self.takes(case) else None

    def setup(self):
        os.makedirs(self.dir, exist_ok=True)
        self.children = [self.start("containerd", "--root", self.dir + "/ctd", "--state", self.run + "/ctd-alone", "--address", self.dir + "/ctd.sock")]
        self.wait(lambda: os.path.exists(self.dir + "/ctd.sock"))


class Podman(Engine):
    name, programs = "podman", ("podman", "conmon")
    pull_options = ("--tls-verify=false",)
    save_options = ("-q",)
    # Else it asks for limits above the hard ones, which needs CAP_SYS_RESOURCE.
    run_options = tuple(f"--ulimit={name}={hard}:{hard}" for name, hard in (
        ("nofile", resource.getrlimit(resource.RLIMIT_NOFILE)[1]), ("nproc", 4096)))

    def __init__(self, work, args):
        super().__init__(work, args)
        self.base = ("podman", "--root", self.dir + "/root", "--runroot", self.run + "/podman", "--tmpdir", self.run + "/podman-tmp",
                     "--cgroup-manager", "cgroupfs", "--storage-driver", "overlay", "--events-backend", "none")

    def setup(self):
        os.makedirs(self.dir, exist_ok=True)
        self.do("load", "-i", self.box)
        ids = self.do("images", "-q").split()
        self.do("tag", ids[0], "box")
        self.env["CONTAINERS_SHORT_NAME_ALIASING"] = "off"

    def beside_container(self):
        ids = self.do("ps", "-q", "--no-trunc", "--filter", "name=bench").split()
        for pid in process_named("conmon", ids[-1]):
            yield "conmon", pid

    def teardown(self):
        self.do("rm", "-f", "-a", "-t", "0", check=False)
        quiet("sh", "-c", f"awk '$5 ~ \"^({self.dir}|{self.run})/\" {{ print $5 }}' /proc/self/mountinfo | sort -r | xargs -r umount -l", check=False)


class Runtime(Engine):
    """A bare OCI runtime with a ready bundle."""

    def setup(self):
        root = os.path.join(self.dir, "rootfs")
        os.makedirs(root)
        layer = os.path.join(self.dir, "layer.tar.gz")
        with tarfile.open(self.box) as t:
            index = json.load(t.extractfile("index.json"))
            manifest = json.load(t.extractfile("blobs/sha256/" + index["manifests"][0]["digest"][7:]))
            with open(layer, "wb") as f:
                shutil.copyfileobj(t.extractfile("blobs/sha256/" + manifest["layers"][0]["digest"][7:]), f)
        quiet("tar", "-xzf", layer, "-C", root)
        quiet(self.name, "spec", cwd=self.dir)
        self.config = os.path.join(self.dir, "config.json")
        with open(self.config) as f:
            self.spec = json.load(f)
        self.spec["process"].update(terminal=False, args=["/bin/true"])
        self.spec["root"]["readonly"] = False
        # The same namespaces as the engines give: a control group namespace too.
        if not any(n["type"] == "cgroup" for n in self.spec["linux"]["namespaces"]):
            self.spec["linux"]["namespaces"].append({"type": "cgroup"})
        self.spec["linux"]["resources"] = {}

    def bundle(self, name, args, host_network):
        spec = json.loads(json.dumps(self.spec))
        spec["process"]["args"] = args
        if host_network:
            spec["linux"]["namespaces"] = [n for n in spec["linux"]["namespaces"] if n["type"] != "network"]
        folder = os.path.join(self.dir, name)
        os.makedirs(folder, exist_ok=True)
        spec["root"]["path"] = os.path.join(self.dir, "rootfs")
        with open(os.path.join(folder, "config.json"), "w") as f:
            json.dump(spec, f)
        return folder

    def cmd(self, *words):
        return [self.name, "--root", f"{self.run}/{self.name}", *words]

    def command(self, case):
        if case in ("run", "run-isolated"):
            return self.cmd("run", "--bundle", self.bundle(case, ["/bin/true"], case == "run"), f"bench-{case}-{os.getpid()}")
        return self.cmd("exec", f"bench-{os.getpid()}", "/bin/true") if case == "exec" else None

    def prepare(self, case):
        if case == "exec":
            folder = self.bundle("sleep", ["/bin/sleep", "100000"], False)
            self.do("run", "--detach", "--bundle", folder, f"bench-{os.getpid()}")
            self.done.add("bench")

    def teardown(self):
        if "bench" in self.done:
            self.do("delete", "--force", f"bench-{os.getpid()}", check=False)


class Crun(Runtime):
    name, programs = "crun", ("crun",)


class Runc(Runtime):
    name, programs = "runc", ("runc",)


class Unshare(Engine):
    name, programs = "unshare", ("unshare",)

    def command(self, case):
        words = {"run": "-fpmiu", "run-isolated": "-fpmiun"}.get(case)
        return ["unshare", words, "--mount-proc", "true"] if words else None

    def prepare(self, case):
        pass


class Cp(Engine):
    """What copying costs by itself, and copying with a digest."""
    name, programs = "cp", ("cp",)

    def command(self, case):
        if case == "commit":
            return ["sh", "-c", f"tee {self.dir}/gigabyte <{self.gigabyte()} | sha256sum"]
        return ["cp", self.gigabyte(), self.dir + "/gigabyte"] if case in ("cp-in", "cp-out") else None

    def setup(self):
        os.makedirs(self.dir, exist_ok=True)

    def prepare(self, case):
        if case in ("cp-in", "cp-out", "commit"):
            self.make_gigabyte()

    def teardown(self):
        pass


ALL = (Hull, HullFiles, HullServe, Docker, Containerd, Podman, Crun, Runc, Unshare, Cp)
