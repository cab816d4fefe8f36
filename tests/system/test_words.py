"""Help, completions and manual pages. One table of verbs and options produces the first two."""
import os
import pathlib
import pty
import re
import select
import shutil
import subprocess
import time

import pytest

from conftest import ARCH, DKMS, K1, K2

SOURCE = pathlib.Path(__file__).resolve().parents[2]
VERBS = ["add", "build", "install", "uninstall", "unbuild", "remove", "autoinstall", "prune", "sign", "status", "explain", "log", "verify", "doctor", "secureboot", "forecast", "cache", "matrix", "match", "mktarball",
         "ldtarball", "generate_mok", "kernel_preinst", "kernel_postinst", "kernel_prerm"]


def output(*command):
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


# ---- help ----

@pytest.mark.parametrize("verb", VERBS)
def test_help_of_a_verb(verb):
    process = subprocess.run([DKMS, verb, "--help"], capture_output=True, text=True, check=True)
    text = process.stdout
    assert process.stderr == ""
    assert text.startswith(f"Usage: dkms {verb} ")
    assert all(len(line) < 80 for line in text.splitlines())
    assert "--root" in text and "--help" in text


@pytest.mark.parametrize("verb", VERBS)
def test_help_has_groups_and_an_example(verb):
    """The options of the example are options of the verb."""
    text, example = output(DKMS, verb, "--help").split("\nExample:\n")
    words = example.split()
    assert words[:2] == ["dkms", verb] and example.count("\n") == 1
    listed = set(re.findall(r"(?<![\w-])--?[a-zA-Z][\w-]*", text))
    assert [word for word in words if word.startswith("-") and word not in listed] == []
    headings = re.findall(r"^(\w.*):$", text, re.M)
    assert len(headings) == len(set(headings)) >= 2 and headings[-1] == "Changing the output"


def test_help_of_a_verb_leaves_out_what_it_cannot_use():
    assert "--templatekernel" in output(DKMS, "match", "--help")
    assert "--templatekernel" not in output(DKMS, "install", "--help")
    assert "--all-kernels" in output(DKMS, "autoinstall", "--help")


def test_general_help_names_every_verb_and_option():
    text = output(DKMS, "--help")
    assert all(len(line) < 80 for line in text.splitlines())
    for verb in VERBS:
        assert re.search(rf"^  {verb} +\S", text, re.M)
        for option in re.findall(r"--[a-z_-]+", output(DKMS, verb, "--help").split(":\n", 1)[1]):
            assert option in text


# ---- unknown verbs ----

@pytest.mark.parametrize("words, meant", [
    (["statsu"], "status"), (["instal", "hello/1.0"], "install"), (["unistall", "-k", "x", "hello/1.0"], "uninstall"),
    (["STATUS"], "status"), (["remvoe", "hello/1.0", "--all"], "remove"), (["nonsense"], None), (["xyzzy", "a/b"], None)])
def test_a_mistyped_verb_is_one_line(root, words, meant):
    result = root(*words)
    assert result.rc == 2 and result.out == ""
    lines = result.err.strip().splitlines()
    assert len(lines) == 1 and lines[0].startswith(f"Error! Unknown verb '{words[0]}'."), result
    assert ("Did you mean" in lines[0]) == (meant is not None) and (meant is None or f"Did you mean '{meant}'?" in lines[0])


def test_no_verb_but_something_to_work_on(root):
    source = root.source()
    for word in ("foo/1.0", str(source), str(source / "dkms.conf")):
        result = root(word)
        assert result.rc == 2 and f"dkms install {word}" in result.err and result.out == ""
    result = root()
    assert result.rc == 2 and result.out == "" and result.err == "\nError! No verb given.\n'dkms --help' lists all verbs.\n"


@pytest.mark.parametrize("verb, instead", [("mkdeb", "dh-dkms"), ("mkdsc", "dh-dkms"), ("mkbmdeb", "mktarball"), ("mkrpm", "spec file"),
                                           ("mkkmp", "spec file"), ("mkdriverdisk", "mktarball")])
@pytest.mark.parametrize("rest", [[], ["foo/1.0", "-k", K1], ["-m", "foo", "-v", "1.0", "--legacy-postinst=0"]])
def test_verbs_of_earlier_versions(root, verb, instead, rest):
    root.source()
    result = root(verb, *rest)
    assert result.rc == 2 and f"'{verb}'" in result.err and instead in result.err, result
    # A module may have such a name.
    root.source(verb)
    root.ok("add", f"{verb}/1.0")
    assert root.status() == [f"{verb}/1.0: added"]


def test_help_is_a_verb(root):
    assert root.ok("help").out == root.ok("--help").out
    assert root.ok("help", "status").out == root.ok("status", "--help").out
    assert root("help", "statsu").err == root("statsu").err
    root.source("help")
    root.ok("add", "help/1.0")
    root.ok("remove", "help", "-v", "1.0", "-k", K1)  # a module


# ---- manual pages ----

