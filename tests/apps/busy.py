"""What an overload is aimed at: pages with a relation, and writes that must be durable.

Settings come from the environment (`ABAFT_DATABASE` …).
"""

from __future__ import annotations

from abaft import App, Me, Model, Ref, allow, field


class Shelf(Model, collection="shelves", stamps=False):
    name: str = field(key=True)

    @allow("read", "create")
    def everyone(shelf, me: Me) -> bool:
        return True


class Book(Model, key="number"):
    number: int
    title: str
    shelf: Ref[Shelf]

    @allow("read", "create")
    def everyone(book, me: Me) -> bool:
        return True


MODELS = (Shelf, Book)
app = App(*MODELS)
