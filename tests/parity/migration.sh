# A side of the migration test: $FIRST installs five modules for two kernels, and then $SECOND continues. In the end
# the original modules of all kernels must be restored. $FIRST and $SECOND are programs.
exec > "$OUT/log" 2>&1
K1=6.1.0-1-par K2=6.12.0-2-par
eval "$(sed -n '/^kernel ()/,/^}/p; /^src ()/,/^}/p' /run/debs/sequences.sh)"
note () { echo "$*" >> "$OUT/report"; }

rm -rf /var/lib/dkms/* /usr/src/m[1-5]-*
for k in $K1 $K2; do
  kernel $k
  # Debian's program does not archive or restore originals, and deletes archived ones. Therefore originals exist only
  # if our program runs first.
  [ -z "$ORIGINALS" ] || cp /run/debs/foo-0.9.ko "/lib/modules/$k/kernel/m1.ko"
  depmod "$k"
done
before=$(cd /lib/modules && find *-par -name '*.ko' -exec sha256sum {} + | sort)
for n in 1 2 3 4 5; do
  cp /run/debs/foo-1.0.ko "/run/debs/m$n-1.0.ko"
  src "m$n" 1.0
  for k in $K1 $K2; do
    "$FIRST" install "m$n/1.0" -k $k < /dev/null
    note "install m$n $k: $?"
  done
done
"$FIRST" status | sort > "$OUT/status-first"
"$SECOND" status | sort > "$OUT/status-second"
for k in $K1 $K2; do
  "$SECOND" uninstall m1/1.0 -k $k < /dev/null
  note "uninstall m1 $k: $?"
done
"$SECOND" autoinstall -k $K1 < /dev/null
note "autoinstall: $?"
note "$("$SECOND" status -k $K1 | sort)"
for n in 1 2 3 4 5; do
  "$SECOND" remove "m$n/1.0" --all < /dev/null
  note "remove m$n: $?"
done
"$SECOND" status > "$OUT/status-end"
after=$(cd /lib/modules && find *-par -name '*.ko' -exec sha256sum {} + | sort)
[ "$before" = "$after" ] && note "modules: as before" || note "modules:
$(diff <(echo "$before") <(echo "$after"))"
note "left in the tree: $(find /var/lib/dkms -mindepth 1 -maxdepth 1 ! -name .dkms ! -name 'mok*' | sort | tr '\n' ' ')"
