"""Statements that a connection has the server keep, which reads and plans their text once."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from abaft.store.mysql_errors import FAILURES, gone
from abaft.store.sql.mysql_literals import Fragment, Listed, filled, literal

_MOST = 100
"""On a connection; a server keeps 16,382 for all unless it is told otherwise."""
_SEEN = 1_000
_VARIED = {Listed, Fragment}
_EXECUTED = re.compile(r"EXECUTE (abaft_\d+)")
# What a statement made of these finds when it is run again has been wrong on some versions.
_DELICATE = re.compile(r"json_table\(| OVER |RECURSIVE|EXPLAIN", re.IGNORECASE)


class Prepared:
    """Spells statements for MariaDB, which takes their values as they are in a text.

    What is asked for twice is prepared; what can't be goes as text, as it does for MySQL.
    """

    def __init__(self, run: Callable[[str], Awaitable[Any]], *, able: bool) -> None:
        self._run = run
        self._able = able
        self._seen: dict[str, bool] = {}
        self._names: dict[str, str] = {}
        self._made = 0

    async def spelled(self, sql: str, args: Sequence[Any]) -> str:
        """What is to be sent for the statement with these values."""
        if not self._able:
            return filled(sql, args)
        name = self._names.get(sql)
        if name is None and (name := await self._prepared(sql)) is None:
            return filled(sql, args)
        # Those used last are kept.
        self._names[sql] = self._names.pop(sql)
        if any(type(value) in _VARIED for value in args):
            return filled(sql, args)
        given = ", ".join(map(literal, args))
        return f"EXECUTE {name} USING {given}" if given else f"EXECUTE {name}"

    def origin(self, sent: str) -> str:
        """The text of what was sent."""
        found = _EXECUTED.match(sent)
        name = found.group(1) if found else ""
        return next((sql for sql, known in self._names.items() if known == name), sent)

    async def _prepared(self, sql: str) -> str | None:
        """Its name on the server; None where it is asked for the first time, or can't be kept."""
        again = self._seen.get(sql)
        if not again:
            self._see(sql, again)
            return None
        if len(self._names) >= _MOST:
            oldest = next(iter(self._names))
            await self._run(f"DEALLOCATE PREPARE {self._names.pop(oldest)}")
        self._made += 1
        name = f"abaft_{self._made}"
        try:
            await self._run(f"PREPARE {name} FROM {literal(sql)}")
        except FAILURES as error:
            if gone(error):
                raise
            self._seen[sql] = False
            return None
        self._names[sql] = name
        return name

    def _see(self, sql: str, known: bool | None) -> None:
        if known is None:
            if len(self._seen) >= _SEEN:
                self._seen.clear()
            self._seen[sql] = _DELICATE.search(sql) is None
