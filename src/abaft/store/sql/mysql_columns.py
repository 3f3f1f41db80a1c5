"""How MySQL and MariaDB store fields, and what their indexes can be made of.

An index holds 3,072 bytes, which are 768 characters, and no expressions on MariaDB. What is
longer, compared without case, or of some records only, is indexed by its beginning, or by a column
that the database makes of it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import mysql
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.functions import FunctionElement

from abaft.base.digest import fingerprint
from abaft.base.errors import ModelError
from abaft.model.kinds import Choice, Kind
from abaft.model.spec import Field, Model, Schema
from abaft.store.sql.dialect import Dialect, Element, number
from abaft.store.sql.indexes import Index, index_groups
from abaft.store.sql.mysql_compiler import (
    COMPANION,
    LongBytes,
    LongText,
    ShortBytes,
    ShortText,
)

LONGEST, BEGINNING = 768, 191
"""Characters of text that an index can hold whole, and of longer text."""
_USUAL, _ROW = 255, 14_000
"""Characters up to which text that isn't indexed stands in the row, and of all such text."""
_EMAIL = 320


def lowered(element: Element) -> Element:
    """The text with A-Z as a-z, and no other letter changed: in ISO 8859-8 no others have case."""
    return _by_byte("lower", element)


def raised(element: Element) -> Element:
    """The text with a-z as A-Z, and no other letter changed."""
    return _by_byte("upper", element)


def _by_byte(name: str, element: Element) -> Element:
    single = _Using(sa.cast(element, sa.LargeBinary), "hebrew")
    moved = getattr(sa.func, name)(single)
    return _Using(sa.cast(moved, sa.LargeBinary), "utf8mb4")


class _Using(FunctionElement[Any]):
    """CONVERT(value USING charset)."""

    name = "abaft_using"
    type = sa.Text()
    inherit_cache = False

    def __init__(self, value: Any, charset: str) -> None:
        super().__init__(value)
        self.charset = charset


@compiles(_Using)
def _using(element: _Using, compiler: Any, **options: Any) -> str:
    [value] = element.clauses
    made = f"convert({compiler.process(value, **options)} using {element.charset})"
    # What it gives would be compared as the charset's own collation says.
    own = element.charset == "utf8mb4"
    return f"({made} COLLATE {compiler.dialect.collation})" if own else made


