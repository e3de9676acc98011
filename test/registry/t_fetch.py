#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""t_fetch: what hull-registry does with registries that misbehave: every byte of the result is looked at."""

import contextlib
import email.utils
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.parse

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../lib"))
from probe import *  # noqa: E402,F403
from registry import *  # noqa: E402,F403

BIG = make_layer({"big": noise(700000)})


def blob_hook(action):
    """A hook that sees requests for layers only (the config is left alone)."""
    def hook(h):
        if "/blobs/" not in h.path:
            return False
        data = h.server.fake.blobs.get(h.path.split("?")[0].split("/")[-1], b"")
        return False if data.startswith(b"{") else action(h, data)
    return hook


# What is right.

def test_oci_manifest():
    with Fake() as fake:
        image = fake.add(Image([BIG, make_layer({"a": b"b"})]))
        result = check(pull(f"{fake.host}/x"), image)
        assert f"digest {fake.host}/x@{digest_of(image.manifest)}" in result.text
        assert "index" not in result.files


def test_docker_schema_2():
    with Fake() as fake:
        image = fake.add(Image(docker=True))
        check(pull(f"{fake.host}/x"), image)


def test_repository_with_parts_and_a_tag():
    with Fake() as fake:
        image = fake.add(Image(), "a/b-c/d", "1.0")
        check(pull(f"{fake.host}/a/b-c/d:1.0"), image)


def test_image_without_layers():
    with Fake() as fake:
        image = fake.add(Image([]))
        check(pull(f"{fake.host}/x"), image)


def test_index_with_platforms():
    images = [Image([make_layer({"a": a.encode()})], a, variant=v)
              for a, v in (("amd64", None), ("arm64", "v8"), ("arm", "v6"), ("arm", "v7"), ("unknown", None))]
    with Fake() as fake:
        index = fake.add(images)
        for platform, image in (("linux/amd64", images[0]), ("linux/arm64", images[1]), ("linux/arm64/v8", images[1]),
                                ("linux/arm/v7", images[3]), ("linux/arm/v6", images[2]), ("linux/arm/v8", images[3]), ("linux/x86_64", images[0])):
            result = check(pull(f"{fake.host}/x", platform=platform), image)
            assert result.files["index"] == index
            assert f"digest {fake.host}/x@{digest_of(index)}" in result.text
        refused(pull(f"{fake.host}/x", platform="linux/s390x"), "not found", "linux/s390x", "linux/amd64", "linux/arm/v7")
        refused(pull(f"{fake.host}/x", platform="linux/arm/v5"), "not found", "linux/arm/v5")


def test_docker_manifest_list_and_nested_index():
    image = Image(docker=True)
    with Fake() as fake:
        fake.add(image, tag=None)
        inner = json.dumps({"schemaVersion": 2, "mediaType": DOCKER_LIST, "manifests": [image.descriptor()]}).encode()
        fake.add_manifest("x", None, DOCKER_LIST, inner)
        outer = json.dumps({"schemaVersion": 2, "manifests": [{"mediaType": DOCKER_LIST, "digest": digest_of(inner), "size": len(inner)}]}).encode()
        fake.add_manifest("x", "latest", OCI_INDEX, outer)
        check(pull(f"{fake.host}/x"), image)


def test_index_nested_without_end():
    with Fake() as fake:
        data = Image().manifest
        for _ in range(8):
            data = json.dumps({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [
                {"mediaType": OCI_INDEX, "digest": digest_of(data), "size": len(data)}]}).encode()
            fake.add_manifest("x", "latest", OCI_INDEX, data)
        refused(pull(f"{fake.host}/x"), "limit", "nested")


def test_platform_of_a_plain_manifest():
    with Fake() as fake:
        fake.add(Image(architecture="s390x"))
        refused(pull(f"{fake.host}/x"), "not found", "linux/s390x")
        assert pull(f"{fake.host}/x", platform="").status == 0


def test_by_digest():
    with Fake() as fake:
        image = fake.add(Image())
        check(pull(f"{fake.host}/x@{digest_of(image.manifest)}"), image)
        check(pull(f"{fake.host}/x:other@{digest_of(image.manifest)}"), image)


