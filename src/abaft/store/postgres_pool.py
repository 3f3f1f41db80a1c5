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


_TRACKED = ("application_name", "datestyle", "intervalstyle", "timezone")
"""What PgBouncer keeps for each client; it refuses a start with more, unless told to ignore it."""
_NEEDED = (
    "bytea_output",
    "datestyle",
    "default_transaction_isolation",
    "extra_float_digits",
    "idle_in_transaction_session_timeout",
    "intervalstyle",
    "jit",
    "lock_timeout",
    "statement_timeout",
    "timezone",
)


class Dialer:
    """Opens connections with manners; where a pooler takes few of them, with those alone."""

    def __init__(self, url: str, manners: Settings) -> None:
        self._url = url
        self._manners = dict(manners)

    async def __call__(self, seconds: float) -> Connection:
        try:
            return await connect(self._url, self._manners, seconds)
        except asyncpg.ProtocolViolationError as error:
            if "startup parameter" not in str(error) or len(self._manners) == len(_TRACKED):
                raise
        self._manners = {name: self._manners[name] for name in _TRACKED}
        return await connect(self._url, self._manners, seconds)


async def connect(url: str, manners: Settings, seconds: float) -> Connection:
    """A connection with these manners."""
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
        super().__init__(Dialer(url, every), size, gone, FAILURES)
        self.manners = every


async def check_server(connection: Connection, manners: Settings) -> None:
    """SetupError where the server can't do what we need; then the connection is ended."""
    try:
        _check_version(connection)
        await _check_manners(connection, manners)
    except SetupError:
        connection.terminate()
        raise


def _check_version(connection: Connection) -> None:
    version = connection.get_server_version()
    if version < (13,):
        raise SetupError(f"PostgreSQL is {version.major}; abaft needs 13 or newer")
    encoding = connection.get_settings().server_encoding
    if encoding.upper() not in ("UTF8", "UTF-8"):
        raise SetupError(
            f"the database's encoding is {encoding}; "
            "create one with `encoding 'UTF8' template template0`"
        )


_ASKED = "SELECT name, setting, current_user AS role FROM pg_settings WHERE lower(name) = any($1)"


async def _check_manners(connection: Connection, manners: Settings) -> None:
    """SetupError where a pooler keeps manners from the server."""
    rows = await connection.fetch(_ASKED, [*_NEEDED])
    told = {row["name"].lower(): row["setting"] for row in rows}
    missing = [name for name in _NEEDED if told.get(name, "").lower() != manners[name].lower()]
    if missing:
        role = '"' + rows[0]["role"].replace('"', '""') + '"'
        lines = [f"ALTER ROLE {role} SET {name} = '{manners[name]}';" for name in missing]
        raise SetupError(
            "the server's sessions lack settings that a connection of ours asks for, and that the"
            " pooler before it doesn't hand on. Run this, and RECONNECT in the pooler's console:\n"
            + "\n".join(lines)
        )
