# A side of the corpus benchmark, in its twin root: builds all packages for $KERNELS, whose modules are unpacked,
# so that depmod reads as many files as on a real machine. Writes the results to $OUT/figures.
exec > "$OUT/log" 2>&1
for package in $PACKAGES; do
  dpkg-deb --fsys-tarfile "$DEBS/$package"_*.deb | tar -x --keep-directory-symlink -C /
done
for image in "$DEBS"/linux-image-*.deb; do
  [ ! -f "$image" ] || dpkg-deb --fsys-tarfile "$image" | tar -x --keep-directory-symlink -C /
done
mkdir -p /var/lib/dkms
mount -t tmpfs -o size=6g,mode=0755 tmpfs /var/lib/dkms
for conf in /usr/src/*/dkms.conf; do
  name=$(bash -c ". $conf >/dev/null 2>&1; echo \$PACKAGE_NAME" 2>/dev/null)
  version=$(basename "$(dirname "$conf")")
  dkms add -m "$name" -v "${version#"$name"-}" -k "${KERNELS%% *}"
done
# This depmod records its calls. The real one is kmod, which needs its name to act as depmod.
called=$(command -v depmod)
real=/opt/real/depmod
mkdir -p /opt/real
cp "$(realpath "$called")" "$real"
rm "$called"
printf '#!/bin/sh\necho x >> /var/log/depmods\nexec %s "$@"\n' "$real" > "$called"
chmod +x "$called"
: > /var/log/depmods
for kernel in $KERNELS; do "$real" -a "$kernel"; done

times () { awk '{ split($0, f, ") "); split(f[2], n, " "); print n[14] + n[15] }' /proc/$$/stat; } # processor time of ended children, in ticks
before=$(times)
start=$EPOCHREALTIME
if [ "$WHICH" = debian ]; then
  for kernel in $KERNELS; do dkms autoinstall -k "$kernel"; done
else
  dkms autoinstall $(printf -- '-k %s ' $KERNELS)
fi
end=$EPOCHREALTIME
after=$(times)
awk -v a="$start" -v b="$end" -v c="$before" -v d="$after" -v hz="$(getconf CLK_TCK)" \
  'BEGIN { printf "wall %.1f\ncpu %.1f\n", b - a, (d - c) / hz }' > "$OUT/figures"
echo "depmods $(wc -l < /var/log/depmods)" >> "$OUT/figures"
echo "installed $(dkms status | grep -c ': installed')" >> "$OUT/figures"
