"""Models whose records hold each other in every way, and drawn requests that change them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from hypothesis import strategies as st

from abaft import Many, Ref, check
from abaft import field as column
from apps.open import Open


class Mark(Open, key="name", stamps=False):
    name: str


class Team(Open, key="name", stamps=False):
    name: str
    label: str | None = column(default=None, unique=True, collate="nocase")
    cards: Many[Card] = column(back="team")
    notes: Many[Note] = column(back="team")


class Card(
    Open,
    key="name",
    stamps=False,
    ordered="team",
    history=True,
    soft_delete=True,
    unique=[("team", "rank")],
):
    name: str
    team: Ref[Team] | None = column(default=None, on_delete="set null")
    parent: Ref[Card] | None = column(default=None, on_delete="cascade")
    rank: int | None = None
    text: str = column(default="", max_length=12)
    at: int = 0
    marks: Many[Mark]


class Note(Open, key="name", stamps=False):
    name: str
    team: Ref[Team] = column(on_delete="cascade")
    card: Ref[Card] | None = None
    low: int = column(default=0, ge=-5, le=100)
    high: int = 10
    serial: int | None = column(default=None, unique=True)
    real: float = 0.0
    bag: dict[str, Any] = column(default_factory=dict)

    @check
    def low_is_low(note) -> bool:
        return note.low <= note.high


class Bid(Open, key=("note", "mark"), stamps=False):
    note: Ref[Note] = column(on_delete="cascade")
    mark: Ref[Mark]
    amount: int = 1


MODELS = (Mark, Team, Card, Note, Bid)
OPERATORS = "application/vnd.abaft.operators+json"


@dataclass(frozen=True)
class Action:
    """A request. `version` restores that version, counted from the newest; `matched` names the
    record whose ETag must still hold."""

    method: str
    path: str
    body: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)
    matched: str | None = None
    version: int | None = None


NAMES = {"marks": "mn", "teams": "tu", "cards": "abcd", "notes": "xyz"}
texts = st.sampled_from(["", "a", "A", "a ", "ä", "a\u0308", "🙂", "'\"\\", "x" * 13])
numbers = st.sampled_from([-6, -1, 0, 1, 3, 11, 100, 101, 2**63 - 1, 2**63])
reals = st.sampled_from([0.1 + 0.2, -0.0, 1e300, 5e-324, 1])
bags = st.sampled_from([{}, {"b": 1, "a": [None, {"🙂": -0.0}]}, {"n": 2**63 - 1}, [], None])


def name_of(collection: str) -> st.SearchStrategy[str]:
    return st.sampled_from(NAMES[collection])


def some(values: Mapping[str, st.SearchStrategy[Any]], **needed: Any) -> st.SearchStrategy[Any]:
    return st.fixed_dictionaries(needed, optional=dict(values))


FIELDS: dict[str, dict[str, st.SearchStrategy[Any]]] = {
    "marks": {},
    "teams": {"label": st.none() | texts},
    "cards": {
        "team": st.none() | name_of("teams"),
        "parent": st.none() | name_of("cards"),
        "rank": st.none() | st.sampled_from([0, 1]),
        "text": texts,
        "at": numbers,
        "marks": st.lists(name_of("marks"), max_size=3),
    },
    "notes": {
        "team": name_of("teams"),
        "card": st.none() | name_of("cards"),
        "low": numbers,
        "high": numbers,
        "serial": st.none() | st.sampled_from([0, 1]),
        "real": reals,
        "bag": bags,
    },
}
collections = st.sampled_from([*FIELDS, "cards", "notes"])


@st.composite
def _record(draw: Any, collection: str) -> dict[str, Any]:
    body: dict[str, Any] = {"name": draw(name_of(collection))}
    if collection == "notes":
        body["team"] = draw(name_of("teams"))
    return body | draw(some(FIELDS[collection]))


@st.composite
def _created(draw: Any) -> Action:
    collection = draw(collections)
    if draw(st.integers(0, 3)):
        return Action("POST", collection, draw(_record(collection)))
    return Action("POST", collection, draw(st.lists(_record(collection), max_size=3)))


@st.composite
def _nested(draw: Any) -> Action:
    team = draw(_record("teams"))
    for name in ("cards", "notes"):
        if draw(st.booleans()):
            inner = st.lists(_without_team(name), max_size=2)
            team[name] = draw(inner)
    if draw(st.booleans()):
        return Action("POST", "teams?expand=cards,notes", team)
    return Action("PATCH", f"teams/{team.pop('name')}?expand=cards,notes", team)


@st.composite
def _without_team(draw: Any, collection: str) -> Any:
    record = draw(_record(collection))
    record.pop("team", None)
    return record if draw(st.integers(0, 3)) else record["name"]


@st.composite
def _bid(draw: Any) -> Action:
    note, mark = draw(name_of("notes")), draw(name_of("marks"))
    if draw(st.booleans()):
        return Action("POST", "bids", {"note": note, "mark": mark, "amount": draw(numbers)})
    method = draw(st.sampled_from(["PATCH", "DELETE"]))
    body = {"amount": 7} if method == "PATCH" else None
    return Action(method, f"bids/{note},{mark}", body)


@st.composite
def _changed(draw: Any) -> Action:
    collection = draw(collections)
    key = draw(name_of(collection))
    method = draw(st.sampled_from(["PATCH", "PATCH", "PATCH", "PUT"]))
    body = draw(some(FIELDS[collection]))
    if method == "PUT" and collection == "notes":
        body.setdefault("team", "t")
    matched = draw(st.none() | st.none() | name_of(collection).map(f"{collection}/{{}}".format))
    return Action(method, f"{collection}/{key}", body, matched=matched)


@st.composite
def _operated(draw: Any) -> Action:
    by = draw(st.sampled_from([1, -3, 60, 2**63 - 1]))
    if draw(st.booleans()):
        body = {draw(st.sampled_from(["low", "high", "serial"])): {"increment": by}}
        path = f"notes/{draw(name_of('notes'))}"
    else:
        body = {"marks": {draw(st.sampled_from(["add", "remove"])): [draw(name_of("marks"))]}}
        path = f"cards/{draw(name_of('cards'))}"
    return Action("PATCH", path, body, {"content-type": OPERATORS})


@st.composite
def _deleted(draw: Any) -> Action:
    collection = draw(collections)
    purge = "?purge=true" if collection == "cards" and draw(st.booleans()) else ""
    return Action("DELETE", f"{collection}/{draw(name_of(collection))}{purge}")


@st.composite
def _filtered(draw: Any) -> Action:
    path = draw(
        st.sampled_from(
            [
                "notes?low[lt]=5",
                "notes?team=t",
                "cards?team=t",
                "cards?rank[is]=null",
                "teams?label[ieq]=A",
                "notes?team.label[ieq]=a",
                "cards?filter=any(marks)",
            ]
        )
    )
    collection = path.partition("?")[0]
    path += f"&limit={draw(st.sampled_from([1, 20]))}"
    if draw(st.booleans()):
        path += "&dry_run=true"
    if draw(st.integers(0, 2)):
        return Action("PATCH", path, draw(some(FIELDS[collection])))
    return Action("DELETE", path)


@st.composite
def _upserted(draw: Any) -> Action:
    if draw(st.booleans()):
        return Action("POST", "teams?upsert=label", draw(_record("teams")))
    return Action(
        "POST", f"notes?upsert={draw(st.sampled_from(['serial', 'name']))}", draw(_record("notes"))
    )


@st.composite
def _card(draw: Any) -> Action:
    path = f"cards/{draw(name_of('cards'))}"
    if draw(st.booleans()):
        return Action("POST", f"{path}/restore")
    other = draw(name_of("cards"))
    ways = [{"to": "first"}, {"to": "last"}, {"before": other}, {"after": other}]
    return Action("POST", f"{path}/move", draw(st.sampled_from(ways)))


@st.composite
def _back(draw: Any) -> Action:
    path = f"cards/{draw(name_of('cards'))}/history"
    return Action("POST", path, version=draw(st.integers(0, 2)))


one = st.one_of(
    _created(), _created(), _changed(), _changed(), _deleted(), _operated(), _nested(), _bid(),
    _filtered(), _upserted(), _card(), _back(),
)  # fmt: skip


@st.composite
def _batch(draw: Any) -> Action:
    single = _created() | _changed() | _deleted() | _operated()
    operations = []
    for action in draw(st.lists(single, min_size=1, max_size=4)):
        operation = {"method": action.method, "path": action.path}
        if action.body is not None:
            operation["body"] = action.body
        if action.headers:
            operation["headers"] = dict(action.headers)
        operations.append(operation)
    return Action("POST", "batch", {"operations": operations})


actions = st.one_of(one, one, one, one, one, _batch())


def seeds() -> list[Action]:
    """What is there before the first action: otherwise most of them would find nothing."""
    return [
        Action("POST", "marks", [{"name": "m"}, {"name": "n"}]),
        Action("POST", "teams", [{"name": "t", "label": "A"}, {"name": "u"}]),
        Action("POST", "cards", {"name": "a", "team": "t", "rank": 0, "marks": ["m"]}),
        Action("POST", "cards", {"name": "b", "team": "t", "rank": 1, "parent": "a"}),
        Action("POST", "notes", {"name": "x", "team": "t", "card": "b", "serial": 0}),
        Action("POST", "bids", {"note": "x", "mark": "m"}),
    ]
