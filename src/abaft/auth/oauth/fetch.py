"""Asking providers over HTTP: where it leads is looked at first, and time and size are bounded."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import urlsplit

import httpx
import orjson

from abaft.auth.oauth.providers import url_fault
from abaft.base.settings import Settings
from abaft.guard.addresses import LOOPBACK, is_internal, is_loopback, is_public

MOST_AT_ONCE = 50


class Away(Exception):
    """A provider can't be asked; `reason` is for the trail alone."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class Fetcher:
    """Fetches from one address of a host, that was looked at; follows no redirect.

    The address is connected to, whatever the name stands for a moment later (DNS rebinding). No
    connection is kept: one that is proved for a host must not serve another at the same address.
    """

    def __init__(self, settings: Settings) -> None:
        self._production = settings.production
        self._seconds, self._most = settings.provider_timeout, settings.max_provider_bytes
        self._client: httpx.AsyncClient | None = None

    def _open(self) -> httpx.AsyncClient:
        if self._client is None:
            self._client = httpx.AsyncClient(
                verify=ssl.create_default_context(),
                timeout=self._seconds,
                limits=httpx.Limits(max_connections=MOST_AT_ONCE, max_keepalive_connections=0),
                trust_env=False,
                headers={"accept": "application/json", "accept-encoding": "identity"},
            )
        return self._client

    async def close(self) -> None:
        """Lets connections go."""
        if self._client is not None:
            await self._client.aclose()
            self._client = None

    async def get(self, url: str, headers: Mapping[str, str] = {}, internal: bool = False) -> Any:
        """The JSON at a URL. Raises Away."""
        status, found = await self._asked("GET", url, headers, None, internal)
        if status != 200:
            raise Away(f"{url} answered {status}")
        return _json(found, url, status)

    async def text(
        self, url: str, headers: Mapping[str, str] = {}, internal: bool = False
    ) -> bytes:
        """The bytes at a URL. Raises Away."""
        status, found = await self._asked("GET", url, headers, None, internal)
        if status != 200:
            raise Away(f"{url} answered {status}")
        return found

    async def post(
        self, url: str, body: str, headers: Mapping[str, str], internal: bool = False
    ) -> Any:
        """What a form is answered: a refusal too, as long as it is JSON. Raises Away."""
        status, found = await self._asked("POST", url, headers, body, internal)
        if status >= 500 or status in (429, 408) or 300 <= status < 400:
            raise Away(f"{url} answered {status}")
        return _json(found, url, status)

    async def _asked(
        self, method: str, url: str, headers: Mapping[str, str], body: str | None, internal: bool
    ) -> tuple[int, bytes]:
        reason = url_fault(url, self._production)
        if reason:
            raise Away(f"{url[:200]!r} isn't asked: {reason}")
        try:
            async with asyncio.timeout(self._seconds):
                request = await self._request(method, url, headers, body, internal)
                return await self._answered(request, url)
        except TimeoutError as error:
            raise Away(f"{url} took longer than {self._seconds} s") from error
        except (httpx.HTTPError, httpx.InvalidURL, OSError, ValueError) as error:
            # ValueError: a host that can't be a name.
            raise Away(f"{url}: {type(error).__name__}: {error}"[:300]) from error

    async def _request(
        self, method: str, url: str, headers: Mapping[str, str], body: str | None, internal: bool
    ) -> httpx.Request:
        address = await self._address(url, internal)
        given = httpx.URL(url)
        named = {"host": given.netloc.decode("ascii"), **headers}
        if body is not None:
            named["content-type"] = "application/x-www-form-urlencoded"
        return self._open().build_request(
            method,
            given.copy_with(host=address),
            headers=named,
            content=body,
            extensions={"sni_hostname": given.host} if given.scheme == "https" else {},
        )

    async def _address(self, url: str, internal: bool) -> str:
        """An address of the host, of which none leads where it shouldn't. Raises Away."""
        parts = urlsplit(url)
        host = parts.hostname or ""
        port = parts.port or (443 if parts.scheme == "https" else 80)
        loop = asyncio.get_running_loop()
        rows = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        found = [str(row[4][0]) for row in rows]
        fits = self._fitting(host, internal)
        if not found or not all(fits(address) for address in found):
            raise Away(f"{host} leads to an address that isn't asked")
        return found[0]

    def _fitting(self, host: str, internal: bool) -> Callable[[str], bool]:
        if host in LOOPBACK and not self._production:
            return is_loopback
        return is_internal if internal else is_public

    async def _answered(self, request: httpx.Request, url: str) -> tuple[int, bytes]:
        response = await self._open().send(request, stream=True)
        try:
            if response.headers.get("content-encoding", "identity") != "identity":
                raise Away(f"{url} answered compressed, which wasn't asked for")
            text = bytearray()
            async for chunk in response.aiter_raw():
                text += chunk
                if len(text) > self._most:
                    raise Away(f"{url} answered more than {self._most} bytes")
        finally:
            await response.aclose()
        return response.status_code, bytes(text)


def _json(text: bytes, url: str, status: int) -> Any:
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        raise Away(f"{url} answered {status} without JSON") from None
