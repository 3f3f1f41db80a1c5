"""A TCP proxy of a bad network: latency, black holes, half-closed and broken connections."""

from __future__ import annotations

import asyncio
import socket
import struct
from contextlib import suppress
from typing import Self
from urllib.parse import urlsplit

RESET = struct.pack("ii", 1, 0)  # SO_LINGER: close by RST


class Said:
    """What a PostgreSQL client says on one connection (protocol 3, 55.7)."""

    def __init__(self) -> None:
        self._left = b""
        self._greeting = True

    def turns(self, piece: bytes) -> int:
        """How many of the messages that end in this piece are a Query or a Sync."""
        self._left += piece
        turns = 0
        while True:
            head = 0 if self._greeting else 1
            if len(self._left) < head + 4:
                return turns
            size = head + int.from_bytes(self._left[head : head + 4], "big")
            if len(self._left) < size:
                return turns
            message, self._left = self._left[:size], self._left[size:]
            if self._greeting:
                # An SSLRequest comes before the greeting itself.
                self._greeting = message[4:8] == b"\x04\xd2\x16\x2f"
            else:
                turns += message[:1] in b"QS"


class Proxy:
    """Stands before a server's URL; an async context manager. What it does is set while it runs.

    `hole` lets nothing through, `delay` holds each piece up for so many seconds, and `size` is
    how large a piece may be. `turns` are the messages of a PostgreSQL client after which it waits
    for an answer: its round trips. Once there were `lose_at` of them, what it asked last arrives,
    its answer is lost, and the connection breaks.
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
        self.turns = 0
        self.lose_at = 0
        self._deaf = False

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

    def lead_to(self, url: str) -> None:
        """Has new connections lead to another server, as a failover does; old ones break."""
        parts = urlsplit(url)
        self._to = parts.hostname or "127.0.0.1", parts.port or 5432
        self.cut()

    async def _lose(self) -> None:
        await asyncio.sleep(0.1)  # the server carries it out meanwhile
        self.lose_at = 0
        self.cut()
        self._deaf = False

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            there, back = await asyncio.open_connection(*self._to)
        except OSError:
            writer.transport.abort()
            return
        self._open |= {writer, back}
        for source, sink, said in ((reader, back, Said()), (there, writer, None)):
            task = asyncio.create_task(self._pump(source, sink, said))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _pump(
        self, source: asyncio.StreamReader, sink: asyncio.StreamWriter, said: Said | None
    ) -> None:
        with suppress(OSError):
            while piece := await source.read(self.size):
                self.turns += 0 if said is None else said.turns(piece)
                last = said is not None and 0 < self.lose_at <= self.turns
                self._deaf = self._deaf or last
                await asyncio.sleep(self.delay)
                await self._clear.wait()
                if self._deaf and said is None:
                    continue
                sink.write(piece)
                await sink.drain()
                if last:
                    await self._lose()
        self._open.discard(sink)
        with suppress(OSError):
            sink.close()
