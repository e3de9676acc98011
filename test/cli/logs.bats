#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# logs: what a container printed, from its files: streams, lines, times, rotation, drivers, following.
# machines: native v2

load ../lib/hull
setup_file() { hull_setup; }
teardown_file() { hull_teardown; }

# The directory with the log files of container $1.
log_dir() {
    dirname "$(hull inspect -f '{{.LogPath}}' "$1")"
}

@test "logs: stdout to stdout, stderr to stderr, a last line without an end as it is" {
    hull run --name both box sh -c 'echo out; echo err >&2; printf part' >/dev/null 2>&1
    run --separate-stderr -0 hull logs both
    [ "$output" = $'out\npart' ]
    [ "$stderr" = err ]
    [ "$(hull logs both 2>/dev/null | od -An -c | tr -d ' \n')" = 'out\npart' ]
    refuses 1 'no such.*not-there' logs not-there
}

@test "logs: a terminal's output is all on stdout, with its line ends" {
    hull run -t --name fromtty box sh -c 'echo out; echo err >&2' >/dev/null
    run --separate-stderr -0 hull logs fromtty
    [ "$output" = $'out\r\nerr\r' ]
    [ -z "$stderr" ]
}

@test "logs: the file is docker's json-file, line by line" {
    hull run --name format --label a=1 --label b=2 -e X=y --log-opt labels=a,c --log-opt env=X box \
        sh -c 'printf "tab\tquote\" <&> \351 \303\251\n"; echo err >&2' >/dev/null 2>&1
    file=$(hull inspect -f '{{.LogPath}}' format)
    python3 - "$file" <<'PY'
import json, re, sys
lines = open(sys.argv[1], "rb").read().split(b"\n")
assert lines.pop() == b""
assert len(lines) == 2
for line in lines:
    d = json.loads(line)
    assert list(d) == ["log", "stream", "attrs", "time"], d
    assert d["attrs"] == {"a": "1", "X": "y"}, d
    assert re.fullmatch(r"20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d*[1-9])?Z", d["time"]), d
out = [json.loads(l) for l in lines if json.loads(l)["stream"] == "stdout"]
assert out[0]["log"] == "tab\tquote\" <&> \ufffd \u00e9\n", out
assert b'tab\\u0009quote\\" \\u003c\\u0026\\u003e \\ufffd \xc3\xa9\\n' in b"".join(lines)
PY
}

@test "logs --details: the attributes before each line" {
    hull run --name details --label a=1 --log-opt labels=a box echo line >/dev/null
    run -0 hull logs --details details
    [ "$output" = "a=1 line" ]
    # By name, as docker has them, and escaped: what stands in a label ends neither the line nor an attribute.
    hull run --name detailed --label "b=x, y=z"$'\n' --env A=1 --log-opt labels=b --log-opt env=A --log-opt tag='{{.Name}}/t' box echo line >/dev/null
    run -0 hull logs --details detailed
    [ "$output" = "A=1,b=x%2C+y%3Dz%0A,tag=detailed%2Ft line" ]
    run -0 hull logs details
    [ "$output" = "line" ]
}

@test "logs -n, --tail: the last lines, of both streams; 0, all" {
    hull run --name tailed box sh -c 'for i in 1 2 3 4 5 6 7 8 9 10; do echo $i; done' >/dev/null
    run -0 hull logs -n 3 tailed
    [ "$output" = $'8\n9\n10' ]
    run -0 hull logs --tail=0 tailed
    [ -z "$output" ]
    run -0 hull logs --tail all tailed
    [ "${#lines[@]}" = 10 ]
    run -0 hull logs --tail 100 tailed
    [ "${#lines[@]}" = 10 ]
    refuses 1 'tail.*x' logs --tail x tailed || refuses 125 'tail.*x' logs --tail x tailed
}

@test "logs -t: when each line was written" {
    hull run --name timed box echo line >/dev/null
    run -0 hull logs -t timed
    [[ $output =~ ^20[0-9]{2}-[0-9]{2}-[0-9]{2}T[0-9:]{8}\.[0-9]{9}Z\ line$ ]]
    written=$(date -d "${output%% *}" +%s)
    now=$(date +%s)
    [ $((now - written)) -lt 60 ]
    [ "$written" -le "$now" ]
}

