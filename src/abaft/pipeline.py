"""The driver: every request, from HTTP, a job, a custom endpoint or the command line, goes here."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import aclosing, asynccontextmanager
from typing import Any, TypeVar

from abaft.answers import Answer, ReadAnswer, Ready, Stages, StreamAnswer, Unit, WriteAnswer
from abaft.base import clock
from abaft.base.actor import Actor, ActorKind
from abaft.base.errors import Conflict, Fault, MethodNotAllowed
from abaft.base.settings import Settings
from abaft.batches import Asked, Intent, Undone, in_turn, merged, together
from abaft.dangling import is_dangling, leading_nowhere
from abaft.following import followed
from abaft.key_order import KeyOrder
from abaft.model.expr import FALSE
from abaft.model.spec import Action, Model, Schema
from abaft.model.terms import Terms
from abaft.model.validators import Validators
from abaft.observe.events import Observer
from abaft.plan.access import Access
from abaft.plan.explain import refusal
from abaft.plan.loads import Load
from abaft.plan.marks import QUICK, looked_through, marked
from abaft.plan.read import plan_read, refuse
from abaft.plan.types import (
    ReadIntent,
    ReadPlan,
    ReadShape,
    Selection,
    WriteIntent,
    WriteShape,
)
from abaft.plan.versions import plan_version, plan_versions
from abaft.plan.virtual import Virtuals, is_virtual
from abaft.plan.write import VERBS, plan_write
from abaft.store.base import (
    GuardFailed,
    HeldOff,
    Pace,
    ReferenceViolation,
    Row,
    Session,
    Store,
    StoreError,
    UniqueViolation,
)
from abaft.store.spelling import as_texts
from abaft.store_faults import Refusing, busy_record, store_fault, write_fault
from abaft.taken import all_taken, draft_of, each_taken
from abaft.upserting import upsert
from abaft.writing import make_draft, run_after

TRIES = 5
_PAUSE = 0.002
T = TypeVar("T")
_LAST_TRY = 0.9
"""Of the time that a query may take: when what others were in the way of begins for the last."""
KEPT = 2_000
"""Plans kept; the oldest goes first, so that made-up shapes can't fill the memory."""


