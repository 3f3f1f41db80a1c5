"""A turn that one process has at a time: a lease in the state's collection."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from bson import Int64
from pymongo.errors import DuplicateKeyError

from abaft.base import clock, ids
from abaft.store.mongo.documents import STATE
from abaft.store.mongo.faults import translating
from abaft.store.mongo.server import Server

Prolong = Callable[[], Awaitable[bool]]


def now() -> int:
    """Milliseconds since 1970."""
    return int(clock.now().timestamp() * 1000)


async def lease(server: Server, name: str, owner: str, size: int) -> bool:
    """Takes the turn of this name for so many milliseconds, or prolongs it; whether it is ours."""
    moment = now()
    taken = {"owner": owner, "until": Int64(moment + size)}
    free = {"$or": [{"owner": None}, {"until": {"$lt": Int64(moment)}}, {"owner": owner}]}
    state = server.collection(STATE)
    with translating():
        found = await state.update_one({"_id": name, **free}, {"$set": taken})
        if found.matched_count:
            return True
        try:
            await state.insert_one({"_id": name, **taken})
        except DuplicateKeyError:
            return False
    return True


async def prolong(server: Server, name: str, owner: str, size: int) -> bool:
    """Prolongs a turn; whether it is still ours. One that others had meanwhile is not."""
    change = {"$set": {"until": Int64(now() + size)}}
    with translating():
        found = await server.collection(STATE).update_one({"_id": name, "owner": owner}, change)
    return bool(found.matched_count)


async def release(server: Server, name: str, owner: str) -> None:
    """Gives the turn back, if it is still ours."""
    with translating():
        state = server.collection(STATE)
        await state.update_one({"_id": name, "owner": owner}, {"$set": {"owner": None}})


@asynccontextmanager
async def alone(server: Server, name: str, size: int) -> AsyncIterator[Prolong]:
    """Waits for the turn; gives what prolongs it."""
    owner = ids.secret()
    while not await lease(server, name, owner, size):  # noqa: ASYNC110 - of another process
        await asyncio.sleep(0.05)
    try:
        yield lambda: lease(server, name, owner, size)
    finally:
        await release(server, name, owner)
