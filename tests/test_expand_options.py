"""`expand` with options: which records of a relation, in what order, how many of how many."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from abaft import Many, Me, Model, Ref, User, allow, field
from each import each
from scenarios import Api, serving


class Open(Model, abstract=True):
    @allow("read", "create", "update")
    def anybody(record, me: Me) -> bool:
        return True


class Tag(Open, key="name", stamps=False):
    name: str
    weight: int = 0
    posts: Many[Post] = field(back="main")


class Post(Open, key="slug", stamps=False):
    slug: str
    rating: int | None = None
    main: Ref[Tag] | None = None
    tags: Many[Tag]
    comments: Many[Comment] = field(back="post")


class Comment(Model, key="number", stamps=False):
    number: int
    post: Ref[Post]
    text: str
    stars: int = 0
    hidden_to: str = ""
    mood: str = "calm"

    @allow("read")
    def open_ones(comment, me: Me) -> bool:
        return (comment.hidden_to == "") | me.has_role("staff")

    @allow("read", fields=["mood"])
    def staff(comment, me: Me) -> bool:
        return me.has_role("staff") | (comment.stars > 3)


@pytest.fixture
async def api(database_url: str) -> AsyncIterator[Api]:
    async with serving(database_url, Tag, Post, Comment, User) as api:
        db = api.db
        for name, weight in (("red", 3), ("green", 1), ("blue", 2)):
            await db.create(Tag, name=name, weight=weight)
        await db.create(Post, slug="a", main="red", tags=["red", "blue", "green"])
        await db.create(Post, slug="b", main="red", rating=5, tags=["green"])
        for number in range(6):
            hidden = "all" if number == 5 else ""
            text = f"text {number}; (or) 'so'"
            await db.create(
                Comment, number=number, post="a", text=text, stars=number, hidden_to=hidden
            )
        await api.person("staff", "staff")
        yield api


async def one(api: Api, query: str, actor: str | None = None, path: str = "posts/a") -> Any:
    answer = await api.ask(f"GET /api/{path}?{query}", actor)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def test_a_page_of_a_relation(api: Api) -> None:
    found = (
        await one(
            api, "slug=a&expand=comments(fields=number;sort=-stars;limit=2;count)", None, "posts"
        )
    )["items"]
    assert found[0]["comments"] == [{"number": 4}, {"number": 3}]
    assert found[0]["comments_count"] == 5
    found = await one(api, "expand=comments(fields=number;limit=1;count)", "staff")
    assert (found["comments"], found["comments_count"]) == ([{"number": 0}], 6)


async def test_a_relation_is_filtered_by_the_language(api: Api) -> None:
    async def numbers(text: str) -> list[int]:
        query = f"slug=a&expand=comments(fields=number;filter={text})"
        items = (await one(api, query, None, "posts"))["items"]
        return [item["number"] for item in items[0]["comments"]]

    assert await numbers("stars > 1 and stars < 4") == [2, 3]
    assert await numbers("text = \"text 2; (or) 'so'\"") == [2]
    assert await numbers("post.rating is null and any(post.tags, name = 'blue')") == [0, 1, 2, 3, 4]
    assert await numbers("post.rating = 5") == []


async def test_links_and_nested_relations_have_options_too(api: Api) -> None:
    inner = "expand=posts(fields=slug;sort=-slug)"
    found = await one(api, f"fields=slug&expand=tags(sort=-weight;fields=name;limit=2;{inner})")
    assert found["tags"] == [
        {"name": "red", "posts": [{"slug": "b"}, {"slug": "a"}]},
        {"name": "blue", "posts": []},
    ]
    found = await one(api, "fields=slug&expand=main(fields=name;expand=posts(limit=1;fields=slug))")
    assert found["main"] == {"name": "red", "posts": [{"slug": "a"}]}
    same = await one(api, "fields=slug&expand=main.posts(limit=1;fields=slug),main(fields=name)")
    assert same["main"] == found["main"]


async def test_authz_2_options_tell_nothing_of_what_is_hidden(api: Api) -> None:
    query = "slug=a&expand=comments(fields=number;filter=mood = 'calm';count)"
    public = (await one(api, query, None, "posts"))["items"][0]
    assert ([c["number"] for c in public["comments"]], public["comments_count"]) == ([4], 1)
    staff = (await one(api, query, "staff", "posts"))["items"][0]
    assert staff["comments_count"] == 6


@each(
    ("text", "code"),
    [
        ("comments(sort=nothing)", "unknown_field"),
        ("comments(limit=0)", "bad_value"),
        ("comments(limit=9999999)", "bad_value"),
        ("comments(size=3)", "unknown_option"),
        ("comments(limit=1;limit=2)", "repeated_option"),
        ("comments(filter=stars >)", "filter_syntax"),
        ("comments(filter=stern = 1)", "unknown_field"),
        ("main(limit=1)", "to_one"),
        ("comments(limit=1", "expand_syntax"),
        ("comments)", "unknown_relation"),
        ("comments(count=many)", "bad_value"),
        ("comments(),comments()", "repeated_relation"),
        ("comments(fields=)", "bad_value"),
        ("comment(limit=1)", "unknown_relation"),
        ("comments(expand=post(expand=main(expand=posts(expand=comments))))", "expand_too_deep"),
    ],
)
async def test_what_is_wrong_is_told(api: Api, text: str, code: str) -> None:
    answer = await api.ask(f"GET /api/posts?expand={text}")
    assert answer.status_code == 400, answer.text
    assert code in {problem["code"] for problem in answer.json()["errors"]}, answer.text


async def test_one_record_takes_a_filter_within_and_a_write_doesnt(api: Api) -> None:
    found = await one(api, "fields=slug&expand=comments(fields=number;filter=stars > 2)")
    assert [comment["number"] for comment in found["comments"]] == [3, 4]
    query = "expand=comments(filter=stars > 1)"
    answer = await api.ask(f"PATCH /api/posts/a?{query}", json={"rating": 1})
    assert (answer.status_code, answer.json()["code"]) == (400, "filter_elsewhere")
