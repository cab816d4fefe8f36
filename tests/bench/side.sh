# A side of the benchmark, in its twin root: writes "name seconds" lines to $OUT/figures.
exec > "$OUT/log" 2>&1
arch=$(uname -m)
running=$(uname -r)

# The tree and the sources are on plain file systems, because an overlay reads directories more slowly, and has no
# id-mapped mounts.
mkdir -p /var/lib/dkms
mount -t tmpfs -o mode=0755 tmpfs /var/lib/dkms
mkdir /usr/src.plain
mount -t tmpfs -o mode=0755 tmpfs /usr/src.plain
cp -a /usr/src/. /usr/src.plain
mount --move /usr/src.plain /usr/src

median () { sort -n | awk '{ v[NR] = $1 } END { print v[int((NR + 1) / 2)] }'; }
time_of () { # COUNT COMMAND...: median of COUNT runs in seconds
  local count=$1 i
  shift
  for ((i = 0; i < count; i++)); do
    local start=$EPOCHREALTIME
    "$@" >/dev/null 2>&1
    local end=$EPOCHREALTIME
    awk -v a="$start" -v b="$end" 'BEGIN { printf "%.6f\n", b - a }'
  done | median
}

# The build directory of a kernel that copies a file as a module, so that only dkms is measured.
fake_kernel () {
  mkdir -p "/lib/modules/$1/build/include/config"
  echo 'CONFIG_MODULES=y' > "/lib/modules/$1/build/include/config/auto.conf"
  printf 'all:\n\t@for f in $(M)/*.c; do cp $$f $${f%%.c}.ko; done\n' > "/lib/modules/$1/build/Makefile"
}

module () {
  mkdir -p "/usr/src/$1-1"
  printf 'PACKAGE_NAME=%s\nPACKAGE_VERSION=1\nBUILT_MODULE_NAME=%s\nDEST_MODULE_LOCATION=/extra\nSTRIP=no\nAUTOINSTALL=yes\n' "$1" "$1" > "/usr/src/$1-1/dkms.conf"
  echo "$1" > "/usr/src/$1-1/$1.c"
}

kernels=(6.1.0-1-bench 6.1.0-2-bench 6.1.0-3-bench 6.1.0-4-bench 6.1.0-5-bench)
for k in "${kernels[@]}" "$running"; do fake_kernel "$k"; done
for n in $(seq -w "${BENCH_MODULES:-50}"); do
  module "mod$n"
  dkms add -m "mod$n" -v 1
  for k in "${kernels[@]}"; do dkms install -m "mod$n" -v 1 -k "$k"; done
done
dkms status | grep -c installed
echo "status-250-builds $(time_of 11 dkms status)" >> "$OUT/figures"
echo "autoinstall-no-op $(time_of 11 dkms autoinstall -k 6.1.0-1-bench)" >> "$OUT/figures"
echo "version $(time_of 11 dkms --version)" >> "$OUT/figures"

# vpoll with real headers: the overhead of dkms compared with make.
real=$(ls -d /usr/src/linux-headers-*-amd64 | head -n 1)
kernel=${real#/usr/src/linux-headers-}
dpkg-deb --fsys-tarfile "$DEBS"/vpoll-dkms_*.deb | tar -x --keep-directory-symlink -C /
dkms add -m vpoll -v 0.1 -k "$kernel"
cp -r /usr/src/vpoll-0.1 /tmp/plain
plain () { cd /tmp/plain && make -s -C "$real" M=/tmp/plain clean && start=$EPOCHREALTIME && make -j"$(nproc)" KERNELRELEASE="$kernel" -C "$real" M=/tmp/plain; awk -v a="$start" -v b="$EPOCHREALTIME" 'BEGIN { printf "%.6f\n", b - a }' >> /tmp/plain.times; }
built () { dkms build -m vpoll -v 0.1 -k "$kernel" --force; }
for i in $(seq 15); do plain >/dev/null 2>&1; time_of 1 built >> /tmp/built.times; done
echo "vpoll-plain-make $(median < /tmp/plain.times)" >> "$OUT/figures"
echo "vpoll-build $(median < /tmp/built.times)" >> "$OUT/figures"
