"""What the document says is what the API does, for requests right and wrong (schemathesis).

`ABAFT_TEST_TIMES=20 pytest tests/test_schemathesis.py` looks longer.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterable, Iterator
from contextlib import suppress
from itertools import cycle
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.errors import FlakyStrategyDefinition
from schemathesis import Case
from schemathesis.core.failures import FailureGroup
from schemathesis.python.asgi import shutdown_lifespans

from apps.everything import make_app
from apps.parcels import prepare
from documented import (
    CURRENT,
    OPTIONS,
    drawn,
    examples,
    headers,
    operation,
    validate,
    validate_on,
    ways,
    whole,
)
from times import times

GOLDEN = Path(__file__).parent / "golden" / "openapi.json"
# Tests are named without the document's being made: every process of xdist collects them.
LABELS = [
    f"{method.upper()} {path}"
    for path, item in json.loads(GOLDEN.read_bytes())["paths"].items()
    for method in item
    if method != "parameters"
]
MOST = 8  # faults that are shown of one operation
FEW, MANY = 6, times(5)


@pytest.fixture(scope="module")
def running(module_database_urls: dict[str, str]) -> Iterator[None]:
    for engine, url in module_database_urls.items():
        models = asyncio.run(prepare(url))
        CURRENT.apps[engine] = make_app(url, *models)
    yield
    shutdown_lifespans()


def some(count: int) -> Any:
    return settings(
        max_examples=count,
        phases=[Phase.explicit, Phase.generate],
        suppress_health_check=list(HealthCheck),
    )


def hold(cases: Iterable[tuple[str, Case]]) -> None:
    """All that these find on their engines, and not the first of it alone."""
    faults: dict[str, BaseException] = {}
    for engine, case in cases:
        try:
            validate_on(engine, case)
        except FailureGroup as found:
            faults |= {
                f"{type(fault)}{fault.title}{fault.message}": fault for fault in found.exceptions
            }
    if faults:
        raise FailureGroup(list(faults.values())[:MOST])


def on_each(cases: Iterable[Case]) -> Iterator[tuple[str, Case]]:
    for case in cases:
        yield from ((engine, case) for engine in CURRENT.apps)


def in_turn(cases: Iterable[Case]) -> Iterator[tuple[str, Case]]:
    """Each with one engine, as there are some hundred of an operation."""
    return zip(cycle(CURRENT.apps), cases, strict=False)


@pytest.mark.slow
def test_the_operations_are_those_of_the_document() -> None:
    assert [row.ok().label for row in whole().get_all_operations()] == LABELS


@pytest.mark.named
@pytest.mark.parametrize("label", LABELS)
@pytest.mark.usefixtures("running")
@pytest.mark.slow
def test_val_1_the_api_does_as_it_says(label: str) -> None:
    there = operation(label)
    hold(on_each(examples(there)))
    some(FEW)(given(drawn(there))(validate))()


@pytest.mark.slow
@pytest.mark.parametrize("label", LABELS)
@pytest.mark.usefixtures("running")
def test_val_1_the_api_does_as_it_says_at_length(label: str) -> None:
    there = operation(label)
    hold((in_turn if times(1) == 1 else on_each)(ways(there)))
    some(MANY)(given(drawn(there))(validate))()


def travel(rounds: int) -> None:
    for engine in CURRENT.apps:
        CURRENT.engine = engine
        journeys(rounds)


def journeys(rounds: int) -> None:
    """Some along the links: what was made is read, changed and deleted; a page leads to
    the next.

    What one leaves in the database lies in the next one's way, which hypothesis takes for flaky
    when it is unlucky: faults are kept apart from that.
    """
    faults: list[Exception] = []
    machine: Any = whole().as_state_machine()

    class Journey(machine):  # type: ignore[misc]
        def get_call_kwargs(self, case: Any) -> dict[str, Any]:
            return {"headers": headers(case)}

        def validate_response(self, response: Any, case: Any, **more: Any) -> None:
            try:
                case.validate_response(
                    response, headers=headers(case), transport_kwargs=more, **OPTIONS
                )
            except Exception as fault:
                faults.append(fault)
                raise

    for _ in range(rounds):
        with suppress(FlakyStrategyDefinition):
            Journey.run(settings=settings(some(3), stateful_step_count=6))
        assert faults == []


@pytest.mark.named
@pytest.mark.usefixtures("running")
@pytest.mark.slow
def test_val_1_one_request_after_another() -> None:
    travel(1)


@pytest.mark.slow
@pytest.mark.usefixtures("running")
def test_val_1_one_request_after_another_at_length() -> None:
    travel(MANY // 2)
