#!/usr/bin/env bash
# Runs everything of nodeloop at once against an account of what must come back, then load and faults
# as a table (`tests/soak/README.md`). Installs nothing. The argument is the length of the soak in
# seconds, 60 by default; `full` as the second argument measures the full table.
set -euo pipefail
cd "$(dirname "$0")/.."

seconds=${1:-60}
if ! [[ $seconds =~ ^[1-9][0-9]*$ ]]; then
  echo "$seconds is no number of seconds"
  exit 2
fi
form=()
[ "${2:-quick}" = full ] || form=(--quick)

cargo build --release -p nodeloop-soak
soak=${CARGO_TARGET_DIR:-target}/release/nodeloop-soak
"$soak" soak --seconds "$seconds"
"$soak" load "${form[@]}"
