"""AUTHZ-1, 3, 4, 5 and 7: each way to read and to write, by everybody, against a plain oracle.

The rules are said twice: in the model, and by `reads` and `writes` below.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote

import httpx
import pytest

from abaft import Many, Me, Model, NotFound, Ref, User, allow, field, me
from scenarios import Api, serving

ACTORS = (None, "owner", "mate", "clerk", "stranger", "admin")


class Team(Model, key="name", stamps=False):
    name: str
    members: Many[User]
    docs: Many[Doc] = field(back="team")

    @allow("read", "create", "update")
    def everyone(team, me: Me) -> bool:
        return True


class Doc(Model, key="slug", soft_delete=True, history=True, ordered=True):
    slug: str
    title: str = field(search=True)
    public: bool = False
    owner: Ref[User] = field(default=me)
    team: Ref[Team] | None = None
    votes: int = 0
    origin: str = field(default="server", read_only=True)

    @allow("read")
    def who_reads(doc, me: Me) -> bool:
        ours = doc.team.members.any(lambda user: user == me)
        return doc.public | (doc.owner == me) | me.has_role("clerk") | ours

    @allow("create", "update", "delete")
    def who_writes(doc, me: Me) -> bool:
        return doc.owner == me


def reads(actor: str | None, public: bool, shared: bool) -> bool:
    return public or actor in ("owner", "clerk", "admin") or (shared and actor == "mate")


def writes(actor: str | None) -> bool:
    return actor in ("owner", "admin")


@pytest.fixture
async def api(database_url: str) -> AsyncIterator[Api]:
    async with serving(database_url, Team, Doc, User) as api:
        for name in ("owner", "mate", "stranger"):
            await api.person(name)
        await api.person("clerk", "clerk")
        await api.db.create(Team, name="t", members=[key(api, "mate")])
        yield api


def key(api: Api, actor: str) -> str:
    return api.people[actor].split()[1]


async def make(api: Api, slug: str, public: bool = False, shared: bool = False) -> Any:
    values = {"owner": key(api, "owner"), "team": "t" if shared else None, "public": public}
    return await api.db.create(Doc, slug=slug, title=f"sea {slug}", **values)


CELLS = [(public, shared) for public in (True, False) for shared in (True, False)]
LATER = quote((datetime.now(UTC) + timedelta(days=1)).isoformat())
READS: dict[str, tuple[str, dict[str, str]]] = {
    "get": ("GET /api/docs/{slug}", {}),
    "get expanded": ("GET /api/docs/{slug}?expand=team,owner", {}),
    "list": ("GET /api/docs?limit=1000", {}),
    "filter": ("GET /api/docs?slug={slug}", {}),
    "filter language": ("GET /api/docs?filter=slug = '{slug}' or title contains '{slug}'", {}),
    "negated": ("GET /api/docs?filter=not (slug = 'none')&limit=1000", {}),
    "sort": ("GET /api/docs?sort=-title,owner.name&limit=1000", {}),
    "search": ("GET /api/docs?search={slug}", {}),
    "highlight": ("GET /api/docs?search={slug}&highlight=true", {}),
    "group": ("GET /api/docs?aggregate=count&group=slug&limit=1000", {}),
    "reduced": ("GET /api/docs?aggregate=max(slug)&slug={slug}", {}),
    "expand": ("GET /api/teams/t?expand=docs", {}),
    "expand with options": ("GET /api/teams/t?expand=docs(filter=slug = '{slug}';limit=5)", {}),
    "csv": ("GET /api/docs?limit=1000", {"accept": "text/csv"}),
    "ndjson": ("GET /api/docs", {"accept": "application/x-ndjson"}),
    "msgpack": ("GET /api/docs?limit=1000", {"accept": "application/msgpack"}),
    "history": ("GET /api/docs/{slug}/history?limit=5", {}),
    "version": ("GET /api/docs/{slug}/history/1", {}),
    "as of": (f"GET /api/docs/{{slug}}?as_of={LATER}", {}),
}
ONLY_SHARED = {"expand", "expand with options"}  # through the team


def read_status(request: str, shown: bool) -> int:
    """Of a record that isn't shown nobody learns that it is there; a list is without it."""
    return 200 if shown or "{slug}" not in request.partition("?")[0] else 404


