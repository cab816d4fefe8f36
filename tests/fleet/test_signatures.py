"""Keys and signatures of dkms and of the programs whose format they have: minisign, and signify of OpenBSD."""
import pathlib
import shutil
import subprocess
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "system"))
from conftest import DKMS  # noqa: E402
from test_cache_trust import Builder, ask  # noqa: E402

HELPERS = pathlib.Path(DKMS).parent / "helpers"


def need(*names):
    """The first of these programs: distributions name them in two ways."""
    for name in names:
        if found := shutil.which(name):
            return found
    raise AssertionError(f"no {names[0]} here; scripts/install-deps fleet installs it")


def run(*words):
    return subprocess.run(words, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)


@pytest.fixture
def signed(tmp_path):
    """A directory with a key of dkms, and a file that it has signed."""
    (tmp_path / "file").write_text('{"format":1}\n')
    for words in (["generate-cache-key", tmp_path / "key"], ["manifest", tmp_path / "key", tmp_path / "file"]):
        subprocess.run([HELPERS / "dkms-sign", *words], check=True)
    return tmp_path


def test_other_programs_verify_what_dkms_signs(signed):
    for program in (need("minisign"), need("signify-openbsd", "signify")):
        words = program, "-V", "-p", signed / "key.pub", "-m", signed / "file", "-x", signed / "file.minisig"
        ran = run(*words)
        assert ran.returncode == 0, ran
        if "minisign" in program:
            assert "Trusted comment: build of dkms" in ran.stdout
        (signed / "file").write_text('{"format":2}\n')
        assert run(*words).returncode != 0
        (signed / "file").write_text('{"format":1}\n')


def test_dkms_verifies_what_other_programs_sign(tmp_path):
    """Both forms of minisign, and that of signify."""
    minisign, signify = need("minisign"), need("signify-openbsd", "signify")
    builder = Builder(tmp_path)
    manifest, signature = builder.out / "build.json", builder.out / "build.json.minisig"
    assert run(minisign, "-G", "-W", "-p", tmp_path / "m.pub", "-s", tmp_path / "m.sec").returncode == 0
    assert run(signify, "-G", "-n", "-p", tmp_path / "s.pub", "-s", tmp_path / "s.sec").returncode == 0
    for name, words in (("m", [minisign, "-S", "-l"]), ("m", [minisign, "-S"]), ("s", [signify, "-S"])):
        ran = run(*words, "-s", tmp_path / f"{name}.sec", "-m", manifest, "-x", signature)
        assert ran.returncode == 0, ran
        ask("seal", builder.out)
        key = (tmp_path / f"{name}.pub").read_text().splitlines()[1]
        wish = [pair for pair in builder.wish if pair[0] != "signer"]
        assert builder.list(wish=[*wish, ("signer", key)])[0] == ("signer", key)
        assert builder.list() == [("refused", "it is signed with another key")]
