#!/bin/sh
# rules.sh BUILD CC...: look at the folders and write BUILD/rules.mk, one explicit rule per
# source (the only form that GNU and BSD make share for objects in another folder), and lay
# the public headers under BUILD/include/gust. The file is rewritten only when it changes.
set -eu
B=$1
shift
CC=$*
layers="util ioloop iostream httpserver web websocket"

list() { ls "$@" 2>/dev/null || :; }
public_headers() {
    for d in $layers; do
        list "$d"/*.h | grep -v '_internal\.h$' || :
    done
    list gust.h
}
objects() { sed -e 's|^|$(B)/obj/|' -e 's|\.c$|.o|' | tr '\n' ' '; }
built() { sed -e 's|^|$(B)/|' -e 's|\.c$||' | tr '\n' ' '; }

lay_headers() {
    mkdir -p "$B/include/gust"
    up=$(echo "$B/include/gust/" | sed -e 's|//*|/|g' -e 's|[^/]*/|../|g')
    for link in $(list "$B"/include/gust/); do
        [ -e "$B/include/gust/$link" ] || rm -f "$B/include/gust/$link"
    done
    for header in $(public_headers); do
        link=$B/include/gust/${header##*/}
        [ -e "$link" ] || ln -sf "$up$header" "$link"
    done
}

# What the compiler takes is asked once per build folder and compiler.
takes() { echo 'int main(void) { return 0; }' | $CC -Werror "$@" -x c -o "$B/probe" - 2>/dev/null; }
probe_flags() {
    takes || { echo "HARDEN ="; echo "LINK ="; return; }
    printf 'HARDEN ='
    for flag in "-O2 -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=3" -fstack-protector-strong \
        -fstack-clash-protection -fcf-protection -fPIE -fno-plt; do
        # shellcheck disable=SC2086
        takes -O2 $flag && printf ' %s' "${flag#-O2 }"
    done
    printf '\nLINK ='
    for flag in -pie -Wl,--gc-sections -Wl,-z,relro,-z,now -Wl,-dead_strip; do
        takes -fPIE "$flag" && printf ' %s' "$flag"
    done
    # Both code and what a link with -flto makes better code of (gcc).
    printf '\nLTO ='
    takes -O2 -flto=auto -ffat-lto-objects && printf ' -flto=auto -ffat-lto-objects'
    printf '\n'
    case $(uname -s) in
        Linux) printf 'FEATURES = -D_POSIX_C_SOURCE=200809L\nPOLLERS = epoll poll\n' ;;
        SunOS) printf 'FEATURES = -D__EXTENSIONS__\nPOLLERS = devpoll poll\n' ;;
        *) printf 'FEATURES =\nPOLLERS = kqueue poll\n' ;;
    esac
}
flags() {
    if ! grep -qxF "# $CC" "$B/flags.mk" 2>/dev/null || ! grep -q "HARDEN = " "$B/flags.mk" ||
        ! grep -q '^LTO =' "$B/flags.mk"; then
        { echo "# $CC"; probe_flags; } >"$B/flags.mk.new"
        rm -f "$B/probe"
        mv "$B/flags.mk.new" "$B/flags.mk"
    fi
    cat "$B/flags.mk"
}

compile() { # sources on stdin
    while read -r src; do
        obj=${src%.c}
        mkdir -p "$B/obj/${src%/*}"
        printf '$(B)/obj/%s.o: %s Makefile\n\t@echo "  CC %s"; $(COMPILE) -o $@ %s\n' \
            "$obj" "$src" "$src" "$src"
        printf -- '-include $(B)/obj/%s.d\n' "$obj"
    done
}
program() { # program, its objects, libraries, linker
    printf '$(B)/%s: %s\n\t@echo "  LD $@"; $(%s) -o $@ %s $(LIBS)\n' \
        "$1" "$2 $(echo "$3" | tr ' ' '\n' | grep '\.[ao]$' | tr '\n' ' ')" "${4:-LINKER}" "$2 $3"
}
# What is measured, or served for real, is linked as whole programs; tests are many
# and linked plainly, which is quicker.
linker_of() { # folder
    case $1 in bench) echo LTO_LINKER ;; *) echo LINKER ;; esac
}
# name_of FILE...: the sources as programs under BUILD/FOLDER, into the variable NAME
programs() { # variable folder libraries sources...
    var=$1 folder=$2 libs=$3
    shift 3
    names=
    for src; do
        name=$folder/$(basename "$src" .c)
        [ "$src" = tests/interop/server.c ] && name=tests/interop_server
        names="$names \$(B)/$name"
        program "$name" "$(echo "$src" | objects)" "$libs" "$(linker_of "$folder")"
    done
    echo "$var =$names"
}

rules() {
    flags
    lib=$(for d in $layers; do list "$d"/*.c; done)
    support=$(list tests/support/*.c)
    tests=$(list tests/*_test.c)
    servers=$(list tests/interop/server.c)
    fuzzers=$(list tests/fuzz/*.c)
    benches=$(list tests/bench/*.c)
    shared=$(echo "$benches" | grep -x 'tests/bench/bench\.c' || :)
    echo "LIB_OBJS = $(echo "$lib" | grep . | objects)"
    echo "SUPPORT_OBJS = $(echo "$support" | grep . | objects)"
    gust='$(B)/libgust.a'
    # shellcheck disable=SC2086
    {
        programs TESTS tests "\$(B)/libsupport.a $gust \$(TEST_LIBS)" $tests
        programs SERVERS tests "$gust" $servers
        programs FUZZERS fuzz "\$(B)/libsupport.a $gust -fsanitize=fuzzer" $fuzzers
        programs BENCHES bench "$(echo "$shared" | grep . | objects) $gust" \
            $(echo "$benches" | grep -vxF "$shared")
    }
    echo "FUZZ_OBJS = $(echo "$fuzzers" | grep . | objects)"
    echo "OOM_TESTS = $(echo "$tests" | grep -E 'oom|sweep' | built)"
    echo "THREAD_TESTS = $(echo "$tests" | grep thread | built)"
    demos=
    for dir in $(list -d demos/*/ | sed 's|/$||'); do
        [ -n "$(list "$dir"/*.c)" ] || continue
        demos="$demos \$(B)/$dir"
        program "$dir" "$(list "$dir"/*.c | objects)" "$gust" LTO_LINKER
    done
    echo "DEMOS =$demos"
    { echo "$lib"; echo "$support"; echo "$tests"; echo "$servers"; echo "$benches"
      echo "$fuzzers"; list demos/*/*.c; } | grep . | compile
}

lay_headers
mkdir -p "$B/tests" "$B/demos" "$B/bench" "$B/fuzz" "$B/obj"
rules >"$B/rules.mk.new.$$"
if cmp -s "$B/rules.mk.new.$$" "$B/rules.mk"; then
    rm -f "$B/rules.mk.new.$$"
else
    mv "$B/rules.mk.new.$$" "$B/rules.mk"
fi
