"""How a field is annotated and told its manners: field(), Ref, Many, and the marks of types."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from dataclasses import field as slot
from typing import Annotated, Any, Generic, Literal, TypeVar

from abaft.model.spec import OnDelete

T = TypeVar("T")
V = TypeVar("V")


class Sentinel:
    """A default that is known only when a record is written."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __repr__(self) -> str:
        return self.name


by_database: Any = Sentinel("by_database")
me: Any = Sentinel("me")
now: Any = Sentinel("now")
UNSET: Any = Sentinel("unset")


@dataclass(frozen=True, slots=True)
class Mark:
    """Tells an annotation's kind where its Python type doesn't."""

    name: Literal["ref", "email", "url"]


Ref = Annotated[T, Mark("ref")]
Email = Annotated[str, Mark("email")]
Url = Annotated[str, Mark("url")]


class Many(list[T], Generic[T]):
    """A to-many relation; in rules it is asked by `.any(lambda item: …)`."""

    def any(self, where: Callable[[T], bool] | None = None) -> bool:
        """Whether a record of the relation satisfies `where`."""
        return bool(self) if where is None else any(where(item) for item in self)

    def all(self, where: Callable[[T], bool]) -> bool:
        """Whether every record of the relation satisfies `where`."""
        return all(where(item) for item in self)

    def count(self, where: Callable[[T], bool] | None = None) -> int:  # type: ignore[override]
        """How many records of the relation satisfy `where`."""
        return len(self._where(where))

    def sum(self, of: Callable[[T], V], where: Callable[[T], bool] | None = None) -> V:
        """The sum of a value of them; None of no values."""
        return self._reduced("sum", of, where)  # type: ignore[no-any-return]

    def avg(self, of: Callable[[T], Any], where: Callable[[T], bool] | None = None) -> float:
        """The mean of a value of them, a float."""
        return self._reduced("avg", of, where)  # type: ignore[no-any-return]

    def min(self, of: Callable[[T], V], where: Callable[[T], bool] | None = None) -> V:
        """The least of a value of them."""
        return self._reduced("min", of, where)  # type: ignore[no-any-return]

    def max(self, of: Callable[[T], V], where: Callable[[T], bool] | None = None) -> V:
        """The greatest of a value of them."""
        return self._reduced("max", of, where)  # type: ignore[no-any-return]

    def _where(self, where: Callable[[T], bool] | None) -> list[T]:
        return [item for item in self if where is None or where(item)]

    def _reduced(self, name: str, of: Callable[[T], Any], where: Any) -> Any:
        values = [value for item in self._where(where) if (value := of(item)) is not None]
        if not values:
            return None
        if name == "avg":
            return sum(values) / len(values)
        return sum(values) if name == "sum" else min(values) if name == "min" else max(values)


class Unique:
    """Fields that no two records share, of those for which `where`, a function of a record, holds.

    For a model's keyword: `unique=[Unique("slug", where=lambda post: post.published)]`.
    """

    def __init__(self, *fields: str, where: Callable[[Any], Any] | None = None) -> None:
        self.fields = fields
        self.where = where


@dataclass(frozen=True, slots=True)
class Options:
    """What field() was told."""

    default: Any = UNSET
    limits: Mapping[str, Any] = slot(default_factory=dict)
    flags: Mapping[str, Any] = slot(default_factory=dict)
    relation: Mapping[str, Any] = slot(default_factory=dict)


_LIMITS = ("max_length", "min_length", "pattern", "ge", "gt", "le", "lt", "max_digits",
           "decimal_places")  # fmt: skip


def field(
    *,
    default: Any = UNSET,
    default_factory: Callable[[], Any] | None = None,
    max_length: int | None = None,
    min_length: int | None = None,
    pattern: str | None = None,
    ge: Any = None,
    gt: Any = None,
    le: Any = None,
    lt: Any = None,
    max_digits: int | None = None,
    decimal_places: int | None = None,
    key: bool = False,
    unique: bool = False,
    index: bool = False,
    collate: Literal["binary", "nocase"] = "binary",
    hidden: bool = False,
    read_only: bool = False,
    write_once: bool = False,
    search: bool | str = False,
    search_weight: int = 1,
    format: Literal["", "html", "markdown"] = "",
    renders: str = "",
    column: str | None = None,
    stored: str = "",
    on_delete: OnDelete = "restrict",
    constraint: bool = True,
    via: str | tuple[str, ...] | None = None,
    back: str | None = None,
    through: type[Any] | str | None = None,
    description: str = "",
    examples: Iterable[Any] = (),
    init: bool = True,
) -> Any:
    """A field's default, constraints and manners.

    `default` may be a value, `now`, `me` or `by_database`; `default_factory` is called for each
    record. `column` names an existing column, and `stored` how it holds its values where that
    isn't abaft's own way (docs/inspect.md). `collate="nocase"` compares blind to the case of A-Z.
    `search` marks text for full-text search: True, or the language of its stems; what is found
    there counts `search_weight` times. `format` has what would run taken out of what is written.
    `renders` names a field of Markdown, whose HTML this one holds.
    For a Ref: `on_delete` ("restrict", "cascade", "set null"); `constraint=False` leaves out the
    foreign key; `via` names the fields of this model that already hold the target's key. For a
    Many: `back` names the target's Ref to this model; `through` a linking model of both.
    """
    if default_factory is not None:
        default = default_factory if default is UNSET else default
    default = "" if renders and default is UNSET else default
    given = (max_length, min_length, pattern, ge, gt, le, lt, max_digits, decimal_places)
    limits = dict(zip(_LIMITS, given, strict=True))
    flags = {
        "key": key,
        "unique": unique,
        "index": index,
        "nocase": collate == "nocase",
        "hidden": hidden,
        "read_only": read_only or bool(renders),
        "write_once": write_once,
        "search": search,
        "search_weight": search_weight,
        "format": format,
        "renders": renders,
        "column": column,
        "stored": stored,
        "description": description,
        "examples": tuple(examples),
        "factory": default_factory is not None,
    }
    relation = {
        "on_delete": on_delete,
        "constraint": constraint,
        "via": (via,) if isinstance(via, str) else via,
        "back": back,
        "through": through,
    }
    set_limits = {name: value for name, value in limits.items() if value is not None}
    return Options(default, set_limits, flags, relation)
