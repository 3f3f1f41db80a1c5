"""History: the versions of a record, who may see which, and going back to one."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import pytest_asyncio

from abaft import Actor, App, Many, Me, Model, NotFound, Ref, User, allow, before, field, me
from scenarios import SYSTEM, Api, Scenario, play, serving


class Tag(Model, key="name", stamps=False):
    name: str
    secret: bool = False

    @allow("read")
    def open(tag, me: Me) -> bool:
        return ~tag.secret

    @allow("update", "delete")
    def anybody(tag, me: Me) -> bool:
        return True


class Post(Model, key="slug", history=True, soft_delete=True):
    slug: str
    title: str = field(max_length=40)
    published: bool = False
    rating: int | None = None
    pin: str = field(default="", hidden=True)
    body: dict[str, Any] = field(default_factory=dict)
    author: Ref[User] = field(default=me)
    blog: Ref[Blog] | None = field(default=None, on_delete="set null")
    tags: Many[Tag]

    @allow("read")
    def published_or_mine(post, me: Me) -> bool:
        return post.published | (post.author == me)

    @allow("read")
    def of_the_sea(post, me: Me) -> bool:
        return me.has_role("sailor") & post.tags.any(lambda tag: tag.name == "sea")

    @allow("create", "update", "delete")
    def mine(post, me: Me) -> bool:
        return post.author == me

    @allow("read", "create", "update", fields=["rating"])
    def raters(post, me: Me) -> bool:
        return me.has_role("rater")

    @before("update")
    async def trim(post) -> None:
        post.title = post.title.strip()


class Blog(Model, key="name", stamps=False):
    name: str

    @allow("read", "delete")
    def everyone(blog, me: Me) -> bool:
        return True


MODELS = (Tag, Blog, Post, User)


@pytest_asyncio.fixture
async def api(database_url: str) -> AsyncIterator[Api]:
    async with serving(database_url, *MODELS) as api:
        for name, *roles in (("ann",), ("ben",), ("rae", "rater"), ("sal", "sailor")):
            await api.person(name, *roles)
        for name in ("sea", "sun", "spy"):
            await api.db.create(Tag, name=name, secret=name == "spy")
        await api.db.create(Blog, name="b")
        yield api


async def history(api: Api, actor: str | None = None, url: str = "/api/posts/p") -> list[Any]:
    """The versions' action and what they changed, newest first."""
    items = await api.items(f"{url}/history", actor)
    return [(item["action"], *item["changed"]) for item in items]


async def numbers(api: Api, actor: str = "admin") -> list[int]:
    items = await api.items("/api/posts/p/history", actor)
    return [item["version"] for item in items]


ALL = [
    "slug", "title", "published", "rating", "body", "author", "blog", "created", "updated",
    "deleted", "tags",
]  # fmt: skip


async def make(api: Api, **values: Any) -> None:
    body = {"slug": "p", "title": "One", **values}
    assert (await api.ask("POST /api/posts", "ann", json=body)).status_code == 201


async def patch(api: Api, actor: str = "ann", **values: Any) -> None:
    assert (await api.ask("PATCH /api/posts/p", actor, json=values)).status_code == 200, values


@pytest.mark.asyncio
async def test_every_write_is_a_version(api: Api) -> None:
    await make(api, tags=["sun"], blog="b", pin="1234")
    await patch(api, title=" Two ", body={"a": 1})
    await patch(api, tags=["sea", "sun"], body={"b": None, "c": [1.5]})
    await api.ask("DELETE /api/tags/sun")
    await api.ask("DELETE /api/blogs/b")
    await api.ask("DELETE /api/posts/p", "ann")
    await api.ask("POST /api/posts/p/restore", "ann")
    assert await history(api, "admin") == [
        ("update", "updated", "deleted"),
        ("delete", "deleted"),
        ("update", "blog"),
        ("update", "tags"),
        ("update", "body", "updated", "tags"),
        ("update", "title", "body", "updated"),
        ("create", *ALL),
    ]
    first = (await api.items("/api/posts/p/history", "admin"))[-1]
    assert (first["actor"][:5], first["at"][-1]) == ("user:", "Z")
    was = (await api.ask(f"GET /api/posts/p/history/{first['version']}", "admin")).json()
    assert (was["title"], was["tags"], was["blog"], "pin" in was) == ("One", ["sun"], "b", False)
    stored = "".join(str(change.data) for change in await api.db.changes(limit=500))
    assert "1234" not in stored


