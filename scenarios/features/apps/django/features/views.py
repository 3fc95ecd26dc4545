"""The feature scenarios on Django with Django REST Framework.

Choices, with the page of the documentation they come from:
- function views and serializers: https://www.django-rest-framework.org/api-guide/views/
- errors in a form of one's own: https://www.django-rest-framework.org/api-guide/exceptions/
- `async def` views of Django, each in an event loop of its own under WSGI, since Django REST
  Framework has none: https://docs.djangoproject.com/en/5.2/topics/async/
- uploads read from the request: https://docs.djangoproject.com/en/5.2/ref/request-response/
- one instance for each request as an attribute of it. Django has no dependency injection
- downloads from a generator: `StreamingHttpResponse`, on the same page
"""

import asyncio

from django.http import HttpResponse, JsonResponse, StreamingHttpResponse
from django.utils.decorators import decorator_from_middleware
from django.views.decorators.http import require_GET, require_POST
from rest_framework.decorators import api_view, parser_classes
from rest_framework.exceptions import ValidationError
from rest_framework.parsers import MultiPartParser
from rest_framework.response import Response
from rest_framework.views import exception_handler

from shared import errors, schema, work

from . import middleware, serializers
from .process import account, counts, queue, state, store

CHUNK = 64 << 10


def refuse(error: Exception, context: dict) -> Response | None:
    if isinstance(error, errors.Refused):
        headers = errors.headers_of(error.status)
        return Response({"error": str(error)}, error.status, headers=headers)
    if isinstance(error, ValidationError):
        status, answer = schema.verdict(0, faults_of(error.detail))
        return Response(answer, status)
    return exception_handler(error, context)


def faults_of(detail, path: str = "") -> list[tuple[str, str]]:
    """Every fault of nested records and lists, with the path of its field."""
    if isinstance(detail, str):
        return [(path.removesuffix(".non_field_errors"), detail)]
    if isinstance(detail, dict):
        inner = detail.items()
    else:
        # Faults of one field are a list of texts, those of many records a list of records.
        inner = [("" if isinstance(it, str) else index, it) for index, it in enumerate(detail)]
    faults = []
    for name, it in inner:
        below = path if name == "" else f"{path}.{name}".lstrip(".")
        faults += faults_of(it, below)
    return faults


def checked(serializer) -> dict:
    """The validated data."""
    serializer.is_valid(raise_exception=True)
    return serializer.validated_data


@api_view()
def health(request):
    return Response({"status": "ok"})


@api_view()
def stats(request):
    return Response(state.stats())


# Basic.


@require_GET
def hello(request):
    return HttpResponse("hello, world", content_type="text/plain")


@api_view()
def greet(request, name):
    return Response({"hello": name})


@api_view(["GET", "POST"])
def numbers(request):
    if request.method == "GET":
        return Response({"message": "hello, world", "number": 42, "list": [1, 2, 3]})
    given = checked(serializers.Numbers(data=request.data))
    total = work.wrapping_sum(given["numbers"])
    return Response({"name": given["name"], "count": len(given["numbers"]), "sum": total})


@api_view()
def route(request, user, post):
    window = checked(serializers.Window(data=request.query_params))
    return Response({"user": user, "post": post} | window)


# Middleware.

check_auth = decorator_from_middleware(middleware.Auth)
log = decorator_from_middleware(middleware.Log)
process = decorator_from_middleware(middleware.Process)


@api_view()
def through(request):
    return Response({"message": "through", "number": getattr(request, "number", None)})


none = through
auth = check_auth(through)
logging = log(through)
processing = process(through)
all_layers = log(check_auth(process(through)))


@api_view()
def lines(request):
    return Response(state.log.lines())


# Dependency injection.


def scoped(request) -> int:
    """The same within a request."""
    if not hasattr(request, "scope"):
        request.scope = counts.scopes.next()
    return request.scope


def transient() -> int:
    return counts.transients.next()


class Service:
    def __init__(self, request) -> None:
        self.counts = counts
        self.scope = scoped(request)


