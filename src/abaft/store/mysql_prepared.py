"""Statements that a connection has the server keep, which reads and plans their text once."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, date, datetime
from typing import Any, Generic, TypeVar

from abaft.store.mysql_errors import FAILURES, gone
from abaft.store.sql.mysql_literals import Fragment, Listed, filled, literal

_MOST = 100
"""On a connection, of each way; a server keeps 16,382 for all unless it is told otherwise."""
_SEEN = 1_000
_VARIED = {Listed, Fragment}
_EXECUTED = re.compile(r"EXECUTE (abaft_\d+)")
# What a statement made of these finds when it is run again has been wrong on some versions.
_DELICATE = re.compile(r"json_table\(| OVER |RECURSIVE|EXPLAIN", re.IGNORECASE)
# What the driver sends as itself means the same as the constant would.
_SENT = {str, int, bool, float, date, type(None)}

Handle = TypeVar("Handle")
"""By what a kept statement is spoken of."""


class _Keeper(ABC, Generic[Handle]):
    """Has the server keep what is asked for twice; those used last are kept.

    What can't be goes as text, as all does where it isn't `able`.
    """

    def __init__(self, *, able: bool) -> None:
        self._able = able
        self._seen: dict[str, bool] = {}
        self._kept: dict[str, Handle] = {}

    @abstractmethod
    async def _prepare(self, sql: str) -> Handle: ...

    @abstractmethod
    async def _end(self, handle: Handle) -> None: ...

    async def _handle(self, sql: str) -> Handle | None:
        """None where it is asked for the first time, or can't be kept."""
        if not self._able:
            return None
        found = self._kept.pop(sql, None)
        if found is None and (found := await self._made(sql)) is None:
            return None
        self._kept[sql] = found
        return found

    async def _made(self, sql: str) -> Handle | None:
        again = self._seen.get(sql)
        if not again:
            self._see(sql, again)
            return None
        if len(self._kept) >= _MOST:
            await self._end(self._kept.pop(next(iter(self._kept))))
        try:
            return await self._prepare(sql)
        except FAILURES as error:
            if gone(error):
                raise
            self._seen[sql] = False
            return None

    def _see(self, sql: str, known: bool | None) -> None:
        if known is None:
            if len(self._seen) >= _SEEN:
                self._seen.clear()
            self._seen[sql] = _DELICATE.search(sql) is None


class Prepared(_Keeper[str]):
    """Spells statements for MariaDB, which takes their values as they are in a text: so several
    can be sent at once."""

    def __init__(self, run: Callable[[str], Awaitable[Any]], *, able: bool) -> None:
        super().__init__(able=able)
        self._run = run
        self._count = 0

    async def spelled(self, sql: str, args: Sequence[Any]) -> str:
        """What is to be sent for the statement with these values."""
        name = await self._handle(sql)
        if name is None or any(type(value) in _VARIED for value in args):
            return filled(sql, args)
        given = ", ".join(map(literal, args))
        return f"EXECUTE {name} USING {given}" if given else f"EXECUTE {name}"

    def origin(self, sent: str) -> str:
        """The text of what was sent."""
        found = _EXECUTED.match(sent)
        name = found.group(1) if found else ""
        return next((sql for sql, known in self._kept.items() if known == name), sent)

    async def _prepare(self, sql: str) -> str:
        self._count += 1
        name = f"abaft_{self._count}"
        await self._run(f"PREPARE {name} FROM {literal(sql)}")
        return name

    async def _end(self, handle: str) -> None:
        await self._run(f"DEALLOCATE PREPARE {handle}")


class Bound(_Keeper[Any]):
    """Reads whose values go beside the statement, and whose rows come as the server has them."""

    def __init__(self, prepare: Callable[[str], Awaitable[Any]], *, able: bool) -> None:
        super().__init__(able=able)
        self._ask_to_keep = prepare

    async def statement(self, sql: str, args: Sequence[Any]) -> tuple[Any, list[Any]] | None:
        """The driver's statement and its values; None where the read has to go as text."""
        sent = [_sent(value) for value in args if type(value) in _SENT or type(value) is datetime]
        if len(sent) < len(args):
            return None
        found = await self._handle(sql)
        return None if found is None else (found, sent)

    async def _prepare(self, sql: str) -> Any:
        return await self._ask_to_keep(sql)

    async def _end(self, handle: Any) -> None:
        await handle.close()


def _sent(value: Any) -> Any:
    """The driver takes a moment's fields as they are."""
    aware = type(value) is datetime and value.utcoffset()
    return value.astimezone(UTC) if aware else value
