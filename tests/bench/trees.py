"""Trees as dkms 3 and dkms leave them, made without building anything."""
import json
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "system"))
import conftest # noqa: E402
from conftest import ARCH # noqa: E402


def kernel_name(i):
    return f"6.1.0-{i + 10}-test"


def signature(path):
    """The same as in base/file.h."""
    st = path.stat()
    times = ":".join(f"{ns // 10**9}.{ns % 10**9:09}" for ns in (st.st_mtime_ns, st.st_ctime_ns))
    return f"{st.st_dev:x}:{st.st_ino:x}:{st.st_size}:{times}"


def build(root, name, kernel, recorded):
    base = root.tree / name / "1.0" / kernel / ARCH
    (base / "module").mkdir(parents=True)
    (base / "log").mkdir()
    (base / "log/make.log").write_text("DKMS make.log\n")
    place = root.modules / kernel / "updates/dkms"
    place.mkdir(parents=True, exist_ok=True)
    made, installed = base / f"module/{name}.ko", place / f"{name}.ko"
    made.write_text("x" * 100)
    installed.write_text("x" * 100)
    (root.tree / name / f"kernel-{kernel}-{ARCH}").symlink_to(f"1.0/{kernel}/{ARCH}")
    if recorded:
        module = {"name": name, "location": "/updates/dkms", "file": f"{name}.ko", "sha256": "0" * 64,
                  "built": signature(made), "installed": signature(installed), "owned": signature(installed)}
        record = {"format": 1, "seconds": 1.0, "checked": True, "doubts": [], "modules": [module]}
        (base / ".record.json").write_text(json.dumps(record, separators=(",", ":")) + "\n")


def tree(path, modules, kernels, recorded, extra=""):
    """Makes a root in @path with installed builds of @modules modules for each of @kernels kernels; @recorded: with the
    records of dkms, as after their adoption; @extra: more lines of each dkms.conf. Returns: the Root"""
    path.chmod(0o755)
    root = conftest.Root(path / "root")
    names = [kernel_name(i) for i in range(kernels)]
    for kernel in names:
        root.kernel(kernel)
    for i in range(modules):
        root.source(f"mod{i:03}", extra=extra)
        registered = root.tree / f"mod{i:03}/1.0"
        registered.mkdir(parents=True)
        (registered / "source").symlink_to(f"../../../../../usr/src/mod{i:03}-1.0") # valid with and without --root
        for kernel in names:
            build(root, f"mod{i:03}", kernel, recorded)
    return root
