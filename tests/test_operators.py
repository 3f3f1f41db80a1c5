"""Operators in PATCH: reckoned in the statement, held to the limits, told to the change feed."""

import asyncio
from datetime import timedelta
from decimal import Decimal
from typing import Any

import httpx
import pytest

from abaft import Me, Model, Ref, User, allow, field, me
from abaft.model.kinds import INT_MAX
from apps.reckoned import MEDIA, MODELS, SEEN, Hooked, Tag, Thing
from scenarios import Scenario, play, serving
from servers.process import AppProcess


def patch(path: str, status: int, body: Any, **more: Any) -> Scenario:
    if status == 200:
        model = "Hooked" if "hooked" in path else "Thing"
        more.setdefault("changes", (f"update {model}",))
    return Scenario(f"PATCH {path}", status, json=body, headers=MEDIA, **more)


EXAMPLES: list[tuple[dict[str, Any], dict[str, Any]]] = [
    # Null counts as nothing: zero, or an empty list.
    ({"views": {"increment": 3}}, {"views": 3}),
    (
        {"price": {"increment": "1.50"}, "ratio": {"increment": 0.5}},
        {"price": "1.50", "ratio": 0.5},
    ),
    ({"views": {"increment": -5}}, {"views": -2}),
    ({"took": {"increment": "PT90.5S"}}, {"took": "PT90.500000S"}),
    ({"labels": {"append": ["x", "y", "x"]}}, {"labels": ["x", "y", "x"]}),
    (
        {"labels": {"remove": ["x", "z"]}, "title": {"set": "new"}},
        {"labels": ["y"], "title": "new"},
    ),
    ({"at": {"max": "2020-01-01T00:00:00Z"}}, {"at": "2020-01-01T00:00:00Z"}),
    ({"at": {"max": "2019-01-01T00:00:00Z"}}, {"at": "2020-01-01T00:00:00Z"}),
    ({"day": {"min": "2020-01-01"}, "hour": {"min": "10:00:00"}}, {"day": "2020-01-01"}),
    ({"day": {"min": "2019-01-01"}, "hour": {"min": "11:00:00"}}, {"hour": "10:00:00"}),
    ({"anything": {"append": [1, {"b": 1, "a": 2}, True, None, [1]]}}, {}),
    ({"anything": {"remove": [1.0, {"a": 2, "b": 1}, None, [2]]}}, {"anything": [True, [1]]}),
    ({"tags": {"append": ["b", "c", "b"]}, "views": {"set": None}}, {"tags": ["a", "b", "c"]}),
    ({"tags": {"remove": ["b", "nope"]}}, {"tags": ["a", "c"], "views": None}),
    ({"tags": {"set": ["b"]}}, {"tags": ["b"]}),
    ({"extra": {"set": {"a": 1}}}, {"extra": {"a": 1}}),
    # Set is no merge patch.
    ({"extra": {"set": {"b": 2}}}, {"extra": {"b": 2}}),
    ({}, {"tags": ["b"], "labels": ["y"]}),
]


async def test_each_operator_and_what_it_makes(database_url: str) -> None:
    async with serving(database_url, *MODELS) as api:
        for name in "abc":
            await api.db.create(Tag, name=name)
        thing = await api.db.create(Thing, title="x", tags=["a"])
        for body, expected in EXAMPLES:
            answer = await api.ask(f"PATCH /api/things/{thing.id}", json=body, headers=MEDIA)
            assert answer.status_code == 200, (body, answer.text)
            found = answer.json()
            assert {name: found[name] for name in expected} == expected, body


