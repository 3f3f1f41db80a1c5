"""How many connections a server takes from us at once."""

from __future__ import annotations

from collections.abc import Mapping

from abaft.store.base import Store

# What is kept for those who mend the server isn't ours.
_ROOM: Mapping[str, str] = {
    "postgres": (
        "SELECT sum(CASE name WHEN 'max_connections' THEN 1 ELSE -1 END * setting::int)::int"
        " AS room"
        " FROM pg_settings WHERE name IN"
        " ('max_connections', 'superuser_reserved_connections', 'reserved_connections')"
    ),
    "mysql": "SELECT @@global.max_connections AS room",
}


async def room(store: Store) -> int | None:
    """The connections that the server takes; None for a database that isn't a server."""
    sql = _ROOM.get(store.capabilities.name)
    if sql is None:
        return None
    [row] = await store.sql(sql, ())
    return int(row["room"])
