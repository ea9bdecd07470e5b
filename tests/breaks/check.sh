#!/usr/bin/env bash
# Breaks the rules on purpose, one at a time, and checks that a test fails each time.
#
#   tests/breaks/check.sh            every patch of this folder
#   tests/breaks/check.sh R34 R56    those of some rules
#
# The tests are those of the binary `rules`, or of the one that a line such as `Test: world` of a patch names.
# BREAKS_JOBS patches are tried at a time (2), each in a copy of the crate in the target folder.
# Prints a table; exit code 1 if no test notices a break, if a patch no longer applies, or if
# the patched source does not compile.
set -uo pipefail
cd "$(dirname "$0")/../.."

repository=$PWD
here=tests/breaks
base=$(realpath -m "${CARGO_TARGET_DIR:-target}")/breaks
jobs=${BREAKS_JOBS:-2}
limit_s=600
export CARGO_TERM_COLOR=never RUST_BACKTRACE=0

# The test binary that must notice a patch.
test_of() {
  local named
  named=$(sed -n '/^---/q; s/^Test: //p' "$1")
  echo "${named:-rules}"
}

# Each job has a copy and a target folder of its own: cargo builds one thing at a time in a folder.
compile() {
  (cd "$base/$1/copy" && CARGO_TARGET_DIR=$base/$1 cargo test --quiet --profile mutants --test "$2" --no-run) >"$base/$1/output" 2>&1
}

# The tests that name a rule. The recorded programs are not run: the tests alone must notice a break.
run_tests() {
  (cd "$base/$1/copy" && CARGO_TARGET_DIR=$base/$1 timeout "$limit_s" cargo test --profile mutants --test "$2") >"$base/$1/output" 2>&1
}

# A copy without the times of the files, so that the builds of an earlier run are older than all of them.
copy_crate() {
  rm -rf "${base:?}/$1/copy"
  mkdir -p "$base/$1/copy"
  git ls-files -z --cached --others --exclude-standard |
    while IFS= read -r -d '' file; do [ ! -f "$file" ] || printf '%s\0' "$file"; done |
    xargs -0 cp --parents -t "$base/$1/copy"
}

# Tries one patch in the copy of one job and prints its line of the table. Fails for a bad patch.
try_patch() {
  local job=$1 patch=$2 name test result=0 file failed count more
  local copy=$base/$job/copy output=$base/$job/output
  name=$(basename "$patch" .patch)
  test=$(test_of "$patch")
  if ! (cd "$copy" && GIT_CEILING_DIRECTORIES=$base/$job git apply "$repository/$patch") 2>"$output"; then
    printf '%-42s THE PATCH DOES NOT APPLY: the source has changed, recreate it\n%s\n' "$name" "$(sed 's/^/    /' "$output")"
    return 1 # git applies all of a patch or nothing
  fi
  if ! compile "$job" "$test"; then
    printf '%-42s DOES NOT COMPILE: the source has changed, recreate the patch\n%s\n' "$name" \
      "$(grep -m 3 '^error' "$output" | sed 's/^/    /')"
    result=1
  elif run_tests "$job" "$test"; then
    printf '%-42s NOTHING: %s\n' "$name" "$(head -n 1 "$patch")"
    result=1
  else
    # The tests that follow the chapters of the rules come first.
    chapters='drain|errors|event_loop|immediates|listeners|panics|pending|pool|promises|reactions|timer_lists|timers'
    failed=$(sed -n 's/^test \([a-z_0-9:]*\) \.\.\. FAILED$/\1/p' "$output" |
      sed -E "/^($chapters)::/ s/^/1 /; /^1 /! s/^/2 /" | sort -u | cut -d ' ' -f 2)
    count=$(grep -c . <<<"$failed")
    if [ "$count" = 0 ]; then
      # Noticed, but no name is known: the process ended before the harness could report one.
      printf '%-42s a test that hangs or ends the process\n' "$name"
    else
      more=$([ "$count" = 1 ] || echo " and $((count - 1)) more")
      printf '%-42s %s%s\n' "$name" "$(head -n 1 <<<"$failed")" "$more"
    fi
  fi
  # The times of the files must move, so the originals are copied, not patched back.
  for file in $(sed -n 's,^+++ b/,,p' "$patch"); do cp "$file" "$copy/$file"; done
  return "$result"
}

# Tries one patch after the other until none is left. A folder can be created only once, so each
# patch is tried by one job. Writes the number of bad patches into a file.
work() {
  local job=$1 patch bad=0
  for patch in "${patches[@]}"; do
    mkdir "$base/taken/$(basename "$patch")" 2>/dev/null || continue
    try_patch "$job" "$patch" || bad=$((bad + 1))
  done
  echo "$bad" >"$base/$job/bad"
}

patches=()
for rule in "${@:-}"; do
  matching=("$here/$rule"*.patch)
  [ -f "${matching[0]}" ] || { echo "no patch is named $rule…"; exit 1; }
  patches+=("${matching[@]}")
done
mapfile -t patches < <(printf '%s\n' "${patches[@]}" | sort -u)

mapfile -t tests < <(for patch in "${patches[@]}"; do test_of "$patch"; done | sort -u)

copy_crate 1
longest=0
for test in "${tests[@]}"; do
  if ! compile 1 "$test" || ! { start=$SECONDS && run_tests 1 "$test"; }; then
    cat "$base/1/output"
    echo "the tests fail without any break"
    exit 1
  fi
  longest=$((SECONDS - start > longest ? SECONDS - start : longest))
done
# The tests take a few seconds, and each has a limit of its own. This limit ends a break that makes the
# loop spin. It grows with the time that the tests need here, so that a busy machine does not look like a
# break that a test notices.
limit_s=$((20 + 20 * longest))
# The other jobs start from a copy of what the first has built, so that they build no dependencies.
for ((job = 2; job <= jobs; job++)); do
  [ -d "$base/$job/mutants" ] || { mkdir -p "$base/$job" && cp -a "$base/1/mutants" "$base/$job/"; }
  copy_crate "$job"
done

rm -rf "$base/taken"
mkdir -p "$base/taken"
printf '%-42s %s\n' "break" "noticed by"
for ((job = 1; job <= jobs; job++)); do
  rm -f "$base/$job/bad"
  work "$job" &
done
wait

# A job that ended early has left no number, and a patch that was not tried has not passed.
bad=0
for ((job = 1; job <= jobs; job++)); do
  [ -s "$base/$job/bad" ] || { echo "a job ended early"; exit 1; }
  bad=$((bad + $(cat "$base/$job/bad")))
done
echo "${#patches[@]} breaks, $bad bad"
[ "$bad" = 0 ] && [ "$(find "$base/taken" -mindepth 1 | wc -l)" -eq "${#patches[@]}" ]
