"""How often a server looks for garbage that refers to itself: seldom, and not everywhere."""

from __future__ import annotations

import gc
from functools import cache

THRESHOLDS = 10_000, 20, 20
"""New objects between two looks, and how many looks go by until older ones are looked at as well.

Requests in progress are some hundred objects each; Python's own 700 would have all of those that
wait looked through again and again, and the more, the more there are.
"""


@cache
def settle_heap() -> None:
    """What was imported and declared by now stays: it is taken out of the search. Done once."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(*THRESHOLDS)
