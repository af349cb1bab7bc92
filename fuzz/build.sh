#!/usr/bin/env bash
# Builds the fuzz targets with libFuzzer and AddressSanitizer and prints the folder they are in:
#   fuzz/build.sh [CARGO ARGUMENTS, such as --bin files or --no-default-features]
# PROFILE is release, or ci, which is compiled sooner and makes fewer inputs.
# The stable compiler does it with the bootstrap variable, whose flags are those of cargo-fuzz; with a
# nightly compiler `cargo fuzz run TARGET` is the same.
set -euo pipefail
cd "$(dirname "$0")"
host=$(rustc -vV | sed -n 's/^host: //p')
case $host in
  x86_64-unknown-linux-gnu | aarch64-unknown-linux-gnu | x86_64-apple-darwin | aarch64-apple-darwin) ;;
  *) echo "AddressSanitizer is not there for $host: fuzz on x86-64 or aarch64, Linux or macOS" >&2; exit 2 ;;
esac
if ! command -v "${CXX:-c++}" >/dev/null; then
  echo "libFuzzer is C++, and there is no compiler for it: install g++ or clang, or set CXX" >&2
  exit 2
fi
export RUSTC_BOOTSTRAP=1
# Without `--cfg fuzzing`, so that what is fuzzed is what is shipped.
export RUSTFLAGS="-Zsanitizer=address -Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
-Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
-Cllvm-args=-sanitizer-coverage-trace-compares"
arguments=("$@")
[ "$#" -gt 0 ] || arguments=(--bins)
profile=${PROFILE:-release}
cargo build --profile "$profile" --target "$host" "${arguments[@]}" >&2
echo "$PWD/target/$host/$profile"
