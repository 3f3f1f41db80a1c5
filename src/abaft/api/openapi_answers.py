"""What all operations share: problems by status, headers, and the parameters that ask by them."""

from __future__ import annotations

from typing import Any

from abaft.api import openapi_refs
from abaft.api.openapi_refs import ref
from abaft.base import errors
from abaft.base.errors import Fault
from abaft.model.schemas import JsonSchema

PROBLEM = "application/problem+json"
_WRITES = ("post", "patch", "put", "delete")

_FAULTS: tuple[tuple[type[Fault], str, str], ...] = (
    (errors.BadRequest, "BadRequest", "A parameter or the body can't be understood."),
    (errors.Unauthorized, "Unauthorized", "The credentials aren't known, or there are none."),
    (errors.Forbidden, "Forbidden", "No rule allows this."),
    (errors.NotFound, "NotFound", "There is no such record that may be read."),
    (errors.NotAcceptable, "NotAcceptable", "`Accept` takes none of the forms that there are."),
    (errors.Conflict, "Conflict", "A unique value is taken, or the record is still referred to."),
    (errors.MethodNotAllowed, "MethodNotAllowed", "The path of an operation takes other methods."),
    (errors.PreconditionFailed, "PreconditionFailed", "The record has another ETag by now."),
    (errors.TooLarge, "TooLarge", "The body is over the limit."),
    (errors.UriTooLong, "UriTooLong", "Path and query are over the limit."),
    (errors.UnsupportedMedia, "UnsupportedMedia", "The body has another type, charset or coding."),
    (errors.Invalid, "Invalid", "Some values are wrong: `errors` names each."),
    (errors.TooManyRequests, "TooManyRequests", "The address has sent too many requests."),
    (errors.Unavailable, "Unavailable", "The database is away, or there is too much to do."),
)
_NAMES = {fault.status: name for fault, name, _ in _FAULTS}
_RETRY = {
    "Retry-After": {
        "description": "Seconds to wait",
        "required": True,
        "schema": {"type": "integer", "minimum": 0},
    }
}
_CHALLENGE = {
    "WWW-Authenticate": {"description": "How to log in", "schema": {"type": "string"}},
}
_MORE = {401: _CHALLENGE, 429: _RETRY, 503: _RETRY}

ETAG = {
    "description": "Names this very form of the record, for If-Match and If-None-Match",
    "required": True,
    "schema": {"type": "string", "examples": ['"9172f6f02ae5ecbb"']},
}
LINK = {
    "description": "The pages beside this one: `next`, `first`, `prev`, `last` (RFC 8288)",
    "schema": {"type": "string"},
}
TOTAL = {
    "X-Total-Count": {
        "description": "In NDJSON and CSV, with `count`: the records in all",
        "schema": {"type": "integer", "minimum": 0},
    },
    "X-Total-Counted": {
        "description": "What `counted` is in JSON",
        "schema": {"type": "string", "enum": ["exact", "estimated", "at_least"]},
    },
}
LOCATION = {
    "description": "Where the new record is, if it is one",
    "schema": {"type": "string", "format": "uri-reference"},
}


def problems(*statuses: int) -> dict[str, Any]:
    """Responses that refer to the shared ones."""
    return {
        str(status): {"$ref": f"#/components/responses/{_NAMES[status]}"} for status in statuses
    }


def responses() -> dict[str, Any]:
    """The shared responses by name."""
    return {name: _response(fault, said) for fault, name, said in _FAULTS}


def _response(fault: type[Fault], said: str) -> dict[str, Any]:
    example = {
        "type": f"urn:abaft:problem:{fault.code}",
        "title": fault.title,
        "status": fault.status,
        "code": fault.code,
    }
    content = {
        PROBLEM: {"schema": ref(openapi_refs.PROBLEM), "example": example},
    }
    response: dict[str, Any] = {"description": said, "content": content}
    if fault.status in _MORE:
        response["headers"] = _MORE[fault.status]
    return response


def problem_schema() -> JsonSchema:
    """RFC 9457, with every wrong part of the request in `errors`."""
    text = {"type": "string"}
    pointer = {
        **text,
        "description": 'A JSON Pointer into the body ("/title"), or "?name" for a query parameter',
    }
    return {
        "type": "object",
        "description": "What went wrong (RFC 9457).",
        "properties": {
            "type": {**text, "format": "uri"},
            "title": text,
            "status": {"type": "integer", "minimum": 400, "maximum": 599},
            "code": {**text, "description": "A name for programs, which stays the same"},
            "detail": text,
            "hint": {**text, "description": "What to do about it"},
            "errors": {
                "type": "array",
                "description": "Every wrong part of the request",
                "items": {
                    "type": "object",
                    "properties": {"pointer": pointer, "code": text, "detail": text},
                    "required": ["pointer", "code", "detail"],
                },
            },
        },
        "required": ["type", "title", "status", "code"],
    }


def parameters() -> dict[str, Any]:
    """The shared parameters by name."""
    return {
        "If-Match": _header("If-Match", "Write only if the record still has this ETag, else 412."),
        "If-None-Match": _header("If-None-Match", "Answer 304 if the ETag is still this."),
        "If-None-Match-Any": {
            **_header("If-None-Match", "`*`: make a new record, or answer 412."),
            "schema": {"type": "string", "enum": ["*"]},
        },
        "Prefer": _header(
            "Prefer",
            "`return=minimal`: show nothing of what is written; `handling=lenient`: pass over "
            "members and parameters that aren't known.",
        ),
        "Idempotency-Key": {
            **_header("Idempotency-Key", "Sent again with the same key, it takes place once."),
            "schema": {
                "type": "string",
                # Plain or quoted; blanks at its end are HTTP's.
                "pattern": r'^([!#-+\--~]{1,255}|"[ !#-\[\]-~]{1,255}")[ \t]*$',
            },
        },
    }


def _header(name: str, said: str) -> dict[str, Any]:
    return {"name": name, "in": "header", "description": said, "schema": {"type": "string"}}


def parameter(name: str) -> JsonSchema:
    """A reference to a shared parameter."""
    return {"$ref": f"#/components/parameters/{name}"}


def headers() -> dict[str, Any]:
    """The shared headers by name."""
    return {
        "Idempotency-Replayed": {
            "description": "The answer is that of an earlier request with this Idempotency-Key",
            "schema": {"type": "string", "enum": ["true"]},
        },
        "Preference-Applied": {
            "description": "Which of `Prefer` was done",
            "schema": {"type": "string"},
        },
    }


def written(path: dict[str, Any]) -> dict[str, Any]:
    """The path's operations; those that write tell what was done of what their headers ask."""
    return {
        method: {**row, "responses": _replayed(row["responses"])} if method in _WRITES else row
        for method, row in path.items()
    }


def _replayed(answers: dict[str, Any]) -> dict[str, Any]:
    shared = {name: {"$ref": f"#/components/headers/{name}"} for name in headers()}
    return {
        status: row if "$ref" in row else {**row, "headers": row.get("headers", {}) | shared}
        for status, row in answers.items()
    }