@pytest.mark.asyncio
async def test_what_a_version_shows_is_what_was_read(api: Api) -> None:
    await make(api, tags=["sun", "sea"], body={"z": 1, "a": [1, 2.5, "x"]})
    read = []
    for values in ({"title": "Two"}, {"published": True}, {"tags": []}, {"body": {"q": 1}}):
        read.append((datetime.now(UTC), (await api.ask("GET /api/posts/p", "ann")).json()))
        await patch(api, **values)
    for number, (at, shown) in zip(reversed((await numbers(api))[1:]), read, strict=True):
        for url in (f"/api/posts/p/history/{number}", f"/api/posts/p?as_of={at.isoformat()[:-6]}Z"):
            answer = await api.ask(f"GET {url}", "ann")
            assert (answer.status_code, answer.json()) == (200, shown)
    assert (await api.ask("GET /api/posts/p?as_of=2020-01-01T00:00:00Z", "ann")).status_code == 404
    then = read[0][0]
    assert (await api.db.get(Post, "p", as_of=then)).title == "One"


@pytest.mark.asyncio
@pytest.mark.slow
@pytest.mark.everywhere
async def test_authz_1_history_shows_no_version_that_could_not_be_read(api: Api) -> None:
    await make(api, title="Draft")
    await patch(api, title="Still a draft")
    await patch(api, title="Out", published=True)
    await patch(api, title="Out again")
    assert [await history(api, actor) for actor in (None, "ben")] == [
        [("update", "title", "updated"), ("update", *(name for name in ALL if name != "rating"))]
    ] * 2
    assert len(await history(api, "ann")) == 4
    drafts = (await numbers(api))[2:]
    await play(
        api,
        [Scenario(f"GET /api/posts/p/history/{number}", 404) for number in drafts]
        + [Scenario(f"POST /api/posts/p/history/{drafts[0]}/restore", 401)]
        + [Scenario(f"GET /api/posts/p/history/{number}", 200, actor="ann") for number in drafts],
    )
    early = datetime.now(UTC) - timedelta(days=1)
    assert (await api.ask(f"GET /api/posts/p?as_of={early:%Y-%m-%dT%H:%M:%SZ}")).status_code == 404
    # What may not be read today shows none of its versions either.
    await patch(api, published=False)
    for actor in (None, "ben"):
        assert (await api.ask("GET /api/posts/p/history", actor)).status_code == 404
        for number in await numbers(api):
            url = f"GET /api/posts/p/history/{number}"
            assert (await api.ask(url, actor)).status_code == 404


@pytest.mark.asyncio
async def test_authz_6_rules_see_the_links_of_the_version_and_of_today(api: Api) -> None:
    await make(api, tags=["sun"])
    await patch(api, tags=["sea"])
    await patch(api, title="Two")
    assert [row[0] for row in await history(api, "sal")] == ["update", "update"]
    await patch(api, tags=["sun"])
    assert (await api.ask("GET /api/posts/p/history", "sal")).status_code == 404


@pytest.mark.asyncio
@pytest.mark.slow
@pytest.mark.everywhere
async def test_authz_2_masked_fields_and_hidden_targets_stay_so_in_versions(api: Api) -> None:
    await make(api, published=True, tags=["sun"])
    await api.db.update(await api.db.get(Post, "p"), rating=1, tags=["sun", "spy"])
    await api.db.update(await api.db.get(Post, "p"), rating=2)
    assert [row[1:] for row in await history(api, "ben")][:2] == [("updated",), ("updated",)]
    assert [row[1:] for row in await history(api, "rae")][:1] == [("rating", "updated")]
    newest = (await numbers(api))[0]
    shown = (await api.ask(f"GET /api/posts/p/history/{newest}", "ben")).json()
    assert ("rating" in shown, shown["tags"]) == (False, ["sun"])
    shown = (await api.ask(f"GET /api/posts/p/history/{newest}", "rae")).json()
    assert shown["rating"] == 2


