"""From expressions to MongoDB's conditions: its query language where that says just the same.

There too truth has two values, null equals null, and text goes by code point. All else is an
expression, whose order puts null below everything: what compares there asks for null first.
"""

from __future__ import annotations

from typing import Any

from abaft.model import expr as e
from abaft.model.evaluate import fold
from abaft.model.kinds import Kind, own_key
from abaft.model.spec import Model
from abaft.store.mongo.comparing import TEXTS, known
from abaft.store.mongo.existing import seek
from abaft.store.mongo.frame import Expression, Frame, Ties
from abaft.store.mongo.functions import call, counted_as, reduced
from abaft.store.mongo.local import is_local
from abaft.store.mongo.template import Bound, Ordering, Query, Sought
from abaft.store.mongo.values import encode
from abaft.store.texts import after_prefix

NOTHING: Query = {"_id": {"$in": []}}
_QUERY = {"gt": "$gt", "ge": "$gte", "lt": "$lt", "le": "$lte"}
_TEXT = ("contains", "startswith", "endswith")


class Compiler:
    """Turns conditions into stages."""

    def match(self, expr: e.Expr, scopes: list[Frame]) -> None:
        match(expr, scopes)


def match(expr: e.Expr, scopes: list[Frame], begun: int | None = None) -> None:
    """Adds the stages that leave what meets the condition: what looks at others comes last.

    What an index may have goes to the place `begun`, ahead of what was added since.
    """
    pipe = scopes[-1].pipe
    begun = len(pipe.stages) if begun is None else begun
    _go_ahead(expr, scopes)
    early: list[Query] = []
    late: list[Query] = []
    for item in expr.items if isinstance(expr, e.And) else (expr,):
        before = len(pipe.stages)
        found = query(item, scopes)
        if found:
            plain = is_local(item) and len(pipe.stages) == before
            (early if plain else late).append(found)
    if early:
        pipe.stages.insert(begun, {"$match": _all(early)})
    if late:
        pipe.add("$match", _all(late))


def _go_ahead(expr: e.Expr, scopes: list[Frame]) -> None:
    """What an index of other programs' collection may have, by the values as they are stored."""
    for item in expr.items if isinstance(expr, e.And) else (expr,):
        if not isinstance(item, e.Compare) or item.op != "eq" or item.nocase:
            continue
        at, right = _simple(item.left, scopes), item.right
        if at is None or not isinstance(right, (e.Param, e.Const)):
            continue
        assert isinstance(item.left, e.Column)
        frame = _frame_of(item.left, scopes)
        own = frame.model.managed or frame.prefix or item.left.name not in frame.model.fields
        way = None if own or _nocase(item.left, scopes) else seek(frame.field(item.left.name).kind)
        if way is None or (isinstance(right, e.Param) and right.name in e.OF_ACTOR):
            continue
        given = (
            right.value if isinstance(right, e.Const) else Bound(right.name, lambda value: value)
        )
        frame.pipe.stages[0]["$match"].setdefault("$and", []).append({at: Sought(given, way)})


def _all(items: list[Query]) -> Query:
    return items[0] if len(items) == 1 else {"$and": items}


def query(expr: e.Expr, scopes: list[Frame]) -> Query:
    """The condition in the query language of the innermost record's pipeline; {}: always."""
    match expr:
        case e.Const(value):
            return {} if value else NOTHING
        case e.And(items):
            return {"$and": [query(item, scopes) for item in items]}
        case e.Or(items):
            return {"$or": [query(item, scopes) for item in items]}
        case e.Not(item):
            return {"$nor": [query(item, scopes)]}
        case e.IsNull(left):
            at = _simple(left, scopes)
            if at is not None:
                return {at: {"$eq": None}}
        case e.Compare():
            found = _compared(expr, scopes)
            if found is not None:
                return found
        case e.OneOf(left, right, nocase):
            at = _simple(left, scopes, nocase)
            if at is not None and isinstance(right, (e.Param, e.Const)):
                return {at: {"$in": options(left, right, nocase, scopes)}}
        case e.Exists():
            return {exists(expr, scopes): {"$ne": None}}
        case e.Beyond():
            return _beyond(expr, scopes)
    return {"$expr": test(expr, scopes)}


