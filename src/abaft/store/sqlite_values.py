"""What the columns of a SQLite table hold: their types don't tell, so the values are looked at."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, time
from typing import Any

from abaft.store.sql.sqlite import EXACT_DIGITS

Held = tuple[str, dict[str, Any]]
"""The kind of a column, and what else its field is told."""

_MOMENT = re.compile(r"\d{4}-\d\d-\d\d([ T])\d\d:\d\d(:\d\d(?:\.(\d{1,6}))?)?(Z|\+00:00)?")
_DAY = re.compile(r"\d{4}-\d\d-\d\d")
_CLOCK = re.compile(r"\d\d:\d\d:\d\d(\.\d{6})?")
_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
SECONDS, MILLISECONDS = 10**11, 10**14
"""Counts since 1970 below these are of seconds, and of milliseconds."""


def form(value: Any) -> str:
    """The form of a value, as one of few words."""
    match value:
        case None:
            return "null"
        case bool() | int():
            return "integer" if abs(value) < SECONDS else "large"
        case float():
            return "real"
        case bytes():
            return "blob"
    return _form_of_text(value)


def _form_of_text(text: str) -> str:
    try:
        if found := _MOMENT.fullmatch(text):
            datetime.fromisoformat(text)
            return _form_of_moment(text, found)
        if _DAY.fullmatch(text):
            datetime.fromisoformat(text)
            return "day"
        if found := _CLOCK.fullmatch(text):
            time.fromisoformat(text)
            return "clock whole" if found[1] else "clock"
    except ValueError:
        return "text"
    return "uuid" if _UUID.fullmatch(text) else "text"


def _form_of_moment(text: str, found: re.Match[str]) -> str:
    separator, seconds, fraction, zone = found.groups()
    if seconds is None or zone:
        return "moment"
    digits = len(fraction or "")
    if digits not in (0, 3, 6):
        return "moment"
    zero = not (fraction or "").strip("0")
    more = digits == 6 and fraction[3:] != "000"
    return f"moment{separator}{digits}{' zero' if zero and digits else ''}{' more' if more else ''}"


@dataclass(frozen=True, slots=True)
class Sample:
    """All of a column's values: how many are of which form, and a few facts about them."""

    forms: Mapping[str, int]
    longest: int = 0
    least: Any = None
    most: Any = None
    places: int | None = None
    """The least places after the point that all its numbers have, None where that is many."""
    json: bool = False

    @property
    def found(self) -> set[str]:
        return {name for name in self.forms if name != "null"}

    def only(self, *forms: str) -> bool:
        return self.found <= {*forms}


WHOLE = ("integer", "large")
NUMBER = (*WHOLE, "real")
_TEXTS = ("text", "uuid", "day", "clock", "clock whole")


def _is_text(sample: Sample) -> bool:
    return all(name in _TEXTS or name.startswith("moment") for name in sample.found)


def held(type_: str, sample: Sample) -> Held:
    """The kind and the form of storage by the declared type and by what is there."""
    name, size = parse_type(type_)
    if not name and not sample.found:
        return "text", {"stored": "any"}
    for words, read in _READERS:
        if any(word in name for word in words):
            found = read(sample, size)
            return found or _by_values(sample, size)
    return _by_values(sample, size)


def parse_type(type_: str) -> tuple[str, tuple[int, ...]]:
    """`numeric(10, 2)` → ("NUMERIC", (10, 2))."""
    head, _, rest = type_.upper().partition("(")
    return head.strip(), tuple(int(part) for part in re.findall(r"\d+", rest)[:2])


def _by_values(sample: Sample, size: tuple[int, ...]) -> Held:
    if not sample.found or _is_text(sample):
        fits = len(size) == 1 and 0 < sample.longest <= size[0]
        limit = size[0] if size and (fits or not sample.found) else None
        return "text", {} if limit is None else {"max_length": limit}
    if sample.only(*WHOLE):
        return "integer", {}
    if sample.only("real"):
        return "float", {}
    if sample.only(*NUMBER):
        return "float", {"stored": "numeric"}
    return ("binary", {}) if sample.only("blob") else ("text", {"stored": "any"})