def test_many_layers_at_once():
    with Fake() as fake:
        image = fake.add(Image([make_layer({"f": noise(100000, i)}) for i in range(20)]))
        check(pull(f"{fake.host}/x"), image)


def test_commit_keeps_index_and_all():
    with Fake() as fake:
        fake.add([Image()])
        assert pull(f"{fake.host}/x", mode="commit").status == 0


def test_tags_in_pages():
    def hook(h):
        if "/tags/" not in h.path:
            return False
        last = urllib.parse.parse_qs(h.path.partition("?")[2]).get("last", [""])[0]
        pages = {"": (["a", "bad tag", "b"], "b"), "b": (["c", 7], "c"), "c": (None, None)}
        tags, next_ = pages[last]
        return h.reply(200, {"name": "x", "tags": tags}, **({"Link": f'</v2/x/tags/list?n=1000&last={next_}>; rel="next"'} if next_ else {}))
    with Fake(hook) as fake:
        fake.add(Image(), tag="a")
        result = pull(f"{fake.host}/x", mode="tags")
        assert result.status == 0 and result.text.startswith("tag a\ntag b\ntag c\n"), result.text


def test_tags_next_elsewhere_is_not_followed():
    with Fake() as other:
        def hook(h):
            return "/tags/" in h.path and h.reply(200, {"tags": ["latest"]}, Link=f'<http://{other.host}/v2/x/tags/list>; rel="next"')
        with Fake(hook) as fake:
            fake.add(Image())
            assert pull(f"{fake.host}/x", mode="tags").status == 0
            assert not other.requests


# Connections that break.

def dropping(at, times=1, ignore_range=False):
    def action(h, data):
        start = 0 if ignore_range else int(h.headers.get("Range", "bytes=0-")[6:].split("-")[0])
        if h.number > times:
            return h.reply(200, data) if ignore_range else False
        if start:
            h.send_response(206)
            h.send_header("Content-Range", f"bytes {start}-{len(data) - 1}/{len(data)}")
        else:
            h.send_response(200)
        h.send_header("Content-Length", str(len(data) - start))
        h.end_headers()
        h.wfile.write(data[start:start + at])
        h.drop()
    return blob_hook(action)


def test_drop_is_resumed_where_it_broke():
    with Fake(dropping(200000)) as fake:
        image = fake.add(Image([BIG]))
        result = check(pull(f"{fake.host}/x"), image)
        assert result.text.count("retry 0 at ") == 1, result.text
        ranges = [h["Range"] for h in fake.seen(digest_of(image.layers[0])) if "Range" in h]
        assert len(ranges) == 1 and 0 < int(ranges[0][6:-1]) <= 200000, ranges


def test_many_drops_with_progress_do_not_count():
    with Fake(dropping(100000, times=6)) as fake:
        image = fake.add(Image([BIG]))
        check(pull(f"{fake.host}/x", retries=1), image)


def test_drop_and_a_server_without_range():
    with Fake(dropping(200000, ignore_range=True)) as fake:
        image = fake.add(Image([BIG]))
        check(pull(f"{fake.host}/x"), image)


def test_drop_without_progress_ends():
    with Fake(blob_hook(lambda h, data: h.drop())) as fake:
        image = fake.add(Image())
        refused(pull(f"{fake.host}/x"), "remote", "registry 127.0.0.1")
        # Three tries; a connection that was kept open and is found dead does not count as one.
        assert 3 <= len(fake.seen(digest_of(image.layers[0]))) <= 6


def test_drop_in_the_manifest():
    def hook(h):
        if "/manifests/" in h.path and h.number == 1:
            h.send_response(200)
            h.send_header("Content-Length", "400")
            h.end_headers()
            h.wfile.write(b"{")
            h.drop()
    with Fake(hook) as fake:
        image = fake.add(Image())
        check(pull(f"{fake.host}/x"), image)


def test_resume_with_a_wrong_part():
    def action(h, data):
        if "Range" in h.headers:
            return h.reply(206, data[5:], Content_Range=f"bytes 5-{len(data) - 1}/{len(data)}")
        return dropping(200000)(h)
    with Fake(blob_hook(action)) as fake:
        fake.add(Image([BIG]))
        refused(pull(f"{fake.host}/x"), "remote", "another part")


