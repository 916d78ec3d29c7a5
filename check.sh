#!/usr/bin/env bash
# What people and CI both run before a change is called done, fast things first. Stops at the first that fails.
set -euo pipefail
cd "$(dirname "$0")"

step() {
    printf '\n-- %s\n' "$*"
    "$@"
}

# Versions of crates that nobody has let pass; licences, duplicates, sources; then the advisories, whose database is a
# git repository on the network. Where that cannot be reached (a closed network, CI's own among them) they are left
# out, and it is said.
dependencies() {
    cargo vet --locked
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
if cargo deny --version >/dev/null 2>&1 && cargo vet --version >/dev/null 2>&1; then
    step dependencies
elif [[ -n ${CI:-} ]]; then
    printf 'cargo-deny or cargo-vet is missing: .ci/run installs them\n' >&2
    exit 1
else
    printf '\nNOT CHECKED: dependencies, as a tool is missing (cargo install --locked cargo-deny cargo-vet)\n'
fi
printf '\nall is well\n'
