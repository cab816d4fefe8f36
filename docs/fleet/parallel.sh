#!/bin/sh
# Runs a matrix with GNU parallel, and prints the table. Usage: OUTPUT=results parallel.sh SOURCE...
set -eu
: "${OUTPUT:?}"
mkdir -p "$OUTPUT"
dkms matrix "$@" --format lines --output "$OUTPUT" |
  parallel --joblog "$OUTPUT/parallel.txt" --resume-failed "-j${JOBS:-2}" || true
dkms matrix --merge "$OUTPUT"
