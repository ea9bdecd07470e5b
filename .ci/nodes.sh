#!/usr/bin/env bash
# Judges every release of Node: its probes, its recorded cases, and fresh programs, which nodeloop and that
# Node must trace alike. Fetches the binaries from the npm registry into target/nodes; needs Node and npm.
#
#     .ci/nodes.sh [PROGRAMS] [RELEASE ...]     50 programs on each release, all releases; 10000 is the long form
#
# Node runs each program with time in it three times, two of them disturbed, to find out whether its trace
# is a race. NODELOOP_PERTURBED=0 runs it once, which takes a third of the time; generate.mjs still repeats it
# if the trace is not that of its model.
set -euo pipefail
cd "$(dirname "$0")/.."

programs=${1:-50}
shift || true
[ $# -gt 0 ] || set -- 20 22 24 26
families=8
fresh=$(mktemp -d)
trap 'rm -rf "$fresh"' EXIT
seed=${NODELOOP_FRESH_SEED:-$(date +%s)}

# Outputs that depend on the machine's speed are judged again, alone, by the scripts themselves.
for release in "$@"; do
  node=$(node tests/node/fetch-node.mjs "$release")
  printf '\n-- %s, seed %s --\n' "$("$node" --version)" "$seed"
  "$node" tests/node/probes/check.mjs
  "$node" tests/node/check-cases.mjs
  count=$(((programs + families - 1) / families)) # of each family
  "$node" tests/node/generate.mjs --seed "$seed" --count "$count" --out "$fresh/$release" \
    --perturbed "${NODELOOP_PERTURBED:-2}"
  NODELOOP_NODE=$release NODELOOP_CASES="$fresh/$release" cargo test --quiet --test node_cases -- --nocapture
done
