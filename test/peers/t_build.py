#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""t_build: a corpus of Dockerfiles, built by docker's BuildKit, by buildah and by hull: the files of the images compared one by one, the configurations
field by field. docker's is 20.10's frontend, so what came later is not here. Times are not compared: hull's are clamped. What differs on purpose is
listed, with the reason. And images that hull built and pushed, run by docker and podman and read by skopeo.
"""

import atexit
import contextlib
import functools
import gzip
import hashlib
import json
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
import types

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path += [os.path.join(TOP, "bench"), os.path.join(TOP, "test/lib")]
import builds  # noqa: E402
import peers  # noqa: E402
import registry  # noqa: E402

HULL = os.environ.get("HULL", os.path.join(TOP, "build/src/cli/hull"))
FIELDS = ("User", "ExposedPorts", "Env", "Entrypoint", "Cmd", "Volumes", "WorkingDir", "Labels", "StopSignal", "Shell", "Healthcheck", "OnBuild")

# The context of all of them. A name that ends with / is a directory; -> a symlink.
CONTEXT = {
    ".dockerignore": "*.log\n!keep.log\nleft/out\n**/deep.tmp\n", "a.txt": "a\n", "b.txt": "b\n", "x.log": "x\n", "keep.log": "k\n",
    "left/out/f": "f\n", "left/in": "in\n", "dir/one": "1\n", "dir/sub/two": "2\n", "dir/sub/deep.tmp": "", "dir/empty/": None, "dir/.hidden": "h\n",
    "dir/link": "->one", "dir/dangling": "->nowhere", "link.txt": "->a.txt", "linkdir": "->dir", "other/sub/three": "3\n", "other/one": "other 1\n",
    "exec.sh": "#!/bin/sh\necho run\n",
}
OWNER = (1234, 2345)   # they count nowhere
MODES = {"exec.sh": 0o755, "dir/sub": 0o711, "b.txt": 0o600, "other/sub": 0o700, "dir/empty": 0o1777}

CORPUS = {
    "copy of files": "COPY a.txt /plain\nCOPY a.txt b.txt /many/\nCOPY [\"a.txt\", \"/with blank\"]\nCOPY *.txt /glob/\nCOPY a.tx? /q/\nCOPY exec.sh /bin/\n",
    "copy of directories": "COPY dir /d\nCOPY dir/ /e/\nCOPY dir/sub other /f/\nCOPY dir/[oes]* /g/\nCOPY . /all\n",
    "copy over directories": "RUN mkdir -p /d/sub /e && chmod 700 /d && chown 3:4 /d/sub && touch /d/sub/old\nCOPY dir /d\nCOPY other /d/\nCOPY a.txt /e\n",
    "copy of symlinks": "COPY link.txt /t/\nCOPY link.txt /named\nCOPY linkdir /l\nCOPY link* /globbed/\nCOPY dir/link /u/\n",
    "copy to symlinks": "RUN mkdir -p /real/deep && ln -s real /link && ln -s /real/deep /abs && ln -s ../real /real/back\nCOPY a.txt /link/\nCOPY dir /abs/\n"
                        "COPY b.txt /real/back/deep/\nCOPY other /link/deep\n",
    "copy with owners": "RUN echo 'me:x:70:71::/:/bin/sh' >>/etc/passwd && echo 'us:x:72:' >>/etc/group\nCOPY --chown=me a.txt /1\nCOPY --chown=me:us a.txt /2\n"
                        "COPY --chown=9 a.txt /3\nCOPY --chown=9:8 dir /new/4\nCOPY --chown=55:daemon dir/sub /n/e/w/\n",
    "copy relative": "WORKDIR /w\nCOPY a.txt .\nCOPY a.txt sub/\nCOPY dir ./d\nWORKDIR x/../y\nCOPY b.txt ./\nCOPY b.txt ../z\n",
    "ignored": "COPY . /c/\nCOPY left /l/\nCOPY *.log /logs/\n",
    "add of archives": "ADD tree.tar /t\nADD tree.tar.gz /u/\nCOPY tree.tar /plain/\nRUN mkdir -p /old/top && chmod 700 /old/top\nADD tree.tar /old\n",
    "stages": "RUN mkdir -p /m/n && echo made >/m/n/f && chmod 4750 /m/n/f && chown 5:6 /m/n/f && ln /m/n/f /m/g && mkfifo /m/p\n"
              "FROM box\nCOPY --from=0 /m /c\nCOPY --from=0 /m/n/f /d\nCOPY --from=0 --chown=1:2 /m/n /e/\nCOPY --from=box /etc/passwd /p\n",
    "run": "RUN rm -r /etc/group /home && mkdir /home && echo x >/home/f && chmod 1777 /home\nRUN mv /home /moved && ln -s moved /home && : >/etc/hostname2\n"
           "RUN [\"touch\", \"/exec form\"]\nRUN rm -rf /moved/f; mkdir -p /a/b/c; rmdir /a/b/c\n",
    "run with mounts": "RUN --mount=type=bind,target=/c cat /c/a.txt >/out && ls -A /c/dir >>/out\n"
                       "RUN --mount=type=bind,target=/c stat -c '%u:%g %a %n' /c /c/a.txt /c/dir/sub >/owners\n"
                       "RUN --mount=type=cache,target=/cc touch /cc/f\n"
                       "RUN --mount=type=tmpfs,target=/tt touch /tt/f\nRUN --mount=type=bind,source=dir,target=/rw,rw touch /rw/new && ls -A /rw >/rwout\n",
    "workdir and user": "USER 33\nWORKDIR /w/x\nUSER daemon:bin\nWORKDIR y\nRUN id -u >/tmp/u; id -g >>/tmp/u; pwd >>/tmp/u\nUSER 0\nWORKDIR /tmp\n",
    "metadata": "ENV A=1 B=\"two words\" C=$A\nENV D ${A:-x}${Z:-z}${B:+b} e\nLABEL one=1 two=\"2 $A\"\nEXPOSE 80 90-92/udp $A\nVOLUME /v \"/w\"\nSTOPSIGNAL SIGUSR1\n"
                "SHELL [\"/bin/sh\", \"-ec\"]\nENTRYPOINT exec a\nCMD [\"b\", \"c\"]\nHEALTHCHECK --interval=5s --retries=2 CMD true\nUSER a:b\nONBUILD RUN true\nMAINTAINER me\n",
    "arguments": "ARG X=1\nARG Y\nARG GIVEN=no\nENV Z=$X$Y\nRUN echo \"$X $Y $Z $GIVEN\" >/out\nLABEL v=$GIVEN\nCMD echo $X\n",
    "modes": "COPY --chmod=600 dir /d\nCOPY --chmod=4755 exec.sh /e/f/\nCOPY --chmod=0644 --chown=1 a.txt b.txt /g/\nADD --chmod=600 tree.tar /t/\n",
    "volumes and what is below": "RUN mkdir /v && echo 1 >/v/one\nVOLUME /v\nRUN echo 2 >/v/two\nCOPY a.txt /v/\nVOLUME /v/deep /w\n",
    "from scratch": "FROM scratch\nCOPY a.txt /\nCOPY dir /x/y/\nWORKDIR /w\nENV A=1\n",
    "entry points": "CMD [\"old\"]\nENV E=1\nENTRYPOINT [\"e\"]\nCMD [\"new\"]\nENTRYPOINT [\"f\"]\nENV PATH=/x:$PATH\nHEALTHCHECK NONE\n",
    "onbuild": "ONBUILD COPY a.txt /onbuild\nONBUILD RUN echo x >/ran\nONBUILD ENV O=1\nCOPY b.txt /own\n",
    "replaced kinds": "RUN mkdir /k && touch /k/f && ln -s f /k/l && mkdir /k/d\nRUN rm /k/f /k/l && rmdir /k/d && mkdir /k/f && touch /k/l /k/d\nCOPY dir /k/f\n"
                      "COPY a.txt /k/l\nCOPY other/one /k/d\n",
    "sticky bits and links": "RUN mkdir -m 2775 /s && touch /s/f && ln /s/f /s/g && ln -s /s /t && chown 0:9 /s/f\nRUN chmod 1700 /s\nRUN echo more >>/s/g\n",
    "escape": "COPY a.txt \\\n  # comment\n  /c\nRUN echo a \\\n\n  b >/r\nENV X=1 \\\n    Y=2\n",
    "global arguments": "# whole\nARG G=1\nARG T=latest\nFROM box:${T} AS base\nARG G\nARG H=own\nRUN echo \"$G $H $T\" >/a\nENV E=$G\nFROM base\n"
                        "ARG T\nRUN echo \"$E $T\" >/b\nARG TARGETARCH\nARG BUILDOS\nRUN echo \"$TARGETARCH $BUILDOS [$TARGETOS]\" >/c\n",
    "secrets": "RUN --mount=type=secret,id=k cat /run/secrets/k >/got; stat -c '%a %u' /run/secrets/k >>/got\n"
               "RUN --mount=type=secret,id=k,target=/s,mode=0444,uid=5 cat /s >/two; stat -c '%a %u' /s >>/two\n"
               "RUN --mount=type=secret,id=absent if [ -e /run/secrets/absent ]; then echo yes; fi >/three\nUSER 9\nRUN --mount=type=secret,id=k ls /run/secrets >/tmp/f\n",
    "variables": "ARG E=\nENV A=${N:-def} B=${N:-def}x C=${E:-def} D=${E}x F=${E:+alt}y G=${A:+set}z H='$A' I=\"\\$A\"\nENV J=${A:-w}${C} K=$A$B L=${A}b\n"
                 "COPY ${N:-a.txt} /${J}\nWORKDIR /${A}/y\nEXPOSE ${N:-81}/tcp\nVOLUME /${A}v\nLABEL k=\"${A} b\" ${A}=2\nSTOPSIGNAL ${N:-SIGUSR2}\nUSER ${E:-7}\n",
    "shells": "RUN echo $- >/1\nSHELL [\"/bin/sh\", \"-ec\"]\nRUN echo $- >/2\nRUN [\"/bin/sh\", \"-c\", \"echo $- >/3\"]\nCMD echo hi\nHEALTHCHECK CMD echo well\n",
    "quotes": "ENV Q='single $HOME' R=\"a\\\"b\" S=a\\ b T=$HOME\\$HOME\nRUN echo \"$Q|$R|$S|$T\" >/q\nLABEL \"a b\"=c\nWORKDIR \"/with blank\"\nCOPY \"a.txt\" .\n",
}
# {builder: {name of a case: {path or Config.FIELD: why}}}
ON_PURPOSE = {
    "docker": {
        "modes": {"d/empty": "--chmod is the whole mode; docker 20.10 kept a sticky bit", "e/f/exec.sh": "and left out setuid, as later ones do not"},
        "stages": {"c/p": "a pipe is copied as what it is; docker 20.10 left it out"},
        "secrets": {"run/secrets": "and no directory of secrets either"},
        "run with mounts": {p: "a mount point that only the step needed does not stay" for p in ("c", "cc", "tt", "rw")},
    },
    "buildah": {
        "secrets": {"run/secrets": "no mount point stays that only the step needed"},
        "shells": {"Config.Cmd": "SHELL holds for it too"},
        "variables": {p: "a directory of WORKDIR belongs to who USER says there" for p in ("def", "def/y")},
        "metadata": {"Config.ExposedPorts": "of a range each port is one, as BuildKit has it", "Config.Entrypoint": "SHELL holds for it too"},
        "entry points": {"Config.Env": "a variable that is set again keeps its place"},
        "run with mounts": {"owners": "who owns a context does not count in a bind either, as in BuildKit"},
        "workdir and user": {p: "a directory of WORKDIR belongs to who USER says there; buildah's to a later one" for p in ("w", "w/x")},
        "volumes and what is below": {"v/two": "what RUN writes below a VOLUME stays, as in BuildKit", "w": "the directory of a VOLUME is made when it runs"},
    },
}


def write_context(top):
    for name, text in CONTEXT.items():
        path = os.path.join(top, name)
        os.makedirs(path if name.endswith("/") else os.path.dirname(path), exist_ok=True)
        if text and text.startswith("->"):
            os.symlink(text[2:], path)
        elif text is not None:
            with open(path, "w") as f:
                f.write(text)
            os.chmod(path, 0o644)
    for name, mode in MODES.items():
        os.chmod(os.path.join(top, name), mode)
    for folder, folders, files in os.walk(top):
        for name in [".", *folders, *files]:
            os.lchown(os.path.join(folder, name), *OWNER)
    with tarfile.open(os.path.join(top, "tree.tar"), "w") as t:
        for row in ("top", "top/sub", "top/sub/f"):
            m = tarfile.TarInfo(row)
            m.type, m.mode, m.uid, m.gid = (tarfile.REGTYPE, 0o640, 7, 8) if row.endswith("f") else (tarfile.DIRTYPE, 0o751, 9, 10)
            t.addfile(m)
    with open(os.path.join(top, "tree.tar"), "rb") as t, open(os.path.join(top, "tree.tar.gz"), "wb") as out:
        out.write(gzip.compress(t.read(), mtime=0))


class Docker(peers.Docker):
    env_more = {"DOCKER_BUILDKIT": "1", "BUILDKIT_PROGRESS": "plain"}
    build_options = ()
    at_once = False

    def config(self):
        return json.loads(self.do("inspect", "made"))[0]["Config"]


class Hull(peers.Hull, Docker):
    setup = teardown = lambda self: None
    start = wait = None

    def missing(self):
        return peers.Hull.missing(self)


class Buildah(builds.Buildah):
    """With runc: crun refuses v1 controllers beside a v2 tree."""
    programs = ("buildah", "runc")
    env_more = {}
    build_options = ("--layers", "--isolation", "oci", "--runtime", "runc", "--pull-never", "--format", "docker", "--identity-label=false")
    at_once = True   # of what is cached 1.28 exports all but the last step

    def config(self):
        return json.loads(self.do("inspect", "--type", "image", "made"))["Docker"]["config"]


class Podman(peers.Podman):
    """With runc, for the same reason."""
    programs = ("podman", "conmon", "runc")
    run_options = (*peers.Podman.run_options, "--runtime", "runc")


@functools.lru_cache(None)
def work():
    if os.geteuid() != 0:
        raise registry.Skip("needs root")
    folder = tempfile.mkdtemp(prefix="hull-peers.")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


def context_of(e):
    """One each: buildah's bind with rw writes into the context itself."""
    folder = os.path.join(work(), "context-" + e.name)
    if not os.path.exists(folder):
        os.mkdir(folder)
        write_context(folder)
    return folder


