#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# hull build on what people build: each is built (on this machine's network) and run, built again fully from the cache, pushed to a registry and read back by
# skopeo. Packages come from Debian's archive and from npm's registry; where one of them is not reachable its tests say so and are left out.

load ../lib/real
setup_file() {
    real_setup
    [ -z "${REAL_MISSING-}" ] || return 0
    local name
    for name in debian:12 web:gz py:gz db:gz; do
        hull pull -q "$REGISTRY/$name"
        hull tag "$REGISTRY/$name" "${name%:*}"
    done
    # What is pushed does not go where the others' images are.
    registry_stop
    mkdir "$HULL_DIR/pushed"
    IMAGES=$HULL_DIR/pushed registry_start
}
teardown_file() { real_teardown; }
setup() {
    real_or_skip
    mkdir "$BATS_TEST_TMPDIR/ctx"
    cd "$BATS_TEST_TMPDIR/ctx" || return 1
}

# This machine's own clients say what is reachable; apt's lists are not the machine's.
debian_or_skip() {
    mkdir -p "$BATS_FILE_TMPDIR/lists/partial"
    timeout 60 apt-get -qq -o Dir::State::lists="$BATS_FILE_TMPDIR/lists" -o Acquire::Retries=0 -o APT::Update::Error-Mode=any update >/dev/null 2>&1 ||
        skip "needs Debian's archive"
}
npm_or_skip() { timeout 60 npm view ms version >/dev/null 2>&1 || skip "needs npm's registry"; }

# NAME ARG...: built twice, the second time of nothing but the cache; then pushed, and what skopeo reads is what was built.
builds() {
    local name=$1 first steps
    shift
    hull build --progress plain --network host -t "$name" "$@" .
    first=$(hull image inspect -f '{{.Id}}' "$name")
    run -0 hull build --progress plain --network host -t "$name" "$@" .
    steps=$(grep -cE '^#[0-9]+ \[.* (RUN|COPY|ADD|WORKDIR) ' <<<"$output")
    [ "$steps" -gt 0 ] && [ "$(grep -c ' CACHED$' <<<"$output")" = "$steps" ] || { echo "$output"; return 1; }
    [ "$(hull image inspect -f '{{.Id}}' "$name")" = "$first" ]
    hull push -q "$name" "$REGISTRY/$name:made"
    command -v skopeo >/dev/null || return 0
    skopeo inspect --tls-verify=false --config "docker://$REGISTRY/$name:made" >config
    [ "$(python3 -c 'import json; print(len(json.load(open("config"))["rootfs"]["diff_ids"]))')" = \
        "$(hull image inspect -f '{{len .RootFS.Layers}}' "$name")" ]
    skopeo copy -q --src-tls-verify=false "docker://$REGISTRY/$name:made" "dir:$BATS_TEST_TMPDIR/$name"
}

APT='apt-get -q update && apt-get -q -y --no-install-recommends install'
LISTS='--mount=type=cache,target=/var/lib/apt/lists,sharing=locked --mount=type=cache,target=/var/cache/apt,sharing=locked'

@test "build: a C program in stages: a compiler from Debian, a test beside it, nothing but the program in the image" {
    debian_or_skip
    printf '#include <stdio.h>\n#include "words.h"\nint main(int n, char **v)\n{\n\tprintf("%%d\\n", words(n > 1 ? v[1] : ""));\n\treturn 0;\n}\n' >main.c
    printf '#include "words.h"\nint words(const char *s)\n{\n\tint n = 0, in = 0;\n\tfor (; *s; s++)\n\t\tif (*s == 32)\n\t\t\tin = 0;\n\t\telse if (!in)\n\t\t\tn += in = 1;\n\treturn n;\n}\n' >words.c
    echo 'int words(const char *s);' >words.h
    printf 'words: main.o words.o\n\t$(CC) -static -o $@ $^\nmain.o words.o: words.h\n' >Makefile
    cat >Dockerfile <<EOT
FROM debian AS tools
RUN $LISTS $APT gcc libc6-dev make
FROM tools AS made
WORKDIR /src
COPY Makefile *.c *.h ./
RUN make CFLAGS=-O2
FROM made AS tested
RUN [ "\$(./words 'one two  three')" = 3 ] && touch /passed
FROM scratch
COPY --from=made /src/words /words
COPY --from=tested /passed /
ENTRYPOINT ["/words"]
EOT
    builds words
    [ "$(hull run --rm words 'a lot of words')" = 4 ]
    # Another source of the same program: the compiler is not installed again, and what comes after the program is a hit.
    local before
    before=$(hull image inspect -f '{{.Id}}' words)
    echo '/* more */' >>words.c
    run -0 hull build --progress plain --network host -t words .
    [[ $output == *'-c -o words.o words.c'* && $output != *'Setting up gcc'* ]]
    [ "$(grep -c ' CACHED$' <<<"$output")" = 4 ]
    [ "$(hull image inspect -f '{{.Id}}' words)" = "$before" ]
}

@test "build: a Python pipeline: packages from Debian, data made in one stage and worked on in the next" {
    debian_or_skip
    printf 'import random\nrandom.seed(7)\nfor i in range(1000):\n    print(f"{i},{random.randrange(100)}")\n' >make.py
    printf 'import csv, sys, yaml\nrows = [int(r[1]) for r in csv.reader(sys.stdin)]\nprint(yaml.safe_dump({"rows": len(rows), "largest": max(rows)}), end="")\n' >sum.py
    printf 'import sys, yaml\nprint(yaml.safe_load(open("/data/report.yaml"))[sys.argv[1]])\n' >show.py
    cat >Dockerfile <<EOT
FROM py AS lib
RUN $LISTS $APT python3-yaml
FROM lib AS data
RUN --mount=type=bind,target=/src python3 /src/make.py >/rows.csv
FROM lib AS report
RUN --mount=type=bind,target=/src --mount=type=bind,from=data,source=/rows.csv,target=/rows.csv python3 /src/sum.py </rows.csv >/report.yaml
FROM lib
COPY --from=report /report.yaml /data/
COPY --chmod=0644 show.py /app/
USER nobody
ENTRYPOINT ["python3", "/app/show.py"]
CMD ["rows"]
EOT
    builds pipeline
    [ "$(hull run --rm pipeline)" = 1000 ]
    [ "$(hull run --rm pipeline largest)" = 99 ]
    [ "$(hull image inspect -f '{{len .RootFS.Layers}}' pipeline)" = 5 ]
}