def test_resume_of_another_length():
    def action(h, data):
        start = h.headers.get("Range", "")[6:-1]
        if start:
            return h.reply(206, data[int(start):], Content_Range=f"bytes {start}-{len(data) - 1}/{len(data) + 1}")
        return dropping(200000)(h)
    with Fake(blob_hook(action)) as fake:
        fake.add(Image([BIG]))
        refused(pull(f"{fake.host}/x"), "corrupt", "length")


def test_part_that_nobody_asked_for():
    with Fake(blob_hook(lambda h, data: h.reply(206, data[5:], Content_Range=f"bytes 5-{len(data) - 1}/{len(data)}"))) as fake:
        fake.add(Image())
        refused(pull(f"{fake.host}/x"), "remote", "another part")


def test_hang_before_the_answer():
    def action(h, data):
        time.sleep(6)
        h.drop()
    with Fake(blob_hook(action)) as fake:
        fake.add(Image())
        assert refused(pull(f"{fake.host}/x", timeout=2), "timeout", "no answer").seconds < 30


def test_hang_of_the_manifest():
    def hook(h):
        time.sleep(6)
        h.drop()
    with Fake(hook) as fake:
        refused(pull(f"{fake.host}/x", timeout=2, retries=0), "timeout", "no answer")


def test_hang_in_the_middle_is_resumed():
    def action(h, data):
        if "Range" in h.headers:
            return False
        h.send_response(200)
        h.send_header("Content-Length", str(len(data)))
        h.end_headers()
        h.wfile.write(data[:300000])
        time.sleep(6)
        h.drop()
    with Fake(blob_hook(action)) as fake:
        image = fake.add(Image([BIG]))
        check(pull(f"{fake.host}/x", timeout=2), image)


def test_server_that_accepts_and_says_nothing():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        s.listen(8)
        refused(pull(f"127.0.0.1:{s.getsockname()[1]}/x", timeout=2, retries=0), "timeout")


def test_nobody_listens():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        port = s.getsockname()[1]
    refused(pull(f"127.0.0.1:{port}/x", retries=1), "remote", f"127.0.0.1:{port}", "onnect")


# Lies.

def test_manifest_of_another_digest():
    with Fake() as fake:
        image, other = fake.add(Image()), Image(architecture="arm64")
        wanted = digest_of(image.manifest)
        fake.manifests["x", wanted] = (OCI_MANIFEST, other.manifest)
        refused(pull(f"{fake.host}/x@{wanted}"), "corrupt", "digest")


def test_header_of_another_digest():
    def hook(h):
        return "/manifests/" in h.path and h.reply(200, Image().manifest, Content_Type=OCI_MANIFEST, Docker_Content_Digest=digest_of(b"x"))
    with Fake(hook) as fake:
        refused(pull(f"{fake.host}/x"), "corrupt", "digest")


def test_header_that_is_no_digest():
    def hook(h):
        return "/manifests/" in h.path and h.reply(200, Image().manifest, Content_Type=OCI_MANIFEST, Docker_Content_Digest="sha256:../../x")
    with Fake(hook) as fake:
        refused(pull(f"{fake.host}/x"), "corrupt", "Docker-Content-Digest")


def test_manifest_in_an_index_of_another_digest():
    with Fake() as fake:
        image = Image()
        fake.add([image])
        fake.manifests["x", digest_of(image.manifest)] = (OCI_MANIFEST, image.manifest.replace(b"layers", b"lAyers"))
        refused(pull(f"{fake.host}/x"), "corrupt", "digest")


def test_config_of_another_digest():
    with Fake() as fake:
        image = fake.add(Image())
        fake.blobs[image.id] = image.config.replace(b"amd64", b"arm64")
        refused(pull(f"{fake.host}/x"), "corrupt", "image config")


def test_length_header_is_not_the_manifests():
    for change in (1, -1):
        def action(h, data):
            return h.reply(200, data + b"x" if change > 0 else data[:-1])
        with Fake(blob_hook(action)) as fake:
            image = fake.add(Image())
            refused(pull(f"{fake.host}/x"), "corrupt", str(len(image.layers[0]) + change), "by the manifest")


