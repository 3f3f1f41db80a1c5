"""Upsert: a POST that makes a record, or changes the one with the same unique values."""

from __future__ import annotations

import asyncio
from collections import Counter
from pathlib import Path
from typing import Any

import httpx
import pytest

from abaft import BadRequest, Many, Me, Model, Ref, User, after, allow, before, field, me
from apps.open import Open
from scenarios import Api, Scenario, play, serving
from servers.process import AppProcess


class Label(Open, key="name", stamps=False):
    name: str


class Page(Open, unique=[("site", "number")]):
    slug: str = field(max_length=20, unique=True)
    handle: str | None = field(unique=True, collate="nocase")
    site: str | None
    number: int | None
    title: str = field(default="untitled", max_length=20)
    origin: str = field(default="web", write_once=True)
    views: int = field(default=0, read_only=True)
    note: dict[str, int] = field(default_factory=dict)
    labels: Many[Label]


NEW, CHANGED = ("create Page",), ("update Page",)
BY_SLUG = "POST /api/pages?upsert=slug"


async def test_it_makes_a_record_or_changes_the_one_that_is_there(database_url: str) -> None:
    async with serving(database_url, User, Label, Page) as api:
        await api.db.create(Label, name="x")
        first = {"slug": "a", "title": "A", "note": {"n": 1}, "labels": ["x"]}
        rows = [
            Scenario(BY_SLUG, 201, json=first, has=['"title":"A"'], changes=NEW),
            # What isn't given stays as it is; what is given is whole.
            Scenario(BY_SLUG, 200, json={"slug": "a"}, has=['"A"', '["x"]'], changes=CHANGED),
            Scenario(BY_SLUG, 200, json={"slug": "a", "note": {"m": 2}, "labels": []},
                     has=['"labels":[]', '"m"'], lacks=['"n"'], changes=CHANGED),
            Scenario(BY_SLUG, 201, json={"slug": "b"}, has=['"title":"untitled"'], changes=NEW),
            Scenario(f"{BY_SLUG}&fields=title", 200, json={"slug": "b", "title": "B"},
                     has=['{"title":"B"}'], changes=CHANGED),
            # Another unique value that is taken is a conflict as ever.
            Scenario(BY_SLUG, 200, json={"slug": "a", "handle": "ann"}, changes=CHANGED),
            Scenario(BY_SLUG, 409, json={"slug": "b", "handle": "ann"}, has=["/handle", "taken"]),
            Scenario(BY_SLUG, 409, json={"slug": "c", "handle": "ANN"}, has=["/handle", "taken"]),
            Scenario(BY_SLUG, 422, json={"title": "A"}, has=["/slug", "required"]),
            Scenario(BY_SLUG, 422, json={"slug": "a", "views": 1}, has=["read_only"]),
            Scenario(BY_SLUG, 422, json={"slug": "a", "views": 1, "labels": [{"name": "y"}]},
                     has=["/views", "read_only", "not_with_upsert"], lacks=["/labels/0"]),
            Scenario(BY_SLUG, 422, json=[{"slug": "a"}, {"slug": "b", "labels": [{"name": "y"}]}],
                     has=['"/1/labels"', "not_with_upsert"], lacks=["/labels/0"]),
            Scenario(BY_SLUG, 422, json={"slug": "a", "labels": {"create": []}},
                     headers={"prefer": "handling=lenient"}, has=["not_with_upsert"]),
            Scenario("POST /api/pages", 409, json={"slug": "a"}, has=["taken"]),
        ]  # fmt: skip
        await play(api, rows)


async def test_what_is_set_once_stays_as_it_is(database_url: str) -> None:
    async with serving(database_url, User, Label, Page) as api:
        rows = [
            Scenario(BY_SLUG, 201, json={"slug": "a", "origin": "app"}, changes=NEW),
            Scenario(BY_SLUG, 200, json={"slug": "a", "origin": "app"}, changes=CHANGED),
            Scenario(BY_SLUG, 422, json={"slug": "a", "origin": "web"}, has=["write_once"]),
        ]
        await play(api, rows)


