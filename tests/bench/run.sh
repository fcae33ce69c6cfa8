#!/bin/sh
# run.sh - measure the library's servers beside a floor and nginx.
#
#   tests/bench/run.sh [--check] [http] [ws] [idle] [calls] [instr]
#
# Without a part it runs all. The tables go to stdout and, as Markdown, to
# build/bench/results.md. With --check a missed bar makes the status 1.
# docs/benchmarks.md says what each figure means. From the environment:
#
#   BENCH_SECONDS  of each measurement (3)     BENCH_ROUNDS  interleaved (3)
#   BENCH_PORT     first of about 20 (9200)    BENCH_IDLE    connections (10000)
#   HELLO, INTEROP the programs to measure (build/demos/helloworld,
#                  build/tests/interop_server, made first)
set -u
cd "$(dirname "$0")/../.." || exit 1

SECONDS_EACH=${BENCH_SECONDS:-3}
ROUNDS=${BENCH_ROUNDS:-3}
BENCH_PORT=${BENCH_PORT:-9200}
IDLE=${BENCH_IDLE:-10000}
MADE="build/demos/helloworld build/tests/interop_server"
HELLO=${HELLO:-${MADE% *}}
INTEROP=${INTEROP:-${MADE#* }}
MAKE=${MAKE:-make}
OUT=$PWD/build/bench
HERE=tests/bench
RAW=$OUT/raw.tsv
RESULTS=$OUT/results.md
NGINX=$(PATH=$PATH:/usr/sbin command -v nginx)
LENGTH=170
MISSED=0

mkdir -p "$OUT"
. "$HERE/lib.sh"
. "$HERE/load.sh"
. "$HERE/count.sh"

# ---- what is needed ----

need() { # command package
    PATH=$PATH:/usr/sbin command -v "$1" >/dev/null || missing="$missing $2"
}

check_tools() {
    missing=
    for part in $PARTS; do
        case $part in
        http) need wrk wrk; need nginx nginx ;;
        idle) need nginx nginx ;;
        calls) need strace strace; need nginx nginx ;;
        instr) need valgrind valgrind; need nginx nginx ;;
        ws) ;;
        *) die "no part is called $part: http ws idle calls instr" ;;
        esac
    done
    missing=$(echo "$missing" | tr ' ' '\n' | sort -u | tr '\n' ' ')
    [ -z "${missing% }" ] || die "missing:${missing% }; on Debian: apt-get install${missing% }"
}

# Make what is measured and what measures. A program of the library whose
# source isn't there is left out, by name.
build() {
    made=
    GUST=
    GUST_WS=
    for program in floor wsfloor wsload idle reqs; do made="$made build/bench/$program"; done
    [ ! -d demos/helloworld ] || made="$made ${MADE% *} build/bench/hello_counted"
    [ ! -e tests/interop/server.c ] || made="$made ${MADE#* }"
    # shellcheck disable=SC2086
    $MAKE -s $made >&2 || die "the programs don't compile"
    if [ -x "$HELLO" ]; then GUST="gust gust_etag"; else say "no $HELLO: left out"; fi
    if [ -x "$INTEROP" ]; then GUST_WS=gust_ws; else say "no $INTEROP: left out"; fi
    [ -z "$GUST" ] || measure_length
}

# The floor's answer is as long as the demo's.
measure_length() {
    start gust
    LENGTH=$("$OUT/reqs" --port="$(port_of gust)")
    stop gust
}

# ---- what is written ----

emit() {
    printf '%s\n' "$*" | tee -a "$RESULTS"
}

# bar SENTENCE VALUE OPERATOR LIMIT: one line of the table of bars. What should
# have been measured and was not is missed.
bar() {
    held=$(awk -v a="$2" -v b="$4" -v op="$3" \
        'BEGIN { print (a != "-" && (op == "<=" ? a <= b : a >= b) ? "yes" : "**no**") }')
    [ "$held" = yes ] || MISSED=$((MISSED + 1))
    printf '| %s | %s | %s %s | %s |\n' "$1" "$2" "$3" "$4" "$held" >>"$OUT/bars.md"
}

conditions() {
    emit "## Conditions"
    emit
    emit "- $(date -u '+%Y-%m-%d %H:%M UTC'); $(uname -srm); $(nproc) CPUs," \
        "$(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | sed -n 1p);" \
        "load average at the start $(cut -d' ' -f1 /proc/loadavg)"
    emit "- server pinned: ${PIN_SERVER:-no}; load pinned: ${PIN_LOAD:-no};" \
        "$ROUNDS interleaved rounds of $SECONDS_EACH s; medians, ratios within a round"
    emit "- $(${CC:-cc} --version | sed -n 1p);" \
        "$(sed -n 's/^OPT = //p' Makefile) $(sed -n 's/^HARDEN = //p' build/flags.mk)"
    emit "- compared with: $(versions)"
    emit
}

versions() {
    PATH=$PATH:/usr/sbin
    {
        command -v nginx >/dev/null && nginx -v 2>&1 | sed 's/.*: //'
        command -v wrk >/dev/null && wrk -v 2>&1 | sed -n '1s/ \[.*//p'
        command -v strace >/dev/null && strace -V | sed -n '1s/ -- version//p'
        command -v valgrind >/dev/null && valgrind --version
    } | paste -sd, - | sed 's/,/, /g'
}

bars() {
    [ -s "$OUT/bars.md" ] || return
    emit "## Bars"
    emit
    emit "| what | measured | bar | held |"
    emit "| --- | --- | --- | --- |"
    emit "$(cat "$OUT/bars.md")"
    emit
}

# ---- the run ----

STRICT=no
PARTS=
for word in "$@"; do
    case $word in
    --check) STRICT=yes ;;
    *) PARTS="$PARTS $word" ;;
    esac
done
PARTS=${PARTS:-http ws idle calls instr}

check_tools
ulimit -n "$((IDLE + 1024))" 2>/dev/null || say "can't raise the limit of descriptors"
trap stop_all EXIT
trap 'exit 1' INT TERM
: >"$RAW"
: >"$RESULTS"
: >"$OUT/bars.md"
build
conditions
for part in $PARTS; do
    say "part $part"
    "part_$part"
done
bars
say "written to ${RESULTS#"$PWD"/}"
[ $STRICT = no ] || [ $MISSED = 0 ]
