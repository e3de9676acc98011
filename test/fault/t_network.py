#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""t_network: run with a network and a published port, network connect and disconnect, broken at every system call."""

import os
import re
import socket
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from sweep import BOX, Failure, Verb, alone, registry, tests  # noqa: E402

RUN = (1, 125, 126, 127)


def networks(place):
    place.ok("load", "-q", "-i", BOX)
    place.ok("network", "create", "--subnet", "10.231.1.0/24", "n1")
    place.ok("network", "create", "--subnet", "10.231.2.0/24", "n2")


def run(place):
    place.ok("run", "-d", "--name", "c1", "--cgroup-parent", place.parent, "--network", "n1", "--stop-signal", "KILL", "box", "sleep", "1000")


def run_on_both(place):
    run(place)
    place.ok("network", "connect", "n2", "c1")


def has(*names):
    """By the record, and in the container."""
    def check(place, o):
        found = place.ok("inspect", "-f", "{{range $k, $v := .NetworkSettings.Networks}}{{$k}} {{end}}", "c1").split()
        inside = place.ok("exec", "c1", "ip", "-o", "-4", "addr")
        seen = [n for n in ("n1", "n2") if f" 10.231.{n[1]}." in inside]
        if found != list(names) or seen != list(names):
            raise Failure(f"networks {found}, in the container {seen}")
    return check


def run_with_port(place):
    place.ok("run", "-d", "--name", "c1", "--cgroup-parent", place.parent, "--network", "n1", "-p", "127.0.0.1:8080:80", "--stop-signal", "KILL", "box",
             "sleep", "1000")


def run_with_port_on_both(place):
    run_with_port(place)
    place.ok("network", "connect", "n2", "c1")


class Moving(Verb):
    """Of a container whose port moves: whatever failed, it leads where the record says, to an address that the container has, or is told to be gone."""

    is_lost = False

    def judge(self, way, o):
        super().judge(way, o)
        # From there on it works in the wrong namespace, which nothing but a fault can bring about.
        self.is_lost = "leave a network namespace" in o.err

    def recover(self, place):
        listed = place.ok("inspect", "-f", "{{range .NetworkSettings.Networks}}{{.IPAddress}} {{end}}", "c1").split()
        elements = subprocess.run(["nft", "list", "map", "inet", "hull", "at4"], capture_output=True, text=True).stdout
        leads = re.findall(r": (10\.231\.[0-9.]+) \. 80", elements)
        port = place.ok("port", "c1")
        # When the answer to its end was lost an interface is gone, and the verb has to be said again.
        whole = all(f" {a}/" in place.ok("exec", "c1", "ip", "-o", "-4", "addr") for a in listed)
        if any(a not in listed for a in leads) or (whole and not self.is_lost and len(leads) != (1 if port else 0)):
            raise Failure(f"the port leads to {leads}, the container has {listed} and says {port!r}")
        super().recover(place)


def is_taken(port):
    with socket.socket() as s:
        try:
            s.bind(("127.0.0.1", port))
        except OSError:
            return True
    return False


class Ports(Verb):
    """Of a container whose ports are changed: the old ones or the new ones, by the record, in the firewall, and held by its monitor."""

    def recover(self, place):
        at = {"127.0.0.1:8080": "80", "127.0.0.1:8081": "81"}
        said = [line.partition(" -> ")[2] for line in place.ok("port", "c1").splitlines()]
        recorded = place.ok("inspect", "-f", "{{range $k, $v := .HostConfig.PortBindings}}{{range $v}}{{.HostIp}}:{{.HostPort}} {{end}}{{end}}", "c1").split()
        elements = subprocess.run(["nft", "list", "map", "inet", "hull", "at4"], capture_output=True, text=True).stdout
        leads = re.findall(r": 10\.231\.[0-9.]+ \. ([0-9]+)", elements)
        held = [f"127.0.0.1:{n}" for n in (8080, 8081) if is_taken(n)]
        memory = place.ok("inspect", "-f", "{{.HostConfig.Memory}}", "c1").strip()
        if len(said) != 1 or said != recorded or held != said or leads != [at[said[0]]] or (memory != "0") != (said[0][-1] == "1"):
            raise Failure(f"says {said}, recorded {recorded}, the firewall leads to {leads}, held are {held}, memory {memory}")
        super().recover(place)


def works(place):
    run_on_both(place)
    has("n1", "n2")(place, None)
    place.ok("network", "disconnect", "n2", "c1")
    has("n1")(place, None)
    place.ok("rm", "-f", "c1")
    out = place.ok("run", "--rm", "--network", "n1", "-p", "127.0.0.1:8080:80", "--name", "c1", "--cgroup-parent", place.parent, "box", "echo", "next")
    if out != "next\n":
        raise Failure(f"the next run printed {out!r}")


def runs_on(place, o):
    has("n1")(place, o)
    if place.ok("port", "c1") != "80/tcp -> 127.0.0.1:8080\n":
        raise Failure("it does not publish its port")


VERBS = [
    Verb("run with a network", lambda p: ["run", "-d", "--name", "c1", "--cgroup-parent", p.parent, "--network", "n1", "-p", "127.0.0.1:8080:80", "box",
                                          "sleep", "1000"], begin=networks, done=runs_on, again=works, detach=True, statuses=RUN),
    Verb("network connect", ["network", "connect", "n2", "c1"], begin=networks, setup=run, done=has("n1", "n2"), again=works),
    Verb("network disconnect", ["network", "disconnect", "n2", "c1"], begin=networks, setup=run_on_both, done=has("n1"), again=works),
    Ports("update of ports", ["update", "--memory", "64M", "--publish-rm", "80", "--publish-add", "127.0.0.1:8081:81", "c1"], begin=networks,
          setup=run_with_port, again=works),
    # Not killed: who is killed leaves a container that is right at its next start.
    Moving("network connect with a port", ["network", "connect", "--gw-priority", "9", "n2", "c1"], begin=networks, setup=run_with_port, done=has("n1", "n2"),
           again=works, ways=("-e",), calls=("renameat", "renameat2")),
    Moving("network disconnect with a port", ["network", "disconnect", "n1", "c1"], begin=networks, setup=run_with_port_on_both, done=has("n2"), again=works,
           ways=("-e",), calls=("renameat", "renameat2")),
]
tests(globals(), VERBS)

if __name__ == "__main__":
    alone()
    registry.run(globals())
