#!/usr/bin/env bash
# Runs tests under Miri, which finds undefined behaviour, data races and leaks in the library and its
# dependencies. Installs Rust's nightly with Miri; NODELOOP_NIGHTLY names another one than the latest.
#
#   .ci/miri.sh                           # the quick selection
#   .ci/miri.sh long [BINARY [FILE...]]   # everything that can run there; logs in target/miri-logs
#   .ci/miri.sh long rules 'host_[a-z]*'  # files that match a pattern of grep, in one process
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
skipped+=(explore_all:: durability:: generated:: damaged::)

# A process of Miri is ended after this time.
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
    echo passed
  elif grep -q 'main thread terminated without waiting for all remaining threads' "$1"; then
    # Threads of the pool, which never end (`blocking`). Miri then reports no leaks.
    echo "passed, leaks not reported"
  else
    echo "failed: leak"
  fi
}

# miri_log LOG BINARY TEST...: runs tests into a log, and prints the outcome.
miri_log() {
  local log=$1 binary=$2 code=0
  shift 2
  timeout "$test_seconds" rustup run "$nightly" cargo miri test --test "$binary" -- --test-threads=1 --exact "$@" \
    >"$log" 2>&1 || code=$?
  outcome "$log" "$code"
}

# every_test_of_file BINARY LOG TEST...: runs these tests, and prints the result of each. Miri ends the process
# at a call that it lacks, so the tests after that one are run in another process.
every_test_of_file() {
  local binary=$1 log=$2 round=0 tests result test last reached rest
  shift 2
  tests=("$@")
  while [ "${#tests[@]}" -gt 0 ]; do
    round=$((round + 1))
    result=$(miri_log "$log.$round" "$binary" "${tests[@]}")
    printf '%s %s.%s, %s tests: %s\n' "$(date +%T)" "${log##*/}" "$round" "${#tests[@]}" "$result" >&2
    # The test during which the process ended. The name is printed before the test runs.
    last=''
    if ! grep -q '^test result: ' "$log.$round"; then
      last=$(sed -nE 's/^test ([^ ]+)( - should panic)? \.\.\..*/\1/p' "$log.$round" | tail -1)
      last=${last:-${tests[0]}}
    fi
    reached='' rest=()
    for test in "${tests[@]}"; do
      if [ -n "$reached" ]; then
        rest+=("$test")
      elif [ "$test" = "$last" ]; then
        reached=yes
        if [[ $result == stopped* && $test != "${tests[0]}" ]]; then
          rest+=("$test") # the time was spent on those before
        else
          echo "$test $result"
        fi
      elif grep -qE "^test $test( - should panic)? \.\.\. ignored" "$log.$round"; then
        echo "$test ignored"
      elif grep -qE "^test $test( - should panic)? \.\.\. FAILED" "$log.$round"; then
        echo "$test failed"
      elif [ "$result" = "failed: leak" ]; then
        echo "$test $(miri_log "$log.${test##*::}" "$binary" "$test")" # which one?
      elif [ "$result" = passed ]; then
        echo "$test passed"
      else
        echo "$test passed, leaks not reported"
      fi
    done
    tests=("${rest[@]}")
  done
}

# every_test BINARY [FILE...]: runs the tests of a binary, file by file.
every_test() {
  local binary=$1 logs=target/miri-logs/$1 files=() tests=() file
  shift
  mkdir -p "$logs"
  miri "$binary" --list "${skipped[@]/#/--skip=}" 2>"$logs/list" | sed -n 's/: test$//p' >"$logs/tests"
  [ -s "$logs/tests" ] || { cat "$logs/list" && return 1; }
  if [ $# -gt 0 ]; then files=("$@"); else mapfile -t files < <(sed 's/::.*//' "$logs/tests" | sort -u); fi
  for file in "${files[@]}"; do
    mapfile -t tests < <(grep "^$file::" "$logs/tests")
    [ "${#tests[@]}" -gt 0 ] || { echo "$binary has no test of a file $file" >&2 && return 1; }
    every_test_of_file "$binary" "$logs/$file" "${tests[@]}"
  done >"$logs/results"
  printf '%s, %s tests:\n' "$binary" "$(wc -l <"$logs/results")"
  sed 's/^[^ ]* //' "$logs/results" | sort | uniq -c | sort -rn
  grep -v -e ' passed$' -e ' passed, ' -e ' ignored$' "$logs/results" | sed 's/^/    /' || true
  ! grep -q ' failed' "$logs/results"
}

# Before anything is built: a pattern that names no file of the tests.
if [ "${1:-quick}" = long ]; then
  for file in "${@:3}"; do
    ls "tests/$2" | sed 's/\.rs$//' | grep -q "^$file$" && continue
    echo "tests/$2 has no file $file" >&2
    exit 2
  done
fi

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
