#!/usr/bin/env bash
# The JavaScript hosts (examples/js, examples/boa): their tests, which compare them with recorded outputs of Node,
# then fresh programs that they and Node must trace alike, on virtual and on real time; on Boa only virtual.
# Installs a C compiler for QuickJS.
#
#     .ci/js.sh [PROGRAMS] [RELEASE ...]     40 programs on each release, releases 20 and 26
set -euo pipefail
cd "$(dirname "$0")/.."

programs=${1:-40}
shift || true
[ $# -gt 0 ] || set -- 20 26
families=8
fresh=$(mktemp -d)
trap 'rm -rf "$fresh"' EXIT
seed=${NODELOOP_FRESH_SEED:-$(date +%s)}

if ! command -v cc >/dev/null; then
  sudo=""
  [ "$(id -u)" -eq 0 ] || sudo="sudo -n"
  $sudo apt-get update -qq && $sudo apt-get install -y -qq --no-install-recommends gcc libc6-dev
fi

cargo test -p nodeloop-js
cargo test -p nodeloop-boa

if ! command -v node >/dev/null; then
  echo "no node here: only the recorded programs were compared"
  exit 0
fi

count=$(((programs + families - 1) / families)) # of each family
for release in "$@"; do
  node=$(node tests/node/fetch-node.mjs "$release")
  printf '\n-- %s, seed %s --\n' "$("$node" --version)" "$seed"
  "$node" tests/node/generate.mjs --seed "$seed" --count "$count" --out "$fresh/$release"
  for time in virtual real; do
    NODELOOP_NODE=$release NODELOOP_CASES="$fresh/$release" NODELOOP_JS_TIME=$time \
      cargo test --quiet -p nodeloop-js --test host fresh_programs -- --nocapture
  done
  NODELOOP_NODE=$release NODELOOP_CASES="$fresh/$release" NODELOOP_JS_TIME=virtual \
    cargo test --quiet -p nodeloop-boa --test host fresh_programs -- --nocapture
done
