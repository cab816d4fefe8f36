"""Claims: machines of a fleet that need the same build at the same time wait for the first one (cache_wait)."""
import json
import signal
import subprocess
import time

import caches
import pytest
from conftest import K1, K2, eventually
from test_remote_cache import attempt, build, lab, taken  # noqa: F401 (a fixture)

CLAIMER = "636c61696d000000"
WAITS = "Another machine is building foo/1.0"
FAR = 4_000_000_000


def key_of(root, kernel=K1):
    root("add", "foo/1.0")
    return root.ok("cache", "key", "foo/1.0", "-k", kernel).out.split()[0]


def store(server, entry, key, manifest=None):
    server.files["ac", caches.slot(key, CLAIMER)] = entry
    if manifest is not None:
        server.files["cas", caches.hashlib.sha256(manifest).hexdigest()] = manifest


def claimed(server, key):
    """Returns: the claim that the server has, or None"""
    entry = server.files.get(("ac", caches.slot(key, CLAIMER)))
    if entry is None:
        return None
    file = dict(caches.fields(dict(caches.fields(entry))[2]))
    return json.loads(file[5])


def cache_of(result):
    """What --json says about the builds."""
    return [e["cache"] for e in json.loads(result.out)["events"] if "cache" in e]


def test_a_build_is_claimed(lab):
    """cache_wait: the claim is on the server while the machine builds, and counts for ten minutes at first."""
    root = lab.machine("cache_wait=60\n", writes=True)
    key, seen = key_of(root), []
    lab.server.before = lambda handler: seen.append(claimed(lab.server, key))
    before = int(time.time())
    assert WAITS not in build(root).out
    claims = [c for c in seen if c is not None]
    assert claims and all(set(c) == {"format", "key", "result", "expires", "by"} for c in claims)
    assert claims[0]["key"] == key and claims[0]["result"] == "building" and claims[0]["format"] == 1
    assert before + 600 <= claims[0]["expires"] <= time.time() + 601
    paths = [path for method, path, _ in lab.server.log if method == "PUT" and "/ac/" in path]
    assert paths[0].endswith(caches.slot(key, CLAIMER)) and len(paths) == 2, "the claim, and then the entry"
    # Now the duration is known: the next claim counts for twice of it, or half a minute.
    key, before = key_of(root, K2), int(time.time())
    build(root, kernel=K2)
    assert before + 30 <= claimed(lab.server, key)["expires"] < before + 600


def test_the_others_wait(lab):
    """The second machine finds the claim, waits, and takes the build of the first one."""
    first, second = lab.machine("cache_wait=60\n", writes=True), lab.machine("cache_wait=60\n", writes=True)
    key = key_of(first)
    build(first)
    entries = {name: data for name, data in lab.server.files.items() if name[0] == "ac"}
    del entries["ac", caches.slot(key, CLAIMER)]
    for name in entries:
        del lab.server.files[name]
    asked = []

    def publish(handler):
        asked.append(handler.name())
        if asked.count(("ac", caches.slot(key, CLAIMER))) == 2:
            lab.server.files.update(entries)

    lab.server.before = publish
    store(lab.server, *claim(key, FAR))
    result = build(second, "--json")
    assert cache_of(result) == ["hit"] and attempt(second)["cached"] == lab.server.url
    assert [e["event"] for e in json.loads(result.out)["events"]].count("cache-waiting") == 1
    assert asked.count(("ac", caches.slot(key, CLAIMER))) == 2
    root = lab.machine("cache_wait=60\n", writes=True)
    assert taken(build(root)), "without a wait"


def claim(key, expires, **members):
    entry, manifest = caches.claim(key, expires, **members)
    return entry, key, manifest


@pytest.mark.parametrize("what", ["expired", "no claim", "other key", "text", "a word", "damaged", "garbage", "gone"])
def test_what_is_no_claim(lab, what):
    """A claim that has ended, or is none, delays nobody."""
    root = lab.machine("cache_wait=3600\n", writes=True)
    key = key_of(root)
    entry, manifest = {
        "expired": lambda: caches.claim(key, int(time.time()) - 10), "no claim": lambda: caches.claim(key, FAR, "built"),
        "other key": lambda: caches.claim("0" * 64, FAR), "text": lambda: caches.claim(key, str(FAR)),
        "a word": lambda: (caches.entry_with(b'"building"'), b""), "damaged": lambda: caches.claim(key, FAR),
        "garbage": lambda: caches.claim(key, FAR), "gone": lambda: (caches.entry_with(b"{}", inline=False), b"")}[what]()
    if what == "damaged":
        entry = entry.replace(b"building", b"Building")
    store(lab.server, entry, key, manifest)
    if what == "garbage":
        lab.server.faults.append(("GET", caches.slot(key, CLAIMER), "other bytes"))
    result = build(root)
    assert WAITS not in result.out and not taken(result) and "Warning" not in result.err, result
    stored = [path for method, path, status in lab.server.log if method == "PUT" and "/ac/" in path and status == 200]
    assert stored[0].endswith(caches.slot(key, CLAIMER)) and f"/cache/ac/{lab.entries()[-1]}" in stored, "a claim, and the build"


