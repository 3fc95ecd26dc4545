"""Settings from the environment, and the folder of data."""

import os
import tempfile
from pathlib import Path

WORKERS = int(os.environ.get("WORKERS", "4"))
# Of gunicorn's workers. FastAPI and Catzilla have no use for it.
THREADS = int(os.environ.get("THREADS", "4"))
# Threads that do background tasks in each worker, where the framework leaves it to the application.
TASK_THREADS = 4
LETTERS = b"abcdefghijklmnopqrstuvwxyz"


def port(usual: int) -> int:
    return int(os.environ.get("PORT", str(usual)))


def data_dir(name: str) -> Path:
    """The folder for state and static files of this application, which exists when this returns."""
    usual = Path(tempfile.gettempdir()) / f"uringbench-features-{name}"
    folder = Path(os.environ.get("DATA_DIR", str(usual)))
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def static_dir(data: Path) -> Path:
    """The folder of static files: two to serve, and two that must never be served."""
    folder = data / "static"
    folder.mkdir(exist_ok=True)
    _write(folder / "bench.bin", letters(102_400))
    _write(folder / "small.txt", letters(1_024))
    _write(folder / ".secret", b"hidden file\n")
    _write(data / "outside.txt", b"outside of the folder\n")
    return folder


def letters(length: int) -> bytes:
    """The alphabet, repeated."""
    return (LETTERS * (length // len(LETTERS) + 1))[:length]


def _write(path: Path, content: bytes) -> None:
    # Several workers start at once: none may see half a file of another.
    if path.exists() and path.stat().st_size == len(content):
        return
    partial = path.with_name(f"{path.name}.{os.getpid()}")
    partial.write_bytes(content)
    partial.replace(path)
