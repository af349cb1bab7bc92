#!/usr/bin/env bash
# The short form for continuous integration: the targets that compile quickly (without HDF5, Parquet and Arrow),
# under libFuzzer and AddressSanitizer, SECONDS each (default 5). Where they cannot be
# built, or not within LIMIT seconds (default 360), it says so and is no failure: what was compiled by then is kept,
# and the same bodies have run as ordinary tests. `cargo xtask fuzz` is the long form.
set -euo pipefail
cd "$(dirname "$0")"
seconds=${1:-5} limit=${LIMIT:-360}
targets=(container texts judgments names protocol scan collection)
arguments=(--no-default-features)
for target in "${targets[@]}"; do arguments+=(--bin "$target"); done
status=0
programs=$(PROFILE=ci timeout "$limit" ./build.sh "${arguments[@]}") || status=$?
case $status in
  0) ;;
  2) echo "skipped: the fuzz targets cannot be built here (see above)"; exit 0 ;;
  124) echo "skipped: the fuzz targets were not built within $limit s"; exit 0 ;;
  *) exit "$status" ;;
esac
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
mkdir -p artifacts
for target in "${targets[@]}"; do
  echo "== $target"
  # New inputs go to the first folder, which is thrown away; the committed corpus is only read.
  mkdir "$scratch/$target"
  TMPDIR=$scratch "$programs/$target" -max_total_time="$seconds" -max_len=400 -timeout=60 -rss_limit_mb=4096 \
    -detect_leaks=0 -entropic=0 -artifact_prefix=artifacts/ -print_final_stats=1 -verbosity=0 "$scratch/$target" "corpus/$target"
done
