#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""t_places: where images come from when it is not where their names say: registries.conf, docker's mirrors, certs.d, proxies."""

import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../lib"))
from registry import *  # noqa: E402,F403
from store import Hull  # noqa: E402

SMALL = make_layer({"small": b"small\n"})


def configure(hull, text):
    path = os.path.join(hull.path, "registries.conf")
    with open(path, "w") as f:
        f.write(text)
    hull.env["CONTAINERS_REGISTRIES_CONF"] = path


def test_mirror_comes_first():
    with Fake() as origin, Fake() as mirror, Hull() as hull:
        image = mirror.add(Image([SMALL]), "hub/x")
        configure(hull, f"[[registry]]\nlocation = '{origin.host}'\n[[registry.mirror]]\nlocation = '{mirror.host}/hub'\n")
        hull.ok("pull", "-q", f"{origin.host}/x")
        assert not origin.requests and all(f"ns={urllib.parse.quote(origin.host, safe=':')}" in path for _, path, _ in mirror.requests), mirror.requests
        assert hull.inspect(f"{origin.host}/x")["RepoDigests"] == [f"{origin.host}/x@{digest_of(image.manifest)}"]
        # What the mirror does not have the registry has.
        origin.add(Image([SMALL, make_layer({"b": b"b"})]), "y")
        hull.ok("pull", "-q", f"{origin.host}/y")
        assert any("hub/y" in path for _, path, _ in mirror.requests) and not any("ns=" in path for _, path, _ in origin.requests)
        hull.refuses("no such image there", "pull", f"{origin.host}/z")
        # So do copies, and who looks only.
        n = len(origin.requests)
        hull.ok("copy", "-q", f"docker://{origin.host}/x", f"oci:{hull.path}/x:1")
        assert json.loads(hull.ok("image", "inspect", "--raw", f"{origin.host}/x")) == json.loads(image.manifest)
        assert len(origin.requests) == n
        hull.ok("copy", "-q", f"docker://{origin.host}/y", f"oci:{hull.path}/y:1")
        hull.ok("image", "inspect", "--raw", f"{origin.host}/y")
        # A mirror is never pushed to.
        n = len(mirror.requests)
        hull.ok("tag", f"{origin.host}/x", f"{origin.host}/pushed")
        hull.ok("push", f"{origin.host}/pushed")
        assert len(mirror.requests) == n and ("pushed", "latest") in origin.manifests


def test_mirror_that_lies_or_is_gone():
    with Fake() as origin, Fake() as mirror, Hull() as hull:
        image = Image([SMALL])
        for fake in (origin, mirror):
            fake.add(image, "x")
        for digest in mirror.blobs:
            if digest != image.id:
                mirror.blobs[digest] = b"\0" * len(mirror.blobs[digest])
        with socket.socket() as s:
            s.bind(("127.0.0.1", 0))
            nobody = f"127.0.0.1:{s.getsockname()[1]}"
        configure(hull, f"[[registry]]\nlocation = '{origin.host}'\n[[registry.mirror]]\nlocation = '{mirror.host}'\n"
                  f"[[registry.mirror]]\nlocation = '{nobody}'\n")
        hull.ok("pull", "-q", f"{origin.host}/x")
        assert hull.images().strip() == image.id
        # A copy goes on where it was: what the mirror has damaged or not at all comes from the next place.
        hull.ok("copy", "-q", f"docker://{origin.host}/x", f"oci:{hull.path}/damaged:1")
        mirror.blobs.clear()
        hull.ok("copy", "-q", f"docker://{origin.host}/x", f"oci-archive:{hull.path}/lacking.tar:1")
        with Fake() as other:
            hull.ok("copy", "-q", f"docker://{origin.host}/x", f"docker://{other.host}/x")
            assert other.manifests["x", "latest"][1] == image.manifest
        hull.ok("rmi", f"{origin.host}/x")
        hull.ok("load", "-q", "-i", f"{hull.path}/lacking.tar")
        assert hull.images().strip() == image.id
        origin.blobs.clear()
        p = hull.run("copy", "-q", f"docker://{origin.host}/x", f"oci:{hull.path}/never:1")
        assert p.returncode == 1 and origin.host in p.err, p.err


def test_credentials_are_the_places_own():
    with Fake() as origin, Fake() as mirror, Hull() as hull:
        mirror.add(Image([SMALL]), "x")
        os.mkdir(os.path.join(hull.path, ".docker"))
        with open(os.path.join(hull.path, ".docker/config.json"), "w") as f:
            json.dump({"auths": {origin.host: {"auth": basic("me", "origin")[6:]}}}, f)
        mirror.hook = lambda h: "Authorization" not in h.headers and h.error(401, "NO", WWW_Authenticate="Basic")
        configure(hull, f"[[registry]]\nlocation = '{origin.host}'\n[[registry.mirror]]\nlocation = '{mirror.host}'\n")
        assert hull.run("pull", f"{origin.host}/x").returncode == 1
        assert mirror.requests and all("Authorization" not in headers for _, _, headers in mirror.requests)


