#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Images into archives and directories, and back.

load ../lib/hull
setup_file() {
    hull_setup
    hull tag box example.org/two:1
    hull tag box example.org/two:2
}
teardown_file() { hull_teardown; }

# A store of its own that has nothing.
other() {
    HULL_ROOT=$HULL_DIR/other-$BATS_TEST_NUMBER hull "$@"
}

# An image of two layers, plain.
two_layers() {
    mkdir -p ctx
    printf 'FROM box\nRUN echo %s >/written && rm /bin/vi\n' "$1" >ctx/Dockerfile
    hull build -q -t "$2" ctx >/dev/null
}

# Is what is kept of layers their tars? Else an archive is made again, and the image has another id.
keeps_tars() {
    [ "$(hull info -f '{{.Driver}}')" = erofs ]
}

@test "save: what load reads is the same image" {
    two_layers hello example.org/hello:1
    run -0 hull save -o hello.tar example.org/hello:1
    [ -z "$output" ]
    [ "$(stat -c %a hello.tar)" = 600 ]
    ! find . -name "*tmp*" | grep .
    run -0 other load -i hello.tar
    [ "$output" = "Loaded image: example.org/hello:1" ]
    run -0 other run --rm example.org/hello:1 cat /written
    [ "$output" = hello ]
    run other run --rm example.org/hello:1 ls /bin/vi
    [ "$status" -ne 0 ]
    if keeps_tars; then
        [ "$(other images -q --no-trunc)" = "$(hull images -q --no-trunc example.org/hello:1)" ]
        # once there, it stays as it is
        other save example.org/hello:1 | cmp - hello.tar
    fi
}

@test "save: the same image gives the same bytes, to stdout too" {
    hull save -o one.tar box
    hull save box | cmp - one.tar
    tar tf one.tar >/dev/null
}

@test "save: a repository without a tag is all of its tags; each blob is written once" {
    hull save -o two.tar example.org/two box
    run -0 other load -i two.tar
    [ "$(sort <<<"$output")" = "$(printf 'Loaded image: %s\n' box:latest example.org/two:1 example.org/two:2)" ]
    [ -z "$(tar tf two.tar | sort | uniq -d)" ]
    hull save -o one.tar example.org/two:1
    run -0 other rmi box example.org/two:1 example.org/two:2
    run -0 other load -i one.tar
    [ "$output" = "Loaded image: example.org/two:1" ]
}

@test "save: an image that is named by its id has no name" {
    hull save -o id.tar "$(hull images -q box)"
    run -0 other load -i id.tar
    [[ $output == "Loaded image ID: sha256:"* ]]
}

@test "save: every form is read back, and by skopeo" {
    for form in docker-archive oci-archive oci-dir docker-dir; do
        hull save --format $form -o "x-$form" box
    done
    run -0 other load -i x-docker-archive
    [ "$output" = "Loaded image: box:latest" ]
    run -0 other load -i x-oci-archive
    run -0 other load -i x-oci-dir
    [ "$(cat x-docker-dir/version)" = "Directory Transport Version: 1.1" ]
    need_cmd skopeo
    for source in docker-archive:x-docker-archive:box:latest oci-archive:x-oci-archive:latest oci:x-oci-dir:latest dir:x-docker-dir; do
        rm -rf copied
        skopeo --insecure-policy copy -q "$source" dir:copied
        [ -e copied/manifest.json ]
    done
    if keeps_tars; then
        run -0 skopeo inspect --raw oci:x-oci-dir:latest
        [[ $output == *"\"digest\":\"$(hull images -q --no-trunc box)\""* ]]
    fi
}

@test "save: an OCI directory is added to, and a name in it moves" {
    two_layers first example.org/moving:1
    hull save --format oci-dir -o layout box example.org/moving:1
    two_layers second example.org/moving:1
    hull save --format oci-dir -o layout example.org/moving:1
    run -0 other load -i layout
    [ "$(wc -l <<<"$output")" = 2 ]
    run -0 other run --rm example.org/moving:1 cat /written
    [ "$output" = second ]
}

@test "save: what it cannot do is one line, and nothing is left" {
    mkdir full && touch full/file
    refuses 1 'no such image: nosuch' save -o no.tar nosuch
    refuses 125 'invalid --format "zip": docker-archive, oci-archive' save --format zip box
    refuses 125 'docker-dir is a directory: say where with -o' save --format docker-dir box
    refuses 1 'full: the directory is there, and not empty' save --format docker-dir -o full box
    refuses 1 'full: .*not empty, and no OCI layout' save --format oci-dir -o full box
    refuses 125 'docker-dir takes one image' save --format docker-dir -o none box "$(two_layers third example.org/third:1 && echo example.org/third:1)"
    refuses 1 'not for linux/s390x' save --platform linux/s390x -o no.tar box
    refuses 1 'No such file' save -o no/such/dir.tar box
    [ ! -e no.tar ]
    [ ! -e none ]
    [ "$(ls full)" = file ]
    ! find . -name '*.tmp-*' | grep .
}

@test "save: a layer that is damaged is not handed on" {
    keeps_tars || skip "of files it cannot be told"
    two_layers damaged example.org/damaged:1
    layer=$(hull inspect -f '{{index .RootFS.Layers 1}}' example.org/damaged:1)
    printf X | dd of="$HULL_ROOT/layers/${layer#sha256:}" bs=1 seek=4600 conv=notrunc status=none
    refuses 1 'is damaged here' save -o damaged.tar example.org/damaged:1
    [ ! -e damaged.tar ]
    hull rmi example.org/damaged:1
}

