"""The values between the stages: plain data that anyone may import."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

from abaft.base.frozen import frozen
from abaft.model.expr import TRUE, Expr, Value
from abaft.model.kinds import Kind
from abaft.model.spec import Action, Model, Searched

Deleted = Literal["without", "with", "only"]
"""Whether records that were softly deleted are meant too."""
ReadKind = Literal["one", "page", "count", "versions", "version"]
"""What is read: records, how many, what the feed keeps of one, or one as it was."""
Verb = Literal["", "purge", "restore", "before", "after", "first", "last"]
"""What a write does beside what its action says: deletes for good, undoes a delete, or moves."""
MOVES: tuple[Verb, ...] = ("before", "after", "first", "last")


@dataclass(frozen=True, slots=True)
class Sort:
    """One step of an order, as asked: a path such as ("origin", "name")."""

    path: tuple[str, ...]
    descending: bool = False


@dataclass(frozen=True, slots=True)
class Pick:
    """What is to be shown of a record: `fields` (None: all) and the relations to expand.

    Of a to-many relation's records, which: those that satisfy `where`, in the order of `sort`, at
    most `limit`; with `count` also how many there are.
    """

    fields: tuple[str, ...] | None = None
    expand: tuple[tuple[str, Pick], ...] = ()
    where: Expr = TRUE
    sort: tuple[Sort, ...] = ()
    limit: int | None = None
    count: bool = False
    digest: int = field(init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        parts = (self.fields, self.expand, self.where, self.sort, self.limit, self.count)
        object.__setattr__(self, "digest", hash(parts))

    def __hash__(self) -> int:
        # Every plan is looked up by it.
        return self.digest


@dataclass(frozen=True, slots=True)
class Term:
    """A member of a group's row: with `reduce` an aggregate of the value, else what groups by it.

    `value` is None for a count of records.
    """

    name: str
    kind: Kind
    value: Value | None
    reduce: str = ""


CountMode = Literal["", "exact", "estimated", "bounded"]


@dataclass(frozen=True, slots=True)
class ReadShape:
    """A read without its values: what plans are compiled and kept by.

    `after` is None without a cursor, else for each step of the order whether its value is null.
    `whole` asks for all that is stored, `hidden` for hidden fields too: for a program's eyes, never
    for an answer over HTTP. `scopes` are those named of a list; None: the default ones.

    Of a "version" `was` are the members whose values are given. With `terms` it is groups of
    records that are read: `sort` and `having` are of their members. A "bounded" count goes up to
    the parameter `count_limit`. `search` tells which kinds of terms are searched for, `highlight`
    in which fields they are to be marked.
    """

    model: str
    kind: ReadKind
    where: Expr
    sort: tuple[Sort, ...] = ()
    pick: Pick = Pick()
    after: tuple[bool, ...] | None = None
    offset: bool = False
    count: CountMode = ""
    whole: bool = False
    hidden: bool = False
    scopes: tuple[str, ...] | None = None
    terms: tuple[Term, ...] = ()
    having: Expr = TRUE
    deleted: Deleted = "without"
    search: tuple[str, ...] = ()
    highlight: tuple[str, ...] = ()
    was: tuple[str, ...] = ()
    digest: int = field(init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        parts = (self.model, self.kind, self.where, self.sort, self.pick, self.after, self.scopes)
        switches = (self.offset, self.count, self.whole, self.hidden, self.terms, self.having)
        found = (self.deleted, self.search, self.highlight, self.was)
        object.__setattr__(self, "digest", hash((parts, switches, found)))

    def __hash__(self) -> int:
        # Asked for at every request: the tree of `where` is walked once.
        return self.digest


@frozen
class ReadIntent:
    """A read as asked: its shape and the values of its parameters.

    Among writes it has `pointer` and `needs` as they do; if `required`, it must find something.
    """

    shape: ReadShape
    values: Mapping[str, Any]
    pointer: str = ""
    needs: int = -1
    required: bool = False

    @property
    def model(self) -> str:
        return self.shape.model


class WriteShape(NamedTuple):
    """A write without its values.

    `assigned` are the fields and to-many relations it sets, `given` those of them that the client
    chose; with `match` the record must have the ETag, with `seen` the fingerprint that were read.
    A record that isn't as `where` says is as if it weren't there. `operators` are the members that
    an operator reckons of what is stored, each with its operator's name.
    """

    model: str
    action: Literal["create", "update", "delete"]
    assigned: tuple[str, ...] = ()
    given: frozenset[str] = frozenset()
    pick: Pick = Pick()
    match: bool = False
    seen: bool = False
    where: Expr = TRUE
    operators: tuple[tuple[str, str], ...] = ()
    verb: Verb = ""


@dataclass(frozen=True, slots=True)
class Made:
    """A value yet to be known: the key that the database makes for the write at this place."""

    place: int


@frozen
class WriteIntent:
    """A write as asked: the values that were given, and the key of an update or delete.

    `etags` are those of If-Match; None: any version will do. `merge` tells that JSON objects are
    to be merged into the stored ones (RFC 7396), `replace` that the whole record is given: what
    can't be changed may be among it, unchanged. `made` are values of a new record that are the
    server's own and known beforehand. `where`, with its values, is what the record must be like.
    Of members with an operator, by its name in `operators`, the value is the operand. With `upsert`
    a create changes the record that has the same values of these fields, if there is one.

    One of several writes has its place in the body, a JSON Pointer that comes before those of its
    faults; `needs` is the last of the writes before it that a Made among its values tells of.
    """

    model: str
    action: Literal["create", "update", "delete"]
    values: Mapping[str, Any] = field(default_factory=dict)
    key: Mapping[str, Any] = field(default_factory=dict)
    pick: Pick = Pick()
    etags: tuple[str, ...] | None = None
    merge: bool = False
    replace: bool = False
    made: Mapping[str, Any] = field(default_factory=dict)
    where: Expr = TRUE
    where_values: Mapping[str, Any] = field(default_factory=dict)
    operators: Mapping[str, str] = field(default_factory=dict)
    upsert: tuple[str, ...] = ()
    pointer: str = ""
    needs: int = -1
    verb: Verb = ""
    anchor: Mapping[str, Any] = field(default_factory=dict)

    @property
    def needed(self) -> Action:
        """Whose rules must allow it: a delete is undone by who might do it."""
        return "delete" if self.verb == "restore" else self.action


@dataclass(frozen=True, slots=True)
class Order:
    """One step of an order, resolved."""

    path: tuple[str, ...]
    column: Value
    kind: Kind
    descending: bool
    nullable: bool


@dataclass(frozen=True, slots=True)
class FieldItem:
    """A value in a record's JSON; where `mask` fails the member is left out.

    `value` is what a computed field is reckoned of; None: it is stored.
    """

    name: str
    mask: Expr
    value: Value | None = None


@dataclass(frozen=True, slots=True)
class OneItem:
    """An expanded to-one relation: the object where `guard` holds, else the key."""

    name: str
    mask: Expr
    guard: Expr
    selection: Selection


@dataclass(frozen=True, slots=True)
class ManyItem:
    """A to-many relation: at most `limit` objects, or with `selection` None all their keys.

    `guard` is what rules and scopes say of the records, `where` what was asked.
    """

    name: str
    mask: Expr
    guard: Expr
    link_guard: Expr
    limit: int | None
    selection: Selection | None
    where: Expr = TRUE
    orders: tuple[Order, ...] = ()


@dataclass(frozen=True, slots=True)
class CountItem:
    """How many records of a to-many relation there are, of which a page is shown."""

    name: str
    mask: Expr
    of: ManyItem


@dataclass(frozen=True, slots=True)
class WholeItem:
    """All that is stored of the record, for the functions of virtual fields; never shown.

    An ETag is made of it too: but for the `salt` it would tell who tries them of values.
    """

    selection: Selection
    salt: str = field(repr=False)
    name: str = ""
    mask: Expr = TRUE


Item = FieldItem | OneItem | ManyItem | CountItem | WholeItem


@dataclass(frozen=True, slots=True)
class Selection:
    """What a record's JSON shows, in order; `virtual` members are added after the read."""

    model: str
    items: tuple[Item, ...]
    virtual: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Highlight:
    """A searched field whose text comes along, where `mask` holds, to be marked."""

    name: str
    language: str
    mask: Expr


