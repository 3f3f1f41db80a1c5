"""The document of everything as schemathesis reads it, and what it checks of every answer."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import AsyncExitStack
from functools import cache
from typing import Any

import schemathesis
from hypothesis.strategies import one_of
from schemathesis.config import (
    CheckConfig,
    ChecksConfig,
    GenerationConfig,
    ProjectConfig,
    ProjectsConfig,
    SchemathesisConfig,
)
from schemathesis.core.parameters import ParameterLocation
from schemathesis.generation import GenerationMode
from schemathesis.generation.drivers import CoverageGenerator
from schemathesis.generation.feedback import FeedbackSources
from schemathesis.generation.hypothesis.examples import generate_one
from schemathesis.generation.overrides import Override
from schemathesis.specs.openapi.checks import negative_data_rejection, positive_data_acceptance

from abaft import App
from apps.everything import TOKEN, make_app
from apps.parcels import Heavy, Parcel

# What only the stored data or another parameter can tell: the schema of one value doesn't know.
BEYOND_SCHEMAS = {
    "as_of_alone",
    "bad_cursor",
    "bad_precondition",  # If-Match with a list
    "check",
    "cursor_and_offset",
    "datetime_range",
    "dry_run_alone",
    "duration_range",
    "filter_required",
    "greater_than_equal",  # of a decimal's text
    "idempotency_key_reused",
    "itself",
    "json_value",
    "no_aggregate",
    "no_search",
    "nested_too_deep",
    "no_such_record",
    "not_with_upsert",
    "not_of_groups",
    "other_key",
    "precondition_failed",
    "repeated_field",
    "search_too_long",  # of words
    "too_many_relations",
    "unknown_field",  # a group has members of its own to sort by
    "unknown_scope",
    "uri_too_long",
    "write_once",
    # Of some items of a list, of which another was refused first.
    "forbidden_values",
    "taken",
}
RESERVED = re.compile(r"/email(/set)?$")
REFUSALS = [400, 401, 403, 404, 405, 406, 409, 412, 414, 415, 422]


@cache
def document() -> dict[str, Any]:
    """The document of everything, with records nested one deep."""
    whole: dict[str, Any] = json.loads(
        json.dumps(make_app("sqlite:///unused.db", Parcel, Heavy).openapi())
    )
    shared = whole["components"]["parameters"]
    for model in (name.removesuffix(".by.group") for name in shared if name.endswith(".by.group")):
        named = shared[f"{model}.by.sort"]["schema"]["items"]["enum"]
        fields = [name for name in named if name.isalpha()]
        for name, values in grouped(fields).items():
            shared[f"{model}.by.{name}"]["schema"] = {"enum": values}
    schemas = whole["components"]["schemas"]
    flat = {f"{name}.flat": unnested(schemas[name]) for name in schemas if NESTED.search(name)}
    for name in [name for name in schemas if name.endswith(("Create", "Patch"))]:
        schemas[name] = json.loads(REFERENCE.sub(r"\1.flat", json.dumps(schemas[name])))
    return whole | {"components": {**whole["components"], "schemas": schemas | flat}}


def grouped(fields: list[str]) -> dict[str, list[str]]:
    """Some groups to ask for: no schema says what may be reckoned."""
    reckoned = [f"distinct({name})" for name in fields]
    return {
        "aggregate": ["count", "count,n:count(*)", *reckoned, *(f"count,x:{r}" for r in reckoned)],
        "group": [*fields, f"{fields[0]},y:{fields[-1]}"],
        "having": ["count > 0", "not count = 1"],
    }


NESTED = re.compile(r"(Keyed|Create(\.\w+)?)$")
REFERENCE = re.compile(r'(#/components/schemas/\w+?(?:Keyed|Create(?:\.\w+)?))(?=")')


def unnested(node: Any) -> Any:
    """A body with no records in it: all depths of them would take hours to go through."""
    if isinstance(node, list):
        return [unnested(row) for row in node if not nests(row)]
    if not isinstance(node, dict):
        return node
    node = {key: unnested(value) for key, value in node.items()}
    if "properties" in node:
        node["properties"] = {k: v for k, v in node["properties"].items() if not nests(v)}
    return node


def nests(node: Any) -> bool:
    return REFERENCE.search(json.dumps(node)) is not None


class Current:
    """An app on each engine; all requests, those of schemathesis' checks too, are for one of them.

    A case is made once and put to all of them: making it costs more than answering it.
    """

    def __init__(self) -> None:
        self.apps: dict[str, App] = {}
        self.engine = ""

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            await self._live(receive, send)
        else:
            await self.apps[self.engine](scope, receive, send)

    async def _live(self, receive: Any, send: Any) -> None:
        async with AsyncExitStack() as stack:
            await receive()
            for app in self.apps.values():
                await stack.enter_async_context(app.router.lifespan_context(app))
            await send({"type": "lifespan.startup.complete"})
            await receive()
        await send({"type": "lifespan.shutdown.complete"})


CURRENT = Current()


def loaded(document: dict[str, Any]) -> Any:
    """The schema that schemathesis makes of a document."""
    project = ProjectConfig(
        base_url="http://testserver",
        # U+0000 is refused everywhere, which the document says once instead of at every string.
        generation=GenerationConfig(allow_x00=False),
        checks=ChecksConfig(negative_data_rejection=CheckConfig(expected_statuses=REFUSALS)),
    )
    config = SchemathesisConfig(projects=ProjectsConfig(default=project))
    schema = schemathesis.openapi.from_dict(document, config=config)
    schema.app = CURRENT
    return schema


@cache
def whole() -> Any:
    """The schema of everything."""
    return loaded(document())


def operation(label: str) -> Any:
    """The operation that is named by its method and path."""
    method, path = label.split()
    return whole()[path][method]


def examples(there: Any) -> Iterator[Any]:
    """The operation's cases from the examples in the document."""
    return map(generate_one, there.get_strategies_from_examples())


