"""Several writes in one transaction, as the pipeline does them: all or nothing, and why nothing."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from abaft import Conflict, Forbidden, Invalid, Many, Me, Model, Ref, allow, before, check, field
from abaft.answers import WriteAnswer
from abaft.base.actor import ANONYMOUS
from abaft.base.errors import Fault
from abaft.model import expr as e
from abaft.plan.types import Made, ReadIntent, ReadShape, WriteIntent
from apps.open import Open
from scenarios import Api, serving


class Label(Open, stamps=False):
    name: str = field(key=True)


class Box(Open, stamps=False):
    id: int = field(key=True)
    name: str = field(unique=True)
    size: int = 1
    labels: Many[Label]

    @check
    def not_huge(box) -> bool:
        return box.size < 100


class Thing(Open, stamps=False):
    name: str
    box: Ref[Box]
    meta: dict[str, Any] | None = None


class Locked(Model, stamps=False):
    name: str = field(key=True)
    open: bool = True

    @allow("read", "create")
    def anybody(record, me: Me) -> bool:
        return True

    @allow("update", "delete")
    def while_open(record, me: Me) -> bool:
        return record.open


class Watched(Open, stamps=False):
    name: str = field(key=True)
    note: str = ""

    @before("create", "update")
    async def says(watched) -> None:
        watched.note = f"{watched.note}!"


MODELS = (Label, Box, Thing, Locked, Watched)


@pytest.fixture
async def api(database_url: str) -> AsyncIterator[Api]:
    async with serving(database_url, *MODELS) as api:
        yield api


def new(model: str, pointer: str = "", needs: int = -1, **values: Any) -> WriteIntent:
    return WriteIntent(model, "create", values, pointer=pointer, needs=needs)


def change(model: str, key: Any, pointer: str = "", needs: int = -1, **values: Any) -> WriteIntent:
    name = "id" if model in ("Box", "Thing") else "name"
    return WriteIntent(model, "update", values, {name: key}, pointer=pointer, needs=needs)


async def write(api: Api, *intents: Any, **options: Any) -> list[Any]:
    return await api.app.pipeline.write_all(intents, ANONYMOUS, **options)


async def refused(api: Api, kind: type[Fault], *intents: Any, **options: Any) -> Fault:
    before = await api.changes()
    with pytest.raises(kind) as caught:
        await write(api, *intents, **options)
    assert await api.changes() == before
    return caught.value


async def test_several_writes_land_together_in_order_with_their_changes(api: Api) -> None:
    answers = await write(
        api,
        *(new("Box", name=f"b{n}") for n in range(3)),
        new("Label", name="red"),
        change("Box", 2, size=7),
        WriteIntent("Box", "delete", key={"id": 1}),
        new("Box", name="b1 again", labels=["red"]),
    )
    assert [answer.key for answer in answers] == ["1", "2", "3", "red", "2", "1", "4"]
    assert answers[4].json == '{"id":2,"name":"b1","size":7,"labels":[]}'
    assert answers[6].json == '{"id":4,"name":"b1 again","size":1,"labels":["red"]}'
    assert await api.changes() == [
        *["create Box"] * 3,
        "create Label",
        "update Box",
        "delete Box",
        "create Box",
    ]
    assert await api.items("/api/boxes", of="name") == ["b1", "b2", "b1 again"]


async def test_later_writes_name_keys_that_the_database_makes(api: Api) -> None:
    by_key = e.Compare(
        "eq", e.Column("id"), e.Param("key.id", api.app.schema.models["Box"].fields["id"].kind)
    )
    read = ReadIntent(ReadShape("Box", "one", by_key), {"key.id": Made(1)}, needs=1)
    answers = await write(
        api,
        new("Box", name="a"),
        new("Box", name="b"),
        new("Thing", name="in a", box=Made(0), needs=0),
        new("Thing", name="in b", box=Made(1), needs=1),
        new("Thing", name="in b too", box=Made(1), needs=1),
        change("Box", Made(1), size=9, needs=1),
        read,
    )
    assert answers[6].rows[0][0] == '{"id":2,"name":"b","size":9,"labels":[]}'
    assert await api.items("/api/things?sort=name", of="box") == [1, 2, 2]
    feed = await api.db.changes(limit=10)
    assert [change.id for change in feed][:2] == ["1", "2"]
    assert feed[3].data["box"] == 2
    assert feed[5].id == "2"


async def test_dur_3_one_that_is_refused_has_none_stored_and_is_named(api: Api) -> None:
    await write(api, new("Box", name="old"), new("Locked", name="shut", open=False))
    fine = new("Box", name="fine")
    fault = await refused(api, Conflict, fine, new("Box", "/1", name="old"))
    assert [(p.pointer, p.code) for p in fault.errors] == [("/1/name", "taken")]
    fault = await refused(api, Conflict, fine, new("Box", "/1", name="fine"))
    assert [p.pointer for p in fault.errors] == ["/1/name"]
    fault = await refused(api, Invalid, fine, new("Box", "/1", name="big", size=100))
    assert [(p.pointer, p.code) for p in fault.errors] == [("/1", "check")]
    fault = await refused(api, Invalid, new("Box", name="x"), new("Thing", "/1", name="t", box=99))
    assert [(p.pointer, p.code) for p in fault.errors] == [("/1/box", "no_such_record")]
    fault = await refused(api, Invalid, fine, new("Box", "/1", name="y", labels=["none"]))
    assert [(p.pointer, p.code) for p in fault.errors] == [("/1/labels", "no_such_record")]
    fault = await refused(api, Forbidden, fine, change("Locked", "shut", "/1", open=True))
    assert [(p.pointer, p.code) for p in fault.errors] == [("/1", "forbidden")]
    assert await api.items("/api/boxes", of="name") == ["old"]


async def test_a_rule_is_asked_of_what_the_writes_before_made(api: Api) -> None:
    """The second is refused for what the first makes of the record: 403, not 404."""
    fault = await refused(
        api,
        Forbidden,
        new("Locked", name="new", open=False),
        change("Locked", "new", "/1", open=True),
    )
    assert [p.pointer for p in fault.errors] == ["/1"]


async def test_every_one_that_is_refused_is_told_where_that_is_asked_for(api: Api) -> None:
    await write(api, new("Box", name="old"))
    intents = [
        new("Box", "/0", name="old"),
        new("Box", "/1", name="fine"),
        new("Box", "/2", name="big", size=100),
        new("Box", "/3", name="old"),
    ]
    fault = await refused(api, Conflict, *intents, every=True)
    assert [(p.pointer, p.code) for p in fault.errors] == [
        ("/0/name", "taken"),
        ("/2", "check"),
        ("/3/name", "taken"),
    ]
    assert fault.detail == "3 records are refused: name is taken"


async def test_hooks_and_merges_see_what_was_written_before(api: Api) -> None:
    answers = await write(
        api,
        new("Watched", name="w", note="a"),
        change("Watched", "w", note="b"),
        new("Box", name="box"),
        new("Thing", name="t", box=Made(2), meta={"a": 1}, needs=2),
    )
    assert answers[1].json == '{"name":"w","note":"b!"}'
    thing = (await api.items("/api/things"))[0]
    merge = WriteIntent("Thing", "update", {"meta": {"b": 2}}, {"id": thing["id"]}, merge=True)
    assert (await write(api, merge, new("Box", name="other")))[0].json is not None
    assert (await api.items("/api/things", of="meta")) == [{"a": 1, "b": 2}]
    fault = await refused(api, Conflict, new("Watched", name="x"), new("Box", "/1", name="box"))
    assert [p.pointer for p in fault.errors] == ["/1/name"]


async def test_a_rehearsal_tells_what_would_be_and_keeps_nothing(api: Api) -> None:
    await write(api, new("Box", name="old"))
    before = await api.changes()
    outcomes = await api.app.pipeline.rehearse(
        [new("Box", "/0", name="new"), new("Box", "/1", name="old")], ANONYMOUS
    )
    assert isinstance(outcomes[0], WriteAnswer)
    assert outcomes[0].json is not None
    assert '"name":"new"' in outcomes[0].json
    assert isinstance(outcomes[1], Conflict)
    assert await api.changes() == before


async def test_within_a_transaction_what_fails_breaks_the_whole(api: Api) -> None:
    async def outer() -> None:
        async with api.app.pipeline.transaction() as unit:
            await write(api, new("Box", name="a"), new("Box", name="b"), unit=unit)
            with pytest.raises(Conflict, match="taken"):
                await write(api, new("Box", name="c"), new("Box", name="a"), unit=unit)

    with pytest.raises(Conflict, match="failed"):
        await outer()
    assert await api.items("/api/boxes") == []