async def batched(api: Api, actor: str | None, **operation: Any) -> httpx.Response:
    return await api.ask("POST /api/batch", actor, json={"operations": [operation]})


@pytest.mark.slow
async def test_authz_1_each_way_to_read(api: Api) -> None:
    wrong = []
    for public, shared in CELLS:
        slug = f"doc{public}{shared}".lower()
        doc = await make(api, slug, public, shared)
        version = (await api.items(f"/api/docs/{slug}/history", "admin"))[0]["version"]
        for actor in ACTORS:
            allowed = reads(actor, public, shared)
            for name, (request, headers) in READS.items():
                url = request.replace("history/1", f"history/{version}").format(slug=slug)
                answer = await api.ask(url, actor, headers=headers)
                # What a version changed names no value: its key is the whole answer.
                shown = (slug in answer.text) if name != "history" else answer.status_code == 200
                expected = allowed and (shared or name not in ONLY_SHARED)
                status = read_status(request, expected)
                if (shown, answer.status_code) != (expected, status):
                    wrong.append((name, actor, public, shared, answer.status_code, answer.text))
            counted = await api.ask(f"GET /api/docs?slug={slug}&count=exact", actor)
            inside = await batched(api, actor, method="GET", path=f"/docs/{slug}")
            if counted.json()["count"] != allowed or (slug in inside.text) != allowed:
                wrong.append(("count", actor, public, shared, counted.text, inside.text))
        await api.db.delete(doc)
    assert not wrong, "\n".join(map(str, wrong))


@pytest.mark.slow
async def test_authz_1_what_is_deleted_is_read_by_no_way(api: Api) -> None:
    doc = await make(api, "gone", public=True, shared=True)
    await api.db.delete(doc)
    wrong = []
    for actor in ACTORS:
        for name, (request, headers) in READS.items():
            if name in ("history", "version", "as of"):
                continue  # for who may restore it: tests/test_history.py
            answer = await api.ask(request.format(slug="gone"), actor, headers=headers)
            if "gone" in answer.text or answer.status_code != read_status(request, False):
                wrong.append((name, actor, answer.status_code, answer.text))
        answer = await api.ask("GET /api/docs?deleted=with", actor)
        if ("gone" in answer.text) != writes(actor):
            wrong.append(("deleted=with", actor, answer.text))
    assert not wrong, "\n".join(map(str, wrong))


@dataclass(frozen=True)
class Write:
    """A way to write: `values` stands for what is to be stored, `{slug}` for the record's key."""

    request: str
    body: Any = None
    headers: dict[str, str] | None = None
    # What who may not write is told of a record that they see, and of one that they don't: it isn't
    # there, many are found without it, or its key is taken.
    seen: int = 403
    unseen: int = 404

    @staticmethod
    def status(answer: httpx.Response) -> int:
        """That of the write itself, also where the request is answered apart from it."""
        told = answer.json() if answer.content else {}
        if told.get("refused"):
            return int(told["refused"][0]["problem"]["status"])
        return int(told["results"][0]["status"] if "results" in told else answer.status_code)

    def statuses(self, actor: str | None, seen: bool) -> tuple[int, ...]:
        """What it may be answered with."""
        if writes(actor):
            return (200, 204)
        if actor is None:
            return (401,)
        return (self.seen if seen else self.unseen,)

    async def send(self, api: Api, actor: str | None, slug: str, values: Any) -> httpx.Response:
        options: dict[str, Any] = {"headers": self.headers or {}}
        if self.body is not None:
            options["json"] = filled(self.body, slug, values)
        return await api.ask(self.request.format(slug=slug), actor, **options)


def filled(body: Any, slug: str, values: dict[str, Any]) -> Any:
    if body == "values":
        return values
    if body == "record":
        return {"slug": slug, "title": f"sea {slug}", **values}
    if body == "set":
        return {name: {"set": value} for name, value in values.items()}
    if isinstance(body, dict):
        return {name: filled(value, slug, values) for name, value in body.items()}
    if isinstance(body, list):
        return [filled(value, slug, values) for value in body]
    return body.format(slug=slug) if isinstance(body, str) else body


