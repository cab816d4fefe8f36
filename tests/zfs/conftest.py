"""Prints the results of ZFS in each root: the run time, the end of the log, the modules, and the messages of the kernel."""

RECORD = {} # lines, by suite


def pytest_terminal_summary(terminalreporter):
    for suite, lines in RECORD.items():
        terminalreporter.section(f"zfs-dkms on {suite}", "-")
        for line in lines:
            terminalreporter.write_line(line)
