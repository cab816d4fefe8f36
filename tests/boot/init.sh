#!/bin/busybox sh
# Runs in the guest: loads the modules of the cases, and writes the results to the second serial line.
b=/bin/busybox
$b mount -t proc proc /proc
$b mount -t sysfs sysfs /sys
$b mount -t devtmpfs devtmpfs /dev
$b mount -t securityfs securityfs /sys/kernel/security 2>/dev/null
exec > /dev/ttyS1 2>&1
echo # ends a line that the firmware may have begun
echo "enforced $($b cat /sys/module/module/parameters/sig_enforce)"
echo "lockdown $($b cat /sys/kernel/security/lockdown 2>/dev/null)"

seen () { $b dmesg | $b wc -l; }

describe () { # NAME: prints the properties of the module if it is loaded, and unloads it
  d=/sys/module/$1
  [ -d "$d" ] || return 0
  echo "  taint $($b cat "$d/taint")"
  echo "  version $($b cat "$d/version")"
  echo "  srcversion $($b cat "$d/srcversion")"
  /sbin/rmmod "$1" && [ ! -d "$d" ] && echo "  unloaded yes"
}

# The kernel gives parameters that it does not know to this program: tree=NAME has modprobe load modules from there.
[ -z "${tree:-}" ] || $b mount --bind "/$tree/lib/modules" /lib/modules
[ ! -f /files ] || /bin/judge < /files

while read -r name how file argument other; do
  before=$(seen)
  echo "case $name"
  case $how in
    modprobe) # by name, from the root installed in $file
      message=$(/sbin/modprobe -d "$file" "$argument" 2>&1) && echo "  loaded OK" || echo "  loaded $message"
      describe "${other:-$argument}" # what the module calls itself
      ;;
    load) # a file, with flags
      echo "  loaded $(/bin/load "$file" "$argument")"
      describe hello
      ;;
    ask) # dkms about the running kernel
      before_taint=$($b cat /proc/sys/kernel/tainted)
      answer=$(/opt/dkms secureboot --test --json=short 2>/dev/null) && status=0 || status=$?
      echo "  status $status"
      echo "  answer $answer"
      echo "  taints $before_taint $($b cat /proc/sys/kernel/tainted)"
      echo "  modules $($b wc -l < /proc/modules)"
      ;;
    gunzip) # for kernels that cannot decompress modules
      $b gunzip -c "$file" > /tmp/plain.ko && echo "  loaded $(/bin/load /tmp/plain.ko 0)"
      describe hello
      ;;
  esac
  $b dmesg | $b tail -n "+$((before + 1))" | $b sed 's/^\[[^]]*\] /  kernel /'
done < /cases
echo end
$b sync
$b reboot -f
