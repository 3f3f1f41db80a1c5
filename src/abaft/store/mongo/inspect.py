"""Describes the collections of a MongoDB by some of their documents; it only reads.

A validator is the truth where there is one; all else is as sure as the sample is large.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from bson.binary import UuidRepresentation
from bson.codec_options import CodecOptions
from pymongo import AsyncMongoClient
from pymongo.asynchronous.collection import AsyncCollection
from pymongo.errors import PyMongoError

from abaft.model.names import plural, snake
from abaft.store.base import Lost
from abaft.store.description import Column, Description, ForeignKey, Table
from abaft.store.mongo.documents import Document
from abaft.store.mongo.sampling import Member, Sample, joined, sampled
from abaft.store.mongo.server import PATIENCE, database_of
from abaft.store.mongo.template import Query
from abaft.store.mongo.values import BSON

_OPTIONS: CodecOptions[dict[str, Any]] = CodecOptions(
    uuid_representation=UuidRepresentation.STANDARD
)
_SECONDS = 60_000
_NUMBERS = ("int", "long", "double", "decimal")
_SCALARS = ("string", "objectId", "bool", "date", *_NUMBERS)
_SHOWN = (*_SCALARS, "uuid", "binData", "object", "array", "dbRef")
_KEYS = {
    "objectId": "objectId", "string": "string", "int": "number", "long": "number", "uuid": "uuid",
}  # fmt: skip
"""What may be a key, and what is compared with what."""
_HALF = 0.5
Options = CodecOptions[dict[str, Any]]


@dataclass(slots=True)
class Collection:
    """A collection as it was found."""

    name: str
    sample: Sample
    properties: Mapping[str, Any]
    required: frozenset[str]
    uniques: tuple[tuple[str, ...], ...]
    view: bool

    @property
    def key(self) -> str:
        """Of what sort the keys are; "" where they are mixed, or can't be told."""
        member = self.sample.members.get("_id")
        return _sort(member) if member is not None else ""


def _sort(member: Member) -> str:
    sorts = {_KEYS.get(name, "") for name in member.types if name != "null"}
    return sorts.pop() if len(sorts) == 1 else ""


async def inspect(url: str, size: int) -> Description:
    """The collections of the database that the URL names. Raises Lost where they can't be read."""
    name = database_of(url)
    client: AsyncMongoClient[dict[str, Any]] = AsyncMongoClient(
        url, serverSelectionTimeoutMS=PATIENCE, connectTimeoutMS=PATIENCE, appname="abaft"
    )
    try:
        database = client.get_database(name, codec_options=_OPTIONS)
        listed = await database.list_collections()
        rows = sorted([row async for row in listed], key=lambda row: str(row["name"]))
        found = [
            await _collection(database[row["name"]], dict(row), size)
            for row in rows
            if not row["name"].startswith(("system.", "abaft_"))
        ]
        by_name = {row.name: row for row in found}
        tables = [await _table(database, row, by_name) for row in found]
    except PyMongoError as error:
        raise Lost(f"it can't be read: {error}") from error
    finally:
        await client.close()
    return Description("mongodb", tuple(tables))


async def _collection(source: AsyncCollection[Document], row: Document, size: int) -> Collection:
    options, view = row.get("options", {}), row.get("type") == "view"
    total = await source.count_documents({}) if view else await source.estimated_document_count()
    stages: list[Query] = [{"$sample": {"size": size}}] if total > size else [{"$limit": size}]
    if total <= size:
        stages.insert(0, {"$sort": {"_id": 1}})
    cursor = await source.aggregate(stages, allowDiskUse=True, maxTimeMS=_SECONDS)
    sample = sampled([document async for document in cursor], total)
    schema = (options.get("validator") or {}).get("$jsonSchema", {})
    strict = options.get("validationAction", "error") == "error"
    schema = schema if strict and options.get("validationLevel", "strict") == "strict" else {}
    uniques = () if view else await _uniques(source)
    required = frozenset(schema.get("required", ()))
    return Collection(row["name"], sample, schema.get("properties", {}), required, uniques, view)


async def _uniques(source: AsyncCollection[Document]) -> tuple[tuple[str, ...], ...]:
    """The members that are unique together in all documents."""
    information = await source.index_information()
    return tuple(
        tuple(name for name, _ in index["key"])
        for name, index in sorted(information.items())
        if index.get("unique")
        and name != "_id_"
        and not {"sparse", "partialFilterExpression"} & {*index}
        and not any("." in part for part, _ in index["key"])
    )