def test_body_is_longer_than_the_manifest_says():
    with Fake(blob_hook(lambda h, data: h.reply(200, data + b"x", length=-1))) as fake:
        fake.add(Image())
        refused(pull(f"{fake.host}/x"), "corrupt", "longer")


def test_body_without_end():
    def action(h, data):
        h.send_response(200)
        h.end_headers()
        with contextlib.suppress(OSError):
            while True:
                h.wfile.write(b"x" * 65536)
        h.drop()
    with Fake(blob_hook(action)) as fake:
        fake.add(Image())
        refused(pull(f"{fake.host}/x"), "corrupt", "longer")


def test_body_is_shorter_than_it_should_be():
    def action(h, data):
        return h.reply(416) if "Range" in h.headers else h.reply(200, data[:-5], length=-1)
    with Fake(blob_hook(action)) as fake:
        fake.add(Image())
        # After the refusal it asks for all of it again.
        result = pull(f"{fake.host}/x")
        refused(result, "corrupt", "140 of 145")
        assert "416" in result.text, result.text


def test_blob_is_truncated_for_good():
    with Fake() as fake:
        image = fake.add(Image([BIG]))
        whole = image.layers[0]
        fake.hook = blob_hook(lambda h, data: h.reply(200, whole[:1000], length=len(whole)))
        refused(pull(f"{fake.host}/x"), "remote")


def test_manifest_too_big():
    def sized(h):
        return "/manifests/" in h.path and h.reply(200, b" " * 5000000)

    def unsized(h):
        return "/manifests/" in h.path and h.reply(200, b" " * 5000000, length=-1)
    for hook in (sized, unsized):
        with Fake(hook) as fake:
            refused(pull(f"{fake.host}/x"), "limit")


def test_garbage_manifests():
    rows = [(b"", "not JSON"), (b"<html>", "not JSON"), (b"{", "not JSON"), (b"[]", "object"), (b"{}", "schemaVersion"), (b"[" * 100000, "not JSON"),
            (b'{"schemaVersion":2}', "config"), (b'{"schemaVersion":2,"config":{"digest":"sha256:x","size":1}}', "digest"),
            (b'{"schemaVersion":2,"config":[],"layers":{}}', "must be"), (b'\xff\xfe{}', "not JSON"), (b'{"schemaVersion":2}\0', "not JSON")]
    for data, word in rows:
        with Fake() as fake:
            fake.add_manifest("x", "latest", OCI_MANIFEST, data)
            refused(pull(f"{fake.host}/x"), "corrupt", word)


def test_garbage_configs():
    for data, word in ((b"x", "not JSON"), (b"[]", "object"), (b"{}", "rootfs"), (b'{"rootfs":{"diff_ids":["x"]}}', "digest"), (b'{"rootfs":{"diff_ids":[]}}', "layers")):
        with Fake() as fake:
            image = Image()
            image.document["config"] = image.blob(data, OCI_CONFIG)
            fake.add(image)
            refused(pull(f"{fake.host}/x"), "corrupt", word)


def test_schema_1():
    with Fake() as fake:
        fake.add_manifest("x", "latest", "application/vnd.docker.distribution.manifest.v1+prettyjws",
                          json.dumps({"schemaVersion": 1, "name": "x", "fsLayers": [], "signatures": []}).encode())
        refused(pull(f"{fake.host}/x"), "unsupported", "schema version 1", "push it again")


def test_foreign_and_strange_layers():
    for media_type, word in (("application/vnd.docker.image.rootfs.foreign.diff.tar.gzip", "foreign"),
                             ("application/vnd.oci.image.layer.nondistributable.v1.tar+gzip", "foreign"),
                             ("application/vnd.oci.image.layer.v1.tar+gzip+encrypted", "encrypted"), ("text/\x1b[31mx", "text/")):
        with Fake() as other, Fake() as fake:
            image = Image(types=[media_type])
            image.document["layers"][0]["urls"] = [f"http://{other.host}/layer"]
            fake.add(image)
            refused(pull(f"{fake.host}/x"), "unsupported", word)
            assert not other.requests


