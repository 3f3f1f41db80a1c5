"""How many cases the differential tests held each engine to; the closing summary tells it."""

from collections import Counter

CASES: Counter[str] = Counter()
"""Questions and writes compared so far, by engine."""
