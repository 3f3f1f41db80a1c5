"""What MongoDB and its driver refuse by, as the store's errors."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from pymongo import errors

from abaft.store.base import (
    AnswerTooLarge,
    CheckViolation,
    Lost,
    QueryTimeout,
    RecordTooLarge,
    StoreError,
    UniqueViolation,
)

TIMED_OUT, CONFLICT, INVALID, TOO_LARGE, TAKEN = 50, 112, 121, 10334, 11_000
TOO_MUCH = (146, 292)
"""More than a stage of a pipeline may hold in memory."""


class Conflicting(StoreError):
    """Another transaction came first: this one is over, and may be tried again."""


class Overlooked(StoreError):
    """What wasn't looked for is there: the transaction is over, and may be tried again looking."""


@contextmanager
def translating() -> Iterator[None]:
    """Turns the driver's errors into the store's."""
    try:
        yield
    except errors.DocumentTooLarge as error:
        raise RecordTooLarge(str(error)) from error
    except errors.PyMongoError as error:
        raise translated(error) from error


def translated(error: errors.PyMongoError) -> StoreError:
    """The store's error for one of the driver's."""
    if error.has_error_label("TransientTransactionError"):
        return Conflicting(str(error))
    match error:
        case errors.BulkWriteError():
            code = error.details["writeErrors"][0]["code"] if error.details else 0
            return _by_code(code, error)
        case errors.ConnectionFailure():
            return Lost(str(error))
        case errors.OperationFailure(code=code):
            return _by_code(code or 0, error)
    return Lost(str(error))


def _by_code(code: int, error: errors.PyMongoError) -> StoreError:
    if code == TAKEN:
        return UniqueViolation()
    if code == TIMED_OUT or isinstance(error, errors.ExecutionTimeout):
        return QueryTimeout()
    if code == CONFLICT:
        return Conflicting(str(error))
    if code == TOO_LARGE:
        return RecordTooLarge(str(error))
    if code in TOO_MUCH:
        return AnswerTooLarge()
    if code == INVALID:
        return CheckViolation(str(error))
    return StoreError(f"the database refused this: {error}")
