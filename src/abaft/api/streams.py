"""Lists of any length: sent as they are read, in bounded memory, and cut where they fail."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import replace
from typing import Any

from abaft.api.forms import Lines
from abaft.api.represent import coding_header, represent
from abaft.api.request import Disconnected, Request
from abaft.api.respond import Answer, Responder, etag_of
from abaft.base.errors import Invalid, Unavailable
from abaft.base.settings import Settings
from abaft.observe.events import Observer, StreamCut
from abaft.store.base import Row

_CHUNK = 32_768
"""Characters that are gathered before they are sent."""
_PAUSE = 5
"""Seconds after which a place may be free again."""


class Cut(BaseException):
    """A stream failed after its first byte: only a cut connection tells the client so.

    It is raised up to the server, which then ends the connection without the last chunk. It is no
    Exception: middleware that holds those back would let the answer end as if it were whole.
    """


async def chunks(rows: AsyncGenerator[Row, None], lines: Lines) -> AsyncGenerator[bytes, None]:
    """The body's parts, each of some tens of kilobytes."""
    async with aclosing(rows):
        head, held, size, begun = lines.head(), [], 0, False
        async for row in rows:
            text: str = row[0]
            held.append(text)
            size += len(text)
            if size >= _CHUNK:
                yield head + lines.lines(held)
                head, held, size, begun = b"", [], 0, True
        if held or not begun:
            yield head + lines.lines(held)


class Streams:
    """The streams that one worker has under way."""

    def __init__(self, settings: Settings, observer: Observer, respond: Responder) -> None:
        self.settings = settings
        self.respond = respond
        self.observer = observer
        self.under_way = 0
        self._places = asyncio.Semaphore(settings.max_streams)

    async def send(
        self, request: Request, answer: Answer, parts: AsyncGenerator[bytes, None], send: Any
    ) -> None:
        """Sends it all. Raises Cut where it fails in the midst, and Fault where before."""
        if request.method == "HEAD":
            await send(start(self.respond, request, answer))
            await send({"type": "http.response.body", "body": b""})
            return
        sending = _Sending(request, answer, parts, send, self.settings.stream_stall, self.respond)
        try:
            whole = await self._watched(request, sending)
        except Disconnected:
            raise
        except Exception as error:
            if not sending.begun:
                raise
            self.observer.emit(StreamCut(request.model.collection, error))
            raise Cut(f"the stream was cut: {error}") from error
        if whole is not None:
            whole = await represent(request, whole, self.settings.compress_from)
            await self.respond.answer(send, whole)

    async def _watched(self, request: Request, sending: _Sending) -> Answer | None:
        """Until it is sent, the client is gone or the time is over."""
        work = asyncio.ensure_future(self._in_turn(sending))
        gone = asyncio.ensure_future(_gone(request.receive))
        tasks = {work, gone}
        try:
            await asyncio.wait(
                tasks,
                timeout=self.settings.stream_timeout or None,
                return_when=asyncio.FIRST_COMPLETED,
            )
            if work.done():
                return work.result()
            if gone.done():
                raise Disconnected
            if sending.begun:
                raise TimeoutError("it took longer than stream_timeout")
            hint = "narrow the filter, or sort by what has an index"
            detail = "the query took too long and was stopped"
            raise Invalid(detail, code="query_timeout", hint=hint)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)
            # What failed while it was being ended is of no interest any more.
            _ = [task.cancelled() or task.exception() for task in tasks]

    async def _in_turn(self, sending: _Sending) -> Answer | None:
        """Waits for a place, as others wait for a connection; most lists are over soon."""
        try:
            async with asyncio.timeout(self.settings.query_timeout):
                await self._places.acquire()
        except TimeoutError:
            detail = f"a worker streams {self.settings.max_streams} lists at once: come back"
            raise Unavailable(detail, retry_after=_PAUSE, code="too_many_streams") from None
        self.under_way += 1
        try:
            return await sending.run()
        finally:
            self.under_way -= 1
            self._places.release()


class _Sending:
    """One stream on its way."""

    def __init__(
        self,
        request: Request,
        answer: Answer,
        parts: AsyncGenerator[bytes, None],
        send: Any,
        stall: float,
        respond: Responder,
    ) -> None:
        self.stall = stall
        self.respond = respond
        self.request = request
        self.answer = answer
        self.parts = parts
        self.send = send
        self.begun = False

    async def run(self) -> Answer | None:
        """Sends all; what has one part only is an answer like others, still to be sent.

        The first parts are made before anything is sent: what fails until then is a problem.
        """
        async with aclosing(self.parts):
            first = await anext(self.parts)
            second = await anext(self.parts, None)
            if second is None:
                etag = (b"etag", etag_of(first).encode())
                return replace(
                    self.answer, body=first, chunks=None, extra=[etag, *self.answer.extra]
                )
            coding = self.request.variant.coding
            flow = coding.flow() if coding is not None else None
            self.begun = True
            await self.send(start(self.respond, self.request, self.answer))
            await self._part(flow.add(first + second) if flow else first + second)
            async for part in self.parts:
                await self._part(flow.add(part) if flow else part)
                # A client that is fast must not keep the others waiting.
                await asyncio.sleep(0)
        await self.send({"type": "http.response.body", "body": flow.end() if flow else b""})
        return None

    async def _part(self, body: bytes) -> None:
        """Waits for the client to take what went before, but not for long."""
        try:
            async with asyncio.timeout(self.stall or None):
                await self.send({"type": "http.response.body", "body": body, "more_body": True})
        except TimeoutError:
            raise TimeoutError("the client read nothing for stream_stall") from None


def start(respond: Responder, request: Request, answer: Answer) -> dict[str, Any]:
    coding = request.variant.coding
    coded = [] if coding is None else [coding_header(coding)]
    headers = [*respond.base(answer), *coded, *answer.extra]
    return {"type": "http.response.start", "status": answer.status, "headers": headers}


async def _gone(receive: Any) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
