# SPDX-License-Identifier: Apache-2.0
# hull.bash: what every test/cli and test/real file loads:
#
#   load ../lib/hull
#   setup_file() { hull_setup; }
#   teardown_file() { hull_teardown; }
#
# hull_setup gives the file a store and a run directory of its own below $HULL_DIR and keeps what the
# machine looks like; hull_teardown removes all containers and fails the file when anything is left: a
# mount, a process, a cgroup, a file of the run directory. Between the two each test names its containers as
# it likes, as long as no two names of a file are the same.

: "${HULL:=$BATS_TEST_DIRNAME/../../build/src/cli/hull}"
: "${HULL_BUILD:=$BATS_TEST_DIRNAME/../../build}"
: "${HULL_TEST_CACHE:=/var/tmp/hull-test-cache}"
: "${BATS_TEST_TIMEOUT:=120}"
export HULL HULL_BUILD HULL_TEST_CACHE
# How layers are kept: erofs, files; unset: as hull decides.
[ -z "${HULL_TEST_STORAGE-}" ] || export HULL_STORAGE=$HULL_TEST_STORAGE
bats_require_minimum_version 1.5.0
# bats looks at every command of a test before it is executed; not in here, where nearly all of them are.
! declare -F bats_add_debug_exclude_path >/dev/null || bats_add_debug_exclude_path "${BASH_SOURCE[0]%/*}"

hull() {
    "$HULL" "$@"
}

# Mount points of this mount namespace and cgroups of hull's containers, to be compared.
hull_mounts() {
    awk '{ print $5, $3 ~ /^0:/ ? "" : $3 }' /proc/self/mountinfo | sort
}

hull_setup() {
    need_hull
    HULL_DIR=$(mktemp -d "${HULL_TEST_SCRATCH:-${TMPDIR:-/tmp}}/hull-cli.XXXXXX")
    chmod 755 "$HULL_DIR"
    # A container that names no network gets none: what needs one says so (network.bats).
    export HULL_DIR HULL_ROOT=$HULL_DIR/root HULL_RUN_ROOT=$HULL_DIR/run HOME=$HULL_DIR/home HULL_NETWORK=none
    mkdir -p "$HOME" "$HULL_DIR/work"
    cd "$HULL_DIR/work" || return 1
    hull_mounts >"$HULL_DIR/mounts.before"
    # `box` loads itself at the first use: once, before any test counts on it.
    hull run --rm --network host box true
}

# Everything that hull left of containers whose ids this store knew.
hull_left() {
    local found id
    diff "$HULL_DIR/mounts.before" <(hull_mounts) | sed -n 's/^> /mount left: /p'
    find /sys/fs/cgroup -maxdepth 8 -type d -name '[0-9a-f]*' 2>/dev/null |
        grep -E '/[0-9a-f]{64}$' | while read -r found; do
        id=${found##*/}
        ! grep -qx "$id" "$HULL_DIR/ids" 2>/dev/null || echo "cgroup left: $found"
    done
    for found in /proc/[0-9]*; do
        if tr '\0' '\n' <"$found/environ" 2>/dev/null | grep -qxF "HULL_RUN_ROOT=$HULL_RUN_ROOT" &&
            [ "$(readlink -f "$found/exe" 2>/dev/null)" = "$(readlink -f "$HULL")" ]; then
            echo "process left: ${found#/proc/} $(tr '\0' ' ' <"$found/cmdline" 2>/dev/null)"
        fi
    done
    [ ! -d "$HULL_RUN_ROOT/containers" ] || find "$HULL_RUN_ROOT/containers" -mindepth 1 | sed 's/^/file left: /'
    [ ! -d "$HULL_ROOT/containers" ] || find "$HULL_ROOT/containers" -mindepth 1 -maxdepth 1 | sed 's/^/file left: /'
}

hull_teardown() {
    [ -n "${HULL_DIR-}" ] || return 0
    local left
    cd / || return 1
    hull ps -aq --no-trunc >"$HULL_DIR/ids" 2>/dev/null || true
    if [ -s "$HULL_DIR/ids" ]; then
        xargs "$HULL" rm -f -v <"$HULL_DIR/ids" >/dev/null || true
    fi
    wait_until 5 nothing_of hull_left || left=$(hull_left) # a monitor that is just ending
    umount_below "$HULL_DIR"
    rm -rf "$HULL_DIR"
    [ -z "$left" ] || { echo "$left"; return 1; }
}

umount_below() {
    awk -v dir="$1/" 'index($5, dir) == 1 { print $5 }' /proc/self/mountinfo | sort -r |
        while read -r point; do umount -l "$point" 2>/dev/null; done
    true
}

# Nothing of container $1 (name or id) is there any more.
refute_container() {
    run hull inspect "$1"
    [ "$status" -ne 0 ]
}

# need_*: skip the test with a reason that names what is missing.
need_hull() {
    [ -x "$HULL" ] || { echo "hull is not built: $HULL" >&2; return 1; }
}

need_root() {
    [ "$(id -u)" = 0 ] || skip "needs root"
}

need_cmd() {
    local c
    for c; do
        command -v "$c" >/dev/null || skip "needs the command $c"
    done
}

# A cgroup controller, in v1 or v2.
need_controller() {
    cgroup_dir "$1" / >/dev/null || skip "this machine has no cgroup controller $1"
}

# Where the cgroup PATH of controller NAME is mounted. usage: cgroup_dir NAME PATH
cgroup_dir() {
    local point
    point=$(awk -v want="$1" '{
        for (i = 7; $i != "-"; i++) ;
        if ($(i + 1) != "cgroup") next
        n = split($(i + 3), o, ",")
        for (j = 1; j <= n; j++) if (o[j] == want) { print $5; exit }
    }' /proc/self/mountinfo)
    if [ -z "$point" ]; then
        point=$(awk '{ for (i = 7; $i != "-"; i++) ; if ($(i + 1) == "cgroup2") { print $5; exit } }' /proc/self/mountinfo)
        [ -n "$point" ] || return 1
        # v2 freezes and judges devices without a controller, and calls blkio io.
        case $1 in
        freezer | devices) ;;
        blkio) grep -qw io "$point/cgroup.controllers" || return 1 ;;
        *) grep -qw "$1" "$point/cgroup.controllers" || return 1 ;;
        esac
    fi
    echo "$point$2"
}

