"""What differs between SQL databases: types, the JSON of a value, and a few functions."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from typing import Any

import orjson
import sqlalchemy as sa
from sqlalchemy import Column, Select, Table
from sqlalchemy import Index as SqlIndex
from sqlalchemy.sql.elements import ExpressionClauseList
from sqlalchemy.sql.operators import concat_op
from sqlalchemy.sql.selectable import FromClause

from abaft.model.kinds import Kind
from abaft.model.spec import Field, Model
from abaft.store.sql.indexes import Index
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


def listing(joined: Element) -> Element:
    """The JSON list of texts that were joined by commas; null is none."""
    items = sa.func.coalesce(joined, text_literal(""), type_=sa.String)
    return concat([text_literal("["), items, text_literal("]")])


class Dialect(ABC):
    """A database's own ways; one instance serves all statements."""

    sa: sa.Dialect
    explain: str = ""
    """What begins a statement that asks the planner how many rows it expects; "": it can't be."""
    inline_keys: bool = False
    """Whether foreign keys stand in CREATE TABLE, and can't be added later."""
    deferrable: bool = False
    """Whether a key may be checked when the transaction ends, if it is declared so."""
    partial: bool = True
    """Whether an index may be of some records only, and of expressions."""
    unchecked: tuple[str, str] | None = None
    """What puts the checks of keys off and on again, where keys can't spread a delete:
    InnoDB's go 15 levels deep, and restrict what another of them is about to take along."""
    gives_inserted: bool = False
    """Whether an INSERT gives back what it stored."""
    joins_expanded: bool = False
    """Whether relations that a page expands are joined: a subquery for each record costs more."""
    bare: Mapping[str, Encoder | None] = {}
    """The kinds whose JSON is made here on pages, if any: what makes of the driver's value what
    orjson writes as `json` does, null of null; None: nothing has to."""
    truths: tuple[str, str] = ("0", "1")
    """How a constant false and true are written."""
    functions: Mapping[str, Function]
    operators: Mapping[str, Reckoning]
    reductions: Mapping[str, Reduction]
    search: SearchWays

    @abstractmethod
    def type(self, kind: Kind) -> Any:
        """The column type that stores this kind."""

    def column_type(self, model: Model, field: Field) -> Any:
        """The type of a field's column; ModelError where it can't be what it has to."""
        return self.type(field.kind)

    def tied_type(self, model: Model, field: Field, key: Field) -> Any:
        """The type that a field has as it leads to a key of an existing table; None: its own."""
        return None

    def key_type(self, kind: Kind, longest: int) -> Any:
        """The type of a column of our own that is part of a key."""
        return self.type(kind)

    def identity(self) -> list[Any]:
        """What lets the database number a key's column."""
        return []

    def companions(self, model: Model, guards: Mapping[str, Element | None]) -> list[Column[Any]]:
        """Columns that the database makes of others, where indexes can't be made of these.

        `guards` are the conditions of indexes that are of some records only, by their names.
        """
        return []

    def indexed(self, model: Model, index: Index, table: Table, where: Element | None) -> SqlIndex:
        """An index of the records that the condition holds for; text without case is indexed as it
        is compared."""
        columns = []
        for part in index.fields:
            column = table.c[model.fields[part].column]
            columns.append(self.fold(column) if model.fields[part].nocase else column)
        partly: Any = {} if where is None else {f"{self.sa.name}_where": where}
        return sa.Index(index.name, *columns, unique=index.unique, _table=table, **partly)

    def drop_index(self, name: str, table: str) -> str:
        """DROP INDEX; the table's name is quoted where it must be."""
        return f"DROP INDEX {self.sa.identifier_preparer.quote(name)}"

    def joined_update(self, table: str, others: str, tie: str, column: str, value: str) -> str:
        """UPDATE of a table's text by another: SQL text of each part."""
        return f"UPDATE {table} SET {column} = CAST({value} AS TEXT) FROM {others} WHERE {tie}"

    def deleted(self, table: Table, where: Element, most: int) -> Any:
        """Deletes so many rows at the most; gives a row for each."""
        key = table.primary_key.columns
        some = sa.select(*key).where(where).limit(number(most))
        return sa.delete(table).where(sa.tuple_(*key).in_(some)).returning(*key)

    def of_records(self, model: str) -> str:
        """What an index of the feed's records of a model is made of, as SQL text."""
        return f"(record, seq) WHERE model = '{model}'"

    @abstractmethod
    def bytes_literal(self, value: bytes) -> str:
        """Bytes in SQL text."""

    def default(self, kind: Kind, value: Any) -> str:
        """A value in the definition of a column."""
        encode = self.encoder(kind)
        value = encode(value) if encode else value
        if isinstance(value, bytes):
            return self.bytes_literal(value)
        if isinstance(value, str):
            return "'" + value.replace("'", "''") + "'"
        bound = sa.literal(value, self.type(kind))
        return str(bound.compile(dialect=self.sa, compile_kwargs={"literal_binds": True}))

    @abstractmethod
    def encoder(self, kind: Kind) -> Encoder | None:
        """What makes the driver's value of ours; None: it is the same."""

    @abstractmethod
    def decoder(self, kind: Kind) -> Encoder | None:
        """What makes our value of the driver's; None: it is the same."""

    @abstractmethod
    def json(self, kind: Kind, element: Element) -> Element:
        """The JSON text of a value, null where the value is null."""

    def made(self, json: str | None) -> Any:
        """What orjson takes for JSON that the database has made."""
        return None if json is None else orjson.Fragment(json)

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

    def listed(
        self,
        query: Select[Any],
        shown: Element,
        orders: list[Element],
        limit: int | None,
        name: str,
    ) -> Element:
        """The JSON list of the first texts that a correlated query gives, in an order."""
        most = None if limit is None else number(limit)
        rows = query.with_only_columns(shown.label("j")).order_by(*orders).limit(most)
        found = rows.subquery(name)
        return sa.select(listing(self.gather(found.c.j))).select_from(found).scalar_subquery()

    def named(
        self, args: list[Element], kinds: list[Kind], outer: list[Any], label: str
    ) -> FromClause[Any]:
        """A table of one row with the values as v0, v1…, which may be of `outer` tables."""
        labelled = [arg.label(f"v{place}") for place, arg in enumerate(args)]
        return self.kept_apart(sa.select(*labelled).correlate(*outer)).subquery(label)  # type: ignore[no-any-return]

    @abstractmethod
    def fingerprint(self, text: Element) -> Element:
        """The first 32 hexadecimal digits of the text's SHA-256."""

    def call(self, name: str, args: list[Element], kinds: list[Kind], result: Kind) -> Element:
        """A function's value: a row of the dialect's table."""
        return self.functions[name](args, kinds, result)

    def reduce(self, name: str, element: Element, kind: Kind | None, result: Kind) -> Element:
        """An aggregate: a row of the dialect's table."""
        return self.reductions[name](element, kind, result)

    def hold(self, name: str, part: Element | None) -> Any:
        """What holds a name, or a part of it, until the transaction ends; None: one writes at a
        time."""
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

    def upheld(self, condition: Element) -> Element:
        """A condition as a table's check takes it."""
        return condition

    def fold(self, element: Element) -> Element:
        """The text with A-Z as a-z."""
        return sa.func.lower(element)
