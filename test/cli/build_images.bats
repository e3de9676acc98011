#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# hull build: what is made of the layers: manifests and indexes, one layer for several, and what a RUN is lent.
# machines: native v2

load ../lib/hull
setup_file() { hull_setup; }
teardown_file() { hull_teardown; }

setup() {
    rm -rf "$HULL_DIR/ctx"
    mkdir "$HULL_DIR/ctx"
    cd "$HULL_DIR/ctx" || return 1
}

# A blob of the OCI layout ./out, by its digest.
blob() {
    cat "out/blobs/${1/://}"
}

@test "build images: -v lends a directory to RUN and leaves nothing of it in the image" {
    mkdir lent
    echo lent >lent/file
    printf 'FROM box\nRUN cat /mnt/lent/file >/seen; echo back >/mnt/lent/back || echo refused >/refused\n' >Dockerfile
    hull build -q -t lent -v "$PWD/lent:/mnt/lent" .
    [ "$(cat lent/back)" = back ]
    run -0 hull run --rm lent sh -c 'cat /seen; ls -d /mnt/lent /refused; true'
    [ "${lines[0]}" = lent ]
    [[ $output != *$'\n/mnt/lent'* && $output != *$'\n/refused'* ]]
    hull build -q -t lent -v ./lent:/mnt/lent:ro .
    run -0 hull run --rm lent cat /refused
    [ "$output" = refused ]
    run ! hull build -q -v lent .
    [[ $output == *'invalid --volume "lent"'* ]]
    run ! hull build -q -v ./gone:/x .
    [[ $output == *"gone: No such file"* ]]
}

@test "build images: --squash makes one layer of those above the base" {
    printf 'FROM box\nRUN mkdir -p /base/hid /base/sub && echo 1 >/base/old && echo 2 >/base/hid/x && echo 3 >/base/sub/keep && ln /base/old /base/link\n' >Dockerfile
    hull build -q -t squash-base .
    base=$(hull inspect -f '{{len .RootFS.Layers}}' squash-base)
    cat >Dockerfile <<'DOCKERFILE'
FROM squash-base
RUN echo big >/came && rm /base/old && rm -r /base/hid && mkdir /base/hid && echo new >/base/hid/y
RUN rm /came && echo two >/two && ln /two /two-link && chmod 700 /base/sub
RUN ln -s two /three && echo again >/base/old
ENV A=1
DOCKERFILE
    hull build -q -t plain .
    hull build -q -t squashed --squash .
    [ "$(hull inspect -f '{{len .RootFS.Layers}}' squashed)" = $((base + 1)) ]
    [ "$(hull inspect -f '{{len .RootFS.Layers}}' plain)" = $((base + 3)) ]
    [ "$(hull inspect -f '{{json .Config}}' squashed)" = "$(hull inspect -f '{{json .Config}}' plain)" ]
    # The same files, and none of what came and went.
    list='cd / && find . -xdev \( -path ./proc -o -path ./sys -o -path ./dev \) -prune -o -path ./etc/hostname -o -path ./etc/hosts -o -path ./etc/resolv.conf -o -exec stat -c "%n %F %a %u %g %s %h" {} + | sort'
    # How long a directory is, and how many links it has, is the file system's affair.
    hull run --rm squashed sh -c "$list" | awk '$2 == "directory" { NF -= 2 } 1' >squashed.list
    hull run --rm plain sh -c "$list" | awk '$2 == "directory" { NF -= 2 } 1' | diff - squashed.list
    hull save squashed | tar xf - --wildcards 'blobs/sha256/*'
    for layer in $(hull inspect -f '{{range .RootFS.Layers}}{{.}} {{end}}' squashed); do
        tar tf "blobs/sha256/${layer#sha256:}"
    done | tail -n +1 >names
    run ! grep -E '(^|/)came$' names
    grep -qx 'base/hid/.wh.x' names
    run -0 hull run --rm squashed sh -c 'cat /base/old /base/hid/y /two-link /three; ls /base/hid; [ /two -ef /two-link ]'
    [ "$output" = $'again\nnew\ntwo\ntwo\ny' ]
    # Once is enough; and again it is the same image.
    run -0 hull build --progress plain -t squashed --squash .
    [[ $output == *'merging layers'*CACHED* ]]
    first=$(hull inspect -f '{{.Id}}' squashed)
    hull build -q --no-cache -t squashed --squash .
    [ "$(hull inspect -f '{{.Id}}' squashed)" = "$first" ]
}

