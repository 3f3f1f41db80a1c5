"""Collections, what their documents must be like, and their indexes: made from the models."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any

from abaft.model import expr as e
from abaft.model.spec import DELETED, LIVING, Model, Schema, Unique
from abaft.store.base import QueryTimeout
from abaft.store.mongo.documents import (
    ANSWERS,
    CHANGES,
    LOADS,
    STATE,
    UNIQUE,
    WORDS,
    compared,
    indexed_by_itself,
    path,
    unique_place,
)
from abaft.store.mongo.existing import aliases, odd
from abaft.store.mongo.faults import translating
from abaft.store.mongo.renewing import Step, is_noted, noting, ordered, renewals, types
from abaft.store.mongo.server import Server
from abaft.store.mongo.template import Query
from abaft.store.mongo.turns import alone
from abaft.store.sql.indexes import Index, index_groups
from abaft.store.sql.search import index_columns

SEARCH = "abaft_search"
LOOKING = 5_000
"""Milliseconds that the start looks at a field of other programs' documents; then it goes on."""
TURN = 30_000
"""Milliseconds for which one has the upgrade to itself, from each step on."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """A collection as the models want it: its validator, and its indexes by name."""

    name: str
    validator: Query | None = None
    indexes: dict[str, Query] = field(default_factory=dict)


def wanted(schema: Schema) -> list[Wanted]:
    """The collections of a schema, and our own."""
    made = [
        Wanted(model.table, {"$jsonSchema": json_schema(model)}, indexes(model))
        for model in managed(schema)
    ]
    feed = {"ix_abaft_changes_record": {"key": {"model": 1, "record": 1, "_id": -1}}}
    feed["ix_abaft_changes_at"] = {"key": {"at": 1}}
    answers = {"ix_abaft_idempotency_at": {"key": {"at": 1}}}
    return [
        *made,
        Wanted(CHANGES, None, feed),
        Wanted(ANSWERS, None, answers),
        Wanted(LOADS),
        Wanted(STATE),
    ]


def managed(schema: Schema) -> list[Model]:
    """The models whose collections are abaft's own."""
    return [model for model in schema.models.values() if model.managed]


def json_schema(model: Model) -> Query:
    """What MongoDB holds each document to, whoever writes it."""
    properties: Query = {}
    for name, row in model.fields.items():
        properties[path(model, name)] = {"bsonType": types(row)}
    if len(model.key) > 1:
        properties["_id"] = {"bsonType": "object"}
    return {"bsonType": "object", "required": sorted(properties), "properties": properties}


def indexes(model: Model) -> dict[str, Query]:
    """The indexes of a model by name, as createIndexes takes them."""

    def column(name: str) -> str:
        return model.fields[name].column

    sets = {row.name(model.table): row for row in model.unique_sets()}
    made = {}
    for index in index_groups(model):
        row = sets.get(index.name)
        if row is not None and index.unique and not indexed_by_itself(model, row):
            made[f"{index.name}_"] = _told_apart(model, row)
            continue
        keys = dict.fromkeys((compared(model, name) for name in index.fields), 1)
        made[index.name] = {"key": keys} | ({"unique": True} if index.unique else {})
        if index.where != e.TRUE:
            made[index.name]["partialFilterExpression"] = _partial(model, index)
    if len(model.key) > 1:
        # The key is a document: its parts alone are found by this.
        made[f"ix_{model.table}_key"] = {"key": dict.fromkeys(map(column, model.key), 1)}
    for name in index_columns(model):
        made[f"{SEARCH}_{model.table}_{name}"] = {"key": {f"{WORDS}.{name}": 1}}
    return made


def _told_apart(model: Model, row: Unique) -> Query:
    place = f"{UNIQUE}.{unique_place(model, row)}"
    return {
        "key": {place: 1},
        "unique": True,
        "partialFilterExpression": {place: {"$exists": True}},
    }


def _partial(model: Model, index: Index) -> Query:
    """Of those that were deleted: the only condition that a plain index has."""
    assert index.where == e.negate(LIVING)
    return {path(model, DELETED): {"$type": "string"}}


