#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""t_login: `hull login`, `logout` and `search`: what the registry says of a password, what config.json has after it, what a helper
is told, and that nothing else in the file changes."""

import os
import signal
import stat
import sys
import termios
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../lib"))
from registry import *  # noqa: E402,F403
from store import HULL, Hull  # noqa: E402


def told(hull, text, *args):
    return subprocess.run([HULL, *args], env=hull.env, input=text, capture_output=True, text=True, timeout=60)


def config(hull):
    with open(os.path.join(hull.path, ".docker/config.json")) as f:
        return json.load(f)


def write_config(hull, value):
    os.makedirs(os.path.join(hull.path, ".docker"), exist_ok=True)
    with open(os.path.join(hull.path, ".docker/config.json"), "w") as f:
        json.dump(value, f)


def closed(fake, password="secret"):
    """Only for me."""
    fake.hook = lambda h: (h.headers.get("Authorization") != basic("me", password) and
                           h.error(401, "UNAUTHORIZED", WWW_Authenticate='Basic realm="x"')) or (h.path == "/v2/" and h.reply(200, {}))


def test_login_and_logout():
    with Fake() as fake, Hull() as hull:
        closed(fake)
        image = fake.add(Image())
        write_config(hull, {"HttpHeaders": {"X": "y"}, "auths": {"other.example": {"auth": "eDp5"}}, "psFormat": "table {{.ID}}"})
        hull.refuses("denied", "pull", f"{fake.host}/x")
        p = told(hull, "secret\n", "login", "-u", "me", "--password-stdin", f"https://{fake.host}/v2/")
        assert p.returncode == 0 and p.stdout == "Login Succeeded\n" and "config.json" in p.stderr and "secret" not in p.stderr, p
        found = config(hull)
        assert found["auths"] == {"other.example": {"auth": "eDp5"}, fake.host: {"auth": basic("me", "secret")[6:]}}
        assert found["HttpHeaders"] == {"X": "y"} and found["psFormat"] == "table {{.ID}}"
        path = os.path.join(hull.path, ".docker/config.json")
        assert stat.S_IMODE(os.stat(path).st_mode) == 0o600
        assert sorted(os.listdir(os.path.dirname(path))) == ["config.json"]
        hull.ok("pull", "-q", f"{fake.host}/x")
        assert image.id in hull.images()
        assert hull.ok("logout", fake.host) == f"Removing login credentials for {fake.host}\n"
        assert config(hull)["auths"] == {"other.example": {"auth": "eDp5"}}
        assert hull.ok("logout", fake.host) == f"Not logged in to {fake.host}\n"


def test_logout_forgets_all_that_would_be_used():
    with Fake() as fake, Hull() as hull:
        closed(fake)
        fake.add(Image())
        auth = {"auth": basic("me", "secret")[6:]}
        write_config(hull, {"auths": {f"http://{fake.host}": auth, f"https://{fake.host}/v2/": auth, "other.example": auth}})
        hull.ok("pull", "-q", f"{fake.host}/x")
        assert "Removing" in hull.ok("logout", fake.host)
        assert config(hull)["auths"] == {"other.example": auth}
        hull.refuses("denied", "pull", f"{fake.host}/x")
        write_config(hull, {"auths": {key: auth for key in ("docker.io", "https://index.docker.io/v1/", "index.docker.io/v1/", "other.example")}})
        assert "Removing" in hull.ok("logout")
        assert config(hull)["auths"] == {"other.example": auth}
        # A helper that fails has not forgotten.
        os.mkdir(os.path.join(hull.path, "bin"))
        program = os.path.join(hull.path, "bin/docker-credential-locked")
        with open(program, "w") as f:
            f.write("#!/bin/sh\necho the keyring is locked\nexit 1\n")
        os.chmod(program, 0o755)
        hull.env["PATH"] = os.path.join(hull.path, "bin") + ":" + hull.env["PATH"]
        write_config(hull, {"credsStore": "locked", "auths": {fake.host: {}}})
        hull.refuses("the keyring is locked", "logout", fake.host)
        assert config(hull)["auths"] == {fake.host: {}}


def test_terminal_is_as_before():
    with Hull() as hull:
        ours, theirs = os.openpty()
        echoes = lambda: bool(termios.tcgetattr(theirs)[3] & termios.ECHO)  # noqa: E731
        for sig in (signal.SIGINT, signal.SIGTERM):
            p = subprocess.Popen([HULL, "login", "-u", "me", "localhost:1"], env=hull.env, stdin=theirs, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
            end = time.monotonic() + 60
            while echoes() and time.monotonic() < end:
                time.sleep(0.01)
            assert not echoes()
            p.send_signal(sig)
            assert p.wait(60) == -sig and echoes()
            p.stdout.close()
        os.close(ours)
        os.close(theirs)


def test_wrong_password_is_not_kept():
    with Fake() as fake, Hull() as hull:
        closed(fake)
        p = told(hull, "wrong", "login", "-u", "me", "--password-stdin", fake.host)
        assert p.returncode == 1 and "does not accept" in p.stderr and p.stderr.count("\n") == 1, p
        assert not os.path.exists(os.path.join(hull.path, ".docker/config.json"))
        p = told(hull, "", "login", "-u", "me", "-p", "secret", fake.host)
        assert p.returncode == 0 and "--password-stdin" in p.stderr, p
        assert config(hull)["auths"][fake.host]["auth"] == basic("me", "secret")[6:]


def test_login_by_token_server():
    with Fake() as fake, Fake() as tokens, Hull() as hull:
        tokens.hook = lambda h: (h.reply(200, {"token": "t"}) if h.headers.get("Authorization") == basic("me", "secret") else h.error(401, "NO"))
        fake.hook = lambda h: (h.reply(200, {}) if h.headers.get("Authorization") == "Bearer t" else
                               h.error(401, "UNAUTHORIZED", WWW_Authenticate=f'Bearer realm="http://{tokens.host}/token",service="s"'))
        assert told(hull, "secret", "login", "-u", "me", "--password-stdin", fake.host).returncode == 0
        assert "scope" not in tokens.requests[0][1], tokens.requests
        assert told(hull, "wrong", "login", "-u", "me", "--password-stdin", fake.host).returncode == 1


def test_helper_keeps_it():
    with Fake() as fake, Hull() as hull:
        closed(fake)
        fake.add(Image())
        log = os.path.join(hull.path, "log")
        os.mkdir(os.path.join(hull.path, "bin"))
        program = os.path.join(hull.path, "bin/docker-credential-box")
        with open(program, "w") as f:
            f.write(f"""#!/bin/sh
