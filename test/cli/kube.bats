#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Kubernetes' files: the commands each field becomes, what runs then, and what is left when it fails, is killed or is taken down.
# machines: native v2

load ../lib/hull
setup_file() { hull_setup; }
teardown_file() { hull_teardown; }
teardown() { hull pod rm -fa >/dev/null; }

# becomes FIELDS WORDS: a container's fields, and what stands in its command.
becomes() {
    printf '{kind: Pod, metadata: {name: p, labels: {app: x}, annotations: {}}, spec: {containers: [{name: c, image: i, %s}], volumes: [
        {name: dir, hostPath: {path: /etc, type: Directory}}, {name: claim, persistentVolumeClaim: {claimName: store}}, {name: tmp, emptyDir: {}},
        {name: dev, hostPath: {path: /dev/null, type: CharDevice}}, {name: conf, configMap: {name: conf}},
        {name: keys, secret: {secretName: db, defaultMode: 0400, items: [{key: user, path: a/user}]}}]}}
---
{kind: ConfigMap, metadata: {name: conf}, data: {a: "1", b: two words}, binaryData: {c: aGk=}}
---
{kind: Secret, metadata: {name: db}, stringData: {user: me}, data: {password: aGVsbG8K}}
' "$1" >file.yaml
    attempt kube play --print file.yaml
    line=$(grep '^hull create ' <<<"$output" || true)
    [[ " $line " == *"$2"* && $status = 0 && -z $stderr ]] || { echo "$1: status $status: $stderr: $line"; return 1; }
}

# bad YAML TEXT: one line, status 125, and nothing is run.
bad() {
    printf '%s\n' "$1" >bad.yaml
    attempt kube play --network none bad.yaml
    [ "$status" = 125 ] || [ "$status" = 1 ] || { echo "$1: status $status"; return 1; }
    [ "$(grep -vc warning: <<<"$stderr")" = 1 ] || { echo "$1: not one line: $stderr"; return 1; }
    [[ $stderr == *"$2"* ]] || { echo "$1: $stderr"; return 1; }
    [ -z "$output" ]
    run -0 hull pod ls -q
    [ -z "$output" ]
}

