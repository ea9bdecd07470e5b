#!/usr/bin/env bash
# Breaks the rules on purpose, one at a time, and checks that a test fails.
#
#   tests/breaks/check.sh            every patch of this folder
#   tests/breaks/check.sh R34 R56    those of some rules
#
# Works on a copy in the target folder. Prints a table; exit code 1 if a break goes unnoticed,
# if a patch does not apply any more, or if what it makes does not compile.
set -uo pipefail
cd "$(dirname "$0")/../.."

repository=$PWD
here=tests/breaks
target=${CARGO_TARGET_DIR:-$PWD/target}
export CARGO_TARGET_DIR=$target/breaks CARGO_TERM_COLOR=never
copy=$CARGO_TARGET_DIR/copy
output=$CARGO_TARGET_DIR/output

compile() {
  (cd "$copy" && cargo test --quiet --profile mutants --test rules --no-run) >"$output" 2>&1
}

# The tests of the rules; the recorded programs are left out on purpose.
run_tests() {
  (cd "$copy" && timeout 60 cargo test --profile mutants --test rules) >"$output" 2>&1
}

# A copy with new file times: the builds of an earlier run are older than all of its files.
rm -rf "$copy"
mkdir -p "$copy"
git ls-files -z --cached --others --exclude-standard |
  while IFS= read -r -d '' file; do [ ! -f "$file" ] || printf '%s\0' "$file"; done |
  xargs -0 cp --parents -t "$copy"

if ! compile || ! run_tests; then
  cat "$output"
  echo "the tests fail without any break"
  exit 1
fi

patches=()
for rule in "${@:-}"; do patches+=("$here/$rule"*.patch); done
bad=0
printf '%-42s %s\n' "break" "noticed by"
for patch in "${patches[@]}"; do
  name=$(basename "$patch" .patch)
  if ! (cd "$copy" && GIT_CEILING_DIRECTORIES=$CARGO_TARGET_DIR git apply "$repository/$patch") 2>"$output"; then
    printf '%-42s THE PATCH DOES NOT APPLY: the source has changed, make it anew\n' "$name"
    sed 's/^/    /' "$output"
    bad=$((bad + 1))
    continue
  fi
  if ! compile; then
    printf '%-42s DOES NOT COMPILE: the source has changed, make the patch anew\n' "$name"
    grep -m 3 '^error' "$output" | sed 's/^/    /'
    bad=$((bad + 1))
  elif run_tests; then
    printf '%-42s NOTHING: %s\n' "$name" "$(head -n 1 "$patch")"
    bad=$((bad + 1))
  else
    # The tests that follow the chapters of the rules first.
    chapters='drain|errors|event_loop|immediates|listeners|pending|pool|promises|reactions|throws|timer_lists|timers'
    failed=$(sed -n 's/^test \([a-z_]*::[a-z_0-9]*\) \.\.\. FAILED$/\1/p' "$output" |
      sed -E "/^($chapters)::/ s/^/1 /; /^1 /! s/^/2 /" | sort -u | cut -d ' ' -f 2)
    count=$(grep -c . <<<"$failed")
    if [ "$count" = 0 ]; then
      # Noticed, but not by name: a test has ended the process, and with it the others.
      printf '%-42s a test that hangs or ends the process\n' "$name"
    else
      more=$([ "$count" = 1 ] || echo " and $((count - 1)) more")
      printf '%-42s %s%s\n' "$name" "$(head -n 1 <<<"$failed")" "$more"
    fi
  fi
  # The times of the files must move, so they are copied, not patched back.
  for file in $(sed -n 's,^+++ b/,,p' "$patch"); do cp "$file" "$copy/$file"; done
done

echo "${#patches[@]} breaks, $bad bad"
[ "$bad" = 0 ]