@test "logs --since, --until: times, unix seconds, durations" {
    hull run --name spread box sh -c 'echo one; sleep 1.1; echo two; sleep 1.1; echo three' >/dev/null
    second=$(hull logs -t spread | awk '$2 == "two" { print $1 }')
    run -0 hull logs --since "$second" spread
    [ "$output" = $'two\nthree' ]
    run -0 hull logs --until "$second" spread
    [ "$output" = $'one\ntwo' ]
    run -0 hull logs --since "$second" --until "$second" spread
    [ "$output" = two ]
    run -0 hull logs --since "$(date -d "$second" +%s.%N)" -n 1 spread
    [ "$output" = three ]
    run -0 hull logs --since 10m spread
    [ "${#lines[@]}" = 3 ]
    run -0 hull logs --until 10m spread
    [ -z "$output" ]
    run hull logs --since someday spread
    [ "$status" -ne 0 ]
    [[ $output == *someday* ]]
}

@test "logs -f: what comes, until the container ends" {
    hull run -d -i --name followed box sh -c 'while read x; do echo "<$x>"; [ "$x" != end ] || exit 0; done'
    timeout 20 "$HULL" logs -f followed >follow.out 3>&- &
    pid=$!
    echo first | hull attach followed >/dev/null || true
    wait_until 10 grep -qx '<first>' follow.out
    kill -0 $pid
    echo end | hull attach followed >/dev/null || true
    wait $pid
    [ "$(cat follow.out)" = $'<first>\n<end>' ]
    # Of one that has ended it returns at once.
    run -0 timeout 10 "$HULL" logs -f -n 1 followed
    [ "$output" = '<end>' ]
}

@test "logs -f --until ends by itself; -f of one that is removed ends" {
    hull run -d --name endless box sh -c 'echo begun; sleep 100'
    wait_until 5 sh -c '"$HULL" logs endless | grep -q begun'
    run -0 timeout 20 "$HULL" logs -f --until "$(date -d '+1 second' +%s.%N)" endless
    [ "$output" = begun ]
    timeout 20 "$HULL" logs -f endless >gone.out 3>&- &
    pid=$!
    wait_until 5 grep -q begun gone.out
    hull rm -f endless
    wait $pid
}