@test "export: the files of a container that ran, of one that runs, and of one that never did" {
    hull create --name never box true >/dev/null
    hull export never >never.tar
    tar tf never.tar | grep -x bin/sh
    hull run --name ended box sh -c 'echo hi >/new; rm /bin/vi; mkdir -m 700 /d; chown 7:8 /d; ln -s to /link'
    hull export -o ended.tar ended
    [ "$(stat -c %a ended.tar)" = 600 ]
    [ "$(tar xOf ended.tar new)" = hi ]
    [ "$(tar --numeric-owner -tvf ended.tar d/ | awk '{ print $1, $2 }')" = "drwx------ 7/8" ]
    run -1 grep -x bin/vi <(tar tf ended.tar)
    # its own writable layer, not what is mounted upon it
    hull run -d --name runs -v "$PWD:/mnt" --tmpfs /t box sh -c 'echo there >/new; echo 1 >/t/x; exec sleep 1000' >/dev/null
    wait_until 30 hull exec runs test -e /t/x
    hull export runs >runs.tar
    [ "$(tar xOf runs.tar new)" = there ]
    tar tf runs.tar | sort >names
    grep -x mnt/ names
    ! grep '^mnt/.\|^t/.\|^proc/.\|^sys/.' names
    [ "$(hull exec runs cat /new)" = there ]
    hull pause runs
    hull export runs | tar xO new | grep -x there
    hull unpause runs
    hull rm -f runs never >/dev/null
}

@test "export: the ids are those that the container sees" {
    need_root
    hull run --name mapped --uidmap 0:100000:1000 --gidmap 0:100000:1000 box sh -c 'echo hi >/new; chown 5:6 /new'
    hull export mapped >mapped.tar
    [ "$(tar --numeric-owner -tvf mapped.tar new | awk '{ print $2 }')" = 5/6 ]
    [ "$(tar --no-recursion --numeric-owner -tvf mapped.tar bin/ | awk '{ print $2 }')" = 0/0 ]
    hull run -d --name mapped2 --uidmap 0:100000:1000 --gidmap 0:100000:1000 box sh -c 'echo hi >/new; chown 5:6 /new; touch /done; exec sleep 1000' >/dev/null
    wait_until 30 hull exec mapped2 test -e /done
    hull export mapped2 | tar --numeric-owner -tv new | grep " 5/6 "
    hull rm -f mapped mapped2 >/dev/null
}

@test "import: what was exported runs, as it is told to" {
    hull run --name source box sh -c 'echo from here >/new'
    hull export source >source.tar
    run -0 hull import -c 'CMD ["cat", "/new"]' -c 'ENV A=1 B="two words"' -c 'WORKDIR /bin' --change 'LABEL x=y' -m 'by hand' source.tar mine:1
    [[ $output == sha256:???????????????????????????????????????????????????????????????? ]]
    [ "$output" = "$(hull images -q --no-trunc mine:1)" ]
    run -0 hull run --rm mine:1
    [ "$output" = "from here" ]
    run -0 hull run --rm mine:1 sh -c 'echo $A $B; pwd'
    [ "$output" = $'1 two words\n/bin' ]
    run -0 hull inspect -f '{{.Config.Labels.x}} {{.Comment}} {{len .RootFS.Layers}}' mine:1
    [ "$output" = "y by hand 1" ]
    run -0 hull history --format '{{.Comment}}' mine:1
    [ "$output" = "by hand" ]
    run -0 hull import --platform linux/arm64/v8 - <source.tar
    run -0 hull inspect -f '{{.Os}} {{.Architecture}} {{.Variant}} {{.RepoTags}} {{.Comment}}' "$output"
    [ "$output" = "linux arm64 v8 [] Imported from -" ]
    gzip -k source.tar
    run -0 hull import source.tar.gz
    hull rm source >/dev/null
}

@test "import and export: what they cannot do is one line" {
    echo nonsense >nonsense
    refuses 1 'no such container: nosuch' export nosuch
    refuses 1 'No such file' import nosuch.tar
    refuses 1 'nonsense' import nonsense
    tar cf ok.tar nonsense
    refuses 125 'invalid reference "UPPER"' import ok.tar UPPER
    refuses 125 'has no digest' import ok.tar "a@sha256:$(printf '%064d' 0)"
    refuses 125 'only what says how the image is run' import -c 'RUN true' ok.tar
    refuses 125 'FROM' import -c 'FROM box' ok.tar
    refuses 125 'ENVY' import -c 'ENVY a=b' ok.tar
    refuses 125 'invalid port' import -c 'EXPOSE x' ok.tar
    refuses 1 '127.0.0.1:1/x.tar' import http://127.0.0.1:1/x.tar
    refuses 125 'linux/nosuch/x/y' import --platform linux/nosuch/x/y ok.tar
    hull create --name full box true >/dev/null
    if [ -c /dev/full ]; then
        run -1 --separate-stderr hull export -o /dev/full full
        [[ $stderr == *"No space left"* ]]
    fi
    hull rm full >/dev/null
}
