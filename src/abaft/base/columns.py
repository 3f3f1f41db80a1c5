"""Work on many values of one field at once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

_SAMPLE = 50
AT_ONCE: dict[Callable[[Any], Any], Callable[[Sequence[Any]], list[Any] | None]] = {}
"""How to make of many values at once what a function makes of one; None where that can't be."""


def at_once(make: Callable[[Any], Any], values: Sequence[Any]) -> list[Any]:
    """What is made of each value, None of None; all at once where that is known."""
    whole = AT_ONCE.get(make)
    made = None if whole is None else whole(values)
    return [None if value is None else make(value) for value in values] if made is None else made


def each(make: Callable[[Any], Any], values: Sequence[Any]) -> list[Any]:
    """What is made of each value, None of None; of a value that comes again, made once."""
    try:
        if len(set(values[:_SAMPLE])) == _SAMPLE:
            # They hardly come again: to look for them would cost more than to make them.
            return [None if value is None else make(value) for value in values]
        made = {value: make(value) for value in set(values) if value is not None}
    except TypeError:  # lists and dicts can't be in a set
        return [None if value is None else make(value) for value in values]
    made[None] = None
    return [made[value] for value in values]
