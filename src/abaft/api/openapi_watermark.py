"""The header Watermark, where there are replicas: on all that is asked, and on what writes."""

from __future__ import annotations

from typing import Any

from abaft.api.openapi_answers import parameter

_NAME = "Watermark"
_METHODS = ("get", "put", "post", "delete", "options", "head", "patch", "trace")
_READS = ("get", "head", "options", "trace")
_TEXT = {"type": "string", "pattern": "^[A-Za-z0-9_-]+$"}


def add_watermarks(document: dict[str, Any]) -> None:
    """Adds it to the document's operations, the user's own among them."""
    components = document["components"]
    components["parameters"][_NAME] = {
        "name": _NAME,
        "in": "header",
        "description": "The `Watermark` of an answer: what that one wrote is seen, by whom it may "
        "be. One that wasn't given here is 400 (`bad_watermark`).",
        "schema": _TEXT,
    }
    components["headers"][_NAME] = {
        "description": "Sent with later reads, they see what was written here; a cookie does the "
        "same for browsers, for a while",
        "schema": _TEXT,
    }
    document["paths"] = {path: _item(item) for path, item in document["paths"].items()}


def _item(item: dict[str, Any]) -> dict[str, Any]:
    return {
        name: _operation(row, name in _READS) if name in _METHODS else row
        for name, row in item.items()
    }


def _operation(row: dict[str, Any], reads: bool) -> dict[str, Any]:
    made = {**row, "parameters": [*row.get("parameters", []), parameter(_NAME)]}
    if not reads:
        made["responses"] = {
            status: _told(answer) if status.startswith("2") else answer
            for status, answer in row["responses"].items()
        }
    return made


def _told(answer: dict[str, Any]) -> dict[str, Any]:
    if "$ref" in answer:
        return answer
    header = {_NAME: {"$ref": f"#/components/headers/{_NAME}"}}
    return {**answer, "headers": {**answer.get("headers", {}), **header}}