@dataclass(frozen=True, slots=True)
class Search:
    """A search, resolved; its terms are bound as the value `search`.

    Each of `scopes` tells for which records which fields are searched; no record is in two.
    """

    parts: tuple[str, ...]
    ranked: bool
    scopes: tuple[tuple[Expr, tuple[Searched, ...]], ...]
    highlights: tuple[Highlight, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class Grouped:
    """Groups of a model's records: a table of their own, whose columns are the terms."""

    model: Model
    where: Expr
    terms: tuple[Term, ...]
    search: Search | None = None


@dataclass(frozen=True, slots=True, eq=False)
class ReadPlan:
    """A read as it will be run; parameters are named, not bound.

    `beyond` is the cursor's part of the condition, which a count leaves out. Where `source` isn't
    None, `model` describes the rows of its groups. Of a version, `where` is of the record as it is
    and `beyond` of the record as it was; `was` are the members that are known of it.
    """

    model: Model
    kind: ReadKind
    where: Expr
    beyond: Expr
    orders: tuple[Order, ...]
    selection: Selection
    offset: bool
    count: CountMode
    source: Grouped | None = None
    open: bool = False
    """Whether nothing is kept from who asks, so that the planner, who knows all, may be asked."""
    search: Search | None = None
    was: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class WritePlan:
    """A write as it will be run, in one guarded statement.

    `before` must hold for the stored record and `after` for the one that results; `visible` says
    whether the result may be shown; `targets` are conditions under which the records that given
    relations lead to may be seen, by relation; `where` tells, as the key does, which record is
    meant. With `late`, `after` is asked of the stored record: the database fills in what it asks
    for. Of a stored record that isn't as `reach` says, the writer learns that it isn't there.
    `operators` reckon members of what is stored, JSON up to `most_bytes`; `results` show what of
    them the change feed keeps.
    """

    model: Model
    action: Literal["create", "update", "delete"]
    assigned: tuple[str, ...]
    links: tuple[str, ...]
    before: Expr
    after: Expr
    visible: Expr
    reach: Expr
    targets: tuple[tuple[str, Expr], ...]
    link_guards: tuple[tuple[str, Expr], ...]
    selection: Selection
    match: bool
    seen: Selection | None
    where: Expr = TRUE
    late: bool = False
    verb: Verb = ""
    anchor: Expr = TRUE
    operators: Mapping[str, str] = field(default_factory=dict)
    most_bytes: int = 0
    results: Selection | None = None
