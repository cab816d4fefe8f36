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

# A small driver on a kernel with all its modules: what an installation costs beside the compiler.
newest=$(ls -d /usr/src/linux-headers-*-"$(dpkg --print-architecture)" | sort -V | tail -n 1)
kernel=${newest#/usr/src/linux-headers-}
mkdir -p /lib/modules.plain
mount -t tmpfs -o mode=0755 tmpfs /lib/modules.plain
cp -a /lib/modules/. /lib/modules.plain
mount --move /lib/modules.plain /lib/modules
dpkg-deb --fsys-tarfile "$DEBS"/linux-image-"$kernel"_*.deb | tar -x --keep-directory-symlink -C / --wildcards './lib/modules/*' './usr/lib/modules/*' 2>/dev/null
depmod "$kernel"
find "/lib/modules/$kernel/" -name '*.ko*' | wc -l
driver=/usr/src/small-1
mkdir "$driver"
printf 'PACKAGE_NAME=small\nPACKAGE_VERSION=1\nBUILT_MODULE_NAME=small\nDEST_MODULE_LOCATION=/extra\n' > "$driver/dkms.conf"
echo 'obj-m := small.o' > "$driver/Makefile"
cat > "$driver/small.c" <<'EOF'
#include <linux/module.h>
static int __init small_init (void) { return 0; }
static void __exit small_exit (void) { }
module_init (small_init);
module_exit (small_exit);
MODULE_LICENSE ("GPL");
EOF
dkms add -m small -v 1 -k "$kernel"
cp -r "$driver" /tmp/small
plain_small () { make -s -C "$newest" M=/tmp/small clean && start=$EPOCHREALTIME && make -j"$(nproc)" -C "$newest" M=/tmp/small; awk -v a="$start" -v b="$EPOCHREALTIME" 'BEGIN { printf "%.6f\n", b - a }' >> /tmp/small.times; }
for i in 1 2 3; do
  plain_small >/dev/null 2>&1
  time_of 1 dkms install -m small -v 1 -k "$kernel" >> /tmp/install.times
  dkms uninstall -m small -v 1 -k "$kernel"
  time_of 1 dkms install -m small -v 1 -k "$kernel" >> /tmp/reinstall.times
  time_of 1 depmod "$kernel" >> /tmp/depmod.times
  dkms unbuild -m small -v 1 -k "$kernel"
done
echo "small-plain-make $(median < /tmp/small.times)" >> "$OUT/figures"
echo "small-install $(median < /tmp/install.times)" >> "$OUT/figures"
echo "small-install-again $(median < /tmp/reinstall.times)" >> "$OUT/figures"
echo "depmod-alone $(median < /tmp/depmod.times)" >> "$OUT/figures"
