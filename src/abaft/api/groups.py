"""`aggregate=`, `group=` and `having=`: what groups of records are asked for."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

from abaft.api.parameters import bad, refusal, refuse
from abaft.api.split import split_top
from abaft.base.errors import BadRequest, Problem, nearest
from abaft.base.settings import Settings
from abaft.language.parse import parse_condition, parse_value
from abaft.model import expr as e
from abaft.model.functions import REDUCTIONS, NoSuchKind, reduced_kind
from abaft.model.spec import Model, Schema
from abaft.plan.read import group_model
from abaft.plan.types import Term

PARAMETERS = ("aggregate", "group", "having")
_MEMBERS = "having knows the groups' members: aggregate=sum(price)&having=sum_price > 9"
_COUNT = re.compile(r"count\s*+\(\s*+\*?\s*+\)")
_PLAIN = re.compile(r"[A-Za-z][A-Za-z0-9_]*")
_NAMED = re.compile(r"\s*([A-Za-z_][A-Za-z0-9_]{0,59})\s*:(?!:)", re.ASCII)
_REDUCED = re.compile(r"\s*+([a-z_]++)\s*+(?:\((.*)\))?\s*+", re.ASCII | re.DOTALL)


@dataclass(frozen=True, slots=True)
class Groups:
    """The groups asked for: a model of their rows, and the condition on them with its values."""

    rows: Model
    terms: tuple[Term, ...]
    having: e.Expr
    bind: Callable[[], Mapping[str, Any]]


def parse_groups(
    schema: Schema, settings: Settings, model: Model, asked: Mapping[str, str]
) -> Groups | None:
    """The groups that the parameters ask for; None where they ask for records.

    Raises BadRequest, which tells of all that is wrong.
    """
    if not any(name in asked for name in PARAMETERS):
        return None
    problems: list[Problem] = []
    terms: list[Term] = []
    sources: dict[str, str] = {}
    texts = {name: [*split_top(asked[name], ",")] for name in PARAMETERS[:2] if name in asked}
    if sum(map(len, texts.values())) > settings.max_aggregates:
        detail = f"at most {settings.max_aggregates} members may be asked for"
        raise bad("aggregate", "too_many_aggregates", detail)
    for parameter, read in (("group", _by), ("aggregate", _reduced)):
        for text in texts.get(parameter, ()):
            try:
                name, source = _name(parameter, text)
                term = read(schema, settings, model, name, source)
                if name in sources:
                    raise bad(
                        parameter, "repeated_name", f"two members are called {name!r}: name one"
                    )
            except BadRequest as fault:
                problems += fault.errors
                continue
            terms.append(term)
            sources[name] = source
    if not problems and not any(term.reduce for term in terms):
        detail = "aggregate says what is reckoned of each group, like aggregate=count,sum(price)"
        problems += bad("aggregate", "no_aggregate", detail).errors
    for name in ("fields", "expand", "highlight"):
        if name in asked:
            detail = f"{name} is of records, and these are groups of them"
            problems += bad(name, "not_of_groups", detail).errors
    refuse(problems)
    rows = group_model(model, tuple(terms))
    if "having" not in asked:
        return Groups(rows, tuple(terms), e.TRUE, dict)
    same = {_COUNT.sub("count", source): name for name, source in sources.items()}
    with _of_groups():
        having = parse_condition(schema, settings, rows, asked["having"], "h", "?having", same)
    return Groups(rows, tuple(terms), having.where, having.bind)


@contextmanager
def _of_groups() -> Iterator[None]:
    """What `having` doesn't know may be a field of the records, as SQL has it there."""
    try:
        yield
    except BadRequest as fault:
        told = [
            replace(row, detail=f"{row.detail}\n{_MEMBERS}") if row.code == "unknown_field" else row
            for row in fault.errors
        ]
        raise refusal(told) from None


def _by(schema: Schema, settings: Settings, model: Model, name: str, source: str) -> Term:
    found = parse_value(schema, settings, model, source, None, "?group")
    if not found.kind.ordered:
        raise bad("group", "no_order", f"{source} ({found.kind.name}) can't be grouped by")
    return Term(name, found.kind.own, found.value)


def _reduced(schema: Schema, settings: Settings, model: Model, name: str, source: str) -> Term:
    match = _REDUCED.fullmatch(source)
    word = match[1] if match else source.partition("(")[0].strip()
    if word not in REDUCTIONS:
        hint = nearest(word, REDUCTIONS)
        raise bad("aggregate", "unknown_aggregate", f"there is no aggregate {word[:60]!r}: {hint}")
    if match is None:
        detail = f"{source[:60]!r} should be an aggregate of one value, like sum(price)"
        raise bad("aggregate", "unknown_aggregate", detail)
    inner = (match[2] or "").strip()
    found = None
    if inner not in ("", "*"):
        found = parse_value(schema, settings, model, inner, None, "?aggregate")
    try:
        kind = reduced_kind(word, None if found is None else found.kind)
    except NoSuchKind as error:
        raise bad("aggregate", "kinds_differ", str(error)) from None
    return Term(name, kind, None if found is None else found.value, word)


def _name(parameter: str, text: str) -> tuple[str, str]:
    """What a member is called, and what it is: `total:sum(price)`, or made of its own text."""
    match = _NAMED.match(text)
    if match:
        return match[1], text[match.end() :].strip()
    source = text.strip()
    # A field keeps its name to the last underscore, which parts it from `count` and the like.
    name = source if _PLAIN.fullmatch(source) else re.sub(r"[^A-Za-z0-9]+", "_", source).strip("_")
    if not source:
        like = "count,sum(price)" if parameter == "aggregate" else "author,month(created)"
        raise bad(parameter, "bad_value", f"{parameter} should be like {like}")
    if not name or name[0].isdigit() or len(name) > 60:
        raise bad(parameter, "bad_value", f"give it a name: total:{source[:40] or '…'}")
    return name, source
