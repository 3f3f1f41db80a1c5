"""An app that is served has garbage looked for seldom, whatever server it runs under."""

from __future__ import annotations

import gc
from pathlib import Path

from abaft import App, Model
from abaft.base.heap import THRESHOLDS, settle_heap


class Berth(Model):
    name: str


async def test_serving_an_app_settles_the_heap(tmp_path: Path) -> None:
    before = gc.get_threshold()
    settle_heap.cache_clear()
    frozen = gc.get_freeze_count()  # the tests have settled it once
    app = App(Berth, database=f"sqlite:///{tmp_path / 'heap.db'}")
    try:
        gc.set_threshold(700, 10, 10)
        async with app.router.lifespan_context(app):
            assert gc.get_threshold() == THRESHOLDS
            assert gc.get_freeze_count() > frozen
    finally:
        gc.set_threshold(*before)
