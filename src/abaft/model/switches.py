"""What a model's one-line switches make of it: conditional uniqueness, scopes, fields of theirs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from abaft.base.errors import ModelError, RuleError, nearest
from abaft.model import expr as e
from abaft.model import spec
from abaft.model.annotations import Shape
from abaft.model.declare import Config
from abaft.model.declare import Model as Record
from abaft.model.field import Unique
from abaft.model.spec import DELETED, POSITION, Field, Model, Schema, Scope
from abaft.model.trace import trace

EVERY = "all"
"""What asks for a list without any scope; no scope may be called so."""


def switched_fields(cls: type[Record], shapes: Mapping[str, Shape]) -> dict[str, Shape]:
    """The fields that switches bring along."""
    config = cls.__config__
    names = [DELETED] if config.soft_delete else []
    names += [POSITION] if config.ordered is not None else []
    for name in names:
        if name in shapes:
            raise ModelError(f"{cls.__name__}.{name}: a switch brings this field")
    return {name: Shape.made(name) for name in names}


def ordered_by(model: str, fields: Mapping[str, Field], config: Config) -> str | None:
    """The field whose value parts the lists that clients order; "": there is one."""
    name = config.ordered
    if name and (name not in fields or not fields[name].kind.ordered):
        hint = nearest(name, fields)
        raise ModelError(f"{model}: ordered={name!r} is no field that parts lists: {hint}")
    return name


def plain_sets(config: Config) -> tuple[tuple[str, ...], ...]:
    """The fields that are unique together among all records."""
    return tuple(
        group.fields if isinstance(group, Unique) else group
        for group in config.unique
        if not isinstance(group, Unique) or group.where is None
    )


def conditional(schema: Schema, model: Model, config: Config) -> tuple[spec.Unique, ...]:
    """What is unique among the records for which a condition holds."""
    made = []
    for group in config.unique:
        if not isinstance(group, Unique) or group.where is None:
            continue
        where = trace(group.where, schema, model)
        who = f"{model.name}: Unique({', '.join(map(repr, group.fields))})"
        if not group.fields or isinstance(where, e.Const):
            raise ModelError(f"{who}: name fields, and a condition that depends on the record")
        own_columns(model, who, where)
        made.append(spec.Unique(group.fields, where))
    return tuple(made)


def named_scope(model: Model, name: str, where: e.Expr, default: bool) -> Scope:
    """A scope; its condition is the same whoever asks, so that a list can be told by its URL."""
    if name == EVERY:
        raise ModelError(f"{model.name}.{name}: scope=all asks for every record; choose another")

    def look(node: Any) -> Any:
        if isinstance(node, (e.ActorId, e.ActorRole)):
            raise RuleError(
                f"{model.name}.{name}: a scope is of the record alone; `me` is for rules"
            )
        return node

    return Scope(name, e.rewrite(where, look), default)


def own_columns(model: Model, who: str, where: e.Expr) -> None:
    """Raises RuleError for a condition on anything but the record's own values."""

    def look(node: Any) -> Any:
        far = isinstance(node, e.Exists) or (isinstance(node, e.Column) and node.hops)
        if far or isinstance(node, (e.ActorId, e.ActorRole)):
            raise RuleError(
                f"{who} is of the record's own fields, which the database can uphold; write what "
                "looks further as @before or as a rule"
            )
        return node

    e.rewrite(where, look)


def told_by_versions(model: Model, who: str, where: e.Expr) -> None:
    """Raises RuleError for a rule by what is hidden, and so not in any version.

    It could only ask for what is so by now, and what was private would be shown since it isn't.
    """

    def look(node: Any) -> Any:
        if not isinstance(node, (e.Column, e.Exists, e.Reduce)) or node.scope:
            return node
        own = node.name if isinstance(node, e.Column) else node.relation
        name = node.hops[0].relation if node.hops else own
        if name in model.computed:
            e.rewrite(e.IsNull(model.computed[name].value), look)
        columns = model.one[name].columns if name in model.one else (name,)
        fields = [model.fields[column] for column in columns if column in model.fields]
        hidden = any(field.hidden and not field.key for field in fields)
        if hidden or (name in model.many and model.many[name].hidden):
            raise RuleError(
                f"{who}: {name} is hidden, so history=True keeps nothing of it, and what was "
                "private in older versions would be shown: don't hide it, or give it a rule"
            )
        return node

    e.rewrite(where, look)