def test_manifest_taken_out_of_the_claim(lab):
    """Some servers do that: the claim is found nevertheless."""
    root = lab.machine("cache_wait=1\n", writes=True)
    key = key_of(root)
    _, manifest = caches.claim(key, FAR)
    store(lab.server, caches.entry_with(manifest, inline=False), key, manifest)
    assert WAITS in build(root).out


def test_a_lying_claim(lab):
    """It costs cache_wait seconds, and no more. Then this machine has the claim."""
    root = lab.machine("cache_wait=3\n", writes=True)
    key = key_of(root)
    store(lab.server, *claim(key, FAR))
    start = time.monotonic()
    result = build(root)
    assert WAITS in result.out and "at most 3 s" in result.out and not taken(result)
    assert time.monotonic() - start >= 3, "it is asked again"
    assert claimed(lab.server, key)["expires"] < FAR


def test_a_claim_of_the_same_machine(lab):
    """After an interrupted build, a machine does not wait for itself. Nobody learns from the claim which machine it is."""
    root = lab.machine("cache_wait=3600\n", writes=True)
    for name in ("one", "other"):
        (root.path / "etc/machine-id").write_text(f"{name}\n")
        key = key_of(root)
        store(lab.server, *claim(key, FAR, by=caches.hashlib.sha256(f"dkms-claim-1\n{key}\none\n\n".encode()).hexdigest()))
        if name == "one":
            assert WAITS not in build(root).out
            root.ok("remove", "foo/1.0", "--all"), lab.server.files.clear()
    with subprocess.Popen([*root.command(), "build", "foo/1.0", "-k", K1], stdout=subprocess.PIPE, text=True, start_new_session=True) as process:
        eventually(lambda: sum(caches.slot(key, CLAIMER) in path for method, path, _ in lab.server.log if method == "GET") > 2)
        process.send_signal(signal.SIGINT)
        assert WAITS in process.communicate(timeout=60)[0], "it has asked twice"


@pytest.mark.parametrize("settings", ["", "cache_wait=0\n"])
def test_claims_are_off_by_default(lab, settings):
    root = lab.machine(settings, writes=True)
    key = key_of(root)
    store(lab.server, *claim(key, FAR))
    assert WAITS not in build(root).out and claimed(lab.server, key)["expires"] == FAR


@pytest.mark.parametrize("settings, trust", [({"writes": False}, None), ({"writes": True}, ""), ({"writes": True}, "require 2\n")])
def test_who_uses_no_claims(lab, settings, trust):
    """Machines that only read, only write, or need the builds of several signers."""
    more = None if trust is None else trust + (f"trust {lab.public}\n" if trust else "")
    root = lab.machine("cache_wait=60\n", trust=more, **settings)
    key = key_of(root)
    store(lab.server, *claim(key, FAR))
    assert WAITS not in build(root).out and claimed(lab.server, key)["expires"] == FAR


@pytest.mark.parametrize("how", ["fails", "altered"])
def test_a_build_that_is_not_stored(lab, how):
    """Its claim ends at once, so that nobody waits for it."""
    settings = "cache_wait=60\ncache_negative=0\n"
    if how == "fails":
        root = lab.machine(settings, writes=True, text="int a\n")
        key = key_of(root)
        build(root, rc=10)
    else:
        root = lab.machine(settings, writes=True, extra='POST_BUILD="post.sh"\n')
        script = root.path / "usr/src/foo-1.0/post.sh"
        script.write_text("#!/bin/sh\nprintf x >> ../$kernelver/$arch/module/foo.ko\n"), script.chmod(0o755)
        key = key_of(root)
        build(root)
    assert claimed(lab.server, key)["expires"] == 0


def test_the_server_goes_away_during_the_wait(lab):
    root = lab.machine("cache_wait=3600\ncache_timeout=1\n", writes=True)
    key = key_of(root)
    store(lab.server, *claim(key, FAR))
    lab.server.before = lambda handler: lab.server.faults.append(("*", "/ac/", "close"))
    result = build(root, "--json")
    assert cache_of(result) == ["away"]


def test_the_wait_ends_with_a_signal(lab):
    root = lab.machine("cache_wait=3600\n", writes=True)
    key = key_of(root)
    store(lab.server, *claim(key, FAR))
    with subprocess.Popen([*root.command(), "build", "foo/1.0", "-k", K1], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                          start_new_session=True) as process:
        eventually(lambda: any(caches.slot(key, CLAIMER) in path for _, path, _ in lab.server.log))
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == 130
    assert claimed(lab.server, key)["expires"] == FAR


def test_json_has_what_the_cache_did(lab):
    """"cache" in the result of a build: miss, hit, negative, bypassed, away."""
    writer, reader, bad = lab.machine(writes=True), lab.machine(), lab.machine(writes=True, text="int a\n")
    assert cache_of(build(writer, "--json")) == ["miss"] and cache_of(build(reader, "--json")) == ["hit"]
    assert cache_of(build(reader, "--json", "--force")) == ["bypassed"]
    assert cache_of(build(lab.machine(), "--json", "--no-cache")) == ["bypassed"]
    build(bad, rc=10)
    assert cache_of(build(lab.machine(text="int a\n"), "--json", rc=10)) == ["negative"]
    lab.server.faults.append(("*", "", "close"))
    assert cache_of(build(lab.machine(text="int b;\n"), "--json")) == ["away"]
    plain = lab.machine()
    plain.framework("")
    assert cache_of(build(plain, "--json")) == []
