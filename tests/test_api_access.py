"""Who may do what: the matrix against an oracle written apart, and refusals that tell nothing."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Mapping
from typing import Any

import pytest

from abaft import Actor, Many, Me, Model, Ref, User, allow, field, me
from scenarios import Api, Scenario, play, serving

ACTORS = (None, "owner", "other", "clerk", "admin")


class Closed(Model):
    """No rule: nobody but an administrator."""

    name: str = ""


class Team(Model):
    name: str
    members: Many[User] = field(through="Membership")
    docs: Many[Doc] = field(back="team")

    @allow("read")
    def of_members(team, me: Me) -> bool:
        return team.members.any(lambda user: user == me) | me.has_role("clerk")


class Membership(Model, key=("team", "user")):
    team: Ref[Team] = field(on_delete="cascade")
    user: Ref[User] = field(on_delete="cascade")
    boss: bool = False

    @allow("read")
    def own(membership, me: Me) -> bool:
        return membership.user == me


class Doc(Model):
    title: str = field(unique=True)
    public: bool = False
    owner: Ref[User] = field(default=me)
    team: Ref[Team] | None = field(default=None, on_delete="set null")
    salary: int | None = None
    stars: int = 0
    hidden: str = field(default="h1dden", hidden=True)
    origin: str = field(default="server", read_only=True)
    related: Many[Doc]

    @allow("read")
    def public_or_own(doc, me: Me) -> bool:
        return doc.public | (doc.owner == me) | me.has_role("clerk")

    @allow("create", "update", "delete")
    def own(doc, me: Me) -> bool:
        return doc.owner == me

    @allow("read", "create", "update", fields=["salary"])
    def own_salary(doc, me: Me) -> bool:
        return doc.owner == me

    @allow("update", fields=["stars"])
    def clerks(doc, me: Me) -> bool:
        return me.has_role("clerk")


@pytest.fixture
async def api(database_url: str) -> AsyncIterator[Api]:
    async with serving(database_url, Closed, Team, Membership, Doc) as api:
        await api.person("owner")
        await api.person("other")
        await api.person("clerk", "clerk")
        yield api


def who(api: Api, actor: str | None) -> str | None:
    return api.people[actor].split()[1] if actor in api.people else None


# The oracle: what may be done to a Doc, said again in another way.
def may(action: str, actor: str | None, public: bool) -> int:
    if actor in ("owner", "admin"):
        return {"create": 201, "delete": 204}.get(action, 200)
    if action in ("create", "update", "delete") and actor is None:
        return 401
    if action == "create":
        return 403
    if action == "read":
        return 200 if public or actor == "clerk" else 404
    return 403 if public or actor == "clerk" else 404


def matrix() -> Iterator[tuple[str, str | None, bool]]:
    for action in ("read", "create", "update", "replace", "delete"):
        for actor in ACTORS:
            for public in (True, False):
                yield action, actor, public


@pytest.mark.slow
@pytest.mark.everywhere
async def test_authz_1_the_matrix_of_a_model_with_rules(api: Api) -> None:
    wrong = []
    for action, actor, public in matrix():
        title = f"{action} {actor} {public}"
        doc = await api.db.create(Doc, title=title, public=public, owner=who(api, "owner"))
        body = {"title": title + "!", "public": public, "owner": who(api, "owner")}
        request = {
            "create": "POST /api/docs", "read": f"GET /api/docs/{doc.id}",
            "update": f"PATCH /api/docs/{doc.id}", "replace": f"PUT /api/docs/{doc.id}",
            "delete": f"DELETE /api/docs/{doc.id}",
        }[action]  # fmt: skip
        before = await api.changes()
        answer = await api.ask(request, actor, json=None if action in ("read", "delete") else body)
        expected = may("update" if action == "replace" else action, actor, public)
        if action == "replace" and expected == 404:
            expected = 403  # it isn't there, so PUT would make it, which isn't allowed either
        made = len(await api.changes()) - len(before)
        if answer.status_code != expected or made != (expected < 300 and action != "read"):
            wrong.append((title, answer.status_code, expected, made, answer.text[:200]))
        listed = await api.items(f"/api/docs?id={doc.id}&count=exact", actor, of="id")
        gone = action == "delete" and expected == 204
        if bool(listed) != (may("read", actor, public) == 200 and not gone):
            wrong.append((title, "listed", listed))
    assert not wrong, "\n".join(map(str, wrong))


async def test_authz_1_without_a_rule_nothing_may_be_done_but_by_an_administrator(api: Api) -> None:
    made = await api.db.create(Closed, name="x")
    for collection, key in (("closeds", str(made.id)), ("memberships", "x,y"), ("teams", "x")):
        for actor in ACTORS[:-1]:
            refused = 401 if actor is None else 403
            for request, json in (
                (f"POST /api/{collection}", {"name": "y"}),
                (f"PATCH /api/{collection}/{made.id if collection == 'closeds' else key}", {}),
                (f"DELETE /api/{collection}/{made.id if collection == 'closeds' else key}", None),
            ):
                status = (await api.ask(request, actor, json=json)).status_code
                assert status in (refused, 404 if collection != "closeds" else refused), request
            if collection == "closeds":
                for url in (f"/api/closeds/{key}", "/api/closeds", "/api/closeds?count=exact"):
                    assert (await api.ask(f"GET {url}", actor)).status_code == refused
    assert await api.items("/api/closeds", "admin", of="name") == ["x"]
    assert (await api.ask(f"PATCH /api/closeds/{made.id}", "admin", json={})).status_code == 200


async def hide(api: Api) -> tuple[Any, Any]:
    """A document of the owner's that is hidden, and a public one, in a team that only they see."""
    owner = who(api, "owner")
    team = await api.db.create(Team, name="secret team")
    await api.db.create(Membership, team=team, user=owner)
    hidden = await api.db.create(Doc, title="hidden doc", owner=owner, salary=7, team=team, stars=9)
    shown = await api.db.create(
        Doc, title="shown doc", owner=owner, salary=7, team=team, public=True, related=[hidden]
    )
    return hidden, shown


