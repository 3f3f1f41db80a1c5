"""How long our servers wait for a client, and how many they serve: uvicorn's HTTP protocol.

uvicorn itself waits without end for the rest of a request, and for an answer to be read.
"""

from __future__ import annotations

import asyncio
from typing import Any

from uvicorn.protocols.http.auto import AutoHTTPProtocol

from abaft.base.errors import BadRequest, Fault, HeadTooLarge, RequestTimeout
from abaft.base.settings import Settings
from abaft.cli.heads import known_version, origin_form, read_plainly
from abaft.cli.shedding import Refusals, Said, still_to_come
from abaft.guard.admission import STATE, Admission

try:
    from abaft.cli.lines import quicken
except ImportError:  # without httptools uvicorn speaks by h11, whose way stays as it is

    def quicken(cycle: Any) -> None:
        """Leaves it as it is."""


PIECE = 65_536
"""Bytes of a body that start its time anew."""
READ = 16_384
"""Bytes that a client has to read of an answer to be waited for again."""
FAREWELL = 1.0
"""Seconds a refusal has to leave before the connection is broken."""
FIRST = 1.0
"""Seconds that a server which stops waits for the request of who has just connected."""


REFUSALS = Refusals()
"""Of all connections of the process."""


class Timer:
    """One deadline at a time; 0 seconds: none."""

    def __init__(self) -> None:
        self._handle: asyncio.TimerHandle | None = None

    def start(self, seconds: float, due: Any, *values: Any) -> None:
        self.stop()
        if seconds:
            self._handle = asyncio.get_running_loop().call_later(seconds, due, *values)

    def stop(self) -> None:
        if self._handle is not None:
            self._handle.cancel()
            self._handle = None


