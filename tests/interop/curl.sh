#!/bin/sh
# curl against the interop server: curl.sh PORT
set -u

url=http://127.0.0.1:$1
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
passed=0 failed=0

is() { # what, expected, actual
    if [ "$2" = "$3" ]; then
        passed=$((passed + 1))
    else
        failed=$((failed + 1))
        echo "FAILED curl: $1: $(printf '%s' "$3" | head -c 200), expected $2"
    fi
}
get() { curl -s -m 20 "$@"; }
status() { curl -s -m 20 -o /dev/null -w '%{http_code}' "$@"; }
# field NAME ARGUMENT...: the value of a field of the last head that came
field() {
    name=$1
    shift
    curl -s -m 20 -o /dev/null -D - "$@" | tr -d '\r' |
        awk -v name="$name" '/^HTTP/ {v = ""} tolower($1) == tolower(name) ":" {sub(/^[^:]*: */, ""); v = $0} END {print v}'
}
same_file() { cmp -s "$1" "$2" && echo same || echo "$(wc -c <"$2") bytes that differ"; }

# --- answers
is 'GET /' 'Hello, world' "$(get "$url/")"
is 'status' 200 "$(status "$url/")"
is 'Content-Type' 'text/plain' "$(field Content-Type "$url/" | cut -d';' -f1)"
is 'Content-Length' 12 "$(field Content-Length "$url/")"
is 'Date' 1 "$(field Date "$url/" | grep -c -E '^(Mon|Tue|Wed|Thu|Fri|Sat|Sun), [0-9]{2} [A-Z][a-z]{2} [0-9]{4} [0-9]{2}:[0-9]{2}:[0-9]{2} GMT$')"
is 'query is no part of the path' 200 "$(status "$url/?a=b&c")"
is 'HEAD: length' 12 "$(field Content-Length -I "$url/")"
is 'HEAD: body' 0 "$(curl -s -m 20 -I -o /dev/null -w '%{size_download}' "$url/")"
is 'HEAD: then in sync' '200200200' "$(curl -s -m 20 -I -o /dev/null -w '%{http_code}' "$url/" --next -s -o /dev/null -w '%{http_code}' "$url/" --next -s -I -o /dev/null -w '%{http_code}' "$url/")"
tag=$(field ETag "$url/")
if [ -n "$tag" ]; then
    is 'If-None-Match' 304 "$(status -H "If-None-Match: $tag" "$url/")"
    is 'If-None-Match, another' 200 "$(status -H 'If-None-Match: "another"' "$url/")"
fi

# --- connections
is 'keep-alive' '100' "$(curl -s -m 20 -o /dev/null -o /dev/null -o /dev/null -w '%{num_connects}' "$url/" "$url/?2" "$url/?3")"
is 'Connection: close' '11' "$(curl -s -m 20 -H 'Connection: close' -o /dev/null -o /dev/null -w '%{num_connects}' "$url/" "$url/?2")"
is 'Connection: close is echoed' 'close' "$(field Connection -H 'Connection: close' "$url/" | tr A-Z a-z)"
is 'HTTP/1.0' 'Hello, world' "$(get -0 "$url/")"
is 'HTTP/1.0 keep-alive' '10' "$(curl -s -m 20 -0 -H 'Connection: keep-alive' -o /dev/null -o /dev/null -w '%{num_connects}' "$url/" "$url/?2")"
is '30 at once' 30 "$(get -Z --parallel-max 30 "$url/?[1-30]" 2>/dev/null | grep -o 'Hello, world' | wc -l | tr -d ' ')"

# --- bodies
is 'POST' 'some text' "$(get -d 'some text' "$url/echo")"
is 'POST, empty' 0 "$(curl -s -m 20 -d '' -o /dev/null -w '%{size_download}' "$url/echo")"
head -c 5000000 /dev/urandom >"$work/big"
get --data-binary @"$work/big" -o "$work/back" "$url/echo"
is 'POST of 5 MB' same "$(same_file "$work/big" "$work/back")"
get -H 'Expect:' --data-binary @"$work/big" -o "$work/back" "$url/echo"
is 'POST of 5 MB, no Expect' same "$(same_file "$work/big" "$work/back")"
get -H 'Transfer-Encoding: chunked' --data-binary @"$work/big" -o "$work/back" "$url/echo"
is 'POST of 5 MB, chunked' same "$(same_file "$work/big" "$work/back")"
is 'POST, chunked' 'some text' "$(get -H 'Transfer-Encoding: chunked' -d 'some text' "$url/echo")"
is 'POST, chunked from a pipe' 'a b c' "$( (printf 'a '; sleep 0.1; printf 'b '; sleep 0.1; printf c) | get -T - -X POST "$url/echo")"
is 'Expect: 100-continue' '100 200' "$(get -H 'Expect: 100-continue' -d x -D - -o /dev/null "$url/echo" | awk '/^HTTP/ {printf "%s%s", sep, $2; sep = " "}')"
is 'Expect: something else' 417 "$(status -H 'Expect: a miracle' -d x "$url/echo")"

