"""From a read's shape to its plan."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

from abaft.base.digest import fingerprint
from abaft.base.errors import BadRequest, Forbidden, Unauthorized
from abaft.base.ids import secret
from abaft.base.settings import Settings
from abaft.model import expr as e
from abaft.model.spec import RELEVANCE, Field, Model, Schema
from abaft.plan.access import Access
from abaft.plan.resolve import column_of
from abaft.plan.search import BY_RELEVANCE, search_of
from abaft.plan.types import (
    CountItem,
    FieldItem,
    Grouped,
    Item,
    ManyItem,
    OneItem,
    Order,
    Pick,
    ReadPlan,
    ReadShape,
    Selection,
    Sort,
    Term,
    WholeItem,
)


def plan_read(schema: Schema, settings: Settings, access: Access, shape: ReadShape) -> ReadPlan:
    """The plan of this shape for this kind of actor.

    Raises Forbidden (Unauthorized where nobody is logged in) when no record may be read at all.
    """
    model = schema.models[shape.model]
    allowed = access.records(model, "read", shape.deleted)
    if allowed == e.FALSE:
        refuse(access, f"{model.collection} may not be read")
    asked = access.protect(model, shape.where)
    if shape.kind in ("page", "count"):
        asked = e.all_of((asked, access.scoped(model, shape.scopes)))
    where = e.all_of((asked, allowed))
    if shape.terms:
        return plan_groups(schema, access, model, where, shape)
    orders = orders_of(schema, model, shape.sort, access) if shape.kind == "page" else ()
    beyond = e.TRUE if shape.after is None else keyset(orders, shape.after)
    return ReadPlan(
        model=model,
        kind=shape.kind,
        where=where,
        beyond=beyond,
        orders=orders,
        selection=(
            whole(schema, settings, model)
            if shape.whole
            else select(schema, settings, access, model, shape.pick, shape.hidden)
        ),
        offset=shape.offset,
        count=shape.count,
        search=search_of(access, model, shape),
        open=not shape.search and where == Access.of_system(schema).protect(model, shape.where),
    )


def plan_groups(
    schema: Schema, access: Access, model: Model, where: e.Expr, shape: ReadShape
) -> ReadPlan:
    """The plan of reading groups of the records; a value that may not be read is null in them."""
    terms = tuple(
        term if term.value is None else replace(term, value=access.value(term.value, [model]))
        for term in shape.terms
    )
    rows = group_model(model, terms)
    orders = orders_of(schema, rows, shape.sort) if shape.kind == "page" else ()
    return ReadPlan(
        model=rows,
        kind=shape.kind,
        where=access.fold(shape.having),
        beyond=e.TRUE if shape.after is None else keyset(orders, shape.after),
        orders=orders,
        selection=Selection(rows.name, tuple(FieldItem(term.name, e.TRUE) for term in terms)),
        offset=shape.offset,
        count=shape.count,
        source=Grouped(model, where, terms, search_of(access, model, shape)),
    )


def group_model(model: Model, terms: tuple[Term, ...]) -> Model:
    """What a group's row is: a record whose key is what it is grouped by."""
    fields = {
        term.name: Field(term.name, term.name, term.kind, nullable=term.reduce != "count")
        for term in terms
    }
    key = tuple(term.name for term in terms if not term.reduce)
    return Model(model.name, model.collection, "g", key, fields)


def refuse(access: Access, detail: str) -> None:
    """403, or 401 where logging in might help, or 400 where naming a tenant might."""
    if access.anonymous:
        raise Unauthorized(
            f"{detail} without logging in", headers={"www-authenticate": 'Bearer realm="abaft"'}
        )
    if access.astray:
        raise BadRequest(
            f"{detail} without a tenant",
            code="tenant_required",
            hint="name one that you are a member of by X-Tenant",
        )
    raise Forbidden(detail)


