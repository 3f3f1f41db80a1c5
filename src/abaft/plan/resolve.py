"""Names from a request become parts of the schema, or a problem that names the nearest one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType

from abaft.base.errors import BadRequest, Problem, nearest
from abaft.model import expr as e
from abaft.model.spec import Field, Model, Schema
from abaft.model.switches import EVERY
from abaft.plan.types import Pick


def unknown_field(model: Model, name: str, pointer: str) -> BadRequest:
    """400: the model has no such name, with the nearest one that it has."""
    detail = f"{model.collection} has no field {name[:80]!r}: {nearest(name, visible(model))}"
    return BadRequest(
        detail, code="unknown_field", errors=[Problem(pointer, "unknown_field", detail)]
    )


def visible(model: Model) -> list[str]:
    """The names that a client may use: hidden ones are as if not there."""
    fields = [name for name, field in model.fields.items() if not field.hidden]
    fields += model.computed
    return [*dict.fromkeys([*fields, *model.one, *_open_many(model)])]


def _open_many(model: Model) -> list[str]:
    return [name for name, many in model.many.items() if not many.hidden]


def column_of(
    schema: Schema, model: Model, path: tuple[str, ...], pointer: str = "?sort"
) -> tuple[e.Column, Field, bool]:
    """The column that a path through to-one relations names, its field, and if it may be null."""
    start, hops, nullable = model, [], False
    for name in path[:-1]:
        one = model.one.get(name) if name in visible(model) else None
        if one is None:
            if name in model.many:
                detail = f"{'.'.join(path)!r} leads through {name!r}, which holds many records"
                problem = Problem(pointer, "to_many", detail)
                raise BadRequest(detail, code="to_many", errors=[problem])
            raise unknown_field(model, name, pointer)
        hops.append(e.Hop(name))
        nullable = nullable or one.nullable or not one.constraint
        model = schema.models[one.target]
    field = model.value(path[-1])
    if field is None or field.hidden:
        raise unknown_field(model, path[-1], pointer)
    column = e.Column(path[-1], tuple(hops))
    if hops and model.key == (path[-1],) and not nullable:
        column, field = _shortened(schema, start, path, column, field)
    return column, field, nullable or field.nullable


def _shortened(
    schema: Schema, model: Model, path: tuple[str, ...], column: e.Column, field: Field
) -> tuple[e.Column, Field]:
    """`author.id` is what `author` stores: no need to go there."""
    for name in path[:-2]:
        model = schema.target(model, name)
    one = model.one[path[-2]]
    if not one.stored:
        return column, field
    return e.Column(path[-2], column.hops[:-1]), model.fields[path[-2]]


def picks(
    schema: Schema,
    model: Model,
    fields: tuple[str, ...] | None,
    expand: tuple[str, ...],
    max_depth: int,
    pages: Mapping[tuple[str, ...], Pick] = MappingProxyType({}),
    at: tuple[str, ...] = (),
) -> Pick:
    """What `fields=` and `expand=` ask for; a dotted field expands its relation to that field.

    `pages` are what is asked of relations by their paths: their own fields, which, how many.
    """
    names: list[str] | None = None if fields is None else []
    nested: dict[str, list[str]] = {}
    for field in fields or ():
        head, _, rest = field.partition(".")
        if rest:
            nested.setdefault(head, []).append(rest)
        else:
            if head not in (*visible(model), *model.virtual):
                raise unknown_field(model, head, "?fields")
            assert names is not None
            names.append(head)
    below: dict[str, list[str]] = {}
    for path in expand:
        head, _, rest = path.partition(".")
        below.setdefault(head, []).extend([rest] if rest else [])
    expanded = []
    for head in dict.fromkeys([*below, *nested, *_picked_relations(model, names)]):
        target = relation(schema, model, head, max_depth)
        page = pages.get((*at, head), Pick())
        own = (*nested.get(head, ()), *(page.fields or ()))
        inner = own if own or page.fields is not None else None
        deeper = tuple(below.get(head, ()))
        pick = picks(schema, target, inner, deeper, max_depth - 1, pages, (*at, head))
        expanded.append((head, replace(page, fields=pick.fields, expand=pick.expand)))
    return Pick(None if names is None else tuple(names), tuple(expanded))


def _picked_relations(model: Model, names: list[str] | None) -> list[str]:
    """Relations named by `fields=` that have no value of their own to show but the records."""
    unstored = [name for name in names or () if name in model.many or name in model.one]
    return [
        name
        for name in unstored
        if name not in model.fields and not (name in model.many and model.many[name].writable)
    ]


def scopes_of(model: Model, names: tuple[str, ...]) -> tuple[str, ...]:
    """The scopes that a reader names in place of the default ones: none for `all`."""
    known = [scope.name for scope in model.scopes]
    for name in names:
        if name not in known and names != (EVERY,):
            detail = (
                f"{model.collection} has no scope {name[:80]!r}: {nearest(name, [EVERY, *known])}"
            )
            problem = Problem("?scope", "unknown_scope", detail)
            raise BadRequest(detail, code="unknown_scope", errors=[problem])
    return tuple(name for name in known if name in names)


def relation(schema: Schema, model: Model, name: str, max_depth: int) -> Model:
    """The model that a relation of this name leads to; BadRequest where there is none."""
    relations = [*model.one, *_open_many(model)]
    hidden = name in model.fields and model.fields[name].hidden
    if name not in relations or hidden:
        detail = f"{model.collection} has no relation {name[:80]!r}: {nearest(name, relations)}"
        problem = Problem("?expand", "unknown_relation", detail)
        raise BadRequest(detail, code="unknown_relation", errors=[problem])
    if max_depth < 1:
        detail = "expand goes through too many relations in a row"
        problem = Problem("?expand", "expand_too_deep", detail)
        raise BadRequest(detail, code="expand_too_deep", errors=[problem])
    return schema.target(model, name)


def key_condition(model: Model) -> e.Expr:
    """The condition of being the record of a key whose values are named key.…"""
    return e.all_of(
        e.Compare("eq", e.Column(name), e.Param(f"key.{name}", model.fields[name].kind))
        for name in model.key
    )
