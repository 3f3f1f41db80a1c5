"""Versions of a record over HTTP: listed, read, as of a time, and restored."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import orjson

from abaft.api import cursor as cursors
from abaft.api import respond
from abaft.api.parameters import bad, gathered, refuse
from abaft.api.parse import ONE_PARAMETERS, Parser
from abaft.api.request import Request
from abaft.api.respond import Answer
from abaft.api.writes import Writes
from abaft.base.errors import NotFound, Problem
from abaft.base.settings import Settings
from abaft.guard.sign import Signer
from abaft.model import expr as e
from abaft.model.kinds import Integer
from abaft.model.spec import DELETED, Action
from abaft.model.times import DateTime, show_datetime
from abaft.pipeline import Pipeline
from abaft.plan.types import Order
from abaft.versions import EVER, NEWEST, Version, Versions, restored

AS_OF = "as_of"
_ORDERS = (Order(("version",), e.Column("version"), Integer(), True, False),)


class History:
    """Answers what stands below a record of a model with history."""

    def __init__(
        self, pipeline: Pipeline, settings: Settings, parser: Parser, writes: Writes, signer: Signer
    ) -> None:
        self.pipeline = pipeline
        self.settings = settings
        self.parser = parser
        self.writes = writes
        self.signer = signer

    async def page(self, request: Request) -> Answer:
        """The versions of a record, newest first."""
        versions = self._versions(request)
        mark = cursors.order_mark(f"{request.model.collection}/{versions.record}", _ORDERS)
        problems: list[Problem] = []
        asked = self.parser.only(request.query, ("limit", "cursor"), problems)
        most, before = self.settings.max_limit, NEWEST
        usual = min(self.settings.default_limit, most)
        limit = self.parser.number(asked, "limit", 1, most, usual, problems)
        if "cursor" in asked:
            with gathered(problems):
                [before] = cursors.decode(self.signer, mark, _ORDERS, asked["cursor"])
        refuse(problems)
        found, following = await versions.page(limit, before)
        next_page = None
        if following is not None:
            next_page = cursors.encode(self.signer, mark, _ORDERS, [following])
        items = [_item(version) for version in found]
        return _answer(request, orjson.dumps({"items": items, "next": next_page}))

    async def one(self, request: Request) -> Answer:
        """The record as it was in a version."""
        problems: list[Problem] = []
        self.parser.only(request.query, (), problems)
        refuse(problems)
        text = await self._versions(request).one(_number(request))
        return _answer(request, text.encode())

    async def as_of(self, request: Request) -> Answer:
        """The record as it was at a time."""
        problems: list[Problem] = []
        asked = self.parser.only(request.query, (AS_OF, *ONE_PARAMETERS, DELETED), problems)
        if len(asked) > 1 and not problems:
            problems += bad(AS_OF, "as_of_alone", f"{AS_OF} goes with no other parameter").errors
        at = EVER
        if AS_OF in asked:
            with gathered(problems):
                at = _time(asked[AS_OF])
        refuse(problems)
        text = await self._versions(request).as_of(at)
        return _answer(request, text.encode())

    async def restore(self, request: Request) -> Answer:
        """Gives the record the values that it had in a version."""
        versions = self._versions(request, "update")
        values = await restored(versions, _number(request))
        return await self.writes.change(request, values)

    def _versions(self, request: Request, action: Action = "read") -> Versions:
        model, actor = request.model, request.actor
        self.pipeline.permit(model.name, action, actor)
        key = self.parser.key(model, request.key)
        return Versions(self.pipeline, model, key, actor, request.unit)


def _number(request: Request) -> int:
    text = request.place[0]
    if not (text.isascii() and text.isdigit() and len(text) < 19):
        raise NotFound("a version is named by its number")
    return int(text)


def _time(text: str) -> datetime:
    try:
        return DateTime().parse(text)
    except ValueError:
        detail = f"{AS_OF} should be a time such as 2026-01-31T10:00:00Z"
        raise bad(AS_OF, "bad_value", detail) from None


def _item(version: Version) -> Mapping[str, Any]:
    return {
        "version": version.number,
        "at": show_datetime(version.at),
        "actor": version.actor,
        "action": version.action,
        "changed": version.changed,
    }


def _answer(request: Request, body: bytes) -> Answer:
    extra = [(b"etag", respond.etag_of(body).encode())]
    return Answer(200, body, not request.actor.anonymous, extra)
