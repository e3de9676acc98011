#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Real images from a real registry: every form of them, by tag and by digest, and what is not fetched twice.

load ../lib/real
setup_file() { real_setup; }
teardown_file() { real_teardown; }
setup() { real_or_skip; }

digest_of() {
    python3 -c 'import json,sys; print(json.load(open(sys.argv[1]))["manifests"][0]["digest"])' "$IMAGES/oci/$1/index.json"
}

@test "pull: gzip, zstd, docker's schema 2; each runs" {
    for form in gz zst docker; do
        run -0 hull pull "$REGISTRY/web:$form"
        [[ $output == *"$(digest_of web-$form)"* ]]
        run -0 hull run --rm "$REGISTRY/web:$form" nginx -v
        [[ $output == *nginx/1* ]]
    done
}

@test "pull -q prints the name alone" {
    run -0 --separate-stderr hull pull -q "$REGISTRY/debian:12"
    [ "$output" = "$REGISTRY/debian:12" ]
    [ "$stderr" = "" ]
}

@test "pull: a layer that is here is not fetched" {
    hull pull -q "$REGISTRY/debian:12"
    run -0 hull pull "$REGISTRY/py:gz"
    [[ $output == *"Already exists"* ]]
    run -0 hull pull "$REGISTRY/py:gz"
    [[ $output == *"up to date"* ]]
}

@test "pull: by digest" {
    digest=$(digest_of node-gz)
    run -0 hull pull "$REGISTRY/node@$digest"
    run -0 hull run --rm "$REGISTRY/node@$digest" node -e 'console.log(6 * 7)'
    [ "$output" = 42 ]
    run -0 hull images --digests --format '{{.Repository}} {{.Tag}} {{.Digest}}'
    [[ $output == *"$REGISTRY/node <none> $digest"* ]]
    refuses 1 'manifest|not found|no such' pull "$REGISTRY/node@sha256:$(printf '%064d' 0)"
}

@test "pull -a: all tags" {
    run -0 hull pull -a "$REGISTRY/web"
    run -0 hull images --format '{{.Tag}}' "$REGISTRY/web"
    [ "$(sort <<<"$output" | tr '\n' ' ')" = "docker gz zst " ]
}

@test "pull: what is not there is one line" {
    refuses 1 'nothing-here' pull "$REGISTRY/nothing-here:1"
    refuses 1 'web:no-such-tag' pull "$REGISTRY/web:no-such-tag"
    refuses 1 's390x' pull --platform linux/s390x "$REGISTRY/web:gz"
    refuses 125 'nothing-here' run --rm "$REGISTRY/nothing-here:1"
}

@test "run pulls what is missing; the files are those of the layers" {
    hull rmi -f "$(hull images -q "$REGISTRY/py:zst")" 2>/dev/null || true
    run -0 --separate-stderr hull run --rm "$REGISTRY/py:zst" python3 -c 'import sys; print(sys.version_info[:2])'
    [ "$output" = "(3, 11)" ]
    # dpkg's own checksums of its files: what was unpacked is what was packed.
    run -0 hull run --rm "$REGISTRY/py:zst" sh -c 'cd / && cat /var/lib/dpkg/info/*.md5sums | grep -vE "usr/share/(doc|man|locale)" | md5sum -c --quiet'
    [ "$output" = "" ]
}

@test "load: the same images from OCI directories, archives and pipes, plain and compressed" {
    run -0 hull load -i "$IMAGES/oci/py-gz"
    tar -C "$IMAGES/oci/py-gz" -cf py.tar .
    run -0 hull load -i py.tar
    run -0 sh -c 'gzip -1 <py.tar | "$HULL" load'
    run -0 sh -c 'zstd -q <py.tar | "$HULL" load -q'
    need_cmd skopeo
    skopeo copy -q "oci:$IMAGES/oci/py-gz" docker-archive:py-docker.tar:example.org/py:fromdocker
    run -0 hull load -i py-docker.tar
    [[ $output == *"Loaded image: example.org/py:fromdocker"* ]]
    run -0 hull run --rm example.org/py:fromdocker python3 -c 'print(1)'
    [ "$output" = 1 ]
}

@test "rmi: takes the layers with the last image that has them" {
    hull pull -q "$REGISTRY/node:gz"
    before=$(ls "$HULL_ROOT/layers" | wc -l)
    hull images -q --no-trunc "$REGISTRY/node" | sort -u | xargs "$HULL" rmi -f
    [ "$(ls "$HULL_ROOT/layers" | wc -l)" -lt "$before" ]
    run -0 hull run --rm "$REGISTRY/web:gz" true
}
