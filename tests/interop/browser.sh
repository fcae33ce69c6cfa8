#!/bin/sh
# Two tabs of a real browser in the chat demo: browser.sh [PROGRAM [ARGUMENT...]]
#
# Needs node 18 or later, the WebSocket client ws for it, and Chromium: nodejs, node-ws and
# chromium in Debian. CHROMIUM names another one. PROGRAM, build/demos/chat by default, is
# started with --port=N --address=127.0.0.1 --logging=none added.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
NODE_PATH=${NODE_PATH:+$NODE_PATH:}/usr/share/nodejs
export NODE_PATH
if [ -z "${CHROMIUM:-}" ]; then
    for name in chromium chromium-browser google-chrome; do
        CHROMIUM=$(command -v $name) && break
    done
    export CHROMIUM
fi
[ $# -gt 0 ] || set -- "$here/../../build/demos/chat"
exec node "$here/browser.mjs" "$@"
