#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""t_auth: who is let in, with what, and who gets to see it."""

import contextlib
import json
import os
import stat
import sys
import threading
import time
import urllib.parse

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../lib"))
from probe import *  # noqa: E402,F403
from registry import *  # noqa: E402,F403

BIG = make_layer({"big": noise(700000)})


def auths(host, user="me", password="secret", **more):
    return {"auths": {host: {"auth": basic(user, password)[6:], **more}}}


def basic_hook(h):
    if h.headers.get("Authorization") == basic("me", "secret"):
        return False
    return h.error(401, "UNAUTHORIZED", WWW_Authenticate='Basic realm="the registry"')


class Tokens:
    """A registry with a token server beside it. Tokens are t1, t2, …; those in `dead` are refused."""

    def __init__(self, answer=None, scheme="http", realm=None, challenge=None):
        self.count, self.dead, self.asked = 0, set(), []
        self.lock = threading.Lock()
        self.answer = answer
        self.server = Fake(self.token)
        self.registry = Fake(self.hook)
        self.host = self.registry.host
        self.realm = realm or f"{scheme}://{self.server.host}/token"
        self.challenge = challenge or 'Bearer realm="{realm}",service="registry.example",scope="repository:x:pull"'

    def __enter__(self):
        return self

    def __exit__(self, *args):
        self.server.__exit__()
        self.registry.__exit__()

    def token(self, h):
        form = getattr(h, "form", None)
        query = urllib.parse.parse_qs(form if form is not None else h.path.partition("?")[2])
        with self.lock:
            self.asked.append((h.command, query, h.headers.get("Authorization")))
            self.count += 1
            count = self.count
        if self.answer:
            return self.answer(h, query, count)
        return h.reply(200, {"token": f"t{count}", "expires_in": 300})

    def hook(self, h):
        got = h.headers.get("Authorization", "")
        if got.startswith("Bearer t") and got[7:] not in self.dead:
            return False
        return h.error(401, "UNAUTHORIZED", WWW_Authenticate=self.challenge.format(realm=self.realm))


def test_basic():
    with Fake(basic_hook) as fake:
        image = fake.add(Image())
        check(pull(f"{fake.host}/x", auths(fake.host)), image)
        check(pull(f"{fake.host}/x", {"auths": {fake.host: {"username": "me", "password": "secret"}}}), image)
        for key in (f"https://{fake.host}", f"http://{fake.host}/v1/", f"https://{fake.host}/v2/", f"{fake.host}/v1/", f"{fake.host}/v2"):
            check(pull(f"{fake.host}/x", {"auths": {key: {"auth": basic("me", "secret")[6:]}}}), image)
        # The first request went without: a password is only sent to who asks for it.
        assert all("Authorization" not in h for h in fake.seen("/manifests/latest")[::2])


def test_basic_without_or_with_wrong_credentials():
    with Fake(basic_hook) as fake:
        fake.add(Image())
        refused(pull(f"{fake.host}/x"), "denied", "needs a login", fake.host)
        assert len(fake.requests) == 1
        refused(pull(f"{fake.host}/x", auths("other.example")), "denied", "needs a login")
        result = refused(pull(f"{fake.host}/x", auths(fake.host, password="wr0ng")), "denied", "credentials configured")
        assert "wr0ng" not in result.text
        assert len(fake.requests) == 4


def test_password_with_colons_and_more():
    with Fake() as fake:
        image = fake.add(Image())
        password = "a:b c\u00e9\"'\\%"
        fake.hook = lambda h: h.headers.get("Authorization") != basic("me", password) and h.error(401, "X", WWW_Authenticate="Basic")
        check(pull(f"{fake.host}/x", auths(fake.host, password=password)), image)
        check(pull(f"{fake.host}/x", {"auths": {fake.host: {"username": "me", "password": password}}}), image)


def test_token_for_anybody():
    with Tokens() as t:
        image = t.registry.add(Image([BIG, make_layer({"a": b"1"}), make_layer({"a": b"2"})]))
        check(pull(f"{t.host}/x"), image)
        assert t.asked == [("GET", {"service": ["registry.example"], "scope": ["repository:x:pull"]}, None)], t.asked


def test_token_with_a_password():
    with Tokens() as t:
        image = t.registry.add(Image())
        check(pull(f"{t.host}/x", auths(t.host)), image)
        assert t.asked == [("GET", {"service": ["registry.example"], "scope": ["repository:x:pull"], "account": ["me"]}, basic("me", "secret"))]
        # The registry itself never saw the password.
        assert all(h.get("Authorization", "Bearer").startswith("Bearer") for _, _, h in t.registry.requests)


