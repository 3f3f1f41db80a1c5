"""Models with every kind of field and relation, and rules that a plain function says again."""

import enum
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any, Literal
from uuid import UUID

from pydantic import JsonValue

from abaft import Actor, Many, Me, Model, Ref, Url, allow, field


class Colour(enum.Enum):
    RED = "red"
    GREEN = "Green"
    NONE = ""


class Person(Model, stamps=False):
    id: UUID
    name: str
    open: bool

    @allow("read")
    def open_or_myself(person, me: Me) -> bool:
        return person.open | (person == me)


class Place(Model, stamps=False):
    code: str = field(key=True)
    name: str = field(collate="nocase")
    size: int | None
    keeper: Ref[Person] | None = field(on_delete="set null")
    things: Many["Thing"] = field(back="place")

    @allow("read")
    def big_or_kept_by_me(place, me: Me) -> bool:
        return (place.size >= 0) | (place.keeper == me)


class Tag(Model, stamps=False):
    number: int = field(key=True)
    label: str | None
    things: Many["Thing"] = field(through="Tagging")

    @allow("read")
    def for_editors_or_labelled(tag, me: Me) -> bool:
        return me.has_role("editor") | (tag.label != None)  # noqa: E711


class Thing(Model, stamps=False):
    number: int = field(key=True)
    text: str
    line: str | None
    word: str = field(collate="nocase")
    word2: str | None = field(collate="nocase")
    whole: int
    count_: int | None
    real: float
    real2: float | None
    price: Decimal = field(max_digits=18, decimal_places=2)
    rate: Decimal | None = field(max_digits=18, decimal_places=17)
    flag: bool
    flag2: bool | None
    at: datetime
    at2: datetime | None
    day: date
    day2: date | None
    clock: time | None
    span: timedelta
    span2: timedelta | None
    token: UUID | None
    raw: bytes
    raw2: bytes | None
    colour: Colour
    level: Literal[1, 2, 30] | None
    link: Url | None
    shape: dict[str, JsonValue]
    bag: JsonValue | None
    secret: str | None
    place: Ref[Place] | None = field(on_delete="set null")
    owner: Ref[Person] | None = field(on_delete="set null")
    parent: Ref["Thing"] | None = field(on_delete="set null")
    children: Many["Thing"] = field(back="parent")
    tags: Many[Tag] = field(through="Tagging")

    @allow("read")
    def flagged_or_mine_or_in_my_place(thing, me: Me) -> bool:
        return thing.flag | (thing.owner == me) | (thing.place.keeper == me)

    @allow("read", fields=["secret"])
    def only_mine(thing, me: Me) -> bool:
        return thing.owner == me


class Tagging(Model, key=("thing", "tag"), stamps=False):
    thing: Ref[Thing] = field(on_delete="cascade")
    tag: Ref[Tag] = field(on_delete="cascade")

    @allow("read")
    def everyone(link, me: Me) -> bool:
        return True


MODELS = (Person, Place, Tag, Thing, Tagging)


def sees(actor: Actor, record: Any) -> bool:
    """The rules once more, by hand: whether the actor may read the record."""
    if actor.system or isinstance(record, Tagging):
        return True
    if isinstance(record, Person):
        return record.open or is_(actor, record)
    if isinstance(record, Place):
        return (record.size is not None and record.size >= 0) or is_(actor, record.keeper)
    if isinstance(record, Tag):
        return "editor" in actor.roles or record.label is not None
    place = record.place
    return record.flag or is_(actor, record.owner) or is_(actor, place and place.keeper)


def sees_field(actor: Actor, record: Any, name: str) -> bool:
    """Whether the actor may read this field of a record that it may read."""
    return actor.system or name != "secret" or is_(actor, record.owner)


def is_(actor: Actor, person: Any) -> bool:
    return actor.id is not None and person is not None and str(person.id) == actor.id
