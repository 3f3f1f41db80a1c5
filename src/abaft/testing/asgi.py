"""Requests to an application in this process, without a network or a library for it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

import orjson


@dataclass(frozen=True, slots=True)
class Reply:
    """What was answered."""

    status: int
    body: bytes

    @property
    def json(self) -> Any:
        return orjson.loads(self.body) if self.body else None

    @property
    def code(self) -> str:
        """The code of a problem; empty where it is none."""
        found = self.json if self.status >= 400 else {}
        return str(found.get("code", "")) if isinstance(found, dict) else ""


async def ask(
    app: Any, method: str, url: str, body: Any = None, headers: Mapping[str, str] | None = None
) -> Reply:
    """Sends a request and waits for the whole answer."""
    content = b"" if body is None else orjson.dumps(body)
    given = {"host": "localhost", **(headers or {})}
    if body is not None:
        given |= {"content-type": "application/json", "content-length": str(len(content))}
    path, _, query = url.partition("?")
    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "path": unquote(path),
        "raw_path": path.encode(),
        "query_string": query.encode(),
        "root_path": "",
        "headers": [(name.encode(), value.encode()) for name, value in given.items()],
        "client": ("127.0.0.1", 1),
        "server": ("localhost", 80),
    }
    status, parts = 0, []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": content, "more_body": False}

    async def send(message: dict[str, Any]) -> None:
        nonlocal status
        if message["type"] == "http.response.start":
            status = message["status"]
        parts.append(message.get("body", b""))

    await app(scope, receive, send)
    return Reply(status, b"".join(parts))
