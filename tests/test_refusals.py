"""What the log is told of requests that were turned away."""

from __future__ import annotations

import logging
from typing import Any

import httpx
import pytest

from abaft.base import clock
from abaft.base.errors import Forbidden, NotFound, Unauthorized
from abaft.observe.events import RequestRefused
from abaft.observe.log import log
from abaft.observe.refusals import Refusals
from accounts import Person, World, world


def heard(found: World) -> list[RequestRefused]:
    """What is told of refusals from now on."""
    told: list[RequestRefused] = []

    def sink(event: Any) -> None:
        if isinstance(event, RequestRefused):
            told.append(event)

    found.api.app.observer.sinks.append(sink)
    return told


async def test_log_2_refusals_are_told_with_who_and_what(database_url: str) -> None:
    async with world(database_url, settings={"requests_per_minute": 400}) as found:
        ann, eve = await found.joined(), await found.joined("eve")
        told = heard(found)
        note = (await ann.ask("POST /api/notes", {"text": "mine"})).json()
        me = (await eve.auth("GET me")).json()["user"]["id"]
        # A rule; a cookie without its token; a bearer token that is none; who may not administer.
        assert (await eve.auth("GET events")).status_code == 403
        bare = Person(found.api, eve.email, eve.client)
        assert (await bare.ask("POST /api/notes", {"text": "x"})).status_code == 403
        bad = {"authorization": "Bearer canary-token"}
        nobody = found.stranger(address="192.0.2.9")
        assert (await nobody.ask("GET /api/notes?search=canary", headers=bad)).status_code == 401
        rows = [(row.status, row.code, row.method, row.path, row.address) for row in told]
        assert rows == [
            (403, "forbidden", "GET", "/api/auth/events", "192.0.2.1"),
            (403, "csrf", "POST", "/api/notes", "192.0.2.1"),
            (401, "unauthorized", "GET", "/api/notes", "192.0.2.9"),
        ]
        assert "canary" not in repr(told)
        # What isn't there, or may not be seen, is no refusal: nothing tells the two apart.
        assert (await eve.ask(f"GET /api/notes/{note['id']}")).status_code == 404
        assert len(told) == 3
        answer = await eve.ask("POST /api/notes", {"text": "x", "owner": note["owner"]})
        assert answer.status_code == 403
        assert [row.user for row in told] == [me, "", "", me]


class Asked(dict[str, Any]):
    def __init__(self, path: str = "/api/notes") -> None:
        super().__init__(method="GET", path=path, client=("192.0.2.1", 7))


def test_log_2_a_flood_of_refusals_is_told_in_few_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 100.0
    monkeypatch.setattr(clock, "monotonic", lambda: now)
    lines: list[RequestRefused] = []
    refusals = Refusals(3, lines.append)
    for _ in range(1_000):
        refusals.note(Forbidden(), Asked())
    assert [row.untold for row in lines] == [0, 0, 0]
    now += 1
    refusals.note(Unauthorized(), Asked("/" + "x" * 5_000))
    assert (lines[-1].untold, len(lines[-1].path)) == (997, 200)
    refusals.note(NotFound(), Asked())
    assert len(lines) == 4
    none = Refusals(0, lines.append)
    none.note(Forbidden(), Asked())
    assert len(lines) == 4


async def test_log_2_another_host_is_told_in_one_line_whatever_it_is_called(
    database_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    async with world(database_url, settings={"allowed_hosts": "example.org"}) as found:
        found.api.app.observer.sinks.append(log)
        transport = httpx.ASGITransport(found.api.app)
        async with httpx.AsyncClient(transport=transport, base_url="http://evil.example") as eve:
            with caplog.at_level(logging.INFO, "abaft"):
                answer = await eve.get("/api/notes%0A%1B[2Jforged")
        assert answer.json()["code"] == "wrong_host"
        [line] = [row.getMessage() for row in caplog.records if "RequestRefused" in row.message]
        assert "wrong_host" in line
        assert "\n" not in line
        assert "\x1b" not in line