def test_not_an_image():
    with Fake() as fake:
        image = Image()
        image.document["config"]["mediaType"] = "application/vnd.cncf.helm.config.v1+json"
        fake.add(image)
        refused(pull(f"{fake.host}/x"), "unsupported", "helm")


def test_unknown_tag_and_repository():
    with Fake() as fake:
        fake.add(Image())
        refused(pull(f"{fake.host}/x:none"), "not found", f"{fake.host}/x:none", "manifest unknown")
        refused(pull(f"{fake.host}/y"), "not found", f"{fake.host}/y")


def test_layer_that_is_not_there():
    with Fake(blob_hook(lambda h, data: h.error(404, "BLOB_UNKNOWN"))) as fake:
        fake.add(Image())
        refused(pull(f"{fake.host}/x"), "not found", "blob unknown")


def test_headers_without_end():
    def hook(h):
        h.wfile.write(b"HTTP/1.1 200 OK\r\n" + b"".join(b"X-%d: %s\r\n" % (i, b"y" * 1000) for i in range(200)) + b"\r\n")
        h.close_connection = True
        return True
    with Fake(hook) as fake:
        refused(pull(f"{fake.host}/x"), "remote", "headers")


def test_not_http_at_all():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        s.listen(8)

        def serve():
            with contextlib.suppress(OSError):
                while True:
                    c, _ = s.accept()
                    c.sendall(b"220 mail.example ESMTP\r\n")
                    c.close()
        threading.Thread(target=serve, daemon=True).start()
        refused(pull(f"127.0.0.1:{s.getsockname()[1]}/x", retries=0), "remote")
        s.shutdown(socket.SHUT_RDWR)


def test_errors_in_a_terminal():
    def hook(h):
        return h.reply(404, {"errors": [{"code": "X", "message": "\x1b[2Jgone\r\nok"}]})
    with Fake(hook) as fake:
        assert refused(pull(f"{fake.host}/x"), "not found", "gone").text.count("\n") == 1


# Servers that are busy.

def failing(status, times, **headers):
    def hook(h):
        return h.number <= times and h.error(status, "TOOMANYREQUESTS" if status == 429 else "UNAVAILABLE", **headers)
    return hook


def test_500_then_well():
    for status in (500, 502, 503, 504):
        with Fake(failing(status, 1)) as fake:
            image = fake.add(Image())
            check(pull(f"{fake.host}/x"), image)


def test_500_for_ever():
    with Fake(failing(500, 99)) as fake:
        refused(pull(f"{fake.host}/x", retries=1), "remote", "status 500", "unavailable")
        assert len(fake.requests) == 2


def test_429_waits_as_told():
    for after in (lambda: "1", lambda: email.utils.formatdate(time.time() + 2, usegmt=True)):
        with Fake(failing(429, 1, Retry_After=after())) as fake:
            image = fake.add(Image([]))
            assert check(pull(f"{fake.host}/x"), image).seconds > 0.9


def test_429_for_ever():
    with Fake(failing(429, 99)) as fake:
        refused(pull(f"{fake.host}/x", retries=1), "limit", "too many requests")


def test_429_with_a_long_wait():
    with Fake(failing(429, 99, Retry_After="21600")) as fake:
        assert refused(pull(f"{fake.host}/x"), "limit", "21600 s").seconds < 2


def test_other_status():
    for status in (400, 405, 418):
        with Fake(failing(status, 99)) as fake:
            refused(pull(f"{fake.host}/x"), "remote", f"status {status}")
            assert len(fake.requests) == 1


# Who may see what.

def test_redirect_to_another_host_takes_no_authorization():
    with Fake() as cdn:
        def hook(h):
            if h.headers.get("Authorization") != basic("me", "secret"):
                return h.error(401, "UNAUTHORIZED", WWW_Authenticate='Basic realm="x"')
            return "/blobs/" in h.path and h.reply(307, Location=f"http://{cdn.host}{h.path}?signature=1")
        with Fake(hook) as fake:
            image = fake.add(Image([BIG]))
            cdn.blobs = dict(fake.blobs)
            cdn.hook = dropping(300000)
            check(pull(f"{fake.host}/x", {"auths": {fake.host: {"auth": basic("me", "secret")[6:]}}}), image)
            assert len(cdn.requests) == 3
            for _, path, headers in cdn.requests:
                assert "Authorization" not in headers and path.endswith("?signature=1"), headers
            # After the drop the registry was asked for a new link.
            assert len(fake.seen(digest_of(image.layers[0]))) == 2, fake.requests