def operation(method: str, path: str, body: Any, **more: Any) -> dict[str, Any]:
    return {"operations": [{"method": method, "path": path, "body": body}], **more}


OPERATORS = {"content-type": "application/vnd.abaft.operators+json"}
SETS = {
    "patch": Write("PATCH /api/docs/{slug}", "values"),
    "put": Write("PUT /api/docs/{slug}", "record", unseen=409),
    "operators": Write("PATCH /api/docs/{slug}", "set", OPERATORS),
    "many": Write("PATCH /api/docs?slug={slug}&limit=5", "values", unseen=200),
    "upsert": Write("POST /api/docs?upsert=slug", "record", seen=409, unseen=409),
    "list of upserts": Write("POST /api/docs?upsert=slug", ["record"], seen=409, unseen=409),
    "batch": Write("POST /api/batch", operation("PATCH", "/docs/{slug}", "values")),
    "batch of many": Write(
        "POST /api/batch", operation("PATCH", "/docs?slug={slug}&limit=5", "values"), unseen=200
    ),
    "batch apart": Write(
        "POST /api/batch", operation("PATCH", "/docs/{slug}", "values", atomic=False)
    ),
}
DELETES = {
    "delete": Write("DELETE /api/docs/{slug}"),
    "purge": Write("DELETE /api/docs/{slug}?purge=true"),
    "delete many": Write("DELETE /api/docs?slug={slug}&limit=5", unseen=200),
    "delete in a batch": Write(
        "POST /api/batch", {"operations": [{"method": "DELETE", "path": "/docs/{slug}"}]}
    ),
}
OTHERS = {
    "dry run": Write("PATCH /api/docs?slug={slug}&limit=5&dry_run=true", "values", unseen=200),
    "dry delete": Write("DELETE /api/docs?slug={slug}&limit=5&dry_run=true", unseen=200),
}


async def state(api: Api, slug: str) -> Any:
    """What is stored under the key: nothing, or what a write could change."""
    try:
        doc = await api.db.get(Doc, slug)
    except NotFound:
        return None
    return doc.votes, str(doc.owner.id), doc.origin, doc.title


@pytest.mark.slow
async def test_authz_1_authz_5_each_way_to_write(api: Api) -> None:
    wrong = []
    for number, (name, way) in enumerate({**SETS, **DELETES, **OTHERS}.items()):
        for public, shared in CELLS:
            for actor in ACTORS:
                slug = f"d{number}{public:d}{shared:d}{actor}".lower()
                await make(api, slug, public, shared)
                before, fed = await state(api, slug), len(await api.changes())
                # An administrator is no user: an upsert has to name the owner.
                owner = {"owner": key(api, "owner")} if actor == "admin" else {}
                answer = await way.send(api, actor, slug, {"votes": 5, **owner})
                changed = await state(api, slug) != before
                told = len(await api.changes()) > fed
                expected = writes(actor) and name not in OTHERS
                fine = way.status(answer) in way.statuses(actor, reads(actor, public, shared))
                leaks = not reads(actor, public, shared) and f"sea {slug}" in answer.text
                if (changed, told) != (expected, expected) or not fine or leaks:
                    wrong.append((name, actor, public, shared, answer.status_code, answer.text))
    assert not wrong, "\n".join(map(str, wrong))


async def test_authz_1_moves_and_restores(api: Api) -> None:
    wrong = []
    for actor in ACTORS:
        for action in ("move", "restore"):
            slug = f"{action}{actor}".lower()
            doc = await make(api, slug, public=True)
            if action == "restore":
                await api.db.delete(doc)
            before = len(await api.changes())
            body = {"to": "first"} if action == "move" else None
            options = {"json": body} if body else {}
            answer = await api.ask(f"POST /api/docs/{slug}/{action}", actor, **options)
            wrote = len(await api.changes()) > before
            if (wrote, answer.is_success) != (writes(actor), writes(actor)):
                wrong.append((action, actor, answer.status_code, answer.text))
    assert not wrong, "\n".join(map(str, wrong))


