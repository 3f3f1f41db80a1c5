"""abaft load --upsert: stored records are known by a key, changed, and the feed tells rightly."""

import json
from pathlib import Path

import pytest

from loads import Loader
from projects import said

pytestmark = [pytest.mark.slow, pytest.mark.everywhere]

MODELS = """
from abaft import App, Many, Model, Ref, before, field


class Tag(Model, key="name", stamps=False):
    name: str

class Item(Model, unique=[("shop", "shelf")]):
    id: int = field(key=True)
    sku: str = field(unique=True, collate="nocase", max_length=8)
    name: str
    price: int = field(default=1, ge=0)
    shop: int | None
    shelf: int | None
    above: Ref["Item"] | None
    secret: str | None = field(hidden=True)
    tags: Many[Tag]

class Hour(Model, key=("day", "hour"), stamps=False):
    day: str
    hour: int
    warmth: float | None

class Watched(Model, key="name", collection="watched", stamps=False):
    name: str
    n: int = 0

    @before("update")
    async def up_only(record, me, db):
        from abaft import Invalid
        if record.n < 0:
            raise Invalid("never below zero")

app = App(Tag, Item, Hour, Watched)
"""


class Items(Loader):
    models = MODELS

    def told(self) -> list[tuple[str, str, str, dict[str, object]]]:
        return [
            (
                change.model,
                change.id,
                change.action,
                {n: v for n, v in change.data.items() if n not in ("created", "updated")},
            )
            for change in self.changes()
        ]


@pytest.fixture
def items(database_url: str, tmp_path: Path) -> Items:
    found = Items(database_url, tmp_path)
    result = found.load(
        items="sku,name,price,shop,shelf\na-1,Ant,5,1,1\nb-2,Bee,6,1,2\nc-3,Cat,7,,\n"
    )
    assert result.exit_code == 0, result.output
    return found


def test_by_a_unique_field(items: Items) -> None:
    """One is changed, one is as it was, one is new; the case of the key doesn't count."""
    result = items.load("--upsert=sku", items="sku,name\nA-1,Ape\nb-2,Bee\nd-4,Dog\n")
    assert result.exit_code == 0, result.output
    assert "3 rows read, 1 created, 1 updated, 1 as they were, 0 refused" in said(result)
    rows = items.sql("select id, sku, name, price from items order by id")
    assert [tuple(row.values()) for row in rows] == [
        (1, "a-1", "Ape", 5),
        (2, "b-2", "Bee", 6),
        (3, "c-3", "Cat", 7),
        (rows[3]["id"], "d-4", "Dog", 1),
    ]
    made = {"sku": "d-4", "name": "Dog", "price": 1, "shop": None, "shelf": None, "above": None}
    number = rows[3]["id"]
    assert items.told()[3:] == [
        ("Item", "1", "update", {"name": "Ape"}),
        ("Item", str(number), "create", {"id": number, **made}),
    ]


def test_by_the_key_with_the_stamp_of_the_change(items: Items) -> None:
    before = items.sql("select created, updated from items where id = 2")[0]
    result = items.load("--upsert", items="id,price\n2,60\n3,7\n")
    assert "0 created, 1 updated, 1 as they were" in said(result)
    after = items.sql("select created, updated, price from items where id = 2")[0]
    assert after["created"] == before["created"]
    assert after["updated"] > before["updated"]
    assert after["price"] == 60


def test_by_two_fields(items: Items) -> None:
    result = items.load("--upsert=shelf,shop", items="shop,shelf,sku,name\n1,2,b-2,Bat\n")
    assert "0 created, 1 updated" in said(result)
    hours = "day,hour,warmth\nmo,1,1.5\nmo,2,\n"
    assert "2 stored" in said(items.load("--upsert", hours="day,hour\nmo,1\nmo,2\n"))
    result = items.load("--upsert", hours=hours)
    assert "0 created, 1 updated, 1 as they were" in said(result)
    assert items.told()[-1] == ("Hour", "mo,1", "update", {"warmth": 1.5})


