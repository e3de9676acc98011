#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# How layers are kept: one EROFS file each, or files.
# machines: native v2

load ../lib/hull
setup_file() {
    need_root
    unset HULL_TEST_STORAGE HULL_STORAGE
    hull_setup
    # Asked for by name, EROFS is an error where it cannot be had.
    if hull --storage erofs info >"$HULL_DIR/probe" 2>&1; then touch "$HULL_DIR/has-erofs"; fi
}
teardown_file() { hull_teardown; }

need_erofs() {
    [ -e "$HULL_DIR/has-erofs" ] || skip "no EROFS here: $(cat "$HULL_DIR/probe")"
}

# Before Linux 6.13 overlay wants attached layers, and each container mounts its own (src/snap/mounted.c).
need_shared_mounts() {
    need_erofs
    printf '%s\n' 6.13 "$(uname -r)" | sort -CV || skip "mounts are shared from Linux 6.13 on"
}

# A store of its own, with box in it. usage: new_store NAME [OPTION...]
new_store() {
    export HULL_ROOT=$HULL_DIR/store-$1
    shift
    hull "$@" run --rm --network host box true
}

# The layers of this store: "file" or "directory", each once.
forms() {
    find "$HULL_ROOT/layers" -mindepth 1 -maxdepth 1 -regextype posix-extended -regex '.*/[0-9a-f]{64}' -printf '%y\n' | sort -u | sed 's/f/file/; s/d/directory/'
}

layers() {
    find "$HULL_ROOT/layers" -mindepth 1 -maxdepth 1 -regextype posix-extended -regex '.*/[0-9a-f]{64}'
}

@test "the option --storage, HULL_STORAGE and the setting decide, in this order" {
    new_store files --storage files
    [ "$(forms)" = directory ]
    run -0 hull --storage files info -f '{{.Driver}}'
    [ "$output" = files ]
    need_erofs
    new_store erofs --storage erofs
    [ "$(forms)" = file ]
    run -0 hull --storage erofs info -f '{{.Driver}}'
    [ "$output" = erofs ]
    HULL_STORAGE=files run -0 hull --storage erofs info -f '{{.Driver}}'
    [ "$output" = erofs ]
    HULL_STORAGE=files run -0 hull info -f '{{.Driver}}'
    [ "$output" = files ]
    echo '{"storage": "files"}' >"$HULL_DIR/files.json"
    HULL_CONFIG=$HULL_DIR/files.json run -0 hull info -f '{{.Driver}}'
    [ "$output" = files ]
    HULL_CONFIG=$HULL_DIR/files.json HULL_STORAGE=erofs run -0 hull info -f '{{.Driver}}'
    [ "$output" = erofs ]
}

@test "on ext4 the files of each layer get a place of their own" {
    [ "$(stat -f -c %T "$HULL_DIR")" = ext2/ext3 ] || skip "the file system is $(stat -f -c %T "$HULL_DIR")"
    new_store spread --storage files
    run -0 lsattr -d "$HULL_ROOT/layers"
    [[ ${lines[0]} == *T*" $HULL_ROOT/layers" ]]
}

@test "an unknown storage is refused, wherever it stands" {
    refuses 125 'invalid storage "zfs": erofs and files are known' --storage zfs info
    HULL_STORAGE=zfs refuses 125 'invalid storage "zfs"' info
    echo '{"storage": "zfs"}' >"$HULL_DIR/zfs.json"
    HULL_CONFIG=$HULL_DIR/zfs.json refuses 125 'invalid storage "zfs"' info
    refuses 125 'invalid storage "zfs"' system migrate zfs
}

# What a container sees of the image: everything that stat knows but the number of blocks.
look() {
    hull run --rm --network host box sh -c 'find / -xdev -exec stat -c "%n %F %a %u %g %h %s %Y %t %T" {} + | grep -v "^/ \|^/[^ ]* directory\|/etc/\(hosts\|hostname\|resolv\)" | sort'
}

