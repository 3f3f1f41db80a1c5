"""Brings stored documents up to a model that has changed: new fields, and what stands beside."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from pymongo.errors import OperationFailure

from abaft.base.digest import fingerprint
from abaft.model.places import places_after
from abaft.model.spec import POSITION, Field, Model
from abaft.model.words import SIMPLE
from abaft.store.mongo.documents import OWN, STATE, Documents, path, values_of
from abaft.store.mongo.faults import translating
from abaft.store.mongo.search import kept
from abaft.store.mongo.server import Server
from abaft.store.mongo.template import Query
from abaft.store.mongo.values import encode, form

_WORDS = 1
"""How documents are made beside their fields: where that changes, all are made anew."""
_EXISTS = 48


@dataclass(frozen=True, slots=True)
class Step:
    """Something to be done to the database; without a title nobody is told."""

    title: str
    run: Callable[[], Awaitable[None]]


def ordered(server: Server, title: str, command: Query) -> Step:
    """A command; that another process was faster is no fault."""

    async def run() -> None:
        with translating():
            try:
                await server.database.command(command)
            except OperationFailure as error:
                if error.code != _EXISTS:
                    raise

    return Step(title, run)


def shape(model: Model) -> Query:
    """What the documents are made of, to know when it has changed."""
    beside = [
        sorted(name for name, field in model.fields.items() if field.nocase),
        [repr(row) for row in model.unique_sets()],
        [(row.name, row.language) for row in model.searched] + [SIMPLE, str(_WORDS)],
    ]
    fields = {path(model, name): types(field) for name, field in model.fields.items()}
    return {"fields": fields, "beside": fingerprint(repr(beside))}


def types(field: Field) -> list[str]:
    """What BSON types the field may have."""
    return [form(field.kind).type, *(["null"] if field.nullable else [])]


def noting(server: Server, model: Model) -> Step:
    """Notes what the documents are made of by now."""

    async def run() -> None:
        with translating():
            await server.collection(STATE).replace_one(
                {"_id": f"shape_{model.table}"}, shape(model), upsert=True
            )

    return Step("", run)


async def _noted(server: Server, model: Model) -> Query | None:
    with translating():
        found = await server.collection(STATE).find_one({"_id": f"shape_{model.table}"})
    return None if found is None else {name: found[name] for name in shape(model)}


async def is_noted(server: Server, model: Model) -> bool:
    """Whether the documents are known to be as the model says."""
    return await _noted(server, model) == shape(model)


async def renewals(server: Server, model: Model) -> tuple[list[Step], list[str]]:
    """What is to be done to the documents there are, and what needs a person."""
    noted, wanted = await _noted(server, model), shape(model)
    if noted == wanted:
        return [], []
    steps: list[Step] = []
    differences: list[str] = []
    known = {} if noted is None else noted["fields"]
    for field in model.fields.values():
        if known.get(path(model, field.name)) == types(field):
            continue
        if await _lacking(server, model, field):
            _fill(server, model, field, steps, differences)
        differences += await _odd(server, model, field)
    stale = noted is None or noted["beside"] != wanted["beside"]
    if stale and await _any(server, model, {}):
        steps.append(_remade(server, model))
    return steps, differences


async def _any(server: Server, model: Model, where: Query) -> bool:
    with translating():
        return await server.collection(model.table).find_one(where, {"_id": 1}) is not None


async def _lacking(server: Server, model: Model, field: Field) -> bool:
    """Whether some document doesn't have the field."""
    return await _any(server, model, {path(model, field.name): {"$exists": False}})


async def _odd(server: Server, model: Model, field: Field) -> list[str]:
    """What is stored there and can't be by what the model says now."""
    place, allowed = path(model, field.name), types(field)
    if not await _any(server, model, {place: {"$exists": True, "$not": {"$type": allowed}}}):
        return []
    return [
        f"{model.table}.{place} has values that are no {' or '.join(allowed)}, as "
        f"{model.name}.{field.name} needs them: change these documents first"
    ]


def _fill(
    server: Server, model: Model, field: Field, steps: list[Step], differences: list[str]
) -> None:
    place = path(model, field.name)
    title = f"add {place} to {model.table}"
    if field.name == POSITION and model.order:
        steps.append(Step(title, lambda: _number(server, model)))
        return
    default = None if field.nullable or field.default is None else field.default()
    if not field.nullable and (default is None or field.key):
        differences.append(
            f"{model.table}.{place} isn't there: make {model.name}.{field.name} optional or "
            "give it a default, so that the records already stored have a value"
        )
        return
    steps.append(Step(title, lambda: _set(server, model, place, encode(field.kind, default))))


async def _set(server: Server, model: Model, place: str, value: Any) -> None:
    with translating():
        await server.collection(model.table).update_many(
            {place: {"$exists": False}}, {"$set": {place: value}}, bypass_document_validation=True
        )


async def _number(server: Server, model: Model) -> None:
    """Gives stored records a place, in the order of their keys."""
    last: dict[str, str] = {}
    documents = server.collection(model.table)
    place = path(model, POSITION)
    with translating():
        async for row in documents.find({}, sort=[("_id", 1)]):
            group = repr(row.get(path(model, model.ordered))) if model.ordered else ""
            last[group] = places_after(last.get(group), 1)[0]
            await documents.update_one(
                {"_id": row["_id"]},
                {"$set": {place: last[group]}},
                bypass_document_validation=True,
            )


def _remade(server: Server, model: Model) -> Step:
    """Makes anew what the documents have beside their fields."""

    async def run() -> None:
        made = Documents(model)
        collection = server.collection(model.table)
        with translating():
            async for row in collection.find({}):
                values = values_of(model, row)
                fresh = made.make(values) | (kept(model, values) if model.searched else {})
                beside = {name: value for name, value in fresh.items() if name[0] == "_"}
                beside.pop("_id", None)
                gone = {name: "" for name in OWN[1:] if name in row and name not in beside}
                change = {"$set": beside, "$unset": gone}
                change = {operator: part for operator, part in change.items() if part}
                if gone or any(row.get(name) != value for name, value in beside.items()):
                    await collection.update_one({"_id": row["_id"]}, change)

    return Step(f"make anew what {model.table} has beside its fields", run)
