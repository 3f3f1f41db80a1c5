"""Idempotency-Key: a write that is sent again takes place once, and is answered the same.

After draft-ietf-httpapi-idempotency-key-header. The key is claimed, and the answer kept, in the
transaction of the write itself: a crash leaves all of it or nothing.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any

import orjson

from abaft.answers import Unit
from abaft.api.batch import BATCH
from abaft.api.request import Request
from abaft.api.respond import Answer
from abaft.base import clock
from abaft.base.actor import Actor
from abaft.base.digest import fingerprint
from abaft.base.errors import BadRequest, Conflict, Fault, Invalid
from abaft.base.settings import Settings
from abaft.model.spec import Action
from abaft.pipeline import Pipeline
from abaft.store.base import Kept, Locked, Pace, UniqueViolation

HEADER = b"idempotency-key"
REPLAYED = (b"idempotency-replayed", b"true")
METHODS: Mapping[str, Action] = {
    "POST": "create",
    "PATCH": "update",
    "PUT": "update",
    "DELETE": "delete",
}
"""The methods that take a key, and what they need leave for."""
LONGEST = 255
# A string of RFC 9651, as the draft has it, or its plain characters, as most clients send it.
_QUOTED = re.compile(rf'"([\x20\x21\x23-\x5b\x5d-\x7e]{{1,{LONGEST}}})"', re.ASCII)
_PLAIN = re.compile(rf"[\x21\x23-\x2b\x2d-\x7e]{{1,{LONGEST}}}", re.ASCII)
# What a write depends on besides; the rest, and the form of the answer, may differ.
_RELEVANT = (b"content-type", b"if-match", b"if-none-match", b"prefer")
_PASSING = (b"server-timing",)
_PAUSE = 0.01

Handler = Callable[[Request], Awaitable[Answer]]


@dataclass(slots=True, eq=False)
class Turn:
    """The requests of one key that this worker has: one at a time."""

    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    count: int = 0


class Idempotency:
    """Answers requests that bring a key."""

    def __init__(self, pipeline: Pipeline, settings: Settings) -> None:
        self.pipeline = pipeline
        self.settings = settings
        self._turns: dict[tuple[str, str], Turn] = {}

    async def answer(
        self, request: Request, path: str, handler: Handler, action: Action | None
    ) -> Answer:
        """The handler's answer, or the one that it gave to this request before.

        `action` is what it needs leave for, where the method doesn't tell.
        """
        self._permit(request, action or METHODS[request.method])
        key = read_key(request.headers[HEADER])
        # Before the transaction, which must not wait for a slow client.
        request.given = await request.body(self.settings)
        place = {"actor": scope(request.actor, f"{request.method} {path}"), "key": key}
        digest = digest_of(request, path)
        until = clock.monotonic() + self.settings.query_timeout
        async with self._turn((place["actor"], key), until):
            pace: Pace = "steady"
            while True:
                try:
                    return await self._once(request, handler, place, digest, pace)
                except Fault as fault:
                    # Within its transaction a write can't see what came in between: from the top.
                    if not fault.passing or clock.monotonic() > until:
                        raise
                pace = "queued"
                await asyncio.sleep(_PAUSE)

    def _permit(self, request: Request, action: Action) -> None:
        """401 or 403 before anything is said of a key."""
        if request.method == "PUT" and b"if-none-match" in request.headers:
            action = "create"
        if request.model is not BATCH:
            self.pipeline.permit(request.model.name, action, request.actor)

    @asynccontextmanager
    async def _turn(self, place: tuple[str, str], until: float) -> AsyncIterator[None]:
        """Requests of one key wait here, where waiting takes no connection."""
        turn = self._turns.setdefault(place, Turn())
        turn.count += 1
        try:
            try:
                await asyncio.wait_for(turn.lock.acquire(), until - clock.monotonic())
            except TimeoutError:
                raise _under_way() from None
            try:
                yield
            finally:
                turn.lock.release()
        finally:
            turn.count -= 1
            if not turn.count:
                del self._turns[place]

    async def _once(
        self,
        request: Request,
        handler: Handler,
        place: dict[str, str],
        digest: str,
        pace: Pace,
    ) -> Answer:
        async with self.pipeline.transaction(pace) as unit:
            kept = await self._claim(unit, {**place, "digest": digest, "at": clock.now()})
            if kept is not None:
                return replay(request, kept, digest)
            request.unit = unit
            answer = await handler(request)
            values = {**place, **_kept(answer)}
            await unit.session.run(lambda: self.pipeline.store.answers.keep(values))
        return answer

    async def _claim(self, unit: Unit, values: dict[str, Any]) -> Kept | None:
        answers = self.pipeline.store.answers
        try:
            try:
                found: Kept | None = await unit.session.run(lambda: answers.claim(values))
            except UniqueViolation:
                # Another worker has answered it while we waited for its transaction.
                found = await unit.session.run(lambda: answers.claim(values))
        except Locked:
            raise _under_way() from None
        return found


def read_key(header: bytes) -> str:
    """The key that the header names. Raises BadRequest for what is none."""
    text = header.decode("latin-1").strip(" \t")
    quoted = _QUOTED.fullmatch(text)
    if quoted:
        return quoted[1]
    if not _PLAIN.fullmatch(text):
        detail = f"Idempotency-Key should be 1 to {LONGEST} visible ASCII characters"
        hint = "send a new UUID for each thing that is to be done once"
        raise BadRequest(detail, code="bad_idempotency_key", hint=hint)
    return text


def scope(actor: Actor, target: str) -> str:
    """Whose keys these are. All who haven't logged in share theirs, so each target has its own."""
    shared = fingerprint(target) if actor.anonymous else ""
    if actor.tenant is not None:
        # What was answered within a tenant is never told within another.
        shared = fingerprint(f"tenant\0{actor.tenant}")
    return f"{actor.kind[0]}:{actor.id or actor.label}:{shared}"


def digest_of(request: Request, path: str) -> str:
    """What makes two requests the same: all that the answer depends on, roles among it."""
    headers = [request.headers.get(name, b"").decode("latin-1") for name in _RELEVANT]
    roles = sorted(request.actor.roles | request.actor.here)
    head = [request.method, path, request.query.decode("latin-1"), headers, roles]
    body = request.given or b""
    return sha256(orjson.dumps(head) + b"\n" + body).hexdigest()


def replay(request: Request, kept: Kept, digest: str) -> Answer:
    """The answer as it was given."""
    if kept.digest != digest:
        detail = "this Idempotency-Key was sent with another request before"
        raise Invalid(detail, code="idempotency_key_reused", hint="send a new key")
    headers = [(name.encode("latin-1"), text.encode("latin-1")) for name, text in _read(kept)]
    return Answer(kept.status, kept.body, not request.actor.anonymous, [*headers, REPLAYED])


def _read(kept: Kept) -> list[tuple[str, str]]:
    headers: list[tuple[str, str]] = orjson.loads(kept.headers)
    return headers


def _kept(answer: Answer) -> dict[str, Any]:
    headers = [
        (name.decode("latin-1"), text.decode("latin-1"))
        for name, text in answer.extra
        if name not in _PASSING
    ]
    return {
        "status": answer.status,
        "headers": orjson.dumps(headers).decode(),
        "body": answer.body,
    }


def _under_way() -> Conflict:
    detail = "the first request of this Idempotency-Key is still under way"
    return Conflict(detail, code="request_under_way", headers={"retry-after": "1"})
