"""AUTHZ-6: a right that is taken away is gone at once, whatever it had handed out before.

Cursors, links, ETags, URLs of versions and idle requests are no tickets: the rules are asked anew.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import httpx
import pytest

from abaft import Many, Me, Model, Ref, User, allow, field, me
from scenarios import Api, serving
from test_access_matrix import DELETES, OTHERS, READS, SETS, Write, operation
from test_access_nested import NESTED

pytestmark = pytest.mark.slow


class Team(Model, key="name", stamps=False):
    name: str
    members: Many[User]
    docs: Many[Doc] = field(back="team")

    @allow("read", "create", "update", "delete")
    def everyone(team, me: Me) -> bool:
        return True


class Doc(Model, key="slug", soft_delete=True, history=True, ordered=True):
    slug: str
    title: str = field(search=True)
    public: bool = False
    owner: Ref[User] = field(default=me)
    team: Ref[Team] | None = field(default=None, on_delete="set null")
    votes: int = 0

    @allow("read", "create", "update", "delete")
    def ours(doc, me: Me) -> bool:
        return doc.public | (doc.owner == me) | doc.team.members.any(lambda user: user == me)

    @allow("read", "create", "update", "delete")
    def editors(doc, me: Me) -> bool:
        return me.has_role("editor")

    @allow("read", "update")
    def readers(doc, me: Me) -> bool:
        return me.has_role("reader")


SLUG = "quay"
Take = Callable[[Api], Awaitable[Any]]


def asked(request: str, **body: Any) -> Take:
    """What an administrator asks for."""

    async def take(api: Api) -> None:
        sent = {name: filled(api, value) for name, value in body.items()}
        answer = await api.ask(request, "admin", **({"json": sent} if sent else {}))
        assert answer.is_success, answer.text

    return take


def filled(api: Api, value: Any) -> Any:
    if isinstance(value, dict):
        return {name: filled(api, item) for name, item in value.items()}
    if isinstance(value, list):
        return [filled(api, item) for item in value]
    return key(api, value[1:]) if isinstance(value, str) and value[:1] == "@" else value


def role(name: str) -> Take:
    async def take(api: Api) -> None:
        api.people[name] = f"Test {key(api, name)}"

    return take


async def leave(api: Api) -> None:
    await api.db.delete(await api.db.get(User, key(api, "mate")))


DOC = f"/api/docs/{SLUG}"
TAKEN: dict[str, tuple[str, Take]] = {
    "role": ("editor", role("editor")),
    "role of a reader": ("reader", role("reader")),
    "untied from the team": ("mate", asked("PATCH /api/teams/t", members={"unlink": ["@mate"]})),
    "another team's members": ("mate", asked("PATCH /api/teams/t", members=["@owner"])),
    "the account": ("mate", leave),
    "moved to no team": ("mate", asked(f"PATCH {DOC}", team=None)),
    "moved to another team": ("mate", asked(f"PATCH {DOC}", team="u")),
    "untied by the team": ("mate", asked("PATCH /api/teams/t", docs={"unlink": [SLUG]})),
    "the team": ("mate", asked("DELETE /api/teams/t")),
    "given away": ("owner", asked(f"PATCH {DOC}", owner="@editor")),
    "taken back": ("stranger", asked(f"PATCH {DOC}", public=False)),
    "taken back by all": (
        "stranger", asked(f"PATCH /api/docs?slug={SLUG}&limit=5", public=False)
    ),
    "deleted": ("reader", asked(f"DELETE {DOC}")),
    "purged": ("owner", asked(f"DELETE {DOC}?purge=true")),
}  # fmt: skip
ASKED = {
    **READS,
    "head": (f"HEAD {DOC}", {}),
    "deleted too": (f"GET {DOC}?deleted=with", {}),
    "compressed": ("GET /api/docs?limit=1000", {"accept-encoding": "gzip"}),
    "table of one": (f"GET {DOC}", {"accept": "text/csv"}),
    "msgpack of one": (f"GET {DOC}", {"accept": "application/msgpack"}),
    "by way of the team": ("GET /api/teams?docs.slug={slug}", {}),
    "filter by way of the team": ("GET /api/teams?filter=docs.any(slug = '{slug}')", {}),
    "sorted pages": ("GET /api/docs?sort=title&limit=1&count=exact", {}),
    "grouped by the owner": ("GET /api/docs?aggregate=count&group=owner", {}),
}
ALL_WRITES = {
    **SETS,
    **DELETES,
    **OTHERS,
    "move": Write("POST /api/docs/{slug}/move", {"to": "first"}),
    "restore": Write("POST /api/docs/{slug}/restore"),
    "move in a batch": Write(
        "POST /api/batch", operation("POST", "/docs/{slug}/move", {"to": "first"})
    ),
}


def key(api: Api, name: str) -> str:
    return api.people[name].split()[1]


@pytest.fixture
async def api(database_url: str) -> Any:
    async with serving(database_url, Team, Doc, User) as api:
        for name in ("owner", "mate", "stranger", "never"):
            await api.person(name)
        await api.person("editor", "editor")
        await api.person("reader", "reader")
        for team, member in (("t", "mate"), ("u", "owner")):
            await api.db.create(Team, name=team, members=[key(api, member)])
        for slug, title in (("alder", "a"), (SLUG, f"m {SLUG}"), ("zinc", "z")):
            await make(api, slug, title, public=slug != SLUG)
        yield api


async def make(api: Api, slug: str, title: str, public: bool = False) -> None:
    values = {"owner": key(api, "owner"), "team": None if public else "t", "public": public}
    await api.db.create(Doc, slug=slug, title=title, **values)


async def handed_out(api: Api, actor: str) -> dict[str, str]:
    """All ways to ask, with what only who may see the document knows: its versions, the links."""
    newest = (await api.items(f"{DOC}/history", actor))[0]["version"]
    urls = {
        name: request.replace("history/1", f"history/{newest}").format(slug=SLUG)
        for name, (request, _) in ASKED.items()
    }
    url = "/api/docs?sort=title&limit=1&filter=votes = 0"
    for page in ("to it", "after it"):
        answer = await api.ask(f"GET {url}", actor)
        assert (SLUG in answer.text) == (page == "after it")
        url = answer.links["next"]["url"]
        urls[page] = f"GET {url}"
    return urls


async def all_answers(
    api: Api, urls: dict[str, str], actor: str, etags: dict[str, str] | None = None
) -> dict[str, httpx.Response]:
    found = {}
    for name, url in urls.items():
        headers = dict(ASKED[name][1]) if name in ASKED else {}
        if etags:
            headers["if-none-match"] = etags[name]
        found[name] = await api.ask(url, actor, headers=headers)
    return found


def told(answer: httpx.Response) -> tuple[int, bytes, str | None]:
    return answer.status_code, answer.content, answer.headers.get("etag")


@pytest.mark.parametrize("way", TAKEN)
async def test_authz_6_what_was_handed_out_shows_nothing_more(api: Api, way: str) -> None:
    """Who had a right sees what somebody sees who never had it, by old ETags too."""
    actor, take = TAKEN[way]
    if actor == "stranger":
        await asked(f"PATCH {DOC}", public=True)(api)
    urls = await handed_out(api, actor)
    before = await all_answers(api, urls, actor)
    assert {row.status_code for row in before.values()} == {200}
    etags = {name: row.headers["etag"] for name, row in before.items()}
    again = await all_answers(api, urls, actor, etags)
    # A list that is streamed has none.
    assert {name for name, row in again.items() if row.status_code != 304} == set()
    await take(api)
    never = await all_answers(api, urls, "never")
    for known in ({}, etags):
        after = await all_answers(api, urls, actor, known)
        wrong = [
            (name, row.status_code, row.text, never[name].text)
            for name, row in after.items()
            # The page after the document is as it was before, and as everybody's.
            if (told(row) != told(never[name]) and not (known and name == "after it"))
            or (told(row) == told(before[name]) and name != "after it")
            or f"m {SLUG}" in row.text
        ]
        assert not wrong, "\n".join(map(str, wrong))


async def state(api: Api) -> list[Any]:
    """All that is stored."""
    docs = await api.items("/api/docs?deleted=with&limit=100", "admin")
    return [docs, await api.items("/api/teams?limit=100", "admin")]


LEGAL = {
    "purged": ("put", "upsert", "list of upserts"),
    "moved to no team": ("nested add",),
    "moved to another team": ("nested add",),
    "untied by the team": ("nested add",),
}
"""What makes a new document: where there is none, and in the actor's team."""


