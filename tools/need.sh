#!/bin/sh
# need.sh NAME...: make sure that each thing named is here (Debian's package names, plus cc
# and c++), and install what is missing. Presence is probed by use, so that a second run,
# or a machine set up by other means, never touches the package manager.
set -u

includes() { printf '#include <%s>\n' "$@" | cc -E -x c - >/dev/null 2>&1; }
any() { for c; do command -v "$c" >/dev/null 2>&1 && return 0; done; return 1; }
present() {
    case $1 in
        cc) echo 'int main(void) { return 0; }' | cc -x c -o /dev/null - 2>/dev/null ;;
        c++) echo '#include <string>' | c++ -fsyntax-only -x c++ - 2>/dev/null ;;
        libssl-dev) includes openssl/ssl.h ;;
        libcmocka-dev) includes stdarg.h stddef.h setjmp.h stdint.h cmocka.h ;;
        python3-websockets)
            for python in python3 /usr/bin/python3; do
                $python -c 'import websockets' 2>/dev/null && return
            done
            return 1
            ;;
        nodejs) any node ;;
        node-ws) NODE_PATH=${NODE_PATH:-}:/usr/share/nodejs node -e 'require("ws")' 2>/dev/null ;;
        chromium) any chromium chromium-browser google-chrome ;;
        nginx) any nginx /usr/sbin/nginx ;;
        *) any "$1" ;;
    esac
}
package() {
    case $1 in
        cc) echo gcc libc6-dev ;;
        c++) echo g++ ;;
        *) echo "$1" ;;
    esac
}

missing=
for name; do
    present "$name" && continue
    case " $missing " in *" $name "*) ;; *) missing="$missing $name" ;; esac
done
[ -n "$missing" ] || exit 0
packages=$(for name in $missing; do package "$name"; done | tr '\n' ' ')

if ! any apt-get; then
    echo "Missing here: $packages(Debian's names); please install them and run make again." >&2
    exit 1
fi
if [ "$(id -u)" = 0 ]; then
    as_root="env"
elif any sudo && sudo -n true 2>/dev/null; then
    as_root="sudo -n env"
else
    echo "Missing here: $packages" >&2
    echo "No right to install them; as root: apt-get install $packages" >&2
    exit 1
fi

echo "Installing what is missing: $packages(apt-get)"
# shellcheck disable=SC2086
install() {
    $as_root DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends \
        $packages </dev/null
}
mkdir -p build
if ! install >build/need.log 2>&1; then
    echo "Refreshing the package lists first"
    $as_root apt-get update -qq </dev/null >>build/need.log 2>&1
    install >>build/need.log 2>&1 || { tail -n 20 build/need.log >&2; exit 1; }
fi
for name in $missing; do
    present "$name" || { echo "$name is still missing; see build/need.log" >&2; exit 1; }
done