@test "rotation: never more than the files and bytes asked for; read, tailed and followed across them" {
    hull run -d --name rotated --log-opt max-size=20k --log-opt max-file=4 box \
        sh -c 'read x </dev/null; i=0; while [ $i -lt 3000 ]; do i=$((i+1)); echo "line $i"; done; sleep 0.3; echo last'
    timeout 30 "$HULL" logs -f rotated >follow.rot 3>&-
    hull wait rotated
    dir=$(log_dir rotated)
    [ "$(find "$dir" -name 'container.log*' | wc -l)" = 4 ]
    [ -z "$(find "$dir" -name 'container.log*' -size +20k)" ]
    # The files hold the last lines, whole and in order.
    hull logs rotated >all.rot
    [ "$(tail -n 1 all.rot)" = last ]
    first=$(head -n 1 all.rot)
    first=${first#line }
    [ "$first" -gt 1500 ]
    [ "$(sed '$d' all.rot)" = "$(seq -f 'line %g' "$first" 3000)" ]
    run -0 hull logs -n 700 rotated
    [ "$output" = "$(tail -n 700 all.rot)" ]
    # Following began early, but may have been overtaken: what it has is in order and ends with the end.
    [ "$(tail -n 1 follow.rot)" = last ]
    [ "$(sed -n 's/^line //p' follow.rot | sort -n | uniq)" = "$(sed -n 's/^line //p' follow.rot)" ]
}

@test "rotation with compress: rotated files are gzip, and are read all the same" {
    need_cmd gzip
    hull run -d --name squeezed --log-opt max-size=20k --log-opt max-file=50 --log-opt compress=true box \
        sh -c 'i=0; while [ $i -lt 2000 ]; do i=$((i+1)); echo "line $i"; [ $((i % 200)) != 0 ] || sleep 0.1; done'
    timeout 60 "$HULL" logs -f squeezed >follow.gz 3>&-
    dir=$(log_dir squeezed)
    gzip -t "$dir"/container.log.*.gz
    zcat "$dir/container.log.2.gz" | head -n 1 | grep -q '^{"log":"line '
    [ "$(hull logs squeezed)" = "$(seq -f 'line %g' 2000)" ]
    [ "$(hull logs -n 900 squeezed)" = "$(seq -f 'line %g' 1101 2000)" ]
    [ "$(cat follow.gz)" = "$(seq -f 'line %g' 2000)" ]
    [ -z "$(find "$dir" -name '*.part')" ]
}

@test "by default a log is bounded: 3 files of 10 MB" {
    hull run --name flood box sh -c 'yes 0123456789012345678901234567890123456789 | head -n 500000' >/dev/null
    dir=$(log_dir flood)
    [ "$(find "$dir" -name 'container.log*' | wc -l)" = 3 ]
    [ "$(du -cb "$dir"/container.log* | tail -n 1 | cut -f 1)" -le $((30 << 20)) ]
    [ "$(hull logs flood | sort -u)" = 0123456789012345678901234567890123456789 ]
    hull rm flood
}

@test "--log-driver local: bytes as they are, the same options" {
    hull run --name local1 --log-driver local box sh -c 'printf "\377\000\001\n"; echo err >&2' >/dev/null 2>&1
    [ "$(hull logs local1 2>/dev/null | od -An -tx1 | tr -d ' \n')" = ff00010a ]
    [ "$(hull logs local1 2>&1 >/dev/null)" = err ]
    hull run --name local2 --log-driver local --log-opt max-size=5k --log-opt max-file=3 box sh -c 'seq 3000' >/dev/null
    hull wait local2 >/dev/null
    run -0 hull logs -n 5 local2
    [ "$output" = "$(seq 2996 3000)" ]
    hull logs local2 >all.local
    [ "$(cat all.local)" = "$(seq "$(head -n 1 all.local)" 3000)" ]
    [ "$(head -n 1 all.local)" -gt 1 ]
}

@test "--log-driver none: nothing is kept, the output is seen, logs says why it has none" {
    run -0 hull run --name none1 --log-driver none box echo seen
    [ "$output" = seen ]
    refuses 1 'none' logs none1
    [ "$(hull inspect -f '{{.LogPath}}' none1)" = "" ]
}

@test "a wrong driver or option is one line, before anything is made" {
    refuses 125 'syslogd' run --name bad1 --log-driver syslogd box true
    refuses 125 'max-sice' run --name bad1 --log-opt max-sice=1 box true
    refuses 125 'max-size' run --name bad1 --log-opt max-size=12X box true
    refuses 125 'max-file' run --name bad1 --log-opt max-file=0 box true
    refute_container bad1
}

@test "a line longer than 16 KiB is kept whole" {
    hull run --name long box sh -c 'head -c 40000 /dev/zero | tr "\0" x; echo; echo short' >/dev/null
    [ "$(hull logs long | head -n 1 | wc -c)" = 40001 ]
    [ "$(hull logs -t long | grep -c Z)" = 2 ]
    [ "$(hull logs -n 2 long | wc -l)" = 2 ]
    [ "$(head -n 1 "$(hull inspect -f '{{.LogPath}}' long)" | python3 -c 'import json,sys; print(len(json.load(sys.stdin)["log"]))')" = 16384 ]
}

@test "a restarted container goes on in the same log" {
    hull run --name again box sh -c 'echo run' >/dev/null
    hull start -a again >/dev/null
    run -0 hull logs again
    [ "$output" = $'run\nrun' ]
}

@test "a reader of logs that goes away is no error message" {
    hull run --name many box seq 100000 >/dev/null
    run -0 sh -c '"$HULL" logs many | head -n 1'
    [ "$output" = 1 ]
}

@test "logs of several, one after the other; --names; with -f as they come" {
    hull run --name first-log box sh -c 'echo one; echo two' >/dev/null
    hull run --name other-log box printf 'cut' >/dev/null
    run -0 hull logs first-log other-log
    [ "$output" = $'one\ntwo\ncut' ]
    run -0 hull logs --names -t -n 1 first-log
    [[ $output =~ ^first-log\ [0-9-]+T[^\ ]+Z\ two$ ]]
    hull run --name third-log box echo whole >/dev/null
    run -0 timeout 60 "$HULL" logs -f --names first-log third-log
    [ "$(sort <<<"$output")" = $'first-log one\nfirst-log two\nthird-log whole' ]
    run hull logs nobody other-log
    [[ $status -eq 1 && $output == *"no such container"*cut ]]
    hull rm first-log other-log third-log
}
