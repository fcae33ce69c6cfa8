# lib.sh - sourced by run.sh: servers, figures, medians.
#
# Every figure is a line in $RAW: load, round, server, metric, value. Tables
# are made from that, so a part that fails half way leaves what it measured.

die() {
    echo "bench: $*" >&2
    exit 1
}

say() {
    echo "bench: $*" >&2
}

record() { # load round server metric value
    printf '%s\t%s\t%s\t%s\t%s\n' "$@" >>"$RAW"
}

# median LOAD SERVER METRIC: over the rounds; "-" where nothing was measured.
median() {
    awk -F'\t' -v load="$1" -v server="$2" -v metric="$3" '
        $1 == load && $3 == server && $4 == metric { print $5 }' "$RAW" | middle
}

# ratio LOAD SERVER METRIC OTHER...: of each round's value to the best of the
# others in the same round (the highest rate, the least of all else); the
# median of these.
ratio() {
    awk -F'\t' -v load="$1" -v server="$2" -v metric="$3" -v others=" $(shift 3; echo "$*") " '
        $1 != load || $4 != metric { next }
        $3 == server { mine[$2] = $5 }
        index(others, " " $3 " ") > 0 {
            if (!($2 in best) || (metric == "rate" ? $5 > best[$2] : $5 < best[$2])) best[$2] = $5
        }
        END { for (r in mine) if (best[r] > 0) printf "%.4f\n", mine[r] / best[r] }' "$RAW" | middle
}

middle() {
    sort -n | awk '{ v[NR] = $1 }
        END { if (NR == 0) print "-"
              else if (NR % 2) print v[(NR + 1) / 2]
              else print (v[NR / 2] + v[NR / 2 + 1]) / 2 }'
}

fixed() { # value digits; passes "-" on
    [ "$1" = - ] && { echo -; return; }
    printf "%.$2f\n" "$1"
}

thousands() {
    [ "$1" = - ] && { echo -; return; }
    printf '%.0f\n' "$1" | awk '{ while ($0 ~ /[0-9][0-9][0-9][0-9]/) {
        match($0, /[0-9][0-9][0-9][0-9]+/)
        cut = RSTART + RLENGTH - 3
        $0 = substr($0, 1, cut - 1) "," substr($0, cut)
    } print }'
}

# CPU seconds, user and system, of all threads of process $1.
cpu_seconds() {
    awk '{ ns += $1 } END { printf "%.6f\n", ns / 1e9 }' "/proc/$1/task/"*/schedstat
}

per_100k() { # cpu_before cpu_after requests
    awk -v a="$1" -v b="$2" -v n="$3" 'BEGIN { printf "%.5f\n", (n > 0 ? (b - a) * 100000 / n : 0) }'
}

# ---- servers ----
# A server has a name, a port and a process: pid_NAME and port_NAME. Its output
# goes to $OUT/NAME.log.

SERVERS=
next_port=$BENCH_PORT

server_command() { # name port; sets $command
    case $1 in
    gust) command="$HELLO --port=$2 --address=127.0.0.1 --logging=none --etag=0" ;;
    gust_etag) command="$HELLO --port=$2 --address=127.0.0.1 --logging=none --etag=1" ;;
    gust_counted) command="$OUT/hello_counted --port=$2 --address=127.0.0.1 --logging=none --etag=0" ;;
    gust_etag_counted) command="$OUT/hello_counted --port=$2 --address=127.0.0.1 --logging=none --etag=1" ;;
    gust_ws) command="$INTEROP --port=$2" ;;
    floor) command="$OUT/floor --port=$2 --length=$LENGTH" ;;
    wsfloor) command="$OUT/wsfloor --port=$2" ;;
    nginx) nginx_conf "$2"; command="$NGINX -p $OUT -c nginx.conf -e stderr" ;;
    *) die "no server is called $1" ;;
    esac
}

nginx_conf() { # port
    cat >"$OUT/nginx.conf" <<CONF
daemon off;
master_process off;
worker_processes 1;
pid nginx.pid;
error_log stderr crit;
worker_rlimit_nofile 16384;
events { worker_connections 16000; }
http {
    access_log off;
    default_type text/plain;
    keepalive_requests 1000000000;
    server {
        listen 127.0.0.1:$1 backlog=4096;
        location / { return 200 "Hello, world"; }
    }
}
CONF
}

# start NAME [PREFIX...]: on CPU 0, behind the words of a tool if any are given.
start() {
    name=$1
    port=$next_port
    next_port=$((next_port + 1))
    shift
    server_command "$name" "$port"
    # shellcheck disable=SC2086
    $PIN_SERVER "$@" $command >"$OUT/$name.log" 2>&1 &
    eval "pid_$name=$! port_$name=$port"
    SERVERS="$SERVERS $name"
    wait_ready "$name" "$!" "$port"
}

wait_ready() { # name pid port
    tries=0
    until "$OUT/reqs" --port="$3" --quiet 2>/dev/null; do
        tries=$((tries + 1))
        if [ $tries -ge 200 ] || ! kill -0 "$2" 2>/dev/null; then
            die "$1 did not start, see $OUT/$1.log"
        fi
        sleep 0.1
    done
}

pid_of() {
    eval "echo \$pid_$1"
}

port_of() {
    eval "echo \$port_$1"
}

stop() { # name
    kill "$(pid_of "$1")" 2>/dev/null
    wait "$(pid_of "$1")" 2>/dev/null
    SERVERS=$(echo " $SERVERS " | sed "s/ $1 / /")
}

stop_all() {
    for server in $SERVERS; do
        stop "$server"
    done
}

if command -v taskset >/dev/null && [ "$(nproc)" -gt 1 ]; then
    PIN_SERVER="taskset -c 0"
    PIN_LOAD="taskset -c 1"
else
    PIN_SERVER=
    PIN_LOAD=
    say "one CPU or no taskset: server and load share a CPU"
fi
