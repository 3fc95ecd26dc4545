"""The content that all three applications serve, so that they do the same work.

It is that of the reference application of uringbench: the length of /json-large and the rows of
the page are equal.
"""

import hashlib
import os
import tempfile
from pathlib import Path

TEMPLATES = Path(__file__).parent / "templates"
PAGE = "page.html"
PAGE_TITLE = "Items & more"
PAGE_ITEMS = [f"Item <{number}>" for number in range(1, 51)]

CHUNK = b"s" * 10 * 1024
CHUNKS = 100
EVENTS = 50

SELECT_ROW = "SELECT id, name, email, score FROM seeded WHERE id = $1"
INSERT_ROW = (
    "INSERT INTO written (name, email, score) VALUES ($1, $2, $3)"
    " RETURNING id, name, email, score"
)
POOL_MIN = 4
POOL_MAX = 8
NO_DATABASE = "the application was started without DATABASE_URL"

_STATIC_FILE = "bench.bin"
_STATIC_BYTES = 100 * 1024
_TASK_ROUNDS = 100


def large_records() -> list[dict]:
    """9,000 records, 1,119,553 bytes as compact JSON."""
    return [
        {
            "id": number,
            "name": f"user-{number}",
            "email": f"user-{number}@example.com",
            "active": number % 2 == 0,
            "score": number / 8,
            "tags": ["alpha", "beta", "gamma"],
        }
        for number in range(1, 9001)
    ]


def static_folder() -> Path:
    """The folder with bench.bin, which is created if it is missing."""
    default = Path(tempfile.gettempdir()) / f"uringbench-shootout-{os.getuid()}"
    folder = Path(os.environ.get("STATIC_DIR") or default)
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    file = folder / _STATIC_FILE
    if not file.exists() or file.stat().st_size != _STATIC_BYTES:
        # Workers start at the same time: a rename shows the others the whole file or none.
        written = folder / f"{_STATIC_FILE}.{os.getpid()}"
        written.write_bytes(bytes(_STATIC_BYTES))
        written.replace(file)
    return folder


def work(task: int) -> str:
    """The work of a background task: SHA-256, 100 times in a row."""
    digest = str(task).encode()
    for _ in range(_TASK_ROUNDS):
        digest = hashlib.sha256(digest).digest()
    return digest.hex()
