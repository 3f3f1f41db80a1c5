"""The one spelling of a float on every engine: that of PostgreSQL."""

from __future__ import annotations

import math
from decimal import Decimal

FIXED_BELOW = 1e15
"""From here on there is an exponent, as there is below 1e-4."""

_MOST = 17
"""Digits that tell any float from all others."""
_EXACT = 2.0**53
"""Up to here neighbours are so close that none of few digits lies midway."""


def spell(value: float) -> str:
    """The fewest digits that give the value back: 2, 0.1, 1e+22, 1.5e-07; null for infinity."""
    if not math.isfinite(value):
        return "null"
    text = repr(value + 0.0).removesuffix(".0")
    size = abs(value)
    if size >= _EXACT and _midway(value, text):
        return _longer(value, text)
    if not FIXED_BELOW <= size < 1e16:
        return text
    # Where Python still has no exponent.
    sign = "-" if value < 0 else ""
    digits = text.lstrip("-").replace(".", "").rstrip("0")
    fraction = f".{digits[1:]}" if digits[1:] else ""
    return f"{sign}{digits[0]}{fraction}e+15"


def _longer(value: float, text: str) -> str:
    """With as many more digits as tell it from the next float."""
    digits = min(len(Decimal(text).normalize().as_tuple().digits), _MOST - 1)
    while True:
        text = f"{value:.{digits}e}"
        if digits == _MOST - 1 or (float(text) == value and not _midway(value, text)):
            break
        digits += 1
    told, _, exponent = text.partition("e")
    return f"{told.rstrip('0').rstrip('.')}e{exponent}"


def _midway(value: float, text: str) -> bool:
    """Whether the digits are as near to the next float, for which PostgreSQL takes more."""
    told, whole = int(Decimal(text)), int(value)
    if told == whole:
        return False
    beside = math.nextafter(value, math.inf if told > whole else -math.inf)
    return math.isfinite(beside) and 2 * told == whole + int(beside)
