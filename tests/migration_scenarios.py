"""Changes of models, and what a migration makes of each: a table for tests."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from abaft import Many, Model, Ref, check
from abaft import field as column
from migrations import model, thing

Models = tuple[type[Model], ...]
Rows = list[dict[str, Any]]


@dataclass(frozen=True)
class Scenario:
    """Models before and after; records as they are stored, and as they are found then.

    `titles` are the operations; what is of one engine alone is told by `only`. `back` is what the
    first model's records are once all is undone.
    """

    name: str
    old: Models
    new: Models
    titles: list[str]
    stored: Rows
    found: Rows
    options: dict[str, Any] = field(default_factory=dict)
    back: Rows | None = None


def checked(least: int) -> Any:
    def enough(thing: Any) -> bool:
        return thing.size >= least  # type: ignore[no-any-return]

    return check(enough)


class Owner(Model):
    name: str = "o"


class Label(Model):
    name: str = column(max_length=20)


NAMED = thing({"name": str})
SIZED = thing({"name": str, "size": int})
SCENARIOS = [
    Scenario("nothing", (NAMED,), (thing({"name": str}),), [], [{"name": "a"}], [{"name": "a"}]),
    Scenario(
        "an optional column",
        (NAMED,),
        (thing({"name": str, "size": int | None}),),
        ["add column things.size"],
        [{"name": "a"}],
        [{"name": "a", "size": None}],
    ),
    Scenario(
        "a column with a default",
        (NAMED,),
        (
            thing(
                {"name": str, "at": dt.datetime},
                at=column(default=dt.datetime(2020, 1, 2, tzinfo=dt.UTC)),
            ),
        ),
        ["add column things.at"],
        [{"name": "a"}],
        [{"name": "a", "at": dt.datetime(2020, 1, 2, tzinfo=dt.UTC)}],
    ),
    Scenario(
        "a column less",
        (thing({"name": str, "size": int, "far": float | None}),),
        (NAMED,),
        ["drop column things.far", "drop column things.size"],
        [{"name": "a", "size": 5, "far": 0.5}],
        [{"name": "a"}],
        {},
        [{"name": "a", "size": 0, "far": None}],
    ),
    Scenario(
        "a column's other name",
        (SIZED,),
        (thing({"name": str, "length": int}),),
        ["rename column things.size to length"],
        [{"name": "a", "size": 5}],
        [{"name": "a", "length": 5}],
        {"rename": ("things.size=length",)},
    ),
    Scenario(
        "an indexed column's other name",
        (thing({"name": str, "size": int}, size=column(index=True), name=column(unique=True)),),
        (
            thing(
                {"title": str, "length": int}, length=column(index=True), title=column(unique=True)
            ),
        ),
        [
            "rename column things.size to length",
            "rename column things.name to title",
            "rename index ix_things_size of things to ix_things_length",
            "rename index uq_things_name of things to uq_things_title",
        ],
        [{"name": "a", "size": 5}],
        [{"title": "a", "length": 5}],
        {"rename": ("things.size=length", "things.name=title")},
    ),
    Scenario(
        "a table's other name",
        (Owner, thing({"name": str, "owner": Ref[Owner] | None}, name=column(search=True))),
        (
            Owner,
            model("Item", {"name": str, "owner": Ref[Owner] | None}, name=column(search=True)),
        ),
        [
            "drop search abaft_search_things_dac7131c of things",
            "rename table things to items",
            "rename key fk_things_owner of items to fk_items_owner",
            "rename index ix_things_owner of items to ix_items_owner",
            "add search abaft_search_items_f6bdd0e4 of items",
        ],
        [{"name": "a"}],
        [{"name": "a"}],
        {"rename": ("things=items",)},
    ),
    Scenario(
        "text of numbers",
        (SIZED,),
        (thing({"name": str, "size": str}),),
        ["change type of things.size"],
        [{"name": "a", "size": 5}],
        [{"name": "a", "size": "5"}],
    ),
    Scenario(
        "numbers of text",
        (thing({"name": str, "size": str | None}),),
        (thing({"name": str, "size": int | None}),),
        ["change type of things.size"],
        [{"name": "a", "size": "5"}],
        [{"name": "a", "size": 5}],
    ),
    Scenario(
        "no more optional",
        (thing({"name": str, "size": int | None}),),
        (thing({"name": str, "size": int}, size=column(default=3)),),
        ["require things.size"],
        [{"name": "a", "size": None}, {"name": "b", "size": 5}],
        [{"name": "a", "size": 3}, {"name": "b", "size": 5}],
        {},
        [{"name": "a", "size": 3}, {"name": "b", "size": 5}],
    ),
    Scenario(
        "optional now",
        (SIZED,),
        (thing({"name": str, "size": int | None}),),
        ["make things.size optional"],
        [{"name": "a", "size": 5}],
        [{"name": "a", "size": 5}],
    ),
    Scenario(
        "a check",
        (SIZED,),
        (thing({"name": str, "size": int}, enough=checked(1)),),
        ["add check ck_things_enough of things"],
        [{"name": "a", "size": 5}],
        [{"name": "a", "size": 5}],
    ),
    Scenario(
        "another check by the same name",
        (thing({"name": str, "size": int}, enough=checked(1)),),
        (thing({"name": str, "size": int}, enough=checked(2)),),
        ["drop check ck_things_enough of things", "add check ck_things_enough of things"],
        [{"name": "a", "size": 5}],
        [{"name": "a", "size": 5}],
    ),
    Scenario(
        "an index, and none",
        (thing({"name": str, "size": int}, size=column(index=True)),),
        (thing({"name": str, "size": int}, name=column(index=True)),),
        ["drop index ix_things_size of things", "add index ix_things_name of things"],
        [{"name": "a", "size": 5}],
        [{"name": "a", "size": 5}],
    ),
    Scenario(
        "text that is compared without case",
        (thing({"name": str}, name=column(unique=True)),),
        (thing({"name": str}, name=column(unique=True, collate="nocase")),),
        ["drop index uq_things_name of things", "add index uq_things_name of things"],
        [{"name": "a"}],
        [{"name": "a"}],
    ),
    Scenario(
        "deleted softly, and unique among the living",
        (thing({"name": str}, name=column(unique=True)),),
        (thing({"name": str}, name=column(unique=True), keywords={"soft_delete": True}),),
        [
            "drop index uq_things_name of things",
            "add column things.deleted",
            "add index uq_things_name_if_ba6a0ad1 of things",
            "add index ix_things_deleted of things",
        ],
        [{"name": "a"}],
        [{"name": "a"}],
    ),
    Scenario(
        "a relation",
        (Owner, NAMED),
        (Owner, thing({"name": str, "owner": Ref[Owner] | None})),
        [
            "add column things.owner",
            "add index ix_things_owner of things",
            "add key things.owner",
        ],
        [{"name": "a"}],
        [{"name": "a"}],
    ),
    Scenario(
        "what becomes of a reference",
        (Owner, thing({"name": str, "owner": Ref[Owner] | None})),
        (
            Owner,
            thing(
                {"name": str, "owner": Ref[Owner] | None},
                owner=column(default=None, on_delete="cascade"),
            ),
        ),
        ["drop key things.owner", "add key things.owner"],
        [{"name": "a"}],
        [{"name": "a"}],
    ),
    Scenario(
        "a link table",
        (Label, NAMED),
        (Label, thing({"name": str, "labels": Many[Label]})),
        ["add table thing_labels"],
        [{"name": "a"}],
        [{"name": "a"}],
    ),
    Scenario(
        "a model more",
        (NAMED,),
        (NAMED, Owner),
        ["add table owners"],
        [{"name": "a"}],
        [{"name": "a"}],
    ),
    Scenario(
        "a model less",
        (NAMED, Owner),
        (NAMED,),
        ["drop table owners"],
        [{"name": "a"}],
        [{"name": "a"}],
    ),
    Scenario(
        "search",
        (NAMED,),
        (thing({"name": str}, name=column(search="english")),),
        ["add search things"],
        [{"name": "a"}],
        [{"name": "a"}],
    ),
    Scenario(
        "search no more",
        (thing({"name": str}, name=column(search=True)),),
        (NAMED,),
        ["drop search things"],
        [{"name": "a"}],
        [{"name": "a"}],
    ),
    Scenario(
        "a change of a table that is searched",
        (thing({"name": str, "size": int}, name=column(search=True)),),
        (thing({"name": str, "size": int | None}, name=column(search=True)),),
        ["make things.size optional"],
        [{"name": "a", "size": 5}],
        [{"name": "a", "size": 5}],
    ),
    Scenario(
        "a history",
        (NAMED,),
        (thing({"name": str}, keywords={"history": True}),),
        ["add index ix_abaft_changes_of_things of abaft_changes"],
        [{"name": "a"}],
        [{"name": "a"}],
    ),
    Scenario(
        "an order made by hand",
        (NAMED,),
        (thing({"name": str}, keywords={"ordered": True}),),
        ["add column things.position", "add index uq_things_position of things"],
        [{"name": "a"}, {"name": "b"}],
        [{"name": "a"}, {"name": "b"}],
    ),
    Scenario(
        "digits",
        (thing({"name": str, "price": Decimal}, price=column(max_digits=6, decimal_places=2)),),
        (thing({"name": str, "price": Decimal}, price=column(max_digits=9, decimal_places=2)),),
        ["change type of things.price"],
        [{"name": "a", "price": Decimal("1.25")}],
        [{"name": "a", "price": Decimal("1.25")}],
    ),
    Scenario(
        "all at once",
        (Owner, thing({"name": str, "size": int, "gone": str | None}, name=column(search=True))),
        (
            Owner,
            Label,
            thing(
                {
                    "title": str,
                    "size": int | None,
                    "owner": Ref[Owner] | None,
                    "labels": Many[Label],
                },
                title=column(search=True, unique=True),
                enough=checked(1),
            ),
        ),
        [],
        [{"name": "a", "size": 5, "gone": "x"}],
        [{"title": "a", "size": 5}],
        {"rename": ("things.name=title",), "dropped": ("things.gone",)},
        [{"name": "a", "size": 5, "gone": None}],
    ),
]
