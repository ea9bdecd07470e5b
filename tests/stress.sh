#!/usr/bin/env bash
# Runs the whole suite repeatedly on a busy machine, and stops at the first failure.
#
#   tests/stress.sh          20 runs
#   tests/stress.sh 3        3 runs
#
# Two processes keep the cores of a small machine busy meanwhile. They end with this script, even if
# it is interrupted.
set -euo pipefail
cd "$(dirname "$0")/.."

runs=${1:-20}
if ! [[ $runs =~ ^[1-9][0-9]*$ ]]; then
  echo "$runs is no number of runs"
  exit 2
fi
log=target/tmp/stress.log

cargo test --no-run
mkdir -p target/tmp
: >target/tmp/skipped

busy=()
trap 'kill "${busy[@]}" 2>/dev/null || true' EXIT
trap 'exit 130' INT TERM
for _ in 1 2; do
  sh -c 'while :; do :; done' &
  busy+=($!)
done

for run in $(seq "$runs"); do
  start=$SECONDS
  # Far more than a run needs: the tests have limits of their own.
  if ! timeout 1800 cargo test >"$log" 2>&1; then
    cat "$log"
    echo "run $run of $runs has failed; its output: $log"
    exit 1
  fi
  echo "run $run of $runs: $((SECONDS - start)) s"
done
echo "$runs runs, 0 failures, $(sort -u target/tmp/skipped | wc -l) tests skipped"
sort -u target/tmp/skipped