@pytest.mark.asyncio
@pytest.mark.slow
@pytest.mark.everywhere
async def test_a_version_is_restored_by_an_ordinary_update(api: Api) -> None:
    await make(api, tags=["sun"], body={"a": 1}, pin="1234")
    await patch(api, title="Two", tags=["sea"], body={"b": 2, "a": None})
    first = (await numbers(api))[-1]
    url = f"/api/posts/p/history/{first}/restore"
    etag = (await api.ask("GET /api/posts/p", "ann")).headers["etag"]
    await play(
        api,
        [
            Scenario(f"POST {url}", 404, actor="ben"),
            Scenario(f"POST {url}", 412, actor="ann", headers={"if-match": '"0"'}),
            Scenario(f"POST {url}?fields=titel", 400, actor="ann"),
            Scenario(
                f"POST {url}",
                200,
                actor="ann",
                headers={"if-match": etag},
                has=['"One"', '["sun"]', '"a":'],
                lacks=['"b":'],
                changes=("update Post",),
            ),
            Scenario("POST /api/posts/p/history/0/restore", 404, actor="ann"),
            Scenario("POST /api/posts/p/history/x/restore", 404, actor="ann"),
        ],
    )
    assert (await api.db.as_actor(SYSTEM).get(Post, "p")).pin == "1234"


@pytest.mark.asyncio
async def test_what_cannot_be_restored_is_told(api: Api) -> None:
    await make(api, blog="b")
    await patch(api, blog=None)
    await api.ask("DELETE /api/blogs/b")
    first = (await numbers(api))[-1]
    restore = Scenario(
        f"POST /api/posts/p/history/{first}/restore", 422, actor="ann", has=["/blog"]
    )
    await play(api, [restore])


@pytest.mark.asyncio
async def test_authz_6_the_history_of_what_is_deleted_is_for_who_may_restore_it(api: Api) -> None:
    await make(api, published=True)
    await api.ask("DELETE /api/posts/p", "ann")
    assert [row[0] for row in await history(api, "ann")] == ["delete", "create"]
    assert (await api.ask("GET /api/posts/p/history", "ben")).status_code == 404
    await api.ask("DELETE /api/posts/p?purge=true", "ann")
    assert (await api.ask("GET /api/posts/p/history", "ann")).status_code == 404
    assert [row[0] for row in await history(api, "admin")] == ["delete", "delete", "create"]
    await make(api, title="Another")
    assert (await history(api, "ann"))[0][0] == "create"


@pytest.mark.asyncio
async def test_pages_by_cursor_and_wrong_parameters(api: Api) -> None:
    await make(api)
    for place in range(7):
        await patch(api, title=str(place))
    seen, cursor = [], ""
    while cursor is not None:
        page = (await api.ask(f"GET /api/posts/p/history?limit=3{cursor}", "ann")).json()
        seen += [item["version"] for item in page["items"]]
        cursor = page["next"] and f"&cursor={page['next']}"
    assert (seen, len(seen)) == (await numbers(api), 8)
    await play(
        api,
        [
            Scenario("GET /api/posts/p/history?limit=0", 400, actor="ann", has=["?limit"]),
            Scenario("GET /api/posts/p/history?cursor=x", 400, actor="ann", has=["bad_cursor"]),
            Scenario("GET /api/posts/p/history?sort=at", 400, actor="ann", has=["?sort"]),
            Scenario(
                "GET /api/posts/p/history?limit=x&foo=1&cursor=x",
                400,
                actor="ann",
                has=["?limit", "?foo", "?cursor"],
            ),
            Scenario("GET /api/posts/p/history/1?a=1&b=2", 400, actor="ann", has=["?a", "?b"]),
            Scenario("GET /api/posts/p?as_of=x&foo=1", 400, actor="ann", has=["?as_of", "?foo"]),
            Scenario("GET /api/posts/p?not_as_of=1", 400, actor="ann", has=["?not_as_of"]),
            Scenario("GET /api/posts/p/history/9999999999999999999", 404, actor="ann"),
            Scenario("GET /api/posts/q/history", 404, actor="ann"),
            Scenario("GET /api/posts/p?as_of=yesterday", 400, actor="ann", has=["?as_of"]),
            Scenario("GET /api/posts/p?as_of=2020-01-01T00:00:00Z&x=1", 400, actor="ann"),
            Scenario("GET /api/tags/sun/history", 404),
            Scenario("GET /api/tags/sun?as_of=2020-01-01T00:00:00Z", 400),
            Scenario("PUT /api/posts/p/history", 405, shows={"allow": "GET, HEAD, OPTIONS"}),
        ],
    )


