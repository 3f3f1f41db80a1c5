"""What a write is before it reaches the store: values filled in, hooks run, parameters named."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from copy import deepcopy
from dataclasses import field as slot
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import orjson

from abaft.base import clock
from abaft.base.actor import SYSTEM, Actor
from abaft.base.digest import fingerprint
from abaft.base.errors import Invalid, Problem
from abaft.base.frozen import frozen
from abaft.model import expr as e
from abaft.model.kinds import own_key
from abaft.model.records import plain, record_from_json, record_of
from abaft.model.spec import DELETED, POSITION, Hook, Model
from abaft.model.values import merge_patch, summary
from abaft.observe.events import HookFailed
from abaft.plan.explain import missing, refusal
from abaft.plan.operators import OPERATORS, broken
from abaft.plan.types import Deleted, ReadIntent, ReadShape, WriteIntent, WriteShape

if TYPE_CHECKING:
    from abaft.answers import Unit
    from abaft.pipeline import Pipeline


@frozen
class Draft:
    """A write ready to be bound: `values` are all that it assigns.

    `told` are the written key and the change record's data, where they are made already.
    """

    model: Model
    intent: WriteIntent
    values: Mapping[str, Any]
    given: frozenset[str]
    record: Any = None
    seen: str | None = None
    operators: Mapping[str, str] = slot(default_factory=dict)
    told: tuple[str, str] | None = None

    @property
    def shape(self) -> WriteShape:
        intent = self.intent
        return WriteShape(
            self.model.name,
            intent.action,
            tuple(self.values),
            self.given,
            intent.pick,
            intent.etags is not None,
            self.seen is not None,
            intent.where,
            tuple(sorted(self.operators.items())) if self.operators else (),
            intent.verb,
        )

    def known(self) -> Mapping[str, Any]:
        """The values that are known before the write: of the others the operand is."""
        if not self.operators:
            return self.values
        return {name: value for name, value in self.values.items() if name not in self.operators}

    def key(self) -> Mapping[str, Any]:
        return self.intent.key if self.intent.action != "create" else self.values

    def written(self) -> str:
        """The written key; empty while the database has yet to make it."""
        if self.told is not None:
            return self.told[0]
        key = self.key()
        return self.model.written(key) if all(name in key for name in self.model.key) else ""

    def stored_as(self, made: Any) -> Draft:
        """The draft with the key that the database made, if it did."""
        if made is None:
            return self
        return replace(self, values={**self.values, self.model.key[0]: made})

    def bound(self, actor: Actor) -> Mapping[str, Any]:
        """Every parameter of the write by name."""
        bound: dict[str, Any] = {f"set.{name}": value for name, value in self.values.items()}
        for name, value in self.intent.key.items():
            bound[f"key.{name}"] = value
        bound.update(self.intent.where_values)
        bound.update(actor.known)
        bound["etags"] = self.intent.etags
        if self.model.order:
            anchor = {f"anchor.{name}": value for name, value in self.intent.anchor.items()}
            bound |= {f"set.{POSITION}": "", **anchor}
        bound["seen"] = self.seen
        bound["change.at"] = clock.now()
        bound["change.actor"] = actor.name
        bound["change.model"] = self.model.name
        bound["change.record"] = self.written()
        bound["change.action"] = self.intent.action
        bound["change.data"] = self._data()
        return bound

    def _data(self) -> str:
        """The fields that the write sets, with their values; hidden ones are nobody's business."""
        if self.told is not None:
            return self.told[1]
        data: dict[str, Any] = {}
        fields = self.model.fields
        for name, value in self.known().items():
            row = fields.get(name)
            if row is None:
                many = self.model.many[name]
                if not many.hidden:
                    data[name] = [str(item) for item in value]
            elif not row.hidden:
                data[name] = None if value is None else row.kind.show(value)
        return orjson.dumps(data).decode()


async def make_draft(
    pipeline: Pipeline, intent: WriteIntent, actor: Actor, unit: Unit | None
) -> Draft:
    """The draft of an intent, with defaults filled in and @before hooks run.

    Raises what a hook refuses by, and what the write itself would be refused by where somebody
    looks at the stored record before it.
    """
    model = pipeline.schema.models[intent.model]
    draft = first_draft(model, intent, actor)
    hooks = model.hooks_for("before", intent.action)
    if intent.action != "create":
        once = model.once.intersection(intent.values)
        if hooks or once or _merges(intent, model) or model.hooks_for("after", intent.action):
            await _reach(pipeline, draft, actor, unit)
            draft = await _with_stored(pipeline, draft, unit)
            if draft.operators:
                draft = _reckoned(draft, pipeline.settings.max_body_bytes)
        if once:
            draft = _without_settled(draft, once)
    return await _hooked(pipeline, draft, hooks, actor, unit) if hooks else draft


