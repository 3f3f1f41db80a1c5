"""Keeps the indexes for search: words are made of the records that triggers have noted."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa

from abaft.model.spec import Model, Schema
from abaft.model.words import indexed, stemmer
from abaft.store.mysql_pool import Connection
from abaft.store.sql.dialect import Dialect
from abaft.store.sql.mysql_literals import literal
from abaft.store.sql.search import characters, index_name
from abaft.store.sql.search_mysql import STEM, WORD, stems_kind, token

BATCH = 500


class Indexer:
    """Indexes what was noted, in the transaction that is open."""

    def __init__(self, schema: Schema, tables: Mapping[str, sa.Table], dialect: Dialect) -> None:
        known = [model for model in schema.models.values() if model.searched]
        prepare = dialect.sa.identifier_preparer
        self._all = [
            _Index(model, prepare.format_table(tables[model.name]), prepare.quote)
            for model in known
        ]
        self._live: list[_Index] = []

    async def begin(self, connection: Connection) -> None:
        """Takes up the indexes that are there by now."""
        if self._all:
            names = {row[0] for row in await connection.rows("SHOW TABLES")}
            self._live = [index for index in self._all if index.name in names]

    @property
    def live(self) -> bool:
        """Whether there is any."""
        return bool(self._live)

    async def behind(self, connection: Connection) -> bool:
        """Whether there is what is yet to be indexed."""
        for index in self._live:
            if await connection.rows(index.noted):
                return True
        return False

    async def settle(self, connection: Connection) -> None:
        """Indexes all that was noted since, but for what others are writing just now."""
        for index in self._live:
            while keys := await connection.rows(index.stale):
                await index.renew(connection, keys)


class _Index:
    """The statements of one model's index."""

    def __init__(self, model: Model, table: str, quote: Any) -> None:
        self.name = index_name(model)
        keys = [f"k{place}" for place, _ in enumerate(model.key)]
        own = [quote(model.fields[name].column) for name in model.key]
        texts = [quote(model.fields[row.name].column) for row in model.searched]
        self.noted = f"SELECT 1 FROM {self.name} WHERE stale = 1 LIMIT 1"
        self.stale = (
            f"SELECT {', '.join(keys)} FROM {self.name} WHERE stale = 1 "
            f"LIMIT {BATCH} FOR UPDATE SKIP LOCKED"
        )
        self._read = f"SELECT {', '.join([*own, *texts])} FROM {table} WHERE ({', '.join(own)}) IN "
        self._forget = f"DELETE FROM {self.name} WHERE ({', '.join(keys)}) IN "
        self._renew = f"INSERT INTO {self.name} ({', '.join(keys)}, stale, terms) VALUES "
        self._fields = list(model.searched)
        self._size = len(keys)
        self._most = characters(model)

    async def renew(self, connection: Connection, keys: list[Any]) -> None:
        """Gives these records the words that they have now; forgets those that are gone."""
        rows = await connection.rows(self._read + _listed(keys))
        there = {tuple(row[: self._size]) for row in rows}
        gone = [key for key in keys if tuple(key) not in there]
        if gone:
            await connection.run(self._forget + _listed(gone))
        made = [(*row[: self._size], 0, self._terms(tuple(row[self._size :]))) for row in rows]
        if made:
            changed = "ON DUPLICATE KEY UPDATE terms = VALUES(terms), stale = 0"
            lines = [*map(_tuple, made)]
            # MySQL loses words where one statement changes several rows in this way (seen in 9.7).
            values = [", ".join(lines)] if connection.server.maria else lines
            await connection.several([f"{self._renew}{some} {changed}" for some in values])

    def _terms(self, texts: tuple[Any, ...]) -> str:
        found = []
        for place, (row, text) in enumerate(zip(self._fields, texts, strict=True)):
            words = indexed(text, self._most) if isinstance(text, str) else []
            found += [token(WORD, place, word) for word in words]
            if stems_kind(row) == STEM:
                stem = stemmer(row.language)
                found += [token(STEM, place, stem(word)) for word in words]
        return "".join(f" {name} " for name in found)


def _listed(rows: list[Any]) -> str:
    return f"({', '.join(map(_tuple, rows))})"


def _tuple(row: Any) -> str:
    return f"({', '.join(map(literal, row))})"
