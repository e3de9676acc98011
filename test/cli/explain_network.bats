#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# explain of a container that has a network, and the script that connects one by hand.
# machines: native v2

load ../lib/network

setup_file() { network_setup; }
teardown_file() { network_teardown; }
setup() { network_or_skip; }
teardown() { network_clean; }

@test "address, interface and gateway are shown; --script connects another to the same bridge" {
    need_cmd setpriv unshare pgrep
    hull run -d --name wired box sleep 600
    address=$(ip_of wired)
    run -0 hull explain --format '{{range .Networks}}{{.Network}} {{.Interface}} {{.Address}} {{.Gateway}}{{end}}' wired
    [[ $output == "bridge eth0 $address/16 "* ]]
    gateway=${output##* }
    hull explain --script wired >by-hand.sh
    run -0 in_host env ADDRESS="${address%.*}.77/16" sh by-hand.sh sh -c "ip -4 addr show eth0; ip route; ping -c 1 -W 10 $gateway && ping -c 1 -W 10 $address"
    [[ $output == *"${address%.*}.77/16"*"default via $gateway"*" 0% packet loss"*" 0% packet loss"* ]]
    run ! in_host sh -c 'ip -o link | grep " bh"'
}
