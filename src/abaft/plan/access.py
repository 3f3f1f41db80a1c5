"""The one place where rules enter a plan."""

from __future__ import annotations

from dataclasses import replace

from abaft.base.actor import SYSTEM, TENANT, Actor
from abaft.base.errors import Forbidden, Problem
from abaft.model import expr as e
from abaft.model.computed import moved
from abaft.model.spec import Action, Model, Schema
from abaft.plan.types import Deleted


class Access:
    """What one kind of actor may do; rules come out with roles and constants folded in."""

    def __init__(self, schema: Schema, actor: Actor) -> None:
        self.schema = schema
        self.actor = actor
        self.system = actor.system
        self.roles = actor.kind[1]
        self.scopes = actor.scopes
        self.nobody = actor.id is None
        self.anonymous = actor.anonymous
        self.astray = not self.system and bool(schema.tenant) and TENANT not in self.roles

    @classmethod
    def of_system(cls, schema: Schema) -> Access:
        """What stands above all rules."""
        return cls(schema, SYSTEM)

    def fold(self, expr: e.Expr) -> e.Expr:
        """The condition with all that is known of the actor put in."""
        return e.rewrite(expr, self._known)

    def _known(self, node: object) -> object:
        if isinstance(node, e.ActorRole):
            return e.Const(node.role in self.roles if node.role else self.anonymous)
        if isinstance(node, e.Compare) and isinstance(node.right, e.ActorId):
            # Nobody is nobody: an empty relation is not the anonymous actor's own.
            name = node.right.name
            if self.nobody if name == "me" else TENANT not in self.roles:
                return e.Const(node.op == "ne")
            return e.Compare(node.op, node.left, e.Param(name, node.right.kind))
        return node

    def rules(self, model: Model, action: Action) -> e.Expr:
        """For which records the rules let the actor do this, were they there."""
        if self.system or (model.internal and action == "read"):
            return e.TRUE
        if self.scopes is not None and not covers(self.scopes, model, action):
            return e.FALSE
        rules = [rule for rule in model.rules if action in rule.actions and not rule.fields]
        allowed = e.any_of(self._rule(model, rule.where) for rule in rules)
        return e.all_of((self.within(model, action), allowed))

    def within(self, model: Model, action: Action) -> e.Expr:
        """Which records are of the tenant of who asks; a new tenant is made outside of all."""
        if self.system or (action == "create" and model.name == self.schema.tenant):
            return e.TRUE
        return self.fold(model.tenancy)

    def _rule(self, model: Model, where: e.Expr) -> e.Expr:
        """The rule's condition; where there are tenants it looks at no other's records."""
        if not self.schema.tenant:
            return self.fold(where)
        return _Bounded(self.schema, self.actor).protect(model, where)

    def records(self, model: Model, action: Action, deleted: Deleted = "without") -> e.Expr:
        """Which records the actor may do this to.

        What was softly deleted isn't there, but for who might delete it and asks for it.
        """
        allowed = self.rules(model, action)
        if model.living is None:
            return allowed
        if deleted == "without":
            return e.all_of((model.living, allowed))
        may = self.rules(model, "delete")
        if deleted == "only":
            return e.all_of((e.negate(model.living), allowed, may))
        return e.all_of((allowed, e.any_of((model.living, may))))

    def field(self, model: Model, action: Action, name: str) -> e.Expr:
        """Of records within reach, for which the actor may do this to the field."""
        rules = [rule for rule in model.rules if action in rule.actions and name in rule.fields]
        if self.system or not rules:
            return e.TRUE
        return e.any_of(self._rule(model, rule.where) for rule in rules)

    def protect(self, model: Model, expr: e.Expr) -> e.Expr:
        """A client's condition, blind to what the actor may not read."""
        return self.fold(self._protect(expr, [model]))

    def scoped(self, model: Model, names: tuple[str, ...] | None) -> e.Expr:
        """The condition of a list's scopes: those named, by default the default ones.

        Whoever asks names them, or leaves them out, so they tell no more than what is readable.
        """
        wanted = [
            row for row in model.scopes if (row.default if names is None else row.name in names)
        ]
        if not wanted:
            return e.TRUE
        found = e.all_of(row.where for row in wanted)
        blind = _Blind(self.schema, self.actor)
        return blind.protect(model, found)

    def _protect(self, expr: e.Expr, scopes: list[Model]) -> e.Expr:
        match expr:
            case e.And(items):
                return e.all_of(self._protect(item, scopes) for item in items)
            case e.Or(items):
                return e.any_of(self._protect(item, scopes) for item in items)
            case e.Not(item):
                return e.negate(self._protect(item, scopes))
            case e.Compare(op, left, right, nocase):
                return e.Compare(op, self.value(left, scopes), self.value(right, scopes), nocase)
            case e.OneOf(left, right, nocase):
                return e.OneOf(self.value(left, scopes), self.value(right, scopes), nocase)
            case e.IsNull(left):
                return e.IsNull(self.value(left, scopes))
            case e.Exists():
                return self._exists(expr, scopes)
        return expr

    def _exists(self, node: e.Exists, scopes: list[Model]) -> e.Expr:
        owner, hops = self._hops(scopes[node.scope], node.hops)
        self.readable(owner, node.relation)
        many = owner.many[node.relation]
        target = self.schema.models[many.target]
        where = self._protect(node.where, [*scopes, target])
        guard = self.records(target, "read")
        link_guard = self.records(self.schema.models[many.link], "read") if many.link else e.TRUE
        mask = self.field(owner, "read", node.relation)
        found = e.Exists(node.relation, where, hops, node.scope, guard, link_guard)
        # A mask on a relation of the record itself is one more condition; through hops, none.
        return found if mask == e.TRUE else e.all_of((found, mask)) if not hops else e.FALSE

    def value(self, value: e.Value, scopes: list[Model]) -> e.Value:
        """The value, null where its field or a record on the way to it may not be read."""
        match value:
            case e.Column():
                return self._column(value, scopes)
            case e.Call(name, args, kind):
                return e.Call(name, tuple(self.value(arg, scopes) for arg in args), kind)
            case e.Choose(where, then, otherwise, kind):
                first, second = self.value(then, scopes), self.value(otherwise, scopes)
                return e.Choose(self._protect(where, scopes), first, second, kind)
            case e.Reduce():
                return self._reduce(value, scopes)
        return value

    def _column(self, value: e.Column, scopes: list[Model]) -> e.Value:
        owner, hops = self._hops(scopes[value.scope], value.hops)
        mask = self.readable(owner, value.name)
        if value.name in owner.computed:
            return self._computed(owner, value, hops, mask, scopes)
        return e.Column(value.name, hops, value.scope, None if mask == e.TRUE else mask)

    def _computed(
        self,
        owner: Model,
        column: e.Column,
        hops: tuple[e.Hop, ...],
        mask: e.Expr,
        scopes: list[Model],
    ) -> e.Value:
        """What a computed field is reckoned of.

        It knows no more than who asks may read, but where a rule of its own says who may read it.
        """
        found, depth = owner.computed[column.name], len(scopes)
        if not owner.guards(column.name):
            return self.value(moved(found.value, column.hops, column.scope, depth), scopes)
        value = moved(found.value, hops, column.scope, depth)
        if self.schema.tenant and not self.system:
            bounded = _Bounded(self.schema, self.actor)
            value = bounded.value(moved(found.value, column.hops, column.scope, depth), scopes)
        if mask == e.TRUE:
            return value
        allowed = moved(mask, hops, column.scope, depth)
        return e.Choose(allowed, value, e.Const(None, found.field.kind), found.field.kind)

    def reckoned(self, model: Model, name: str) -> e.Value:
        """A computed field to be shown, for which what may not be read is null: nobody named it."""
        return _Blind(self.schema, self.actor).value(e.Column(name), [model])

    def _reduce(self, node: e.Reduce, scopes: list[Model]) -> e.Value:
        exists = e.Exists(node.relation, node.where, node.hops, node.scope)
        guarded = self._exists(exists, scopes)
        mask: e.Expr = e.TRUE
        if isinstance(guarded, e.And):
            guarded, mask = guarded.items
        if not isinstance(guarded, e.Exists):
            return e.Const(None, node.kind)
        owner, _ = self._hops(scopes[node.scope], node.hops)
        inner = [*scopes, self.schema.target(owner, node.relation)]
        value = replace(
            node,
            value=None if node.value is None else self.value(node.value, inner),
            where=guarded.where,
            hops=guarded.hops,
            guard=guarded.guard,
            link_guard=guarded.link_guard,
        )
        if mask == e.TRUE:
            return value
        return e.Choose(mask, value, e.Const(None, node.kind), node.kind)

    def _hops(self, model: Model, hops: tuple[e.Hop, ...]) -> tuple[Model, tuple[e.Hop, ...]]:
        guarded = []
        for hop in hops:
            mask = self.readable(model, hop.relation)
            model = self.schema.target(model, hop.relation)
            guard = self.records(model, "read")
            if mask != e.TRUE:
                guard = e.FALSE
            guarded.append(e.Hop(hop.relation, None if guard == e.TRUE else guard))
        return model, tuple(guarded)

    def readable(self, model: Model, name: str) -> e.Expr:
        """For which records a field that was named may be read; Forbidden where for none."""
        mask = self.field(model, "read", name)
        if mask == e.FALSE:
            detail = f"{name!r} of {model.collection} may not be read, so it can't be asked for"
            problem = Problem(f"?{name}", "field_forbidden", detail)
            raise Forbidden(detail, code="field_forbidden", errors=[problem])
        return mask


def covers(scopes: frozenset[str], model: Model, action: Action) -> bool:
    """Whether a key of these scopes may do this at all: `posts.read`, `posts.write`, `read`, …"""
    if model.internal:
        # Who may link records is asked of the records.
        return True
    broad = "read" if action == "read" else "write"
    where = model.collection
    return not scopes.isdisjoint({"*", broad, f"{where}.{broad}", f"{where}.{action}"})


class _Blind(Access):
    """Takes what may not be read for null, where nobody named it who could be refused."""

    def readable(self, model: Model, name: str) -> e.Expr:
        return self.field(model, "read", name)


class _Bounded(_Blind):
    """Looks at all that is of the tenant, whatever rules say of it: for rules themselves."""

    def rules(self, model: Model, action: Action) -> e.Expr:
        return self.within(model, action)

    def field(self, model: Model, action: Action, name: str) -> e.Expr:
        return e.TRUE
