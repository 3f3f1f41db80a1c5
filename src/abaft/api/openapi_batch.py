"""The batch in the document."""

from __future__ import annotations

from typing import Any

from abaft.api.openapi_answers import parameter, problems
from abaft.api.openapi_refs import BATCH, BATCH_RESULTS, ref
from abaft.api.request import JSON
from abaft.base.settings import Settings
from abaft.model.schemas import JsonSchema

BEARER = "bearer"
PATH = "/batch"
_SAID = (
    "Operations in order, in one transaction. In a later one's path `{name.id}` stands for what an "
    'earlier one was answered, in its body `{"$ref": "name.id"}`.'
)


def batch_path(settings: Settings, secured: bool, example: str) -> dict[str, Any]:
    """The path of the batch; its example reads the collection that is called so."""
    statuses = [400, 401, 403, 404, 405, 406, 409, 412, 413, 415, 422, 503]
    statuses += [429] if settings.limits_requests else []
    read = {"name": "first", "method": "GET", "path": f"/{example}?limit=1"}
    body = {"schema": ref(BATCH), "example": {"operations": [read] if example else []}}
    operation: dict[str, Any] = {
        "operationId": "batch",
        "tags": ["batch"],
        "summary": "Several operations as one request",
        "description": _SAID,
        "parameters": [parameter("Idempotency-Key"), parameter("Prefer")],
        "requestBody": {"required": True, "content": {JSON: body}},
        "responses": {
            "200": {
                "description": "What came of each, in order",
                "content": {JSON: {"schema": ref(BATCH_RESULTS)}},
            }
        }
        | problems(*sorted(statuses)),
    }
    if secured:
        operation["security"] = [{}, {BEARER: []}]
    return {f"{settings.api_prefix}{PATH}": {"post": operation}}


def batch_schemas(settings: Settings) -> dict[str, JsonSchema]:
    """Its body, and its answer."""
    operations = {
        "type": "array",
        "items": _operation(settings),
        "maxItems": settings.max_operations,
    }
    atomic = {
        "type": "boolean",
        "default": True,
        "description": "All or nothing; `false`: each on its own, whatever comes of the others",
    }
    result = {
        "type": "object",
        "properties": {
            "status": {"type": "integer"},
            "headers": {"type": "object", "additionalProperties": {"type": "string"}},
            "body": {"description": "As the operation by itself is answered; null: no body"},
        },
        "required": ["status", "headers", "body"],
        "additionalProperties": False,
    }
    return {
        BATCH: {
            "type": "object",
            "properties": {"operations": operations, "atomic": atomic},
            "required": ["operations"],
            "additionalProperties": False,
        },
        BATCH_RESULTS: {
            "type": "object",
            "properties": {"results": {"type": "array", "items": result}},
            "required": ["results"],
            "additionalProperties": False,
        },
    }


def _operation(settings: Settings) -> JsonSchema:
    text = {"type": "string"}
    headers = {
        "type": "object",
        "properties": dict.fromkeys(["if-match", "if-none-match", "prefer", "content-type"], text),
    }
    return {
        "type": "object",
        "properties": {
            "name": {
                "type": "string",
                "pattern": "^[A-Za-z_][A-Za-z0-9_]{0,59}$",
                "description": "What later operations call it by",
            },
            "method": {"type": "string", "enum": ["GET", "POST", "PATCH", "PUT", "DELETE"]},
            "path": {
                "type": "string",
                "pattern": "^/",
                "description": f"What follows {settings.api_prefix}, with its query",
            },
            "body": {"description": "What its request's body would be"},
            "headers": headers,
        },
        "required": ["method", "path"],
        "additionalProperties": False,
    }