@api_view()
def show_singleton(request):
    return Response({"uses": counts.uses.next()})


@api_view()
def show_scoped(request):
    first, second = scoped(request), scoped(request)
    return Response({"scope": first, "is_shared": first == second})


@api_view()
def show_transient(request):
    return Response({"instances": [transient(), transient()]})


@api_view()
def show_chain(request):
    service, scope = Service(request), scoped(request)
    uses = service.counts.uses.next()
    return Response({"uses": uses, "scope": scope, "is_shared": service.scope == scope})


# Asynchronous.


def planned(serializer):
    """A decorator: the view gets the validated query. Its faults would not get to `refuse`."""

    def decorate(view):
        async def checking(request):
            try:
                return await view(request, checked(serializer(data=request.GET)))
            except ValidationError as error:
                status, answer = schema.verdict(0, faults_of(error.detail))
                return JsonResponse(answer, status=status)

        return checking

    return decorate


async def square(number: int, ms: int) -> int:
    await asyncio.sleep(ms / 1000)
    return number * number


@planned(serializers.Plan)
async def sleep(request, plan):
    await asyncio.sleep(plan["ms"] / 1000)
    return JsonResponse({"slept_ms": plan["ms"]})


@planned(serializers.Plan)
async def concurrent(request, plan):
    waits = (square(number, plan["ms"]) for number in range(plan["tasks"]))
    return JsonResponse({"tasks": plan["tasks"], "sum": sum(await asyncio.gather(*waits))})


@planned(serializers.Plan)
async def sequential(request, plan):
    squares = [await square(number, plan["ms"]) for number in range(plan["tasks"])]
    return JsonResponse({"tasks": plan["tasks"], "sum": sum(squares)})


@planned(serializers.Plan)
async def mixed(request, plan):
    digest = work.next_digest(b"uringbench")
    for _ in range(plan["tasks"]):
        await asyncio.sleep(plan["ms"] / 1000)
        digest = work.next_digest(digest)
    return JsonResponse({"rounds": plan["tasks"], "digest": digest.hex()})


@planned(serializers.Bounded)
async def bounded(request, plan):
    try:
        async with asyncio.timeout(plan["limit_ms"] / 1000):
            await asyncio.sleep(plan["ms"] / 1000)
    except TimeoutError:
        return JsonResponse({"error": f"given up after {plan['limit_ms']} ms"}, status=504)
    return JsonResponse({"slept_ms": plan["ms"]})


# Validation.


@api_view(["POST"])
def simple(request):
    checked(serializers.Person(data=request.data))
    return Response({"valid": True, "checked": 1})


@api_view(["POST"])
def complex(request):
    purchase = checked(serializers.Purchase(data=request.data))
    return Response({"valid": True, "checked": 1 + len(purchase["lines"])})


@api_view(["POST"])
def bulk(request):
    people = serializers.Person(data=request.data, many=True, max_length=work.BULK_MAX)
    return Response({"valid": True, "checked": len(checked(people))})


@api_view(["GET", "POST"])
def by_schema(request):
    if request.method == "GET":
        return Response(schema.SCHEMA)
    status, answer = schema.check(request.data)
    return Response(answer, status)


# Files. Views of Django, since a parser of Django REST Framework would read the body first.


def chunks_of(request):
    while chunk := request.read(CHUNK):
        yield chunk


def refuse_larger(request, most: int) -> None:
    if int(request.headers.get("Content-Length") or 0) > most:
        raise errors.TooLarge(f"send {most} bytes at most")


def limited(most: int):
    """A decorator: no body above this gets to the view."""

    def decorate(view):
        @require_POST
        def checking(request, *args, **kwargs):
            try:
                refuse_larger(request, most)
                return view(request, *args, **kwargs)
            except errors.Refused as error:
                return middleware.refusal(error)

        return checking

    return decorate


@limited(work.UPLOAD_MAX)
def upload(request):
    return JsonResponse({"bytes": sum(len(chunk) for chunk in chunks_of(request))})


