"""The kinds of time: an instant, a day, a time of day and a duration."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Annotated, Any

from pydantic import AfterValidator, AwareDatetime, TypeAdapter, ValidationError
from pydantic_core import PydanticCustomError

from abaft.model.kinds import INT_MAX, INT_MIN, Kind


def _utc(value: datetime) -> datetime:
    try:
        return value.astimezone(UTC)
    except OverflowError:
        raise PydanticCustomError(
            "datetime_range", "Datetime should lie between the years 1 and 9999 in UTC"
        ) from None


def show_datetime(value: datetime) -> str:
    """RFC 3339 in UTC, with microseconds only where there are some."""
    value = value.astimezone(UTC).replace(tzinfo=None)
    return _year4(value.isoformat(timespec="auto")) + "Z"


def _year4(text: str) -> str:
    return text if text[4:5] == "-" else text.rjust(len(text) + 4 - text.index("-"), "0")


@dataclass(frozen=True, slots=True)
class DateTime(Kind):
    name = "datetime"

    def python(self) -> Any:
        return Annotated[AwareDatetime, AfterValidator(_utc)]

    def parse(self, text: str) -> datetime:
        value = _text_value(_DATETIME, text)
        if value is None or not isinstance(value, datetime):
            raise ValueError("a date and time with its zone, like 2013-01-31T10:00:00Z")
        return value

    def show(self, value: Any) -> str:
        return show_datetime(value)


_DATETIME: TypeAdapter[datetime] = TypeAdapter(Annotated[AwareDatetime, AfterValidator(_utc)])
_DATE: TypeAdapter[date] = TypeAdapter(date)
_TIME: TypeAdapter[time] = TypeAdapter(time)
_DURATION: TypeAdapter[timedelta] = TypeAdapter(timedelta)


def _text_value(adapter: TypeAdapter[Any], text: str) -> Any:
    """What strict JSON validation makes of the text, so that a URL and a body agree."""
    # A plus in a query string is a space; a zone's plus comes back here.
    try:
        return adapter.validate_json(json.dumps(text.replace(" ", "+")), strict=True)
    except ValidationError:
        return None


@dataclass(frozen=True, slots=True)
class Date(Kind):
    name = "date"

    def python(self) -> Any:
        return date

    def parse(self, text: str) -> date:
        value = _text_value(_DATE, text)
        if value is None:
            raise ValueError("a date, like 2013-01-31")
        return value  # type: ignore[no-any-return]

    def show(self, value: Any) -> str:
        return str(value.isoformat())


def _local_time(value: time) -> time:
    if value.tzinfo is not None:
        raise PydanticCustomError("time_zone", "Time should not have a zone")
    return value


@dataclass(frozen=True, slots=True)
class Time(Kind):
    name = "time"

    def python(self) -> Any:
        return Annotated[time, AfterValidator(_local_time)]

    def parse(self, text: str) -> time:
        value = _text_value(_TIME, text)
        if value is None or value.tzinfo is not None:
            raise ValueError("a time of day, like 10:30:00")
        return value  # type: ignore[no-any-return]

    def show(self, value: Any) -> str:
        return str(value.isoformat())


MICROSECOND = timedelta(microseconds=1)


def _within_64_bits(value: timedelta) -> timedelta:
    if not INT_MIN <= value // MICROSECOND <= INT_MAX:
        raise PydanticCustomError("duration_range", "Duration should be under 292,000 years")
    return value


@dataclass(frozen=True, slots=True)
class Duration(Kind):
    """A timedelta, shown as ISO 8601 seconds: PT90.5S, or -PT90.5S."""

    name = "duration"

    def python(self) -> Any:
        return Annotated[timedelta, AfterValidator(_within_64_bits)]

    def parse(self, text: str) -> timedelta:
        value = _text_value(_DURATION, text)
        if value is None or not INT_MIN <= value // MICROSECOND <= INT_MAX:
            raise ValueError("a duration, like PT90S")
        return value  # type: ignore[no-any-return]

    def show(self, value: Any) -> str:
        micros = value // MICROSECOND
        whole, part = divmod(abs(micros), 1_000_000)
        return f"{'-' if micros < 0 else ''}PT{whole}{f'.{part:06d}' if part else ''}S"
