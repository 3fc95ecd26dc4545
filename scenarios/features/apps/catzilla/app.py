"""The feature scenarios on Catzilla, served by its own server: one process, one thread.

Choices, with the page of the documentation they come from (below
https://catzilla.rezwanahmedsami.com/):
- `production=True`, no request log: getting-started/quickstart
- `async def` where a handler waits, `def` where it computes: core-concepts/async-sync-hybrid
- models and `Field`, `Path`, `Query`, `Header` parameters: core-concepts/validation
- services and `Depends`, in the container of the application: core-concepts/dependency-injection;
  `ScopedDIContainer` and `request_scope` of the package `catzilla.scope`, since the usual container
  makes a new instance at each use, whatever the scope
- middleware per route before the handler, global middleware after it: core-concepts/middleware
- the task system, which has priorities: features/background-tasks
- `StreamingResponse`: features/streaming
- `mount_static`: features/file-handling

What is missing here, the server refuses before any handler runs: a body that is neither JSON nor a
form is answered with 415. So there is no plain upload, no `process` and no file pipeline.
"""

import asyncio
import sys
import time
from functools import wraps
from pathlib import Path as FilePath
from typing import List

from catzilla import (
    BaseModel,
    Catzilla,
    Depends,
    Field,
    Header,
    JSONResponse,
    Path,
    Query,
    Request,
    Response,
    ScopedDIContainer,
    StreamingResponse,
    ValidationError,
    request_scope,
    service,
)
from catzilla.background_tasks import TaskPriority
from catzilla.dependency_injection import set_default_container

sys.path.append(str(FilePath(__file__).resolve().parents[1]))
from shared import errors, schema, settings, work  # noqa: E402
from shared.state import Counter, Counts, State  # noqa: E402

DATA = settings.data_dir("catzilla")
STATIC = settings.static_dir(DATA)

app = Catzilla(production=True, show_banner=False, di_container=ScopedDIContainer())
set_default_container(app.di_container)
# A quarter of this is for each priority, and more than fits is dropped without an error: large
# enough for as many tasks as are accepted.
app.enable_background_tasks(workers=settings.TASK_THREADS, queue_size=4 * work.BATCH_MAX)
app.mount_static("/static", str(STATIC))
# The newest mount that matches is used.
app.mount_static("/static/cold", str(STATIC / "cold"), enable_hot_cache=False)
state = State(DATA)
store, account = state.store, state.account


def answer_refusals(handler):
    """Catzilla answers every exception of a handler with validated parameters with 500, whatever
    handler is set for it, so refusals are answered here."""

    @wraps(handler)
    def answering(*args, **kwargs):
        try:
            return handler(*args, **kwargs)
        except errors.Refused as error:
            headers = errors.headers_of(error.status)
            return JSONResponse({"error": str(error)}, error.status, headers)

    return answering


def faults_of(error: ValidationError, prefix: str = "") -> list[tuple[str, str]]:
    """An error names all faults of a record in one text, such as
    `age: Value must be <= 150, got 151; Field 'name' is required`."""
    faults = []
    for fault in str(error).split("; "):
        field, colon, rule = fault.partition(": ")
        faults.append((prefix + field, rule) if colon else (prefix + fault.split("'")[1], fault))
    return faults


def verdict(checked: int, faults: list[tuple[str, str]]) -> Response:
    status, answer = schema.verdict(checked, faults)
    return JSONResponse(answer, status)


@app.middleware(priority=0, name="count")
def count(request: Request):
    """For `/stats`. Static files do not pass here."""
    state.requests.next()


@app.get("/health")
def health(request: Request) -> Response:
    return JSONResponse({"status": "ok"})


@app.get("/stats")
def stats(request: Request) -> Response:
    return JSONResponse(state.stats())


# Basic.


class Numbers(BaseModel):
    name: str
    numbers: List[int]


@app.get("/features/basic/hello")
def hello(request: Request) -> Response:
    return Response(body="hello, world")


@app.get("/features/basic/hello/{name}")
def greet(request: Request, name: str = Path(...)) -> Response:
    return JSONResponse({"hello": name})


@app.get("/features/basic/json")
def small(request: Request) -> Response:
    return JSONResponse({"message": "hello, world", "number": 42, "list": [1, 2, 3]})


@app.post("/features/basic/json")
def add(request: Request, given: Numbers) -> Response:
    total = work.wrapping_sum(given.numbers)
    return JSONResponse({"name": given.name, "count": len(given.numbers), "sum": total})


@app.get("/features/basic/users/{user}/posts/{post}")
def route(
    request: Request,
    user: int = Path(...),
    post: int = Path(...),
    skip: int = Query(0, ge=0),
    limit: int = Query(10, ge=0),
) -> Response:
    return JSONResponse({"user": user, "post": post, "skip": skip, "limit": limit})


