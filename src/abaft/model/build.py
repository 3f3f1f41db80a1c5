"""Makes the frozen schema of declared models; every mistake is told with what to write instead."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, cast, get_type_hints

from pydantic import TypeAdapter

from abaft.base import clock, ids
from abaft.base.errors import ModelError, RuleError, nearest
from abaft.model import keys, names
from abaft.model.annotations import Shape, read_annotation
from abaft.model.build_computed import add_computed, functions_of
from abaft.model.declare import Model
from abaft.model.decorators import ComputedFunction, HookFunction, RuleFunction, ScopeFunction
from abaft.model.distinct import check_distinct
from abaft.model.field import UNSET, Options, Sentinel, Unique, by_database, me, now
from abaft.model.inherited import rules_of_added
from abaft.model.kinds import Kind
from abaft.model.relations import add_ties, link_model, many_relation, one_relation
from abaft.model.renders import hooks_of, renders
from abaft.model.renders import ruled as ruled_with
from abaft.model.search import searched
from abaft.model.spec import POSITION, Check, Field, Hook, Many, One, Rule, Schema, Stamp
from abaft.model.spec import Model as Spec
from abaft.model.switches import (
    conditional,
    named_scope,
    ordered_by,
    own_columns,
    plain_sets,
    switched_fields,
    told_by_versions,
)
from abaft.model.trace import trace

_NAME = re.compile(r"[a-zA-Z][a-zA-Z0-9_]{0,59}")
RESERVED = {"highlights"}
"""Members of a record's JSON that no field can be."""
_NO_FLAGS = ("column", "factory", "format", "renders", "stored")


@dataclass(slots=True)
class Draft:
    """A model on its way: annotations read, relations not yet resolved."""

    cls: type[Model]
    shapes: dict[str, Shape]
    options: dict[str, Options]
    key: tuple[str, ...]
    fields: dict[str, Field] = field(default_factory=dict)
    one: dict[str, One] = field(default_factory=dict)
    many: dict[str, Many] = field(default_factory=dict)

    @property
    def name(self) -> str:
        return self.cls.__name__


def build(models: Iterable[type[Model]]) -> Schema:
    """The schema of these models and of those that they lead to.

    Raises ModelError or RuleError for the first declaration that can't be served.
    """
    drafts = _drafts(models)
    for draft in drafts.values():
        for name in draft.shapes:
            _add_field(drafts, draft, name)
    links: dict[str, Spec] = {}
    for draft in drafts.values():
        _add_relations(drafts, draft, links)
    for draft in drafts.values():
        add_ties(drafts, draft)
    specs = {draft.name: _spec(draft) for draft in drafts.values()} | links
    served = {spec.collection: spec for spec in specs.values() if spec.served}
    check_distinct(specs.values())
    bare = Schema(specs, served)
    return _with_rules(bare, drafts)


def _drafts(models: Iterable[type[Model]]) -> dict[str, Draft]:
    queue = list(dict.fromkeys(models))
    known = {cls.__name__: cls for cls in queue}
    if len(known) != len(queue):
        raise ModelError("two models have the same name: a name stands for one model")
    drafts: dict[str, Draft] = {}
    while queue:
        cls = queue.pop(0)
        given: object = cls
        if not (isinstance(given, type) and issubclass(given, Model)) or cls.__config__.abstract:
            raise ModelError(f"{cls!r} is no model: App takes classes made from Model")
        draft = _draft(cls, known)
        drafts[draft.name] = draft
        for shape in draft.shapes.values():
            other = shape.target
            if other is not None and other.__name__ not in known:
                known[other.__name__] = other
                queue.append(other)
    return drafts


def _draft(cls: type[Model], known: Mapping[str, type[Model]]) -> Draft:
    options: dict[str, Options] = {}
    for base in reversed(cls.__mro__):
        options |= getattr(base, "__options__", {})
    options.pop("id", None) if "id" not in _annotated(cls) else None
    try:
        hints = get_type_hints(cls, localns=dict(known), include_extras=True)
    except NameError as error:
        raise ModelError(f"{cls.__name__}: {error}; pass that model to App too") from None
    shapes = {}
    for name in options:
        if name in hints and not name.startswith("_"):
            _check_name(cls, name)
            shapes[name] = read_annotation(cls.__name__, name, hints[name], options[name])
            _through_target(shapes[name], options[name], known)
    key = _key(cls, shapes, options)
    return Draft(cls, _with_own(cls, key, shapes), options, key)


def _annotated(cls: type[Model]) -> set[str]:
    return {name for base in cls.__mro__ for name in getattr(base, "__options__", {})}


def _check_name(cls: type[Model], name: str) -> None:
    if not _NAME.fullmatch(name) or name in RESERVED or "__" in name:
        raise ModelError(f"{cls.__name__}.{name}: this name can't be a field's; choose another")


