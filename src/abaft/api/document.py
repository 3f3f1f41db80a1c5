"""The OpenAPI document as it is sent: compressed, where the client takes that."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from fastapi import FastAPI
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from abaft.api.codings import CODINGS
from abaft.api.negotiate import best_coding

Endpoint = Callable[[Request], Awaitable[Response]]


def compress_document(app: FastAPI, least: int) -> None:
    """Has FastAPI's route of the document compressed, from `least` bytes; 0: never."""
    for place, route in enumerate(app.router.routes):
        if isinstance(route, Route) and route.path == app.openapi_url and least:
            coded = Route(route.path, _coded(route.endpoint, least), include_in_schema=False)
            app.router.routes[place] = coded


def _coded(endpoint: Endpoint, least: int) -> Endpoint:
    known: dict[tuple[str, bytes], bytes] = {}

    async def answer(request: Request) -> Response:
        response = await endpoint(request)
        response.headers["vary"] = "Accept-Encoding"
        wish = request.headers.get("accept-encoding", "")
        name, _ = best_coding(wish, tuple(CODINGS))
        body = bytes(response.body)
        if name is None or len(body) < least:
            return response
        if (name, body) not in known:
            known.clear()
            known[name, body] = await asyncio.to_thread(CODINGS[name].compress, body)
        response.body = known[name, body]
        response.headers["content-encoding"] = name
        response.headers["content-length"] = str(len(response.body))
        return response

    return answer
