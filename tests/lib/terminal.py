"""A program on a terminal that exists in memory only: its screen, its scrollback, its keys and its size."""
import fcntl
import os
import pty
import re
import select
import signal
import struct
import termios
import time

import pyte

# Live lines without their end, or a part of their beginning. dkms does not let the terminal wrap lines while it draws them.
INCOMPLETE = re.compile(rb"\033(\[(\?(7(l(?!.*\033\[\?7h).*)?)?)?)?\Z", re.S)

# Variables by which programs recognise a terminal. Those of the terminal in which the tests run must not matter.
KNOWN = ["DEBIAN_FRONTEND", "TERM_PROGRAM", "TERM_FEATURES", "VTE_VERSION", "WT_SESSION", "ConEmuANSI", "TMUX", "STY", "NO_COLOR", "COLUMNS", "LINES"]


class Screen(pyte.HistoryScreen):
    """A screen whose size changes as in xterm, or with @wraps as in terminals that wrap their lines again: rows below the
    cursor are dropped first, then rows at the top go to the scrollback."""

    def __init__(self, columns, lines, wraps=False):
        self.wraps = wraps
        super().__init__(columns, lines, history=10000, ratio=0.5)

    def row(self, number):
        return dict(self.buffer[number])

    def resize(self, lines=None, columns=None):
        lines, columns = lines or self.lines, columns or self.columns
        rows, cursor = [self.row(y) for y in range(self.lines)], self.cursor.y
        if self.wraps and columns != self.columns:
            rows, cursor = self.wrap(rows, cursor, columns)
        while len(rows) > lines and len(rows) > cursor + 1:
            rows.pop()
        while len(rows) > lines:
            self.history.top.append(rows.pop(0))
            cursor -= 1
        self.lines, self.columns = lines, columns
        self.margins = None
        self.buffer.clear()
        for y, row in enumerate(rows):
            for x, character in row.items():
                if x < columns:
                    self.buffer[y][x] = character
        self.cursor.y, self.cursor.x = cursor, min(self.cursor.x, columns - 1)
        self.dirty.update(range(lines))

    def wrap(self, rows, cursor, columns):
        """@rows in lines of @columns; a row that is full continues in the next one."""
        result, line, place = [], {}, None
        for y, row in enumerate(rows):
            begin = max(line, default=-1) + 1
            if y == cursor:
                place = len(result) + begin // columns
            line.update({begin + x: character for x, character in row.items()})
            if self.columns - 1 in row and row[self.columns - 1].data != " ":
                continue
            last = max((x for x, c in line.items() if c.data != " "), default=0)
            for begin in range(0, last + 1, columns):
                result.append({x - begin: c for x, c in line.items() if begin <= x < begin + columns})
            line = {}
        return result, min(place, len(result) - 1)

    def text_of(self, row):
        return "".join(row[x].data if x in row else " " for x in range(max(row, default=-1) + 1)).rstrip()

    def scrollback(self):
        return [self.text_of(row) for row in self.history.top]

    def everything(self):
        """All lines, from the oldest in the scrollback to the last one on the screen that is not empty."""
        return re.sub(r"\n+\Z", "", "\n".join(self.scrollback() + [self.text_of(self.row(y)) for y in range(self.lines)])).split("\n")


class Terminal:
    """Runs @command on a terminal of its own, in a session of its own."""

    def __init__(self, command, columns=100, lines=24, env=None, wraps=False):
        self.screen = Screen(columns, lines, wraps)
        self.stream = pyte.ByteStream(self.screen)
        self.raw = b""
        self.shown = 0
        self.code = None
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            try:
                for name in KNOWN:
                    os.environ.pop(name, None)
                os.environ.update({"TERM": "xterm", "LC_ALL": "C.UTF-8", **(env or {})})
                fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))
                os.execvp(command[0], [str(word) for word in command])
            finally:
                os._exit(125)  # this process must not continue with the other tests

    def read(self, seconds=0.05):
        """Takes output that arrives within @seconds. Live lines are shown when all of them have arrived. Returns: FALSE at its end"""
        if not select.select([self.fd], [], [], seconds)[0]:
            return True
        try:
            chunk = os.read(self.fd, 65536)
        except OSError:
            chunk = b""
        self.raw += chunk
        waiting = self.raw[self.shown:]
        shown = INCOMPLETE.sub(b"", waiting) if chunk else waiting
        self.stream.feed(shown)
        self.shown += len(shown)
        return chunk != b""

    def wait(self, condition):
        """Waits until @condition holds for the text of the screen."""
        end = time.monotonic() + 60
        while not condition("\n".join(self.screen.display)):
            assert self.read() and time.monotonic() < end, "\n".join(self.screen.everything())

    def finish(self, step=lambda: None):
        """Waits for the end of the program, and calls @step again and again. Returns: its exit status"""
        end = time.monotonic() + 120
        while self.read():
            step()
            assert time.monotonic() < end, "\n".join(self.screen.everything())
        _, status = os.waitpid(self.pid, 0)
        os.close(self.fd)
        self.code = os.waitstatus_to_exitcode(status)
        return self.code

    def type(self, keys):
        os.write(self.fd, keys)

    def resize(self, columns, lines):
        """As the user who pulls at the window: the terminal changes its screen first, and then signals the program. Lines for the
        old size must not come in between, which no program can avoid; therefore it is stopped for a moment."""
        os.kill(self.pid, signal.SIGSTOP)
        os.waitpid(self.pid, os.WUNTRACED)
        while select.select([self.fd], [], [], 0)[0] and self.read():
            pass
        self.screen.resize(lines, columns)
        fcntl.ioctl(self.fd, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))
        os.kill(self.pid, signal.SIGCONT)
