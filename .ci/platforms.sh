#!/usr/bin/env bash
# Checks that the library, its tests and its examples compile without a warning for macOS, and the library
# with the minimum supported Rust version. Installs the targets and that version with rustup. Arguments:
# those to check of `macos`, `msrv` and `windows`; the first two by default, as windows.sh builds the tests.
set -euo pipefail
cd "$(dirname "$0")/.."
export RUSTFLAGS="-D warnings"
# `cargo check` generates no code, and no dependency compiles C for the target.
export CARGO_PROFILE_DEV_DEBUG=0

check_target() {
  rustup target add "$1"
  cargo check --all-features --all-targets --target "$1"
}

check_msrv() {
  local msrv
  msrv=$(sed -n 's/^rust-version = "\(.*\)"$/\1/p' Cargo.toml)
  # With the patch version, so that the name does not depend on what is installed already.
  msrv=$msrv.0
  rustup run "$msrv" cargo --version 2>/dev/null ||
    rustup toolchain install "$msrv" --profile minimal --no-self-update
  rustup run "$msrv" cargo check --all-features
}

[ $# -gt 0 ] || set -- macos msrv
for what in "$@"; do
  case $what in
    macos)
      check_target x86_64-apple-darwin
      check_target aarch64-apple-darwin
      ;;
    windows) check_target x86_64-pc-windows-gnu ;;
    msrv) check_msrv ;;
    *)
      echo "unknown argument: $what" >&2
      exit 2
      ;;
  esac
done
