"""Soft deletes: what is deleted is as if it weren't there, until it is restored or purged."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from abaft import App, Conflict, Many, Me, Model, NotFound, Ref, User, after, allow, before, field
from abaft.base.errors import ModelError
from apps.open import Open
from scenarios import Api, Scenario, play, serving

HEARD: list[str] = []


class Tag(Open, key="name", stamps=False, soft_delete=True):
    name: str


class Blog(Model, key="name", stamps=False, soft_delete=True):
    name: str
    owner: Ref[User]
    best: Ref[Post] | None = field(default=None, on_delete="set null")
    posts: Many[Post] = field(back="blog")

    @allow("read")
    def everyone(blog, me: Me) -> bool:
        return True

    @allow("create", "update", "delete")
    def mine(blog, me: Me) -> bool:
        return blog.owner == me

    @before("delete", "update")
    async def hear(blog, me: Me) -> None:
        HEARD.append(f"before {blog.name}")

    @after("delete", "update")
    async def tell(blog, me: Me) -> None:
        HEARD.append(f"after {blog.name}")


class Post(Open, soft_delete=True, unique=[("blog", "rank")]):
    slug: str = field(unique=True)
    blog: Ref[Blog] = field(on_delete="cascade")
    rank: int | None = None
    tags: Many[Tag]
    comments: Many[Comment] = field(back="post")


class Comment(Open, soft_delete=True):
    text: str
    post: Ref[Post] = field(on_delete="cascade")


class Log(Open):
    post: Ref[Post] = field(on_delete="cascade")


class Link(Open):
    """Keeps a blog from being deleted."""

    to: Ref[Blog]


class Reader(Model, key="name", stamps=False):
    name: str
    blog: Ref[Blog]

    @allow("read")
    def of_blogs_with_posts(reader, me: Me) -> bool:
        return reader.blog.posts.any(lambda post: post.tags.any(lambda tag: tag.name == "sea"))


MODELS = (Tag, Blog, Post, Comment, Log, Link, Reader)


@pytest_asyncio.fixture
async def api(database_url: str) -> AsyncIterator[Api]:
    HEARD.clear()
    async with serving(database_url, *MODELS, User) as api:
        db, ann = api.db, await api.person("ann")
        await api.person("ben")
        for name in ("sea", "sun"):
            await db.create(Tag, name=name)
        blog = await db.create(Blog, name="b", owner=ann)
        for slug in ("x", "y"):
            post = await db.create(Post, slug=slug, blog=blog, tags=["sea", "sun"])
            await db.create(Comment, text=f"on {slug}", post=post)
            await db.create(Log, post=post)
        await db.update(blog, best=post)
        await db.create(Reader, name="r", blog=blog)
        HEARD.clear()
        yield api


async def post(api: Api, slug: str, **options: Any) -> Any:
    [found] = await api.db.list(Post, lambda post: post.slug == slug, **options)
    return found


@pytest.mark.asyncio
@pytest.mark.slow
@pytest.mark.everywhere
async def test_what_is_deleted_is_not_there_by_any_way(api: Api) -> None:
    x, y = await post(api, "x"), await post(api, "y")
    await play(
        api,
        [
            Scenario(f"DELETE /api/posts/{y.id}", 204, changes=("delete Post", "delete Comment")),
            Scenario(f"GET /api/posts/{y.id}", 404),
            Scenario(f"PATCH /api/posts/{y.id}", 404, json={"rank": 1}),
            Scenario(f"DELETE /api/posts/{y.id}", 404),
            Scenario("GET /api/posts?count=exact", 200, has=['"count":1', '"x"'], lacks=['"y"']),
            Scenario("GET /api/blogs/b?expand=posts,best", 200, has=['"x"'], lacks=['"y"']),
            Scenario("GET /api/blogs?posts.slug=y", 200, has=['"items":[]']),
            Scenario("GET /api/blogs?best.slug=y", 200, has=['"items":[]']),
            Scenario("GET /api/blogs?best.slug[isnull]=true", 200, has=['"b"']),
            Scenario(f"GET /api/blogs?posts={y.id}", 200, has=['"items":[]']),
            Scenario("GET /api/logs?post.slug=y", 200, has=['"items":[]']),
            Scenario("GET /api/comments?count=exact", 200, has=['"count":1', "on x"]),
            Scenario(
                "POST /api/comments", 422, json={"text": "?", "post": str(y.id)}, has=["no_such"]
            ),
            Scenario(f"PUT /api/posts/{y.id}", 409, json={"slug": "y", "blog": "b"}, has=["taken"]),
            Scenario("DELETE /api/tags/sea", 204, changes=("delete Tag",)),
            Scenario(f"GET /api/posts/{x.id}", 200, has=['"tags":["sun"]']),
            Scenario(f"PATCH /api/posts/{x.id}", 422, json={"tags": ["sea"]}, has=["/tags"]),
            Scenario("GET /api/posts?tags=sea", 200, has=['"items":[]']),
            Scenario("GET /api/readers", 200, has=['"items":[]']),
            Scenario("GET /api/posts?sort=blog.name,slug", 200, has=['"x"']),
        ],
    )
    assert await api.db.count(Post) == 1
    with pytest.raises(NotFound):
        await api.db.get(Post, y)


@pytest.mark.asyncio
async def test_rules_of_relations_see_only_what_is_there(api: Api) -> None:
    readers = "GET /api/readers/r"
    assert (await api.ask(readers)).status_code == 200
    await api.ask("DELETE /api/tags/sea")
    assert (await api.ask(readers)).status_code == 404
    await api.ask("POST /api/tags/sea/restore")
    assert (await api.ask(readers)).status_code == 200
    await api.ask(f"DELETE /api/posts/{(await post(api, 'x')).id}")
    assert (await api.ask(readers)).status_code == 200
    await api.ask(f"DELETE /api/posts/{(await post(api, 'y')).id}")
    assert (await api.ask(readers)).status_code == 404


@pytest.mark.asyncio
async def test_what_a_deleted_record_holds_may_be_used_again(api: Api) -> None:
    y = await post(api, "y")
    assert (await api.ask("POST /api/posts", json={"slug": "y", "blog": "b"})).status_code == 409
    await api.ask(f"DELETE /api/posts/{y.id}")
    assert (await api.ask("POST /api/posts", json={"slug": "y", "blog": "b"})).status_code == 201
    await play(
        api,
        [Scenario(f"POST /api/posts/{y.id}/restore", 409, has=["/slug", "slug is taken"])],
    )
    await api.db.delete(await post(api, "y"))
    with pytest.raises(Conflict):
        await api.db.create(Post, slug="x", blog="b")
    assert (await api.ask(f"POST /api/posts/{y.id}/restore")).status_code == 200


@pytest.mark.asyncio
async def test_a_restore_brings_back_what_went_along_and_nothing_else(api: Api) -> None:
    x, y = await post(api, "x"), await post(api, "y")
    await api.db.delete(await api.db.get(Reader, "r"))
    await api.ask(f"DELETE /api/posts/{x.id}")
    await play(
        api,
        [
            Scenario(
                "DELETE /api/blogs/b",
                204,
                actor="ann",
                changes=("delete Blog", "delete Post", "delete Comment"),
            ),
            Scenario("GET /api/posts?deleted=only&sort=slug", 200, has=['"x"', '"y"']),
            Scenario(
                "POST /api/blogs/b/restore?fields=name",
                200,
                actor="ann",
                has=['{"name":"b"}'],
                changes=("update Blog", "update Post", "update Comment"),
            ),
            Scenario("POST /api/blogs/b/restore", 404, actor="ann"),
            Scenario("GET /api/comments", 200, has=["on y"], lacks=["on x"]),
            Scenario(f"GET /api/posts/{y.id}", 200, has=['"tags":["sea","sun"]', '"deleted":null']),
            Scenario(f"GET /api/posts/{x.id}", 404),
            Scenario(f"GET /api/posts/{x.id}?deleted=with", 200, has=['"deleted":"20']),
        ],
    )
    assert HEARD == ["before b", "after b", "before b", "after b"]
    restored = [change for change in await api.db.changes(limit=500)][-3:]
    assert [dict(change.data)["deleted"] for change in restored] == [None] * 3


@pytest.mark.asyncio
@pytest.mark.slow
@pytest.mark.everywhere
async def test_what_restricts_keeps_a_record_as_long_as_it_is_there(api: Api) -> None:
    link = await api.db.create(Link, to="b")
    await play(
        api,
        [
            Scenario("DELETE /api/blogs/b", 409, actor="ann", has=["still_referred_to", "links"]),
            Scenario("DELETE /api/blogs/b", 403, actor="ben"),
            Scenario("GET /api/posts?count=exact", 200, has=['"count":2']),
            Scenario(f"DELETE /api/links/{link.id}", 204, changes=("delete Link",)),
        ],
    )
    assert (await api.ask("DELETE /api/blogs/b", "ann")).status_code == 409  # readers
    await api.db.delete(await api.db.get(Reader, "r"))
    assert (await api.ask("DELETE /api/blogs/b", "ann")).status_code == 204


@pytest.mark.asyncio
async def test_a_purge_is_for_good(api: Api) -> None:
    y = await post(api, "y")
    await play(
        api,
        [
            Scenario(f"DELETE /api/posts/{y.id}?purge=yes", 400, has=["?purge"]),
            Scenario(f"DELETE /api/posts/{y.id}", 204, changes=("delete Post", "delete Comment")),
            Scenario(
                f"DELETE /api/posts/{y.id}?purge=true",
                204,
                changes=(
                    "delete Post",
                    "update Blog",
                    "delete Comment",
                    "delete Log",
                    "delete Post.tags",
                    "delete Post.tags",
                ),
            ),
            Scenario(f"POST /api/posts/{y.id}/restore", 404),
            Scenario(f"GET /api/posts/{y.id}?deleted=with", 404),
            Scenario("GET /api/blogs/b", 200, has=['"best":null']),
            Scenario("DELETE /api/logs/x?purge=true", 400, has=["unknown_parameter"]),
        ],
    )
    x = await post(api, "x")
    await api.db.delete(x, purge=True)
    assert await api.db.count(Post, deleted="with") == 0


@pytest.mark.asyncio
async def test_authz_2_deleted_records_are_for_those_who_might_delete_them(api: Api) -> None:
    await api.db.delete(await api.db.get(Reader, "r"))
    assert (await api.ask("DELETE /api/blogs/b", "ann")).status_code == 204
    await play(
        api,
        [
            Scenario("GET /api/blogs?deleted=with", 200, has=['"items":[]']),
            Scenario("GET /api/blogs?deleted=with", 200, actor="ben", has=['"items":[]']),
            Scenario("GET /api/blogs?deleted=only", 200, actor="ben", has=["[]"]),
            Scenario("GET /api/blogs?deleted=only", 200, actor="ann", has=['"b"']),
            Scenario("GET /api/blogs?deleted=with", 200, actor="admin", has=['"b"']),
            Scenario("GET /api/blogs/b?deleted=with", 404, actor="ben"),
            Scenario("GET /api/blogs/b?deleted=only", 200, actor="ann"),
            Scenario("GET /api/blogs/b?deleted=yes&expand=no", 400, actor="ann", has=["?"]),
            Scenario("GET /api/blogs?deleted=yes&sort=no", 400, has=["?deleted", "?sort"]),
            Scenario("POST /api/blogs/b/restore", 404, actor="ben"),
            Scenario("POST /api/blogs/b/restore", 401),
            Scenario("DELETE /api/blogs/b?purge=true", 404, actor="ben"),
            Scenario("GET /api/readers?deleted=with", 400, has=["unknown_parameter"]),
            Scenario("POST /api/readers/r/restore", 405),
            Scenario("GET /api/blogs/b/restore", 405, shows={"allow": "OPTIONS, POST"}),
            Scenario("POST /api/blogs/b/restore/", 405),
            Scenario("POST /api/blogs/b%2Frestore", 405),
        ],
    )


@pytest.mark.asyncio
@pytest.mark.parametrize("sort", ["post.slug", "-post.slug", "post.blog.name,-post.slug"])
async def test_pages_go_on_behind_records_whose_relation_is_deleted(api: Api, sort: str) -> None:
    for _ in range(3):
        await api.db.create(Log, post=await post(api, "y"))
    await api.db.delete(await post(api, "x"))
    await api.db.create(Log, post=await post(api, "y"))
    seen, cursor = [], ""
    while cursor is not None:
        answer = await api.ask(f"GET /api/logs?sort={sort}&limit=2{cursor}")
        page = answer.json()
        seen += [row["id"] for row in page["items"]]
        cursor = page["next"] and f"&cursor={page['next']}"
    assert len(seen) == len(set(seen)) == 6


@pytest.mark.asyncio
async def test_if_match_holds_for_deletes_and_restores(api: Api) -> None:
    url = f"/api/posts/{(await post(api, 'y')).id}"
    etag = (await api.ask(f"GET {url}")).headers["etag"]
    stale = {"if-match": '"0"'}
    assert (await api.ask(f"DELETE {url}", headers=stale)).status_code == 412
    assert (await api.ask(f"DELETE {url}", headers={"if-match": etag})).status_code == 204
    assert (await api.ask(f"POST {url}/restore", headers={"if-match": etag})).status_code == 412
    etag = (await api.ask(f"GET {url}?deleted=only")).headers["etag"]
    assert (await api.ask(f"POST {url}/restore", headers={"if-match": etag})).status_code == 200


@pytest.mark.asyncio
async def test_of_many_deletes_and_restores_at_once_one_takes_place(api: Api) -> None:
    url = f"/api/posts/{(await post(api, 'y')).id}"
    deletes = await asyncio.gather(*(api.ask(f"DELETE {url}") for _ in range(20)))
    assert sorted(answer.status_code for answer in deletes) == [204] + [404] * 19
    restores = await asyncio.gather(*(api.ask(f"POST {url}/restore") for _ in range(20)))
    assert sorted(answer.status_code for answer in restores) == [200] + [404] * 19


@pytest.mark.asyncio
@pytest.mark.slow
@pytest.mark.everywhere
async def test_programs_see_and_restore_them_as_well(api: Api) -> None:
    y = await post(api, "y")
    async with api.db.transaction() as tx:
        await tx.delete(y)
        assert await tx.count(Post) == 1
        assert (await tx.get(Post, y, deleted="with")).deleted is not None
    assert [row.slug for row in await api.db.list(Post, deleted="only")] == ["y"]
    assert (await api.db.restore(y)).deleted is None
    with pytest.raises(NotFound):
        await api.db.restore(y)


@pytest.mark.slow
def test_a_field_of_that_name_stops_the_start() -> None:
    class Old(Model, soft_delete=True):
        deleted: bool = False

    with pytest.raises(ModelError, match="deleted"):
        App(Old, database="sqlite:///unused.db")


def test_a_rule_called_with_records_takes_those_made_by_hand_for_there() -> None:
    App(*MODELS, database="sqlite:///unused.db")
    tagged: Any = Post(slug="p", tags=[Tag(name="sea")])
    gone: Any = Post(slug="p", tags=[Tag(name="sea", deleted="yesterday")])
    for posts, seen in (([tagged], True), ([gone], False)):
        blog: Any = Blog(name="b", posts=posts)
        assert Reader.of_blogs_with_posts(Reader(name="r", blog=blog)) is seen
