#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""t_trust: policy.json where images come in and where they start; signatures made and checked, here and by openssl."""

import base64
import ctypes
import hashlib
import os
import shutil
import sys
import tempfile
import urllib.request

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../lib"))
from registry import *  # noqa: E402,F403
from store import BOX, Hull, write_oci  # noqa: E402

SMALL = make_layer({"small": b"small\n" * 1000})
ANY, REJECT = [{"type": "insecureAcceptAnything"}], [{"type": "reject"}]


class Keys:
    """Two pairs of keys in PEM, by openssl."""

    def __init__(self, folder):
        need("openssl")
        for name in ("good", "other"):
            private, public = (os.path.join(folder, f"{name}.{end}") for end in ("pem", "pub"))
            plain = subprocess.run(["openssl", "ecparam", "-name", "prime256v1", "-genkey", "-noout"], check=True, capture_output=True).stdout
            subprocess.run(["openssl", "pkcs8", "-topk8", "-nocrypt", "-out", private], input=plain, check=True, capture_output=True)
            subprocess.run(["openssl", "ec", "-in", private, "-pubout", "-out", public], check=True, capture_output=True)
            setattr(self, name, private)
            setattr(self, name + "_pub", public)


class Gpg:
    """Keys of GPG in a home of its own, and signatures as containers/image writes them."""

    def __init__(self):
        need("gpg", "gpgv", "gpgconf")
        self.home = tempfile.mkdtemp(prefix="gpg.")
        self.env = dict(os.environ, GNUPGHOME=self.home)

    def __enter__(self):
        for name in ("good", "other"):
            self.run("--quick-gen-key", f"{name}@example.org", "ed25519", "sign", "never")
            for suffix, more in (("bin", []), ("asc", ["--armor"])):
                with open(self.key(name, suffix), "wb") as f:
                    f.write(self.run("--export", *more, f"{name}@example.org"))
        return self

    def __exit__(self, *args):
        subprocess.run(["gpgconf", "--kill", "all"], env=self.env)
        shutil.rmtree(self.home)

    def run(self, *args, **more):
        return subprocess.run(["gpg", "--batch", "--quiet", "--yes", "--passphrase", "", "--pinentry-mode", "loopback", *args], env=self.env, check=True,
                              capture_output=True, **more).stdout

    def key(self, name, suffix="asc"):
        return os.path.join(self.home, f"{name}.{suffix}")

    def sign(self, digest, name, by="good", kind="atomic container signature", how="--sign"):
        payload = json.dumps({"critical": {"type": kind, "image": {"docker-manifest-digest": digest}, "identity": {"docker-reference": name}},
                              "optional": {"creator": "test"}}).encode()
        # Uncompressed: what is appended is not swallowed by the compression's end.
        return self.run("--local-user", f"{by}@example.org", "-z", "0", how, input=payload)


class Lookaside:
    """Signatures in a folder, served as a file or over HTTP."""

    def __init__(self, hull, url=None, scopes=None):
        self.path = os.path.join(hull.path, "lookaside")
        folder = os.path.join(hull.path, ".config/containers/registries.d")
        os.makedirs(folder, exist_ok=True)
        os.makedirs(self.path, exist_ok=True)
        with open(os.path.join(folder, "a.yaml"), "w") as f:
            f.write(scopes or f"# where they are\ndefault-docker:\n  lookaside: {url or 'file://' + self.path}\n")

    def put(self, repository, digest, *signatures):
        folder = os.path.join(self.path, f"{repository}@{digest.replace(':', '=')}")
        shutil.rmtree(folder, ignore_errors=True)
        os.makedirs(folder)
        for i, data in enumerate(signatures):
            with open(os.path.join(folder, f"signature-{i + 1}"), "wb") as f:
                f.write(data)


def signed_by(path, **more):
    return [{"type": "signedBy", "keyType": "GPGKeys", "keyPath": path, **more}]


def policy(hull, default, **docker):
    path = os.path.join(hull.path, "policy.json")
    with open(path, "w") as f:
        json.dump({"default": default, "transports": {"docker": docker}} if docker else {"default": default}, f)
    hull.env["HULL_POLICY"] = path


def by(key, **more):
    return [{"type": "sigstoreSigned", "keyPath": key, **more}]


def does_not_start(hull, *args):
    p = hull.run(*args)
    assert p.returncode == 125 and p.err.count("\n") == 1 and "it is rejected" in p.err, (args, p.returncode, p.err)


def here(fake, name="x", **more):
    return fake.add(Image([SMALL], **more), name)