# --- fields
is '/headers' 'x-one: 1' "$(get -H 'X-One: 1' "$url/headers" | grep -i '^x-one:' | tr A-Z a-z | tr -d '\r')"
is '/headers, twice the same name' '2' "$(get -H 'X-Two: a' -H 'X-Two: b' "$url/headers" | grep -i '^x-two:' | tr ',' '\n' | grep -c '[ab]')"
is '/headers, Host' "host: 127.0.0.1:$1" "$(get "$url/headers" | grep -i '^host:' | tr A-Z a-z | tr -d '\r')"
is '/headers, 8000 bytes' 8000 "$(get -H "X-Long: $(head -c 8000 /dev/zero | tr '\0' x)" "$url/headers" | sed -n 's/^[Xx]-[Ll]ong: *//p' | tr -cd x | wc -c | tr -d ' ')"

# --- time, streams
slow=$(curl -s -m 20 -o /dev/null -w '%{http_code} %{time_starttransfer}' "$url/slow?ms=300")
is '/slow' '200 in time' "$(echo "$slow" | awk '{print $1, ($2 >= 0.29 && $2 < 3) ? "in time" : $2}')"
begin=$(date +%s%N)
get -Z --parallel-max 20 -o /dev/null "$url/slow?ms=300&n=[1-20]" 2>/dev/null
is '20 slow ones together' yes "$([ $((($(date +%s%N) - begin) / 1000000)) -lt 3000 ] && echo yes || echo no)"
is '/stream' 5000 "$(curl -s -m 20 -o /dev/null -w '%{size_download}' "$url/stream?n=5&size=1000")"
is '/stream is chunked' chunked "$(field Transfer-Encoding "$url/stream?n=5&size=1000" | tr A-Z a-z)"
is '/stream, kept alive' 10 "$(curl -s -m 20 -o /dev/null -o /dev/null -w '%{num_connects}' "$url/stream?n=5&size=1000" "$url/stream?n=1&size=1")"
is '/stream of 20 MB' 20000000 "$(curl -s -m 20 -o /dev/null -w '%{size_download}' "$url/stream?n=400&size=50000")"
is '/stream to a slow reader' 3000000 "$(curl -s -m 20 --limit-rate 3M -o /dev/null -w '%{size_download}' "$url/stream?n=60&size=50000")"
is '/stream to HTTP/1.0' '5000 ' "$(curl -s -m 20 -0 -o /dev/null -w '%{size_download}' "$url/stream?n=5&size=1000") $(field Transfer-Encoding -0 "$url/stream?n=5&size=1000")"

# --- refusals
is '404' 404 "$(status "$url/nothing/here")"
is '405' 405 "$(status -X DELETE "$url/")"
is '405, Allow' GET "$(field Allow -X DELETE "$url/" | tr ', ' '\n\n' | grep -x GET)"
is '405, a method of our own' 405 "$(status -X FROBNICATE "$url/")"
is '405, GET of /echo' 405 "$(status "$url/echo")"
is 'OPTIONS, Allow' GET "$(field Allow -X OPTIONS "$url/" | tr ', ' '\n\n' | grep -x GET)"
is '413' 413 "$(head -c 11000000 /dev/zero | status -H 'Expect:' -H 'Content-Type: x/y' --data-binary @- "$url/echo")"
is '413, Expect' 413 "$(head -c 11000000 /dev/zero | status -H 'Expect: 100-continue' -H 'Content-Type: x/y' --data-binary @- "$url/echo")"
is '413, chunked' 413 "$(head -c 11000000 /dev/zero | status -H 'Expect:' -H 'Transfer-Encoding: chunked' -X POST -T - "$url/echo")"
is '414' 414 "$(status "$url/$(head -c 9000 /dev/zero | tr '\0' x)")"
is '431, one long field' 431 "$(head -c 70000 /dev/zero | tr '\0' x | sed 's/^/X-Long: /' >"$work/long"; status -H @"$work/long" "$url/")"
is '431, many fields' 431 "$(awk 'BEGIN {for (i = 0; i < 150; i++) print "X-" i ": " i}' >"$work/many"; status -H @"$work/many" "$url/")"
is '400, Host' 400 "$(status -H 'Host: a b' "$url/")"
is '/ws without an upgrade' 4 "$(status "$url/ws" | cut -c1)"

echo "$passed passed, $failed failed"
[ $failed -eq 0 ]
