"""What two accounts tried on each other, and one of them on the server, and how that ends."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import orjson
import pytest

from abaft import App, Many, Me, Model, Ref, Settings, User, allow, computed, field, me, virtual
from abaft.api import groups
from abaft.api.preferences import preferences
from abaft.base.digest import fingerprint
from abaft.base.errors import RuleError
from abaft.plan.virtual import Virtuals
from abaft.store.mongo import spreading
from abaft.store.sql.marking import Marking
from abaft.store.sql.program import _Deletion
from apps.open import Open
from scenarios import Api, Scenario, play, serving


class Leaf(Open, collection="leaves", stamps=False):
    text: str = ""
    more: dict[str, Any] = field(default_factory=dict)


async def test_dos_2_references_of_a_batch_cannot_swell_its_bodies(database_url: str) -> None:
    settings = {"max_body_bytes": 20_000}
    async with serving(database_url, Leaf, settings=settings) as api:
        for _ in range(10):
            await api.db.create(Leaf, text="x" * 1_000)
        listed = {"name": "l", "method": "GET", "path": "/leaves"}
        ref = {"$ref": "l.items"}
        for items, status in ([ref], 201), ([ref] * 500, 413):
            made = {"method": "POST", "path": "/leaves", "body": {"more": {"x": items}}}
            answer = await api.ask("POST /api/batch", json={"operations": [listed, made]})
            assert answer.status_code == (200 if status == 201 else status), answer.text[:300]
        got = {"method": "GET", "path": "/leaves?search=" + "{l.items}" * 500}
        answer = await api.ask("POST /api/batch", json={"operations": [listed, got]})
        assert answer.status_code == 413, answer.text[:300]
        apart = {"operations": [listed, made, got], "atomic": False}
        results = (await api.ask("POST /api/batch", json=apart)).json()["results"]
        assert [row["status"] for row in results] == [200, 413, 413]


class Label(Model, key="name", stamps=False):
    name: str
    secret: bool = False

    @allow("read")
    def open(label, me: Me) -> bool:
        return ~label.secret


class Card(Model, key="slug", stamps=False, history=True):
    """Whoever logs in may change it; of its owner alone are some of its values."""

    slug: str
    title: str = ""
    email: str | None = field(default=None, unique=True)
    badge: str | None = field(default=None, unique=True)
    owner: Ref[User] = field(default=me)
    labels: Many[Label]

    @allow("read", "create", "update", "delete")
    def everyone(card, me: Me) -> bool:
        return ~me.anonymous

    @allow("read", fields=["email"])
    def own(card, me: Me) -> bool:
        return card.owner == me

    @allow("read", fields=["badge"])
    def porters(card, me: Me) -> bool:
        return me.has_role("porter")


async def world(api: Api) -> None:
    await api.person("ann")
    await api.person("ben")


async def test_authz_2_an_upsert_finds_nothing_by_values_that_may_not_be_read(
    database_url: str,
) -> None:
    async with serving(database_url, User, Label, Card) as api:
        await world(api)
        by_email, by_badge = "POST /api/cards?upsert=email", "POST /api/cards?upsert=badge"
        await api.ask(
            "POST /api/cards", "ann", json={"slug": "a", "email": "a@x", "badge": "7", "title": "A"}
        )
        stolen = {"slug": "a", "email": "a@x", "title": "B"}
        taken = await api.ask("POST /api/cards", "ben", json={"slug": "c", "email": "a@x"})
        rows = [
            # No difference by which record it is: it is told of as by a create.
            Scenario(by_email, 409, "ben", stolen, has=["taken"], lacks=["write_once", '"A"']),
            Scenario(by_email, 409, "ben", stolen | {"slug": "c"}, has=[taken.json()["detail"]]),
            Scenario(f"{by_email}&fields=slug", 200, "ann", stolen, changes=("update Card",)),
            Scenario(by_email, 201, "ben", {"slug": "b", "email": "b@x"}, changes=("create Card",)),
            Scenario(by_badge, 403, "ben", {"slug": "a", "badge": "7"}, has=["field_forbidden"]),
            Scenario(by_badge, 403, "ben", {"slug": "c", "badge": "8"}, has=["field_forbidden"]),
        ]
        await play(api, rows)


class Room(Model, key="name", stamps=False):
    name: str
    owner: Ref[User] = field(default=me)

    @allow("read")
    def everyone(room, me: Me) -> bool:
        return True

    @allow("create", "update", "delete")
    def mine(room, me: Me) -> bool:
        return room.owner == me


class Hall(Room, key="name", stamps=False, soft_delete=True):
    pass


class Chair(Open, stamps=False, soft_delete=True):
    room: Ref[Room] | None = field(default=None, on_delete="cascade")
    hall: Ref[Hall] | None = field(default=None, on_delete="cascade")


COLLECTING = (
    (_Deletion, "_collect"),
    (Marking, "_collect"),
    (spreading.Deletion, "_collect"),
    (spreading.Marking, "collect"),
)


@pytest.mark.slow
async def test_dos_2_a_delete_that_is_refused_looks_for_nothing_to_take_along(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with serving(database_url, User, Room, Hall, Chair) as api:
        await world(api)
        for rooms in "rooms", "halls":
            await api.ask(f"POST /api/{rooms}", "ann", json={"name": "r"})
        await api.db.create(Chair, room="r", hall="r")
        collected = []
        for program, name in COLLECTING:
            collect = getattr(program, name)

            def noted(self: Any, *args: Any, collect: Any = collect) -> Any:
                collected.append(type(self).__name__.strip("_"))
                return collect(self, *args)

            monkeypatch.setattr(program, name, noted)
        url = "DELETE /api/rooms/r"
        await play(api, [Scenario(url, 403, "ben"), Scenario("DELETE /api/halls/r", 403, "ben")])
        assert not collected
        assert (await api.ask(url, "ann")).status_code == 204
        assert (await api.ask("DELETE /api/halls/r", "ann")).status_code == 204
        assert (await api.ask("POST /api/halls/r/restore", "ben")).status_code == 404
        assert collected == ["Deletion", "Marking"]
        assert (await api.ask("POST /api/halls/r/restore", "ann")).status_code == 200


class Badge(Model, key="name", stamps=False):
    name: str
    pin: int = field(default=0, hidden=True)
    owner: Ref[User] = field(default=me)

    @allow("read")
    def everyone(badge, me: Me) -> bool:
        return True

    @allow("create", "update")
    def mine(badge, me: Me) -> bool:
        return badge.owner == me

    @virtual
    def label(badge) -> str:
        return badge.name.upper()


async def test_authz_2_an_etag_cannot_be_tried_with_hidden_values(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a virtual field may look at is in the ETag; who knows the rest can't tell what it is."""
    sealed: list[str] = []
    shown = Virtuals.text

    def noted(self: Virtuals, json: str) -> str:
        sealed.append(json)
        return shown(self, json)

    monkeypatch.setattr(Virtuals, "text", noted)
    etags = []
    for secret in "a" * 32, "b" * 32:
        async with serving(database_url, User, Badge, settings={"secret_key": secret}) as api:
            if not api.people:
                await world(api)
            if not etags:
                await api.ask("POST /api/badges", "ann", json={"name": "b", "pin": 1234})
            sealed.clear()
            answer = await api.ask("GET /api/badges/b", "ben")
            assert answer.json().keys() == {"name", "owner", "label"}
            again = {"if-none-match": answer.headers["etag"]}
            assert (await api.ask("GET /api/badges/b", "ben", headers=again)).status_code == 304
            etags.append(answer.headers["etag"])
    owner = answer.json()["owner"]
    everything = {"name": "b", "pin": 1234, "owner": owner}
    guesses = [{"name": "b", "owner": owner, "": whole} for whole in (everything, [everything])]
    tried = {f'"{fingerprint(orjson.dumps(guess).decode())}"' for guess in guesses}
    assert "1234" in sealed[-1]
    assert etags[0] != etags[1]
    assert not tried & set(etags)


