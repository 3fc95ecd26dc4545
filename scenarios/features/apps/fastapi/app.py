"""The feature scenarios on FastAPI, served by uvicorn.

Choices, with the page of the documentation they come from:
- worker processes of uvicorn: https://fastapi.tiangolo.com/deployment/server-workers/
- `def` handlers, which run in a pool of threads, where SQLite or a task blocks; `async def` for the
  others: https://fastapi.tiangolo.com/async/
- pydantic models and `Annotated` parameters: https://fastapi.tiangolo.com/tutorial/body/
- faults in a form of one's own: https://fastapi.tiangolo.com/tutorial/handling-errors/
- dependencies, shared within a request by default:
  https://fastapi.tiangolo.com/tutorial/dependencies/
- Starlette's middleware on single routes, since FastAPI's `@app.middleware` is for all routes:
  https://www.starlette.io/middleware/
- background tasks after the answer, without priorities:
  https://fastapi.tiangolo.com/tutorial/background-tasks/
- bodies read as they arrive, and a limit to them: https://www.starlette.io/requests/#body and
  https://fastapi.tiangolo.com/advanced/request-body-limits/
- static files: https://fastapi.tiangolo.com/tutorial/static-files/, compressed:
  https://fastapi.tiangolo.com/advanced/middleware/#gzipmiddleware
"""

import asyncio
import sys
import time
from pathlib import Path as FilePath
from typing import Annotated, Literal

import uvicorn
from fastapi import APIRouter, BackgroundTasks, Depends, FastAPI, Header, Query, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, PlainTextResponse, Response, StreamingResponse
from fastapi.staticfiles import StaticFiles
from pydantic import BaseModel, Field, StringConstraints
from starlette.datastructures import UploadFile
from starlette.middleware import Middleware
from starlette.middleware.base import BaseHTTPMiddleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.routing import Route

sys.path.append(str(FilePath(__file__).resolve().parents[1]))
from shared import errors, schema, settings, work  # noqa: E402
from shared.state import Counts, State  # noqa: E402

DATA = settings.data_dir("fastapi")
STATIC = settings.static_dir(DATA)

app = FastAPI(max_body_size=work.UPLOAD_MAX)
state = State(DATA)
store, account = state.store, state.account


class CountRequests:
    """For `/stats`. Not `BaseHTTPMiddleware`, which would cost each request more than the count."""

    def __init__(self, app) -> None:
        self.app = app

    async def __call__(self, scope, receive, send) -> None:
        if scope["type"] == "http":
            state.requests.next()
        await self.app(scope, receive, send)


app.add_middleware(CountRequests)


@app.exception_handler(errors.Refused)
async def refuse(request: Request, error: errors.Refused) -> JSONResponse:
    headers = errors.headers_of(error.status)
    return JSONResponse({"error": str(error)}, error.status, headers)


@app.exception_handler(RequestValidationError)
async def refuse_fields(request: Request, error: RequestValidationError) -> JSONResponse:
    # The first part of a place says where it is: in the body, the query or the path.
    faults = [(".".join(map(str, fault["loc"][1:])), fault["msg"]) for fault in error.errors()]
    status, answer = schema.verdict(0, faults)
    return JSONResponse(answer, status)


@app.get("/health")
async def health():
    return {"status": "ok"}


@app.get("/stats")
async def stats():
    return state.stats()


# Basic.

basic = APIRouter(prefix="/features/basic")


class Numbers(BaseModel):
    name: str
    numbers: list[int]


@basic.get("/hello", response_class=PlainTextResponse)
async def hello():
    return "hello, world"


@basic.get("/hello/{name}")
async def greet(name: str):
    return {"hello": name}


@basic.get("/json")
async def small():
    return {"message": "hello, world", "number": 42, "list": [1, 2, 3]}


@basic.post("/json")
async def add(given: Numbers):
    total = work.wrapping_sum(given.numbers)
    return {"name": given.name, "count": len(given.numbers), "sum": total}


@basic.get("/users/{user}/posts/{post}")
async def route(
    user: int,
    post: int,
    skip: Annotated[int, Query(ge=0)] = 0,
    limit: Annotated[int, Query(ge=0)] = 10,
):
    return {"user": user, "post": post, "skip": skip, "limit": limit}


# Middleware.


