"""Worlds of records that databases like to tell differently, drawn by hypothesis."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from typing import Any
from uuid import UUID

from hypothesis import strategies as st
from pydantic import JsonValue

from abaft.model.kinds import INT_MAX, INT_MIN
from differential.models import Colour, Person, Place, Tag, Thing

TEXTS = [
    *("", " ", "a", "A", "b", "ab", "aB", "a ", " a", "z", "Z", "[", "_", "%", "a%b", "\\", "\\'"),
    *("'", '"', '""', "null", "0", "1e3", "a\nb", "\t", "\x01", "\x1f", "\x7f", "\x80", "\u2028"),
    *(
        "ä",
        "a\u0308",
        "Ä",
        "\u017f",
        "ß",
        "ẞ",
        "İ",
        "\u0131",
        "K",
        "é",
        "E",
        "e\u0301",
        "Σ",
        "ς",
        "🙂",
        "👩‍🚀",
    ),
    *("\ud7ff", "\ue000", "\uffff", "\U00010000", "\U0010ffff", "a\U0010ffff", "\ufeff", "א", "ﬁ"),
]
ZONE = timezone(timedelta(hours=5, minutes=45))
POOLS: dict[str, list[Any]] = {
    "text": TEXTS,
    "integer": [0, 1, -1, 7, 2**31, 2**53, 2**53 + 1, INT_MAX, INT_MAX - 1, INT_MIN, INT_MIN + 1],
    "float": [
        *(0.0, -0.0, 0.1, 0.2, 0.1 + 0.2, 0.3, 1.0, -1.5, 1e15, 1e16, 1e17, 1e22, 1e-7, 123456.789),
        *(5e-324, 2.2250738585072014e-308, 1.7976931348623157e308, -1e300, 2.0**53, 1 / 3),
    ],
    "boolean": [False, True],
    "datetime": [
        datetime(1, 1, 1, tzinfo=UTC),
        datetime(1, 1, 1, 0, 0, 0, 1, tzinfo=UTC),
        datetime(9999, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC),
        datetime(1969, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC),
        datetime(2013, 1, 31, 10, tzinfo=UTC),
        datetime(2013, 1, 31, 10, 0, 0, 100_000, tzinfo=UTC),
        datetime(2013, 1, 31, 10, 0, 0, 10, tzinfo=UTC),
        datetime(2013, 1, 31, 15, 45, 0, 1, tzinfo=ZONE),
        datetime(1890, 6, 1, 12, tzinfo=ZONE),
    ],
    "date": [
        *(date.min, date(1, 2, 3), date(1582, 10, 10), date(1900, 2, 28), date(2024, 2, 29)),
        *(date(9999, 12, 30), date.max),
    ],
    "time": [time.min, time(0, 0, 0, 1), time(10, 30), time(23, 59, 59), time.max],
    "duration": [
        *(timedelta(), timedelta(microseconds=1), timedelta(microseconds=-1), timedelta(days=-1)),
        *(timedelta(seconds=90, microseconds=500_000), timedelta(seconds=-90, microseconds=7)),
        *(timedelta(microseconds=INT_MAX), timedelta(microseconds=INT_MIN + 1)),
    ],
    "uuid": [UUID(int=0), UUID(int=2**128 - 1), UUID("0192f0c1-2345-7abc-8def-0123456789ab")],
    "binary": [b"", b"\0", b"\0\1", b"a", b"'", b"\xff", b"\xff\xfe\0", b"x" * 70],
    "url": ["https://example.org/", "https://example.org/a?b=c%20d#e", "http://xn--4ca.example/"],
}
DECIMALS = ["0", "-0.00", "0.01", "-0.01", "1", "0.10", "9999999999999999.99", "-1234.5"]
RATES = ["0", "0.1", "0.00000000000000001", "-9.99999999999999999", "0.30000000000000000"]
JSONS = [
    *(
        {},
        {"": None},
        {"b": 1, "a": {"z": [], "aa": True}},
        {"ä": "🙂", "'": '"'},
        {"n": 0.1 + 0.2},
    ),
    *(
        {"n": 1e300},
        {"n": 2**63 - 1},
        {"n": -0.0},
        {"n": 1.0},
        {"n": 5e-324},
        {"x": ["\\u0000", "\x01"]},
    ),
]

texts = st.sampled_from(TEXTS) | st.text(st.sampled_from("aAbB %_'ä\u0308🙂"), max_size=4)
any_text = texts | st.text(
    st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=3
)


def values_of(kind: Any) -> st.SearchStrategy[Any]:
    """Values of a kind of field, as a program would give them."""
    match kind.name:
        case "text":
            return any_text
        case "decimal":
            pool = DECIMALS if kind.places == 2 else RATES
            return st.sampled_from([Decimal(text) for text in pool])
        case "choice":
            return st.sampled_from([*Colour] if kind.of_text else [*kind.options])
        case "json":
            any_json = [0, "", [], [None], "a", True, [1, {"b": 2}]]
            more = any_json if kind.type is JsonValue else []
            return st.sampled_from([*JSONS, *more])
        case "integer":
            return st.sampled_from(POOLS["integer"]) | st.integers(-3, 3)
        case "float":
            finite = st.floats(allow_nan=False, allow_infinity=False)
            return st.sampled_from(POOLS["float"]) | finite
    return st.sampled_from(POOLS[kind.name])


PEOPLE = [Person(id=UUID(int=n), name=name, open=n > 1) for n, name in enumerate("nao", 1)]


@dataclass
class World:
    """All records, tied to each other as Python objects."""

    people: list[Any]
    places: list[Any]
    tags: list[Any]
    things: list[Any]

    @property
    def key(self) -> tuple[str, ...]:
        """The names of the fields that tell one thing from the others."""
        found: tuple[str, ...] = type(self.things[0]).__spec__.key
        return found

    def all(self) -> list[Any]:
        return [*self.people, *self.places, *self.tags, *self.things]

    def __repr__(self) -> str:
        return "\n".join(_line(record) for record in self.all())

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:
        """Hypothesis would otherwise show each record within those that it is tied to."""
        printer.text(repr(self))


def _line(record: Any) -> str:
    """A record with the keys of those that it is tied to, which would show it again."""
    shown = []
    for name, value in record.__dict__.items():
        if isinstance(value, list) and value and hasattr(value[0], "__key__"):
            value = [item.__key__ for item in value]
        shown.append(f"{name}={getattr(value, '__key__', value)!r}")
    return f"{type(record).__name__}({', '.join(shown)})"


def _some(draw: Any, options: list[Any]) -> Any:
    return draw(st.sampled_from([None, *options]))


@st.composite
def worlds(draw: Any, most: int = 6) -> World:
    """A small world: three people, and a few places, tags and things."""
    places = [
        Place(code=code, name=draw(texts), size=draw(st.sampled_from([None, -1, 0, 1])))
        for code in draw(
            st.lists(st.sampled_from(["", "A", "a", "ä", "é,'%"]), max_size=3, unique=True)
        )
        if code
    ]
    for place in places:
        place.__dict__.update(keeper=_some(draw, PEOPLE), things=[])
    tags = [
        Tag(number=number, label=draw(st.none() | texts))
        for number in draw(st.lists(st.integers(-1, 2), max_size=3, unique=True))
    ]
    for tag in tags:
        tag.__dict__["things"] = []
    numbers = draw(st.lists(st.integers(-2, 5), min_size=1, max_size=most, unique=True))
    things: list[Any] = []
    for number in numbers:
        things.append(_thing(draw, number, places, tags, things))
    return World(PEOPLE, places, tags, things)


def _thing(draw: Any, number: int, places: list[Any], tags: list[Any], made: list[Any]) -> Any:
    values: dict[str, Any] = {"number": number}
    for name, field in Thing.__spec__.fields.items():
        if name == "number" or field.relation:
            continue
        drawn = values_of(field.kind)
        values[name] = draw(st.none() | drawn if field.nullable else drawn)
    chosen = draw(st.lists(st.sampled_from(tags), unique_by=id)) if tags else []
    thing = Thing(**values)
    links = {"place": _some(draw, places), "owner": _some(draw, PEOPLE), "tags": chosen}
    thing.__dict__.update(links, parent=_some(draw, made), children=[])
    for name, back in (("place", "things"), ("parent", "children")):
        if links.get(name, thing.parent) is not None:
            getattr(getattr(thing, name), back).append(thing)
    for tag in chosen:
        tag.things.append(thing)
    return thing
