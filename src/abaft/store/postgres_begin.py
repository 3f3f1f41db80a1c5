"""How a transaction begins and is undone on a connection to PostgreSQL."""

from __future__ import annotations

from collections.abc import Mapping

from abaft.store.base import Pace
from abaft.store.postgres_pool import Connection

_PLACE = 7022344802737087853
_STEADY = f"BEGIN; SELECT pg_advisory_xact_lock_shared({_PLACE})"
# The server looks for deadlocks after a second: of two that have crossed a hasty one gives way
# before, and is run again alone.
_BEGIN: Mapping[Pace, str] = {
    "": "BEGIN",
    "steady": _STEADY,
    "hasty": f"{_STEADY}; SET LOCAL lock_timeout = 100",
    "queued": f"BEGIN; SELECT pg_advisory_xact_lock({_PLACE})",
}


async def begin(connection: Connection, pace: Pace = "") -> None:
    """Begins a transaction."""
    try:
        await connection.execute(_BEGIN[pace])
    except BaseException:
        await roll_back(connection)
        raise


async def roll_back(connection: Connection) -> None:
    """Undoes all; a connection that can't is ended, with the same effect."""
    try:
        await connection.execute("ROLLBACK")
    except Exception:
        connection.terminate()
