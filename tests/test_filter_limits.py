"""The filter language's limits: what is within them is answered, what is past them refused."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator
from contextlib import AsyncExitStack, suppress
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import HealthCheck, example, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from abaft import Settings
from abaft.base.errors import BadRequest, SettingError
from abaft.language.operators import OPERATORS
from abaft.language.parse import parse_condition, parse_value
from abaft.language.syntax import read_tree
from abaft.model.build import build
from abaft.model.functions import FUNCTIONS, REDUCTIONS
from differential.texts import texts
from differential.unparse import unparse
from scenarios import serving
from test_filter import MODELS, stock
from times import times

NESTING, TERMS = 16, 100


def nested(before: str, after: str, inner: str = "rating = 1", levels: int = NESTING - 2) -> str:
    return before * levels + inner + after * levels


# The deepest and widest of each kind that the limits let through.
WITHIN = {
    "any": nested("any(children, ", ")"),
    "all": nested("all(children, ", ")"),
    "not any": nested("not any(children, ", ")", levels=NESTING // 2 - 1),
    "words": nested("any(children, any(words, name = 'a') and ", ")", levels=NESTING // 2 - 2),
    "count": nested("count(children, ", ") = 1", levels=NESTING // 2 - 1),
    "or": nested("slug = 'x' and (open or (", "))", levels=NESTING // 2 - 1),
    "not": nested("not (open or ", ")", levels=NESTING // 2 - 1),
    "functions": nested("abs(", ")", "rating", NESTING - 3) + " = 1",
    "floats": "ratio" + " + ratio" * (NESTING - 3) + " = 1",
    "days": "at" + " + 1h" * (NESTING - 3) + " > now",
    "texts": nested("upper(trim(", "))", "title", NESTING // 2 - 2) + " = 'x'",
    "far": " and ".join(["parent.parent.parent.rating + 1 > 3"] * (TERMS // 2)),
    "times": " and ".join(["at + 1h > now"] * (TERMS // 2)),
    "wide": " or ".join(["rating = 1"] * TERMS),
    "list": f"rating in [{','.join('1' * 1000)}]",
}  # fmt: skip
PAST = {
    "any": (nested("any(children, ", ")", levels=NESTING), "filter_too_nested"),
    "functions": (nested("abs(", ")", levels=NESTING), "filter_too_nested"),
    "sums": ("rating" + " + 1" * NESTING + " = 1", "filter_too_nested"),
    "not": ("not " * 1000 + "open", "filter_too_nested"),
    "minus": ("-" * 1000 + "rating = 1", "filter_too_nested"),
    "wide": (" or ".join(["rating = 1"] * (TERMS + 1)), "too_many_terms"),
    "list": (f"rating in [{','.join(['1'] * 1001)}]", "too_many_values"),
    "long": ("open or " * 512 + "open", "filter_too_long"),
    "parentheses": ("(" * 4000, "filter_syntax"),
    "brackets": ("[" * 4000, "filter_syntax"),
}


@pytest.mark.slow
async def test_dos_2_what_is_within_the_limits_is_answered(database_url: str) -> None:
    async with serving(database_url, *MODELS, settings={"query_timeout": 60}) as api:
        await stock(api)
        for name, text in WITHIN.items():
            for actor in ("admin", "ann"):
                answer = await api.ask(f"GET /api/notes?limit=1&filter={quote(text)}", actor)
                assert answer.status_code == 200, (name, answer.text)


@pytest.mark.parametrize("name", PAST)
async def test_dos_2_what_is_past_the_limits_is_refused(name: str, tmp_path: Any) -> None:
    text, code = PAST[name]
    url = f"sqlite:///{tmp_path}/x.db"
    async with serving(url, *MODELS, settings={"max_url_bytes": 100_000}) as api:
        answer = await api.ask(f"GET /api/notes?filter={quote(text)}", "admin")
        assert (answer.status_code, answer.json()["code"]) == (400, code)


def test_nesting_has_a_bound_that_databases_bear() -> None:
    with pytest.raises(SettingError, match="max_filter_nesting"):
        Settings(max_filter_nesting=25)


LONG = Settings(max_filter_length=10**6)
REPEATED: dict[str, Callable[[int], str]] = {
    "(": lambda n: "(" * n,
    "not": lambda n: "not " * (n // 4) + "a",
    "and": lambda n: "a and " * (n // 6) + "a",
    "+": lambda n: "a+" * (n // 2) + "a",
    "quotes": lambda n: "'" * n,
    "escapes": lambda n: "a = '" + "\\n" * (n // 2) + "'",
    "backslashes": lambda n: "a = '" + "\\" * n,
    "digits": lambda n: "1" * n,
    "durations": lambda n: "1h" * (n // 2) + "!",
    "points": lambda n: "1." * (n // 2),
    "list": lambda n: "a in [" + "1," * (n // 2),
    "names": lambda n: "a." * (n // 2) + "a",
    "spaces": lambda n: " " * n + "!",
    "lines": lambda n: "\n" * n + "!",
    "backticks": lambda n: "`" * n,
}


def seconds(make: Callable[[int], str], size: int) -> float:
    times = []
    for turn in range(4):
        text = make(size) + " " * turn  # parsed anew, not found among those kept
        start = time.thread_time()
        with suppress(BadRequest):
            read_tree(text, LONG, "?filter")
        times.append(time.thread_time() - start)
    return min(times)


@pytest.mark.slow
@pytest.mark.parametrize("kind", REPEATED)
def test_dos_3_twice_the_text_takes_twice_the_time(kind: str) -> None:
    make = REPEATED[kind]
    small, large = seconds(make, 5_000), seconds(make, 20_000)
    assert large < 9 * max(small, 0.001), f"{small:.4f} s, then {large:.4f} s for four times it"


@given(texts())
def test_a_tree_written_and_read_again_is_the_same(node: Any) -> None:
    text = unparse(node)
    assert read_tree(text, Settings(), "?filter") == node, text


SCHEMA = build(MODELS)
WORDS = """
    rating title words parent author at me now today null true and or not in is has contains any all
    count sum lower ( ) [ ] , . = != < >= : + - * / % ` ' " 1 -5 2.5 1e3 7d 2024-01-31 'x' \\ \0
    "2024-01-31T00:00:00Z" name weight children slug shelf price day é 🙂 99999999999999999999999999
"""


@given(st.text() | st.lists(st.sampled_from(WORDS.split()), max_size=14).map(" ".join))
@example("1 " * 2000)
@example("a = '\ud7ff\n")
@pytest.mark.slow
def test_no_text_is_a_defect(text: str) -> None:
    for ask in (parse_condition, parse_value):
        problems = ()
        try:
            ask(SCHEMA, Settings(), SCHEMA.models["Note"], text)
        except BadRequest as fault:
            problems = fault.errors
        assert all(row.pointer == "?filter" and row.detail for row in problems)


NUMBERS = ["rating", "ratio", "price", "place", "parent.rating", "words.weight", "count(children)"]
TEXTS = ["title", "label", "slug", "mood", "parent.title", "words.name", "author.name", "'x'", "''"]
TIMES = ["at", "day", "span", "parent.at", "now", "today", "7d", "-1ms", "9999999d", "2024-02-29"]
OTHERS = [
    "open",
    "true",
    "null",
    "me",
    "bag",
    "author",
    "parent",
    "words",
    "shelf",
    "[1]",
    "any(words)",
]
NUMBERS += ["0", "-1", "2.5", "1e3", "1e300", "9" * 18, "9" * 30, "0.11111", "0." + "1" * 30]
TEXTS += ["'2024-02-29'", "'hall,3'", "'calm'", "'é'", "'2024-02-29T00:00:00Z'", "'PT1H'", "'1.50'"]
FAMILIES = [  # operands, and the functions that suit them
    (NUMBERS, ["add", "sub", "mul", "div", "mod", "neg", "abs", "floor", "ceil", "round", "float"]),
    (TEXTS, ["lower", "upper", "trim", "length", "left", "right", "replace", "concat"]),
    (TIMES, ["add", "sub", "year", "weekday", "quarter", "date", "hour", "neg"]),
    ([*NUMBERS, *TEXTS, *TIMES, *OTHERS], [*FUNCTIONS, *REDUCTIONS, *OPERATORS, "any", "all"]),
]
SIGNS = ["=", "!=", ">", "<=", "in", "has", "is", *OPERATORS]


def operands(family: tuple[list[str], list[str]]) -> st.SearchStrategy[str]:
    def called(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
        args = st.lists(inner, min_size=1, max_size=3).map(", ".join)
        return st.builds("{}({})".format, st.sampled_from(family[1]), args)

    return st.recursive(st.sampled_from(family[0]), called, max_leaves=4)


def comparisons(family: tuple[list[str], list[str]]) -> st.SearchStrategy[str]:
    left = right = operands(family)
    listed = st.lists(right, max_size=3).map(lambda items: f"[{', '.join(items)}]")
    plain = st.builds("{} {} {}".format, left, st.sampled_from(SIGNS[:4]), right)
    return plain | st.builds("{} {} {}".format, left, st.sampled_from(SIGNS), right | listed)


SENTENCES = st.recursive(
    st.sampled_from(FAMILIES).flatmap(comparisons),
    lambda inner: (
        st.builds("not ({}) or {}".format, inner, inner)
        | st.builds("any(children, {})".format, inner)
        | st.builds("all(child in children, {})".format, inner)
    ),
    max_leaves=2,
)


@pytest.fixture(scope="module")
def asking(module_database_url: str) -> Iterator[Callable[[str, str], Any]]:
    """Asks a filled database in turn, as admin or somebody."""
    with asyncio.Runner() as runner:
        stack = AsyncExitStack()
        api = runner.run(stack.enter_async_context(serving(module_database_url, *MODELS)))
        runner.run(stock(api))
        yield lambda text, actor: runner.run(
            api.ask(f"GET /api/notes?limit=1&filter={quote(text)}", actor)
        )
        runner.run(stack.aclose())


@pytest.mark.slow
@hypothesis_settings(max_examples=times(120), suppress_health_check=[*HealthCheck], deadline=None)
@given(text=SENTENCES, actor=st.sampled_from(["admin", "ann"]))
def test_no_sentence_is_a_defect(asking: Any, text: str, actor: str) -> None:
    """Sensible or not, a sentence is answered, or refused with what is wrong."""
    assert asking(text, actor).status_code in (200, 400)
