"""New records of one shape are worked on by column; that comes to the same as each by itself."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

import pytest

from abaft import Many, Me, Model, Ref, allow, field
from abaft.alike import runs, several
from abaft.base.actor import SYSTEM
from abaft.base.columns import at_once
from abaft.base.ids import uuid_text
from abaft.model.times import show_datetime
from abaft.plan.types import WriteIntent
from abaft.store.columns import Columns
from abaft.store.sql.sqlite import datetime_text
from abaft.writing import first_draft
from scenarios import Api, serving


class Open(Model, abstract=True):
    @allow("read", "create", "update", "delete")
    def anybody(record, me: Me) -> bool:
        return True


class Crate(Open):
    """With everything that a new record may be filled with."""

    name: str
    weight: Decimal = field(decimal_places=2, default=Decimal("1.5"))
    packed: date | None = None
    seen: datetime | None = None
    marks: dict[str, Any] = field(default_factory=dict)
    within: Ref[Crate] | None = None
    secret: str = field(hidden=True, default="s")


class Count(Open, stamps=False):
    """With a key that the database counts."""

    id: int = field(key=True)
    text: str
    crates: Many[Crate]


MODELS = (Crate, Count)
BODIES: dict[str, list[dict[str, Any]]] = {
    "crates": [
        {"name": "a", "weight": "2.50", "seen": "2026-01-02T03:04:05Z", "marks": {"x": 1}},
        {"name": "b", "weight": "2.5", "seen": None, "marks": {"x": True}},
        {"name": "c", "weight": "7", "seen": "2026-01-02T03:04:05.000001+02:00", "marks": {}},
        {"name": "d", "packed": "2026-01-02"},
        {"name": "e", "packed": None},
    ],
    "counts": [{"text": "one"}, {"text": "twö"}, {"text": "", "crates": []}, {"text": "four"}],
}


@pytest.fixture
async def api(database_url: str) -> AsyncIterator[Api]:
    async with serving(database_url, *MODELS) as api:
        yield api


def plain(record: dict[str, Any]) -> dict[str, Any]:
    """What doesn't differ from one time to the other."""
    return {name: row for name, row in record.items() if name not in ("id", "created", "updated")}


async def feed(api: Api) -> list[Any]:
    return list(await api.app.store.changes("", 1000))


@pytest.mark.parametrize("collection", BODIES)
async def test_records_and_feed_are_those_of_each_by_itself(api: Api, collection: str) -> None:
    bodies = BODIES[collection]
    listed = [{"method": "POST", "path": f"/{collection}", "body": body} for body in bodies]
    answer = await api.ask("POST /api/batch", json={"operations": listed})
    found = [row["body"] for row in answer.json()["results"]]
    told = await feed(api)
    assert [row.id for row in told] == [str(row["id"]) for row in found]
    for body, record, row, change in zip(
        bodies, found, answer.json()["results"], told, strict=True
    ):
        assert row["headers"]["location"] == f"/api/{collection}/{record['id']}"
        read = await api.ask(f"GET /api/{collection}/{record['id']}")
        assert (read.json(), read.headers["etag"]) == (record, row["headers"]["etag"])
        alone = (await api.ask(f"POST /api/{collection}", json=body)).json()
        assert plain(alone) == plain(record)
        [last] = (await feed(api))[-1:]
        assert plain(last.data) == plain(change.data)
        assert last.data.keys() == change.data.keys()
        assert record.get("created") == record.get("updated")
        assert change.data.get("id", record["id"]) == record["id"]


async def test_authz_1_a_rule_holds_off_one_of_them_and_all_are_undone(database_url: str) -> None:
    class Small(Model):
        size: int

        @allow("read", "create")
        def small(record, me: Me) -> bool:
            return record.size < 3

    async with serving(database_url, Small) as api:
        listed = [{"method": "POST", "path": "/smalls", "body": {"size": n}} for n in (1, 2, 3, 2)]
        answer = await api.ask("POST /api/batch", json={"operations": listed})
        assert (answer.status_code, answer.json()["detail"][:12]) == (403, "operation 2:")
        assert await feed(api) == []


async def test_what_is_bound_by_column_is_what_each_binds(api: Api) -> None:
    model = api.app.schema.models["Crate"]
    seen = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    given = [
        {"id": uuid4(), "created": seen, "updated": seen, "name": name, "marks": {"x": x}}
        for name, x in (("a", 1), ("b", True), ("c", None))
    ]
    intents = [WriteIntent("Crate", "create", values) for values in given]
    [run] = runs(intents)
    found = several(model, run, SYSTEM)
    assert found is not None
    for place, (bound, intent) in enumerate(zip(found.binds.rows(), intents, strict=True)):
        draft, alone = found.draft(place), first_draft(model, intent, SYSTEM)
        ours, theirs = dict(bound), dict(alone.bound(SYSTEM))
        del ours["change.at"], theirs["change.at"]
        assert ours == theirs
        assert repr(ours["set.marks"]) == repr(theirs["set.marks"])
        assert (draft.values, draft.shape) == (alone.values, alone.shape)


def test_other_shapes_part_a_run() -> None:
    one, two = (WriteIntent("m", "create", {name: 1}) for name in "ab")
    waits = WriteIntent("m", "create", {"a": 1}, needs=0)
    made = WriteIntent("m", "create", {"a": 1}, made={"id": 1})
    other = WriteIntent("n", "create", {"a": 1})
    changes = WriteIntent("m", "update", {"a": 1})
    upserts = WriteIntent("m", "create", {"a": 1}, upsert=("a",))
    for second in (two, waits, made, other, changes, upserts):
        assert [len(run) for run in runs([one, one, second, one])] == [2, 1, 1]
    assert list(runs([])) == []


class OwnUuid(UUID):
    """As a driver has its own."""


def test_texts_made_at_once_are_those_made_one_by_one() -> None:
    ids = [uuid4(), uuid4()]
    times = [
        datetime(2026, 1, 2, tzinfo=UTC),
        datetime(1, 1, 1, 0, 0, 0, 7, tzinfo=UTC),
        datetime(2026, 1, 2, tzinfo=timezone(timedelta(hours=2))),
    ]
    cases: list[tuple[Any, list[Any]]] = [
        (uuid_text, ids),
        (uuid_text, [*ids, None]),
        (uuid_text, [*ids, OwnUuid(int=5)]),
        (uuid_text, []),
        *((make, row) for make in (show_datetime, datetime_text) for row in (times[:2], times)),
    ]
    for make, values in cases:
        assert at_once(make, values) == [None if v is None else make(v) for v in values]


def test_columns_are_read_by_row() -> None:
    whole = Columns(2, {"me": 7}, {"a": [1, None]})
    assert [dict(row) for row in whole.rows()] == [{"a": 1, "me": 7}, {"a": None, "me": 7}]
    assert [len(row) for row in whole.rows()] == [2, 2]
    assert list(whole.encoded("me", str)) == ["7", "7"]
    assert list(whole.encoded("a", str)) == ["1", None]
