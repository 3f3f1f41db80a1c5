"""What engines and the reference once answered differently, as questions to one small world."""

from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from abaft import ANONYMOUS, Actor
from abaft.base.actor import SYSTEM
from abaft.model import expr as e
from abaft.plan.types import Sort
from differential.models import Colour, Place, Tag, Thing
from differential.questions import SCHEMA, Question
from differential.worlds import PEOPLE, World

VALUES: dict[str, Any] = {
    "text": "A",
    "integer": 1,
    "float": 0.1 + 0.2,
    "decimal": Decimal("0.10"),
    "boolean": True,
    "datetime": datetime.max.replace(tzinfo=UTC),
    "date": date.max,
    "time": time.max,
    "duration": timedelta(microseconds=2**63 - 1),
    "uuid": UUID(int=7),
    "binary": b"\0\xff",
    "json": {"n": 1e300},
    "url": "https://example.org/",
}


def world() -> World:
    """A place and two things of one owner with a tag, the second a child of the first."""
    tag = Tag(number=1, label="a")
    place = Place(code="A", name="Ä", size=None)
    things = [_thing(1, None, "a", place, tag), _thing(2, None, None, place, tag)]
    things[1].__dict__["parent"] = things[0]
    things[0].children.append(things[1])
    place.__dict__.update(keeper=None, things=things)
    tag.__dict__["things"] = things
    return World(PEOPLE, [place], [tag], things)


def _thing(number: int, parent: Any, word: str | None, place: Any, tag: Any) -> Any:
    values = {
        name: VALUES.get(row.kind.name)
        for name, row in Thing.__spec__.fields.items()
        if not row.relation
    }
    values |= {"number": number, "word2": word, "line": word, "secret": None, "flag2": None}
    thing = Thing(**values | {"colour": Colour.NONE})
    ties = {"place": place, "owner": PEOPLE[2], "parent": parent, "tags": [tag], "children": []}
    thing.__dict__.update(ties)
    return thing


def _ask(actor: Actor, where: e.Expr, **values: Any) -> Question:
    return Question(actor, where, values)


def _param(field: str, many: bool = False) -> e.Param:
    return e.Param("p", SCHEMA.models["Thing"].fields[field].kind, many)


def questions() -> Iterator[Question]:
    """Each is asked by the system, by somebody and by nobody."""
    for actor in (SYSTEM, Actor(id=str(PEOPLE[0].id)), ANONYMOUS):
        # A field blind to case, held against a value and against a field that isn't.
        yield _ask(actor, e.Compare("eq", e.Column("word2"), _param("word2")), p="A")
        yield _ask(actor, e.Compare("eq", e.Column("text"), e.Column("word2")))
        # Null ends with nothing, not even with the empty text.
        yield _ask(actor, e.Compare("endswith", e.Column("line"), e.Const("")))
        # NOT around a text test with null on its right.
        yield _ask(actor, e.Not(e.Compare("contains", e.Column("text"), e.Column("line"))))
        # Booleans have an order.
        for op in ("lt", "le", "gt", "ge"):
            yield _ask(actor, e.Compare(op, e.Column("flag"), e.Const(True)))
            yield _ask(actor, e.Not(e.Compare(op, e.Column("flag2"), e.Const(False))))
        # Bytes in a list.
        raw = e.OneOf(e.Column("raw"), _param("raw", many=True))
        yield _ask(actor, raw, p=[b"\0\xff", b""])
        # Inside of any(), a relation of the outer record that nothing had reached before.
        owner = e.Column("owner", (e.Hop("parent"),))
        mine = e.Compare("eq", owner, _param("owner"))
        yield _ask(actor, e.Exists("tags", mine), p=PEOPLE[2].id)
        # A cursor that stands after a duration of 292,000 years.
        yield Question(actor, e.TRUE, sort=(Sort(("span",)),), limit=1)