def test_authz_2_rules_of_versions_go_by_what_versions_tell(tmp_path: Path) -> None:
    class Memo(Model, history=True):
        text: str = ""
        draft: bool = field(default=False, hidden=True)
        owner: Ref[User] | None = field(default=me, hidden=True)

        @computed
        def ready(memo) -> bool:
            return ~memo.draft

    settings = Settings(database=f"sqlite:///{tmp_path}/x.db")
    for rule in (
        lambda memo, me: ~memo.draft,
        lambda memo, me: memo.owner == me,
        lambda memo, me: memo.owner.name == "ann",
        lambda memo, me: memo.ready | me.has_role("x"),
    ):
        ruled = type("Ruled", (Memo,), {"rule": allow("read")(rule)}, history=True)
        with pytest.raises(RuleError, match="is hidden, so history=True keeps nothing of it"):
            App(ruled, settings=settings)
        App(type("Plain", (Memo,), {"rule": allow("read")(rule)}, history=False), settings=settings)
        App(type("Kept", (Memo,), {"rule": allow("delete")(rule)}, history=True), settings=settings)


async def stored(api: Api) -> set[str]:
    return set((await api.ask("GET /api/cards/a", "admin")).json()["labels"])


async def test_authz_4_links_to_what_is_hidden_stay(database_url: str) -> None:
    """Who sees a part of a list may change that part."""
    operators = {"content-type": "application/vnd.abaft.operators+json"}
    async with serving(database_url, User, Label, Card) as api:
        await world(api)
        for name in "sea", "sun", "spy":
            await api.db.create(Label, name=name, secret=name == "spy")
        await api.db.create(
            Card, slug="a", labels=["sea", "spy"], owner=api.people["ann"].split()[1]
        )
        url = "/api/cards/a"
        for method, body, seen in [
            ("PATCH", {"labels": ["sun"]}, ["sun"]),
            ("PATCH", {"labels": []}, []),
            ("PUT", {"title": "x"}, []),
            ("PATCH", {"labels": {"link": ["sea"], "unlink": ["spy"]}}, ["sea"]),
            ("POST", {"slug": "a", "labels": []}, []),
        ]:
            asked = f"{method} /api/cards?upsert=slug" if method == "POST" else f"{method} {url}"
            answer = await api.ask(asked, "ben", json=body)
            assert (answer.status_code, answer.json()["labels"]) == (200, seen), answer.text
            assert await stored(api) == {*seen, "spy"}, body
        remove = orjson.dumps({"labels": {"remove": ["spy"]}})
        answer = await api.ask(f"PATCH {url}", "ben", content=remove, headers=operators)
        assert answer.json()["labels"] == []
        versions = (await api.ask(f"GET {url}/history", "ben")).json()["items"]
        answer = await api.ask(f"POST {url}/history/{versions[-1]['version']}/restore", "ben")
        assert answer.json()["labels"] == ["sea"]
        assert await stored(api) == {"sea", "spy"}
        await api.ask(f"PATCH {url}", "admin", json={"labels": ["sun"]})
        assert await stored(api) == {"sun"}


