"""Messages in the language of the user. What programs read stays in English."""
import json
import pathlib
import re
import shutil
import subprocess
import tarfile

import pytest

from conftest import ARCH, K1, key_pair

TOP = pathlib.Path(__file__).resolve().parents[2]
FAILING = {"foo.c": "x", "m.mk": "all:\n\t@echo 'a.c:7:2: error: implicit declaration of function '\\''strlcpy'\\'; exit 1\n"}
LOCALES = {"de_DE.UTF-8": ("de_DE", "UTF-8"), "tr_TR.UTF-8": ("tr_TR", "UTF-8"), "de_DE": ("de_DE", "ISO-8859-1")}


@pytest.fixture(scope="session")
def locales(tmp_path_factory):
    """A directory with the locales of this test, which a machine need not have."""
    place = tmp_path_factory.mktemp("locales")
    for name, (source, charset) in LOCALES.items():
        subprocess.run(["localedef", "--no-archive", "-i", source, "-f", charset, place / name], check=False, capture_output=True)
        assert (place / name / "LC_MESSAGES").is_dir()
    (place / "leaks").write_text("leak:argz_add_sep\n") # newlocale() of glibc leaks a copy of LOCPATH
    return place


def environment(locales, language, **more):
    """Variables that choose a language. An empty variable counts as an absent one."""
    return {"LC_ALL": "", "LC_MESSAGES": "", "LC_CTYPE": "", "LANGUAGE": "", "LOCPATH": str(locales), "LANG": language,
            "LSAN_OPTIONS": f"suppressions={locales}/leaks:print_suppressions=0", **more}


@pytest.fixture
def speak(root, locales):
    """Returns a function that runs dkms on the root in a language."""
    return lambda language, *words, **more: root(*words, env=environment(locales, language, **more))


def entries(catalogue):
    """Pairs of each message of a catalogue and its translation."""
    text = re.sub(r'"\n"', "", catalogue.read_text())
    return [(json.loads(f'"{a}"'), json.loads(f'"{b}"')) for a, b in re.findall(r'^msgid "(.*)"\nmsgstr "(.*)"$', text, re.M) if a]


def test_catalogues_are_complete(tmp_path):
    """Every message of the program is translated, with the same fields."""
    subprocess.run([TOP / "scripts/update-po", tmp_path], check=True, capture_output=True)
    for catalogue in (TOP / "po").glob("*.po"):
        assert sorted(entries(catalogue)) == sorted(entries(tmp_path / catalogue.name)), "run scripts/update-po"
        assert len(entries(catalogue)) > 500
        for message, translation in entries(catalogue):
            assert translation, f"no translation of: {message}"
            for pattern in (r"\{\w+\}", r"[][]", r"^\s+|\s+$"):
                assert sorted(re.findall(pattern, message)) == sorted(re.findall(pattern, translation)), translation


def test_an_error(root, speak):
    english, german = speak("C", "add", "/nope"), speak("de_DE.UTF-8", "add", "/nope")
    assert english.err == "\nError! The file or directory /nope does not exist.\nCheck the spelling.\n"
    assert german.rc == english.rc and german.err.startswith("\nFehler! ") and "/nope" in german.err and "existiert nicht" in german.err
    assert "does not exist" not in german.err and "spelling" not in german.err, "advice is translated, too"


def test_an_advice_that_errors_share(speak):
    """A macro in the table of errors is a part of several messages."""
    german = speak("de_DE.UTF-8", "add", "a b/1.0")
    assert "Benutzen Sie einen Namen ohne" in german.err and "Use a name" not in german.err


def test_a_fault_of_the_tree(root, speak):
    (root.tree / "empty").mkdir(parents=True)
    english, german = speak("C", "doctor"), speak("de_DE.UTF-8", "doctor")
    assert f"{root.tree}/empty is empty" in english.out and "would: remove it from the tree" in english.out
    assert german.rc == english.rc and f"{root.tree}/empty ist leer" in german.out and "würde: es aus dem Baum entfernen" in german.out
    assert "ist leer" in speak("de_DE.UTF-8", "explain", "empty-module").out
    assert speak("de_DE.UTF-8", "doctor", "--json").out == speak("C", "doctor", "--json").out


def test_the_error_of_a_call(root, speak):
    """A message of the C library is a part of the sentence."""
    root.source()
    root.ok("add", "foo/1.0")
    result = speak("de_DE.UTF-8", "add", "-c", "/nope", "bar/1.0")
    assert "/nope" in result.err and "Datei oder Verzeichnis nicht gefunden" in result.err and "No such file" not in result.err