async def check_auth(request: Request, call_next):
    if request.headers.get("authorization") != work.LET_ME_IN:
        error = {"error": f"send `Authorization: {work.LET_ME_IN}`"}
        return JSONResponse(error, 401, errors.headers_of(401))
    return await call_next(request)


async def log(request: Request, call_next):
    begun = time.perf_counter()
    response = await call_next(request)
    response.headers["X-Request-Id"] = state.log.add(
        request.headers.get("x-request-id"),
        request.method,
        request.url.path,
        response.status_code,
        time.perf_counter() - begun,
    )
    return response


async def process(request: Request, call_next):
    try:
        request.state.number = work.number_of(request.headers.get("x-number"))
    except errors.Refused as error:
        return JSONResponse({"error": str(error)}, error.status)
    response = await call_next(request)
    body = b"".join([chunk async for chunk in response.body_iterator])
    headers = dict(response.headers) | {"X-Body-Sha256": work.sha256(body)}
    return Response(body, response.status_code, headers)


async def through(request: Request) -> JSONResponse:
    number = getattr(request.state, "number", None)
    return JSONResponse({"message": "through", "number": number})


async def lines(request: Request) -> JSONResponse:
    return JSONResponse(state.log.lines())


def layered(name: str, *layers) -> Route:
    middleware = [Middleware(BaseHTTPMiddleware, dispatch=layer) for layer in layers]
    return Route(f"/features/middleware/{name}", through, middleware=middleware)


app.router.routes += [
    layered("none"),
    layered("auth", check_auth),
    layered("logging", log),
    layered("processing", process),
    layered("all", log, check_auth, process),
    Route("/features/middleware/lines", lines),
]


# Dependency injection.

inject = APIRouter(prefix="/features/inject")
counts = Counts()


async def singleton() -> Counts:
    return counts


Singleton = Annotated[Counts, Depends(singleton)]


async def scoped(singleton: Singleton) -> int:
    return singleton.scopes.next()


async def transient(singleton: Singleton) -> int:
    return singleton.transients.next()


Scoped = Annotated[int, Depends(scoped)]
Transient = Annotated[int, Depends(transient, use_cache=False)]


class Service:
    def __init__(self, singleton: Singleton, scope: Scoped) -> None:
        self.singleton = singleton
        self.scope = scope


@inject.get("/singleton")
async def show_singleton(singleton: Singleton):
    return {"uses": singleton.uses.next()}


@inject.get("/scoped")
async def show_scoped(first: Scoped, second: Scoped):
    return {"scope": first, "is_shared": first == second}


@inject.get("/transient")
async def show_transient(first: Transient, second: Transient):
    return {"instances": [first, second]}


@inject.get("/chain")
async def show_chain(service: Annotated[Service, Depends()], scope: Scoped):
    uses = service.singleton.uses.next()
    return {"uses": uses, "scope": scope, "is_shared": service.scope == scope}


# Asynchronous.

asynchronous = APIRouter(prefix="/features/async")
Waits = Annotated[int, Query(ge=1, le=work.TASKS_MAX)]
Milliseconds = Annotated[int, Query(ge=0, le=work.WAIT_MAX_MS)]


async def square(number: int, ms: int) -> int:
    await asyncio.sleep(ms / 1000)
    return number * number


@asynchronous.get("/sleep")
async def sleep(ms: Milliseconds = 1):
    await asyncio.sleep(ms / 1000)
    return {"slept_ms": ms}


@asynchronous.get("/concurrent")
async def concurrent(tasks: Waits = 10, ms: Milliseconds = 1):
    squares = await asyncio.gather(*(square(number, ms) for number in range(tasks)))
    return {"tasks": tasks, "sum": sum(squares)}


@asynchronous.get("/sequential")
async def sequential(tasks: Waits = 10, ms: Milliseconds = 1):
    squares = [await square(number, ms) for number in range(tasks)]
    return {"tasks": tasks, "sum": sum(squares)}


@asynchronous.get("/mixed")
async def mixed(tasks: Waits = 10, ms: Milliseconds = 1):
    digest = work.next_digest(b"uringbench")
    for _ in range(tasks):
        await asyncio.sleep(ms / 1000)
        digest = work.next_digest(digest)
    return {"rounds": tasks, "digest": digest.hex()}


