"""Describes the tables and views of a MySQL or MariaDB database, which it only reads."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

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
from abaft.store.mysql_errors import FAILURES, gone
from abaft.store.mysql_pool import Connection, connect
from abaft.store.sql.mysql_literals import Listed, filled

_SECONDS = 30.0
_ON_DELETE: dict[str, OnDelete] = {"CASCADE": "cascade", "SET NULL": "set null"}
_SYSTEM = ("information_schema", "mysql", "performance_schema", "sys")
_SHOWN = f"table_schema NOT IN {_SYSTEM} AND table_name NOT LIKE 'abaft\\_%' ESCAPE '\\'"
_TABLES = (
    "SELECT table_schema, table_name, table_type, table_comment FROM information_schema.tables"
    f" WHERE {_SHOWN} AND (table_schema IN ?) ORDER BY table_schema <> database(), table_schema,"
    " table_name"
)
_COLUMNS = (
    "SELECT table_schema, table_name, column_name, data_type, column_type, collation_name,"
    " character_maximum_length, numeric_precision, numeric_scale, is_nullable = 'NO',"
    " coalesce(column_default, 'NULL') <> 'NULL' OR extra LIKE '%DEFAULT_GENERATED%',"
    " extra LIKE '%auto_increment%', generation_expression <> '', column_comment"
    f" FROM information_schema.columns WHERE {_SHOWN} ORDER BY ordinal_position"
)
_INDEXES = (
    "SELECT table_schema, table_name, index_name, column_name, sub_part"
    f" FROM information_schema.statistics WHERE {_SHOWN} AND non_unique = 0"
    " ORDER BY index_name <> 'PRIMARY', index_name, seq_in_index"
)
_KEYS = (
    "SELECT k.table_schema, k.table_name, k.constraint_name, k.column_name,"
    " k.referenced_table_schema, k.referenced_table_name, k.referenced_column_name, r.delete_rule"
    " FROM information_schema.key_column_usage k JOIN information_schema.referential_constraints r"
    " ON r.constraint_schema = k.constraint_schema AND r.constraint_name = k.constraint_name"
    " AND r.table_name = k.table_name WHERE k.referenced_table_name IS NOT NULL"
    " ORDER BY k.constraint_name, k.ordinal_position"
)
_CHECKED = (
    "SELECT constraint_schema, table_name, check_clause FROM information_schema.check_constraints"
    " WHERE check_clause LIKE '%json_valid%'"
)
_TRIGGERS = (
    "SELECT DISTINCT event_object_schema, event_object_table FROM information_schema.triggers"
    " WHERE action_timing = 'BEFORE' AND event_manipulation = 'INSERT'"
)
_WORD = re.compile("'((?:[^']|'')*)'")
_OURS = ("utf8mb4_nopad_bin", "utf8mb4_0900_bin")
_TEXTS = ("char", "varchar", "tinytext", "text", "mediumtext", "longtext")
_BYTES = ("binary", "varbinary", "tinyblob", "blob", "mediumblob", "longblob")
_WHOLE = ("tinyint", "smallint", "mediumint", "int")
_DIGITS = 18
_LEFT_OUT = {"geometry", "point", "linestring", "polygon", "multipoint", "multilinestring"}

Place = tuple[str, str]
Held = tuple[str, dict[str, Any]]


async def inspect(url: str, schemas: Sequence[str] = ()) -> Description:
    """The tables of these databases, or of the one that is named. Raises Lost where they can't be
    read."""
    try:
        connection = await connect(url, _SECONDS)
    except (*FAILURES, ValueError) as error:
        raise Lost(f"the database can't be reached: {error}") from error
    try:
        await connection.run("START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY")
        return await _Inspector(connection).describe(schemas)
    except FAILURES as error:
        raise Lost(f"it can't be read: {error}") from error
    finally:
        connection.terminate()


def _quoted(name: str) -> str:
    return "`" + name.replace("`", "``") + "`"


class _Inspector:
    def __init__(self, connection: Connection) -> None:
        self.connection = connection

    async def describe(self, schemas: Sequence[str]) -> Description:
        [[self.current]] = await self.connection.rows("SELECT database()")
        wanted = Listed(tuple(schemas) or (self.current,))
        found = await self.connection.rows(filled(_TABLES, (wanted,)))
        self.columns = await self._grouped(_COLUMNS)
        self.indexes = await self._grouped(_INDEXES)
        self.foreign = await self._grouped(_KEYS)
        self.triggers = {(row[0], row[1]) for row in await self.connection.rows(_TRIGGERS)}
        self.documents = await self._documents()
        self.there = {(row[0], row[1]) for row in found}
        return Description("mysql", tuple([await self.table(*row) for row in found]))

    async def _grouped(self, sql: str) -> Mapping[Place, list[Any]]:
        groups = defaultdict(list)
        for row in await self.connection.rows(sql):
            groups[row[0], row[1]].append(row)
        return groups

    async def _documents(self) -> set[tuple[str, str, str]]:
        """The columns that a check holds to be JSON, which is how MariaDB has that type."""
        if not self.connection.server.maria:
            return set()
        found = set()
        for schema, table, clause in await self.connection.rows(_CHECKED):
            # Names are quoted as the session's mode has it.
            named = re.fullmatch(r"json_valid\(([`\"])(.+)\1\)", clause)
            if named is not None:
                found.add((schema, table, named[2].replace(named[1] * 2, named[1])))
        return found

    async def table(self, schema: str, name: str, kind: str, comment: str) -> Table:
        place, source = (schema, name), f"{_quoted(schema)}.{_quoted(name)}"
        columns = tuple(self.column(row) for row in self.columns.get(place, ()))
        uniques = self.uniques(place)
        key, notes = await self.key(source, name, columns, uniques, kind != "VIEW")
        return Table(
            name=name,
            columns=tuple(
                replace(column, nullable=False) if column.name in key else column
                for column in columns
            ),
            key=key,
            schema="" if schema == self.current else schema,
            read_only=kind == "VIEW" or key not in uniques,
            uniques=tuple(unique for unique in uniques if unique != key),
            foreign_keys=tuple(self.foreign_keys(place)),
            comment="" if kind == "VIEW" else comment,
            notes=notes,
            triggers=place in self.triggers,
        )

    def uniques(self, place: Place) -> list[tuple[str, ...]]:
        """The columns of each unique index, the key first; none of parts of texts."""
        found: dict[str, list[str | None]] = defaultdict(list)
        for _, _, index, column, part in self.indexes.get(place, ()):
            found[index].append(column if part is None else None)
        return [tuple(map(str, names)) for names in found.values() if None not in names]

    def column(self, row: Any) -> Column:
        schema, table, name, type_, spelled, collation, size, digits, places, *rest = row
        required, default, counted, computed, comment = rest
        document = (schema, table, name) in self.documents
        kind, told = held(type_, spelled, collation, size, (digits, places), document)
        told |= {"enum": name} if kind == "choice" else {}
        return Column(
            name=name,
            type=spelled,
            kind=kind,
            nullable=not required,
            filled=bool(default or counted),
            computed=bool(computed),
            comment=comment or "",
            spelling=type_,
            **told,
        )

    async def ask(self, sql: str) -> Any:
        """One value; None where the query fails, as that of a view may."""
        try:
            return (await self.connection.rows(sql))[0][0]
        except FAILURES as error:
            if gone(error):
                raise
            return None

    async def key(
        self,
        source: str,
        name: str,
        columns: tuple[Column, ...],
        uniques: list[tuple[str, ...]],
        stored: bool,
    ) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """The key, and what is to be said about it."""
        by_name = {column.name: column for column in columns}
        for names in uniques:
            if all(usable(by_name[part]) and not by_name[part].nullable for part in names):
                return names, ()
        for names in candidates(name, columns):
            listed = ", ".join(map(_quoted, names))
            empty = " OR ".join(f"{_quoted(part)} IS NULL" for part in names)
            twice = await self.ask(
                f"SELECT EXISTS (SELECT 1 FROM {source} WHERE {empty}) OR EXISTS "
                f"(SELECT 1 FROM {source} GROUP BY {listed} HAVING count(*) > 1)"
            )
            if twice is None:
                return (), ("it can't be read, or not soon enough",)
            if not twice:
                said = f"its key is taken to be {', '.join(names)}: no two of its records share it"
                return names, (said,)
        return (), ("no column tells its records apart",)

    def foreign_keys(self, place: Place) -> list[ForeignKey]:
        found: dict[str, list[Any]] = defaultdict(list)
        for row in self.foreign.get(place, ()):
            found[row[2]].append(row)
        keys = []
        for rows in found.values():
            schema, table, rule = rows[0][4], rows[0][5], rows[0][7]
            if (schema, table) not in self.there:
                continue
            target = table if schema == self.current else f"{schema}.{table}"
            ours, theirs = tuple(row[3] for row in rows), tuple(row[6] for row in rows)
            keys.append(ForeignKey(ours, target, theirs, _ON_DELETE.get(rule, "restrict")))
        return keys


def held(
    type_: str,
    spelled: str,
    collation: str | None,
    size: int | None,
    number: tuple[int | None, int | None],
    document: bool,
) -> Held:
    """The kind of a column, how it is stored and its size; "" where it is left out."""
    if type_ in _LEFT_OUT:
        return "", {"note": "it is a shape on a map"}
    if spelled == "tinyint(1)":
        return "boolean", {}
    if "zerofill" in spelled:
        return "", {"note": "its numbers are shown with zeros before them"}
    if type_ == "bit" and spelled != "bit(1)":
        return "", {"note": "it is a row of bits"}
    if type_ in _WHOLE or (type_ == "bigint" and "unsigned" in spelled):
        return _whole(type_, spelled)
    if type_ in _TEXTS:
        return _text(type_, collation, size, document)
    if type_ == "decimal":
        digits, places = number[0] or 0, number[1] or 0
        if digits > 50:
            return "text", {"stored": spelled}
        stored = {"stored": "numeric"} if digits > _DIGITS else {}
        return "decimal", {"digits": digits, "places": places} | stored
    if type_ == "enum":
        words = tuple(word.replace("''", "'") for word in _WORD.findall(spelled))
        return "choice", {"stored": "enum", "words": words}
    if type_ in _BYTES:
        return "binary", {} if type_.endswith("blob") else {"max_length": size}
    # Fractions without a sign are held as others are; the database refuses what is below zero.
    return _PLAIN.get(spelled, _PLAIN.get(type_, ("text", {"stored": type_})))


_PLAIN: Mapping[str, Held] = {
    "bigint": ("integer", {}),
    "double": ("float", {}),
    "float": ("float", {"stored": "float"}),
    "bit(1)": ("boolean", {"stored": "bit(1)"}),
    "datetime(6)": ("datetime", {}),
    "datetime": ("datetime", {"stored": "datetime"}),
    "timestamp": ("datetime", {"stored": "timestamp"}),
    "date": ("date", {}),
    "time": ("time", {}),
    "json": ("json", {"stored": "json"}),
    "uuid": ("uuid", {"stored": "uuid"}),
    "year": ("text", {"stored": "year"}),
}


def _whole(type_: str, spelled: str) -> Held:
    unsigned = " unsigned" if "unsigned" in spelled else ""
    if unsigned and type_ == "bigint":
        return "decimal", {"stored": "numeric", "digits": 20, "places": 0}
    return "integer", {"stored": f"{type_}{unsigned}"}


def _text(type_: str, collation: str | None, size: int | None, document: bool) -> Held:
    if document:
        return "json", {"stored": "json"}
    told: dict[str, Any] = {} if collation in _OURS else {"stored": collation}
    if type_ in ("char", "varchar"):
        told["max_length"] = size
    return "text", told