def test_reject_and_scopes():
    with Fake() as fake, Hull() as hull:
        here(fake, "a/x")
        here(fake, "a/y")
        layout = os.path.join(hull.path, "layout")
        write_oci(layout, Image([SMALL]))
        policy(hull, REJECT)
        hull.refuses("it is rejected", "pull", f"{fake.host}/a/x")
        hull.refuses("it is rejected", "load", "-i", BOX)
        hull.refuses("it is rejected", "copy", f"docker://{fake.host}/a/x", f"oci:{hull.path}/out:1")
        hull.refuses("it is rejected", "copy", f"oci:{layout}:0", f"oci:{hull.path}/out:1")
        # what comes with hull is part of it
        hull.ok("run", "--rm", "box", "true")
        policy(hull, REJECT, **{f"{fake.host}/a": ANY, f"{fake.host}/a/y": REJECT})
        hull.ok("pull", "-q", f"{fake.host}/a/x")
        hull.refuses("it is rejected", "pull", f"{fake.host}/a/y")
        policy(hull, ANY, **{f"{fake.host}/a/x:latest": REJECT})
        hull.ok("pull", "-q", f"{fake.host}/a/y")
        # a tag beside a digest is anybody's word
        policy(hull, REJECT, **{f"{fake.host}/a/x:latest": ANY})
        hull.ok("pull", "-q", f"{fake.host}/a/x:latest")
        other = fake.add(Image([SMALL], config={"Cmd": ["other"]}), "a/x", "other")
        hull.refuses("it is rejected", "pull", f"{fake.host}/a/x:latest@{digest_of(other.manifest)}")
        # "*.domain" is meant for any port of it
        for scope in ("*.0.0.1", "*.0.1", f"*.0.0.{fake.host[8:]}"):
            policy(hull, ANY, **{scope: REJECT})
            hull.refuses("it is rejected", "pull", f"{fake.host}/a/y")
            policy(hull, REJECT, **{scope: REJECT, fake.host: ANY})
            hull.ok("pull", "-q", f"{fake.host}/a/y")
        policy(hull, ANY, **{f"{fake.host}/a/x:latest": REJECT})
        # it is here already, and does not start any more
        does_not_start(hull, "create", f"{fake.host}/a/x")
        hull.ok("rmi", f"{fake.host}/a/x")
        does_not_start(hull, "run", f"{fake.host}/a/x")


def test_scopes_of_a_layout():
    """As containers-policy.json(5) has them: DIR:TAG, DIR, what DIR is in."""
    with Hull() as hull:
        layout = os.path.join(hull.path, "layout")
        write_oci(layout, Image([SMALL]), Image([SMALL], config={"Cmd": ["other"]}))
        path = os.path.join(layout, "index.json")
        with open(path) as f:
            index = json.load(f)
        one = index["manifests"][1]["digest"]

        def oci(scopes, default=REJECT):
            hull.env["HULL_POLICY"] = os.path.join(hull.path, "policy.json")
            with open(hull.env["HULL_POLICY"], "w") as f:
                json.dump({"default": default, "transports": {"oci": scopes}}, f)

        oci({f"{layout}:0": ANY})
        hull.ok("copy", "-q", f"oci:{layout}:0", f"oci:{hull.path}/out:1")
        hull.ok("pull", "-q", f"oci:{layout}:0")
        for argv in (("copy", f"oci:{layout}:1", f"oci:{hull.path}/out:1"), ("pull", f"oci:{layout}:1"), ("load", "-i", layout)):
            hull.refuses("it is rejected", *argv)
        oci({f"{layout}:1": REJECT, hull.path: ANY})
        hull.ok("pull", "-q", f"oci:{layout}:0")
        for argv in (("copy", f"oci:{layout}:1", f"oci:{hull.path}/out:1"), ("pull", f"oci:{layout}:1"), ("pull", f"oci:{layout}:{one}"),
                     ("load", "-i", layout)):
            hull.refuses("it is rejected", *argv)
        # The only image needs no name, and has it.
        del index["manifests"][0]
        with open(path, "w") as f:
            json.dump(index, f)
        hull.refuses("it is rejected", "copy", f"oci:{layout}", f"oci:{hull.path}/out:1")
        hull.refuses("it is rejected", "pull", f"oci:{layout}")


