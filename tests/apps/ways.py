"""What is written in every way of writing many: lots of orders with their lines.

Settings come from the environment (`ABAFT_DATABASE` …).
"""

from __future__ import annotations

from abaft import App, Many, Ref, field
from apps.open import Open


class Tag(Open, key="name", stamps=False):
    name: str


class Order(Open, key="number", stamps=False):
    number: str
    lot: int
    state: int
    text: str = ""
    tags: Many[Tag]
    lines: Many[Line] = field(back="order")


class Line(Open, stamps=False, unique=[("order", "n")]):
    order: Ref[Order] = field(on_delete="cascade")
    n: int
    lot: int
    state: int


MODELS = (Tag, Order, Line)
app = App(*MODELS)
