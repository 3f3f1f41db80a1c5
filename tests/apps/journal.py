"""Writes on a MongoDB without transactions, killed at a step: `python journal.py URL STEP AFTER`.

STEP counts what is written from the first write of the request on; AFTER is 1 to be killed once it
has been done. Ends with status 0 when the request came to its end.
"""

import asyncio
import os
import sys
from typing import Any

from pymongo.asynchronous.collection import AsyncCollection

from abaft import App, Many, Me, Model, Ref, allow, field
from abaft.base.actor import SYSTEM
from abaft.store.mongo import journal

WRITES = ("insert_one", "insert_many", "replace_one", "update_one", "delete_one", "delete_many")


class Word(Model, stamps=False):
    id: int = field(key=True)
    text: str = field(unique=True)

    @allow("read", "create", "update", "delete")
    def anybody(word, me: Me) -> bool:
        return True


class Page(Model, stamps=False):
    id: int = field(key=True)
    title: str
    parent: Ref["Page"] | None = field(default=None, on_delete="cascade")
    words: Many[Word]

    @allow("read", "create", "update", "delete")
    def anybody(page, me: Me) -> bool:
        return True


def make_app(url: str) -> App:
    # Who was killed still has its turn, and is waited for.
    journal.LEASE = 400
    app = App(Word, Page, database=url, sinks=())
    server: Any = app.store.server  # type: ignore[attr-defined]
    opened = server.open

    async def open_alone() -> None:
        await opened()
        server.transactional = False

    server.open = open_alone
    return app


def killing(step: int, after: bool) -> None:
    """Ends the process at the given write, before or after it."""
    count = 0

    def wrapped(write: Any) -> Any:
        async def run(self: Any, *args: Any, **options: Any) -> Any:
            nonlocal count
            count += 1
            if count == step and not after:
                os._exit(9)
            done = await write(self, *args, **options)
            if count == step:
                os._exit(9)
            return done

        return run

    for name in WRITES:
        setattr(AsyncCollection, name, wrapped(getattr(AsyncCollection, name)))


async def main(url: str, step: int, after: bool) -> None:
    app = make_app(url)
    await app.start()
    db = app.db(SYSTEM)
    words = await db.list(Word, sort="id")
    killing(step, after)
    async with db.transaction() as both:
        page = await both.get(Page, 1)
        await both.update(page, title="changed", words=words)
        await both.create(Page(id=3, title="new", words=words[:1]))
        await both.delete(await both.get(Page, 2))
    await app.stop()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], int(sys.argv[2]), sys.argv[3] == "1"))