class PatientProtocol(AutoHTTPProtocol):  # type: ignore[misc, valid-type]
    """Cuts clients that send a request, or read its answer, too slowly; refuses those too many.

    It knows of uvicorn's protocols, of which there are several, only that `cycle` is the request
    that came last, `cycle.more_body` that some of it is still to come, and `flow` what is paused.
    """

    def __init__(self, *args: Any, limits: Settings, said: Said, **named: Any) -> None:
        super().__init__(*args, **named)
        read_plainly(self)
        self.said = said
        self.limits = limits
        self._head = 0  # bytes of a head that isn't whole yet
        self._body = 0  # bytes of the body since its time was started
        self._refused = False
        self._last = False
        self._skipped = 0  # bytes still to come of a request that was shed
        self._untold: bytes | None = None  # a refusal that waits for its turn
        self._admission: Admission | None = self.app_state.get(STATE)
        self.url = b""  # the target, where httptools reads
        self._receiving = Timer()
        self._sending = Timer()

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        self._receiving.start(self.limits.head_timeout, self._head_is_late)

    def connection_lost(self, exc: Exception | None) -> None:
        self._receiving.stop()
        self._sending.stop()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self._refused:
            return
        if self._skipped and not (data := self._skip(data)):
            return
        if self._untold is not None:
            self._tell()  # answers keep the order of their requests
        before = self.cycle
        if self._admission is not None and self._admission.full and self._shed(data):
            return
        in_body = before is not None and before.more_body
        room = self.limits.max_head_bytes - self._head
        now, rest = (data, b"") if in_body or len(data) <= room else (data[:room], data[room:])
        super().data_received(now)
        if self.transport.is_closing():
            return
        if self.cycle is not before:
            self._a_request_began()
        elif in_body:
            self._more_body(len(now))
        else:
            self._more_head(len(now))
        if rest:
            self.data_received(rest)

    def on_headers_complete(self) -> None:
        """httptools has read a head. What it raises is 400."""
        version: str = self.parser.get_http_version()
        if version != "1.1":
            known_version(version, self.headers)
        if self.url[:1] != b"/":
            self.url, self.headers[:] = origin_form(self.url, self.headers)
        super().on_headers_complete()

    def send_400_response(self, msg: str) -> None:
        """uvicorn's answer to what is no HTTP, in our words."""
        self._refuse(BadRequest("This can't be read as a request of HTTP."))

    def shutdown(self) -> None:
        """Who has connected and not asked yet is answered: what they ask may be on its way."""
        if self.cycle is None and not self._refused and self._untold is None:
            self._last = True
            self._receiving.start(FIRST, self.transport.close)
        else:
            super().shutdown()

    def handle_websocket_upgrade(self, *args: Any) -> None:
        self._receiving.stop()
        super().handle_websocket_upgrade(*args)

    def timeout_keep_alive_handler(self) -> None:
        self._tell()
        super().timeout_keep_alive_handler()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if self.transport.get_write_buffer_size():
            self._wait_for_reader()

    def pause_writing(self) -> None:
        super().pause_writing()
        self._wait_for_reader()

    def resume_writing(self) -> None:
        super().resume_writing()
        self._sending.stop()

    def _a_request_began(self) -> None:
        quicken(self.cycle)
        if self._admission is not None:
            self._admission.arrive()
        self._head = self._body = 0
        if self._last:
            self.cycle.keep_alive = False
        if self.cycle.more_body:
            self._receiving.start(self.limits.body_timeout, self._body_is_late)
        else:
            self._receiving.stop()

    def _more_head(self, size: int) -> None:
        if not self._head:
            self._receiving.start(self.limits.head_timeout, self._head_is_late)
        self._head += size
        if self._head >= self.limits.max_head_bytes:
            most = self.limits.max_head_bytes
            self._refuse(HeadTooLarge(f"The request line and headers have over {most} bytes."))

    def _more_body(self, size: int) -> None:
        self._body += size
        if not self.cycle.more_body:
            self._receiving.stop()
        elif self._body >= PIECE:
            self._body = 0
            self._receiving.start(self.limits.body_timeout, self._body_is_late)

    def _head_is_late(self) -> None:
        if self.cycle is not None and not self.cycle.response_complete:
            # The next request dawdles while the one before it is still being answered.
            self._receiving.start(self.limits.head_timeout, self._head_is_late)
        elif self._head:
            self._refuse(RequestTimeout("The request line and headers did not come in time."))
        else:
            self._tell()
            self.transport.close()

    def _body_is_late(self) -> None:
        if self.flow.read_paused:
            # It is the application that has not taken what came.
            self._receiving.start(self.limits.body_timeout, self._body_is_late)
        elif self.cycle.response_started:
            self.transport.abort()
        else:
            self._refuse(RequestTimeout("The body did not come in time."))

    def _shed(self, data: bytes) -> bool:
        """Refuses a request for which there is no room, if its end is plain to see."""
        waits = self._head or (self.cycle is not None and not self.cycle.response_complete)
        left = None if waits else still_to_come(data, self.limits.max_body_bytes)
        if left is None:
            return False
        assert self._admission is not None
        self._admission.refuse()
        self._skipped = left
        self._untold = self.said.full_head if data.startswith(b"HEAD ") else self.said.full
        # What time the connection had to be idle goes on: the next one may lead to another worker.
        REFUSALS.add(self._tell)
        return True

    def _skip(self, data: bytes) -> bytes:
        """What is left of the data after the body of a request that was shed."""
        skipped = min(self._skipped, len(data))
        self._skipped -= skipped
        return data[skipped:]

    def _tell(self) -> None:
        if self._untold is not None and not self.transport.is_closing():
            self.transport.write(self._untold)
        self._untold = None

    def _wait_for_reader(self) -> None:
        left = self.transport.get_write_buffer_size()
        self._sending.start(self.limits.stream_stall, self._look_at_reader, left)

    def _look_at_reader(self, before: int) -> None:
        left = self.transport.get_write_buffer_size()
        if left > before - READ and left:
            self.transport.abort()
        elif left:
            self._wait_for_reader()

    def _refuse(self, fault: Fault) -> None:
        """Says why, and ends the connection, whether that is read or not."""
        self._receiving.stop()
        self._refused = True
        if self.cycle is not None:
            self.cycle.disconnected = True  # the application is told, and writes no more
            self.cycle.message_event.set()
        self.transport.write(self.said.farewell(fault))
        if self.transport.can_write_eof():
            self.transport.write_eof()
        # To close while bytes still come would have the client lose the refusal.
        self._sending.start(FAREWELL, self.transport.abort)
