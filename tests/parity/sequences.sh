# A side of the comparison of sequences: runs every sequence in a new state, and writes the results to $OUT/<name>.
exec > "$OUT/log" 2>&1
K1=6.1.0-1-par K2=6.12.0-2-par A=$(uname -m)
. /run/debs/sequences.list

# ---- the initial state ----

kernel () { # RELEASE: headers whose 'make' copies prepared modules, and a module of the kernel
  mkdir -p "/lib/modules/$1/build/include/config" "/lib/modules/$1/kernel"
  echo 'CONFIG_MODULES=y' > "/lib/modules/$1/build/include/config/auto.conf"
  cat > "/lib/modules/$1/build/Makefile" <<'M'
all modules:
	@for f in $(M)/*.ko.in; do cp $$f $${f%.in} || exit 1; done
clean:
	@rm -f $(M)/*.ko
M
  cp /run/debs/own.ko "/lib/modules/$1/kernel/"
  depmod "$1"
}

src () { # NAME VERSION [MORE LINES FOR dkms.conf]: source of a module
  mkdir -p "/usr/src/$1-$2"
  { printf 'PACKAGE_NAME="%s"\nPACKAGE_VERSION="%s"\nBUILT_MODULE_NAME[0]="%s"\nDEST_MODULE_LOCATION[0]="/kernel/extra"\n' "$1" "$2" "$1"
    printf 'STRIP[0]="no"\nAUTOINSTALL="yes"\n%s\n' "${3-}"; } > "/usr/src/$1-$2/dkms.conf"
  cp "/run/debs/$1-$2.ko" "/usr/src/$1-$2/$1.ko.in"
  echo "source of $1 $2" > "/usr/src/$1-$2/README"
}

script () { # NAME VERSION FILE TEXT
  printf '#!/bin/sh\n%s\n' "$4" > "/usr/src/$1-$2/$3"
  chmod 755 "/usr/src/$1-$2/$3"
}

d () { # runs dkms, and records the exit code
  dkms "$@" < /dev/null
  echo "dkms $*: $?" >> "$report"
}

s () { dkms status "$@" >> "$report" < /dev/null; }

clean () {
  rm -rf /var/lib/dkms/* /lib/modules/*-par /usr/src/{foo,bar,baz}-* /etc/dkms/{foo,bar,baz}* /etc/dkms/no-autoinstall /tmp/par
  mkdir -p /tmp/par
  kernel $K1
  kernel $K2
}

# Prints names, types, modes, targets of links and contents; logs and archives without contents.
picture () {
  find /var/lib/dkms /lib/modules/*-par /usr/src/{foo,bar,baz}-* /tmp/par 2>/dev/null -name .dkms -prune -o \
    ! -path '*/build/include*' ! -name '.record.json' ! -name '.recipe.json' ! -name '.attempt.json' -print | LC_ALL=C sort | while read -r path; do
    if [ -L "$path" ]; then echo "$path -> $(readlink "$path")"
    elif [ -d "$path" ]; then echo "$path/ $(stat -c %a "$path")"
    else
      case $path in
        *.log | *.tar* | */mok.* | */modules.*.bin) echo "$path" ;;
        *) echo "$path $(stat -c %a "$path") $(sha256sum < "$path" | cut -c 1-16)" ;;
      esac
    fi
  done
}

for name in $(compgen -A function seq_); do
  report=$OUT/${name#seq_}
  clean
  : > "$report"
  echo "=== $name"
  $name
  { echo "--- status"; dkms status < /dev/null; echo "--- files"; picture; } >> "$report"
done
