"""Background tasks: the account of them, and a queue for frameworks that have no task system.

The account is in the store, so that every worker process can tell what became of a task. Tasks that
are done are noted there many at a time: a transaction for each would measure SQLite.
"""

import heapq
import threading
import time

from . import work
from .errors import Busy
from .store import Store

# Most tasks that wait in a worker process, and most that are known.
QUEUE_MAX = 10_000
KNOWN_MAX = 20_000
NOTE_EVERY_S = 0.02


class Account:
    """The tasks of this worker process. Each accepted task has to be given to `execute` once."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._lock = threading.Lock()
        self._any_done = threading.Event()
        self._done: list[int] = []
        self._running = 0
        self.begun = 0
        self.done = 0
        threading.Thread(target=self._note_done, daemon=True).start()

    def accept(self, priority: int, count: int = 1) -> int:
        """The number of the first task; refused if they do not all fit."""
        with self._lock:
            is_full = self.begun - self.done + count > QUEUE_MAX
            if not is_full:
                self.begun += count
        if is_full:
            self._store.add_refused(count)
            raise Busy("the queue is full, send tasks later")
        return self._store.add_tasks(priority, count, KNOWN_MAX)

    def execute(self, number: int, rounds: int, wait_ms: int) -> None:
        """Do an accepted task."""
        with self._lock:
            self._running += 1
        try:
            work.execute(rounds, wait_ms)
        finally:
            with self._lock:
                self._running -= 1
                self.done += 1
                self._done.append(number)
            self._any_done.set()

    def monitor(self) -> dict:
        """`running` is of this worker process, the rest of all."""
        return {"running": self._running} | self._store.tasks()

    def _note_done(self) -> None:
        while True:
            self._any_done.wait()
            # More are done in the meantime.
            time.sleep(NOTE_EVERY_S)
            self._any_done.clear()
            with self._lock:
                numbers, self._done = self._done, []
            self._store.set_done(numbers)


class Queue:
    """Threads that do tasks, the highest priority first and then the oldest."""

    def __init__(self, account: Account, threads: int) -> None:
        self._account = account
        self._waiting: list[tuple[int, int, int, int]] = []
        self._arrived = threading.Condition()
        for _ in range(threads):
            threading.Thread(target=self._work, daemon=True).start()

    def add(self, priority: int, rounds: int, wait_ms: int, count: int = 1) -> int:
        """The number of the first task."""
        first = self._account.accept(priority, count)
        with self._arrived:
            for number in range(first, first + count):
                heapq.heappush(self._waiting, (-priority, number, rounds, wait_ms))
            self._arrived.notify(count)
        return first

    def _work(self) -> None:
        while True:
            with self._arrived:
                self._arrived.wait_for(lambda: self._waiting)
                _, number, rounds, wait_ms = heapq.heappop(self._waiting)
            self._account.execute(number, rounds, wait_ms)
