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