def _frame_of(node: e.Column, scopes: list[Frame]) -> Frame:
    return scopes[node.scope].reach(node.hops)


def _simple(node: e.Value, scopes: list[Frame], nocase: bool = False) -> str | None:
    """The path of a plain field of this pipeline's document; None where it takes more."""
    if not isinstance(node, e.Column) or node.mask is not None:
        return None
    frame = _frame_of(node, scopes)
    if frame.pipe is not scopes[-1].pipe or (nocase and not frame.field(node.name).nocase):
        return None
    return frame.compared(node.name)


def _compared(node: e.Compare, scopes: list[Frame]) -> Query | None:
    folds = node.nocase and textual(node.left, scopes)
    at = _simple(node.left, scopes, folds)
    if at is None or not isinstance(node.right, (e.Param, e.Const)):
        return None
    nocase = _nocase(node.left, scopes) or folds
    kind = kind_of(node.left, scopes)
    assert kind is not None
    right = bound(node.right, kind, nocase)
    match node.op:
        case "eq" | "ne":
            return {at: {f"${node.op}": right}}
        case "startswith":
            above = bound(node.right, kind, nocase, after_prefix)
            return {"$and": [{at: Ordering("$gte", right)}, {at: Ordering("$lt", above)}]}
        case "contains" | "endswith":
            return None
    return {at: Ordering(_QUERY[node.op], right)}


def kind_of(node: e.Value, scopes: list[Frame]) -> Kind | None:
    """What kind a value is of, where it says."""
    if isinstance(node, e.Column):
        return _frame_of(node, scopes).field(node.name).kind
    return node.kind


def textual(node: e.Value, scopes: list[Frame]) -> bool:
    kind = kind_of(node, scopes)
    return kind is not None and kind.textual


def _nocase(node: e.Value, scopes: list[Frame]) -> bool:
    return isinstance(node, e.Column) and _frame_of(node, scopes).field(node.name).nocase


def bound(node: e.Param | e.Const, kind: Kind, nocase: bool = False, also: Any = None) -> Any:
    """What takes a value's place; `also` is made of it once it is folded."""

    def made(value: Any) -> Any:
        folded = fold(value, nocase)
        return encode(kind, folded if also is None else also(folded))

    if isinstance(node, e.Const):
        return None if node.value is None else made(node.value)
    if node.name in e.OF_ACTOR:
        own = own_key(node.kind)
        return Bound(node.name, lambda value: encode(node.kind, own(value)))
    return Bound(node.name, made)


def options(left: e.Value, right: e.Value, nocase: bool, scopes: list[Frame]) -> Any:
    """The list of values that one is sought among; null is never found."""
    kind = kind_of(left, scopes)
    folds = (nocase or _nocase(left, scopes)) and textual(left, scopes)
    assert kind is not None

    def made(values: Any) -> list[Any]:
        return [encode(kind, fold(value, folds)) for value in values if value is not None]

    return made(right.value) if isinstance(right, e.Const) else Bound(right.name, made)  # type: ignore[union-attr]


def value(
    node: e.Value, scopes: list[Frame], kind: Kind | None = None, nocase: bool = False
) -> Expression:
    """The value as an expression, null where it isn't there; `nocase` folds text."""
    match node:
        case e.Column():
            return _column(node, scopes, nocase)
        case e.Param() | e.Const():
            own = node.kind or kind
            assert own is not None
            return {"$literal": bound(node, own, nocase)}
        case e.Call(name, args, result):
            kinds = [(kind_of(arg, scopes) or result).own for arg in args]
            made = call(name, [_argument(arg, scopes, result) for arg in args], kinds, result)
        case e.Choose(where, then, otherwise, result):
            first, second = value(then, scopes, result), value(otherwise, scopes, result)
            made = {"$cond": [test(where, scopes), first, second]}
        case e.Reduce():
            made = _reduce(node, scopes)
        case _:
            raise TypeError(f"not a value: {node!r}")
    return {"$toLower": made} if nocase else made


