"""A TCP proxy of a bad network: latency, black holes, half-closed and broken connections."""

import asyncio
import socket
import struct
from contextlib import suppress
from typing import Self
from urllib.parse import urlsplit

RESET = struct.pack("ii", 1, 0)  # SO_LINGER: close by RST


class Proxy:
    """Stands before a server's URL; an async context manager. What it does is set while it runs.

    `hole` lets nothing through, `delay` holds each piece up for so many seconds, and `size` is
    how large a piece may be.
    """

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self._parts = parts
        self._to = parts.hostname or "127.0.0.1", parts.port or 5432
        self._open: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._clear = asyncio.Event()
        self._clear.set()
        self.delay = 0.0
        self.size = 65_536

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        user, at, _ = self._parts.netloc.rpartition("@")
        port = self._server.sockets[0].getsockname()[1]
        self.url = self._parts._replace(netloc=f"{user}{at}127.0.0.1:{port}").geturl()
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        self.hole = False
        self.cut()
        for task in [*self._tasks]:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    @property
    def hole(self) -> bool:
        return not self._clear.is_set()

    @hole.setter
    def hole(self, swallows: bool) -> None:
        self._clear.clear() if swallows else self._clear.set()

    def cut(self) -> None:
        """Breaks every connection, both ways."""
        for writer in [*self._open]:
            link = writer.get_extra_info("socket")
            if link is not None and link.fileno() >= 0:
                link.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
            writer.transport.abort()

    def half_close(self) -> None:
        """Tells both sides of every connection that the other won't send any more."""
        for writer in [*self._open]:
            with suppress(OSError):
                writer.write_eof()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            there, back = await asyncio.open_connection(*self._to)
        except OSError:
            writer.transport.abort()
            return
        self._open |= {writer, back}
        for source, sink in ((reader, back), (there, writer)):
            task = asyncio.create_task(self._pump(source, sink))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _pump(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while piece := await source.read(self.size):
                await asyncio.sleep(self.delay)
                await self._clear.wait()
                sink.write(piece)
                await sink.drain()
        self._open.discard(sink)
        with suppress(OSError):
            sink.close()
