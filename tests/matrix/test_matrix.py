"""The confusion matrix of 'dkms verify': real kernels load each file under each policy, and dkms must predict every answer."""
import concurrent.futures
import json
import os
import pathlib
import re
import shutil
import subprocess

import matrix
import mutations
import pytest

DKMS = os.environ.get("DKMS", str(pathlib.Path(__file__).resolve().parents[2] / "build/src/dkms"))
KERNELS = {"6.1": r"^linux-headers-6\.1\.", "6.12": r"^linux-headers-6\.12\."}
ORACLE = json.loads((matrix.HERE / "oracle.json").read_text())["rows"]
CELLS = [(kernel, policy) for kernel in KERNELS for policy in matrix.POLICIES]


def release_of(kernel):
    found = sorted(p.parents[2].name for p in pathlib.Path("/usr/src").glob("linux-headers-*/include/config/auto.conf"))
    found = [name for name in found if re.search(KERNELS[kernel], name)]
    assert found, f"no headers of Linux {kernel} here; scripts/install-deps demo boot installs them"
    return found[-1].removeprefix("linux-headers-")


def unpacked_image(lab, release):
    """The package of the kernel, unpacked. Returns: the directory"""
    place = lab / f"package-{release}"
    place.mkdir()
    place.chmod(0o777) # for apt-get, which downloads as another user
    subprocess.run(["apt-get", "download", "-qq", f"linux-image-{release}"], cwd=place, check=True)
    subprocess.run(["dpkg-deb", "-x", next(place.glob("*.deb")), place / "image"], check=True)
    return place / "image"


class Lab:
    """Kernels, made when they are used first, and their answers and those of dkms."""

    def __init__(self, place):
        self.place, self.keys = place, mutations.Keys(place)
        self.kernels, self.answers, self.predictions = {}, {}, {}
        with concurrent.futures.ThreadPoolExecutor(2) as pool:
            self.kernels = dict(zip(KERNELS, pool.map(self._make, KERNELS)))

    def _make(self, kernel):
        release = release_of(kernel)
        return matrix.Kernel(self.place, release, self.keys, unpacked_image(self.place, release))

    def answer(self, kernel, policy):
        if (kernel, policy) not in self.answers:
            self.answers[kernel, policy] = self.kernels[kernel].boot(policy)
        return self.answers[kernel, policy]

    def predict(self, kernel, policy):
        if (kernel, policy) not in self.predictions:
            self.predictions[kernel, policy] = self.kernels[kernel].predict(policy, DKMS)
        return self.predictions[kernel, policy]


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    for program in ("qemu-system-x86_64", "busybox", "cpio", "openssl", "apt-get", "depmod", "strip"):
        assert shutil.which(program), f"no {program} here; scripts/install-deps boot installs it"
    place = tmp_path_factory.mktemp("matrix")
    for directory in (place.parent, place):
        directory.chmod(0o755)
    return Lab(place)


def words(answer):
    if answer is None:
        return "nothing"
    kind, code, taint = answer
    return f"OK {taint}".rstrip() if kind == "loads" else code or kind if kind == "refused" else kind


def differences(answers, predictions):
    return {name: (words(answer), words(predictions.get(name))) for name, answer in answers.items() if answer != predictions.get(name)}


@pytest.mark.parametrize("kernel, policy", CELLS)
def test_the_kernel_answers_as_before(lab, kernel, policy):
    """The harness and the mutants: the answers of an earlier study of other builds of these kernels."""
    answers = lab.answer(kernel, policy)
    assert set(answers) == set(lab.kernels[kernel].mutants) and len(answers) >= 100
    for row in ORACLE:
        if row["policy"] == policy and kernel in row:
            assert {name: words(answers[name]) for name in row["files"]} == dict.fromkeys(row["files"], row[kernel])


@pytest.mark.parametrize("kernel", KERNELS)
def test_swapped_keys_swap_the_verdicts(lab, kernel):
    """Checks the tests themselves: with the other certificate, kernel and dkms change their minds, and the comparison notices."""
    ours, others = "own-certificate-enforced", "other-certificate-enforced"
    foreign = {"6.1": "foreign", "6.12": "foreign_curve"}[kernel]
    for of in (lab.answer, lab.predict):
        before, after = of(kernel, ours), of(kernel, others)
        assert [words(found[name]) for found in (before, after) for name in ("good", foreign)] == ["OK O", "EKEYREJECTED", "EKEYREJECTED", "OK O"]
    assert {"good", foreign} <= set(differences(lab.answer(kernel, others), lab.predict(kernel, ours)))


SHA512 = {"6.1": "sha512", "6.12": "by_ec256_sha512"} # signed with the key that the image of the kernel trusts


@pytest.mark.parametrize("kernel", KERNELS)
def test_a_digest_out_of_reach(lab, kernel):
    """Linux 6.1 of Debian loads a module to compute SHA-512; 6.12 contains it."""
    answers = lab.answer(kernel, "digest-out-of-reach")
    assert words(answers[SHA512[kernel]]) == {"6.1": "EKEYREJECTED", "6.12": "OK O"}[kernel]
    assert words(answers["good"]) == "OK O"


@pytest.mark.parametrize("kernel", KERNELS)
def test_copies_of_the_variables(lab, kernel):
    """dkms takes the keys of shim from the copies of its variables, too, and predicts the same."""
    usual, of = lab.predict(kernel, "secure-boot"), lab.kernels[kernel]
    root = of.root("secure-boot")
    of.variables.write(root, "validates", copied=True)
    try:
        assert of.predict("secure-boot", DKMS) == usual
    finally:
        of.variables.write(root, "validates")


# Modules that are installed -> what a boot image has in their place.
IMAGES = {
    "with-digest": ({"good": ("good", ""), "key_identifier": ("foreign", ""), "with_certificate": ("unsigned", "")}, True),
    "without-digest": ({"good": ("good", ".xz")}, False),
}


@pytest.mark.parametrize("image", IMAGES)
@pytest.mark.parametrize("kernel", KERNELS)
def test_copies_in_boot_images(lab, kernel, image):
    """modprobe loads a module from a boot image if dkms finds no problem with the copy in it."""
    files, digest = IMAGES[image]
    digested = SHA512[kernel]
    files = {**files, digested: (digested, "")}
    of = lab.kernels[kernel]
    path = of.make_image(image, files, digest)
    findings = of.findings_about(path, DKMS)
    refused = {"key_identifier": {"image-stale"}, "with_certificate": {"image-unsigned"}}
    if not digest and kernel == "6.1":
        refused[digested] = {"image-digest"}
    assert {name: findings[name] for name in files} == {name: refused.get(name, set()) for name in files}
    assert of.loaded_by(path) == set(files) - set(refused)


@pytest.mark.parametrize("kernel, policy", CELLS)
def test_dkms_predicts_every_answer(lab, kernel, policy):
    answers, predictions = lab.answer(kernel, policy), lab.predict(kernel, policy)
    wrong = differences(answers, predictions)
    judged = lab.kernels[kernel].judged
    lines = [f"{name}: the kernel says {real}, dkms says {said}: {judged.get(name)}" for name, (real, said) in wrong.items()]
    assert not wrong, f"{len(wrong)} of {len(answers)} cells are wrong:\n" + "\n".join(lines)
