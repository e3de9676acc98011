# SPDX-License-Identifier: Apache-2.0
# api.bash: what every test/api file loads after lib/hull:
#
#   load ../lib/hull
#   load ../lib/api
#   setup_file() { hull_setup; api_serve; }
#   teardown_file() { api_end; hull_teardown; }
#
# api_serve starts `hull serve` at $API_SOCKET for the file, in the host of lib/network where a file has that. `api METHOD PATH [BODY]` prints the body of the answer and, in the
# last line, its status; `api_is STATUS METHOD PATH [BODY]` wants that status and prints the body alone. docker's own command line, where it
# is installed (need_docker_cli), is `docker_cli …`.

api_serve() {
    export API_SOCKET=$HULL_DIR/hull.sock
    rm -f "$HULL_DIR/serve.out"
    ${HULL_NET:+nsenter --net="$HULL_NET"} "$HULL" serve "$@" "unix://$API_SOCKET" >"$HULL_DIR/serve.out" 2>&1 3>&- &
    echo $! >"$HULL_DIR/serve.pid"
    wait_until 30 grep -qs listening "$HULL_DIR/serve.out"
}

api_end() {
    local pid
    [ -s "${HULL_DIR-}/serve.pid" ] || return 0
    pid=$(cat "$HULL_DIR/serve.pid")
    kill "$pid" 2>/dev/null || true
    wait_until 30 eval "! kill -0 $pid 2>/dev/null"
    [ ! -e "$API_SOCKET" ] || { echo "left: $API_SOCKET"; return 1; }
}

api() {
    local method=$1 path=$2 more=()
    [ $# -lt 3 ] || more=(-H 'Content-Type: application/json' --data-binary "$3")
    [ "$method" != HEAD ] || more+=(--head)
    curl -sS --globoff --max-time 60 --unix-socket "$API_SOCKET" -X "$method" "${more[@]}" -w '\n%{http_code}' "http://d$path"
}

api_is() {
    local want=$1 answer status
    shift
    answer=$(api "$@") || return 1
    status=${answer##*$'\n'}
    printf '%s\n' "${answer%$'\n'*}"
    [ "$status" = "$want" ] || { echo "status $status, wanted $want: $*" >&2; return 1; }
}

# A value of the JSON on stdin, by python: json 'x["Id"]'.
json() {
    python3 -c 'import json,sys
x = json.load(sys.stdin)
v = eval(sys.argv[1])
print(v if isinstance(v, str) else json.dumps(v))' "$1"
}

need_docker_cli() {
    command -v docker >/dev/null && docker --version 2>/dev/null | grep -q '^Docker version' || skip "docker's command line is not installed"
}

docker_cli() {
    DOCKER_HOST=unix://$API_SOCKET DOCKER_BUILDKIT=0 DOCKER_CONFIG=$HULL_DIR/docker-config docker "$@"
}
