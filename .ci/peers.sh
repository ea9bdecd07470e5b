#!/usr/bin/env bash
# Checks that every workload of the comparison gives the right answer on every runtime, and that the
# programs are formatted and without warnings. Installs libuv's headers.
#   .ci/peers.sh       without the runtimes on io_uring
#   .ci/peers.sh all   with them
set -euo pipefail
cd "$(dirname "$0")/.."

if [ ! -e /usr/include/uv.h ]; then
  sudo=""
  [ "$(id -u)" -eq 0 ] || sudo="sudo -n"
  $sudo apt-get update -qq && $sudo apt-get install -y -qq --no-install-recommends libuv1-dev
fi

sides=benches/peers/sides/Cargo.toml
cargo fmt --manifest-path "$sides" --all --check
light=(-p side-common -p side-nodeloop -p side-tokio -p side-smol -p side-limit)
options=(--quick)
if [ "${1:-}" = all ]; then
  light=(--workspace)
  options+=(--all)
fi
cargo clippy --manifest-path "$sides" --target-dir target/peers --locked "${light[@]}" -- -D warnings
cargo run --release -p nodeloop-peers -- "${options[@]}"
