#!/bin/sh
# Independent clients against the interop server: run.sh [PROGRAM [ARGUMENT...]]
#
# PROGRAM, build/tests/interop_server by default, is started with --port=N added; it prints
# `listening on N` when it is ready, and leaves by SIGTERM with status 0. The clients are curl,
# plain sockets, Python's websockets and node's ws (curl, python3-websockets, nodejs and node-ws
# in Debian). Each prints a line for each check that fails; the last line has the sum.
set -u

here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d)
pid=
cleanup() {
    [ -z "$pid" ] || kill -9 "$pid" 2>/dev/null
    rm -rf "$work"
}
trap cleanup EXIT
trap 'exit 1' INT TERM HUP

passed=0 failed=0
fail() { echo "FAILED $1"; failed=$((failed + 1)); }
finish() {
    echo "$passed passed, $failed failed"
    [ "$failed" -eq 0 ]
    exit
}

# A Python that has websockets: python3 need not be Debian's.
for python in python3 /usr/bin/python3; do
    "$python" -c 'import websockets' 2>/dev/null && break
done
NODE_PATH=${NODE_PATH:+$NODE_PATH:}/usr/share/nodejs
export NODE_PATH

[ $# -gt 0 ] || set -- "$here/../../build/tests/interop_server"
port=$("$python" -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
: >"$work/out"
"$@" --port="$port" >"$work/out" 2>"$work/err" &
pid=$!
tries=0
until grep -q "^listening on $port\$" "$work/out"; do
    tries=$((tries + 1))
    if [ $tries -gt 100 ] || ! kill -0 $pid 2>/dev/null; then
        fail "the server does not say that it listens: $(tail -n 3 "$work/err")"
        finish
    fi
    sleep 0.05
done

client() { # name, command...
    name=$1
    shift
    timeout -k 5 100 "$@" >"$work/$name" 2>&1
    status=$?
    grep -v -E '^[0-9]+ passed, [0-9]+ failed$' "$work/$name"
    # shellcheck disable=SC2046
    set -- $(awk '/^[0-9]+ passed, [0-9]+ failed$/ {p = $1; f = $3; seen = 1} END {print p + 0, f + 0, seen + 0}' "$work/$name")
    passed=$((passed + $1)) failed=$((failed + $2))
    [ "$3" = 1 ] || fail "$name: ended early with status $status"
    kill -0 $pid 2>/dev/null || { fail "$name: the server has died: $(tail -n 5 "$work/err")"; pid=; finish; }
}
client curl sh "$here/curl.sh" "$port"
client sockets "$python" "$here/sockets.py" "$port"
client websockets "$python" "$here/websockets_client.py" "$port"
client ws node "$here/ws_client.mjs" "$port"

# It drains: a request that is being answered when the signal comes is answered.
curl -s -m 10 -o "$work/slow" -w '%{http_code}' "http://127.0.0.1:$port/slow?ms=500" >"$work/code" &
slow=$!
sleep 0.2
kill -TERM $pid
( sleep 10; kill -9 $pid 2>/dev/null ) &
watchdog=$!
wait $pid
status=$?
pid=
kill $watchdog 2>/dev/null
wait $slow
[ "$(cat "$work/code")" = 200 ] && passed=$((passed + 1)) || fail "SIGTERM: the request under way got $(cat "$work/code")"
[ $status -eq 0 ] && passed=$((passed + 1)) || fail "SIGTERM: status $status: $(tail -n 5 "$work/err")"
finish
