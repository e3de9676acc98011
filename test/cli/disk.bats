#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# What the store takes on the disk, held against du(1), and what makes it less.

load ../lib/hull
setup_file() { hull_setup; }
teardown_file() { hull_teardown; }

# Each test has a store of its own, whose sizes nothing else changes.
setup() {
    export HULL_ROOT=$HULL_DIR/store-$BATS_TEST_NUMBER HULL_RUN_ROOT=$HULL_DIR/run-$BATS_TEST_NUMBER
    hull run --rm box true
    # Its files go while nobody waits for that.
    wait_until 30 eval '[ -z "$(ls "$HULL_ROOT/containers")" ]'
}
teardown() {
    hull ps -aq --no-trunc | xargs -r "$HULL" rm -f -v >/dev/null
}

du_bytes() {
    du -s -B1 "$HULL_ROOT" | cut -f1
}

df_bytes() {
    hull system df --format '{{.Bytes}}' | awk '{ sum += $1 } END { print sum }'
}

df_of() {
    hull system df --format '{{.Type}}={{.'"$2"'}}' | sed -n "s/^$1=//p"
}

# "Total reclaimed space: 1.23MB" of $1 is what du saw go: $2 bytes.
says_freed() {
    awk -v freed="$2" '/^Total reclaimed space: / {
        text = $4; n = text + 0
        f = text ~ /kB$/ ? 1e3 : text ~ /MB$/ ? 1e6 : text ~ /GB$/ ? 1e9 : 1
        found = 1; d = n * f - freed; if (d < 0) d = -d
        if (d > freed / 100 + 1) { print text " said, " freed " bytes freed"; exit 1 }
    } END { exit !found }' <<<"$1"
}

make_images() {
    mkdir -p ctx
    printf 'FROM box\nRUN head -c 3000000 /dev/urandom >/x\nRUN head -c 1000000 /dev/urandom >/y\n' >ctx/Dockerfile
    hull build -q -t big ctx >/dev/null
}

