"""A world with every kind of field, relation, key and rule: what the document must describe."""

from __future__ import annotations

import datetime as dt
import enum
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from decimal import Decimal
from typing import Any, Literal

from pydantic import BaseModel

from abaft import (
    Actor,
    App,
    Db,
    Email,
    Many,
    Me,
    Model,
    Ref,
    Settings,
    Unique,
    Url,
    User,
    allow,
    check,
    computed,
    field,
    me,
    now,
    scope,
    virtual,
    when,
)

ANN = "0192f0c1-2345-7abc-8def-0123456789ab"
TOKEN = "Bearer ann"


class Colour(enum.Enum):
    RED = "red"
    GREEN = "green"


class Size(BaseModel, strict=True):
    width: int
    height: int
    unit: Literal["cm", "in"] = "cm"


class Kinds(Model, collection="kinds"):
    """A value of every kind."""

    text: str = field(
        min_length=1, max_length=40, description="Some words", examples=["Some words"]
    )
    code: str = field(pattern=r"^[A-Z]{3}[0-9]{2,4}$", examples=["ABC123"])
    email: Email | None = field(default=None, max_length=100)
    link: Url | None = None
    whole: int = 0
    bounded: int = field(default=1, ge=1, lt=1000)
    real: float = 0.5
    ratio: float | None = field(default=None, gt=0, le=1)
    price: Decimal = field(default=Decimal("9.90"), max_digits=10, decimal_places=2, ge=0)
    yes: bool = False
    at: dt.datetime = field(default=now)
    day: dt.date | None = None
    hour: dt.time | None = None
    span: dt.timedelta | None = None
    token: uuid.UUID | None = None
    blob: bytes | None = field(default=None, max_length=10)
    colour: Colour = Colour.RED
    level: Literal[1, 2, 3] = 1
    anything: dict[str, Any] = field(default_factory=dict)
    items: list[int] | None = None
    size: Size | None = None
    password: str | None = field(default=None, hidden=True, max_length=20)
    origin: str | None = field(default=None, write_once=True, max_length=20)
    views: int = field(default=0, read_only=True)

    @computed
    def double(kinds) -> int:
        return kinds.whole * 2

    @computed
    def worth(kinds) -> Decimal:
        """The price of all."""
        return kinds.price * kinds.bounded

    @computed
    def loud(kinds) -> str:
        return when(kinds.yes, kinds.text.upper(), "no")

    @virtual
    def area(kinds) -> Size | None:
        """The size again."""
        return kinds.size

    @allow("read", "create", "update", "delete")
    def everyone(kinds, me: Me) -> bool:
        return True


class Genre(Model, stamps=False):
    """What a book is of; its key is a number that the database gives."""

    id: int = field(key=True)
    name: str = field(max_length=30, unique=True, collate="nocase")

    @allow("read", "create", "update", "delete")
    def everyone(genre, me: Me) -> bool:
        return True


class Book(Model):
    """A book, in drafts or published."""

    title: str = field(max_length=80, index=True, search="english")
    pages: int | None = field(default=None, ge=1)
    published: bool = False
    author: Ref[User] = field(default=me, on_delete="cascade")
    sequel: Ref[Book] | None = field(default=None, on_delete="set null")
    genres: Many[Genre]
    copies: Many[Copy] = field(back="book")
    filed: Many[Genre] = field(through="Filing")
    advance: int | None = None

    @allow("read")
    def published_or_mine(book, me: Me) -> bool:
        return book.published | (book.author == me)

    @allow("create", "update", "delete")
    def mine(book, me: Me) -> bool:
        return book.author == me

    @allow("read", "update", fields=["advance"])
    def authors_alone(book, me: Me) -> bool:
        return book.author == me

    @computed
    def held(book) -> int:
        """How many copies there are."""
        return book.copies.count()

    @virtual
    def label(book) -> str:
        return f"{book.title}."

    @check
    def long_enough(book) -> bool:
        return (book.pages == None) | (book.pages >= 2)  # noqa: E711


