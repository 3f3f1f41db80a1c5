"""Db: the data for a program's own code, by typed records, under the rules of who asks."""

from __future__ import annotations

import builtins
from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from contextlib import aclosing, asynccontextmanager, contextmanager
from datetime import datetime
from typing import Any, overload

from abaft.answers import Unit
from abaft.base.actor import SYSTEM, Actor
from abaft.base.errors import BadRequest, NotFound
from abaft.db_many import ManyRecords, Where
from abaft.kept import M
from abaft.language.parse import parse_condition
from abaft.model import expr as e
from abaft.model.declare import Model as Record
from abaft.model.records import plain
from abaft.model.spec import Model
from abaft.model.trace import trace
from abaft.plan.change import Change
from abaft.plan.resolve import column_of, picks, scopes_of
from abaft.plan.search import BY_RELEVANCE, check_searched, read_terms
from abaft.plan.types import Deleted, Pick, ReadIntent, ReadShape, Sort, Verb, WriteIntent
from abaft.store.base import StoreError
from abaft.store_faults import store_fault


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


class Database(ManyRecords):
    """Typed access to the data; `as_system()` leaves the rules behind."""

    @property
    def unit(self) -> Unit | None:
        """The transaction that this is within; None: each call is by itself."""
        return self._unit

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
        """The change feed after a position, in the order in which changes became visible.

        What abaft keeps of accounts isn't told: the audit trail is for that.
        """
        if not self._actor.system:
            raise BadRequest(
                "the change feed knows no rules: use db.as_system()", code="change_feed"
            )
        models = self._pipeline.schema.models
        found: builtins.list[Change] = []
        with _told():
            while asked := limit - len(found):
                rows = await self._pipeline.store.changes(after, asked)
                found += [r for r in rows if not (r.model in models and models[r.model].own)]
                if len(rows) < asked:
                    break
                after = rows[-1].position
        return found

    def _by_key(self, spec: Model) -> e.Expr:
        return e.all_of(
            e.Compare("eq", e.Column(name), e.Param(f"key.{name}", spec.fields[name].kind))
            for name in spec.key
        )

    def _found(self, spec: Model, where: Any) -> tuple[ReadShape, dict[str, Any]]:
        return self._page(spec, where, (), (), None, "without", None)

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
