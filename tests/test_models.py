"""Declarations: what the schema makes of them, and mistakes that are told with what to write."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from decimal import Decimal
from enum import Enum
from typing import Any, Literal
from uuid import UUID

import pytest

from abaft import (
    App,
    Many,
    Model,
    Ref,
    Settings,
    User,
    allow,
    before,
    check,
    computed,
    field,
    me,
    now,
)
from abaft.base.errors import ModelError, SetupError
from abaft.model.build import build
from abaft.model.names import collection


class Author(Model):
    """Who writes."""

    name: str = field(max_length=10, unique=True, description="the name", examples=["Ann"])
    posts: Many[Post] = field(back="author")


class Base(Model, abstract=True):
    slug: str = field(index=True)

    @allow("read")
    def anybody(record, me: Any) -> bool:
        return True


class Post(Base, unique=[("slug", "author")], index=[("slug", "size")]):
    size: int = 0
    at: datetime = field(default=now)
    author: Ref[Author] = field(default=me, on_delete="cascade")
    price: Decimal = field(default=Decimal("1"), max_digits=5, decimal_places=2)
    tags: Many[Tag]
    code: str = field(default_factory=lambda: "x", column="old_code", hidden=True)
    serial: int | None = field(default=None, read_only=True)

    @check
    def positive(post) -> bool:
        return post.size >= 0


class Tag(Model, key="name", stamps=False, table="labels", collection="labels"):
    name: str


class Pair(Model, key=("left", "right"), stamps=False):
    left: Ref[Tag]
    right: int


class Line(Model):
    left: str
    right: int
    pair: Ref[Pair] = field(via=("left", "right"), on_delete="cascade")


def test_the_schema_says_what_was_declared() -> None:
    schema = build([Author, Post, Tag, Pair, Line])
    post, author, pair = (schema.models[name] for name in ("Post", "Author", "Pair"))
    assert list(post.fields) == ["id", "slug", "size", "at", "author", "price", "code", "serial",
                                 "created", "updated"]  # fmt: skip
    assert (post.collection, post.table, post.key) == ("posts", "posts", ("id",))
    assert schema.models["Tag"].table == "labels"
    assert set(schema.collections) == {"authors", "posts", "labels", "pairs", "lines"}
    assert [rule.name for rule in post.rules] == ["anybody"]
    assert [found.name for found in post.checks] == ["positive"]
    assert (post.uniques, post.indexes) == ((("slug", "author"),), (("slug", "size"),))
    assert post.fields["author"].default_me
    assert post.fields["author"].kind.name == "uuid"
    assert post.fields["code"].column == "old_code"
    needed = {name for name, row in post.fields.items() if row.required and row.writable}
    assert needed == {"slug"}
    writable = {name for name, row in post.fields.items() if row.writable}
    assert writable == {"slug", "size", "at", "author", "price", "code"}
    assert author.many["posts"].back == "author"
    link = schema.models["Post.tags"]
    assert (link.internal, link.table, link.key) == (True, "post_tags", ("post", "tag"))
    assert {one.on_delete for one in link.one.values()} == {"cascade"}
    assert pair.fields["left"].kind.name == "text"
    assert schema.models["Line"].one["pair"].columns == ("left", "right")
    assert author.description == "Who writes."


def test_a_relation_is_optional_wherever_its_annotation_says_so() -> None:
    class Inside(Model):
        author: Ref[Author | None]

    class Outside(Model):
        author: Ref[Author] | None

    schema = build([Author, Inside, Outside])
    assert schema.models["Inside"].fields["author"].nullable
    assert schema.models["Outside"].fields["author"].nullable


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("OrderLine", "order_lines"), ("HTTPLog", "http_logs"), ("City", "cities"), ("Day", "days"),
        ("Box", "boxes"), ("Address", "addresses"), ("Church", "churches"), ("A1B", "a1_bs"),
    ],
)  # fmt: skip
def test_collections_are_plural_and_snake_case(name: str, expected: str) -> None:
    assert collection(name) == expected


class Odd(Enum):
    A = 1
    B = "b"


def made(annotations: dict[str, Any], **rest: Any) -> Callable[[], type[Model]]:
    """A model whose class body holds these annotations and values."""
    keywords = rest.pop("keywords", {})

    def make() -> type[Model]:
        body = {"__annotations__": annotations, "__module__": __name__, **rest}
        kind: Any = type(Model)
        cls: type[Model] = kind("Made", (Model,), body, **keywords)
        return cls

    return make


TWICE = "Made.x is a field and a decorated function: give the function another name"
MISTAKES: list[tuple[Callable[[], type[Model]], str]] = [
    (made({"x": complex}), "is no kind of field; known are str"),
    (made({"x": "Nowhere"}), "'Nowhere' is not defined"),
    (made({"x": int | str}), "is no kind of field"),
    (made({"x": Odd}), "is no kind of field"),
    (made({"x": Literal[1, "a"]}), "is no kind of field"),
    (made({"x": Decimal}), "decimal_places=2"),
    (made({"x": Decimal}, x=field(max_digits=40, decimal_places=2)), "at most 18 digits"),
    (made({"x": int}, x=field(max_length=5)), "max_length is no constraint of integer"),
    (made({"x": str}, x=field(ge=5)), "ge is no constraint of text"),
    (made({"x": int}, x=field(collate="nocase")), "collate is for text"),
    (made({"x": int}, x=field(search=True)), "search is for text"),
    (made({"x": str}, x=field(pattern="(")), "Made.x"),
    (made({"x": datetime}, x=field(default=datetime(2020, 1, 1))), "no time zone"),
    (made({"x": int}, x="five"), "Made.x: the default"),
    (made({"x": str}, x=field(default="long", max_length=2)), "Made.x: the default"),
    (made({"x": Literal["a"]}, x="b"), "Made.x: the default"),
    (made({"x": str}, x=now), "Made.x: the default"),
    (made({"x": str}, x=field(default="", key=True)), "Made.x: the default ''"),
    (made({"highlights": int}), "this name can't be a field's"),
    (made({"a__b": int}), "this name can't be a field's"),
    (made({"x": Many[User] | None}), "can't be optional, it can be empty"),
    (made({"x": Ref[Pair]}), "name this model's fields that hold it: field(via=("),
    (made({"x": Ref[Pair], "a": str}, x=field(via=("a", "b"))), "via names 'b', which is no field"),
    (
        made({"x": Ref[Pair], "a": str, "b": str}, x=field(via=("a", "b"))),
        "via must hold Pair's key",
    ),
    (made({"x": Ref[User]}, x=field(on_delete="set null")), "needs an optional Ref"),
    (made({"x": Many[Author]}, x=field(back="name")), "Author.name is no Ref to Made"),
    (made({"x": Many[Pair]}), "link it by a model of your own"),
    (made({"x": Many[User]}, x=field(through="Nope")), "through='Nope' names no model"),
    (made({"x": Many[Author]}, x=field(through=User)), "exactly one Ref to Made to link by"),
    (made({"x": str | None}, keywords={"key": "x"}), "a key can't be optional"),
    (made({"x": str}, keywords={"key": "y"}), "key 'y' is no field"),
    (made({"x": bytes | None}, x=field(key=True)), "a key can't be optional"),
    (made({"x": dict}, keywords={"key": "x"}), "can't be a key"),
    (made({"x": str}, keywords={"unique": [("z",)]}), "'z' is no field"),
    (made({"x": str}, keywords={"table": "abaft_x"}), "abaft's own"),
    (made({"x": str}, keywords={"table": "users"}), "share the table"),
    (made({"x": str}, keywords={"collection": "users", "table": "t"}), "share the collection"),
    (made({"x": str, "y": str}, y=field(column="x")), "share the column"),
    (made({"x": str}, x=allow("read")(lambda record, me: True)), TWICE),
    (made({"x": str}, x=check(lambda record: True)), TWICE),
    (made({"x": str}, x=computed(lambda record: "a")), TWICE),
    (made({"x": str}, x=before("create")(lambda record: None)), TWICE),
]


@pytest.mark.parametrize(("make", "told"), MISTAKES, ids=[row[1][:40] for row in MISTAKES])
def test_a_mistake_is_told_with_what_to_write(make: Any, told: str, tmp_path: Any) -> None:
    with pytest.raises(SetupError) as raised:
        App(make(), User, settings=Settings(database=f"sqlite:///{tmp_path}/x.db"), sinks=())
    assert told in str(raised.value)
    assert "Made" in str(raised.value) or "made" in str(raised.value)


def test_what_is_inherited_shares_no_name_with_a_field_either() -> None:
    rule: Any = allow("read")(lambda record, me: True)
    kind: Any = type(Model)
    ruled = kind("Ruled", (Model,), {"x": rule, "__module__": __name__}, abstract=True)
    typed = kind("Typed", (Model,), {"__annotations__": {"x": str}, "__module__": __name__})
    with pytest.raises(ModelError, match=r"Made\.x is a field and a decorated function"):
        kind("Made", (ruled,), {"__annotations__": {"x": str}, "__module__": __name__})
    with pytest.raises(ModelError, match=r"Made\.x is a field and a decorated function"):
        kind("Made", (typed,), {"x": rule, "__module__": __name__})


def test_only_models_are_taken_once() -> None:
    for given, told in (
        ([str], "is no model"),
        ([Base], "is no model"),
        ([Author, type("Author", (Model,), {})], "same name"),
    ):  # fmt: skip
        with pytest.raises(ModelError, match=told):
            build(given)  # type: ignore[arg-type]


def test_a_record_is_a_plain_value() -> None:
    build([Author, Post, Tag, Pair, Line])
    one, two = Author(id=UUID(int=1), name="a"), Author(id=UUID(int=1), name="b")
    assert one == two
    assert hash(one) == hash(two)
    assert one != Author(id=UUID(int=2), name="a")
    assert repr(Post(slug="s", code="secret")) == "Post(slug='s')"
    with pytest.raises(TypeError, match="did you mean 'name'"):
        Author(nam="x")  # type: ignore[call-arg]
    with pytest.raises(AttributeError, match="was not read"):
        _ = Author(name="x").posts
    with pytest.raises(AttributeError, match="no attribute"):
        _ = Author(name="x").nope  # type: ignore[attr-defined]