class Filing(Model, key=("book", "genre"), stamps=False):
    """Where a book stands; two references are its key."""

    book: Ref[Book] = field(on_delete="cascade")
    genre: Ref[Genre] = field(on_delete="cascade")
    note: str | None = field(default=None, max_length=20, search="simple")

    @allow("read", "create", "update", "delete")
    def everyone(filing, me: Me) -> bool:
        return True


class Shelf(Model, collection="shelves", key=("room", "number"), stamps=False):
    """A place for copies; two fields are its key."""

    room: str = field(max_length=10)
    number: int
    label: str | None = None

    @allow("read", "create", "update", "delete")
    def everyone(shelf, me: Me) -> bool:
        return True


class Copy(Model, stamps=False):
    """One copy of a book, by the number that is glued to it."""

    number: str = field(key=True, max_length=12, pattern="^[a-z0-9]+$")
    book: Ref[Book] | None = field(default=None, on_delete="set null")
    room: str | None = field(default=None, max_length=10)
    place: int | None = None
    shelf: Ref[Shelf] | None = field(via=("room", "place"), constraint=False)

    @allow("read", "create", "update", "delete")
    def everyone(copy, me: Me) -> bool:
        return True


class Card(Model, history=True, ordered="list", soft_delete=True,
           unique=[Unique("name", where=lambda card: card.pinned)]):  # fmt: skip
    """A card on a list, with all that a model can be told to keep."""

    name: str = field(max_length=20)
    list: Literal["todo", "done"] = "todo"
    pinned: bool = False
    genres: Many[Genre]

    @allow("read", "create", "update", "delete")
    def everyone(card, me: Me) -> bool:
        return True

    @scope
    def current(card) -> bool:
        return card.name != "old"

    @scope(default=False)
    def pinned_ones(card) -> bool:
        return card.pinned


class Secret(Model):
    """What only administrators see."""

    text: str


class Ann:
    """Knows one token."""

    async def authenticate(self, headers: Any) -> Actor | None:
        return Actor(id=ANN) if headers.get("authorization") == TOKEN else None


MODELS = (Kinds, Genre, Book, Filing, Shelf, Copy, Card, Secret)


def make_app(database: str, *more: type[Model]) -> App:
    """The app, with more models; its lifespan puts some records in."""
    settings = Settings(
        database=database,
        secret_key="k3y-of-tests-" + "0123456789abcdefghijklmnopqrstuvwxyz" * 2,
        max_url_bytes=32_768,
        # A quick machine sends more than are allowed, and would be told so instead.
        requests_per_minute=10_000_000,
        account_requests_per_minute=10_000_000,
    )

    @asynccontextmanager
    async def seeded(app: App) -> AsyncIterator[None]:
        await seed(app)
        yield

    app = App(
        *MODELS,
        *more,
        settings=settings,
        authenticators=[Ann()],
        sinks=[],
        title="everything",
        lifespan=seeded,
    )

    @app.get("/feed")
    async def feed(db: Db) -> list[Book]:
        """The newest books."""
        return await db.list(Book, where=lambda book: book.published, sort="-created", limit=20)

    return app


@asynccontextmanager
async def running(database: str) -> AsyncIterator[App]:
    """The app, started; without records."""
    app = make_app(database)
    await app.start()
    yield app
    await app.stop()


async def seed(app: App) -> None:
    """Some records of each, so that reading finds them."""
    db = app.db(Actor(system=True))
    if await db.count(User):
        return
    ann = await db.create(User(id=uuid.UUID(ANN), name="Ann", email="ann@example.org"))
    bob = await db.create(User, name="Bob")
    for number, name in enumerate(("novel", "drama", "essay"), 1):
        await db.create(Genre, id=number, name=name)
    for number in range(3):
        await db.create(Card, name=f"card {number}", genres=[1])
        await db.create(Kinds, text=f"number {number}", code=f"ABC{number}0", whole=number)
        await db.create(Shelf, room="hall", number=number)
        book = await db.create(
            Book, title=f"Volume {number}", author=[ann, bob][number % 2], published=number < 2
        )
        await db.create(Filing, book=book, genre=number + 1)
        await db.create(Copy, number=f"c{number}", book=book, room="hall", place=number)