def ways(there: Any) -> Iterator[Any]:
    """A case for every way that the operation's request can be right or wrong."""
    made = CoverageGenerator(
        operation=there,
        generation_modes=list(GenerationMode),
        generation_config=there.schema.config.generation,
        auth_storage=None,
        override=Override(),
        feedback=FeedbackSources(),
    )
    return iter(made)


def drawn(there: Any) -> Any:
    """Any case of the operation, right or wrong."""
    return one_of([there.as_strategy(generation_mode=mode) for mode in GenerationMode])


@schemathesis.check
def taken_as_documented(ctx: Any, response: Any, case: Any) -> None:
    """A request that fits the document is refused only for what a schema can't say."""
    if case.meta is None or not case.meta.generation.mode.is_positive:
        return
    if response.status_code not in (400, 412, 413, 415, 422) or case.path == "/api/batch":
        return  # of a batch the schema says nothing about what is in its operations
    problem = response.json()
    # Addresses at reserved names, such as .test, have the format and are refused; a merge patch
    # of a JSON field is checked once it is merged.
    # No schema says what the filter language is.
    # The pattern of a duration ends a little above 64 bits of microseconds.
    own = ("?filter", "?span")
    apart = (*own, "/size/") if case.method == "PATCH" else own
    rows = [row for row in problem.get("errors", []) if not row["pointer"].startswith(apart)]
    rows = [row for row in rows if not RESERVED.search(row["pointer"])]
    codes = {row["code"] for row in rows} if "errors" in problem else {problem["code"]}
    assert codes <= BEYOND_SCHEMAS, f"refused, though the document allows it: {problem}"


@schemathesis.check
def problems_are_problems(ctx: Any, response: Any, case: Any) -> None:
    """Every refusal is RFC 9457; none is a defect."""
    if response.status_code >= 400 and case.path.startswith("/api/"):
        assert response.headers["content-type"] == ["application/problem+json"]
        if response.content:
            problem = response.json()
            assert problem["status"] == response.status_code
            assert problem["code"] != "server_fault"


OPTIONS: dict[str, Any] = {
    "additional_checks": [taken_as_documented, problems_are_problems],
    "excluded_checks": [positive_data_acceptance],  # taken_as_documented is stricter
}


def headers(case: schemathesis.Case) -> dict[str, str]:
    """Who asks, unless that this is missing is what the case is about."""
    absent = case.meta is not None and case.meta.is_negative_at(ParameterLocation.HEADER)
    return {} if absent else {"Authorization": TOKEN}


def validate(case: schemathesis.Case) -> None:
    """Holds what each engine answers to the document."""
    for engine in CURRENT.apps:
        validate_on(engine, case)


def validate_on(engine: str, case: schemathesis.Case) -> None:
    CURRENT.engine = engine
    options = dict(OPTIONS)
    if (case.method, case.path) == ("PATCH", "/api/kinds"):
        # A patch of a JSON field is checked once it is merged: not where nothing is found.
        options["excluded_checks"] = [*OPTIONS["excluded_checks"], negative_data_rejection]
    case.call_and_validate(headers=headers(case), **options)