def _through_target(shape: Shape, options: Options, known: Mapping[str, type[Model]]) -> None:
    through = options.relation.get("through")
    if isinstance(through, str):
        if through not in known:
            raise ModelError(f"through={through!r} names no model: {nearest(through, known)}")
        through = known[through]
    shape.through = through


def _key(
    cls: type[Model], shapes: Mapping[str, Shape], options: Mapping[str, Options]
) -> tuple[str, ...]:
    marked = tuple(name for name in shapes if options[name].flags.get("key"))
    key = cls.__config__.key or marked or ("id",)
    for name in key:
        if name not in shapes and name != "id":
            raise ModelError(f"{cls.__name__}: key {name!r} is no field: {nearest(name, shapes)}")
        if name in shapes and (shapes[name].nullable or shapes[name].many):
            raise ModelError(f"{cls.__name__}.{name}: a key can't be optional or to-many")
    return key


def _with_own(cls: type[Model], key: tuple[str, ...], shapes: dict[str, Shape]) -> dict[str, Shape]:
    """The declared fields with the ones every model has: its id first, its stamps last."""
    own: dict[str, Shape] = {}
    if key == ("id",) and "id" not in shapes:
        own["id"] = Shape.made("id")
    own |= shapes
    if cls.__config__.stamps:
        for name in ("created", "updated"):
            if name not in shapes:
                own[name] = Shape.made(name)
    return own | switched_fields(cls, shapes)


def _add_field(drafts: Mapping[str, Draft], draft: Draft, name: str) -> None:
    """Stores the value, unless the relation holds its key in other fields."""
    shape = draft.shapes[name]
    options = draft.options.get(name, Options())
    if shape.many or options.relation.get("via"):
        return
    kind = _kind(drafts, draft, name)
    if name in draft.key and not kind.ordered:
        raise ModelError(f"{draft.name}.{name}: {kind.name} can't be a key")
    if draft.cls.__config__.managed and draft.key == (name,) and shape.target is None:
        kind = keys.reachable(f"{draft.name}.{name}", kind, options)
    default, default_me = _default(draft, name, kind, options)
    generated = _generated(draft, name, kind, default)
    made = shape.made_for
    stamp: Stamp | None = None if made is None or made == "id" else cast(Stamp, made)
    is_key = name in draft.key
    database = options.default is by_database
    if options.flags.get("stored") and draft.cls.__config__.managed:
        raise ModelError(
            f"{draft.name}.{name}: stored is for tables that are there already and stay as they "
            f"are: class {draft.name}(Model, managed=False)"
        )
    flags = {name: value for name, value in options.flags.items() if name not in _NO_FLAGS}
    flags |= {"key": is_key}
    if made == POSITION:
        # The write itself finds the place.
        default = str
    if made == "id":
        default, flags = ids.uuid7, flags | {"read_only": True}
    if is_key:
        flags["write_once"] = True
    draft.fields[name] = Field(
        name=name,
        column=options.flags.get("column") or name,
        kind=kind,
        nullable=shape.nullable,
        required=not (shape.nullable or default or default_me or stamp or generated or database),
        default=default,
        default_me=default_me,
        by_database=database,
        generated=generated,
        stamp=stamp,
        relation=name if shape.target else None,
        **flags,
    )


def _generated(draft: Draft, name: str, kind: Kind, default: Any) -> bool:
    """Whether the database makes this key: of a table of ours each integer, of another as told."""
    if draft.key != (name,) or default is not None or draft.shapes[name].target is not None:
        return False
    if draft.cls.__config__.managed:
        return kind.name == "integer"
    return draft.options.get(name, Options()).default is by_database


def _kind(
    drafts: Mapping[str, Draft], draft: Draft, name: str, seen: tuple[tuple[str, str], ...] = ()
) -> Kind:
    """The kind of a field; a relation's is that of the key it holds."""
    shape = draft.shapes[name]
    if shape.kind is not None:
        return shape.kind
    stored = draft.options.get(name, Options()).flags.get("stored")
    assert shape.target is not None
    other = drafts[shape.target.__name__]
    if len(other.key) > 1:
        raise ModelError(
            f"{draft.name}.{name}: {other.name}'s key has several fields "
            f"({', '.join(other.key)}); name this model's fields that hold it: field(via=(…))"
        )
    if (other.name, other.key[0]) in seen:
        raise ModelError(f"{draft.name}.{name}: its key is made of itself")
    found = _kind(drafts, other, other.key[0], (*seen, (other.name, other.key[0])))
    if draft.cls.__config__.managed and found.stored:
        # Its own column is ours; text must only go by the same order to be compared.
        same = found.stored in ("text", "character varying")
        return replace(found, stored="text" if same else "")
    return replace(found, stored=stored) if stored else found


