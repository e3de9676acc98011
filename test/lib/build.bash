# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
# What the suites of hull build share.

# A build that has to go well; what it says is in $said.
build() {
    said=$(hull build --progress plain "$@" 2>&1) || { echo "$said"; return 1; }
}

# A build that fails, with 1 as docker's does; the last line says /$1/.
fails() {
    local pattern=$1 status=0
    shift
    said=$(hull build --progress plain "$@" 2>&1) || status=$?
    [ "$status" = 1 ] || { echo "status $status: $said"; return 1; }
    [[ $(tail -n 1 <<<"$said") =~ $pattern ]] || { echo "has no /$pattern/: $said"; return 1; }
}

# A build leaves nothing of its steps.
no_step_is_left() {
    [ ! -d "$HULL_ROOT/build/running" ] || [ -z "$(ls "$HULL_ROOT/build/running")" ] || { ls "$HULL_ROOT/build/running" >&2; return 1; }
}
