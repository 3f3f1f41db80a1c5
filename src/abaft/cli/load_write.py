"""Batches of values become records: new ones, or with a key to know them by changes of stored."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from abaft.alike import change_rows
from abaft.answers import Unit
from abaft.base import clock
from abaft.base.actor import SYSTEM
from abaft.base.errors import Fault
from abaft.cli.load_cells import ABSENT
from abaft.cli.load_columns import Batch, complete
from abaft.cli.load_rows import Line
from abaft.model.spec import Model
from abaft.pipeline import Pipeline
from abaft.plan.loads import Load, Match, Matched
from abaft.plan.types import WriteIntent
from abaft.store.base import Session
from abaft.store.texts import fold_ascii
from abaft.writing import Draft

Refusals = list[tuple[Line, str]]


@dataclass(slots=True)
class Counts:
    """How many records were made and changed, and how many were so already."""

    created: int = 0
    updated: int = 0
    same: int = 0

    def copy(self) -> Counts:
        return replace(self)

    def as_dict(self) -> dict[str, int]:
        return {"created": self.created, "updated": self.updated, "same": self.same}

    @property
    def stored(self) -> int:
        return self.created + self.updated + self.same


class Writer:
    """Writes the batches of one file."""

    def __init__(
        self,
        pipeline: Pipeline,
        model: Model,
        on: tuple[str, ...] | None,
        deferred: bool,
        counts: Counts,
    ) -> None:
        self.pipeline, self.model, self.on = pipeline, model, on
        self.counts = counts
        self.drafts: list[Draft] = []
        self._deferred = deferred
        self._lists = [name for name, many in model.many.items() if many.writable]
        # A place in an order and a version are found by a write of their own, too.
        apart = bool(model.order) or model.history
        self._hooked = {
            action: bool(
                apart or model.hooks_for("before", action) or model.hooks_for("after", action)
            )
            for action in ("create", "update")
        }

    async def write(self, session: Session, batch: Batch) -> Refusals:
        """Stores what can be; why the rest is refused."""
        if self.on is None:
            return await self._create(session, batch)
        refused: Refusals = []
        absent = [name for name in self.on if name not in batch.given]
        if absent:
            return [(line, f"{absent[0]}: it tells which record is meant") for line in batch.lines]
        for part in _distinct(batch, self._keys(batch, self.on)):
            refused += await self._upsert(session, part)
        return refused

    def _keys(self, batch: Batch, on: tuple[str, ...]) -> list[tuple[Any, ...]]:
        """What tells each row's record, as the database compares it."""
        columns = [
            [fold_ascii(value) if isinstance(value, str) else value for value in batch.column(name)]
            if self.model.fields[name].nocase
            else batch.column(name)
            for name in on
        ]
        return list(zip(*columns, strict=True))

    async def _upsert(self, session: Session, batch: Batch, again: bool = False) -> Refusals:
        found = await self._match(session, batch)
        new = batch.only([row is None for row in found])
        refused, rows = [], [row for row in found if row is not None]
        if rows:
            old = batch.only([row is not None for row in found])
            refused += await self._update(session, old, rows)
        if new.lines:
            failed = await self._create(session, new)
            if failed and not again and self.pipeline.store.capabilities.shared:
                # Somebody else may have made the record in between.
                lines = {line[0] for line, _ in failed}
                tried = new.only([line[0] in lines for line in new.lines])
                failed = await self._upsert(session, tried, True)
            refused += failed
        return refused

    async def _match(self, session: Session, batch: Batch) -> Sequence[Matched | None]:
        on = self.on or ()
        fields = self.model.fields
        others = [name for name in batch.given if name in fields and name not in on]
        names = (*on, *others)
        # What a deleted record holds may be used again, but for its key.
        living = self.model.soft_delete and set(on) != set(self.model.key)
        return await session.match(Match(self.model, on, names, batch.rows(names), living))

    async def _create(self, session: Session, batch: Batch) -> Refusals:
        batch, refused = complete(self.model, batch)
        if not batch.lines:
            return refused
        # What the database fills in where the file has nothing is left to it.
        stored = [name for name in batch.names if name in self.model.fields]
        made = [name for name in stored if self.model.fields[name].by_database]
        lacking = {name: batch.column(name).count(ABSENT) for name in made}
        mixed = any(0 < count < len(batch.lines) for count in lacking.values())
        keyless = self._keyless(batch)
        if mixed or self._hooked["create"] or not (keyless or await self._numbered(session, batch)):
            return refused + await self._singly(session, batch, self._creation)
        left = {name for name, count in lacking.items() if count} | keyless
        names = tuple(name for name in stored if name not in left)
        return refused + await self._load(session, batch, "create", names, names)

    def _keyless(self, batch: Batch) -> set[str]:
        """The key, where the database numbers all these records as it stores them."""
        key = self.model.fields[self.model.key[0]]
        numbers = self.pipeline.store.capabilities.numbers_rows and key.generated
        none = numbers and all(value is None for value in batch.column(key.name))
        return {key.name} if none else set()

    async def _numbered(self, session: Session, batch: Batch) -> bool:
        """Whether each row has its key, or one as the database makes them."""
        if not self.model.fields[self.model.key[0]].generated:
            return True
        key = batch.column(self.model.key[0])
        lacking = key.count(None)
        if lacking and self.model.fields[self.model.key[0]].kind.name != "integer":
            return False
        if lacking:
            made = iter(await session.numbers(self.model, lacking))
            key[:] = [next(made, None) if value is None else value for value in key]
        return None not in key

    async def _update(self, session: Session, batch: Batch, found: list[Matched]) -> Refusals:
        """Changes stored records, but for those that are so already."""
        batch, refused, found = self._own_keys(batch, found)
        lists = [name for name in self._lists if name in batch.given]
        changed = [not same or bool(lists) for _, same in found]
        self.counts.same += changed.count(False)
        batch = batch.only(changed)
        keys = [key for (key, _), kept in zip(found, changed, strict=True) if kept]
        if not batch.lines:
            return refused
        fields, model = self.model.fields, self.model
        known = {*model.key, *(self.on or ())}
        set_ = [name for name in batch.given if name in fields and name not in known]
        columns = [batch.column(name) for name in set_]
        for name, field in fields.items():
            if field.stamp == "updated" and name not in set_:
                set_.append(name)
                columns.append([clock.now()] * len(keys))
        columns += [list(column) for column in zip(*keys, strict=True)]
        names = (*set_, *model.key)
        columns += [batch.column(name) for name in lists]
        batch = Batch(batch.lines, (*names, *lists), columns, batch.given)
        if self._hooked["update"]:
            return refused + await self._singly(session, batch, self._change)
        return refused + await self._load(session, batch, "update", names, tuple(set_))

    def _own_keys(
        self, batch: Batch, found: list[Matched]
    ) -> tuple[Batch, Refusals, list[Matched]]:
        """Without rows that name a record by one key and give another as its own."""
        given = [name for name in self.model.key if name in batch.given]
        at = [self.model.key.index(name) for name in given]
        rows = batch.rows(given) if given else [()] * len(found)
        right = [
            tuple(key[place] for place in at) == row
            for (key, _), row in zip(found, rows, strict=True)
        ]
        if all(right):
            return batch, [], found
        refused = [
            (
                line,
                f"{self.model.written(dict(zip(self.model.key, key, strict=True)))} is the key "
                f"of the stored record, which can't be changed",
            )
            for line, (key, _), kept in zip(batch.lines, found, right, strict=True)
            if not kept
        ]
        kept_found = [row for row, kept in zip(found, right, strict=True) if kept]
        return batch.only(right), refused, kept_found

    async def _load(
        self,
        session: Session,
        batch: Batch,
        action: Literal["create", "update"],
        names: tuple[str, ...],
        shown: tuple[str, ...],
    ) -> Refusals:
        rows = batch.rows(names)
        links = {
            name: [[] if row is ABSENT else row for row in batch.column(name)]
            for name in self._lists
            if name in batch.names
        }
        load = Load(
            model=self.model,
            names=names,
            rows=rows,
            changes=change_rows(self.model, names, rows, shown, links),
            at=clock.now(),
            actor=SYSTEM.name,
            deferred=self._deferred,
            action=action,
            links=links,
        )
        faults = await self.pipeline.load(load, session)
        self._count(action, len(rows) - len(faults))
        return [(batch.lines[place], reason_of(fault)) for place, fault in faults.items()]

    def _count(self, action: str, count: int) -> None:
        if action == "create":
            self.counts.created += count
        else:
            self.counts.updated += count

    async def _singly(
        self, session: Session, batch: Batch, intent: Callable[[dict[str, Any]], WriteIntent]
    ) -> Refusals:
        """Each by a statement of its own, for hooks."""
        refused: Refusals = []
        for line, row in zip(batch.lines, batch.rows(batch.names), strict=True):
            pairs = zip(batch.names, row, strict=True)
            made = intent({name: value for name, value in pairs if value is not ABSENT})
            try:
                answer = await self.pipeline.write(made, SYSTEM, Unit(session))
            except Fault as fault:
                refused.append((line, reason_of(fault)))
            else:
                self.drafts.append(answer.draft)
                self._count(made.action, 1)
        return refused

    def _creation(self, values: dict[str, Any]) -> WriteIntent:
        made = {
            name: value
            for name, value in values.items()
            if value is not None or name not in self.model.key
        }
        return WriteIntent(self.model.name, "create", made)

    def _change(self, values: dict[str, Any]) -> WriteIntent:
        key = {name: values[name] for name in self.model.key}
        given = {
            name: value
            for name, value in values.items()
            if name not in key and not _once(self.model, name)
        }
        return WriteIntent(self.model.name, "update", given, key)


def _once(model: Model, name: str) -> bool:
    return name in model.fields and (
        model.fields[name].write_once or model.fields[name].stamp == "updated"
    )


def _distinct(batch: Batch, keys: list[tuple[Any, ...]]) -> Iterator[Batch]:
    """The rows in their order, cut where one is about a record that came before."""
    if len(set(keys)) == len(keys):
        yield batch
        return
    seen: set[Any] = set()
    start = 0
    for place, key in enumerate(keys):
        if key in seen:
            yield batch.only([start <= at < place for at in range(len(keys))])
            start, seen = place, set()
        seen.add(key)
    yield batch.only([start <= at for at in range(len(keys))])


def reason_of(fault: Fault) -> str:
    """Why a row was refused, with the fields that are to blame."""
    if not fault.errors:
        return fault.detail or fault.title
    return "; ".join(f"{problem.pointer[1:]}: {problem.detail}" for problem in fault.errors)
