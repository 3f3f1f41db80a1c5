"""A model's operations: list, create, read, change, replace and delete."""

from __future__ import annotations

from typing import Any

from abaft.api import openapi_examples as examples
from abaft.api.forms import FORMS, whole_forms
from abaft.api.openapi_answers import ETAG, LINK, LOCATION, TOTAL, parameter, problems, written
from abaft.api.openapi_batch import BEARER
from abaft.api.openapi_models import patch_of_many
from abaft.api.openapi_parameters import Parameters
from abaft.api.openapi_parts import WRITING, Tools, below
from abaft.api.openapi_refs import PROBLEM, ref
from abaft.api.request import JSON, MERGE_PATCH, OPERATORS
from abaft.base.actor import ANONYMOUS
from abaft.base.settings import Settings
from abaft.model import names
from abaft.model.expr import FALSE, TRUE
from abaft.model.schemas import JsonSchema, optional, shown
from abaft.model.spec import Action, Model, Schema
from abaft.plan.access import Access

_ALWAYS = (400, 401, 403, 414, 503)

_GROUP: JsonSchema = {
    "type": "object",
    "description": "A group, with `aggregate`",
    "additionalProperties": {"type": ["string", "number", "boolean", "null"]},
}


class Operations:
    """The paths of one model; `secured` where somebody can log in."""

    def __init__(self, schema: Schema, settings: Settings, model: Model, secured: bool) -> None:
        self.model = model
        self.settings = settings
        self.secured = secured
        self.parameters = Parameters(schema, settings, model)
        self.anonymous = Access(schema, ANONYMOUS)
        # Who writes what it may not read gets no representation of it.
        self.unseen = not any(
            "read" in rule.actions and not rule.fields and rule.where == TRUE
            for rule in model.rules
        )

    def paths(self) -> dict[str, Any]:
        """The collection's path and the records'."""
        base = f"{self.settings.api_prefix}/{self.model.collection}"
        if self.model.read_only:
            record = {"parameters": self.parameters.key(), "get": self._read()}
            return {base: {"get": self._list()}, f"{base}/{self.parameters.path()}": record}
        record = {
            "parameters": self.parameters.key(),
            "get": self._read(),
            "patch": self._patch(),
            "put": self._put(),
            "delete": self._delete(),
        }
        found = {
            base: {"get": self._list(), "post": self._create(), **self._bulk()},
            f"{base}/{self.parameters.path()}": record,
        } | self._parts(f"{base}/{self.parameters.path()}")
        return {path: written(item) for path, item in found.items()}

    def _parts(self, base: str) -> dict[str, Any]:
        tools = Tools(self._operation, self._changed, self._problems)
        found = below(self.model, self.settings, self.parameters, tools)
        return {f"{base}/{path}": row for path, row in found.items()}

    def _operation(self, verb: str, action: Action, noun: str, said: str = "") -> dict[str, Any]:
        rules = [
            f"`{rule.name}`"
            for rule in self.model.rules
            if action in rule.actions and not rule.fields
        ]
        who = (
            f"Allowed by {' or '.join(rules)}."
            if rules
            else "No rule allows it: administrators only."
        )
        singular = noun == self.model.name
        title = f"{verb.capitalize()} {_article(noun) if singular else noun}"
        operation: dict[str, Any] = {
            "operationId": f"{verb}_{names.snake(noun) if singular else noun}",
            "tags": [self.model.name],
            "summary": title,
            "description": f"{said} {who}".strip(),
        }
        if self.secured:
            needed = self.anonymous.records(self.model, action) == FALSE
            operation["security"] = [{BEARER: []}] if needed else [{}, {BEARER: []}]
        return operation

    def _list(self) -> dict[str, Any]:
        model = self.model
        said = (
            "Filters add up; in pages, by `cursor` or `offset`. "
            "As NDJSON or CSV it is a stream of all records, or of `limit` many."
        )
        next_page = {
            "operationId": f"list_{model.collection}",
            "parameters": {"cursor": "$response.body#/next"},
            "description": "The next page, unless `next` is null",
        }
        # A stream has no ETag.
        etag = {**ETAG, "required": False}
        ok = _shown("A page of records", self._page())
        # Of the ways that `items` may be, pages of documentation show each.
        page = {"items": [examples.record(model, self.parameters.schema)], "next": None}
        ok["content"][JSON]["example"] = page
        ok |= {
            "headers": {"ETag": etag, "Link": LINK, **TOTAL},
            "links": {"next": next_page},
        }
        return self._operation("list", "read", model.collection, said) | {
            "parameters": [*self.parameters.page(), parameter("If-None-Match")],
            "responses": {"200": ok, "304": _unchanged()} | self._problems(406, 422),
        }

    def _page(self) -> JsonSchema:
        following = {"type": ["string", "null"], "description": "The cursor of the next page"}
        count = {"type": "integer", "minimum": 0, "description": "Of all pages, with `count`"}
        surely = {"type": "string", "enum": ["exact", "at_least", "estimated"]}
        return {
            "type": "object",
            "properties": {
                "items": {
                    "type": "array",
                    "items": {"anyOf": [*self._record()["anyOf"], _GROUP]},
                    "maxItems": self.settings.max_limit,
                },
                "next": following,
                "count": count,
                "counted": surely,
            },
            "required": ["items", "next"],
            "additionalProperties": False,
        }

    def _record(self) -> JsonSchema:
        """Whole, or with `fields` in part."""
        return {"anyOf": [ref(self.model.name), ref(f"{self.model.name}.Part")]}

    def _read(self) -> dict[str, Any]:
        ok = _shown("The record", self._record()) | {"headers": {"ETag": ETAG}}
        return self._operation("read", "read", self.model.name) | {
            "parameters": [
                *self.parameters.shape(),
                *self.parameters.deleted(),
                *self.parameters.as_of(),
                parameter("If-None-Match"),
            ],
            "responses": {"200": ok, "304": _unchanged()} | self._problems(404, 406, 422),
        }

    def _bulk(self) -> dict[str, Any]:
        """A write of all that a filter finds."""
        model = self.model
        schema = patch_of_many(self.parameters.schema, self.settings, model)
        asked = self.parameters.found()
        said = "All that the filter finds, or none of it."
        merged = self._patches(schema)
        patch = self._operation("update", "update", model.collection, said)
        delete = self._operation("delete", "delete", model.collection, said)
        key = {name: shown(model.fields[name].kind) for name in model.key}
        keys = {"type": "object", "properties": key, "required": list(key)}
        return {
            "patch": {
                **patch,
                "operationId": f"bulk_update_{model.collection}",
                "summary": f"Update several {model.collection}",
                "parameters": [*asked, *self.parameters.shape(), *WRITING],
                "requestBody": merged,
                "responses": {"200": _json("The records as they are now", self._several())}
                | self._problems(404, 409, 413, 415, 422),
            },
            "delete": {
                **delete,
                "operationId": f"bulk_delete_{model.collection}",
                "summary": f"Delete several {model.collection}",
                "parameters": [*asked, *WRITING, *self.parameters.purge()],
                "responses": {"200": _json("The keys of what was deleted", _found(keys))}
                | self._problems(404, 409, 422),
            },
        }

    def _several(self) -> JsonSchema:
        return _found(optional(self._record()) if self.unseen else self._record())

    def _create(self) -> dict[str, Any]:
        one = ref(f"{self.model.name}.Create")
        most = self.settings.max_batch
        schema = {"anyOf": [one, {"type": "array", "items": one, "maxItems": most}]}
        body = _body({JSON: schema}, examples.body(self.model, key=True))
        said = "A record, or with a list all of them in one transaction."
        made, asked = self._made(), self.parameters.upsert()
        changed = {
            "200": _json("Changed, by `upsert`", made["content"][JSON]["schema"]),
            "204": {"description": "Changed, by `upsert`; it wasn't to be shown"},
        }
        if asked:
            asked.append(parameter("If-Match"))
        statuses = (409, 412, 413, 415, 422) if asked else (409, 413, 415, 422)
        return self._operation("create", "create", self.model.name, said) | {
            "parameters": [*self.parameters.shape(), *asked, *WRITING],
            "requestBody": body,
            "responses": {"201": made} | (changed if asked else {}) | self._problems(*statuses),
        }

    def _patch(self) -> dict[str, Any]:
        schema = ref(f"{self.model.name}.Patch")
        said = "What the body doesn't name stays as it is (RFC 7396)."
        return self._operation("update", "update", self.model.name, said) | {
            "parameters": [*self.parameters.shape(), parameter("If-Match"), *WRITING],
            "requestBody": self._patches(schema),
            "responses": self._changed() | self._problems(404, 409, 412, 413, 415, 422),
        }

    def _patches(self, schema: JsonSchema) -> dict[str, Any]:
        body = _body({JSON: schema, MERGE_PATCH: schema}, examples.changes(self.model))
        operators = ref(f"{self.model.name}.Operators")
        body["content"] |= _body({OPERATORS: operators}, examples.operated(self.model))["content"]
        return body

    def _put(self) -> dict[str, Any]:
        said = "Or makes it under this key, where there is none."
        asked = [parameter("If-Match"), parameter("If-None-Match-Any"), *WRITING]
        responses = self._changed() | {"201": self._made()}
        return self._operation("replace", "update", self.model.name, said) | {
            "parameters": [*self.parameters.shape(), *asked],
            "requestBody": _body(
                {JSON: ref(f"{self.model.name}.Replace")}, examples.body(self.model, key=False)
            ),
            "responses": responses | self._problems(404, 409, 412, 413, 415, 422),
        }

    def _delete(self) -> dict[str, Any]:
        asked = [*self.parameters.shape(), *self.parameters.purge(), parameter("If-Match")]
        return self._operation("delete", "delete", self.model.name) | {
            "parameters": [*asked, *WRITING],
            "responses": {"204": {"description": "Deleted"}} | self._problems(404, 409, 412, 422),
        }

    def _made(self) -> dict[str, Any]:
        record = optional(self._record()) if self.unseen else self._record()
        listed = {"items": {"type": "array", "items": record}}
        items: JsonSchema = {"type": "object", "properties": listed}
        items |= {"required": ["items"], "additionalProperties": False}
        schema = {"anyOf": [*record["anyOf"], items]}
        said = "Created; null where it may not be read" if self.unseen else "Created"
        etag = {**ETAG, "required": False}
        key = dict.fromkeys(self.model.key)
        links = {
            verb: {
                "operationId": f"{verb}_{names.snake(self.model.name)}",
                "parameters": {name: f"$response.body#/{name}" for name in key},
            }
            for verb in ("read", "update", "replace", "delete")
        }
        return _json(said, schema) | {
            "headers": {"ETag": etag, "Location": LOCATION},
            "links": links,
        }

    def _changed(self) -> dict[str, Any]:
        ok = _json("The record as it is now", self._record()) | {"headers": {"ETag": ETAG}}
        who = ", or may not be read by who wrote it" if self.unseen else ""
        unseen = {"204": {"description": f"Written; it wasn't to be shown{who}"}}
        return {"200": ok} | unseen

    def _problems(self, *statuses: int) -> dict[str, Any]:
        limited = (429,) if self.settings.limits_requests else ()
        # A view reckons by rules of its own, which may fail on what a table holds.
        failing = (409,) if self.model.read_only else ()
        return problems(*sorted({*_ALWAYS, *statuses, *limited, *failing}))


