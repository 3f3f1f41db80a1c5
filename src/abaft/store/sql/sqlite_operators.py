"""SQLite's rows of a PATCH's operators. JSON is text there, so lists are worked on by Python."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import orjson
import sqlalchemy as sa

from abaft.model.documents import dump_json
from abaft.plan.operators import OPERATORS as TABLE
from abaft.store.sql.dialect import Element, Reckoning
from abaft.store.sql.operators import ALIKE


def _extreme(name: str) -> Reckoning:
    """min or max of two, of which null isn't one."""

    def make(stored: Element, operand: Element) -> Element:
        known = sa.func.coalesce(stored, operand)
        return getattr(sa.func, name)(known, operand, type_=stored.type)  # type: ignore[no-any-return]

    return make


def _by_python(name: str) -> Reckoning:
    def make(stored: Element, operand: Element) -> Element:
        return getattr(sa.func, f"abaft_{name}")(stored, operand, type_=sa.Text())  # type: ignore[no-any-return]

    return make


def _of_json(name: str) -> Callable[..., str | None]:
    apply = TABLE[name].apply

    def run(*values: Any) -> str | None:
        stored, operand = values
        held = None if stored is None else orjson.loads(stored)
        # What was stored elsewhere may be no list; PostgreSQL makes one of it.
        listed = held if held is None or isinstance(held, list) else [held]
        result = apply(listed, orjson.loads(operand))
        return None if result is None else dump_json(result)

    return run


FUNCTIONS = {f"abaft_{name}": _of_json(name) for name in ("append", "remove")}
"""What a connection must know."""

OPERATORS: Mapping[str, Reckoning] = {
    **ALIKE,
    "min": _extreme("min"),
    "max": _extreme("max"),
    "append": _by_python("append"),
    "remove": _by_python("remove"),
}