def test_signed_by_key():
    with Fake() as fake, Hull() as hull:
        keys = Keys(hull.path)
        image = here(fake)
        name = f"{fake.host}/x"
        policy(hull, ANY, **{fake.host: by(keys.good_pub)})
        assert "no signature" in hull.refuses(name, "pull", name)
        hull.refuses("it has no signature", "image", "verify", "--key", keys.good_pub, name)
        assert hull.ok("image", "sign", "--key", keys.other, name) == digest_of(image.manifest) + "\n"
        assert "is by the policy's key" in hull.refuses(name, "pull", name)
        hull.refuses("is by that key", "image", "verify", "--key", keys.good_pub, name)
        hull.ok("image", "sign", "--key", keys.good, name)
        payload = json.loads(hull.ok("image", "verify", "--key", keys.good_pub, name))
        assert payload["critical"]["image"]["docker-manifest-digest"] == digest_of(image.manifest), payload
        assert payload["critical"]["identity"]["docker-reference"] == f"{name}:latest", payload
        tag = digest_of(image.manifest).replace(":", "-") + ".sig"
        assert len(json.loads(fake.manifests["x", tag][1])["layers"]) == 2
        hull.ok("pull", "-q", name)
        hull.ok("create", "--name", "made", name)
        # the key of today counts where it starts
        policy(hull, ANY, **{fake.host: by(keys.other_pub)})
        hull.ok("create", name)
        policy(hull, ANY, **{fake.host: REJECT})
        does_not_start(hull, "create", name)
        does_not_start(hull, "create", hull.inspect(name)["Id"][7:19])
        # nor does what was made of it
        assert "it is rejected" in hull.refuses(name, "start", "made")
        policy(hull, ANY, **{fake.host: by(keys.other_pub)})
        hull.ok("rmi", "-f", name)
        hull.refuses("it has no signature", "start", "made")
        policy(hull, ANY)
        assert "it is" not in hull.run("start", "made").err and "signature" not in hull.run("start", "made").err


def test_signature_of_something_else():
    with Fake() as fake, Hull() as hull:
        keys = Keys(hull.path)
        here(fake, "x")
        here(fake, "y", config={"Cmd": ["other"]})
        x, y = f"{fake.host}/x", f"{fake.host}/y"
        hull.ok("image", "sign", "--key", keys.good, y)
        policy(hull, ANY, **{fake.host: by(keys.good_pub)})
        hull.ok("pull", "-q", y)
        signed = digest_of(fake.manifests["y", "latest"][1])
        moved = digest_of(fake.manifests["x", "latest"][1])
        fake.owners.clear()
        fake.manifests["x", moved.replace(":", "-") + ".sig"] = fake.manifests["y", signed.replace(":", "-") + ".sig"]
        hull.refuses("is of another image", "pull", x)
        # the same image under another name
        fake.manifests["x", "latest"] = fake.manifests["y", "latest"]
        fake.manifests["x", signed] = fake.manifests["y", signed]
        fake.manifests["x", signed.replace(":", "-") + ".sig"] = fake.manifests["y", signed.replace(":", "-") + ".sig"]
        hull.refuses("is for another name", "pull", x)
        policy(hull, ANY, **{fake.host: by(keys.good_pub, signedIdentity={"type": "exactRepository", "dockerRepository": y})})
        hull.ok("pull", "-q", x)
        policy(hull, ANY, **{fake.host: by(keys.good_pub, signedIdentity={"type": "remapIdentity", "prefix": x, "signedPrefix": y})})
        hull.ok("pull", "-q", x)
        policy(hull, ANY, **{fake.host: by(keys.good_pub, signedIdentity={"type": "matchRepository"})})
        hull.refuses("is for another name", "pull", x)
        # a payload that was changed
        name = digest_of(fake.manifests["y", signed.replace(":", "-") + ".sig"][1])
        document = json.loads(fake.manifests["y", signed.replace(":", "-") + ".sig"][1])
        raw = bytearray(base64.b64decode(document["layers"][0]["annotations"]["dev.cosignproject.cosign/signature"]))
        raw[20] ^= 1
        document["layers"][0]["annotations"]["dev.cosignproject.cosign/signature"] = base64.b64encode(raw).decode()
        fake.add_manifest("y", signed.replace(":", "-") + ".sig", "application/vnd.oci.image.manifest.v1+json", json.dumps(document).encode())
        assert name
        policy(hull, ANY, **{fake.host: by(keys.good_pub)})
        hull.refuses("is by the policy's key", "pull", y)


def surround(fake, name, digest, before, behind):
    """The signature of an image among others."""
    tag = digest.replace(":", "-") + ".sig"
    document = json.loads(fake.manifests[name, tag][1])
    good = [layer for layer in document["layers"] if layer["annotations"]["dev.cosignproject.cosign/signature"] != "AAAA"]
    document["layers"] = before + good + behind
    fake.add_manifest(name, tag, "application/vnd.oci.image.manifest.v1+json", json.dumps(document).encode())


