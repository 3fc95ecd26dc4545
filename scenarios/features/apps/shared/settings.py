"""Settings from the environment, and the folder of data."""

import os
import tempfile
from contextlib import suppress
from pathlib import Path

WORKERS = int(os.environ.get("WORKERS", "4"))
# Of gunicorn's workers. FastAPI and Catzilla have no use for it.
THREADS = int(os.environ.get("THREADS", "4"))
# Threads that do background tasks in each worker, where the framework leaves it to the application.
TASK_THREADS = 4
LETTERS = b"abcdefghijklmnopqrstuvwxyz"
# Has a sign that no answer to a refused request contains.
SECRET = "§ nobody may read this\n".encode()
HIDDEN = [".secret", ".env", ".htpasswd", ".git/config", "cold/.secret"]


def port(usual: int) -> int:
    return int(os.environ.get("PORT", str(usual)))


def data_dir(name: str) -> Path:
    """The folder for state and static files of this application, which exists when this returns."""
    usual = Path(tempfile.gettempdir()) / f"uringbench-features-{name}"
    folder = Path(os.environ.get("DATA_DIR", str(usual)))
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def static_dir(data: Path) -> Path:
    """The folder of static files: some to serve, and secrets inside and outside of it that must
    never be served, for `scenarios/claims/attacks.toml`."""
    folder = data / "static"
    _write(folder / "bench.bin", letters(102_400))
    _write(folder / "small.txt", letters(1_024))
    # The same again, in a folder that a server with a cache can leave out of it.
    _write(folder / "cold" / "small.txt", letters(1_024))
    for name in HIDDEN:
        _write(folder / name, SECRET)
    _write(data / "outside.txt", SECRET)
    _write(data / "outside" / "file.txt", SECRET)
    _link(folder / "link.txt", "../outside.txt")
    _link(folder / "link", "../outside")
    return folder


def letters(length: int) -> bytes:
    """The alphabet, repeated."""
    return (LETTERS * (length // len(LETTERS) + 1))[:length]


def _write(path: Path, content: bytes) -> None:
    # Several workers start at once: none may see half a file of another.
    if path.exists() and path.stat().st_size == len(content):
        return
    path.parent.mkdir(exist_ok=True)
    partial = path.with_name(f"{path.name}.{os.getpid()}")
    partial.write_bytes(content)
    partial.replace(path)


def _link(path: Path, target: str) -> None:
    # Another worker may have made it.
    with suppress(FileExistsError):
        path.symlink_to(target)
