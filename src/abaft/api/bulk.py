"""Many records by one request: a list to create, and what a filter finds to change or delete."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import orjson

from abaft.answers import Answer as Outcome
from abaft.answers import WriteAnswer
from abaft.api.groups import PARAMETERS as GROUPING
from abaft.api.nested import Nested
from abaft.api.parameters import bad, refuse
from abaft.api.parse import Page, Parser
from abaft.api.patches import TYPES, Patches, validators_for
from abaft.api.request import Request, check_content
from abaft.api.respond import Answer
from abaft.base.errors import BadRequest, Fault, Problem
from abaft.base.settings import Settings
from abaft.matching import Matching
from abaft.model.expr import TRUE
from abaft.model.spec import Action, Model
from abaft.nesting import Tree
from abaft.pipeline import Pipeline
from abaft.plan.types import Pick, Verb, WriteIntent

NOTHING = Pick(())
"""What is shown to who prefers a minimal answer."""
_SHOWING = ("fields", "expand")
_NOT_TAKEN = ("cursor", "offset", "count", "search", "highlight", *GROUPING)


def is_list(body: bytes) -> bool:
    """Whether a JSON body is a list."""
    return body[:1] != b"{" and body.lstrip(b" \t\r\n")[:1] == b"["


@dataclass(frozen=True, slots=True)
class Filtered:
    """Which records are meant, at most how many, and whether it is to be tried alone."""

    page: Page
    dry_run: bool
    verb: Verb = ""


class Bulk:
    """Answers POST of a list, and PATCH and DELETE of a collection."""

    def __init__(
        self,
        pipeline: Pipeline,
        settings: Settings,
        parser: Parser,
        patches: Patches,
        nested: Nested,
    ) -> None:
        self.nested = nested
        self.pipeline = pipeline
        self.settings = settings
        self.parser = parser
        self.patches = patches

    async def create(self, request: Request, template: WriteIntent, body: bytes) -> Answer:
        """POST of a list: all of it or nothing."""
        if template.etags is not None:
            detail = "If-Match is of one record, not of a list"
            raise BadRequest(detail, code="bad_precondition")
        read, most = validators_for(self.pipeline, request).create_all, self.settings.max_batch
        given = self.nested.new(
            request, body, template.pick, lambda: read(body, most), bool(template.upsert)
        )
        answers: Sequence[Outcome]
        if isinstance(given, Tree):
            answers = await self.nested.written(request, given)
        else:
            intents = [
                replace(template, values=values, pointer=f"/{place}")
                for place, values in enumerate(given)
            ]
            answers = await self.pipeline.write_all(
                intents, request.actor, request.unit, every=True
            )
        status = 201 if any(map(is_new, answers)) or not answers else 200
        if request.prefer.minimal:
            return Answer(201 if status == 201 else 204, None, not request.actor.anonymous)
        return self._answer(request, status, f'{{"items":[{_items(answers)}]}}', answers)

    async def update(self, request: Request) -> Answer:
        """PATCH of a collection: one patch for all that the filter finds."""
        asked = self._asked(request, "update")
        media = check_content(request.headers, TYPES)
        body = await request.body(self.settings)
        return await self._written(request, asked, self.patches.intent(request, media, body))

    async def delete(self, request: Request) -> Answer:
        """DELETE of a collection: all that the filter finds."""
        asked = self._asked(request, "delete")
        intent = WriteIntent(request.model.name, "delete", verb=asked.verb)
        return await self._written(request, asked, intent)

    def _asked(self, request: Request, action: Action) -> Filtered:
        """What the query asks for; each thing that is wrong with it is told."""
        model = request.model
        self.pipeline.permit(model.name, action, request.actor)
        if b"if-match" in request.headers or b"if-none-match" in request.headers:
            detail = "If-Match and If-None-Match are of one record, not of all that a filter finds"
            raise BadRequest(detail, code="bad_precondition")
        named = ["all", "dry_run"]
        if action == "delete" and model.soft_delete:
            named.append("purge")
        rest, own = _own(request.query, named)
        problems: list[Problem] = []
        flags = {name: _flag(own, name, problems) for name in named}
        names = {part.partition(b"=")[0].decode("latin-1") for part in rest.split(b"&")}
        for name in _NOT_TAKEN:
            if name in names:
                detail = f"{name} is of a page; this is of all that the filter finds"
                problems += bad(name, "unknown_parameter", detail).errors
        for name in _SHOWING if action == "delete" else ():
            if name in names:
                detail = f"a delete shows keys alone, so it takes no {name}"
                problems += bad(name, "unknown_parameter", detail).errors
        most = min(self.settings.max_batch, self.settings.max_limit)
        if "limit" not in names:
            detail = f"say how many records it may be at most: limit=1 to limit={most}"
            problems += bad("limit", "limit_required", detail).errors
        page = self._page(model, rest, problems)
        if page is not None and page.limit > most and "limit" in names:
            detail = f"limit should be a number from 1 to {most}"
            problems += bad("limit", "bad_value", detail).errors
        if page is not None and _everything(page) and not flags["all"]:
            detail = "give a filter, or all=true if every record is meant"
            problems += bad("all", "filter_required", detail).errors
        refuse(problems)
        assert page is not None
        if flags["dry_run"] and request.unit is not None:
            detail = "a dry run keeps nothing: it takes no Idempotency-Key, and no part in a batch"
            raise bad("dry_run", "dry_run_alone", detail)
        return Filtered(page, flags["dry_run"], "purge" if flags.get("purge") else "")

    def _page(self, model: Model, query: bytes, problems: list[Problem]) -> Page | None:
        try:
            return self.parser.page(model, query)
        except BadRequest as fault:
            problems += fault.errors
            return None

    async def _written(self, request: Request, asked: Filtered, write: WriteIntent) -> Answer:
        page = asked.page
        pick = NOTHING if request.prefer.minimal else page.form.shape.pick
        write = replace(write, pick=pick)
        matching = Matching(self.pipeline, request.actor, page.intent, page.limit, write)
        if asked.dry_run:
            return self._rehearsed(request, *await matching.rehearsed())
        return self._done(request, *await matching.written(request.unit))

    def _done(
        self, request: Request, intents: list[WriteIntent], answers: Sequence[Outcome]
    ) -> Answer:
        deleted = bool(intents) and intents[0].action == "delete"
        shown = [_key_json(request.model, intent) for intent in intents] if deleted else None
        items = f',"items":[{",".join(shown) if shown else _items(answers)}]'
        if request.prefer.minimal:
            items = ""
        return self._answer(request, 200, f'{{"count":{len(intents)}{items}}}', answers)

    def _rehearsed(
        self, request: Request, intents: list[WriteIntent], outcomes: Sequence[Outcome | Fault]
    ) -> Answer:
        """How many there are, what they would be, and which would be refused."""
        items, refused = [], []
        for intent, outcome in zip(intents, outcomes, strict=True):
            if isinstance(outcome, Fault):
                key = request.model.written(intent.key)
                refused.append({"key": key, "problem": outcome.as_dict()})
            elif intent.action == "delete":
                items.append(_key_json(request.model, intent))
            else:
                items.append(_shown(outcome))
        told = orjson.dumps(refused).decode()
        body = f'{{"count":{len(intents)},"items":[{",".join(items)}],"refused":{told}}}'
        return self._answer(request, 200, body, outcomes)

    def _answer(
        self, request: Request, status: int, body: str, outcomes: Sequence[Outcome | Fault]
    ) -> Answer:
        extra = []
        if self.settings.server_timing and outcomes and not isinstance(outcomes[-1], Fault):
            extra.append((b"server-timing", outcomes[-1].stages.header().encode()))
        return Answer(status, body.encode(), not request.actor.anonymous, extra)


def is_new(answer: Outcome) -> bool:
    """Whether a record was made: an upsert may have changed one."""
    return isinstance(answer, WriteAnswer) and answer.draft.intent.action == "create"


def _items(answers: Sequence[Outcome]) -> str:
    return ",".join(map(_shown, answers))


def _shown(answer: Outcome) -> str:
    """The record's JSON; null where who wrote it may not see it."""
    assert isinstance(answer, WriteAnswer)
    return answer.json or "null"


def _key_json(model: Model, intent: WriteIntent) -> str:
    shown = {name: model.fields[name].kind.show(intent.key[name]) for name in model.key}
    return orjson.dumps(shown).decode()


def _everything(page: Page) -> bool:
    return page.form.shape.where == TRUE and not page.form.shape.scopes


def _own(query: bytes, names: Sequence[str]) -> tuple[bytes, list[tuple[str, str]]]:
    """The query without the parameters that only these requests have, and those."""
    rest, own = [], []
    for part in query.split(b"&"):
        name, _, value = part.partition(b"=")
        if name.decode("latin-1") in names:
            own.append((name.decode(), value.decode("latin-1")))
        else:
            rest.append(part)
    return b"&".join(rest), own


def _flag(own: list[tuple[str, str]], name: str, problems: list[Problem]) -> bool:
    given = [value for key, value in own if key == name]
    if len(given) > 1:
        detail = f"{name} is given more than once"
        problems += bad(name, "repeated_parameter", detail).errors
    elif given and given[0] not in ("true", "false"):
        problems += bad(name, "bad_value", f"{name} should be true or false").errors
    return given == ["true"]