@pytest.mark.slow
@pytest.mark.everywhere
async def test_authz_2_hidden_records_and_fields_show_nowhere(api: Api) -> None:
    hidden, shown = await hide(api)
    secrets = ["hidden doc", "secret team", '"salary"', "h1dden", str(hidden.id)]
    rows = [
        Scenario(f"GET /api/docs{query}", 200, actor, has=has, lacks=secrets)
        for actor in (None, "other")
        for query, has in (
            ("", ["shown doc"]),
            ("?count=exact", ['"count":1']),
            ("?count=exact&title=hidden%20doc", ['"items":[]', '"count":0']),
            ("?title[contains]=hidden", ['"items":[]']),
            ("?stars[ge]=9", ['"items":[]']),
            ("?sort=-stars&limit=1", ["shown doc", '"next":null']),
            ("?team.name=secret%20team", ['"items":[]']),
            ("?team.name[isnull]=true", ["shown doc"]),
            ("?team.name[ne]=x", ["shown doc"]),
            ("?sort=team.name", ["shown doc"]),
            ("?expand=team", ["shown doc"]),
            ("?expand=related", ['"related":[]']),
            ("?expand=related.related", ['"related":[]']),
            ("?fields=title,related", ['"related":[]']),
            ("?fields=title,team.name,related.title", ["shown doc"]),
            ("?related.title=hidden%20doc", ['"items":[]']),
            ("?related[isnull]=true", ["shown doc"]),
            ("?expand=owner", ['"name":"owner"']),
        )
    ]
    rows += [
        Scenario(f"GET /api/docs/{hidden.id}", 404, "other", lacks=["hidden doc"]),
        Scenario(f"GET /api/docs/{shown.id}?expand=team,related", 200, "other", lacks=secrets),
        Scenario("GET /api/users?docs.title=x", 400, "other"),
        Scenario("GET /api/docs?hidden=h1dden", 400, "other", lacks=["did you mean 'hidden'"]),
        Scenario("GET /api/docs?sort=hidden", 400, "other"),
        Scenario("GET /api/docs?fields=hidden", 400, "admin", lacks=["h1dden"]),
        Scenario("GET /api/docs", 200, "admin", has=["hidden doc", '"salary"'], lacks=["h1dden"]),
    ]
    await play(api, rows)


