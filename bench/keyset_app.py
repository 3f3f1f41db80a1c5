"""The app of the keyset figures: one small model, paged newest first."""

from __future__ import annotations

import os
from datetime import datetime

from abaft import App, Me, Model, allow, field


class Entry(Model, stamps=False):
    title: str = field(max_length=200)
    created: datetime = field(index=True)

    @allow("read")
    def everyone(entry, me: Me) -> bool:
        return True


app = App(Entry, database=os.environ["BENCH_DATABASE"])
