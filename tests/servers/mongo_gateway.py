"""A MongoDB server for tests: its wire protocol in front of PostgreSQL with DocumentDB's engine.

`python -m servers.mongo_gateway DSN PORT [USER PASSWORD]` serves on the loopback. It does what the
engine's functions offer, and answers errors with MongoDB's codes and labels.
"""

import asyncio
import contextlib
import sys

import asyncpg
import uvloop

from servers.mongo_commands import Backend, Client
from servers.mongo_scram import Scram
from servers.mongo_wire import message, read_message


class Gateway:
    """What all connections share: cursors and transactions go by their numbers."""

    def __init__(self, dsn: str, scram: Scram | None) -> None:
        self.dsn = dsn
        self.scram = scram
        self.cursors: dict[int, str] = {}
        self.transactions: dict[bytes, tuple[int, Backend]] = {}
        self.spare: list[Backend] = []

    async def connect(self) -> Backend:
        connection = await asyncpg.connect(self.dsn)
        await connection.set_type_codec(
            "bson", schema="documentdb_core", encoder=bytes, decoder=bytes, format="binary"
        )
        return Backend(connection)

    async def take(self) -> Backend:
        """A backend for a driver's connection or a transaction."""
        return self.spare.pop() if self.spare else await self.connect()

    async def give_back(self, backend: Backend) -> None:
        """Ends whatever it was in; the next one has it anew."""
        if backend.turn.locked():
            # Who asked has left: what goes on for nobody is stopped.
            backend.connection.terminate()
            return
        try:
            if backend.connection.is_in_transaction():
                await backend.execute("rollback")
        except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
            await backend.connection.close()
        else:
            self.spare.append(backend)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        client = Client(self)
        try:
            while True:
                asked = await read_message(reader)
                answer = await client.answer(asked.body)
                if asked.answered:
                    writer.write(message(answer, asked))
                    await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            await client.close()
            writer.close()


async def main(dsn: str, port: int, user: str = "", password: str = "") -> None:
    gateway = Gateway(dsn, Scram(user, password) if user else None)
    server = await asyncio.start_server(gateway.serve, "127.0.0.1", port)
    async with server:
        await server.serve_forever()


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        uvloop.run(main(sys.argv[1], int(sys.argv[2]), *sys.argv[3:5]))
