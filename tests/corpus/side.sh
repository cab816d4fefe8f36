# A side of the corpus comparison: builds and installs every recipe for kernels whose make only prints its arguments,
# and writes the results to $OUT/<name>.
exec > "$OUT/log" 2>&1
. /run/debs/kernel
A=$(uname -m) STAGE=/run/debs/recipes

kernel () { # RELEASE
  rm -rf "/lib/modules/$1"
  mkdir -p "/lib/modules/$1/build/include/config"
  printf 'CONFIG_MODULES=y\nCONFIG_MODVERSIONS=y\n' | tee "/lib/modules/$1/build/.config" > "/lib/modules/$1/build/include/config/auto.conf"
  : > "/lib/modules/$1/modules.order"
  : > "/lib/modules/$1/modules.builtin"
}

cat > /usr/local/bin/make <<'M'
#!/bin/bash
printf 'called make'; printf ' <%s>' "$@"; echo
echo "with $(env | grep -E '^(A|module|module_version|kernelver|arch|CC|KERNEL_CC|LD|KERNEL_LD|KERNELRELEASE|MY_VARIABLE)=' | LC_ALL=C sort | tr '\n' ' ')on $(cat text)"
while read -r name; do
  mkdir -p "$(dirname "$name")" && cp module.ko.in "$name.ko" || exit 1
done < make.list
M
chmod 755 /usr/local/bin/make

d () { # runs dkms, and records the exit code and the output of scripts
  dkms "$@" < /dev/null > /tmp/said 2>&1
  echo "dkms $*: $?" >> "$report"
  grep '^ran ' /tmp/said >> "$report"
  cat /tmp/said
}

logs () { # prints the parts of build logs that are compared
  for log in /var/lib/dkms/foo/1.0/build/make.log /var/lib/dkms/foo/1.0/*/*/log/make.log; do
    [ ! -f "$log" ] || { echo "--- $log"; grep -E '^(# command: |called |with |ran |patching |said)' "$log"; } >> "$report"
  done
}

# Prints names, types, modes, targets of links and contents; logs without contents.
picture () {
  find /var/lib/dkms/foo "/lib/modules/$K" "/lib/modules/$K2" 2>/dev/null -name .dkms -prune -o \
    ! -path '/lib/modules/*/build*' ! -name 'modules.*' ! -name '.record.json' ! -name '.recipe.json' ! -name '.attempt.json' ! -path '*/foo/1.0/build*' -print |
    LC_ALL=C sort | while read -r path; do
    if [ -L "$path" ]; then echo "$path -> $(readlink "$path")"
    elif [ -d "$path" ]; then echo "$path/ $(stat -c %a "$path")"
    else
      case $path in
        *.log) echo "$path" ;;
        *) echo "$path $(stat -c %a "$path") $(sha256sum < "$path" | cut -c 1-16)" ;;
      esac
    fi
  done
}

export MY_VARIABLE='from outside' PATH=/usr/local/bin:$PATH
mkdir -p /etc/dkms/framework.conf.d
echo parallel_jobs=2 > /etc/dkms/framework.conf.d/corpus.conf
for name in $(ls "$STAGE"); do
  report=$OUT/$name
  echo "=== $name"
  rm -rf /var/lib/dkms/foo /usr/src/foo-1.0 /etc/dkms/foo* /etc/dkms/hooks
  kernel "$K"
  kernel "$K2"
  cp -a "$STAGE/$name/source" /usr/src/foo-1.0
  cp /run/debs/module.ko /usr/src/foo-1.0/module.ko.in
  [ ! -d "$STAGE/$name/etc" ] || cp -a "$STAGE/$name/etc/." /etc/dkms/
  cd "$(cat "$STAGE/$name/cwd")"
  : > "$report"
  d add foo/1.0 -k "$K"
  d install foo/1.0 -k "$K"
  logs
  while read -r command; do
    eval "d $command"
    logs
  done < "$STAGE/$name/commands"
  cd /
  { echo "--- status"; dkms status < /dev/null 2>/dev/null; echo "--- files"; picture; } >> "$report"
done
