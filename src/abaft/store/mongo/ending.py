"""Keeps cancellation from pymongo, which may swallow it: what it was asked for ends by itself."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Coroutine
from typing import Any, TypeVar

from abaft.store.mongo.documents import Document

T = TypeVar("T")


class Endings:
    """What goes on although nobody waits for it any more."""

    def __init__(self) -> None:
        self._left: set[asyncio.Task[Any]] = set()

    async def unharmed(self, work: Coroutine[Any, Any, T]) -> T:
        """The work's result; who leaves early leaves it to its end."""
        task = asyncio.ensure_future(work)
        try:
            return await asyncio.shield(task)
        except asyncio.CancelledError:
            self.leave(task)
            raise

    def leave(self, task: asyncio.Task[Any]) -> None:
        """Lets it end in its own time; its outcome is nobody's."""
        self._left.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[Any]) -> None:
        self._left.discard(task)
        if not task.cancelled():
            task.exception()

    async def all(self) -> None:
        """Waits for what is left."""
        while self._left:
            await asyncio.wait(set(self._left))

    async def parts(
        self, rows: AsyncGenerator[Document, None], size: int
    ) -> AsyncGenerator[list[Document], None]:
        """The documents so many at a time."""
        task: asyncio.Task[list[Document]] | None = None
        try:
            while True:
                task = asyncio.ensure_future(_some(rows, size))
                some = await asyncio.shield(task)
                if some:
                    yield some
                if len(some) < size:
                    return
        finally:
            end = asyncio.ensure_future(_closed(task, rows))
            self.leave(end)
            if task is None or task.done():
                await asyncio.shield(end)


async def _some(rows: AsyncGenerator[Document, None], size: int) -> list[Document]:
    found = []
    async for row in rows:
        found.append(row)
        if len(found) == size:
            break
    return found


async def _closed(
    task: asyncio.Task[list[Document]] | None, rows: AsyncGenerator[Document, None]
) -> None:
    if task is not None:
        await asyncio.wait({task})
        if not task.cancelled():
            task.exception()
    await rows.aclose()
