"""The log sink: one JSON line an event, on the standard logger `abaft`."""

from __future__ import annotations

import json
import logging
import traceback
from dataclasses import fields

from abaft.observe.events import (
    BreachesAway,
    CountsUnshared,
    Event,
    HookFailed,
    LoadShed,
    MailFailed,
    PruningFailed,
    ReplicaLeft,
    RequestFailed,
    RequestRefused,
    SchemaDiffers,
    StreamCut,
)

logger = logging.getLogger("abaft")

_LEVELS: dict[type, int] = {
    RequestFailed: logging.ERROR,
    RequestRefused: logging.WARNING,
    HookFailed: logging.ERROR,
    PruningFailed: logging.WARNING,
    LoadShed: logging.WARNING,
    CountsUnshared: logging.WARNING,
    SchemaDiffers: logging.WARNING,
    ReplicaLeft: logging.WARNING,
    StreamCut: logging.WARNING,
    BreachesAway: logging.WARNING,
    MailFailed: logging.ERROR,
}


def _indented(error: BaseException) -> str:
    """The traceback, in which no text of a client's begins a line or steers a terminal."""
    lines = "".join(traceback.format_exception(error)).rstrip("\n").split("\n")
    return "\n".join(f"  {_printable(line)}" for line in lines)


def _printable(text: str) -> str:
    return "".join(char if char.isprintable() else json.dumps(char)[1:-1] for char in text)


def _with_traceback(record: logging.LogRecord) -> bool:
    if record.exc_info and record.exc_info[1] is not None:
        record.exc_text = _indented(record.exc_info[1])
    return True


logger.addFilter(_with_traceback)


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
    logger.log(level, "%s", _printable(json.dumps(members, ensure_ascii=False)), exc_info=cause)
