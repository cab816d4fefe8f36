"""Files in the usual places of systems that only root may read: no recipe and no build can read them."""
import os
import re

import pytest

from conftest import ARCH, K1
from test_places import OWNER, machine  # noqa: F401 (a fixture)

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="what only root may read is tested as root")

SECRETS = """
/etc/shadow /etc/shadow- /etc/gshadow /etc/gshadow- /etc/sudoers /etc/sudoers.d/ops /etc/krb5.keytab /etc/machine-info.key
/etc/ssh/ssh_host_ed25519_key /etc/ssh/ssh_host_rsa_key /etc/ssl/private/host.key /etc/pki/tls/private/host.key /etc/pki/dkms/key.priv
/etc/letsencrypt/archive/a/privkey1.pem /etc/kubernetes/admin.conf /etc/rancher/k3s/k3s.yaml /etc/apt/auth.conf.d/repo.conf /etc/openvpn/client.key
/etc/wireguard/wg0.conf /etc/wpa_supplicant/wpa_supplicant.conf /etc/NetworkManager/system-connections/home.nmconnection /etc/ppp/chap-secrets
/etc/ipsec.secrets /etc/crypttab.key /etc/default/monitoring /etc/default/a/deep /etc/sysconfig/backup /etc/docker/key.json /etc/mysql/debian.cnf
/etc/postfix/sasl_passwd /etc/exim4/passwd.client /etc/security/opasswd /etc/ceph/ceph.client.admin.keyring /etc/dkms/other.conf
/boot/initrd.img-6.1.0 /boot/grub/user.cfg /swapfile /root/.ssh/id_ed25519 /root/.bash_history /root/.aws/credentials /home/dev/.gnupg/secring
/var/lib/dkms/mok.key /var/lib/dkms/.mok.key.1a2b.sign /var/lib/shim-signed/mok/MOK.priv /var/lib/systemd/credential.secret
/var/lib/cloud/instance/user-data.txt /var/lib/private/app/state /var/lib/incus/server.key /var/log/auth.log /var/backups/shadow.bak
/var/spool/cron/crontabs/root /srv/backup/dump.sql /mnt/usb/luks.key /media/stick/luks.key /lib/modules/{kernel}/build/certs/signing_key.pem
/opt/keys/module.priv /data/db.key
""".replace("{kernel}", K1).split()
# Only an unprivileged build user prevents access to these, because whole directories of programs are visible.
OF_PROGRAMS = ["/opt/app/etc/password"]

READ = 'count=0; for f in {files}; do [ -n "$(head -c 1 $f 2>/dev/null | tr -d "\\\\0")" ] && {{ echo "READ: $f"; count=$((count + 1)); }}; done'


def made(machine, files):
    """A module whose recipe and build try to read @files."""
    for path in files:
        if not machine.at(path).exists():
            machine.file(path, "SECRET\n", 0o600)
        assert machine.at(path).stat().st_mode & 0o77 == 0
    look = READ.format(files=" ".join(files))
    recipe = f"{look} >&2\nPRE_BUILD=\"look.sh $count\"\nPOST_BUILD=look.sh\n"
    machine.source(extra=recipe, files={"foo.c": "x", "look.sh": f"#!/bin/bash\n{look}\necho recipe: ${{1:-none}} build: $count.\nexit 0\n"})


def nothing_was_read(machine, result):
    log = machine.at(f"/var/lib/dkms/foo/1.0/{K1}/{ARCH}/log/make.log").read_text()
    assert "READ" not in result.out + result.err + log and "SECRET" not in result.out + result.err + log, log
    assert re.findall(r"\nrecipe: (\w+) build: (\d+)\.", log) == [("0", "0"), ("none", "0")], log


def test_list():
    assert len(SECRETS) == len(set(SECRETS)) >= 50


@pytest.mark.parametrize("user", ["", OWNER.pw_name])
def test_nothing_that_only_root_may_read(machine, user):
    machine.framework(f"sandbox=strict\nmok_signing_key=/opt/keys/module.priv\nbuild_user={user}\n")
    files = SECRETS + (OF_PROGRAMS if user else [])
    made(machine, files)
    nothing_was_read(machine, machine.ok("install", "foo/1.0", "-k", K1))


def test_secrets_of_the_build_cache(machine):
    """The key that signs builds, and what the server wants to see: not even a user root without capabilities reads them."""
    files = ["/opt/keys/cache.key", "/opt/keys/netrc", "/opt/keys/tls.key"]
    machine.framework(f"sandbox=strict\ncache_signing_key={files[0]}\ncache_netrc={files[1]}\ncache_tls_key={files[2]}\n")
    made(machine, files)
    nothing_was_read(machine, machine.ok("install", "foo/1.0", "-k", K1))


KEYS = {"plain": "/opt/keys/module.priv", "of_a_kernel": "/opt/keys/$kernelver.priv", "in_sources": "/usr/src/keys/my.priv", "in_the_tree": "/var/lib/dkms/foo.priv"}


