"""Describes the tables and views of a PostgreSQL database, which it only reads."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from abaft.store import postgres_catalog as catalog
from abaft.store.base import Lost
from abaft.store.description import (
    Column,
    Description,
    ForeignKey,
    OnDelete,
    Table,
    candidates,
    usable,
)
from abaft.store.postgres_errors import FAILURES, gone
from abaft.store.postgres_pool import MANNERS, Connection, Dialer
from abaft.store.postgres_values import Facts, Type, held

CTID = "ctid"
_SECONDS = 10.0
_MANNERS = {"default_transaction_read_only": "on", "statement_timeout": "30000"}
_ON_DELETE: dict[str, OnDelete] = {"c": "cascade", "n": "set null"}
_VIEWS = ("v", "m", "f")


async def inspect(url: str, schemas: Sequence[str] = ()) -> Description:
    """The tables of these schemas, or of all. Raises Lost where they can't be read."""
    try:
        manners = {**MANNERS, **_MANNERS}
        connection = await Dialer(url, manners)(_SECONDS)
    except (*FAILURES, ValueError) as error:
        raise Lost(f"it can't be reached: {error}") from error
    try:
        async with connection.transaction(isolation="repeatable_read", readonly=True):
            return await _Inspector(connection).describe(schemas)
    except FAILURES as error:
        raise Lost(f"it can't be read: {error}") from error
    finally:
        await connection.close()


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


class _Inspector:
    def __init__(self, connection: Connection) -> None:
        self.connection = connection

    async def describe(self, schemas: Sequence[str]) -> Description:
        found = await self.connection.fetch(catalog.TABLES, list(schemas))
        oids = [row[0] for row in found]
        self.types = {row[0]: row for row in await self.connection.fetch(catalog.TYPES)}
        self.places = {row[0]: f"{row[1]}.{row[2]}" if row[1] else row[2] for row in found}
        self.columns = await self._grouped(catalog.COLUMNS, oids)
        self.indexes = await self._grouped(catalog.INDEXES, oids)
        self.foreign = await self._grouped(catalog.FOREIGN_KEYS, oids)
        self.triggers = await self._grouped(catalog.TRIGGERS, oids)
        tables = [await self.table(*row) for row in found]
        return Description("postgresql", tuple(tables))

    async def _grouped(self, sql: str, oids: list[int]) -> dict[int, list[Any]]:
        groups = defaultdict(list)
        for row in await self.connection.fetch(sql, oids):
            groups[row[0]].append(row)
        return groups

    async def table(
        self, oid: int, schema: str, name: str, relkind: str, comment: str | None
    ) -> Table:
        source = f"{_quoted(schema)}.{_quoted(name)}" if schema else _quoted(name)
        columns = tuple([await self.column(source, row) for row in self.columns[oid]])
        uniques = [tuple(row[2]) for row in self.indexes[oid]]
        key, notes = await self.key(source, name, relkind, columns, uniques)
        if key == (CTID,):
            columns = (Column(CTID, "tid", "text", "tid", nullable=False), *columns)
            notes = ("it has no key: its records are told apart by their place, and only read",)
        return Table(
            name=name,
            columns=tuple(
                replace(column, nullable=False) if column.name in key else column
                for column in columns
            ),
            key=key,
            schema=schema,
            read_only=relkind in _VIEWS or key == (CTID,) or key not in uniques,
            uniques=tuple(unique for unique in uniques if unique != key),
            foreign_keys=tuple(self.foreign_keys(oid)),
            comment=comment or "",
            notes=notes,
            triggers=oid in self.triggers,
        )

    def type_of(self, oid: int, modifier: int, by_code_point: bool) -> tuple[Type, bool, bool]:
        """The type, and whether a domain on the way forbids null and has a default."""
        required = default = False
        _, name, sort, base, its_modifier, item, not_null, has_default, words = self.types[oid]
        while sort == "d":
            required, default = required or not_null, default or has_default
            modifier = its_modifier
            row = self.types[base]
            _, name, sort, base, its_modifier, item, not_null, has_default, words = row
        of_item = self.type_of(item, -1, True)[0] if item in self.types and item else None
        made = Type(name, modifier, tuple(words), of_item, by_code_point)
        return made, required, default

    async def column(self, source: str, row: Any) -> Column:
        _, name, type_oid, modifier, required, default, identity, *rest = row
        generated, comment, plain, shown, deterministic = rest
        type_, not_null, has_default = self.type_of(type_oid, modifier, plain)
        facts = await self.facts(source, name, type_)
        kind, told = held(type_, facts)
        if not deterministic:
            kind, told = "", {"note": "its collation takes different texts for the same"}
        return Column(
            name=name,
            type=shown,
            kind=kind,
            nullable=not (required or not_null),
            filled=default or has_default or identity != "",
            computed=generated != "",
            comment=comment or "",
            spelling=type_.name,
            **told,
        )

    async def ask(self, sql: str) -> Any:
        """One value; None where the query fails, as that of a view may."""
        try:
            async with self.connection.transaction():
                return await self.connection.fetchval(sql)
        except FAILURES as error:
            if gone(error):
                raise
            return None

    async def facts(self, source: str, column: str, type_: Type) -> Facts:
        """What only the values tell."""
        name = _quoted(column)
        if type_.name == "numeric" and type_.modifier < 4:
            sql = f"select max(scale({name})) from {source}"
            return Facts(places=min(await self.ask(sql) or 0, 20))
        if type_.name == "interval":
            sql = (
                f"select exists (select 1 from {source} where extract(year from {name}) <> 0 "
                f"or extract(month from {name}) <> 0)"
            )
            return Facts(months=await self.ask(sql) is not False)
        return Facts()

    async def key(
        self,
        source: str,
        name: str,
        relkind: str,
        columns: tuple[Column, ...],
        uniques: list[tuple[str, ...]],
    ) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """The key, and what is to be said about it."""
        by_name = {column.name: column for column in columns}
        for names in uniques:
            able = all(usable(by_name[part]) for part in names)
            # A materialized view's columns are never NOT NULL.
            required = relkind == "m" or not any(by_name[part].nullable for part in names)
            if names and able and required:
                return names, ()
        return ((CTID,), ()) if relkind == "r" else await self._guess(source, name, columns)

    async def _guess(
        self, source: str, name: str, columns: tuple[Column, ...]
    ) -> tuple[tuple[str, ...], tuple[str, ...]]:
        for names in candidates(name, columns):
            listed = ", ".join(map(_quoted, names))
            empty = " or ".join(f"{_quoted(part)} is null" for part in names)
            sql = (
                f"select exists (select 1 from {source} where {empty}) or exists "
                f"(select 1 from {source} group by {listed} having count(*) > 1)"
            )
            twice = await self.ask(sql)
            if twice is None:
                return (), ("it can't be read, or not soon enough",)
            if not twice:
                said = f"its key is taken to be {', '.join(names)}: no two of its records share it"
                return names, (said,)
        return (), ("no column tells its records apart",)

    def foreign_keys(self, oid: int) -> list[ForeignKey]:
        return [
            ForeignKey(
                tuple(ours),
                self.places[target],
                tuple(theirs),
                _ON_DELETE.get(on_delete, "restrict"),
            )
            for _, target, on_delete, ours, theirs in self.foreign[oid]
            if target in self.places
        ]