async def upgrade(server: Server, schema: Schema, apply: bool) -> tuple[list[str], list[str]]:
    """(what was done, differences left); nothing is done while some need a person.

    Of several that start together one does it, and the others find it done.
    """
    steps, differences = await _compared(server, schema)
    named = [step.title for step in steps if step.title]
    if not apply:
        return [], differences + [f"missing: {title}" for title in named]
    if differences or not steps:
        return [], differences
    async with alone(server, "upgrade", TURN) as prolong:
        steps, differences = await _compared(server, schema)
        if differences:
            return [], differences
        for step in steps:
            await prolong()
            await step.run()
    return [step.title for step in steps if step.title], []


async def _compared(server: Server, schema: Schema) -> tuple[list[Step], list[str]]:
    """What is to be done, and what needs a person."""
    with translating():
        listed = await server.database.list_collections()
        there = {row["name"]: row.get("options", {}) async for row in listed}
    steps: list[Step] = []
    differences: list[str] = []
    for model in schema.models.values():
        if not model.managed:
            differences += await _unlike(server, model, there)
    for model in managed(schema):
        if model.table in there:
            found, wrong = await renewals(server, model)
            steps += found
            differences += wrong
    told = {step.title.rpartition(" to ")[2] for step in steps if step.title.startswith("add ")}
    for row in wanted(schema):
        found = await _steps(server, row, there)
        # A new field is told once: the validator goes with it.
        quiet = f"change validator of {row.name}:" if row.name in told else " "
        steps += [
            replace(step, title="") if step.title.startswith(quiet) else step for step in found
        ]
    for model in managed(schema):
        if not await is_noted(server, model):
            steps.append(noting(server, model))
    return steps, differences


async def _unlike(server: Server, model: Model, there: dict[str, Any]) -> list[str]:
    """What a collection of other programs has that its model says nothing of."""
    if model.table not in there:
        return [f"{model.table} isn't there, which {model.name} reads"]
    collection = server.collection(model.table)
    told = []
    for name, row in model.fields.items():
        where = odd(model, name)
        with suppress(QueryTimeout), translating():
            found = await collection.find_one(where, max_time_ms=LOOKING)
            if found is not None:
                kinds = " or ".join([*aliases(row.kind), *(["null"] if row.nullable else [])])
                told.append(
                    f"{model.table}: the {path(model, name)} of the document {found['_id']} is no "
                    f"{kinds}, as {model.name}.{name} says: declare it as it is"
                )
    return told


async def _steps(server: Server, row: Wanted, there: dict[str, Any]) -> list[Step]:
    steps: list[Step] = []
    held: set[str] = set()
    if row.name not in there:
        rules = {"validator": row.validator} if row.validator else {}
        command = {"create": row.name, **rules}
        steps.append(ordered(server, f"create collection {row.name}", command))
    else:
        with translating():
            held = set(await server.collection(row.name).index_information())
        if row.validator and there[row.name].get("validator") != row.validator:
            change = {"collMod": row.name, "validator": row.validator}
            named = _changed(there[row.name].get("validator") or {}, row.validator)
            title = f"change validator of {row.name}: {', '.join(named) or 'all of it'}"
            steps.append(ordered(server, title, change))
        for name in sorted(held):
            if _superseded(name, row):
                drop = {"dropIndexes": row.name, "index": name}
                steps.append(ordered(server, f"drop index {name}", drop))
    missing = [{"name": name, **spec} for name, spec in row.indexes.items() if name not in held]
    if missing:
        names = ", ".join(str(spec["name"]) for spec in missing)
        create = {"createIndexes": row.name, "indexes": missing}
        steps.append(ordered(server, f"create indexes of {row.name}: {names}", create))
    return steps


def _changed(old: Query, new: Query) -> list[str]:
    """The fields of which the validators don't say the same."""
    was, now = (row.get("$jsonSchema", {}).get("properties", {}) for row in (old, new))
    return sorted(name for name in {*was, *now} if was.get(name) != now.get(name))


def _superseded(name: str, row: Wanted) -> bool:
    """Whether it is an index of ours for what is declared no more."""
    ours = name.startswith((f"uq_{row.name}_", f"{SEARCH}_{row.name}_"))
    return ours and name not in row.indexes
