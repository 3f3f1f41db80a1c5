"""Values as the driver of MySQL and MariaDB takes and gives them: texts, or as they are kept."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any

import orjson

from abaft.model.documents import dump_json
from abaft.model.times import MICROSECOND
from abaft.store.sql.dialect import Encoder


def read_datetime(shown: str | datetime) -> datetime:
    """Of what a text has, or a kept statement gives."""
    at = shown if isinstance(shown, datetime) else datetime.fromisoformat(shown)
    return at.replace(tzinfo=UTC)


def _read_date(shown: str | date) -> date:
    return shown if isinstance(shown, date) else date.fromisoformat(shown)


def _read_time(shown: str | timedelta) -> time:
    return (
        (datetime.min + shown).time() if isinstance(shown, timedelta) else time.fromisoformat(shown)
    )


def _moment(shown: str | datetime | None) -> datetime | None:
    return datetime.fromisoformat(shown) if isinstance(shown, str) else shown


def _document(text: str | None) -> Any:
    return None if text is None else orjson.Fragment(text)


BARE: Mapping[str, Encoder | None] = {
    **dict.fromkeys(("text", "email", "url", "choice", "integer", "decimal", "uuid", "date")),
    "boolean": {0: False, 1: True}.get,
    "datetime": _moment,
    "json": _document,
}
ENCODERS: Mapping[str, Encoder] = {
    "boolean": int,
    "duration": lambda value: value // MICROSECOND,
    "uuid": str,
    "json": dump_json,
}
DECODERS: Mapping[str, Encoder] = {
    "boolean": bool,
    "datetime": read_datetime,
    "date": _read_date,
    "time": _read_time,
    "decimal": Decimal,
    "duration": lambda value: value * MICROSECOND,
    "json": orjson.loads,
}
