#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Debian 12's own kernel: overlay that is told its layers in one string.
# machines: v2 v2:tester

load ../../lib/hull
setup_file() { hull_setup; }
teardown_file() { hull_teardown; }

@test "layers are stacked, not copied" {
    hull run --name stacked box sh -c 'echo hi >/mine'
    id=$(hull inspect -f '{{.Id}}' stacked)
    [ -e "$HULL_ROOT/containers/$id/upper/mine" ]
    [ ! -e "$HULL_ROOT/containers/$id/tree" ]
    run -0 hull inspect -f '{{.GraphDriver.Name}}' stacked
    [[ $output == overlay* ]]
}