async def test_what_is_wrong_with_operators_is_told_at_once(database_url: str) -> None:
    async with serving(database_url, *MODELS) as api:
        thing = await api.db.create(Thing)
        path = f"/api/things/{thing.id}"
        asked = {
            "title": {"increment": 1},
            "views": {"min": 1, "max": 2},
            "stock": 3,
            "price": {"increment": "0.001"},
            "ratio": {},
            "labels": {"append": "x"},
            "extra": {"append": [1]},
            "tags": {"increment": 1},
            "created": {"set": "2020-01-01T00:00:00Z"},
            "nope": {"set": 1},
            "took": {"set": None},
        }
        answer = await api.ask(f"PATCH {path}", json=asked, headers=MEDIA)
        told = {row["pointer"]: row["code"] for row in answer.json()["errors"]}
        assert told == {
            "/title/increment": "unknown_operator",
            "/views": "one_operator",
            "/stock": "one_operator",
            "/price/increment": "format",
            "/ratio": "one_operator",
            "/labels/append": "type",
            "/extra/append": "unknown_operator",
            "/tags/increment": "unknown_operator",
            "/created": "read_only",
            "/nope": "unknown_field",
        }


async def test_limits_are_those_of_the_result(database_url: str) -> None:
    async with serving(database_url, *MODELS) as api:
        thing = await api.db.create(Thing, views=INT_MAX, stock=9, price=Decimal("99.99"))
        path = f"/api/things/{thing.id}"
        over = {"views": {"increment": 1}, "stock": {"increment": 1}, "price": {"increment": "1"}}
        answer = await api.ask(f"PATCH {path}", json=over, headers=MEDIA)
        told = {row["pointer"]: row["code"] for row in answer.json()["errors"]}
        assert told == {
            "/views/increment": "less_than_equal",
            "/stock/increment": "less_than",
            "/price/increment": "less_than_equal",
        }
        rows = [
            patch(path, 422, {"stock": {"max": 10}}, has=["/stock/max", "less_than"]),
            patch(path, 422, {"tags": {"append": ["nope"]}}, has=["no_such_record"]),
            patch(path, 422, {"stock": {"increment": -15}}, has=["greater_than_equal"]),
            patch(path, 200, {"stock": {"increment": -14}}, has=['"stock":-5']),
            patch(path, 422, [], has=["not_an_object"]),
            Scenario(f"PATCH {path}", 400, body=b"{", headers=MEDIA, has=["invalid_json"]),
            Scenario(f"PUT {path}", 415, json={}, headers=MEDIA),
            patch("/api/things/x", 404, {}),
        ]
        await play(api, rows)


async def test_a_list_grows_no_larger_than_a_body_may_be(database_url: str) -> None:
    async with serving(database_url, *MODELS, settings={"max_body_bytes": 200}) as api:
        thing = await api.db.create(Thing, labels=[])
        hooked = await api.db.create(Hooked, labels=[])
        for path in (f"/api/things/{thing.id}", f"/api/hookeds/{hooked.id}"):
            body = {"labels": {"append": ["x" * 90]}}
            rows = [patch(path, 200, body), patch(path, 200, body)]
            await play(api, [*rows, patch(path, 422, body, has=["/labels/append", "too_long"])])


async def test_rules_hold_for_the_result(database_url: str) -> None:
    class Wallet(Model):
        owner: Ref[User] = field(default=me)
        coins: int = 0
        seals: list[str] = field(default_factory=list)

        @allow("read", "create")
        def everyone(wallet, me: Me) -> bool:
            return True

        @allow("update")
        def mine_and_never_empty(wallet, me: Me) -> bool:
            return (wallet.owner == me) & (wallet.coins >= 0)

    async with serving(database_url, User, Wallet) as api:
        ann = await api.person("ann")
        await api.person("ben")
        wallet = await api.db.create(Wallet, owner=ann, coins=5)
        path = f"PATCH /api/wallets/{wallet.id}"

        def spend(coins: int, status: int, actor: str = "ann", **more: Any) -> Scenario:
            body = {"coins": {"increment": -coins}}
            return Scenario(path, status, actor, body, headers=MEDIA, **more)

        made = ("update Wallet",)
        rows = [
            spend(6, 403, has=["forbidden_values"]),
            spend(1, 403, "ben", has=['"forbidden"']),
            spend(5, 200, has=['"coins":0'], changes=made),
            spend(1, 403, has=["forbidden_values"]),
        ]
        await play(api, rows)


