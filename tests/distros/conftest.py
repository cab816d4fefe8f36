"""Prints a table of the steps in each root, with their run times."""

TABLE = {} # by suite: what it is made of, and for each step its seconds or what became of it


def pytest_terminal_summary(terminalreporter):
    steps = list(dict.fromkeys(step for _, row in TABLE.values() for step in row))
    if not steps:
        return
    terminalreporter.write_line("")
    rows = [("root", *steps, "with")] + [(suite, *(row.get(step, "-") for step in steps), tools) for suite, (tools, row) in TABLE.items()]
    widths = [max(len(row[n]) for row in rows) for n in range(len(rows[0]))]
    for row in rows:
        terminalreporter.write_line("  ".join(word.ljust(width) for word, width in zip(row, widths)).rstrip())
