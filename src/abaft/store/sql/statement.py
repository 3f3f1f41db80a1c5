"""A compiled statement: text, and where each of its values comes from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import sqlalchemy as sa

from abaft.model.kinds import Kind, Text
from abaft.store.columns import Columns
from abaft.store.sql.dialect import Dialect, Element, Encoder


class Bind(NamedTuple):
    """A value by position: a parameter's, or with `name` None the constant."""

    name: str | None
    encode: Encoder | None
    const: Any = None


@dataclass(frozen=True, slots=True, eq=False)
class Statement:
    """SQL text with its binds; `columns` are what a row gives after the JSON."""

    sql: str
    binds: tuple[Bind, ...]
    first: Statement | None = None
    """What must find a row before it is run, where it can't ask so itself."""
    then: Statement | None = None
    """What gives its rows once it has written some, where it has no RETURNING."""
    certain: bool = False
    """Whether it writes one record and gives its row by itself, or fails."""

    def args(self, values: Mapping[str, Any]) -> tuple[Any, ...]:
        """The driver's values, in the order of the text's placeholders."""
        args = []
        for name, encode, const in self.binds:
            value = const if name is None else values[name]
            args.append(value if encode is None or value is None else encode(value))
        return tuple(args)

    def args_of(self, values: Columns) -> list[tuple[Any, ...]]:
        """The driver's values of each of several writes."""
        columns = [
            [const] * values.count if name is None else values.encoded(name, encode)
            for name, encode, const in self.binds
        ]
        return list(zip(*columns, strict=True))


class Binder:
    """Collects the binds of one statement while it is built.

    Statements that are to become parts of one have prefixes, which keep their binds apart.
    """

    def __init__(self, dialect: Dialect, prefix: str = "") -> None:
        self.dialect = dialect
        self._prefix = prefix
        self._binds: dict[str, Bind] = {}

    def param(
        self, name: str, kind: Kind, many: bool = False, encode: Encoder | None = None
    ) -> Element:
        """A value bound at each request."""
        dialect = self.dialect
        chosen = dialect.list_encoder(kind) if many else dialect.encoder(kind)
        kind_type = dialect.list_type(kind) if many else dialect.type(kind)
        if encode is not None:
            first = encode
            chosen = first if chosen is None else _chain(first, chosen)
        return self._add(name, kind_type, Bind(name, chosen), suffix="" if encode is None else "x")

    def const(self, value: Any, kind: Kind) -> Element:
        """A value known when the plan was made, bound all the same."""
        encode = self.dialect.encoder(kind)
        encoded = value if encode is None or value is None else encode(value)
        name = f"const{len(self._binds)}"
        return self._add(name, self.dialect.type(kind), Bind(None, None, encoded))

    def plain(self, name: str, type_: Any) -> Element:
        """A value that is bound as it is given."""
        return self._add(name, type_, Bind(name, None))

    def searched(self, kind: str, encode: Encoder) -> Element:
        """What is made of a search's terms: a "text" or a "list" of texts."""
        text = self.dialect.list_type(Text()) if kind == "list" else sa.Text()
        return self._add("search", text, Bind("search", encode))

    def _add(self, name: str, type_: Any, bind: Bind, suffix: str = "") -> Element:
        label = self._prefix + _label(name) + suffix
        while label in self._binds and self._binds[label] != bind:
            label += "_"
        self._binds[label] = bind
        bound: Element = sa.bindparam(label, bind.const, type_=type_, unique=False)
        if not self._prefix or isinstance(type_, sa.ARRAY):
            return bound
        # A part that isn't meant has nulls bound, and a planner that saw them would find that
        # nothing is cheaper than to plan each execution anew.
        hidden: sa.Select[Any] = sa.select(bound)
        return hidden.scalar_subquery()

    def finish(self, statement: sa.ClauseElement) -> Statement:
        """The statement's text for the dialect, with its binds in order."""
        whole, _ = finished(statement, self.dialect, [self])
        return whole

    def bind(self, label: str) -> Bind | None:
        """What is bound to a placeholder, if it is one of this statement's."""
        return self._binds.get(label)


def finished(
    statement: sa.ClauseElement, dialect: Dialect, binders: Sequence[Binder]
) -> tuple[Statement, list[int]]:
    """The statement, and for each of its binds which of the binders it is of; -1 for none."""
    compiled = statement.compile(dialect=dialect.sa)
    assert isinstance(compiled, sa.sql.compiler.SQLCompiler)
    binds, owners = [], []
    for name in compiled.positiontup or ():
        found = [binder.bind(name) for binder in binders]
        owner = next((place for place, bind in enumerate(found) if bind is not None), -1)
        owners.append(owner)
        # What SQLAlchemy bound by itself is a constant of the plan.
        binds.append(found[owner] if owner >= 0 else Bind(None, None, compiled.params[name]))
    # Neighbouring pieces of constant JSON become one.
    text = str(compiled).replace("' || '", "")
    return Statement(text, tuple(bind for bind in binds if bind is not None)), owners


def _chain(first: Encoder, second: Encoder) -> Encoder:
    return lambda value: second(first(value))


def _label(name: str) -> str:
    return name.replace(".", "_")
