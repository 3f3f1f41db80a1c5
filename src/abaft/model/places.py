"""Places in an order, as text that sorts by code point: there is always one between two others.

A place is twelve digits, which count up and down from the middle, and where these leave no room a
fraction in digits of base 62.
"""

from __future__ import annotations

WIDTH = 12
MIDDLE = 5 * 10 ** (WIDTH - 1)
LONGEST = 40
"""Characters of a place; past it the list is numbered anew. About 160 inserts at one spot."""
DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"


def place_between(low: str | None, high: str | None) -> str:
    """A place above `low` and below `high`; None: nothing is there."""
    if low is None or high is None:
        return _beside(low, high)
    whole, above = int(low[:WIDTH]), int(high[:WIDTH])
    if above - whole > 1:
        return _whole((whole + above) // 2)
    if above > whole:
        return low[:WIDTH] + _middle(low[WIDTH:], None)
    return low[:WIDTH] + _middle(low[WIDTH:], high[WIDTH:])


def places_after(last: str | None, count: int) -> list[str]:
    """So many places above the last, in order."""
    first = MIDDLE if last is None else int(last[:WIDTH]) + 1
    return [_whole(number) for number in range(first, first + count)]


def _beside(low: str | None, high: str | None) -> str:
    if low is not None:
        return _whole(int(low[:WIDTH]) + 1)
    return _whole(MIDDLE if high is None else int(high[:WIDTH]) - 1)


def _whole(number: int) -> str:
    return f"{number:0{WIDTH}d}"


def _middle(low: str, high: str | None) -> str:
    """A fraction between two; it never ends in 0, or nothing would go below it. None: one."""
    if high is not None:
        shared = 0
        while shared < len(high) and (low[shared : shared + 1] or "0") == high[shared]:
            shared += 1
        if shared:
            return high[:shared] + _middle(low[shared:], high[shared:])
    first = DIGITS.index(low[0]) if low else 0
    last = len(DIGITS) if high is None else DIGITS.index(high[0])
    if last - first > 1:
        return DIGITS[(first + last) // 2]
    if high is not None and len(high) > 1:
        return high[0]
    return DIGITS[first] + _middle(low[1:], None)
