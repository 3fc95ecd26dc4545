"""Middleware: https://docs.djangoproject.com/en/5.2/topics/http/middleware/

The three layers are classes with hooks, since `decorator_from_middleware` can put these around a
single view: https://docs.djangoproject.com/en/5.2/ref/utils/#module-django.utils.decorators
"""

import time

from django.http import JsonResponse
from django.utils.deprecation import MiddlewareMixin

from shared import errors, work

from .process import state


def count_requests(get_response):
    """For `/stats`."""

    def middleware(request):
        state.requests.next()
        return get_response(request)

    return middleware


def refusal(error: errors.Refused) -> JsonResponse:
    headers = errors.headers_of(error.status)
    return JsonResponse({"error": str(error)}, status=error.status, headers=headers)


class Auth(MiddlewareMixin):
    def process_request(self, request):
        if request.headers.get("Authorization") != work.LET_ME_IN:
            return refusal(errors.Unauthorized(f"send `Authorization: {work.LET_ME_IN}`"))


class Log(MiddlewareMixin):
    def process_request(self, request):
        request.begun = time.perf_counter()

    def process_response(self, request, response):
        response["X-Request-Id"] = state.log.add(
            request.headers.get("X-Request-Id"),
            request.method,
            request.path,
            response.status_code,
            time.perf_counter() - request.begun,
        )
        return response


class Process(MiddlewareMixin):
    def process_request(self, request):
        try:
            request.number = work.number_of(request.headers.get("X-Number"))
        except errors.Refused as error:
            return refusal(error)

    def process_response(self, request, response):
        response["X-Body-Sha256"] = work.sha256(response.content)
        return response