@test "what a container's fields become" {
    cd "$BATS_TEST_TMPDIR"
    becomes '' ' --pod p --name p-c -- i '
    becomes 'command: [a, "b c"], args: [d]' " --entrypoint a -- i 'b c' d "
    becomes 'args: [-x, ""]' " -- i -x '' "
    becomes 'workingDir: /w, stdin: true, tty: true' ' --interactive --tty --workdir /w '
    becomes 'imagePullPolicy: Always' ' --pull always '
    becomes 'imagePullPolicy: IfNotPresent' ' --pull missing '
    becomes 'env: [{name: A, value: x}, {name: B, value: "$(A)y$(C)$$(A)"}], args: ["$(B)"]' " --env A=x --env 'B=xy\$(C)\$(A)' -- i 'xy\$(C)\$(A)' "
    becomes 'env: [{name: A, value: x}, {name: A, value: y}]' ' --env A=y -- '
    becomes 'env: [{name: A}]' ' --env A= -- '
    becomes 'env: [{name: A, valueFrom: {configMapKeyRef: {name: conf, key: b}}}]' " --env 'A=two words' "
    becomes 'env: [{name: A, valueFrom: {configMapKeyRef: {name: conf, key: c}}}]' " --env A=hi "
    becomes 'env: [{name: A, valueFrom: {configMapKeyRef: {name: none, key: c, optional: true}}}]' " --name p-c -- i "
    becomes 'env: [{name: A, valueFrom: {secretKeyRef: {name: db, key: user}}}], args: ["$(A)"]' " --secret db.user,type=env,target=A -- i '\$(A)' "
    becomes 'env: [{name: A, valueFrom: {secretKeyRef: {name: other, key: user}}}]' " --secret other.user,type=env,target=A -- i "
    becomes 'env: [{name: A, valueFrom: {fieldRef: {fieldPath: metadata.name}}}, {name: B, valueFrom: {fieldRef: {fieldPath: "metadata.labels[\x27app\x27]"}}}]' ' --env A=p --env B=x '
    becomes 'resources: {limits: {memory: 1Mi}}, env: [{name: A, valueFrom: {resourceFieldRef: {resource: limits.memory, divisor: 1Ki}}}]' ' --memory 1048576 --env A=1024 '
    becomes 'resources: {limits: {cpu: 1500m}}, env: [{name: A, valueFrom: {resourceFieldRef: {resource: requests.cpu, divisor: 1m}}}]' ' --cpus 1.500 --env A=1500 '
    becomes 'env: [{name: A, valueFrom: {resourceFieldRef: {resource: limits.cpu}}}]' " --env A=$(getconf _NPROCESSORS_ONLN) "
    becomes 'envFrom: [{prefix: P_, configMapRef: {name: conf}}, {secretRef: {name: db}}, {secretRef: {name: nope, optional: true}}]' \
        " --env P_a=1 --env 'P_b=two words' --env P_c=hi --secret db.password,type=env,target=password --secret db.user,type=env,target=user -- "
    becomes 'resources: {limits: {cpu: 500m, memory: 64M}, requests: {cpu: 0.25, memory: 1Ki}}' ' --cpus 0.500 --memory 64000000 --cpu-shares 256 --memory-reservation 1024 '
    becomes 'args: ["$(a$(B)) $$(B) $(B", "$("], env: [{name: B, value: b}]' " -- i '\$(a\$(B)) \$(B) \$(B' '\$(' "
    becomes 'resources: {limits: {cpu: 0.07}, requests: {cpu: 1P}}' ' --cpus 0.070 --cpu-shares 262144 '
    becomes 'resources: {limits: {cpu: 2, memory: 1e3}, requests: {cpu: 1m}}' ' --cpus 2.000 --memory 1000 --cpu-shares 2 '
    becomes 'securityContext: {runAsUser: 1000, runAsGroup: 50, runAsNonRoot: true}' ' --user 1000:50 '
    becomes 'securityContext: {runAsGroup: 50}' ' --user-group 50 '
    becomes 'securityContext: {privileged: true, readOnlyRootFilesystem: true}' ' --privileged --read-only '
    becomes 'securityContext: {allowPrivilegeEscalation: false, procMount: Unmasked}' ' --security-opt no-new-privileges --security-opt systempaths=unconfined '
    becomes 'securityContext: {capabilities: {add: [NET_ADMIN], drop: [ALL]}}' ' --cap-add NET_ADMIN --cap-drop ALL '
    becomes 'securityContext: {seLinuxOptions: {type: spc_t, level: "s0:c1"}, seccompProfile: {type: Unconfined}}' ' --security-opt label=type:spc_t --security-opt label=level:s0:c1 --security-opt seccomp=unconfined '
    becomes 'securityContext: {seccompProfile: {type: Localhost, localhostProfile: a.json}}' ' --security-opt seccomp=/var/lib/kubelet/seccomp/a.json '
    becomes 'livenessProbe: {exec: {command: [test, -e, "/a b"]}}' ' --health-interval 10s --health-timeout 1s --health-retries 3 --health-on-failure restart '
    becomes 'livenessProbe: {exec: {command: [test, -e, "/a b"]}}' "--health-cmd ''\\''test'\\'' '\\''-e'\\'' '\\''/a b'\\'''"
    becomes 'ports: [{containerPort: 80, name: web}], readinessProbe: {tcpSocket: {port: web}, periodSeconds: 3, failureThreshold: 1}' \
        " nc -w 1 -z '\\''127.0.0.1'\\'' 80; fi' --health-interval 3s --health-timeout 1s --health-retries 1 -- "
    becomes 'livenessProbe: {httpGet: {port: 81, path: /x, scheme: HTTPS, httpHeaders: [{name: H, value: v}]}, initialDelaySeconds: 7}' ' --health-start-period 7s '
    becomes 'livenessProbe: {httpGet: {port: 81}}, startupProbe: {httpGet: {port: 81}, periodSeconds: 2, failureThreshold: 30}' ' --health-start-period 60s --health-start-interval 2s '
    becomes 'volumeMounts: [{name: dir, mountPath: /m, readOnly: true}]' ' --mount type=bind,source=/etc,target=/m,readonly '
    becomes 'volumeMounts: [{name: dir, mountPath: /m, subPath: apt, mountPropagation: HostToContainer}]' ' --mount type=bind,source=/etc/apt,target=/m,bind-propagation=rslave '
    becomes 'volumeMounts: [{name: claim, mountPath: "/a,b", subPath: x/y}]' " --mount 'type=volume,source=store,\"target=/a,b\",volume-subpath=x/y' "
    becomes 'volumeMounts: [{name: tmp, mountPath: /t}]' ' --mount type=volume,source=p-tmp,target=/t '
    becomes 'volumeMounts: [{name: conf, mountPath: /t}]' ' --mount type=volume,source=p-conf,target=/t,readonly '
    becomes 'volumeMounts: [{name: dev, mountPath: /dev/x}]' ' --device /dev/null:/dev/x:rwm '
    becomes 'volumeMounts: [{name: keys, mountPath: /k}]' ' --secret db.user,target=/k/a/user,mode=0400 '
    becomes 'volumeMounts: [{name: keys, mountPath: /k, subPath: a/user}]' ' --secret db.user,target=/k,mode=0400 '
}