@pytest.mark.parametrize("language, more, german", [
    ("de_DE.UTF-8", {}, True), ("de_DE.UTF-8", {"LC_MESSAGES": "C"}, False), ("de_DE.UTF-8", {"LC_ALL": "C"}, False),
    ("C", {"LC_MESSAGES": "de_DE.UTF-8", "LC_CTYPE": "tr_TR.UTF-8"}, True), ("C", {"LC_MESSAGES": "de_DE.UTF-8"}, False),
    ("tr_TR.UTF-8", {}, False), ("tr_TR.UTF-8", {"LANGUAGE": "tr:de"}, True),
    ("de_DE", {}, False), ("xx_YY.UTF-8", {}, False), ("../../etc", {}, False)])
def test_the_choice(speak, language, more, german):
    """The messages are translated if both the language and UTF-8, the character set of the terminal, are chosen."""
    result = speak(language, "add", "/nope", **more)
    assert ("existiert nicht" in result.err) == german and ("does not exist" in result.err) != german and result.rc == speak("C", "add", "/nope").rc


def test_of_a_worker(root, speak):
    """A worker process fills in the sentence, and its parent prints it. The record is in English."""
    root.source(extra="MAKE='make -f m.mk'\n", files=FAILING)
    german = speak("de_DE.UTF-8", "install", "foo/1.0", "-k", K1)
    assert german.rc == 10 and "fehlgeschlagen" in german.err and "failed" not in german.err, german.err
    record = (root.attempts()[0] / "attempt.json").read_text()
    english = speak("C", "install", "foo/1.0", "-k", K1)
    assert json.loads(record)["error"]["message"] in english.err and "fehlgeschlagen" not in record
    assert "fehlgeschlagen" not in speak("C", "explain", "foo").out and "Ursache" in speak("de_DE.UTF-8", "explain", "foo").out


def test_an_advice_of_several_lines(root, speak):
    """The lines of an advice are joined in the program. Each of them is translated."""
    root.source(extra="MAKE='make -f m.mk'\n", files=FAILING)
    german = speak("de_DE.UTF-8", "build", "foo/1.0", "-k", K1).err
    for line in ("Erster Fehler: a.c:7:2: ", "Installieren Sie eine Version von foo, ", "Das ganze Protokoll: ", "Erklärung: dkms "):
        assert f"\n{line}" in german, german
    assert "log:" not in german and "Install " not in german


def test_a_noun_instead_of_a_name(root, speak):
    root.source(extra="MAKE=false\n")
    german = speak("de_DE.UTF-8", "build", "foo/1.0", "-k", K1).err
    assert "Exit-Status 1 von dem Build-Befehl" in german and "command" not in german, german


def test_a_list_of_names(root, speak):
    root.source(files={"a.c": "1", "b.c": "1"})
    root.ok("add", "foo/1.0")
    other = root.path / "other"
    shutil.copytree(root.src / "foo-1.0", other)
    for name in ("a.c", "b.c"):
        (other / name).write_text("2")
    german = speak("de_DE.UTF-8", "add", other).err
    assert "a.c und b.c unterscheiden sich" in german and " and " not in german, german


def test_recorded_errors(root, speak):
    """The record of a build that was not started is in English. 'explain' finds the message and its values again."""
    root.source()
    assert speak("C", "install", "foo/1.0", "-k", "6.1.0").rc == 21
    german = speak("de_DE.UTF-8", "explain", "foo").out
    assert german.startswith("Kernel 6.1.0 ist nicht installiert: ") and "Abhilfe: Kernel mit Headern: " in german and " or " not in german, german
    listed = speak("de_DE.UTF-8", "log", "--list").out
    assert ": fehlgeschlagen (no-headers)" in listed, "names of causes are not translated"


def test_processes_that_a_build_leaves(root, speak):
    root.source(extra="MAKE='sleep 1000 & cp foo.c foo.ko'\n")
    assert "beendet: 1 Prozess (sleep)." in speak("de_DE.UTF-8", "build", "foo/1.0", "-k", K1).err


def test_reasons_of_helpers(root, speak):
    """A helper prints '<subject>: <reason>' in English."""
    archive = root.path / "a.tar.gz"
    with tarfile.open(archive, "w:gz") as tar:
        tar.addfile(tarfile.TarInfo("/foo/dkms.conf"))
    german = speak("de_DE.UTF-8", "ldtarball", archive).err
    assert "a.tar.gz: /foo/dkms.conf: ein absoluter Pfad.\nNichts aus dem Archiv" in german, german