@api_view(["POST"])
@parser_classes([MultiPartParser])
def upload_parts(request):
    refuse_larger(request, work.UPLOAD_MAX)
    parts = []
    for name, files in request.FILES.lists():
        parts += [{"name": name, "file_name": file.name, "bytes": file.size} for file in files]
    for name, texts in request.POST.lists():
        parts += [{"name": name, "file_name": None, "bytes": len(it.encode())} for it in texts]
    return Response({"bytes": sum(part["bytes"] for part in parts), "parts": parts})


@limited(work.UPLOAD_MAX)
def process_file(request):
    figures = work.Pass()
    for chunk in chunks_of(request):
        figures.take(chunk)
    return JsonResponse(figures.figures())


@api_view()
def download(request):
    asked = checked(serializers.Download(data=request.query_params))
    content = work.chunks(asked["bytes"], asked["chunk"])
    return StreamingHttpResponse(content, content_type="application/octet-stream")


# Background tasks.


@api_view(["POST"])
def run(request):
    task = checked(serializers.Task(data=request.data))
    return Response({"status": "done", "digest": work.execute(task["rounds"], task["wait_ms"])})


@api_view(["POST"])
def create(request):
    task = checked(serializers.Task(data=request.data))
    return Response({"task": queue.add(**task), "status": "queued"}, 202)


@api_view(["POST"])
def create_many(request):
    batch = checked(serializers.Batch(data=request.data))
    return Response({"first": queue.add(**batch), "count": batch["count"]}, 202)


@api_view()
def show_task(request, number):
    return Response(store.task(number))


@api_view()
def monitor(request):
    return Response(account.monitor())


# A shop.


@api_view()
def products(request):
    return Response(store.products(checked(serializers.Page(data=request.query_params))["page"]))


@api_view()
def product(request, product):
    return Response(store.product(product))


@api_view(["GET", "POST"])
def inventory(request, product):
    if request.method == "GET":
        return Response(store.inventory(product))
    return Response(store.deliver(product, checked(serializers.Delivery(data=request.data))["add"]))


@api_view(["POST"])
def order(request):
    return Response(store.order(checked(serializers.Cart(data=request.data))["lines"]), 201)


@api_view()
def ordered(request, order):
    return Response(store.ordered(order))


# A blog.


@api_view(["POST"])
def log_in(request):
    token = work.log_in(**checked(serializers.Login(data=request.data)))
    return Response({"token": token, "token_type": "Bearer"})


@api_view(["GET", "POST"])
def posts(request):
    if request.method == "GET":
        return Response(store.posts())
    author = work.author_of(request.headers.get("Authorization"))
    draft = checked(serializers.PostDraft(data=request.data))
    return Response(store.write(author, **draft), 201)


@api_view()
def show_post(request, post):
    return Response(store.post(post))


@api_view(["POST"])
def comment(request, post):
    author = work.author_of(request.headers.get("Authorization"))
    draft = checked(serializers.CommentDraft(data=request.data))
    return Response(store.comment(post, author, **draft), 201)


# Analytics.


@api_view(["POST"])
def take(request):
    posted = request.data if isinstance(request.data, list) else [request.data]
    limits = {"allow_empty": False, "max_length": work.EVENTS_MAX}
    events = checked(serializers.Event(data=posted, many=True, **limits))
    return Response(store.add_events([(event["kind"], event["value"]) for event in events]), 202)


@api_view()
def summary(request):
    return Response(store.summary())


@api_view()
def seconds(request):
    return Response(store.seconds())


# A file pipeline.


@limited(work.TEXT_MAX)
def send_file(request):
    return JsonResponse(store.upload(work.text_of(request.body)), status=201)


@api_view(["POST"])
def process_text(request, file):
    text = store.text(file)
    if text is not None:
        store.set_result(file, work.summary_of(text))
    return Response(store.file(file))


@api_view()
def show_file(request, file):
    return Response(store.file(file))
