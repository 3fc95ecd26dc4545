"""The feature scenarios on Flask, served by gunicorn.

Choices, with the page of the documentation they come from (below
https://flask.palletsprojects.com/en/stable/):
- blueprints, and hooks before and after the requests of one blueprint as middleware: blueprints/,
  api/#flask.Blueprint.before_request
- errors as JSON: errorhandling/#returning-api-errors-as-json
- `async def` views, each in an event loop of its own: async-await/
- one instance for each request in `g`: appcontext/. Flask has no dependency injection
- uploads as a stream, with a limit: patterns/fileuploads/, web-security/#resource-use
- downloads from a generator: patterns/streaming/
- files of `static_folder`: tutorial/static/

Flask leaves validation and background tasks to other packages: pydantic validates, and threads of
this process do the tasks, since Celery (patterns/celery/) needs a broker.
"""

import asyncio
import sys
import time
from pathlib import Path
from typing import Annotated, Literal

from flask import Blueprint, Flask, Response, g, request
from pydantic import BaseModel, Field, StringConstraints, TypeAdapter, ValidationError

sys.path.append(str(Path(__file__).resolve().parents[1]))
from shared import errors, schema, settings, work  # noqa: E402
from shared.state import Counts, State  # noqa: E402
from shared.tasks import Queue  # noqa: E402

DATA = settings.data_dir("flask")
STATIC = settings.static_dir(DATA)
CHUNK = 64 << 10

app = Flask(__name__, static_folder=STATIC, static_url_path="/static")
app.config["MAX_CONTENT_LENGTH"] = work.UPLOAD_MAX
state = State(DATA)
store, account = state.store, state.account
queue = Queue(account, settings.TASK_THREADS)


@app.before_request
def count():
    """For `/stats`."""
    state.requests.next()


@app.errorhandler(errors.Refused)
def refuse(error: errors.Refused):
    return {"error": str(error)}, error.status, errors.headers_of(error.status)


@app.errorhandler(ValidationError)
def refuse_fields(error: ValidationError):
    faults = [(".".join(map(str, fault["loc"])), fault["msg"]) for fault in error.errors()]
    status, answer = schema.verdict(0, faults)
    return answer, status


@app.get("/health")
def health():
    return {"status": "ok"}


@app.get("/stats")
def stats():
    return state.stats()


# Basic.

basic = Blueprint("basic", __name__, url_prefix="/features/basic")


class Numbers(BaseModel):
    name: str
    numbers: list[int]


class Window(BaseModel):
    skip: Annotated[int, Field(ge=0)] = 0
    limit: Annotated[int, Field(ge=0)] = 10


@basic.get("/hello")
def hello():
    return "hello, world", {"Content-Type": "text/plain"}


@basic.get("/hello/<name>")
def greet(name: str):
    return {"hello": name}


@basic.get("/json")
def small():
    return {"message": "hello, world", "number": 42, "list": [1, 2, 3]}


@basic.post("/json")
def add():
    given = Numbers.model_validate(request.get_json())
    total = work.wrapping_sum(given.numbers)
    return {"name": given.name, "count": len(given.numbers), "sum": total}


@basic.get("/users/<int:user>/posts/<int:post>")
def route(user: int, post: int):
    window = Window.model_validate(request.args.to_dict())
    return {"user": user, "post": post} | window.model_dump()


# Middleware.


def check_auth():
    if request.headers.get("Authorization") != work.LET_ME_IN:
        raise errors.Unauthorized(f"send `Authorization: {work.LET_ME_IN}`")


def begin_log():
    g.begun = time.perf_counter()


def end_log(response: Response) -> Response:
    response.headers["X-Request-Id"] = state.log.add(
        request.headers.get("X-Request-Id"),
        request.method,
        request.path,
        response.status_code,
        time.perf_counter() - g.begun,
    )
    return response


def read_number():
    g.number = work.number_of(request.headers.get("X-Number"))


def add_digest(response: Response) -> Response:
    response.headers["X-Body-Sha256"] = work.sha256(response.get_data())
    return response


def through():
    return {"message": "through", "number": g.get("number")}


def layered(name: str, before: list, after: list) -> Blueprint:
    """The handler in a blueprint with these hooks; those after run in reverse order."""
    layers = Blueprint(name, __name__, url_prefix="/features/middleware")
    layers.add_url_rule(f"/{name}", view_func=through)
    for hook in before:
        layers.before_request(hook)
    for hook in after:
        layers.after_request(hook)
    return layers


middleware = [
    layered("none", [], []),
    layered("auth", [check_auth], []),
    layered("logging", [begin_log], [end_log]),
    layered("processing", [read_number], [add_digest]),
    layered("all", [begin_log, check_auth, read_number], [end_log, add_digest]),
]


@app.get("/features/middleware/lines")
def lines():
    return state.log.lines()


# Dependency injection.

inject = Blueprint("inject", __name__, url_prefix="/features/inject")
counts = Counts()


