#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""t_build: a corpus of Dockerfiles, built by docker's BuildKit and by hull: the files of the images compared one by one, the configurations field by
field. docker's is 20.10's frontend, so what came later is not here. Times are not compared: hull's are clamped. What differs on purpose is listed,
with the reason.
"""

import atexit
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
    "run with mounts": "RUN --mount=type=bind,target=/c cat /c/a.txt >/out && ls -A /c/dir >>/out\nRUN --mount=type=cache,target=/cc touch /cc/f\n"
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
    "quotes": "ENV Q='single $HOME' R=\"a\\\"b\" S=a\\ b T=$HOME\\$HOME\nRUN echo \"$Q|$R|$S|$T\" >/q\nLABEL \"a b\"=c\nWORKDIR \"/with blank\"\nCOPY \"a.txt\" .\n",
}
# {name of a case: {path: why}}
ON_PURPOSE = {
    "modes": {"d/empty": "--chmod is the whole mode; docker 20.10 kept a sticky bit", "e/f/exec.sh": "and left out setuid, as later ones do not"},
    "stages": {"c/p": "a pipe is copied as what it is; docker 20.10 left it out"},
    "run with mounts": {p: "a mount point that only the step needed does not stay" for p in ("c", "cc", "tt", "rw")},
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
    for name, how in (("tree.tar", "w"), ("tree.tar.gz", "w:gz")):
        with tarfile.open(os.path.join(top, name), how) as t:
            for row in ("top", "top/sub", "top/sub/f"):
                m = tarfile.TarInfo(row)
                m.type, m.mode, m.uid, m.gid = (tarfile.REGTYPE, 0o640, 7, 8) if row.endswith("f") else (tarfile.DIRTYPE, 0o751, 9, 10)
                t.addfile(m)


def docker_and_hull():
    if not hasattr(docker_and_hull, "both"):
        if os.geteuid() != 0:
            raise registry.Skip("needs root")
        work = tempfile.mkdtemp(prefix="hull-peers.")
        both = [kind(work, types.SimpleNamespace(hull=HULL, image=None, containers=0, own_network=False)) for kind in (peers.Docker, peers.Hull)]
        gone = both[0].missing()
        if gone:
            shutil.rmtree(work)
            raise registry.Skip(gone)
        atexit.register(lambda: ([e.teardown() for e in both], shutil.rmtree(work, ignore_errors=True)))
        try:
            both[0].setup()
        except SystemExit as e:
            raise registry.Skip(f"dockerd does not start here: {str(e).splitlines()[-1]}")
        both[1].setup()
        docker_and_hull.context = os.path.join(work, "context")
        os.mkdir(docker_and_hull.context)
        write_context(docker_and_hull.context)
        docker_and_hull.both = both
    return docker_and_hull.both


def build(engine, name, text):
    """{path: what it is}, and the configuration."""
    context, out = docker_and_hull.context, os.path.join(os.path.dirname(docker_and_hull.context), f"{engine.name}.tar")
    words = ["build", "--network", "none", "--build-arg", "GIVEN=yes", "-f", "-"]
    env = dict(engine.env, DOCKER_BUILDKIT="1", BUILDKIT_PROGRESS="plain")
    for more in (["-t", "made"], ["-o", f"type=tar,dest={out}"]):
        p = subprocess.run(engine.cmd(*words, *more, context), env=env, input="FROM box\n" + text, capture_output=True, text=True, timeout=120)
        if p.returncode:
            raise AssertionError(f"{name}: {engine.name}: {p.stderr[-700:]}")
    config = json.loads(subprocess.run(engine.cmd("inspect", "made"), env=env, capture_output=True, text=True, check=True).stdout)[0]["Config"]
    files = {}
    with tarfile.open(out) as t:
        for m in t:
            what = t.extractfile(m).read() if m.isreg() else b""
            path = m.name.strip("/").removeprefix("./")
            if m.islnk():
                what = t.extractfile(m).read()
            kind = tarfile.REGTYPE if m.islnk() else m.type
            files[path] = (kind, oct(m.mode & 0o7777) if not m.issym() else "", m.uid, m.gid, m.linkname if m.issym() else "", hashlib.sha256(what).hexdigest()[:12])
    files.pop("", None)
    files.pop(".", None)
    return files, config


def compare(name):
    (theirs, their_config), (ours, our_config) = (build(engine, name, CORPUS[name]) for engine in docker_and_hull())
    meant = ON_PURPOSE.get(name, {})
    wrong = [f"{p}: docker {theirs.get(p)}, hull {ours.get(p)}" for p in sorted({*theirs, *ours}) if theirs.get(p) != ours.get(p) and p not in meant]
    wrong += [f"{p}: not another one any more" for p in meant if theirs.get(p) == ours.get(p)]
    wrong += [f"Config.{f}: docker {their_config.get(f)}, hull {our_config.get(f)}" for f in FIELDS
              if (their_config.get(f) or None) != (our_config.get(f) or None)]
    assert not wrong, "\n".join(wrong[:20])


for one in CORPUS:
    globals()[f"test_{one.replace(' ', '_')}"] = lambda one=one: (docker_and_hull(), compare(one))

if __name__ == "__main__":
    registry.run(globals())