# Middleware. Middleware of a route runs before its handler only; after the handlers run the
# global ones, for all routes, unless a layer before has answered.


def check_auth(request: Request):
    if request.get_header("Authorization") != work.LET_ME_IN:
        error = {"error": f"send `Authorization: {work.LET_ME_IN}`"}
        return JSONResponse(error, 401, errors.headers_of(401))


def begin_log(request: Request):
    request.begun = time.perf_counter()


def read_number(request: Request):
    try:
        request.number = work.number_of(request.get_header("X-Number"))
    except errors.Refused as error:
        return JSONResponse({"error": str(error)}, error.status)


@app.middleware(priority=10, pre_route=False, post_route=True, name="digest")
def add_digest(request: Request, response: Response):
    if hasattr(request, "number"):
        response.set_header("X-Body-Sha256", work.sha256(response.body.encode()))


@app.middleware(priority=20, pre_route=False, post_route=True, name="log")
def end_log(request: Request, response: Response):
    if hasattr(request, "begun"):
        id = state.log.add(
            request.get_header("X-Request-Id"),
            request.method,
            request.path,
            response.status_code,
            time.perf_counter() - request.begun,
        )
        response.set_header("X-Request-Id", id)


def through(request: Request) -> Response:
    return JSONResponse({"message": "through", "number": getattr(request, "number", None)})


for name, layers in {
    "none": [],
    "auth": [check_auth],
    "logging": [begin_log],
    "processing": [read_number],
    "all": [begin_log, check_auth, read_number],
}.items():
    app.get(f"/features/middleware/{name}", middleware=layers)(through)


@app.get("/features/middleware/lines")
def lines(request: Request) -> Response:
    return JSONResponse(state.log.lines())


# Dependency injection. `Depends` cannot reach into a scope that the handler opens, so services of
# a request are resolved by name.

service("counts")(Counts)
scope_numbers = Counter()


def scope_of_request():
    return request_scope(str(scope_numbers.next()))


@service("scoped", scope="request")
class Scoped:
    def __init__(self, counts: Counts = Depends("counts")):
        self.number = counts.scopes.next()


@service("transient", scope="transient")
class Transient:
    def __init__(self, counts: Counts = Depends("counts")):
        self.number = counts.transients.next()


@service("chain", scope="request")
class Chain:
    def __init__(self, counts: Counts = Depends("counts"), scoped: Scoped = Depends("scoped")):
        self.counts = counts
        self.scoped = scoped


@app.get("/features/inject/singleton")
def show_singleton(request: Request, counts: Counts = Depends("counts")) -> Response:
    return JSONResponse({"uses": counts.uses.next()})


@app.get("/features/inject/scoped")
def show_scoped(request: Request) -> Response:
    with scope_of_request():
        first = app.resolve_service("scoped")
        second = app.resolve_service("scoped")
    return JSONResponse({"scope": first.number, "is_shared": first is second})


@app.get("/features/inject/transient")
def show_transient(
    request: Request,
    first: Transient = Depends("transient"),
    second: Transient = Depends("transient"),
) -> Response:
    return JSONResponse({"instances": [first.number, second.number]})


@app.get("/features/inject/chain")
def show_chain(request: Request) -> Response:
    with scope_of_request():
        chain = app.resolve_service("chain")
        scoped = app.resolve_service("scoped")
    uses = chain.counts.uses.next()
    is_shared = chain.scoped is scoped
    return JSONResponse({"uses": uses, "scope": scoped.number, "is_shared": is_shared})


# Asynchronous.


async def square(number: int, ms: int) -> int:
    await asyncio.sleep(ms / 1000)
    return number * number


@app.get("/features/async/sleep")
async def sleep(request: Request, ms: int = Query(1, ge=0, le=work.WAIT_MAX_MS)) -> Response:
    await asyncio.sleep(ms / 1000)
    return JSONResponse({"slept_ms": ms})


@app.get("/features/async/concurrent")
async def concurrent(
    request: Request,
    tasks: int = Query(10, ge=1, le=work.TASKS_MAX),
    ms: int = Query(1, ge=0, le=work.WAIT_MAX_MS),
) -> Response:
    squares = await asyncio.gather(*(square(number, ms) for number in range(tasks)))
    return JSONResponse({"tasks": tasks, "sum": sum(squares)})


@app.get("/features/async/sequential")
async def sequential(
    request: Request,
    tasks: int = Query(10, ge=1, le=work.TASKS_MAX),
    ms: int = Query(1, ge=0, le=work.WAIT_MAX_MS),
) -> Response:
    squares = [await square(number, ms) for number in range(tasks)]
    return JSONResponse({"tasks": tasks, "sum": sum(squares)})


