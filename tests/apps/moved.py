"""A world that is hard to move: every kind of value at its edges, cycles, history, all switches."""

from __future__ import annotations

import datetime as dt
import uuid
from decimal import Decimal
from itertools import pairwise
from typing import Any, Literal

from pydantic import JsonValue

from abaft import Actor, App, Many, Model, Ref, check, field

SYSTEM = Actor(system=True)
LAST = dt.datetime(9999, 12, 31, 23, 59, 59, 999_999, dt.UTC)
FIRST = dt.datetime(1, 1, 1, tzinfo=dt.UTC)


class Label(Model, key="name", stamps=False):
    name: str = field(max_length=40)


class Thing(Model, history=True, soft_delete=True, ordered="room"):
    """A value of every kind."""

    id: int = field(key=True)
    room: Literal["a", "b"] = "a"
    text: str = field(search="english")
    maybe: str | None = None
    whole: int | None = None
    real: float | None = None
    exact: Decimal | None = field(default=None, max_digits=18, decimal_places=3)
    truth: bool | None = None
    at: dt.datetime | None = None
    day: dt.date | None = None
    clock: dt.time | None = None
    took: dt.timedelta | None = None
    code: uuid.UUID | None = None
    raw: bytes | None = None
    extra: JsonValue | None = None
    secret: str | None = field(default=None, hidden=True)
    name: str | None = field(default=None, max_length=20, unique=True, collate="nocase")
    labels: Many[Label]


class Node(Model, stamps=False):
    """A tree, whose roots are last."""

    id: int = field(key=True)
    above: Ref[Node] | None = field(default=None, on_delete="cascade")


class Ring(Model, stamps=False):
    """Each needs another, itself at the least."""

    id: int = field(key=True)
    next: Ref[Ring]


class Club(Model):
    """Its head is a member, and members have a club."""

    name: str = field(max_length=20)
    head: Ref[Member] | None = field(default=None, on_delete="set null")


class Member(Model):
    club: Ref[Club] = field(on_delete="cascade")
    friend: Ref[Member] | None = None
    guest: bool = False

    @check
    def of_somebody(member) -> bool:
        """A guest has a friend, so the friend can't wait."""
        return ~member.guest | (member.friend != None)  # noqa: E711


class Seat(Model, key=("row", "place"), stamps=False):
    row: Decimal = field(max_digits=6, decimal_places=2)
    place: int
    taken: Ref[Member] | None = None


class Reading(Model, key=("seat_row", "seat_place", "at"), stamps=False):
    """A key of several parts, a reference among them, and times."""

    seat_row: Decimal = field(max_digits=6, decimal_places=2)
    seat_place: int
    seat: Ref[Seat] = field(via=("seat_row", "seat_place"))
    at: dt.datetime
    value: float | None = None


MODELS = (Label, Thing, Node, Ring, Club, Member, Seat, Reading)
app = App(*MODELS)

TEXTS = ("", " ", "a ", "é", "e\u0301", "😀", "\t\n\r\\", "'\"`", "NULL", "\\N", "{}", "\x7f\u2028")
THINGS: tuple[dict[str, Any], ...] = (
    *({"text": text, "maybe": text} for text in TEXTS),
    {"text": "null"},
    {"text": "least", "whole": -(2**63), "real": -1.7976931348623157e308, "truth": False},
    {"text": "most", "whole": 2**63 - 1, "real": 1.7976931348623157e308, "truth": True},
    {"text": "small", "whole": 0, "real": 5e-324, "exact": Decimal("-0.001")},
    {"text": "sum", "real": 0.1 + 0.2, "exact": Decimal("999999999999999.999")},
    {"text": "zero", "real": 0.0, "exact": Decimal("0.000")},
    {"text": "late", "at": LAST, "day": LAST.date(), "clock": LAST.time()},
    {"text": "early", "at": FIRST, "day": FIRST.date(), "clock": dt.time(0)},
    {"text": "long", "took": dt.timedelta(days=36_500, microseconds=1)},
    {"text": "back", "took": -dt.timedelta(microseconds=1)},
    {"text": "code", "code": uuid.UUID(int=0), "raw": b""},
    {"text": "raw", "code": uuid.UUID(int=2**128 - 1), "raw": bytes(range(256))},
    {"text": "json", "extra": {"b": 1, "a": [None, 1.5, {"é": "😀", "": []}], "long": "x" * 9_000}},
    {"text": "list", "extra": [0, -1, 2**53, 1e-7, True, "", {}]},
    {"text": "word", "extra": "null", "secret": "s", "name": "Bob"},
    {"text": "false", "extra": False, "name": "eve"},
)


async def fill(app: App) -> None:
    """Records of all kinds, changed and deleted too."""
    db = app.db(SYSTEM)
    for name in ("x", "y", "é"):
        await db.create(Label, name=name)
    for place, values in enumerate(THINGS):
        room = "ab"[place % 2]
        await db.create(Thing, id=place * 10, room=room, labels=["x", "é"][: place % 3], **values)
    await db.update(await db.get(Thing, 10), maybe="again", labels=["y"])
    await db.delete(await db.get(Thing, 20))
    await db.update(await db.get(Thing, 30), room="a")
    nodes = [await db.create(Node, id=key) for key in range(30)]
    for lower, above in pairwise(nodes):
        await db.update(lower, above=above)
    ring = await db.create(Ring, id=1, next=1)
    await db.create(Ring, id=2, next=1)
    await db.update(ring, next=2)
    for name in ("a", "b"):
        club = await db.create(Club, name=name)
        head = await db.create(Member, club=club)
        guest = await db.create(Member, club=club, friend=head, guest=True)
        await db.update(head, friend=guest)
        await db.update(club, head=guest)
        row = Decimal("1.50") if name == "a" else Decimal("-10.25")
        await db.create(Seat, row=row, place=1, taken=head)
        for value in (FIRST, LAST):
            await db.create(Reading, seat_row=row, seat_place=1, at=value, value=0.1)
