"""Db: the data for a program's own code, by typed records, under the rules of who asks."""

from __future__ import annotations

import builtins
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Sequence
from contextlib import aclosing, asynccontextmanager, contextmanager
from datetime import datetime
from typing import Any, Literal, TypeVar, overload

from abaft.answers import Unit
from abaft.base.actor import SYSTEM, Actor
from abaft.base.errors import BadRequest, NotFound
from abaft.language.parse import parse_condition
from abaft.model import expr as e
from abaft.model.declare import Model as Record
from abaft.model.moves import not_itself
from abaft.model.records import plain, record_from_json, record_of
from abaft.model.spec import Model
from abaft.model.trace import trace
from abaft.pipeline import Pipeline
from abaft.plan.change import Change
from abaft.plan.resolve import column_of, picks, scopes_of
from abaft.plan.search import BY_RELEVANCE, check_searched, read_terms
from abaft.plan.types import Deleted, Pick, ReadIntent, ReadShape, Sort, Verb, WriteIntent
from abaft.store.base import StoreError
from abaft.store_faults import store_fault
from abaft.versions import NEWEST, Version, Versions, restored

M = TypeVar("M", bound=Record)
Where = Callable[[M], bool] | Callable[[M, Any], bool] | str
"""A function of a record, or a text of the filter language."""


@contextmanager
def _told() -> Iterator[None]:
    """Turns the store's refusals into faults."""
    try:
        yield
    except StoreError as error:
        raise store_fault(error) from error


def _scopes(spec: Model, given: str | Sequence[str] | None) -> tuple[str, ...] | None:
    if given is None:
        return None
    return scopes_of(spec, tuple(given.split(",") if isinstance(given, str) else given))


