"""The quick way of an atomic batch: each operation is run until it asks for its write.

What all ask for is done in one hand-over. This serves operations that write one record, or a list
of new ones, and refer to nothing but keys; others go in turn.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import groupby
from typing import TYPE_CHECKING, Any

from abaft.answers import Answer as Outcome
from abaft.answers import Unit
from abaft.api import preferences, references
from abaft.api.references import Reference, referred
from abaft.api.request import Request
from abaft.api.respond import Answer
from abaft.base.errors import Fault
from abaft.batches import Asked, Intent, merged, shifted, together
from abaft.model.spec import Model
from abaft.pipeline import Pipeline
from abaft.plan.types import Made, ReadIntent, WriteIntent

if TYPE_CHECKING:
    from abaft.api.batch import Operation

Prepare = Callable[[Request, "Operation", references.Look], tuple[Request, Any]]
CreateEach = Callable[[Request, Sequence[Any]], Coroutine[Any, Any, list[Answer]]]
_ONE_WRITE = {("POST", False), ("PATCH", True), ("DELETE", True), ("GET", True)}
"""Methods, and whether they are of a record, that ask the pipeline once."""
_SOME_KEY = 1


class Beyond(Exception):
    """More is needed than can be known before the writes."""


@dataclass(slots=True)
class Begun:
    """An operation, or several alike, that asked for its writes: where their answers will be."""

    coroutine: Coroutine[Any, Any, Answer | list[Answer]]
    start: int
    count: int


class Gathered:
    """The operations of one batch, gathered."""

    def __init__(
        self,
        pipeline: Pipeline,
        prepare: Prepare,
        create_each: CreateEach,
        request: Request,
        operations: Sequence[Operation],
        most: int,
    ) -> None:
        self.most = most
        self.pipeline = pipeline
        self.prepare = prepare
        self.create_each = create_each
        self.request = request
        self.operations = operations
        self.intents: list[Intent] = []
        self.begun: list[Begun] = []
        self.keys: dict[str, dict[str, Any]] = {}

    async def answers(self) -> list[Answer] | None:
        """The answers in order; None where the operations must go in turn.

        Raises all that is wrong with operations that refer to no other.
        """
        try:
            if not self._begin() or len(self.intents) > self.most:
                return None
            done = await together(
                self.pipeline, self.intents, self.request.actor, self.request.unit
            )
            if done is None and all(map(_upserts, self.intents)):
                done = await self._upserted()
            if done is None:
                return None
            answers: list[Answer] = []
            for one in self.begun:
                ended = _ended(one, done[one.start : one.start + one.count])
                answers += ended if isinstance(ended, list) else (ended,)
            return answers
        finally:
            for one in self.begun:
                one.coroutine.close()

    async def _upserted(self) -> list[Outcome] | None:
        """The answers of upserts alone, which can be taken in the order of their keys.

        None where one is refused: in turn each tells of itself.
        """
        if self.request.unit is not None:
            return None  # what fails would end the transaction of the request
        try:
            return await self.pipeline.write_all(self.intents, self.request.actor)
        except Fault as fault:
            if fault.status >= 500:
                raise
            return None

    def _begin(self) -> bool:
        faults, whole = [], True
        for operation in self._one_by_one():
            try:
                self._start(operation)
            except Beyond:
                whole = False
            except Fault as fault:
                if operation.refers and references.named(operation.path, operation.body):
                    whole = False  # the reference stood for something else than it will
                else:
                    faults.append(operation.placed(fault))
        if faults:
            raise merged(faults, "operations")
        return whole

    def _one_by_one(self) -> Iterator[Operation]:
        """The operations to be started each by itself; those alike are started on the way."""
        referred_to = any(operation.refers for operation in self.operations)
        for alike, run in groupby(self.operations, partial(_alike, named=not referred_to)):
            several = list(run)
            if alike is None or len(several) < 2 or not self._start_alike(several):
                yield from several

    def _start_alike(self, several: Sequence[Operation]) -> bool:
        """Starts new records of one collection; False where one is refused, which tells of itself.

        What they share is looked at once, and their bodies are read as one list.
        """
        try:
            request, _ = self.prepare(self.request, several[0], self._look)
            if request.key:
                return False
            request.unit = Unit(session=None, gathers=True)  # type: ignore[arg-type]
            coroutine = self.create_each(request, [operation.body for operation in several])
            asked = coroutine.send(None)
        except Fault:
            return False
        assert isinstance(asked, Asked)
        self.begun.append(Begun(coroutine, len(self.intents), len(several)))
        self.intents += asked.intents
        return True

    def _start(self, operation: Operation) -> None:
        late = _Late(self, operation) if operation.refers else None
        written = operation if late is None else late.operation
        request, handler = self.prepare(self.request, written, self._look)
        if (request.method, bool(request.key)) not in _ONE_WRITE or request.place:
            raise Beyond
        request.unit = Unit(session=None, gathers=True)  # type: ignore[arg-type]
        coroutine = handler(request)
        try:
            asked = coroutine.send(None)
        except StopIteration:
            raise Beyond from None
        if not isinstance(asked, Asked):
            coroutine.close()
            raise Beyond
        begun = Begun(coroutine, len(self.intents), len(asked.intents))
        self.begun.append(begun)
        intents = [shifted(_required(intent), begun.start) for intent in asked.intents]
        if late is not None:
            intents = late.put(request.model, intents)
        if len(intents) == 1 and operation.name:
            intents = [self._known(operation, request.model, intents[0])]
        self.intents += intents

    def _known(self, operation: Operation, model: Model, intent: Intent) -> Intent:
        """The write with a key that is known beforehand, as far as others may refer to it."""
        if isinstance(intent, ReadIntent) or intent.upsert:
            return intent
        if intent.action != "create":
            self.keys[operation.name] = _shown(model, intent.key)
            return intent
        made: dict[str, Any] = {}
        for name in model.key:
            field = model.fields[name]
            if name in intent.values:
                continue
            if field.generated:
                self.keys[operation.name] = {name: Made(len(self.intents))}
                return intent
            if field.default is None:
                return intent
            made[name] = field.default()
        self.keys[operation.name] = _shown(model, {**intent.values, **made})
        return replace(intent, made={**intent.made, **made}) if made else intent

    def made(self, reference: Reference | None) -> Made | None:
        """The key that a reference stands for, if the database is to make it."""
        if reference is None or len(reference.steps) != 1:
            return None
        found = self.keys.get(reference.name, {}).get(reference.steps[0])
        return found if isinstance(found, Made) else None

    def _look(self, reference: Reference) -> Any:
        known = self.keys.get(reference.name, {})
        if len(reference.steps) != 1 or reference.steps[0] not in known:
            raise Beyond
        if isinstance(known[reference.steps[0]], Made):
            raise Beyond
        return known[reference.steps[0]]


class _Late:
    """An operation whose references to keys of the database's making are put in afterwards."""

    def __init__(self, gathered: Gathered, operation: Operation) -> None:
        self.values: dict[str, Made] = {}
        body = operation.body
        if isinstance(body, dict):
            found = {name: gathered.made(referred(value)) for name, value in body.items()}
            self.values = {name: made for name, made in found.items() if made is not None}
            body = {**body, **dict.fromkeys(self.values, _SOME_KEY)} if self.values else body
        path, self.key = operation.path, None
        collection, _, rest = path.removeprefix("/").partition("/")
        key, mark, query = rest.partition("?")
        made = gathered.made(references.whole(key))
        if made is not None:
            self.key = made
            path = f"/{collection}/{_SOME_KEY}{mark}{query}"
        self.operation = replace(operation, path=path, body=body)

    def put(self, model: Model, intents: list[Intent]) -> list[Intent]:
        """The intent with the keys that are yet to be made."""
        if not self.values and self.key is None:
            return intents
        if len(intents) > 1 or not all(_leads(model, name) for name in self.values):
            raise Beyond
        intent = intents[0]
        if isinstance(intent, ReadIntent) or not self.values.keys() <= intent.values.keys():
            raise Beyond
        key = dict(intent.key)
        if self.key is not None:
            if len(key) != 1:
                raise Beyond
            key = dict.fromkeys(key, self.key)
        needs = [made.place for made in self.values.values()]
        needs += [self.key.place] if self.key is not None else []
        values = {**intent.values, **self.values}
        return [replace(intent, values=values, key=key, needs=max(needs))]