q=$(cat)
echo "$1 $q" >>{log}
case $1 in
store) echo "$q" >{log}.kept ;;
get) cat {log}.kept 2>/dev/null || {{ echo "credentials not found"; exit 1; }} ;;
erase) test -f {log}.kept && rm {log}.kept ;;
esac
""")
        os.chmod(program, 0o755)
        hull.env["PATH"] = os.path.join(hull.path, "bin") + ":" + hull.env["PATH"]
        write_config(hull, {"credsStore": "box"})
        p = told(hull, "secret", "login", "-u", "me", "--password-stdin", fake.host)
        assert p.returncode == 0 and not p.stderr, p
        assert config(hull) == {"credsStore": "box", "auths": {fake.host: {}}}
        with open(log) as f:
            verb, _, question = f.read().partition(" ")
        assert verb == "store" and json.loads(question) == {"ServerURL": fake.host, "Username": "me", "Secret": "secret"}
        hull.ok("pull", "-q", f"{fake.host}/x")
        assert "Removing" in hull.ok("logout", fake.host)
        assert config(hull)["auths"] == {}
        hull.refuses("denied", "pull", f"{fake.host}/x")
        write_config(hull, {"credHelpers": {fake.host: "nowhere"}})
        p = told(hull, "secret", "login", "-u", "me", "--password-stdin", fake.host)
        assert p.returncode == 1 and "not found in PATH" in p.stderr, p


def test_login_that_makes_no_sense():
    with Hull() as hull:
        for args, text in ((["-u", "me", "-p", "x", "--password-stdin"], "x"), (["--password-stdin"], "x"), (["-u", "me", "--password-stdin"], ""),
                           (["-u", "me"], ""), ([], ""), (["-u", "a:b", "-p", "x", "localhost"], ""), (["-u", "me", "-p", "x", "nodots"], "")):
            p = told(hull, text, "login", *args)
            assert p.returncode == 125 and p.stderr.splitlines()[-1].startswith("hull: "), (args, p)
        write_config(hull, [])
        p = told(hull, "", "logout", "localhost:1")
        assert p.returncode == 125 and "JSON object" in p.stderr, p


def test_search_by_index():
    with Fake() as fake, Hull() as hull:
        rows = [{"name": f"lib/x{i}", "description": "d" * 60, "star_count": i, "is_official": i == 2, "is_automated": False} for i in range(4)]
        fake.hook = lambda h: h.path.startswith("/v1/search") and h.reply(200, {"results": rows, "num_results": 4}, Content_Type="application/json")
        out = hull.ok("search", f"{fake.host}/a b&c").splitlines()
        assert out[0].split() == ["NAME", "DESCRIPTION", "STARS", "OFFICIAL"] and len(out) == 5 and "d" * 45 + "…" in out[1], out
        assert urllib.parse.parse_qs(fake.requests[-1][1].partition("?")[2]) == {"q": ["a b&c"], "n": ["25"]}
        assert hull.ok("search", "--filter", "is-official=true", "--no-trunc", "--format", "{{.Name}} {{.StarCount}} {{.Description}}",
                       f"{fake.host}/x") == f"lib/x2 2 {'d' * 60}\n"
        assert hull.ok("search", "-f", "stars=3", "--format", "{{.Name}}", f"{fake.host}/x") == "lib/x3\n"
        assert hull.ok("search", "--limit", "2", "--format", "{{.Name}}", f"{fake.host}/x") == "lib/x0\nlib/x1\n"
        for args in (["--limit", "0"], ["--limit", "101"], ["-f", "color=red"], ["-f", "stars=x"]):
            assert hull.run("search", *args, "x").returncode == 125


def test_search_by_catalog_and_tags():
    with Fake() as fake, Hull() as hull:
        names = [f"team/app{i:03}" for i in range(250)]
        tags = [f"v{i}" for i in range(250)]

        def pages(h, key, all_):
            query = urllib.parse.parse_qs(h.path.partition("?")[2])
            start = int(query.get("last", ["0"])[0])
            more = {"Link": f'<{h.path.partition("?")[0]}?n=100&last={start + 100}>; rel="next"'} if start + 100 < len(all_) else {}
            return h.reply(200, {"name": "x", key: all_[start:start + 100]}, **more)

        def hook(h):
            if h.path.startswith("/v2/_catalog"):
                return pages(h, "repositories", names)
            if "/tags/list" in h.path:
                return pages(h, "tags", tags)
        fake.hook = hook
        assert hull.ok("search", "--format", "{{.Name}}", f"{fake.host}/app24") == "".join(f"team/app24{i}\n" for i in range(10))
        assert hull.ok("search", "--list-tags", "--format", "{{.Tag}}", f"{fake.host}/team/x").split() == tags
        assert hull.ok("search", "--list-tags", "--limit", "3", f"{fake.host}/team/x").splitlines()[1].split() == [f"{fake.host}/team/x", "v0"]
        fake.hook = None
        p = hull.run("search", f"{fake.host}/x")
        assert p.returncode == 1 and "catalog" in p.err, p.err


if __name__ == "__main__":
    run(globals())
