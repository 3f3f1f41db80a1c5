"""One model, several engines, one answer: each compared with plain Python (VAL-4, AUTHZ-7).

Hypothesis prints a failing example with the blob that replays it; what it found before is kept
in `differential.found`.
"""

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, closing
from itertools import product
from typing import Any

import pytest
from hypothesis import HealthCheck, given, note, settings
from hypothesis import strategies as st

from abaft import Actor, Fault, Forbidden, Unauthorized
from abaft.model.evaluate import evaluate
from counting import CASES
from differential import found
from differential.drawn import drafts
from differential.drawn_worlds import Drawn, drawn_worlds
from differential.engines import Engine, read_json
from differential.groups import Grouping, groupings, reckoned
from differential.models import sees
from differential.oracle import BY_HAND, Law, Unseen, answer, document, tree, views
from differential.questions import ACTORS, VARIANTS, Question, variants
from differential.texts import written
from differential.worlds import World, worlds
from times import times

NewDatabases = Callable[[], AbstractContextManager[dict[str, str]]]

QUESTIONS = 5
"""Shapes of questions to the worlds of one example."""
WORLDS = 4
EXAMPLES = times(41)
DRAWN, DRAWN_SHAPES, DRAWN_WORLDS, DRAWN_VARIANTS = times(20), 6, 2, 4
"""The same of models that are drawn as well."""
LEAST = 5_000
"""Cases that every engine is held to: one is a question with its values, by somebody, answered
page by page to the end."""
PLANNED = {
    "one model": EXAMPLES * WORLDS * QUESTIONS * VARIANTS,
    "drawn models": DRAWN * DRAWN_WORLDS * DRAWN_SHAPES * DRAWN_VARIANTS,
}
assert sum(PLANNED.values()) >= LEAST or times(100) < 100

pytestmark = [
    pytest.mark.filterwarnings("ignore::hypothesis.errors.HypothesisWarning"),
    pytest.mark.usefixtures("patience"),
]
quick = settings(max_examples=25, print_blob=True, suppress_health_check=[*HealthCheck])
thorough = settings(quick, max_examples=EXAMPLES)
shapes = st.lists(variants(), min_size=QUESTIONS, max_size=QUESTIONS)
several = st.lists(worlds(), min_size=WORLDS, max_size=WORLDS)


@pytest.fixture(scope="module")
def engines(module_database_urls: dict[str, str]) -> Iterator[list[Engine]]:
    opened = [Engine(name, url) for name, url in module_database_urls.items()]
    yield opened
    for engine in opened:
        engine.close()


Refusable = Callable[[Actor, str], bool]


def _own_secrets(actor: Actor, told: str) -> bool:
    """Nobody in particular has no own things, so `secret` is out of reach altogether."""
    return actor.anonymous and "secret" in told


def hold_together(
    engines: list[Engine],
    world: World,
    asked: list[Question],
    law: Law = BY_HAND,
    refusable: Refusable = _own_secrets,
) -> None:
    for engine in engines:
        engine.load(world)
    for question in asked:
        try:
            expected = answer(world, question, law)
        except Exception as error:  # pragma: no cover
            raise AssertionError(f"the reference fails at {question}") from error
        expand = tree(question.expand)
        documents = [document(thing, expand, question.actor, law) for thing in expected]
        refused = [assert_answer(engine, question, documents, world.key) for engine in engines]
        assert len({type(refusal) for refusal in refused}) == 1, (question, refused)
        if refused[0] is not None:
            told = repr((question.where, question.sort, question.expand))
            assert refusable(question.actor, told), f"{refused[0]}: {question}"


def assert_answer(
    engine: Engine, question: Question, documents: list[Any], key: tuple[str, ...]
) -> Fault | None:
    """The refusal, if it is refused; what is answered must be these documents."""
    try:
        given = engine.ask(question)
    except (Forbidden, Unauthorized) as refusal:
        return refusal
    CASES[engine.name] += 1
    told = f"{engine.name}: {question}"
    keys = [[tuple(row[name] for name in key) for row in rows] for rows in (given, documents)]
    assert keys[0] == keys[1], told
    assert given == documents, told
    if question.limit < len(documents) or not question.sort:
        assert engine.count(question) == len(documents), told
    return None


@pytest.mark.slow
def test_what_was_found_before(engines: list[Engine]) -> None:
    hold_together(engines, found.world(), list(found.questions()))


