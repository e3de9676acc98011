#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# hull build: what the checks find, and --call.
# machines: native v2

load ../lib/hull
setup_file() { hull_setup; }
teardown_file() { hull_teardown; }

setup() {
    rm -rf "$HULL_DIR/ctx"
    mkdir "$HULL_DIR/ctx"
    cd "$HULL_DIR/ctx" || return 1
}

@test "build check: a build warns, with the line and a caret, and goes on" {
    printf 'FROM box\nENV PATH=$PAHT:/bin A=$PATH\nCMD echo x\n' >Dockerfile
    run -0 hull build --progress plain -t checked .
    [[ $output == *"warning: Dockerfile:2:10: UndefinedVar: nothing defines \$PAHT before (did you mean \$PATH?)"* ]]
    [[ $output == *$'\n   2 | ENV PATH=$PAHT:/bin A=$PATH\n     |          ^\n'* ]]
    [[ $output == *"Dockerfile:3:1: JSONArgsRecommended: "* ]]
    # Quietly; and those that are not wanted.
    run -0 hull build -q .
    [[ $output == sha256:* ]]
    run -0 hull build --progress plain --build-arg BUILDKIT_DOCKERFILE_CHECK=skip=all .
    [[ $output != *warning* ]]
    # Of the base's own variables, and of a stage that is not needed, nothing is said.
    printf 'FROM checked AS a\nWORKDIR /$A\nFROM box AS unneeded\nCMD x\nFROM a\nWORKDIR $A\n' >Dockerfile
    run -0 hull build --progress plain .
    [[ $output != *warning* ]]
}

@test "build check: error=true fails the build before its steps, and what was found comes before another error" {
    printf '# check=error=true\nFROM box as a\nRUN echo done >/x\n' >Dockerfile
    run -1 hull build --progress plain .
    [[ $output == *"Dockerfile:2:10: FromAsCasing: "* ]]
    [[ ${lines[-1]} == "hull: Dockerfile: build checks failed: FromAsCasing" ]]
    [[ $output != *'RUN echo'* ]]
    printf '# check=error=true\nFROM box\nWORKDIR x\nRUN echo done >/x\n' >Dockerfile
    run -1 hull build --progress plain .
    [[ $output != *'RUN echo'* ]]
    printf 'FROM scratch AS Bad\nMAINTAINER me\nBADCMD\n' >Dockerfile
    run -1 hull build --progress plain .
    [[ $output == *"StageNameCasing"*"MaintainerDeprecated"*"unknown instruction: BADCMD"* ]]
    printf '# check=forget=x\nFROM box\n' >Dockerfile
    run -1 hull build --progress plain .
    [[ ${lines[-1]} == *'check: "forget": skip, error and experimental are known' ]]
}

@test "build check: --check and --call" {
    printf '# the is what it says\nFROM box AS the\nARG V=1\n# W about W\nARG W\nRUN --mount=type=secret,id=s,required --mount=type=ssh --mount=type=cache,target=/c true\nFROM box\nCMD x\n' >Dockerfile
    run -1 hull build --check .
    [[ $output == "WARNING: JSONArgsRecommended - https://docs.docker.com/go/dockerfile/rule/json-args-recommended/"* ]]
    [[ $output == *$'\n   8 | >>> CMD x\n'*'^'*"Check complete, 1 warning has been found!" ]]
    run -1 --separate-stderr hull build --call check,format=json .
    [ "$(jq -r '.warnings[] | "\(.ruleName) \(.location.ranges[0].start.line)"' <<<"$output")" = "JSONArgsRecommended 8" ]
    [ "$(jq -r '.sources[0].data' <<<"$output" | base64 -d)" = "$(cat Dockerfile)" ]
    run -0 hull build --call=check,ignorestatus .
    run -0 hull build --call targets .
    [ "${lines[1]%% *}" = the ]
    [[ ${lines[1]} == *"is what it says" ]]
    [[ ${lines[2]} == "(default)"* ]]
    run -0 hull build --call targets,format=json .
    [ "$(jq -c '.targets[] | [.name, .default, .base, .location.ranges[0].start.line]' <<<"$output")" = $'["the",null,"box",2]\n[null,true,"box",7]' ]
    run -0 hull build --call outline,format=json --target the --build-arg W=2 .
    [ "$(jq -c '[.name, .description, (.args[] | [.name, .value, .description]), .secrets[0].required, .ssh[0].name, .cache[0].ID]' <<<"$output")" = \
        '["the","is what it says",["V","1",null],["W","2","about W"],true,"default","/c"]' ]
    run -0 hull build --call outline --target the .
    [[ $output == *$'BUILD ARG '*$'SECRET '*$'s '*true* ]]
    printf 'FROM box\nCOPY gone /\n' >Dockerfile
    echo gone >.dockerignore
    run -1 hull build --check .
    [[ $output == *"CopyIgnoredFile"* ]]
    printf 'FROM no.where/at/all\nENV A=$B\n' >Dockerfile
    rm .dockerignore
    # Of a base that is not here nobody knows the variables.
    run -0 hull build --check .
    [ "$output" = "Check complete, no warnings found." ]
    printf 'FROM box\nRUM x\n' >Dockerfile
    run -1 --separate-stderr hull build --call check,format=json .
    [ "$(jq -c '[.buildError.message, .buildError.location.ranges[0].start.line]' <<<"$output")" = '["Dockerfile:2:1: unknown instruction: RUM (did you mean RUN?)",2]' ]
    run ! hull build --call nonsense .
    [[ $output == *'invalid --call "nonsense"'* ]]
}

@test "build check: a base image of another platform" {
    printf 'FROM box\nCOPY Dockerfile /\n' >Dockerfile
    run -0 hull build --progress plain --pull=never --platform linux/s390x .
    [[ $output == *'Dockerfile:1:6: InvalidBaseImagePlatform: box is of the platform'*'linux/s390x is built'* ]]
    run -0 hull build --progress plain --pull=never .
    [[ $output != *InvalidBaseImagePlatform* ]]
}
