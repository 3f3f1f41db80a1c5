"""The quickest way of an atomic batch: new records of one collection, read as what they are.

What isn't that, or is refused, goes the other ways, which tell of it; the answer is the same.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Annotated, Any, Literal, NotRequired

from pydantic import ConfigDict, Field, TypeAdapter, ValidationError, with_config
from typing_extensions import TypedDict

from abaft.answers import WriteAnswer
from abaft.api.request import Request
from abaft.api.writes import Writes
from abaft.base.digest import fingerprint_of
from abaft.base.errors import Fault
from abaft.base.settings import Settings
from abaft.batches import together
from abaft.pipeline import Pipeline
from abaft.plan.types import WriteIntent

_FIRST = re.compile(
    rb'\s*\{\s*"operations"\s*:\s*\[\s*\{\s*"method"\s*:\s*"POST"\s*,'
    rb'\s*"path"\s*:\s*"(/[!#-\[\]-z|~]+)"\s*,\s*"body"\s*:\s*\{'
)
"""How the body begins; a path with an escape or a reference is looked at more closely."""
_SHOWN = b'{"status":201,"headers":{"location":"%b","etag":"\\"%b\\""},"body":%b}'

Prepare = Callable[[Request, str], Request]
"""Makes of the batch's request that of the operation at a path."""


class Uniform:
    """Answers batches of new records of one collection."""

    def __init__(
        self, pipeline: Pipeline, settings: Settings, writes: Writes, prepare: Prepare
    ) -> None:
        self.pipeline = pipeline
        self.settings = settings
        self.writes = writes
        self.prepare = prepare
        self._adapters: dict[str, TypeAdapter[Any]] = {}

    async def results(self, request: Request, body: bytes) -> Sequence[bytes] | None:
        """The results in order; none where one is refused, None where this isn't such a batch."""
        found = _FIRST.match(body)
        if found is None:
            return None
        path = found[1].decode()
        try:
            inner = self.prepare(request, path)
            pick = self.writes.plainly(inner)
            given = None if pick is None else self._given(inner.model.name, path, body)
        except (Fault, ValidationError):
            return None
        if pick is None or given is None:
            return None
        name = inner.model.name
        intents = [WriteIntent(name, "create", values, pick=pick) for values in given]
        written = await together(self.pipeline, intents, request.actor, request.unit)
        place = self.writes.place_of(inner).encode()
        return [_result(place, one) for one in written or () if isinstance(one, WriteAnswer)]

    def _given(self, model: str, path: str, body: bytes) -> list[dict[str, Any]] | None:
        """The values of each; None where one has another place or the batch is to go otherwise."""
        read = self._adapters.get(model)
        if read is None:
            read = self._adapters[model] = self._adapter(model)
        asked = read.validate_json(body)
        rows = asked["operations"]
        if not asked.get("atomic", True) or any(row["path"] != path for row in rows):
            return None
        return [row["body"] for row in rows]

    def _adapter(self, model: str) -> TypeAdapter[Any]:
        strict = ConfigDict(strict=True, extra="forbid")
        make: Any = TypedDict
        new = self.pipeline.validators[model].new
        row = make("Operation", {"method": Literal["POST"], "path": str, "body": new})
        most = min(self.settings.max_operations, self.settings.max_batch)
        limits = Field(max_length=most, fail_fast=True)
        rows: Any = Annotated[list[with_config(strict)(row)], limits]  # type: ignore[misc]
        whole = make("Batch", {"operations": rows, "atomic": NotRequired[bool]})
        return TypeAdapter(with_config(strict)(whole))


def _result(place: bytes, written: WriteAnswer) -> bytes:
    location = place + written.key.encode()
    if written.json is None:
        return b'{"status":201,"headers":{"location":"%b"},"body":null}' % location
    body = written.json.encode()
    sealed = body if written.sealed is None else written.sealed.encode()
    digest = fingerprint_of(sealed).encode()
    return _SHOWN % (location, digest, body)
