# count.sh - sourced by run.sh: what one request costs, counted exactly.

BATCHES=50 # under strace

# ---- calls: strace between two marks ----

# Trace a running server during one slow client's batches.
trace_requests() { # server pipeline
    trace=$OUT/trace.txt
    strace -f -q -s 64 -o "$trace" -p "$(pid_of "$1")" 2>"$OUT/strace.log" &
    tracer=$!
    tries=0
    until grep -q '^TracerPid:.*[1-9]' "/proc/$(pid_of "$1")/status"; do
        tries=$((tries + 1))
        [ $tries -lt 50 ] || die "strace can't attach: $(cat "$OUT/strace.log")"
        sleep 0.1
    done
    "$OUT/reqs" --port="$(port_of "$1")" --count=$BATCHES --pipeline="$2" --pause-ms=10 --marks --quiet \
        || die "the requests under strace failed"
    kill "$tracer"
    wait "$tracer" 2>/dev/null
}

# From the call that read the first mark to the one that read the last: the
# batches and one mark more.
count_calls() { # prints: reads writes waits others, of each batch
    awk -v batches=$((BATCHES + 1)) '
        /bench-end/ { exit }
        /bench-begin/ { inside = 1 }
        !inside || /<\.\.\. [a-z0-9_]+ resumed/ { next }
        {
            sub(/^[0-9]+ +/, "")
            sub(/\(.*/, "")
            if ($0 ~ /^(read|readv|recv|recvfrom|recvmsg)$/) reads++
            else if ($0 ~ /^(write|writev|send|sendto|sendmsg)$/) writes++
            else if ($0 ~ /^(epoll_wait|epoll_pwait|epoll_pwait2|poll|ppoll)$/) waits++
            else others++
        }
        END { printf "%.2f %.2f %.2f %.2f\n", reads / batches, writes / batches, waits / batches,
              others / batches }' "$OUT/trace.txt"
}

calls_one() { # server pipeline
    trace_requests "$1" "$2"
    # shellcheck disable=SC2046
    set -- "$1" "$2" $(count_calls)
    record "calls$2" 1 "$1" reads "$3"
    record "calls$2" 1 "$1" writes "$4"
    record "calls$2" 1 "$1" waits "$5"
    record "calls$2" 1 "$1" others "$6"
    emit "| $1 | $2 | $3 | $4 | $5 | $6 |"
}

part_calls() {
    emit "## System calls of one kept-alive exchange"
    emit
    emit "strace of the server; a slow client sends $BATCHES batches of 1 or 16 requests, each batch in" \
        "one write. Calls of one batch; the wait is shared by all connections that are ready at once."
    emit
    emit "| server | requests in a batch | reads | writes | waits | others |"
    emit "| --- | ---: | ---: | ---: | ---: | ---: |"
    for server in $GUST floor nginx; do
        start "$server"
        calls_one "$server" 1
        calls_one "$server" 16
        stop "$server"
    done
    emit
    for server in $GUST; do
        for pipeline in 1 16; do
            bar "$server: reads, $pipeline in a batch" "$(median calls$pipeline "$server" reads)" "<=" 1
            bar "$server: writes, $pipeline in a batch" "$(median calls$pipeline "$server" writes)" "<=" 1
            bar "$server: other calls, $pipeline in a batch" "$(median calls$pipeline "$server" others)" "<=" 0
        done
    done
}

# ---- instr: callgrind, and the counting allocator ----

# The three ways to ask: connections, requests in a batch, batches of the short
# and of the long life.
instr_shape() { # kind
    case $1 in
    alone) connections=1 pipeline=1 few=500 many=5500 ;;
    c64) connections=64 pipeline=1 few=20 many=220 ;;
    p16) connections=1 pipeline=16 few=500 many=2500 ;;
    esac
}

# User-space instructions of a whole life of a server with $2 batches; sets $total.
count_instructions() { # server batches kind
    file=$OUT/callgrind.$1.$3
    start "$1" valgrind --tool=callgrind --callgrind-out-file="$file"
    "$OUT/reqs" --port="$(port_of "$1")" --count="$2" --connections="$connections" \
        --pipeline="$pipeline" --quiet || die "the requests under callgrind failed"
    stop "$1"
    total=$(sed -n 's/^summary: *//p; s/^totals: *//p' "$file" | tail -n 1)
    [ -n "$total" ] || die "callgrind left no figures in $file"
}

# Of one request: two lives that differ in nothing but the number of requests.
instr_one() { # server kind
    instr_shape "$2"
    count_instructions "$1" "$few" "$2"
    short=$total
    count_instructions "$1" "$many" "$2"
    each=$(awk -v a="$short" -v b="$total" -v n=$(((many - few) * connections * pipeline)) \
        'BEGIN { printf "%.1f\n", (b - a) / n }')
    record "instr_$2" 1 "$1" instr "$each"
}

count_mallocs() { # server; prints the calls so far
    kill -USR1 "$(pid_of "$1")"
    sleep 0.2
    tail -n 1 "$OUT/$1.log"
}

mallocs_each() { # server kind
    instr_shape "$2"
    client="$OUT/reqs --port=$(port_of "$1") --quiet"
    client="$client --connections=$connections --pipeline=$pipeline"
    $client --count="$few"
    first=$(count_mallocs "$1")
    $client --count="$few"
    second=$(count_mallocs "$1")
    $client --count="$many"
    third=$(count_mallocs "$1")
    # What the connections themselves cost is in both differences and cancels.
    awk -v a="$first" -v b="$second" -v c="$third" \
        -v n=$(((many - few) * connections * pipeline)) \
        'BEGIN { printf "%.4f\n", ((c - b) - (b - a)) / n }'
}

part_mallocs() {
    for server in $GUST; do
        start "${server}_counted"
        for kind in alone c64 p16; do
            record "instr_$kind" 1 "$server" mallocs "$(mallocs_each "${server}_counted" $kind)"
        done
        stop "${server}_counted"
    done
}

part_instr() {
    for server in $GUST floor nginx; do
        for kind in alone c64 p16; do
            instr_one "$server" $kind
        done
    done
    [ ! -x "$OUT/hello_counted" ] || part_mallocs
    instr_table
}

instr_table() {
    emit "## Instructions and allocations of one request"
    emit
    emit "User-space instructions by callgrind: the difference between two lives of the server that" \
        "differ only in the number of requests, with the bytes that wrk sends. alone: one connection," \
        "each request waits for the last answer; c64: 64 connections ask at once; p16: 16 in one write."
    emit
    emit "| server | alone | c64 | p16 | mallocs alone | c64 | p16 |"
    emit "| --- | ---: | ---: | ---: | ---: | ---: | ---: |"
    for server in $GUST floor nginx; do
        emit "| $server | $(thousands "$(median instr_alone "$server" instr)")" \
            "| $(thousands "$(median instr_c64 "$server" instr)")" \
            "| $(thousands "$(median instr_p16 "$server" instr)")" \
            "| $(median instr_alone "$server" mallocs) | $(median instr_c64 "$server" mallocs)" \
            "| $(median instr_p16 "$server" mallocs) |"
    done
    emit
    for server in $GUST; do
        [ "$server" != gust ] || # the hash of the body is not in the bar
            bar "$server: instructions of a request, c64" "$(median instr_c64 "$server" instr)" "<=" 1500
        bar "$server: mallocs of a request" "$(median instr_c64 "$server" mallocs)" "<=" 0
    done
}
