"""What tests ask of tables in plain SQL, answered of MongoDB's documents in their place."""

from __future__ import annotations

import re
from typing import Any

from abaft.store.mongo.documents import path
from existing import fetch

_SELECT = re.compile(
    r"select (?P<what>.+?) from (?P<table>\w+)"
    r"(?: where (?P<where>.+?))?(?: order by (?P<order>.+))?"
)


async def asked(db: Any, text: str) -> list[dict[str, Any]]:
    """The rows of a simple SELECT."""
    store = db._pipeline.store
    if store.capabilities.name != "mongodb":
        rows: list[dict[str, Any]] = await db.sql(text)
        return rows
    found = _SELECT.fullmatch(" ".join(text.split()))
    assert found is not None, text
    models = {model.table: model for model in store.schema.models.values()}
    places = _places(models.get(found["table"]))
    order = [(places.get(name, name), 1) for name in re.split(", *", found["order"] or "_id")]
    where = _where(found["where"], places)
    documents = await store.server.collection(found["table"]).find(where, sort=order).to_list()
    terms = [re.fullmatch(r"(.+?)(?: (?:as )?(\w+))?", part) for part in _parts(found["what"])]
    if "count(" in found["what"]:
        return [{term[2]: _counted(term[1], documents) for term in terms if term}]
    return [
        {term[2] or term[1]: _value(term[1], row, places) for term in terms if term}
        for row in documents
    ]


async def counted(db: Any, url: str, table: str) -> int:
    """How many records a table has for one who only reads, and so waits for no turn to write."""
    text = f"select count(*) as n from {table}"
    if url.startswith("mongodb"):
        return int((await asked(db, text))[0]["n"])
    return int((await fetch(url, text))[0][0])


async def emptied(db: Any, *tables: str) -> None:
    """Deletes all records of these tables, past abaft."""
    store = db._pipeline.store
    for table in tables:
        if store.capabilities.name == "mongodb":
            await store.server.collection(table).delete_many({})
        else:
            await db.sql(f"delete from {table}")


def _places(model: Any) -> dict[str, str]:
    return {} if model is None else {row.column: path(model, n) for n, row in model.fields.items()}


def _parts(text: str) -> list[str]:
    return re.split(", *", text)


def _value(name: str, row: dict[str, Any], places: dict[str, str]) -> Any:
    return int(name) if name.isdigit() else row.get(places.get(name, name))


def _counted(term: str, documents: list[dict[str, Any]]) -> int:
    distinct = re.fullmatch(r"count\(distinct (\w+)\)", term)
    return len({row[distinct[1]] for row in documents}) if distinct else len(documents)


def _where(text: str | None, places: dict[str, str]) -> dict[str, Any]:
    if text is None:
        return {}
    found = re.fullmatch(r"(\w+) (= |in |is not null)(.*)", text)
    assert found is not None, text
    name = places.get(found[1], found[1])
    if found[2] == "is not null":
        return {name: {"$ne": None}}
    values = [_literal(part) for part in _parts(found[3].strip("()"))]
    return {name: {"$in": values}}


def _literal(text: str) -> Any:
    return text[1:-1] if text.startswith("'") else int(text)
