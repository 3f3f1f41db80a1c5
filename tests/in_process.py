"""Requests put to an app byte for byte, as a server would."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote_to_bytes

import orjson

from abaft import App

_CONTROL = frozenset([*range(32), 127])
Headers = Sequence[tuple[bytes, bytes]]


@dataclass(frozen=True)
class Answer:
    """A response as it would go over the wire."""

    status: int
    headers: dict[str, str]
    body: bytes

    def json(self) -> Any:
        return orjson.loads(self.body)


async def ask(
    app: App,
    method: str,
    target: bytes,
    headers: Headers = (),
    body: bytes = b"",
    *,
    client: str = "127.0.0.1",
) -> Answer:
    """One request to the app, as uvicorn makes it of the request line's bytes."""
    path, _, query = target.partition(b"?")
    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        # What isn't UTF-8 becomes U+FFFD.
        "path": unquote_to_bytes(path).decode("utf-8", "replace"),
        "raw_path": path,
        "query_string": query,
        "root_path": "",
        "headers": [(name.lower(), value) for name, value in headers],
        "client": (client, 1),
        "server": ("127.0.0.1", 80),
    }
    sent: list[Any] = []
    messages = [{"type": "http.request", "body": body, "more_body": False}]

    async def receive() -> Any:
        if not messages:
            await asyncio.Event().wait()  # the client stays until it is answered
        return messages.pop()

    async def send(message: Any) -> None:
        sent.append(message)

    await app(scope, receive, send)
    start = sent[0]
    for name, value in start["headers"]:
        # INJ-4: nothing that came with the request ends a line of the answer's head.
        assert not _CONTROL.intersection(name + value), start
    answered = {name.decode("latin-1"): value.decode("latin-1") for name, value in start["headers"]}
    return Answer(start["status"], answered, b"".join(m.get("body", b"") for m in sent[1:]))
