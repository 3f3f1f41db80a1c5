"""What differs between SQL databases: types, the JSON of a value, and a few functions."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Table
from sqlalchemy.sql.elements import ExpressionClauseList
from sqlalchemy.sql.operators import concat_op
from sqlalchemy.sql.selectable import FromClause

from abaft.model.kinds import Kind
from abaft.store.sql.search import SearchWays

Element = sa.ColumnElement[Any]
Encoder = Callable[[Any], Any]
Function = Callable[[list[Element], list[Kind], Kind], Element]
"""Makes the SQL of (arguments, their kinds, the kind of the result)."""
Reckoning = Callable[[Element, Element], Element]
"""What an operator of a PATCH makes of the stored value and the operand."""
Reduction = Callable[[Element, Kind | None, Kind], Element]
"""Makes the SQL of an aggregate of (value, its kind, the kind of the result)."""


def text_literal(text: str) -> Element:
    """Constant SQL text; only names from the schema and JSON's punctuation come here."""
    escaped = text.replace("'", "''")
    return sa.literal_column(f"'{escaped}'", sa.String)


def number(value: int) -> Element:
    """A constant number in SQL text."""
    return sa.literal_column(str(value), sa.Integer)


def concat(parts: list[Element]) -> Element:
    """The parts as one text: a || b || c.

    Put together at once: to add one after the other takes the square of the time.
    """
    if len(parts) == 1:
        return parts[0]
    grouped = [part.self_group(against=concat_op) for part in parts]
    return ExpressionClauseList(concat_op, *grouped, type_=sa.String())


def as_text(element: Any) -> Element:
    """The element taken for text by SQLAlchemy, without a cast in the statement."""
    return sa.type_coerce(element, sa.String)


class Dialect(ABC):
    """A database's own ways; one instance serves all statements."""

    sa: sa.Dialect
    placeholder: str
    explain: str = ""
    """What begins a statement that asks the planner how many rows it expects; "": it can't be."""
    functions: Mapping[str, Function]
    operators: Mapping[str, Reckoning]
    reductions: Mapping[str, Reduction]
    search: SearchWays

    @abstractmethod
    def type(self, kind: Kind) -> Any:
        """The column type that stores this kind."""

    @abstractmethod
    def encoder(self, kind: Kind) -> Encoder | None:
        """What makes the driver's value of ours; None: it is the same."""

    @abstractmethod
    def decoder(self, kind: Kind) -> Encoder | None:
        """What makes our value of the driver's; None: it is the same."""

    @abstractmethod
    def json(self, kind: Kind, element: Element) -> Element:
        """The JSON text of a value, null where the value is null."""

    def knows(self, kind: Kind) -> bool:
        """Whether columns of this database may hold the kind as it says."""
        return not kind.stored

    def holds(self, kind: Kind, type_: str, family: Callable[[str], str]) -> bool:
        """Whether an existing column of this type holds the kind as it says."""
        wanted = self.type(kind).compile(dialect=self.sa)
        return not (family(type_) and family(wanted)) or family(type_) == family(wanted)

    def value(self, kind: Kind, column: Element) -> Element:
        """A stored column as the value that is compared and shown."""
        return column

    def ordered(self, kind: Kind, value: Element) -> Element:
        """The value as its order goes: of text, by code point."""
        return value

    def own(self, kind: Kind, value: Element) -> Element:
        """The value in our own form."""
        return value

    def assigned(self, kind: Kind, value: Element) -> Element:
        """A value as the column takes it."""
        return value

    @abstractmethod
    def list_encoder(self, kind: Kind) -> Encoder:
        """What makes the driver's value of a list of ours."""

    @abstractmethod
    def among(self, element: Element, param: Element) -> Element:
        """Whether the element is in the bound list."""

    @abstractmethod
    def list_type(self, kind: Kind) -> Any:
        """The type of a bound list."""

    @abstractmethod
    def contains(self, element: Element, part: Element) -> Element:
        """Whether the text has the part."""

    @abstractmethod
    def endswith(self, element: Element, part: Element) -> Element:
        """Whether the text ends so."""

    @abstractmethod
    def gather(self, element: Element) -> Element:
        """The texts of a group, joined by commas in their order."""

    @abstractmethod
    def fingerprint(self, text: Element) -> Element:
        """The first 32 hexadecimal digits of the text's SHA-256."""

    def call(self, name: str, args: list[Element], kinds: list[Kind], result: Kind) -> Element:
        """A function's value: a row of the dialect's table."""
        return self.functions[name](args, kinds, result)

    def reduce(self, name: str, element: Element, kind: Kind | None, result: Kind) -> Element:
        """An aggregate: a row of the dialect's table."""
        return self.reductions[name](element, kind, result)

    def hold(self, name: str, part: Element | None) -> Element | None:
        """Holds a name, or a part of it, until the transaction ends; None: one writes at a time."""
        return None

    def counted(self, table: Table, column: str) -> Element:
        """What stands for the next key that the database counts."""
        return sa.null()

    @abstractmethod
    def has_member(self, element: Element, name: str) -> Element:
        """Whether the JSON object has a member of this name."""

    def kept_apart(self, query: Any) -> Any:
        """The query, of which the planner makes no part of another."""
        return query

    def nested(self, outer: FromClause[Any], inner: FromClause[Any]) -> FromClause[Any]:
        """A join of all with all, on SQLite with its loops nested in this order."""
        return outer.join(inner, sa.true())

    def startswith(self, element: Element, part: Element, low: Element, high: Element) -> Element:
        """Whether the text begins so: a range, which an index serves."""
        return sa.and_(element >= low, element < high)

    def fold(self, element: Element) -> Element:
        """The text with A-Z as a-z."""
        return sa.func.lower(element)


def after_prefix(prefix: str) -> str:
    """The least text, by code point, that is above all that begin with the prefix."""
    while prefix:
        last = ord(prefix[-1])
        if last < 0x10FFFF:
            # The surrogates are no characters: U+E000 follows U+D7FF.
            following = 0xE000 if last == 0xD7FF else last + 1
            return prefix[:-1] + chr(following)
        prefix = prefix[:-1]
    return chr(0x10FFFF) * 64


def fold_ascii(text: str) -> str:
    """A-Z as a-z and nothing else, as the databases fold."""
    return text.translate({code: code + 32 for code in range(65, 91)})
