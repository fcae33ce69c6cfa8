#!/bin/sh
# test.sh [--using SYMBOL] PROGRAM...: run each test program, or script ("x.sh ARGUMENT..."),
# print a line for each, show the output of the first that fails and stop there. Ends with
# `N passed, N failed`.
# test.sh --total FILE [FAILED]: the same line for all runs that wrote to GUST_TALLY=FILE.
set -u

limit=${GUST_TEST_TIMEOUT:-240}
passed=0 failed=0

total() { # file, whether something outside the tests failed
    # shellcheck disable=SC2046
    set -- $(awk '{p += $1; f += $2} END {print p + 0, f + 0}' "$1" 2>/dev/null) "${2:-0}"
    [ "$2" -gt 0 ] || [ "$3" = 0 ] || set -- "$1" 1 1
    printf '\n%s passed, %s failed\n' "$1" "$2"
    [ "$2" -eq 0 ]
}
if [ "${1:-}" = --total ]; then
    total "$2" "${3:-0}"
    exit
fi

# Counts out of cmocka's summary, or of a line of our own form; a program that prints
# neither counts as one test.
count() { # log, exit status
    awk -v status="$2" '
        /^\[  PASSED  \] [0-9]+ test/ { p += $4; seen = 1 }
        /^\[  FAILED  \] [0-9]+ test/ { f += $4; seen = 1 }
        /^[0-9]+ passed, [0-9]+ failed$/ { p += $1; f += $3; seen = 1 }
        END {
            if (!seen && status == 0) p = 1
            if (status != 0 && f == 0) f = 1
            print p + 0, f + 0
        }' "$1"
}

run() { # program
    case $1 in
        *.sh*)
            name=$(echo "$1" | sed -e 's|^tests/||' -e 's|^tools/||' -e 's|\.sh||' -e 's| build-asan/.*|-asan|')
            log=build/$(echo "$name" | tr '/ ' '--').log
            # shellcheck disable=SC2086
            set -- sh $1
            ;;
        *) name=$(basename "$1") log=$1.log ;;
    esac
    mkdir -p build
    CMOCKA_MESSAGE_OUTPUT=stdout timeout -k 5 "$limit" "$@" >"$log" 2>&1 </dev/null
    status=$?
    # shellcheck disable=SC2046
    set -- $(count "$log" $status)
    passed=$((passed + $1)) failed=$((failed + $2))
    if [ $status -ne 0 ]; then
        [ $status -ne 124 ] || echo "timed out after $limit s" >>"$log"
        grep -v -E '^\[ +(RUN|OK) +\]' "$log" | tail -n 60
        printf '  FAIL %-32s status %s, all of it in %s\n' "$name" $status "$log"
        return 1
    fi
    printf '  ok   %-32s %4s\n' "$name" "$1"
}

symbol=
if [ "${1:-}" = --using ]; then
    symbol=$2
    shift 2
fi
for program; do
    if [ -n "$symbol" ] && ! nm "$program" | grep -q " [Tt] $symbol\$"; then
        continue
    fi
    run "$program" || break
done
[ -z "${GUST_TALLY:-}" ] || echo "$passed $failed" >>"$GUST_TALLY"
[ -n "${GUST_TALLY:-}" ] && [ $failed -eq 0 ] && exit 0
printf '%s passed, %s failed\n' "$passed" "$failed"
[ $failed -eq 0 ]
