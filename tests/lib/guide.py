"""The pages of docs/guide as tests: their files are written, their commands are run, and the output is compared with the page."""
import pathlib
import re
import shlex

TOP = pathlib.Path(__file__).resolve().parents[2]
KERNEL = r"\b\d+\.\d+\.\d+\S*?-((?:rt-)?amd64)\b"


def read(page, section=None):
    """The text of a page, or of one section of it with its subsections."""
    text = (TOP / "docs/guide" / page).read_text()
    return re.search(rf"^## {section}\n(.*?)(?=^## |\Z)", text, re.M | re.S)[1] if section else text


def files(text):
    """Paths and contents: a block of code after a line that consists of a path in quotes."""
    return re.findall(r"^`([^`\s]+)`:\n\n```\w*\n(.*?)^```$", text, re.M | re.S)


def steps(text):
    """Commands with their output. `...` is any number of lines."""
    found = []
    for block in re.findall(r"^```console\n(.*?)^```$", text, re.M | re.S):
        for command, output in re.findall(r"^\$ (.*)\n((?:(?!\$ ).*\n)*)", block, re.M):
            found.append((command, output))
    return found


def normalise(text):
    """Replaces what differs between machines, and drops lines that depend on the terminal or on the user."""
    text = re.sub(r"^\(Reading database.*\n|^running with root privileges.*\n|^debconf: .*\n", "", text, flags=re.M)
    text = re.sub(KERNEL, r"KERNEL-\1", text)
    text = re.sub(r"\bv4l2loopback/[\d.]+", "v4l2loopback/N", text)
    text = re.sub(r"^First error: /\S*/", "First error: ", text, flags=re.M) # newer kernels print relative paths
    text = re.sub(r"\.ko(?:\.xz|\.zst|\.gz)?\b", ".ko", text)
    return re.sub(r"\d+\.\d+ s\b", "N s", re.sub(r" +$", "", text, flags=re.M))


def pattern(output):
    """A regular expression for the output of a command."""
    lines = ["(?:.*\n)*?" if line == "..." else re.escape(line) + "\n" for line in normalise(output).splitlines()]
    return "".join(lines)


class Reader:
    """Follows a page in a Debian root: writes its files and runs its commands below @start, with the kernels of the root."""

    def __init__(self, root, start, kernels=None):
        """@kernels: the system whose kernels are used in place of those of the page"""
        self.root, self.here, self.prepare = root, start, ":"
        self.kernels = (kernels or root.path) / "lib/modules"

    def write(self, text):
        for path, content in files(text):
            target = self.root.path / self.here.lstrip("/") / path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(content)

    def kernel(self, flavour):
        names = [path.name for path in self.kernels.iterdir() if (path / "build").is_symlink() or (path / "build").exists()]
        return max((name for name in names if re.fullmatch(KERNEL, name) and re.fullmatch(KERNEL, name)[1] == flavour), key=lambda n: [int(d) for d in re.findall(r"\d+", n)])

    def follow(self, text, codes=(), timeout=None):
        """Runs all commands. @codes: expected exit statuses other than 0, by the first words of the command."""
        for command, output in steps(text):
            line = re.sub(KERNEL, lambda match: self.kernel(match[1]), command.replace("sudo ", ""))
            result = self.root.run(f"{self.prepare}; cd {shlex.quote(self.here)}; set +e; {line}\nstatus=$?; pwd > /tmp/here; exit $status", timeout)
            expected = next((code for words, code in dict(codes).items() if command.startswith(words)), 0)
            assert result.returncode == expected, f"{command}\nexit status {result.returncode}\n{result.stdout[-6000:]}"
            real = normalise(result.stdout)
            assert re.fullmatch(pattern(output), real), f"{command}\nThe page:\n{normalise(output)}\nIs:\n{real[-6000:]}"
            self.here = (self.root.path / "tmp/here").read_text().strip()
