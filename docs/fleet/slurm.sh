#!/bin/sh
# Runs a matrix as an array of Slurm, and prints the table. Usage: OUTPUT=/nfs/results SHARDS=8 slurm.sh SOURCE...
set -eu
: "${OUTPUT:?}" "${SHARDS:=8}"
if [ -n "${SLURM_ARRAY_TASK_ID-}" ]; then # in a task
  exec dkms matrix "$@" --shard auto --output "$OUTPUT"
fi
mkdir -p "$OUTPUT"
sbatch --wait --array="0-$((SHARDS - 1))" --output="$OUTPUT/slurm-%a.txt" "$0" "$@" || true
dkms matrix --merge "$OUTPUT"
