#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# docker's API as programs use it: docker's library for Python, docker-compose 1, docker's command line.
# machines: native v2

load ../lib/network
load ../lib/api
setup_file() { network_setup; api_serve; }
teardown_file() { api_end; network_teardown; }
setup() { network_or_skip; }
teardown() {
    network_clean
    hull volume prune -af >/dev/null
}

docker_py() {
    /usr/bin/python3 -c 'import docker' 2>/dev/null || skip "python3-docker is not installed"
    /usr/bin/python3 "$BATS_TEST_DIRNAME/../lib/docker_py.py" "$API_SOCKET" "$@"
}

compose() {
    [ -x /usr/bin/docker-compose ] || skip "docker-compose is not installed"
    DOCKER_HOST=unix://$API_SOCKET COMPOSE_PROJECT_NAME=town timeout 100 /usr/bin/docker-compose --ansi never "$@"
}

@test "python: containers, from run to remove" { docker_py containers; }
@test "python: run that waits and removes" { docker_py run; }
@test "python: files go in and out" { docker_py files; }
@test "python: volumes and networks" { docker_py objects --net; }
@test "python: images: build, tag, save, load, remove" { docker_py images; }
@test "python: attach before the start" { docker_py attach; }
@test "python: events" { docker_py events; }
@test "python: ping, version, info, df" { docker_py system; }

@test "compose 1: two services, a network, a volume, a build: up, ps, logs, exec, again, down" {
    mkdir -p town/web
    printf 'FROM box\nRUN mkdir /www && echo built >/www/index.html\nCMD ["httpd", "-f", "-p", "80", "-h", "/www"]\n' >town/web/Dockerfile
    cat >town/docker-compose.yml <<'YAML'
version: "2.4"
services:
  web:
    build: web
    depends_on: [db]
    networks: [inside]
    environment: {A: b}
  db:
    image: box
    command: ["sh", "-c", "echo ready; exec sleep 1000"]
    volumes: ["data:/data"]
    networks: {inside: {aliases: [store]}}
    healthcheck: {test: "true", interval: 1s}
networks:
  inside: {}
volumes:
  data: {}
YAML
    cd town
    compose up -d
    [ "$(hull ps --format '{{.Names}}' | sort | xargs)" = "town_db_1 town_web_1" ]
    [[ $(compose ps) == *town_web_1*Up* ]]
    [[ $(compose logs db) == *ready* ]]
    [ "$(compose exec -T web sh -c 'echo $A')" = b ]
    compose exec -T web ping -c 1 -W 5 db
    compose exec -T web ping -c 1 -W 5 store
    [ "$(compose exec -T db wget -q -O - http://web)" = built ]
    [[ $(compose up -d 2>&1) == *"up-to-date"* ]]
    compose up -d --force-recreate db
    compose restart -t 0 db
    compose stop -t 0
    compose start
    [ "$(compose run --rm -T web echo once)" = once ]
    compose down -t 0 -v --rmi local
    [ -z "$(hull ps -aq)" ]
    [ -z "$(hull network ls -q --filter type=custom)" ]
    [ -z "$(hull volume ls -q)" ]
}

@test "docker's command line: a day of it" {
    need_docker_cli
    [ "$(docker_cli run --rm box echo hello)" = hello ]
    [ "$(echo in | docker_cli run --rm -i box cat)" = in ]
    run -7 docker_cli run --rm box sh -c 'exit 7'
    run -127 docker_cli run --rm box /no/such/program
    docker_cli run -d --name day -p 127.0.0.1:8099:80 -v day-v:/data box sh -c 'echo up; exec sleep 1000'
    [ "$(docker_cli exec day sh -c 'echo x >/data/x; cat /data/x')" = x ]
    [ "$(docker_cli logs day)" = up ]
    [[ $(docker_cli ps --format '{{.Names}} {{.Ports}}') == "day 127.0.0.1:8099->80/tcp" ]]
    echo file >file
    docker_cli cp file day:/tmp/file
    [ "$(docker_cli cp day:/tmp/file - | tar -xO)" = file ]
    [[ $(docker_cli stats --no-stream --format '{{.Name}} {{.PIDs}}') == "day "* ]]
    docker_cli stop -t 0 day
    docker_cli start day
    docker_cli commit day day-i
    docker_cli rm -f day
    [ "$(docker_cli run --rm day-i echo again)" = again ]
    docker_cli rmi day-i
    docker_cli volume rm day-v
}
