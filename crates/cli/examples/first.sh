#!/bin/sh
# Builds an index of generated vectors and asks it: sh first.sh (after cargo install --path crates/cli).
set -e
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
awk 'BEGIN { srand(1); for (i = 0; i < 2000; i++) printf "{\"id\": \"row %d\", \"vector\": [%f, %f, %f]}\n", i, rand(), rand(), rand() }' \
    > "$folder/rows.jsonl"
crinoid build "$folder/rows.jsonl" --ids id --out "$folder/rows.crinoid"
crinoid search "$folder/rows.crinoid" --vector 0.5,0.5,0.5 -k 5
crinoid info "$folder/rows.crinoid"
