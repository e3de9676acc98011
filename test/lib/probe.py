# SPDX-License-Identifier: Apache-2.0
"""probe: pulls by registry-probe (test/registry/probe.c) and what is expected of it."""

import json
import os
import shutil
import subprocess
import tempfile
import time

BUILD = os.environ.get("HULL_BUILD", "build")
PROBE = os.path.join(BUILD, "test/registry/registry-probe")
PROGRAM = os.path.join(BUILD, "src/registry/hull-registry")


class Result:
    def __init__(self, done, out):
        self.status, self.text, self.seconds = done.returncode, done.stdout + done.stderr, out.seconds
        self.last = self.text.splitlines()[-1] if self.text else ""
        self.files = {}
        for name in os.listdir(out.path):
            if os.path.isfile(os.path.join(out.path, name)):
                with open(os.path.join(out.path, name), "rb") as f:
                    self.files[name] = f.read()


class Folder:
    def __enter__(self):
        self.path = tempfile.mkdtemp(prefix="t_fetch.")
        os.chmod(self.path, 0o755)
        return self

    def __exit__(self, *args):
        shutil.rmtree(self.path)


def pull(reference, config=None, platform="linux/amd64", retries=2, timeout=20, insecure="", mode=None, env=None):
    """config: docker's config.json as a dict."""
    with Folder() as out, Folder() as docker:
        if config is not None:
            with open(os.path.join(docker.path, "config.json"), "w") as f:
                f.write(config if isinstance(config, str) else json.dumps(config))
        start = time.monotonic()
        clean = {k: v for k, v in os.environ.items() if not k.lower().endswith("_proxy") and k != "XDG_RUNTIME_DIR"}
        done = subprocess.run([PROBE, PROGRAM, docker.path, platform, str(retries), str(timeout), insecure, out.path, reference]
                              + ([mode] if mode else []), capture_output=True, text=True, timeout=100, env={**clean, **(env or {})})
        out.seconds = time.monotonic() - start
        return Result(done, out)


def check(result, image):
    assert result.status == 0, result.text
    assert result.last == f"ok {image.id}", result.text
    assert result.files["manifest"] == image.manifest
    assert result.files["config"] == image.config
    for i, layer in enumerate(image.layers):
        assert result.files[f"layer{i}"] == layer, f"layer {i}: {len(result.files[f'layer{i}'])} of {len(layer)} bytes"
    return result


def refused(result, kind, *words):
    assert result.status == 1, result.text
    assert result.last.startswith(kind + ": "), result.text
    assert "\x1b" not in result.text
    for word in words:
        assert word in result.last, f"no {word!r} in {result.last}"
    return result
