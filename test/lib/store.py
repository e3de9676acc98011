# SPDX-License-Identifier: Apache-2.0
"""store: the hull that is tested, with a store of its own, for tests that speak to registries."""

import json
import os
import shutil
import subprocess
import tempfile

import probe
from registry import digest_of

HULL = os.environ.get("HULL", "build/src/cli/hull")
BOX = os.path.join(probe.BUILD, "box/box.tar")


class Hull:
    """A store of its own."""

    def __enter__(self):
        self.path = tempfile.mkdtemp(prefix="t_pull.")
        os.chmod(self.path, 0o755)
        self.root = os.path.join(self.path, "root")
        self.env = {k: v for k, v in os.environ.items() if not k.lower().endswith("_proxy") and k not in ("XDG_RUNTIME_DIR", "DOCKER_CONFIG")}
        self.env.update(HULL_ROOT=self.root, HULL_NETWORK="none", HULL_RUN_ROOT=os.path.join(self.path, "run"), HOME=self.path)
        return self

    def __exit__(self, *args):
        subprocess.run(["chmod", "-R", "u+rwX", self.path])
        shutil.rmtree(self.path)

    def start(self, *args):
        return subprocess.Popen([HULL, *args], env=self.env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def run(self, *args):
        p = self.start(*args)
        p.out, err = p.communicate(timeout=300)
        # A plain user without ranges of ids is told so by each command.
        p.err = "".join(line for line in err.splitlines(True) if "there is only one user id" not in line)
        return p

    def ok(self, *args):
        p = self.run(*args)
        assert p.returncode == 0, (args, p.returncode, p.out, p.err)
        return p.out

    def refuses(self, word, *args):
        """One line, exit 1, and the store as it was."""
        before = self.images()
        p = self.run(*args)
        assert p.returncode == 1, (args, p.returncode, p.out, p.err)
        assert p.err.count("\n") == 1 and word in p.err, p.err
        assert self.images() == before
        self.clean()
        return p.err

    def images(self):
        return self.ok("images", "-a", "-q", "--no-trunc")

    def files(self, folder):
        path = os.path.join(self.root, folder)
        return sorted(os.listdir(path)) if os.path.isdir(path) else []

    def layers(self):
        return [n for n in self.files("layers") if len(n) >= 64]

    def clean(self):
        assert not [n for n in self.files("layers") if "tmp" in n], self.files("layers")
        assert not [n for n in self.files("blobs/sha256") + self.files("images/names") if "tmp" in n]

    def inspect(self, name):
        return json.loads(self.ok("inspect", name))[0]


def write_oci(folder, *images):
    """An OCI directory that skopeo copies from: skopeo's names 0, 1, …"""
    os.makedirs(os.path.join(folder, "blobs/sha256"), exist_ok=True)
    manifests = []
    for i, image in enumerate(images):
        for data in [*image.blobs.values(), image.manifest]:
            with open(os.path.join(folder, "blobs/sha256", digest_of(data)[7:]), "wb") as f:
                f.write(data)
        manifests.append(image.descriptor(annotations={"org.opencontainers.image.ref.name": str(i)}))
    with open(os.path.join(folder, "oci-layout"), "w") as f:
        f.write('{"imageLayoutVersion":"1.0.0"}')
    with open(os.path.join(folder, "index.json"), "w") as f:
        json.dump({"schemaVersion": 2, "manifests": manifests}, f)