class Columns:
    """The columns of one model's table."""

    def __init__(self, dialect: Dialect, model: Model) -> None:
        self._dialect, self._model = dialect, model
        self._groups = index_groups(model) if model.managed else []
        indexed = {name for index in self._groups for name in index.fields}
        self._tied = {part: one.columns for one in model.one.values() for part in one.columns}
        self._indexed = indexed | {*self._tied, *model.key}

    @staticmethod
    def short(longest: int) -> Any:
        return ShortText(longest)

    @staticmethod
    def low(column: str) -> str:
        """The name of the column's text without case."""
        return _name("low", column)

    def type(self, field: Field) -> Any:
        """The type of a field's column."""
        kind = self._dialect.type(field.kind)
        if not isinstance(kind, (LongText, LongBytes)) or field.kind.name == "json":
            return kind
        wide = self._width(field)
        if wide is None:
            return kind
        return ShortText(wide) if isinstance(kind, LongText) else ShortBytes(wide)

    def _width(self, field: Field) -> int | None:
        """The characters or bytes of a column that an index can hold; None: it can't."""
        most = _longest(field.kind)
        whole = field.name in self._model.key or field.name in self._tied
        if whole and (most is None or most > LONGEST):
            return self._of_key(field, most)
        if most is None or most > LONGEST:
            return None
        if field.name in self._indexed:
            return most
        usual = [_longest(other.kind) or _ROW for other in self._model.fields.values()]
        within = sum(size for size in usual if size <= _USUAL) <= _ROW
        return most if most <= _USUAL and within else None

    def _of_key(self, field: Field, most: int | None) -> int:
        """A key is indexed whole, whatever length was declared for it."""
        if most is not None:
            raise ModelError(
                f"{self._model.name}.{field.name}: a key of text has {LONGEST} characters at most "
                f"on MySQL and MariaDB: set max_length={LONGEST} or less"
            )
        parts = self._model.key if field.name in self._model.key else self._tied[field.name]
        return LONGEST // len(parts)

    def companions(self, guards: Mapping[str, Element | None]) -> list[sa.Column[Any]]:
        """The columns that indexes need besides."""
        made: dict[str, sa.Column[Any]] = {}
        for index in self._groups:
            for field, way in self._ways(index):
                companion = self._companion(field, way)
                if companion is not None:
                    made[companion.name] = companion
            guard = guards[index.name]
            if guard is not None and index.unique:
                name = _name("if", index.name)
                made[name] = _computed(name, mysql.TINYINT(), sa.case((guard, number(1))))
        return list(made.values())

    def _ways(self, index: Index) -> list[tuple[Field, str]]:
        """How each field is in the index: as it is, without case, as a digest or a beginning."""
        names = list(index.fields)
        while not index.unique and len(names) > 1 and names[-1] in self._model.key:
            names.pop()  # InnoDB ends its indexes with the key by itself
        fields = [self._model.fields[name] for name in names]
        ways = {field.name: self._way(field, index) for field in fields}
        cut = "sum" if index.unique else "begin"
        while sum(self._bytes(field, ways[field.name]) for field in fields) > LONGEST * 4:
            widest = max(fields, key=lambda field: self._bytes(field, ways[field.name]))
            ways[widest.name] = cut
        return [(field, ways[field.name]) for field in fields]

    def _way(self, field: Field, index: Index) -> str:
        if isinstance(self.type(field), (LongText, LongBytes)):
            return "sum" if index.unique else "begin"
        return "low" if field.nocase else "plain"

    def _bytes(self, field: Field, way: str) -> int:
        """What the field takes in an index."""
        type_ = self.type(field)
        if way == "sum":
            return 32
        if way == "begin":
            return BEGINNING * 4
        if isinstance(type_, (ShortText, ShortBytes)):
            return (type_.length or 0) * (4 if isinstance(type_, ShortText) else 1)
        return 8

    def _companion(self, field: Field, way: str) -> sa.Column[Any] | None:
        """What stands for the column in an index; None: the column itself."""
        column: Any = sa.column(field.column, self._dialect.type(field.kind))
        value = lowered(column) if field.nocase else column
        if way == "sum":
            digest = sa.func.unhex(sa.func.sha2(value, number(256)))
            return _computed(_name("sum", field.column), ShortBytes(32), digest)
        if way == "low":
            return _computed(self.low(field.column), ShortText(self._width(field)), value)
        if way == "begin" and field.nocase:
            beginning = sa.func.left(value, number(BEGINNING))
            return _computed(_name("begin", field.column), ShortText(BEGINNING), beginning)
        return None

    def index(self, index: Index, table: sa.Table) -> sa.Index:
        """The index, made of what stands for its fields."""
        columns: list[Any] = []
        lengths: dict[str, int] = {}
        for field, way in self._ways(index):
            companion = self._companion(field, way)
            column = table.c[field.column if companion is None else companion.name]
            columns.append(column)
            if way == "begin" and companion is None:
                lengths[column.name] = BEGINNING
        guard = table.c.get(_name("if", index.name)) if index.unique else None
        columns += [] if guard is None else [guard]
        options: Any = {"mysql_length": lengths} if lengths else {}
        return sa.Index(index.name, *columns, unique=index.unique, _table=table, **options)


def limits(schema: Schema) -> list[str]:
    """Keys of text that have no length of their own."""
    short = [
        f"{model.name}.{name} ({LONGEST // len(model.key)})"
        for model in schema.models.values()
        for name in model.key
        if model.managed and _endless(model, name)
    ]
    told = "MySQL and MariaDB have so many characters of a key at most, of which max_length tells"
    return [f"{told}: {', '.join(short)}"] if short else []


def _endless(model: Model, name: str) -> bool:
    kind, tied = model.fields[name].kind, [one.columns for one in model.one.values()]
    return kind.textual and _longest(kind) is None and not any(name in parts for parts in tied)


def _longest(kind: Kind) -> int | None:
    """The most characters or bytes that a value can have."""
    if kind.name == "uuid":
        return 36
    if isinstance(kind, Choice):
        return max(len(str(option)) for option in kind.options) if kind.of_text else None
    if kind.name == "email":
        return min(int(dict(kind.limits).get("max_length", _EMAIL)), _EMAIL)
    most: int | None = dict(kind.limits).get("max_length")
    return most


def _name(what: str, of: str) -> str:
    name = f"{COMPANION}{what}_{of}"
    return name if len(name) <= 64 else f"{name[:55]}_{fingerprint(name)[:8]}"


def _computed(name: str, type_: Any, value: Any) -> sa.Column[Any]:
    return sa.Column(name, type_, sa.Computed(value, persisted=False), nullable=True)
