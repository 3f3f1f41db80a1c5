"""Writing over HTTP: create, patch, replace and delete of one record."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast
from urllib.parse import quote

from pydantic_core import to_json

from abaft.answers import WriteAnswer
from abaft.api import respond
from abaft.api.bulk import NOTHING, Bulk, is_list, is_new
from abaft.api.nested import Nested
from abaft.api.parse import Parser
from abaft.api.patches import TYPES, Patches, validators_for
from abaft.api.request import JSON, OPERATORS, Request, check_content
from abaft.api.respond import Answer
from abaft.api.upserts import UPSERT, upsert_on
from abaft.base.errors import BadRequest, Conflict, Invalid, NotFound, PreconditionFailed
from abaft.base.settings import Settings
from abaft.model.moves import move_of, not_itself
from abaft.model.spec import Action, Model
from abaft.model.values import Values
from abaft.nesting import Tree
from abaft.pipeline import Pipeline
from abaft.plan.types import Pick, Verb, WriteIntent

PURGE = "purge"
"""The parameter that makes of a soft delete one for good."""


class Writes:
    """Answers POST, PATCH, PUT and DELETE of every collection."""

    def __init__(self, pipeline: Pipeline, settings: Settings, parser: Parser) -> None:
        self.pipeline = pipeline
        self.settings = settings
        self.parser = parser
        self.patches = Patches(pipeline, settings)
        self.nested = Nested(pipeline, settings)
        self.bulk = Bulk(pipeline, settings, parser, self.patches, self.nested)

    async def create(self, request: Request) -> Answer:
        """POST of a collection."""
        model = request.model
        self.pipeline.permit(model.name, "create", request.actor)
        pick, etags, on = self._asked(request)
        check_content(request.headers, (JSON,))
        body = await request.body(self.settings)
        if is_list(body):
            template = WriteIntent(model.name, "create", pick=pick, etags=etags, upsert=on)
            return await self.bulk.create(request, template, body)
        read = self._validators(request).create
        given = self.nested.new(request, body, pick, lambda: read(body), bool(on))
        if isinstance(given, Tree):
            [written] = await self.nested.written(request, given)
            return self._made(request, written)
        intent = WriteIntent(model.name, "create", given, pick=pick, etags=etags, upsert=on)
        written = await self.pipeline.write(intent, request.actor, request.unit)
        return (
            self._made(request, written) if is_new(written) else self._shown(request, 200, written)
        )

    async def create_each(self, request: Request, bodies: Sequence[Any]) -> list[Answer]:
        """Several POSTs of a new record that differ in their bodies alone.

        Raises Invalid where one is not a plain record: then each is to be asked by itself.
        """
        model = request.model
        self.pipeline.permit(model.name, "create", request.actor)
        pick, etags, on = self._asked(request)
        if on or etags is not None:
            raise Invalid("which record each will be isn't known beforehand")
        check_content(request.headers, (JSON,))
        text = to_json(bodies, inf_nan_mode="constants")
        given = self._validators(request).create_all(text, self.settings.max_batch)
        intents = [WriteIntent(model.name, "create", values, pick=pick) for values in given]
        written = await self.pipeline.write_all(intents, request.actor, request.unit)
        place = self.place_of(request)
        return [self._made(request, cast(WriteAnswer, one), place) for one in written]

    def plainly(self, request: Request) -> Pick | None:
        """What to show of a POST of a new record; None where it is asked for more."""
        self.pipeline.permit(request.model.name, "create", request.actor)
        pick, etags, on = self._asked(request)
        return None if request.key or on or etags is not None else pick

    def _asked(self, request: Request) -> tuple[Pick, tuple[str, ...] | None, tuple[str, ...]]:
        """What the URL and the headers ask of a POST: what to show, If-Match, upsert."""
        pick = self._pick(request, (UPSERT,))
        if b"upsert" not in request.query:
            return pick, None, ()
        etags, _ = _if_match(request.headers)
        return pick, etags, upsert_on(self.parser, request.model, request.query)

    async def patch(self, request: Request) -> Answer:
        """PATCH of a record by a merge patch (RFC 7396) or by operators."""
        pick, key = self._reached(request, "update")
        etags, _ = _if_match(request.headers)
        media = check_content(request.headers, TYPES)
        body = await request.body(self.settings)
        intent: WriteIntent | Tree
        if media == OPERATORS:
            given = self.patches.intent(request, media, body)
            values, operators = given.values, given.operators
            intent = WriteIntent(
                given.model, "update", values, key, pick, etags, operators=operators
            )
        else:
            name, read = request.model.name, self._validators(request).patch
            intent = self.nested.changes(
                request,
                body,
                lambda: WriteIntent(name, "update", {}, key, pick, etags),
                lambda: WriteIntent(name, "update", read(body), key, pick, etags, True),
            )
        if isinstance(intent, Tree):
            [written] = await self.nested.written(request, intent)
        else:
            written = await self.pipeline.write(intent, request.actor, request.unit)
        return self._shown(request, 200, written)

    async def delete(self, request: Request) -> Answer:
        """DELETE of a record; for good, where a soft one is asked to be by `purge=true`."""
        also = (PURGE,) if request.model.soft_delete else ()
        pick, key = self._reached(request, "delete", also)
        verb: Verb = "purge" if also and self.parser.flag(request.query, PURGE) else ""
        etags, _ = _if_match(request.headers)
        intent = WriteIntent(request.model.name, "delete", {}, key, pick, etags, verb=verb)
        await self.pipeline.write(intent, request.actor, request.unit)
        return Answer(204, None, not request.actor.anonymous)

    async def put(self, request: Request) -> Answer:
        """Replaces the record, or makes it under the key that the URL names (RFC 9110, 9.3.4)."""
        model = request.model
        only_new = _only_new(request.headers)
        pick, key = self._reached(request, "create" if only_new else "update")
        check_content(request.headers, (JSON,))
        body = await request.body(self.settings)
        read = self._validators(request).replace
        why = ("not_with_put", "PATCH takes records; with PUT")
        given = self.nested.without(request, body, lambda: read(body), *why)
        for name in model.key:
            if given.pop(name, key[name]) != key[name]:
                raise BadRequest(f"{name} in the body isn't the one in the URL", code="other_key")
        if only_new:
            return await self._make(request, {**given, **key}, pick, only_new)
        return await self._placed(request, given, key, pick)

    async def _placed(
        self, request: Request, given: dict[str, Any], key: dict[str, Any], pick: Pick
    ) -> Answer:
        replaced = await self._replace(request, given, key, pick)
        if replaced is not None:
            return replaced
        try:
            return await self._make(request, {**given, **key}, pick, only_new=False)
        except Conflict as fault:
            if not _of_key(fault, request.model):
                raise
            # Another has just made it: then it is replaced, unless it is none of the actor's.
            replaced = await self._replace(request, given, key, pick)
            if replaced is None:
                raise
            return replaced

    async def _replace(
        self, request: Request, given: dict[str, Any], key: dict[str, Any], pick: Pick
    ) -> Answer | None:
        """The answer of replacing what is there; None where nothing is and PUT may make it."""
        model = request.model
        etags, must_exist = _if_match(request.headers)
        whole = self._replacement(model, given)
        intent = WriteIntent(model.name, "update", whole, key, pick, etags, replace=True)
        try:
            written = await self.pipeline.write(intent, request.actor, request.unit)
        except NotFound:
            if must_exist or etags is not None:
                raise PreconditionFailed("there is no such record to replace") from None
            if any(model.fields[name].generated for name in model.key):
                raise  # the database counts these keys: POST makes the next one
            return None
        return self._shown(request, 200, written)

    async def _make(
        self, request: Request, values: dict[str, Any], pick: Pick, only_new: bool
    ) -> Answer:
        model = request.model
        try:
            made = WriteIntent(model.name, "create", values, pick=pick)
            written = await self.pipeline.write(made, request.actor, request.unit)
        except Conflict as fault:
            if only_new and _of_key(fault, model):
                raise PreconditionFailed("the record is there already") from None
            raise
        return self._made(request, written)

    async def change(self, request: Request, values: dict[str, Any]) -> Answer:
        """An update by values that are checked already."""
        pick, key = self._reached(request, "update")
        etags, _ = _if_match(request.headers)
        intent = WriteIntent(request.model.name, "update", values, key, pick, etags)
        written = await self.pipeline.write(intent, request.actor, request.unit)
        return self._shown(request, 200, written)

    async def move(self, request: Request) -> Answer:
        """POST that gives a record another place in its list."""
        pick, key = self._reached(request, "update")
        etags, _ = _if_match(request.headers)
        check_content(request.headers, (JSON,))
        way, anchor = move_of(request.model, await request.body(self.settings))
        if anchor == key:
            raise not_itself(way)
        verb = cast(Verb, way)
        intent = WriteIntent(
            request.model.name, "update", {}, key, pick, etags, verb=verb, anchor=anchor
        )
        written = await self.pipeline.write(intent, request.actor, request.unit)
        return self._shown(request, 200, written)

    async def restore(self, request: Request) -> Answer:
        """POST that undoes a soft delete."""
        pick, key = self._reached(request, "delete")
        etags, _ = _if_match(request.headers)
        intent = WriteIntent(request.model.name, "update", {}, key, pick, etags, verb="restore")
        written = await self.pipeline.write(intent, request.actor, request.unit)
        return self._shown(request, 200, written)

    def _reached(
        self, request: Request, action: Action, also: tuple[str, ...] = ()
    ) -> tuple[Pick, dict[str, Any]]:
        """What is to be shown of the record, and its key; the actor first."""
        self.pipeline.permit(request.model.name, action, request.actor)
        pick = self._pick(request, also)
        return pick, self.parser.key(request.model, request.key)

    def _pick(self, request: Request, also: tuple[str, ...] = ()) -> Pick:
        """What is to be shown of the record; If-Match is held against all that was asked for."""
        pick = self.parser.pick(request.model, request.query, also)
        minimal = request.prefer.minimal and b"if-match" not in request.headers
        return NOTHING if minimal else pick

    def _validators(self, request: Request) -> Values:
        return validators_for(self.pipeline, request)

    def _replacement(self, model: Model, given: dict[str, Any]) -> dict[str, Any]:
        """All that a client may set: what isn't given goes back to its default, unless that is
        the database's to know.

        A field with a rule of its own stays as it is unless it is named: leaving it out must not
        be a way to change it.
        """
        ruled = {name for rule in model.rules if "update" in rule.actions for name in rule.fields}
        whole: dict[str, Any] = {}
        for name, field in model.fields.items():
            if name in given or name in ruled or field.write_once or field.hidden:
                continue
            if field.writable and field.default is not None:
                whole[name] = field.default()
            elif field.writable and field.nullable and not field.by_database:
                whole[name] = None
        for name, many in model.many.items():
            if many.writable and not many.hidden and name not in ruled:
                whole[name] = []
        return whole | given

    def _made(self, request: Request, written: WriteAnswer, place: str = "") -> Answer:
        """201 with the place of the new record."""
        answer = self._shown(request, 201, written)
        path = f"{place or self.place_of(request)}{written.key}"
        answer.extra.insert(0, (b"location", path.encode()))
        return answer

    def place_of(self, request: Request) -> str:
        """What comes before the key in the place of a record."""
        root = quote(request.root, safe="/,:@")
        return f"{root}{self.settings.api_prefix}/{request.model.collection}/"

    def _shown(self, request: Request, status: int, written: WriteAnswer) -> Answer:
        """The record as it is now; where who wrote it may not see it, that it is written."""
        extra = []
        if self.settings.server_timing:
            extra.append((b"server-timing", written.stages.header().encode()))
        private = not request.actor.anonymous
        if request.prefer.minimal:
            return Answer(201 if status == 201 else 204, None, private, extra)
        if written.json is None:
            if status == 201:
                return Answer(201, b"null", private, extra)
            return Answer(204, None, private, extra)
        body = written.json.encode()
        sealed = body if written.sealed is None else written.sealed.encode()
        extra.append((b"etag", respond.etag_of(sealed).encode()))
        return Answer(status, body, private, extra)


def _if_match(headers: dict[bytes, bytes]) -> tuple[tuple[str, ...] | None, bool]:
    """The digests that If-Match names, and whether it is "*"."""
    given = headers.get(b"if-match")
    if given is None:
        return None, False
    etags = respond.strong_etags(given.decode("latin-1"))
    return etags, etags is None


def _only_new(headers: dict[bytes, bytes]) -> bool:
    """Whether a PUT may only make a record; If-None-Match of another kind is refused."""
    given = headers.get(b"if-none-match")
    if given is not None and given.strip() != b"*":
        raise BadRequest("If-None-Match of a PUT takes * alone", code="bad_precondition")
    return given is not None


def _of_key(fault: Conflict, model: Model) -> bool:
    """Whether it is the record's key that is taken."""
    pointers = {problem.pointer for problem in fault.errors}
    return pointers.issuperset(f"/{name}" for name in model.key)
