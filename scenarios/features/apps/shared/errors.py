"""Why a request is refused. Each application turns these into answers its framework's way."""


class Refused(Exception):
    status = 422


class NotFound(Refused):
    status = 404


class Conflict(Refused):
    status = 409


class Unauthorized(Refused):
    status = 401


class TooLarge(Refused):
    status = 413


class Busy(Refused):
    status = 503


def headers_of(status: int) -> dict[str, str]:
    """Headers that HTTP requires or recommends for such an answer."""
    if status == 401:
        return {"WWW-Authenticate": "Bearer"}
    if status == 503:
        return {"Retry-After": "1"}
    return {}