def select(
    schema: Schema,
    settings: Settings,
    access: Access,
    model: Model,
    pick: Pick,
    hidden: bool = False,
) -> Selection:
    """What the record's JSON shows this actor; `hidden` fields are for our own eyes."""
    expand = dict(pick.expand)
    items: list[Item] = []
    for name in _names(model, pick, expand, hidden):
        mask = access.readable(model, name) if name in expand else access.field(model, "read", name)
        if mask == e.FALSE:
            continue
        if name in model.many:
            many = _many(schema, settings, access, model, name, mask, expand.get(name))
            items.append(many)
            if name in expand and expand[name].count:
                items.append(CountItem(f"{name}_count", mask, many))
        elif name in expand:
            target = schema.target(model, name)
            guard = access.records(target, "read")
            inner = select(schema, settings, access, target, expand[name], hidden)
            items.append(OneItem(name, mask, guard, inner))
        elif name in model.computed:
            items.append(FieldItem(name, mask, access.reckoned(model, name)))
        else:
            items.append(FieldItem(name, mask))
    virtual = _virtual(access, model, pick)
    if virtual:
        items.append(WholeItem(whole(schema, settings, model), _salt(settings)))
    return Selection(model.name, tuple(items), virtual)


def _virtual(access: Access, model: Model, pick: Pick) -> tuple[str, ...]:
    """The virtual members that are asked for; a rule of its own may keep one from being shown."""
    return tuple(
        name
        for name in model.virtual
        if (pick.fields is None or name in pick.fields)
        and access.field(model, "read", name) == e.TRUE
    )


def whole(schema: Schema, settings: Settings, model: Model) -> Selection:
    """All that is stored of a record; by its fingerprint a change in between is noticed."""
    return select(
        schema, settings, Access.of_system(schema), model, Pick(tuple(model.fields)), True
    )


def _salt(settings: Settings) -> str:
    """The same in every worker that has the same secret_key."""
    return fingerprint(f"etag\0{settings.secret_key or _of_this_process()}")


@cache
def _of_this_process() -> str:
    return secret()


def _names(model: Model, pick: Pick, expand: dict[str, Pick], hidden: bool) -> list[str]:
    """The members in the order of declaration, relations without a field of their own last."""
    shown = [name for name, field in model.fields.items() if hidden or not field.hidden]
    shown += model.computed
    shown += [
        name for name, many in model.many.items() if many.writable and (hidden or not many.hidden)
    ]
    if pick.fields is not None:
        shown = [name for name in shown if name in pick.fields]
    return shown + [name for name in expand if name not in shown]


def _many(
    schema: Schema,
    settings: Settings,
    access: Access,
    model: Model,
    name: str,
    mask: e.Expr,
    pick: Pick | None,
) -> ManyItem:
    many = model.many[name]
    target = schema.models[many.target]
    link = schema.models[many.link] if many.link else None
    # A list of records keeps to their default scopes; keys are whole.
    scopes = e.TRUE if pick is None else access.scoped(target, None)
    item = ManyItem(
        name=name,
        mask=mask,
        guard=e.all_of((access.records(target, "read"), scopes)),
        link_guard=access.records(link, "read") if link else e.TRUE,
        limit=None,
        selection=None,
        orders=orders_of(schema, target, (), access),
    )
    # Keys are whole: who writes back a list that was cut would lose the rest.
    if pick is None:
        return item
    return replace(
        item,
        limit=pick.limit or settings.max_expand_items,
        selection=select(schema, settings, access, target, pick),
        where=access.protect(target, pick.where),
        orders=orders_of(schema, target, pick.sort, access),
    )