@pytest.mark.slow
@pytest.mark.everywhere
def test_val_4_engines_answer_as_plain_python_does(engines: list[Engine]) -> None:
    asked: Counter[str] = Counter()

    @thorough
    @given(worlds=several, shapes=shapes)
    def drawn(worlds: list[World], shapes: list[list[Question]]) -> None:
        questions = [question for variants in shapes for question in variants]
        for world in worlds:
            hold_together(engines, world, questions)
            asked.update({engine.name: len(questions) for engine in engines})

    drawn()
    assert all(asked[engine.name] >= PLANNED["one model"] for engine in engines), asked


@quick
@given(world=worlds())
@pytest.mark.slow
def test_rules_mean_what_the_same_rules_by_hand_do(world: World) -> None:
    for record in world.all():
        rules = [rule.where for rule in type(record).__spec__.rules if not rule.fields]
        for actor in ACTORS:
            if not actor.system:
                allowed = any(evaluate(rule, [record], actor) for rule in rules)
                assert allowed == sees(actor, record)


@pytest.mark.slow
@settings(quick, max_examples=times(30))
@given(world=worlds(), asked=st.lists(written(), min_size=QUESTIONS, max_size=QUESTIONS))
def test_val_4_engines_answer_filter_texts_as_plain_python_does(
    engines: list[Engine], world: World, asked: list[Question]
) -> None:
    hold_together(engines, world, asked)


def assert_alike(engines: list[Engine], target: str, actor: Actor, expected: Any) -> None:
    """The same bytes with the same ETag everywhere, which say what is expected."""
    answers = {engine.name: engine.get(target, actor) for engine in engines}
    for name, reply in answers.items():
        CASES[name] += 1
        told = f"{name}: {target} by {actor}: {reply.body!r}"
        assert reply.status == (404 if expected is None else 200), told
        assert expected is None or read_json(reply.body) == expected, told
    shown = {(reply.body, reply.headers.get("etag")) for reply in answers.values()}
    assert len(shown) == 1, "\n".join(
        f"{name}: {reply.headers.get('etag')} {reply.body!r}" for name, reply in answers.items()
    )


@pytest.mark.slow
@pytest.mark.everywhere
@settings(quick, max_examples=times(25))
@given(world=worlds(), asked=st.lists(groupings, min_size=8, max_size=8))
def test_val_4_records_and_groups_are_the_same_bytes(
    engines: list[Engine], world: World, asked: list[Grouping]
) -> None:
    for engine in engines:
        engine.load(world)
    actors = [actor for actor in ACTORS if not actor.system]
    for actor, thing in product(actors, world.things[:3]):
        seen = views(world, actor)[id(thing)]
        expected = None if isinstance(seen, Unseen) else document(seen, {}, actor)
        assert_alike(engines, f"/api/things/{thing.number}", actor, expected)
    for actor, grouping in zip(actors, asked, strict=False):
        items = reckoned(world, actor, grouping)
        expected = {"items": items, "next": None}
        assert_alike(engines, f"/api/things?{grouping.query()}", actor, expected)


@pytest.mark.slow
@pytest.mark.everywhere
def test_val_4_drawn_models_are_served_as_plain_python_does(new_databases: NewDatabases) -> None:
    asked: Counter[str] = Counter()

    @settings(quick, max_examples=DRAWN)
    @given(drawn=drafts().map(Drawn), data=st.data())
    def served(drawn: Drawn, data: st.DataObject) -> None:
        note(repr(drawn.draft))
        some = st.lists(
            variants(drawn.about, DRAWN_VARIANTS), min_size=DRAWN_SHAPES, max_size=DRAWN_SHAPES
        )
        questions = [question for shape in data.draw(some) for question in shape]
        with ExitStack() as stack:
            urls = stack.enter_context(new_databases())
            engines = [
                stack.enter_context(closing(Engine(name, url, drawn.models)))
                for name, url in urls.items()
            ]
            worlds = st.lists(drawn_worlds(drawn), min_size=DRAWN_WORLDS, max_size=DRAWN_WORLDS)
            for world in data.draw(worlds):
                hold_together(engines, world, questions, drawn.law, drawn.may_refuse)
                asked.update({engine.name: len(questions) for engine in engines})

    served()
    assert asked
    assert all(count >= PLANNED["drawn models"] for count in asked.values()), asked
