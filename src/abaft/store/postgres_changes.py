"""The change feed on PostgreSQL, in an order that concurrent commits can't upset.

A sequence is drawn before its transaction commits, so a reader that goes by it alone could pass a
lower number that becomes visible later. Records are therefore ordered by their transaction's
number first, and shown only once no transaction with a lower one is still under way: what comes
later comes behind. The price is that the feed waits for the longest transaction that writes on
this server, in whichever database.
"""

from __future__ import annotations

from typing import Any

import orjson
import sqlalchemy as sa

from abaft.model.times import show_datetime
from abaft.plan.change import Change
from abaft.store.postgres_pool import Connection
from abaft.store.sql.changes import change_types, changes_table

_PRUNED = 10_000

# A number that this server has not given yet comes from another, by a restored dump. Its records
# were set to 0 (see `mend`), so a position of that time goes on from there.
_READ = """
select tx::text as shown, seq, at, actor, model, record, action, data
from abaft_changes
where (tx, seq) > (
    case when $1::text::xid8 < pg_snapshot_xmax(pg_current_snapshot())
    then $1::text::xid8 else '0'::xid8 end,
    $2::bigint
) {only}
order by abaft_changes.tx, abaft_changes.seq limit $3::bigint
"""
_SETTLED = "and tx < pg_snapshot_xmin(pg_current_snapshot())"
READ, READ_ALL = _READ.format(only=_SETTLED), _READ.format(only="")
PLACES = """
select seq, tx::text || '.' || seq, model, record from abaft_changes where seq = any($1::bigint[])
"""
_PRUNE = """
delete from abaft_changes where ctid = any(array(
    select ctid from abaft_changes where at < $1::text::timestamptz
    and model <> all($3::text[]) limit $2::bigint
))
"""
_MEND = """
update abaft_changes set tx = '0' where tx >= pg_snapshot_xmax(pg_current_snapshot())
"""


class _Xid8(sa.types.UserDefinedType[Any]):
    """The number of a transaction, which is never used again."""

    cache_ok = True

    def get_col_spec(self, **_: Any) -> str:
        return "XID8"


FEED_INDEX = "ix_abaft_changes_tx_seq"


def feed_table(type_of: Any) -> sa.Table:
    """The feed's table, whose records name the transaction that wrote them."""
    sequence = sa.Column("seq", sa.BigInteger, sa.Identity(), primary_key=True)
    transaction = sa.Column(
        "tx", _Xid8(), nullable=False, server_default=sa.text("pg_current_xact_id()")
    )
    table = changes_table(sa.MetaData(), change_types(type_of), sequence, transaction)
    sa.Index(FEED_INDEX, table.c.tx, table.c.seq, _table=table)
    return table


def change(record: Any) -> Change:
    """The record of the feed that a row of READ shows."""
    tx, seq, at, actor, model, id_, action, data = record
    return Change(f"{tx}.{seq}", show_datetime(at), actor, model, id_, action, orjson.loads(data))


def position(after: str) -> tuple[str, int]:
    """The transaction and number that a position names."""
    tx, _, seq = after.partition(".")
    return str(int(tx or 0)), int(seq or 0)


async def prune(connection: Connection, before: str, kept: list[str]) -> int:
    """Deletes what is older, but for these models; some at a time, so that nobody has to wait."""
    count = 0
    while True:
        status = await connection.execute(_PRUNE, before, _PRUNED, kept)
        deleted = int(status.removeprefix("DELETE "))
        count += deleted
        if deleted < _PRUNED:
            return count


async def mend(connection: Connection) -> None:
    """Lets records of a restored dump be seen, whose numbers this server hasn't reached."""
    await connection.execute(_MEND)
