"""The shoot-out's application on Sanic, with Sanic Extensions.

Choices, and the pages of https://sanic.dev/en that recommend them:

- Sanic's own server and its worker manager, see `start`: guide/running/running
- JSON by `json()`, which uses ujson where it is installed: guide/basics/response
- Jinja by Sanic Extensions, the template loaded at the start: plugins/sanic-ext/templating/jinja
- a body validated into a dataclass: plugins/sanic-ext/validation
- streams by `request.respond()`: guide/advanced/streaming; events the same way:
  guide/how-to/server-sent-events
- the pool in a listener: guide/basics/listeners; tasks: guide/basics/tasks
- static files, WebSockets: guide/basics/routing#static-files, guide/advanced/websockets
"""

import json as json_parser
import os
from dataclasses import dataclass

import asyncpg
import content
from sanic import HTTPResponse, Request, Sanic, Websocket, json, text
from sanic.exceptions import NotFound, SanicException, ServiceUnavailable
from sanic_ext import Config, validate
from stats import Stats


@dataclass
class RowDraft:
    name: str
    email: str = ""
    score: int = 0


LARGE = content.large_records()
stats = Stats()
app = Sanic("shootout")
app.extend(config=Config(templating_path_to_templates=content.TEMPLATES))
app.static("/static", content.static_folder())


@app.before_server_start
async def open_pool(app: Sanic):
    url = os.environ.get("DATABASE_URL")
    app.ctx.pool = url and await asyncpg.create_pool(
        url, min_size=content.POOL_MIN, max_size=content.POOL_MAX
    )


@app.after_server_stop
async def close_pool(app: Sanic):
    if app.ctx.pool:
        await app.ctx.pool.close()


def database(request: Request) -> asyncpg.Pool:
    if not request.app.ctx.pool:
        raise ServiceUnavailable(content.NO_DATABASE)
    return request.app.ctx.pool


@app.get("/health")
async def health(request: Request) -> HTTPResponse:
    if request.app.ctx.pool:
        try:
            await request.app.ctx.pool.fetchval("SELECT 1")
        except (OSError, asyncpg.PostgresError) as error:
            raise ServiceUnavailable(f"the database does not answer: {error}") from error
    return json({"status": "ok"})


@app.get("/stats")
async def show_stats(request: Request) -> HTTPResponse:
    return json(stats.shown())


@app.get("/ping")
async def ping(request: Request) -> HTTPResponse:
    stats.requests += 1
    return text("pong")


@app.get("/json")
async def json_small(request: Request) -> HTTPResponse:
    stats.requests += 1
    return json({"hello": "world"})


@app.get("/json-large")
async def json_large(request: Request) -> HTTPResponse:
    stats.requests += 1
    return json(LARGE)


@app.get("/html")
@app.ext.template(content.PAGE)
async def html(request: Request) -> dict:
    stats.requests += 1
    return {"title": content.PAGE_TITLE, "items": content.PAGE_ITEMS}


@app.get("/path/<id:int>")
async def path(request: Request, id: int) -> HTTPResponse:
    stats.requests += 1
    return json({"id": id})


@app.get("/query")
async def query(request: Request) -> HTTPResponse:
    stats.requests += 1
    parameters = dict(request.query_args)
    if not parameters:
        raise SanicException("give at least one parameter, as in ?a=1&b=2", status_code=422)
    return json({"count": len(parameters), "parameters": parameters})


@app.get("/db/<id:int>")
async def read_row(request: Request, id: int) -> HTTPResponse:
    stats.requests += 1
    row = await database(request).fetchrow(content.SELECT_ROW, id)
    if row is None:
        raise NotFound("there is no such row, they go from 1 to 1000")
    return json(dict(row))


@app.post("/db")
@validate(json=RowDraft)
async def write_row(request: Request, body: RowDraft) -> HTTPResponse:
    stats.requests += 1
    pool = database(request)
    row = await pool.fetchrow(content.INSERT_ROW, body.name, body.email, body.score)
    return json(dict(row), status=201)


@app.post("/upload")
async def upload(request: Request) -> HTTPResponse:
    stats.requests += 1
    file = request.files.get("file")
    if file is None:
        raise SanicException("send a form with a file", status_code=422)
    return json({"bytes": len(file.body)})


@app.get("/stream")
async def stream(request: Request):
    stats.requests += 1
    response = await request.respond(content_type="application/octet-stream")
    for _ in range(content.CHUNKS):
        await response.send(content.CHUNK)
    await response.eof()


@app.get("/sse")
async def events(request: Request):
    stats.requests += 1
    response = await request.respond(content_type="text/event-stream")
    for number in range(1, content.EVENTS + 1):
        data = json_parser.dumps({"number": number, "of": content.EVENTS})
        await response.send(f"id: {number}\nevent: tick\ndata: {data}\n\n")
    await response.eof()


@app.websocket("/ws")
async def echo(request: Request, socket: Websocket):
    stats.requests += 1
    async for message in socket:
        try:
            json_parser.loads(message)
        except json_parser.JSONDecodeError:
            await socket.close(1007, "send JSON")
            return
        await socket.send(message)


async def do_task(task: int):
    content.work(task)
    stats.end_task()


@app.route("/background", methods=["GET", "POST"])
async def background(request: Request) -> HTTPResponse:
    stats.requests += 1
    task = stats.begin_task()
    request.app.add_task(do_task(task))
    return json({"task": task, "status": "accepted"}, status=202)
