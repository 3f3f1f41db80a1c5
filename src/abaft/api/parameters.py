"""The parameters of a query string: their pairs, and what is said of a wrong one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import lru_cache
from urllib.parse import unquote

from abaft.base.errors import BadRequest, Problem

_LISTS = ("sort", "expand", "fields", "aggregate", "group", "scope", "upsert")


def bad(parameter: str, code: str, detail: str) -> BadRequest:
    """400 for a query parameter."""
    problem = Problem(f"?{parameter[:200]}", code, detail)
    return BadRequest(detail, code=code, errors=[problem])


def refuse(problems: list[Problem]) -> None:
    """Raises BadRequest, where there are any, which tells of all."""
    if problems:
        raise refusal(problems)


def refusal(problems: list[Problem]) -> BadRequest:
    """400 that tells of all that is wrong."""
    code = problems[0].code if len(problems) == 1 else "bad_parameters"
    details = [problem.detail for problem in problems[:5]]
    between = "\n" if any("\n" in detail for detail in details) else "; "
    return BadRequest(between.join(details), code=code, errors=problems)


def repeated(name: str) -> BadRequest:
    """400 for a parameter that is given more than once, with what to write instead."""
    mends = {"filter": "join the conditions by `and`", "search": "write the words in one text"}
    once = "give it once, with commas between" if name in _LISTS else "give it once"
    mend = mends.get(name, once)
    return bad(name, "repeated_parameter", f"{name} is given more than once: {mend}")


@contextmanager
def gathered(problems: list[Problem]) -> Iterator[None]:
    """Keeps what is wrong, so that all of it is told at once."""
    try:
        yield
    except BadRequest as fault:
        problems += fault.errors


def names_of(parameter: str, asked: Mapping[str, str]) -> tuple[str, ...] | None:
    """The names with commas between that a parameter lists; None where it isn't given."""
    if parameter not in asked:
        return None
    names = tuple(asked[parameter].split(","))
    if any("" in name.removeprefix("-").split(".") for name in names):
        raise bad(parameter, "bad_value", f"{parameter} should be names with commas between")
    return names


def word(asked: Mapping[str, str], name: str, words: tuple[str, ...]) -> str:
    """The parameter's value, one of the words; by default the first."""
    given = asked.get(name, words[0])
    if given not in words:
        raise bad(name, "bad_value", f"{name} should be {' or '.join(words)}")
    return given


def split_query(query: str) -> list[tuple[str, str]]:
    """The pairs of a query string, as urllib's parse_qsl gives them, in a third of its time."""
    pairs = []
    for part in query.split("&"):
        if part:
            name, _, value = part.partition("=")
            pairs.append((_name(name), _decoded(value)))
    return pairs


@lru_cache(256)
def _name(text: str) -> str:
    # The same ones come again and again, mostly with brackets that are encoded.
    return _decoded(text)


def _decoded(text: str) -> str:
    if "+" in text:
        text = text.replace("+", " ")
    return unquote(text, errors="strict") if "%" in text else text
