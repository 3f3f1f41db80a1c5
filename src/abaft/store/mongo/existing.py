"""Collections of other programs: how their documents are read as ours. They are never written.

A pipeline over such a collection begins by making our forms of what is there; what an index may
have goes ahead of that, by the values as they are stored.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from bson import Decimal128, Int64, ObjectId

from abaft.base.errors import ModelError
from abaft.model.kinds import INT_MAX, INT_MIN, Kind, Number
from abaft.model.spec import Field, Model, One, Schema
from abaft.store.mongo.documents import NOCASE
from abaft.store.mongo.template import Query
from abaft.store.mongo.values import BSON, binary, datetime_text, decode, form

Expression = Any
Make = Callable[[str, Kind], Expression]
"""The expression of our form, of what is at a path."""
Seek = Callable[[Any], list[Any]]
"""What may be stored where a value is ours."""
RAW = "_raw"
"""Where a document keeps the values that relations go by, as they are stored."""
_FIRST, _LAST = datetime(1, 1, 1, tzinfo=UTC), datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)


def aliases(kind: Kind) -> tuple[str, ...]:
    """The types of BSON that the field's values may have, but for null."""
    return tuple(kind.stored.split("|")) if kind.stored else (form(kind).type,)


def _within(at: str, low: Any, high: Any, found: Expression) -> Expression:
    between = {"$and": [{"$gte": [at, low]}, {"$lte": [at, high]}]}
    return {"$cond": [between, found, None]}


def _same(at: str, kind: Kind) -> Expression:
    return at


def _text(at: str, kind: Kind) -> Expression:
    return {"$toString": at}


def _moment(at: str, kind: Kind) -> Expression:
    text = {"$dateToString": {"date": at, "format": "%Y-%m-%dT%H:%M:%S.%L000Z"}}
    return _within(at, _FIRST, _LAST, text)


def _whole(at: str, kind: Kind) -> Expression:
    """Of a number that isn't whole there is none."""
    is_whole = {"$eq": [{"$floor": at}, at]}
    found = _within(at, Decimal128(str(INT_MIN)), Decimal128(str(INT_MAX)), {"$toLong": at})
    return {"$cond": [is_whole, found, None]}


def _real(at: str, kind: Kind) -> Expression:
    return _within(at, -sys.float_info.max, sys.float_info.max, {"$toDouble": at})


def _exact(at: str, kind: Kind) -> Expression:
    assert isinstance(kind, Number)
    most = Decimal(10) ** (kind.digits - kind.places)
    last = {"$eq": [{"$round": [at, kind.places]}, at]}
    found = {"$cond": [last, {"$toDecimal": at}, None]}
    return _within(at, Decimal128(-most), Decimal128(most), found)


def _object_id(value: str) -> list[Any]:
    found = ObjectId(value) if ObjectId.is_valid(value) else None
    return [found] if str(found) == value else []


def _date(value: datetime) -> list[Any]:
    return [] if value.microsecond % 1000 else [value]


Row = tuple[Make, Seek | None]
_WHOLE: Row = (_whole, lambda value: [Int64(value)])
_LONG: Row = (lambda at, kind: {"$toLong": at}, _WHOLE[1])
_REAL: Row = (_real, lambda value: [float(value)])
_EXACT: Row = (_exact, lambda value: [Decimal128(value)])
_TEXT: Mapping[str, Row] = {
    "string": (_same, lambda value: [value]),
    "objectId": (_text, _object_id),
    "date": (_moment, None),
    "bool": (lambda at, kind: {"$cond": [at, "true", "false"]}, None),
    **dict.fromkeys(("int", "long", "double", "decimal"), (_text, None)),
}
FORMS: Mapping[str, Mapping[str, Row]] = {
    "text": _TEXT,
    "email": {"string": _TEXT["string"]},
    "url": {"string": _TEXT["string"]},
    "choice": {"string": _TEXT["string"]},
    "integer": {"int": _LONG, "long": _LONG, "double": _WHOLE, "decimal": _WHOLE},
    "float": dict.fromkeys(("int", "long", "double", "decimal"), _REAL),
    "decimal": dict.fromkeys(("decimal", "int", "long"), _EXACT),
    "boolean": {"bool": (_same, lambda value: [value])},
    "datetime": {
        "date": (_moment, _date),
        "string": (_same, lambda value: [datetime_text(value)]),
    },
    "uuid": {"binData": (_same, lambda value: [binary(value)])},
    "binary": {"binData": (_same, None)},
}
"""By kind and type: how our form is made, and what is sought where a value of ours is asked for."""


def beginning(model: Model) -> list[Query]:
    """The stages that a pipeline over the collection begins with: two places, and our forms."""
    made: Query = {}
    raw: Query = {}
    folded: Query = {}
    for name, field in model.fields.items():
        at = _path(model, name)
        made[at] = _made(f"${at}", field.kind)
        if field.key or field.relation:
            raw[at] = f"${at}"
        if field.nocase:
            folded[name] = {"$cond": [{"$eq": [f"${at}", None]}, None, {"$toLower": f"${at}"}]}
    stages: list[Query] = [{"$match": {}}, {"$match": {}}, {"$set": {**made, RAW: raw}}]
    # A stage sees what the one before it has made.
    return [*stages, {"$set": {NOCASE: folded}}] if folded else stages


