"""How often what is drawn is drawn: `ABAFT_TEST_TIMES=10 pytest …` looks ten times as long."""

import os

_TIMES = float(os.environ.get("ABAFT_TEST_TIMES", "1"))


def times(count: int) -> int:
    """That many, or as many times more as is asked for."""
    return max(1, round(count * _TIMES))