class Database:
    """Typed access to the data; `as_system()` leaves the rules behind."""

    def __init__(self, pipeline: Pipeline, actor: Actor, unit: Unit | None = None) -> None:
        self._pipeline = pipeline
        self._actor = actor
        self._unit = unit

    def as_system(self) -> Database:
        """The same data, above all rules."""
        return self.as_actor(SYSTEM)

    def as_actor(self, actor: Actor) -> Database:
        """The same data, under the rules for another actor."""
        return Database(self._pipeline, actor, self._unit)

    async def get(
        self,
        model: type[M],
        key: Any,
        *,
        expand: Iterable[str] = (),
        deleted: Deleted = "without",
        as_of: datetime | None = None,
    ) -> M:
        """The record of this key: a value, a tuple for a composite key, or a record.

        One that was softly deleted is found with `deleted="with"`, by who might delete it; where
        there is a history, `as_of` gives the record as it was then.
        Raises NotFound where there is none that the actor may read.
        """
        spec = self._spec(model)
        if as_of is not None:
            text = await self._versions(spec, key).as_of(as_of)
            return self._typed(spec, text)  # type: ignore[no-any-return]
        pick = picks(self._pipeline.schema, spec, None, tuple(expand), 8)
        shape = ReadShape(
            spec.name,
            "one",
            self._by_key(spec),
            pick=pick,
            hidden=self._actor.system,
            deleted=deleted,
        )
        answer = await self._pipeline.read(
            ReadIntent(shape, self._key(spec, key, "key.")), self._actor, self._unit
        )
        if not answer.rows:
            raise NotFound(f"there is no such {spec.name}")
        return self._typed(spec, answer.rows[0][0])  # type: ignore[no-any-return]

    async def list(
        self,
        model: type[M],
        where: Where[M] | None = None,
        *,
        sort: str | Sequence[str] = (),
        expand: Iterable[str] = (),
        limit: int = 100,
        offset: int = 0,
        scope: str | Sequence[str] | None = None,
        deleted: Deleted = "without",
        search: str | None = None,
    ) -> list[M]:
        """The records that satisfy `where`, in order.

        `scope` names the scopes that hold in place of the default ones; "all": none of them.
        `search` is what to find in them (docs/search.md), by default the most relevant first.
        """
        spec = self._spec(model)
        shape, values = self._page(spec, where, sort, expand, scope, deleted, search)
        values |= {"limit": limit, "offset": offset}
        answer = await self._pipeline.read(ReadIntent(shape, values), self._actor, self._unit)
        return [self._typed(spec, row[0]) for row in answer.rows]

    async def stream(
        self,
        model: type[M],
        where: Where[M] | None = None,
        *,
        sort: str | Sequence[str] = (),
        expand: Iterable[str] = (),
        scope: str | Sequence[str] | None = None,
        deleted: Deleted = "without",
        search: str | None = None,
    ) -> AsyncIterator[M]:
        """The same, without a limit; in bounded memory, but within a transaction."""
        spec = self._spec(model)
        shape, values = self._page(spec, where, sort, expand, scope, deleted, search)
        values |= {"limit": 2**62, "offset": 0}
        intent = ReadIntent(shape, values)
        if self._unit is not None:
            answer = await self._pipeline.read(intent, self._actor, self._unit)
            for row in answer.rows:
                yield self._typed(spec, row[0])
            return
        async with aclosing(self._pipeline.stream(intent, self._actor).rows) as rows:
            async for row in rows:
                yield self._typed(spec, row[0])

    async def count(
        self,
        model: type[M],
        where: Where[M] | None = None,
        *,
        scope: str | Sequence[str] | None = None,
        deleted: Deleted = "without",
        search: str | None = None,
    ) -> int:
        """How many records satisfy `where`."""
        spec = self._spec(model)
        condition, values = self._where(spec, where)
        condition, kinds = self._search(spec, condition, search, values)
        scopes = _scopes(spec, scope)
        shape = ReadShape(
            spec.name, "count", condition, scopes=scopes, deleted=deleted, search=kinds
        )
        answer = await self._pipeline.read(ReadIntent(shape, values), self._actor, self._unit)
        return int(answer.rows[0][0])

    @overload
    async def create(self, record: M, /) -> M: ...
    @overload
    async def create(self, model: type[M], /, **values: Any) -> M: ...
    async def create(self, target: Any, /, **values: Any) -> Any:
        """Stores a new record: `create(Post(title="…"))` or `create(Post, title="…")`."""
        if isinstance(target, Record):
            spec = self._spec(type(target))
            values = plain(spec, target) | values
        else:
            spec = self._spec(target)
        given = self._pipeline.validators[spec.name].python(values)
        return await self._write(spec, WriteIntent(spec.name, "create", given))

    async def upsert(self, model: type[M], /, *, on: str | Sequence[str], **values: Any) -> M:
        """Stores a new record, or changes the one with the same values of the unique fields `on`.

        Defaults are only for a new one.
        """
        spec = self._spec(model)
        asked = {on} if isinstance(on, str) else {*on}
        found = [key for key in spec.unique_keys() if {*key} == asked]
        if not found:
            listed = "; ".join(", ".join(key) for key in spec.unique_keys())
            detail = f"{', '.join(sorted(asked))} of {spec.name} isn't unique: {listed}"
            raise BadRequest(detail, code="not_unique")
        given = self._pipeline.validators[spec.name].python(values)
        written: M = await self._write(
            spec, WriteIntent(spec.name, "create", given, upsert=found[0])
        )
        return written

    async def update(self, record: M, /, **values: Any) -> M:
        """Changes the record's fields and gives it as it is then."""
        spec = self._spec(type(record))
        given = self._pipeline.validators[spec.name].python(values)
        key = self._key(spec, record)
        written: M = await self._write(spec, WriteIntent(spec.name, "update", given, key))
        return written

    async def delete(self, record: Record, /, *, purge: bool = False) -> None:
        """Deletes the record; with `purge` for good, where deletes are soft."""
        spec = self._spec(type(record))
        verb: Verb = "purge" if purge and spec.soft_delete else ""
        intent = WriteIntent(spec.name, "delete", {}, self._key(spec, record), verb=verb)
        await self._write(spec, intent)

    async def history(
        self, record: Record, /, *, limit: int = 100, before: int = NEWEST
    ) -> builtins.list[Version]:
        """The record's versions, newest first; further ones by the number of the last."""
        spec = self._spec(type(record))
        found, _ = await self._versions(spec, record).page(limit, before)
        return found

    async def version(self, record: M, number: int, /) -> M:
        """The record as it was in a version."""
        spec = self._spec(type(record))
        text = await self._versions(spec, record).one(number)
        return self._typed(spec, text)  # type: ignore[no-any-return]

    def _versions(self, spec: Model, key: Any) -> Versions:
        if not spec.history:
            raise BadRequest(f"{spec.name} has no history", code="not_offered")
        return Versions(self._pipeline, spec, self._key(spec, key), self._actor, self._unit)

    async def move(
        self,
        record: M,
        /,
        *,
        before: Any = None,
        after: Any = None,
        to: Literal["first", "last"] = "last",
    ) -> M:
        """Gives the record another place in its list: by another one, or at an end."""
        spec = self._spec(type(record))
        if not spec.order:
            raise BadRequest(f"{spec.name} isn't ordered", code="not_offered")
        other, key = before if before is not None else after, self._key(spec, record)
        anchor = {} if other is None else self._key(spec, other)
        verb: Verb = to if other is None else "after" if before is None else "before"
        if anchor == key:
            raise not_itself(verb)
        intent = WriteIntent(spec.name, "update", {}, key, verb=verb, anchor=anchor)
        return await self._write(spec, intent)  # type: ignore[no-any-return]

    async def restore(self, record: M, /, *, version: int | None = None) -> M:
        """Undoes a soft delete, or gives the record the values of a version; the record then."""
        spec = self._spec(type(record))
        if version is not None:
            values = await restored(self._versions(spec, record), version)
            changed = WriteIntent(spec.name, "update", values, self._key(spec, record))
            return await self._write(spec, changed)  # type: ignore[no-any-return]
        if not spec.soft_delete:
            raise BadRequest(f"{spec.name} has no soft deletes to be undone", code="not_offered")
        intent = WriteIntent(spec.name, "update", {}, self._key(spec, record), verb="restore")
        return await self._write(spec, intent)  # type: ignore[no-any-return]

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Database]:
        """What is done with the database it gives lands together or not at all.

        One within another is part of it: where the inner fails, the outer lands no more. Other
        writes of SQLite wait meanwhile: keep it short. @after hooks run once it is durable.
        """
        async with self._pipeline.unit(self._unit) as unit:
            yield Database(self._pipeline, self._actor, unit)

    async def sql(self, text: str, *values: Any) -> builtins.list[dict[str, Any]]:
        """Rows of a statement of your own, with values bound to its placeholders.

        Placeholders are the database's: `?` for SQLite, `$1` for PostgreSQL. No rule applies, so
        only `as_system()` may.
        """
        if not self._actor.system:
            raise BadRequest("raw SQL knows no rules: use db.as_system().sql(…)", code="raw_sql")
        with _told():
            return await self._pipeline.target(self._unit).sql(text, values)

    async def changes(self, after: str = "", limit: int = 100) -> builtins.list[Change]:
        """The change feed after a position, in the order in which changes became visible."""
        if not self._actor.system:
            raise BadRequest(
                "the change feed knows no rules: use db.as_system()", code="change_feed"
            )
        with _told():
            return await self._pipeline.store.changes(after, limit)

    async def _write(self, spec: Model, intent: WriteIntent) -> Any:
        answer = await self._pipeline.write(intent, self._actor, self._unit)
        if intent.action == "delete":
            return None
        if answer.json is None:
            # Written, but not to be read: the record has its key and no more.
            key = answer.draft.key()
            shown = {name: spec.fields[name].kind.show(key[name]) for name in spec.key}
            return record_of(self._pipeline.schema, spec, shown)
        return self._typed(spec, answer.json)

    def _spec(self, model: type[Record]) -> Model:
        spec = self._pipeline.schema.models.get(model.__name__)
        if spec is None or spec.cls is not model:
            raise BadRequest(f"{model.__name__} is no model of this App: pass it to App(…)")
        return spec

    def _typed(self, spec: Model, text: str) -> Any:
        return record_from_json(self._pipeline.schema, spec, text)

    def _by_key(self, spec: Model) -> e.Expr:
        return e.all_of(
            e.Compare("eq", e.Column(name), e.Param(f"key.{name}", spec.fields[name].kind))
            for name in spec.key
        )

    def _key(self, spec: Model, key: Any, prefix: str = "") -> dict[str, Any]:
        parts = (
            key.__key__ if isinstance(key, Record) else key if isinstance(key, tuple) else (key,)
        )
        kinds = [spec.fields[name].kind for name in spec.key]
        try:
            values = [
                kind.parse(part) if isinstance(part, str) else kind.read(kind.show(part))
                for kind, part in zip(kinds, parts, strict=True)
            ]
        except (ValueError, TypeError, AttributeError):
            raise NotFound(f"there is no such {spec.name}") from None
        return {f"{prefix}{name}": value for name, value in zip(spec.key, values, strict=True)}

    def _page(
        self,
        spec: Model,
        where: Any,
        sort: str | Sequence[str],
        expand: Iterable[str],
        scope: str | Sequence[str] | None,
        deleted: Deleted,
        search: str | None,
    ) -> tuple[ReadShape, dict[str, Any]]:
        condition, values = self._where(spec, where)
        condition, kinds = self._search(spec, condition, search, values)
        names = sort.split(",") if isinstance(sort, str) else sort
        steps = tuple(
            Sort(tuple(name.removeprefix("-").split(".")), name.startswith("-")) for name in names
        )
        schema = self._pipeline.schema
        for step in steps:
            column_of(schema, spec, step.path)
        steps = steps or ((BY_RELEVANCE,) if kinds else ())
        pick: Pick = picks(schema, spec, None, tuple(expand), 8)
        shape = ReadShape(
            spec.name,
            "page",
            condition,
            steps,
            pick,
            offset=True,
            hidden=self._actor.system,
            scopes=_scopes(spec, scope),
            deleted=deleted,
            search=kinds,
        )
        return shape, values

    def _search(
        self, spec: Model, condition: e.Expr, text: str | None, values: dict[str, Any]
    ) -> tuple[e.Expr, tuple[str, ...]]:
        """What a search adds to a shape; where there is no word to be found, nothing is."""
        if text is None:
            return condition, ()
        check_searched(spec)
        values["search"] = found = read_terms(self._pipeline.settings, text)
        kinds = found.parts()
        return (condition if kinds else e.FALSE), kinds

    def _where(self, spec: Model, where: Any) -> tuple[e.Expr, dict[str, Any]]:
        """The traced condition with its constants as parameters, so that one plan serves all."""
        if where is None:
            return e.TRUE, {}
        if isinstance(where, str):
            pipeline = self._pipeline
            said = parse_condition(pipeline.schema, pipeline.settings, spec, where, "w", "")
            return said.where, dict(said.bind())
        values: dict[str, Any] = {}

        def named(node: Any) -> Any:
            if not (isinstance(node, e.Compare) and isinstance(node.right, e.Const)):
                return node
            kind = self._kind(spec, node.left)
            if kind is None or kind.name == "boolean":
                return node
            name = f"w{len(values)}"
            values[name] = node.right.value
            return e.Compare(node.op, node.left, e.Param(name, kind), node.nocase)

        return e.rewrite(trace(where, self._pipeline.schema, spec), named), values

    def _kind(self, spec: Model, value: e.Value) -> Any:
        """The kind of a column of the outermost record; others keep their constants."""
        if not isinstance(value, e.Column) or value.scope:
            return None
        for hop in value.hops:
            spec = self._pipeline.schema.target(spec, hop.relation)
        return spec.fields[value.name].kind
