#!/usr/bin/env bash
# Builds the tests for Windows with mingw and runs them under Wine. Installs Debian's packages and
# the standard library of the target if they are missing.
#
#   .ci/windows.sh                          all tests but those of the documentation, with a count
#   .ci/windows.sh --test net udp::         `cargo test` for Windows with these arguments
set -euo pipefail
cd "$(dirname "$0")/.."

triple=x86_64-pc-windows-gnu
# As many as when this was written, so that a test that is no longer built for Windows is noticed.
least=1207
target=$(realpath -m "${CARGO_TARGET_DIR:-target}")

find_wine() { command -v wine64 || { test -x /usr/lib/wine/wine64 && echo /usr/lib/wine/wine64; }; }
if ! find_wine >/dev/null || ! command -v x86_64-w64-mingw32-gcc >/dev/null; then
  sudo=()
  [ "$(id -u)" -eq 0 ] || sudo=(sudo -n)
  "${sudo[@]}" apt-get update -qq
  "${sudo[@]}" env DEBIAN_FRONTEND=noninteractive \
    apt-get install -y -qq --no-install-recommends wine64 gcc-mingw-w64-x86-64-win32
fi
wine=$(find_wine)
wineserver=$(command -v wineserver || echo /usr/lib/wine/wineserver)
rustup target list --installed | grep -qx "$triple" || rustup target add "$triple"

# Wine writes nothing but the output of its programs, and opens no window.
export WINEPREFIX=$target/wine WINEARCH=win64 WINEDEBUG=-all WINEDLLOVERRIDES="mscoree,mshtml="
unset DISPLAY WAYLAND_DISPLAY
mkdir -p "$target"
# The processes of Wine that a killed test leaves.
trap '"$wineserver" -k 2>/dev/null || true' EXIT
trap 'exit 130' INT TERM

library=$WINEPREFIX/drive_c/windows/system32/bcryptprimitives.dll
if [ ! -e "$WINEPREFIX/ready" ]; then
  rm -rf "$WINEPREFIX"
  timeout 300 "$wine" wineboot --init >/dev/null 2>&1
  timeout 60 "$wine" winecfg -v win10 >/dev/null 2>&1
  timeout 60 "$wineserver" -w || "$wineserver" -k
  [ -e "$library" ] || x86_64-w64-mingw32-gcc -Os -shared -o "$library" .ci/wine/bcryptprimitives.c -ladvapi32
  touch "$WINEPREFIX/ready"
fi
ctrl_c=$WINEPREFIX/drive_c/windows/system32/nodeloop-ctrl-c.exe
[ "$ctrl_c" -nt .ci/wine/ctrl_c.c ] || x86_64-w64-mingw32-gcc -Os -o "$ctrl_c" .ci/wine/ctrl_c.c

# The services of Wine start now. Those that a test starts would keep its output open.
"$wineserver" -k || true # of a run that was killed
timeout 60 "$wineserver" -w
timeout 60 "$wineserver" -p >/dev/null 2>&1
timeout 120 "$wine" wineboot >/dev/null 2>&1

export CARGO_TARGET_X86_64_PC_WINDOWS_GNU_LINKER=x86_64-w64-mingw32-gcc
# The tests have limits of their own, which this one is above: for a process that does not even start.
export CARGO_TARGET_X86_64_PC_WINDOWS_GNU_RUNNER="timeout --kill-after=10 600 $wine"
export NODELOOP_LIMIT_FACTOR=${NODELOOP_LIMIT_FACTOR:-4}
export NODELOOP_WINE=1 # what Wine lacks is skipped
# Wine 8 searches the free blocks of its heap one after another: two tests that allocate and free a
# million blocks at once took minutes instead of seconds. Windows itself runs them in parallel.
export RUST_TEST_THREADS=1
unset NODELOOP_REQUIRE_NODE # a program of Linux is no peer here

if [ $# -gt 0 ]; then
  cargo test --target "$triple" "$@"
  exit
fi

log=$target/windows.log skipped=$target/$triple/tmp/skipped
mkdir -p "$target/$triple/tmp"
touch "$skipped"
before=$(wc -l <"$skipped")
failed=0
# A test runs the examples.
cargo build --target "$triple" --examples
cargo test --target "$triple" --tests --no-fail-fast 2>&1 | tee "$log" || failed=1

echo
awk '
  / Running / { binary = $2 == "unittests" ? $3 : $2 }
  /^test result: / {
    printf "%-24s %4d passed, %d failed, %d ignored\n", binary, $4, $6, $8
    passed += $4
  }
  END { printf "%-24s %4d passed\n", "all", passed }
' "$log" | tee "$target/windows.count"
echo "skipped, with the reason:"
tail -n "+$((before + 1))" "$skipped" | sort -u
if [ "$failed" -ne 0 ]; then
  # Once more at the end, because a report of this run may show no more than that.
  echo "what failed:"
  awk '
    function report() { if (open) printf "%s", text }
    / Running |^error: / { report(); open = 1; text = "" }
    /^test result: ok/ { open = 0 }
    !/ \.\.\. (ok|ignored.*)$/ { text = text $0 "\n" }
    END { report() }
  ' "$log" | tail -n 100
fi
ran=$(awk 'END { print $2 }' "$target/windows.count")
if [ "$ran" -lt "$least" ]; then
  echo "$ran tests have passed, $least or more are expected: change the number in $0 only with a reason"
  exit 1
fi
exit "$failed"
