"""Prints what came of ZFS in each root: how long it took, the end of its log, its modules, what the kernel made of them."""

RECORD = {} # lines, by suite


def pytest_terminal_summary(terminalreporter):
    for suite, lines in RECORD.items():
        terminalreporter.section(f"zfs-dkms on {suite}", "-")
        for line in lines:
            terminalreporter.write_line(line)
