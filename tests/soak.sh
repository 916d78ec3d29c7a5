#!/usr/bin/env bash
# The soak: tests/soak.sh [MINUTES], 30 unless told otherwise. 200 tunnels a second come and go beside 3,000 that rest,
# through reloads and restarts of the upstreams, before the release build. Prints slopes and latencies, fails when
# something leaks, and writes target/soak/soak.csv and soak.svg. Takes one core and 20,000 open files at the most.
set -euo pipefail
cd "$(dirname "$0")/.."

cargo build --release
SOAK_MINUTES=${1:-30} cargo test --test it -- --ignored --nocapture soak::churn