def first_draft(model: Model, intent: WriteIntent, actor: Actor) -> Draft:
    """The draft as far as it can be made of the intent alone."""
    if intent.action == "create":
        values = fill(model, intent.values, actor)
        if intent.made:
            values |= intent.made
        return Draft(model, intent, values, frozenset(intent.values))
    once = model.once.intersection(intent.values)
    if once and not intent.replace:
        raise _settled(once)
    values = changed(model, intent.values) if intent.action == "update" else {}
    if intent.verb == "restore":
        values[DELETED] = None
    elif intent.action == "delete" and model.soft_delete and intent.verb != "purge":
        values[DELETED] = clock.now()
    return Draft(model, intent, values, frozenset(intent.values), operators=intent.operators)


def stands_alone(model: Model, intent: WriteIntent) -> bool:
    """Whether the first draft is the last: no hook has a say, and nothing stored is looked at."""
    hooks = intent.upsert or model.hooks_for("before", intent.action)
    if hooks or model.hooks_for("within", intent.action):
        return False
    if intent.action == "create":
        return True
    looked_at = model.once.intersection(intent.values) or _merges(intent, model)
    return not (looked_at or model.hooks_for("after", intent.action))


async def _reach(pipeline: Pipeline, draft: Draft, actor: Actor, unit: Unit | None) -> None:
    """Raises what the write will be refused by: a hook's words may not tell of a hidden record.

    The write asks all of it again.
    """
    ready = pipeline.ready(draft.shape, actor)
    answers = await pipeline.probe(ready, draft.bound(actor), unit)
    if answers is not None:
        # What the record will be is only known after the hooks.
        early = ("read", "where", "match", "before")
        answers = {name: answers[name] for name in early if name in answers}
    fault = refusal(ready.plan, answers, actor)
    if fault is not None:
        raise fault


def fill(model: Model, given: Mapping[str, Any], actor: Actor) -> dict[str, Any]:
    """A new record's values for every field: given, stamped, by default, or null."""
    values: dict[str, Any] = {}
    problems = []
    stamp = clock.now()
    for name, field in model.fields.items():
        if name in given:
            values[name] = given[name]
        elif field.stamp in ("created", "updated"):
            values[name] = stamp
        elif field.default_me and actor.id is not None:
            values[name] = own_key(field.kind)(actor.id)
        elif field.default_tenant and actor.tenant is not None:
            values[name] = own_key(field.kind)(actor.tenant)
        elif field.default is not None:
            values[name] = field.default()
        elif field.by_database:
            continue
        elif field.nullable:
            values[name] = None
        elif not field.generated:
            problems.append(Problem(f"/{name}", "required", "Field required"))
    if problems:
        raise Invalid(summary(problems), errors=problems)
    for name in model.many:
        if name in given:
            values[name] = given[name]
    return values


def changed(model: Model, given: Mapping[str, Any]) -> dict[str, Any]:
    """A changed record's values, with the time of the change."""
    return {**given, **dict.fromkeys(model.touched, clock.now())}


def _settled(names: Iterable[str]) -> Invalid:
    problems = [
        Problem(f"/{name}", "write_once", f"{name} is set when the record is made and then stays")
        for name in sorted(names)
    ]
    return Invalid(summary(problems), errors=problems)


def _without_settled(draft: Draft, once: frozenset[str]) -> Draft:
    """The draft of a whole record, whose write-once fields must be as they are stored."""
    stored = plain(draft.model, draft.record)
    other = {name for name in once if stored[name] != draft.values[name]}
    if other:
        raise _settled(other)
    values = {name: value for name, value in draft.values.items() if name not in once}
    return replace(draft, values=values, given=draft.given - once)


def _merges(intent: WriteIntent, model: Model) -> bool:
    """Whether a JSON object is to be merged into the stored one."""
    return intent.merge and any(
        name in model.fields and model.fields[name].kind.name == "json" for name in intent.values
    )


