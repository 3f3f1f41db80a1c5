"""OpenAPI 3.1 of the record path, put into the document that FastAPI makes of all else."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from abaft.api.openapi_accounts import account_paths, account_schemas
from abaft.api.openapi_answers import headers, parameters, problem_schema, responses, written
from abaft.api.openapi_batch import BEARER, batch_path, batch_schemas
from abaft.api.openapi_models import components
from abaft.api.openapi_names import Definitions, chosen, placed
from abaft.api.openapi_paths import Operations
from abaft.api.openapi_refs import PROBLEM, ref
from abaft.api.openapi_watermark import add_watermarks
from abaft.base.settings import Settings
from abaft.model.declare import MARKER
from abaft.model.spec import Schema

Document = dict[str, Any]

_PARAMETER = re.compile(r"\{[^}]*\}")

_ABOUT = """\
Every collection answers alike. `GET` takes filters by field (`?title=x`, `?title[contains]=x`, \
through relations `?author.name=x`), `sort`, `expand`, `fields` and pages; `HEAD` and `OPTIONS` \
work everywhere. Writes take `If-Match`, so that no update is lost. Whatever is refused is \
answered by a problem (RFC 9457) that names every fault. Text holds no U+0000; integers have 64 \
bits; instants are UTC."""


def extend(
    document: Document,
    schema: Schema,
    settings: Settings,
    secured: bool,
    accounts: Sequence[Any] | None = None,
) -> Document:
    """The document with the collections of the schema in it; what it had stays first in line.

    `secured` tells that somebody can log in; `accounts` is their table of endpoints.
    """
    known = document.get("components", {})
    served = schema.collections.values()
    paths: Document = {}
    shared: Document = parameters()
    schemas: Document = {PROBLEM: problem_schema()}
    for model in served:
        operations = Operations(schema, settings, model, secured)
        paths |= operations.paths()
        shared |= operations.parameters.shared() | operations.parameters.finding()
        schemas |= components(schema, settings, model)
    batch = batch_path(settings, secured, example=next(iter(schema.collections), ""))
    paths |= {path: written(item) for path, item in batch.items()}
    schemas |= batch_schemas(settings)
    if accounts is not None:
        paths |= account_paths(accounts, settings)
        schemas |= account_schemas(accounts)
    definitions = Definitions()
    schemas = definitions.hoist(schemas) | definitions.schemas
    named = _named(schemas, known.get("schemas", {}))
    whole = {
        **document,
        "info": {"description": _ABOUT, **document["info"]},
        "tags": _tags(document, schema),
        "paths": {**_left(paths, document.get("paths", {})), **document.get("paths", {})},
        "components": {
            **known,
            "schemas": {**known.get("schemas", {}), **_called(schemas, named)},
            "responses": {**responses(), **known.get("responses", {})},
            "parameters": {**shared, **known.get("parameters", {})},
            "headers": {**headers(), **known.get("headers", {})},
        },
    }
    if settings.replicas:
        add_watermarks(whole)
    if secured:
        scheme = {"type": "http", "scheme": "bearer"}
        schemes = {BEARER: scheme, **known.get("securitySchemes", {})}
        whole["components"]["securitySchemes"] = schemes
    return placed(_linked(whole, {model.name for model in served}), named)


def _named(schemas: Document, known: Document) -> dict[str, str]:
    """What each component is called; models have the first choice."""
    shared = {name: plain for name in schemas if (plain := _shared(name, schemas, known))}
    ours = [name for name in schemas if name not in shared]
    return shared | chosen(sorted(ours, key=lambda name: "." in name or "~" in name), known)


def _shared(name: str, schemas: Document, known: Document) -> str:
    """The name of what an endpoint of the user's says of the same class."""
    plain, numbered, _ = name.partition("~")
    return plain if numbered and known.get(plain) == schemas[name] else ""


def _called(schemas: Document, names: dict[str, str]) -> Document:
    return {names[name]: schema for name, schema in schemas.items()}


def _left(ours: Document, theirs: Document) -> Document:
    """Our paths but for those that an endpoint of the user's takes, with all their methods."""
    taken = {_PARAMETER.sub("{}", path) for path in theirs}
    return {path: item for path, item in ours.items() if _PARAMETER.sub("{}", path) not in taken}


def _tags(document: Document, schema: Schema) -> list[Document]:
    given = document.get("tags", [])
    named = {tag["name"] for tag in given}
    ours = [
        {"name": model.name, "description": model.description}
        if model.description
        else {"name": model.name}
        for model in schema.collections.values()
        if model.name not in named
    ]
    batch = {"name": "batch", "description": "Several operations in one request."}
    return [*given, *ours, *([] if "batch" in named else [batch])]


def _linked(node: Any, names: set[str]) -> Any:
    """References instead of what pydantic says of a model, in the user's own endpoints."""
    if isinstance(node, dict):
        if node.get(MARKER) in names:
            return ref(node[MARKER])
        return {key: _linked(value, names) for key, value in node.items()}
    return [_linked(item, names) for item in node] if isinstance(node, list) else node
