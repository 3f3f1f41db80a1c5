"""Connections to PostgreSQL, with the manners that every one of ours has."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING

import asyncpg

from abaft.base.errors import SetupError
from abaft.store import pool
from abaft.store.postgres_errors import FAILURES, gone

STATEMENTS = 500
"""Prepared statements a connection keeps: each costs the server some tens of kilobytes."""

if TYPE_CHECKING:
    _Base = asyncpg.Connection[asyncpg.Record]
else:
    _Base = asyncpg.Connection


class Connection(_Base):
    """A connection that isn't reset when it is given back: we leave nothing on it."""

    def get_reset_query(self) -> str:
        return ""


Settings = Mapping[str, str]

MANNERS: Settings = {
    "application_name": "abaft",
    "bytea_output": "hex",
    "datestyle": "ISO, YMD",
    "default_transaction_isolation": "read committed",
    "extra_float_digits": "1",
    "intervalstyle": "iso_8601",
    # What it speeds up is over before it has compiled anything.
    "jit": "off",
    "timezone": "UTC",
}


async def connect(url: str, manners: Settings, seconds: float) -> Connection:
    """A connection with the manners that every one of ours has."""
    connection = await asyncpg.connect(
        url,
        timeout=seconds,
        connection_class=Connection,
        server_settings=dict(manners),
        statement_cache_size=STATEMENTS,
        max_cached_statement_lifetime=0,
        max_cacheable_statement_size=0,
    )
    try:
        await _set_codecs(connection)
    except BaseException:
        connection.terminate()
        raise
    return connection


async def _set_codecs(connection: Connection) -> None:
    # The driver's own take the last and the first day of the calendar for infinity.
    for type_, encode, decode in (
        ("date", date.isoformat, _date),
        ("timestamptz", datetime.isoformat, _datetime),
        ("timestamp", datetime.isoformat, _local),
    ):
        await connection.set_type_codec(type_, schema="pg_catalog", encoder=encode, decoder=decode)


def _date(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        return date.min if text.startswith("-") or text.endswith("BC") else date.max


def _datetime(text: str) -> datetime:
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        early = text.startswith("-") or text.endswith("BC")
        return (datetime.min if early else datetime.max).replace(tzinfo=UTC)


def _local(text: str) -> datetime:
    return _datetime(text).replace(tzinfo=None)


class Pool(pool.Pool[Connection]):
    """Connections of these manners."""

    def __init__(self, url: str, size: int, manners: Settings) -> None:
        every = {**MANNERS, **manners}
        super().__init__(lambda left: connect(url, every, left), size, gone, FAILURES)


def check_server(connection: Connection) -> None:
    """SetupError where the server can't do what we need."""
    version = connection.get_server_version()
    if version < (13,):
        raise SetupError(f"PostgreSQL is {version.major}; abaft needs 13 or newer")
    encoding = connection.get_settings().server_encoding
    if encoding.upper() not in ("UTF8", "UTF-8"):
        raise SetupError(
            f"the database's encoding is {encoding}; "
            "create one with `encoding 'UTF8' template template0`"
        )
