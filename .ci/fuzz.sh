#!/usr/bin/env bash
# Fuzzes the targets of the package `fuzz` with libFuzzer and AddressSanitizer, and fails on a crash
# with the command that reproduces it. Installs a nightly Rust, a C++ compiler and cargo-fuzz.
#
#     .ci/fuzz.sh [SECONDS_PER_TARGET [TARGET...]]    60 seconds and all targets; 3600 is the long form
#
# NODELOOP_FUZZ_SEED repeats the choices of a run, as far as time and the inputs of target/corpus allow;
# without it they are different each time. Builds only the targets that are named.
set -euo pipefail
cd "$(dirname "$0")/../fuzz"
seconds=${1:-60}
shift || true
if ! [[ $seconds =~ ^[1-9][0-9]*$ ]]; then
  echo "$seconds is no number of seconds for each target"
  exit 2
fi
for target in "$@"; do
  if [ ! -e "fuzz_targets/$target.rs" ]; then
    echo "there is no target $target; there are: $(basename -s .rs -a fuzz_targets/*.rs | xargs)"
    exit 2
  fi
done

if ! command -v c++ >/dev/null; then
  sudo=""
  [ "$(id -u)" -eq 0 ] || sudo="sudo -n"
  $sudo apt-get update -qq && $sudo apt-get install -y -qq --no-install-recommends g++
fi
rustup run nightly cargo --version >/dev/null 2>&1 ||
  rustup toolchain install nightly --profile minimal --no-self-update
cargo fuzz --version >/dev/null 2>&1 ||
  CARGO_PROFILE_DEV_DEBUG=0 cargo install --quiet --locked --debug cargo-fuzz@0.13.2

mapfile -t targets < <(if [ $# -gt 0 ]; then printf '%s\n' "$@"; else cargo +nightly fuzz list; fi)
if [ $# -gt 0 ]; then
  for target in "${targets[@]}"; do cargo +nightly fuzz build "$target"; done
else
  cargo +nightly fuzz build
fi

failed=()
for target in "${targets[@]}"; do
  # New inputs go to the first directory; the corpus in the repository stays as it is.
  found=target/corpus/$target log=target/$target.log
  mkdir -p "$found" "corpus/$target" "artifacts/$target"
  if target/"$(rustc +nightly -vV | sed -n 's/^host: //p')"/release/"$target" \
    -artifact_prefix="artifacts/$target/" -max_total_time="$seconds" -timeout=20 -rss_limit_mb=2048 \
    -max_len=2048 -seed="${NODELOOP_FUZZ_SEED:-0}" -print_final_stats=1 "$found" "corpus/$target" >"$log" 2>&1; then
    cover=$(sed -n 's/.* cov: \([0-9]*\) ft: \([0-9]*\) .*/\1 edges, \2 features/p' "$log" | tail -1)
    runs=$(sed -n 's/^stat::number_of_executed_units: *//p' "$log")
    printf '%s: %s runs in %s s, %s, %s inputs in the corpus\n' \
      "$target" "$runs" "$seconds" "$cover" "$(find "corpus/$target" -type f | wc -l)"
  else
    failed+=("$target")
    tail -n 200 "$log"
    input=$(sed -n 's/.*Test unit written to //p' "$log" | tail -1)
    printf '%s: failed; reproduce it with: cd fuzz && cargo +nightly fuzz run %s %s\n' \
      "$target" "$target" "${input:-(no input was written)}"
  fi
done
if [ ${#failed[@]} -gt 0 ]; then
  echo "failed: ${failed[*]}"
  exit 1
fi
