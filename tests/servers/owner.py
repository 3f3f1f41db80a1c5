"""Who owns a PostgreSQL of the tests, and asks it for databases."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import asyncpg

Work = Callable[[Any], Awaitable[Any]]


class Owner:
    """Works on a server by SQL; a thread of its own lets async tests ask it too.

    With `keeps` one connection lasts, for it costs more than what is asked of it: not where the
    server may be down in between.
    """

    def __init__(self, url: str, *, keeps: bool) -> None:
        self._url = url
        self._keeps = keeps
        self._kept: asyncpg.Connection[Any] | None = None
        self._thread = ThreadPoolExecutor(max_workers=1)
        self._runner = asyncio.Runner()

    def run(self, work: Work, url: str | None = None) -> Any:
        """What the work gives, on the server's own database or at that URL."""
        lasts = self._keeps and url is None
        return self._done(self._lastingly(work) if lasts else self._once(work, url or self._url))

    def close(self) -> None:
        """Leaves the server; it may be gone already."""
        self._done(self._leave())
        self._thread.submit(self._runner.close).result()
        self._thread.shutdown()

    def _done(self, job: Coroutine[Any, Any, Any]) -> Any:
        return self._thread.submit(self._runner.run, job).result()

    async def _lastingly(self, work: Work) -> Any:
        if self._kept is None:
            self._kept = await asyncpg.connect(self._url)
        return await work(self._kept)

    async def _once(self, work: Work, url: str) -> Any:
        connection = await asyncpg.connect(url)
        try:
            return await work(connection)
        finally:
            await connection.close()

    async def _leave(self) -> None:
        if self._kept is not None:
            self._kept.terminate()
