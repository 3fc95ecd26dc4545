"""The body of POST /db."""

from aquilia.contracts import Contract


class RowDraft(Contract):
    name: str
    email: str = ""
    score: int = 0
