"""The shoot-out's application on FastAPI.

Choices, and the pages of https://fastapi.tiangolo.com that recommend them:

- JSON by return types that are Pydantic models, without a response class:
  advanced/custom-response/#json-performance
- streams by `yield` with a class of StreamingResponse: advanced/stream-data/
- events by `yield` with EventSourceResponse: tutorial/server-sent-events/
- an upload as UploadFile, which is spooled to disk: tutorial/request-files/#uploadfile
- the pool in a lifespan: advanced/events/; in a dependency: tutorial/dependencies/
- templates, static files, tasks, WebSockets: advanced/templates/, tutorial/static-files/,
  tutorial/background-tasks/, advanced/websockets/
- Uvicorn with workers, see `start`: deployment/server-workers/
"""

import json
import os
from collections.abc import AsyncIterable
from contextlib import asynccontextmanager
from typing import Annotated

import asyncpg
import content
from fastapi import (
    BackgroundTasks,
    Depends,
    FastAPI,
    HTTPException,
    Request,
    UploadFile,
    WebSocket,
    WebSocketDisconnect,
)
from fastapi.responses import HTMLResponse, PlainTextResponse, StreamingResponse
from fastapi.sse import EventSourceResponse, ServerSentEvent
from fastapi.staticfiles import StaticFiles
from fastapi.templating import Jinja2Templates
from pydantic import BaseModel
from stats import Stats


class Greeting(BaseModel):
    hello: str


class Record(BaseModel):
    id: int
    name: str
    email: str
    active: bool
    score: float
    tags: list[str]


class PathAnswer(BaseModel):
    id: int


class QueryAnswer(BaseModel):
    count: int
    parameters: dict[str, str]


class RowDraft(BaseModel):
    name: str
    email: str = ""
    score: int = 0


class Row(BaseModel):
    id: int
    name: str
    email: str
    score: int


class UploadAnswer(BaseModel):
    bytes: int


class Tick(BaseModel):
    number: int
    of: int


class Accepted(BaseModel):
    task: int
    status: str


class Health(BaseModel):
    status: str


class OctetStreamResponse(StreamingResponse):
    media_type = "application/octet-stream"


LARGE = [Record(**record) for record in content.large_records()]
stats = Stats()
templates = Jinja2Templates(directory=content.TEMPLATES)


@asynccontextmanager
async def lifespan(app: FastAPI):
    url = os.environ.get("DATABASE_URL")
    if not url:
        app.state.pool = None
        yield
        return
    async with asyncpg.create_pool(
        url, min_size=content.POOL_MIN, max_size=content.POOL_MAX
    ) as app.state.pool:
        yield


app = FastAPI(lifespan=lifespan)
app.mount("/static", StaticFiles(directory=content.static_folder()))


async def database(request: Request) -> asyncpg.Pool:
    if request.app.state.pool is None:
        raise HTTPException(503, content.NO_DATABASE)
    return request.app.state.pool


Database = Annotated[asyncpg.Pool, Depends(database)]


@app.get("/health")
async def health(request: Request) -> Health:
    if request.app.state.pool is not None:
        try:
            await request.app.state.pool.fetchval("SELECT 1")
        except (OSError, asyncpg.PostgresError) as error:
            raise HTTPException(503, f"the database does not answer: {error}") from error
    return Health(status="ok")


@app.get("/stats")
async def show_stats() -> dict:
    return stats.shown()


@app.get("/ping", response_class=PlainTextResponse)
async def ping():
    stats.requests += 1
    return "pong"


@app.get("/json")
async def json_small() -> Greeting:
    stats.requests += 1
    return Greeting(hello="world")


@app.get("/json-large")
async def json_large() -> list[Record]:
    stats.requests += 1
    return LARGE


@app.get("/html", response_class=HTMLResponse)
async def html(request: Request):
    stats.requests += 1
    return templates.TemplateResponse(
        request=request,
        name=content.PAGE,
        context={"title": content.PAGE_TITLE, "items": content.PAGE_ITEMS},
    )


@app.get("/path/{id}")
async def path(id: int) -> PathAnswer:
    stats.requests += 1
    return PathAnswer(id=id)


@app.get("/query")
async def query(request: Request) -> QueryAnswer:
    stats.requests += 1
    parameters = dict(request.query_params)
    if not parameters:
        raise HTTPException(422, "give at least one parameter, as in ?a=1&b=2")
    return QueryAnswer(count=len(parameters), parameters=parameters)


@app.get("/db/{id}")
async def read_row(id: int, pool: Database) -> Row:
    stats.requests += 1
    row = await pool.fetchrow(content.SELECT_ROW, id)
    if row is None:
        raise HTTPException(404, "there is no such row, they go from 1 to 1000")
    return Row(**row)


@app.post("/db", status_code=201)
async def write_row(draft: RowDraft, pool: Database) -> Row:
    stats.requests += 1
    row = await pool.fetchrow(content.INSERT_ROW, draft.name, draft.email, draft.score)
    return Row(**row)


@app.post("/upload")
async def upload(file: UploadFile) -> UploadAnswer:
    stats.requests += 1
    return UploadAnswer(bytes=file.size)


@app.get("/stream", response_class=OctetStreamResponse)
async def stream() -> AsyncIterable[bytes]:
    stats.requests += 1
    for _ in range(content.CHUNKS):
        yield content.CHUNK


@app.get("/sse", response_class=EventSourceResponse)
async def events() -> AsyncIterable[ServerSentEvent]:
    stats.requests += 1
    for number in range(1, content.EVENTS + 1):
        yield ServerSentEvent(
            id=str(number), event="tick", data=Tick(number=number, of=content.EVENTS)
        )


@app.websocket("/ws")
async def echo(websocket: WebSocket):
    stats.requests += 1
    await websocket.accept()
    try:
        while True:
            text = await websocket.receive_text()
            json.loads(text)
            await websocket.send_text(text)
    except WebSocketDisconnect:
        pass
    except json.JSONDecodeError:
        await websocket.close(1007, "send JSON")


async def do_task(task: int):
    content.work(task)
    stats.end_task()


@app.get("/background", status_code=202)
@app.post("/background", status_code=202)
async def background(tasks: BackgroundTasks) -> Accepted:
    stats.requests += 1
    task = stats.begin_task()
    tasks.add_task(do_task, task)
    return Accepted(task=task, status="accepted")
