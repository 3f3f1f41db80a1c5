"""abaft's side: the models of the peer, and the same rule, as an abaft user would write them."""

from __future__ import annotations

import os
from collections.abc import Mapping
from datetime import datetime

from abaft import Actor, App, Many, Me, Model, Ref, allow, field, now
from bench import data


class Author(Model, stamps=False):
    name: str = field(max_length=80)
    email: str = field(max_length=120)
    posts: Many[Post] = field(back="author")

    @allow("read", "create")
    def everyone(author, me: Me) -> bool:
        return True


class Post(Model, stamps=False, index=[("author", "created")]):
    title: str = field(max_length=200)
    body: str
    views: int = field(ge=0)
    published: bool
    author: Ref[Author]
    created: datetime = field(index=True, default=now, read_only=True)

    @allow("read", "create", "update")
    def everyone(post, me: Me) -> bool:
        return True


class Note(Model, stamps=False, index=[("author", "created")]):
    title: str = field(max_length=200)
    body: str
    views: int = field(ge=0)
    published: bool
    author: Ref[Author]
    created: datetime = field(index=True, default=now, read_only=True)

    @allow("read")
    def published_or_mine(note, me: Me) -> bool:
        return note.published | (note.author == me)


class Tokens:
    """The token ``user-<number>`` stands for that author; no token, for nobody."""

    async def authenticate(self, headers: Mapping[str, str]) -> Actor | None:
        scheme, _, token = headers.get("authorization", "").partition(" ")
        kind, _, number = token.partition("-")
        if scheme.lower() != "bearer" or kind != "user" or not number.isdecimal():
            return None
        return Actor(id=str(data.author_id(int(number))))


app = App(Author, Post, Note, database=os.environ["BENCH_DATABASE"], authenticators=[Tokens()])