async def test_authz_2_an_operator_tells_nothing_of_what_may_not_be_read(
    database_url: str,
) -> None:
    """A limit that is passed would tell of the stored value, bit by bit."""

    class Ballot(Model):
        votes: int = field(default=0, le=100)
        code: int = field(default=7, hidden=True)
        open: bool = True
        owner: Ref[User] | None

        @allow("update", "create")
        def everyone(ballot, me: Me) -> bool:
            return True

        @allow("read")
        def when_open(ballot, me: Me) -> bool:
            return ballot.open

        @allow("read", fields=["votes"])
        def owners(ballot, me: Me) -> bool:
            return ballot.owner == me

    async with serving(database_url, User, Ballot) as api:
        ann = await api.person("ann")
        await api.person("ben")
        ballot = await api.db.create(Ballot, owner=ann, votes=60)
        hidden = await api.db.create(Ballot, owner=ann, votes=60, open=False)
        answers = []
        for record in (ballot, hidden):
            for votes in (1, 50):
                path, body = f"PATCH /api/ballots/{record.id}", {"votes": {"increment": votes}}
                answers.append(await api.ask(path, "ben", json=body, headers=MEDIA))
        assert [answer.status_code for answer in answers] == [403, 403, 404, 404]
        assert answers[0].content == answers[1].content
        assert answers[2].content == answers[3].content
        path, body = f"PATCH /api/ballots/{ballot.id}", {"votes": {"increment": 41}}
        assert (await api.ask(path, "ann", json=body, headers=MEDIA)).status_code == 422
        answer = await api.ask(path, None, json=body, headers=MEDIA)
        assert answer.json()["code"] == "field_forbidden"
        answer = await api.ask(path, "ann", json={"code": {"increment": 1}}, headers=MEDIA)
        assert answer.json()["errors"][0]["code"] == "unknown_operator"
        # What may not be read can be set all the same, as by any patch.
        answer = await api.ask(path, "ben", json={"votes": {"set": 1}}, headers=MEDIA)
        assert answer.status_code == 200


async def test_authz_2_ties_to_hidden_records_are_neither_made_nor_told(
    database_url: str,
) -> None:
    async with serving(database_url, *MODELS) as api:
        await api.db.create(Tag, name="secret", secret=True)
        thing = await api.db.create(Thing, tags=["secret"])
        path = f"/api/things/{thing.id}"
        rows = [
            patch(path, 422, {"tags": {"append": ["secret"]}}, has=["no_such_record"]),
            patch(path, 200, {"tags": {"remove": ["secret"]}}, has=['"tags":[]']),
            patch(path, 200, {"tags": {"remove": ["nope"]}}, has=['"tags":[]']),
        ]
        await play(api, rows)


async def test_the_feed_keeps_results_and_not_operators(database_url: str) -> None:
    async with serving(database_url, *MODELS) as api:
        await api.db.create(Tag, name="a")
        await api.db.create(Tag, name="b")
        thing = await api.db.create(
            Thing, views=1, price=Decimal(2), took=timedelta(seconds=1), tags=["a"], labels=["x"]
        )
        body = {
            "views": {"increment": 2},
            "price": {"increment": "0.50"},
            "took": {"increment": "PT0.25S"},
            "labels": {"append": ["é"]},
            "anything": {"remove": [1]},
            "title": {"set": "t"},
        }
        path = f"/api/things/{thing.id}"
        await play(api, [patch(path, 200, body), patch(path, 200, {"tags": {"append": ["b"]}})])
        body = {"tags": {"remove": ["a"]}, "views": {"max": 9}, "title": {"set": "u"}}
        await play(api, [patch(path, 200, body)])
        changes = [dict(row.data) for row in await api.db.changes() if row.action == "update"]
        for data in changes:
            assert data.pop("updated")
        assert changes == [
            {
                "views": 3, "price": "2.50", "took": "PT1.250000S", "labels": ["x", "é"],
                "anything": None, "title": "t",
            },
            {"tags": ["a", "b"]},
            {"tags": ["b"], "views": 9, "title": "u"},
        ]  # fmt: skip


async def test_hooks_see_what_comes_of_it(database_url: str) -> None:
    async with serving(database_url, *MODELS) as api:
        hooked = await api.db.create(Hooked, views=1)
        SEEN.clear()
        await play(api, [patch(f"/api/hookeds/{hooked.id}", 200, {"views": {"increment": 4}})])
        assert SEEN == [5, 5]


