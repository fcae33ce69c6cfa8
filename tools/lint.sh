#!/bin/sh
# lint.sh: the mechanical rules of the house (CONTRIBUTING.md). `make lint` calls it after
# building everything with gcc in build-lint/gcc, and with clang -O0 in build-lint/clang.
# Each check prints what it objects to; all run before it fails.
set -u
layers="util ioloop iostream httpserver web websocket"
include=build-lint/gcc/include
warnings="-Wall -Wextra -Wshadow -Wconversion -Wundef -Wwrite-strings -Werror"
failed=0

list() { ls "$@" 2>/dev/null || :; }
sources=$(list *.h $(find $layers demos tests -name '*.[ch]' 2>/dev/null))
public=$(for d in $layers; do list "$d"/*.h; done | grep -v '_internal\.h$')
private=$(for d in $layers; do list "$d"/*_internal.h; done)
library=$(for d in $layers; do list "$d"/*.c; done)

check() { # title, command
    title=$1
    shift
    complaints=$("$@")
    [ -z "$complaints" ] && return
    printf '%s\n' "-- $title" "$complaints"
    failed=1
}

# Each header compiles by itself: the public ones as a user includes them, in C and C++.
headers_alone() {
    for h in $public gust.h; do
        name=${h##*/}
        echo "#include <gust/$name>" >build-lint/alone.c
        gcc -std=c11 $warnings -Wstrict-prototypes -fsyntax-only -I$include build-lint/alone.c 2>&1
        g++ -std=c++17 $warnings -fsyntax-only -I$include -x c++ build-lint/alone.c 2>&1
    done
    for h in $private; do
        echo "#include \"$h\"" >build-lint/alone.c
        gcc -std=c11 -D_POSIX_C_SOURCE=200809L $warnings -fsyntax-only -I$include -I. \
            build-lint/alone.c 2>&1
    done
    for h in $public; do
        grep -q "^#include <gust/${h##*/}>" gust.h || echo "gust.h does not include <gust/${h##*/}>"
    done
}

include_direction() {
    # shellcheck disable=SC2086
    awk -v layers="$layers" -v public="$(echo $public)" -f tools/includes.awk $sources
}

# What the library exports, and what it calls: read from objects, so no macro hides it.
exported_names() {
    nm -g --defined-only build-lint/gcc/libgust.a |
        awk 'NF == 3 && $3 !~ /^gust_/ {print "exported without gust_: " $3}'
}
banned_calls() {
    nm -u -A build-lint/clang/libgust.a | awk '
        {
            name = $NF
            file = $1
            sub(/^[^:]*:/, "", file)
            sub(/^__isoc[0-9]*_/, "", name)
        }
        name ~ /^(v?printf|puts|putchar|stdout|perror|v?sprintf|strn?cpy|strn?cat|stpcpy)$/ ||
        name ~ /^(strtok|ato[ifl]+|strto(u?ll?|u?l|d|f|ld|[iu]max)|v?f?scanf|v?sscanf|gets)$/ ||
        name ~ /^(strerror|localtime|gmtime|ctime|asctime|alloca|s?rand|s?random|_?exit|abort)$/ {
            print file " calls " name
        }
        name ~ /^(malloc|calloc|realloc|free|strn?dup|v?asprintf|posix_memalign)$/ &&
            file !~ /^alloc\.o/ { print file " calls " name " and not the allocator seam" }'
}

formatting() {
    # shellcheck disable=SC2086
    clang-format --dry-run $sources 2>&1 | grep 'warning:' | cut -d: -f1 | uniq -c |
        awk '{print $2 ": " $1 " places differ from clang-format"}'
}

pollers_everywhere() {
    for poller in $(list ioloop/epoll.c ioloop/kqueue.c ioloop/devpoll.c ioloop/poll.c); do
        gcc -std=c11 -D_POSIX_C_SOURCE=200809L $warnings -fsyntax-only \
            -Itests/stubs -I$include -I. "$poller" 2>&1
    done
}

long_functions() {
    # shellcheck disable=SC2086
    awk -f tools/functions.awk $(echo "$sources" | grep '\.c$') |
        awk '$4 > 100 && !$5 {print $1 ":" $2 ": " $3 " has " $4 " lines and no LONG: comment"}'
}

# A code that a comment promises and that no header defines.
codes_exist() {
    # shellcheck disable=SC2086
    cat $public | gcc -fpreprocessed -dD -E -P -x c - 2>/dev/null |
        grep -oE '\bGUST_[A-Z0-9_]+' | sort -u >build-lint/codes
    for h in $public; do
        grep -oE '\bGUST_E[A-Z0-9_]+' "$h" | sort -u | grep -vxFf build-lint/codes | sed "s|^|$h: |"
    done
}

links() {
    for page in $(list README.md CONTRIBUTING.md) $(find docs demos -name '*.md' 2>/dev/null); do
        grep -oE '\]\([^)# ]+' "$page" | cut -c3- | grep -vE '^[a-z]+:' | while read -r target; do
            [ -e "$(dirname "$page")/$target" ] || echo "$page: no such file: $target"
        done
    done
}

# docs/parity.md names a test for what it calls done.
tests_exist() {
    grep -oE '`[a-z0-9_/]+\.(c|py): [a-z0-9_]+`' docs/parity.md | tr -d '`' | sort -u |
        while IFS=': ' read -r file name; do
            grep -qE "(^| )$name\(" "tests/$file" 2>/dev/null || echo "no $name in tests/$file"
        done
}

check "headers alone" headers_alone
check "direction of includes" include_direction
check "exported names" exported_names
check "banned calls" banned_calls
check "clang-format" formatting
check "pollers on every machine" pollers_everywhere
check "long functions" long_functions
# shellcheck disable=SC2086
check "uncommented prototypes" awk -f tools/headers.awk $public
check "codes named in comments" codes_exist
check "links" links
check "tests that docs/parity.md names" tests_exist
[ $failed = 0 ]