def _boolean(sample: Sample, size: tuple[int, ...]) -> Held | None:
    if not sample.only("integer"):
        return None
    return ("boolean", {}) if not sample.found or 0 <= sample.least <= sample.most <= 1 else None


def _datetime(sample: Sample, size: tuple[int, ...]) -> Held | None:
    found = sample.found
    if found and sample.only(*WHOLE):
        largest = max(abs(sample.least), abs(sample.most))
        # Small integers may be years, or days: a count of seconds is of years after 1973.
        if largest < 10**8 or largest >= MILLISECONDS:
            return None
        return "datetime", {"stored": "unix" if largest < SECONDS else "unix ms"}
    if found == {"day"}:
        return "date", {}
    if not all(name.startswith("moment") or name == "day" for name in found):
        return None
    return "datetime", {"stored": _moments(found)}


_LAYOUTS = (
    ({"0", "6", "6 more"}, ""),
    ({"3", "3 zero", "6 more"}, ".SSS"),
    ({"6", "6 zero", "6 more"}, ".SSSSSS"),
)


def _moments(found: set[str]) -> str:
    """The layout that all the texts have, "text" where they have several."""
    for separator in (" ", "T"):
        rest = {name.removeprefix(f"moment{separator}") for name in found}
        for layout, fraction in _LAYOUTS:
            if rest <= layout:
                return f"YYYY-MM-DD{separator}HH:MM:SS{fraction}"
    return "text"


def _date(sample: Sample, size: tuple[int, ...]) -> Held | None:
    return ("date", {}) if sample.only("day") else _datetime(sample, size)


def _time(sample: Sample, size: tuple[int, ...]) -> Held | None:
    if sample.found == {"clock whole"}:
        return "time", {}
    return ("time", {"stored": "HH:MM:SS"}) if sample.only("clock") else None


def _decimal(sample: Sample, size: tuple[int, ...]) -> Held | None:
    if not size or not sample.only(*NUMBER):
        return ("float", {"stored": "numeric"}) if sample.only(*NUMBER) else None
    digits, places = min(size[0], EXACT_DIGITS), size[1] if len(size) > 1 else 0
    if sample.places is None or sample.places > places:
        return "float", {"stored": "numeric"}
    return "decimal", {"digits": max(digits, places), "places": places, "stored": "numeric"}


def _money(sample: Sample, size: tuple[int, ...]) -> Held | None:
    return _decimal(sample, size or (EXACT_DIGITS, 4))


def _uuid(sample: Sample, size: tuple[int, ...]) -> Held | None:
    return ("uuid", {}) if sample.found == {"uuid"} else None


def _json(sample: Sample, size: tuple[int, ...]) -> Held | None:
    return ("json", {}) if sample.json and _is_text(sample) else None


def _real(sample: Sample, size: tuple[int, ...]) -> Held | None:
    if sample.only("real"):
        return "float", {}
    return ("float", {"stored": "numeric"}) if sample.only(*NUMBER) else None


def _integer(sample: Sample, size: tuple[int, ...]) -> Held | None:
    return ("integer", {}) if sample.only(*WHOLE) else None


def _blob(sample: Sample, size: tuple[int, ...]) -> Held | None:
    return ("binary", {}) if sample.only("blob") else None


_READERS = (
    (("BOOL",), _boolean),
    (("DATETIME", "TIMESTAMP"), _datetime),
    (("DATE",), _date),
    (("TIME",), _time),
    (("MONEY", "CURRENCY"), _money),
    (("DEC", "NUMERIC"), _decimal),
    (("UUID", "GUID", "UNIQUEIDENTIFIER"), _uuid),
    (("JSON",), _json),
    (("REAL", "FLOA", "DOUB"), _real),
    (("INT",), _integer),
    (("BLOB", "BINARY", "IMAGE"), _blob),
)
