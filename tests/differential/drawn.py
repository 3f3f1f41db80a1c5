"""Models drawn by hypothesis: keys, fields of any kind, a relation, rules and computed fields.

A `Draft` is plain data, so that one that was found wanting can be kept as it is printed.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from types import new_class
from typing import Any, Literal
from uuid import UUID

from hypothesis import strategies as st
from pydantic import JsonValue

from abaft import Many, Model, Ref, Url, allow, computed, field, length, not_, when
from differential.models import Colour

KEYS: Mapping[str, Any] = {"integer": int, "text": str, "uuid": UUID}
KINDS: Mapping[str, tuple[Any, dict[str, Any]]] = {
    "text": (str, {}),
    "word": (str, {"collate": "nocase"}),
    "integer": (int, {}),
    "float": (float, {}),
    "money": (Decimal, {"max_digits": 18, "decimal_places": 2}),
    "rate": (Decimal, {"max_digits": 18, "decimal_places": 17}),
    "boolean": (bool, {}),
    "datetime": (datetime, {}),
    "date": (date, {}),
    "time": (time, {}),
    "duration": (timedelta, {}),
    "uuid": (UUID, {}),
    "binary": (bytes, {}),
    "colour": (Colour, {}),
    "level": (Literal[1, 2, 30], {}),
    "url": (Url, {}),
    "shape": (dict[str, JsonValue], {}),
    "bag": (JsonValue, {}),
}
UNIQUE = ("text", "word", "integer", "money", "date", "datetime", "uuid", "duration")
"""Kinds of which a world has values enough that none need be there twice."""

Rule = Callable[[str], Callable[[Any, Any], Any]]
EVERYONE: Rule = lambda name: lambda record, me: True  # noqa: E731
RULES: Mapping[str, Rule] = {
    "everyone": EVERYONE,
    "editors": lambda name: lambda record, me: me.has_role("editor"),
    "flagged": lambda name: lambda record, me: getattr(record, name) == True,  # noqa: E712
    "not flagged": lambda name: lambda record, me: not_(getattr(record, name) == True),  # noqa: E712
    "told": lambda name: lambda record, me: getattr(record, name) != None,  # noqa: E711
    "counted": lambda name: lambda record, me: getattr(record, name) >= 0,
    "mine": lambda name: lambda record, me: record.owner == me,
    "of me": lambda name: lambda record, me: record == me,
    "of its owner": lambda name: lambda record, me: getattr(record.owner, name) != None,  # noqa: E711
    "with some": lambda name: lambda record, me: record.things.any(),
    "with one of mine": lambda name: (
        lambda record, me: record.things.any(
            lambda thing: getattr(thing, name) != None  # noqa: E711
        )
    ),
}
COMPUTED: Mapping[str, Callable[[str], Callable[[Any], Any]]] = {
    "integer": lambda name: lambda record: getattr(record, name) + 1,
    "float": lambda name: lambda record: abs(getattr(record, name)),
    "text": lambda name: lambda record: length(getattr(record, name)),
    "word": lambda name: lambda record: getattr(record, name).upper(),
    "money": lambda name: lambda record: getattr(record, name) * 2,
    "boolean": lambda name: lambda record: when(getattr(record, name), "yes", "no"),
    "date": lambda name: lambda record: getattr(record, name).year,
    "datetime": lambda name: lambda record: getattr(record, name).minute,
    "things": lambda name: lambda record: record.things.count(),
}
"""What a computed field makes of a field of this kind."""


@dataclass(frozen=True)
class Column:
    """A field: its kind is a name of KINDS."""

    name: str
    kind: str
    optional: bool = False
    unique: bool = False


@dataclass(frozen=True)
class Part:
    """A model: what its key is, its fields, and by which rules it may be read.

    `secret` is a field with a rule of its own; `computed` are fields that one is reckoned of.
    """

    key: tuple[str, ...]
    columns: tuple[Column, ...]
    rules: tuple[tuple[str, str], ...]
    secret: tuple[str, str] | None = None
    computed: tuple[str, ...] = ()


@dataclass(frozen=True)
class Draft:
    """Owners, and things that are theirs, or nobody's where that is `optional`."""

    owner: Part
    thing: Part
    optional: bool = True
    nested: bool = True

    def models(self) -> tuple[type[Any], type[Any]]:
        """The classes, which know each other."""
        owner = _made(
            "Owner", self.owner, {"things": Many["Thing"]}, {"things": field(back="owner")}
        )  # type: ignore[type-arg,name-defined]
        types: dict[str, Any] = {"owner": Ref[owner | None] if self.optional else Ref[owner]}  # type: ignore[valid-type]
        given: dict[str, Any] = {"owner": field(on_delete="cascade")}
        if self.nested:
            types |= {"parent": Ref["Thing"] | None, "children": Many["Thing"]}  # type: ignore[name-defined,type-arg]
            given |= {"parent": field(on_delete="set null"), "children": field(back="parent")}
        return owner, _made("Thing", self.thing, types, given)