PAGES = ["dkms.8", "dkms.conf.5", "dkms-framework.conf.5", "dkms-cache-trust.5"]


def page(name):
    return pathlib.Path(DKMS).resolve().parents[1] / "man" / name


@pytest.mark.parametrize("name", PAGES)
def test_manual_is_clean(name):
    lint = subprocess.run(["mandoc", "-T", "lint", page(name)], capture_output=True, text=True, check=False)
    # Other pages need not be installed on this machine.
    found = [line for line in (lint.stdout + lint.stderr).splitlines() if "not found" not in line and "outdated mandoc.db" not in line]
    assert found == []
    man = subprocess.run(["man", "--warnings", "--encoding=UTF-8", "-l", page(name)], capture_output=True, text=True, check=True,
                         env=dict(os.environ, MANPAGER="cat", MANWIDTH="80", LC_ALL="C.UTF-8"))
    assert man.stderr == ""


def test_manual_knows_every_verb_and_option():
    text = page("dkms.8").read_text()
    rendered = output("mandoc", "-T", "ascii", page("dkms.8"))
    rendered = re.sub(r".\x08", "", rendered)
    for verb in VERBS:
        assert verb in text
    for option in set(re.findall(r"(?<![\w<-])--?[a-zA-Z][a-z_-]*", output(DKMS, "--help"))):
        assert re.search(rf"(?<![\w-]){option}(?![\w-])", rendered), option


def test_manual_knows_every_directive():
    text = page("dkms.conf.5").read_text()
    driver = (SOURCE / "src/conf/recipe.c").read_text()
    names = set(re.findall(r'"([A-Z][A-Z_]{3,})"', driver)) - {"CONFIG_"}
    assert len(names) > 20
    for name in names:
        assert name in text, name


def test_manual_knows_every_setting():
    text = page("dkms-framework.conf.5").read_text()
    for name in re.findall(r"^#([a-z_]+)=", (SOURCE / "data/framework.conf").read_text(), re.M):
        assert re.search(rf"^\.It Va .*\b{name}\b", text, re.M), name


# ---- completions ----

def test_answers_for_shells(root, tmp_path):
    root.source("foo", "1.0")
    root.source("foo", "2.0")
    root.source("bar", "1.0")
    root.ok("install", "foo/1.0", "-k", K1)

    def ask(*words):
        return {line.split("\t")[0]: line.split("\t")[-1]
                for line in output(DKMS, "--complete", "--root", root.path, *words).splitlines()}

    assert ask("inst") == {"install": "Install a module, building it first if necessary"}
    assert ask("uninstall", "") == {"foo/1.0": "installed for 1 kernel"}
    assert ask("add", "") == {"foo/2.0": "source, not added", "bar/1.0": "source, not added", ":files": ":files"}
    assert set(ask("build", "f")) == {"foo/1.0", "foo/2.0", ":files"}
    assert ask("remove", "-m", "foo", "-v", "") == {"1.0": "installed for 1 kernel"}
    assert set(ask("install", "foo/1.0", "-k", "")) == {K1, K2}
    assert ask("remove", "foo/1.0", "-k", "") == {K1: "installed"}
    assert set(ask("install", "-k", K1, "--kernelver=6.12")) == {f"--kernelver={K2}"}
    assert ask("build", "-a", "") == {ARCH: "this machine"}
    assert set(ask("status", "--columns", "s")) == {"state", "stale", "signer", "seconds"}
    assert set(ask("status", "--columns=module,state,s")) == {f"--columns=module,state,{name}" for name in ("stale", "signer", "seconds")}
    assert ask("explain", "dis") == {"disk-full": "system"} and "foo/1.0" in ask("explain", "")
    assert set(ask("log", "f")) == {"foo/1.0"} and set(ask("log", "foo", "-k", "")) == {K1, K2}
    assert set(ask("ldtarball", "")) == {":files"}
    assert ask("cache", "gen") == {"generate_key": "action"} and set(ask("cache", "")) >= {"status", "prune", "foo/1.0"}
    assert set(ask("cache", "generate_key", "")) == {":files"} and ask("cache", "generate_key", "file", "") == {}
    assert "generate_key" not in ask("cache", "status", "") and "foo/1.0" in ask("cache", "status", "")
    assert set(ask("status", "--dkmstree", "")) == {":directories"}
    assert "--templatekernel" in ask("match", "--") and "--templatekernel" not in ask("build", "--")
    assert ask("match", "--templatekernel", K1, "") == {"foo": "module"}
    assert ask("autoinstall", "") == {} and ask("build", "foo/1.0", "") == {} and ask("build", "--no-such=") == {}
    assert set(ask("kernel_")) == set() and "autoinstall" in ask(""), "verbs of hooks are not offered"
    # Complete words that would start an action do nothing here.
    assert ask("--quiet", "--version", "--help", "--debug", "unb") == {"unbuild": "Uninstall a module and delete its build"}
    # A tree in another directory, and a root that does not exist.
    assert ask("--dkmstree", str(tmp_path / "empty"), "remove", "") == {}
    assert output(DKMS, "--complete", "--root", tmp_path / "none", "inst") == ""


