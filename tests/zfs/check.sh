#!/bin/sh
# The first process of a guest that starts from the root in which zfs-dkms was installed: loads the modules by name, keeps
# files in a pool, and unloads. What comes of it goes to the second serial line, as tests/boot/machine.py reads it.
export PATH=/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C
mountpoint -q /proc || mount -t proc proc /proc
mountpoint -q /sys || mount -t sysfs sysfs /sys
mountpoint -q /dev || mount -t devtmpfs devtmpfs /dev
mount -t tmpfs tmpfs /run
exec >/dev/ttyS1 2>&1
echo
echo "release $(uname -r)"
# Not earlier: the modules of the kernel, with the drivers of the disk, are signed with the key that ours replaced.
echo 1 >/sys/module/module/parameters/sig_enforce
echo "enforced $(cat /sys/module/module/parameters/sig_enforce)"
echo "modprobe $(modprobe zfs && echo OK)"
for module in $(sed -n 's/ .*//p' /proc/modules); do
  case $module in zfs|spl|zavl|znvpair|zunicode|zcommon|icp|zlua|zzstd) ;; *) continue ;; esac
  echo "case $module"
  for fact in taint version srcversion; do
    echo "  $fact $(cat "/sys/module/$module/$fact")"
  done
done
# Limits the cache of ZFS, because the machine has little memory.
truncate -s 256M /run/device
echo "create $(zpool create -O compression=lz4 -O atime=off tank /run/device && zfs create tank/data && echo OK)"
cat /usr/sbin/zfs /usr/sbin/zpool /boot/config-* >/tank/data/file
sum () { [ -s /tank/data/file ] && sha256sum </tank/data/file; }
before=$(sum)
echo "snapshot $(zfs snapshot tank/data@then && : >/tank/data/file && zfs rollback tank/data@then && echo OK)"
echo "export $(zpool export tank && zpool import -d /run/device tank && echo OK)"
[ -n "$before" ] && [ "$(sum)" = "$before" ] && echo "content same"
echo "scrub $(zpool scrub -w tank && zpool list -H -o health tank)"
echo "destroy $(zpool destroy tank && echo OK)"
echo "unload $(modprobe -r zfs && ! grep -q '^zfs ' /proc/modules && echo OK)"
dmesg | grep -iE 'zfs|spl:|module verification|BUG|Oops|Call Trace' | sed 's/^\[[^]]*\] /kernel /'
echo end
sync
echo b >/proc/sysrq-trigger
