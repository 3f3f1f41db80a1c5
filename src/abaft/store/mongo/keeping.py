"""What a database holds to, upheld here: unique values, foreign keys, checks. All look first."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from bson import Int64

from abaft.model.spec import Model, One, Schema, Unique
from abaft.store.base import CheckViolation, ReferenceViolation, UniqueViolation
from abaft.store.mongo.documents import (
    STATE,
    UNIQUE,
    Document,
    Documents,
    id_of,
    indexed_by_itself,
    path,
    unique_place,
    values_of,
)
from abaft.store.mongo.local import local
from abaft.store.mongo.search import kept
from abaft.store.mongo.template import Query
from abaft.store.mongo.unit import Unit
from abaft.store.mongo.values import encode


class Keeper:
    """Stores the records of one model as a table would: what breaks its rules raises."""

    def __init__(self, schema: Schema, model: Model) -> None:
        self.schema, self.model = schema, model
        self.documents = Documents(model)
        self.checks = [(check.name, local(check.where)) for check in model.checks]
        self.ones = [one for one in model.one.values() if one.constraint]
        self.uniques = [(row, self._place(row)) for row in model.unique_sets()]
        name = model.key[0]
        self.counted = model.fields[name].generated
        self.unlike = len(model.key) == 1 and model.fields[name].kind.name == "uuid"
        """Whether keys are such that no two writes make the same."""

    def _place(self, row: Unique) -> list[str]:
        """Where the documents have what the set is told apart by."""
        if indexed_by_itself(self.model, row):
            return [path(self.model, name) for name in row.fields]
        return [f"{UNIQUE}.{unique_place(self.model, row)}"]

    async def insert(self, unit: Unit, values: Mapping[str, Any]) -> Document:
        """Stores a new record; its document, with the key that was made for it."""
        name = self.model.key[0]
        if self.counted:
            values = {**values, name: await self._number(unit, values.get(name))}
        self._check(values)
        document = self._made(values)
        await self._hold(unit, values, document, None, self.model.fields)
        await unit.insert(self.model.table, document)
        return document

    async def insert_all(
        self, unit: Unit, rows: Sequence[Mapping[str, Any]]
    ) -> list[Document] | None:
        """Stores new records if nothing speaks against any of them: their documents, or None."""
        if any(values.get(name) is None for values in rows for name in self.model.key):
            return None
        documents = [self._made(values) for values in rows]
        if not self._all_hold(rows) or not await self._all_free(unit, documents):
            return None
        if not await self._all_refer(unit, rows, self.model.fields):
            return None
        if self.counted:
            await self._number(unit, max(values[self.model.key[0]] for values in rows))
        await unit.insert_all(self.model.table, documents)
        return documents

    def _all_hold(self, rows: Sequence[Mapping[str, Any]]) -> bool:
        """Whether the values meet the model's checks."""
        records = [self.documents.record(values) for values in rows]
        return all(holds(record, {}) for record in records for _, holds in self.checks)

    async def _all_free(self, unit: Unit, documents: list[Document]) -> bool:
        """Whether nothing that is to be unique is taken, by others or among themselves."""
        sets = [places for _, places in self.uniques]
        for places in sets if self._passes(unit) else [["_id"], *sets]:
            found = [[_at(document, place) for place in places] for document in documents]
            found = [values for values in found if None not in values]
            if len({repr(values) for values in found}) < len(found):
                return False
            if len(places) == 1:
                where: Query = {places[0]: {"$in": [value for [value] in found]}}
            else:
                ways = [dict(zip(places, values, strict=True)) for values in found]
                where = {"$or": [{at: {"$eq": v} for at, v in way.items()} for way in ways]}
            if found and await unit.find(self.model.table, where, 1):
                return False
        return True

    def _passes(self, unit: Unit) -> bool:
        """Whether keys aren't looked for: the server would tell, at the transaction's cost."""
        return self.unlike and not unit.careful

    async def _all_refer(
        self, unit: Unit, rows: Sequence[Mapping[str, Any]], assigned: Collection[str]
    ) -> bool:
        """Whether all relations that are set lead to records that are there already."""
        for one in self.ones:
            if not any(column in assigned for column in one.columns):
                continue
            target = self.schema.models[one.target]
            held = [[values.get(column) for column in one.columns] for values in rows]
            keys = {
                repr(key): key
                for values in held
                if None not in values
                for key in [id_of(target, dict(zip(target.key, values, strict=True)))]
                if not unit.made(target.table, key)
            }
            if unit.deferring and target.name == self.model.name:
                unit.later += [(target.table, key) for key in keys.values()]
                continue
            stages: list[Query] = [
                {"$match": {"_id": {"$in": list(keys.values())}}},
                {"$project": {"_id": 1}},
            ]
            if keys and len(await unit.run(target.table, stages)) < len(keys):
                return False
        return True

    async def replace(
        self, unit: Unit, before: Document, values: Mapping[str, Any], assigned: Collection[str]
    ) -> Document:
        """Changes a record; `values` are all of it."""
        document = self.changed(before, values)
        await self._hold(unit, values, document, before, assigned)
        await unit.replace(self.model.table, before, document)
        return document

    def changed(self, before: Document, values: Mapping[str, Any]) -> Document:
        """What the stored document becomes. CheckViolation where that breaks a check."""
        self._check(values)
        return {**self._others(before), **self._made(values)}

    async def replace_all(
        self,
        unit: Unit,
        rows: Sequence[tuple[Document, Mapping[str, Any]]],
        assigned: Collection[str],
    ) -> bool:
        """Changes records, each by what it was and all of its values, if nothing speaks against
        any of them; whether it did."""
        changed = [(before, {**self._others(before), **self._made(row)}) for before, row in rows]
        for before, document in changed:
            for _, places in self.uniques:
                if any(_at(before, place) != _at(document, place) for place in places):
                    return False
        whole = [values for _, values in rows]
        if not self._all_hold(whole) or not await self._all_refer(unit, whole, assigned):
            return False
        await unit.replace_all(self.model.table, changed)
        return True

    def _made(self, values: Mapping[str, Any]) -> Document:
        document = self.documents.make(values)
        return document | kept(self.model, values) if self.model.searched else document

    def _others(self, before: Document) -> Document:
        """What others have put into the document stays."""
        return {name: value for name, value in before.items() if name != UNIQUE}

    async def _number(self, unit: Unit, given: int | None) -> int:
        """The next number of the model, or the one given, past which it goes on."""
        place = f"keys_{self.model.table}"
        state = await unit.get(STATE, place)
        last = int(state["last"]) if state else 0
        number = last + 1 if given is None else given
        if number > last:
            after = {"_id": place, "last": Int64(number)}
            if state is None:
                await unit.insert(STATE, after)
            else:
                await unit.replace(STATE, state, after)
        return number

    def _check(self, values: Mapping[str, Any]) -> None:
        record = self.documents.record(values)
        for name, holds in self.checks:
            if not holds(record, {}):
                raise CheckViolation(name=f"ck_{self.model.table}_{name}"[:63])

    async def _hold(
        self,
        unit: Unit,
        values: Mapping[str, Any],
        document: Document,
        before: Document | None,
        assigned: Collection[str],
    ) -> None:
        await self._unique(unit, document, before)
        for one in self.ones:
            if before is None or any(column in assigned for column in one.columns):
                await self._refers(unit, one, values, document)

    async def _unique(self, unit: Unit, document: Document, before: Document | None) -> None:
        """Raises where what the document has is taken by another."""
        wanted: list[tuple[Query, tuple[str, ...]]] = []
        if before is None and not self._passes(unit):
            key = tuple(self.model.fields[name].column for name in self.model.key)
            wanted.append(({"_id": {"$eq": document["_id"]}}, key))
        for row, places in self.uniques:
            found = [_at(document, place) for place in places]
            if None in found or (before and found == [_at(before, place) for place in places]):
                continue
            columns = tuple(self.model.fields[name].column for name in row.fields)
            pairs = zip(places, found, strict=True)
            wanted.append(({place: {"$eq": value} for place, value in pairs}, columns))
        if not wanted:
            return
        asked: Query = {"$or": [where for where, _ in wanted]}
        taken = await unit.find(self.model.table, asked, len(wanted) + 1)
        taken = [row for row in taken if before is None or row["_id"] != before["_id"]]
        for where, columns in wanted:
            if any(_meets(row, where) for row in taken):
                raise UniqueViolation(columns)

    async def _refers(
        self, unit: Unit, one: One, values: Mapping[str, Any], document: Document
    ) -> None:
        """Raises where the relation leads nowhere."""
        held = [values.get(column) for column in one.columns]
        if None in held:
            return
        target = self.schema.models[one.target]
        key = id_of(target, dict(zip(target.key, held, strict=True)))
        if target.name == self.model.name and (unit.deferring or key == document["_id"]):
            unit.later.append((target.table, key))
            return
        if not unit.made(target.table, key) and await unit.get(target.table, key) is None:
            raise ReferenceViolation(constraint=f"fk_{self.model.table}_{one.name}"[:63])

    async def referring(self, unit: Unit, one: One, key: Mapping[str, Any]) -> list[Document]:
        """The records whose relation leads to the one of this key."""
        target = self.schema.models[one.target]
        where = {
            path(self.model, ours): {"$eq": encode(self.model.fields[ours].kind, key[theirs])}
            for ours, theirs in zip(one.columns, target.key, strict=True)
        }
        return await unit.find(self.model.table, where)

    def values(self, document: Document) -> dict[str, Any]:
        return values_of(self.model, document)


def _at(document: Document, place: str) -> Any:
    found: Any = document
    for part in place.split("."):
        found = found.get(part) if isinstance(found, dict) else None
    return found


def _meets(document: Document, where: Query) -> bool:
    return all(_at(document, place) == wanted["$eq"] for place, wanted in where.items())
