"""Several writes as one: in one hand-over where nothing must be looked at before, else in turn."""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

from abaft.alike import Several, runs, several
from abaft.answers import Answer, Ready, Stages, Unit, WriteAnswer
from abaft.base.actor import Actor
from abaft.base.errors import Fault, Invalid, NotFound, Problem
from abaft.plan.types import Made, ReadIntent, WriteIntent
from abaft.store.base import (
    CheckViolation,
    GuardFailed,
    HeldOff,
    Item,
    ReferenceViolation,
    StoreError,
    UniqueViolation,
    singly,
)
from abaft.store_faults import store_fault
from abaft.writing import Draft, first_draft, run_after, stands_alone

if TYPE_CHECKING:
    from abaft.pipeline import Pipeline

Intent = WriteIntent | ReadIntent
Drafted = Draft | Several | ReadIntent
_REFUSED = (CheckViolation, GuardFailed, HeldOff, ReferenceViolation, UniqueViolation)


@dataclass(frozen=True, slots=True)
class Asked:
    """What is awaited in place of writes that are gathered: its driver does them with others."""

    intents: Sequence[Intent]

    def __await__(self) -> Generator[Asked, list[Answer], list[Answer]]:
        return (yield self)


class Undone(Exception):
    """Ends a transaction that isn't to be kept."""


async def together(
    pipeline: Pipeline, intents: Sequence[Intent], actor: Actor, unit: Unit | None
) -> list[Answer] | None:
    """The answers of writes that need nothing but themselves; None where they must go in turn.

    If one of them is refused all are undone and go in turn, which tells why.
    """
    stages = Stages()
    try:
        drafts = _drafts(pipeline, intents, actor)
        if drafts is None:
            return None
        stages.mark("before")
        readies = _readies(pipeline, drafts, actor)
        stages.mark("plan")
        items = _items(pipeline, drafts, readies, actor)
        if all(isinstance(draft, Several) for draft in drafts):
            rows = await pipeline.target(unit).write_all(items)  # new ones keep their places
        else:
            rows = await _rows(pipeline, intents, items, unit)
    except (Fault, *_REFUSED):
        return None
    except StoreError as error:
        raise store_fault(error) from error
    stages.mark("store")
    answers: list[Answer] = []
    for draft, ready in zip(drafts, readies, strict=True):
        answers += _answers(draft, ready, rows, len(answers), stages)
    if unit is not None or any(_hooked(draft) for draft in drafts):
        written = [(answer.draft, actor) for answer in answers if isinstance(answer, WriteAnswer)]
        if unit is not None:
            unit.written += written
            return answers
        for stored, by in written:
            await run_after(pipeline, stored, by)
    return answers


def _hooked(draft: Drafted) -> bool:
    return not isinstance(draft, ReadIntent) and bool(draft.model.hooks)


async def _rows(
    pipeline: Pipeline, intents: Sequence[Intent], items: Sequence[Item], unit: Unit | None
) -> list[Any]:
    """The row of each, or the rows of a read, in the order that was asked for."""
    order: Sequence[int] = pipeline.key_order.of(intents)
    if list(order) == [*range(len(intents))]:
        return await pipeline.target(unit).write_all(items)
    alone = singly(items)
    found = await pipeline.target(unit).write_all([alone[place] for place in order])
    return pipeline.key_order.asked(order, found)


def _answers(
    draft: Drafted, ready: Ready, rows: Sequence[Any], start: int, stages: Stages
) -> Sequence[Answer]:
    """What is answered to one, or to several alike, whose rows begin at `start`."""
    if isinstance(draft, ReadIntent):
        return [ready.read(rows[start], stages)]
    if isinstance(draft, Several):
        found = zip(rows[start : start + len(draft.intents)], draft.keys, strict=True)
        return [
            ready.written(row[0], partial(draft.draft, place, row[1]), stages, key)
            for place, (row, key) in enumerate(found)
        ]
    row = rows[start]
    return [ready.written(row[0], _known(draft, rows).stored_as(row[1]), stages)]


async def in_turn(
    pipeline: Pipeline, intents: Sequence[Intent], actor: Actor, unit: Unit, *, every: bool
) -> list[Answer | Fault]:
    """One after the other: each answer, or why it is refused.

    It ends with the first that is, unless `every` asks for all of them.
    """
    outcomes: list[Answer | Fault] = []
    for intent in intents:
        try:
            if intent.needs >= 0:
                intent = _resolved(intent, lambda place: _key_of(outcomes[place]))
            if isinstance(intent, ReadIntent):
                outcomes.append(await pipeline.read(intent, actor, unit))
            else:
                outcomes.append(await pipeline.write(intent, actor, unit))
        except Fault as fault:
            if fault.status >= 500 or (fault.passing and not every):
                raise
            outcomes.append(_placed(pipeline, intent, fault))
            if not every or intent.needs >= 0:
                break
    return outcomes


def _placed(pipeline: Pipeline, intent: Intent, fault: Fault) -> Fault:
    """The fault with the write's place in the body; what has none is told by its key."""
    if intent.pointer and isinstance(fault, NotFound):
        # Within a body a key that leads nowhere is a wrong value, as a relation's is.
        problem = Problem("", "no_such_record", fault.detail)
        fault = Invalid("1 value is wrong", errors=[problem])
    if intent.pointer or isinstance(intent, ReadIntent) or not intent.key:
        return fault.within(intent.pointer)
    return fault.about(pipeline.schema.models[intent.model].written(intent.key))


