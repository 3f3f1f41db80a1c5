"""A browser without scripts, for tests of the pages of accounts: it fills forms as they stand."""

from __future__ import annotations

import re
from html import unescape

import httpx

from accounts import PASSWORD, World, client_of

HERE = {"sec-fetch-site": "same-origin", "origin": "http://test"}


class Browser:
    """One browser, and the page that it shows."""

    def __init__(self, client: httpx.AsyncClient) -> None:
        self.client = client
        client.headers["user-agent"] = "A browser"
        self.page = ""

    async def get(self, path: str, **headers: str) -> httpx.Response:
        answer = await self.client.get(path, headers=headers)
        self.page = answer.text
        return answer

    def hidden(self, action: str, row: int = 0) -> dict[str, str]:
        """What stands hidden in the form with this action, or in that of a list's row."""
        form = re.findall(
            rf'<form method="post" action="{action}"[^>]*>(.*?)</form>', self.page, re.S
        )[row]
        found = re.findall(r'type="hidden" name="([^"]+)" value="([^"]*)"', form)
        return {name: unescape(value) for name, value in found}

    async def post(
        self, action: str, typed: dict[str, str], row: int = 0, **more: str
    ) -> httpx.Response:
        """Sends the form with this action: what is hidden in it goes along."""
        values = self.hidden(action, row) | typed
        sent = HERE | {"content-type": "application/x-www-form-urlencoded"} | more
        answer = await self.client.post(action, data=values, headers=sent)
        if answer.status_code == 307:
            # The same once more, with the cookies that came.
            to = answer.headers["location"]
            answer = await self.client.post(to, data=values, headers=sent)
        if answer.status_code not in (303, 307):
            self.page = answer.text
        return answer

    async def done(self, action: str, typed: dict[str, str], row: int = 0) -> str:
        """Sends a form that is good, and what the page says that it leads to."""
        answer = await self.post(action, typed, row)
        assert answer.status_code in (200, 303), answer.text
        if answer.status_code == 303:
            await self.get(answer.headers["location"])
        return self.page

    async def login(self, name: str = "ann") -> None:
        await self.get("/account/login")
        typed = {"email": f"{name}@example.org", "password": PASSWORD}
        answer = await self.post("/account/login", typed)
        assert answer.status_code == 303, answer.text


def browser(found: World, address: str = "192.0.2.1") -> Browser:
    return Browser(client_of(found.api, address))