def junk(fake, digest, numbers):
    """Layers of signatures that nobody made."""
    made = []
    for i in numbers:
        text = json.dumps({"critical": {"type": "cosign container image signature", "image": {"docker-manifest-digest": digest},
                                        "identity": {"docker-reference": f"example.org/{i}"}}}).encode()
        fake.blobs[digest_of(text)] = text
        made.append({"mediaType": "application/vnd.dev.cosign.simplesigning.v1+json", "digest": digest_of(text), "size": len(text),
                     "annotations": {"dev.cosignproject.cosign/signature": "AAAA"}})
    return made


def test_signatures_of_others_push_none_out():
    with Fake() as fake, Fake() as second, Hull() as hull:
        keys = Keys(hull.path)
        names = [f"{f.host}/x" for f in (fake, second)]
        policy(hull, ANY, **{f.host: by(keys.good_pub) for f in (fake, second)})
        for f in (fake, second):
            here(f)
            hull.ok("image", "sign", "--key", keys.good, f"{f.host}/x")
        digest = digest_of(fake.manifests["x", "latest"][1])
        # Where the signature is looked for lie more of another image than are looked at.
        surround(fake, "x", digest, junk(fake, "sha256:" + "0" * 64, range(70)), [])
        hull.ok("pull", "-q", names[0])
        # The other registry has as many of this very image as are kept, of a key that counts for nothing.
        for i in range(5):
            surround(second, "x", digest, [], junk(second, digest, range(i * 63, i * 63 + 63)))
            hull.ok("pull", "-q", names[1])
        for name in names:
            hull.ok("create", name)


def seal(pem, password, n=32768):
    """A private key as `cosign generate-key-pair` writes it."""
    try:
        sodium = ctypes.CDLL("libsodium.so.23")
    except OSError:
        raise Skip("libsodium23 is not installed")
    der = subprocess.run(["openssl", "pkcs8", "-topk8", "-nocrypt", "-in", pem, "-outform", "DER"], check=True, capture_output=True).stdout
    salt, nonce = bytes(range(32)), bytes(range(24))
    key = hashlib.scrypt(password.encode(), salt=salt, n=n, r=8, p=1, maxmem=256 << 20, dklen=32)
    box = ctypes.create_string_buffer(len(der) + 16)
    assert sodium.crypto_secretbox_easy(box, der, ctypes.c_ulonglong(len(der)), nonce, key) == 0

    def text(data):
        return base64.b64encode(data).decode()
    sealed = json.dumps({"kdf": {"name": "scrypt", "params": {"N": n, "r": 8, "p": 1}, "salt": text(salt)},
                         "cipher": {"name": "nacl/secretbox", "nonce": text(nonce)}, "ciphertext": text(box.raw)}).encode()
    lines = text(sealed)
    return "\n".join(["-----BEGIN ENCRYPTED SIGSTORE PRIVATE KEY-----", *(lines[i:i + 64] for i in range(0, len(lines), 64)),
                      "-----END ENCRYPTED SIGSTORE PRIVATE KEY-----", ""])


def test_keys_that_cosign_encrypts():
    with Fake() as fake, Hull() as hull:
        keys = Keys(hull.path)
        here(fake)
        name, sealed = f"{fake.host}/x", os.path.join(hull.path, "cosign.key")

        def write(data):
            with open(sealed, "w") as f:
                f.write(data)
        whole = seal(keys.good, "open sesame")
        write(whole)
        p = hull.run("image", "sign", "--key", sealed, name)
        assert p.returncode and "COSIGN_PASSWORD must be" in p.err, p.err
        hull.env["COSIGN_PASSWORD"] = "wrong"
        hull.refuses("the password is wrong", "image", "sign", "--key", sealed, name)
        hull.env["COSIGN_PASSWORD"] = "open sesame"
        hull.ok("image", "sign", "--key", sealed, name)
        hull.ok("image", "verify", "--key", keys.good_pub, name)
        write(whole.replace("SIGSTORE", "COSIGN"))
        hull.ok("image", "sign", "--key", sealed, name)
        # what is no such key
        body = json.loads(base64.b64decode("".join(whole.split("\n")[1:-2])))
        for change, word in (({"ciphertext": "AAAA"}, "no such"), ({"ciphertext": None}, "no ciphertext"), ({"cipher": {"name": "rot13"}}, "nacl/secretbox"),
                             ({"kdf": {"name": "x"}}, "scrypt"), ({"kdf": {**body["kdf"], "params": {"N": 1 << 40, "r": 8, "p": 1}}}, "too much"),
                             ({"kdf": {**body["kdf"], "params": {"N": 1000, "r": 8, "p": 1}}}, "too much"), ({"kdf": None}, "scrypt")):
            write("-----BEGIN ENCRYPTED SIGSTORE PRIVATE KEY-----\n" + base64.b64encode(json.dumps({**body, **change}).encode()).decode() +
                  "\n-----END ENCRYPTED SIGSTORE PRIVATE KEY-----\n")
            p = hull.run("image", "sign", "--key", sealed, name)
            assert p.returncode and p.err.count("\n") == 1 and word in p.err, (change, p.err)


