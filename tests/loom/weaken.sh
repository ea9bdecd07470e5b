#!/usr/bin/env bash
# Weakens each memory order of the files that the loom models include, one at a time, and checks that a
# model fails. Prints a line for each. Exit code 1 if no model notices one that is not listed below.
#
#   tests/loom/weaken.sh             all files
#   tests/loom/weaken.sh notifier    one file
set -euo pipefail
cd "$(dirname "$0")/../.."

files=(src/reactor/main_waker.rs src/reactor/remote_queue/notifier.rs src/reactor/remote_queue/tokens.rs)
# loom has no `Arc` that the method `count` could take, so it can't order the drop of a waker.
not_modelled='src/reactor/main_waker.rs: fence(Ordering::Acquire)'

copy=target/loom-weaken
rm -rf "$copy"
mkdir -p "$copy/tests" "$copy/src"
cp -r tests/loom "$copy/tests"
cp -r src/reactor "$copy/src"
cp Cargo.lock "$copy"
{
  printf '[workspace]\nmembers = ["tests/loom"]\nresolver = "3"\n'
  sed -n '/^\[workspace.package\]/,/^\[package\]/p' Cargo.toml | sed '$d'
} >"$copy/Cargo.toml"
export CARGO_TARGET_DIR=$PWD/target/loom CARGO_INCREMENTAL=0 CARGO_PROFILE_DEV_DEBUG=0

status=0
# Tries one replacement in one line of one file.
try() {
  local file=$1 line=$2 from=$3 to=$4 code result
  code=$(sed -n "${line}s/^ *//p" "$file")
  sed "${line}s/Ordering::$from/Ordering::$to/" "$file" >"$copy/$file"
  if (cd "$copy" && cargo test -q -p nodeloop-loom >output 2>&1); then
    result=NOTHING
    if [[ $file:\ $code == "$not_modelled"* ]]; then result="not modelled"; else status=1; fi
  elif grep -q '^error' "$copy/output" && ! grep -q 'test result: FAILED' "$copy/output"; then
    result="DOES NOT COMPILE" status=1
  else
    result=$(sed -n 's/^test \([a-z_0-9:]*\).*FAILED$/\1/p; s/^---- \(.*\) stdout ----$/\1/p' "$copy/output" | head -1)
  fi
  cp "$file" "$copy/$file"
  printf '%-40s %-8s -> %-8s %s\n' "$file:$line" "$from" "$to" "$result"
}

for file in "${files[@]}"; do
  [[ $file == *${1:-}* ]] || continue
  while IFS=: read -r line code; do
    case $code in
      *Ordering::SeqCst*) try "$file" "$line" SeqCst AcqRel ;;
      *Ordering::AcqRel*) try "$file" "$line" AcqRel Acquire && try "$file" "$line" AcqRel Release ;;
      *Ordering::Acquire*) try "$file" "$line" Acquire Relaxed ;;
      *Ordering::Release*) try "$file" "$line" Release Relaxed ;;
    esac
  done < <(grep -nE 'Ordering::(SeqCst|AcqRel|Acquire|Release)' "$file")
done
exit "$status"