def test_redirect_inside_the_registry():
    def hook(h):
        if h.headers.get("Authorization") != basic("me", "secret"):
            return h.error(401, "UNAUTHORIZED", WWW_Authenticate='Basic realm="x"')
        return "/blobs/" in h.path and "?" not in h.path and h.reply(302, Location="./" + h.path.split("/")[-1] + "?again")
    with Fake(hook) as fake:
        image = fake.add(Image())
        check(pull(f"{fake.host}/x", {"auths": {fake.host: {"username": "me", "password": "secret"}}}), image)


def test_redirects_that_lead_nowhere():
    for location, word in (("/v2/x/manifests/latest", "too many redirects"), ("file:///etc/passwd", "nowhere"), ("ftp://127.0.0.1/x", "nowhere"),
                           ("http://", "nowhere"), (None, "nowhere")):
        with Fake(lambda h: h.reply(302, **({"Location": location} if location else {}))) as fake:
            refused(pull(f"{fake.host}/x"), "remote", word)
            assert len(fake.requests) < 12


def test_plain_http_needs_permission():
    with Fake(host="0.0.0.0") as fake:
        image = fake.add(Image())
        assert not refused(pull(f"{fake.host}/x"), "remote", "TLS", "insecure-registries").files
        assert not fake.requests
        for insecure in (fake.host, "0.0.0.0", "0.0.0.0/8", "10.0.0.0/8,0.0.0.0/32"):
            check(pull(f"{fake.host}/x", insecure=insecure), image)
        for insecure in ("0.0.0.0:1", "10.0.0.0/8", "0.0.0.1/32", "0.0.0"):
            refused(pull(f"{fake.host}/x", insecure=insecure), "remote")


def test_redirect_to_plain_http_needs_permission():
    with Fake(host="0.0.0.0") as cdn:
        with Fake(lambda h: "/blobs/" in h.path and h.reply(302, Location=f"http://{cdn.host}{h.path}")) as fake:
            cdn.blobs = fake.add(Image()).blobs
            refused(pull(f"{fake.host}/x"), "denied", "plain HTTP")
            assert not cdn.requests


def test_redirect_to_a_name_of_this_machine():
    need("openssl")
    name = socket.gethostname()
    try:
        here = socket.gethostbyname(name).startswith("127.")
    except OSError:
        here = False
    if not here or name == "localhost":
        raise Skip("the machine's own name does not stand for its loopback")
    with Folder() as folder:
        tls = Certificate(folder.path, "0.0.0.0", name)
        env = {"SSL_CERT_FILE": tls.cert}
        with Fake(tls=tls, host="0.0.0.0") as service:
            with Fake(lambda h: "/blobs/" in h.path and h.reply(302, Location=f"https://{name}:{service.port}{h.path}"), tls=tls, host="0.0.0.0") as fake:
                service.blobs = fake.add(Image()).blobs
                refused(pull(f"{fake.host}/x", env=env), "remote", "leads to this machine")
                assert not service.requests
                pull(f"{fake.host}/x", env=env, insecure=name)
                assert service.requests


def test_tls():
    need("openssl")
    with Folder() as folder:
        tls = Certificate(folder.path, "0.0.0.0", "localhost")
        with Fake(tls=tls, host="0.0.0.0") as fake:
            image = fake.add(Image())
            refused(pull(f"{fake.host}/x"), "remote", "TLS", "insecure-registries")
            assert not fake.requests
            check(pull(f"{fake.host}/x", env={"SSL_CERT_FILE": tls.cert}), image)
            check(pull(f"{fake.host}/x", insecure=fake.host), image)
            check(pull(f"localhost:{fake.port}/x"), image)