@test "a store moves to EROFS and back, and containers see the same" {
    need_erofs
    new_store moving --storage files
    hull create --name mine --network host box sh -c 'if [ -e /written ]; then cat /written; else echo hi >/written; rm /bin/vi; fi' >/dev/null
    look >"$HULL_DIR/before"
    hull images --format '{{.Size}}' >"$HULL_DIR/size"
    hull history box --format '{{.Size}}' >>"$HULL_DIR/size"
    run -0 hull start -a mine
    run -0 hull system migrate erofs
    [[ $output == sha256:* ]]
    [ "$(forms)" = file ]
    run -0 hull info -f '{{.Driver}}'
    [ "$output" = erofs ]
    look >"$HULL_DIR/after"
    diff "$HULL_DIR/before" "$HULL_DIR/after"
    hull images --format '{{.Size}}' >"$HULL_DIR/size2"
    hull history box --format '{{.Size}}' >>"$HULL_DIR/size2"
    diff "$HULL_DIR/size" "$HULL_DIR/size2"
    run -0 hull start -a mine
    [ "$output" = hi ]
    run -0 hull system migrate
    [ -z "$output" ]
    run -0 hull system migrate files
    [ "$(forms)" = directory ]
    run -0 hull info -f '{{.Driver}}'
    [ "$output" = files ]
    run -0 hull start -a mine
    [ "$output" = hi ]
    look >"$HULL_DIR/after"
    diff "$HULL_DIR/before" "$HULL_DIR/after"
    hull rm -f mine
}

@test "what was deleted in a layer of files has no time: it is saved as the layer that it was, whenever it was laid out" {
    new_store deleted --storage files
    hull run --name gone --network host box sh -c 'rm /bin/vi; mkdir /x; echo a >/x/y'
    hull commit gone gone:1
    hull rm gone
    run -0 hull image inspect -f '{{index .RootFS.Layers 1}}' gone:1
    hull save -o saved.tar gone:1
    tar tf saved.tar | grep -qxF "blobs/sha256/${output#sha256:}"
}