def before_the_switch(**options: Any) -> type[Model]:
    class Old(Model, key="id", collection="olds", **options):
        id: int = field(key=True)
        name: str = ""
        note: str | None = None

        @allow("read", "create", "update", "delete")
        def everyone(old, me: Me) -> bool:
            return True

    return Old


@pytest.mark.asyncio
async def test_a_record_older_than_its_history_begins_with_what_was_stored(
    database_url: str,
) -> None:
    url = "/api/olds/1"
    async with serving(database_url, before_the_switch()) as api:
        await api.ask("POST /api/olds", json={"name": "a"})
        await api.ask(f"PATCH {url}", json={"note": "x"})
    async with serving(database_url, before_the_switch(history=True)) as api:
        assert await history(api, url=url) == [
            ("baseline", "id", "name", "note", "created", "updated")
        ]
        assert (await api.ask(f"GET {url}/history/0")).json()["note"] == "x"
        now = f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%S.%fZ}"
        await api.ask(f"PATCH {url}", json={"name": "b"})
        assert (await api.ask(f"GET {url}?as_of={now}")).json()["name"] == "a"
        assert [row[0] for row in await history(api, url=url)] == ["update", "baseline"]
        assert (await api.ask(f"POST {url}/history/0/restore")).json()["name"] == "a"
        await api.db.create(api.app.schema.models["Old"].cls, id=7, name="c")
        assert [row[0] for row in await history(api, url="/api/olds/7")] == ["create"]
        assert (await api.ask("POST /api/olds", json={})).json()["id"] == 8
        assert [row[0] for row in await history(api, url="/api/olds/8")] == ["create"]
        later = datetime.now(UTC) + timedelta(days=1)
        assert await api.app.store.prune_changes(later.isoformat()) == 0
        assert [row[0] for row in await history(api, url=url)] == ["update", "update", "baseline"]
    async with serving(database_url, before_the_switch()) as api:
        await api.ask(f"PATCH {url}", json={"name": "unseen"})
    async with serving(database_url, before_the_switch(history=True)) as api:
        await api.ask(f"PATCH {url}", json={"name": "d"})
        assert [row[0] for row in await history(api, url=url)] == ["update", "baseline"]
        await api.ask(f"DELETE {url}")
        assert (await history(api, "admin", url))[0][0] == "delete"


@pytest.mark.asyncio
@pytest.mark.slow
@pytest.mark.everywhere
async def test_programs_have_it_too(api: Api) -> None:
    ann = Actor(api.people["ann"].removeprefix("Test "))
    db = api.app.db(ann)
    post = await db.create(Post, slug="p", title="One", tags=["sun"])
    async with db.transaction() as tx:
        await tx.update(post, title="Two")
        assert len(await tx.history(post)) == 2
    newest, first = await db.history(post)
    assert (newest.action, newest.changed) == ("update", ("title", "updated"))
    assert [version.number for version in await db.history(post, before=newest.number)] == [
        first.number
    ]
    assert (await db.version(post, first.number)).title == "One"
    assert (await db.restore(post, version=first.number)).title == "One"
    with pytest.raises(NotFound):
        await api.app.db(Actor()).history(post)


def test_the_document_has_the_paths() -> None:
    paths = App(*MODELS, database="sqlite:///unused.db").openapi()["paths"]
    assert "/api/posts/{slug}/history/{version}/restore" in paths
    assert not any("history" in path for path in paths if "/tags" in path)
