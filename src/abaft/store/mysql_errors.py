"""What asyncmy and the server raise, as the store's own errors."""

from __future__ import annotations

import re
from collections.abc import Mapping

from asyncmy import errors

from abaft.store.base import (
    Busy,
    CheckViolation,
    Crossed,
    Locked,
    Lost,
    QueryTimeout,
    ReferenceViolation,
    StoreError,
    UniqueViolation,
    Unknown,
)

Columns = Mapping[tuple[str, str], tuple[str, ...]]
"""The columns of each unique index, by its table's name and its own."""

FAILURES = (errors.Error, OSError, TimeoutError)
"""All that the driver and the server raise."""

DEADLOCK, LOCK_TIMEOUT = 1213, 1205
_TIMEOUTS = {1317, 1969, 3024}
_DUPLICATES = {1062, 1586, 1859}
_REFERENCES = {1216, 1217, 1451, 1452}
_CHECKS = {3819, 4025}
# A value that its column can't hold, as one of an existing table may be narrower than its field.
_UNFIT = {
    *(1048, 1153, 1264, 1265, 1292, 1364, 1366, 1367, 1406, 1411, 1525, 1690),
    *(3140, 3156, 3157, 4078),
}
_SIGNAL = 1644
_READ_ONLY = {1021, 1030, 1114, 1290, 1792, 1836}
_GONE = {
    *(1040, 1042, 1053, 1077, 1079, 1152, 1158, 1159, 1160, 1161, 1184, 1203, 1226, 1927),
    *(2002, 2003, 2006, 2013, 2014, 2055, 4031),
}
_KEY = re.compile(r"for key '(?:[^']*\.)?([^'.]+)'$")
_NAME = r"(?:`((?:[^`]|``)+)`|(\w+))"
_WRITTEN = re.compile(
    rf"\s*(?:INSERT INTO|UPDATE|DELETE FROM) (?:{_NAME}\.)?{_NAME}", re.IGNORECASE
)
_COLUMN = re.compile(r"olumn (?:`[^`]*`\.`[^`]*`\.)?['`]([^'`]+)['`]")
_CONSTRAINT = re.compile(r"[Cc](?:ONSTRAINT|heck constraint) [`']([^`']+)[`']")


def code(error: BaseException) -> int:
    """The number of the server's or the driver's error; 0 for another."""
    found = error.args[0] if isinstance(error, errors.MySQLError) and error.args else 0
    return found if isinstance(found, int) else 0


def gone(error: BaseException) -> bool:
    """Whether the connection is no more, or was never there."""
    if isinstance(error, errors.InterfaceError):
        return True
    return isinstance(error, OSError) or code(error) in _GONE


def conflicts(error: BaseException) -> bool:
    """Whether the server undid the whole transaction, which may be run again."""
    return code(error) == DEADLOCK


def duplicate(error: BaseException, sql: str, columns: Columns) -> UniqueViolation | None:
    """What is taken, by the index that the server names and the table that was written."""
    if code(error) not in _DUPLICATES:
        return None
    written, key = _WRITTEN.match(sql), _KEY.search(str(error.args[-1]))
    table = (written.group(3) or written.group(4)).replace("``", "`") if written else ""
    name = key.group(1) if key else ""
    return UniqueViolation(columns.get((table, name), (name,)))


def translate(error: Exception, columns: Columns) -> Exception:
    """The store's error for the driver's; what was being run has changed nothing."""
    if isinstance(error, StoreError):
        return error
    number, text = code(error), str(error.args[-1]) if error.args else ""
    if number in _REFERENCES:
        return ReferenceViolation(_named(text))
    if number in _CHECKS:
        name = _named(text)
        return CheckViolation(name, name.rpartition(".")[2])
    if number in _UNFIT:
        found = _COLUMN.search(text)
        return CheckViolation("a value fits its column", found.group(1) if found else "")
    if number == _SIGNAL:
        return CheckViolation("a trigger takes it")
    if number in _TIMEOUTS:
        return QueryTimeout()
    if number == LOCK_TIMEOUT:
        return Locked(text)
    if number == DEADLOCK:
        return Crossed(text)
    if number in _READ_ONLY:
        return Busy(f"the database can't be written to: {text}")
    return Lost(_cause(error)) if gone(error) else error


def translate_write(error: Exception, columns: Columns) -> Exception:
    """The same once a commit was sent: where the connection broke nobody knows what became."""
    return Unknown(_cause(error)) if gone(error) else translate(error, columns)


def _named(text: str) -> str:
    found = _CONSTRAINT.search(text)
    return found.group(1) if found else ""


def _cause(error: Exception) -> str:
    return str(error) or type(error).__name__
