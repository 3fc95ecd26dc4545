"""The JSON Schema of orders, compiled once. None of the frameworks validates by a JSON Schema, so
all use the `jsonschema` package."""

import json
from pathlib import Path

from jsonschema import Draft202012Validator

from .work import FAULTS_REPORTED

SCHEMA = json.loads((Path(__file__).parent / "order.schema.json").read_text())
_VALIDATOR = Draft202012Validator(SCHEMA)


def check(document: object) -> tuple[int, dict]:
    """The status and the answer for a document."""
    faults = [
        (".".join(map(str, error.absolute_path)), error.message)
        for error in _VALIDATOR.iter_errors(document)
    ]
    return verdict(1, faults)


def verdict(checked: int, faults: list[tuple[str, str]]) -> tuple[int, dict]:
    """The status and the answer for what was checked: each fault is a field and a rule."""
    if not faults:
        return 200, {"valid": True, "checked": checked}
    reported = [{"field": field, "rule": rule} for field, rule in faults[:FAULTS_REPORTED]]
    refusal = {"valid": False, "error": "fix the fields", "faults": len(faults), "fields": reported}
    return 422, refusal