class Pipeline:
    """Turns an intent and an actor into an answer."""

    def __init__(
        self, schema: Schema, settings: Settings, store: Store, observer: Observer
    ) -> None:
        self.schema = schema
        self.settings = settings
        self.store = store
        self.observer = observer
        self.key_order = KeyOrder(schema)
        self.validators = Validators(schema)
        self.database_for: Callable[[Actor, Unit | None], Any] = lambda actor, unit: None
        self._permitted: set[tuple[str, Action, ActorKind]] = set()
        self._ready: dict[tuple[ReadShape | WriteShape, ActorKind], Ready] = {}

    def target(self, unit: Unit | None) -> Session:
        """Where to read and write: within the transaction, where there is one."""
        return self.store if unit is None else unit.session

    async def read(self, intent: ReadIntent, actor: Actor, unit: Unit | None = None) -> ReadAnswer:
        """The way of a read: the plan with the rules in it, its values, one statement, its rows."""
        if unit is not None and unit.gathers:
            [answer] = await Asked((intent,))
            assert isinstance(answer, ReadAnswer)
            return answer
        stages = Stages()
        ready = self.ready(intent.shape, actor)
        stages.mark("plan")
        values = with_actor(intent.values, actor)
        try:
            rows = await self.target(unit).read(ready.compiled, values)
        except StoreError as error:
            raise store_fault(error) from error
        stages.mark("store")
        if ready.plan.search is not None and ready.plan.search.highlights:
            rows = await show_marks(ready.plan, rows, values["search"])
            stages.mark("highlight")
        return ready.read(rows, stages)

    def stream(self, intent: ReadIntent, actor: Actor, seconds: float = 0) -> StreamAnswer:
        """The way of a read whose rows come one by one, in bounded memory.

        Rules are asked at once; the statement is run when the first row is.
        """
        ready = self.ready(intent.shape, actor)
        values = with_actor(intent.values, actor)
        return StreamAnswer(ready.plan, self._rows(ready, values, seconds))

    async def _rows(
        self, ready: Ready, values: Mapping[str, Any], seconds: float
    ) -> AsyncGenerator[Row, None]:
        try:
            async with aclosing(self.store.stream(ready.compiled, values, seconds)) as rows:
                async for row in rows:
                    if ready.plan.search is not None and ready.plan.search.highlights:
                        [row] = await show_marks(ready.plan, [row], values["search"])
                    yield ready.shown(row)
        except StoreError as error:
            raise store_fault(error) from error

    async def write(
        self, intent: WriteIntent, actor: Actor, unit: Unit | None = None
    ) -> WriteAnswer:
        """The way of a write: @before hooks, the guarded statement with its change record, @after.

        A record that another write changed in between is read again, a few times over.
        """
        if unit is not None and unit.gathers:
            self.permit(intent.model, intent.needed, actor)
            [answer] = await Asked((intent,))
            assert isinstance(answer, WriteAnswer)
            return answer
        stages = Stages()
        self.permit(intent.model, intent.needed, actor)
        model = self.schema.models[intent.model]
        if unit is None and model.hooks_for("within", intent.action):
            return await self.whole(lambda unit: self.write(intent, actor, unit))
        if intent.upsert:
            return await upsert(self, intent, actor, unit)
        for _ in range(TRIES):
            draft = await make_draft(self, intent, actor, unit)
            stages.mark("before")
            ready = self.ready(draft.shape, actor)
            stages.mark("plan")
            values = draft.bound(actor)
            with Refusing(self.schema, draft):
                try:
                    row = await self.target(unit).write(ready.compiled, values)
                except HeldOff:
                    row = None
                except (GuardFailed, ReferenceViolation) as error:
                    if not is_dangling(error):
                        raise
                    # No database names all that lead nowhere, and SQLite none.
                    raise await leading_nowhere(self, draft, actor, unit) or error from error
                except UniqueViolation as error:
                    raise await all_taken(self, draft, error, unit) from error
            stages.mark("store")
            if row is not None:
                draft = draft.stored_as(row[1])
                shown = await followed(self, draft, actor, unit, row[0])
                return ready.written(shown, draft, stages)
            fault = refusal(ready.plan, await self.probe(ready, values, unit), actor)
            if fault is not None and is_dangling(fault):
                raise await leading_nowhere(self, draft, actor, unit) or fault
            if fault is not None:
                raise fault
        raise busy_record()

    async def write_all(
        self,
        intents: Sequence[Intent],
        actor: Actor,
        unit: Unit | None = None,
        *,
        every: bool = False,
    ) -> list[Answer]:
        """The way of several writes, and reads between them, in one transaction; in order.

        One that is refused has all of them undone; with `every` all that are refused are told.
        """
        self._permit_all(intents, actor)
        if unit is not None and unit.gathers:
            return await Asked(intents)
        answers = await together(self, intents, actor, unit)
        if answers is not None:
            return answers
        pace: Pace = "steady" if self.key_order.settles(intents) else "hasty"
        return await self.whole(lambda unit: self._each(intents, actor, unit, every), unit, pace)

    async def whole(
        self, work: Callable[[Unit], Awaitable[T]], unit: Unit | None = None, pace: Pace = "hasty"
    ) -> T:
        """What the work gives, done in a transaction: from the top where others were in its way.

        Within one that is under way it can't be: what others did meanwhile isn't seen in it.
        """
        if unit is not None:
            async with self.unit(unit) as unit:
                return await work(unit)
        until = clock.monotonic() + self.settings.query_timeout * _LAST_TRY
        attempt = 0
        while True:
            try:
                async with self.transaction("queued" if attempt else pace) as inner:
                    return await work(inner)
            except Fault as fault:
                if not fault.passing or clock.monotonic() > until:
                    raise
            attempt += 1
            await asyncio.sleep(_PAUSE * attempt)

    async def _each(
        self, intents: Sequence[Intent], actor: Actor, unit: Unit, every: bool
    ) -> list[Answer]:
        order = self.key_order.of(intents)
        if not isinstance(order, range):
            intents = self.key_order.keyed(intents)
        taken = [intents[place] for place in order]
        outcomes = self.key_order.asked(order, await in_turn(self, taken, actor, unit, every=every))
        if faults := [outcome for outcome in outcomes if isinstance(outcome, Fault)]:
            raise merged(faults)
        return [outcome for outcome in outcomes if not isinstance(outcome, Fault)]

    async def rehearse(self, intents: Sequence[Intent], actor: Actor) -> list[Answer | Fault]:
        """What would come of each of these writes; nothing is kept, and no @after hook is run."""
        self._permit_all(intents, actor)
        outcomes: Sequence[Answer | Fault] | None = None
        try:
            async with self.transaction() as unit:
                outcomes = await together(self, intents, actor, unit)
                if outcomes is None:
                    outcomes = await in_turn(self, intents, actor, unit, every=True)
                raise Undone
        except Undone:
            return list(outcomes or ())

    @asynccontextmanager
    async def transaction(self, pace: Pace = "") -> AsyncIterator[Unit]:
        """What is written within the unit lands together or not at all.

        @after hooks run once it is durable.
        """
        try:
            async with self.store.transaction(pace=pace) as session:
                unit = Unit(session)
                yield unit
                if unit.broken:
                    detail = "a transaction within this one failed, so this one is undone as well"
                    raise Conflict(detail, code="rolled_back")
        except StoreError as error:
            raise store_fault(error) from error
        for draft, actor in unit.written:
            await run_after(self, draft, actor)

    @asynccontextmanager
    async def unit(self, outer: Unit | None) -> AsyncIterator[Unit]:
        """A transaction, or the one that is under way: what fails within breaks all of it."""
        if outer is None:
            async with self.transaction() as unit:
                yield unit
            return
        try:
            yield outer
        except BaseException:
            # What went before is in the transaction, and can't stay there without the rest.
            outer.broken = True
            raise

    async def probe(
        self, ready: Ready, values: Mapping[str, Any], unit: Unit | None
    ) -> dict[str, bool] | None:
        """Which guards of a write hold now; None where the record isn't there."""
        try:
            return await self.target(unit).probe(ready.compiled, values)
        except StoreError as error:
            raise store_fault(error) from error

    async def load(self, load: Load, session: Session) -> dict[int, Fault]:
        """The way of many records at once: no rule is asked and no hook is run.

        The faults of those that were refused, by their place; the others are stored.
        """
        model = load.model
        self._writable(model)
        try:
            refused = await session.load(load)
        except StoreError as error:
            raise store_fault(error) from error
        drafts = {place: draft_of(load, place) for place in refused}
        faults: dict[int, Fault] = dict(await each_taken(self, load, drafts, refused, session))
        for place, reason in refused.items():
            if place not in faults:
                faults[place] = write_fault(self.schema, drafts[place], reason)
        return faults

    def _permit_all(self, intents: Sequence[Intent], actor: Actor) -> None:
        seen = set()
        for intent in intents:
            action: Action = intent.needed if isinstance(intent, WriteIntent) else "read"
            place = (intent.model, action)
            if place not in seen:
                seen.add(place)
                try:
                    self.permit(intent.model, action, actor)
                except Fault as fault:
                    raise fault.within(intent.pointer) from None

    def permit(self, model: str, action: Action, actor: Actor) -> None:
        """Raises Forbidden or Unauthorized where the actor may do this to no record at all."""
        place = (model, action, actor.kind)
        if place not in self._permitted:
            if action != "read":
                self._writable(self.schema.models[model])
            access = Access(self.schema, actor)
            if access.records(self.schema.models[model], action) == FALSE:
                refuse(access, f"{self.schema.models[model].collection} may not be {VERBS[action]}")
            if len(self._permitted) >= KEPT:
                self._permitted.clear()
            self._permitted.add(place)

    def _writable(self, model: Model) -> None:
        if model.read_only:
            allow = {"allow": "GET, HEAD, OPTIONS"}
            raise MethodNotAllowed(f"{model.collection} can only be read", headers=allow)

    def ready(self, shape: ReadShape | WriteShape, actor: Actor) -> Ready:
        """The compiled plan of a shape for this kind of actor, made once and kept."""
        place = (shape, actor.kind)
        found = self._ready.get(place)
        if found is None:
            found = self._make(shape, actor)
            if len(self._ready) >= KEPT:
                del self._ready[next(iter(self._ready))]
            self._ready[place] = found
        return found

    def _make(self, shape: ReadShape | WriteShape, actor: Actor) -> Ready:
        access = Access(self.schema, actor)
        if isinstance(shape, ReadShape):
            read = _plan_read(self.schema, self.settings, access, shape)
            return Ready(read, self.store.compile_read(read), self._virtuals(read.selection))
        write = plan_write(self.schema, self.settings, access, shape)
        return Ready(write, self.store.compile_write(write), self._virtuals(write.selection))

    def _virtuals(self, selection: Selection) -> Virtuals | None:
        return Virtuals(self.schema, selection) if is_virtual(selection) else None


async def show_marks(plan: ReadPlan, rows: Sequence[Row], terms: Terms) -> Sequence[Row]:
    """The rows with what a search found marked in their JSON; much of it not on the loop."""
    rows = as_texts(rows)
    if looked_through(plan, rows) <= QUICK:
        return marked(plan, rows, terms)
    return await asyncio.to_thread(marked, plan, rows, terms)


def _plan_read(schema: Schema, settings: Settings, access: Access, shape: ReadShape) -> ReadPlan:
    if shape.kind == "version":
        return plan_version(schema, settings, access, shape)
    if shape.kind == "versions":
        return plan_versions(schema, shape)
    return plan_read(schema, settings, access, shape)


def with_actor(values: Mapping[str, Any], actor: Actor) -> Mapping[str, Any]:
    """The values with what is known of the actor among them."""
    known = actor.known
    return {**values, **known} if known else values