@test "files that a running container uses stay; a mounted EROFS file is no hindrance" {
    need_erofs
    new_store busy --storage files
    hull run -d --name runs --network host box sleep 1000
    refuses 1 'container runs runs on its files' system migrate erofs
    [ "$(forms)" = directory ]
    run -0 hull exec runs cat /etc/passwd
    # Nor does a repair take them away, whatever is wrong with them.
    chmod 1777 "$HULL_ROOT"/layers/*/tree/etc
    run -1 hull system check --repair --remove
    [[ $output == *"its files are not what they were; container runs runs on its files (docker.io/library/box:latest)" ]]
    run -0 hull exec runs cat /etc/passwd
    refuses 1 'not what they were' save -o saved.tar box
    hull rm -f runs
    refuses 1 'not what they were' system migrate erofs
    run -1 hull system check --repair --remove
    [[ $output == *": removed" ]]
    hull load -q -i "$HULL_BUILD/box/box.tar"
    run -0 hull system migrate erofs
    hull run -d --name runs --network host box sleep 1000
    run -0 hull system migrate files
    [ "$(forms)" = directory ]
    run -0 hull exec runs cat /etc/passwd
    hull rm -f runs
}

@test "nothing of a start is in the machine's table of mounts" {
    need_erofs
    new_store mounts --storage erofs
    cat /proc/self/mountinfo >"$HULL_DIR/m1"
    hull run -d --name shy --network host box sleep 1000
    cat /proc/self/mountinfo >"$HULL_DIR/m2"
    diff "$HULL_DIR/m1" "$HULL_DIR/m2"
    hull rm -f shy
}

# Who holds the one layer of this store, as "PID.START.FD": where a starter is named, the monitor that has what it had.
holders() {
    local link pid start fd heir
    link=$(readlink "$HULL_RUN_ROOT/layers/$(basename "$(layers)")") || return
    tr ' ' '\n' <<<"$link" | tail -n +2 | while IFS=. read -r pid start fd; do
        heir=$(readlink "$HULL_RUN_ROOT/layers/@$pid.$start") || heir=$pid.$start
        echo "$heir.$fd"
    done
}

# The file systems that these have the layer on, each once.
held_devices() {
    local pid start fd
    holders | while IFS=. read -r pid start fd; do stat -L -c '%d %T' -f "/proc/$pid/fd/$fd" >/dev/null && stat -L -c %d "/proc/$pid/fd/$fd"; done | sort -u
}

# usage: holds COUNT DEVICES
holds() {
    [ "$(holders | wc -l)" -eq "$1" ] && [ "$(held_devices | wc -l)" -eq "$2" ]
}

@test "containers of one image have its layer mounted once, whoever of them goes" {
    need_shared_mounts
    new_store once --storage erofs
    hull run -d --name one --network host box sleep 1000
    hull run -d --name two --network host box sleep 1000
    hull run -d --name mapped --uidmap 0:100000:65536 --network host box sleep 1000
    holds 3 1
    device=$(held_devices)
    run -0 hull exec mapped stat -c %u /etc/passwd
    [ "$output" = 0 ]
    hull rm -f one
    wait_until 10 holds 2 1
    hull run -d --name three --network host box sleep 1000
    holds 3 1
    [ "$(held_devices)" = "$device" ]
    run -0 hull exec three cat /etc/passwd
    hull restart -t 0 two
    wait_until 10 holds 3 1
    [ "$(held_devices)" = "$device" ]
    # One that is killed stays in the link, and is passed over.
    first=$(holders | head -1)
    kill -9 "${first%%.*}"
    wait_until 10 nothing_of cat "/proc/${first%%.*}/cmdline"
    hull run --rm --network host box cat /etc/passwd
    hull rm -f two mapped three
    wait_until 10 nothing_of ls -A "$HULL_RUN_ROOT/layers"
}

@test "filling a volume mounts the layers beside the container's, and leaves those in their place" {
    need_shared_mounts
    new_store volume --storage erofs
    hull run -d --name both --uidmap 0:100000:65536 -v filled:/etc --network host box sleep 1000
    holds 1 1
    run -0 hull exec both cat /etc/passwd
    # Killed, it leaves links, which the next one takes away.
    kill -9 "$(holders | cut -d. -f1)"
    wait_until 10 nothing_of held_devices
    hull rm -f both
    hull run --rm --network host box true
    hull volume rm filled
    wait_until 10 nothing_of ls -A "$HULL_RUN_ROOT/layers"
    # One whose layers are files has the links' folder open, and comes back.
    new_store volume-files --storage files
    hull run -d --name plain --restart on-failure:1 --network host box sh -c 'sleep 0.1; exit 3'
    wait_until 20 status_is plain exited
    hull rm -f plain
}

@test "of containers that start at once one mounts the layer" {
    need_shared_mounts
    new_store crowd --storage erofs
    starts=()
    for n in 1 2 3 4 5; do
        "$HULL" run -d --name "crowd$n" --network host box sleep 1000 3>&- &
        starts+=($!)
    done
    for n in "${starts[@]}"; do wait "$n"; done
    [ "$(hull ps -q | wc -l)" -eq 5 ]
    [ "$(held_devices | wc -l)" -eq 1 ]
    hull rm -f crowd1 crowd2 crowd3 crowd4 crowd5
    wait_until 10 nothing_of ls -A "$HULL_RUN_ROOT/layers"
}

@test "what a link to a layer's mount says is not believed" {
    need_shared_mounts
    new_store lies --storage erofs
    link=$HULL_RUN_ROOT/layers/$(basename "$(layers)")
    hull run -d --name true --network host box sleep 1000
    said=$(readlink "$link")
    truth=$(holders)
    sleep 1000 7</etc 3>&- &
    liar=$!
    start=$(awk '{ sub(/.*\) /, ""); print $20 }' "/proc/$liar/stat")
    IFS=. read -r pid began fd <<<"$truth"
    # Another process, another one with its number, another file, no process, and what is no entry at all.
    for lie in "${said%% *} $liar.$start.7" "${said%% *} $pid.$((began + 1)).$fd" "${said%% *} $pid.$began.0" "${said%% *} $pid.$began.999" \
        "${said%% *} 4194304.1.3" "${said%% *} 0.0.0" "nonsense" "${said%% *} -1.-1.-1" "$(printf '%01000d' 0)" "../../../etc/passwd"; do
        ln -sfn "$lie" "$link"
        run -0 hull run --rm --network host box cat /etc/passwd
        ln -sfn "$lie" "$link"
        hull run -d --name new --network host box sleep 1000
        [ "$(held_devices | wc -l)" -eq 1 ]
        [[ $(holders) != *"$truth"* ]]
        hull rm -f new
    done
    # The layer is another file by now: whoever has the old one mounted does not have it.
    ln -sfn "$said" "$link"
    old=$(held_devices)
    cp -p "$(layers)" "$HULL_DIR/copy"
    mv "$HULL_DIR/copy" "$(layers)"
    hull run -d --name new --network host box sleep 1000
    [ "$(held_devices)" != "$old" ]
    kill "$liar"
    hull rm -f new true
    rm -f "$link"
}

@test "rmi is one unlink" {
    need_erofs
    new_store gone --storage erofs
    hull rmi box
    [ -z "$(forms)" ]
    [ -z "$(find "$HULL_ROOT/layers" -name 'tmp-*')" ]
}

# Who has a file of this store open that is gone.
open_and_gone() {
    find /proc/[0-9]*/fd -lname "$HULL_ROOT/layers/*(deleted)" 2>/dev/null
}

