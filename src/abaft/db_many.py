"""What Database does with many records at once: all of it or nothing."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from abaft.answers import Answer, WriteAnswer
from abaft.base.errors import BadRequest, Fault
from abaft.batches import merged
from abaft.kept import Kept, M
from abaft.matching import Matching
from abaft.model.records import plain
from abaft.model.spec import Model
from abaft.plan.types import ReadIntent, ReadShape, WriteIntent

Where = Callable[[M], bool] | Callable[[M, Any], bool] | str
"""A function of a record, or a text of the filter language."""


class ManyRecords(Kept):
    """A part of Database."""

    def _found(self, spec: Model, where: Any) -> tuple[ReadShape, dict[str, Any]]:
        raise NotImplementedError

    async def create_many(self, records: Sequence[M]) -> list[M]:
        """Stores new records in one transaction, in order, and gives them as they are then.

        Faults are told of all of them, each with its place: `/3/title`.
        """
        specs = [self._spec(type(record)) for record in records]
        intents, faults = [], []
        for place, (spec, record) in enumerate(zip(specs, records, strict=True)):
            try:
                given = self._pipeline.validators[spec.name].python(plain(spec, record))
                intents.append(WriteIntent(spec.name, "create", given, pointer=f"/{place}"))
            except Fault as fault:
                faults.append(fault.within(f"/{place}"))
        if faults:
            raise merged(faults)
        answers = await self._pipeline.write_all(intents, self._actor, self._unit, every=True)
        return self._all_shown(specs, answers)

    async def update_where(
        self, model: type[M], where: Where[M], /, *, limit: int, **values: Any
    ) -> list[M]:
        """Changes all records that satisfy `where`, and gives them as they are then.

        Raises Conflict, and changes none, where they are more than `limit`.
        """
        spec = self._spec(model)
        given = self._pipeline.validators[spec.name].python(values)
        matching = self._matching(spec, where, limit, WriteIntent(spec.name, "update", given))
        _, answers = await matching.written(self._unit)
        return self._all_shown([spec] * len(answers), answers)

    async def delete_where(self, model: type[M], where: Where[M], /, *, limit: int) -> int:
        """Deletes all records that satisfy `where`: how many they were.

        Raises Conflict, and deletes none, where they are more than `limit`.
        """
        spec = self._spec(model)
        matching = self._matching(spec, where, limit, WriteIntent(spec.name, "delete"))
        intents, _ = await matching.written(self._unit)
        return len(intents)

    def _matching(self, spec: Model, where: Any, limit: int, write: WriteIntent) -> Matching:
        if where is None:
            raise BadRequest("say which records are meant", code="filter_required")
        shape, values = self._found(spec, where)
        values |= {"limit": limit + 1, "offset": 0}
        return Matching(self._pipeline, self._actor, ReadIntent(shape, values), limit, write)

    def _all_shown(self, specs: Sequence[Model], answers: Sequence[Answer]) -> list[Any]:
        return [
            self._shown(spec, answer)
            for spec, answer in zip(specs, answers, strict=True)
            if isinstance(answer, WriteAnswer)
        ]