def orders_of(
    schema: Schema, model: Model, sort: tuple[Sort, ...], access: Access | None = None
) -> tuple[Order, ...]:
    """The order asked for, made total by the key, so that a cursor has one place."""
    orders: list[Order] = [] if sort else _by_hand(model, access)
    for step in sort:
        if step == BY_RELEVANCE:
            orders.append(Order(step.path, e.Column(RELEVANCE.name), RELEVANCE.kind, True, False))
            continue
        column, field, nullable = column_of(schema, model, step.path)
        if access is not None:
            value = access.value(column, [model])
            nullable = nullable or _may_lack(value)
        else:
            value = column
        orders.append(Order(step.path, value, field.kind, step.descending, nullable))
        distinct = field.unique and not field.nullable and step.path == (field.name,)
        # A deleted record may hold the same value.
        distinct = distinct and not model.soft_delete
        # Nor is it sure of another's table that what differs by case alone isn't in it.
        distinct = distinct and (model.managed or not field.nocase)
        if distinct and not model.guards(field.name):
            return tuple(orders)
    return (*orders, *_by_key(model, orders))


def _by_key(model: Model, orders: list[Order]) -> list[Order]:
    """The steps by the key that make an order total."""
    named = {
        order.column.name
        for order in orders
        if isinstance(order.column, e.Column) and not order.column.hops
    }
    descending = orders[-1].descending if orders else False
    steps = []
    for name in model.key:
        part = model.fields[name]
        # Only of a group may a part of the key be null.
        step = Order((name,), e.Column(name), part.kind, descending, part.nullable)
        if name not in named:
            steps.append(step)
        if part.nocase and not model.managed:
            # A value that is chosen is compared by code point.
            exact = e.Choose(e.TRUE, step.column, step.column, part.kind)
            steps.append(replace(step, column=exact))
    return steps


def _by_hand(model: Model, access: Access | None) -> list[Order]:
    """The order that clients make, where nobody asks for another: blind to what isn't for them."""
    orders = []
    for name in model.order:
        field, value = model.fields[name], e.Column(name)
        if access is not None:
            mask = access.field(model, "read", name)
            value = e.Column(name, mask=None if mask == e.TRUE else mask)
        nullable = field.nullable or value.mask is not None
        orders.append(Order((name,), value, field.kind, False, nullable))
    return orders


def _may_lack(value: e.Value) -> bool:
    """Whether a rule, or a delete, may leave the value out."""
    if not isinstance(value, e.Column):
        return True
    return value.mask is not None or any(hop.guard is not None for hop in value.hops)


def keyset(orders: tuple[Order, ...], nulls: tuple[bool, ...]) -> e.Expr:
    """The condition of coming after the cursor's record; nulls last ascending, first descending."""
    params = [e.Param(f"after{place}", order.kind) for place, order in enumerate(orders)]
    directions = {order.descending for order in orders}
    if len(directions) == 1 and not any(order.nullable for order in orders):
        columns = tuple(order.column for order in orders)
        return e.Beyond(columns, tuple(params), orders[0].descending)
    paths: list[e.Expr] = []
    ties: list[e.Expr] = []
    for order, param, null in zip(orders, params, nulls, strict=True):
        paths.append(e.all_of([*ties, _past(order, param, null)]))
        tie = e.IsNull(order.column) if null else e.Compare("eq", order.column, param)
        ties.append(tie)
    # The first step said once more on its own lets an index begin at the right place.
    first = e.any_of((_past(orders[0], params[0], nulls[0]), ties[0]))
    return e.all_of((_bound(orders[0], params[0], nulls[0]) or first, e.any_of(paths)))


def _past(order: Order, param: e.Param, null: bool) -> e.Expr:
    if order.descending:
        return e.Not(e.IsNull(order.column)) if null else e.Compare("lt", order.column, param)
    if null:
        return e.FALSE
    greater = e.Compare("gt", order.column, param)
    return e.any_of((greater, e.IsNull(order.column))) if order.nullable else greater


def _bound(order: Order, param: e.Param, null: bool) -> e.Expr | None:
    if null or (order.nullable and not order.descending):
        return None
    return e.Compare("le" if order.descending else "ge", order.column, param)
