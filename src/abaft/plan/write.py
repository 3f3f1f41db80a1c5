"""From a write's shape to its plan."""

from __future__ import annotations

from abaft.base.errors import Forbidden, Problem
from abaft.base.settings import Settings
from abaft.model import expr as e
from abaft.model.spec import POSITION, Action, Model, Schema
from abaft.plan.access import Access
from abaft.plan.read import refuse, select, whole
from abaft.plan.types import MOVES, Deleted, FieldItem, Selection, WritePlan, WriteShape

VERBS = {"read": "read", "create": "created", "update": "changed", "delete": "deleted"}

_MEANT: dict[str, Deleted] = {"purge": "with", "restore": "only"}


def plan_write(schema: Schema, settings: Settings, access: Access, shape: WriteShape) -> WritePlan:
    """The plan of this shape for this kind of actor.

    Raises Forbidden, or Unauthorized, where no record may be written so at all.
    """
    model = schema.models[shape.model]
    action: Action = "delete" if shape.verb == "restore" else shape.action
    meant = _MEANT.get(shape.verb, "without")
    rule = access.rules(model, action)
    if rule == e.FALSE:
        refuse(access, f"{model.collection} may not be {VERBS[action]}")
    fields = _field_rules(access, model, shape)
    known = _known_rules(access, model, shape, meant)
    stored = access.records(model, action, meant)
    after = e.TRUE if action == "delete" else e.all_of((rule, fields))
    return WritePlan(
        model=model,
        action=shape.action,
        assigned=_assigned(model, shape),
        links=tuple(name for name in shape.assigned if name in model.many),
        before=e.TRUE if shape.action == "create" else e.all_of((stored, fields, known)),
        after=after,
        visible=access.records(model, "read"),
        reach=access.records(model, "read", meant),
        targets=_targets(schema, access, model, shape),
        link_guards=_link_guards(schema, access, model, shape),
        selection=select(schema, settings, access, model, shape.pick),
        match=shape.match,
        seen=whole(schema, settings, model) if shape.seen else None,
        where=access.protect(model, shape.where),
        late=shape.action == "create" and _asks_the_database(model, shape, after),
        verb=shape.verb,
        anchor=access.records(model, "read"),
        operators=dict(shape.operators),
        most_bytes=settings.max_body_bytes,
        results=_results(model, shape),
    )


def _results(model: Model, shape: WriteShape) -> Selection | None:
    """What operators made of fields; what they made of to-many relations is known later."""
    names = [name for name, _ in shape.operators if name in model.fields]
    return Selection(model.name, tuple(FieldItem(n, e.TRUE) for n in names)) if names else None


def _known_rules(access: Access, model: Model, shape: WriteShape, meant: Deleted) -> e.Expr:
    """What a refusal or a result would tell of must be readable.

    An operator reckons with what is stored, a field that is set once is held against it, and so is
    all of the record by If-Match, whose ETag could be tried out.
    """
    fields = model.fields
    once = [n for n in shape.given if shape.action == "update" and n in fields]
    once = sorted(name for name in once if fields[name].write_once)
    named = [*(name for name, _ in shape.operators if name in fields), *once]
    masks = [access.field(model, "read", name) for name in named]
    forbidden = [name for name, mask in zip(named, masks, strict=True) if mask == e.FALSE]
    if forbidden:
        raise _forbidden(
            [
                Problem(f"/{name}", "field_forbidden", f"{name} may not be read, only set")
                for name in forbidden
            ]
        )
    looked_at = named or shape.match
    return e.all_of((access.records(model, "read", meant), *masks)) if looked_at else e.TRUE


def _asks_the_database(model: Model, shape: WriteShape, rule: e.Expr) -> bool:
    """Whether the rule is of what the database fills in when the record is stored."""
    filled = {field.name for field in model.fields.values() if field.by_database}
    filled -= {*shape.assigned}
    named: set[str] = set()

    def look(node: object) -> object:
        if isinstance(node, e.Exists):
            named.update(model.key)
        if isinstance(node, (e.Column, e.Exists)) and node.hops:
            named.update(model.one[node.hops[0].relation].columns if not node.scope else ())
        elif isinstance(node, e.Column):
            named.add(node.name)
        return node

    if filled:
        e.rewrite(rule, look)
    return bool(filled & named)


def _assigned(model: Model, shape: WriteShape) -> tuple[str, ...]:
    """The stored fields that are set; who comes into a list, or moves in it, gets a place."""
    names = tuple(name for name in shape.assigned if name in model.fields)
    placed = shape.verb in MOVES or bool(model.order and model.ordered in names)
    return (*names, POSITION) if placed and POSITION not in names else names


def _field_rules(access: Access, model: Model, shape: WriteShape) -> e.Expr:
    """The rules of the fields that the client gave."""
    conditions, problems = [], []
    action: Action = "create" if shape.action == "create" else "update"
    for name in sorted({*shape.given, POSITION} if shape.verb in MOVES else shape.given):
        rule = access.field(model, action, name)
        if rule == e.FALSE:
            detail = f"{name} may not be set"
            problems.append(Problem(f"/{name}", "field_forbidden", detail))
        conditions.append(rule)
    if problems:
        raise _forbidden(problems)
    return e.all_of(conditions)


def _forbidden(problems: list[Problem]) -> Forbidden:
    detail = "; ".join(problem.detail for problem in problems)
    return Forbidden(detail, code="field_forbidden", errors=problems)


def _targets(
    schema: Schema, access: Access, model: Model, shape: WriteShape
) -> tuple[tuple[str, e.Expr], ...]:
    """Relations that the client set must lead to what it may see, or they would be an oracle."""
    targets = []
    for name, one in model.one.items():
        if not shape.given.intersection(one.columns) or not one.constraint:
            continue  # what may lead nowhere tells nothing by leading somewhere
        guard = access.records(schema.models[one.target], "read")
        if guard != e.TRUE:
            targets.append((name, guard))
    return tuple(targets)


def _link_guards(
    schema: Schema, access: Access, model: Model, shape: WriteShape
) -> tuple[tuple[str, e.Expr], ...]:
    return tuple(
        (name, access.records(schema.target(model, name), "read"))
        for name in shape.assigned
        if name in model.many
    )
