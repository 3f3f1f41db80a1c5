"""Writes on a MongoDB without transactions, killed at steps: `python journal.py URL STRIDE`.

That is at every STRIDE-th. Each kill has a database of its own, whose name goes on by the step;
where who starts next is killed as well, by its step too. Prints these names, and 0 where the last
one came to its end. With `write` in place of the stride it only writes.
"""

import asyncio
import os
import sys
from typing import Any

from pymongo.asynchronous.collection import AsyncCollection

from abaft import App, Many, Me, Model, Ref, allow, field
from abaft.base.actor import SYSTEM
from abaft.store.mongo import journal

WRITES = (
    "insert_one",
    "insert_many",
    "replace_one",
    "update_one",
    "delete_one",
    "delete_many",
    "find_one_and_update",
)


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


def killing(step: int) -> None:
    """Ends the process before the given write."""
    count = 0

    def wrapped(write: Any) -> Any:
        async def run(self: Any, *args: Any, **options: Any) -> Any:
            nonlocal count
            count += 1
            if count == step:
                os._exit(9)
            return await write(self, *args, **options)

        return run

    for name in WRITES:
        setattr(AsyncCollection, name, wrapped(getattr(AsyncCollection, name)))


async def begin(url: str) -> None:
    app = make_app(url)
    await app.start()
    db = app.db(SYSTEM)
    for number in (1, 2):
        await db.create(Word(id=number, text=f"word {number}"))
    await db.create(Page(id=1, title="one"))
    await db.create(Page(id=2, title="two"))
    await app.stop()


async def change(url: str, step: int) -> None:
    """Changes, creates and deletes in one transaction, until it is killed."""
    await begin(url)
    app = make_app(url)
    await app.start()
    db = app.db(SYSTEM)
    words = await db.list(Word, sort="id")
    killing(step)
    async with db.transaction() as both:
        page = await both.get(Page, 1)
        await both.update(page, title="changed", words=words)
        await both.create(Page(id=3, title="new", words=words[:1]))
        await both.delete(await both.get(Page, 2))
    await app.stop()


async def restart(url: str, step: int) -> None:
    """Finishes what another left, until it is killed."""
    killing(step)
    app = make_app(url)
    await app.start()
    await app.stop()


async def write(url: str) -> None:
    """Another's write."""
    app = make_app(url)
    await app.start()
    db = app.db(SYSTEM)
    await db.update(await db.get(Page, 1), title="other")
    await app.stop()


def ended(work: Any, url: str, step: int) -> int:
    """The status of a process of its own."""
    child = os.fork()
    if child == 0:
        try:
            asyncio.run(work(url, step))
        except BaseException as error:
            print(repr(error), file=sys.stderr)
            os._exit(1)
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def main(url: str, stride: int) -> None:
    step, status = 1 - stride, 9
    while status == 9:
        step += stride
        status = ended(change, f"{url}_{step}", step)
        print(f"_{step}", status)
    # In the midst of its steps, and in the midst of telling the feed.
    for killed in (step // 2, step - max(stride, 4)):
        again, status = 1 - stride, 9
        while status == 9:
            again += stride
            name = f"_{killed}_{again}"
            ended(change, url + name, killed)
            status = ended(restart, url + name, again)
            print(name, status)


if __name__ == "__main__":
    if sys.argv[2] == "write":
        asyncio.run(write(sys.argv[1]))
    else:
        main(sys.argv[1], int(sys.argv[2]))