def test_token_with_an_identity_token():
    def answer(h, query, count):
        return h.reply(200, {"access_token": f"t{count}"})
    with Tokens(answer) as t:
        image = t.registry.add(Image())
        config = {"auths": {t.host: {"auth": basic("00000000-0000", "")[6:], "identitytoken": "id+token"}}}
        check(pull(f"{t.host}/x", config), image)
        (method, query, authorization), = t.asked
        assert method == "POST" and authorization is None
        assert query["grant_type"] == ["refresh_token"] and query["refresh_token"] == ["id+token"] and query["client_id"] == ["hull"]


def test_token_that_expires_in_the_middle():
    with Tokens() as t:
        image = t.registry.add(Image([BIG, make_layer({"a": noise(1000)})]))
        before = t.hook

        def hook(h):
            # The first token is good for the manifest and the config only.
            if "/blobs/" in h.path and h.path.split("/")[-1] != image.id:
                t.dead.add("t1")
            return before(h)
        t.registry.hook = hook
        check(pull(f"{t.host}/x"), image)
        assert t.count == 2, t.asked


def test_token_that_expires_while_a_blob_breaks():
    with Tokens() as t:
        image = t.registry.add(Image([BIG]))
        layer, before = digest_of(image.layers[0]), t.hook

        def hook(h):
            if before(h):
                return True
            if layer in h.path and "Range" not in h.headers:
                t.dead.add("t1")
                h.send_response(200)
                h.send_header("Content-Length", str(len(image.layers[0])))
                h.end_headers()
                h.wfile.write(image.layers[0][:300000])
                h.drop()
        t.registry.hook = hook
        check(pull(f"{t.host}/x"), image)
        assert t.count == 2


def test_token_that_is_never_good():
    with Tokens() as t:
        t.registry.add(Image())
        t.dead.update(f"t{i}" for i in range(50))
        refused(pull(f"{t.host}/x"), "denied", "needs a login")
        assert t.count <= 2


def test_token_server_refuses():
    for status in (401, 403):
        with Tokens(lambda h, q, n, status=status: h.error(status, "UNAUTHORIZED")) as t:
            t.registry.add(Image())
            refused(pull(f"{t.host}/x", auths(t.host)), "denied", "token server refuses", "credentials configured")
            assert t.count == 1


def test_token_server_is_busy():
    for status in (429, 500, 503):
        def answer(h, query, count, status=status):
            return h.error(status, "BUSY") if count == 1 else h.reply(200, {"token": "t1"})
        with Tokens(answer) as t:
            check_image = t.registry.add(Image())
            check(pull(f"{t.host}/x"), check_image)
    with Tokens(lambda h, q, n: h.error(503, "BUSY")) as t:
        t.registry.add(Image())
        refused(pull(f"{t.host}/x", retries=1), "remote", "token server", "status 503")


def test_token_server_says_when():
    def answer(h, query, count):
        return h.error(429, "TOOMANYREQUESTS", Retry_After="1") if count == 1 else h.reply(200, {"token": "t1"})
    with Tokens(answer) as t:
        image = t.registry.add(Image())
        check(pull(f"{t.host}/x"), image)
    for status in (429, 503):
        with Tokens(lambda h, q, n, status=status: h.error(status, "TOOMANYREQUESTS", Retry_After="3600")) as t:
            t.registry.add(Image())
            refused(pull(f"{t.host}/x"), "limit", "token server", "try again in 3600 s")
            assert t.count == 1


def test_a_token_server_that_is_this_machine():
    need("openssl")
    with Folder() as folder:
        tls = Certificate(folder.path, "0.0.0.0", "127.0.0.1", "localhost")
        env = {"SSL_CERT_FILE": tls.cert}
        with Fake(lambda h: h.reply(200, {"token": "t1"}), tls=tls) as tokens:
            for realm in (f"https://127.0.0.1:{tokens.port}/token", f"https://localhost:{tokens.port}/token", "https://169.254.169.254/token",
                          "https://[fe80::1]/token", f"https://[::ffff:127.0.0.1]:{tokens.port}/token"):
                challenge = f'Bearer realm="{realm}",service="s"'
                with Fake(lambda h: h.error(401, "UNAUTHORIZED", WWW_Authenticate=challenge), tls=tls, host="0.0.0.0") as fake:
                    fake.add(Image())
                    refused(pull(f"{fake.host}/x", auths(fake.host), env=env), "denied", "not a trustworthy place")
            assert not tokens.requests


def test_token_server_hangs_or_is_gone():
    def answer(h, query, count):
        time.sleep(6)
        h.drop()
    with Tokens(answer) as t:
        t.registry.add(Image())
        refused(pull(f"{t.host}/x", timeout=2, retries=0), "timeout", "token server")
    with Tokens(realm="http://127.0.0.1:1/token") as t:
        t.registry.add(Image())
        refused(pull(f"{t.host}/x", retries=0), "remote", "token server")