@test "build images: annotations and media types" {
    printf 'FROM box\nCOPY Dockerfile /\n' >Dockerfile
    hull build -q -t noted --annotation a=1 --annotation 'manifest:b:c=2=3' -o type=oci,tar=false,dest=out .
    manifest=$(jq -r '.manifests[0].digest' out/index.json)
    # Both digests are told, each as what it is.
    hull build -q -t noted --annotation a=1 --annotation 'manifest:b:c=2=3' --metadata-file meta .
    [ "$(jq -r '."containerimage.digest"' meta)" = "$manifest" ]
    [ "$(jq -r '."containerimage.config.digest"' meta)" = "$(blob "$manifest" | jq -r .config.digest)" ]
    [ "$(blob "$manifest" | jq -c '[.mediaType, .annotations]')" = '["application/vnd.oci.image.manifest.v1+json",{"a":"1","b:c":"2=3"}]' ]
    rm -r out
    hull build -q -t noted --format docker --annotation 'index:i=1' --annotation 'manifest-descriptor:d=1' --annotation 'index-descriptor:x=1' \
        --annotation 'manifest[linux/s390x]:never=1' -o type=oci,tar=false,dest=out .
    [ "$(jq -r '.manifests[0].annotations.x' out/index.json)" = 1 ]
    index=$(jq -r '.manifests[0].digest' out/index.json)
    [ "$(blob "$index" | jq -c '[.mediaType, .annotations, .manifests[0].annotations]')" = \
        '["application/vnd.docker.distribution.manifest.list.v2+json",{"i":"1"},{"d":"1"}]' ]
    manifest=$(blob "$index" | jq -r '.manifests[0].digest')
    [ "$(blob "$manifest" | jq -c '[.mediaType, .config.mediaType, .annotations]')" = \
        '["application/vnd.docker.distribution.manifest.v2+json","application/vnd.docker.container.image.v1+json",null]' ]
    for wrong in a =1 nolevel[linux/amd64]:x index:=1; do
        run ! hull build -q --annotation "$wrong" .
    done
    run ! hull build -q --format other .
    [[ $output == *'oci and docker are known'* ]]
}

@test "build images: annotations and media types as --output has them" {
    printf 'FROM scratch\nCOPY Dockerfile /\n' >Dockerfile
    hull build -q --annotation a=1 --format docker -o type=oci,tar=false,dest=flags .
    hull build -q -o type=oci,tar=false,dest=words,annotation.a=1,oci-mediatypes=false .
    diff -r flags/blobs words/blobs
    hull build -q --annotation manifest-descriptor:org.b=2 -o type=oci,tar=false,dest=flags2 .
    hull build -q -o type=oci,tar=false,dest=words2,annotation-manifest-descriptor.org.b=2 .
    diff -r flags2 words2
    run ! hull build -q -o type=oci,dest=x,annotation-nowhere.b=2 .
    run ! hull build -q -o type=local,dest=x,annotation.b=2 .
    [[ $output == *'type=local has no annotation.b'* ]]
}