@asynchronous.get("/timeout")
async def bounded(ms: Milliseconds, limit_ms: Annotated[int, Query(ge=1, le=work.WAIT_MAX_MS)]):
    try:
        async with asyncio.timeout(limit_ms / 1000):
            await asyncio.sleep(ms / 1000)
    except TimeoutError:
        return JSONResponse({"error": f"given up after {limit_ms} ms"}, 504)
    return {"slept_ms": ms}


# Validation.

validation = APIRouter(prefix="/features/validation")


class Person(BaseModel):
    name: Annotated[str, StringConstraints(min_length=1, max_length=50)]
    age: Annotated[int, Field(ge=0, le=150)]
    email: Annotated[str, StringConstraints(pattern=work.EMAIL)]


class Address(BaseModel):
    street: Annotated[str, StringConstraints(min_length=1, max_length=100)]
    city: Annotated[str, StringConstraints(min_length=1, max_length=100)]
    postcode: Annotated[str, StringConstraints(pattern=work.POSTCODE)]


class Item(BaseModel):
    code: Annotated[str, StringConstraints(pattern=work.CODE)]
    quantity: Annotated[int, Field(ge=1, le=1_000)]
    price_cents: Annotated[int, Field(ge=0, le=10_000_000)]


class Purchase(BaseModel):
    buyer: Person
    address: Address
    lines: Annotated[list[Item], Field(min_length=1, max_length=100)]


People = Annotated[list[Person], Field(max_length=work.BULK_MAX)]


@validation.post("/simple")
async def simple(person: Person):
    return {"valid": True, "checked": 1}


@validation.post("/complex")
async def complex(purchase: Purchase):
    return {"valid": True, "checked": 1 + len(purchase.lines)}


@validation.post("/bulk")
async def bulk(people: People):
    return {"valid": True, "checked": len(people)}


@validation.get("/schema")
async def show_schema():
    return schema.SCHEMA


@validation.post("/schema")
async def by_schema(request: Request):
    status, answer = schema.check(await request.json())
    return JSONResponse(answer, status)


# Files.

files = APIRouter(prefix="/features/files")


@files.post("/upload")
async def upload(request: Request):
    length = 0
    async for chunk in request.stream():
        length += len(chunk)
    return {"bytes": length}


@files.post("/upload/parts")
async def upload_parts(request: Request):
    parts = []
    async with request.form() as form:
        for name, value in form.multi_items():
            is_file = isinstance(value, UploadFile)
            length = value.size if is_file else len(value.encode())
            file_name = value.filename if is_file else None
            parts.append({"name": name, "file_name": file_name, "bytes": length})
    return {"bytes": sum(part["bytes"] for part in parts), "parts": parts}


@files.post("/process")
async def process_file(request: Request):
    figures = work.Pass()
    async for chunk in request.stream():
        figures.take(chunk)
    return figures.figures()


@files.get("/download")
async def download(
    bytes: Annotated[int, Query(ge=0, le=work.DOWNLOAD_MAX)] = 1 << 20,
    chunk: Annotated[int, Query(ge=1, le=work.CHUNK_MAX)] = 64 << 10,
):
    async def content():
        for piece in work.chunks(bytes, chunk):
            yield piece

    return StreamingResponse(content(), media_type="application/octet-stream")


# Background tasks.

background = APIRouter(prefix="/features/background")


class Task(BaseModel):
    priority: Annotated[int, Field(ge=0, le=9)] = 5
    rounds: Annotated[int, Field(ge=0, le=work.ROUNDS_MAX)] = 0
    wait_ms: Annotated[int, Field(ge=0, le=work.WAIT_MAX_MS)] = 0


class Batch(Task):
    count: Annotated[int, Field(ge=1, le=work.BATCH_MAX)]


@background.post("/run")
def run(task: Task):
    return {"status": "done", "digest": work.execute(task.rounds, task.wait_ms)}


@background.post("/tasks", status_code=202)
def create(task: Task, tasks: BackgroundTasks):
    number = account.accept(task.priority)
    tasks.add_task(account.execute, number, task.rounds, task.wait_ms)
    return {"task": number, "status": "queued"}


