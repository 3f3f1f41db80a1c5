"""The kinds of time: an instant, a day, a time of day and a duration."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Annotated, Any

import orjson
from pydantic import (
    AfterValidator,
    AwareDatetime,
    BeforeValidator,
    TypeAdapter,
    ValidationError,
)
from pydantic_core import PydanticCustomError

from abaft.base.columns import AT_ONCE
from abaft.model import forms
from abaft.model.kinds import INT_MAX, Kind


def _utc(value: datetime) -> datetime:
    try:
        return value.astimezone(UTC)
    except OverflowError:
        raise PydanticCustomError(
            "datetime_range", "Datetime should lie between the years 1 and 9999 in UTC"
        ) from None


def show_datetime(value: datetime) -> str:
    """RFC 3339 in UTC, with microseconds only where there are some."""
    if value.tzinfo is UTC and type(value) is datetime:
        # A fourth of the time that Python's own takes.
        return orjson.dumps(value, option=orjson.OPT_UTC_Z)[1:-1].decode()
    return value.astimezone(UTC).replace(tzinfo=None).isoformat() + "Z"


def _shown_at_once(values: Sequence[Any]) -> list[str] | None:
    if set(map(type, values)) != {datetime} or any(value.tzinfo is not UTC for value in values):
        return None
    return orjson.dumps(list(values), option=orjson.OPT_UTC_Z)[2:-2].decode().split('","')


AT_ONCE[show_datetime] = _shown_at_once


def _parsed(adapter: TypeAdapter[Any], text: str, expected: str) -> Any:
    """What a body would make of the text; ValueError says what is expected."""
    # A plus in a query string is a space; a zone's plus comes back here.
    try:
        return adapter.validate_python(text.replace(" ", "+"))
    except ValidationError:
        raise ValueError(expected) from None


_A_DATETIME = "a date and time with its zone, like 2013-01-31T10:00:00Z"
_DateTime = Annotated[AwareDatetime, forms.Form(forms.DATETIME, _A_DATETIME), AfterValidator(_utc)]
_DATETIME: TypeAdapter[datetime] = TypeAdapter(_DateTime)


@dataclass(frozen=True, slots=True)
class DateTime(Kind):
    name = "datetime"

    def accepts(self) -> Any:
        return self._limited(_DateTime)

    def python(self) -> Any:
        return Annotated[AwareDatetime, AfterValidator(_utc)]

    def parse(self, text: str) -> datetime:
        return _parsed(_DATETIME, text, _A_DATETIME)  # type: ignore[no-any-return]

    def show(self, value: Any) -> str:
        return show_datetime(value)


_A_DATE = "a date, like 2013-01-31"
_Date = Annotated[date, forms.Form(forms.DATE, _A_DATE)]
_DATE: TypeAdapter[date] = TypeAdapter(_Date)


@dataclass(frozen=True, slots=True)
class Date(Kind):
    name = "date"

    def accepts(self) -> Any:
        return self._limited(_Date)

    def python(self) -> Any:
        return date

    def parse(self, text: str) -> date:
        return _parsed(_DATE, text, _A_DATE)  # type: ignore[no-any-return]

    def show(self, value: Any) -> str:
        return str(value.isoformat())


def _local_time(value: time) -> time:
    if value.tzinfo is not None:
        raise PydanticCustomError("time_zone", "Time should not have a zone")
    return value


_A_TIME = "a time of day without a zone, like 10:30:00"
_Time = Annotated[time, forms.Form(forms.TIME, _A_TIME)]
_TIME: TypeAdapter[time] = TypeAdapter(_Time)


@dataclass(frozen=True, slots=True)
class Time(Kind):
    name = "time"

    def accepts(self) -> Any:
        return self._limited(_Time)

    def python(self) -> Any:
        return Annotated[time, AfterValidator(_local_time)]

    def parse(self, text: str) -> time:
        return _parsed(_TIME, text, _A_TIME)  # type: ignore[no-any-return]

    def show(self, value: Any) -> str:
        return str(value.isoformat())


MICROSECOND = timedelta(microseconds=1)


def _within_64_bits(value: timedelta) -> timedelta:
    # Not the least integer of all: databases have no absolute value for it.
    if not -INT_MAX <= value // MICROSECOND <= INT_MAX:
        raise PydanticCustomError("duration_range", "Duration should be under 292,000 years")
    return value


_A_DURATION = "a duration in weeks, days, hours, minutes and seconds, like PT1H30M or P2DT0.5S"
_PARTS = re.compile(
    r"-?P(?=[0-9T])(?:(?P<weeks>[0-9]+)W|(?:(?P<days>[0-9]+)D)?"
    r"(?:T(?:(?P<hours>[0-9]+)H)?(?:(?P<minutes>[0-9]+)M)?"
    r"(?:(?P<seconds>[0-9]+)(?:\.(?P<micros>[0-9]+))?S)?)?)"
)


def _duration(value: Any) -> Any:
    """Our own reading of ISO 8601: pydantic's parser ends at 136 years of seconds."""
    if isinstance(value, timedelta):
        return value
    if not isinstance(value, str):
        raise PydanticCustomError("string_type", "Input should be a valid string")
    found = _PARTS.fullmatch(value)
    if found is None or re.fullmatch(forms.DURATION, value) is None:
        raise PydanticCustomError("format", f"Input should be {_A_DURATION}")
    given = {name: int(part) for name, part in found.groupdict("0").items() if name != "micros"}
    micros = int((found["micros"] or "0")[:6].ljust(6, "0"))
    size = timedelta(microseconds=micros, **given)
    return -size if value[0] == "-" else size


_Duration = Annotated[timedelta, BeforeValidator(_duration), AfterValidator(_within_64_bits)]
_DURATION: TypeAdapter[timedelta] = TypeAdapter(_Duration)


@dataclass(frozen=True, slots=True)
class Duration(Kind):
    """A timedelta, shown as ISO 8601 seconds: PT90.5S, or -PT90.5S."""

    name = "duration"

    def python(self) -> Any:
        return _Duration

    def parse(self, text: str) -> timedelta:
        return _parsed(_DURATION, text, _A_DURATION)  # type: ignore[no-any-return]

    def show(self, value: Any) -> str:
        micros = value // MICROSECOND
        whole, part = divmod(abs(micros), 1_000_000)
        return f"{'-' if micros < 0 else ''}PT{whole}{f'.{part:06d}' if part else ''}S"
