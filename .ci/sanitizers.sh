#!/usr/bin/env bash
# Runs tests under ThreadSanitizer (data races), and AddressSanitizer with LeakSanitizer (freed memory,
# leaks), after each has found the faults that are planted for it in tests/sanitizers.
# Installs Rust's nightly with rust-src, and llvm-symbolizer.
#
#   .ci/sanitizers.sh                      # both, the quick selection
#   .ci/sanitizers.sh thread               # one of them
#   .ci/sanitizers.sh address udp:: tcp::  # of one, the tests whose names contain one of these
#   NODELOOP_ALL=1 .ci/sanitizers.sh       # every binary: the long form
#   NODELOOP_BINARIES="rules net" .ci/sanitizers.sh address   # these binaries
set -euo pipefail
cd "$(dirname "$0")/.."
case ${1:-} in
  "" | thread | address) ;;
  *)
    echo "$1 is no sanitizer: the first argument is thread or address, the others are parts of the names of tests"
    exit 2
    ;;
esac

target=x86_64-unknown-linux-gnu
log=target/tmp/sanitizers.log
export CARGO_INCREMENTAL=0
# The reports need lines.
export CARGO_PROFILE_DEV_DEBUG=line-tables-only
# An instrumented program takes 2 to 20 times as long.
export NODELOOP_LIMIT_FACTOR=${NODELOOP_LIMIT_FACTOR:-20}

# In the quick selection: the threads of the library are in these binaries.
thread=(process fs)
thread_all=(process fs kit rules net)
# Descriptors, buffers and children.
address=(net fs process)
address_all=(net fs process kit rules flight world)
# Hundreds of thousands of steps on one thread, which take minutes in an instrumented program.
skipped=(scale:: ten_thousand:: many_listeners_that_remove_themselves)
# Recurse until a stack is nearly full, and instrumented frames are larger.
skipped+=(a_builder_sets_the_name_and_the_stack nested_spawns::)
# Ends a process that has not printed its reports in time, which takes longer here.
skipped+=(time_limits::)

install() {
  if ! rustup component list --toolchain nightly --installed 2>/dev/null | grep -q '^rust-src'; then
    rustup toolchain install nightly --profile minimal --component rust-src --no-self-update
  fi
  # The runtime asks this program for the names of functions, which a suppression contains.
  command -v llvm-symbolizer >/dev/null && return
  local sudo=()
  [ "$(id -u)" -eq 0 ] || sudo=(sudo -n)
  "${sudo[@]}" apt-get update -qq
  "${sudo[@]}" apt-get install -y -qq --no-install-recommends llvm
}

# Builds test binaries, and fills the array `programs` with their paths.
build() {
  local sanitizer=$1 binaries=() options=()
  shift
  for binary in "$@"; do binaries+=(--test "$binary"); done
  # Without an instrumented std, ThreadSanitizer does not see what orders two threads.
  if [ "$sanitizer" = thread ]; then options+=(-Zbuild-std); fi
  RUSTFLAGS="-Zsanitizer=$sanitizer" cargo +nightly test --no-run --target "$target" \
    --target-dir "target/sanitizers/$sanitizer" "${options[@]}" \
    -p nodeloop -p nodeloop-sanitizers --lib "${binaries[@]}" --test planted 2>&1 | tee "$log"
  mapfile -t programs < <(sed -n 's/^ *Executable .* (\(.*\))$/\1/p' "$log")
}

# Without randomized addresses, which ThreadSanitizer can't have on some kernels.
run() {
  if setarch "$(uname -m)" -R true 2>/dev/null; then
    setarch "$(uname -m)" -R "$@"
  else
    "$@"
  fi
}

# Checks that a planted fault is reported.
must_report() {
  local program=$1 test=$2 report=$3
  if run "$program" --exact "$test" --ignored >"$log" 2>&1 || ! grep -q "$report" "$log"; then
    cat "$log"
    echo "the planted fault \`$test\` was not reported as: $report"
    return 1
  fi
  echo "the planted fault \`$test\` was reported"
}

check() {
  local sanitizer=$1 programs=() program binaries
  local -n quick=$sanitizer all=${sanitizer}_all
  shift
  binaries=("${quick[@]}")
  [ -z "${NODELOOP_ALL:-}" ] || binaries=("${all[@]}")
  [ -z "${NODELOOP_BINARIES:-}" ] || read -ra binaries <<<"$NODELOOP_BINARIES"
  build "$sanitizer" "${binaries[@]}"

  for program in "${programs[@]}"; do
    [[ $program == *planted* ]] || continue
    if [ "$sanitizer" = thread ]; then
      must_report "$program" race "WARNING: ThreadSanitizer: data race"
    else
      must_report "$program" use_after_free "AddressSanitizer: heap-use-after-free"
      must_report "$program" leak "LeakSanitizer: detected memory leaks"
      must_report "$program" cycle_of_a_callback "LeakSanitizer: detected memory leaks"
    fi
  done

  local skip=() passed=0
  for name in "${skipped[@]}"; do skip+=(--skip "$name"); done
  for program in "${programs[@]}"; do
    printf '\n%s under the %s sanitizer\n' "${program##*/}" "$sanitizer"
    run "$program" "$@" "${skip[@]}" 2>&1 | tee "$log"
    passed=$((passed + $(sed -n 's/^test result: ok\. \([0-9]*\) passed.*/\1/p' "$log" | tail -1)))
  done
  printf '\n%s sanitizer: %d tests passed, no report\n' "$sanitizer" "$passed"
  if [ "$passed" -eq 0 ]; then
    echo "no test has run: no name contains $*"
    return 1
  fi
}

install
mkdir -p target/tmp
suppressions=$PWD/.ci/tsan-suppressions.txt
export TSAN_OPTIONS="suppressions=$suppressions ${TSAN_OPTIONS:-}"
# The limit of nested spawns compares addresses of variables, which this check moves to the heap.
export ASAN_OPTIONS="detect_leaks=1 detect_stack_use_after_return=0 ${ASAN_OPTIONS:-}"
case ${1:-} in
  thread | address) check "$@" ;;
  "")
    check thread
    check address
    ;;
esac
