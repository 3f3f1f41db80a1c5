"""Where programs look first: what an authorization server is, at its well-known addresses."""

from __future__ import annotations

from typing import Any

import orjson
from fastapi import FastAPI
from starlette.responses import Response

PATHS = ("/.well-known/openid-configuration", "/.well-known/oauth-authorization-server")


def add_discovery(app: FastAPI, metadata: dict[str, Any]) -> None:
    """OpenID Connect Discovery 1.0 and RFC 8414, open to pages of all origins."""
    body = orjson.dumps(metadata)
    headers = {"cache-control": "public, max-age=3600", "access-control-allow-origin": "*"}

    async def answer() -> Response:
        return Response(body, media_type="application/json", headers=headers)

    for path in PATHS:
        app.get(path, include_in_schema=False)(answer)
