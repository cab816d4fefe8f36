#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Report a module that failed to build as a crash of its package; dkms calls this when a build fails.

Exit status: 0 a report was written; 1 nothing to report; 2 wrong arguments; 3 no source package.
"""
import argparse
import pathlib
import sys

import apport
import apport.fileutils

TREE = pathlib.Path("/var/lib/dkms")
SOURCES = pathlib.Path("/usr/src")


def give_up(status, text):
    print(f"dkms_packages.py: {text}", file=sys.stderr)
    sys.exit(status)


def arguments():
    parser = argparse.ArgumentParser(add_help=False)
    parser.add_argument("-m", dest="module", default="")
    parser.add_argument("-v", dest="version", default="")
    parser.add_argument("-k", dest="kernel", default="")
    parser.add_argument("--cause", default="", help="why the build failed, a name of 'dkms explain'")
    parser.add_argument("--name", default="", help="what the cause is about, such as a function")
    parser.add_argument("--text", default="", help="a sentence about the cause")
    found, _ = parser.parse_known_args()
    if not found.module or not found.version:
        give_up(2, "a module (-m) and its version (-v) are needed")
    return found


def is_ours(package):
    try:
        return apport.packaging.is_distro_package(package)
    except ValueError:
        return False


def read_log(path):
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None


def main():
    asked = arguments()
    package = apport.packaging.get_file_package(str(SOURCES / f"{asked.module}-{asked.version}"))
    if package is None:
        give_up(1, f"no package owns the source of {asked.module}/{asked.version}")
    if asked.kernel and not is_ours(f"linux-headers-{asked.kernel}"):
        give_up(1, f"kernel {asked.kernel} is not the distribution's")
    try:
        source = apport.packaging.get_source(package)
        version = apport.packaging.get_version(package)
    except ValueError:
        source = version = None
    if source is None:
        give_up(3, f"package {package} has no known source package")

    build = TREE / asked.module / asked.version / "build"
    log = read_log(build / "make.log")
    if log is not None and "Segmentation fault" in log:
        give_up(1, "the compiler crashed; the package did not cause that")

    report = apport.Report("Package")
    report["Package"] = f"{package} {version or '(not installed)'}"
    report["SourcePackage"] = source
    report["PackageVersion"] = version or ""
    report["Title"] = asked.text or f"{package} {version or ''}: {asked.module} kernel module failed to build"
    report["DKMSKernelVersion"] = asked.kernel
    if asked.cause not in ("", "unknown"):
        # Reports of equal causes are duplicates, whatever the line is that the compiler printed first.
        report["DuplicateSignature"] = f"dkms:{package}:{version}:{asked.cause}:{asked.name}"
    if log is not None:
        report["DKMSBuildLog"] = log
        first = next((line.strip() for line in log.splitlines() if ": error:" in line), None)
        if first is not None and "DuplicateSignature" not in report:
            report["DuplicateSignature"] = f"dkms:{package}:{version}:{first}"
    if source == "fglrx-installer":
        extra = read_log(build / "make.sh.log")
        if extra is not None:
            report["FglrxBuildLog"] = extra
    try:
        with apport.fileutils.make_report_file(report) as file:
            report.write(file)
    except OSError as error:
        apport.fatal("Cannot write the report: %s", str(error))


if __name__ == "__main__":
    main()
