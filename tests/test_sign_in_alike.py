"""An abaft app signs people in for another: "Sign in with …", both ends ours."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlencode, urlsplit

import httpx
import pytest

from abaft import App, Settings, SignIn, User
from abaft.login_with import OIDC
from accounts import Note, Person, World, world
from oidc_provider import Tab, served
from scenarios import ADMIN_TOKEN, SECRET_KEY, Api
from sign_in import AUTHORIZE, Client, hidden, registered
from test_login_with_browser import Late
from test_sign_in_browser import made

pytestmark = pytest.mark.named

CALLBACK = "http://localhost:8000/api/auth/with/home/callback"


@dataclass
class Both:
    """The app that people have accounts at, and the one they come to."""

    app: App
    url: str
    client: Client
    there: World
    browser: httpx.AsyncClient

    async def agrees(self, url: str) -> str:
        """Where a browser is led whose user is asked at home, and says yes."""
        assert url.startswith(f"{self.url}{AUTHORIZE}?")
        page = await self.browser.get(url)
        if page.status_code == 200:
            fields = {**hidden(page.text), "answer": "yes"}
            head = {"origin": self.url, "sec-fetch-site": "same-origin"}
            page = await self.browser.post(AUTHORIZE, data=fields, headers=head)
        assert page.status_code == 303, page.text
        return str(page.headers["location"])

    async def login(self, person: Person, **query: str) -> httpx.Response:
        begun = await Tab(person.client).begin("home", **query)
        assert begun.status_code == 303, begun.text
        return await self.returned(person, await self.agrees(begun.headers["location"]))

    async def returned(self, person: Person, place: str) -> httpx.Response:
        assert place.startswith(CALLBACK)
        path = urlsplit(place)._replace(scheme="", netloc="").geturl()
        return await person.client.get(path, headers={"accept": "text/html"})


@asynccontextmanager
async def both(database: str, folder: Path) -> AsyncIterator[Both]:
    late = Late()
    async with served(late) as url:
        given = Settings(
            database=f"sqlite:///{folder / 'home.db'}", secret_key=SECRET_KEY,
            admin_token=ADMIN_TOKEN, base_url=url,
        )  # fmt: skip
        late.app = app = App(User, Note, settings=given, sign_in=SignIn(), sinks=())
        await app.start()
        try:
            async with _joined(app, url, database) as found:
                yield found
        finally:
            await app.stop()


@asynccontextmanager
async def _joined(app: App, url: str, database: str) -> AsyncIterator[Both]:
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url=url) as browser:
        await made(app, url)
        api = Api(app, browser)
        client = await registered(World(api), redirect_uris=[CALLBACK])
        body = {"email": "ann@example.org", "password": "correct horse battery"}
        answer = await browser.post("/api/auth/login", json=body, headers={"origin": url})
        assert answer.status_code == 200, answer.text
        home = OIDC(url, client_id=client.id, client_secret=client.secret, name="home")
        async with world(database, login_with=[home]) as there:
            yield Both(app, url, client, there, browser)


async def test_oauth_an_app_of_ours_signs_in_at_another(database_url: str, tmp_path: Path) -> None:
    async with both(database_url, tmp_path) as found:
        ann = found.there.stranger("ann@example.org")
        answer = await found.login(ann, next="/notes")
        assert (answer.status_code, answer.headers["location"]) == (303, "/notes"), answer.text
        me = (await ann.auth("GET me")).json()["user"]
        assert (me["email"], me["name"]) == ("ann@example.org", "Ann")
        [row] = (await ann.auth("GET identities")).json()["items"]
        assert (row["provider"], row["email"]) == ("home", "ann@example.org")
        # Once more, from elsewhere: the same account, and nothing is asked a second time.
        again = found.there.stranger("ann@example.org")
        assert (await found.login(again)).status_code == 303
        assert (await again.auth("GET me")).json()["user"] == me


async def test_oauth_between_two_of_ours_nothing_can_be_swapped(
    database_url: str, tmp_path: Path
) -> None:
    async with both(database_url, tmp_path) as found:
        ann = found.there.stranger("ann@example.org")
        begun = await Tab(ann.client).begin("home")
        place = await found.agrees(begun.headers["location"])
        # Somebody else's browser: it began no such log-in.
        eve = found.there.stranger("eve@example.org", "192.0.2.9")
        refused = await found.returned(eve, place)
        assert (refused.status_code, "session" in eve.client.cookies) == (400, False)
        # Another issuer, or none where the discovery promised one.
        for wrong in (urlencode({"iss": "https://evil.example"}), ""):
            mallory = found.there.stranger("ann@example.org", "192.0.2.10")
            begun = await Tab(mallory.client).begin("home")
            fresh = await found.agrees(begun.headers["location"])
            kept = "&".join(row for row in fresh.split("&") if not row.startswith("iss="))
            mixed = f"{kept}&{wrong}".rstrip("&")
            refused = await found.returned(mallory, mixed)
            assert refused.status_code in (401, 403), wrong
            assert not await mallory.known()
        # The right one is still good, once.
        assert (await found.returned(ann, place)).status_code == 303
        assert (await found.returned(ann, place)).status_code == 400


async def test_oauth_whom_home_forgets_the_other_keeps_till_its_own_end(
    database_url: str, tmp_path: Path
) -> None:
    async with both(database_url, tmp_path) as found:
        ann = found.there.stranger("ann@example.org")
        assert (await found.login(ann)).status_code == 303
        # Who is logged out at home is asked there anew, and comes to nobody's session.
        found.browser.cookies.clear()
        again = found.there.stranger("ann@example.org", "192.0.2.11")
        begun = await Tab(again.client).begin("home")
        page = await found.browser.get(begun.headers["location"])
        assert urlsplit(page.headers["location"]).path == "/account/login"
        assert await ann.known()
        assert not await again.known()


async def test_oauth_an_app_that_home_has_dropped_gets_nobody(
    database_url: str, tmp_path: Path
) -> None:
    async with both(database_url, tmp_path) as found:
        ann = found.there.stranger("ann@example.org")
        begun = await Tab(ann.client).begin("home")
        place = await found.agrees(begun.headers["location"])
        api = Api(found.app, found.browser)
        answer = await api.ask(f"DELETE /api/auth/clients/{found.client.id}", "admin")
        assert answer.status_code == 204, answer.text
        refused = await found.returned(ann, place)
        assert refused.status_code in (401, 403, 503), refused.text
        assert not await ann.known()
