"""Keeps SQLite's search indexes: words are made of the records that triggers have noted."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import apsw
import sqlalchemy as sa

from abaft.model.spec import Model, Schema
from abaft.model.words import SIMPLE, indexed, stemmer
from abaft.store.sql.dialect import Dialect
from abaft.store.sql.search import characters, index_columns, index_name
from abaft.store.sql.search_sqlite import KEYS
from abaft.store.sqlite_reader import Reader

BATCH = 2_000


class Indexer:
    """Indexes what was noted, in the transaction that is open."""

    def __init__(self, schema: Schema, tables: Mapping[str, sa.Table], dialect: Dialect) -> None:
        quote = dialect.sa.identifier_preparer.quote
        known = [model for model in schema.models.values() if model.searched]
        self._all = [_Index(model, tables[model.name], quote) for model in known]
        self._live: list[_Index] = []

    def begin(self, connection: apsw.Connection) -> None:
        """Takes up the indexes that are there by now."""
        rows = connection.execute("select name from sqlite_master where type = 'table'").fetchall()
        names = {row[0] for row in rows}
        self._live = [index for index in self._all if index.name in names]

    def behind(self, reader: Reader) -> bool:
        """Whether a program that isn't ours has written what is yet to be indexed."""
        return any(reader.rows(index.noted, (), 1.0) for index in self._live)

    def settle(self, connection: apsw.Connection) -> None:
        """Indexes all that was noted since; nothing to do costs a look into an empty index."""
        for index in self._live:
            while rows := connection.execute(index.stale).fetchall():
                index.renew(connection, rows)


class _Index:
    """The statements of one model's index."""

    def __init__(self, model: Model, table: sa.Table, quote: Any) -> None:
        self.name, keys = index_name(model), index_name(model, KEYS)
        own = [quote(model.fields[name].column) for name in model.key]
        texts = [quote(model.fields[row.name].column) for row in model.searched]
        tie = " and ".join(f"t.{name} = k.k{place}" for place, name in enumerate(own))
        self.noted = f"select 1 from {keys} where stale limit 1"
        self.stale = (
            f"select k.id, t.{own[0]} is not null, {', '.join(f't.{name}' for name in texts)} "
            f"from {keys} k left join {quote(table.name)} t on {tie} where k.stale limit {BATCH}"
        )
        columns = index_columns(model)
        marks = ", ".join("?" * (len(columns) + 1))
        self._add = f"insert into {self.name} (rowid, {', '.join(columns)}) values ({marks})"
        self._remove = f"delete from {self.name} where rowid = ?"
        self._forget = f"delete from {keys} where id = ?"
        self._fresh = f"update {keys} set stale = 0 where id = ?"
        self._languages = [row.language for row in model.searched]
        self._most = characters(model)

    def renew(self, connection: apsw.Connection, rows: list[Any]) -> None:
        """Takes the old words of these records away, and puts in those that they have now."""
        there = [row for row in rows if row[1]]
        connection.executemany(self._remove, [(row[0],) for row in rows])
        connection.executemany(self._add, [(row[0], *self._words(row[2:])) for row in there])
        connection.executemany(self._forget, [(row[0],) for row in rows if not row[1]])
        connection.executemany(self._fresh, [(row[0],) for row in there])

    def _words(self, texts: tuple[Any, ...]) -> list[str]:
        found = []
        for text, language in zip(texts, self._languages, strict=True):
            # Another program may have stored something else in a table that isn't strict.
            words = indexed(text, self._most) if isinstance(text, str) else []
            found.append(" ".join(words))
            if language != SIMPLE:
                found.append(" ".join(map(stemmer(language), words)))
        return found
