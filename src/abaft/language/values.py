"""Values as conditions hold them: of the record, or known once the question is asked."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from abaft.base import clock
from abaft.language import tree as t
from abaft.language.faults import bad
from abaft.model import expr as e
from abaft.model.kinds import Choice, Float, Integer, Kind, Number, Text
from abaft.model.times import Date, DateTime, Duration


@dataclass(frozen=True, slots=True)
class Found:
    """A value of the record; `shown` is how the text calls it."""

    value: e.Value
    kind: Kind
    shown: str
    nocase: bool = False
    relation: bool = False


@dataclass(frozen=True, slots=True)
class Fixed:
    """A value that no record has a part in; `timed` where it hangs on the present."""

    kind: Kind
    make: Callable[[datetime], Any]
    timed: bool = False


@dataclass(slots=True)
class Names:
    """Gives each value of a condition its name; with `constant` it stays in the condition."""

    prefix: str
    now: datetime
    constant: bool = False
    values: dict[str, Any] = field(default_factory=dict)
    timed: dict[str, Callable[[datetime], Any]] = field(default_factory=dict)

    def bound(self, fixed: Fixed, at: int) -> e.Value:
        """The value as a parameter."""
        value = fixed.make(self.now)
        if value is None:
            bad(at, "bad_value", "this has no value: it leaves its range, or divides by zero")
        if self.constant:
            if fixed.timed:
                bad(at, "bad_value", "the present has no place here")
            return e.Const(value, fixed.kind)
        return self._named(fixed.kind, value, fixed.make if fixed.timed else None)

    def listed(self, kind: Kind, items: list[Fixed]) -> e.Param:
        """The values as one parameter."""

        def make(now: datetime) -> list[Any]:
            return [item.make(now) for item in items]

        timed = any(item.timed for item in items)
        return self._named(kind, make(self.now), make if timed else None, many=True)

    def _named(self, kind: Kind, value: Any, make: Any, many: bool = False) -> e.Param:
        name = f"{self.prefix}{len(self.values)}"
        self.values[name] = value
        if make is not None:
            self.timed[name] = make
        return e.Param(name, kind, many)


NUMBERS = ("integer", "float", "decimal")
_PLAIN: Mapping[str, Kind] = {"text": Text(), "datetime": DateTime(), "date": Date()}
_BARE = {"date": ("date", "datetime"), "datetime": ("datetime",)}
_A_DATE = "2024-01-31"


def midnight(day: date) -> datetime:
    return datetime.combine(day, time(), UTC)


def read(literal: t.Literal, kind: Kind, shown: str) -> Fixed:
    """The literal as a value of the kind that stands on the other side, which is `shown`."""
    if isinstance(literal.value, timedelta):
        return _duration(literal, kind, shown)
    if literal.form in ("true", "false") and kind.name == "boolean":
        return Fixed(kind, lambda now: literal.form == "true")
    text = literal.value
    if not _fits(literal.form, kind):
        _mismatch(literal, kind, shown)
    try:
        if kind.name == "datetime" and (literal.form == "date" or len(text) == len(_A_DATE)):
            value: Any = midnight(Date().parse(text))
        else:
            value = kind.parse(text)
    except ValueError as error:
        bad(literal.at, "bad_value", f"{shown} is compared with {error}")
    return Fixed(kind, lambda now: value)


def _fits(form: str, kind: Kind) -> bool:
    if form == "text":
        return kind.name not in ("integer", "float", "boolean") and not _of_integers(kind)
    if form == "number":
        return kind.name in NUMBERS or _of_integers(kind)
    return kind.name in _BARE.get(form, ())


def _of_integers(kind: Kind) -> bool:
    return isinstance(kind, Choice) and not kind.of_text


def _duration(literal: t.Literal, kind: Kind, shown: str) -> Fixed:
    if kind.name != "duration":
        _mismatch(literal, kind, shown)
    return Fixed(kind, lambda now: literal.value)


def _mismatch(literal: t.Literal, kind: Kind, shown: str) -> None:
    said = {
        "text": "a text",
        "number": "a number",
        "true": "`true`",
        "false": "`false`",
    }.get(literal.form, f"a {literal.form}")
    hints = {
        "boolean": ": write true or false",
        "text": ": write it in quotes",
        "integer": ": write the number without quotes",
        "float": ": write the number without quotes",
    }
    hint = hints.get(kind.name, "")
    bad(
        literal.at,
        "kinds_differ",
        f"{shown} is {named(kind)}, it can't be compared with {said}{hint}",
    )


def named(kind: Kind) -> str:
    """The kind as a sentence says it."""
    if isinstance(kind, Number):
        return f"a decimal of {kind.places} places"
    if isinstance(kind, Choice):
        return f"one of {', '.join(map(str, kind.options[:20]))}"
    if kind.name in ("text", "json", "binary"):
        return kind.name
    return f"{'an' if kind.name[0] in 'aeio' else 'a'} {kind.name}"


def alone(literal: t.Literal) -> Fixed:
    """The literal where nothing says what kind it should be of."""
    if isinstance(literal.value, timedelta):
        return read(literal, Duration(), "")
    if literal.form == "number":
        whole = literal.value.lstrip("-").isdigit()
        return read(literal, Integer() if whole else Float(), "this")
    return read(literal, _PLAIN[literal.form], "this")


def beside(literal: t.Literal, kind: Kind) -> Fixed:
    """The literal as arithmetic with a value of the kind takes it."""
    if literal.form == "number" and isinstance(literal.value, str):
        digits = literal.value.partition(".")[2]
        if kind.name == "decimal" and digits and "e" not in literal.value.lower():
            return read(literal, Number(places=len(digits)), "this")
    return alone(literal)


def coerced(fixed: Fixed, left: Found, at: int) -> Fixed:
    """The value as one of the kind that it is compared with."""
    kind, wanted = fixed.kind, left.kind
    if kind.name == wanted.name or (kind.textual and wanted.textual):
        return fixed if kind.name != "decimal" else _spelled(fixed, left, at)
    if kind.name == "date" and wanted.name == "datetime":
        return Fixed(wanted, lambda now: midnight(fixed.make(now)), fixed.timed)
    if kind.name in NUMBERS and wanted.name in NUMBERS:
        return _spelled(fixed, left, at)
    said = f"{left.shown} is {named(wanted)}, it can't be compared with {named(kind)}"
    hint = ": write today, or date(now)" if wanted.name == "date" else ""
    bad(at, "kinds_differ", said + hint)


def _spelled(fixed: Fixed, left: Found, at: int) -> Fixed:
    """The number as its spelling reads in the other kind."""
    try:
        value = left.kind.parse(fixed.kind.spell(fixed.make(clock.now())))
    except ValueError as error:
        bad(at, "bad_value", f"{left.shown} is compared with {error}")
    return Fixed(left.kind, lambda now: value)
