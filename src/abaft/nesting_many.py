"""Nested writes of a to-many relation: what is to become of the records that it holds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from abaft.model import expr as e
from abaft.model.spec import Many, Model
from abaft.plan.types import Made, WriteIntent

if TYPE_CHECKING:
    from abaft.nesting import Walk

FORMS = ("create", "update", "delete", "link", "unlink")
Key = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Owner:
    """The record whose to-many relation is written, by its key."""

    walk: Walk
    model: Model
    many: Many
    key: Key
    depth: int

    @property
    def target(self) -> Model:
        return self.walk.schema.models[self.many.target]

    def do(self, form: str, item: Any, pointer: str) -> None:
        """One item of a form; without one it is a record to create, or a key to link."""
        if not form:
            kept = isinstance(item, dict) and self._kept(item)
            form = "create" if isinstance(item, dict) and not kept else "link"
            if kept and len(item) > 1:
                form = "take"
        if self.many.link is None:
            self._back(form, item, pointer)
        else:
            self._linked(form, item, pointer)

    def _kept(self, item: dict[str, Any]) -> bool:
        """Whether an object names a record that is there: keys of the server's making do."""
        name = self.target.key[0]
        return name in item and not self.target.fields[name].writable

    def _reference(self, source: Model, relation: str, key: Key, target: Model) -> dict[str, Any]:
        columns = source.one[relation].columns
        return {ours: key[theirs] for ours, theirs in zip(columns, target.key, strict=True)}

    # Records that refer to it

    def _back(self, form: str, item: Any, pointer: str) -> None:
        walk, target = self.walk, self.target
        ours = self._reference(target, self.many.back, self.key, self.model)
        closed = [name for name in ours if not target.fields[name].writable]
        if closed:
            walk.problem(pointer, "read_only", f"{closed[0]} is set by the server")
            return
        if form == "create":
            walk.create(target, item, pointer, ours, self.depth)
            return
        key, rest = self._named(item, pointer)
        if key is None:
            return
        root = WriteIntent(target.name, "update", key=key)
        if form in ("update", "delete", "unlink"):
            root = replace(root, **self._tied(ours))
        if form == "delete":
            needs = needed(root.where_values)
            walk.add(replace(root, action="delete", pointer=pointer, needs=needs))
        elif form == "unlink" and not all(target.fields[name].nullable for name in ours):
            detail = f"a {target.name} needs its {self.many.back}: delete it, or give it another"
            walk.problem(pointer, "required", detail)
        else:
            fixed = {} if form == "update" else ours
            fixed = dict.fromkeys(ours) if form == "unlink" else fixed
            walk.update(target, root, rest, pointer, fixed, self.depth)

    def _tied(self, ours: dict[str, Any]) -> dict[str, Any]:
        """The condition of being one of this record's."""
        fields = self.target.fields
        where = e.all_of(
            e.Compare("eq", e.Column(name), e.Param(f"tied.{name}", fields[name].kind))
            for name in ours
        )
        return {"where": where, "where_values": {f"tied.{n}": v for n, v in ours.items()}}

    def _named(self, item: Any, pointer: str) -> tuple[Key | None, dict[str, Any]]:
        """The key of a record that is there, and what else was given."""
        target = self.target
        given = item if isinstance(item, dict) else dict.fromkeys(target.key[:1], item)
        if any(name not in given for name in target.key):
            detail = f"name the record by its key: {', '.join(target.key)}"
            self.walk.problem(pointer, "required", detail)
            return None, {}
        before = len(self.walk.tree.problems)
        key = {}
        for name in target.key:
            at = f"{pointer}/{name}" if isinstance(item, dict) else pointer
            key[name] = self.walk.read_key(target, name, given[name], at)
        rest = {name: value for name, value in given.items() if name not in target.key}
        return (None if len(self.walk.tree.problems) > before else key), rest

    # Records that a link ties to it

    def _linked(self, form: str, item: Any, pointer: str) -> None:
        walk, target = self.walk, self.target
        if form in ("update", "delete") or len(target.key) > 1:
            detail = f"write it at its own place, /{target.collection}; here it is linked"
            walk.problem(pointer, "not_for_links", detail)
            return
        if form == "create":
            key = walk.keys[walk.create(target, item, pointer, {}, self.depth)][target.key[0]]
        elif isinstance(item, dict):
            key = walk.one(target, item, pointer, self.depth, new=form != "take")
        else:
            key = walk.read_key(target, target.key[0], item, pointer)
        if key is None:
            return
        if self.many.writable:
            self._operate("remove" if form == "unlink" else "append", key, pointer)
        else:
            self._through(form, key, pointer)

    def _operate(self, operator: str, key: Any, pointer: str) -> None:
        """Ties or unties by what the relation itself takes."""
        name = self.many.name
        intent = WriteIntent(
            self.model.name, "update", {name: [key]}, self.key, operators={name: operator}
        )
        needs = max(needed(intent.values), needed(self.key))
        self.walk.add(replace(intent, pointer=pointer, needs=needs))

    def _through(self, form: str, key: Any, pointer: str) -> None:
        """Makes or deletes the record that links the two."""
        assert self.many.link is not None
        assert self.many.forward is not None
        link = self.walk.schema.models[self.many.link]
        pair = self._reference(link, self.many.back, self.key, self.model)
        pair |= self._reference(link, self.many.forward, {self.target.key[0]: key}, self.target)
        closed = [name for name in pair if not link.fields[name].writable]
        if closed and form != "unlink":
            self.walk.problem(pointer, "read_only", f"{closed[0]} is set by the server")
        elif form != "unlink":
            self.walk.create(link, {}, pointer, pair, self.depth)
        elif set(pair) == set(link.key):
            intent = WriteIntent(link.name, "delete", key={name: pair[name] for name in link.key})
            self.walk.add(replace(intent, pointer=pointer, needs=needed(pair)))
        else:
            detail = f"delete the {link.name} itself, at /{link.collection}"
            self.walk.problem(pointer, "not_for_links", detail)


def needed(values: Mapping[str, Any]) -> int:
    """The last of the writes whose keys are among the values."""
    places = [-1]
    for value in values.values():
        for item in value if isinstance(value, list) else (value,):
            if isinstance(item, Made):
                places.append(item.place)
    return max(places)
