"""Nested writes: a body with records in the place of keys becomes several writes in order."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from pydantic_core import from_json, to_json

from abaft.answers import Answer, ReadAnswer, WriteAnswer
from abaft.base.errors import Invalid, Problem, nearest
from abaft.base.settings import Settings
from abaft.batches import Intent
from abaft.model import expr as e
from abaft.model.spec import Model, Schema
from abaft.model.values import MAX_LINKS, Values, summary
from abaft.nesting_many import FORMS, Key, Owner, needed
from abaft.plan.types import Made, Pick, ReadIntent, ReadShape, WriteIntent

WHOLE = Pick()


@dataclass(slots=True)
class Tree:
    """The writes of one body or of several; `roots` are the places of what was asked for itself.

    What is written below a root may show in it: it is read again at the place that `again` tells.
    """

    intents: list[Intent] = field(default_factory=list)
    roots: list[int] = field(default_factory=list)
    again: dict[int, int] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)

    def answers(self, answers: Sequence[Answer]) -> list[WriteAnswer]:
        """The answers of the roots, as the records are in the end."""
        found = []
        for root in self.roots:
            answer = answers[root]
            assert isinstance(answer, WriteAnswer)
            if root in self.again:
                seen = answers[self.again[root]]
                assert isinstance(seen, ReadAnswer)
                text = seen.rows[0][0] if seen.rows else None
                answer = replace(answer, json=text, sealed=seen.sealed)
            found.append(answer)
        return found


@dataclass(frozen=True, slots=True)
class Asking:
    """Whether who asks may read what they write, and wants unknown members passed over."""

    readable: bool
    lenient: bool


class Nesting:
    """Makes trees of bodies."""

    def __init__(
        self, schema: Schema, settings: Settings, validators: Mapping[str, Values]
    ) -> None:
        self.schema = schema
        self.settings = settings
        self.validators = validators

    def new(self, model: Model, body: bytes, pick: Pick, asked: Asking) -> Tree | None:
        """The writes of a new record, or of a list of them; None where nothing is nested."""
        given = _parsed(body)
        listed = isinstance(given, list)
        rows = given if listed else [given]
        if len(rows) > self.settings.max_batch or not any(self._nests(model, row) for row in rows):
            return None
        tree = Tree()
        for place, row in enumerate(rows):
            walk = Walk(self, tree, asked.lenient)
            root = walk.create(model, row, f"/{place}" if listed else "", {}, 0, pick)
            self._settle(model, tree, walk, root, pick, asked)
        return self._whole(tree)

    def changes(self, model: Model, body: bytes, root: WriteIntent, asked: Asking) -> Tree | None:
        """The writes of a merge patch of one record; None where nothing is nested."""
        given = _parsed(body)
        if not self._nests(model, given):
            return None
        tree = Tree()
        walk = Walk(self, tree, asked.lenient)
        place = walk.update(model, root, given, "", {}, 0)
        self._settle(model, tree, walk, place, root.pick, asked)
        return self._whole(tree)

    def _settle(
        self, model: Model, tree: Tree, walk: Walk, root: int, pick: Pick, asked: Asking
    ) -> None:
        tree.roots.append(root)
        if not walk.below or not asked.readable:
            return
        key = walk.keys[root]
        where = e.all_of(
            e.Compare("eq", e.Column(name), e.Param(f"key.{name}", model.fields[name].kind))
            for name in model.key
        )
        values = {f"key.{name}": value for name, value in key.items()}
        shape = ReadShape(model.name, "one", where, pick=pick)
        # What it shows before there is anything below it, nobody sees.
        written = tree.intents[root]
        assert isinstance(written, WriteIntent)
        if written.action == "create":
            tree.intents[root] = replace(written, pick=WHOLE)
        tree.again[root] = len(tree.intents)
        tree.intents.append(ReadIntent(shape, values, needs=needed(values)))

    def _whole(self, tree: Tree) -> Tree:
        if tree.problems:
            raise Invalid(summary(tree.problems), errors=tree.problems)
        return tree

    def places(self, model: Model, body: bytes) -> list[str]:
        """The members of a body, or of a list of them, that hold records."""
        given = _parsed(body)
        rows = [(f"/{at}", row) for at, row in enumerate(given)] if isinstance(given, list) else []
        return [
            f"{before}/{name}"
            for before, row in rows or [("", given)]
            if isinstance(row, dict)
            for name, value in row.items()
            if self.nested(model, name, value)
        ]

    def _nests(self, model: Model, body: Any) -> bool:
        return isinstance(body, dict) and any(
            self.nested(model, name, value) for name, value in body.items()
        )

    def nested(self, model: Model, name: str, value: Any) -> bool:
        """Whether a member holds records, or says what is to become of them."""
        one, many = model.one.get(name), model.many.get(name)
        if one is not None:
            keyed = len(self.schema.models[one.target].key) == 1
            return isinstance(value, dict) and one.stored and keyed and not _hidden(model, name)
        if many is None or many.hidden:
            return False
        if not many.writable:
            return isinstance(value, (dict, list))
        listed = isinstance(value, list) and any(isinstance(item, dict) for item in value)
        return listed or isinstance(value, dict)


class Walk:
    """One body on its way to writes."""

    def __init__(self, nesting: Nesting, tree: Tree, lenient: bool) -> None:
        self.nesting = nesting
        self.lenient = lenient
        self.schema = nesting.schema
        self.tree = tree
        self.keys: dict[int, Key] = {}
        self.below = False

    # A record

    def create(
        self,
        model: Model,
        body: Any,
        pointer: str,
        fixed: dict[str, Any],
        depth: int,
        pick: Pick = WHOLE,
    ) -> int:
        """The place of the write of a new record; `fixed` are what its place in the body sets."""
        inner, rest = self._parted(model, body, pointer, depth)
        fixed = {**fixed, **self._ahead(model, inner, pointer, depth, new=True)}
        values = self._values(model, "create", rest, fixed, pointer)
        made: dict[str, Any] = {}
        place = len(self.tree.intents)
        for name in model.key:
            row = model.fields[name]
            if name not in values and not row.generated and row.default is not None:
                made[name] = row.default()
        known = {**values, **made}
        self.keys[place] = {name: known.get(name, Made(place)) for name in model.key}
        intent = WriteIntent(model.name, "create", values, pick=pick, made=made)
        self.add(replace(intent, pointer=pointer, needs=needed(values)))
        self._behind(model, inner, pointer, self.keys[place], depth, new=True)
        return place

    def update(
        self,
        model: Model,
        root: WriteIntent,
        body: Any,
        pointer: str,
        fixed: dict[str, Any],
        depth: int,
    ) -> int:
        """The place of the write of a changed record, which `root` names."""
        inner, rest = self._parted(model, body, pointer, depth)
        fixed = {**fixed, **self._ahead(model, inner, pointer, depth, new=False)}
        values = self._values(model, "update", rest, fixed, pointer)
        place = len(self.tree.intents)
        self.keys[place] = root.key
        needs = max(needed(values), needed(root.key), needed(root.where_values))
        self.add(replace(root, values=values, merge=True, pointer=pointer, needs=needs))
        self._behind(model, inner, pointer, root.key, depth, new=False)
        return place

    def _parted(
        self, model: Model, body: Any, pointer: str, depth: int
    ) -> tuple[dict[str, Any], Any]:
        """What is nested, and the rest."""
        if not isinstance(body, dict):
            return {}, body
        inner = {n: v for n, v in body.items() if self.nesting.nested(model, n, v)}
        most = self.nesting.settings.max_nested_depth
        if inner and depth >= most:
            detail = f"records may be nested {most} deep"
            for name in inner:
                self.problem(f"{pointer}/{name}", "nested_too_deep", detail)
            return {}, {n: v for n, v in body.items() if n not in inner}
        return inner, {n: v for n, v in body.items() if n not in inner}

    def _values(
        self, model: Model, action: Any, rest: Any, fixed: dict[str, Any], pointer: str
    ) -> dict[str, Any]:
        """The values of the members that aren't nested, with those that are."""
        text = to_json(rest, inf_nan_mode="constants")
        validators = self.nesting.validators[model.name]
        validators = validators.lenient if self.lenient else validators
        try:
            values = validators.part(action, text, frozenset(fixed))
        except Invalid as fault:
            self.tree.problems += fault.within(pointer).errors
            values = {}
        return {**values, **fixed}

    def add(self, intent: WriteIntent) -> None:
        most = self.nesting.settings.max_batch
        if len(self.tree.intents) >= most:
            raise Invalid(f"a request may write {most} records", code="too_many_records")
        self.tree.intents.append(intent)

    def problem(self, pointer: str, code: str, detail: str) -> None:
        self.tree.problems.append(Problem(pointer, code, detail))

    # What it leads to comes before it

    def _ahead(
        self, model: Model, inner: dict[str, Any], pointer: str, depth: int, new: bool
    ) -> dict[str, Any]:
        fixed: dict[str, Any] = {}
        for name, value in inner.items():
            place = f"{pointer}/{name}"
            if name in model.one:
                target = self.schema.target(model, name)
                if not model.fields[name].writable:
                    self.problem(place, "read_only", f"{name} is set by the server")
                    continue
                fixed[name] = self.one(target, value, place, depth + 1, new)
            elif model.many[name].writable and isinstance(value, list):
                target = self.schema.target(model, name)
                if len(value) > MAX_LINKS:
                    self.problem(place, "too_long", f"a list may have {MAX_LINKS} records")
                    continue
                fixed[name] = [
                    self._key(target, item, f"{place}/{at}", depth + 1)
                    for at, item in enumerate(value)
                ]
        return fixed

    def one(self, target: Model, body: dict[str, Any], pointer: str, depth: int, new: bool) -> Any:
        """The key of the record that a to-one relation is given as an object."""
        name = target.key[0]
        if name not in body or (new and target.fields[name].writable):
            return self.keys[self.create(target, body, pointer, {}, depth)][name]
        key = self.read_key(target, name, body[name], f"{pointer}/{name}")
        rest = {member: value for member, value in body.items() if member != name}
        if rest and key is not None:
            root = WriteIntent(target.name, "update", key={name: key})
            self.update(target, root, rest, pointer, {}, depth)
        return key

    def _key(self, target: Model, item: Any, pointer: str, depth: int) -> Any:
        """The key of an item of a list: it may be one, or the record that is to have it."""
        if isinstance(item, dict):
            return self.one(target, item, pointer, depth, new=True)
        return self.read_key(target, target.key[0], item, pointer)

    def read_key(self, target: Model, name: str, given: Any, pointer: str) -> Any:
        """A field of a key; None where it can't be one."""
        try:
            text = to_json({name: given}, inf_nan_mode="constants")
            return self.nesting.validators[target.name].member(name, text)
        except Invalid as fault:
            self.problem(pointer, fault.errors[0].code, fault.errors[0].detail)
            return None

    # What leads to it comes behind it

    def _behind(
        self, model: Model, inner: dict[str, Any], pointer: str, key: Key, depth: int, new: bool
    ) -> None:
        for name, value in inner.items():
            many = model.many.get(name)
            if many is None or (many.writable and isinstance(value, list)):
                continue
            self.below = True
            place = f"{pointer}/{name}"
            if isinstance(value, list):
                if not new:
                    self.problem(place, "not_a_list", f"say what is to be done: {_spelled()}")
                    continue
                forms = {"": value}
            else:
                forms = self._forms(value, place)
            owner = Owner(self, model, many, key, depth + 1)
            for form, items in forms.items():
                at = f"{place}/{form}" if form else place
                for number, item in enumerate(items):
                    owner.do(form, item, f"{at}/{number}")

    def _forms(self, value: dict[str, Any], pointer: str) -> dict[str, list[Any]]:
        found = {}
        for form, items in value.items():
            if form not in FORMS:
                self.problem(f"{pointer}/{form}", "unknown_field", nearest(form, FORMS))
            elif not isinstance(items, list):
                self.problem(f"{pointer}/{form}", "type", "Input should be a valid list")
            else:
                found[form] = items
        return {form: found[form] for form in FORMS if form in found}


def _parsed(body: bytes) -> Any:
    try:
        return from_json(body)
    except ValueError:
        return None


def _hidden(model: Model, name: str) -> bool:
    return name in model.fields and model.fields[name].hidden


def _spelled() -> str:
    return "{" + ", ".join(f'"{form}": […]' for form in FORMS) + "}"