@test "a big layer is gone when rmi says so, and its blocks soon after, whoever frees them" {
    need_erofs
    export HULL_ROOT=$HULL_DIR/store-big
    mkdir "$HULL_DIR/big"
    head -c 70M /dev/urandom >"$HULL_DIR/big/file"
    tar -C "$HULL_DIR/big" -cf "$HULL_DIR/big.tar" file
    hull --storage erofs import "$HULL_DIR/big.tar" big
    rm -r "$HULL_DIR/big"
    # Whoever frees them holds neither the caller's pipe nor the store.
    timeout 60 "$HULL" rmi big | cat
    [ -z "$(forms)" ]
    hull --storage erofs import "$HULL_DIR/big.tar" big
    hull rmi big
    wait_until 30 nothing_of open_and_gone
    rm "$HULL_DIR/big.tar"
}

# The file of the one layer of this store. usage: hurt OFFSET (negative: from its end)
hurt() {
    local file at=$1
    file=$(layers)
    [ "$at" -ge 0 ] || at=$(($(stat -c %s "$file") + at))
    printf '\377\377\377\377' | dd of="$file" bs=1 seek="$at" conv=notrunc status=none
}

@test "system check: records of containers, pods, networks and volumes" {
    new_store records
    hull create --name kept --network none -v data:/data box true
    hull network create --subnet 10.211.3.0/24 side
    hull pod create --name group --network none
    hull start -a kept
    whole="images: 1, layers: 1, containers: 1, pods: 1, networks: 1, volumes: 1: all whole"
    run -0 hull system check
    [ "$output" = "$whole" ]
    id=$(hull inspect -f '{{.Id}}' kept)
    # A name and a directory come back, what is unknown stays as it is.
    rm "$HULL_ROOT/names/kept"
    rm -r "$HULL_ROOT/volumes/data/_data"
    run -1 hull system check
    [[ $output == *"container $id: its name does not lead to it (kept)"* && $output == *"volume data: its files are missing"* ]]
    [[ $output == *"container $id: its volume data is missing (kept)"* ]]
    run -0 hull system check --repair
    run -0 hull system check
    [ "$output" = "$whole" ]
    hull inspect kept >/dev/null
    # A state that a power cut emptied.
    hull create --name emptied --network none box true
    : >"$HULL_ROOT/containers/$(hull inspect -f '{{.Id}}' emptied)/state.json"
    [ "$(hull ps -a --filter name=emptied --format '{{.Status}}')" = "Exited (255)" ]
    run -1 hull system check
    [[ $output == *"went down before its state was written (emptied)" ]]
    run -0 hull system check --repair
    [[ $output == *"(emptied): mended" ]]
    [ -s "$HULL_ROOT/containers/$(hull inspect -f '{{.Id}}' emptied)/state.json" ]
    hull start -a emptied
    hull rm emptied
    # One without a name goes with its container as before.
    hull run --name nameless --network none -v /a box true
    rm -r "$HULL_ROOT/volumes/$(hull inspect -f '{{(index .Mounts 0).Name}}' nameless)"
    run -0 hull system check --repair
    [[ $output == *"is missing (nameless): mended"* ]]
    [ "$(hull volume ls -q | wc -l)" = 2 ]
    hull rm -v nameless
    [ "$(hull volume ls -q)" = data ]
    hull create --name joined --network side box true
    joined=$(hull inspect -f '{{.Id}}' joined)
    mv "$HULL_ROOT/networks/side.json" kept.json
    run -1 hull system check --repair
    [[ $output == "container $joined: its network side not found (joined)" ]]
    echo broken >"$HULL_ROOT/networks/side.json"
    echo broken >"$HULL_ROOT/volumes/data/volume.json"
    cp "$HULL_ROOT/containers/$id/config.json" config.json
    echo '{"Id": 5' >"$HULL_ROOT/containers/$id/config.json"
    run -1 hull system check --repair
    [[ $output == *"network side: "* && $output == *"volume data: "* && $output == *"container $id: "* ]]
    [ "$(cat "$HULL_ROOT/containers/$id/config.json")" = '{"Id": 5' ]
    mv config.json "$HULL_ROOT/containers/$id/config.json"
    mv kept.json "$HULL_ROOT/networks/side.json"
    hull rm kept joined
    hull pod rm group
    hull network rm side
}

