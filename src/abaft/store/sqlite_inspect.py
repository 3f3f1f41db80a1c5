"""Describes the tables and views of a SQLite file, which it only reads."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import apsw

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
from abaft.store.sqlite_values import Sample, form, held, parse_type

ROWID = "rowid"
_ON_DELETE: dict[str, OnDelete] = {"CASCADE": "cascade", "SET NULL": "set null"}
_GENERATED = (2, 3)
"""What `hidden` is of columns that the table computes."""


def inspect(url: str) -> Description:
    """All tables of the file but abaft's own. Raises Lost where it can't be read."""
    path = url.removeprefix("sqlite:///")
    if not Path(path).is_file():
        raise Lost(f"there is no file {path}")
    try:
        connection = apsw.Connection(path, flags=apsw.SQLITE_OPEN_READONLY)
    except apsw.Error as error:
        raise Lost(f"{path} can't be opened: {error}") from error
    connection.create_scalar_function("abaft_form", _form, 1, deterministic=True)
    try:
        return _Inspector(connection).describe()
    except apsw.Error as error:
        raise Lost(f"{path} can't be read: {error}") from error
    finally:
        connection.close()


def _form(*values: Any) -> str:
    return form(values[0])


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


class _Inspector:
    def __init__(self, connection: apsw.Connection) -> None:
        self.connection = connection
        self.notes: list[str] = []

    def rows(self, sql: str, *values: Any) -> list[Any]:
        return self.connection.execute(sql, values).fetchall()

    def describe(self) -> Description:
        found = self.rows(
            "select l.name, l.type, l.wr from pragma_table_list l where l.schema = 'main' "
            "and l.name not like 'sqlite@_%' escape '@' and l.name not like 'abaft@_%' escape '@' "
            "order by (select m.rowid from sqlite_master m where m.name = l.name)"
        )
        self.names = {name.lower(): name for name, *_ in found}
        tables = []
        for name, type_, without_rowid in found:
            if type_ in ("table", "view"):
                tables.append(self.table(name, type_ == "view", bool(without_rowid)))
            elif type_ == "virtual":
                self.notes.append(f"{name} is left out: it is a virtual table")
        return Description("sqlite", tuple(tables), tuple(self.notes))

    def table(self, name: str, view: bool, without_rowid: bool) -> Table:
        info = self.rows("select * from pragma_table_xinfo(?) where hidden <> 1", name)
        columns = tuple(self.column(name, view, row) for row in info)
        uniques = self.uniques(name)
        declared = tuple(row[1] for row in sorted(info, key=lambda row: row[5]) if row[5])
        key, notes = self.key(name, columns, declared, uniques, view, without_rowid)
        if key == (ROWID,) and ROWID not in {column.name for column in columns}:
            rowid = Column(ROWID, "INTEGER", "integer", nullable=False)
            columns = (rowid, *columns)
            notes += ("it has no key: its records are told apart by their rowid, and only read",)
        return Table(
            name=name,
            columns=self._keyed(name, columns, key, declared, without_rowid),
            key=key,
            read_only=view or key == (ROWID,),
            uniques=tuple(unique for unique in uniques if unique != key),
            foreign_keys=self.foreign_keys(name),
            notes=notes,
        )

    def column(self, table: str, view: bool, row: Any) -> Column:
        _, name, type_, required, default, _, hidden = row
        kind, told = held(type_, self.sample(table, name, type_))
        nocase = not view and kind == "text" and self._collation(table, name) == "NOCASE"
        return Column(
            name=name,
            type=type_,
            kind=kind,
            nullable=not required,
            filled=default not in (None, "NULL", "null"),
            computed=hidden in _GENERATED,
            nocase=nocase,
            **told,
        )

    def _collation(self, table: str, column: str) -> str:
        return str(self.connection.column_metadata(None, table, column)[1]).upper()

    def _keyed(
        self,
        table: str,
        columns: tuple[Column, ...],
        key: tuple[str, ...],
        declared: tuple[str, ...],
        without_rowid: bool,
    ) -> tuple[Column, ...]:
        """The columns with what being the key makes of them."""
        counted = len(key) == 1 and not without_rowid and self._is_rowid(table, key[0], declared)
        return tuple(
            replace(column, nullable=False, filled=column.filled or counted)
            if column.name in key
            else column
            for column in columns
        )

    def _is_rowid(self, table: str, column: str, declared: tuple[str, ...]) -> bool:
        """Whether the column is another name of the rowid, which SQLite counts up."""
        types = self.rows(
            "select upper(type) from pragma_table_info(?) where name = ?", table, column
        )
        return declared == (column,) and types == [("INTEGER",)]

    def sample(self, table: str, column: str, type_: str) -> Sample:
        name, source = _quoted(column), _quoted(table)
        forms = dict(self.rows(f"select abaft_form({name}), count(*) from {source} group by 1"))
        facts = self.rows(f"select max(length({name})), min({name}), max({name}) from {source}")
        longest, least, most = facts[0]
        return Sample(
            forms=forms,
            longest=longest or 0,
            least=least,
            most=most,
            places=self._places(source, name) if "real" in forms else 0,
            json="JSON" in parse_type(type_)[0] and self._all_json(source, name),
        )

    def _places(self, table: str, column: str) -> int | None:
        for places in range(7):
            sql = f"select 1 from {table} where {column} <> round({column}, {places}) limit 1"
            if not self.rows(sql):
                return places
        return None

    def _all_json(self, table: str, column: str) -> bool:
        return not self.rows(f"select 1 from {table} where json_valid({column}) = 0 limit 1")

    def uniques(self, table: str) -> list[tuple[str, ...]]:
        """The columns of unique indexes that hold for all records."""
        indexes = self.rows(
            'select name from pragma_index_list(?) where "unique" and not partial '
            "and origin <> 'pk' order by seq desc",
            table,
        )
        found = []
        for (index,) in indexes:
            names = self.rows("select name from pragma_index_info(?) order by seqno", index)
            if all(name is not None for (name,) in names):
                found.append(tuple(name for (name,) in names))
        return found

    def key(
        self,
        table: str,
        columns: tuple[Column, ...],
        declared: tuple[str, ...],
        uniques: list[tuple[str, ...]],
        view: bool,
        without_rowid: bool,
    ) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """The key, and what is to be said about it."""
        if view:
            return self._guess(table, columns)
        by_name = {column.name: column for column in columns}
        required = [names for names in uniques if not any(by_name[name].nullable for name in names)]
        for names in [declared, *required]:
            able = names and all(usable(by_name[name]) for name in names)
            if able and not self._has_null(table, names):
                return names, ()
        return ((), ("it has no key that can be served",)) if without_rowid else ((ROWID,), ())

    def _has_null(self, table: str, names: tuple[str, ...]) -> bool:
        """Whether a key is null somewhere, as SQLite lets it be unless told otherwise."""
        empty = " or ".join(f"{_quoted(name)} is null" for name in names)
        return bool(self.rows(f"select 1 from {_quoted(table)} where {empty} limit 1"))

    def _guess(
        self, view: str, columns: tuple[Column, ...]
    ) -> tuple[tuple[str, ...], tuple[str, ...]]:
        for names in candidates(view, columns):
            listed = ", ".join(map(_quoted, names))
            twice = f"select 1 from {_quoted(view)} group by {listed} having count(*) > 1 limit 1"
            if not self._has_null(view, names) and not self.rows(twice):
                said = f"its key is taken to be {', '.join(names)}: no two of its records share it"
                return names, (said,)
        return (), ("no column tells its records apart",)

    def foreign_keys(self, table: str) -> tuple[ForeignKey, ...]:
        rows = self.rows("select * from pragma_foreign_key_list(?) order by id desc, seq", table)
        groups: dict[int, list[Any]] = {}
        for row in rows:
            groups.setdefault(row[0], []).append(row)
        made = (self._foreign_key(table, parts) for parts in groups.values())
        return tuple(key for key in made if key is not None)

    def _foreign_key(self, table: str, parts: list[Any]) -> ForeignKey | None:
        target = self.names.get(str(parts[0][2]).lower())
        if target is None:
            return None  # SQLite takes references to tables that aren't there
        theirs = tuple(part[4] for part in parts)
        if None in theirs:
            keys = self.rows("select name from pragma_table_info(?) where pk order by pk", target)
            theirs = tuple(name for (name,) in keys)
        ours = self._spelt(table, (part[3] for part in parts))
        on_delete = _ON_DELETE.get(parts[0][6], "restrict")
        return ForeignKey(ours, target, self._spelt(target, theirs), on_delete)

    def _spelt(self, table: str, names: Any) -> tuple[str, ...]:
        """The columns as their table spells them: names are blind to case."""
        known = self.rows("select name from pragma_table_xinfo(?)", table)
        spelling = {name.lower(): name for (name,) in known}
        return tuple(spelling.get(name.lower(), name) for name in names)
