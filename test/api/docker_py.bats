#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# docker's library for Python (docker-py) with containers.
# machines: native v2

load ../lib/hull
load ../lib/api
setup_file() { hull_setup; api_serve; }
teardown_file() { api_end; hull_teardown; }

@test "a container's life in docker-py" {
    python3 -c 'import docker' 2>/dev/null || skip "docker-py is not installed"
    timeout 120 python3 - "$API_SOCKET" <<'PY'
import docker, sys
c = docker.DockerClient(base_url="unix://" + sys.argv[1], version="auto", timeout=60)
assert c.containers.run("box", ["echo", "hello"], network_mode="none", remove=True) == b"hello\n"
try:
    c.containers.run("box", ["sh", "-c", "echo no >&2; exit 3"], network_mode="none", remove=True)
    assert False
except docker.errors.ContainerError as e:
    assert e.exit_status == 3 and b"no" in e.stderr, e
try:
    c.containers.create("nothing-like-that", "true")
    assert False
except docker.errors.ImageNotFound:
    pass
box = c.containers.run("box", "sleep 1000", name="py", detach=True, network_mode="none", mem_limit="64m", labels={"a": "b"},
                       environment={"X": "y"}, tmpfs={"/t": "size=1m"}, ulimits=[docker.types.Ulimit(name="nofile", soft=64, hard=64)],
                       healthcheck={"test": ["CMD", "true"], "interval": 1000000000}, init=True, cap_drop=["CHOWN"],
                       mounts=[docker.types.Mount("/m", None, type="tmpfs", tmpfs_size=1 << 20)])
assert box.status in ("created", "running")
box.reload()
assert (box.status, box.labels["a"], box.name) == ("running", "b", "py")
assert [b.id for b in c.containers.list(filters={"label": "a=b"})] == [box.id]
assert box.top()["Titles"][0] and box.stats(stream=False)["memory_stats"]["limit"] == 64 << 20
assert {"Path": "/t", "Kind": 1} in (box.diff() or []) or box.diff() is not None
box.pause(); box.unpause()
box.rename("py2")
box.update(mem_limit="96m", memswap_limit=-1)
box.restart(timeout=0)
box.kill()
assert box.wait(timeout=60)["StatusCode"] == 137
box.remove(v=True)
try:
    c.containers.get("py2")
    assert False
except docker.errors.NotFound as e:
    assert "No such container: py2" in str(e)
out = c.containers.create("box", ["sh", "-c", "echo one; echo two >&2"], network_mode="none", name="logs")
out.start(); out.wait()
assert out.logs(stdout=True, stderr=False) == b"one\n" and out.logs(stdout=False, stderr=True) == b"two\n"
assert list(out.logs(stream=True, follow=True, stderr=False)) == [b"one\n"]
assert c.containers.prune()["ContainersDeleted"] == [out.id]
PY
}