def test_token_answers_that_are_none():
    rows = [b"", b"<html>", b"{}", b'{"token":""}', b'{"token":7}', json.dumps({"token": "a\r\nX-Evil: 1"}).encode(),
            json.dumps({"token": "x" * 100000}).encode(), b"[" * 1000, b'{"token":"' + b"x" * 600000]
    for body in rows:
        with Tokens(lambda h, q, n, body=body: h.reply(200, body)) as t:
            t.registry.add(Image())
            result = pull(f"{t.host}/x", retries=0)
            assert result.status == 1 and "token server" in result.last, (body[:50], result.text)
            assert "X-Evil" not in str(t.registry.requests)


def test_token_server_that_redirects():
    with Fake() as other:
        with Tokens(lambda h, q, n: h.reply(302, Location=f"http://{other.host}/token")) as t:
            t.registry.add(Image())
            refused(pull(f"{t.host}/x", auths(t.host)), "remote", "302")
            assert not other.requests


def test_realms_that_get_no_password():
    with Fake(host="0.0.0.0") as other:
        for realm in (f"http://{other.host}/token", "file:///etc/passwd", "ftp://127.0.0.1/", "x", "//"):
            with Tokens(realm=realm) as t:
                t.registry.add(Image())
                refused(pull(f"{t.host}/x", auths(t.host)), "denied", "trustworthy")
        assert not other.requests


def test_realm_with_a_query_and_other_spellings():
    rows = ['bearer realm="{realm}?a=b" , service=registry.example, scope="repository:x:pull"',
            'Bearer service="registry.example",error="invalid_token",scope="repository:x:pull",realm="{realm}?a=b"',
            'Negotiate, Basic realm="x", Bearer realm="{realm}?a=b",service="registry.example",scope="repository:x:pull"',
            'Bearer realm="{realm}?a=b",service="registry.example"']
    for challenge in rows:
        with Tokens(challenge=challenge) as t:
            check_image = t.registry.add(Image())
            check(pull(f"{t.host}/x"), check_image)
            query = t.asked[0][1]
            assert query == {"a": ["b"], "service": ["registry.example"], "scope": ["repository:x:pull"]}, query


def test_challenges_that_are_none():
    for challenge in ("", "Negotiate", "Bearer", 'Bearer realm=""', "=,=,=", 'Bearer realm="', '"' * 5000, "Bearer " + "a" * 9000):
        with Fake(lambda h, c=challenge: h.error(401, "UNAUTHORIZED", WWW_Authenticate=c)) as fake:
            refused(pull(f"{fake.host}/x"), "denied")
    with Fake(lambda h: h.error(401, "UNAUTHORIZED")) as fake:
        refused(pull(f"{fake.host}/x"), "denied", "not known")


def test_forbidden():
    with Fake(lambda h: h.error(403, "DENIED")) as fake:
        refused(pull(f"{fake.host}/x"), "denied", "access to x")
        assert len(fake.requests) == 1


# The configuration.

@contextlib.contextmanager
def helper(name, script):
    with Folder() as folder:
        path = os.path.join(folder.path, f"docker-credential-{name}")
        with open(path, "w") as f:
            f.write("#!/bin/sh\n" + script)
        os.chmod(path, 0o755)
        yield {"PATH": folder.path + ":" + os.environ["PATH"], "LOG": os.path.join(folder.path, "log")}


ANSWER = """read server
echo "$1 $server" >>"$LOG"
printf '{"ServerURL":"%s","Username":"me","Secret":"secret"}' "$server"
"""


def test_credential_helpers():
    with Fake(basic_hook) as fake, helper("x", ANSWER) as env:
        image = fake.add(Image())
        check(pull(f"{fake.host}/x", {"credHelpers": {fake.host: "x"}}, env=env), image)
        check(pull(f"{fake.host}/x", {"credsStore": "x"}, env=env), image)
        check(pull(f"{fake.host}/x", {"credsStore": "none", "credHelpers": {fake.host: "x"}}, env=env), image)
        # A helper goes before what the file says itself.
        check(pull(f"{fake.host}/x", {"credsStore": "x", **auths(fake.host, password="old")}, env=env), image)
        with open(env["LOG"]) as f:
            assert f.read() == f"get {fake.host}\n" * 4


def test_credential_helper_with_an_identity_token():
    with Tokens(lambda h, q, n: h.reply(200, {"access_token": f"t{n}"})) as t:
        with helper("x", "printf '{\"Username\":\"<token>\",\"Secret\":\"refresh\"}'") as env:
            image = t.registry.add(Image())
            check(pull(f"{t.host}/x", {"credsStore": "x"}, env=env), image)
            assert t.asked[0][0] == "POST" and t.asked[0][1]["refresh_token"] == ["refresh"]


