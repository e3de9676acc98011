#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# secret create, ls, inspect, rm, exists; run --secret: as a file of a tmpfs or a variable, and nowhere else.
# machines: native v2

load ../lib/hull
setup_file() { hull_setup; }
teardown_file() { hull_teardown; }

@test "create, ls, inspect, exists, rm" {
    printf 'first value' >value
    run -0 hull secret create --label team=a one value
    [[ $output =~ ^[0-9a-f]{25}$ ]]
    id=$output
    refuses 1 'there already' secret create one value
    FROM_ENV=second run -0 hull secret create --replace --env one FROM_ENV
    [ "$output" = "$id" ]
    echo stdin | hull secret create two -
    run -0 hull secret ls
    [[ ${lines[0]} =~ ^ID\ +NAME\ +DRIVER\ +CREATED\ +UPDATED$ ]]
    [[ ${lines[1]} =~ ^$id\ +one\ +file\ + ]]
    [ "$(hull secret ls --format '{{.Name}}' --filter name=tw)" = two ]
    [ "$(hull secret ls --filter label=team=a -q)" = "$id" ]
    [ "$(hull secret inspect -f '{{.Spec.Name}} {{.Spec.Driver.Name}} {{.Spec.Labels.team}}' "${id:0:10}")" = "one file a" ]
    run -0 hull secret inspect one two
    [[ $output != *second* && $output != *stdin* ]]
    [ "$(find "$HULL_ROOT/secrets" -name data -perm 0600 | wc -l)" = 2 ]
    [ "$(stat -c %a "$HULL_ROOT/secrets")" = 700 ]
    run -0 hull secret exists one
    run -1 hull secret exists none
    [ "$(hull secret rm one)" = one ]
    refuses 1 'no such secret' secret rm one
    run -0 hull secret rm -i one
    run -0 hull secret rm --all
    [ -z "$(hull secret ls -q)" ]
}

@test "what is refused" {
    refuses 125 'invalid secret name' secret create a/b /dev/null
    refuses 125 '1 to' secret create empty /dev/null
    refuses 1 'no such file' secret create x missing
    refuses 125 'driver' secret create -d shell x /dev/null
    head -c 600000 /dev/zero >large
    refuses 125 'at most' secret create x large
    refuses 125 'not set' secret create --env x NO_SUCH_VARIABLE
    refuses 125 'no such secret|secret' run --rm --secret missing box true
    for bad in ,x x,type=file x,mode=9 x,mode=7777 x,uid=-1 x,nonsense=1 x,target=a/b; do
        refuses 125 'secret' run --rm --secret $bad box true
    done
}

@test "a file below /run/secrets, or at a path; owner and mode; not on the disk" {
    printf 'top\0secret' >bytes
    hull secret create token bytes
    hull run -d --name files --secret token --secret token,target=other,uid=7,gid=8,mode=0400 --secret source=token,target=/etc/app/token,mode=0440 box sleep 100000
    run -0 hull exec files sh -c 'stat -c "%u:%g %a" /run/secrets/token /run/secrets/other /etc/app/token'
    [ "${lines[*]}" = "0:0 444 7:8 400 0:0 440" ]
    hull exec files cat /run/secrets/token | cmp - bytes
    hull exec files cat /etc/app/token | cmp - bytes
    run -0 hull exec files sh -c 'grep -c " - tmpfs " /proc/self/mountinfo; awk "\$5 ~ \"/run/secrets|/etc/app/token\" { print \$6 }" /proc/self/mountinfo'
    [[ ${lines[1]} == ro,*nosuid*nodev*noexec* && ${lines[2]} == ro,* ]]
    run hull exec files sh -c 'echo x >/run/secrets/new'
    [ "$status" -ne 0 ]
    # Nowhere but in the store of secrets.
    run grep -rlaF top "$HULL_ROOT" "$HULL_RUN_ROOT" --exclude-dir=layers --exclude-dir=blobs --exclude-dir=images
    [ "$output" = "$HULL_ROOT/secrets/token/data" ]
    run -0 hull inspect files
    [[ $output != *top* ]]
    [[ $output == *'"Name": "token"'* ]]
    hull commit files files:1
    run hull run --rm files:1 cat /run/secrets/token
    [ "$status" -ne 0 ]
    hull export files | tar tf - | grep -c run/secrets/token && return 1
    refuses 1 'in use by container' secret rm token
    printf changed | hull secret create --replace token -
    hull restart -t 0 files
    [ "$(hull exec files cat /run/secrets/token)" = changed ]
    hull rm -f files
    hull secret rm token
}

@test "a variable, of exec too, and not in inspect" {
    printf 'in the env' | hull secret create variable -
    hull run -d --name variables --secret variable,type=env --secret variable,type=env,target=RENAMED box sh -c 'echo "$variable/$RENAMED"; sleep 100000'
    wait_until 30 sh -c "'$HULL' logs variables | grep -q 'in the env/in the env'"
    [ "$(hull exec variables sh -c 'echo $RENAMED')" = "in the env" ]
    run -0 hull inspect variables
    [[ $output != *"in the env"* ]]
    hull rm -f variables
    printf 'a\0b' | hull secret create --replace variable -
    refuses 125 'byte of zero' run --rm --secret variable,type=env box true
    hull secret rm variable
}

@test "ids of a container's own; a plain start after the secret is gone says so" {
    need_root
    echo m | hull secret create mapped -
    hull run -d --name idmapped --uidmap 0:100000:1000 --gidmap 0:100000:1000 --secret mapped --secret mapped,target=/five,uid=5,mode=0400 box sleep 100000
    run -0 hull exec idmapped stat -c '%u:%g %a' /run/secrets/mapped /five /run/secrets
    [ "${lines[*]}" = "0:0 444 5:0 400 0:0 755" ]
    hull stop -t 0 idmapped
    rm -r "$HULL_ROOT/secrets/mapped"
    refuses 1 'no such secret: mapped' start idmapped
    hull rm idmapped
}

@test "two for one place" {
    echo x | hull secret create twice -
    refuses 125 'target' run --rm --secret twice --secret twice box true
    run -0 hull run --rm --secret twice --secret twice,type=env box sh -c 'cat /run/secrets/twice; echo $twice'
    [ "${lines[0]}" = x ]
    hull secret rm twice
}