# pod FIELDS WORDS: fields of its spec, and what stands in `pod create`; or with / in front, in some line.
pod() {
    printf '{kind: %s, metadata: {name: p}, spec: {%scontainers: [{name: c, image: i, ports: [{containerPort: 80, hostPort: 8080, hostIP: 127.0.0.1}, {containerPort: 53, hostPort: 0, protocol: UDP}]}], %s}%s}\n' \
        "${3:-Pod}" "${4:-}" "$1" "${5:-}" >file.yaml
    attempt kube play --print ${6:-} file.yaml
    all=$output
    [ "${2:0:1}" = / ] || all=$(grep '^hull pod create ' <<<"$output" || true)
    [[ " $all " == *"${2#/}"* && $status = 0 ]] || { echo "$1: status $status: $stderr: $output"; return 1; }
}

@test "what a pod's fields become; the objects that make pods" {
    cd "$BATS_TEST_TMPDIR"
    pod '' 'hull pod create --name p --exit-policy stop --restart always --network kube --publish 127.0.0.1:8080:80/tcp '
    pod '' ' --publish 127.0.0.1:8080:80/tcp --publish 53:53/udp ' Pod '' '' --publish-all
    pod '' ' --network none --ip 10.0.0.9 ' Pod '' '' '--network none --ip 10.0.0.9'
    pod 'restartPolicy: OnFailure' ' --restart on-failure '
    pod 'restartPolicy: Never' ' --restart no '
    pod 'hostNetwork: true' ' --network host '
    pod 'hostname: h' ' --hostname h '
    pod 'hostAliases: [{ip: 10.0.0.1, hostnames: [a, b]}]' ' --add-host a:10.0.0.1 --add-host b:10.0.0.1 '
    pod 'shareProcessNamespace: true' ' --share +pid '
    pod 'hostIPC: true' ' --share net,uts '
    pod 'hostIPC: true, hostPID: true' '/ --pid host --ipc host '
    pod 'dnsConfig: {nameservers: [10.0.0.1], searches: [a.b], options: [{name: ndots, value: "2"}, {name: rotate}]}' ' --dns 10.0.0.1 --dns-search a.b --dns-option ndots:2 --dns-option rotate '
    pod 'securityContext: {sysctls: [{name: net.core.somaxconn, value: "99"}]}' ' --sysctl net.core.somaxconn=99 '
    pod 'securityContext: {runAsUser: 7, supplementalGroups: [8, 9]}' '/ --user 7 --group-add 8 --group-add 9 '
    pod 'terminationGracePeriodSeconds: 3' '/ --stop-timeout 3 '
    pod 'volumes: [{name: v, emptyDir: {medium: Memory, sizeLimit: 1Mi}}]' '/hull volume create --label hull.kube.volume=p-v --opt type=tmpfs --opt device=tmpfs --opt o=size=1048576 -- p-v'
    pod "volumes: [{name: v, hostPath: {path: $BATS_TEST_TMPDIR/new dir, type: DirectoryOrCreate}}]" "/mkdir -p '$BATS_TEST_TMPDIR/new dir'"
    pod 'initContainers: [{name: first, image: j, args: [x]}]' '/hull run --pod p --name p-first --rm --restart no -- j x'
    pod 'initContainers: [{name: side, image: j, restartPolicy: Always}]' '/hull create --pod p --name p-side -- j'
    pod '' ' --name p-pod --exit-policy stop --restart always ' Deployment 'replicas: 1, template: {metadata: {}, spec: {' '}}'
    pod '' ' --name p-pod --exit-policy stop --restart no ' Job 'backoffLimit: 1, template: {spec: {' '}}'
    printf '{kind: List, items: [{kind: PersistentVolumeClaim, metadata: {name: c, labels: {a: b}, annotations: {volume.podman.io/type: tmpfs}}, spec: {}}]}' >list.yaml
    attempt kube play --print list.yaml
    [ "$output" = "hull volume create --label a=b --opt type=tmpfs -- c" ]
    pod 'restartPolicy: Never, initContainers: [{name: side, image: j, restartPolicy: Always, livenessProbe: {exec: {command: [a]}}}]' '/ --health-on-failure stop -- j'
    # More than one is one, and what has no meaning on one machine is said.
    pod '' ' --name p-pod ' Deployment 'replicas: 3, template: {spec: {' '}}'
    [[ $stderr == *"spec.replicas: one is made of 3"* ]]
    pod 'nodeSelector: {}, shiny: 1' ' --name p '
    [ "$stderr" = "hull: warning: file.yaml: Pod p: spec: shiny has no effect here" ]
}