@app.get("/features/async/mixed")
async def mixed(
    request: Request,
    tasks: int = Query(10, ge=1, le=work.TASKS_MAX),
    ms: int = Query(1, ge=0, le=work.WAIT_MAX_MS),
) -> Response:
    digest = work.next_digest(b"uringbench")
    for _ in range(tasks):
        await asyncio.sleep(ms / 1000)
        digest = work.next_digest(digest)
    return JSONResponse({"rounds": tasks, "digest": digest.hex()})


@app.get("/features/async/timeout")
async def bounded(
    request: Request,
    ms: int = Query(..., ge=0, le=work.WAIT_MAX_MS),
    limit_ms: int = Query(..., ge=1, le=work.WAIT_MAX_MS),
) -> Response:
    try:
        async with asyncio.timeout(limit_ms / 1000):
            await asyncio.sleep(ms / 1000)
    except TimeoutError:
        return JSONResponse({"error": f"given up after {limit_ms} ms"}, 504)
    return JSONResponse({"slept_ms": ms})


# Validation. The answer of validated parameters has its faults in one text, so handlers that count
# them make the models themselves.


class Person(BaseModel):
    name: str = Field(min_length=1, max_length=50)
    age: int = Field(ge=0, le=150)
    email: str = Field(regex=work.EMAIL)


class Address(BaseModel):
    street: str = Field(min_length=1, max_length=100)
    city: str = Field(min_length=1, max_length=100)
    postcode: str = Field(regex=work.POSTCODE)


class Item(BaseModel):
    code: str = Field(regex=work.CODE)
    quantity: int = Field(ge=1, le=1_000)
    price_cents: int = Field(ge=0, le=10_000_000)


class Purchase(BaseModel):
    buyer: Person
    address: Address
    lines: List[Item] = Field(min_items=1, max_items=100)


@app.post("/features/validation/simple")
def simple(request: Request) -> Response:
    try:
        Person(**request.json())
    except ValidationError as error:
        return verdict(0, faults_of(error))
    return verdict(1, [])


@app.post("/features/validation/complex")
def complex(request: Request) -> Response:
    try:
        purchase = Purchase(**request.json())
    except ValidationError as error:
        return verdict(0, faults_of(error))
    return verdict(1 + len(purchase.lines), [])


@app.post("/features/validation/bulk")
def bulk(request: Request) -> Response:
    people, faults = request.json(), []
    if len(people) > work.BULK_MAX:
        faults.append(("", f"{work.BULK_MAX} at most"))
    for index, person in enumerate(people[: work.BULK_MAX]):
        try:
            Person(**person)
        except ValidationError as error:
            faults += faults_of(error, f"{index}.")
    return verdict(len(people), faults)


@app.get("/features/validation/schema")
def show_schema(request: Request) -> Response:
    return JSONResponse(schema.SCHEMA)


@app.post("/features/validation/schema")
def by_schema(request: Request) -> Response:
    status, answer = schema.check(request.json())
    return JSONResponse(answer, status)


# Files.


@app.post("/features/files/upload/parts")
def upload_parts(request: Request) -> Response:
    parts = [
        {"name": name, "file_name": part["filename"], "bytes": part["size"]}
        for name, part in request.files.items()
    ]
    return JSONResponse({"bytes": sum(part["bytes"] for part in parts), "parts": parts})


@app.get("/features/files/download")
def download(
    request: Request,
    bytes: int = Query(1 << 20, ge=0, le=work.DOWNLOAD_MAX),
    chunk: int = Query(64 << 10, ge=1, le=work.CHUNK_MAX),
) -> Response:
    return StreamingResponse(work.chunks(bytes, chunk), content_type="application/octet-stream")


# Background tasks. Catzilla has four priorities.


class Task(BaseModel):
    priority: int = Field(5, ge=0, le=9)
    rounds: int = Field(0, ge=0, le=work.ROUNDS_MAX)
    wait_ms: int = Field(0, ge=0, le=work.WAIT_MAX_MS)


class Batch(BaseModel):
    count: int = Field(ge=1, le=work.BATCH_MAX)
    priority: int = Field(5, ge=0, le=9)
    rounds: int = Field(0, ge=0, le=work.ROUNDS_MAX)
    wait_ms: int = Field(0, ge=0, le=work.WAIT_MAX_MS)


def level_of(priority: int) -> TaskPriority:
    if priority == 9:
        return TaskPriority.CRITICAL
    if priority >= 6:
        return TaskPriority.HIGH
    return TaskPriority.NORMAL if priority >= 3 else TaskPriority.LOW


def add_task(number: int, task) -> None:
    priority = level_of(task.priority)
    app.add_task(account.execute, number, task.rounds, task.wait_ms, priority=priority)


@app.post("/features/background/run")
def run(request: Request, task: Task) -> Response:
    return JSONResponse({"status": "done", "digest": work.execute(task.rounds, task.wait_ms)})