def merged(faults: Sequence[Fault], what: str = "records") -> Fault:
    """One fault that tells of all; its status is the first one's."""
    first = faults[0]
    if len(faults) == 1:
        return first
    told = [problem for fault in faults for problem in fault.errors]
    whole = first.told(f"{len(faults)} {what} are refused: {first.detail}", told)
    if len({fault.code for fault in faults}) > 1:
        whole.code = type(first).code
    return whole


def _drafts(pipeline: Pipeline, intents: Sequence[Intent], actor: Actor) -> list[Drafted] | None:
    drafts: list[Drafted] = []
    models = pipeline.schema.models
    for run in runs(intents):
        intent = run[0]
        if isinstance(intent, ReadIntent):
            drafts.append(intent)
            continue
        model = models[intent.model]
        if not stands_alone(model, intent):
            return None
        alike = several(model, run, actor) if len(run) > 1 else None
        if alike is not None:
            drafts.append(alike)
        else:
            drafts += [first_draft(model, one, actor) for one in run]
    return drafts


def _readies(pipeline: Pipeline, drafts: Sequence[Drafted], actor: Actor) -> list[Ready]:
    """The plan of each; neighbours are mostly of one shape, which is then looked up once."""
    found: list[Ready] = []
    last: Drafted | None = None
    for draft in drafts:
        if isinstance(draft, Draft) and isinstance(last, Draft) and _alike(draft, last):
            found.append(found[-1])
        else:
            found.append(pipeline.ready(draft.shape, actor))
        last = draft
    return found


def _alike(one: Draft, other: Draft) -> bool:
    """Whether two are of one shape, for sure; a shape is dear to make."""
    ours, theirs = one.intent, other.intent
    return (
        one.model is other.model
        and ours.action == theirs.action
        and ours.pick is theirs.pick
        and ours.where is theirs.where
        and ours.verb == theirs.verb
        and ours.etags is theirs.etags is None
        and not (one.operators or other.operators)
        and one.given == other.given
        and one.values.keys() == other.values.keys()
    )


def _items(
    pipeline: Pipeline, drafts: Sequence[Drafted], readies: Sequence[Ready], actor: Actor
) -> list[Item]:
    items: list[Item] = []
    by_column = pipeline.store.capabilities.by_column
    for draft, ready in zip(drafts, readies, strict=True):
        if not isinstance(draft, Several):
            items.append(_item(draft, ready, actor))
        elif by_column and ready.compiled.program is None:
            items.append(Item(ready.compiled, draft.binds))
        else:
            items += [Item(ready.compiled, row) for row in draft.binds.rows()]
    return items


def _item(draft: Draft | ReadIntent, ready: Ready, actor: Actor) -> Item:
    if isinstance(draft, ReadIntent):
        return _reading(draft, ready, actor)
    needs = draft.intent.needs
    if needs < 0:
        return Item(ready.compiled, draft.bound(actor))
    return Item(ready.compiled, lambda rows: _known(draft, rows).bound(actor), needs)


def _reading(intent: ReadIntent, ready: Ready, actor: Actor) -> Item:
    me = actor.known

    def values(rows: Sequence[Any]) -> Mapping[str, Any]:
        return {**_values(intent.values, lambda place: rows[place][1]), **me}

    if intent.needs < 0:
        known = {**intent.values, **me}
        return Item(ready.compiled, known, reads=True, required=intent.required)
    return Item(ready.compiled, values, intent.needs, reads=True, required=intent.required)


def _known(draft: Draft, rows: Sequence[Any]) -> Draft:
    """The draft, once the keys that it waits for are made."""
    if draft.intent.needs < 0:
        return draft
    intent = _resolved(draft.intent, lambda place: rows[place][1])
    assert isinstance(intent, WriteIntent)
    values = _values(draft.values, lambda place: rows[place][1])
    return replace(draft, intent=intent, values=values)


def _resolved(intent: Intent, key: Any) -> Intent:
    if isinstance(intent, ReadIntent):
        return replace(intent, values=_values(intent.values, key))
    return replace(
        intent,
        values=_values(intent.values, key),
        key=_values(intent.key, key),
        where_values=_values(intent.where_values, key),
    )


def shifted(intent: Intent, by: int) -> Intent:
    """The intent at a later place."""
    if intent.needs < 0 or not by:
        return intent
    found = _resolved(intent, lambda place: Made(place + by))
    return replace(found, needs=intent.needs + by)


def _values(values: Mapping[str, Any], key: Any) -> dict[str, Any]:
    return {name: _value(value, key) for name, value in values.items()}


def _value(value: Any, key: Any) -> Any:
    if isinstance(value, Made):
        return key(value.place)
    if isinstance(value, list):
        return [_value(item, key) for item in value]
    return value


def _key_of(outcome: Answer | Fault) -> Any:
    """The key that a write before got from the database."""
    if isinstance(outcome, Fault):
        raise outcome
    assert isinstance(outcome, WriteAnswer)
    draft = outcome.draft
    return draft.key()[draft.model.key[0]]
