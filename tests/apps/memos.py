"""Notes of people: rules of records and fields, checks, links and hooks, for writes of many."""

from __future__ import annotations

from typing import Any

from abaft import Conflict, Many, Me, Model, Ref, User, allow, before, check, field, me


class Tag(Model, key="name", stamps=False):
    name: str

    @allow("read", "create")
    def anybody(tag, me: Me) -> bool:
        return True


class Note(Model, unique=[("owner", "title")]):
    title: str = field(max_length=20)
    stars: int = field(default=0, ge=0, lt=10)
    public: bool = False
    locked: bool = False
    secret: str = "plain"
    owner: Ref[User] = field(default=me)
    tags: Many[Tag]
    about: Ref[Note] | None = None

    @allow("read")
    def public_or_mine(note, me: Me) -> bool:
        return note.public | (note.owner == me)

    @allow("create", "delete")
    def mine(note, me: Me) -> bool:
        return note.owner == me

    @allow("update")
    def mine_and_open(note, me: Me) -> bool:
        return (note.owner == me) & ~note.locked

    @allow("read", "update", fields=["secret"])
    def for_keepers(note, me: Me) -> bool:
        return me.has_role("keeper")

    @check
    def few_stars(note) -> bool:
        return (note.stars < 5) | note.public


class Draft(Model, stamps=False):
    id: int = field(key=True)
    text: str
    state: str = "new"

    @allow("read", "create", "update", "delete")
    def anybody(draft, me: Me) -> bool:
        return True

    @before("update", "delete")
    async def not_when_done(draft) -> None:
        if draft.state == "done":
            raise Conflict("it is done", code="done")


class Card(Model, soft_delete=True, stamps=False):
    text: str

    @allow("read", "create", "update", "delete")
    def anybody(card, me: Me) -> bool:
        return True


MODELS = (Tag, Note, Draft, Card)


async def notes(api: Any, actor: str, *made: dict[str, Any]) -> list[str]:
    """Stores the notes of an actor; their ids."""
    answer = await api.ask("POST /api/notes?fields=id", actor, json=list(made))
    assert answer.status_code == 201, answer.text
    return [item["id"] for item in answer.json()["items"]]