async def test_any_unique_key_will_do_and_no_other(database_url: str) -> None:
    both = "POST /api/pages?upsert=number,site"
    async with serving(database_url, User, Label, Page) as api:
        pair = {"site": "s", "number": 1}
        rows = [
            Scenario(both, 201, json={"slug": "a", **pair}, changes=NEW),
            Scenario(both, 200, json={"slug": "b", **pair}, has=['"slug":"b"'], changes=CHANGED),
            # Null is never the same: it always makes a new record.
            Scenario(both, 201, json={"slug": "c", "site": "s"}, changes=NEW),
            Scenario(both, 201, json={"slug": "d", "site": "s"}, changes=NEW),
            Scenario("POST /api/pages?upsert=handle", 201, json={"slug": "e", "handle": "Ann"},
                     changes=NEW),
            Scenario("POST /api/pages?upsert=handle", 200, json={"slug": "f", "handle": "aNN"},
                     has=['"handle":"Ann"', '"slug":"f"'], changes=CHANGED),
            Scenario("POST /api/labels?upsert=name", 201, json={"name": "x"},
                     changes=("create Label",)),
            Scenario("POST /api/labels?upsert=name", 200, json={"name": "x"},
                     changes=("update Label",)),
        ]  # fmt: skip
        await play(api, rows)
        told = "upsert=slug or upsert=handle or upsert=site,number"
        for wrong in ("title", "site", "slug,handle", "nope", "slug,slug", ""):
            answer = await api.ask(f"POST /api/pages?upsert={wrong}", json={"slug": "a"})
            assert answer.status_code == 400, wrong
            [problem] = answer.json()["errors"]
            assert problem["pointer"] == "?upsert"
            assert problem["code"] == "bad_value" or told in problem["detail"]
        answer = await api.ask("POST /api/pages?upsert=slug&upsert=handle", json={"slug": "a"})
        assert answer.status_code == 400
        rows = [Scenario("PATCH /api/pages/x?upsert=slug", 400, json={}, has=["unknown_parameter"])]
        await play(api, rows)


class Shop(Model):
    name: str = field(unique=True)
    owner: Ref[User] = field(default=me)
    open: bool = True
    town: str = ""

    @allow("read")
    def open_or_mine(shop, me: Me) -> bool:
        return shop.open | (shop.owner == me)

    @allow("create")
    def anywhere_but_there(shop, me: Me) -> bool:
        return (shop.owner == me) & (shop.town != "there")

    @allow("update")
    def mine(shop, me: Me) -> bool:
        return (shop.owner == me) & (shop.town != "nowhere")


async def test_authz_2_what_is_none_of_the_actors_is_met_as_by_a_create(
    database_url: str,
) -> None:
    by_name, plainly = "POST /api/shops?upsert=name", "POST /api/shops"
    async with serving(database_url, User, Shop) as api:
        ann, _ = await api.person("ann"), await api.person("ben")
        await api.db.create(Shop, name="hidden", owner=ann, open=False)
        await api.db.create(Shop, name="shown", owner=ann)
        for body in ({"name": "hidden"}, {"name": "shown"}, {"name": "hidden", "town": "there"}):
            upserted = await api.ask(by_name, "ben", json=body)
            created = await api.ask(plainly, "ben", json=body)
            assert upserted.status_code in (403, 409)
            assert (upserted.status_code, upserted.content) == (
                created.status_code,
                created.content,
            )
        assert (await api.changes()).count("update Shop") == 0
        nobody = await api.ask(by_name, None, json={"name": "hidden"})
        assert (nobody.status_code, nobody.content) == (
            (again := await api.ask(plainly, None, json={"name": "hidden"})).status_code,
            again.content,
        )


async def test_authz_4_rules_of_updates_hold_before_and_after(database_url: str) -> None:
    by_name = "POST /api/shops?upsert=name"
    async with serving(database_url, User, Shop) as api:
        ann, ben = await api.person("ann"), await api.person("ben")
        made: Any = {"changes": ("create Shop",)}
        changed: Any = {"changes": ("update Shop",)}
        refused: Any = {"has": ["forbidden_values"]}
        rows = [
            Scenario(by_name, 201, "ann", {"name": "a"}, **made),
            Scenario(by_name, 403, "ann", {"name": "b", "town": "there"}, **refused),
            # To change is another thing than to create.
            Scenario(by_name, 200, "ann", {"name": "a", "town": "there"}, **changed),
            Scenario(by_name, 403, "ann", {"name": "a", "owner": str(ben.id)}, **refused),
            Scenario(by_name, 403, "ann", {"name": "a", "town": "nowhere"}, **refused),
        ]  # fmt: skip
        await play(api, rows)
        assert (await api.db.list(Shop))[0].owner.id == ann.id