def test_rewritten_blocked_insecure():
    with Fake() as fake, Hull() as hull:
        fake.add(Image([SMALL]), "there/x")
        configure(hull, f"[[registry]]\nprefix = 'registry.example/here'\nlocation = '{fake.host}/there'\n"
                  "[[registry]]\nlocation = 'bad.example'\nblocked = true\n")
        hull.ok("pull", "-q", "registry.example/here/x")
        assert "registry.example/here/x" in hull.ok("images")
        hull.ok("tag", "registry.example/here/x", "registry.example/here/y:2")
        hull.ok("push", "registry.example/here/y:2")
        assert ("there/y", "2") in fake.manifests
        hull.refuses("blocked by", "pull", "bad.example/x")
        configure(hull, "[[registry]\n")
        assert "registries.conf: line 1" in hull.run("pull", f"{fake.host}/x").err


def test_insecure_place():
    with Fake(host="0.0.0.0") as fake, Hull() as hull:
        fake.add(Image([SMALL]), "x")
        place = f"0.0.0.0:{fake.port}"
        assert hull.run("pull", f"{place}/x").returncode == 1
        configure(hull, f"[[registry]]\nlocation = '{place}'\ninsecure = true\n")
        hull.ok("pull", "-q", f"{place}/x")


def test_short_names():
    with Fake() as first, Fake() as second, Hull() as hull:
        image = second.add(Image([SMALL]), "tool", "1")
        configure(hull, f"unqualified-search-registries = ['{first.host}', '{second.host}']\n[aliases]\nother = '{second.host}/tool'\n")
        assert f"{second.host}/tool:1" in hull.ok("pull", "-q", "tool:1")
        assert f"{second.host}/tool:1" in hull.ok("pull", "-q", "other:1")
        n = len(second.requests)
        assert hull.ok("create", "--pull", "missing", "tool:1", "true")
        assert len(second.requests) == n and hull.images().strip() == image.id


def test_docker_mirrors():
    with Fake() as mirror, Hull() as hull:
        image = mirror.add(Image([SMALL]), "library/x")
        path = os.path.join(hull.path, "daemon.json")
        hull.env["HULL_DOCKER_JSON"] = path
        configure(hull, "")
        with open(path, "w") as f:
            json.dump({"registry-mirrors": [f"http://{mirror.host}/"], "storage-driver": "overlay2"}, f)
        assert hull.ok("pull", "-q", "x") == "docker.io/library/x:latest\n" and hull.images().strip() == image.id
        assert all("ns=docker.io" in path for _, path, _ in mirror.requests)
        with open(path, "w") as f:
            json.dump({"registry-mirrors": ["nonsense"]}, f)
        assert "not a URL" in hull.run("pull", "x").err


def test_certificates_of_one_registry():
    with Hull() as hull:
        tls = Certificate(hull.path, "localhost", "127.0.0.1")
        with Fake(tls=tls, host="0.0.0.0") as fake:
            fake.add(Image([SMALL]), "x")
            # Not this machine by its name: nothing is allowed there.
            name = f"{socket.gethostname()}:{fake.port}"
            own = Certificate(hull.path, socket.gethostname())
            fake.server.socket.context.load_cert_chain(own.cert, own.key)
            p = hull.run("pull", f"{name}/x")
            if "resolve" in p.err:
                raise Skip("this machine's name has no address")
            assert p.returncode == 1 and "no trusted TLS" in p.err, p.err
            folder = os.path.join(hull.path, ".config/docker/certs.d", name)
            os.makedirs(folder)
            shutil.copy(own.cert, os.path.join(folder, "ca.crt"))
            hull.ok("pull", "-q", f"{name}/x")
            shutil.copy(own.cert, os.path.join(folder, "me.cert"))
            assert "its key me.key is missing" in hull.run("pull", f"{name}/x").err
            shutil.copy(own.key, os.path.join(folder, "me.key"))
            os.chmod(os.path.join(folder, "me.key"), 0o600)
            fake.server.socket.context.load_verify_locations(own.cert)
            fake.server.socket.context.verify_mode = ssl.CERT_REQUIRED
            hull.ok("pull", "-q", f"{name}/x")
            os.unlink(os.path.join(folder, "me.cert"))
            assert hull.run("pull", f"{name}/x").returncode == 1


def test_proxy_from_the_environment():
    with Fake() as proxy, Fake() as fake, Hull() as hull:
        image = Image([SMALL])
        fake.add(image, "x")
        seen = []

        def through(h):
            seen.append(h.path)
            h.path = "/" + h.path.split("/", 3)[3]
            return fake.answer(h) or True
        proxy.hook = through
        hull.env["http_proxy"] = f"http://{proxy.host}"
        with open(os.path.join(hull.path, "hull.json"), "w") as f:
            json.dump({"insecure-registries": ["registry.invalid:80"]}, f)
        hull.env["HULL_CONFIG"] = os.path.join(hull.path, "hull.json")
        hull.ok("pull", "-q", "registry.invalid:80/x")
        assert seen and all(path.startswith("http://registry.invalid") for path in seen), seen
        hull.env["no_proxy"] = "registry.invalid"
        n = len(seen)
        assert hull.run("pull", "registry.invalid:80/x").returncode == 1 and len(seen) == n


if __name__ == "__main__":
    run(globals())