class Club(Open, key="name", stamps=False):
    name: str
    people: Many[User] = field(through="Membership")


class Membership(Open, stamps=False):
    club: Ref[Club] = field(read_only=True)
    user: Ref[User]


async def test_authz_3_linking_sets_no_field_of_the_servers(database_url: str) -> None:
    async with serving(database_url, User, Club, Membership) as api:
        ann = await api.person("ann")
        body = {"name": "c", "people": {"link": [str(ann.id)]}}
        rows = [
            Scenario("POST /api/clubs", 422, "ann", body, has=["/people/link/0", "read_only"]),
            Scenario("POST /api/memberships", 422, "ann", {"club": "c"}, has=["read_only"]),
        ]
        await play(api, rows)


def test_dos_3_prefer_is_read_in_time() -> None:
    """Many times the longest header that servers take: in no time, or never."""
    spaces = b" " * 1_000_000
    for header in b"a%bb", b"a=%bb", b'a="%b', b"%ba%b=%bb", b'a=b%b"', b"a%b;%b,b":
        filled = header.replace(b"%b", spaces)
        assert preferences(filled + b", return=minimal").minimal
    for text in "return=minimal", ' return = "Minimal" ;x=1', "a;b, return=minimal , return=x":
        assert preferences(text.encode()).minimal
    assert not preferences(b"return minimal").minimal