@test "build: nginx with a site" {
    local port i
    port=$(free_port)
    mkdir -p site/sub
    for i in 1 2 3; do echo "page $i" >"site/sub/$i.html"; done
    echo secret >site/.hidden
    echo '**/.hidden' >.dockerignore
    cat >Dockerfile <<'EOT'
FROM web
ARG PORT=80
COPY site /site
COPY <<EOC /etc/nginx/sites-enabled/default
server { listen 127.0.0.1:$PORT; root /site; access_log /dev/stdout; }
EOC
RUN nginx -t
HEALTHCHECK --interval=1h CMD ["true"]
LABEL org.opencontainers.image.title="a site"
EXPOSE $PORT
EOT
    builds site --build-arg "PORT=$port"
    [ "$(hull image inspect -f '{{json .Config.ExposedPorts}} {{.Config.StopSignal}}' site)" = '{"'"$port"'/tcp":{},"80/tcp":{}} SIGQUIT' ]
    hull run -d --name site --network host site
    get() { python3 -c "import urllib.request; print(urllib.request.urlopen('http://127.0.0.1:$1/$2').read().decode(), end='')"; }
    export -f get
    wait_until 20 get "$port" sub/2.html
    [ "$(get "$port" sub/3.html)" = "page 3" ]
    run ! get "$port" .hidden
    hull rm -f site
}

# npm and node of this machine, by named contexts: Debian's npm is hundreds of packages.
@test "build: a node program with packages from npm's registry" {
    local npm node certs=/etc/ssl/certs/ca-certificates.crt
    npm=$(npm root -g 2>/dev/null)/npm node=$(readlink -f "$(command -v node)")
    [ -e "$npm/bin/npm-cli.js" ] && [ "${node##*/}" = node ] && [ -e "$certs" ] && ! ldd "$node" | grep -q libnode || skip "needs a node and an npm that can be copied"
    npm_or_skip
    echo '{"name": "lengths", "version": "1.0.0", "private": true, "dependencies": {"ms": "2.1.3", "semver": "7.6.3"}}' >package.json
    echo 'console.log(require("ms")("2 days"), require("semver").gt("10.0.0", "9.9.9"))' >main.js
    cat >Dockerfile <<'EOT'
FROM debian AS made
COPY --from=bin node /usr/local/bin/
COPY --from=npm . /opt/npm
WORKDIR /app
COPY package.json ./
RUN --mount=type=cache,target=/root/.npm --mount=type=secret,id=certs NODE_EXTRA_CA_CERTS=/run/secrets/certs \
    node /opt/npm/bin/npm-cli.js install --omit=dev --no-audit --no-fund --ignore-scripts
COPY main.js ./
FROM debian
COPY --from=made /usr/local/bin/node /usr/local/bin/
COPY --from=made --exclude=package-lock.json /app /app
USER 1000:1000
CMD ["node", "/app/main.js"]
EOT
    builds lengths --build-context "bin=${node%/*}" --build-context "npm=$npm" --secret "id=certs,src=$certs"
    [ "$(hull run --rm lengths)" = '172800000 true' ]
    [ -z "$(hull run --rm lengths find / -xdev -name npm-cli.js)" ]
}

@test "build: postgres with ONBUILD: children that bring their tables" {
    local child
    cat >Dockerfile <<'EOT'
FROM db
USER root
RUN install -d -o postgres -g postgres /init
USER postgres
ENV PGDATA=/init/pg PATH=/usr/lib/postgresql/15/bin:$PATH
ONBUILD COPY --chown=postgres:postgres *.sql /init/
ONBUILD ARG DATABASE=things
ONBUILD RUN initdb -A trust >/dev/null && pg_ctl -s -w -o '-k /tmp' start && createdb -h /tmp "$DATABASE" && \
    cat /init/*.sql | psql -h /tmp -q -v ON_ERROR_STOP=1 "$DATABASE" && pg_ctl -s -w stop
EOT
    builds parent
    [ "$(hull image inspect -f '{{len .Config.OnBuild}}' parent)" = 3 ]
    echo 'FROM parent' >Dockerfile
    echo 'create table t (n int); insert into t select generate_series(1, 100);' >a.sql
    builds hundred
    [ "$(hull image inspect -f '{{len .Config.OnBuild}}' hundred)" = 0 ]
    echo 'insert into t values (-50);' >b.sql
    builds fewer --build-arg DATABASE=other
    for child in hundred:things:5050 fewer:other:5000; do
        IFS=: read -r image database sum <<<"$child"
        hull run -d --name "$image" "$image"
        wait_until 60 hull exec "$image" pg_isready -h /tmp -q
        [ "$(hull exec "$image" psql -h /tmp -U postgres -At -c 'select sum(n) from t' "$database")" = "$sum" ]
        hull rm -f -v "$image"
    done
    # A broken one says what psql said, and where.
    echo 'insert into nowhere values (1);' >c.sql
    run ! hull build --progress plain --network host .
    [[ $output == *'relation "nowhere" does not exist'* && $output == *'Dockerfile:1'* ]]
}