def test_credential_helpers_that_fail():
    rows = [("echo 'credentials not found in native keychain'; exit 1", "needs a login"), ("exit 3", "docker-credential-x failed"),
            ("echo hello", "no usable answer"), ("echo '{}'", "no usable answer"), ("head -c 200000 /dev/zero 2>/dev/null | tr '\\0' x 2>/dev/null", "gives no answer"),
            ("kill -9 $$", "docker-credential-x failed")]
    with Fake(basic_hook) as fake:
        fake.add(Image())
        for script, word in rows:
            with helper("x", script) as env:
                refused(pull(f"{fake.host}/x", {"credsStore": "x"}, env=env), "denied", word)
        refused(pull(f"{fake.host}/x", {"credsStore": "missing"}), "denied", "docker-credential-missing", "not found in PATH")
        refused(pull(f"{fake.host}/x", {"credsStore": "../../../bin/sh"}), "denied", "not a name")
    with Fake() as fake, helper("x", "exit 3") as env:
        image = fake.add(Image())
        check(pull(f"{fake.host}/x", {"credsStore": "x"}, env=env), image)


def test_configuration_that_is_broken():
    with Fake() as fake:
        fake.add(Image())
        for config, word in (("{", "config.json"), ('{"auths":{"%s":{"auth":"!!"}}}' % fake.host, "base64"),
                             ('{"auths":{"%s":{"auth":"bm9jb2xvbg=="}}}' % fake.host, "base64")):
            result = pull(f"{fake.host}/x", config)
            assert result.status == 1 and word in result.last, result.text
        assert not fake.requests
        for config in ("{}", '{"auths":{}}', '{"auths":{"%s":{}}}' % fake.host, '{"auths":null,"credsStore":""}'):
            assert pull(f"{fake.host}/x", config).status == 0


def test_podmans_auth_json():
    with Fake(basic_hook) as fake, Folder() as runtime:
        image = fake.add(Image())
        os.mkdir(os.path.join(runtime.path, "containers"))
        path = os.path.join(runtime.path, "containers/auth.json")
        with open(path, "w") as f:
            json.dump(auths(fake.host), f)
        check(pull(f"{fake.host}/x", env={"XDG_RUNTIME_DIR": runtime.path}), image)
        check(pull(f"{fake.host}/x", env={"REGISTRY_AUTH_FILE": path}), image)
        check(pull(f"{fake.host}/x", auths("other.example"), env={"REGISTRY_AUTH_FILE": path}), image)
        # a docker whose store has nothing
        with helper("x", 'cat >/dev/null; echo "credentials not found in native keychain"; exit 1') as env:
            check(pull(f"{fake.host}/x", {"credsStore": "x"}, env={**env, "REGISTRY_AUTH_FILE": path}), image)
        # of login, where there is no runtime directory, and of root
        os.makedirs(os.path.join(runtime.path, ".config"))
        os.rename(os.path.join(runtime.path, "containers"), os.path.join(runtime.path, ".config/containers"))
        check(pull(f"{fake.host}/x", env={"HOME": runtime.path}), image)
        check(pull(f"{fake.host}/x", env={"XDG_CONFIG_HOME": os.path.join(runtime.path, ".config")}), image)
        refused(pull(f"{fake.host}/x"), "denied", "needs a login")


def test_logins_to_a_part_of_a_registry():
    def hook(h):
        path = h.path.split("?")[0]
        who = "inner" if path.startswith("/v2/a/b/x/") else "outer" if path.startswith("/v2/a/") else "whole"
        return h.headers.get("Authorization") != basic(who, "secret") and h.error(401, "UNAUTHORIZED", WWW_Authenticate='Basic realm="the registry"')
    with Fake(hook) as fake:
        image = Image()
        for name in ("a/b/x", "a/b/xy", "a/y", "ab/c", "z"):
            fake.add(image, name)
        keys = {key: {"auth": basic(user, "secret")[6:]} for key, user in ((f"{fake.host}/a", "outer"), (fake.host, "whole"), (f"{fake.host}/a/b/x", "inner"))}
        for config in ({"auths": keys}, {"auths": dict(reversed(keys.items()))}):
            for name in ("a/b/x", "a/b/xy", "a/y", "ab/c", "z"):
                check(pull(f"{fake.host}/{name}", config), image)
        # a part of it says nothing of the rest
        del keys[fake.host]
        refused(pull(f"{fake.host}/z", {"auths": keys}), "denied", "needs a login")


def test_configuration_that_only_root_reads():
    if os.geteuid() != 0:
        raise Skip("needs root")
    with Fake(basic_hook) as fake, Folder() as folder:
        image = fake.add(Image())
        path = os.path.join(folder.path, "auth.json")
        with open(path, "w") as f:
            json.dump(auths(fake.host), f)
        os.chmod(path, stat.S_IRUSR)
        check(pull(f"{fake.host}/x", env={"REGISTRY_AUTH_FILE": path}), image)


if __name__ == "__main__":
    run(dict(globals()))