def scoped() -> int:
    """The same within a request."""
    if "scoped" not in g:
        g.scoped = counts.scopes.next()
    return g.scoped


def transient() -> int:
    return counts.transients.next()


class Service:
    def __init__(self) -> None:
        self.counts = counts
        self.scope = scoped()


@inject.get("/singleton")
def show_singleton():
    return {"uses": counts.uses.next()}


@inject.get("/scoped")
def show_scoped():
    first, second = scoped(), scoped()
    return {"scope": first, "is_shared": first == second}


@inject.get("/transient")
def show_transient():
    return {"instances": [transient(), transient()]}


@inject.get("/chain")
def show_chain():
    service, scope = Service(), scoped()
    uses = service.counts.uses.next()
    return {"uses": uses, "scope": scope, "is_shared": service.scope == scope}


# Asynchronous.

asynchronous = Blueprint("async", __name__, url_prefix="/features/async")
Milliseconds = Annotated[int, Field(ge=0, le=work.WAIT_MAX_MS)]


class Plan(BaseModel):
    tasks: Annotated[int, Field(ge=1, le=work.TASKS_MAX)] = 10
    ms: Milliseconds = 1


class Bounded(BaseModel):
    ms: Milliseconds
    limit_ms: Annotated[int, Field(ge=1, le=work.WAIT_MAX_MS)]


async def square(number: int, ms: int) -> int:
    await asyncio.sleep(ms / 1000)
    return number * number


def plan_of_request() -> Plan:
    return Plan.model_validate(request.args.to_dict())


@asynchronous.get("/sleep")
async def sleep():
    plan = plan_of_request()
    await asyncio.sleep(plan.ms / 1000)
    return {"slept_ms": plan.ms}


@asynchronous.get("/concurrent")
async def concurrent():
    plan = plan_of_request()
    squares = await asyncio.gather(*(square(number, plan.ms) for number in range(plan.tasks)))
    return {"tasks": plan.tasks, "sum": sum(squares)}


@asynchronous.get("/sequential")
async def sequential():
    plan = plan_of_request()
    squares = [await square(number, plan.ms) for number in range(plan.tasks)]
    return {"tasks": plan.tasks, "sum": sum(squares)}


@asynchronous.get("/mixed")
async def mixed():
    plan = plan_of_request()
    digest = work.next_digest(b"uringbench")
    for _ in range(plan.tasks):
        await asyncio.sleep(plan.ms / 1000)
        digest = work.next_digest(digest)
    return {"rounds": plan.tasks, "digest": digest.hex()}


@asynchronous.get("/timeout")
async def bounded():
    plan = Bounded.model_validate(request.args.to_dict())
    try:
        async with asyncio.timeout(plan.limit_ms / 1000):
            await asyncio.sleep(plan.ms / 1000)
    except TimeoutError:
        return {"error": f"given up after {plan.limit_ms} ms"}, 504
    return {"slept_ms": plan.ms}


# Validation.

validation = Blueprint("validation", __name__, url_prefix="/features/validation")


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


PEOPLE = TypeAdapter(Annotated[list[Person], Field(max_length=work.BULK_MAX)])


@validation.post("/simple")
def simple():
    Person.model_validate(request.get_json())
    return {"valid": True, "checked": 1}


@validation.post("/complex")
def complex():
    purchase = Purchase.model_validate(request.get_json())
    return {"valid": True, "checked": 1 + len(purchase.lines)}


@validation.post("/bulk")
def bulk():
    people = PEOPLE.validate_python(request.get_json())
    return {"valid": True, "checked": len(people)}


@validation.get("/schema")
def show_schema():
    return schema.SCHEMA


@validation.post("/schema")
def by_schema():
    status, answer = schema.check(request.get_json())
    return answer, status


# Files.

files = Blueprint("files", __name__, url_prefix="/features/files")


class Download(BaseModel):
    bytes: Annotated[int, Field(ge=0, le=work.DOWNLOAD_MAX)] = 1 << 20
    chunk: Annotated[int, Field(ge=1, le=work.CHUNK_MAX)] = 64 << 10


@files.post("/upload")
def upload():
    length = 0
    while chunk := request.stream.read(CHUNK):
        length += len(chunk)
    return {"bytes": length}


@files.post("/upload/parts")
def upload_parts():
    parts = []
    for name, file in request.files.items(multi=True):
        length = file.seek(0, 2)
        parts.append({"name": name, "file_name": file.filename, "bytes": length})
    for name, text in request.form.items(multi=True):
        parts.append({"name": name, "file_name": None, "bytes": len(text.encode())})
    return {"bytes": sum(part["bytes"] for part in parts), "parts": parts}


@files.post("/process")
def process_file():
    figures = work.Pass()
    while chunk := request.stream.read(CHUNK):
        figures.take(chunk)
    return figures.figures()


@files.get("/download")
def download():
    asked = Download.model_validate(request.args.to_dict())
    content = work.chunks(asked.bytes, asked.chunk)
    return Response(content, mimetype="application/octet-stream")


# Background tasks.

