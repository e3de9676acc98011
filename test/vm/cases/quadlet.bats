#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Units of containers under a systemd that runs: the generator is called at a reload, what it makes starts, is told ready, limited,
# restarted and stopped as a service is. What each key becomes is test/cli/quadlet.bats.
# machines: v2

load ../../lib/hull

setup_file() {
    [ -d /run/systemd/system ] || skip "this machine has no systemd"
    [ "$(cat /proc/sys/kernel/hostname)" = hullvm ] || skip "changes the machine's own units: for test/vm alone"
    need_root
    # Where an installed hull is: a user's manager runs it too.
    cp "$HULL" /usr/local/bin/hull
    mkdir -p /usr/local/share/hull
    cp "$HULL_BUILD/box/box.tar" /usr/local/share/hull/
    for whose in system user; do
        mkdir -p /run/systemd/$whose-generators
        ln -sf /usr/local/bin/hull /run/systemd/$whose-generators/hull-$whose-generator
    done
    HULL=/usr/local/bin/hull
}

teardown_file() {
    rm -rf /etc/hull/systemd /run/systemd/system-generators /run/systemd/user-generators ~tester/.config/hull
    systemctl daemon-reload
    as_tester systemctl --user daemon-reload
    rm -rf /usr/local/bin/hull /usr/local/share/hull
}

as_tester() {
    runuser -u tester -- env -C / HOME=/home/tester XDG_RUNTIME_DIR=/run/user/1000 DBUS_SESSION_BUS_ADDRESS=unix:path=/run/user/1000/bus "$@"
}

# unit FILE LINE...: in the directory $units.
unit() {
    local file=$1
    shift
    mkdir -p "$units"
    printf '%s\n' "$@" >"$units/$file"
}

property() { systemctl show -P "$2" "$1"; }
is_active() { systemctl -q is-active "$1"; }
succeeded() { [ "$(property "$1" Result)" = success ] || { systemctl --no-pager -l status "$1"; return 1; }; }
restarts_are() { [ "$(property "$1" NRestarts)" = "$2" ] && is_active "$1"; }

@test "a container, its volume and its network: started together, ready, limited, restarted when it fails, stopped, nothing is left" {
    units=/etc/hull/systemd
    unit pages.volume '[Volume]'
    unit front.network '[Network]'
    unit web.container '[Container]' 'Image=box' 'Network=front.network' 'Volume=pages.volume:/v' 'Memory=64m' 'StopTimeout=300' \
        "Exec=sh -c 'trap \"echo bye >/v/bye; exit 0\" TERM; echo up >/v/up; until [ -e /v/fail ]; do sleep 0.1; done; rm /v/fail /v/up; exit 7'" \
        '[Service]' 'Restart=on-failure' 'TimeoutStopSec=900' '[Install]' 'WantedBy=multi-user.target'
    systemctl daemon-reload
    [ "$(property web.service SourcePath)" = /etc/hull/systemd/web.container ]
    [[ $(property multi-user.target Wants) == *web.service* ]]
    systemctl start web.service
    is_active pages-volume.service
    is_active front-network.service
    run -0 hull inspect -f '{{.State.Status}} {{.HostConfig.Memory}} {{.HostConfig.NetworkMode}}' systemd-web
    [ "$output" = "running 67108864 systemd-front" ]
    [ "$(property web.service MainPID)" = "$(hull inspect -f '{{.State.MonitorPid}}' systemd-web)" ]
    hull exec systemd-web sh -c 'until [ -e /v/up ]; do sleep 0.1; done'
    # Restart= sees how the container ends.
    hull exec systemd-web touch /v/fail
    wait_until 60 restarts_are web.service 1
    hull exec systemd-web sh -c 'until [ -e /v/up ]; do sleep 0.1; done'
    systemctl stop web.service
    succeeded web.service
    refute_container systemd-web
    run -0 hull run --rm --network none -v systemd-pages:/v box cat /v/bye
    [ "$output" = bye ]
    systemctl stop pages-volume.service front-network.service
    hull volume rm systemd-pages
    hull network rm systemd-front
}

@test "what does not start is a service that failed; what is wrong has no service, and the rest has" {
    units=/etc/hull/systemd
    unit broken.container '[Container]' 'Image=box' 'Network=none' 'Exec=/no/such/program'
    unit wrong.container '[Container]' 'Image=box' 'NoSuchKey=1'
    unit fine.container '[Container]' 'Image=box' 'Network=none' 'Exec=sleep 1000' 'StopTimeout=0' 'StopSignal=KILL'
    systemctl daemon-reload
    run systemctl start broken.service
    [ "$status" -ne 0 ]
    [ "$(property broken.service ActiveState)" = failed ]
    refute_container systemd-broken
    [ "$(property wrong.service LoadState)" = not-found ]
    systemctl start fine.service
    is_active fine.service
    systemctl stop fine.service
    refute_container systemd-fine
}

@test "a file of Kubernetes as a service: its pod is there as long as the service is" {
    units=/etc/hull/systemd
    mkdir -p $units
    printf '{kind: ConfigMap, metadata: {name: say}, data: {word: hello}}\n---\n{kind: Pod, metadata: {name: app}, spec: {terminationGracePeriodSeconds: 0, volumes: [{name: words, configMap: {name: say}}],
        containers: [{name: one, image: box, args: [sleep, "1000"], volumeMounts: [{name: words, mountPath: /words}]}]}}\n' >$units/app.yaml
    unit app.kube '[Kube]' 'Yaml=app.yaml' 'Network=none'
    systemctl daemon-reload
    systemctl start app.service
    is_active app.service
    run -0 hull exec app-one cat /words/word
    [ "$output" = hello ]
    systemctl restart app.service
    run -0 hull exec app-one true
    systemctl stop app.service
    succeeded app.service
    refute_container app-one
    [ -z "$(hull pod ls -q)$(hull volume ls -q)" ]
}

@test "a plain user's: in his manager, below his own group, with the limits" {
    units=/home/tester/.config/hull/systemd
    unit mine.container '[Container]' 'Image=box' 'Network=none' 'Memory=64m' 'StopTimeout=300' "Exec=sh -c 'trap \"exit 0\" TERM; while :; do sleep 0.1; done'"
    chown -R tester /home/tester/.config
    as_tester hull run --rm --network none box true
    as_tester systemctl --user daemon-reload
    as_tester systemctl --user start mine.service
    pid=$(as_tester hull inspect -f '{{.State.Pid}}' systemd-mine)
    group=/sys/fs/cgroup$(cut -d: -f3 "/proc/$pid/cgroup")
    [[ $group == */user@1000.service/* ]]
    [ "$(cat "$group/memory.max")" = 67108864 ]
    as_tester systemctl --user stop mine.service
    [ "$(as_tester systemctl --user show -P Result mine.service)" = success ]
    [ ! -e "/proc/$pid" ]
    [ -z "$(as_tester hull ps -aq)" ]
}
