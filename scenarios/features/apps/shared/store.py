"""State between requests: a shop, a blog, analytics and texts, in one SQLite file.

A file, since an order that one worker process takes is read in another. Write-ahead logging lets
reads go on during a write; a lock in each process keeps its threads from polling for SQLite's own.
What grows is bounded, as in the reference application.
"""

import json
import sqlite3
import threading
import time
from contextlib import contextmanager
from pathlib import Path

from .errors import Conflict, NotFound, Refused
from .work import AUTHORS, KINDS

PRODUCTS = 200
STOCK = 1_000_000_000
PAGE = 20
PAGES = PRODUCTS // PAGE
ORDERS_KEPT = 10_000
SEEDED = 100
WRITTEN_KEPT = 1_000
COMMENTS_KEPT = 20
LISTED = 20
TEXTS_KEPT = 256
SECONDS_KEPT = 60

_TABLES = """
CREATE TABLE IF NOT EXISTS products (
    id INTEGER PRIMARY KEY, name TEXT NOT NULL, price_cents INTEGER NOT NULL, stock INTEGER NOT NULL
);
CREATE TABLE IF NOT EXISTS orders (id INTEGER PRIMARY KEY, total_cents INTEGER, lines TEXT);
CREATE TABLE IF NOT EXISTS posts (
    id INTEGER PRIMARY KEY, author TEXT, title TEXT, text TEXT, commented INTEGER DEFAULT 0
);
CREATE TABLE IF NOT EXISTS comments (
    post INTEGER, number INTEGER, author TEXT, text TEXT, PRIMARY KEY (post, number)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS kinds (
    kind TEXT PRIMARY KEY, count INTEGER, total REAL, least REAL, most REAL
);
CREATE TABLE IF NOT EXISTS seconds (second INTEGER PRIMARY KEY, events INTEGER);
CREATE TABLE IF NOT EXISTS texts (id INTEGER PRIMARY KEY, bytes INTEGER, text TEXT, result TEXT);
CREATE TABLE IF NOT EXISTS tasks (id INTEGER PRIMARY KEY, priority INTEGER, place INTEGER);
CREATE INDEX IF NOT EXISTS waiting ON tasks (priority) WHERE place IS NULL;
CREATE TABLE IF NOT EXISTS counts (name TEXT PRIMARY KEY, count INTEGER);
"""


