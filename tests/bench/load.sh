# load.sh - sourced by run.sh: rates, CPU and memory under load.

# ---- http: wrk ----

http_load() { # server load round [extra words of wrk]
    server=$1 load=$2 round=$3
    shift 3
    pid=$(pid_of "$server")
    before=$(cpu_seconds "$pid")
    $PIN_LOAD wrk -t1 -d"$SECONDS_EACH" "$@" >"$OUT/wrk.txt" 2>&1 || die "wrk: $(cat "$OUT/wrk.txt")"
    after=$(cpu_seconds "$pid")
    if grep -E 'Non-2xx|Socket errors' "$OUT/wrk.txt" >&2; then
        die "$server failed requests in $load"
    fi
    requests=$(sed -n 's/^ *\([0-9]*\) requests in.*/\1/p' "$OUT/wrk.txt")
    record "$load" "$round" "$server" rate "$(sed -n 's/^Requests\/sec: *//p' "$OUT/wrk.txt")"
    record "$load" "$round" "$server" cpu "$(per_100k "$before" "$after" "$requests")"
}

part_http() {
    servers="$GUST floor nginx"
    for server in $servers; do
        start "$server"
        $PIN_LOAD wrk -t1 -c64 -d1 "http://127.0.0.1:$(port_of "$server")/" >/dev/null
    done
    for round in $(seq "$ROUNDS"); do
        for load in c64 c512 p16; do
            for server in $servers; do
                http_one "$server" "$load" "$round"
            done
        done
    done
    stop_all
    http_table
}

http_one() { # server load round
    url="http://127.0.0.1:$(port_of "$1")/"
    case $2 in
    c64) http_load "$1" "$2" "$3" -c64 "$url" ;;
    c512) http_load "$1" "$2" "$3" -c512 "$url" ;;
    p16) http_load "$1" "$2" "$3" -c64 -s "$HERE/pipeline.lua" "$url" -- 16 ;;
    esac
}

http_table() {
    emit "## HTTP: requests a second and server CPU"
    emit
    emit "wrk, one thread: 64 and 512 connections, and 64 with 16 requests in each write (p16)." \
        "CPU is seconds of the server, user and system, for 100,000 requests. The floor answers" \
        "$LENGTH bytes, as the demo does. gust is the helloworld demo with ETag off, gust_etag with it on."
    emit
    emit "| server | load | req/s | CPU | req/s ÷ best of floor, nginx | CPU ÷ floor | req/s ÷ nginx |"
    emit "| --- | --- | ---: | ---: | ---: | ---: | ---: |"
    for load in c64 c512 p16; do
        for server in $servers; do
            http_row "$server" "$load"
        done
    done
    emit
    for server in $GUST; do
        http_bars "$server"
    done
}

http_row() { # server load
    emit "| $1 | $2 | $(thousands "$(median "$2" "$1" rate)")" \
        "| $(fixed "$(median "$2" "$1" cpu)" 4) | $(fixed "$(ratio "$2" "$1" rate floor nginx)" 2)" \
        "| $(fixed "$(ratio "$2" "$1" cpu floor)" 2) | $(fixed "$(ratio "$2" "$1" rate nginx)" 2) |"
}

http_bars() { # server
    bar "$1 c64: req/s ÷ best of floor, nginx" "$(ratio c64 "$1" rate floor nginx)" ">=" 0.95
    bar "$1 c64: CPU ÷ floor" "$(ratio c64 "$1" cpu floor)" "<=" 1.06
    bar "$1 p16: CPU ÷ floor" "$(ratio p16 "$1" cpu floor)" "<=" 1.35
    bar "$1 p16: req/s ÷ nginx" "$(ratio p16 "$1" rate nginx)" ">=" 4
}

# ---- ws: wsload ----

ws_one() { # server load round
    options="--port=$(port_of "$1") --pid=$(pid_of "$1") --seconds=$SECONDS_EACH"
    case $2 in
    echo20) ;;
    echo16k) options="$options --size=16384" ;;
    echo20x8) options="$options --depth=8" ;;
    cast1000) options="$options --mode=broadcast --connections=1000 --depth=2" ;;
    esac
    # shellcheck disable=SC2086
    line=$($PIN_LOAD "$OUT/wsload" $options) || die "wsload against $1 failed"
    record "$2" "$3" "$1" rate "$(field "$line" rate)"
    record "$2" "$3" "$1" cpu "$(field "$line" cpu_per_100k)"
    record "$2" "$3" "$1" p50 "$(field "$line" p50_us)"
    record "$2" "$3" "$1" p99 "$(field "$line" p99_us)"
}

field() { # line name
    echo "$1" | tr ' ' '\n' | sed -n "s/^$2=//p"
}

part_ws() {
    servers="$GUST_WS wsfloor"
    for server in $servers; do
        start "$server"
    done
    for round in $(seq "$ROUNDS"); do
        for load in echo20 echo16k echo20x8 cast1000; do
            for server in $servers; do
                ws_one "$server" "$load" "$round"
            done
        done
    done
    stop_all
    ws_table
}

ws_table() {
    emit "## WebSocket: messages a second and server CPU"
    emit
    emit "wsload, one thread. Echo over 64 connections: 20 bytes, 16 KiB, and 20 bytes with 8 messages" \
        "in flight. cast1000 is one sender and 1,000 receivers, counted in deliveries, 2 messages in" \
        "flight. CPU is seconds of the server for 100,000 messages. gust_ws is the interop server."
    emit
    emit "| server | load | messages/s | CPU | p50 µs | p99 µs | messages/s ÷ wsfloor | CPU ÷ wsfloor |"
    emit "| --- | --- | ---: | ---: | ---: | ---: | ---: | ---: |"
    for load in echo20 echo16k echo20x8 cast1000; do
        for server in $servers; do
            ws_row "$server" "$load"
        done
    done
    emit
}

ws_row() { # server load
    emit "| $1 | $2 | $(thousands "$(median "$2" "$1" rate)")" \
        "| $(fixed "$(median "$2" "$1" cpu)" 4) | $(fixed "$(median "$2" "$1" p50)" 0)" \
        "| $(fixed "$(median "$2" "$1" p99)" 0) | $(fixed "$(ratio "$2" "$1" rate wsfloor)" 2)" \
        "| $(fixed "$(ratio "$2" "$1" cpu wsfloor)" 2) |"
}

# ---- idle ----

idle_one() { # server kind [extra words of idle]
    server=$1 kind=$2
    shift 2
    start "$server"
    line=$("$OUT/idle" --port="$(port_of "$server")" --pid="$(pid_of "$server")" --count="$IDLE" "$@") \
        || die "idle against $server failed"
    stop "$server"
    bytes=$(field "$line" bytes_per_connection)
    record "idle_$kind" 1 "$server" bytes "$bytes"
    emit "| $server | $kind | $(thousands "$bytes") |"
}

part_idle() {
    emit "## Memory of an idle connection"
    emit
    emit "Growth of the server's resident memory over $IDLE connections after one request or a" \
        "WebSocket handshake each, divided; without the kernel's part."
    emit
    emit "| server | kind | bytes |"
    emit "| --- | --- | ---: |"
    [ -z "$GUST" ] || idle_one gust http
    idle_one nginx http
    [ -z "$GUST_WS" ] || idle_one gust_ws websocket --websocket --path=/ws
    emit
    [ -z "$GUST" ] || bar "gust: bytes of an idle HTTP connection" "$(median idle_http gust bytes)" "<=" 256
    [ -z "$GUST_WS" ] || bar "gust_ws: bytes of an idle WebSocket" "$(median idle_websocket gust_ws bytes)" "<=" 256
}
