#!/usr/bin/env bash
# Builds the static program, then the image of it alone, with podman or docker; pulls nothing.
#
#     deploy/image.sh [NAME]      the image's name; wssgate when none is given
#     ENGINE=docker               the program that builds it
#     TARGET=aarch64-...          another machine's, where a linker for it is installed
set -euo pipefail
cd "$(dirname "$0")/.."

name=${1:-wssgate}
engine=${ENGINE:-$(command -v podman || command -v docker)}
target=${TARGET:-$(uname -m)-unknown-linux-gnu}
# A folder of its own: other flags would make cargo build everything again in the one for every day.
folder=target/image

RUSTFLAGS='-C target-feature=+crt-static' CARGO_TARGET_DIR=$folder \
    cargo build --quiet --locked --profile dist --target "$target"
cp "$folder/$target/dist/wssgate" $folder/wssgate
if readelf --program-headers $folder/wssgate | grep --quiet INTERP; then
    echo "$folder/wssgate wants a dynamic linker, which the image does not have" >&2
    exit 1
fi
printf 'program: %s bytes\n' "$(stat --format %s $folder/wssgate)"

options=()
if [[ $(basename "$engine") == podman ]]; then
    options+=(--format docker) # OCI's own has no HEALTHCHECK
    options+=(--layers=false)  # of one layer there is nothing to keep
fi
version=$(sed --quiet '0,/^version = "\(.*\)"$/s//\1/p' Cargo.toml)
revision=${WSSGATE_COMMIT:-$(git rev-parse HEAD 2>/dev/null || echo unknown)}
"$engine" build --quiet "${options[@]}" --tag "$name" \
    --build-arg VERSION="$version" --build-arg REVISION="$revision" .
printf 'image %s: %s bytes\n' "$name" "$("$engine" image inspect --format '{{.Size}}' "$name")"
