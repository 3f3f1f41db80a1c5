"""How far a primary and its replicas have come, as each engine tells it: one row an engine.

A position is text that only its row understands: bytes of PostgreSQL's write-ahead log, or global
transaction identifiers (GTIDs) of MariaDB and MySQL.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from abaft.base.errors import SettingError, SetupError
from abaft.store.base import Store

Row = Mapping[str, Any]


class NotReplica(Exception):
    """A server that is told to be a replica of the primary is none."""


@dataclass(frozen=True, slots=True)
class Positions:
    """The statements that tell positions, and what is made of their rows.

    `at` gives where the primary is, `replayed` what a replica has taken over; `reached` tells
    whether what was replayed has a position in it, False for one that it can't read.
    """

    primary: str
    replica: str
    at: Callable[[Row], str]
    replayed: Callable[[Row, Row], str]
    reached: Callable[[str, str], bool]


# The system's identifier is that of all servers that were copied from one another.
_POSTGRES_PRIMARY = (
    "SELECT (pg_current_wal_insert_lsn() - '0/0'::pg_lsn)::bigint AS at,"
    " current_setting('wal_block_size')::bigint AS block,"
    " (SELECT system_identifier FROM pg_control_system())::text AS system"
)
_POSTGRES_REPLICA = (
    "SELECT (pg_last_wal_replay_lsn() - '0/0'::pg_lsn)::bigint AS at,"
    " pg_is_in_recovery() AS recovering,"
    " (SELECT system_identifier FROM pg_control_system())::text AS system"
)
_PAGE_HEADER = 24
"""Bytes: a place right behind one is the end of the page before, where the last record ended."""


def _wal_at(row: Row) -> str:
    at: int = row["at"]
    return str(at - _PAGE_HEADER if at % row["block"] == _PAGE_HEADER else at)


def _wal_replayed(row: Row, primary: Row) -> str:
    if not row["recovering"]:
        raise NotReplica("it isn't a standby: it takes writes of its own")
    if row["system"] != primary["system"]:
        raise NotReplica("it isn't a copy of the primary, but of another server")
    return str(row["at"] or 0)


def _wal_reached(replayed: str, position: str) -> bool:
    return int(replayed) >= int(position)


_MARIADB_PRIMARY = "SELECT @@global.gtid_binlog_pos AS at, @@global.log_bin AS logs"
_MARIADB_REPLICA = "SELECT @@global.gtid_slave_pos AS at, @@global.server_id AS server"


def _binlog_at(row: Row) -> str:
    if not int(row["logs"]):
        raise SetupError("replicas need the primary's binary log: set log_bin and server_id")
    return str(row["at"])


def _text_at(row: Row, primary: Row) -> str:
    return str(row["at"])


def _domains(text: str) -> dict[str, int]:
    """The last number of each domain, of DOMAIN-SERVER-NUMBER,…"""
    found = (part.split("-") for part in text.split(",") if part)
    return {domain: int(number) for domain, _, number in found}


def _domains_reached(replayed: str, position: str) -> bool:
    done = _domains(replayed)
    return all(done.get(domain, 0) >= number for domain, number in _domains(position).items())


_MYSQL_PRIMARY = "SELECT @@global.gtid_executed AS at, @@global.gtid_mode AS mode"
_MYSQL_REPLICA = "SELECT @@global.gtid_executed AS at"


def _executed_at(row: Row) -> str:
    if row["mode"] != "ON":
        raise SetupError("replicas need GTIDs: set gtid_mode and enforce_gtid_consistency to ON")
    return "".join(str(row["at"]).split())


def _executed(row: Row, primary: Row) -> str:
    return "".join(str(row["at"]).split())


def _intervals(text: str) -> dict[str, list[tuple[int, int]]]:
    """The numbers of each source, of SOURCE:FIRST-LAST:FIRST-LAST,…"""
    found: dict[str, list[tuple[int, int]]] = {}
    for part in text.lower().split(","):
        source, *spans = part.split(":")
        for span in spans:
            first, _, last = span.partition("-")
            found.setdefault(source, []).append((int(first), int(last or first)))
    return found


def _intervals_reached(replayed: str, position: str) -> bool:
    done = _intervals(replayed)
    return all(
        any(low <= first and last <= high for low, high in done.get(source, ()))
        for source, spans in _intervals(position).items()
        for first, last in spans
    )


def _readable(reached: Callable[[str, str], bool]) -> Callable[[str, str], bool]:
    def tried(replayed: str, position: str) -> bool:
        try:
            return reached(replayed, position)
        except ValueError:
            return False  # a position of another engine, of before the data was moved

    return tried


ENGINES: Mapping[str, Positions] = {
    "postgres": Positions(
        _POSTGRES_PRIMARY, _POSTGRES_REPLICA, _wal_at, _wal_replayed, _readable(_wal_reached)
    ),
    "mariadb": Positions(
        _MARIADB_PRIMARY, _MARIADB_REPLICA, _binlog_at, _text_at, _readable(_domains_reached)
    ),
    "mysql": Positions(
        _MYSQL_PRIMARY, _MYSQL_REPLICA, _executed_at, _executed, _readable(_intervals_reached)
    ),
}


def have_positions(engine: str) -> None:
    """SettingError for an engine whose replicas can't be read."""
    if engine not in ENGINES:
        raise SettingError(f"replicas are for PostgreSQL, MariaDB and MySQL, not for {engine}")


async def positions_of(store: Store) -> Positions:
    """The row of the server that the store is connected to."""
    name = store.capabilities.name
    if name == "mysql":
        [row] = await store.sql("SELECT version() AS version", ())
        name = "mariadb" if "mariadb" in str(row["version"]).lower() else "mysql"
    return ENGINES[name]
