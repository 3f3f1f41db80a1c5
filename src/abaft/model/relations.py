"""Resolves relations between drafts: to-one, back-references and links."""

from __future__ import annotations

from typing import Any, Protocol

from abaft.base.errors import ModelError, nearest
from abaft.model import names
from abaft.model.annotations import Shape
from abaft.model.field import Options
from abaft.model.spec import Field, Many, One
from abaft.model.spec import Model as Spec

MEMBERSHIPS = "@memberships"
"""The relation of users and of groups to memberships; no field can be called so."""


class Draft(Protocol):
    """What is known of a model while its relations are resolved."""

    shapes: dict[str, Shape]
    options: dict[str, Options]
    key: tuple[str, ...]
    fields: dict[str, Field]

    @property
    def name(self) -> str: ...


def one_relation(draft: Draft, other: Draft, name: str, options: Options) -> One:
    """A to-one relation, by its own column or by fields that hold the target's key."""
    relation = options.relation
    via: tuple[str, ...] | None = relation.get("via")
    on_delete = relation.get("on_delete", "restrict")
    nullable = draft.shapes[name].nullable
    if via is not None:
        _check_via(draft, other, name, via)
        nullable = nullable or any(draft.fields[column].nullable for column in via)
    if on_delete == "set null" and not nullable:
        raise ModelError(f"{draft.name}.{name}: on_delete='set null' needs an optional Ref")
    if on_delete == "set null" and via is not None and len(via) > 1:
        raise ModelError(
            f"{draft.name}.{name}: on_delete='set null' needs a Ref with its own field"
        )
    return One(
        name=name,
        target=other.name,
        columns=via or (name,),
        on_delete=on_delete,
        constraint=relation.get("constraint", True),
        stored=via is None,
        nullable=nullable,
    )


def _check_via(draft: Draft, other: Draft, name: str, via: tuple[str, ...]) -> None:
    for column in via:
        if column not in draft.fields:
            hint = nearest(column, draft.fields)
            raise ModelError(
                f"{draft.name}.{name}: via names {column!r}, which is no field: {hint}"
            )
    theirs = [other.fields[part].kind.name for part in other.key]
    ours = [draft.fields[column].kind.name for column in via]
    if ours != theirs:
        raise ModelError(
            f"{draft.name}.{name}: via must hold {other.name}'s key {other.key} "
            f"({', '.join(theirs)}), not {via} ({', '.join(ours)})"
        )


def many_relation(drafts: Any, draft: Draft, other: Draft, name: str, options: Options) -> Many:
    """A back-reference, or a relation through a linking model."""
    hidden = bool(options.flags.get("hidden"))
    back = options.relation.get("back")
    through = draft.shapes[name].through
    if back is not None:
        shape = other.shapes.get(back)
        if (
            shape is None
            or shape.many
            or shape.target is None
            or shape.target.__name__ != draft.name
        ):
            raise ModelError(f"{draft.name}.{name}: {other.name}.{back} is no Ref to {draft.name}")
        return Many(name, other.name, back, hidden=hidden)
    if through is None:
        link, ours, theirs = link_name(draft, name), *link_sides(draft, other)
        return Many(name, other.name, ours, link, theirs, writable=True, hidden=hidden)
    if through.__name__ not in drafts:
        raise ModelError(f"{draft.name}.{name}: pass {through.__name__} to App too")
    middle = drafts[through.__name__]
    sides = [_side(middle, side.name, draft, name) for side in (draft, other)]
    return Many(name, other.name, sides[0], middle.name, sides[1], hidden=hidden)


def add_ties(drafts: Any, draft: Any) -> None:
    """Lets rules ask users and groups for the memberships that this model keeps."""
    for name in draft.cls.__ties__:
        target = draft.one[name].target
        if len(draft.one[name].columns) > 1:
            raise ModelError(f"{draft.name}.{name}: {target}'s key has several fields")
        many = drafts[target].many
        if MEMBERSHIPS in many:
            raise ModelError(f"{target} has two models of memberships: one is enough")
        many[MEMBERSHIPS] = Many(MEMBERSHIPS, draft.name, name, hidden=True)


def _side(middle: Draft, target: str, draft: Draft, name: str) -> str:
    found = [
        key
        for key, shape in middle.shapes.items()
        if shape.target is not None and not shape.many and shape.target.__name__ == target
    ]
    if len(found) != 1:
        raise ModelError(
            f"{draft.name}.{name}: {middle.name} needs exactly one Ref to {target} to link by"
        )
    return found[0]


def link_name(draft: Draft, name: str) -> str:
    """`Post.tags` is linked by the internal model `Post.tags`, table `post_tags`."""
    return f"{draft.name}.{name}"


def link_sides(draft: Draft, other: Draft) -> tuple[str, str]:
    ours, theirs = names.snake(draft.name), names.snake(other.name)
    return (ours, theirs) if ours != theirs else (f"from_{ours}", f"to_{theirs}")


def link_model(draft: Draft, other: Draft, name: str) -> Spec:
    """The internal model whose records are the pairs of a to-many relation."""
    sides = dict(zip(link_sides(draft, other), (draft, other), strict=True))
    fields: dict[str, Field] = {}
    one: dict[str, One] = {}
    for side, model in sides.items():
        if len(model.key) > 1:
            raise ModelError(
                f"{draft.name}.{name}: {model.name}'s key has several fields; link it by a model "
                "of your own: field(through=…)"
            )
        kind = model.fields[model.key[0]].kind
        fields[side] = Field(side, side, kind, key=True, write_once=True, relation=side)
        one[side] = One(side, model.name, (side,), on_delete="cascade")
    return Spec(
        name=link_name(draft, name),
        collection="",
        table=f"{names.snake(draft.name)}_{name}",
        key=tuple(sides),
        fields=fields,
        one=one,
        indexes=(tuple(reversed(sides)),),
        internal=True,
    )