def engine(kind):
    """Ready, once; why it is not here is said again each time."""
    if kind not in engine.ready:
        e = kind(work(), types.SimpleNamespace(hull=HULL, image=None, containers=0, own_network=False))
        engine.ready[kind] = e.missing() or e
        if engine.ready[kind] is e:
            atexit.register(e.teardown)
            try:
                e.setup()
            except SystemExit as why:
                engine.ready[kind] = f"{e.name} does not start here: {str(why).splitlines()[-1]}"
    if isinstance(engine.ready[kind], str):
        raise registry.Skip(engine.ready[kind])
    return engine.ready[kind]


engine.ready = {}


@functools.lru_cache(None)
def build(kind, name):
    """{path: what it is}, and the configuration."""
    e = engine(kind)
    context, out = context_of(e), os.path.join(work(), f"{e.name}.tar")
    env = dict(e.env, **e.env_more)
    text = CORPUS[name]
    tag, export = ("-t", "made"), ("-o", f"type=tar,dest={out}")
    for more in ((*tag, *export),) if e.at_once else (tag, export):
        p = subprocess.run(e.cmd("build", *e.build_options, "--network", "none", "--build-arg", "GIVEN=yes", "--secret", f"id=k,src={context}/a.txt",
                                 "-f", "-", *more, context), env=env,
                           input=text if text.startswith("# whole") else "FROM box\n" + text, capture_output=True, text=True, timeout=120)
        if p.returncode:
            raise AssertionError(f"{name}: {e.name}: {p.stderr[-700:]}")
    files = {}
    with tarfile.open(out) as t:
        for m in t:
            what = t.extractfile(m).read() if m.isreg() or m.islnk() else b""
            path = m.name.strip("/").removeprefix("./")
            files[path] = (tarfile.REGTYPE if m.islnk() else m.type, oct(m.mode & 0o7777) if not m.issym() else "", m.uid, m.gid,
                           m.linkname if m.issym() else "", hashlib.sha256(what).hexdigest()[:12])
    files.pop("", None)
    files.pop(".", None)
    return files, e.config()


