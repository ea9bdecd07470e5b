#!/usr/bin/env bash
# Runs tests under Miri, which finds undefined behaviour, data races and leaks in the library and its
# dependencies. Installs Rust's nightly with Miri; NODELOOP_NIGHTLY names another one than the latest.
#
#   .ci/miri.sh                       # the quick selection
#   .ci/miri.sh long [BINARY]         # everything that can run there, without a report of leaks
#   .ci/miri.sh process remote::      # the tests of one binary whose names contain one of these
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
skipped=(scale:: ten_thousand:: time_limits:: explore:: node_peer:: echo_node:: children:: signal stdio)

# results LOG: prints each test of a log with "passed", "failed" or the call that Miri lacks.
results() {
  awk '
    function report() { if (name != "") print name, (result == "" ? "failed" : result) }
    /^test .* \.\.\. ?/ { report(); name = $2; result = "" }
    name != "" && /^(test .* \.\.\. )?ok$/ { result = "passed" }
    name != "" && /^test .* \.\.\. ignored/ { result = "ignored" }
    name != "" && result == "" && match($0, /unsupported operation: /) { result = substr($0, RSTART + RLENGTH) }
    END { report() }
  ' "$1"
}

# every_test BINARY: runs the tests of a binary. A call that Miri lacks ends the process: the test counts as
# unsupported, and the next process runs the rest.
every_test() {
  local binary=$1 log rest=() before name result passed=0 failed=0 unsupported=()
  log=$(mktemp)
  mapfile -t rest < <(miri "$binary" --list "${skipped[@]/#/--skip=}" 2>/dev/null | sed -n 's/: test$//p')
  while [ "${#rest[@]}" -gt 0 ]; do
    miri "$binary" --exact "${rest[@]}" >"$log" 2>&1 || true
    local -A finished=()
    while read -r name result; do
      finished[$name]=$result
      case $result in
        passed) passed=$((passed + 1)) ;;
        ignored) ;;
        failed) failed=$((failed + 1)) && echo "$binary: $name failed" && cp "$log" "$log.$failed" && echo "    see $log.$failed" ;;
        *) unsupported+=("$name: $result") ;;
      esac
    done < <(results "$log")
    before=("${rest[@]}") rest=()
    for name in "${before[@]}"; do [ -n "${finished[$name]+x}" ] || rest+=("$name"); done
    if [ "${#rest[@]}" -eq "${#before[@]}" ]; then
      echo "$binary: no test ran:" && tail -20 "$log" && return 1
    fi
  done
  echo "$binary: $passed passed, ${#unsupported[@]} unsupported, $failed failed"
  [ "${#unsupported[@]}" -eq 0 ] || printf '    %s\n' "${unsupported[@]}"
  [ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
}

install
case ${1:-quick} in
  quick) miri rules promises:: timer_lists:: reactions:: settled:: wakers:: ;;
  long)
    # The threads of the pool never end (`blocking`), which is a leak to Miri.
    MIRIFLAGS+=" -Zmiri-ignore-leaks"
    failures=0
    for binary in ${2:-process net fs kit rules}; do
      every_test "$binary" || failures=1
    done
    exit "$failures"
    ;;
  *) miri "$@" ;;
esac
