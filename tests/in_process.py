"""An app served inside this process, on a loop of its own, byte for byte as a server would."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable, Coroutine, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO
from typing import Any, TypeVar
from urllib.parse import unquote_to_bytes, urlsplit

import requests
from requests.adapters import BaseAdapter
from urllib3 import HTTPResponse

from abaft import App

T = TypeVar("T")
Headers = Sequence[tuple[bytes, bytes]]


@dataclass(frozen=True)
class Answer:
    """A response as it would go over the wire."""

    status: int
    headers: list[tuple[str, str]]
    body: bytes


@dataclass
class Served:
    """An app whose loop runs in a thread, so that synchronous tests can ask it."""

    app: App
    loop: asyncio.AbstractEventLoop

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(60)

    def ask(self, method: str, target: bytes, headers: Headers = (), body: bytes = b"") -> Answer:
        """One request; `target` is the path and query as they would stand in the request line."""
        return self.run(ask(self.app, method, target, headers, body))

    def session(self, **headers: str) -> requests.Session:
        """What schemathesis sends its requests by."""
        session = requests.Session()
        session.mount("http://", _Adapter(self))
        session.headers.update(headers)
        return session


async def ask(
    app: App, method: str, target: bytes, headers: Headers = (), body: bytes = b""
) -> Answer:
    """One request to the app, as a server makes it of the request line's bytes."""
    path, _, query = target.partition(b"?")
    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        # As uvicorn does: what isn't UTF-8 becomes U+FFFD.
        "path": unquote_to_bytes(path).decode("utf-8", "replace"),
        "raw_path": path,
        "query_string": query,
        "root_path": "",
        "headers": [(name.lower(), value) for name, value in headers],
        "client": ("127.0.0.1", 1),
        "server": ("127.0.0.1", 80),
    }
    sent: list[Any] = []
    messages = iter([{"type": "http.request", "body": body, "more_body": False}])

    async def receive() -> Any:
        return next(messages, {"type": "http.disconnect"})

    send: Callable[[Any], Awaitable[None]] = _appender(sent)
    await app(scope, receive, send)
    start = sent[0]
    answered = [
        (name.decode("latin-1"), value.decode("latin-1")) for name, value in start["headers"]
    ]
    return Answer(start["status"], answered, b"".join(m.get("body", b"") for m in sent[1:]))


def _appender(sent: list[Any]) -> Callable[[Any], Awaitable[None]]:
    async def send(message: Any) -> None:
        sent.append(message)

    return send


@contextmanager
def served(app: App, seed: Callable[[App], Awaitable[None]] | None = None) -> Iterator[Served]:
    """The app, started, with what `seed` puts into it."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    serving = Served(app, loop)
    try:
        serving.run(app.start())
        if seed is not None:
            serving.run(_awaited(seed(app)))
        yield serving
    finally:
        serving.run(app.stop())
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


async def _awaited(work: Awaitable[T]) -> T:
    return await work


class _Adapter(BaseAdapter):
    """Hands what `requests` would send to the app instead."""

    def __init__(self, serving: Served) -> None:
        super().__init__()
        self.serving = serving

    def send(self, request: requests.PreparedRequest, *args: Any, **options: Any) -> Any:
        parts = urlsplit(request.url or "")
        target = f"{parts.path}?{parts.query}" if parts.query else parts.path
        body = request.body or b""
        if isinstance(body, str):
            body = body.encode()
        elif not isinstance(body, bytes):
            body = b"".join(part if isinstance(part, bytes) else part.encode() for part in body)
        answer = self.serving.ask(
            str(request.method), target.encode(), _encoded(request.headers), body
        )
        raw = HTTPResponse(
            BytesIO(answer.body), answer.headers, answer.status, preload_content=False
        )
        response = requests.Response()
        response.status_code = answer.status
        response.headers.update(dict(answer.headers))
        response.raw, response.request, response.url = raw, request, request.url or ""
        response.encoding = "utf-8"
        return response

    def close(self) -> None:
        """Nothing is held open."""


def _encoded(headers: Any) -> Headers:
    def octets(text: str | bytes) -> bytes:
        return text if isinstance(text, bytes) else text.encode("latin-1", "replace")

    return [(octets(name), octets(value)) for name, value in headers.items()]
