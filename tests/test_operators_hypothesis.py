"""What operators make in the database is what plain Python makes, and what hooks are shown."""

import asyncio
from collections.abc import Iterator
from contextlib import AbstractAsyncContextManager
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from abaft import Actor
from abaft.model.documents import same_json
from abaft.model.kinds import INT_MAX, INT_MIN
from abaft.plan.operators import OPERATORS, broken
from apps.reckoned import MEDIA, MODELS, Hooked, Thing
from scenarios import Api, serving

pytestmark = pytest.mark.filterwarnings("ignore::hypothesis.errors.HypothesisWarning")

texts = st.text("ab\u00e9\\\"' ", max_size=3)
scalars = st.one_of(
    st.none(), st.booleans(), st.integers(-2, 2), st.sampled_from([1.0, 0.5, 1e22, -0.0]), texts
)
documents = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=2) | st.dictionaries(texts, inner, max_size=2)
)
edges = st.sampled_from([0, 1, -1, INT_MAX, INT_MIN, INT_MAX - 1, INT_MIN + 1])
integers = st.integers(INT_MIN, INT_MAX) | edges | st.integers(-20, 20)
floats = st.floats(allow_nan=False, allow_infinity=False) | st.floats(-10, 10)
prices = st.decimals(-120, 120, places=2) | st.sampled_from([Decimal("9999.99")])
micros = integers.filter(lambda size: size > INT_MIN).map(lambda size: timedelta(microseconds=size))
moments = st.datetimes(datetime(1, 1, 2), datetime(9999, 12, 30), timezones=st.just(UTC))
VALUES: dict[str, Any] = {
    "views": integers,
    "stock": st.integers(-5, 9),
    "price": prices.filter(lambda value: -5 < value < 99),
    "ratio": floats.map(lambda value: value + 0.0),
    "took": micros,
    "at": moments,
    "day": st.dates(),
    "hour": st.times(),
    "labels": st.lists(texts, max_size=4),
    "anything": st.lists(documents, max_size=4),
}
WIDER = {"stock": st.integers(-30, 30), "price": prices}


@st.composite
def steps(draw: Any) -> tuple[str, str, Any]:
    """A member, an operator that takes it, and an operand."""
    name = draw(st.sampled_from([*VALUES]))
    numbers = ("views", "stock", "price", "ratio", "took")
    of_lists = name in ("labels", "anything")
    rows = ["append", "remove"] if of_lists else ["min", "max"]
    row = draw(st.sampled_from([*rows, "increment"] if name in numbers else rows))
    return name, row, draw(WIDER.get(name, VALUES[name]) if row == "increment" else VALUES[name])


class Both:
    """The same record twice, one of them with hooks, on a loop of its own."""

    def __init__(self, url: str) -> None:
        self.runner = asyncio.Runner()
        self.serving: AbstractAsyncContextManager[Api] = serving(url, *MODELS)
        self.api = self.runner.run(self.serving.__aenter__())
        self.db = self.api.app.db(Actor(system=True))

    def close(self) -> None:
        self.runner.run(self.serving.__aexit__(None, None, None))
        self.runner.close()

    async def play(self, start: dict[str, Any], asked: list[tuple[str, str, Any]]) -> None:
        records = [await self.db.create(model, **start) for model in (Thing, Hooked)]
        state = {name: start.get(name) for name in VALUES} | {"stock": start.get("stock", 0)}
        for name, row, operand in asked:
            spec = type(records[0]).__spec__  # type: ignore[attr-defined]
            result = OPERATORS[row].apply(state[name], operand)
            wrong = broken(spec, name, row, result, 1_000_000)
            for record in records:
                shown = None if operand is None else spec.fields[name].kind.show(operand)
                path = f"PATCH /api/{type(record).__name__.lower()}s/{record.id}"
                answer = await self.api.ask(path, json={name: {row: shown}}, headers=MEDIA)
                self.compare(spec, name, result, [row.as_dict() for row in wrong], answer)
            if not wrong:
                state[name] = result

    def compare(self, spec: Any, name: str, result: Any, wrong: Any, answer: Any) -> None:
        found = answer.json()
        if wrong:
            assert (answer.status_code, found["errors"]) == (422, wrong)
            return
        expected = None if result is None else spec.fields[name].kind.show(result)
        assert answer.status_code == 200, answer.text
        assert same_json(found[name], expected), (name, found[name], expected)


@pytest.fixture(scope="module")
def both(module_database_url: str) -> Iterator[Both]:
    made = Both(module_database_url)
    yield made
    made.close()


starts = st.fixed_dictionaries({}, optional=VALUES)
quick = settings(max_examples=60, suppress_health_check=[*HealthCheck], deadline=None)


@quick
@given(start=starts, asked=st.lists(steps(), min_size=1, max_size=8))
@pytest.mark.slow
def test_the_database_reckons_as_python_does(
    both: Both, start: dict[str, Any], asked: list[tuple[str, str, Any]]
) -> None:
    both.runner.run(both.play(start, asked))