def _made(name: str, part: Part, types: dict[str, Any], given: dict[str, Any]) -> type[Any]:
    keys = {f"key{place}": kind for place, kind in enumerate(part.key)}
    annotations: dict[str, Any] = {key: KEYS[kind] for key, kind in keys.items()}
    body: dict[str, Any] = {"__module__": __name__, "__annotations__": annotations}
    kinds = {column.name: column.kind for column in part.columns}
    for column in part.columns:
        type_, options = KINDS[column.kind]
        # What is unique has to fit into an index of MySQL's.
        short = {"max_length": 40} if column.kind in ("text", "word") and column.unique else {}
        annotations[column.name] = type_ | None if column.optional else type_
        body[column.name] = field(unique=column.unique, **options, **short)
    annotations |= types
    body |= given
    for place, (rule, of) in enumerate(part.rules):
        body[f"rule{place}"] = _named(allow("read"), f"rule{place}", RULES[rule](of))
    if part.secret is not None:
        secret, rule = part.secret
        body["secret_rule"] = _named(allow("read", fields=[secret]), "secret_rule", RULES[rule](""))
    for place, of in enumerate(part.computed):
        made = COMPUTED[kinds.get(of, of)](of)
        body[f"made{place}"] = _named(computed, f"made{place}", made)
    keywords = {"key": tuple(keys), "stamps": False}
    return new_class(name, (Model,), keywords, lambda namespace: namespace.update(body))


def _named(decorate: Any, name: str, function: Any) -> Any:
    function.__name__ = name
    return decorate(function)


@st.composite
def _columns(draw: Any) -> tuple[Column, ...]:
    kinds = draw(st.lists(st.sampled_from([*KINDS]), min_size=1, max_size=5))
    return tuple(
        Column(
            f"{kind}{place}",
            kind,
            optional=draw(st.booleans()),
            unique=kind in UNIQUE and draw(st.integers(0, 2)) == 0,
        )
        for place, kind in enumerate(kinds)
    )


def _readable(columns: tuple[Column, ...], most: list[tuple[str, str]]) -> list[tuple[str, str]]:
    """The rules that these columns allow, besides those that any do."""
    found = [("everyone", ""), ("editors", ""), *most]
    for column in columns:
        if column.kind == "boolean":
            found += [("flagged", column.name), ("not flagged", column.name)]
        if column.kind in ("integer",):
            found.append(("counted", column.name))
        found.append(("told", column.name))
    return found


@st.composite
def _part(
    draw: Any, keys: list[tuple[str, ...]], most: list[tuple[str, str]], more: list[str]
) -> Part:
    columns = draw(_columns())
    rules = draw(
        st.lists(st.sampled_from(_readable(columns, most)), min_size=1, max_size=2, unique=True)
    )
    secret = None
    if draw(st.booleans()):
        own = [rule for rule, name in most if rule in ("mine", "of me")]
        secret = (draw(st.sampled_from(columns)).name, draw(st.sampled_from(["editors", *own])))
    usable = [column.name for column in columns if column.kind in COMPUTED] + more
    made = draw(st.lists(st.sampled_from(usable), max_size=2, unique=True)) if usable else []
    return Part(draw(st.sampled_from(keys)), columns, tuple(rules), secret, tuple(made))


@st.composite
def drafts(draw: Any) -> Draft:
    """Models that can be served together."""
    single = [("integer",), ("text",), ("uuid",)]
    owner = draw(_part(single, [("of me", ""), ("with some", "")], ["things"]))
    told = [("of its owner", column.name) for column in owner.columns]
    thing = draw(_part([*single, ("integer", "text")], [("mine", ""), *told], []))
    nested = len(thing.key) == 1 and draw(st.booleans())
    return Draft(owner, thing, optional=draw(st.booleans()), nested=nested)
