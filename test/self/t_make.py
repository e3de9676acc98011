#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""t_make: the build that `make demo` set up, without what only the tests need, has unit tests after `make deps`."""

import json
import os
import subprocess
import sys
import tempfile

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


def run(*argv, **env):
    done = subprocess.run(argv, cwd=TOP, env=dict(os.environ, **env), text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    if done.returncode:
        print(f"# {' '.join(argv)}: status {done.returncode}\n# " + "\n# ".join(done.stdout.splitlines()[-20:]))
    return done.returncode == 0


def unit_tests(build):
    out = subprocess.run(["meson", "introspect", "--tests", build], cwd=TOP, stdout=subprocess.PIPE, text=True, check=True).stdout
    return sum(test["name"].startswith("t_") for test in json.loads(out))


with tempfile.TemporaryDirectory(prefix="hull-make.") as work:
    build, blind = os.path.join(work, "build"), os.path.join(work, "pkg-config")
    with open(blind, "w") as f:
        f.write('#!/bin/sh\ncase "$*" in *cmocka*) exit 1 ;; esac\nexec pkg-config "$@"\n')
    os.chmod(blind, 0o755)
    ok = run("meson", "setup", build, PKG_CONFIG=blind, CMAKE="/bin/false")
    before = unit_tests(build)
    ok = ok and run("make", "BUILD=" + build, "units")
    after = unit_tests(build)
good = ok and not before and after
print(f"1..1\n{'' if good else 'not '}ok 1 a build without cmocka is set up again when cmocka is there")
if not good:
    print(f"# {before} unit tests, then {after}")
sys.exit(0 if good else 1)