async def stored_record(
    pipeline: Pipeline,
    model: Model,
    key: Mapping[str, Any],
    unit: Unit | None,
    deleted: Deleted = "without",
) -> str | None:
    """All that is stored of the record of this key, as JSON."""
    where = e.all_of(
        e.Compare("eq", e.Column(name), e.Param(f"key.{name}", model.fields[name].kind))
        for name in model.key
    )
    shape = ReadShape(model.name, "one", where, whole=True, deleted=deleted)
    values = {f"key.{name}": value for name, value in key.items()}
    answer = await pipeline.read(ReadIntent(shape, values), SYSTEM, unit)
    return answer.rows[0][0] if answer.rows else None


async def _with_stored(pipeline: Pipeline, draft: Draft, unit: Unit | None) -> Draft:
    """The draft with the stored record; the write will hold only while it is still the same."""
    model = draft.model
    text = await stored_record(pipeline, model, draft.intent.key, unit, "with")
    if text is None:
        raise missing(model)
    values = dict(draft.values)
    if draft.intent.action == "update" and _merges(draft.intent, model):
        values |= _merged(pipeline, model, draft.intent.values, orjson.loads(text))
    record = record_from_json(pipeline.schema, model, text)
    return replace(draft, values=values, record=record, seen=fingerprint(text))


def _reckoned(draft: Draft, most_bytes: int) -> Draft:
    """The draft with what operators make of the stored record, whose fields somebody looks at."""
    stored = plain(draft.model, draft.record)
    values, wrong = dict(draft.values), []
    fields = {name: row for name, row in draft.operators.items() if name in draft.model.fields}
    for name, row in fields.items():
        values[name] = OPERATORS[row].apply(stored[name], values[name])
        wrong += broken(draft.model, name, row, values[name], most_bytes)
    if wrong:
        raise Invalid(summary(wrong), errors=wrong)
    rest = {name: row for name, row in draft.operators.items() if name not in fields}
    return replace(draft, values=values, operators=rest)


def _merged(
    pipeline: Pipeline, model: Model, given: Mapping[str, Any], stored: Mapping[str, Any]
) -> dict[str, Any]:
    merged = {
        name: merge_patch(stored[name], given[name])
        for name in given
        if name in model.fields and model.fields[name].kind.name == "json"
    }
    return pipeline.validators[model.name].json(merged)


async def _hooked(
    pipeline: Pipeline, draft: Draft, hooks: tuple[Hook, ...], actor: Actor, unit: Unit | None
) -> Draft:
    """The draft as the hooks leave it; what they set is checked like what a program gives."""
    model = draft.model
    record = draft.record if draft.record is not None else record_of(pipeline.schema, model, {})
    typed = pipeline.validators[model.name].typed(draft.known())
    record.__dict__.update(typed)
    # Copied whole: a hook may change a list or an object in its place.
    before = deepcopy(plain(model, record))
    database = pipeline.database_for(actor, unit)
    for hook in hooks:
        await call_hook(hook, record, actor, database)
    after = plain(model, record)
    touched = {name: value for name, value in after.items() if before.get(name, ...) != value}
    if not touched or draft.intent.action == "delete":
        return replace(draft, record=record)
    values = {**draft.values, **pipeline.validators[model.name].python(touched)}
    return replace(draft, values=values, record=record)


async def call_hook(hook: Hook, record: Any, actor: Actor, database: Any) -> None:
    """Calls the hook with as many of (record, me, db) as it takes."""
    count = hook.call.__code__.co_argcount
    await hook.call(*(record, actor, database)[:count])


async def run_after(pipeline: Pipeline, draft: Draft, actor: Actor) -> None:
    """The @after hooks; the write stands whatever they do."""
    hooks = draft.model.hooks_for("after", draft.intent.action)
    if not hooks:
        return
    record = _as_written(pipeline, draft)
    for hook in hooks:
        try:
            await call_hook(hook, record, actor, pipeline.database_for(actor, None))
        except Exception as error:
            pipeline.observer.emit(HookFailed(draft.model.name, hook.name, error))


async def run_within(pipeline: Pipeline, draft: Draft, actor: Actor, unit: Unit) -> None:
    """The hooks that belong to the write: what they raise undoes it."""
    for hook in draft.model.hooks_for("within", draft.intent.action):
        database = pipeline.database_for(actor, unit)
        await call_hook(hook, _as_written(pipeline, draft), actor, database)


def _as_written(pipeline: Pipeline, draft: Draft) -> Any:
    """The record as far as the write tells it."""
    record = draft.record
    if record is None:
        record = record_of(pipeline.schema, draft.model, {})
    record.__dict__.update(pipeline.validators[draft.model.name].typed(draft.known()))
    return record