def test_two_registries_sign_the_same_image():
    with Fake() as fake, Fake() as second, Hull() as hull:
        keys = Keys(hull.path)
        here(fake)
        here(second)
        names = [f"{f.host}/x" for f in (fake, second)]
        policy(hull, ANY, **{f.host: by(keys.good_pub) for f in (fake, second)})
        for name in names:
            hull.ok("image", "sign", "--key", keys.good, name)
        for name in names * 2:
            hull.ok("pull", "-q", name)
        assert len(hull.files("images/signatures")) == 1
        with open(os.path.join(hull.root, "images/signatures", hull.files("images/signatures")[0])) as f:
            assert len(json.load(f)["signatures"]) == 2
        for name in names:
            hull.ok("create", name)


def test_what_was_pushed_is_still_ones_own():
    with Fake() as fake, Hull() as hull:
        keys = Keys(hull.path)
        name = f"{fake.host}/mine:1"
        hull.ok("load", "-q", "-i", BOX)
        hull.ok("tag", "box", name)
        policy(hull, ANY, **{fake.host: by(keys.good_pub)})
        for _ in range(2):
            hull.ok("create", name)
            hull.ok("create", hull.inspect("box")["Id"])
            hull.ok("push", name)
        # what was pulled is not, wherever it is pushed
        policy(hull, ANY)
        here(fake)
        hull.ok("pull", "-q", f"{fake.host}/x")
        hull.ok("tag", f"{fake.host}/x", f"{fake.host}/other")
        hull.ok("push", f"{fake.host}/x")
        hull.ok("push", f"{fake.host}/other")
        policy(hull, REJECT)
        for name in ("x", "other"):
            does_not_start(hull, "create", f"{fake.host}/{name}")