async def test_hooks_of_what_it_comes_to_are_run(database_url: str) -> None:
    seen: list[str] = []

    class Hooked(Open):
        name: str = field(unique=True)
        size: int = 0

        @before("create")
        async def creating(hooked) -> None:
            seen.append(f"create {hooked.size}")

        @before("update")
        async def updating(hooked) -> None:
            seen.append(f"update {hooked.size}")
            hooked.size += 1

        @after("update")
        async def updated(hooked) -> None:
            seen.append(f"updated {hooked.size}")

    async with serving(database_url, Hooked) as api:
        for size in (1, 2):
            await api.ask("POST /api/hookeds?upsert=name", json={"name": "a", "size": size})
        assert seen == ["create 1", "update 2", "updated 3"]


async def test_if_match_is_of_the_record_that_is_there(database_url: str) -> None:
    async with serving(database_url, User, Label, Page) as api:
        page = await api.db.create(Page, slug="a")
        etag = (await api.ask(f"GET /api/pages/{page.id}")).headers["etag"]
        known = {"if-match": etag}
        rows = [
            Scenario(BY_SLUG, 412, json={"slug": "b"}, headers=known),
            Scenario(BY_SLUG, 200, json={"slug": "a"}, headers=known, changes=CHANGED),
            Scenario(BY_SLUG, 412, json={"slug": "a"}, headers=known),
            Scenario(BY_SLUG, 400, json=[{"slug": "a"}], headers=known, has=["bad_precondition"]),
        ]
        await play(api, rows)


async def test_a_list_is_upserted_whole_or_not_at_all(database_url: str) -> None:
    async with serving(database_url, User, Label, Page) as api:
        await api.db.create(Page, slug="a", title="A")
        both = [{"slug": "a", "title": "AA"}, {"slug": "b"}, {"slug": "b", "title": "BB"}]
        bad = [{"slug": "c"}, {"slug": "a", "origin": "app"}]
        rows = [
            Scenario(f"{BY_SLUG}&fields=slug,title", 201, json=both,
                     changes=(*CHANGED, *NEW, *CHANGED),
                     has=['{"items":[{"slug":"a","title":"AA"}', '"BB"}]}']),
            Scenario(f"{BY_SLUG}&fields=title", 200, json=[{"slug": "a"}], changes=CHANGED),
            Scenario(BY_SLUG, 422, json=bad, has=["/1/origin", "write_once"]),
            Scenario(BY_SLUG, 200, json=[{"slug": "a"}], headers={"idempotency-key": "k"},
                     changes=CHANGED),
            Scenario(BY_SLUG, 200, json=[{"slug": "a"}], headers={"idempotency-key": "k"}),
            Scenario(BY_SLUG, 204, json={"slug": "a"}, headers={"prefer": "return=minimal"},
                     changes=CHANGED),
            Scenario(BY_SLUG, 201, json={"slug": "z"}, headers={"prefer": "return=minimal"},
                     changes=NEW),
        ]  # fmt: skip
        await play(api, rows)
        assert sorted(await api.items("/api/pages", of="slug")) == ["a", "b", "z"]


async def race(api: Api, body: Any) -> Counter[int]:
    sent = [api.ask(BY_SLUG, json=body(n)) for n in range(50)]
    return Counter(answer.status_code for answer in await asyncio.gather(*sent))


@pytest.mark.slow
@pytest.mark.everywhere
async def test_of_fifty_at_once_one_creates(database_url: str) -> None:
    async with serving(database_url, User, Label, Page) as api:
        assert await race(api, lambda n: {"slug": "a"}) == {201: 1, 200: 49}
        assert await race(api, lambda n: {"slug": "b", "title": f"{n}"}) == {201: 1, 200: 49}
        made = [row for row in await api.changes() if row == "create Page"]
        assert len(made) == 2


async def test_dur_5_upserts_with_keys_of_their_own_all_take_place(database_url: str) -> None:
    """Each is a transaction that may see the record only after it has begun."""
    async with serving(database_url, User, Label, Page) as api:
        sent = [
            api.ask(BY_SLUG, json={"slug": "a"}, headers={"idempotency-key": f"k{n}"})
            for n in range(30)
        ]
        answers = await asyncio.gather(*sent)
        assert Counter(answer.status_code for answer in answers) == {201: 1, 200: 29}
        assert (await api.changes()).count("update Page") == 29


