"""Comparisons of text and of order, as expressions."""

from __future__ import annotations

from typing import Any

Expression = Any


def known(left: Expression, right: Expression, found: Expression) -> Expression:
    """The comparison of $$l and $$r, false where either is null."""
    there = [{"$ne": ["$$l", None]}, {"$ne": ["$$r", None]}, found]
    return {"$let": {"vars": {"l": left, "r": right}, "in": {"$and": there}}}


_SIZES = {"$subtract": [{"$strLenCP": "$$l"}, {"$strLenCP": "$$r"}]}
_END = {"$substrCP": ["$$l", "$$n", {"$strLenCP": "$$r"}]}
_PLACE = {"$indexOfBytes": ["$$l", "$$r"]}
TEXTS: dict[str, Expression] = {
    "contains": {"$gte": [_PLACE, 0]},
    "startswith": {"$eq": [_PLACE, 0]},
    "endswith": {
        "$let": {
            "vars": {"n": _SIZES},
            "in": {"$cond": [{"$lt": ["$$n", 0]}, False, {"$eq": [_END, "$$r"]}]},
        }
    },
}