def _default(draft: Draft, name: str, kind: Kind, options: Options) -> tuple[Any, bool]:
    value = options.default
    if value is UNSET or value is None or value is by_database:
        return None, False
    if value is me:
        return None, True
    if value is now:
        return clock.now, False
    if isinstance(value, Sentinel):
        raise ModelError(f"{draft.name}.{name}: {value!r} is no default")
    make = value if options.flags.get("factory") else lambda: value
    if kind.name != "json":
        return make, False
    # As plain JSON, and for each record its own: a hook may change it in its place.
    adapter: TypeAdapter[Any] = TypeAdapter(kind.limited())
    return (lambda: adapter.validate_python(make())), False


def _add_relations(drafts: dict[str, Draft], draft: Draft, links: dict[str, Spec]) -> None:
    for name, shape in draft.shapes.items():
        options = draft.options.get(name, Options())
        if shape.target is None:
            continue
        other = drafts[shape.target.__name__]
        if not shape.many:
            draft.one[name] = one_relation(draft, other, name, options)
            continue
        if options.relation.get("back") is None and shape.through is None:
            link = link_model(draft, other, name)
            links[link.name] = link
        draft.many[name] = many_relation(drafts, draft, other, name, options)


def _spec(draft: Draft) -> Spec:
    config = draft.cls.__config__
    where = config.collection or names.collection(draft.name)
    for group in (*config.unique, *config.index):
        for name in group.fields if isinstance(group, Unique) else group:
            if name not in draft.fields:
                raise ModelError(
                    f"{draft.name}: {name!r} is no field: {nearest(name, draft.fields)}"
                )
    return Spec(
        name=draft.name,
        collection=where,
        table=config.table or where,
        key=draft.key,
        fields=draft.fields,
        one=draft.one,
        many=draft.many,
        uniques=plain_sets(config),
        soft_delete=config.soft_delete,
        history=config.history,
        ordered=ordered_by(draft.name, draft.fields, config),
        indexes=config.index,
        description=(draft.cls.__doc__ or "").strip(),
        computed={},
        virtual={},
        schema=config.schema,
        managed=config.managed,
        read_only=config.read_only,
        own=draft.cls.__own__,
        cls=draft.cls,
    )


def _with_rules(schema: Schema, drafts: Mapping[str, Draft]) -> Schema:
    """The schema with each rule, check and hook; a rule may look through any relation."""
    add_computed(schema, {name: draft.cls for name, draft in drafts.items()})
    full: dict[str, Spec] = {}
    for name, spec in schema.models.items():
        draft = drafts.get(name)
        full[name] = spec if draft is None else _ruled(schema, spec, draft.cls)
        if draft is not None:
            draft.cls.__spec__ = full[name]
    served = {spec.collection: spec for spec in full.values() if spec.served}
    return Schema(full, served)


def _ruled(schema: Schema, spec: Spec, cls: type[Model]) -> Spec:
    rules, checks, scopes, hooks = [], [], [], []
    for name, found in functions_of(cls).items():
        if isinstance(found, HookFunction):
            hooks.append(Hook(name, found.when, found.actions, found.function))
            continue
        if isinstance(found, ComputedFunction):
            continue
        where = trace(found.function, schema, spec)
        if isinstance(found, ScopeFunction):
            scopes.append(named_scope(spec, name, where, found.default))
        elif found.check:
            own_columns(spec, f"{spec.name}.{name}: a check", where)
            if not spec.managed:
                raise RuleError(
                    f"{spec.name}.{name}: a check is upheld by the table, and abaft doesn't change "
                    "this one: add it there, or write it as @before"
                )
            checks.append(Check(name, where))
        else:
            _rule_fields(spec, found)
            if spec.history and "read" in found.actions:
                told_by_versions(spec, f"{spec.name}.{name}", where)
            rules.append(Rule(name, found.actions, where, found.fields))
    made = renders(cls, spec)
    every = ruled_with([*rules, *rules_of_added(cls, spec, rules)], made)
    ruled = replace(spec, rules=tuple(every))
    return replace(
        ruled,
        searched=searched(ruled, cls.__config__.search),
        checks=tuple(checks),
        hooks=(*hooks, *hooks_of(made)),
        scopes=tuple(scopes),
        conditional=conditional(schema, spec, cls.__config__),
    )


def _rule_fields(spec: Spec, rule: RuleFunction) -> None:
    known = [*spec.fields, *spec.computed, *spec.virtual, *spec.one, *spec.many]
    for name in rule.fields:
        if name not in known:
            raise ModelError(
                f"{spec.name}.{rule.name}: {name!r} is no field: {nearest(name, known)}"
            )
        if name in spec.key:
            raise ModelError(
                f"{spec.name}.{rule.name}: the key {name!r} can't have a rule of its own"
            )
    if rule.fields and "delete" in rule.actions:
        raise ModelError(f"{spec.name}.{rule.name}: a delete takes the whole record, not fields")