def writes(api: Api, etag: str, version: int) -> dict[str, Write]:
    versions = {"restore a version": Write(f"POST {DOC}/history/{version}/restore")}
    single = {
        f"{name} of {match}": Write(way.request, way.body, {**(way.headers or {}), "if-match": tag})
        for name, way in {**ALL_WRITES, **versions}.items()
        if "{slug}" in way.request.partition("?")[0]
        for match, tag in (("what was read", etag), ("what it never was", '"x"'), ("any", "*"))
    }
    # Everybody may make what is their own.
    new = {"slug": "new", "title": "new", "owner": key(api, "never")}
    nested = {
        f"nested {name}": Write(request, body(SLUG, new))
        for name, (request, body, _) in NESTED.items()
    }
    return {**ALL_WRITES, **versions, **single, **nested}


@pytest.mark.parametrize("way", TAKEN)
async def test_authz_6_who_has_no_right_any_more_writes_nothing(api: Api, way: str) -> None:
    actor, take = TAKEN[way]
    if actor == "stranger":
        await asked(f"PATCH {DOC}", public=True)(api)
    etag = (await api.ask(f"GET {DOC}", actor)).headers["etag"]
    version = (await api.items(f"{DOC}/history", actor))[0]["version"]
    await take(api)
    before, fed, wrong = await state(api), await api.changes(), []
    answers = {}
    for name, write in writes(api, etag, version).items():
        if name in LEGAL.get(way, ()):
            continue
        answer = answers[name] = await write.send(api, actor, SLUG, {"votes": 5})
        done = await state(api) != before or await api.changes() != fed
        refused = 400 <= write.status(answer) < 500 or write.unseen == 200
        if done or not refused or f"m {SLUG}" in answer.text:
            wrong.append((name, answer.status_code, answer.text))
    assert not wrong, "\n".join(map(str, wrong))
    for name in [name for name in answers if name.endswith(" of what was read")]:
        # No ETag is found out by trying.
        other = answers[name.replace("what was read", "what it never was")]
        assert told(answers[name]) == told(other), name


@pytest.mark.parametrize("actor", ["editor", "owner", "mate"])
async def test_authz_6_as_long_as_they_have_the_right_each_write_is_done(
    api: Api, actor: str
) -> None:
    wrong = []
    for number, (name, write) in enumerate(ALL_WRITES.items()):
        slug = f"d{number}"
        await make(api, slug, slug)
        if name == "restore":
            await asked(f"DELETE /api/docs/{slug}")(api)
        before = await state(api)
        answer = await write.send(api, actor, slug, {"votes": 5, "team": "t"})
        if not answer.is_success or (await state(api) != before) == (name in OTHERS):
            wrong.append((name, answer.status_code, answer.text))
    assert not wrong, "\n".join(map(str, wrong))