class Shell:
    """An interactive shell on a terminal. Control-X prints the current line between < and >."""
    SETUP = {
        "bash": (["bash", "--norc", "--noprofile", "-i"],
                 "bind 'set enable-bracketed-paste off'; bind 'set bell-style none'; bind 'set completion-query-items 0'; "
                 "source {data}/dkms.bash; bind -x '\"\\C-x\": echo \"<$READLINE_LINE>\"'\n"),
        "zsh": (["zsh", "-f", "-i"],
                "unsetopt zle_bracketed_paste 2>/dev/null; fpath=({data} $fpath); autoload -U compinit; compinit -u -D; "
                "show () {{ print -r -- \"<$BUFFER>\" }}; zle -N show; bindkey '^X' show; setopt no_beep\n"),
        "fish": (["fish", "--no-config", "-i"], "source {data}/dkms.fish; bind \\cx 'echo \"<\"(commandline)\">\"'\n"),
    }

    def __init__(self, name, directory):
        command, setup = self.SETUP[name]
        environment = dict(os.environ, PATH=f"{pathlib.Path(DKMS).parent}:{os.environ['PATH']}", TERM="xterm", HOME=str(directory),
                           PS1="$ ", HISTFILE="", XDG_CONFIG_HOME=str(directory), XDG_DATA_HOME=str(directory), LC_ALL="C.UTF-8")
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            os.chdir(directory)
            os.execvpe(command[0], command, environment)
        self.seen = ""
        self.type(setup.format(data=SOURCE / "data/completions"))
        self.type("echo re''ady\n")
        self.expect("ready")

    def type(self, text):
        os.write(self.fd, text.encode())

    def expect(self, pattern, seconds=60):
        end = time.monotonic() + seconds
        while not (found := re.search(pattern, self.seen)):
            if not select.select([self.fd], [], [], max(0, end - time.monotonic()))[0]:
                raise AssertionError(f"no {pattern!r} in {self.seen!r}")
            self.seen += os.read(self.fd, 65536).decode(errors="replace")
        self.seen = self.seen[found.end():]
        return found

    def complete(self, line):
        """Types the line and a tab. Returns the completed line."""
        self.type(line + "\t")
        end = time.monotonic() + 60
        became = line
        while became == line and time.monotonic() < end:
            time.sleep(0.2)
            self.type("\x18")
            became = self.expect(r"<(dkms[^<>\r\n]*)>").group(1)
        self.type("\x15")
        return became

    def close(self):
        os.close(self.fd)
        os.kill(self.pid, 9)
        os.waitpid(self.pid, 0)


@pytest.fixture(params=["bash", "zsh", "fish"])
def shell(request, tmp_path):
    assert shutil.which(request.param), f"no {request.param} here; scripts/install-deps check installs it"
    (tmp_path / "home").mkdir()
    shell = Shell(request.param, tmp_path / "home")
    yield shell
    shell.close()


def test_bash_lists_modules_whole(root, tmp_path):
    """Also if a file "1.0" exists, "foo/1.0" is a module."""
    (tmp_path / "home/directory").mkdir(parents=True)
    root.source("foo", "1.0")
    root.source("foo", "2.0")
    shell = Shell("bash", tmp_path / "home")
    try:
        shell.type(f"dkms --root {root.path} build \t\t")
        assert {shell.expect(r"(foo/1\.0|foo/2\.0|directory/)[ \r\n]").group(1) for _ in range(3)} == {"foo/1.0", "foo/2.0", "directory/"}
    finally:
        shell.close()


def test_shells_complete(shell, root):
    root.source("foo", "1.0")
    root.source("other", "2.0")
    root.source("late", "2:1.0")
    root.ok("add", "late/2:1.0")
    root.ok("build", "foo/1.0", "-k", K1)
    (root.path / "home").mkdir(exist_ok=True)
    start = f"dkms --root {root.path} "
    for typed, becomes in (("unb", "unbuild"), ("build --kernelv", "build --kernelver"), ("remove fo", "remove foo/1.0"),
                           ("install -m oth", "install -m other/2.0"), ("remove -m foo -v 1", "remove -m foo -v 1.0"),
                           ("remove la", "remove late/2:1.0"), ("remove late/2:", "remove late/2:1.0"),
                           ("remove -m late -v 2:1", "remove -m late -v 2:1.0"),
                           ("unbuild foo/1.0 -k 6", f"unbuild foo/1.0 -k {K1}"),
                           ("build foo/1.0 --kernelver=6.12", f"build foo/1.0 --kernelver={K2}"),
                           (f"ldtarball {root.path}/lib/mod", f"ldtarball {root.path}/lib/modules/"),
                           (f"status --dkmstree {root.path}/us", f"status --dkmstree {root.path}/usr/")):
        assert shell.complete(start + typed).rstrip() == start + becomes
