# SPDX-License-Identifier: Apache-2.0
"""docker_py: what programs do with docker's library for Python, one part a run: docker_py.py SOCKET PART.

Each part prints nothing and raises where it does not get what docker gives."""
import io
import os
import sys
import tarfile
import threading

import docker

IMAGE = "box"


def containers(client):
    c = client.containers.run(IMAGE, ["sh", "-c", "echo out; echo err >&2; exec sleep 1000"], name="py-one", detach=True,
                              labels={"made": "py"}, environment={"A": "b"}, working_dir="/tmp")
    assert c.status == "created" or c.status == "running"
    code, out = c.exec_run(["sh", "-c", "echo $A; pwd; exit 3"])
    assert (code, out) == (3, b"b\n/tmp\n"), (code, out)
    code, (out, err) = c.exec_run(["sh", "-c", "echo x; echo y >&2"], demux=True)
    assert (code, out, err) == (0, b"x\n", b"y\n"), (code, out, err)
    assert b"".join(c.logs(stream=True, follow=False, stderr=False)) == b"out\n"
    assert c.logs(stdout=False) == b"err\n"
    assert [x.name for x in client.containers.list(filters={"label": "made=py"})] == ["py-one"]
    assert c.top()["Titles"][0] == "UID"
    stats = c.stats(stream=False)
    assert stats["pids_stats"]["current"] >= 1 and "cpu_stats" in stats and "memory_stats" in stats
    c.rename("py-two")
    c.reload()
    assert c.name == "py-two" and c.status == "running" and c.image.tags
    c.pause()
    c.reload()
    assert c.status == "paused"
    c.unpause()
    c.kill("KILL")
    assert c.wait()["StatusCode"] == 137
    c.restart(timeout=0)
    c.stop(timeout=0)
    c.remove()
    try:
        client.containers.get("py-two")
    except docker.errors.NotFound:
        pass
    else:
        raise AssertionError("it is there")


def run(client):
    assert client.containers.run(IMAGE, "echo hello", remove=True) == b"hello\n"
    try:
        client.containers.run(IMAGE, ["sh", "-c", "echo wrong >&2; exit 4"], remove=True)
    except docker.errors.ContainerError as e:
        assert e.exit_status == 4 and b"wrong" in e.stderr
    else:
        raise AssertionError("no error")
    assert not client.containers.list(all=True)


def files(client):
    c = client.containers.create(IMAGE, ["sleep", "1000"])
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w") as tar:
        info = tarfile.TarInfo("greeting")
        info.size = 5
        tar.addfile(info, io.BytesIO(b"hello"))
    assert c.put_archive("/tmp", data.getvalue())
    bits, stat = c.get_archive("/tmp/greeting")
    with tarfile.open(fileobj=io.BytesIO(b"".join(bits))) as tar:
        assert tar.extractfile("greeting").read() == b"hello"
    assert stat["name"] == "greeting" and stat["size"] == 5
    assert {"Path": "/tmp/greeting", "Kind": 1} in c.diff()
    c.remove(force=True)


def objects(client):
    v = client.volumes.create("py-v", labels={"a": "b"})
    assert [x.name for x in client.volumes.list(filters={"label": "a"})] == ["py-v"]
    ipam = docker.types.IPAMConfig(pool_configs=[docker.types.IPAMPool(subnet="10.89.9.0/24")])
    n = client.networks.create("py-n", ipam=ipam, check_duplicate=True, labels={"a": "b"})
    c = client.containers.create(IMAGE, ["sleep", "1000"], volumes={"py-v": {"bind": "/data", "mode": "rw"}}, network="none")
    n.connect(c, aliases=["db"], ipv4_address="10.89.9.9") if "--net" in sys.argv else None
    c.start()
    assert c.exec_run("touch /data/x")[0] == 0
    if "--net" in sys.argv:
        n.reload()
        assert [x.id for x in n.containers] == [c.id]
        n.disconnect(c)
    try:
        v.remove()
    except docker.errors.APIError as e:
        assert e.status_code == 409
    else:
        raise AssertionError("one in use was removed")
    c.remove(force=True)
    v.remove()
    n.remove()
    assert client.networks.prune()["NetworksDeleted"] is None
    assert client.volumes.prune()["SpaceReclaimed"] == 0


def images(client):
    image, lines = client.images.build(fileobj=io.BytesIO(f"FROM {IMAGE}\nRUN echo built >/built\nCMD cat /built\n".encode()), tag="py-i:1", rm=True)
    lines = list(lines)
    assert any("Step 1/" in x.get("stream", "") for x in lines), lines
    assert client.containers.run("py-i:1", remove=True) == b"built\n"
    assert "py-i:1" in image.tags and image.history()
    assert image.tag("py-j", "2")
    data = b"".join(image.save(named=True))
    client.images.remove("py-i:1", force=True)
    client.images.remove("py-j:2", force=True)
    assert [x.tags for x in client.images.load(data)] == [["py-i:1"]]
    client.images.remove("py-i:1")
    try:
        client.images.get("py-i:1")
    except docker.errors.ImageNotFound:
        pass
    else:
        raise AssertionError("it is there")
    try:
        client.images.build(fileobj=io.BytesIO(f"FROM {IMAGE}\nRUN exit 7\n".encode()), rm=True)
    except docker.errors.BuildError as e:
        assert "7" in str(e), e
    else:
        raise AssertionError("no error")


def attach(client):
    c = client.containers.create(IMAGE, ["cat"], stdin_open=True, tty=False)
    s = c.attach_socket(params={"stdin": 1, "stdout": 1, "stream": 1})
    c.start()
    s._sock.sendall(b"there and back\n")
    got = b""
    while not got.endswith(b"back\n"):
        piece = s._sock.recv(4096)
        assert piece, got
        got += piece
    assert got[:8] == b"\1\0\0\0\0\0\0\x0f" and got[8:] == b"there and back\n", got
    s.close()
    c.remove(force=True)


def events(client):
    seen, stream = [], client.events(decode=True, filters={"type": "container"})
    c = client.containers.create(IMAGE, ["true"], name="py-e")
    c.start()
    for e in stream:
        seen.append(e["Action"])
        if e["Action"] == "die":
            break
    stream.close()
    c.remove()
    assert [x for x in ("create", "start", "die") if x in seen] == ["create", "start", "die"], seen


def system(client):
    assert client.ping() and client.version()["ApiVersion"] and client.info()["OSType"] == "linux"
    assert "LayersSize" in client.df()


if __name__ == "__main__":
    timer = threading.Timer(100, os._exit, [9])
    timer.daemon = True
    timer.start()
    the_client = docker.DockerClient(base_url="unix://" + sys.argv[1], version="auto", timeout=60)
    globals()[sys.argv[2]](the_client)
    sys.stdout.flush()
    os._exit(0)
