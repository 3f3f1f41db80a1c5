"""What the soak runs: a little of everything that keeps state."""

from __future__ import annotations

import os

from abaft import App, Many, Me, Model, Ref, Settings, allow, computed, field


class Open(Model, abstract=True):
    @allow("read", "create", "update", "delete")
    def everyone(record, me: Me) -> bool:
        return True


class Person(Open, key="handle", collection="people"):
    handle: str = field(max_length=40)
    posts: Many["Post"] = field(back="author")  # noqa: UP037 - App looks the name up


class Tag(Open, key="name", stamps=False):
    name: str = field(max_length=40)


class Post(Open, key="number"):
    number: int
    title: str = field(search=True)
    views: int = field(default=0, ge=0)
    author: Ref[Person] = field(on_delete="cascade")
    tags: Many[Tag]

    @computed
    def popular(post) -> bool:
        return post.views > 100


app = App(Person, Tag, Post, settings=Settings(database=os.environ["BENCH_DATABASE"]))
