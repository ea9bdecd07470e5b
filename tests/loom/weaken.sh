#!/usr/bin/env bash
# Weakens each memory order of the files that the loom models include, and omits steps of them, one at a
# time, and checks that a model fails. Prints a line for each. Exit code 1 if no model notices one that
# is not marked below.
#
#   tests/loom/weaken.sh             all files
#   tests/loom/weaken.sh notifier    one file
set -euo pipefail
cd "$(dirname "$0")/../.."

# The files, and the models that concern them.
declare -A models=(
  [src/reactor/main_waker.rs]=main_waker::
  [src/reactor/task_waker.rs]=task_waker::
  [src/reactor/remote_queue/notifier.rs]=no_wake_is_lost
  [src/reactor/remote_queue/parker.rs]=parker::
  [src/reactor/remote_queue/tokens.rs]=token
  [src/blocking/pool/workers.rs]=pool::
  [src/worker/channel.rs]=worker::
)
if ! printf '%s\n' "${!models[@]}" | grep -qF -- "${1:-}"; then
  printf 'no file has "%s" in its path; there are:\n' "$1"
  printf '  %s\n' "${!models[@]}"
  exit 2
fi
# A file, a line of it, and what replaces the line.
steps=(
  'src/reactor/remote_queue/parker.rs|drop(self.lock.lock());|'
  'src/reactor/remote_queue/parker.rs|self.notified.notify_one();|'
  'src/blocking/pool/workers.rs|std::mem::swap(first, &mut queue.waiting);|'
  'src/blocking/pool/workers.rs|queue.lingering -= 1;|'
  'src/blocking/pool/workers.rs|self.idle.notify_all();|'
  'src/blocking/pool/workers.rs|queue.threads += 1;|'
  'src/worker/channel.rs|for _ in 0..state.queue.len() {|for _ in 0..0 {'
  'src/worker/channel.rs|if state.sender == SenderState::Closed {|if false {'
  'src/worker/channel.rs|waker.wake();|drop(waker);'
  'src/worker/channel.rs|state.is_receiver_closed = true;|'
)

copy=target/loom-weaken
rm -rf "$copy"
mkdir -p "$copy/tests" "$copy/src"
cp -r tests/loom "$copy/tests"
cp -r src/reactor src/blocking src/worker "$copy/src"
cp Cargo.lock "$copy"
{
  printf '[workspace]\nmembers = ["tests/loom"]\nresolver = "3"\n'
  sed -n '/^\[workspace.package\]/,/^\[package\]/p' Cargo.toml | sed '$d'
} >"$copy/Cargo.toml"
export CARGO_TARGET_DIR=$PWD/target/loom CARGO_INCREMENTAL=0 CARGO_PROFILE_DEV_DEBUG=0

status=0
# Runs the models of a changed file, and prints what noticed the change.
try() {
  local file=$1 description=$2 result
  if (cd "$copy" && cargo test -q -p nodeloop-loom -- "${models[$file]}" >output 2>&1); then
    result=NOTHING status=1
  elif ! grep -q 'test result: FAILED' "$copy/output"; then
    result="DOES NOT COMPILE: $(grep -m 1 '^error' "$copy/output")" status=1
  else
    result=$(sed -n 's/^---- \(.*\) stdout ----$/\1/p' "$copy/output" | head -1)
  fi
  cp "$file" "$copy/$file"
  printf '%-14s %-62s %s\n' "${file##*/}" "$description" "$result"
}

weaken() {
  local file=$1 number=$2 line=$3 from=$4 to=$5
  sed "${number}s/Ordering::$from/Ordering::$to/" "$file" >"$copy/$file"
  try "$file" "line $number: $from becomes $to"
}

for file in "${!models[@]}"; do
  [[ $file == *${1:-}* ]] || continue
  while read -r number line; do
    case $line in
      # Of `MainWaker::count` and `TaskWaker::is_shared`. A fence has no weaker order that it may have.
      'fence(Ordering::Acquire)'*) printf '%-14s %-62s %s\n' "${file##*/}" "line $number: $line" "not modelled" ;;
      *Ordering::SeqCst*) weaken "$file" "$number" "$line" SeqCst AcqRel ;;
      *Ordering::AcqRel*)
        weaken "$file" "$number" "$line" AcqRel Acquire
        weaken "$file" "$number" "$line" AcqRel Release
        ;;
      *Ordering::Acquire*) weaken "$file" "$number" "$line" Acquire Relaxed ;;
      *Ordering::Release*) weaken "$file" "$number" "$line" Release Relaxed ;;
    esac
  done < <(sed -n '/Ordering::\(SeqCst\|AcqRel\|Acquire\|Release\)/ { =; s/^ *//p }' "$file" | paste -d ' ' - -)
done

for step in "${steps[@]}"; do
  IFS='|' read -r file from to <<<"$step"
  [[ $file == *${1:-}* ]] || continue
  if [ "$(grep -cF "$from" "$file")" -ne 1 ]; then
    echo "$file does not have one line with \`$from\`: change the list of steps"
    exit 1
  fi
  FROM=$from TO=$to awk '
    (at = index($0, ENVIRON["FROM"])) { $0 = substr($0, 1, at - 1) ENVIRON["TO"] substr($0, at + length(ENVIRON["FROM"])) }
    { print }' "$file" >"$copy/$file"
  try "$file" "\`$from\` becomes \`$to\`"
done
exit "$status"