background = Blueprint("background", __name__, url_prefix="/features/background")


class Task(BaseModel):
    priority: Annotated[int, Field(ge=0, le=9)] = 5
    rounds: Annotated[int, Field(ge=0, le=work.ROUNDS_MAX)] = 0
    wait_ms: Annotated[int, Field(ge=0, le=work.WAIT_MAX_MS)] = 0


class Batch(Task):
    count: Annotated[int, Field(ge=1, le=work.BATCH_MAX)]


@background.post("/run")
def run():
    task = Task.model_validate(request.get_json())
    return {"status": "done", "digest": work.execute(task.rounds, task.wait_ms)}


@background.post("/tasks")
def create():
    task = Task.model_validate(request.get_json())
    number = queue.add(task.priority, task.rounds, task.wait_ms)
    return {"task": number, "status": "queued"}, 202


@background.post("/batch")
def create_many():
    batch = Batch.model_validate(request.get_json())
    first = queue.add(batch.priority, batch.rounds, batch.wait_ms, batch.count)
    return {"first": first, "count": batch.count}, 202


@background.get("/tasks/<int:number>")
def show_task(number: int):
    return store.task(number)


@background.get("/monitor")
def monitor():
    return account.monitor()


# A shop.

shop = Blueprint("shop", __name__, url_prefix="/features/shop")


class Page(BaseModel):
    page: Annotated[int, Field(ge=1, le=10)] = 1


class Line(BaseModel):
    product: int
    quantity: Annotated[int, Field(ge=1, le=1_000)]


class Cart(BaseModel):
    lines: Annotated[list[Line], Field(min_length=1, max_length=50)]


class Delivery(BaseModel):
    add: Annotated[int, Field(ge=1, le=1_000_000_000)]


@shop.get("/products")
def products():
    return store.products(Page.model_validate(request.args.to_dict()).page)


@shop.get("/products/<int:product>")
def product(product: int):
    return store.product(product)


@shop.get("/inventory/<int:product>")
def inventory(product: int):
    return store.inventory(product)


@shop.post("/inventory/<int:product>")
def deliver(product: int):
    return store.deliver(product, Delivery.model_validate(request.get_json()).add)


@shop.post("/orders")
def order():
    cart = Cart.model_validate(request.get_json())
    return store.order([line.model_dump() for line in cart.lines]), 201


@shop.get("/orders/<int:order>")
def ordered(order: int):
    return store.ordered(order)


# A blog.

blog = Blueprint("blog", __name__, url_prefix="/features/blog")
Title = Annotated[str, StringConstraints(min_length=1, max_length=200, pattern=r"\S")]


class Login(BaseModel):
    name: str
    password: str


class PostDraft(BaseModel):
    title: Title
    text: Annotated[str, StringConstraints(max_length=2_000)]


class CommentDraft(BaseModel):
    text: Title


@blog.post("/login")
def log_in():
    login = Login.model_validate(request.get_json())
    return {"token": work.log_in(login.name, login.password), "token_type": "Bearer"}


@blog.get("/posts")
def posts():
    return store.posts()


@blog.get("/posts/<int:post>")
def post(post: int):
    return store.post(post)


@blog.post("/posts")
def write():
    author = work.author_of(request.headers.get("Authorization"))
    draft = PostDraft.model_validate(request.get_json())
    return store.write(author, draft.title, draft.text), 201


@blog.post("/posts/<int:post>/comments")
def comment(post: int):
    author = work.author_of(request.headers.get("Authorization"))
    draft = CommentDraft.model_validate(request.get_json())
    return store.comment(post, author, draft.text), 201


# Analytics.

analytics = Blueprint("analytics", __name__, url_prefix="/features/analytics")


class Event(BaseModel):
    kind: Literal[*work.KINDS]
    value: float = 0.0


EVENTS = TypeAdapter(Annotated[list[Event], Field(min_length=1, max_length=work.EVENTS_MAX)])


@analytics.post("/events")
def take():
    posted = request.get_json()
    events = EVENTS.validate_python(posted if isinstance(posted, list) else [posted])
    return store.add_events([(event.kind, event.value) for event in events]), 202


@analytics.get("/summary")
def summary():
    return store.summary()


@analytics.get("/seconds")
def seconds():
    return store.seconds()


# A file pipeline.

pipeline = Blueprint("pipeline", __name__, url_prefix="/features/pipeline")


@pipeline.post("/files")
def send_file():
    request.max_content_length = work.TEXT_MAX
    return store.upload(work.text_of(request.get_data())), 201


@pipeline.post("/files/<int:file>/process")
def process_text(file: int):
    text = store.text(file)
    if text is not None:
        store.set_result(file, work.summary_of(text))
    return store.file(file)


@pipeline.get("/files/<int:file>")
def show_file(file: int):
    return store.file(file)


for blueprint in [basic, *middleware, inject, asynchronous, validation, files, background]:
    app.register_blueprint(blueprint)
for blueprint in [shop, blog, analytics, pipeline]:
    app.register_blueprint(blueprint)