def test_tls_for_another_name():
    need("openssl")
    with Folder() as folder:
        tls = Certificate(folder.path, "example.com")
        with Fake(tls=tls, host="0.0.0.0") as fake:
            fake.add(Image())
            refused(pull(f"{fake.host}/x", env={"SSL_CERT_FILE": tls.cert}), "remote", "TLS")


def test_tls_never_goes_back_to_plain():
    need("openssl")
    with Folder() as folder, Fake() as plain:
        tls = Certificate(folder.path, "0.0.0.0")
        with Fake(lambda h: "/blobs/" in h.path and h.reply(302, Location=f"http://{plain.host}{h.path}"), tls=tls, host="0.0.0.0") as fake:
            plain.blobs = fake.add(Image()).blobs
            refused(pull(f"{fake.host}/x", env={"SSL_CERT_FILE": tls.cert}), "denied", "plain HTTP")
            assert not plain.requests


def test_proxy():
    with Fake() as proxy:
        image = proxy.add(Image())

        def hook(h):
            if h.command == "CONNECT":
                return h.reply(403)
            h.path = h.path.replace("http://registry.invalid", "")
            return False
        proxy.hook = hook
        Handler.do_CONNECT = Handler.do_GET
        for name in ("HTTP_PROXY", "http_proxy"):
            check(pull("registry.invalid/x", insecure="registry.invalid", env={name: f"http://{proxy.host}", "HTTPS_PROXY": f"http://{proxy.host}"}), image)
        before = len(proxy.requests)
        refused(pull("registry.invalid/x", insecure="registry.invalid", retries=0,
                     env={"HTTP_PROXY": f"http://{proxy.host}", "NO_PROXY": "registry.invalid"}), "remote")
        with Fake() as fake:
            image = fake.add(Image())
            check(pull(f"{fake.host}/x", env={"HTTP_PROXY": f"http://{proxy.host}", "ALL_PROXY": f"http://{proxy.host}"}), image)
        assert len(proxy.requests) == before


def test_hull_registry_gives_up_what_it_does_not_need():
    found = {}

    def hook(h):
        for pid in filter(str.isdigit, os.listdir("/proc")):
            with contextlib.suppress(OSError):
                if os.path.basename(os.readlink(f"/proc/{pid}/exe")) == "hull-registry" and not found:
                    with open(f"/proc/{pid}/status") as f:
                        found.update(line.rstrip("\n").split(":\t", 1) for line in f if ":\t" in line)
        return False
    if os.geteuid() != 0:
        raise Skip("needs root to look into it")
    with Fake(hook) as fake:
        image = fake.add(Image())
        check(pull(f"{fake.host}/x"), image)
    assert found["Uid"].split() == ["65534"] * 4, found
    assert found["Gid"].split() == ["65534"] * 4 and not found["Groups"].strip()
    assert found["NoNewPrivs"] == "1"
    for name in ("CapEff", "CapPrm", "CapInh", "CapBnd", "CapAmb"):
        assert int(found[name], 16) == 0, (name, found[name])


def test_it_ends_with_its_client():
    hang = threading.Event()

    def hook(h):
        hang.set()
        time.sleep(3)
        h.drop()

    def helpers(parent):
        with open(f"/proc/{parent}/task/{parent}/children") as f:
            return [int(p) for p in f.read().split()]
    with Fake(hook) as fake, Folder() as out:
        probe = subprocess.Popen([PROBE, PROGRAM, "", "", "1", "60", "", out.path, f"{fake.host}/x"], stdout=subprocess.DEVNULL)
        assert hang.wait(10)
        child = helpers(probe.pid)
        assert len(child) == 1
        probe.send_signal(signal.SIGKILL)
        probe.wait()
        for _ in range(100):
            with contextlib.suppress(OSError):
                with open(f"/proc/{child[0]}/stat") as f:
                    if f.read().rpartition(")")[2].split()[0] in "ZX":
                        return
                time.sleep(0.05)
                continue
            return
        raise AssertionError("hull-registry is still there")


def test_not_started_by_hand():
    done = subprocess.run([PROGRAM], capture_output=True, text=True, stdin=subprocess.DEVNULL)
    assert done.returncode == 2 and "hull pull" in done.stderr


if __name__ == "__main__":
    run(dict(globals()))