SERVERS: list[dict[str, Any]] = [
    {"origin": "me"},
    {"created": "2020-01-01T00:00:00Z"},
    {"deleted": None},
]


@pytest.mark.slow
@pytest.mark.everywhere
async def test_authz_3_what_the_server_sets_is_set_by_no_way(api: Api) -> None:
    wrong = []
    for actor in ("owner", "admin"):
        for number, (name, way) in enumerate(SETS.items()):
            slug = f"s{number}{actor}"
            await make(api, slug)
            before = await state(api, slug)
            for values in SERVERS:
                answer = await way.send(api, actor, slug, values)
                # What a GET gave can be put back whole: PUT passes over what the server sets.
                refused = answer.status_code == 422 or name in ("batch apart", "put")
                stored = await api.db.get(Doc, slug)
                if not refused or await state(api, slug) != before or stored.created.year == 2020:
                    wrong.append((name, actor, values, answer.status_code, answer.text))
    assert not wrong, "\n".join(map(str, wrong))


async def test_authz_4_no_way_gives_a_record_away(api: Api) -> None:
    wrong = []
    for number, (name, way) in enumerate(SETS.items()):
        slug = f"g{number}"
        await make(api, slug)
        before, fed = await state(api, slug), await api.changes()
        answer = await way.send(api, "owner", slug, {"owner": key(api, "stranger")})
        refused = answer.status_code == 403 or name == "batch apart"
        if not refused or await state(api, slug) != before or await api.changes() != fed:
            wrong.append((name, answer.status_code, answer.text))
        given = await way.send(api, "admin", slug, {"owner": key(api, "stranger")})
        if not given.is_success or (await state(api, slug))[1] != key(api, "stranger"):
            wrong.append((name, "admin", given.status_code, given.text))
    assert not wrong, "\n".join(map(str, wrong))


@pytest.mark.slow
async def test_authz_7_counts_pages_and_cursors_know_of_what_may_be_read(api: Api) -> None:
    """Rules hold in the query: no page is short, no total is of what isn't shown."""
    rows = [(f"r{number:02}", number % 2 == 0, number % 3 == 0) for number in range(24)]
    for number, (slug, public, shared) in enumerate(rows):
        doc = await make(api, slug, public, shared)
        await api.db.update(doc, votes=number % 5)
    for actor in ACTORS:
        seen = [(s, int(s[1:]) % 5, sh) for s, p, sh in rows if reads(actor, p, sh)]
        ordered = [slug for slug, votes, _ in sorted(seen, key=lambda row: (-row[1], row[0]))]
        url = "GET /api/docs?sort=-votes,slug&limit=5&count=exact"
        pages = [(await api.ask(url, actor)).json()]
        while pages[-1]["next"]:
            pages.append((await api.ask(f"{url}&cursor={pages[-1]['next']}", actor)).json())
        assert [doc["slug"] for page in pages for doc in page["items"]] == ordered, actor
        assert {page["count"] for page in pages} == {len(ordered)}, actor
        sizes = [len(page["items"]) for page in pages]
        assert sizes[:-1] == [5] * (len(sizes) - 1), (actor, sizes)
        skipped = (await api.ask("GET /api/docs?sort=-votes,slug&limit=4&offset=6", actor)).json()
        assert [doc["slug"] for doc in skipped["items"]] == ordered[6:10], actor
        groups = await api.items("/api/docs?aggregate=count&group=votes", actor)
        found = {row["votes"]: row["count"] for row in groups}
        votes = [vote for _, vote, _ in seen]
        assert found == {vote: votes.count(vote) for vote in votes}, actor
        shown = await api.ask("GET /api/teams/t?expand=docs(count;limit=2;sort=slug)", actor)
        team = shown.json()
        ours = [slug for slug, _, shared in seen if shared]
        assert [doc["slug"] for doc in team["docs"]] == ours[:2], actor
        assert team["docs_count"] == len(ours), actor
