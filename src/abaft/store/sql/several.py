"""New records of one shape as one statement: a list for each column, of which the rows are made.

No row sees those before it, so this is for records about which nothing is asked but their own
values and whether what they lead to is there: where a rule looks further each goes by itself.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, is_dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY

from abaft.model import expr as e
from abaft.model.kinds import Kind, Text
from abaft.plan.types import FieldItem
from abaft.store.columns import Columns
from abaft.store.sql.changes import KINDS
from abaft.store.sql.dialect import Element, Encoder, text_literal
from abaft.store.sql.frame import Frame
from abaft.store.sql.statement import Statement
from abaft.store.sql.together import HELD_OFF
from abaft.store.sql.write import WriteBuilder

_FAR = (e.Hop, e.Exists, e.Reduce, e.Beyond)
_OWN = ("record", "data")
"""What each change record has for itself."""


@dataclass(frozen=True, slots=True, eq=False)
class Several:
    """The statement; its rows are (json or null) in order, and it fails unless all are written."""

    statement: Statement
    by_column: Mapping[str, Encoder | None]
    """How a driver takes each of the values that come by column."""

    def args(self, values: Columns) -> tuple[Any, ...]:
        """The driver's values of one execution."""
        found: list[Any] = []
        for name, encode, const in self.statement.binds:
            if name is None:
                found.append(const)
            elif name in self.by_column:
                found.append(values.encoded(name, self.by_column[name]))
            else:
                value = values.shared[name]
                found.append(value if value is None or encode is None else encode(value))
        return tuple(found)


def can_be_several(builder: WriteBuilder) -> bool:
    """Whether new records of the plan may be written as one statement."""
    plan = builder.plan
    kept = [plan.model.fields[name] for name in plan.assigned if name in plan.model.fields]
    asked = (plan.after, plan.visible, plan.targets, plan.selection)
    return (
        plan.action == "create"
        and len(kept) == len(plan.assigned) > 0
        and not (plan.late or plan.model.history or plan.model.order)
        and builder.generated() is None
        and builder.chosen() is None
        and not any(field.kind.stored for field in kept)
        and all(isinstance(item, FieldItem) for item in plan.selection.items)
        and not any(map(_looks_far, asked))
    )


def _looks_far(node: Any) -> bool:
    """Whether other records have a say in it, or are shown."""
    if isinstance(node, tuple):
        return any(map(_looks_far, node))
    if isinstance(node, _FAR):
        return True
    if isinstance(node, Kind) or not is_dataclass(node) or isinstance(node, type):
        return False
    return any(_looks_far(getattr(node, row.name)) for row in fields(node))


def compile_several(builder: WriteBuilder, changes: sa.Table) -> Several | None:
    """The statement, for databases that take DML in WITH; None where one by one is the way."""
    if not can_be_several(builder):
        return None
    plan, binder = builder.plan, builder.context.binder
    kinds: dict[str, Kind] = {f"set.{n}": plan.model.fields[n].kind for n in plan.assigned}
    kinds |= {f"change.{name}": Text() for name in _OWN}
    rows = _rows(builder, kinds)
    builder.rows = rows
    given = builder.dml().returning(*builder.table.c).cte("w")
    params: dict[str, Element] = {
        name: rows.c[f"change.{name}"] if name in _OWN else binder.param(f"change.{name}", kind)
        for name, kind in KINDS.items()
    }
    params["data"] = sa.cast(params["data"], changes.c.data.type)
    counts: list[Element] = [
        sa.select(sa.func.count()).select_from(source).scalar_subquery() for source in (given, rows)
    ]
    fault = sa.func.concat(text_literal(HELD_OFF), counts[0])
    held_off = sa.cast(fault, sa.Integer).is_(None)
    told = (
        sa.select(*params.values())
        .where(sa.case((counts[0] == counts[1], sa.true()), else_=held_off))
        .order_by(rows.c.o)
    )
    change = sa.insert(changes).from_select(list(params), told, include_defaults=False)
    # PostgreSQL gives what it has written in the order in which it wrote it.
    shown = builder.shown(Frame(builder.context, builder.model, given))
    query = sa.select(shown.label("j")).select_from(given).add_cte(change.cte("c"))
    dialect = builder.context.dialect
    return Several(binder.finish(query), {n: dialect.encoder(k) for n, k in kinds.items()})


def _rows(builder: WriteBuilder, kinds: dict[str, Kind]) -> sa.CTE:
    """A row of each record's values, with its place as `o`."""
    dialect, binder = builder.context.dialect, builder.context.binder
    lists = [binder.plain(name, ARRAY(dialect.type(kind))) for name, kind in kinds.items()]
    names = [f"v{place}" for place in range(len(kinds))]
    source = (
        sa.func.unnest(*lists)
        .table_valued(*map(sa.column, names), with_ordinality="o", name="r")
        .render_derived()
    )
    columns = []
    for name, label, kind in zip(names, kinds, kinds.values(), strict=True):
        type_ = dialect.type(kind)
        column: Element = sa.type_coerce(source.c[name], type_)
        collation = getattr(type_, "collation", None)
        columns.append(
            (column if collation is None else sa.collate(column, collation)).label(label)
        )
    return sa.select(*columns, source.c.o).cte("r")
