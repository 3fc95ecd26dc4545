"""The work of the handlers: the same computations as the reference application does."""

import hashlib
import math
import os
import time

from . import settings
from .errors import Refused, Unauthorized

ROUNDS_MAX = 10_000
WAIT_MAX_MS = 10_000
TASKS_MAX = 100
BATCH_MAX = 10_000
BULK_MAX = 10_000
UPLOAD_MAX = 64 << 20
TEXT_MAX = 256 << 10
DOWNLOAD_MAX = 1 << 30
CHUNK_MAX = 1 << 20
FAULTS_REPORTED = 100

KINDS = ["view", "click", "search", "signup", "purchase"]
EVENTS_MAX = 1_000

# A name, an @, and a domain of several labels.
EMAIL = r"^[A-Za-z0-9._%+-]{1,64}@([A-Za-z0-9-]{1,63}\.)+[A-Za-z]{2,63}$"
POSTCODE = r"^[A-Za-z0-9 ]{4,10}$"
CODE = r"^[A-Z]{2}-[0-9]{4}$"

LET_ME_IN = "Bearer let-me-in"
AUTHORS = [f"author-{number}" for number in range(1, 11)]
PASSWORD = "password"

_LETTERS = settings.letters(CHUNK_MAX)


def hash_rounds(rounds: int) -> str:
    """SHA-256 of SHA-256 and so on, `rounds` times."""
    digest = hashlib.sha256(b"uringbench").digest()
    for _ in range(rounds):
        digest = hashlib.sha256(digest).digest()
    return digest.hex()


def execute(rounds: int, wait_ms: int) -> str:
    """A background task: a wait, as for a peer, then work."""
    if wait_ms:
        time.sleep(wait_ms / 1000)
    return hash_rounds(rounds)


def next_digest(digest: bytes) -> bytes:
    return hashlib.sha256(digest).digest()


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def wrapping_sum(numbers: list[int]) -> int:
    """The sum of 64-bit numbers, which wraps around."""
    return (sum(numbers) + 2**63) % 2**64 - 2**63


class Pass:
    """A pass over the bytes of a file as they arrive."""

    def __init__(self) -> None:
        self.bytes = 0
        self.lines = 0
        self._hash = hashlib.sha256()

    def take(self, chunk: bytes) -> None:
        self.bytes += len(chunk)
        self.lines += chunk.count(b"\n")
        self._hash.update(chunk)

    def figures(self) -> dict:
        return {"bytes": self.bytes, "lines": self.lines, "sha256": self._hash.hexdigest()}


def chunks(length: int, size: int):
    """`length` bytes in pieces of `size`."""
    for start in range(0, length, size):
        yield _LETTERS[: min(size, length - start)]


def text_of(content: bytes) -> str:
    try:
        return content.decode()
    except UnicodeDecodeError:
        raise Refused("send text in UTF-8, in lines of name,number") from None


def summary_of(text: str) -> dict:
    """Parse lines of `name,number`, skip the others, normalise, sum."""
    rows, skipped, total = 0, 0, 0.0
    names, digest = set(), hashlib.sha256()
    for line in text.splitlines():
        name, number = _parse(line)
        if name is None:
            skipped += 1
            continue
        names.add(name)
        digest.update(f"{name},{str(number).removesuffix('.0')}\n".encode())
        rows += 1
        total += number
    return {
        "rows": rows,
        "skipped": skipped,
        "names": len(names),
        "sum": total,
        "mean": total / rows if rows else 0.0,
        "sha256": digest.hexdigest(),
    }


def _parse(line: str) -> tuple[str | None, float]:
    name, comma, number = line.partition(",")
    name = name.strip().lower()
    try:
        value = float(number)
    except ValueError:
        return None, 0.0
    return (name, value) if comma and name and math.isfinite(value) else (None, 0.0)


def token_of(name: str) -> str:
    """The token is its own proof, so that logins store nothing."""
    return f"{name}.{sha256(f'uringbench blog {name}'.encode())}"


def log_in(name: str, password: str) -> str:
    if name not in AUTHORS or password != PASSWORD:
        raise Unauthorized("log in as author-1 to author-10")
    return token_of(name)


def author_of(authorization: str | None) -> str:
    """The author whose token is in this header."""
    token = (authorization or "").removeprefix("Bearer ")
    name = token.split(".")[0]
    if not authorization or token != token_of(name):
        raise Unauthorized("log in, and send `Authorization: Bearer TOKEN`")
    return name


def number_of(header: str | None) -> int:
    """The number in an `X-Number`."""
    try:
        return int(header or "0")
    except ValueError:
        raise Refused("give a whole number in x-number") from None


def resident_bytes() -> int:
    with open("/proc/self/statm") as figures:
        return int(figures.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
