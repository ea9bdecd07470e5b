#!/usr/bin/env bash
# Runs tests under Miri, which finds undefined behaviour, data races and leaks in the library and its
# dependencies. Installs Rust's nightly with Miri; NODELOOP_NIGHTLY names another one than the latest.
#
#   .ci/miri.sh                           # the quick selection
#   .ci/miri.sh long [BINARY [FILE...]]   # everything that can run there; logs in target/miri-logs
#   .ci/miri.sh process remote::          # the tests of one binary whose names contain one of these
set -euo pipefail
cd "$(dirname "$0")/.."

# Clocks, sockets and threads are real. Leaks are reported by default. The quick selection also checks aliasing
# (Stacked Borrows); the others need dependencies that have not been run with it.
aliasing=-Zmiri-disable-stacked-borrows
[ "${1:-quick}" != quick ] || aliasing=
export MIRIFLAGS="-Zmiri-disable-isolation $aliasing ${MIRIFLAGS:-}"
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
skipped=(scale:: ten_thousand:: time_limits:: explore:: node_peer:: echo_node::)
skipped+=(children:: signals:: child_signal:: stdio:: stdio_unix::)

# A test's process is ended after this time.
test_seconds=${NODELOOP_MIRI_SECONDS:-900}

# outcome LOG CODE: how a process of Miri ended.
outcome() {
  local lacking
  lacking=$(sed -n 's/.*error: unsupported operation: //p' "$1" | head -1)
  if [ "$2" -eq 124 ]; then
    echo "stopped after $test_seconds s"
  elif [ -n "$lacking" ]; then
    echo "unsupported: $lacking"
  elif ! grep -q '^test result: ok' "$1"; then
    echo failed
  elif [ "$2" -eq 0 ]; then
    if grep -q '^test result: ok. 0 passed; 0 failed; 1 ignored' "$1"; then echo ignored; else echo passed; fi
  elif grep -q 'main thread terminated without waiting for all remaining threads' "$1"; then
    # Threads of the pool, which never end (`blocking`). Miri then reports no leaks.
    echo "passed, leaks not reported"
  else
    echo "failed: leak"
  fi
}

# miri_log LOG BINARY ARGUMENT...: runs tests into a log, and prints the outcome.
miri_log() {
  local log=$1 binary=$2 code=0
  shift 2
  timeout "$test_seconds" rustup run "$nightly" cargo miri test --test "$binary" -- --test-threads=1 "$@" \
    >"$log" 2>&1 || code=$?
  outcome "$log" "$code"
}

# every_test BINARY [FILE...]: runs the tests of a binary, each file of it in one process. If that does not end
# well, each test of the file is run in a process of its own.
every_test() {
  local binary=$1 logs=target/miri-logs/$1 files=() tests=() file test result
  shift
  mkdir -p "$logs"
  miri "$binary" --list "${skipped[@]/#/--skip=}" 2>"$logs/list" | sed -n 's/: test$//p' >"$logs/tests"
  [ -s "$logs/tests" ] || { cat "$logs/list" && return 1; }
  if [ $# -gt 0 ]; then files=("$@"); else mapfile -t files < <(sed 's/::.*//' "$logs/tests" | sort -u); fi
  for file in "${files[@]}"; do
    mapfile -t tests < <(grep "^$file::" "$logs/tests")
    result=$(miri_log "$logs/$file" "$binary" --exact "${tests[@]}")
    printf '%s %s::%s, %s tests: %s\n' "$(date +%T)" "$binary" "$file" "${#tests[@]}" "$result" >&2
    for test in "${tests[@]}"; do
      if [ "$result" = passed ]; then
        if grep -q "^test $test \.\.\. ignored" "$logs/$file"; then echo "$test ignored"; else echo "$test passed"; fi
      else
        echo "$test $(miri_log "$logs/${test//::/-}" "$binary" --exact "$test")"
      fi
    done
  done >"$logs/results"
  printf '%s, %s tests:\n' "$binary" "$(wc -l <"$logs/results")"
  sed 's/^[^ ]* //' "$logs/results" | sort | uniq -c | sort -rn
  grep -v -e ' passed$' -e ' passed, ' -e ' ignored$' "$logs/results" | sed 's/^/    /' || true
  ! grep -q ' failed' "$logs/results"
}

install
mkdir -p target
case ${1:-quick} in
  quick) miri rules promises:: timer_lists:: reactions:: settled:: wakers:: ;;
  long)
    if [ $# -gt 1 ]; then
      every_test "${@:2}"
      exit
    fi
    failures=0
    for binary in rules process fs net kit flight world; do
      every_test "$binary" || failures=1
    done
    exit "$failures"
    ;;
  *)
    miri "$@" | tee target/miri.log
    if ! grep -q '^test .* \.\.\. ' target/miri.log; then
      echo "no test has run: no name of a test of $1 contains ${*:2}"
      exit 1
    fi
    ;;
esac