@test "system check: a whole store, and each kind of damage in one of EROFS" {
    need_erofs
    new_store checked --storage erofs
    run -0 hull system check
    [ "$output" = "images: 1, layers: 1, containers: 0, pods: 0, networks: 0, volumes: 0: all whole" ]
    run -0 hull system check -q
    [ -z "$output" ]
    # Metadata is made anew of the tar.
    hurt -6000
    run -1 hull system check
    [[ $output == "layer sha256:"*": its EROFS metadata is damaged (docker.io/library/box:latest)" ]]
    run -0 hull system check --repair
    [[ $output == *": mended" ]]
    run -0 hull system check
    hull run --rm --network host box true
    # The tar cannot be: it comes from where the image came from; what is there stays until then, unless it is asked away.
    hurt 200000
    run -1 hull system check
    [[ $output == "layer sha256:"*": its tar is damaged"* ]]
    run -1 --separate-stderr hull system check --repair
    [[ $output == *"its tar is damaged"*"; it came from no registry: load it again (docker.io/library/box:latest)" ]]
    [ -n "$(forms)" ]
    run -1 hull system check --repair --remove
    [[ $output == *"load it again (docker.io/library/box:latest): removed" ]]
    [ -z "$(forms)" ]
    run -1 hull system check
    [[ $output == "layer sha256:"*": it is missing (docker.io/library/box:latest)" ]]
    hull load -q -i "$HULL_BUILD/box/box.tar"
    run -0 hull system check
    # A record is made anew of the configuration and the names.
    hull tag box again:7
    size=$(hull image inspect -f '{{.Size}}' box)
    echo broken >"$(echo "$HULL_ROOT"/images/*.json)"
    run -1 hull system check
    [[ $output == "image sha256:"*": "*JSON* ]]
    run -0 hull system check --repair
    [[ $output == "image sha256:"*": "*JSON*": mended" ]]
    run -0 hull system check
    [ "$(hull images --format '{{.Repository}}:{{.Tag}}' | sort | xargs)" = "again:7 box:latest" ]
    [ "$(hull image inspect -f '{{.Size}}' box)" = "$size" ]
    hull run --rm --network host again:7 true
    hull rmi again:7
    # A blob, and then the record too: of what is left it cannot be made.
    printf x >>"$(find "$HULL_ROOT/blobs" -type f | head -n 1)"
    run -1 hull system check
    [[ $output == "blob sha256:"*": it is missing, or not what its name says (docker.io/library/box:latest)" ]]
    echo broken >"$(echo "$HULL_ROOT"/images/*.json)"
    run -1 --separate-stderr hull system check --repair
    [[ $output == "image sha256:"*"its configuration: it is not what its name says; it came from no registry: load it again (docker.io/library/box:latest)" ]]
    [ -e "$(echo "$HULL_ROOT"/images/*.json)" ]
    run -0 hull system check --repair --remove
    [[ ${lines[0]} == *": removed" ]]
    hull load -q -i "$HULL_BUILD/box/box.tar"
    run -0 hull system check
    # What cannot be read now is no damage: it is told, and left.
    local blob
    blob=$(find "$HULL_ROOT/blobs" -type f | head -n 1)
    mv "$blob" "$BATS_TEST_TMPDIR/aside"
    mkdir "$blob"
    run -1 hull system check --repair --remove
    [[ $output == "blob sha256:"*"Is a directory (docker.io/library/box:latest)" ]]
    rmdir "$blob"
    mv "$BATS_TEST_TMPDIR/aside" "$blob"
    run -0 hull system check
    # Nor is anything damaged for want of a library to tell.
    local crypto
    crypto=$(ldconfig -p | sed -n 's/.*libcrypto.so.3 .* => //p' | head -n 1)
    run -1 unshare -m sh -c "mount --bind /dev/null '$crypto' && exec '$HULL' system check --repair --remove"
    [[ $output != *removed* ]]
    run -0 hull system check
}

