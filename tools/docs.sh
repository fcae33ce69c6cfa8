#!/bin/sh
# docs.sh: every C block of README.md and docs/ that has a main() compiles without a warning as
# it stands on the page, the way a user would build it, and runs: to its end with status 0, or
# for two seconds where it is a server. To run, port 8888 becomes one that is free.
set -u
CC=${CC:-cc}
out=build/docs
rm -rf $out
mkdir -p $out
good=0 bad=0

# Write the blocks of one page as $out/PAGE-N.c.
cut_programs() {
    awk -v base="$out/$(echo "${1%.md}" | tr '/' '-')" '
        /^```c$/ { inside = 1; text = ""; next }
        /^```/ && inside {
            if (text ~ /int main\(/) printf "%s", text > (base "-" ++n ".c")
            inside = 0
        }
        inside { text = text $0 "\n" }' "$1"
}
build() { # program
    $CC -std=c11 -Wall -Wextra -Werror -Ibuild/include -fsyntax-only "$1.c" &&
        sed 's/\b8888\b/0/' "$1.c" |
        $CC -std=c11 -fno-lto -Ibuild/include -x c -o "$1" - -x none build/libgust.a -lssl -lcrypto -lpthread
}
run() { # program
    : | timeout -k 1 2 "$1" >"$1.out" 2>&1
    echo $? >"$1.status"
}

for page in README.md $(find docs -name '*.md' | sort); do
    [ ! -f "$page" ] || cut_programs "$page"
done
for source in "$out"/*.c; do
    [ -f "$source" ] || continue
    if build "${source%.c}"; then
        run "${source%.c}" &
    else
        echo 999 >"${source%.c}.status"
    fi
done
wait
for status in "$out"/*.status; do
    [ -f "$status" ] || continue
    case $(cat "$status") in
        0 | 124) good=$((good + 1)) ;;
        *)
            bad=$((bad + 1))
            echo "FAIL ${status%.status}.c: status $(cat "$status")"
            [ ! -f "${status%.status}.out" ] || cat "${status%.status}.out"
            ;;
    esac
done
echo "$good passed, $bad failed"
[ $bad -eq 0 ]
