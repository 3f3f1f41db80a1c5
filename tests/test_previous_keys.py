"""What another secret key has signed before holds, for as long as the key is named."""

from __future__ import annotations

from abaft.guard.sign import Signer
from accounts import world
from scenarios import SECRET_KEY

FRESH = "another secret key of far more than 32 characters"


async def test_cursors_go_on_after_the_secret_key_has_changed(database_url: str) -> None:
    async with world(database_url) as found:
        ann = await found.joined()
        for text in ("a", "b", "c"):
            assert (await ann.ask("POST /api/notes", {"text": text})).status_code == 201
        page = (await ann.ask("GET /api/notes?limit=2&sort=text")).json()
        assert len(page["items"]) == 2
    given = {"secret_key": FRESH, "previous_secret_keys": SECRET_KEY}
    async with world(database_url, settings=given) as found:
        ann.api, ann.client = found.api, found.stranger().client
        assert (await ann.login()).status_code == 200
        answer = await ann.ask(f"GET /api/notes?limit=2&sort=text&cursor={page['next']}")
        assert [row["text"] for row in answer.json()["items"]] == ["c"]


def test_a_signer_signs_by_the_first_key_and_verifies_by_each() -> None:
    old, both = Signer((b"old" * 11,)), Signer((b"new" * 11, b"old" * 11))
    assert both.verify(b"cursor", old.sign(b"cursor", b"x")) == b"x"
    assert both.verify(b"watermark", old.sign(b"cursor", b"x")) is None
    assert old.verify(b"cursor", both.sign(b"cursor", b"x")) is None
    assert "old" not in repr(both)