async def test_authz_2_a_field_that_may_not_be_read_is_null_to_every_question(api: Api) -> None:
    await hide(api)
    mine = await api.db.create(Doc, title="mine", owner=who(api, "other"), salary=5, public=True)
    blind = [
        ("?salary=7", []), ("?salary[gt]=6", []), ("?salary[lt]=6", ["mine"]),
        ("?salary[ne]=5", ["shown doc"]), ("?salary[isnull]=true", ["shown doc"]),
        ("?salary[in]=5,7", ["mine"]), ("?salary[nin]=5,7", ["shown doc"]),
        ("?sort=salary", ["mine", "shown doc"]), ("?sort=-salary", ["shown doc", "mine"]),
    ]  # fmt: skip
    for query, titles in blind:
        assert await api.items(f"/api/docs{query}", "other", of="title") == titles, query
    shown = await api.items("/api/docs?sort=title", "other")
    assert [doc.get("salary", "left out") for doc in shown] == [5, "left out"]
    # Nobody has no documents of their own: the field may not be named at all.
    await play(
        api,
        [
            Scenario(f"GET /api/docs?{query}", 403, None, has=['"field_forbidden"'], lacks=["7"])
            for query in ("salary=6", "sort=salary", "salary[isnull]=true")
        ],
    )
    first = (await api.ask("GET /api/docs?sort=salary&limit=1", "other")).json()
    rest = (await api.ask(f"GET /api/docs?sort=salary&cursor={first['next']}", "other")).json()
    assert [doc["title"] for doc in first["items"] + rest["items"]] == ["mine", "shown doc"]
    assert (await api.ask(f"PATCH /api/docs/{mine.id}", "other", json={"salary": 6})).is_success


async def test_authz_2_links_are_hidden_by_the_rules_of_their_own_model(api: Api) -> None:
    await hide(api)
    clerk, owner = who(api, "clerk"), who(api, "owner")
    await play(
        api,
        [
            Scenario("GET /api/teams", 200, "clerk", has=["secret team"]),
            Scenario("GET /api/teams?expand=members", 200, "clerk", has=['"members":[]']),
            Scenario(f"GET /api/teams?members={owner}", 200, "clerk", has=['"items":[]']),
            Scenario(f"GET /api/teams?members={clerk}", 200, "clerk", has=['"items":[]']),
            Scenario("GET /api/teams?members[isnull]=true", 200, "clerk", has=["secret team"]),
            Scenario(f"GET /api/teams?members={owner}", 200, "owner", has=["secret team"]),
            Scenario("GET /api/teams?expand=members,docs", 200, "owner", has=['"name":"owner"']),
            Scenario("GET /api/teams", 200, "other", has=['"items":[]']),
            Scenario("GET /api/teams?docs.title=shown%20doc", 200, "clerk", has=["secret team"]),
        ],
    )


@pytest.mark.slow
async def test_authz_2_references_are_no_oracle(api: Api) -> None:
    hidden, _ = await hide(api)
    team = (await api.db.list(Team))[0]
    missing = "01890a5d-ac96-774b-bcce-b302099a8057"
    mine = await api.db.create(Doc, title="mine", owner=who(api, "other"))
    for field_, one in (("team", str(team.id)), ("related", [str(hidden.id)])):
        absent = missing if isinstance(one, str) else [missing]
        texts = set()
        for value in (one, absent):
            for request in ("POST /api/docs", f"PATCH /api/docs/{mine.id}"):
                body = {"title": "new", field_: value}
                answer = await api.ask(request, "other", json=body)
                assert answer.status_code == 422, answer.text
                texts.add(answer.text)
        assert len(texts) == 1, texts
    taken = await api.ask("POST /api/docs", "other", json={"title": "hidden doc"})
    assert taken.status_code == 409
    assert str(hidden.id) not in taken.text
    assert "owner" not in taken.text


