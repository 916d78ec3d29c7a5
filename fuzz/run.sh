#!/usr/bin/env bash
# Builds every fuzz target and runs each for SECONDS (60), two at a time, from its seeds; what it finds worth keeping goes to
# fuzz/corpus. With names of targets only those. Fails when one has found something: it is in fuzz/artifacts then.
set -euo pipefail
cd "$(dirname "$0")/.."

seconds=${1:-60}
shift || true
targets=("$@")
if ((${#targets[@]} == 0)); then
    targets=(address chunked config_file connection keepalive proxy_header request_head response_head)
fi

export CARGO_INCREMENTAL=0
cargo +nightly fuzz build --target-dir target/fuzz
host=$(rustc -vV | sed -n 's/^host: //p')
binaries=target/fuzz/$host/release
logs=target/fuzz/logs
mkdir -p $logs

run() {
    local target=$1 seeds=(fuzz/seeds/"$1")
    # The files of its tests are seeds, too.
    [[ $target != config_file ]] || seeds+=(tests/it/config/valid tests/it/config/broken)
    mkdir -p fuzz/corpus/"$target" fuzz/artifacts/"$target"
    if ! "$binaries/$target" -max_total_time="$seconds" -timeout=30 -rss_limit_mb=4096 -print_final_stats=1 \
        -artifact_prefix=fuzz/artifacts/"$target"/ fuzz/corpus/"$target" "${seeds[@]}" >"$logs/$target" 2>&1; then
        tail -n 100 "$logs/$target"
        printf '%s: FAILED\n' "$target"
        return 1
    fi
    # The last line with figures: executions, coverage (edges, features), corpus, executions a second.
    printf '%-14s %s\n' "$target" "$(grep -aE '^#[0-9]+.* cov: ' "$logs/$target" | tail -n 1)"
}
export -f run
export seconds binaries logs

printf '%s\n' "${targets[@]}" | xargs -P 2 -I '{}' bash -c 'run "$1"' _ '{}'