def compare(kind, name):
    (theirs, their_config), (ours, our_config) = build(kind, name), build(Hull, name)
    meant = ON_PURPOSE[kind.name].get(name, {})
    pairs = [(p, theirs.get(p), ours.get(p)) for p in sorted({*theirs, *ours})]
    pairs += [("Config." + f, their_config.get(f) or None, our_config.get(f) or None) for f in FIELDS]
    wrong = [f"{p}: {kind.name} {a}, hull {b}" for p, a, b in pairs if a != b and p not in meant]
    wrong += [f"{p}: not another one any more" for p, a, b in pairs if a == b and p in meant]
    assert not wrong, "\n".join(wrong[:20])


for one in CORPUS:
    for judge in (Docker, Buildah):
        globals()[f"test_{judge.name}:_{one.replace(' ', '_')}"] = lambda judge=judge, one=one: compare(judge, one)

def run_pushed(e, image):
    """What `docker run` there says of it: its own command, and another."""
    e.do("pull", "-q", *e.pull_options, image)
    run = ("run", *e.run_options, "--rm", "--network", "host")
    return e.do(*run, image) + e.do(*run, "--entrypoint", "sh", image, "-c", "id -u; pwd; echo $A; cat /d/one; ls -A /d; test -e /home || echo gone")