async def _table(database: Any, row: Collection, known: Mapping[str, Collection]) -> Table:
    members = {**row.sample.members}
    for name in row.properties:
        members.setdefault(name, Member(name))
    columns, keys, notes = [], [], []
    for member in members.values():
        column = _column(row, member)
        if member.name != "_id":
            told, target = await _reference(database, row, member, known)
            if target:
                keys.append(ForeignKey((member.name,), target, ("_id",)))
            column = replace(column, told=f"{column.told} {told}".strip())
        columns.append(column)
    key = members.get("_id")
    if key is None or not _sort(key):
        notes = ["its documents have no plain _id of one type" if key else "it has no document"]
    uniques = [unique for unique in row.uniques if {*unique} <= {*members}]
    return Table(
        name=row.name,
        columns=tuple(columns),
        key=() if notes else ("_id",),
        read_only=True,
        uniques=tuple(uniques),
        foreign_keys=tuple(keys),
        notes=tuple(notes),
    )


def _column(row: Collection, member: Member) -> Column:
    declared = row.properties.get(member.name, {})
    types = set(_declared(declared)) | {*member.types}
    if "uuid" in member.types and "binData" not in member.types:
        types.discard("binData")
    required = member.name in row.required or (
        member.count == row.sample.count > 0 and member.name not in row.properties
    )
    nullable = "null" in types or member.count < row.sample.count or not required
    types.discard("null")
    column = Column(
        name=member.name,
        type="|".join(sorted(types)) or "null",
        kind="text",
        nullable=nullable and member.name != "_id",
        told=row.sample.said(member, bool(declared)),
    )
    strange = sorted(types - {*_SHOWN})
    if strange:
        return replace(column, kind="", note=f"no field holds {' or '.join(strange)}")
    if "." in member.name or member.name.startswith("$"):
        return replace(column, kind="", note="its name would be taken for a path")
    words = declared.get("enum", ())
    if words and types <= {"string"} and all(isinstance(word, str) for word in words):
        return replace(column, kind="choice", words=tuple(words), enum=f"{row.name}_{member.name}")
    return replace(column, **_held(member, types, declared))


def _declared(declared: Mapping[str, Any]) -> list[str]:
    """The types that a validator names; numbers of any sort it may call a number."""
    given = declared.get("bsonType", [])
    names = [given] if isinstance(given, str) else list(given)
    return [part for name in names for part in (_NUMBERS if name == "number" else (name,))]


def _held(member: Member, types: set[str], declared: Mapping[str, Any]) -> dict[str, Any]:
    """The kind, and in what form it is stored where that isn't abaft's own."""
    if not types or not types <= {*_SCALARS, "uuid", "binData"}:
        return {"kind": "json", "stored": BSON}
    if types <= {"int", "long"}:
        return {"kind": "integer", "stored": "" if types == {"long"} else "int|long"}
    if types <= {"int", "long", "double"}:
        return {"kind": "float", "stored": "" if types == {"double"} else "int|long|double"}
    if types <= {"int", "long", "decimal"} and member.digits + member.places <= 18:
        stored = "" if types == {"decimal"} else "int|long|decimal"
        # Whole numbers beside them may be larger than those that were seen.
        digits = 18 if stored else min(18, member.digits + member.places + 4)
        return {"kind": "decimal", "stored": stored, "digits": digits, "places": member.places}
    alone = next(iter(types)) if len(types) == 1 else ""
    if alone == "string":
        if member.ours and member.count:
            return {"kind": "datetime"}
        return {"kind": "text", "max_length": declared.get("maxLength")}
    plain: Mapping[str, dict[str, Any]] = {
        "bool": {"kind": "boolean"},
        "date": {"kind": "datetime", "stored": "date"},
        "uuid": {"kind": "uuid"},
        "binData": {"kind": "binary"},
    }
    if alone in plain:
        return plain[alone]
    if types <= {*_SCALARS}:
        return {"kind": "text", "stored": joined([*types])}
    return {"kind": "json", "stored": BSON}


async def _reference(
    database: Any, row: Collection, member: Member, known: Mapping[str, Collection]
) -> tuple[str, str]:
    """What is said of where a member leads, and the collection whose keys it has."""
    if member.leads:
        return f"It has references (DBRef) to {', '.join(sorted(member.leads))}.", ""
    sort = _sort(member)
    if not sort or not member.values:
        return "", ""
    for name, other in known.items():
        like = _named_like(member.name, name)
        if other.key != sort or {*member.types} - {"null"} != {*other.sample.members["_id"].types}:
            continue
        if not like and sort != "objectId":
            continue
        where = {"_id": {"$in": list(member.values.values())}}
        found = await database[name].count_documents(where, maxTimeMS=_SECONDS)
        seen = len(member.values)
        if found == seen or (like and found >= _HALF * seen):
            return f"{found} of {seen} values are keys of {name}.", name
    return "", ""


def _named_like(member: str, collection: str) -> bool:
    """Whether `customer_id`, `customerId` or `customer` is one of `customers`."""
    words = snake(member).removesuffix("_id").removesuffix("_ids").strip("_")
    target = snake(collection)
    return bool(words) and target in (words, plural(words), words.rpartition("_")[2], _last(words))


def _last(words: str) -> str:
    return plural(words.rpartition("_")[2])
