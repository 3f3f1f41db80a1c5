"""What asyncpg and PostgreSQL raise, as the store's own errors."""

from __future__ import annotations

from collections.abc import Mapping

import asyncpg

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
"""The columns of each unique constraint or index, by its table's name and its own."""

_GONE = (
    OSError,  # asyncio's timeouts are among them: who doesn't answer is not there
    asyncpg.PostgresConnectionError,
    asyncpg.OperatorInterventionError,  # a shutdown, a crash, a start that isn't over
    asyncpg.TooManyConnectionsError,
    asyncpg.IdleInTransactionSessionTimeoutError,
    asyncpg.InternalClientError,
)
FAILURES = (
    asyncpg.PostgresError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,  # what the driver makes of a connection that breaks under it
    OSError,
)
"""All that the driver and the server raise."""
CONFLICTS = (asyncpg.SerializationError, asyncpg.DeadlockDetectedError)
"""The server undid the whole transaction, which may be run again."""
HELD_OFF = (asyncpg.QueryCanceledError, asyncpg.LockNotAvailableError)
"""The statement was undone because it took, or had to wait, too long."""


def gone(error: BaseException) -> bool:
    """Whether the connection is no more, or was never there."""
    if isinstance(error, asyncpg.InterfaceError):
        # The driver says that a value can't be encoded by one that is a ValueError as well.
        return not isinstance(error, ValueError)
    return isinstance(error, _GONE) and not isinstance(error, asyncpg.QueryCanceledError)


def translate(error: Exception, columns: Columns) -> Exception:
    """The store's error for the driver's; what was being run has changed nothing."""
    match error:
        case StoreError():
            return error
        case asyncpg.QueryCanceledError():
            return QueryTimeout()
        case asyncpg.IdleInTransactionSessionTimeoutError():
            return Busy("the transaction was idle for too long")
        case asyncpg.IntegrityConstraintViolationError():
            return _violation(error, columns)
        case asyncpg.LockNotAvailableError():
            return Locked(str(error))
        case asyncpg.SerializationError() | asyncpg.DeadlockDetectedError():
            return Crossed(str(error))
        case asyncpg.ReadOnlySQLTransactionError() | asyncpg.InsufficientResourcesError():
            return Busy(f"the database can't be written to: {error}")
        case asyncpg.PostgresSystemError():
            return Busy(f"the database's disk fails: {error}")
        case asyncpg.ObjectNotInPrerequisiteStateError():
            return Busy(str(error))  # a materialized view that hasn't been filled yet
        case asyncpg.DataError() | asyncpg.GeneratedAlwaysError():
            # A column of an existing table that is narrower than its field, for instance.
            return CheckViolation("a value fits its column")
        case asyncpg.ProgramLimitExceededError():
            # An index takes texts of some 2,700 bytes, after compression.
            return CheckViolation("a value fits its index")
        case asyncpg.RaiseError():
            return CheckViolation("a trigger takes it")
    return Lost(_cause(error)) if gone(error) else error


def translate_write(error: Exception, columns: Columns) -> Exception:
    """The same once a write was sent: where the connection broke nobody knows what became of it.

    A server that ends a connection may do so after the commit and before its answer, so that
    even its own farewell (57P01) proves nothing.
    """
    return Unknown(_cause(error)) if gone(error) else translate(error, columns)


def _cause(error: Exception) -> str:
    return str(error) or type(error).__name__


def _violation(error: asyncpg.IntegrityConstraintViolationError, columns: Columns) -> StoreError:
    name = error.constraint_name or ""
    match error:
        case asyncpg.UniqueViolationError():
            return UniqueViolation(columns.get((error.table_name or "", name), (name,)))
        case asyncpg.ForeignKeyViolationError() | asyncpg.RestrictViolationError():
            return ReferenceViolation(name)
    return CheckViolation(name or error.column_name or str(error))