def test_bundles():
    """As cosign 3 has them: the envelope is signed by openssl here."""
    with Fake() as fake, Hull() as hull:
        keys = Keys(hull.path)
        image = here(fake)
        name, digest = f"{fake.host}/x", digest_of(image.manifest)
        bundle_type, sign_type = "application/vnd.dev.sigstore.bundle.v0.3+json", "https://sigstore.dev/cosign/sign/v1"

        def attach(key, subject=digest, predicate=sign_type, damage=False):
            statement = json.dumps({"_type": "https://in-toto.io/Statement/v1", "subject": [{"digest": {"sha256": subject[7:]}}],
                                    "predicateType": predicate, "predicate": {}}).encode()
            kind = b"application/vnd.in-toto+json"
            signed = b"DSSEv1 %d %s %d %s" % (len(kind), kind, len(statement), statement)
            raw = subprocess.run(["openssl", "dgst", "-sha256", "-sign", key], input=signed, check=True, capture_output=True).stdout
            if damage:
                statement = statement.replace(b"{}", b"{ }")
            bundle = json.dumps({"mediaType": bundle_type, "verificationMaterial": {"publicKey": {"hint": "x"}}, "dsseEnvelope": {
                "payload": base64.b64encode(statement).decode(), "payloadType": kind.decode(), "signatures": [{"sig": base64.b64encode(raw).decode()}]}}).encode()
            fake.blobs[digest_of(bundle)] = bundle
            fake.blobs[digest_of(b"{}")] = b"{}"
            manifest = json.dumps({"schemaVersion": 2, "mediaType": OCI_MANIFEST, "artifactType": bundle_type, "config": {
                "mediaType": "application/vnd.oci.empty.v1+json", "digest": digest_of(b"{}"), "size": 2}, "layers": [{
                    "mediaType": bundle_type, "digest": digest_of(bundle), "size": len(bundle)}]}).encode()
            fake.add_manifest("x", None, OCI_MANIFEST, manifest)
            listed.append({"mediaType": OCI_MANIFEST, "digest": digest_of(manifest), "size": len(manifest), "artifactType": bundle_type})
            fake.add_manifest("x", digest.replace(":", "-"), OCI_INDEX,
                              json.dumps({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": listed}).encode())
        listed = []
        hull.refuses("it has no signature", "image", "verify", "--key", keys.good_pub, name)
        attach(keys.other)
        attach(keys.good, subject="sha256:" + "1" * 64)
        attach(keys.good, predicate="https://slsa.dev/provenance/v1")
        attach(keys.good, damage=True)
        hull.refuses("no signature of it is by that key", "image", "verify", "--key", keys.good_pub, name)
        attach(keys.good)
        lines = hull.ok("image", "verify", "--key", keys.good_pub, name).splitlines()
        assert [json.loads(line)["subject"][0]["digest"]["sha256"] for line in lines] == [digest[7:]], lines
        # It says no name: no policy is met.
        policy(hull, ANY, **{fake.host: by(keys.good_pub)})
        hull.refuses("it has no signature", "pull", name)


def test_index_and_referrer():
    with Fake() as fake, Hull() as hull:
        keys = Keys(hull.path)
        index = fake.add([Image([SMALL]), Image([SMALL], architecture="arm64")], "x")
        name = f"{fake.host}/x"
        assert hull.ok("image", "sign", "--referrer", "--key", keys.good, name) == digest_of(index) + "\n"
        assert digest_of(index) in hull.ok("image", "verify", "--key", keys.good_pub, name)
        with open(keys.good_pub, "rb") as f:
            data = base64.b64encode(f.read()).decode()
        policy(hull, REJECT, **{fake.host: [{"type": "sigstoreSigned", "keyData": data}]})
        hull.ok("pull", "-q", name)
        hull.ok("create", name)


def test_policy_that_cannot_be_kept_is_kept():
    with Fake() as fake, Hull() as hull:
        keys = Keys(hull.path)
        here(fake)
        name = f"{fake.host}/x"
        for requirement, word in ((signed_by("/no/such/key"), "/no/such/key"), (signed_by(keys.good_pub, keyType="X"), "keyType"),
                                  ([{"type": "signedBy", "keyType": "GPGKeys"}], "which key"), ([{"type": "somethingElse"}], "\"somethingElse\""),
                                  ([{"type": "sigstoreSigned"}], "which key"), ([{}], "cannot be checked"), (by("/no/such/key"), "/no/such/key"),
                                  (by(keys.good), "it has no signature"), ("x", "must be a list"), ([], "must be a list")):
            policy(hull, ANY, **{fake.host: requirement})
            p = hull.run("pull", name)
            assert p.returncode and p.err.count("\n") == 1 and word in p.err, (requirement, p.err)
        with open(hull.env["HULL_POLICY"], "w") as f:
            f.write("{")
        p = hull.run("pull", name)
        assert p.returncode and p.err.count("policy.json") == 1 and p.err.count("\n") == 1, p.err
        hull.env["HULL_POLICY"] = "/no/such/policy"
        hull.refuses("/no/such/policy", "pull", name)
        assert not hull.images()
        for words, word in ((["sign", name], "--key FILE is missing"), (["verify", "--key", BOX, name], "no public key in PEM"),
                            (["sign", "--key", keys.good_pub, name], "no private key")):
            p = hull.run("image", *words)
            assert p.returncode and p.err.count("\n") == 1, (words, p.err)


def test_signed_by_gpg():
    with Fake() as fake, Hull() as hull, Gpg() as gpg:
        image = here(fake)
        name, digest = f"{fake.host}/x", digest_of(image.manifest)
        beside = Lookaside(hull)
        for suffix in ("asc", "bin"):
            policy(hull, ANY, **{fake.host: signed_by(gpg.key("good", suffix))})
            beside.put("x", digest)
            hull.refuses("it has no signature", "pull", name)
            beside.put("x", digest, gpg.sign(digest, f"{name}:latest", "other"))
            hull.refuses("is by the policy's key", "pull", name)
            beside.put("x", digest, gpg.sign(digest, f"{name}:latest", "other"), gpg.sign(digest, f"{name}:latest"))
            hull.ok("pull", "-q", name)
            hull.ok("create", name)
            hull.ok("rmi", "-f", name)
        # several keys, in one file and in a list
        with open(gpg.key("other")) as a, open(gpg.key("good")) as b, open(gpg.key("both"), "w") as f:
            f.write(a.read() + b.read())
        with open(gpg.key("good", "bin"), "rb") as f:
            data = base64.b64encode(f.read()).decode()
        more = [{"type": "signedBy", "keyType": "GPGKeys", "keyDatas": [data]}], [{"type": "signedBy", "keyType": "GPGKeys", "keyData": data}]
        for requirement in (signed_by(gpg.key("both")), signed_by(gpg.key("other"), keyPaths=[gpg.key("good")]), *more):
            policy(hull, REJECT, **{fake.host: requirement})
            hull.ok("pull", "-q", name)
        # where it starts: the policy of today, and what it was let in by
        os.rename(beside.path, beside.path + ".gone")
        hull.ok("create", name)
        policy(hull, ANY, **{fake.host: signed_by(gpg.key("other"))})
        hull.ok("create", name)
        beside.put("x", digest, gpg.sign(digest, f"{name}:latest"))
        hull.ok("rmi", "-f", name)
        policy(hull, ANY, **{fake.host: signed_by(gpg.key("good"))})
        hull.ok("pull", "-q", name)
        policy(hull, ANY, **{fake.host: signed_by(gpg.key("other"))})
        for args in (["create", name], ["run", "--pull", "never", name]):
            p = hull.run(*args)
            assert p.returncode == 125 and "is by the policy's key" in p.err and p.err.count("\n") == 1, p.err


def test_gpg_signatures_that_are_none():
    with Fake() as fake, Hull() as hull, Gpg() as gpg:
        image = here(fake)
        name, digest = f"{fake.host}/x", digest_of(image.manifest)
        beside = Lookaside(hull)
        policy(hull, ANY, **{fake.host: signed_by(gpg.key("good"))})
        good = gpg.sign(digest, f"{name}:latest")
        flipped = bytearray(good)
        flipped[len(good) // 2] ^= 4
        key, other = "is by the policy's key", "is of another image"
        rows = [(bytes(flipped), key), (good[:-20], key), (good + good, key), (b"", key), (b"{}", key), (good + b"x" * 100, key),
                (gpg.sign(digest, f"{name}:latest", how="--clear-sign"), key), (gpg.sign(digest, f"{name}:latest", how="--detach-sign"), key),
                (gpg.sign(digest, f"{name}:latest", "other") + good, key),
                (gpg.sign("sha256:" + "0" * 64, f"{name}:latest"), other), (gpg.sign(digest, f"{name}:latest", kind="cosign container image signature"), other),
                (gpg.sign(digest, f"{fake.host}/y:latest"), "is for another name"), (gpg.sign(digest, f"{name}:2"), "is for another name"),
                (gpg.run("--local-user", "good@example.org", "--sign", input=b"\0" * (8 << 20)), key),
                (gpg.run("--local-user", "good@example.org", "--sign", input=b"not json"), other)]
        for data, word in rows:
            beside.put("x", digest, data)
            try:
                hull.refuses(word, "pull", name)
            except AssertionError as why:
                raise AssertionError(f"{data[:40]} of {len(data)} bytes: {why}") from None
        assert not hull.images()
        beside.put("x", digest, gpg.sign(digest, f"{fake.host}/y:latest"))
        policy(hull, ANY, **{fake.host: signed_by(gpg.key("good"), signedIdentity={"type": "exactRepository", "dockerRepository": f"{fake.host}/y"})})
        hull.ok("pull", "-q", name)


def test_a_gpg_key_that_is_no_longer_good():
    with Fake() as fake, Hull() as hull, Gpg() as gpg:
        image = here(fake)
        name, digest = f"{fake.host}/x", digest_of(image.manifest)
        gpg.run("--faked-system-time", "20200101T000000", "--quick-gen-key", "old@example.org", "ed25519", "sign", "1y")
        with open(gpg.key("old"), "wb") as f:
            f.write(gpg.run("--export", "--armor", "old@example.org"))
        beside = Lookaside(hull)
        policy(hull, ANY, **{fake.host: signed_by(gpg.key("old"))})
        payload = json.dumps({"critical": {"type": "atomic container signature", "image": {"docker-manifest-digest": digest},
                                           "identity": {"docker-reference": f"{name}:latest"}}, "optional": {}}).encode()
        beside.put("x", digest, gpg.run("--faked-system-time", "20200201T000000", "--local-user", "old@example.org", "--sign", input=payload))
        hull.refuses("is by the policy's key", "pull", name)


def test_without_gpgv():
    with Fake() as fake, Hull() as hull, Gpg() as gpg:
        image = here(fake)
        name, digest = f"{fake.host}/x", digest_of(image.manifest)
        Lookaside(hull).put("x", digest, gpg.sign(digest, f"{name}:latest"))
        policy(hull, ANY, **{fake.host: signed_by(gpg.key("good"))})
        hull.env["PATH"] = hull.path
        assert "install the package gpgv" in hull.refuses("gpgv, which checks GPG signatures, is not installed", "pull", name)


def test_where_gpg_signatures_lie():
    with Fake() as fake, Hull() as hull, Gpg() as gpg, Fake() as beside:
        image = here(fake, "a/x")
        name, digest = f"{fake.host}/a/x", digest_of(image.manifest)
        policy(hull, ANY, **{fake.host: signed_by(gpg.key("good"))})
        asked, status = [], [200]

        def hook(h):
            asked.append(h.path)
            if status[0] != 200 or not h.path.endswith("/signature-1"):
                return h.reply(404 if status[0] == 200 else status[0])
            return h.reply(200, gpg.sign(digest, f"{name}:latest"))
        beside.hook = hook
        url = f"http://{beside.host}/sigs"
        nowhere = f"http://{beside.host}/nowhere"
        rows = [f"default-docker:\n  lookaside: {url}\n", f"docker:\n  {fake.host}:\n    sigstore: '{url}/'\ndefault-docker:\n  lookaside: {nowhere}\n",
                f"---\ndocker:\n    {fake.host}/a:\n        lookaside: \"{url}\" # here\n        lookaside-staging: {nowhere}\n"
                f"    {fake.host}:\n        lookaside: {nowhere}\n", f"docker:\n  {name}:latest:\n    lookaside: {url}\n",
                f"docker:\n  '*.0.0.1':\n    lookaside: {url}\ndefault-docker:\n  lookaside: {nowhere}\n"]
        for text in rows:
            asked.clear()
            Lookaside(hull, scopes=text)
            hull.ok("pull", "-q", name)
            assert asked[:2] == [f"/sigs/a/x@{digest.replace(':', '=')}/signature-{i}" for i in (1, 2)], asked
        # The narrowest scope counts, whichever file says it.
        later = os.path.join(hull.path, ".config/containers/registries.d/b.yaml")
        with open(later, "w") as f:
            f.write(f"docker:\n  {fake.host}/a:\n    lookaside: {url}\n")
        Lookaside(hull, scopes=f"docker:\n  {fake.host}:\n    lookaside: {nowhere}\n")
        hull.ok("pull", "-q", name)
        os.unlink(later)
        # That it cannot be asked is not that there is none.
        status[0] = 500
        hull.refuses("500", "pull", name)
        status[0] = 403
        hull.refuses("signatures", "pull", name)
        for text, word in (("docker: [x]", "line 1"), ("\tdocker:\n", "line 1"), ("docker:\n  a: b\n c: d\n", "line 3"), ("docker:\n  a: 'x\n", "line 2"),
                           ("default-docker:\n  lookaside: ftp://x/y\n", "URL of https"), ("a: b\na: c\n", "line 2"),
                           ("default-docker:\n  lookaside: file://x/y\n", "URL of https")):
            Lookaside(hull, scopes=text)
            p = hull.run("pull", name)
            assert p.returncode and word in p.err and p.err.count("\n") == 1, p.err


def fetch(registry, path):
    request = urllib.request.Request(f"http://{registry.host}/v2/{path}", headers={"Accept": "application/vnd.oci.image.manifest.v1+json"})
    return urllib.request.urlopen(request).read()


def test_openssl_takes_the_signature_from_a_real_registry():
    need("docker-registry")
    with Real() as registry, Hull() as hull:
        keys = Keys(hull.path)
        name = f"{registry.host}/box:1"
        hull.ok("load", "-q", "-i", BOX)
        hull.ok("push", "-q", "box", name)
        digest = hull.ok("image", "sign", "--key", keys.good, name).strip()
        layer = json.loads(fetch(registry, f"box/manifests/{digest.replace(':', '-')}.sig"))["layers"][0]
        assert layer["mediaType"] == "application/vnd.dev.cosign.simplesigning.v1+json"
        paths = [os.path.join(hull.path, n) for n in ("payload", "signature")]
        for path, data in zip(paths, (fetch(registry, f"box/blobs/{layer['digest']}"),
                                      base64.b64decode(layer["annotations"]["dev.cosignproject.cosign/signature"]))):
            with open(path, "wb") as f:
                f.write(data)
        subprocess.run(["openssl", "dgst", "-sha256", "-verify", keys.good_pub, "-signature", paths[1], paths[0]], check=True, capture_output=True)
        policy(hull, REJECT, **{registry.host: by(keys.good_pub)})
        hull.ok("pull", "-q", name)
        hull.ok("create", name)
        hull.ok("image", "sign", "--referrer", "--key", keys.good, name)
        assert hull.ok("image", "verify", "--key", keys.good_pub, name).count("\n") == 2


if __name__ == "__main__":
    run(globals())
