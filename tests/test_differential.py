"""One model, several engines, one answer: each compared with plain Python (VAL-4, AUTHZ-7).

Hypothesis prints a failing example with the blob that replays it; what it found before is kept
in `differential.found`.
"""

from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from abaft import Forbidden
from abaft.model.evaluate import evaluate
from differential import found
from differential.engines import Engine
from differential.models import sees
from differential.oracle import answer, document, tree
from differential.questions import ACTORS, Question, questions
from differential.texts import written
from differential.worlds import World, worlds
from times import times

QUESTIONS = 5
"""Questions to one world."""

pytestmark = pytest.mark.filterwarnings("ignore::hypothesis.errors.HypothesisWarning")
quick = settings(max_examples=25, print_blob=True, suppress_health_check=[*HealthCheck])
thorough = settings(quick, max_examples=times(70))
asked = st.lists(questions(), min_size=QUESTIONS, max_size=QUESTIONS)


@pytest.fixture(scope="module")
def engines(module_database_urls: dict[str, str]) -> Iterator[list[Engine]]:
    opened = [Engine(name, url) for name, url in module_database_urls.items()]
    yield opened
    for engine in opened:
        engine.close()


def hold_together(engines: list[Engine], world: World, asked: list[Question]) -> None:
    for engine in engines:
        engine.load(world)
    for question in asked:
        try:
            expected = answer(world, question)
        except Exception as error:  # pragma: no cover
            raise AssertionError(f"the reference fails at {question}") from error
        expand = tree(question.expand)
        documents = [document(thing, expand, question.actor) for thing in expected]
        for engine in engines:
            assert_answer(engine, question, documents)


def assert_answer(engine: Engine, question: Question, documents: list[Any]) -> None:
    try:
        given = engine.ask(question)
    except Forbidden:
        # Nobody in particular has no own things, so `secret` is out of reach altogether.
        assert question.actor.anonymous
        assert "secret" in repr((question.where, question.sort))
        return
    told = f"{engine.name}: {question}"
    assert [row["number"] for row in given] == [row["number"] for row in documents], told
    assert given == documents, told
    assert engine.count(question) == len(documents), told


@pytest.mark.slow
def test_what_was_found_before(engines: list[Engine]) -> None:
    hold_together(engines, found.world(), list(found.questions()))


@pytest.mark.slow
@thorough
@given(world=worlds(), asked=asked)
def test_val_4_engines_answer_as_plain_python_does(
    engines: list[Engine], world: World, asked: list[Question]
) -> None:
    hold_together(engines, world, asked)


@quick
@given(world=worlds())
def test_rules_mean_what_the_same_rules_by_hand_do(world: World) -> None:
    for record in world.all():
        rules = [rule.where for rule in type(record).__spec__.rules if not rule.fields]
        for actor in ACTORS:
            if not actor.system:
                allowed = any(evaluate(rule, [record], actor) for rule in rules)
                assert allowed == sees(actor, record)


@pytest.mark.slow
@thorough
@given(world=worlds(), asked=st.lists(written(), min_size=QUESTIONS, max_size=QUESTIONS))
def test_val_4_engines_answer_filter_texts_as_plain_python_does(
    engines: list[Engine], world: World, asked: list[Question]
) -> None:
    hold_together(engines, world, asked)
