#!/usr/bin/env bash
# The fuzz targets under libFuzzer and AddressSanitizer, SECONDS each (default 30). The stable compiler builds
# them with the bootstrap variable. The ordinary test `cargo test -p crinoid-pipeline --test fuzz` needs
# none of this and runs the same bodies.
set -euo pipefail
cd "$(dirname "$0")"
seconds=${1:-30}
export RUSTC_BOOTSTRAP=1
host=$(rustc -vV | sed -n 's/^host: //p')
# Without `--cfg fuzzing` crates, so that what is fuzzed is what is shipped.
export RUSTFLAGS="-Zsanitizer=address -Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
-Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table -Cdebug-assertions=on \
-Ccodegen-units=16 -Clink-dead-code"
cargo build --release --target "$host" --bins
for target in container texts collection; do
  mkdir -p "corpus/$target" artifacts
  echo "== $target"
  # New inputs go to the first folder, which is thrown away; the committed corpus is only read.
  found=$(mktemp -d)
  "target/$host/release/$target" -max_total_time="$seconds" -max_len=400 -timeout=60 -rss_limit_mb=4096 \
    -artifact_prefix=artifacts/ -print_final_stats=1 "$found" "corpus/$target"
  rm -rf "$found"
done
