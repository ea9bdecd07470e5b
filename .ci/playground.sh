#!/usr/bin/env bash
# The playground (examples/playground): the bounds of its programs and who reaches its server; its page in a headless
# Chromium; and what its programs and fresh random ones print there against Node. Installs a C compiler for QuickJS
# and Chromium.
#
#     .ci/playground.sh [PROGRAMS]     16 random programs
set -euo pipefail
cd "$(dirname "$0")/.."

if ! command -v cc >/dev/null; then
  sudo=""
  [ "$(id -u)" -eq 0 ] || sudo="sudo -n"
  $sudo apt-get update -qq && $sudo apt-get install -y -qq --no-install-recommends gcc libc6-dev
fi

cargo test -p nodeloop-playground

if ! command -v node >/dev/null; then
  echo "no node here: the page of the playground was not tested"
  exit 0
fi
# Exit code 77: there is neither a browser nor a package of one.
node examples/playground/tests/check.mjs "${1:-16}" || { [ $? -eq 77 ] && echo "NOT TESTED: the page of the playground"; }
