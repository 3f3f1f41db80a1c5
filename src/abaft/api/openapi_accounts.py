"""The endpoints of accounts in the document, from the table by which they are answered."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pydantic import TypeAdapter

from abaft.api.openapi_answers import problems
from abaft.api.openapi_batch import BEARER
from abaft.api.openapi_refs import ref
from abaft.api.request import FORM, JSON
from abaft.base.settings import Settings
from abaft.model.schemas import JsonSchema

TAG = "accounts"
_ALWAYS = (404, 405, 414, 503)
_WITH_BODY = (400, 413, 415, 422)
_KNOWN = (401, 403)


def account_paths(endpoints: Sequence[Any], settings: Settings) -> dict[str, Any]:
    """Their paths, each with its operations."""
    found: dict[str, Any] = {}
    for row in endpoints:
        path = f"{settings.api_prefix}/auth/{row.path.replace('*', '{id}')}"
        found.setdefault(path, {})[row.method.lower()] = _operation(row, settings)
    return found


def _operation(row: Any, settings: Settings) -> dict[str, Any]:
    statuses = {*_ALWAYS, *row.raised}
    statuses |= {*_WITH_BODY} if row.body is not None else set()
    statuses |= {400} if row.query is not None else set()
    statuses |= {*_KNOWN} if row.known else set()
    statuses |= {429} if settings.limits_requests else set()
    answer: dict[str, Any] = {"description": row.summary}
    if row.answer is not None:
        answer["content"] = {JSON: {"schema": _schema(row.answer)}}
    others = {
        str(status): {"description": kind.__doc__, "content": {JSON: {"schema": _schema(kind)}}}
        for status, kind in row.also
    }
    words = [row.method.lower(), *row.path.replace("*", "one").split("/")]
    operation: dict[str, Any] = {
        "operationId": "auth_" + "_".join(words),
        "tags": [TAG],
        "summary": row.summary,
        "responses": {str(row.status): answer} | others | problems(*sorted(statuses)),
    }
    parameters = _parameters(row)
    if parameters:
        operation["parameters"] = parameters
    if row.body is not None:
        form = FORM if row.form else JSON
        body = {"required": True, "content": {form: {"schema": _schema(row.body)}}}
        operation["requestBody"] = body
    if row.known:
        operation["security"] = [{BEARER: []}, {}]
    return operation


def _parameters(row: Any) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    if "*" in row.path:
        text = {"type": "string"}
        found.append({"name": "id", "in": "path", "required": True, "schema": text})
    if row.query is not None:
        rows = TypeAdapter(row.query).json_schema()["properties"]
        found += [{"name": name, "in": "query", "schema": schema} for name, schema in rows.items()]
    return found


def _schema(kind: Any) -> JsonSchema:
    return {} if kind is Any else ref(_name(kind))


def _name(kind: Any) -> str:
    return f"auth.{kind.__name__}"


def account_schemas(endpoints: Sequence[Any]) -> dict[str, JsonSchema]:
    """What their bodies and answers are like."""
    kinds = [
        kind
        for row in endpoints
        for kind in (row.body, row.answer, *(also for _, also in row.also))
    ]
    return {
        _name(kind): TypeAdapter(kind).json_schema()
        for kind in dict.fromkeys(kinds)
        if kind is not None and kind is not Any
    }
