"""Search is reading: nothing is found, marked or put in order by what may not be read."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import quote

import pytest_asyncio

from abaft import Me, Model, Ref, User, allow, field, me
from scenarios import Api, Scenario, play, serving


class Secret(Model):
    """Anyone reads the record, its owner alone the note, and nobody the code."""

    title: str = field(search=True)
    note: str = field(default="", search=True)
    code: str = field(default="", search=True)
    owner: Ref[User] = field(default=me)

    @allow("read")
    def known(secret, me: Me) -> bool:
        return secret.title != "hidden"

    @allow("read", fields=["note"])
    def own(secret, me: Me) -> bool:
        return secret.owner == me

    @allow("read", fields=["code"])
    def nobody(secret, me: Me) -> bool:
        return me.has_role("spy")


class Locked(Model):
    title: str
    text: str = field(search=True)

    @allow("read")
    def anyone(locked, me: Me) -> bool:
        return True

    @allow("read", fields=["text"])
    def spies(locked, me: Me) -> bool:
        return me.has_role("spy")


@pytest_asyncio.fixture
async def api(database_url: str) -> AsyncIterator[Api]:
    async with serving(database_url, Secret, Locked) as found:
        yield found


async def test_authz_2_search_finds_nothing_that_may_not_be_read(api: Api) -> None:
    ann, bob = await api.person("ann"), await api.person("bob", "spy")
    await api.db.create(Secret, title="one", note="treasure", code="xyzzy", owner=ann.id)
    await api.db.create(Secret, title="treasure", note="map of one", owner=bob.id)
    await api.db.create(Secret, title="hidden", note="treasure", code="xyzzy", owner=ann.id)
    await api.db.create(Locked, title="t", text="treasure")

    async def ask(text: str, actor: str | None, rest: str = "") -> Any:
        response = await api.ask(
            f"GET /api/secrets?search={quote(text)}&count=exact&highlight=true{rest}", actor
        )
        body = response.json()
        assert body["count"] == len(body["items"])
        assert "xyzzy" not in response.text or actor == "bob"
        return sorted(item["title"] for item in body["items"])

    for sort in ("", "&sort=title"):
        assert await ask("treasure", "ann", sort) == ["one", "treasure"]
        assert await ask("treasure", "bob", sort) == ["treasure"]
        assert await ask("treasure", None, sort) == ["treasure"]
        assert await ask("tre*", None, sort) == ["treasure"]
        assert await ask("one -treasure", "ann", sort) == []
        # What may not be read isn't there to be excluded by, either.
        assert await ask("one -treasure", "bob", sort) == ["one"]
        assert await ask("one -treasure", None, sort) == ["one"]
        assert await ask("one treasure", "bob", sort) == ["treasure"]
        assert await ask("xyzzy", "ann", sort) == []
        assert await ask("xyzzy", "bob", sort) == ["one"]
        assert await ask("one -xyzzy", "ann", sort) == ["one"]
        assert await ask("one -xyzzy", "bob", sort) == ["treasure"]
    rows = [
        Scenario("GET /api/lockeds?search=treasure", 403, "ann", has=["field_forbidden"]),
        Scenario("GET /api/lockeds?search=x&highlight=text", 403, "ann", has=["field_forbidden"]),
        Scenario("GET /api/secrets?search=x&highlight=code", 403, "ann", has=["field_forbidden"]),
        Scenario("GET /api/lockeds?search=treasure", 200, "bob", has=['"t"']),
    ]
    await play(api, rows)


async def test_authz_2_the_order_tells_nothing_of_hidden_records(api: Api) -> None:
    """How rare a word is among hidden records must not move what is seen."""
    ann = await api.person("ann")
    for title in ("rare rare common", "rare common common"):
        await api.db.create(Secret, title=title, owner=ann.id)
    url = "/api/secrets?search=rare+common"
    before = (await api.ask(f"GET {url}&limit=1")).json()
    for _ in range(20):
        await api.db.create(Secret, title="hidden", note="common " * 9, owner=ann.id)
    assert (await api.ask(f"GET {url}&limit=1")).json() == before
