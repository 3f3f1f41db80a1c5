"""A blog: posts in Markdown, comments, and editors who moderate them.

`abaft dev examples/blog/app.py` serves it, `python examples/blog/publish.py posts` brings posts in.
"""

from __future__ import annotations

import datetime as dt
import secrets
from pathlib import Path

from fastapi import Response
from fastapi.responses import FileResponse, HTMLResponse

from abaft import App, Many, Me, Model, Ref, User, allow, field, me, not_

HERE = Path(__file__).parent
POLICY = (
    "default-src 'none'; script-src 'nonce-{nonce}'; style-src 'nonce-{nonce}'; img-src 'self'; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


class Category(Model, key="name", stamps=False):
    """What posts are about."""

    name: str = field(max_length=40, pattern="^[a-z0-9 -]+$", examples=["sailing"])

    @allow("read")
    def everyone(category, me: Me) -> bool:
        return True

    @allow("create")
    def writers(category, me: Me) -> bool:
        return me.has_role("writer") | me.has_role("editor")


class Post(Model):
    """A post; until it is published its author and the editors see it."""

    slug: str = field(max_length=80, unique=True, pattern="^[a-z0-9-]+$", examples=["first-wind"])
    title: str = field(max_length=200, search=True, search_weight=3)
    description: str = field(default="", max_length=400, search=True, search_weight=2)
    date: dt.date = field(index=True)
    body: str = field(max_length=100_000, search=True, format="markdown")
    html: str = field(renders="body")
    published: bool = False
    author: Ref[User] = field(default=me, on_delete="cascade")
    categories: Many[Category]
    comments: Many[Comment] = field(back="post")

    @allow("read")
    def what_is_published(post, me: Me) -> bool:
        return post.published

    @allow("read", "update", "delete")
    def its_author(post, me: Me) -> bool:
        return post.author == me

    @allow("read", "update", "delete")
    def editors(post, me: Me) -> bool:
        return me.has_role("editor")

    @allow("create")
    def writers(post, me: Me) -> bool:
        return (post.author == me) & (me.has_role("writer") | me.has_role("editor"))


class Comment(Model):
    """What somebody says about a post; editors hide what shouldn't have been said."""

    text: str = field(max_length=2_000, min_length=1)
    post: Ref[Post] = field(on_delete="cascade", write_once=True)
    author: Ref[User] = field(default=me, on_delete="cascade", write_once=True)
    hidden: bool = False

    @allow("read")
    def what_stands(comment, me: Me) -> bool:
        return not_(comment.hidden) & comment.post.published

    @allow("read", "delete")
    def its_author(comment, me: Me) -> bool:
        return comment.author == me

    @allow("create")
    def whoever_has_logged_in(comment, me: Me) -> bool:
        return (comment.author == me) & comment.post.published

    @allow("update")
    def correcting(comment, me: Me) -> bool:
        return comment.author == me

    @allow("read", "update", "delete")
    def editors(comment, me: Me) -> bool:
        return me.has_role("editor")

    @allow("create", "update", fields=["hidden"])
    def moderation(comment, me: Me) -> bool:
        return me.has_role("editor")


app = App(User, Category, Post, Comment, title="Blog")


@app.get("/", include_in_schema=False)
async def page() -> Response:
    """The page, in which only what has the nonce of this answer runs."""
    nonce = secrets.token_urlsafe(16)
    text = (HERE / "static" / "page.html").read_text("utf-8").replace("{nonce}", nonce)
    policy = POLICY.format(nonce=nonce)
    headers = {"content-security-policy": policy, "cache-control": "no-store"}
    return HTMLResponse(text, headers=headers)


def file(name: str) -> Response:
    return FileResponse(HERE / "static" / name, headers={"cache-control": "no-cache"})


@app.get("/account/{purpose}", include_in_schema=False)
async def page_of_a_mail(purpose: str) -> Response:
    """Where links in mails lead: the page reads the token behind the #."""
    return await page()


@app.get("/page.js", include_in_schema=False)
async def script() -> Response:
    return file("page.js")


@app.get("/page.css", include_in_schema=False)
async def style() -> Response:
    return file("page.css")