def _path(model: Model, name: str) -> str:
    return "_id" if model.key == (name,) else model.fields[name].column


def _made(at: str, kind: Kind) -> Expression:
    if kind.stored == BSON:
        return {"$ifNull": [at, None]}
    branches = [
        {"case": {"$eq": [{"$type": at}, alias]}, "then": FORMS[kind.name][alias][0](at, kind)}
        for alias in aliases(kind)
    ]
    return {"$switch": {"branches": branches, "default": None}}


def seek(kind: Kind) -> Seek | None:
    """What finds a value as it may be stored; None where that can't be said."""
    rows = [FORMS.get(kind.name, {}).get(alias) for alias in aliases(kind)]
    ways = [row[1] if row else None for row in rows]
    if kind.stored == BSON or None in ways:
        return None

    def found(value: Any) -> list[Any]:
        return [raw for way in ways if way is not None for raw in way(value)]

    return found


def stored_as(model: Model, name: str, values: Sequence[Any]) -> list[Any]:
    """Values in our form as the collection may hold them."""
    kind = model.fields[name].kind
    way = None if model.managed else seek(kind)
    if way is None:
        return list(values)
    return [raw for value in values for raw in way(decode(kind, value))]


def sorts_alike(kind: Kind) -> bool:
    """Whether values are in the same order as they are stored, one of ours for each."""
    names = set(aliases(kind))
    if kind.name == "text":
        return len(names) == 1 and names <= {"string", "objectId"}
    return kind.name in ("integer", "datetime", "float", "boolean") and "string" not in names


def check_existing(schema: Schema, model: Model) -> None:
    """ModelError for what can't be read as it is declared, by field."""
    if not model.read_only:
        raise ModelError(
            f"{model.name}: a collection of other programs is only read: read_only=True, or let it "
            "be abaft's own, without managed=False"
        )
    if model.schema:
        raise ModelError(f"{model.name}: MongoDB has no schema= within a database: leave it out")
    if len(model.key) > 1 or model.fields[model.key[0]].column != "_id":
        raise ModelError(f'{model.name}: its key is one field with column="_id"')
    for field in model.fields.values():
        _check_forms(model, field)
    for one in model.one.values():
        _check_relation(schema, model, one)
    for many in model.many.values():
        if many.link is not None:
            raise ModelError(
                f"{model.name}.{many.name}: no link is made for a collection of other programs: "
                "name the relation that leads back, by field(back=…)"
            )


def _check_forms(model: Model, field: Field) -> None:
    where, kind = f"{model.name}.{field.name}", field.kind
    if kind.name == "json" and kind.stored != BSON:
        raise ModelError(f'{where}: JSON of other programs is told by stored="{BSON}"')
    if kind.stored == BSON and kind.name == "json":
        return
    known = FORMS.get(kind.name, {})
    if not known:
        raise ModelError(f"{where}: no type of BSON is read as {kind.name}: declare it as str")
    for alias in aliases(kind):
        if alias not in known:
            raise ModelError(
                f"{where}: {alias!r} isn't read as {kind.name}: stored= is one of "
                f"{', '.join(known)}, or several of them with | between"
            )
    if (field.key or field.relation) and seek(kind) is None:
        raise ModelError(f"{where}: no key is found that is stored as {kind.stored}")


def _check_relation(schema: Schema, model: Model, one: One) -> None:
    target = schema.models[one.target]
    if target.managed:
        raise ModelError(
            f"{model.name}.{one.name}: {target.name} is abaft's own, whose records would go or "
            "stay by what other programs store: leave the relation out"
        )
    here, there = model.fields[one.columns[0]].kind, target.fields[target.key[0]].kind
    if {*aliases(here)} != {*aliases(there)}:
        raise ModelError(
            f"{model.name}.{one.name}: it is stored as {'|'.join(aliases(here))}, and the key of "
            f"{target.name} as {'|'.join(aliases(there))}: leave the relation out"
        )


def check_own(schema: Schema, model: Model) -> None:
    """ModelError where a collection of abaft's own leads to keys that it can't hold as they are."""
    for one in model.one.values():
        target = schema.models[one.target]
        if not target.managed and any(target.fields[name].kind.stored for name in target.key):
            raise ModelError(
                f"{model.name}.{one.name}: the key of {target.name} is stored as "
                f"{target.fields[target.key[0]].kind.stored}, which only collections of other "
                "programs hold: leave the relation out"
            )


def odd(model: Model, name: str) -> Query:
    """What the field says nothing of, as a condition; by `$or` for several fields."""
    field = model.fields[name]
    at = _path(model, name)
    ways: list[Query] = []
    if field.kind.stored != BSON:
        ways.append({at: {"$exists": True, "$not": {"$type": [*aliases(field.kind), "null"]}}})
    if not field.nullable:
        ways.append({at: {"$eq": None}})
    return {"$or": ways} if ways else {"_id": {"$in": []}}
