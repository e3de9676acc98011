# SPDX-License-Identifier: Apache-2.0
# real.bash: what every test/real file loads: Debian systems from a real registry on loopback.
#
#   load ../lib/real
#   setup_file() { real_setup; }      # then $REGISTRY/web:gz and the others that test/real/make-images lists
#   teardown_file() { real_teardown; }

load ../lib/hull

# Two names of one checkout may make the images at the same time: make-images takes a lock.
real_setup() {
    need_real || return 0
    IMAGES=$("$BATS_TEST_DIRNAME/make-images" "$HULL_TEST_CACHE") || return 1
    export IMAGES
    hull_setup
    registry_start
}

real_teardown() {
    registry_stop
    hull_teardown
}

need_real() {
    local c
    [ "$(id -u)" = 0 ] || { export REAL_MISSING="needs root"; return 1; }
    for c in mmdebstrap docker-registry zstd python3; do
        command -v $c >/dev/null || { export REAL_MISSING="needs the command $c"; return 1; }
    done
}

# In every setup(): skips with the reason that need_real found.
real_or_skip() {
    [ -z "${REAL_MISSING-}" ] || skip "$REAL_MISSING"
}

registry_start() {
    local port i
    port=$(free_port)
    cat >"$HULL_DIR/registry.yml" <<-YML
	version: 0.1
	log: {level: error, accesslog: {disabled: true}}
	storage: {filesystem: {rootdirectory: $IMAGES/registry}}
	http: {addr: "127.0.0.1:$port"}
	YML
    docker-registry serve "$HULL_DIR/registry.yml" >"$HULL_DIR/registry.log" 2>&1 3>&- &
    echo $! >"$HULL_DIR/registry.pid"
    export REGISTRY=127.0.0.1:$port
    for i in $(seq 100); do
        python3 -c "import socket; socket.create_connection(('127.0.0.1', $port), 1)" 2>/dev/null && return 0
        sleep 0.05
    done
    cat "$HULL_DIR/registry.log" >&2
    return 1
}

registry_stop() {
    [ -f "${HULL_DIR-/nonexistent}/registry.pid" ] || return 0
    kill "$(cat "$HULL_DIR/registry.pid")" 2>/dev/null || true
    rm -f "$HULL_DIR/registry.pid"
}