def _argument(node: e.Value, scopes: list[Frame], kind: Kind) -> Expression:
    """The argument of a function, which may need it several times.

    What is reckoned has a place of its own in the document, so that it is reckoned once: not every
    server does so with variables, and functions within functions would double it at each step.
    """
    found = value(node, scopes, kind)
    if not isinstance(node, (e.Call, e.Choose, e.Reduce)):
        return found
    pipe = scopes[-1].pipe
    name = pipe.context.name("f")
    pipe.add("$set", {name: found})
    return f"${name}"


def _column(node: e.Column, scopes: list[Frame], nocase: bool) -> Expression:
    pipe, frame = scopes[-1].pipe, _frame_of(node, scopes)
    field = frame.field(node.name)
    if node.mask is not None:
        found = masked(frame, node, nocase)
        return found if frame.pipe is pipe else _kept(frame, found)
    found = frame.at(
        frame.compared(node.name) if nocase and field.nocase else frame.path(node.name), pipe
    )
    if nocase and not field.nocase:
        return {"$cond": [{"$eq": [{"$ifNull": [found, None]}, None]}, None, {"$toLower": found}]}
    outer = frame.pipe is not pipe
    return {"$ifNull": [found, None]} if frame.nullable(node.name) or outer else found


def masked(frame: Frame, node: e.Column, nocase: bool) -> Expression:
    plain = value(e.Column(node.name), [frame], nocase=nocase)
    assert node.mask is not None
    return {"$cond": [test(node.mask, [frame]), plain, None]}


def _kept(frame: Frame, found: Expression) -> Expression:
    """What is reckoned in an outer pipeline, where an inner one sees it."""
    name = frame.pipe.context.name("v")
    frame.pipe.add("$set", {name: found})
    return {"$ifNull": [f"$${frame.pipe.variable}.{name}", None]}


def test(expr: e.Expr, scopes: list[Frame]) -> Expression:
    """The condition as an expression that is true or false."""
    match expr:
        case e.Const(found):
            return bool(found)
        case e.And(items):
            return {"$and": [test(item, scopes) for item in items]}
        case e.Or(items):
            return {"$or": [test(item, scopes) for item in items]}
        case e.Not(item):
            return {"$not": [test(item, scopes)]}
        case e.IsNull(left):
            return {"$eq": [value(left, scopes), None]}
        case e.Compare():
            return _comparison(expr, scopes)
        case e.OneOf(left, right, nocase):
            folds = (nocase or _nocase(left, scopes)) and textual(left, scopes)
            among = {"$literal": options(left, right, nocase, scopes)}
            return {"$in": [value(left, scopes, nocase=folds), among]}
        case e.Exists():
            return {"$ne": [{"$ifNull": [f"${exists(expr, scopes)}", None]}, None]}
        case e.Beyond():
            return _row_beyond(expr, scopes)
    raise TypeError(f"not a condition: {expr!r}")


def _comparison(node: e.Compare, scopes: list[Frame]) -> Expression:
    kind = kind_of(node.left, scopes) or kind_of(node.right, scopes)
    assert kind is not None
    sides = (node.left, node.right)
    nocase = kind.textual and (node.nocase or any(_nocase(side, scopes) for side in sides))
    left, right = (value(side, scopes, kind, nocase) for side in sides)
    if node.op in ("eq", "ne"):
        return {f"${node.op}": [left, right]}
    if node.op in _TEXT:
        return known(left, right, TEXTS[node.op])
    return known(left, right, {_QUERY[node.op]: ["$$l", "$$r"]})


def exists(node: e.Exists, scopes: list[Frame]) -> str:
    """Looks for one record of a to-many relation; the name that it is put by."""
    members = Members(node, scopes)
    members.inner.add("$limit", 1)
    members.inner.add("$project", {"_id": 1})
    return members.looked_up("e")