@test "a record that cannot be read keeps what it may need, and nothing else" {
    new_store unreadable
    hull load -q -i "$HULL_BUILD/box/box.tar"
    mkdir "$BATS_TEST_TMPDIR/tree"
    echo kept >"$BATS_TEST_TMPDIR/tree/kept"
    tar -C "$BATS_TEST_TMPDIR/tree" -cf - . | hull import - kept
    echo other >"$BATS_TEST_TMPDIR/tree/other"
    tar -C "$BATS_TEST_TMPDIR/tree" -cf - . | hull import - goes
    local id
    id=$(hull inspect -f '{{.Id}}' kept)
    echo broken >"$HULL_ROOT/images/${id#sha256:}.json"
    # Its layers are known by its configuration.
    [ "$(layers | wc -l)" -eq 3 ]
    run -0 --separate-stderr hull rmi goes
    [[ $stderr == *"the record of image ${id:0:19} cannot be read: what it may need is kept; "*"system check --repair"* ]]
    [ "$(layers | wc -l)" -eq 2 ]
    # Without that, any layer may be its.
    tar -C "$BATS_TEST_TMPDIR/tree" -cf - . | hull import - goes
    mv "$HULL_ROOT/blobs/sha256/${id#sha256:}" "$BATS_TEST_TMPDIR/config"
    run -0 --separate-stderr hull rmi goes
    [[ $stderr == *"any layer it may need is kept"* ]]
    [ "$(layers | wc -l)" -eq 3 ]
    mv "$BATS_TEST_TMPDIR/config" "$HULL_ROOT/blobs/sha256/${id#sha256:}"
    run -0 hull system check --repair
    [ "$(layers | wc -l)" -eq 2 ]
    [ "$(hull images -q kept)" = "$(echo "${id#sha256:}" | cut -c 1-12)" ]
    # By force it goes without, with its names.
    hull tag box other:1
    id=$(hull inspect -f '{{.Id}}' box)
    for how in text folder; do
        rm "$HULL_ROOT/images/${id#sha256:}.json"
        if [ "$how" = text ]; then echo broken >"$HULL_ROOT/images/${id#sha256:}.json"; else mkdir "$HULL_ROOT/images/${id#sha256:}.json"; fi
        run -1 hull rmi other:1
        run -0 --separate-stderr hull rmi -f other:1
        [ "${lines[0]}" = "Deleted: $id" ]
        [[ $stderr == *"it is removed without"* ]]
        [ -z "$(find "$HULL_ROOT/images/names" -name '*box*' -o -name '*other*')" ]
        hull load -q -i "$HULL_BUILD/box/box.tar"
        hull tag box other:1
    done
    hull rmi other:1
    # A container's.
    local made
    made=$(hull create --network none box true)
    hull rmi kept
    tar -C "$BATS_TEST_TMPDIR/tree" -cf - . | hull import - goes
    echo broken >"$HULL_ROOT/containers/$made/config.json"
    run -0 --separate-stderr hull rmi goes
    [[ $stderr == *"container ${made:0:12}: "*"no layer is freed"* ]]
    [ "$(layers | wc -l)" -eq 2 ]
    # It can be removed, by force.
    run -1 hull rm "$made"
    run -0 --separate-stderr hull rm -f "$made"
    [[ $stderr == *"container ${made:0:12}: "*"it is removed without"* ]]
    [ ! -e "$HULL_ROOT/containers/$made" ]
    [ -z "$(hull ps -aq)" ]
    made=$(hull run -d --name spoilt --network none box sleep 1000)
    echo broken >"$HULL_ROOT/containers/$made/config.json"
    run -0 hull rm -f spoilt
    [ ! -e "$HULL_ROOT/containers/$made" ]
    run -0 hull run --rm --name spoilt --network none box true
}
