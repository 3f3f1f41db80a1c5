"""Cursors: the order's values of a page's last record, signed and opaque.

Where there are replicas, with the place that the page was read in: from another one the next page
could show an older state than this.
"""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha256
from typing import Any

import orjson

from abaft.base.errors import BadRequest, Problem
from abaft.base.reach import REACH
from abaft.guard.sign import Signer
from abaft.plan.types import Order

_PURPOSE = b"cursor"


def order_mark(collection: str, orders: Sequence[Order]) -> str:
    """Names the order, so that a cursor of another list or order isn't taken for one of this."""
    parts = [collection]
    for order in orders:
        parts.append(f"{'.'.join(order.path)}{'-' if order.descending else '+'}")
    return sha256("|".join(parts).encode()).hexdigest()[:8]


def encode(signer: Signer, mark: str, orders: Sequence[Order], values: Sequence[Any]) -> str:
    """The cursor that stands after the record with these values; `mark` is its order's."""
    shown = [
        None if value is None else order.kind.show(value)
        for order, value in zip(orders, values, strict=True)
    ]
    reach = REACH.get()
    payload = orjson.dumps([mark, *shown] if reach is None else [mark, *shown, {"in": reach.place}])
    return signer.sign(_PURPOSE, payload)


def decode(signer: Signer, mark: str, orders: Sequence[Order], text: str) -> list[Any]:
    """The values that a cursor holds; BadRequest for any text that isn't one of this order's."""
    payload = signer.verify(_PURPOSE, text)
    shown: list[Any] = orjson.loads(payload) if payload is not None else [""]
    if len(shown) == len(orders) + 2 and isinstance(shown[-1], dict):
        _stay(shown.pop()["in"])
    if shown[0] != mark or len(shown) != len(orders) + 1:
        detail = "this cursor isn't one of this list in this order: begin again without it"
        raise BadRequest(
            detail, code="bad_cursor", errors=[Problem("?cursor", "bad_cursor", detail)]
        )
    return [
        None if value is None else order.kind.read(value)
        for order, value in zip(orders, shown[1:], strict=True)
    ]


def _stay(place: str) -> None:
    reach = REACH.get()
    if reach is not None and not reach.place:
        reach.place = place
