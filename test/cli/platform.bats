#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Images for other machines: told apart, and run where the kernel has an emulator for them.

load ../lib/hull
setup_file() {
    hull_setup
    # A program's head is enough: no test gets further than to who would run it.
    python3 - <<'PYTHON'
import io, struct, tarfile
with tarfile.open("arm64.tar", "w") as tar:
    head = b"\x7fELF\x02\x01\x01" + bytes(9) + struct.pack("<HHIQQQIHHHHHH", 2, 0xb7, 1, 0x400000, 64, 0, 0, 64, 56, 0, 64, 0, 0)
    info = tarfile.TarInfo("prog")
    info.size, info.mode = len(head), 0o755
    tar.addfile(info, io.BytesIO(head))
PYTHON
}
teardown_file() { hull_teardown; }

@test "an image for another machine: the list says it, and who could run it is named" {
    [ -z "$(ls /proc/sys/fs/binfmt_misc 2>/dev/null)" ] || skip "this machine may have an emulator"
    hull import --platform linux/arm64 arm64.tar foreign:1 >/dev/null
    run -0 hull inspect -f '{{.Os}}/{{.Architecture}}' foreign:1
    [ "$output" = linux/arm64 ]
    refuses 126 'exec "/prog": exec format error: the program is for arm64, this machine is .*: an emulator in binfmt_misc' \
        run --rm --platform linux/arm64 foreign:1 /prog
    refuses 126 'exec format error.*binfmt_misc' run --rm foreign:1 /prog
    refuses 125 'for linux/arm64, not for linux/s390x' run --rm --pull never --platform linux/s390x foreign:1 /prog
    refuses 1 'for linux/arm64, not for linux/amd64' save --platform linux/amd64 -o no.tar foreign:1
    hull save --platform linux/arm64 -o foreign.tar foreign:1
    run -0 tar xOf foreign.tar manifest.json
    refuses 1 'linux/s390x' load --platform linux/s390x -i foreign.tar
}

@test "an image for another machine runs where binfmt_misc knows its programs" {
    # A user namespace has an emulator of its own since Linux 6.7: busybox as echo, which says what it was given.
    unshare -Urm --propagation private sh -c 'mount -t binfmt_misc none /proc/sys/fs/binfmt_misc' 2>/dev/null ||
        skip "this kernel has one binfmt_misc for all"
    cp "$(command -v busybox)" echo
    cat >inside <<'SCRIPT'
set -e
mount -t binfmt_misc none /proc/sys/fs/binfmt_misc
printf ':hulltest:M::\\x7fELF\\x02\\x01\\x01\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x02\\x00\\xb7\\x00::%s:F' "$PWD/echo" \
    >/proc/sys/fs/binfmt_misc/register
"$HULL" import --platform linux/arm64 arm64.tar foreign:1 >/dev/null
"$HULL" run --rm --platform linux/arm64 foreign:1 /prog it runs
SCRIPT
    HULL_ROOT=$HULL_DIR/inner HULL_RUN_ROOT=$HULL_DIR/inner-run run -0 --separate-stderr unshare -Urm --propagation private sh inside
    [ "$output" = "/prog it runs" ]
}