@test "system df: all rows together are what du says" {
    [ "$(df_bytes)" = "$(du_bytes)" ]
    make_images
    hull create --name made -v data:/data -v /anonymous big >/dev/null
    hull run --name wrote -v data:/data big sh -c 'head -c 500000 /dev/urandom >/written; cp /written /data; ln /written /again'
    hull run -d --name runs box sleep 1000 >/dev/null
    [ "$(df_bytes)" = "$(du_bytes)" ]
    [ "$(df_of Images TotalCount) $(df_of Images Active)" = "2 2" ]
    [ "$(df_of Containers TotalCount) $(df_of Containers Active)" = "3 1" ]
    [ "$(df_of 'Local Volumes' TotalCount) $(df_of 'Local Volumes' Active)" = "2 2" ]
    [ "$(df_of 'Build Cache' TotalCount)" = 2 ]
    [ "$(df_of Images Bytes)" -gt 4000000 ]
    # what is hard-linked counts once
    [ "$(df_of Containers ReclaimableBytes)" -gt 500000 ]
    [ "$(df_of Containers ReclaimableBytes)" -lt 900000 ]
    [ "$(df_of 'Local Volumes' ReclaimableBytes)" = 0 ]
    run -0 hull system df
    [[ ${lines[0]} == "TYPE "*"TOTAL "*"ACTIVE "*"SIZE "*"RECLAIMABLE" ]]
    [ ${#lines[@]} = 6 ]
}

@test "system df -v names each image, container, volume and layer of the cache" {
    make_images
    hull create --name made -v data:/data big >/dev/null
    run -0 hull system df -v
    for line in '^Images space usage:' '^REPOSITORY  *TAG  *IMAGE ID ' '^big  *latest .*4\.[0-9]*MB .* 1$' '^box  *latest .* 0B  *0$' '^CONTAINER ID  *IMAGE  *COMMAND  *LOCAL VOLUMES  *SIZE  *CREATED  *STATUS  *NAMES$' '^Containers space usage:' '^[0-9a-f]{12} .* made$' \
        '^Local Volumes space usage:' '^data  *1  *' '^Build cache usage:' '^[0-9a-f]{12} .*true$'; do
        grep -qE "$line" <<<"$output" || { echo "no line like $line"; return 1; }
    done
    run -0 hull system df -v --format '{{len .Images}} {{len .Containers}} {{len .Volumes}} {{len .BuildCache}}'
    [ "$output" = "2 1 1 2" ]
}

@test "image prune, container prune and builder prune free what they say" {
    make_images
    hull run --name wrote big sh -c 'head -c 700000 /dev/urandom >/written'
    before=$(du_bytes)
    run -0 hull container prune -f
    [[ $output == "Deleted Containers:"* ]]
    says_freed "$output" $((before - $(du_bytes)))
    [ "$((before - $(du_bytes)))" -gt 700000 ]
    hull rmi big >/dev/null
    before=$(du_bytes)
    run -0 hull builder prune -f
    says_freed "$output" $((before - $(du_bytes)))
    [ "$((before - $(du_bytes)))" -gt 4000000 ]
    make_images
    hull builder prune -f >/dev/null
    before=$(du_bytes)
    said=$(df_of Images ReclaimableBytes)
    run -0 hull image prune -af
    says_freed "$output" $((before - $(du_bytes)))
    # what df said, but for folders that became empty
    [ "$((before - $(du_bytes) - said))" -ge 0 ]
    [ "$((before - $(du_bytes) - said))" -lt 100000 ]
    run -0 hull images -aq
    [ -z "$output" ]
    run -0 hull image prune -f
    [ "$output" = "Total reclaimed space: 0B" ]
}

@test "system prune takes what nobody uses, and says how much" {
    make_images
    hull tag big kept
    hull run -d --name runs box sleep 1000 >/dev/null
    hull run --name ended -v named:/n -v /anonymous box sh -c 'head -c 300000 /dev/urandom >/w; cp /w /anonymous'
    refuses 125 'until= cannot be used with --volumes' system prune -f --volumes --filter until=1h
    before=$(du_bytes)
    run -0 hull system prune -f
    says_freed "$output" $((before - $(du_bytes)))
    [ "$(hull ps -aq | wc -l)" = 1 ]
    [ "$(hull images -q kept | wc -l)" = 1 ]
    [ "$(hull volume ls -q | wc -l)" = 2 ]
    before=$(du_bytes)
    run -0 hull system prune -af --volumes
    says_freed "$output" $((before - $(du_bytes)))
    [ "$((before - $(du_bytes)))" -gt 4000000 ]
    run -0 hull volume ls -q
    [ "$output" = named ]
    [ "$(hull images -q | wc -l)" = 1 ]
    [ "$(df_bytes)" = "$(du_bytes)" ]
}

@test "system prune --filter: what is wrong is refused before anything goes; label!= is for images too" {
    mkdir -p ctxl
    printf 'FROM box\nLABEL keep=yes\nRUN echo 1 >/l\n' >ctxl/Dockerfile
    hull build -q -t labelled ctxl >/dev/null
    printf 'FROM box\nRUN echo 2 >/l\n' >ctxl/Dockerfile
    hull build -q -t plain ctxl >/dev/null
    hull create --name labels-stay --label keep=yes box >/dev/null
    hull create --name labels-go box >/dev/null
    refuses 125 'invalid --filter "name=x"' system prune -af --filter 'label!=keep' --filter name=x
    refuses 125 'until' system prune -af --filter until=nonsense
    refuses 125 'until= is said twice' system prune -af --filter until=1h --filter until=2h
    hull inspect labels-go >/dev/null
    hull system prune -af --filter 'label!=keep'
    hull inspect labels-stay >/dev/null
    refute_container labels-go
    hull image inspect labelled >/dev/null
    run hull image inspect plain
    [ "$status" -ne 0 ]
    hull image prune -af --filter 'label!=keep=no' --filter label=keep
    run hull image inspect labelled
    [ "$status" -ne 0 ]
    hull rm labels-stay
}

@test "system gc --keep goes by the last use, and an image in use keeps all of its names" {
    mkdir -p ctx3
    for name in first second third; do
        printf 'FROM box\nRUN head -c 3000000 /dev/urandom >/%s\n' "$name" >ctx3/Dockerfile
        hull build -q -t "$name" ctx3 >/dev/null
        id=$(hull image inspect -f '{{.Id}}' "$name")
        touch -d "2020-01-0$((++day))" "$HULL_ROOT/images/${id#sha256:}.json"
    done
    # A container is a use, of a build's base too.
    hull run --rm first true
    hull create --name has-third third >/dev/null
    hull tag third third:other
    id=$(hull image inspect -f '{{.Id}}' third)
    touch -d 2020-01-01 "$HULL_ROOT/images/${id#sha256:}.json"
    hull builder prune -af >/dev/null
    run -0 hull system gc --keep $(($(du_bytes) - 1000000))
    [[ $output != *"$id"* ]]
    [ -z "$(hull images -q second)" ]
    [ -n "$(hull images -q first)" ]
    run -0 hull image prune -af
    [ -z "$(hull images -q first)" ]
    [ "$(hull images --format '{{.Repository}}:{{.Tag}}' third | sort | xargs)" = "third:latest third:other" ]
    # Starting it is a use, too.
    touch -d 2020-01-01 "$HULL_ROOT/images/${id#sha256:}.json"
    hull start -a has-third
    [ -n "$(find "$HULL_ROOT/images/${id#sha256:}.json" -newermt 2021-01-01)" ]
    hull rm has-third
    hull image prune -af
}

@test "system gc: what no record knows goes; with --keep, the oldest until it is small enough" {
    make_images
    hull tag big one
    mkdir -p ctx2
    printf 'FROM box\nRUN head -c 2000000 /dev/urandom >/z\n' >ctx2/Dockerfile
    hull build -q -t young ctx2 >/dev/null
    hull create --name made box >/dev/null
    hull rmi --no-prune one >/dev/null
    id=$(hull image inspect -f '{{.Id}}' big)
    touch -d 2020-01-01 "$HULL_ROOT/images/${id#sha256:}.json"
    run -0 hull gc --keep 1g
    [ "$(hull images -q | sort -u | wc -l)" = 3 ]
    before=$(du_bytes)
    run -0 hull system gc --keep 6m
    says_freed "$output" $((before - $(du_bytes)))
    [ "$(du_bytes)" -le $((6 << 20)) ]
    [ -z "$(hull images -q big)" ]
    [ -n "$(hull images -q young)" ]
    # a container's image stays whatever is asked
    run -0 hull system gc --keep 1k
    [ -z "$(hull images -q young)" ]
    [ -n "$(hull images -q box)" ]
    hull start -a made
    [ "$(df_of 'Build Cache' TotalCount)" = 0 ]
    [ "$(df_bytes)" = "$(du_bytes)" ]
}