@test "build images: build arguments that say how to build" {
    cat >Dockerfile <<'DOCKERFILE'
FROM box
RUN hostname >/host
RUN --mount=type=cache,id=here,target=/c touch /c/f && ls /c >/ls
DOCKERFILE
    hull build -q -t named --build-arg BUILDKIT_INLINE_CACHE=1 --build-arg BUILDKIT_SANDBOX_HOSTNAME=elsewhere --build-arg BUILDKIT_CACHE_MOUNT_NS=ours \
        -o type=oci,tar=false,dest=out .
    [ "$(hull run --rm named cat /host)" = elsewhere ]
    [ "$(hull volume ls -q)" = build-ours.here ]
    manifest=$(jq -r '.manifests[0].digest' out/index.json)
    blob "$manifest" | jq -e '.annotations | length == 1'
    rm -r out
    run -0 hull build --progress plain -t named --build-arg BUILDKIT_SANDBOX_HOSTNAME=elsewhere .
    [[ $output == *'2/3] RUN hostname'*CACHED* ]]
    hull build -q -t named .
    [ "$(hull run --rm named cat /host)" = buildkitsandbox ]
    hull build -q -t named --build-arg BUILDKIT_MULTI_PLATFORM=1 -o type=oci,tar=false,dest=out .
    index=$(jq -r '.manifests[0].digest' out/index.json)
    [ "$(blob "$index" | jq -r '.manifests | length')" = 1 ]
    run -0 hull build --progress plain -t named --build-arg BUILDKIT_SYNTAX=docker/dockerfile:1 --build-arg BUILDKIT_SYNTHAX=1 .
    [[ $output == *'not consumed: BUILDKIT_SYNTHAX'* ]]
    run -1 hull build -q --build-arg SOURCE_DATE_EPOCH=context .
    [[ $output == *'the context has no time of its own'* ]]
}

@test "build images: several platforms become one index" {
    mkdir src
    cat >Dockerfile <<'DOCKERFILE'
FROM --platform=$BUILDPLATFORM box AS made
ARG TARGETPLATFORM
RUN echo "for $TARGETPLATFORM" >/what
FROM scratch
COPY --from=made /what /what
ARG TARGETARCH
LABEL arch=$TARGETARCH
DOCKERFILE
    run -0 hull build --progress plain --platform linux/amd64,linux/arm64 --platform linux/arm/v7 -t many --metadata-file meta .
    [[ $output == *'[linux/arm64 made 2/2] RUN'* ]]
    for arch in amd64 arm64 arm; do
        hull build -q --platform linux/$arch -t one .
        [ "$(hull inspect -f '{{.Architecture}} {{.Config.Labels.arch}}' one)" = "$arch $arch" ]
    done
    hull build -q --platform linux/amd64,linux/arm64,linux/arm/v7 -t many -o type=oci,tar=false,dest=out .
    index=$(jq -r '.manifests[0].digest' out/index.json)
    [ "$(jq -r '[."containerimage.digest", ."containerimage.config.digest"] | @text' meta)" = "[\"$index\",null]" ]
    [ "$(blob "$index" | jq -c '[.manifests[].platform | [.os, .architecture, .variant]]')" = '[["linux","amd64",null],["linux","arm64",null],["linux","arm","v7"]]' ]
    for manifest in $(blob "$index" | jq -r '.manifests[].digest'); do
        for layer in $(blob "$manifest" | jq -r '.layers[].digest, .config.digest'); do
            blob "$layer" | sha256sum --quiet -c <(echo "${layer#sha256:}  -")
        done
    done
    hull build -q --platform linux/amd64,linux/arm64 -o files .
    [ "$(cat files/linux_amd64/what files/linux_arm64/what)" = $'for linux/amd64\nfor linux/arm64' ]
    # It comes back as it went.
    hull rmi many
    hull load -q -i <(tar cf - -C out .)
    run -0 hull build -q --platform linux/amd64,linux/arm64 .
    run ! hull build -q --platform linux/amd64,linux/arm64 - <Dockerfile
    [[ $output == *stdin* ]]
    run ! hull build -q --platform linux/amd64,linux/arm64 -o type=tar,dest=x .
    [[ $output == *'type=tar takes one platform'* ]]
}