class Members:
    """A relation's records that meet the condition, each by its frame."""

    def __init__(self, node: e.Exists | e.Reduce, scopes: list[Frame]) -> None:
        self.pipe = scopes[-1].pipe
        self.inner = self.pipe.within()
        self.ties: Ties = []
        self.frame = self._found(node, scopes)
        match(node.where, [*scopes, self.frame])

    def _found(self, node: e.Exists | e.Reduce, scopes: list[Frame]) -> Frame:
        """What the relation leads to, as far as it may be seen."""
        schema = self.pipe.context.schema
        owner = scopes[node.scope].reach(node.hops)
        many = owner.model.many[node.relation]
        target = schema.models[many.target]
        linked = owner.linked.get(node.relation)
        if many.link is not None and linked is None:
            link = self._tie(owner, schema.models[many.link], many.back)
            if node.link_guard is not None:
                match(node.link_guard, [link])
            assert many.forward is not None
            frame = link.hop(e.Hop(many.forward, node.guard))
            self.inner.add("$match", {frame.path(target.key[0]): {"$ne": None}})
            return frame
        if linked is None:
            frame = self._tie(owner, target, many.back)
        else:
            self.table, frame = target.table, Frame(self.inner, target)
            self.inner.add("$match", {"_id": {"$in": linked}})
        if node.guard is not None:
            match(node.guard, [Frame(self.inner, target)])
        return frame

    def _tie(self, owner: Frame, source: Model, back: str) -> Frame:
        """The records whose to-one relation leads to the owner."""
        self.table, frame = source.table, Frame(self.inner, source)
        ties = owner.back(source.one[back], frame)
        if owner.pipe is self.pipe:
            self.ties = ties
        else:
            # A record of an outer pipeline has its variable already.
            self.inner.stages.insert(0, owner.pipe.tied(ties))
        return frame

    def looked_up(self, prefix: str) -> str:
        """Looks them up; the name that what is made of them is put by."""
        return self.pipe.look_up(self.table, self.ties, self.inner, prefix)


def _reduce(node: e.Reduce, scopes: list[Frame]) -> Expression:
    members = Members(node, scopes)
    of = [*scopes, members.frame]
    kind = None if node.value is None else (kind_of(node.value, of) or node.kind).own
    given = None if node.value is None else value(node.value, of)
    group, found = reduced(node.name, given, kind, node.kind)
    members.inner.add("$group", {"_id": None, **group})
    members.inner.add("$project", {"_id": 0, "v": found})
    empty = counted_as(node.name)
    return {"$ifNull": [f"${members.looked_up('r')}.v", empty]}


def _beyond(node: e.Beyond, scopes: list[Frame]) -> Query:
    """A row after another: by its first field, or by the next where that is the same…"""
    paths = [_simple(left, scopes) for left in node.left]
    if None in paths:
        return {"$expr": _row_beyond(node, scopes)}
    operator = "$lt" if node.descending else "$gt"
    params = _params(node, scopes)
    ways: list[Query] = []
    for place, (at, param) in enumerate(zip(paths, params, strict=True)):
        same = [{one: {"$eq": other}} for one, other in zip(paths, params[:place], strict=False)]
        ways.append({"$and": [*same, {at: {operator: param}}]})
    # The first field said once more lets an index begin at the right place.
    return {"$and": [{paths[0]: {f"{operator}e": params[0]}}, {"$or": ways}]}


def _params(node: e.Beyond, scopes: list[Frame]) -> list[Any]:
    pairs = zip(node.left, node.right, strict=True)
    return [bound(param, param.kind, _nocase(left, scopes)) for left, param in pairs]


def _row_beyond(node: e.Beyond, scopes: list[Frame]) -> Expression:
    operator = "$lt" if node.descending else "$gt"
    found = [value(left, scopes, nocase=_nocase(left, scopes)) for left in node.left]
    params = [{"$literal": param} for param in _params(node, scopes)]
    ways = []
    for place, (mine, theirs) in enumerate(zip(found, params, strict=True)):
        same = [{"$eq": [found[at], params[at]]} for at in range(place)]
        ways.append({"$and": [*same, {operator: [mine, theirs]}]})
    return {"$or": ways}
