"""`expand=author,comments(sort=-created;limit=5;count)`: relations, and pages of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from abaft.api.parameters import bad, gathered, names_of, refuse
from abaft.api.split import split_top
from abaft.base.errors import MOST_TOLD, BadRequest, Problem, nearest
from abaft.base.settings import Settings
from abaft.language.parse import parse_condition
from abaft.model.spec import Model, Schema
from abaft.plan.resolve import column_of, picks, relation
from abaft.plan.types import Pick, Sort

Bind = Callable[[], Mapping[str, Any]]
Path = tuple[str, ...]


WHOLE = Pick()


@dataclass(frozen=True, slots=True)
class Picked:
    """What is to be shown of records, and what gives the values of the filters within."""

    pick: Pick = WHOLE
    binds: tuple[Bind, ...] = ()


def pick_of(schema: Schema, settings: Settings, model: Model, asked: Mapping[str, str]) -> Picked:
    """What `fields` and `expand` ask for. Raises BadRequest, which tells of all that is wrong."""
    depth, most = settings.max_expand_depth, settings.max_expand_paths
    problems: list[Problem] = []
    fields: tuple[str, ...] | None = None
    expands = Expands()
    with gathered(problems):
        fields = names_of("fields", asked)
    for name in dict.fromkeys(fields or ()):
        if len(problems) >= MOST_TOLD:
            break
        with gathered(problems):
            picks(schema, model, (name,), (), depth)
    with gathered(problems):
        expands = parse_expands(schema, settings, model, asked.get("expand"))
    # A dotted field expands as well.
    dotted = {name.rpartition(".")[0] for name in fields or () if "." in name}
    if len({*expands.paths, *dotted}) > most:
        problems += too_many(most).errors
    refuse(problems)
    pick = picks(schema, model, fields, tuple(expands.paths), depth, expands.pages)
    budget = settings.max_expand_records
    if pick.expand and _most(schema, settings, model, pick) > budget:
        detail = f"expand may show at most {budget} records with one: give to-many relations limits"
        raise bad("expand", "expand_too_large", detail)
    return Picked(pick, tuple(expands.binds))


def _most(schema: Schema, settings: Settings, model: Model, pick: Pick) -> int:
    """How many records can be shown with one: each relation has so many times those below it."""
    found = 0
    for name, inner in pick.expand:
        below = 1 + _most(schema, settings, schema.target(model, name), inner)
        many = (inner.limit or settings.max_expand_items) if name in model.many else 1
        found += many * below
    return found


@dataclass(slots=True)
class Expands:
    """What `expand` asks for: the relations' paths, the page of each, and their filters' values."""

    paths: list[str] = field(default_factory=list)
    pages: dict[Path, Pick] = field(default_factory=dict)
    binds: list[Bind] = field(default_factory=list)


def parse_expands(schema: Schema, settings: Settings, model: Model, text: str | None) -> Expands:
    """What the parameter asks for. Raises BadRequest, which tells of all that is wrong."""
    parser = _Parser(schema, settings)
    if text is not None:
        with gathered(parser.problems):
            parser.items(model, text, ())
    refuse(parser.problems)
    return parser.found


def too_many(most: int) -> BadRequest:
    """400 for more relations than one request may show."""
    return bad("expand", "too_many_relations", f"expand takes at most {most} relations")


class _Parser:
    def __init__(self, schema: Schema, settings: Settings) -> None:
        self.schema = schema
        self.settings = settings
        self.found = Expands()
        self.problems: list[Problem] = []

    def items(self, model: Model, text: str, at: Path) -> None:
        """Relations with commas between, each with its options in parentheses."""
        items, most = [*split_top(text, ",")], self.settings.max_expand_paths
        if len(items) > most:
            raise too_many(most)
        for item in items:
            with gathered(self.problems):
                self.item(model, item, at)

    def item(self, model: Model, text: str, at: Path) -> None:
        name, bracket, rest = text.partition("(")
        path = (*at, *name.split("."))
        if "" in path:
            raise bad("expand", "bad_value", "expand should be names with commas between")
        if bracket and not rest.endswith(")"):
            detail = f"expand: {text[:60]!r} has a ( without its )"
            raise bad("expand", "expand_syntax", detail)
        self.found.paths.append(".".join(path))
        if len(path) > self.settings.max_expand_depth:
            raise bad(
                "expand", "expand_too_deep", "expand goes through too many relations in a row"
            )
        owner, target = model, model
        for step in path[len(at) :]:
            owner, target = target, relation(self.schema, target, step, 1)
        if bracket:
            page = self.page(owner, target, path, rest[:-1])
            if path in self.found.pages:
                raise bad("expand", "repeated_relation", f"expand names {'.'.join(path)!r} twice")
            self.found.pages[path] = page

    def page(self, owner: Model, target: Model, path: Path, text: str) -> Pick:
        """The options of one relation."""
        page, seen = Pick(), set()
        for option in split_top(text, ";") if text else ():
            key, _, value = (part.strip() for part in option.partition("="))
            if key not in _OPTIONS:
                hint = nearest(key, _OPTIONS)
                raise bad("expand", "unknown_option", f"expand has no option {key[:40]!r}: {hint}")
            if key in seen:
                raise bad("expand", "repeated_option", f"expand gives {key} of {path[-1]} twice")
            seen.add(key)
            if key in _PAGED and path[-1] not in owner.many:
                raise bad("expand", "to_one", f"{path[-1]} is one record, so it takes no {key}")
            with gathered(self.problems):
                page = _OPTIONS[key](self, page, target, path, value)
        if page.count and f"{path[-1]}_count" in (*owner.fields, *owner.one, *owner.many):
            raise bad(
                "expand",
                "name_taken",
                f"{owner.collection} has a field {path[-1]}_count: leave out count",
            )
        return page

    def fields(self, page: Pick, target: Model, path: Path, value: str) -> Pick:
        return replace(page, fields=tuple(_names("fields", value)))

    def where(self, page: Pick, target: Model, path: Path, value: str) -> Pick:
        prefix = f"x{len(self.found.binds)}."
        found = parse_condition(self.schema, self.settings, target, value, prefix, "?expand")
        self.found.binds.append(found.bind)
        return replace(page, where=found.where)

    def sort(self, page: Pick, target: Model, path: Path, value: str) -> Pick:
        names, most = _names("sort", value), self.settings.max_sort_fields
        if len(names) > most:
            raise bad("expand", "too_many_fields", f"sort takes at most {most} fields")
        steps = [sort_step(self.schema, self.settings, target, name, "expand") for name in names]
        return replace(page, sort=tuple(steps))

    def limit(self, page: Pick, target: Model, path: Path, value: str) -> Pick:
        most = self.settings.max_expand_items
        digits = value.isascii() and value.isdigit() and len(value) < 10
        if not digits or not 1 <= int(value) <= most:
            raise bad(
                "expand",
                "bad_value",
                f"the limit of {path[-1]} should be a number from 1 to {most}",
            )
        return replace(page, limit=int(value))

    def count(self, page: Pick, target: Model, path: Path, value: str) -> Pick:
        if value not in ("", "exact"):
            raise bad(
                "expand", "bad_value", f"count of {path[-1]} should be exact, or have no value"
            )
        return replace(page, count=True)

    def expand(self, page: Pick, target: Model, path: Path, value: str) -> Pick:
        self.items(target, value, path)
        return page


_OPTIONS: Mapping[str, Callable[..., Pick]] = {
    "fields": _Parser.fields,
    "filter": _Parser.where,
    "sort": _Parser.sort,
    "limit": _Parser.limit,
    "count": _Parser.count,
    "expand": _Parser.expand,
}
_PAGED = ("filter", "sort", "limit", "count")


def sort_step(
    schema: Schema, settings: Settings, model: Model, text: str, parameter: str = "sort"
) -> Sort:
    """One step of an order: `-author.name`. Raises BadRequest."""
    path = tuple(text.removeprefix("-").split("."))
    if len(path) > settings.max_filter_depth + 1:
        raise bad(parameter, "sort_too_deep", "sort goes through too many relations in a row")
    _, found, _ = column_of(schema, model, path, f"?{parameter}")
    if not found.kind.ordered:
        name = ".".join(path)
        raise bad(parameter, "no_order", f"{name} ({found.kind.name}) has no order")
    return Sort(path, text.startswith("-"))


def _names(option: str, text: str) -> Sequence[str]:
    names = text.split(",")
    if any("" in name.removeprefix("-").split(".") for name in names):
        raise bad("expand", "bad_value", f"{option} should be names with commas between")
    return names