@test "build images: a RUN for another machine says what it needs" {
    [ -z "$(ls /proc/sys/fs/binfmt_misc 2>/dev/null)" ] || skip "this machine may have an emulator"
    printf '\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0\x02\0\xb7\0\x01\0\0\0%0100d' 0 >./sh
    chmod +x sh
    printf 'FROM scratch\nCOPY sh /bin/sh\nRUN true\n' >Dockerfile
    run -1 hull build --progress plain --platform linux/arm64 .
    [[ $output == *'RUN for linux/arm64 needs an emulator'* ]]
}

# Forgets all that was built, as another machine would never have known it.
forget() {
    hull rmi -f "$@" >/dev/null
    hull builder prune -f >/dev/null
}

@test "build images: what a build did goes to a directory, and another takes it over" {
    cat >Dockerfile <<'DOCKERFILE'
FROM box AS first
RUN cat /proc/sys/kernel/random/uuid >/one
FROM box
COPY --from=first /one /one
RUN cat /proc/sys/kernel/random/uuid >/two
RUN true
DOCKERFILE
    hull build -q -t kept --cache-to type=local,dest=cache,mode=max .
    said=$(hull run --rm kept cat /one /two)
    size=$(du -s cache | cut -f1)
    images=$(hull images -aq --no-trunc | sort -u)
    forget kept
    run -0 hull build --progress plain -t kept --cache-from type=local,src=cache --cache-to type=local,dest=cache,mode=max .
    [ "$(grep -c CACHED <<<"$output")" = 4 ]
    [ "$(hull run --rm kept cat /one /two)" = "$said" ]
    # Nobody sees an image of the cache, and it does not grow.
    [ "$(hull images -aq --no-trunc | sort -u)" = "$images" ]
    [ "$(du -s cache | cut -f1)" -le "$((size + 8))" ]
    forget kept
    # Of the image alone, its own steps.
    hull build -q -t kept --cache-to type=local,dest=least .
    said=$(hull run --rm kept cat /one /two)
    forget kept
    run -0 hull build --progress plain -t kept --cache-from type=local,src=least .
    [[ $output == *'[first 2/2] RUN'*'DONE'* ]]
    run -0 hull build --progress plain --cache-from type=local,src=nowhere .
    [[ $output == *'warning: --cache-from nowhere: '* ]]
    mkdir full && touch full/x
    run -1 hull build -q --cache-to type=local,dest=full .
    [[ $output == *'full is there, and no cache' ]]
    run -0 hull build -q --cache-to type=local,dest=full,ignore-error=true .
    for wrong in type=gha type=local,src=x,ref=y type=registry type=inline mode=max; do
        run ! hull build -q --cache-from "$wrong" .
        [[ $output == *'invalid --cache-from'* ]]
    done
}

