"""People with accounts, for tests: who they are, what they hold, and the mails they got."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx

from abaft import Model, Ref, User, allow
from abaft import field as declared
from abaft import me as asks
from abaft.observe.events import AccountEvent
from scenarios import Api, serving

PASSWORD = "correct horse battery"
ORIGIN = "http://test"


class Note(Model):
    text: str
    owner: Ref[User] = declared(default=asks, on_delete="cascade")

    @allow("read", "create", "update")
    def own(note, me) -> bool:
        return note.owner == me

    @allow("read")
    def editors(note, me) -> bool:
        return me.has_role("editor")

    @allow("delete")
    def fresh(note, me) -> bool:
        return (note.owner == me) & me.fresh(minutes=5)


@dataclass
class Person:
    """A client of their own, logged in or not."""

    api: Api
    email: str
    client: httpx.AsyncClient
    tokens: dict[str, Any] = field(default_factory=dict)
    csrf: str = ""

    async def ask(
        self, request: str, body: Any = None, headers: Mapping[str, str] = {}, **options: Any
    ) -> httpx.Response:
        """A request as their browser or app sends it."""
        method, _, url = request.partition(" ")
        sent: dict[str, str] = {}
        if self.tokens:
            sent["authorization"] = f"Bearer {self.tokens['access_token']}"
        elif self.csrf:
            sent |= {"origin": ORIGIN, "x-csrf-token": self.csrf}
        found = await self.client.request(
            method, url, json=body, headers={**sent, **headers}, **options
        )
        if self.api.defects:
            raise AssertionError(request) from self.api.defects[0].error
        return found

    async def auth(self, request: str, body: Any = None, **options: Any) -> httpx.Response:
        """A request to accounts: `await ann.auth("POST login", {…})`."""
        method, _, path = request.partition(" ")
        return await self.ask(f"{method} /api/auth/{path}", body, **options)

    def took(self, answer: httpx.Response) -> httpx.Response:
        """Goes on with what a log-in gave."""
        body = answer.json()
        self.csrf = body.get("csrf", "")
        self.tokens = body if "access_token" in body else {}
        return answer

    async def login(self, password: str = PASSWORD, **more: Any) -> httpx.Response:
        body = {"email": self.email, "password": password, **more}
        answer = await self.auth("POST login", body)
        return self.took(answer) if answer.status_code == 200 else answer

    async def known(self) -> bool:
        """Whether what they hold still opens anything."""
        return (await self.auth("GET me")).status_code == 200

    def elsewhere(self) -> Person:
        """The same person at another device."""
        return Person(self.api, self.email, client_of(self.api))


def client_of(api: Api, address: str = "192.0.2.1") -> httpx.AsyncClient:
    transport = httpx.ASGITransport(api.app, client=(address, 5000))
    return httpx.AsyncClient(transport=transport, base_url=ORIGIN)


@dataclass
class World:
    """An app with accounts, its mails and what it told of them."""

    api: Api
    events: list[AccountEvent] = field(default_factory=list)

    def stranger(self, email: str = "nobody@example.org", address: str = "192.0.2.1") -> Person:
        return Person(self.api, email, client_of(self.api, address))

    async def joined(self, name: str = "ann", *roles: str, session: str = "cookie") -> Person:
        """Somebody who went the way from the mail to the first session."""
        person = self.stranger(f"{name}@example.org")
        answer = await self.api.ask(
            "POST /api/auth/invitations",
            "admin",
            json={"email": person.email, "roles": list(roles)},
        )
        assert answer.status_code == 202, answer.text
        answer = await person.auth(
            "POST register/finish",
            {
                "token": self.token(person.email),
                "password": PASSWORD,
                "user": {"name": name.title()},
                "session": session,
            },
        )
        assert answer.status_code == 201, answer.text
        person.took(answer)
        return person

    @property
    def mails(self) -> list[Any]:
        return list(self.api.app.accounts.context.mailer.box)

    def mail(self, email: str) -> str:
        """The text of the last mail to the address, subject and all."""
        found = [mail for mail in self.mails if str(mail["to"]) == email]
        return f"{found[-1]['subject']}\n{found[-1].get_body(('plain',)).get_content()}"

    def token(self, email: str) -> str:
        """The token of the last link that was sent there."""
        found = re.search(r"#(\S+)", self.mail(email))
        assert found is not None
        return found[1]

    def told(self) -> list[str]:
        return [event.what for event in self.events]

    def note(self, event: Any) -> None:
        if isinstance(event, AccountEvent):
            self.events.append(event)


@asynccontextmanager
async def world(url: str, *models: type[Model], **options: Any) -> AsyncIterator[World]:
    options.setdefault("authenticators", [])
    async with serving(url, *(models or (User, Note)), **options) as api:
        found = World(api)
        api.app.observer.sinks.append(found.note)
        yield found
