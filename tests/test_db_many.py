"""db.create_many, update_where and delete_where: the same as one by one, all or nothing."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from abaft import Actor, BadRequest, Conflict, Forbidden, Invalid, User
from apps.memos import Card, Draft, Note, Tag
from scenarios import Api, serving

MODELS = (Tag, Note, Draft, Card)


@pytest.fixture
async def api(database_url: str) -> AsyncIterator[Api]:
    async with serving(database_url, *MODELS) as api:
        yield api


@pytest.fixture
async def ann(api: Api) -> Any:
    user = await api.db.create(User, name="ann")
    return api.app.db(Actor(id=str(user.id)))


async def test_many_records_of_several_models_are_made_in_order(api: Api, ann: Any) -> None:
    made = await ann.create_many([Tag(name="red"), Note(title="a"), Draft(text="d")])
    assert [type(record) for record in made] == [Tag, Note, Draft]
    assert made[1].title == "a"
    assert made[2].id == 1
    assert (await api.changes())[-3:] == ["create Tag", "create Note", "create Draft"]
    assert await ann.create_many([]) == []


async def test_dur_3_faults_of_all_records_are_told_and_none_is_made(api: Api, ann: Any) -> None:
    with pytest.raises(Invalid) as caught:
        await ann.create_many([Note(title="fine"), Note(title="x" * 21), Note(title="y", stars=10)])
    assert [problem.pointer for problem in caught.value.errors] == ["/1/title", "/2/stars"]
    with pytest.raises(Conflict) as taken:
        await ann.create_many([Note(title="a"), Note(title="b"), Note(title="a")])
    assert {problem.pointer for problem in taken.value.errors} == {"/2/title", "/2/owner"}
    assert await ann.count(Note) == 0


async def test_what_a_condition_finds_is_changed_and_deleted(api: Api, ann: Any) -> None:
    await ann.create_many([Note(title=f"n{n}", stars=n) for n in range(5)])
    changed = await ann.update_where(Note, lambda note: note.stars > 2, limit=2, public=True)
    assert sorted(note.title for note in changed) == ["n3", "n4"]
    assert await ann.delete_where(Note, "public = true", limit=2) == 2
    assert await ann.count(Note) == 3
    for limit in (2, 0):
        with pytest.raises(Conflict, match="more than"):
            await ann.delete_where(Note, lambda note: note.stars >= 0, limit=limit)
    with pytest.raises(BadRequest):
        await ann.delete_where(Note, None, limit=9)
    assert await ann.count(Note) == 3


async def test_authz_5_rules_hold_for_all_of_them(api: Api, ann: Any) -> None:
    await ann.create_many([Note(title="a"), Note(title="b", locked=True)])
    with pytest.raises(Forbidden):
        await ann.update_where(Note, lambda note: note.stars == 0, limit=9, stars=1)
    assert {note.stars for note in await ann.list(Note)} == {0}
    nobody = api.app.db(Actor(id="01890a5d-ac96-774b-bcce-b302099a8057"))
    assert await nobody.delete_where(Note, lambda note: note.stars == 0, limit=9) == 0


async def test_within_a_transaction_they_are_part_of_it(api: Api, ann: Any) -> None:
    async def undone() -> None:
        async with ann.transaction() as tx:
            await tx.create_many([Note(title="a"), Note(title="b")])
            assert await tx.delete_where(Note, lambda note: note.title == "a", limit=1) == 1
            raise RuntimeError

    with pytest.raises(RuntimeError):
        await undone()
    assert await ann.count(Note) == 0


@pytest.mark.slow
async def test_many_at_once_come_to_the_same_as_one_by_one(api: Api, ann: Any) -> None:
    """The records and their change records, whichever way they were written."""
    told = []
    for many in (True, False):
        before = len(await api.changes())
        made = [Note(title=f"{many}{n}", stars=n) for n in range(4)]
        if many:
            made = await ann.create_many(made)
            made = await ann.update_where(Note, lambda note: note.stars < 4, limit=4, stars=4)
            gone = await ann.delete_where(Note, lambda note: note.stars == 4, limit=4)
        else:
            made = [await ann.create(note) for note in made]
            made = [await ann.update(note, stars=4) for note in made]
            for note in made:
                await ann.delete(note)
            gone = len(made)
        told.append((gone, [note.stars for note in made], (await api.changes())[before:]))
    assert told[0] == told[1]


async def test_soft_deletes_of_many(api: Api) -> None:
    await api.db.create_many([Card(text="a"), Card(text="b")])
    assert await api.db.delete_where(Card, lambda card: card.text == "a", limit=5) == 1
    assert [card.text for card in await api.db.list(Card)] == ["b"]
    assert len(await api.db.list(Card, deleted="with")) == 2
