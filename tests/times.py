"""How often what is drawn is drawn: `ABAFT_TEST_TIMES=10 pytest …` looks ten times as long."""

import faulthandler
import os
import sys

_TIMES = float(os.environ.get("ABAFT_TEST_TIMES", "1"))


def times(count: int) -> int:
    """That many, or as many times more as is asked for."""
    return max(1, round(count * _TIMES))


def be_patient() -> None:
    """Lets a test run for longer: what hypothesis finds it makes small before it shows it."""
    told = sys.__stderr__ or sys.stderr
    faulthandler.dump_traceback_later(times(900), exit=True, file=told)
