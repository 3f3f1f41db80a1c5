"""Notes with all that a form of an answer may meet: formulas, quotes, masks, relations, JSON."""

from __future__ import annotations

from typing import Any

from abaft import Many, Me, Model, Ref, allow, field


class Person(Model, key="handle", collection="people", stamps=False):
    handle: str = field(max_length=40)
    motto: str | None = None
    shy: bool = False

    @allow("read")
    def not_shy(person, me: Me) -> bool:
        return ~person.shy

    @allow("create")
    def everyone(person, me: Me) -> bool:
        return True


class Tag(Model, key="name", stamps=False):
    name: str = field(max_length=40)

    @allow("read")
    def everyone(tag, me: Me) -> bool:
        return True


class Note(Model, key="slug", stamps=False):
    slug: str = field(max_length=20)
    text: str | None = None
    size: int | None = None
    ratio: float | None = None
    open: bool = True
    facts: dict[str, Any] | None = None
    author: Ref[Person] | None = None
    tags: Many[Tag]
    secret: str | None = None

    @allow("read", "create", "update", "delete")
    def everyone(note, me: Me) -> bool:
        return True

    @allow("read", fields=["secret"])
    def of_open_ones(note, me: Me) -> bool:
        return note.open


MODELS = (Person, Tag, Note)


async def seed(db: Any) -> None:
    """Four notes of two people, of whom one is shy."""
    await db.create(Person, handle="ann", motto="=1+1")
    await db.create(Person, handle="ben", shy=True)
    await db.create(Tag, name="sea")
    await db.create(Note, slug="a", text="-x", size=-5, ratio=0.5, author="ann", secret="@s")
    await db.create(Note, slug="b", text="", facts={"k": ["v", 1]}, author="ben", tags=["sea"])
    await db.create(Note, slug="c", text='say "x",\r\nor é', open=False, secret="hidden")
    await db.create(Note, slug="d", text="'=x", size=0)
