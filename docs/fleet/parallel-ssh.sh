#!/bin/sh
# Runs a matrix with GNU parallel on other machines, and prints the table. The machines in $HOSTS, such as 2/build1,2/build2,
# need dkms, the headers, and the sources and $OUTPUT at the same paths, for example by NFS.
# Usage: OUTPUT=/nfs/results HOSTS=2/build1,2/build2 parallel-ssh.sh SOURCE...
set -eu
: "${OUTPUT:?}" "${HOSTS:?}"
dkms matrix "$@" --format lines --output "$OUTPUT" | parallel --sshlogin "$HOSTS" || true
dkms matrix --merge "$OUTPUT"
