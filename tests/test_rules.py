"""Rules: what can't become a query is refused at the start, and values give the query's answer."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Literal

import pytest

from abaft import (
    Actor,
    App,
    Many,
    Me,
    Model,
    Ref,
    Settings,
    User,
    allow,
    check,
    contains,
    field,
    is_null,
    not_,
    one_of,
)
from abaft.base.errors import ModelError, RuleError
from abaft.model.evaluate import evaluate
from abaft.model.trace import trace
from scenarios import ByHeader, serving

BOOLEAN = "`&`, `|`, `~`"


def model_with(rule: Callable[..., Any], decorate: Any = None) -> type[Model]:
    class Note(Model):
        title: str = ""
        place: int = 0
        price: Decimal = field(default=Decimal(0), decimal_places=2)
        status: Literal["new", "old"] = "new"
        at: datetime | None = None
        meta: dict[str, Any] | None = None
        open: bool = False
        author: Ref[User] | None = None
        editor: Ref[User] | None = None
        parent: Ref[Note] | None = None
        notes: Many[Note] = field(back="parent")

        rule_ = (decorate or allow("read"))(rule)

    # Named as it is found: a local class can't be named by its own annotations.
    Note.__module__ = __name__
    globals()["Note"] = Note
    return Note


UNTRACEABLE: list[tuple[Callable[..., Any], str]] = [
    (lambda note, me: note.open and note.author == me, BOOLEAN),
    (lambda note, me: note.open or note.author == me, BOOLEAN),
    (lambda note, me: not note.open, BOOLEAN),
    (lambda note, me: True if note.open else note.author == me, BOOLEAN),
    (lambda note, me: note.status in ("new", "old"), "one_of("),
    (lambda note, me: "x" in note.title, "contains("),
    (lambda note, me: 1 < note.place < 3, BOOLEAN),
    (lambda note, me: len(note.title) > 3, "len()"),
    (lambda note, me: any(n.open for n in note.notes), ".any("),
    (lambda note, me: note.title.title() == "X", ".title can't become a query"),
    (lambda note, me: note.title("x"), "a call"),
    (lambda note, me: str(note.title) == "x", "a conversion"),
    (lambda note, me: f"{note.title}" == "x", "a conversion"),
    (lambda note, me: note.place % 2 == 1, "TypeError"),
    (lambda note, me: note.titel == "x", "did you mean 'title'?"),
    (lambda note, me: note.title, "a condition was expected here"),
    (lambda note, me: None, "a condition was expected here"),
    (lambda note, me: note.title == 1, "isn't a value of kind text"),
    (lambda note, me: note.place == 1.5, "isn't a value of kind integer"),
    (lambda note, me: note.place == "1", "isn't a value of kind integer"),
    (lambda note, me: note.price < Decimal("1.999"), "isn't a value of kind decimal"),
    (lambda note, me: note.price < 0.1, "isn't a value of kind decimal"),
    (lambda note, me: note.status == "bogus", "isn't a value of kind choice"),
    (lambda note, me: note.at < datetime(2024, 1, 1), "isn't a value of kind datetime"),
    (lambda note, me: note.meta == {"a": 1}, "isn't a value of kind json"),
    (lambda note, me: note.meta > {"a": 1}, "no order"),
    (lambda note, me: note.title == note.place, "text can't be compared with integer"),
    (lambda note, me: note.title == me, "compared with a relation"),
    (lambda note, me: note.author == note.parent, "a User is compared with"),
    (lambda note, me: note.author == "x", "a User is compared with"),
    (lambda note, me: note.author is None, "is_null("),
    (lambda note, me: note.notes.any(lambda n: n.at is not None), "is_null("),
    (lambda note, me: note.notes.any(lambda n: n.open and n.open), BOOLEAN),
    (lambda note, me: me.id == "x", "`me` has no id in a rule"),
    (lambda note, me: me.has_role(note.title), "has_role() takes"),
    (lambda note, me: note.price < None, "None can't be compared"),
]


@pytest.mark.parametrize(("rule", "instead"), UNTRACEABLE, ids=lambda part: "")
def test_what_cannot_become_a_query_stops_the_start(rule: Any, instead: str) -> None:
    with pytest.raises(RuleError) as raised:
        App(model_with(rule), settings=Settings(database="sqlite:///unused.db"), sinks=())
    told = str(raised.value)
    line = inspect.getsourcelines(rule)[1]
    assert instead in told
    assert "Note." in told
    assert f"test_rules.py:{line})" in told


def test_a_named_rule_is_named_with_its_line() -> None:
    def published(note: Any, me: Me) -> bool:
        title = note.title
        return title and note.open

    with pytest.raises(RuleError, match=r"Note.published \(.*test_rules.py:\d+\): .*`&`") as raised:
        App(model_with(published), settings=Settings(database="sqlite:///unused.db"), sinks=())
    line = inspect.getsourcelines(published)[1] + 2
    assert f":{line})" in str(raised.value)


@pytest.mark.parametrize(
    "condition",
    [
        lambda note: note.author.name == "x",
        lambda note: note.notes.any(),
        lambda note: note.parent.open,
    ],
)
def test_a_check_is_of_the_own_fields(condition: Any) -> None:
    with pytest.raises(RuleError, match="own fields"):
        App(model_with(condition, check), settings=Settings(database="sqlite:///x.db"), sinks=())


def test_declarations_of_rules_are_held_to_what_there_is() -> None:
    with pytest.raises(ModelError, match="did you mean 'update'"):
        allow("updat")  # type: ignore[arg-type]
    with pytest.raises(ModelError, match="needs an action"):
        allow()
    with pytest.raises(ModelError, match=r"fields=\['title'\]"):
        allow("read", fields="title")
    for fields, told in ((["titel"], "did you mean 'title'"), (["id"], "rule of its own")):
        with pytest.raises(ModelError, match=told):
            build_with(allow("read", fields=fields)(lambda note, me: True))
    with pytest.raises(ModelError, match="whole record"):
        build_with(allow("delete", fields=["title"])(lambda note, me: True))


def build_with(rule: Any) -> App:
    return App(
        model_with(rule, lambda same: same),
        settings=Settings(database="sqlite:///unused.db"),
        sinks=(),
    )


# Conditions whose answer from the query and from values must agree, for every record and actor.
class Shelf(Model):
    name: str = field(collate="nocase")
    owner: Ref[User] | None = None
    books: Many[Book] = field(back="shelf")

    @allow("read", "create", "update", "delete")
    def anybody(shelf, me: Me) -> bool:
        return True


class Book(Model):
    title: str | None = None
    pages: int | None = None
    price: Decimal | None = field(default=None, decimal_places=2)
    status: Literal["new", "old"] | None = None
    loud: bool = False
    bought: datetime | None = None
    shelf: Ref[Shelf] | None = None
    owner: Ref[User] | None = None
    follows: Ref[Book] | None = None

    @allow("read", "create", "update", "delete")
    def anybody(book, me: Me) -> bool:
        return True


DAY = datetime(2024, 1, 1, tzinfo=UTC)
CONDITIONS: list[Callable[..., Any]] = [
    lambda book, me: book.owner == me,
    lambda book, me: book.owner != me,
    lambda book, me: book.shelf.owner == me,
    lambda book, me: book.shelf.owner != me,
    lambda book, me: (book.owner == me) | book.loud,
    lambda book, me: ~(book.owner == me) & ~book.loud,
    lambda book, me: me.anonymous | me.has_role("clerk"),
    lambda book, me: book.title == None,  # noqa: E711
    lambda book, me: is_null(book.shelf) | is_null(book.follows),
    lambda book, me: book.title != "A",
    lambda book, me: ~(book.title == "A"),
    lambda book, me: book.title >= "a",
    lambda book, me: ~(book.pages > 5),
    lambda book, me: not_(book.pages <= 5),
    lambda book, me: book.price == Decimal("1.50"),
    lambda book, me: book.price == 2,
    lambda book, me: one_of(book.status, ["new", None]),
    lambda book, me: one_of(book.pages, []),
    lambda book, me: contains(book.title, "a") | book.title.startswith("A"),
    lambda book, me: ~book.title.endswith("b"),
    lambda book, me: book.bought < DAY,
    lambda book, me: book.shelf.name == "TOP",
    lambda book, me: book.shelf.name != "tOp",
    lambda book, me: book.shelf.name.startswith("tO"),
    lambda book, me: book.follows.title == book.title,
    lambda book, me: book.follows.owner == book.owner,
    lambda book, me: book.loud == False,  # noqa: E712
    lambda book, me: book.follows.loud,
    lambda book, me: ~book.follows.loud,
    lambda book, me: book.shelf.books.any(lambda other: other.owner == me),
    lambda book, me: ~book.shelf.books.any(lambda other: other.pages > book.pages),
    lambda book, me: book.shelf.books.any(),
]  # fmt: skip


@pytest.mark.slow
async def test_a_rule_called_with_values_answers_as_the_query_does(database_url: str) -> None:
    async with serving(database_url, Shelf, Book, authenticators=[ByHeader()]) as api:
        ann, bob = await api.person("ann"), await api.person("bob", "clerk")
        top = await api.db.create(Shelf, name="Top", owner=ann)
        low = await api.db.create(Shelf, name="low", owner=None)
        first = await api.db.create(Book, title="A", pages=5, price="1.50", shelf=top, owner=ann)
        for values in (
            {}, {"title": "ab", "pages": 6, "status": "new", "loud": True, "shelf": low},
            {"title": "A", "price": 2, "follows": first, "owner": bob, "bought": DAY},
            {"title": "a", "follows": first, "owner": ann, "shelf": top, "status": "old"},
            {"title": "É", "pages": 4, "shelf": top, "loud": True, "follows": first},
        ):  # fmt: skip
            await api.db.create(Book, **values)
        books = await api.db.list(
            Book, expand=["shelf.books", "follows.owner", "shelf.owner"], sort="id"
        )
        actors = [Actor(), Actor(id=str(ann.id)), Actor(id=str(bob.id), roles=frozenset({"clerk"}))]
        for place, condition in enumerate(CONDITIONS):
            rule = traced(condition)
            for actor in actors:
                found = await api.app.db(actor).list(Book, condition, sort="id")
                told = [book.id for book in books if rule(book, actor)]
                assert told == [book.id for book in found], (place, actor)


def traced(condition: Callable[..., Any]) -> Callable[[Book, Actor], bool]:
    """The condition as a rule of Book would answer when it is called with values."""
    schema_of_book = App(Shelf, Book, settings=Settings(database="sqlite:///x.db"), sinks=()).schema
    expr = trace(condition, schema_of_book, schema_of_book.models["Book"])
    return lambda book, actor: evaluate(expr, [book], actor)


def test_a_rule_can_be_called() -> None:
    class Diary(Model):
        text: str = ""
        author: Ref[User] | None = None

        @allow("read")
        def mine(diary, me: Me) -> bool:
            return diary.author == me

    with pytest.raises(ModelError, match="isn't part of an App yet"):
        Diary.mine(Diary(text=""), Actor())
    App(Diary, settings=Settings(database="sqlite:///unused.db"), sinks=())
    ann = "01890a5d-ac96-774b-bcce-b302099a8057"
    assert Diary.mine(Diary(author=User(id=ann)), Actor(id=ann)) is True
    assert Diary.mine(Diary(author=User(id=ann)), Actor()) is False
    assert Diary.mine(Diary(author=None), Actor()) is False
