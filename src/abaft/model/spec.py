"""The frozen schema: what models were declared to be, as plain values."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal
from urllib.parse import quote

from abaft.base.digest import fingerprint
from abaft.model.expr import TRUE, Column, Expr, IsNull, Value, all_of
from abaft.model.kinds import Integer, Kind

Action = Literal["read", "create", "update", "delete"]
ACTIONS: tuple[Action, ...] = ("read", "create", "update", "delete")
OnDelete = Literal["cascade", "restrict", "set null"]
POSITION = "position"
"""The field that keeps the place of a record of a model with `ordered`."""
DELETED = "deleted"
"""The field that tells when a record of a model with `soft_delete` was deleted."""
Stamp = Literal["created", "updated", "deleted", "position"]


@dataclass(frozen=True, slots=True)
class Field:
    """A stored value of a model, or the key that a to-one relation stores."""

    name: str
    column: str
    kind: Kind
    nullable: bool = False
    required: bool = True
    default: Callable[[], Any] | None = None
    default_me: bool = False
    default_tenant: bool = False
    by_database: bool = False
    key: bool = False
    generated: bool = False
    unique: bool = False
    index: bool = False
    nocase: bool = False
    hidden: bool = False
    read_only: bool = False
    write_once: bool = False
    search: bool | str = False
    search_weight: int = 1
    stamp: Stamp | None = None
    relation: str | None = None
    description: str = ""
    examples: tuple[Any, ...] = ()

    @property
    def writable(self) -> bool:
        """Whether a client may give it."""
        return not (self.read_only or self.generated or self.stamp)


RELEVANCE = Field("@relevance", "", Integer())
"""How well a record is what a search asks for: a number that is there only while it is read."""


@dataclass(frozen=True, slots=True)
class One:
    """A to-one relation: `columns` here name the target's key, in its order."""

    name: str
    target: str
    columns: tuple[str, ...]
    on_delete: OnDelete = "restrict"
    constraint: bool = True
    stored: bool = True
    nullable: bool = False


@dataclass(frozen=True, slots=True)
class Many:
    """A to-many relation.

    A back-reference has `link` None and `back` names the target's relation to us; otherwise `link`
    is the linking model, whose relation `back` leads here and `forward` to the target.
    """

    name: str
    target: str
    back: str
    link: str | None = None
    forward: str | None = None
    writable: bool = False
    hidden: bool = False


