#!/bin/sh
# stats.sh: how the code reads, in numbers: the library's folders, then demos and tests.
# Functions in lines (median, p95), asserts for 1,000 lines, comments of all lines of code
# and comment. The bar for the library: median at most 15, p95 at most 60.
set -u

files() { # folders: the .c files under them
    find "$@" -name '*.c' 2>/dev/null | sort
}
row() { # title, folders
    title=$1
    shift
    set -- "$title" $(files "$@")
    [ $# -gt 1 ] || return
    shift
    lines=$(wc -l "$@" | awk '$2 != "total" {print $1}' | sort -n)
    awk -f tools/functions.awk "$@" | awk '{print $4}' | sort -n |
        awk -v title="$title" -v lines="$lines" -v code="$(cat "$@" | code)" '
        function at(list, n, part,   i) { i = int(n * part + 0.999999); return list[i < 1 ? 1 : i] }
        { len[NR] = $1; over60 += $1 > 60; over100 += $1 > 100 }
        END {
            n = split(lines, file, "\n")
            split(code, c, " ")
            size = sprintf("%d/%d/%d", at(file, n, 0.5), at(file, n, 0.95), file[n])
            printf "| %-10s | %5d | %14s | %9d | %6d | %6d | %5d | %6.1f%% | %6.0f%% | %7.1f |\n",
                title, n, size, NR, at(len, NR, 0.5), at(len, NR, 0.95), len[NR],
                NR ? 100 * over60 / NR : 0, c[1] + c[2] ? 100 * c[2] / (c[1] + c[2]) : 0,
                c[1] + c[2] ? 1000 * c[3] / (c[1] + c[2]) : 0
        }'
}
code() { # lines of code, lines of comment, asserts
    awk '
        /GUST_(ASSERT|CHECK)\(|_Static_assert\(|[^_]assert(_[a-z_]+)?\(/ { asserts++ }
        inside { comment++; if (/\*\//) inside = 0; next }
        /^[ \t]*\/\*/ { comment++; if (!/\*\//) inside = 1; next }
        /[^ \t]/ { code++ }
        END { print code + 0, comment + 0, asserts + 0 }'
}

layers="util ioloop iostream httpserver web websocket"
echo "| code       | files | lines m/p95/max | functions | median |    p95 |   max |    > 60 | comment | asserts |"
echo "| ---------- | ----- | -------------- | --------- | ------ | ------ | ----- | ------- | ------- | ------- |"
for layer in $layers; do
    row "$layer" "$layer"
done
# shellcheck disable=SC2086
row library $layers
row demos demos
row tests tests