write_web() {
    cat >web.yaml <<'END'
apiVersion: v1
kind: Secret
metadata: {name: db}
stringData: {password: s3cret}
---
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {name: kept}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: site}
data: {index.html: "a page\n", run.sh: "echo ran"}
---
apiVersion: v1
kind: Pod
metadata: {name: web, labels: {app: web}}
spec:
  restartPolicy: Never
  terminationGracePeriodSeconds: 0
  initContainers:
  - {name: one, image: box, command: [sh, -c, "echo one >/data/order"], volumeMounts: [{name: data, mountPath: /data}]}
  - {name: two, image: box, command: [sh, -c, "echo two >>/data/order"], volumeMounts: [{name: data, mountPath: /data}]}
  containers:
  - name: server
    image: box
    command: [httpd, -f]
    args: [-p, "$(PORT)", -h, /www]
    env: [{name: PORT, value: "8000"}, {name: PASSWORD, valueFrom: {secretKeyRef: {name: db, key: password}}}]
    livenessProbe: {httpGet: {port: 8000, path: /index.html}, periodSeconds: 1}
    volumeMounts:
    - {name: www, mountPath: /www}
    - {name: data, mountPath: /data}
    - {name: keys, mountPath: /keys}
    - {name: store, mountPath: /store}
  - {name: side, image: box, args: [sleep, "1000"]}
  volumes:
  - {name: www, configMap: {name: site, items: [{key: index.html, path: index.html}, {key: run.sh, path: bin/run.sh, mode: 0755}]}}
  - {name: data, emptyDir: {}}
  - {name: keys, secret: {secretName: db, defaultMode: 0400}}
  - {name: store, persistentVolumeClaim: {claimName: kept}}
END
}

nothing_left() {
    run -0 hull pod ls -q
    [ -z "$output" ]
    run -0 hull ps -aq
    [ -z "$output" ]
    run -0 hull volume ls -q
    [ "$output" = "$1" ]
}

