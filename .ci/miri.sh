#!/usr/bin/env bash
# Runs tests under Miri, which finds undefined behaviour, data races and leaks in the library and its
# dependencies. Installs Rust's nightly with Miri; NODELOOP_NIGHTLY names another one than the latest.
#
#   .ci/miri.sh                       # the quick selection
#   .ci/miri.sh long                  # everything that can run there, without a report of leaks
#   .ci/miri.sh process remote::      # the tests of one binary whose names contain one of these
set -euo pipefail
cd "$(dirname "$0")/.."

# Clocks, sockets and threads are real. Leaks are reported by default. No model of aliasing is checked:
# before each poll, `spawn_local` of async-task 4.7.1 reads the thread of a task through a shared reference to
# the whole task, which both models forbid if its future borrows from itself.
export MIRIFLAGS="-Zmiri-disable-isolation -Zmiri-disable-stacked-borrows ${MIRIFLAGS:-}"
export CARGO_INCREMENTAL=0
# Miri interprets the program.
export NODELOOP_LIMIT_FACTOR=${NODELOOP_LIMIT_FACTOR:-60}

nightly=${NODELOOP_NIGHTLY:-nightly}

install() {
  rustup run "$nightly" cargo miri --version >/dev/null 2>&1 && return
  rustup toolchain install "$nightly" --profile minimal --component miri,rust-src --no-self-update
}

# miri BINARY [FILTER...]
miri() {
  local binary=$1
  shift
  rustup run "$nightly" cargo miri test --test "$binary" -- --test-threads=1 "$@"
}

# Their repetitions are the test, or they use signals or processes, which Miri cannot.
skipped=(scale:: ten_thousand:: time_limits:: explore:: node_peer:: echo_node:: children:: signal stdio)
skip() { printf -- '--skip %s ' "${skipped[@]}"; }

install
case ${1:-quick} in
  quick) miri rules promises:: timer_lists:: reactions:: settled:: ;;
  long)
    # The threads of the pool never end (`blocking`), which is a leak to Miri.
    MIRIFLAGS+=" -Zmiri-ignore-leaks"
    for binary in rules process kit net fs; do
      # shellcheck disable=SC2046
      miri "$binary" $(skip)
    done
    ;;
  *) miri "$@" ;;
esac
