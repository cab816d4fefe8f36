# Side of the package comparison: registers $PACKAGES, autoinstalls them for $KERNEL, reports.
exec > "$OUT/log" 2>&1
for package in $PACKAGES; do
  # Not dpkg -x: a package with files in /lib would replace the link to /usr/lib.
  dpkg-deb --fsys-tarfile "$DEBS/$package"_*.deb | tar -x --keep-directory-symlink -C /
  for conf in $(dpkg-deb -c "$DEBS/$package"_*.deb | awk '{print $6}' | grep '/dkms.conf$'); do
    dir=${conf#./usr/src/}
    dir=${dir%/dkms.conf}
    [ -d "/usr/src/$dir" ] || continue
    # A version may contain a dash, so the name is read from dkms.conf.
    name=$(bash -c ". /usr/src/$dir/dkms.conf >/dev/null 2>&1; echo \$PACKAGE_NAME" 2>/dev/null)
    version=${dir#"$name"-}
    dkms add -m "$name" -v "$version" -k "$KERNEL"
    echo "add $name/$version: $?" >> "$OUT/codes"
  done
done
start=$(date +%s.%N)
dkms autoinstall -k "$KERNEL"
echo "autoinstall: $?" >> "$OUT/codes"
end=$(date +%s.%N)
echo "$start $end" | awk '{ print $2 - $1 }' > "$OUT/seconds"
dkms status > "$OUT/status"
# Prints why a build failed.
for log in /var/lib/dkms/*/*/build/make.log; do
  [ ! -f "$log" ] || { echo "=== $log"; tail -n 60 "$log"; } >> "$OUT/failed"
done
# Compares the decompressed modules, because the sides compress with different settings. Type data is removed, because the
# threads of pahole write it in a random order.
cd "/lib/modules/$KERNEL" && find updates -name '*.ko*' -type f | LC_ALL=C sort | while read -r file; do
  case $file in *.gz) tool='gzip -dc' ;; *.xz) tool='xz -dc' ;; *.zst) tool='zstd -dcq' ;; *) tool=cat ;; esac
  $tool "$file" > /tmp/plain.ko && objcopy --remove-section .BTF /tmp/plain.ko
  echo "$(sha256sum < /tmp/plain.ko | cut -d ' ' -f 1) $file"
done > "$OUT/modules"