def _found(item: JsonSchema) -> JsonSchema:
    """What a write of many answers."""
    refused = {"key": {"type": "string"}, "problem": ref(PROBLEM)}
    either = {"type": "object", "properties": refused, "required": list(refused)}
    return {
        "type": "object",
        "properties": {
            "count": {"type": "integer", "minimum": 0, "description": "How many were found"},
            "items": {"type": "array", "items": item},
            "refused": {"type": "array", "items": either, "description": "With `dry_run`"},
        },
        "required": ["count", "items"],
        "additionalProperties": False,
    }


def _article(noun: str) -> str:
    return f"{'an' if noun[0] in 'AEIO' else 'a'} {noun}"


def _json(said: str, schema: JsonSchema) -> dict[str, Any]:
    """An answer in the forms of a write."""
    content: dict[str, Any] = {
        f"{form.media.type}/{form.media.subtype}": {} for form in whole_forms()
    }
    return {"description": said, "content": {**content, JSON: {"schema": schema}}}


def _shown(said: str, schema: JsonSchema) -> dict[str, Any]:
    """An answer in all forms; what isn't JSON has no schema that a client could hold it to."""
    content: dict[str, Any] = {f"{form.media.type}/{form.media.subtype}": {} for form in FORMS}
    lines = {"schema": {"type": "string"}}
    texts = {name: lines for name in content if "csv" in name or "ndjson" in name}
    return {"description": said, "content": {**content, **texts, JSON: {"schema": schema}}}


def _unchanged() -> dict[str, Any]:
    return {"description": "It is still as If-None-Match says", "headers": {"ETag": ETAG}}


def _body(schemas: dict[str, JsonSchema], example: dict[str, Any] | None) -> dict[str, Any]:
    shown = {} if example is None else {"example": example}
    content = {media: {"schema": schema, **shown} for media, schema in schemas.items()}
    return {"required": True, "content": content}