@background.post("/batch", status_code=202)
def create_many(batch: Batch, tasks: BackgroundTasks):
    first = account.accept(batch.priority, batch.count)
    for number in range(first, first + batch.count):
        tasks.add_task(account.execute, number, batch.rounds, batch.wait_ms)
    return {"first": first, "count": batch.count}


@background.get("/tasks/{number}")
def show_task(number: int):
    return store.task(number)


@background.get("/monitor")
def monitor():
    return account.monitor()


# A shop.

shop = APIRouter(prefix="/features/shop")


class Line(BaseModel):
    product: int
    quantity: Annotated[int, Field(ge=1, le=1_000)]


class Cart(BaseModel):
    lines: Annotated[list[Line], Field(min_length=1, max_length=50)]


class Delivery(BaseModel):
    add: Annotated[int, Field(ge=1, le=1_000_000_000)]


@shop.get("/products")
def products(page: Annotated[int, Query(ge=1, le=10)] = 1):
    return store.products(page)


@shop.get("/products/{product}")
def product(product: int):
    return store.product(product)


@shop.get("/inventory/{product}")
def inventory(product: int):
    return store.inventory(product)


@shop.post("/inventory/{product}")
def deliver(product: int, delivery: Delivery):
    return store.deliver(product, delivery.add)


@shop.post("/orders", status_code=201)
def order(cart: Cart):
    return store.order([line.model_dump() for line in cart.lines])


@shop.get("/orders/{order}")
def ordered(order: int):
    return store.ordered(order)


# A blog.

blog = APIRouter(prefix="/features/blog")
Title = Annotated[str, StringConstraints(min_length=1, max_length=200, pattern=r"\S")]


class Login(BaseModel):
    name: str
    password: str


class PostDraft(BaseModel):
    title: Title
    text: Annotated[str, StringConstraints(max_length=2_000)]


class CommentDraft(BaseModel):
    text: Title


async def author(authorization: Annotated[str | None, Header()] = None) -> str:
    return work.author_of(authorization)


Author = Annotated[str, Depends(author)]


@blog.post("/login")
async def log_in(login: Login):
    return {"token": work.log_in(login.name, login.password), "token_type": "Bearer"}


@blog.get("/posts")
def posts():
    return store.posts()


@blog.get("/posts/{post}")
def post(post: int):
    return store.post(post)


@blog.post("/posts", status_code=201)
def write(author: Author, draft: PostDraft):
    return store.write(author, draft.title, draft.text)


@blog.post("/posts/{post}/comments", status_code=201)
def comment(author: Author, post: int, draft: CommentDraft):
    return store.comment(post, author, draft.text)


# Analytics.

analytics = APIRouter(prefix="/features/analytics")


class Event(BaseModel):
    kind: Literal[*work.KINDS]
    value: float = 0.0


Events = Annotated[list[Event], Field(min_length=1, max_length=work.EVENTS_MAX)]


@analytics.post("/events", status_code=202)
def take(posted: Event | Events):
    events = posted if isinstance(posted, list) else [posted]
    return store.add_events([(event.kind, event.value) for event in events])


@analytics.get("/summary")
def summary():
    return store.summary()


@analytics.get("/seconds")
def seconds():
    return store.seconds()


# A file pipeline.

pipeline = APIRouter(prefix="/features/pipeline")


async def text_body(request: Request) -> str:
    content = b""
    async for chunk in request.stream():
        content += chunk
        if len(content) > work.TEXT_MAX:
            raise errors.TooLarge(f"send {work.TEXT_MAX} bytes at most")
    return work.text_of(content)


@pipeline.post("/files", status_code=201)
def send_file(text: Annotated[str, Depends(text_body)]):
    return store.upload(text)


@pipeline.post("/files/{file}/process")
def process_text(file: int):
    text = store.text(file)
    if text is not None:
        store.set_result(file, work.summary_of(text))
    return store.file(file)


@pipeline.get("/files/{file}")
def show_file(file: int):
    return store.file(file)


for router in [basic, inject, asynchronous, validation, files, background]:
    app.include_router(router)
for router in [shop, blog, analytics, pipeline]:
    app.include_router(router)
app.mount("/static", GZipMiddleware(StaticFiles(directory=STATIC)))


if __name__ == "__main__":
    uvicorn.run(
        "app:app",
        host="127.0.0.1",
        port=settings.port(8001),
        workers=settings.WORKERS,
        access_log=False,
    )
