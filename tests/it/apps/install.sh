#!/bin/sh
# Installs what the tests of this folder need: Debian's packages, and those of Python and Node into
# target/interop. Takes no time when all of it is there already.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
interop=$here/../../../target/interop
mkdir -p "$interop/apps"

missing=
have() { [ -x "$1" ] || missing="$missing $2"; }
have /usr/sbin/nginx nginx
have /usr/bin/chromium chromium
have /usr/sbin/mosquitto mosquitto
have /usr/bin/Xtigervnc tigervnc-standalone-server
if [ -n "$missing" ]; then
    apt-get update -q
    # Nothing of it is to run but by the tests.
    # shellcheck disable=SC2086
    RUNLEVEL=1 DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends $missing
fi

# What was installed is remembered where it was installed, so that both go together.
venv=$interop/venv
if ! cmp -s "$here/requirements.txt" "$venv/apps-requirements.txt"; then
    [ -x "$venv/bin/python3" ] || python3 -m venv "$venv"
    "$venv/bin/pip" install -q --disable-pip-version-check -r "$here/requirements.txt"
    cp "$here/requirements.txt" "$venv/apps-requirements.txt"
fi

# A folder of their own: npm takes away what another package.json has installed.
modules=$interop/apps/node_modules
if ! cmp -s "$here/package.json" "$modules/.installed.json"; then
    cp "$here/package.json" "$interop/apps/package.json"
    (cd "$interop/apps" && npm install --no-package-lock --no-audit --no-fund --loglevel=error)
    cp "$here/package.json" "$modules/.installed.json"
fi
