#!/bin/sh
# docs.sh: every C block of README.md and docs/ that has a main() compiles without a warning
# and links, as it stands on the page, the way a user would build it.
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

for page in README.md $(find docs -name '*.md' | sort); do
    [ ! -f "$page" ] || cut_programs "$page"
done
for program in "$out"/*.c; do
    [ -f "$program" ] || continue
    if $CC -std=c11 -Wall -Wextra -Werror -Ibuild/include -o "${program%.c}" "$program" \
        build/libgust.a -lssl -lcrypto -lpthread; then
        good=$((good + 1))
    else
        echo "FAIL $program"
        bad=$((bad + 1))
    fi
done
echo "$good passed, $bad failed"
[ $bad -eq 0 ]