async def test_if_match_and_minimal_go_with_operators(database_url: str) -> None:
    async with serving(database_url, *MODELS) as api:
        thing = await api.db.create(Thing, views=1)
        path = f"/api/things/{thing.id}"
        etag = (await api.ask(f"GET {path}")).headers["etag"]
        body, headers = {"views": {"increment": 1}}, {**MEDIA, "if-match": etag}
        first = await api.ask(f"PATCH {path}", json=body, headers=headers)
        again = await api.ask(f"PATCH {path}", json=body, headers=headers)
        assert [first.status_code, again.status_code] == [200, 412]
        minimal = {**MEDIA, "prefer": "return=minimal"}
        assert (await api.ask(f"PATCH {path}", json=body, headers=minimal)).status_code == 204
        keyed = {**MEDIA, "idempotency-key": "k"}
        for _ in range(2):
            answer = await api.ask(f"PATCH {path}", json=body, headers=keyed)
            assert answer.json()["views"] == 4


async def test_operators_are_for_all_that_a_filter_finds(database_url: str) -> None:
    async with serving(database_url, *MODELS) as api:
        await api.db.create(Tag, name="a")
        for count in (1, 2, 3):
            await api.db.create(Thing, views=count, title="x" if count > 1 else "y")
        body = {"views": {"increment": 10}, "tags": {"append": ["a"]}}
        path = "PATCH /api/things?title=x&limit=5&sort=views&fields=views,tags"
        answer = await api.ask(path, json=body, headers=MEDIA)
        told = [{"views": 12, "tags": ["a"]}, {"views": 13, "tags": ["a"]}]
        assert answer.json() == {"count": 2, "items": told}
        answer = await api.ask(path, json={"views": {"increment": INT_MAX}}, headers=MEDIA)
        assert answer.status_code == 422
        assert sorted(await api.items("/api/things", of="views")) == [1, 12, 13]


@pytest.mark.slow
@pytest.mark.everywhere
async def test_many_at_once_lose_none(database_url: str) -> None:
    async with serving(database_url, *MODELS) as api:
        thing = await api.db.create(Thing, views=0)
        path, body = f"PATCH /api/things/{thing.id}", {"views": {"increment": 1}}
        sent = [api.ask(path, json=body, headers=MEDIA) for _ in range(200)]
        answers = await asyncio.gather(*sent)
        assert {answer.status_code for answer in answers} == {200}
        assert sorted(answer.json()["views"] for answer in answers) == [*range(1, 201)]
        told = [
            row.data["views"] for row in await api.db.changes("", 500) if row.action != "create"
        ]
        assert told == [*range(1, 201)]


async def test_many_ties_at_once_lose_none(database_url: str) -> None:
    async with serving(database_url, *MODELS) as api:
        names = [f"t{n:02}" for n in range(40)]
        for name in names:
            await api.db.create(Tag, name=name)
        thing = await api.db.create(Thing)
        path = f"PATCH /api/things/{thing.id}"
        sent = [
            api.ask(path, json={"tags": {"append": [name, "t00"]}}, headers=MEDIA) for name in names
        ]
        answers = await asyncio.gather(*sent)
        assert {answer.status_code for answer in answers} == {200}
        shown = await api.ask(f"GET /api/things/{thing.id}")
        assert shown.json()["tags"] == names


@pytest.mark.slow
async def test_a_thousand_through_two_workers_lose_none(database_url: str) -> None:
    with AppProcess(database_url) as first, AppProcess(database_url) as second:
        urls = [f"{server.url}/api/counters/c" for server in (first, second)]
        async with httpx.AsyncClient(timeout=60) as client:
            made = await client.put(urls[0], json={})
            assert made.status_code == 201, made.text
            body = {"value": {"increment": 1}}

            async def send(url: str) -> None:
                for _ in range(25):
                    answer = await client.patch(url, json=body, headers=MEDIA)
                    assert answer.status_code == 200, answer.text

            await asyncio.gather(*(send(urls[n % 2]) for n in range(40)))
            assert (await client.get(urls[1])).json()["value"] == 1_000