def test_a_new_record_needs_what_every_one_needs(items: Items) -> None:
    result = items.load("--upsert=sku", items="sku,price\na-1,50\nx-9,1\n")
    assert result.exit_code == 1
    assert "line 3: the file has no column 'name', which every Item needs" in said(result)
    assert items.sql("select price from items where sku = 'a-1'") == [{"price": 5}]
    result = items.load(
        "--upsert=sku",
        "--skip-bad=" + str(items.folder / "bad.csv"),
        items="sku,price\na-1,50\nx-9,1\n",
    )
    assert result.exit_code == 0
    assert items.sql("select price from items where sku = 'a-1'") == [{"price": 50}]


def test_the_same_record_twice_ends_as_the_last_row_says(items: Items) -> None:
    text = "sku,name,price\nz-1,One,1\na-1,Two,2\nZ-1,Three,3\nz-1,Three,3\n"
    result = items.load("--upsert=sku", items=text)
    assert "4 rows read, 1 created, 2 updated, 1 as they were" in said(result)
    assert items.sql("select name from items where sku = 'z-1'") == [{"name": "Three"}]
    actions = [(row[2], row[3]["name"]) for row in items.told()[3:]]
    assert sorted(actions[:2]) == [("create", "One"), ("update", "Two")]
    assert actions[2:] == [("update", "Three")]


def test_a_key_is_not_changed(items: Items) -> None:
    result = items.load("--upsert=sku", items="id,sku,name\n1,a-1,Ape\n9,b-2,Bee\n")
    assert result.exit_code == 1
    assert "line 3: 2 is the key of the stored record, which can't be changed" in said(result)


def test_what_the_database_refuses_is_told(items: Items) -> None:
    result = items.load("--upsert", items="id,sku\n1,b-2\n3,c-4\n2,b-3\n")
    assert result.exit_code == 1
    assert "line 2: sku: sku is taken" in said(result)
    assert items.sql("select sku from items where id = 3") == [{"sku": "c-3"}]


def test_objects_change_what_they_name(items: Items) -> None:
    path = items.folder / "items.ndjson"
    rows = [{"id": 1, "price": 50}, {"id": 2, "name": "Bat", "tags": ["x"]}, {"id": 3, "above": 1}]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    assert items.load(tags="name\nx\ny\n").exit_code == 0
    result = items.load(str(path), "--upsert")
    assert result.exit_code == 0, result.output
    assert [(row[1], row[2], row[3]) for row in items.told()[5:]] == [
        ("1", "update", {"price": 50}),
        ("2", "update", {"name": "Bat", "tags": ["x"]}),
        ("3", "update", {"above": 1}),
    ]
    path.write_text(json.dumps({"id": 2, "tags": ["y"]}))
    assert items.load(str(path), "--upsert").exit_code == 0
    assert items.sql("select item, tag from item_tags") == [{"item": 2, "tag": "y"}]


def test_hooks_are_asked(items: Items) -> None:
    assert items.load("--upsert", watched="name,n\na,1\nb,2\n").exit_code == 0
    result = items.load("--upsert", watched="name,n\na,-1\nb,3\n")
    assert "line 2: never below zero" in said(result)
    result = items.load("--upsert", watched="name,n\na,1\nb,3\n")
    assert "0 created, 1 updated, 1 as they were" in said(result)


WRONG = {
    "no field": ("sk", "Item has no field 'sk': did you mean 'sku'?"),
    "not unique": ("name", "Item may have several records with the same name. What tells one: id;"),
}


@pytest.mark.parametrize("case", WRONG)
def test_what_tells_no_record(case: str, items: Items) -> None:
    field, reason = WRONG[case]
    result = items.load(f"--upsert={field}", items="sku,name\na-1,Ape\n")
    assert result.exit_code == 2, "the command is wrong"
    assert reason in said(result)


def test_a_row_must_tell_which_record_is_meant(items: Items) -> None:
    result = items.load("--upsert", items="sku,name\na-1,Ape\n")
    assert result.exit_code == 1
    assert "line 2: id: it tells which record is meant" in said(result)
