"""The state of one worker process, made when the application is loaded."""

import threading
from collections import deque
from pathlib import Path

from . import work
from .store import Store
from .tasks import Account

LINES_KEPT = 100
TEXT_START = 100


class State:
    def __init__(self, folder: Path) -> None:
        self.store = Store(folder)
        self.account = Account(self.store)
        self.log = Log()
        self.requests = Counter()

    def stats(self) -> dict:
        return {
            "requests": self.requests.value,
            "rss_bytes": work.resident_bytes(),
            "background": {"begun": self.account.begun, "done": self.account.done},
        }


class Counter:
    """Counts from 1."""

    def __init__(self) -> None:
        self.value = 0
        self._lock = threading.Lock()

    def next(self) -> int:
        with self._lock:
            self.value += 1
            return self.value


class Log:
    """The newest lines of the logging layer."""

    def __init__(self) -> None:
        self._lines: deque[dict] = deque(maxlen=LINES_KEPT)
        self._numbers = Counter()

    def add(self, id: str | None, method: str, path: str, status: int, seconds: float) -> str:
        """Returns the id of the request: its own, or the next number."""
        number = self._numbers.next()
        id = id[:TEXT_START] if id else f"request-{number}"
        micros = int(seconds * 1e6)
        line = {"id": id, "method": method, "path": path[:TEXT_START], "status": status}
        self._lines.appendleft(line | {"micros": micros})
        return id

    def lines(self) -> list[dict]:
        return list(self._lines)


class Counts:
    """One for the whole application: the singleton of the dependency injection."""

    def __init__(self) -> None:
        self.uses = Counter()
        self.scopes = Counter()
        self.transients = Counter()
