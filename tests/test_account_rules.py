"""What rules may ask of who logged in, and how: by a key's scopes, or lately."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from typing import Any

import pytest

from abaft import Actor, Model, User, allow
from abaft.base import clock
from abaft.base.errors import RuleError
from abaft.model.build import build
from accounts import PASSWORD, World, world
from each import each


class Report(Model):
    text: str

    @allow("read")
    def exports(report, me: Actor) -> bool:
        return me.has_scope("export")

    @allow("create", "update")
    def everyone(report, me: Actor) -> bool:
        return ~me.anonymous

    @allow("delete")
    def lately(report, me: Actor) -> bool:
        return me.fresh(seconds=30) | me.has_role("editor")


@pytest.fixture
async def reporting(database_url: str) -> AsyncIterator[World]:
    async with world(database_url, User, Report) as found:
        yield found


@each(
    ("scopes", "read", "created"),
    [
        (["*"], 403, 201),
        (["*", "export"], 200, 201),
        (["export"], 403, 403),
        (["reports.read", "export"], 200, 403),
        (["reports.create"], 403, 201),
        (["reports.write", "export"], 403, 201),
        (["users.write", "export"], 403, 403),
        (["read", "export"], 200, 403),
        (["reports", "export"], 403, 403),
        (["Reports.read", "export"], 403, 403),
    ],
)
async def test_authz_1_a_key_does_what_both_rules_and_scopes_allow(
    reporting: World, scopes: list[str], read: int, created: int
) -> None:
    ann = await reporting.joined(f"ann{abs(hash(tuple(scopes)))}")
    key = (await ann.auth("POST keys", {"name": "x", "scopes": scopes})).json()["key"]
    program = reporting.stranger()
    program.tokens = {"access_token": key}
    assert (await program.ask("GET /api/reports")).status_code == read
    assert (await program.ask("POST /api/reports", {"text": "x"})).status_code == created
    # Who has logged in has all scopes.
    assert (await ann.ask("GET /api/reports")).status_code == 200


def test_rules_say_the_same_in_python() -> None:
    build([User, Report])
    report = Report(text="x")
    now = clock.now()
    asked: list[tuple[Callable[..., Any], Actor, bool]] = [
        (Report.exports, Actor(id="1"), True),
        (Report.exports, Actor(id="1", scopes=frozenset({"*"})), False),
        (Report.exports, Actor(id="1", scopes=frozenset({"export"})), True),
        (Report.lately, Actor(id="1"), False),
        (Report.lately, Actor(id="1", authenticated=now), True),
        (Report.lately, Actor(id="1", authenticated=now - timedelta(minutes=1)), False),
        (Report.lately, Actor(id="1", roles=frozenset({"editor"})), True),
    ]
    for rule, actor, holds in asked:
        assert rule(report, actor) is holds, actor


@pytest.mark.parametrize(
    "wrong",
    [lambda me: me.fresh(), lambda me: me.fresh(minutes=0), lambda me: me.has_scope("")],
)
def test_what_says_nothing_is_refused(wrong: Callable[[Any], Any]) -> None:
    class Page(Model):
        @allow("read")
        def rule(page, me) -> Any:
            return wrong(me)

    with pytest.raises(RuleError, match="takes"):
        build([Page])


async def test_a_step_up_is_over_in_its_time(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with world(database_url, User, Report) as found:
        ann = await found.joined()
        real, real_ms, late = clock.now, clock.unix_ms, 0
        monkeypatch.setattr(clock, "now", lambda: real() + timedelta(seconds=late))
        monkeypatch.setattr(clock, "unix_ms", lambda: real_ms() + late * 1000)
        for late, status in ((0, 204), (29, 204), (31, 403)):
            made = (await ann.ask("POST /api/reports", {"text": "x"})).json()
            answer = await ann.ask(f"DELETE /api/reports/{made['id']}")
            assert answer.status_code == status, late
        ann.took(await ann.auth("POST confirm", {"password": PASSWORD}))
        assert (await ann.ask(f"DELETE /api/reports/{made['id']}")).status_code == 204
