"""Reading over HTTP: one record, and pages of a list."""

from __future__ import annotations

from abaft.answers import ReadAnswer
from abaft.api import cursor as cursors
from abaft.api import respond
from abaft.api.parse import Page, Parser
from abaft.api.request import Request, check_accept
from abaft.api.respond import Answer
from abaft.base.actor import Actor
from abaft.base.errors import Fault, NotFound
from abaft.base.settings import Settings
from abaft.pipeline import Pipeline
from abaft.plan.types import ReadIntent, ReadShape


class Reads:
    """Answers GET and HEAD of every collection."""

    def __init__(self, pipeline: Pipeline, settings: Settings, parser: Parser, key: bytes) -> None:
        self.pipeline = pipeline
        self.settings = settings
        self.parser = parser
        self.key = key

    async def page(self, request: Request) -> Answer:
        """A page of a list."""
        check_accept(request.headers)
        actor = request.actor
        try:
            page = self.parser.page(request.model, request.query)
        except Fault:
            self.pipeline.permit(request.model.name, "read", actor)  # 401 before 400
            raise
        answer = await self.pipeline.read(page.intent, actor)
        answer.sealed = None
        return self._shown(request, await self._page_json(page, answer, actor), answer)

    async def one(self, request: Request) -> Answer:
        """One record."""
        check_accept(request.headers)
        model, actor = request.model, request.actor
        try:
            values = self.parser.key(model, request.key)
            intent = self.parser.one(model, values, request.query)
        except Fault:
            self.pipeline.permit(model.name, "read", actor)  # 401 before 400 and 404
            raise
        answer = await self.pipeline.read(intent, actor)
        if not answer.rows:
            raise NotFound(f"there is no such {model.name}")
        return self._shown(request, answer.rows[0][0], answer)

    def _shown(self, request: Request, text: str, answer: ReadAnswer) -> Answer:
        """The JSON with its ETag, or 304 where the client has it."""
        body = text.encode()
        etag = respond.etag_of(body if answer.sealed is None else answer.sealed.encode())
        extra = [(b"etag", etag.encode())]
        if self.settings.server_timing:
            extra.append((b"server-timing", answer.stages.header().encode()))
        private = not request.actor.anonymous
        known = request.headers.get(b"if-none-match")
        if known is not None and respond.matches(known.decode("latin-1"), etag):
            return Answer(304, None, private, extra)
        return Answer(200, body, private, extra)

    async def _page_json(self, page: Page, answer: ReadAnswer, actor: Actor) -> str:
        rows, limit = answer.rows, page.limit
        following = "null"
        orders = len(answer.decoders)
        if len(rows) > limit:
            last = rows[limit - 1]
            values = [
                value if decode is None or value is None else decode(value)
                for value, decode in zip(last[1 : orders + 1], answer.decoders, strict=True)
            ]
            following = f'"{cursors.encode(self.key, page.form.mark, page.form.orders, values)}"'
            rows = rows[:limit]
        items = ",".join([row[0] for row in rows])
        count = ""
        if answer.plan.count:
            count = f',"count":{rows[0][orders + 1] if rows else await self._count(page, actor)}'
        return f'{{"items":[{items}],"next":{following}{count}}}'

    async def _count(self, page: Page, actor: Actor) -> int:
        """The count of a page that has no rows to carry it."""
        shape = page.intent.shape
        counting = ReadShape(shape.model, "count", shape.where, scopes=shape.scopes)
        answer = await self.pipeline.read(ReadIntent(counting, page.intent.values), actor)
        return int(answer.rows[0][0])
