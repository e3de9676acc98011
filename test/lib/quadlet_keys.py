#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""quadlet_keys: every row of a table of units and what comes of them. usage: quadlet_keys.py HULL TABLE DIR [SOURCE]

Writes a unit a row into DIR, has hull make services of all of them at once, and compares. With SOURCE (src/cli) every key that
is in a table of the program must be in a row. Prints what differs; the exit status says whether anything does.
"""

import glob
import os
import re
import subprocess
import sys

SECTIONS = {"container": "Container", "pod": "Pod", "network": "Network", "volume": "Volume", "image": "Image", "build": "Build", "kube": "Kube"}
FIRST = {"container": "Image=box", "build": "ImageTag=t", "kube": "Yaml=x.yaml"}
# What stands in front of the options of a row.
BEFORE = {"container": "HULL run --name systemd-%N --replace --rm --sdnotify=monitor -d ", "pod": "HULL pod create --replace --name systemd-{} ",
          "network": "HULL network create --ignore ", "volume": "HULL volume create ", "image": "HULL pull ", "build": "HULL build --tag t ", "kube": "HULL kube play --replace "}
# What rows name.
OTHERS = {"named.network": "[Network]\nNetworkName=net-k", "plain.network": "[Network]", "inst@.network": "[Network]", "named.volume": "[Volume]\nVolumeName=vol-k",
          "plain.volume": "[Volume]", "other.container": "[Container]\nImage=box", "group.pod": "[Pod]", "plain.image": "[Image]\nImage=docker.io/library/x:1",
          "named.image": "[Image]\nImage=docker.io/library/x:1\nImageTag=tagged:2", "named.build": "[Build]\nImageTag=localhost/built:1\nSetWorkingDirectory=unit"}


def rows(table):
    for number, line in enumerate(open(table), 1):
        if line.strip() and not line.startswith("#"):
            kind, unit, want = (part.strip() for part in line.replace(" | | ", " |  | ", 1).split(" | ", 2))
            yield number, kind, unit.replace("\\\\", "\0").replace("\\n", "\n").replace("\\t", "\t").replace("\0", "\\"), want


def services(text):
    parts = re.split(r"^---(.+)\.service---\n", text, flags=re.M)
    return dict(zip(parts[1::2], parts[2::2]))


def check(want, kind, stem, service, errors, up, hull, folder):
    """None when it is as wanted, else what there is."""
    if want.startswith("! "):
        return None if not service and len(errors) == 1 and want[2:] in errors[0] else f"{errors} {service}"
    where = "ExecStartPre=" if kind == "pod" else "ExecStart="
    lines = [line.replace(hull, "HULL") for line in service.splitlines()]
    exec_line = next((line for line in lines if line.startswith(where)), "")
    if want.startswith("? "):
        had = want[2:] in exec_line.split()
        return None if had or (len(errors) == 1 and f"has no {want[2:]}" in errors[0]) else f"{errors} {service}"
    want = want.replace("DIR", folder).replace("PARENT", up)
    if not re.match(r"[A-Z][A-Za-z]+=", want):
        want = where + BEFORE[kind].format(stem) + want
    return None if want in lines and not errors else f"{errors}\n{service}"


def all_keys(source):
    for file in glob.glob(os.path.join(source, "quadlet_*.c")):
        for kind, body in re.findall(r"quadlet_key quadlet_(\w+)_keys\[\] = \{\n(.*?)\n\};", open(file).read(), re.S):
            for key in re.findall(r'^\t\{"(\w+)"', body, re.M):
                yield kind, key


def main():
    hull, table, folder = sys.argv[1:4]
    os.makedirs(folder)
    folder = os.path.realpath(folder)
    for name, text in OTHERS.items():
        with open(os.path.join(folder, name), "w") as f:
            f.write(text + "\n")
    todo, seen = [], set()
    for number, kind, unit, want in rows(table):
        stem = f"row{number:03}"
        first = FIRST.get(kind, "")
        if kind == "build" and "ImageTag=u" in unit:
            first = ""
        with open(os.path.join(folder, f"{stem}.{kind}"), "w") as f:
            f.write(f"[{SECTIONS[kind]}]\n{first}\n{unit}\n")
        seen.update((kind, key) for key in re.findall(r"^(\w+)=", unit, re.M))
        todo.append((number, kind, stem, unit, want))
    done = subprocess.run([hull, "systemd", "generate"], env={**os.environ, "QUADLET_UNIT_DIRS": folder}, capture_output=True, text=True)
    made, bad = services(done.stdout), 0
    for number, kind, stem, unit, want in todo:
        service = next((body for body in made.values() if f"/{stem}.{kind}\n" in body), "")
        errors = [line for line in done.stderr.splitlines() if f"/{stem}.{kind}:" in line and "warning" not in line]
        if kind == "build" and want.startswith("--tag u"):
            want = "ExecStart=HULL build " + want
        got = check(want, kind, stem, service, errors, os.path.dirname(folder), os.path.realpath(hull), folder)
        if got is not None:
            bad += 1
            print(f"{table}:{number}: wanted {want}\ngot {got}\n")
    if len(sys.argv) > 4:
        for kind, key in sorted(set(all_keys(sys.argv[4])) - seen):
            bad += 1
            print(f"no row of {table} has {kind} {key}=")
    if done.returncode != 1:
        bad += 1
        print(f"exit status {done.returncode}")
    return bad != 0


sys.exit(main())
