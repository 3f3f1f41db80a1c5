"""What a list's parameters mean but for their values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import cast, get_args

from abaft.api import cursor as cursors
from abaft.api.expands import Bind, Picked, pick_of, sort_step
from abaft.api.filters import LIST_PARAMETERS, Reader, parse_where
from abaft.api.groups import PARAMETERS as GROUPING
from abaft.api.groups import Groups, parse_groups
from abaft.api.parameters import bad, gathered, names_of, refuse, word
from abaft.api.searches import NOTHING, asked_search
from abaft.base.errors import Problem
from abaft.base.settings import Settings
from abaft.model import expr as e
from abaft.model.spec import DELETED, Model, Schema
from abaft.plan.read import orders_of
from abaft.plan.resolve import scopes_of
from abaft.plan.types import CountMode, Deleted, Order, ReadShape, Sort

SHAPING = tuple(name for name in LIST_PARAMETERS if name != "filter")
LIVING: Deleted = "without"


@dataclass(frozen=True, slots=True)
class Form:
    """What a list's parameters mean but for their values."""

    shape: ReadShape
    orders: tuple[Order, ...]
    mark: str
    readers: tuple[tuple[int, Reader], ...]
    binds: tuple[Bind, ...] = ()
    """What gives the values of filters that stand within other parameters."""


class ListForms:
    """Parses the parameters of lists; every wrong one is told at once."""

    def __init__(self, schema: Schema, settings: Settings) -> None:
        self.schema = schema
        self.settings = settings

    def parse(self, model: Model, pairs: Sequence[tuple[str, str]]) -> Form:
        """The form of these parameters. Raises BadRequest."""
        problems: list[Problem] = []
        where, readers = self._filters(model, pairs, problems)
        asked = dict(pairs)
        groups: Groups | None = None
        with gathered(problems):
            groups = parse_groups(self.schema, self.settings, model, asked)
        # What is sorted and shown of groups is their own members.
        rows = model if groups is None else groups.rows
        sort: tuple[Sort, ...] = ()
        picked = Picked()
        count: CountMode = ""
        with gathered(problems):
            sort = self._sort(rows, asked)
        with gathered(problems):
            picked = pick_of(self.schema, self.settings, model, asked)
        with gathered(problems):
            count = _count(self.settings, asked)
        scopes, deleted = None, LIVING
        with gathered(problems):
            scopes = _scopes(model, asked)
        with gathered(problems):
            deleted = deleted_of(model, asked)
        found = NOTHING
        with gathered(problems):
            found = asked_search(self.settings, model, pairs)
        refuse(problems)
        if groups is None:
            sort = found.order(sort)
        shape = ReadShape(
            model.name,
            "page",
            where,
            sort,
            picked.pick,
            offset="offset" in asked,
            count=count,
            scopes=scopes,
            deleted=deleted,
            terms=() if groups is None else groups.terms,
            having=e.TRUE if groups is None else groups.having,
        )
        shape = found.added(shape)
        orders = orders_of(self.schema, rows, sort)
        named = ",".join(asked.get(name, "") for name in GROUPING) if groups else ""
        mark = cursors.order_mark(model.collection + named, orders)
        binds = picked.binds if groups is None else (*picked.binds, groups.bind)
        return Form(shape, orders, mark, (*readers, *found.readers), binds)

    def _filters(
        self, model: Model, pairs: Sequence[tuple[str, str]], problems: list[Problem]
    ) -> tuple[e.Expr, list[tuple[int, Reader]]]:
        wheres: list[e.Expr] = []
        readers: list[tuple[int, Reader]] = []
        for place, (name, value) in enumerate(pairs):
            if name in SHAPING or (name == DELETED and model.soft_delete):
                continue
            with gathered(problems):
                one = parse_where(self.schema, self.settings, model, name, value, place)
                wheres.append(one.where)
                readers.append((place, one.read))
        most = self.settings.max_filters
        if sum(name not in LIST_PARAMETERS for name, _ in pairs) > most:
            raise bad("", "too_many_parameters", f"a request takes at most {most} filters")
        return e.all_of(wheres), readers

    def _sort(self, model: Model, asked: Mapping[str, str]) -> tuple[Sort, ...]:
        steps: list[Sort] = []
        problems: list[Problem] = []
        names, most = names_of("sort", asked) or (), self.settings.max_sort_fields
        if len(names) > most:
            raise bad("sort", "too_many_fields", f"sort takes at most {most} fields")
        for text in names:
            with gathered(problems):
                steps.append(sort_step(self.schema, self.settings, model, text))
        refuse(problems)
        if len({step.path for step in steps}) < len(steps):
            raise bad("sort", "repeated_field", "sort names a field twice")
        return tuple(steps)


def deleted_of(model: Model, asked: Mapping[str, str]) -> Deleted:
    """Which records are asked for, where deletes are soft."""
    if not model.soft_delete:
        return LIVING
    return cast(Deleted, word(asked, DELETED, get_args(Deleted)))


def _scopes(model: Model, asked: Mapping[str, str]) -> tuple[str, ...] | None:
    names = names_of("scope", asked)
    return None if names is None else scopes_of(model, names)


def _count(settings: Settings, asked: Mapping[str, str]) -> CountMode:
    text = asked.get("count", "")
    if text in ("", "exact", "estimated") and ("count" not in asked or text):
        return text  # type: ignore[return-value]
    if text.isascii() and text.isdigit() and len(text) < 10 and 0 < int(text) <= settings.max_count:
        return "bounded"
    detail = f"count should be exact, estimated, or how far to count: 1 to {settings.max_count}"
    raise bad("count", "bad_value", detail)
