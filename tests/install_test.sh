#!/bin/sh
# What a stranger meets: the library installed into an empty folder, and there nothing but
# pkg-config to build against it. tests/install/ holds the stranger's programs.
set -eu
root=$(cd "$(dirname "$0")/.." && pwd)
CC=${CC:-cc}
CXX=${CXX:-c++}
passed=0

pass() {
    passed=$((passed + 1))
    echo "ok $1"
}
fail() {
    echo "FAIL $*"
    exit 1
}

place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
prefix=$place/prefix

${MAKE:-make} -s -C "$root" install PREFIX="$prefix" >"$place/log" 2>&1 || { cat "$place/log"; exit 1; }
for file in include/gust/gust.h lib/libgust.a lib/pkgconfig/gust.pc; do
    [ -s "$prefix/$file" ] || fail "not installed: $file"
done
[ -z "$(find "$prefix" -name '*_internal.h' -o -type l)" ] || fail "private headers or links installed"
pass "files of the installation"

${MAKE:-make} -s -C "$root" install PREFIX=/usr DESTDIR="$place/stage" >"$place/log" 2>&1
[ -s "$place/stage/usr/lib/libgust.a" ] || fail "DESTDIR is not in front of PREFIX"
grep -qx "prefix=/usr" "$place/stage/usr/lib/pkgconfig/gust.pc" || fail "gust.pc names DESTDIR"
pass "DESTDIR"

# From here on nothing of the tree but copies of the programs.
cp "$root"/tests/install/* "$place/"
cd "$place"
export PKG_CONFIG_PATH="$prefix/lib/pkgconfig"
# shellcheck disable=SC2046
build() { # compiler, standard, source
    $1 -std="$2" -Wall -Wextra -Werror $(pkg-config --cflags gust) -o "${3%.*}" "$3" \
        $(pkg-config --static --libs gust) || fail "$3 does not build"
    pass "$3 builds"
}
run() { # program
    timeout 20 "./$1" >"$1.out" 2>&1 || { cat "$1.out"; fail "$1 does not run"; }
    ! ldd "./$1" 2>/dev/null | grep -q libgust || fail "$1 is not linked statically"
    pass "$1 runs"
}

build "$CC" c11 loop.c
build "$CC" c11 echo.c
build "$CXX" c++17 hello.cc
for program in loop echo hello; do
    run $program
done

# Who uses the loop pays for the loop.
strangers=$(nm loop | grep -E ' (gust_+(http|request_|handler_|application|websocket|ws_|tcpserver|iostream)|SSL_|EVP_|CRYPTO_|SHA1)' || :)
[ -z "$strangers" ] || { echo "$strangers"; fail "the loop brings upper layers along"; }
nm loop | grep -q ' T gust_ioloop_start' || fail "nm shows nothing of the library"
nm echo | grep -q ' T gust_iostream_new' || fail "nm shows nothing of the streams"
pass "the loop alone brings nothing of the upper layers"

${MAKE:-make} -s -C "$root" uninstall PREFIX="$prefix" >"$place/log" 2>&1
[ -z "$(find "$prefix" -type f)" ] || fail "uninstall leaves files"
pass "uninstall"
echo "$passed passed, 0 failed"