class Branch(Open, stamps=False):
    name: str = ""
    up: Ref[Branch] | None = None
    branches: Many[Branch] = field(back="up")


async def test_dos_2_expanding_has_a_budget(database_url: str) -> None:
    """Relations below relations multiply: 100 times 100 times 100 for each record of a page."""
    deep = "branches.branches.branches"
    small = "branches(limit=10;expand=branches(limit=10;expand=branches(limit=10)))"
    async with serving(database_url, Branch) as api:
        made = (await api.ask("POST /api/branches", json={"branches": [{}]})).json()["id"]
        for path, status in [
            ("?expand=branches.branches", 200),
            ("?expand=up.up.up.up", 200),
            (f"?expand={deep}", 400),
            (f"?fields={deep}.name", 400),
            (f"?expand={small}", 200),
            (f"?expand={small.replace('10', '30')}", 400),
        ]:
            for place in "branches", f"branches/{made}":
                answer = await api.ask(f"GET /api/{place}{path}")
                assert answer.status_code == status, (path, answer.text)
                assert ("expand_too_large" in answer.text) == (status == 400)
        answer = await api.ask(f"POST /api/branches?expand={deep}", json={})
        assert answer.status_code == 400
    async with serving(database_url, Branch, settings={"max_expand_records": 100}) as api:
        assert (await api.ask("GET /api/branches?expand=branches")).status_code == 200
        assert (await api.ask("GET /api/branches?expand=branches,up")).status_code == 400


def test_dos_3_members_of_groups_are_read_in_time() -> None:
    spaces = " " * 1_000_000
    assert not groups._REDUCED.fullmatch(f"a{spaces}b")
    assert not groups._COUNT.fullmatch(f"count({spaces}")
    assert groups._REDUCED.fullmatch(" sum ( rating ) ")
    assert groups._COUNT.fullmatch("count ( * )")


async def test_dos_4_a_batch_ends_after_its_time(database_url: str) -> None:
    made = {"method": "POST", "path": "/leaves", "body": {"text": "x"}}
    listed = {"method": "GET", "path": "/leaves"}
    for seconds, status, kept in (1e-9, 422, 0), (15.0, 200, 1), (0.0, 200, 2):
        async with serving(database_url, Leaf, settings={"batch_timeout": seconds}) as api:
            body = {"operations": [made, listed]}
            answer = await api.ask("POST /api/batch", json=body)
            assert answer.status_code == status, answer.text
            assert ("query_timeout" in answer.text) == (status == 422)
            assert len(await api.items("/api/leaves")) == kept
            if status == 422:
                apart = await api.ask("POST /api/batch", json=body | {"atomic": False})
                assert [row["status"] for row in apart.json()["results"]] == [422, 422]


class Step(Room, key="name", stamps=False, ordered=True):
    pass


async def test_authz_1_a_move_that_is_refused_moves_no_others(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("abaft.store.sql.placing.LONGEST", 11)  # each move numbers all anew
    async with serving(database_url, User, Step) as api:
        await world(api)
        for name in "abc":
            await api.ask("POST /api/steps", "ann", json={"name": name})
        body = {"after": "a"}
        before = await api.items("/api/steps", "ann")
        rows = [
            Scenario("POST /api/steps/c/move", 403, "ben", body),
            Scenario("POST /api/steps/x/move", 404, "ben", body),
        ]
        await play(api, rows)
        assert await api.items("/api/steps", "ann") == before
        assert (await api.ask("POST /api/steps/c/move", "ann", json=body)).status_code == 200
        assert await api.items("/api/steps", "ann", of="name") == ["a", "c", "b"]
