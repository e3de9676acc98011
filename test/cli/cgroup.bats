#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# cgroup create, set, get, exec, classify, ls, rm, freeze, thaw, kill, rules: control groups by hand, on either version.
# machines: native native-v2 v2

load ../lib/hull
setup_file() {
    need_root
    hull_setup
    # Groups of this file alone; a controller that is here on any machine of ours: hugetlb on v2 without others.
    export LAB=/hull-lab-${HULL_DIR##*.}
    export ONE
    for ONE in pids hugetlb memory; do
        hull cgroup create -g $ONE:$LAB 2>/dev/null && break
    done
}
teardown_file() {
    hull cgroup kill $LAB 2>/dev/null || true
    hull cgroup rm -r $LAB 2>/dev/null || true
    hull_teardown
}

# The directory of group $2 in the hierarchy of controller $1.
dir_of() {
    local point
    point=$(awk -v want="$1" '{ for (i = 7; $i != "-"; i++) ; if ($(i + 1) == "cgroup" && index("," $(i + 3) ",", "," want ",")) { print $5; exit } }' /proc/self/mountinfo)
    [ -n "$point" ] || point=$(awk '{ for (i = 7; $i != "-"; i++) ; if ($(i + 1) == "cgroup2") { print $5; exit } }' /proc/self/mountinfo)
    echo "$point$2"
}

has() {
    hull cgroup create -g "$1:$LAB" 2>/dev/null
}

need_group() {
    has "$1" || skip "no cgroup controller $1 here"
}

@test "create, ls, rm: groups in the hierarchies named, those above them too" {
    hull cgroup create -g $ONE:$LAB/a/b
    [ -d "$(dir_of $ONE $LAB/a/b)" ]
    run -0 hull cgroup ls $ONE:$LAB/a
    [[ ${lines[0]} == *:$LAB/a && ${lines[1]} == *:$LAB/a/b && ${#lines[@]} = 2 ]]
    run -0 hull cgroup ls -q -g $ONE:$LAB/a
    [ "${lines[*]}" = "$LAB/a $LAB/a/b" ]
    run -0 hull cgroup ls --format '{{.Path}} {{.Processes}}' $ONE:$LAB/a/b
    [ "$output" = "$LAB/a/b 0" ]
    refuses 1 'groups below it: -r' cgroup rm $ONE:$LAB/a
    hull cgroup rm -r $ONE:$LAB/a
    [ ! -d "$(dir_of $ONE $LAB/a)" ]
    refuses 1 "no such cgroup: $LAB/a" cgroup rm $ONE:$LAB/a
    refuses 1 'no such cgroup' cgroup ls $ONE:$LAB/a
    # On a machine with several hierarchies it is in one of them.
    hull cgroup create -g $ONE:$LAB/one-of-them
    run -0 hull cgroup ls -q "*:$LAB/one-of-them"
    [ "$output" = "$LAB/one-of-them" ]
    run -0 hull cgroup ls -q $LAB/one-of-them
    [ "$output" = "$LAB/one-of-them" ]
    hull cgroup rm "*:$LAB/one-of-them"
    refuses 1 'no such cgroup' cgroup ls "*:$LAB/one-of-them"
}

@test "create: owners and modes, as cgcreate has them" {
    hull cgroup create -a 1234:2345 -t 3456:4567 -d 750 -f 640 -s 664 -g $ONE:$LAB/given
    dir=$(dir_of $ONE $LAB/given)
    [ "$(stat -c '%u:%g %a' $dir)" = "1234:2345 750" ]
    [ "$(stat -c '%u:%g %a' $dir/cgroup.procs)" = "3456:4567 664" ]
    [ "$(stat -c '%u:%g' $dir/$ONE.*.max $dir/$ONE.max 2>/dev/null | head -n 1)" = 1234:2345 ] || [ "$ONE" != hugetlb ]
    hull cgroup rm $ONE:$LAB/given
    refuses 1 'no such user: nobody-of-that-name' cgroup create -a nobody-of-that-name:0 -g $ONE:$LAB/x
    refuses 1 'admin ":"' cgroup create -a : -g $ONE:$LAB/x
    refuses 1 'dperm "999"' cgroup create -d 999 -g $ONE:$LAB/x
    refuses 1 'CONTROLLERS:PATH' cgroup create -g $LAB/x
    refuses 1 'no cgroup controller nonsense: it has ' cgroup create -g nonsense:$LAB/x
    refuses 1 'which group' cgroup create
    refuses 1 'always there' cgroup create -g $ONE:/
    [ ! -d "$(dir_of $ONE $LAB/x)" ]
}

@test "a path cannot leave the hierarchy" {
    hull cgroup create -g "$ONE:../../../..$LAB/../${LAB#/}/dots"
    [ -d "$(dir_of $ONE $LAB/dots)" ]
    hull cgroup rm "$ONE:$LAB/dots"
    refuses 1 'machine is not to be removed' cgroup rm $ONE:/
    refuses 1 'machine is not to be frozen' cgroup freeze /
    refuses 1 'machine is not to be killed' cgroup kill ..
}

@test "set and get: memory under both names" {
    need_group memory
    hull cgroup set -r memory.max=64M $LAB
    run -0 hull cgroup get -nv -r memory.max -r memory.limit_in_bytes $LAB
    [ "${lines[*]}" = "67108864 67108864" ]
    run -0 hull cgroup get -r memory.limit_in_bytes $LAB
    [ "${lines[0]}" = "$LAB:" ]
    [ "${lines[1]}" = "memory.limit_in_bytes: 67108864" ]
    hull cgroup set -r memory.limit_in_bytes=-1 $LAB
    run -0 hull cgroup get -nv -r memory.max -r memory.limit_in_bytes $LAB
    [ "${lines[0]}" = max ]
    [ "${lines[1]}" -gt 4611686018427387904 ]
    hull cgroup set -r memory.max=max $LAB
    hull cgroup set -r memory.soft_limit_in_bytes=1M $LAB
    run -0 hull cgroup get -nv -r memory.low $LAB
    [ "$output" = 1048576 ]
    refuses 1 'memory.max.*banana' cgroup set -r memory.max=banana $LAB
}

@test "set and get: cpu under both names" {
    need_group cpu
    hull cgroup set -r 'cpu.max=50000 200000' $LAB
    run -0 hull cgroup get -nv -r cpu.max -r cpu.cfs_quota_us -r cpu.cfs_period_us $LAB
    [ "${lines[*]}" = "50000 200000 50000 200000" ]
    hull cgroup set -r cpu.cfs_period_us=100000 -r cpu.cfs_quota_us=25000 $LAB
    run -0 hull cgroup get -nv -r cpu.max $LAB
    [ "$output" = "25000 100000" ]
    hull cgroup set -r cpu.max=max $LAB
    run -0 hull cgroup get -nv -r cpu.cfs_quota_us -r cpu.max $LAB
    [ "${lines[*]}" = "-1 max 100000" ]
    for weight in 1 50 100 5000 10000; do
        hull cgroup set -r cpu.weight=$weight $LAB
        run -0 hull cgroup get -nv -r cpu.weight $LAB
        [ "$output" = $weight ]
    done
    hull cgroup set -r cpu.shares=1024 $LAB
    run -0 hull cgroup get -nv -r cpu.shares -r cpu.weight $LAB
    [ "${lines[*]}" = "1024 100" ]
    refuses 1 'cpu.max' cgroup set -r 'cpu.max=1 2 3' $LAB
    refuses 1 'cpu.weight' cgroup set -r cpu.weight=70000 $LAB
}

@test "set and get: pids, hugetlb, block devices" {
    if has pids; then
        hull cgroup set -r pids.max=20 $LAB
        run -0 hull cgroup get -g pids:$LAB
        [[ $output == *"pids.max: 20"* ]]
        run -0 hull cgroup get -g pids $LAB
        [[ $output == "$LAB:"*"pids.max: 20"* ]]
        hull cgroup set -r pids.max=max $LAB
    fi
    if has hugetlb && [ -e "$(dir_of hugetlb $LAB)/hugetlb.2MB.max" ] || [ -e "$(dir_of hugetlb $LAB)/hugetlb.2MB.limit_in_bytes" ]; then
        hull cgroup set -r hugetlb.2MB.limit_in_bytes=4M $LAB
        run -0 hull cgroup get -nv -r hugetlb.2MB.max -r hugetlb.2MB.limit_in_bytes $LAB
        [ "${lines[*]}" = "4194304 4194304" ]
        hull cgroup set -r hugetlb.2MB.max=max $LAB
        run -0 hull cgroup get -nv -r hugetlb.2MB.max $LAB
        [ "$output" = max ]
    fi
    device=$(lsblk -dno MAJ:MIN 2>/dev/null | awk '$1 !~ /^7:/ { print $1; exit }')
    if [ -n "$device" ] && has blkio && { [ -e "$(dir_of blkio $LAB)/io.max" ] || [ -e "$(dir_of blkio $LAB)/blkio.throttle.read_bps_device" ]; }; then
        hull cgroup set -r "io.max=$device rbps=1048576 wiops=100" $LAB
        run -0 hull cgroup get -nv -r io.max -r blkio.throttle.read_bps_device $LAB
        [ "${lines[0]}" = "$device rbps=1048576 wbps=max riops=max wiops=100" ]
        [ "${lines[1]}" = "$device 1048576" ]
        hull cgroup set -r "blkio.throttle.read_bps_device=$device 0" -r "blkio.throttle.write_iops_device=$device 0" $LAB
        run -0 hull cgroup get -nv -r io.max $LAB
        [ "$output" = "" ]
    fi
}

@test "set and get: what is wrong" {
    refuses 1 'has no '$ONE'.nonsense' cgroup get -r $ONE.nonsense $LAB
    refuses 1 'has no '$ONE'.nonsense' cgroup set -r $ONE.nonsense=1 $LAB
    refuses 1 'no cgroup controller nonsense' cgroup set -r nonsense.max=1 $LAB
    refuses 1 'no such cgroup' cgroup set -r $ONE.max=1 $LAB/nosuch
    refuses 1 'NAME=VALUE' cgroup set -r $ONE.max $LAB
    refuses 1 'invalid parameter' cgroup get -r ../x $LAB
    refuses 1 'invalid parameter' cgroup get -r $ONE.x/../../y $LAB
    refuses 1 'what is to be set' cgroup set $LAB
    refuses 1 'which group' cgroup get -r $ONE.max
    refuses 1 'which parameters' cgroup get $LAB
    refuses 125 'needs at least 1' cgroup set -r a=b
}

@test "set --copy-from: all settings of another group" {
    need_group memory,pids
    hull cgroup create -g memory,pids:$LAB/from -g memory,pids:$LAB/to
    hull cgroup set -r memory.max=32M -r pids.max=7 $LAB/from
    hull cgroup set --copy-from $LAB/from -r pids.max=9 $LAB/to
    run -0 hull cgroup get -nv -r memory.max -r pids.max $LAB/to
    [ "${lines[*]}" = "33554432 9" ]
    hull cgroup rm memory,pids:$LAB/from memory,pids:$LAB/to
    refuses 1 'no such cgroup' cgroup set --copy-from $LAB/from $LAB
}

@test "exec: the command is in the groups named, and in no other; its exit status is ours" {
    hull cgroup create -g $ONE:$LAB/run
    run -5 hull cgroup exec -g $ONE:$LAB/run sh -c 'grep -c ":$1\$" /proc/self/cgroup; exit 5' sh $LAB/run
    [ "$output" = 1 ]
    refuses 127 'nosuch-command' cgroup exec -g $ONE:$LAB/run nosuch-command
    refuses 1 'no such cgroup' cgroup exec -g $ONE:$LAB/nosuch true
    refuses 1 'which group' cgroup exec true
    run -0 hull cgroup exec -g $ONE:$LAB/run sh -c 'exit 0'
    hull cgroup rm $ONE:$LAB/run
}

@test "classify: processes into groups; rm lets them go to the group above" {
    hull cgroup create -g $ONE:$LAB/here/there
    sleep 60 3>&- &
    pid=$!
    hull cgroup classify -g $ONE:$LAB/here/there $pid
    grep -q ":$LAB/here/there\$" /proc/$pid/cgroup
    run -1 hull cgroup classify -g $ONE:$LAB/here/there 2147483647 $pid
    [[ $output == *"process 2147483647: no such process"* ]]
    refuses 1 'process 0' cgroup classify -g $ONE:$LAB/here/there 0
    refuses 1 'invalid process id' cgroup classify -g $ONE:$LAB/here/there x
    run hull cgroup rm $ONE:$LAB/here/there
    # A v2 group whose controllers are switched on below it takes no process.
    if [ "$status" = 0 ]; then
        grep -q ":$LAB/here\$" /proc/$pid/cgroup
    else
        [[ $output == *"end them first" ]]
    fi
    kill $pid
    wait $pid || true
    hull cgroup rm -r $ONE:$LAB/here
}

@test "freeze and thaw, kill: with groups below" {
    controllers=$ONE
    ! has freezer || controllers=$ONE,freezer
    hull cgroup create -g $controllers:$LAB/crowd/inner
    "$HULL" cgroup exec -g $controllers:$LAB/crowd/inner sh -c 'while :; do echo tick; sleep 0.01; done' >ticks 3>&- &
    pid=$!
    wait_until 30 test -s ticks
    hull cgroup freeze $LAB/crowd
    run -0 hull cgroup get -nv -r freezer.state -r cgroup.freeze $LAB/crowd
    [ "${lines[*]}" = "FROZEN 1" ]
    size=$(stat -c %s ticks)
    sleep 0.2
    [ "$(stat -c %s ticks)" = "$size" ]
    hull cgroup thaw $LAB/crowd
    run -0 hull cgroup get -nv -r freezer.state $LAB/crowd
    [ "$output" = THAWED ]
    wait_until 30 sh -c "[ \$(stat -c %s ticks) -gt $size ]"
    hull cgroup freeze $LAB/crowd
    hull cgroup kill $LAB/crowd
    status=0
    wait $pid || status=$?
    [ "$status" = 137 ]
    hull cgroup rm -r $controllers:$LAB/crowd
    refuses 1 'no such cgroup' cgroup freeze $LAB/nosuch
    refuses 1 'no such cgroup' cgroup kill $LAB/nosuch
    refuses 1 'invalid signal' cgroup kill -s NONSENSE $LAB
}

@test "kill -s: each process gets it once" {
    hull cgroup create -g $ONE:$LAB/sig
    "$HULL" cgroup exec -g $ONE:$LAB/sig sh -c 'trap "echo got >>got" USR1; echo ready >ready; while :; do sleep 0.05; done' 3>&- &
    pid=$!
    wait_until 30 test -s ready
    hull cgroup kill -s STOP $ONE:$LAB/sig
    hull cgroup kill -s CONT $ONE:$LAB/sig
    kill -USR1 $pid
    wait_until 30 test -s got
    hull cgroup kill $ONE:$LAB/sig
    wait $pid || true
    hull cgroup rm $ONE:$LAB/sig
}

@test "a container's groups carry its name" {
    hull run -d --name grouped box sleep 600
    run -0 hull cgroup ls --format '{{.Container}}' /
    [[ $'\n'$output$'\n' == *$'\ngrouped\n'* ]]
    hull rm -f grouped
}

@test "rules: errors name the line, and nothing is moved" {
    sleep 60 3>&- &
    pid=$!
    check() {
        printf '%b' "# rules\n*:sleep $ONE $LAB\n$1\n" >rules
        for how in --check --once; do
            refuses 1 "rules:3: $2" cgroup rules -f rules $how
        done
    }
    check 'alone' 'a rule is USER'
    check "nobody-of-that-name $ONE $LAB" 'no such user'
    check "@nobody-of-that-name $ONE $LAB" 'no such group'
    check "* nonsense $LAB" 'this machine has no cgroup controller nonsense'
    check "* $ONE x/%q" 'only %u'
    check "*: $ONE x" 'a process is missing'
    check "* $ONE x sideways" 'unknown option: sideways'
    check "* $ONE x ignore more" 'a rule is USER'
    printf '%% %s x\n' $ONE >rules
    refuses 1 'rules:1: there is no rule above' cgroup rules -f rules --check
    printf '# x\n* %s %s/nosuch\n' $ONE $LAB >rules
    refuses 1 "rules:2: no such cgroup: $LAB/nosuch" cgroup rules -f rules --once
    refuses 1 'nosuch-file' cgroup rules -f nosuch-file --check
    ! grep -q "$LAB" /proc/$pid/cgroup
    kill $pid
    wait $pid || true
}

@test "rules: users, programs, further lines, ignore; dry run and once" {
    need_cmd setpriv
    cp "$(command -v sleep)" lab-sleep
    cp "$(command -v sleep)" lab-other
    chmod 755 .. . lab-sleep lab-other
    hull cgroup create -g $ONE:$LAB/rules/plain
    cat >rules <<RULES
# who           controllers  where
48124:lab-o*    $ONE         $LAB/rules/other-%U-%p
48124           $ONE         $LAB/rules/%u
*:$PWD/lab-sleep $ONE        $LAB/rules/plain
*               $ONE         $LAB/rules/default   ignore
RULES
    run -0 hull cgroup rules -f rules --check
    [ "$output" = "rules: 4 rules" ]
    ./lab-sleep 60 3>&- & a=$!
    setpriv --reuid 48124 --clear-groups ./lab-sleep 60 3>&- & b=$!
    setpriv --reuid 48124 --clear-groups ./lab-other 60 3>&- & c=$!
    wait_until 30 sh -c "readlink /proc/$a/exe /proc/$b/exe /proc/$c/exe | grep -c lab- | grep -qx 3"
    run -0 hull cgroup rules -f rules -n
    [ "$(printf '%s\n' "${lines[@]}" | sort -n)" = "$(printf "$a\tlab-sleep\t$ONE:$LAB/rules/plain\n$b\tlab-sleep\t$ONE:$LAB/rules/48124\n$c\tlab-other\t$ONE:$LAB/rules/other-48124-lab-other\n" | sort -n)" ]
    ! grep -q "$LAB" /proc/$a/cgroup
    run -1 hull cgroup rules -f rules --once
    [[ $output == *"no such cgroup"* ]]
    run -0 hull cgroup rules -f rules --once --create -v
    grep -q ":$LAB/rules/48124\$" /proc/$b/cgroup
    grep -q ":$LAB/rules/other-48124-lab-other\$" /proc/$c/cgroup
    run -0 hull cgroup rules -f rules --once -v
    [[ $output != *"$b"* ]]
    kill $a $b $c
    wait $a $b $c || true
    hull cgroup rm -r $ONE:$LAB/rules
}

@test "rules: follows new processes; those that are sticky stay" {
    cp "$(command -v sleep)" lab-follow
    hull cgroup create -g $ONE:$LAB/follow -g $ONE:$LAB/kept
    echo "*:$PWD/lab-follow $ONE $LAB/follow" >rules
    "$HULL" cgroup rules -f rules -v >moved 3>&- & engine=$!
    ./lab-follow 60 3>&- & a=$!
    "$HULL" cgroup exec --sticky -g $ONE:$LAB/kept ./lab-follow 60 3>&- & b=$!
    wait_until 30 grep -q ":$LAB/follow\$" /proc/$a/cgroup
    wait_until 30 grep -q lab-follow moved
    ./lab-follow 60 3>&- & c=$!
    wait_until 30 grep -q ":$LAB/follow\$" /proc/$c/cgroup
    grep -q ":$LAB/kept\$" /proc/$b/cgroup
    hull cgroup classify --cancel-sticky $b
    kill -TERM $engine
    wait $engine
    run -0 hull cgroup rules -f rules --once
    grep -q ":$LAB/follow\$" /proc/$b/cgroup
    kill $a $b $c
    wait $a $b $c || true
    hull cgroup rm $ONE:$LAB/follow $ONE:$LAB/kept
}
