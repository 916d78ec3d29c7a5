#!/usr/bin/env bash
# What people and CI both run before a change is called done, fast things first. Stops at the first that fails.
set -euo pipefail
cd "$(dirname "$0")"

step() {
    printf '\n-- %s\n' "$*"
    "$@"
}

# Licences, duplicates, sources; then the advisories, whose database is a git repository on the network. Where that
# cannot be reached (a closed network, CI's own among them) they are left out, and it is said.
dependencies() {
    cargo deny check licenses bans sources
    if timeout 60 cargo deny fetch db; then
        cargo deny check advisories
    else
        printf 'NOT CHECKED: advisories, as their database cannot be fetched from here\n'
    fi
}

step cargo fmt --check
step cargo clippy --all-targets --quiet -- -D warnings
RUSTDOCFLAGS='-D warnings' step cargo doc --no-deps --document-private-items --quiet
step cargo test --quiet
if cargo deny --version >/dev/null 2>&1; then
    step dependencies
elif [[ -n ${CI:-} ]]; then
    printf 'cargo-deny is missing: .ci/run installs it\n' >&2
    exit 1
else
    printf '\nNOT CHECKED: dependencies, as cargo-deny is missing (cargo install --locked cargo-deny)\n'
fi
printf '\nall is well\n'
