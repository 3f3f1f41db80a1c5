"""What the switches of a model let a program do: undo a delete, look back, put in order."""

from __future__ import annotations

from typing import Any, Literal, TypeVar

from abaft.answers import Unit, WriteAnswer
from abaft.base.actor import Actor
from abaft.base.errors import BadRequest, NotFound
from abaft.model.declare import Model as Record
from abaft.model.moves import not_itself
from abaft.model.records import record_from_json, record_of
from abaft.model.spec import Model
from abaft.pipeline import Pipeline
from abaft.plan.types import Verb, WriteIntent
from abaft.versions import NEWEST, Version, Versions, restored

M = TypeVar("M", bound=Record)


class Kept:
    """The part of a Database that goes by switches, and what both parts stand on."""

    def __init__(self, pipeline: Pipeline, actor: Actor, unit: Unit | None = None) -> None:
        self._pipeline = pipeline
        self._actor = actor
        self._unit = unit

    async def history(
        self, record: Record, /, *, limit: int = 100, before: int = NEWEST
    ) -> list[Version]:
        """The record's versions, newest first; further ones by the number of the last."""
        spec = self._spec(type(record))
        found, _ = await self._versions(spec, record).page(limit, before)
        return found

    async def version(self, record: M, number: int, /) -> M:
        """The record as it was in a version."""
        spec = self._spec(type(record))
        text = await self._versions(spec, record).one(number)
        return self._typed(spec, text)  # type: ignore[no-any-return]

    def _versions(self, spec: Model, key: Any) -> Versions:
        if not spec.history:
            raise BadRequest(f"{spec.name} has no history", code="not_offered")
        return Versions(self._pipeline, spec, self._key(spec, key), self._actor, self._unit)

    async def move(
        self,
        record: M,
        /,
        *,
        before: Any = None,
        after: Any = None,
        to: Literal["first", "last"] = "last",
    ) -> M:
        """Gives the record another place in its list: by another one, or at an end."""
        spec = self._spec(type(record))
        if not spec.order:
            raise BadRequest(f"{spec.name} isn't ordered", code="not_offered")
        other, key = before if before is not None else after, self._key(spec, record)
        anchor = {} if other is None else self._key(spec, other)
        verb: Verb = to if other is None else "after" if before is None else "before"
        if anchor == key:
            raise not_itself(verb)
        intent = WriteIntent(spec.name, "update", {}, key, verb=verb, anchor=anchor)
        return await self._write(spec, intent)  # type: ignore[no-any-return]

    async def restore(self, record: M, /, *, version: int | None = None) -> M:
        """Undoes a soft delete, or gives the record the values of a version; the record then."""
        spec = self._spec(type(record))
        if version is not None:
            values = await restored(self._versions(spec, record), version)
            changed = WriteIntent(spec.name, "update", values, self._key(spec, record))
            return await self._write(spec, changed)  # type: ignore[no-any-return]
        if not spec.soft_delete:
            raise BadRequest(f"{spec.name} has no soft deletes to be undone", code="not_offered")
        intent = WriteIntent(spec.name, "update", {}, self._key(spec, record), verb="restore")
        return await self._write(spec, intent)  # type: ignore[no-any-return]

    async def _write(self, spec: Model, intent: WriteIntent) -> Any:
        answer = await self._pipeline.write(intent, self._actor, self._unit)
        return None if intent.action == "delete" else self._shown(spec, answer)

    def _shown(self, spec: Model, answer: WriteAnswer) -> Any:
        if answer.json is None:
            # Written, but not to be read: the record has its key and no more.
            key = answer.draft.key()
            shown = {name: spec.fields[name].kind.show(key[name]) for name in spec.key}
            return record_of(self._pipeline.schema, spec, shown)
        return self._typed(spec, answer.json)

    def _spec(self, model: type[Record]) -> Model:
        spec = self._pipeline.schema.models.get(model.__name__)
        if spec is None or spec.cls is not model:
            raise BadRequest(f"{model.__name__} is no model of this App: pass it to App(…)")
        return spec

    def _typed(self, spec: Model, text: str) -> Any:
        return record_from_json(self._pipeline.schema, spec, text)

    def _key(self, spec: Model, key: Any, prefix: str = "") -> dict[str, Any]:
        parts = (
            key.__key__ if isinstance(key, Record) else key if isinstance(key, tuple) else (key,)
        )
        kinds = [spec.fields[name].kind for name in spec.key]
        try:
            values = [
                kind.parse(part) if isinstance(part, str) else kind.read(kind.show(part))
                for kind, part in zip(kinds, parts, strict=True)
            ]
        except (ValueError, TypeError, AttributeError):
            raise NotFound(f"there is no such {spec.name}") from None
        return {f"{prefix}{name}": value for name, value in zip(spec.key, values, strict=True)}