# The value of a limit inside v1 or v2: cgroup_value CONTROLLER PATH V1-FILE V2-FILE
cgroup_value() {
    local dir
    dir=$(cgroup_dir "$1" "$2") || return 1
    if [ -e "$dir/$3" ]; then cat "$dir/$3"; else cat "$dir/$4"; fi
}

# The cgroup path of a running container for one controller.
container_cgroup() {
    local pid
    pid=$(hull inspect -f '{{.State.Pid}}' "$1")
    awk -F: -v want="$2" '{ n = split($2, c, ","); for (i = 1; i <= n; i++) if (c[i] == want) { print $3; found = 1; exit } }
        $2 == "" { all = $3 } END { if (!found) print all }' "/proc/$pid/cgroup"
}

# Does this process wait for a file's lock? (/proc/locks shows none of another process namespace.)
waits_for_lock() { grep -q lock "/proc/$1/wchan"; }

# wait_until SECONDS COMMAND...: until it succeeds, at most that long (times HULL_TEST_PATIENCE: slow machines).
wait_until() {
    local end=$((SECONDS + $1 * ${HULL_TEST_PATIENCE:-1}))
    shift
    until "$@" >/dev/null 2>&1; do
        [ $SECONDS -lt $end ] || { echo "not within the time: $*" >&2; return 1; }
        sleep 0.05
    done
}

# nothing_of COMMAND...: it prints nothing.
nothing_of() {
    [ -z "$("$@")" ]
}

# status_is NAME STATUS
status_is() {
    [ "$(hull inspect -f '{{.State.Status}}' "$1")" = "$2" ]
}

# A port of loopback that is free now.
free_port() {
    python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'
}

# The error contract: exit status $1, exactly one line on stderr that begins with "hull: " and has the
# pattern $2 (grep -E), and nothing on stdout. usage: refuses STATUS PATTERN ARGS...
refuses() {
    local want=$1 pattern=$2
    shift 2
    attempt "$@"
    [ "$status" -eq "$want" ] || { echo "status $status, not $want: hull $*: $stderr"; return 1; }
    [ -z "$output" ] || { echo "printed on stdout: $output"; return 1; }
    [[ $stderr != *$'\n'* ]] || { echo "not one line: $stderr"; return 1; }
    [[ $stderr == "hull: "* ]] || { echo "does not begin with hull: $stderr"; return 1; }
    matches "$stderr" "$pattern" || { echo "has no /$pattern/: $stderr"; return 1; }
}

# As `run --separate-stderr hull ARGS...`, without its many forks: there are hundreds of these.
attempt() {
    status=0
    hull "$@" >"$HULL_DIR/attempt.out" 2>"$HULL_DIR/attempt.err" || status=$?
    IFS= read -r -d '' output <"$HULL_DIR/attempt.out" || true
    IFS= read -r -d '' stderr <"$HULL_DIR/attempt.err" || true
    output=${output%$'\n'} stderr=${stderr%$'\n'}
}

# matches TEXT PATTERN: grep -qiE.
matches() {
    local result=0
    shopt -s nocasematch
    [[ $1 =~ $2 ]] || result=1
    shopt -u nocasematch
    return $result
}

# A terminal, by tmux with a server of the test's own. tty_start NAME COMMAND; tty_type; tty_screen; tty_shows SECONDS PATTERN
tty_start() {
    TTY_NAME=$1
    tmux -L "$HULL_TMUX" -f /dev/null new-session -d -x 100 -y 30 -s "$1" "$2"
}

tty_type() {
    tmux -L "$HULL_TMUX" send-keys -t "$TTY_NAME" "$@"
}

tty_screen() {
    tmux -L "$HULL_TMUX" capture-pane -p -t "$TTY_NAME"
}

tty_has() {
    tty_screen | grep -qE -- "$1"
}

tty_shows() {
    wait_until "$1" tty_has "$2" || { tty_screen; return 1; }
}

tty_stop() {
    tmux -L "$HULL_TMUX" kill-server 2>/dev/null || true
}
