"""LOAD-2: whatever is asked for, what a worker keeps of it has a bound."""

from __future__ import annotations

import gc
import itertools
import tracemalloc
from collections.abc import Iterator

import pytest

import abaft.api.parse
import abaft.model.values
import abaft.pipeline
from abaft import Me, Model, allow
from scenarios import Api, serving

BOUND = 10
FEW = 250_000
"""Bytes that are taken for noise. A plan that is kept has some tens of thousands."""


class Wide(Model, key="number", collection="wide", stamps=False):
    number: int
    a: int = 0
    b: int = 0
    c: int = 0
    d: int = 0
    e: int = 0

    @allow("read", "create", "update")
    def everyone(wide, me: Me) -> bool:
        return True


def queries() -> Iterator[str]:
    """Lists of many shapes, none like another, and of many limits."""
    names = ["a", "b", "c", "d", "e"]
    for number, few in enumerate(itertools.islice(itertools.permutations(names, 4), 6 * BOUND)):
        one, two, three, four = few
        yield (
            f"GET /api/wide?fields={one},{two}&sort={three}&{four}[gt]=1&limit={number + 1}"
            f"&filter={one} = {number} or {two} = {number}"
        )
        yield f"GET /api/wide?group={one},{two}&aggregate=count,max({three})"
        yield f"GET /api/wide/1?fields={one},{two},{three}"


async def ask(api: Api, asked: list[str]) -> int:
    """Bytes that are held once these have been answered."""
    for path in asked:
        answer = await api.ask(path)
        assert answer.status_code == 200, answer.text
        query = path.partition("?")[2] if "/1?" in path else ""
        body = {"a": 1} if "fields=a" in path else {"b": 2, "c": 3}
        changed = await api.ask(f"PATCH /api/wide/1?{query}", json=body)
        assert changed.status_code == 200, changed.text
    gc.collect()
    return tracemalloc.get_traced_memory()[0]


@pytest.mark.slow
async def test_load_2_made_up_shapes_do_not_fill_the_memory(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nine times as many as are kept, and nine times as many again: no more memory than before."""
    for module in (abaft.pipeline, abaft.api.parse, abaft.model.values):
        monkeypatch.setattr(module, "KEPT", BOUND)
    monkeypatch.setattr("abaft.store.postgres_pool.STATEMENTS", BOUND)
    shapes = list(queries())
    half = len(shapes) // 2
    async with serving(database_url, Wide) as api:
        await api.db.create(Wide)
        tracemalloc.start()
        try:
            first = await ask(api, shapes[:half])
            second = await ask(api, shapes[half:])
        finally:
            tracemalloc.stop()
        assert len(api.app.pipeline._ready) == BOUND
    assert second < first + FEW


@pytest.mark.slow
async def test_load_2_each_limit_there_is_has_no_statement_of_its_own(database_url: str) -> None:
    async with serving(database_url, Wide) as api:
        tracemalloc.start()
        try:
            held = []
            for limits in (range(1, 20), range(20, 65)):
                for limit in limits:
                    for _ in range(9):
                        answer = await api.ask(f"GET /api/wide?limit={limit}")
                        assert answer.status_code == 200
                gc.collect()
                held.append(tracemalloc.get_traced_memory()[0])
        finally:
            tracemalloc.stop()
    assert held[1] < held[0] + FEW
