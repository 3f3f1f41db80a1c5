"""A limit of many steps is `asyncio.timeout` for each of them."""

from __future__ import annotations

import asyncio

import pytest

from abaft.store.limit import Limit


async def test_what_takes_longer_ends() -> None:
    limit = Limit(0.01)
    for _ in range(3):
        with pytest.raises(TimeoutError), limit:
            await asyncio.Event().wait()
        task = asyncio.current_task()
        assert task is not None
        assert not task.cancelling()


async def test_each_step_has_its_own_time() -> None:
    """Together they take longer than one may."""
    limit = Limit(30)
    loop = asyncio.get_running_loop()
    timers = []
    for _ in range(3):
        with limit:
            timers.append(limit._timer)
            await asyncio.sleep(0)
    assert len({*map(id, timers)}) == 1
    limit._look(loop)
    assert limit._timer is None
    with limit:
        limit._look(loop)  # the timer of a step that is over
        await asyncio.sleep(0)


async def test_without_seconds_there_is_no_limit() -> None:
    limit = Limit(0.001)
    limit.seconds = None
    with limit:
        await asyncio.sleep(0.01)


@pytest.mark.parametrize("late", [False, True])
async def test_who_is_cancelled_is_cancelled(late: bool) -> None:
    limit = Limit(30)
    begun = asyncio.Event()

    async def work() -> None:
        with limit:
            begun.set()
            await asyncio.Event().wait()

    task = asyncio.ensure_future(work())
    await begun.wait()
    task.cancel()
    if late:
        limit._until = 0
        limit._look(asyncio.get_running_loop())
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_what_fails_tells_why() -> None:
    with pytest.raises(ValueError, match="own"), Limit(30):
        raise ValueError("own")