@pytest.mark.parametrize("signing", ["true", "false", ""])
@pytest.mark.parametrize("key", KEYS)
def test_the_signing_key(machine, key, signing):
    """The key is hidden whether modules are signed or not. By default they are not signed in a chroot."""
    place = KEYS[key].replace("$kernelver", K1)
    machine.kernel(K1, config='CONFIG_MODULES=y\nCONFIG_MODULE_SIG_HASH="sha256"\n')
    machine.file(f"/lib/modules/{K1}/build/.config", 'CONFIG_MODULE_SIG_HASH="sha256"\n')
    machine.framework(f"sandbox=strict\nmok_signing_key={KEYS[key]}\nmok_certificate=/opt/keys/my.pub\ntry_sign_modules={signing}\n")
    machine.at(place).parent.mkdir(parents=True, exist_ok=True)
    machine.ok("generate_mok", "-k", K1)
    made(machine, [place])
    result = machine.ok("install", "foo/1.0", "-k", K1)
    nothing_was_read(machine, result)
    assert ("\nSigning " in result.out) == (signing == "true"), result


def test_a_key_that_the_environment_names(machine):
    machine.at("/opt/keys").mkdir(parents=True)
    made(machine, ["/opt/keys/a.key"])
    nothing_was_read(machine, machine.ok("install", "foo/1.0", "-k", K1, env={"mok_signing_key": "/opt/keys/a.key"}))


def test_the_pin_of_a_key(machine):
    machine.source(extra='PRE_BUILD="look.sh ${KBUILD_SIGN_PIN:-none}"\n',
                   files={"foo.c": "x", "look.sh": "#!/bin/bash\necho recipe: $1 build: ${KBUILD_SIGN_PIN:-none}.\nexit 0\n"})
    machine.ok("install", "foo/1.0", "-k", K1, env={"KBUILD_SIGN_PIN": "1234"})
    log = machine.at(f"/var/lib/dkms/foo/1.0/{K1}/{ARCH}/log/make.log").read_text()
    assert "\nrecipe: none build: none.\n" in log, log


@pytest.mark.parametrize("target", ["/etc/NetworkManager", "/etc/letsencrypt", "/etc", "/srv", "/var/lib", "/srv/closed/key", "/srv/open/key"])
def test_a_link_shows_what_everybody_may_read(machine, target):
    """Through a link of a package, a build can read only files that every user can read."""
    for path in ("/etc/NetworkManager/system-connections/x", "/etc/letsencrypt/live/x", "/srv/open/key", "/var/lib/app/key"):
        machine.file(path, "SECRET\n", 0o600)
    machine.file("/etc/NetworkManager/hidden/x", "SECRET\n", 0o644)
    machine.at("/etc/NetworkManager/hidden").chmod(0o700)
    machine.file("/srv/closed/key", "SECRET\n", 0o644)
    machine.at("/srv/closed").chmod(0o700)
    machine.file("/etc/NetworkManager/conf", "public\n")
    machine.source(extra="PRE_BUILD=look.sh\n", files={"foo.c": "x", "look.sh": "#!/bin/bash\ngrep -rs . x/ x\nexit 0\n"})
    machine.at("/usr/src/foo-1.0/x").symlink_to(target)
    machine.ok("install", "foo/1.0", "-k", K1)
    log = machine.at(f"/var/lib/dkms/foo/1.0/{K1}/{ARCH}/log/make.log").read_text()
    assert "SECRET" not in log and ("public" in log) == (target == "/etc/NetworkManager"), log


PUBLIC = ["/etc/passwd", "/etc/group", "/etc/os-release", "/etc/debian_version", "/etc/redhat-release", "/etc/ld.so.cache", "/etc/default/zfs",
          "/etc/sysconfig/zfs", "/etc/modprobe.d/x.conf", "/etc/ssl/openssl.cnf", "/etc/dkms/foo.conf", "/etc/dkms/hooks/sign", f"/boot/config-{K1}",
          f"/boot/System.map-{K1}", "/var/lib/dpkg/status", "/opt/tools/cc", "/etc/alternatives/tool"]


@pytest.mark.parametrize("user", ["", OWNER.pw_name])
def test_what_real_recipes_and_compilers_read(machine, user):
    machine.framework(f"sandbox=strict\nbuild_user={user}\n")
    for path in PUBLIC[:-1]:
        if not machine.at(path).exists():
            machine.file(path, "# public\n")
    machine.at("/etc/alternatives/tool").symlink_to("/opt/tools/cc")
    look = READ.format(files=" ".join(PUBLIC))
    machine.source(extra=f'{look} >/dev/null\nPRE_BUILD="look.sh $count"\n',
                   files={"foo.c": "x", "look.sh": f"#!/bin/bash\n{look}\necho recipe: $1 build: $count. $(awk 'BEGIN {{print 1 + 1}}')\nexit 0\n"})
    machine.ok("install", "foo/1.0", "-k", K1)
    log = machine.at(f"/var/lib/dkms/foo/1.0/{K1}/{ARCH}/log/make.log").read_text()
    assert f"\nrecipe: {len(PUBLIC)} build: {len(PUBLIC)}. 2\n" in log, log
