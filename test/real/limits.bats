#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Limits as real programs feel them: memory, CPU time, number of processes.

load ../lib/real
setup_file() {
    real_setup
    [ -z "${REAL_MISSING-}" ] || return 0
    hull pull -q "$REGISTRY/py:gz"
    hull tag "$REGISTRY/py:gz" py
}
teardown_file() { real_teardown; }
setup() { real_or_skip; }

@test "--memory 64M kills an allocating python: 137, OOMKilled: true" {
    need_controller memory
    run -137 hull run --name greedy --memory 64M --memory-swap 64M py python3 -c 'x = [bytearray(1 << 20) for _ in range(500)]'
    run -0 hull inspect -f '{{.State.OOMKilled}} {{.State.ExitCode}}' greedy
    [ "$output" = "true 137" ]
    run -0 hull run --rm --memory 256M py python3 -c 'x = [bytearray(1 << 20) for _ in range(100)]; print(len(x))'
    [ "$output" = 100 ]
    run -137 hull run --init --name killed --memory 64M py python3 -c 'import os; os.kill(os.getpid(), 9)'
    run -0 hull inspect -f '{{.State.OOMKilled}}' killed
    [ "$output" = false ]
}

# CPU seconds a busy loop gets in 3 s of wall time: halved by 0.5. The loop measures itself, so a slow machine does not matter.
@test "--cpus 0.5 halves a busy loop" {
    need_controller cpu
    loop='
import time
end = time.monotonic() + 3
while time.monotonic() < end: pass
print(round(time.process_time() / 3, 3))'
    share=$(hull run --rm --cpus 0.5 py python3 -c "$loop")
    python3 -c "assert 0.2 < $share < 0.6, $share"
    share=$(hull run --rm --cpus 0.1 py python3 -c "$loop")
    python3 -c "assert $share < 0.2, $share"
}

@test "--pids-limit stops a fork bomb" {
    need_controller pids
    run hull run --name bomb --pids-limit 20 py python3 -c '
import os, sys
n = 0
try:
    while n < 100:
        if os.fork() == 0:
            import time; time.sleep(5); os._exit(0)
        n += 1
except BlockingIOError:
    print("stopped at", n)
    sys.exit(3)'
    [ "$status" = 3 ]
    [[ $output == "stopped at 19" ]]
}