PUSHED = ("FROM box\nCOPY dir /d\nRUN echo made >/m && rm -r /home\nENV A=one\nUSER 3\nWORKDIR /w\nLABEL a=b\nENTRYPOINT [\"cat\"]\nCMD [\"/m\"]\n")
SAID = "made\n3\n/w\none\n1\n.hidden\ndangling\nempty\nlink\none\nsub\ngone\n"
# How it is pushed, and whether docker 20.10 knows that.
FORMS = {"plain": ([], True), "docker": (["--format", "docker"], True), "attested": (["--provenance=mode=max", "--sbom=true"], True),
         "two": (["--build-arg", "BUILDKIT_MULTI_PLATFORM=1"], True), "zstd": (["-o", "type=registry,compression=zstd,force-compression=true"], False)}


def test_what_is_pushed_runs_elsewhere():
    registry.need("docker-registry", "skopeo")
    hull, others = engine(Hull), []
    for kind in (Docker, Podman):
        with contextlib.suppress(registry.Skip):
            others.append(engine(kind))
    with registry.Real() as real:
        for form, (options, old) in FORMS.items():
            image = f"{real.host}/{form}:1"
            p = subprocess.run(hull.cmd("build", "-q", "--network", "none", "-t", image, *options, *([] if "-o" in options else ["--push"]), "-f", "-",
                                        context_of(hull)), env=hull.env, input=PUSHED, capture_output=True, text=True)
            assert p.returncode == 0, (form, p.stderr)
            copied = os.path.join(work(), "copied-" + form)
            subprocess.run(["skopeo", "--insecure-policy", "copy", "-q", "--src-tls-verify=false", "docker://" + image, "oci:" + copied], check=True)
            config = json.loads(subprocess.check_output(["skopeo", "inspect", "--config", "--tls-verify=false", "docker://" + image]))
            assert config["config"]["Labels"]["a"] == "b" and config["config"]["Cmd"] == ["/m"] and config["config"]["User"] == "3", (form, config)
            for e in others:
                if old or e.name != "docker":
                    assert run_pushed(e, image) == SAID, (form, e.name, run_pushed(e, image))
    if not others:
        raise registry.Skip("skopeo alone: neither docker nor podman starts here")


if __name__ == "__main__":
    registry.run(globals())