async def test_authz_3_what_the_server_sets_cannot_be_given(api: Api) -> None:
    made = await api.ask("POST /api/docs", "owner", json={"title": "x"})
    url, stored = made.headers["location"], made.json()
    given = {"id": str(Doc.__name__), "origin": "me", "created": stored["created"],
             "updated": stored["created"]}  # fmt: skip
    rows = []
    for name, value in given.items():
        for actor in ("owner", "admin"):
            has = [f'"pointer":"/{name}"', '"code":"read_only"']
            rows += [
                Scenario("POST /api/docs", 422, actor, json={"title": "y", name: value}, has=has),
                Scenario(f"PATCH {url}", 422, actor, json={name: value}, has=has),
            ]
    rows += [
        Scenario(f"PATCH {url}", 403, "owner", json={"stars": 5}, has=['"field_forbidden"']),
        Scenario(f"PUT {url}", 403, "owner", json={"title": "x", "stars": 5}, has=["/stars"]),
        Scenario(f"PUT {url}", 200, "owner", json={"title": "x"}, changes=("update Doc",)),
        Scenario("POST /api/docs", 201, "owner", json={"title": "z", "stars": 1},
                 changes=("create Doc",)),
        Scenario(f"PATCH {url}", 200, "admin", json={"stars": 5}, changes=("update Doc",)),
        Scenario(f"PUT {url}", 200, "owner", json={"title": "x"}, has=['"stars":5'],
                 changes=("update Doc",)),
    ]  # fmt: skip
    await play(api, rows)


async def test_authz_4_a_record_is_held_to_the_rules_before_and_after(api: Api) -> None:
    other, owner = who(api, "other"), who(api, "owner")
    doc = await api.db.create(Doc, title="d", owner=owner, public=True)
    url = f"/api/docs/{doc.id}"
    await play(
        api,
        [
            Scenario(f"PATCH {url}", 403, "owner", json={"owner": other}, has=["forbidden_values"]),
            Scenario(f"PATCH {url}", 403, "other", json={"owner": other}),
            Scenario(f"PUT {url}", 403, "owner", json={"title": "d", "owner": other}),
            Scenario("POST /api/docs", 403, "owner", json={"title": "e", "owner": other}),
            Scenario(f"PATCH {url}", 200, "admin", json={"owner": other}, changes=("update Doc",)),
            Scenario(f"PATCH {url}", 403, "owner", json={"title": "e"}),
            Scenario(f"PATCH {url}", 200, "other", json={"title": "e"}, changes=("update Doc",)),
        ],
    )


async def test_who_asks_with_wrong_credentials_is_told_so(api: Api) -> None:
    rows = [
        Scenario("GET /api/docs", 401, headers={"authorization": value}, has=['"unauthorized"'],
                 shows={"www-authenticate": 'Bearer realm="abaft", error="invalid_token"'})
        for value in ("Bearer wrong", "Basic dTpw", "Bearer", "", "Digest \x7f")
    ]  # fmt: skip
    rows += [
        Scenario("GET /api/docs?owner=x", 400),
        Scenario("POST /api/docs", 401, json={"title": "x"},
                 shows={"www-authenticate": 'Bearer realm="abaft"'}),
        Scenario("POST /api/docs", 401, headers={"authorization": "Test not-a-key"},
                 json={"title": "x"}),
        Scenario("GET /api/docs", 401, headers={"authorization": "Test not-a-key"}),
    ]  # fmt: skip
    await play(api, rows)


async def test_an_authenticator_reads_the_headers_as_text(database_url: str) -> None:
    seen: list[Mapping[str, str]] = []

    class Watcher:
        async def authenticate(self, headers: Mapping[str, str]) -> Actor | None:
            seen.append(headers)
            return None

    async with serving(database_url, Closed, authenticators=[Watcher()]) as api:
        await api.ask("GET /api/closeds", headers={"x-name": "caf\u00e9".encode("latin-1")})
    [headers] = seen
    assert (headers["x-name"], headers.get("x-name"), "x-name" in headers) == ("café", "café", True)
    assert (headers.get("no-such"), headers.get("ü→", "none"), "X-Name" in headers) == (
        None,
        "none",
        False,
    )
    assert dict(headers) == {name: headers[name] for name in headers}
    assert len(headers) == len(dict(headers)) > 1
    with pytest.raises(KeyError):
        headers["no-such"]