@test "play, again with --replace, down: init containers in their order, files, variables, secrets, health" {
    cd "$BATS_TEST_TMPDIR"
    write_web
    attempt kube play --network none web.yaml
    [ "$status" = 0 ]
    [ -z "$stderr" ]
    mapfile -t lines <<<"$output"
    [ "${#lines[@]}" = 5 ]
    [[ ${lines[0]} == Pod: && ${lines[1]} =~ ^[0-9a-f]{64}$ && ${lines[2]} == Containers: && ${lines[3]} =~ ^[0-9a-f]{64}$ ]]
    # shellcheck disable=SC2016
    run -0 hull exec web-server sh -c 'cat /data/order /keys/password; echo " $PASSWORD"; stat -c %a /keys/password /www/bin/run.sh; sh /www/bin/run.sh; echo x >/store/file; touch /www/x 2>/dev/null || echo read-only'
    [ "$output" = $'one\ntwo\ns3cret s3cret\n400\n755\nran\nread-only' ]
    run -0 hull exec web-side wget -q -O - http://127.0.0.1:8000/index.html
    [ "$output" = "a page" ]
    wait_until 60 hull wait --condition healthy web-server
    run -1 grep -c s3cret <(hull inspect web-server)
    run -0 hull pod inspect -f '{{.State}} {{.NumContainers}} {{.Labels.app}} {{.ExitPolicy}}' web
    [ "$output" = "Running 2 web stop" ]
    # The name is taken: nothing of what is there is touched.
    attempt kube play --network none web.yaml
    [ "$status" != 0 ]
    run -0 hull exec web-server true
    old=$(hull pod inspect -f '{{.Id}}' web)
    attempt kube play --network none --replace web.yaml
    [ "$status" = 0 ]
    [ "$(hull pod inspect -f '{{.Id}}' web)" != "$old" ]
    run -0 hull exec web-server cat /store/file
    [ "$output" = x ]
    attempt kube down web.yaml
    [ "$output" = $'Pods stopped:\nweb\nPods removed:\nweb' ]
    nothing_left kept
    run -0 hull secret ls -q
    [ -z "$output" ]
    attempt kube down --force web.yaml
    [ "$status" = 0 ]
    [ -z "$output$stderr" ]
    nothing_left ''
    hull kube play --network none --start=false web.yaml >/dev/null
    run -0 hull inspect -f '{{.State.Status}}' web-server web-side
    [ "$output" = $'created\ncreated' ]
    hull play kube --down --force web.yaml
    nothing_left ''
}

@test "a step that fails, an init container that fails, a kill in the middle: what was made goes again" {
    cd "$BATS_TEST_TMPDIR"
    write_web
    sed 's/args: \[sleep/imagePullPolicy: Never, &/; s/side, image: box/side, image: example.invalid\/none/' web.yaml >none.yaml
    attempt kube play --network none none.yaml
    [ "$status" = 125 ]
    [ "$stderr" = "hull: no such image: example.invalid/none" ]
    nothing_left kept
    sed 's/echo two >>.data.order/exit 7/' web.yaml >seven.yaml
    attempt kube play --network none seven.yaml
    [ "$status" = 7 ]
    nothing_left kept
    sed 's/echo two >>.data.order/sleep 1000/' web.yaml >slow.yaml
    "$HULL" kube play --network none slow.yaml >out 2>&1 3>&- &
    play=$!
    wait_until 60 hull exec web-two true
    kill $play
    wait $play && return 1
    nothing_left kept
    hull volume rm kept
    hull secret rm -a >/dev/null
}