def test_what_dkms_sign_prints(root, speak):
    source = "".join((TOP / "src/helpers" / name).read_text() for name in ("dkms-sign.c", "sign-file.c", "sign-key.c"))
    printed = set(re.findall(r'refuse \("(.*?)"[,)]', source)) | set(re.findall(r'fprintf \(stderr, "([A-TV-Z].*?)\\n"', source))
    rows = re.findall(r'^DKMS_HELPER_TEXT \("(.*)"\)$', (TOP / "src/base/helpers.def").read_text(), re.M)
    assert len(rows) > 20 and {re.sub(r"\{\w+\}", "%s", row) for row in rows} == printed
    root.source()
    root.kernel(K1, config='CONFIG_MODULE_SIG_HASH="sha256"\n')
    root.framework("try_sign_modules=true\nmok_signing_key=/etc/key\nmok_certificate=/etc/certificate\n")
    (root.path / "etc/certificate").write_bytes(key_pair()[1])
    (root.path / "etc/key").write_text("-")
    (root.modules / K1 / "build/.config").write_text('CONFIG_MODULE_SIG_HASH="sha256"\n')
    german = speak("de_DE.UTF-8", "build", "foo/1.0", "-k", K1).err
    assert re.search(r"Der Schlüssel \S+/etc/key kann nicht benutzt werden: [^:(]*PEM-Format \(\w+\)$", german, re.M), german


def test_help(speak):
    """The help has the width of a terminal, counted in letters, and all its words are translated."""
    whole = speak("de_DE.UTF-8", "--help").out
    assert all(len(line) < 80 for line in whole.splitlines())
    lines = whole.splitlines()
    for line, after in zip(lines, lines[1:]):
        if after.startswith(" " * 33) and re.match(".{32} [^ ]", line):
            assert len(line) + len(after.split()[0]) >= 79, f"the next word fits into the line: {line}"
    verbs = re.findall(r"^  (\w+) ", whole, re.M)
    assert len(verbs) > 15 and "<Befehl>" in whole and "<Verzeichnis>" in whole
    english = re.compile(r"(?<!-)\b(?:the|of|with|module|version|kernel|file|directory|value|option|cause)\b(?!\.)")
    for verb in verbs:
        text = speak("de_DE.UTF-8", verb, "--help").out
        assert text.startswith(f"Aufruf: dkms {verb} [<Option>...]") and not english.search(text), english.search(text)


@pytest.mark.parametrize("language", ["de_DE.UTF-8", "tr_TR.UTF-8"])
def test_what_programs_read(root, speak, language):
    """A whole life of a module ends in the same state and with the same output for programs."""
    root.source("wifi")
    root.source("gone")
    commands = [["add", "wifi/1.0"], ["add", "gone/1.0"], ["status"], ["install", "wifi/1.0", "-k", K1], ["status"], ["autoinstall", "-k", K1],
                ["remove", "gone/1.0", "--all"]]
    results = [speak(language, *words) for words in commands]
    assert [result.rc for result in results] == [0] * len(commands), results
    assert results[2].out == "gone/1.0: added\nwifi/1.0: added\n"
    assert f"wifi/1.0, {K1}, {ARCH}: installed" in results[4].out.splitlines()
    assert not (root.tree / "gone").exists()
    for words in (["status"], ["status", "--json"], ["status", "--long"],
                  ["install", "nope/1.0", "-k", K1, "--json"]):
        other, english = (re.sub(r'"time":[^,]*|"seconds":[^,]*', "", speak(each, *words).out) for each in (language, "C"))
        assert other == english


def test_without_a_catalogue(root, locales):
    """The locale alone changes nothing: a Turkish i has no effect on names and settings."""
    root.framework("autoinstall_all_kernels=yes\nsign_file=/usr/bin/sign\n")
    outputs = []
    for language in ("C", "tr_TR.UTF-8"):
        root.source("wifi", extra="AUTOINSTALL=YES\nBUILD_EXCLUSIVE_CONFIG=CONFIG_NIX\n")
        result = root("install", "wifi/1.0", "-k", K1, env=environment(locales, language))
        outputs.append((result.rc, result.out, result.err))
        root("remove", "wifi/1.0", "--all")
        shutil.rmtree(root.src / "wifi-1.0")
    assert outputs[0] == outputs[1]