@dataclass(frozen=True, slots=True)
class Rule:
    """Who may do `actions`; with `fields`, it is the only way to those fields."""

    name: str
    actions: tuple[Action, ...]
    where: Expr
    fields: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Hook:
    """An async function run before or after writes, in order of declaration.

    One that runs "within" comes after the write and in its transaction: by raising it undoes both.
    """

    name: str
    when: Literal["before", "within", "after"]
    actions: tuple[Action, ...]
    call: Callable[..., Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Check:
    """A condition that every stored record satisfies."""

    name: str
    where: Expr


@dataclass(frozen=True, slots=True)
class Unique:
    """Fields whose values no two records share, of those for which `where` holds."""

    fields: tuple[str, ...]
    where: Expr = TRUE

    def name(self, table: str) -> str:
        """What its index is called, by which a refusal tells of it; another condition, another."""
        name = f"uq_{table}_{'_'.join(self.fields)}"
        if self.where == TRUE:
            return name[:63]
        return f"{name[:51]}_if_{fingerprint(repr(self.where))[:8]}"


@dataclass(frozen=True, slots=True)
class Searched:
    """A field that is searched: the language of its stems, and how much is found there counts.

    Fields of one `group` weigh the same and are read under the same rules.
    """

    name: str
    language: str
    weight: int
    group: int


@dataclass(frozen=True, slots=True)
class Scope:
    """A condition on lists by name; a default one holds unless a reader asks otherwise."""

    name: str
    where: Expr
    default: bool = True


@dataclass(frozen=True, slots=True)
class Computed:
    """A value reckoned of others when it is asked for; `field` is how it is shown."""

    field: Field
    value: Value


@dataclass(frozen=True, slots=True)
class Virtual:
    """A member that a Python function adds to a record once it has been read."""

    name: str
    call: Callable[[Any], Any]
    annotation: Any
    description: str = ""


LIVING = IsNull(Column(DELETED))


def url_part(text: str) -> str:
    """The text percent-encoded as one part of a key."""
    # Most keys need no encoding, and a load writes many.
    bare = text.replace("-", "")
    return text if bare.isascii() and bare.isalnum() else quote(text, safe=":@")


@dataclass(frozen=True, slots=True, eq=False)
class Model:
    """A model whole; `fields` holds stored values, `one` and `many` its relations."""

    name: str
    collection: str
    table: str
    key: tuple[str, ...]
    fields: Mapping[str, Field]
    one: Mapping[str, One] = field(default_factory=dict)
    many: Mapping[str, Many] = field(default_factory=dict)
    rules: tuple[Rule, ...] = ()
    hooks: tuple[Hook, ...] = ()
    uniques: tuple[tuple[str, ...], ...] = ()
    indexes: tuple[tuple[str, ...], ...] = ()
    checks: tuple[Check, ...] = ()
    conditional: tuple[Unique, ...] = ()
    scopes: tuple[Scope, ...] = ()
    computed: Mapping[str, Computed] = field(default_factory=dict)
    virtual: Mapping[str, Virtual] = field(default_factory=dict)
    soft_delete: bool = False
    history: bool = False
    ordered: str | None = None
    searched: tuple[Searched, ...] = ()
    description: str = ""
    internal: bool = False
    own: bool = False
    """Whether it holds what abaft keeps for itself: above all rules, and served to nobody."""
    tenancy: Expr = TRUE
    """Which records belong to the tenant of who asks; rules are asked of no others."""
    schema: str = ""
    managed: bool = True
    read_only: bool = False
    cls: Any = None
    once: frozenset[str] = field(init=False, repr=False)
    """The fields that are set when a record is made and then stay."""
    touched: tuple[str, ...] = field(init=False, repr=False)
    """The fields that take the time of each change."""

    def __post_init__(self) -> None:
        rows = self.fields.values()
        object.__setattr__(self, "once", frozenset(row.name for row in rows if row.write_once))
        touched = tuple(row.name for row in rows if row.stamp == "updated")
        object.__setattr__(self, "touched", touched)

    def __repr__(self) -> str:
        return f"<model {self.name}>"

    @property
    def served(self) -> bool:
        """Whether it is a collection."""
        return not (self.internal or self.own)

    @property
    def place(self) -> str:
        """The table with its schema, where that isn't the database's current one."""
        return f"{self.schema}.{self.table}" if self.schema else self.table

    def value(self, name: str) -> Field | None:
        """The field of this name, stored or computed."""
        found = self.fields.get(name)
        if found is None and name in self.computed:
            return self.computed[name].field
        return found

    def written(self, key: Mapping[str, Any]) -> str:
        """A key as URLs and the change feed write it: percent-encoded parts, commas between."""
        return ",".join(url_part(self.fields[name].kind.spell(key[name])) for name in self.key)

    def guards(self, name: str, action: Action = "read") -> bool:
        """Whether the field has a rule of its own for this."""
        return any(action in rule.actions and name in rule.fields for rule in self.rules)

    def unique_sets(self) -> list[Unique]:
        """All that is unique but the key, each with the records that it is among.

        A key with text without case is unique by code point, and here by what it is compared as.
        """
        single = [(row.name,) for row in self.fields.values() if row.unique]
        groups = [group for group in (*single, *self.uniques) if group != self.key]
        sets = [*map(Unique, groups), *self.conditional]
        if self.soft_delete:
            # What a deleted record holds may be used again.
            sets = [Unique(row.fields, all_of((row.where, LIVING))) for row in sets]
        if self.managed and any(self.fields[name].nocase for name in self.key):
            sets.insert(0, Unique(self.key))
        # But for its place, to which it may return.
        return [*sets, Unique(self.order)] if self.order else sets

    @property
    def order(self) -> tuple[str, ...]:
        """The fields of the order that clients make by hand, if they do: its list, the place in it.

        `ordered` is the field whose value parts the lists; "": there is one list.
        """
        if self.ordered is None:
            return ()
        return (self.ordered, POSITION) if self.ordered else (POSITION,)

    def unique_keys(self) -> list[tuple[str, ...]]:
        """The fields that tell one record from all others: an upsert goes by them."""
        plain = (TRUE, LIVING) if self.soft_delete else (TRUE,)
        others = (row.fields for row in self.unique_sets() if row.where in plain)
        return [*dict.fromkeys((self.key, *others))]

    @property
    def living(self) -> Expr | None:
        """What a record must be not to count as deleted; None where none can be so."""
        return LIVING if self.soft_delete else None

    def hooks_for(self, when: str, action: Action) -> tuple[Hook, ...]:
        if not self.hooks:
            return ()
        return tuple(hook for hook in self.hooks if hook.when == when and action in hook.actions)


@dataclass(frozen=True, slots=True, eq=False)
class Schema:
    """All models by name; `collections` holds those that are served, by their path."""

    models: Mapping[str, Model]
    collections: Mapping[str, Model]
    tenant: str = ""
    """The model whose records are tenants, if there is one."""

    def target(self, model: Model, relation: str) -> Model:
        """The model that a relation leads to."""
        found = model.one.get(relation) or model.many[relation]
        return self.models[found.target]

    def with_history(self) -> list[str]:
        """The models whose changes are never pruned."""
        return [model.name for model in self.models.values() if model.history]

    def inbound(self, model: Model) -> list[tuple[Model, One]]:
        """The constrained relations of all models that lead here."""
        return [
            (source, one)
            for source in self.models.values()
            for one in source.one.values()
            if one.target == model.name and one.constraint
        ]