class Store:
    def __init__(self, folder: Path) -> None:
        self._path = folder / "state.sqlite3"
        self._local = threading.local()
        self._lock = threading.Lock()
        self._fill()

    def _connection(self) -> sqlite3.Connection:
        """The connection of this thread."""
        if not hasattr(self._local, "connection"):
            # Transactions are begun by `writing`, not by the driver.
            connection = sqlite3.connect(self._path, timeout=30, isolation_level=None)
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = NORMAL")
            self._local.connection = connection
        return self._local.connection

    @contextmanager
    def writing(self):
        """A transaction that writes: all of it or nothing."""
        with self._lock:
            connection = self._connection()
            connection.execute("BEGIN IMMEDIATE")
            try:
                yield connection
            except BaseException:
                connection.execute("ROLLBACK")
                raise
            connection.execute("COMMIT")

    def _one(self, query: str, *values):
        return self._connection().execute(query, values).fetchone()

    def _all(self, query: str, *values):
        return self._connection().execute(query, values).fetchall()

    def _fill(self) -> None:
        """Create what is missing; workers that start at the same time wait for each other."""
        self._connection().executescript(_TABLES)
        products = [
            (id, f"Product {id}", 100 + id * 37 % 5_000, 0 if id == PRODUCTS else STOCK)
            for id in range(1, PRODUCTS + 1)
        ]
        text = "What a framework does with a page of text. " * 20
        posts = [
            (id, AUTHORS[id % len(AUTHORS)], f"Post {id}", text) for id in range(1, SEEDED + 1)
        ]
        counts = [("done", 0), ("refused", 0), ("started", int(time.time()))]
        with self.writing() as db:
            db.executemany("INSERT OR IGNORE INTO products VALUES (?, ?, ?, ?)", products)
            db.executemany(
                "INSERT OR IGNORE INTO posts (id, author, title, text) VALUES (?, ?, ?, ?)", posts
            )
            db.executemany(
                "INSERT OR IGNORE INTO kinds VALUES (?, 0, 0.0, 0.0, 0.0)", [(k,) for k in KINDS]
            )
            db.executemany("INSERT OR IGNORE INTO counts VALUES (?, ?)", counts)

    # The shop.

    def products(self, page: int) -> dict:
        rows = self._all(
            "SELECT id, name, price_cents, stock FROM products WHERE id > ? ORDER BY id LIMIT ?",
            (page - 1) * PAGE,
            PAGE,
        )
        return {"page": page, "pages": PAGES, "products": [_product(row) for row in rows]}

    def product(self, id: int) -> dict:
        row = self._one("SELECT id, name, price_cents, stock FROM products WHERE id = ?", id)
        if row is None:
            raise NotFound("there is no such product, they go from 1 to 200")
        return _product(row)

    def inventory(self, id: int) -> dict:
        return {"product": id, "stock": self.product(id)["stock"]}

    def deliver(self, id: int, add: int) -> dict:
        with self.writing() as db:
            db.execute("UPDATE products SET stock = stock + ? WHERE id = ?", (add, id))
            return self.inventory(id)

    def order(self, lines: list[dict]) -> dict:
        """All lines or none."""
        if len({line["product"] for line in lines}) < len(lines):
            raise Refused("order a product in one line")
        with self.writing() as db:
            total = 0
            for line in lines:
                product = self.product(line["product"])
                if product["stock"] < line["quantity"]:
                    raise Conflict("not enough of a product is left, order less")
                total += product["price_cents"] * line["quantity"]
                db.execute(
                    "UPDATE products SET stock = stock - ? WHERE id = ?",
                    (line["quantity"], line["product"]),
                )
            number = db.execute(
                "INSERT INTO orders (total_cents, lines) VALUES (?, ?)", (total, json.dumps(lines))
            ).lastrowid
            db.execute("DELETE FROM orders WHERE id <= ?", (number - ORDERS_KEPT,))
        return {"order": number, "status": "placed", "total_cents": total, "lines": lines}

    def ordered(self, number: int) -> dict:
        row = self._one("SELECT total_cents, lines FROM orders WHERE id = ?", number)
        if row is None:
            raise NotFound("there is no such order, or it is an old one")
        total, lines = row[0], json.loads(row[1])
        return {"order": number, "status": "placed", "total_cents": total, "lines": lines}

    # The blog.

    def posts(self) -> list[dict]:
        rows = self._all("SELECT id, author, title FROM posts ORDER BY id DESC LIMIT ?", LISTED)
        return [{"id": id, "author": author, "title": title} for id, author, title in rows]

    def post(self, id: int) -> dict:
        row = self._one("SELECT author, title, text FROM posts WHERE id = ?", id)
        if row is None:
            raise NotFound("there is no such post, or it is an old one")
        comments = self._all(
            "SELECT author, text FROM comments WHERE post = ? ORDER BY number DESC", id
        )
        return {
            "id": id,
            "author": row[0],
            "title": row[1],
            "text": row[2],
            "comments": [{"author": author, "text": text} for author, text in comments],
        }

    def write(self, author: str, title: str, text: str) -> dict:
        with self.writing() as db:
            id = db.execute(
                "INSERT INTO posts (author, title, text) VALUES (?, ?, ?)", (author, title, text)
            ).lastrowid
            oldest = id - WRITTEN_KEPT
            db.execute("DELETE FROM posts WHERE id > ? AND id <= ?", (SEEDED, oldest))
            db.execute("DELETE FROM comments WHERE post > ? AND post <= ?", (SEEDED, oldest))
        return {"id": id, "author": author, "title": title}

    def comment(self, post: int, author: str, text: str) -> dict:
        with self.writing() as db:
            row = db.execute(
                "UPDATE posts SET commented = commented + 1 WHERE id = ? RETURNING commented",
                (post,),
            ).fetchone()
            if row is None:
                raise NotFound("there is no such post, or it is an old one")
            number = row[0]
            db.execute("INSERT INTO comments VALUES (?, ?, ?, ?)", (post, number, author, text))
            db.execute(
                "DELETE FROM comments WHERE post = ? AND number <= ?",
                (post, number - COMMENTS_KEPT),
            )
        return {"post": post, "comment": number}

    # Analytics.

    def add_events(self, events: list[tuple[str, float]]) -> dict:
        """Add events, each a kind and a value, to the sums."""
        with self.writing() as db:
            db.executemany(
                "UPDATE kinds SET count = count + 1, total = total + :value,"
                " least = CASE count WHEN 0 THEN :value ELSE min(least, :value) END,"
                " most = CASE count WHEN 0 THEN :value ELSE max(most, :value) END"
                " WHERE kind = :kind",
                [{"kind": kind, "value": value} for kind, value in events],
            )
            second = int(time.time()) - self._count("started")
            db.execute(
                "INSERT INTO seconds VALUES (?, ?)"
                " ON CONFLICT DO UPDATE SET events = events + excluded.events",
                (second, len(events)),
            )
            db.execute(
                "DELETE FROM seconds WHERE second NOT IN"
                " (SELECT second FROM seconds ORDER BY second DESC LIMIT ?)",
                (SECONDS_KEPT,),
            )
        return {"accepted": len(events)}

    def summary(self) -> dict:
        rows = {row[0]: row[1:] for row in self._all("SELECT * FROM kinds")}
        kinds = {}
        for kind in KINDS:
            count, total, least, most = rows[kind]
            mean = total / max(count, 1)
            kinds[kind] = {"count": count, "min": least, "max": most, "mean": mean}
        return {"events": sum(kind["count"] for kind in kinds.values()), "kinds": kinds}

    def seconds(self) -> list[dict]:
        rows = self._all("SELECT second, events FROM seconds ORDER BY second")
        return [{"second": second, "events": events} for second, events in rows]

    # Texts.

    def upload(self, text: str) -> dict:
        length = len(text.encode())
        with self.writing() as db:
            file = db.execute(
                "INSERT INTO texts (bytes, text) VALUES (?, ?)", (length, text)
            ).lastrowid
            db.execute("DELETE FROM texts WHERE id <= ?", (file - TEXTS_KEPT,))
        return {"file": file, "bytes": length, "status": "uploaded"}

    def text(self, file: int) -> str | None:
        """The text of a file, or none if it has been processed."""
        return self._file(file)[1]

    def set_result(self, file: int, result: dict) -> None:
        """The text goes, its result remains."""
        with self.writing() as db:
            db.execute(
                "UPDATE texts SET text = NULL, result = ? WHERE id = ?", (json.dumps(result), file)
            )

    def file(self, file: int) -> dict:
        length, text, result = self._file(file)
        if text is not None:
            return {"file": file, "bytes": length, "status": "uploaded"}
        return {"file": file, "status": "done", "result": json.loads(result)}

    def _file(self, file: int):
        row = self._one("SELECT bytes, text, result FROM texts WHERE id = ?", file)
        if row is None:
            raise NotFound("there is no such file, or it is an old one")
        return row

    # Background tasks.

    def add_tasks(self, priority: int, count: int, kept: int) -> int:
        """Note tasks that wait: returns the first one's number, the others follow."""
        with self.writing() as db:
            db.executemany("INSERT INTO tasks (priority) VALUES (?)", [(priority,)] * count)
            last = db.execute("SELECT max(id) FROM tasks").fetchone()[0]
            db.execute("DELETE FROM tasks WHERE id <= ?", (last - kept,))
        return last - count + 1

    def set_done(self, numbers: list[int]) -> None:
        """Note tasks that are done, in this order."""
        with self.writing() as db:
            done = self._count("done")
            places = [(done + index, number) for index, number in enumerate(numbers, 1)]
            db.executemany("UPDATE tasks SET place = ? WHERE id = ?", places)
            db.execute("UPDATE counts SET count = ? WHERE name = 'done'", (done + len(numbers),))

    def add_refused(self, count: int) -> None:
        with self.writing() as db:
            db.execute("UPDATE counts SET count = count + ? WHERE name = 'refused'", (count,))

    def task(self, number: int) -> dict:
        row = self._one("SELECT priority, place FROM tasks WHERE id = ?", number)
        if row is None:
            raise NotFound("there is no such task, or it is long done")
        priority, place = row
        status = "queued" if place is None else "done"
        return {"task": number, "priority": priority, "status": status, "place": place}

    def tasks(self) -> dict:
        waiting = dict(
            self._all("SELECT priority, count(*) FROM tasks WHERE place IS NULL GROUP BY priority")
        )
        return {
            "queued": sum(waiting.values()),
            "done": self._count("done"),
            "refused": self._count("refused"),
            "queued_by_priority": [waiting.get(priority, 0) for priority in range(10)],
        }

    def _count(self, name: str) -> int:
        return self._one("SELECT count FROM counts WHERE name = ?", name)[0]


def _product(row) -> dict:
    id, name, price_cents, stock = row
    return {"id": id, "name": name, "price_cents": price_cents, "stock": stock}
