#!/bin/sh
# Runs a matrix with xargs, and prints the table. Usage: OUTPUT=results xargs.sh SOURCE...
set -eu
: "${OUTPUT:?}"
dkms matrix "$@" --format lines --output "$OUTPUT" |
  tr '\n' '\0' | xargs -0 -P "${JOBS:-2}" -I COMMAND sh -c COMMAND || true
dkms matrix --merge "$OUTPUT"
