"""The answers.

One instance of the controller answers all requests, since it has no state of a request:
/docs/controllers/overview. Answers, streams, events and tasks: /docs/request-response/response.
"""

import content
from aquilia import GET, POST, Controller, RequestCtx, Response
from aquilia.faults.domains import NotFoundFault, UnprocessableEntityFault
from aquilia.json import dumps
from aquilia.response import CallableBackgroundTask, ServerSentEvent

from .contracts import RowDraft
from .services import Rows
from .stats import stats

LARGE = content.large_records()


class ShootoutController(Controller):
    prefix = "/"
    instantiation_mode = "singleton"

    def __init__(self, rows: Rows):
        self.rows = rows

    @GET("/stats")
    async def show_stats(self, ctx: RequestCtx):
        return Response.json(stats.shown())

    @GET("/ping")
    async def ping(self, ctx: RequestCtx):
        stats.requests += 1
        return Response.text("pong")

    @GET("/json")
    async def json_small(self, ctx: RequestCtx):
        stats.requests += 1
        return Response.json({"hello": "world"})

    @GET("/json-large")
    async def json_large(self, ctx: RequestCtx):
        stats.requests += 1
        return Response.json(LARGE)

    @GET("/html")
    async def html(self, ctx: RequestCtx):
        stats.requests += 1
        context = {"title": content.PAGE_TITLE, "items": content.PAGE_ITEMS}
        return await self.render(content.PAGE, context, ctx)

    @GET("/path/<id:int>")
    async def path(self, ctx: RequestCtx, id: int):
        stats.requests += 1
        return Response.json({"id": id})

    @GET("/query")
    async def query(self, ctx: RequestCtx):
        stats.requests += 1
        parameters = dict(ctx.query_params.items_list())
        if not parameters:
            raise UnprocessableEntityFault("give at least one parameter, as in ?a=1&b=2")
        return Response.json({"count": len(parameters), "parameters": parameters})

    @GET("/db/<id:int>")
    async def read_row(self, ctx: RequestCtx, id: int):
        stats.requests += 1
        row = await self.rows.read(id)
        if row is None:
            raise NotFoundFault("there is no such row, they go from 1 to 1000")
        return Response.json(row)

    @POST("/db")
    async def write_row(self, ctx: RequestCtx, draft: RowDraft):
        stats.requests += 1
        row = await self.rows.write(draft.name, draft.email, draft.score)
        return Response.json(row, status=201)

    @POST("/upload")
    async def upload(self, ctx: RequestCtx):
        stats.requests += 1
        form = await ctx.multipart()
        file = form.get_file("file")
        if file is None:
            raise UnprocessableEntityFault("send a form with a file")
        answer = {"bytes": file.size}
        await form.cleanup()
        return Response.json(answer)

    @GET("/stream")
    async def stream(self, ctx: RequestCtx):
        stats.requests += 1
        return Response.stream(self.chunks())

    async def chunks(self):
        for _ in range(content.CHUNKS):
            yield content.CHUNK

    @GET("/sse")
    async def events(self, ctx: RequestCtx):
        stats.requests += 1
        return Response.sse(self.ticks())

    async def ticks(self):
        for number in range(1, content.EVENTS + 1):
            data = dumps({"number": number, "of": content.EVENTS}).decode()
            yield ServerSentEvent(data, id=str(number), event="tick")

    @GET("/background")
    @POST("/background")
    async def background(self, ctx: RequestCtx):
        stats.requests += 1
        task = stats.begin_task()

        async def do_task():
            content.work(task)
            stats.end_task()

        # Response.json() takes no background task.
        return Response(
            dumps({"task": task, "status": "accepted"}),
            status=202,
            media_type="application/json; charset=utf-8",
            background=CallableBackgroundTask(do_task),
        )
