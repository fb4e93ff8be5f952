#!/usr/bin/env bash
# test.sh [--beside-build] [PATTERN]: runs the tests, each suite in a process of its own, JOBS at a
# time. PATTERN, a regular expression, selects suites by name: 'KernelTests|Configuration'.
# --beside-build: while the package is built elsewhere, again and again.
#
# A suite in its own process shares no table of descriptors with another one: an agent that
# looks for the owner of passed sockets borrows every descriptor of the test's process for a
# moment, and a socket that another test closes then would live on in the copy.
set -euo pipefail
cd "$(dirname "$0")/.."
bundle=$(echo "$PWD"/.build/debug/*PackageTests.xctest)
# In seconds. A suite that takes longer hangs: on two CPUs, the longest takes four minutes.
limit=900

run_suite() { # SUITE LOG
    local status=0 started=$SECONDS summary
    timeout --foreground --kill-after=10 "$limit" "$bundle" --testing-library swift-testing \
        --filter "^${1/./\\.}/" >"$2" 2>&1 </dev/null || status=$?
    summary=$(grep -E 'Test run with [1-9][0-9]* tests? ' "$2" | tail -n 1 || true)
    if [ "$status" = 0 ] && [ -n "$summary" ]; then
        echo "ok      $1 ($((SECONDS - started)) s)"
    else
        [ "$status" != 124 ] || echo "test.sh: timeout after $limit s" >>"$2"
        touch "$2.failed"
        # One write, so that the output of two suites does not mix.
        printf '%s\nFAILED  %s (exit %s)\n' "$(cat "$2")" "$1" "$status"
    fi
}

# A function, so that bash has read all of it before the tests start: the file may change meanwhile.
run_all() {
    logs=$(mktemp -d)
    builder=
    finish() {
        [ -z "$builder" ] || kill -- -"$builder" 2>/dev/null || true
        # The build's last processes may still write there.
        for _ in 1 2 3 4 5 6 7 8 9 10; do
            rm -rf "$logs" 2>/dev/null && break
            sleep 0.5
        done
    }
    trap finish EXIT
    trap 'exit 130' INT TERM
    if [ "${1:-}" = --beside-build ]; then
        shift
        # A session of its own: one signal ends all of its processes.
        setsid bash -c 'while rm -rf "$1" && swift build --scratch-path "$1"; do :; done' - "$logs/build" \
            >"$logs/build.log" 2>&1 &
        builder=$!
    fi
    "$bundle" --testing-library swift-testing --list-tests | sed 's|/.*||' | sort -u >"$logs/all"
    # The longest suites come first, so that none of them is left alone at the end.
    { grep -E "${1:-.}" "$logs/all" || true; } | awk '{ order = /^KernelTests/ ? 1 : /^AgentTests/ ? 2 : 3; print order, $0 }' |
        sort -s -k 1,1n | cut -d ' ' -f 2 >"$logs/suites"
    [ -s "$logs/suites" ] || {
        echo "test.sh: no suite matches $1" >&2
        exit 2
    }
    # More than there are CPUs, because many tests wait.
    jobs=${JOBS:-$((2 * $(nproc)))}
    echo "test.sh: $(wc -l <"$logs/suites") suites, $jobs at a time"
    SECONDS=0
    xargs -P "$jobs" -I {} "$0" --suite {} "$logs/{}.log" <"$logs/suites"

    tests=$(cat "$logs"/*.log | awk '/Test run with [0-9]+ test/ { sub(/.*Test run with /, ""); sum += $1 } END { print sum + 0 }')
    failed=$(find "$logs" -name '*.failed' | wc -l)
    if [ "$failed" = 0 ]; then
        echo "Test run with $tests tests in $(wc -l <"$logs/suites") suites passed after $SECONDS seconds."
    else
        echo
        (cd "$logs" && grep -hE 'recorded an issue|^test.sh:' $(ls ./*.failed | sed 's/\.failed$//')) || true
        echo "Test run with $tests tests in $(wc -l <"$logs/suites") suites failed after $SECONDS seconds:" \
            "$(cd "$logs" && ls ./*.failed | sed -E 's|^\./(.*)\.log\.failed$|\1|' | paste -sd' ')"
        exit 1
    fi
}

if [ "${1:-}" = --suite ]; then
    run_suite "$2" "$3"
else
    run_all "$@"
fi
exit
