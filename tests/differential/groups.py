"""Groups of things, asked for over HTTP, and what they must be in plain Python."""

from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from hypothesis import strategies as st

from abaft import Actor
from abaft.model.kinds import INT_MAX, INT_MIN
from differential.models import Thing
from differential.oracle import Unseen, views
from differential.worlds import World

GROUPED = ["flag", "flag2", "level", "colour", "place", "owner", "count_", "day2"]
MEASURED = ["whole", "count_", "price", "rate", "real", "real2", "at", "at2", "day", "span", "text"]
FIELDS = Thing.__spec__.fields


@dataclass(frozen=True)
class Grouping:
    """`group` and `aggregate` of one request."""

    group: tuple[str, ...]
    measures: tuple[tuple[str, str], ...]

    def query(self) -> str:
        asked = ["n:count", *(f"m{at}:{f}({x})" for at, (f, x) in enumerate(self.measures))]
        given = {"aggregate": ",".join(asked), "limit": "100"}
        return urlencode(given | ({"group": ",".join(self.group)} if self.group else {}))


def _measure(name: str) -> st.SearchStrategy[tuple[str, str]]:
    known = ["min", "max", "count", "distinct"] + (["sum"] if name in ("whole", "count_") else [])
    known = known[2:] if name == "text" else known
    return st.tuples(st.sampled_from(known), st.just(name))


groupings = st.builds(
    Grouping,
    st.lists(st.sampled_from(GROUPED), max_size=2, unique=True).map(tuple),
    st.lists(st.sampled_from(MEASURED).flatmap(_measure), max_size=3).map(tuple),
)


def reckoned(world: World, actor: Actor, grouping: Grouping) -> list[dict[str, Any]]:
    """The items that the answer must have, in order: by the groups' values, nulls last."""
    seen = views(world, actor)
    things = [view for one in world.things if not isinstance(view := seen[id(one)], Unseen)]
    found: dict[tuple[Any, ...], list[Any]] = {} if grouping.group else {(): []}
    for thing in things:
        place = tuple(_stored(thing, name) for name in grouping.group)
        found.setdefault(place, []).append(thing)
    ordered = sorted(found, key=lambda place: [(value is None, value) for value in place])
    return [_item(grouping, place, found[place]) for place in ordered]


def _stored(thing: Any, name: str) -> Any:
    value = getattr(thing, name)
    if hasattr(type(value), "__written__"):
        value = value.__key__[0]
    return getattr(value, "value", value)


def _item(grouping: Grouping, place: tuple[Any, ...], things: list[Any]) -> dict[str, Any]:
    item = {
        name: None if value is None else FIELDS[name].kind.show(value)
        for name, value in zip(grouping.group, place, strict=True)
    }
    item["n"] = len(things)
    for at, (function, name) in enumerate(grouping.measures):
        values = [value for thing in things if (value := _stored(thing, name)) is not None]
        item[f"m{at}"] = _measured(function, name, values)
    return item


def _measured(function: str, name: str, values: list[Any]) -> Any:
    if function == "count":
        return len(values)
    if function == "distinct":
        return len(set(values))
    if not values:
        return None
    if function == "sum":
        total = sum(values)
        return total if INT_MIN <= total <= INT_MAX else None
    return FIELDS[name].kind.show(min(values) if function == "min" else max(values))