def _required(intent: Intent) -> Intent:
    """A GET of what isn't there is refused, and with it the batch."""
    return replace(intent, required=True) if isinstance(intent, ReadIntent) else intent


def _upserts(intent: Intent) -> bool:
    return isinstance(intent, WriteIntent) and bool(intent.upsert)


def _leads(model: Model, name: str) -> bool:
    """Whether the member is a relation: what else may hold a key has limits of its own."""
    return name in model.fields and model.fields[name].relation is not None


def _shown(model: Model, values: Any) -> dict[str, Any]:
    """The key's fields as an answer shows them."""
    return {
        name: values[name]
        if isinstance(values[name], Made)
        else model.fields[name].kind.show(values[name])
        for name in model.key
    }


def _alike(operation: Operation, named: bool) -> tuple[str, dict[bytes, bytes]] | None:
    """What new records have in common that are read together; None for all else.

    The keys of those that are `named` may have to be known beforehand.
    """
    plain = operation.method == "POST" and isinstance(operation.body, dict)
    if not plain or operation.refers or preferences.HEADER in operation.headers:
        return None
    if operation.name and not named:
        return None
    return operation.path, operation.headers


def _ended(begun: Begun, answers: Sequence[Any]) -> Answer | list[Answer]:
    try:
        begun.coroutine.send(answers)
    except StopIteration as end:
        answer: Answer | list[Answer] = end.value
        return answer
    raise AssertionError("an operation asked for more than one write")