@app.post("/features/background/tasks")
@answer_refusals
def create(request: Request, task: Task) -> Response:
    number = account.accept(task.priority)
    add_task(number, task)
    return JSONResponse({"task": number, "status": "queued"}, 202)


@app.post("/features/background/batch")
@answer_refusals
def create_many(request: Request, batch: Batch) -> Response:
    first = account.accept(batch.priority, batch.count)
    for number in range(first, first + batch.count):
        add_task(number, batch)
    return JSONResponse({"first": first, "count": batch.count}, 202)


@app.get("/features/background/tasks/{number}")
@answer_refusals
def show_task(request: Request, number: int = Path(...)) -> Response:
    return JSONResponse(store.task(number))


@app.get("/features/background/monitor")
def monitor(request: Request) -> Response:
    return JSONResponse(account.monitor())


# A shop.


class Line(BaseModel):
    product: int
    quantity: int = Field(ge=1, le=1_000)


class Cart(BaseModel):
    lines: List[Line] = Field(min_items=1, max_items=50)


class Delivery(BaseModel):
    add: int = Field(ge=1, le=1_000_000_000)


@app.get("/features/shop/products")
def products(request: Request, page: int = Query(1, ge=1, le=10)) -> Response:
    return JSONResponse(store.products(page))


@app.get("/features/shop/products/{product}")
@answer_refusals
def product(request: Request, product: int = Path(...)) -> Response:
    return JSONResponse(store.product(product))


@app.get("/features/shop/inventory/{product}")
@answer_refusals
def inventory(request: Request, product: int = Path(...)) -> Response:
    return JSONResponse(store.inventory(product))


@app.post("/features/shop/inventory/{product}")
@answer_refusals
def deliver(request: Request, delivery: Delivery, product: int = Path(...)) -> Response:
    return JSONResponse(store.deliver(product, delivery.add))


@app.post("/features/shop/orders")
@answer_refusals
def order(request: Request, cart: Cart) -> Response:
    return JSONResponse(store.order([line.model_dump() for line in cart.lines]), 201)


@app.get("/features/shop/orders/{order}")
@answer_refusals
def ordered(request: Request, order: int = Path(...)) -> Response:
    return JSONResponse(store.ordered(order))


# A blog.


class Login(BaseModel):
    name: str
    password: str


class PostDraft(BaseModel):
    title: str = Field(min_length=1, max_length=200, regex=r".*\S")
    text: str = Field(max_length=2_000)


class CommentDraft(BaseModel):
    text: str = Field(min_length=1, max_length=200, regex=r".*\S")


@app.post("/features/blog/login")
@answer_refusals
def log_in(request: Request, login: Login) -> Response:
    token = work.log_in(login.name, login.password)
    return JSONResponse({"token": token, "token_type": "Bearer"})


@app.get("/features/blog/posts")
def posts(request: Request) -> Response:
    return JSONResponse(store.posts())


@app.get("/features/blog/posts/{post}")
@answer_refusals
def post(request: Request, post: int = Path(...)) -> Response:
    return JSONResponse(store.post(post))


@app.post("/features/blog/posts")
@answer_refusals
def write(
    request: Request, draft: PostDraft, authorization: str = Header(None, alias="Authorization")
) -> Response:
    author = work.author_of(authorization)
    return JSONResponse(store.write(author, draft.title, draft.text), 201)


@app.post("/features/blog/posts/{post}/comments")
@answer_refusals
def comment(
    request: Request,
    draft: CommentDraft,
    post: int = Path(...),
    authorization: str = Header(None, alias="Authorization"),
) -> Response:
    author = work.author_of(authorization)
    return JSONResponse(store.comment(post, author, draft.text), 201)


# Analytics.


class Event(BaseModel):
    kind: str = Field(regex=f"^({'|'.join(work.KINDS)})$")
    value: float = 0.0


@app.post("/features/analytics/events")
def take(request: Request) -> Response:
    posted = request.json()
    posted = posted if isinstance(posted, list) else [posted]
    if not 1 <= len(posted) <= work.EVENTS_MAX:
        return JSONResponse({"error": f"give events from 1 to {work.EVENTS_MAX}"}, 422)
    try:
        events = [Event(**event) for event in posted]
    except ValidationError as error:
        return JSONResponse({"error": str(error)}, 422)
    return JSONResponse(store.add_events([(event.kind, event.value) for event in events]), 202)


@app.get("/features/analytics/summary")
def summary(request: Request) -> Response:
    return JSONResponse(store.summary())


@app.get("/features/analytics/seconds")
def seconds(request: Request) -> Response:
    return JSONResponse(store.seconds())


if __name__ == "__main__":
    app.listen(port=settings.port(8000), host="127.0.0.1")