@pytest.mark.slow
async def test_of_fifty_at_once_through_two_workers_one_creates(database_url: str) -> None:
    with AppProcess(database_url) as first, AppProcess(database_url) as second:
        urls = [f"{server.url}/api/entries?upsert=writer,n" for server in (first, second)]
        body = {"writer": 1, "n": 1, "text": "x"}
        async with httpx.AsyncClient(timeout=60) as client:
            answers = await asyncio.gather(
                *(client.post(urls[n % 2], json=body) for n in range(50))
            )
            assert Counter(answer.status_code for answer in answers) == {201: 1, 200: 49}
            found = await client.get(f"{first.url}/api/entries")
        assert len(found.json()["items"]) == 1


async def test_a_program_upserts_too(tmp_path: Path) -> None:
    async with serving(f"sqlite:///{tmp_path}/a.db", User, Label, Page) as api:
        made = await api.db.upsert(Page, on="slug", slug="a", title="A")
        changed = await api.db.upsert(Page, on="slug", slug="a", note={"n": 1})
        assert (changed.id, changed.title, changed.note) == (made.id, "A", {"n": 1})
        async with api.db.transaction() as db:
            await db.upsert(Page, on=("site", "number"), slug="b", site="s", number=1)
            again = await db.upsert(Page, on=["number", "site"], slug="c", site="s", number=1)
        assert (again.slug, again.site) == ("c", "s")
        with pytest.raises(BadRequest, match="isn't unique: id; slug; handle; site, number"):
            await api.db.upsert(Page, on="title", slug="a")


async def test_what_is_deleted_softly_is_not_there(database_url: str) -> None:
    class Kept(Open, soft_delete=True):
        name: str = field(unique=True)
        size: int = 0

    async with serving(database_url, Kept) as api:
        path = "POST /api/kepts?upsert=name"
        first = (await api.ask(path, json={"name": "a"})).json()
        await api.ask(f"DELETE /api/kepts/{first['id']}")
        second = await api.ask(path, json={"name": "a", "size": 1})
        assert second.status_code == 201
        third = await api.ask(path, json={"name": "a", "size": 2})
        assert (third.status_code, third.json()["id"]) == (200, second.json()["id"])


async def test_a_list_is_answered_in_its_order_whatever_order_it_is_taken_in(
    database_url: str,
) -> None:
    async with serving(database_url, User, Label, Page) as api:
        slugs = ["c", "a", "d", "b"]
        bodies = [{"slug": slug, "handle": None} for slug in slugs]
        for status in (201, 200):
            answer = await api.ask(BY_SLUG, json=bodies)
            assert answer.status_code == status, answer.text
            assert [row["slug"] for row in answer.json()["items"]] == slugs
        # Keys that are made here rise as the list goes.
        assert [row["slug"] for row in await api.items("/api/pages?sort=id")] == slugs
        made = [row.split(" ")[0] for row in await api.changes()]
        assert made == ["create"] * 4 + ["update"] * 4
        faulty = [{"slug": "z"}, {"slug": "c", "origin": "x"}, {"slug": "y", "title": "x" * 9}]
        answer = await api.ask(BY_SLUG, json=[*faulty, {"slug": "a", "origin": "y"}])
        assert [row["pointer"] for row in answer.json()["errors"]] == ["/1/origin", "/3/origin"]


class Node(Open, key="name", stamps=False):
    name: str
    above: Ref[Node] | None = None


class Item(Open, key="name", ordered=True, stamps=False):
    name: str


class Seat(Open, key="name", stamps=False):
    name: str
    number: int | None = field(unique=True)


async def test_a_list_whose_order_tells_is_taken_as_it_is(database_url: str) -> None:
    async with serving(database_url, Node, Item, Seat) as api:
        for path, bodies in (
            ("nodes", [{"name": "z"}, {"name": "a", "above": "z"}]),
            ("items", [{"name": "z"}, {"name": "a"}]),
            ("seats", [{"name": "z", "number": 1}]),
            # The first gives up what the second takes.
            ("seats", [{"name": "z", "number": 2}, {"name": "a", "number": 1}]),
        ):
            answer = await api.ask(f"POST /api/{path}?upsert=name", json=bodies)
            assert answer.is_success, answer.text
        assert await api.items("/api/items", of="name") == ["z", "a"]
