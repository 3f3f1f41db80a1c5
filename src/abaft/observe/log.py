"""The log sink: one JSON line an event, on the standard logger `abaft`."""

from __future__ import annotations

import logging
from dataclasses import fields

import orjson

from abaft.observe.events import (
    DatabaseLost,
    Event,
    HookFailed,
    LoadShed,
    RequestFailed,
    StreamCut,
)

logger = logging.getLogger("abaft")

_LEVELS: dict[type, int] = {
    RequestFailed: logging.ERROR,
    HookFailed: logging.ERROR,
    DatabaseLost: logging.WARNING,
    LoadShed: logging.WARNING,
    StreamCut: logging.WARNING,
}


def log(event: Event) -> None:
    """Writes the event; JSON's escapes keep a value from forging a second line."""
    members: dict[str, object] = {"event": type(event).__name__}
    cause: BaseException | None = None
    for row in fields(event):
        value = getattr(event, row.name)
        if isinstance(value, BaseException):
            cause, value = value, type(value).__name__
        members[row.name] = value
    level = _LEVELS.get(type(event), logging.INFO)
    logger.log(level, "%s", orjson.dumps(members).decode(), exc_info=cause)
