"""Prefer (RFC 7240): what is shown of a write, and how strictly a request is read."""

from pathlib import Path
from typing import Any

import pytest

from abaft import Me, Model, User, allow, field
from abaft.api.preferences import NONE, Preferences, preferences
from in_process import ask
from scenarios import Scenario, play, serving

MINIMAL = {"prefer": "return=minimal"}
LENIENT = {"prefer": "handling=lenient"}
STRICT = {"prefer": "handling=strict"}


class Note(Model):
    text: str = field(max_length=20)
    pinned: bool = False
    stars: int = field(default=0, read_only=True)

    @allow("read", "create", "update", "delete")
    def everyone(note, me: Me) -> bool:
        return True


@pytest.mark.parametrize(
    ("header", "asked"),
    [
        (b"return=minimal", Preferences("minimal")),
        (b'RETURN = "Minimal"', Preferences("minimal")),
        (b"return=minimal, return=representation", Preferences("minimal")),
        (b"respond-async, wait=5; x=y, handling=lenient", Preferences("", "lenient")),
        (b"return=representation,handling=strict", Preferences("representation", "strict")),
        (b"return=minimal; foo=bar, handling=lenient", Preferences("minimal", "lenient")),
        (b"return=none, handling=", NONE),
        (b"", NONE),
        (b",,;=\xff", NONE),
    ],
)
def test_what_a_header_asks_for(header: bytes, asked: Preferences) -> None:
    assert preferences(header) == asked


async def test_minimal_shows_nothing_of_what_was_written(database_url: str) -> None:
    applied = {"preference-applied": "return=minimal"}
    async with serving(database_url, User, Note) as api:
        made = await api.ask("POST /api/notes", json={"text": "a"}, headers=MINIMAL)
        assert (made.status_code, made.content) == (201, b"")
        assert "etag" not in made.headers
        path = made.headers["location"]
        rows = [
            Scenario(
                f"PATCH {path}", 204, json={"text": "b"}, headers=MINIMAL, shows=applied,
                changes=("update Note",),
            ),
            Scenario(
                f"PUT {path}", 204, json={"text": "c"}, headers=MINIMAL, shows=applied,
                changes=("update Note",),
            ),
            Scenario(f"GET {path}", 200, headers=MINIMAL, has=['"text":"c"']),
            # Refusals are told in full.
            Scenario(f"PATCH {path}", 422, json={"text": 7}, headers=MINIMAL, has=["/text"]),
            Scenario(f"PATCH {path}?fields=nope", 400, json={}, headers=MINIMAL, has=["nope"]),
            Scenario(
                f"PATCH {path}", 200, json={}, headers={"prefer": "return=representation"},
                has=['"text"'], shows={"preference-applied": "return=representation"},
                changes=("update Note",),
            ),
            Scenario(f"DELETE {path}", 204, headers=MINIMAL, changes=("delete Note",)),
        ]  # fmt: skip
        await play(api, rows)


async def test_minimal_and_if_match_agree_about_the_etag(database_url: str) -> None:
    async with serving(database_url, User, Note) as api:
        note = await api.db.create(Note, text="a")
        path = f"/api/notes/{note.id}?fields=text"
        etag = (await api.ask(f"GET {path}")).headers["etag"]
        headers = {**MINIMAL, "if-match": etag}
        first = await api.ask(f"PATCH {path}", json={"text": "b"}, headers=headers)
        again = await api.ask(f"PATCH {path}", json={"text": "c"}, headers=headers)
        assert [first.status_code, again.status_code] == [204, 412]


async def test_a_minimal_write_makes_no_json(database_url: str, engine: str) -> None:
    async with serving(database_url, User, Note) as api:
        await api.ask("POST /api/notes", json={"text": "a"}, headers=MINIMAL)
        # What abaft writes for itself at its start has plans too.
        kept = api.app.pipeline._ready.items()
        [compiled] = [ready.compiled for (shape, _), ready in kept if shape.model == "Note"]
        if engine == "mongodb":
            assert compiled.plan.selection.items == ()
        else:
            assert '"text"' not in compiled.statement.sql


async def test_lenient_passes_over_what_it_does_not_know(database_url: str) -> None:
    body = {"text": "a", "colour": "red", "stars": 7, "id": "x", "created": "now"}
    wrong = {**body, "text": 7}
    applied = {"preference-applied": "handling=lenient"}
    made: Any = {"headers": LENIENT, "shows": applied, "changes": ("create Note",)}
    async with serving(database_url, User, Note) as api:
        rows = [
            Scenario("POST /api/notes", 422, json=body, has=["/colour", "/stars", "/created"]),
            Scenario("POST /api/notes?x=1&y", 201, json=body, **made, has=['"stars":0']),
            # What is known is held to all that holds for it.
            Scenario("POST /api/notes", 422, json=wrong, headers=LENIENT, has=["/text"]),
            Scenario("GET /api/notes?text=a&nope=1&sort=-text", 200, headers=LENIENT, has=['"a"']),
            Scenario("GET /api/notes?limit=x&y", 400, headers=LENIENT, has=["limit"], lacks=["?y"]),
            Scenario("GET /api/notes?sort=nope", 400, headers=LENIENT, has=["unknown_field"]),
            Scenario("GET /api/notes?nope=1", 400, headers=STRICT, has=["nope"]),
        ]  # fmt: skip
        await play(api, rows)
        note = (await api.db.list(Note))[0]
        path, changed = f"/api/notes/{note.id}", ("update Note",)
        await play(
            api,
            [
                Scenario(f"PATCH {path}?nope", 200, json=body, headers=LENIENT, changes=changed),
                Scenario(
                    f"PUT {path}",
                    200,
                    json={**body, "id": str(note.id)},
                    headers=LENIENT,
                    changes=changed,
                ),
                Scenario(f"DELETE {path}?nope", 204, headers=LENIENT, changes=("delete Note",)),
            ],
        )


async def test_authz_3_what_the_server_sets_is_no_more_settable_leniently(
    database_url: str,
) -> None:
    async with serving(database_url, User, Note) as api:
        body = {"text": "a", "stars": 7}
        made = await api.ask("POST /api/notes", json=body, headers=LENIENT)
        changed = await api.ask(f"PATCH {made.headers['location']}", json=body, headers=LENIENT)
        assert [made.json()["stars"], changed.json()["stars"]] == [0, 0]


async def test_dur_5_what_a_preference_led_to_is_replayed_as_it_was(tmp_path: Path) -> None:
    async with serving(f"sqlite:///{tmp_path}/a.db", User, Note) as api:
        headers = [
            (b"content-type", b"application/json"),
            (b"prefer", b"return=minimal, handling=lenient"),
            (b"idempotency-key", b"k"),
        ]
        body = b'{"text": "a", "x": 1}'
        answers = [await ask(api.app, "POST", b"/api/notes?y=1", headers, body) for _ in range(2)]
        assert [answer.status for answer in answers] == [201, 201]
        assert answers[1].headers.pop("idempotency-replayed") == "true"
        assert answers[0] == answers[1]
        # The answer of another preference is another answer.
        answer = await ask(api.app, "POST", b"/api/notes?y=1", [headers[0], headers[2]], body)
        assert answer.json()["code"] == "idempotency_key_reused"