@test "build images: provenance and packages are attested in the image's index" {
    mkdir -p etc var/lib/dpkg usr/lib/python3/dist-packages/six-1.16.0.dist-info
    printf 'Package: bash\nStatus: install ok installed\nArchitecture: amd64\nVersion: 5.2.15-2+b2\n\nPackage: gone\nStatus: deinstall ok config-files\nVersion: 1\n' >var/lib/dpkg/status
    printf 'Metadata-Version: 2.1\nName: six\nVersion: 1.16.0\n\nName: not this\nVersion: 2\n' >usr/lib/python3/dist-packages/six-1.16.0.dist-info/METADATA
    printf 'NAME=x\nID="debian"\n' >etc/os-release
    printf 'FROM box\nARG SECRET_NAME=x\nCOPY etc /etc\nCOPY var /var\nCOPY usr /usr\n' >Dockerfile
    hull build -q -t attested --provenance --sbom -o type=oci,tar=false,dest=out .
    index=$(jq -r '.manifests[0].digest' out/index.json)
    image=$(blob "$index" | jq -r '.manifests[0].digest')
    [ "$(blob "$index" | jq -c '.manifests[1] | [.annotations["vnd.docker.reference.type"], .annotations["vnd.docker.reference.digest"], .platform.os]')" = \
        "[\"attestation-manifest\",\"$image\",\"unknown\"]" ]
    blob "$(blob "$index" | jq -r '.manifests[1].digest')" >manifest
    [ "$(jq -c '[.layers[] | .mediaType]' manifest)" = '["application/vnd.in-toto+json","application/vnd.in-toto+json"]' ]
    [ "$(jq -c '[.layers[].annotations["in-toto.io/predicate-type"]]' manifest)" = '["https://slsa.dev/provenance/v1","https://spdx.dev/Document"]' ]
    blob "$(jq -r '.layers[0].digest' manifest)" >provenance
    blob "$(jq -r '.layers[1].digest' manifest)" >sbom
    [ "$(jq -r '.subject[0].digest.sha256' provenance)" = "${image#sha256:}" ]
    [[ $(jq -r '.predicate.buildDefinition.resolvedDependencies[0].uri' provenance) == pkg:docker/box@latest* ]]
    [ "$(jq -c '[.predicate.packages[].externalRefs[0].referenceLocator]' sbom | tr -d ' ')" = \
        '["pkg:deb/debian/bash@5.2.15-2%2Bb2?arch=amd64","pkg:pypi/six@1.16.0"]' ]
    # The same build attests the same; with mode=max values too.
    hull build -q --no-cache -t attested --provenance --sbom -o type=oci,tar=false,dest=again .
    [ "$(jq -r '.manifests[0].digest' again/index.json)" = "$index" ]
    # What is kept here is saved with it.
    hull build -q -t attested --provenance --sbom .
    hull save -q --format oci-dir -o saved attested
    [ "$(jq -r '.manifests[0].digest' saved/index.json)" = "$index" ]
    diff -r out/blobs saved/blobs
    hull build -q --provenance=mode=max --build-arg SECRET_NAME=value -o type=oci,tar=false,dest=max .
    grep -rlq 'build-arg:SECRET_NAME' max
    run ! grep -rlq 'build-arg:SECRET_NAME' out
    # Neither: no index.
    hull build -q --provenance=false --sbom=false -o type=oci,tar=false,dest=plain .
    [ "$(jq -r '.manifests[0].mediaType' plain/index.json)" = application/vnd.oci.image.manifest.v1+json ]
    run ! hull build -q --provenance=never .
    run ! hull build -q --sbom=generator=x .
}

@test "build images: packages of the context and of stages before are attested where an ARG says so" {
    mkdir -p var/lib/dpkg
    printf 'Package: ours\nStatus: install ok installed\nVersion: 1\n' >var/lib/dpkg/status
    cat >Dockerfile <<'EOT'
ARG BUILDKIT_SBOM_SCAN_CONTEXT=true
FROM box AS base
ARG BUILDKIT_SBOM_SCAN_STAGE
RUN mkdir -p /var/lib/dpkg && printf 'Package: tool\nVersion: 2\n' >/var/lib/dpkg/status && touch /made
FROM base AS other
RUN touch /other
FROM box
COPY --from=other /made /other /
EOT
    packages() {
        blob "$(blob "$(jq -r '.manifests[0].digest' out/index.json)" | jq -r '.manifests[1].digest')" >manifest
        for one in $(jq -r '.layers[].digest' manifest); do blob "$one" | jq -r '.predicate | .name + ":" + ([.packages[].name] | join(","))'; done
    }
    rm -rf out
    hull build -q -t scanned --sbom -o type=oci,tar=false,dest=out .
    [ "$(packages)" = $'scanned:\ncontext:ours' ]
    for value in true other,base BASE; do
        rm -rf out
        hull build -q -t scanned --sbom --build-arg BUILDKIT_SBOM_SCAN_CONTEXT=false --build-arg "BUILDKIT_SBOM_SCAN_STAGE=$value" -o type=oci,tar=false,dest=out .
        [[ $(packages) == $'scanned:\nbase:tool'* ]]
    done
}