@test "files that are wrong: one line that names the place, and nothing is made" {
    cd "$BATS_TEST_TMPDIR"
    attempt kube play none.yaml
    [ "$status" = 1 ]
    [ "$stderr" = "hull: none.yaml: No such file or directory" ]
    bad 'a: [' 'bad.yaml: line '
    bad 'a: 1
a: 2' 'line 2: the key "a" is there twice'
    bad '[1]' 'without kind'
    bad '' 'nothing in it'
    bad '{kind: Service, metadata: {name: s}}' 'nothing in it'
    bad '{kind: Pod}' 'name is missing'
    bad '{kind: Pod, metadata: {name: -x}}' 'name is "-x"'
    bad '{kind: Pod, metadata: {name: p}}' 'Pod p: spec: it is missing'
    bad '{kind: Pod, metadata: {name: p}, spec: {}}' 'containers is missing'
    c() { bad "{kind: Pod, metadata: {name: p}, spec: {containers: [{name: c, image: box, $1}], ${3:-volumes: []}}}" "$2"; }
    bad '{kind: Pod, metadata: {name: p}, spec: {containers: [{name: c}]}}' 'spec.containers[0]: image is missing'
    c 'env: [{name: A, value: 1}]' 'env[0]: value is a number: it has to be a string, in quotes'
    c 'env: [{name: A=B, value: x}]' 'no name of a variable'
    c 'env: [{name: A, value: x, valueFrom: {fieldRef: {fieldPath: metadata.name}}}]' 'exclude each other'
    c 'env: [{name: A, valueFrom: {fieldRef: {fieldPath: status.podIP}}}]' 'fieldPath is "status.podIP"'
    c 'env: [{name: A, valueFrom: {configMapKeyRef: {name: m, key: k}}}]' 'there is no ConfigMap m'
    c 'envFrom: [{secretRef: {name: m}}]' 'there is no Secret m'
    c 'env: [{name: A, valueFrom: {secretKeyRef: {name: "m,target=/x", key: k}}}]' '"m,target=/x.k" can be no secret'
    c 'env: [{name: "A,uid", valueFrom: {secretKeyRef: {name: m, key: k}}}]' 'has a comma'
    c 'tty: true' 'a volume p-v is there already' 'volumes: [{name: v, emptyDir: {}}]}}
---
{kind: PersistentVolumeClaim, metadata: {name: p-v}, spec: {a: 1'
    c 'args: [1]' 'args: [0] is a number'
    c 'resources: {limits: {cpu: "0X10"}}' 'cpu is "0X10"'
    c 'volumeMounts: [{name: v, mountPath: "/x:rwm"}]' 'no colon' 'volumes: [{name: v, hostPath: {path: /dev/null, type: CharDevice}}]'
    c 'command: x' 'command is a string: it has to be a list'
    c 'resources: {limits: {memory: 1Qi}}' 'memory is "1Qi"'
    c 'resources: {limits: {cpu: -1}}' 'cpu is "-1"'
    c 'ports: [{containerPort: 0}]' 'containerPort is 0'
    c 'ports: [{containerPort: 80, protocol: ICMP}]' 'TCP, UDP and SCTP'
    c 'imagePullPolicy: Sometimes' 'Always, IfNotPresent and Never'
    c 'securityContext: {runAsNonRoot: true}' 'runAsUser has to say whom'
    c 'securityContext: {seccompProfile: {type: Localhost}}' 'localhostProfile'
    c 'livenessProbe: {grpc: {port: 1}}' 'exec, httpGet and tcpSocket'
    c 'livenessProbe: {httpGet: {port: nobody}}' 'port is neither'
    c 'volumeMounts: [{name: v, mountPath: /x}]' 'there is no volume v'
    c 'volumeMounts: [{name: v, mountPath: x}]' 'absolute' 'volumes: [{name: v, emptyDir: {}}]'
    c 'volumeMounts: [{name: v, mountPath: /x, subPath: ../y}]' 'lead into the volume' 'volumes: [{name: v, emptyDir: {}}]'
    c 'tty: true' 'hostPath, persistentVolumeClaim' 'volumes: [{name: v, nfs: {}}]'
    c 'tty: true' 'is there twice' 'volumes: [{name: v, emptyDir: {}}, {name: v, emptyDir: {}}]'
    c 'tty: true' 'is not there' 'volumes: [{name: v, hostPath: {path: /no/such, type: Directory}}]'
    c 'tty: true' 'is no Socket' 'volumes: [{name: v, hostPath: {path: /etc, type: Socket}}]'
    c 'tty: true' 'absolute' 'volumes: [{name: v, hostPath: {path: etc}}]'
    c 'tty: true' 'Always, OnFailure and Never' 'restartPolicy: Maybe'
    bad '{kind: ConfigMap, metadata: {name: m}, data: {../x: "1"}}
---
{kind: Pod, metadata: {name: p}, spec: {containers: [{name: c, image: box}], volumes: [{name: v, configMap: {name: m}}]}}' 'can be no file'
    bad '{kind: ConfigMap, metadata: {name: m}, data: {x: "1"}}
---
{kind: Pod, metadata: {name: p}, spec: {containers: [{name: c, image: box}], volumes: [{name: v, configMap: {name: m, items: [{key: x, path: ../../y}]}}]}}' 'clean path below'
    bad '{kind: ConfigMap, metadata: {name: m}, data: {x: "1"}}
---
{kind: Pod, metadata: {name: p}, spec: {containers: [{name: c, image: box}], volumes: [{name: v, configMap: {name: m, items: [{key: x, path: .}]}}]}}' 'clean path below'
    bad '{kind: Secret, metadata: {name: s}, stringData: {x: ""}}' 'Secret s: x: a secret has 1 to 512000 bytes'
    bad '{kind: Secret, metadata: {name: s}, data: {x: "?"}}' 'no base64'
    refuses 125 'exclude each other' kube play --down --replace bad.yaml
    refuses 125 '--force is for --down' kube play --force bad.yaml
}

@test "a small file that makes much of itself is refused" {
    cd "$BATS_TEST_TMPDIR"
    local i env='{name: A0, value: xxxxxxxxxx}' keys='&i {key: k, path: a}'
    for i in {1..30}; do
        # shellcheck disable=SC2016
        env+=$(printf ', {name: A%d, value: "$(A%d)$(A%d)$(A%d)$(A%d)"}' "$i" $((i - 1)) $((i - 1)) $((i - 1)) $((i - 1)))
    done
    bad "{kind: Pod, metadata: {name: p}, spec: {containers: [{name: c, image: box, env: [$env]}]}}" 'env[7]: with its $(NAME) a text is longer than 128 KiB'
    for i in {1..300}; do keys+=', *i'; done
    bad "{kind: ConfigMap, metadata: {name: m}, data: {k: $(head -c 1000000 /dev/zero | tr '\0' x)}}
---
{kind: Pod, metadata: {name: p}, spec: {containers: [{name: c, image: box}], volumes: [{name: v, configMap: {name: m, items: [$keys]}}]}}" 'more than'
}

waits_for_input() { grep -q pipe_read "/proc/$1/wchan"; }

@test "what was there before stays; a pod's name is no beginning of an id; a word too long for the kernel is told; a signal while it reads" {
    cd "$BATS_TEST_TMPDIR"
    one() { printf '{kind: Pod, metadata: {name: "%s"}, spec: {containers: [{name: c, image: %s, imagePullPolicy: Never, %s}], volumes: [{name: v, %s}]}}' "$@" >one.yaml; }
    one before example.invalid/none 'tty: false' 'emptyDir: {}'
    hull volume create before-v
    attempt kube play --network none one.yaml
    [ "$stderr" = "hull: no such image: example.invalid/none" ]
    nothing_left before-v
    one before box 'tty: false' 'configMap: {name: m}'
    printf -- '\n---\n{kind: ConfigMap, metadata: {name: m}, data: {k: x}}\n' >>one.yaml
    attempt kube play --network none one.yaml
    [ "$stderr" = "hull: volume before-v is there already, and is in use or was not made by kube play" ]
    run hull kube down one.yaml
    hull volume rm before-v
    hull kube play --network none --start=false one.yaml
    hull kube down one.yaml
    run -1 hull volume exists before-v
    id=$(hull pod create --name zz --network none)
    one "${id:0:1}" box 'tty: false' 'emptyDir: {}'
    attempt kube down one.yaml
    [ "$status:$output$stderr" = 0: ]
    hull pod inspect zz >/dev/null
    hull pod rm zz
    # All keys with an empty list, none of those that are optional and missing.
    { printf '{kind: ConfigMap, metadata: {name: m}, data: {k: x}}\n---\n'; cat one.yaml; } >two.yaml
    sed -i 's/emptyDir: {}/configMap: {name: m, optional: true, items: [{key: k, path: a}, {key: none, path: b}]}/' two.yaml
    hull kube play --print two.yaml >/dev/null
    one long box "args: [x, $(head -c 131072 /dev/zero | tr '\0' x)]" 'emptyDir: {}'
    attempt kube play --network none one.yaml
    [ "$status" = 126 ]
    [[ $stderr == *"hull create: Argument list too long" ]]
    nothing_left ''
    mkfifo input
    "$HULL" kube play - <input 3>&- &
    play=$!
    exec 9>input
    wait_until 60 waits_for_input $play
    kill $play
    wait $play && return 1
    exec 9>&-
}
