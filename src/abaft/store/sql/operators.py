"""A PATCH's operators as SQL: the rows that all databases write alike, and the limits they keep."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import sqlalchemy as sa

from abaft.model.spec import Field
from abaft.plan.operators import BOUNDS, bounds, extent
from abaft.store.sql.dialect import Element, Reckoning, number
from abaft.store.sql.statement import Binder


def increment(stored: Element, operand: Element) -> Element:
    """The sum; where it may be outside of what the kind holds it isn't asked for."""
    return stored.op("+")(operand)


ALIKE: Mapping[str, Reckoning] = {"increment": increment}


@dataclass(frozen=True, slots=True)
class Operation:
    """One member's operator in a statement that is being built."""

    binder: Binder
    field: Field
    name: str
    stored: Element
    operand: Element

    def value(self) -> Element:
        """What the member becomes, once the limits are known to hold."""
        return self._sum() if self.name == "increment" else self._plain()

    def result(self) -> Element:
        """The same while they aren't: null where a number has no place for it."""
        return sa.case((self._fits(), self._sum())) if self.name == "increment" else self._plain()

    def checks(self, most_bytes: int) -> dict[str, Element]:
        """The limits of the result by name."""
        if self.name == "increment":
            limits = bounds(self.field.kind)
            return {name: self._within(name, value) for name, value in limits.items()}
        if self.name == "append" and self.field.kind.name == "json":
            size = sa.func.octet_length(sa.cast(self._plain(), sa.Text))
            return {"bytes": size <= number(most_bytes)}
        return {}

    def _plain(self) -> Element:
        return self.binder.dialect.operators[self.name](self.stored, self.operand)

    def _base(self) -> Element:
        return sa.func.coalesce(self.stored, number(0), type_=self.stored.type)

    def _sum(self) -> Element:
        return self.binder.dialect.operators[self.name](self._base(), self.operand)

    def _up(self) -> Element:
        return self.operand > number(0)

    def _fits(self) -> Element:
        """Whether the kind holds the sum, asked so that nothing overflows meanwhile."""
        kind, base, operand = self.field.kind, self._base(), self.operand
        least, most = (self.binder.const(value, kind) for value in extent(kind))
        below, above = least.op("-")(operand), most.op("-")(operand)
        return sa.case((self._up(), base <= above), else_=base >= below)

    def _within(self, name: str, limit: object) -> Element:
        compare = BOUNDS[name][2]
        value = self.binder.const(limit, self.field.kind)
        held: Element = compare(self._sum(), value)  # type: ignore[assignment]
        up = self._up()
        return sa.case((self._fits(), held), else_=sa.not_(up) if name in ("le", "lt") else up)
