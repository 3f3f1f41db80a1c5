"""An application in an older and a newer form, and a start that is killed at one of its steps.

`python -m apps.migrating DATABASE old|new STEP`: before the statement of that number, of those that
write, the process ends by SIGKILL; 0: it lives. It prints how many statements brought the database
up to the models.
"""

import asyncio
import os
import re
import signal
import sys
from collections.abc import Callable
from typing import Any

import apsw
import asyncpg

from abaft import App, Model, Ref, Settings, field
from abaft.store.postgres_pool import Connection

_WRITES = re.compile(r"\s*(begin|commit|create|alter|drop|insert|update|delete|savepoint)", re.I)


def models(form: str) -> list[type[Model]]:
    """A new one has another table, columns, indexes, an order, a search and a key that leads."""
    if form == "old":

        class Note(Model, table="notes", stamps=False):
            text: str = field(max_length=40)

        return [Note]

    class Shelf(Model, table="shelves", key="name", stamps=False):
        name: str = field(max_length=40)

    class NewNote(
        Model, table="notes", collection="notes", stamps=False, ordered=True, soft_delete=True
    ):
        text: str = field(max_length=40, index=True, search=True)
        rank: int = field(default=7)
        slug: str | None = field(default=None, unique=True)
        shelf: Ref[Shelf] | None = field(default=None)

    return [Shelf, NewNote]


def make_app(database: str, form: str) -> App:
    return App(*models(form), settings=Settings(database=database), sinks=())


def kill_at(step: int) -> None:
    """Has this process killed before its step."""
    left = step

    def count(sql: str) -> None:
        nonlocal left
        if _WRITES.match(sql):
            left -= 1
            if left == 0:
                os.kill(os.getpid(), signal.SIGKILL)

    def trace(cursor: Any, sql: str, bindings: Any) -> bool:
        count(sql)
        return True

    def hook(connection: apsw.Connection) -> None:
        connection.exec_trace = trace

    apsw.connection_hooks.append(hook)

    def counted(call: Callable[..., Any]) -> Callable[..., Any]:
        async def execute(connection: asyncpg.Connection, sql: str, *args: Any, **more: Any) -> Any:
            count(sql)
            return await call(connection, sql, *args, **more)

        return execute

    setattr(Connection, "execute", counted(Connection.execute))  # noqa: B010 - a seam


async def start(database: str, form: str) -> int:
    app = make_app(database, form)
    changed: list[Any] = []
    app.observer.sinks.append(changed.append)
    await app.start()
    await app.stop()
    return sum(type(event).__name__ == "SchemaChanged" for event in changed)


if __name__ == "__main__":
    kill_at(int(sys.argv[3]))
    print(asyncio.run(start(sys.argv[1], sys.argv[2])))
