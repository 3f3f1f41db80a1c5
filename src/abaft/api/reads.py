"""Reading over HTTP: one record, pages of a list, and lists whole."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import cast

from abaft.answers import ReadAnswer
from abaft.api import cursor as cursors
from abaft.api import respond
from abaft.api.forms import Lines
from abaft.api.links import page_links
from abaft.api.parse import Page, Parser
from abaft.api.parts import Handler
from abaft.api.request import Request
from abaft.api.respond import Answer, Headers
from abaft.api.streams import chunks
from abaft.base.actor import Actor
from abaft.base.errors import Fault, NotAcceptable, NotFound
from abaft.base.settings import Settings
from abaft.guard.sign import Signer
from abaft.pipeline import Pipeline
from abaft.plan.types import CountMode, Pick, ReadIntent, ReadPlan
from abaft.store_faults import answer_too_large

Json = str | bytes
"""As the store has it: of one read all are of one type."""
WHOLE = 10**11 - 1
"""The limit of a list of lines that names none: more than there can be."""


@dataclass(frozen=True, slots=True)
class Count:
    """How many there are, and how surely: "exact", "estimated" or "at_least"; "" if none asked."""

    number: int
    counted: str

    @classmethod
    def of(cls, mode: CountMode, number: int, page: Page) -> Count:
        """The count that a statement of this mode gave."""
        if mode == "bounded":
            most = page.intent.values["count_limit"] - 1
            return cls(min(number, most), "exact" if number <= most else "at_least")
        return cls(number, "" if mode == "exact" else "estimated")

    def members(self) -> str:
        """The members of a page that tell it."""
        counted = f',"counted":"{self.counted}"' if self.counted else ""
        return f',"count":{self.number}{counted}'


class Reads:
    """Answers GET and HEAD of every collection."""

    def __init__(
        self, pipeline: Pipeline, settings: Settings, parser: Parser, signer: Signer, past: Handler
    ) -> None:
        self.pipeline = pipeline
        self.settings = settings
        self.parser = parser
        self.signer = signer
        self.past = past

    async def page(self, request: Request) -> Answer:
        """A page of a list; where its form is lines it may be the whole list."""
        actor, by_lines = request.actor, request.variant.form.lines is not None
        try:
            whole = WHOLE if by_lines else None
            page = self.parser.page(request.model, request.query, whole)
        except Fault:
            self.pipeline.permit(request.model.name, "read", actor)  # 401 before 400
            raise
        if page.limit > self.settings.max_limit:
            return await self._stream(request, page)
        answer = await self.pipeline.read(page.intent, actor, request.unit)
        texts, following, count = await self._parts(page, answer, actor)
        self._bounded(sum(map(len, texts)))
        if by_lines:
            body = self._lined(request, answer.plan, list(map(_text, texts)))
        else:
            body = _page_json(texts, following, count)
        shown = self._shown(request, body, respond.etag_of(body), answer)
        if by_lines and count is not None:
            shown.extra += _total(count)
        if following is not None or page.placed:
            most, prefix = self.settings.max_offset, self.settings.api_prefix
            exact = count.number if count is not None and not count.counted else None
            links = page_links(request, prefix, page, following, exact, most)
            shown.extra.append((b"link", links))
        return shown

    async def one(self, request: Request) -> Answer:
        """One record, as it is or as it was."""
        if request.model.history and b"as_of=" in request.query:
            if request.variant.form.lines is not None:
                hint = "send Accept: application/json"
                raise NotAcceptable("what a record was isn't told in lines", hint=hint)
            return await self.past(request)
        model, actor = request.model, request.actor
        try:
            values = self.parser.key(model, request.key, "key.")
            intent = self.parser.one(model, values, request.query)
        except Fault:
            self.pipeline.permit(model.name, "read", actor)  # 401 before 400 and 404
            raise
        answer = await self.pipeline.read(intent, actor, request.unit)
        if not answer.found:
            raise NotFound(f"there is no such {model.name}")
        json: Json = answer.found[0][0]
        self._bounded(len(json))
        body = json.encode() if isinstance(json, str) else json
        etag = respond.etag_of(body if answer.sealed is None else answer.sealed.encode())
        if request.variant.form.lines is not None:
            body = self._lined(request, answer.plan, [_text(json)])
        return self._shown(request, body, etag, answer)

    def _bounded(self, size: int) -> None:
        """Refuses what is too much to be held once more, put into a form and compressed."""
        if size > self.settings.max_answer_bytes > 0:
            raise answer_too_large()

    def _shown(self, request: Request, body: bytes, etag: str, answer: ReadAnswer) -> Answer:
        extra = [(b"etag", etag.encode())]
        if self.settings.server_timing:
            extra.append((b"server-timing", answer.stages.header().encode()))
        form = request.variant.form
        if form.lines is None:
            return Answer(200, body, not request.actor.anonymous, extra)
        extra += _disposition(request)
        return Answer(200, body, not request.actor.anonymous, extra, form)

    async def _parts(
        self, page: Page, answer: ReadAnswer, actor: Actor
    ) -> tuple[list[Json], str | None, Count | None]:
        """The records' JSON, the cursor of the page after, and the count if asked for."""
        rows, limit = answer.found, page.limit
        following = None
        orders = len(answer.decoders)
        if len(rows) > limit:
            last = rows[limit - 1]
            values = [
                value if decode is None or value is None else decode(value)
                for value, decode in zip(last[1 : orders + 1], answer.decoders, strict=True)
            ]
            following = cursors.encode(self.signer, page.form.mark, page.form.orders, values)
            rows = rows[:limit]
        count = None
        if mode := answer.plan.count:
            carried = mode != "estimated" and bool(rows)
            number = rows[0][orders + 1] if carried else await self._count(page, actor)
            count = Count.of(mode, number, page)
        return [row[0] for row in rows], following, count

    async def _count(self, page: Page, actor: Actor) -> int:
        """The count of a list where no row carries it."""
        shape = page.intent.shape
        counting = replace(shape, kind="count", sort=(), after=None, pick=Pick(), offset=False)
        answer = await self.pipeline.read(ReadIntent(counting, page.intent.values), actor)
        return int(answer.rows[0][0])

    async def _stream(self, request: Request, page: Page) -> Answer:
        """A list of any length, which is read as it is sent."""
        actor, shape = request.actor, page.intent.shape
        values = {**page.intent.values, "limit": page.limit}
        intent = ReadIntent(replace(shape, count=""), values)
        answer = self.pipeline.stream(intent, actor, self.settings.stream_timeout)
        extra = _disposition(request)
        if shape.count:
            extra += _total(Count.of(shape.count, await self._count(page, actor), page))
        form = request.variant.form
        parts = chunks(answer.rows, self._lines(request, answer.plan))
        return Answer(200, None, not actor.anonymous, extra, form, parts)

    def _lines(self, request: Request, plan: ReadPlan) -> Lines:
        lines = request.variant.form.lines
        assert lines is not None
        grouped = {plan.model.name: plan.model}
        return lines(plan.selection, grouped if plan.source else self.pipeline.schema.models)

    def _lined(self, request: Request, plan: ReadPlan, texts: list[str]) -> bytes:
        lines = self._lines(request, plan)
        return lines.head() + lines.lines(texts)


def _page_json(texts: list[Json], following: str | None, count: Count | None) -> bytes:
    place = "null" if following is None else f'"{following}"'
    counted = "" if count is None else count.members()
    end = f'],"next":{place}{counted}}}'
    if texts and type(texts[0]) is bytes:
        return b'{"items":[' + b",".join(cast(list[bytes], texts)) + end.encode()
    return f'{{"items":[{",".join(cast(list[str], texts))}{end}'.encode()


def _text(json: Json) -> str:
    return json if isinstance(json, str) else json.decode()


def _total(count: Count) -> Headers:
    """Where lines have no place for the count, and for how surely it is known."""
    total = (b"x-total-count", str(count.number).encode())
    return [total, (b"x-total-counted", count.counted.encode())] if count.counted else [total]


def _disposition(request: Request) -> Headers:
    """A table is saved under the collection's name (RFC 6266)."""
    if request.variant.form.media.subtype != "csv":
        return []
    name = f'attachment; filename="{request.model.collection}.csv"'
    return [(b"content-disposition", name.encode())]
