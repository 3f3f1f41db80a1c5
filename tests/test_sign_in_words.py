"""The pages of the authorization server, in the language of the browser."""

from __future__ import annotations

import json
import re
from importlib.resources import files

import pytest

from abaft.auth.server.scopes import _DONE, _OWN
from accounts import Person
from sign_in import AUTHORIZE, hidden, registered, sent, signing

pytestmark = pytest.mark.named
SERVER = files("abaft.auth.server")
GERMAN: dict[str, str] = json.loads((SERVER / "pages" / "texts" / "de.json").read_text("utf-8"))


def test_all_that_the_pages_say_there_is_in_german_and_nothing_else() -> None:
    pages = "".join(row.read_text("utf-8") for row in (SERVER / "pages").iterdir() if row.is_file())
    code = "".join(
        (SERVER / f"{name}.py").read_text("utf-8") for name in ("authorize", "device", "leaving")
    )
    said = {*re.findall(r't\("([^"]+)"', pages), *_OWN.values(), *_DONE.values()}
    said |= set(re.findall(r'"([A-Z][^"]+)"', code.replace('""" ', ""))) & {*GERMAN}
    assert said == {*GERMAN}
    for call in re.findall(r"(?:said|in_words|_typing)\((.*?)\)", code, re.S):
        for text in re.findall(r'"([A-Z][^"]+)"', call):
            assert text in GERMAN, text
    for text, german in GERMAN.items():
        assert text.count("{}") == german.count("{}"), text


async def german(ann: Person, path: str) -> str:
    answer = await ann.client.get(path, headers={"accept-language": "de-DE, en;q=0.5"})
    assert answer.headers["content-language"] == "de", answer.text
    assert '<html lang="de">' in answer.text
    return answer.text


async def test_who_wants_german_is_asked_in_german(database_url: str) -> None:
    async with signing(database_url) as found:
        ann = await found.joined()
        client = await registered(found, name="<b>Planer</b> {}")
        page = await german(ann, client.asks(scope="openid email notes.read"))
        for text in (
            "&lt;b&gt;Planer&lt;/b&gt; {} bittet darum",
            "wissen, wer du hier bist",
            "deine E-Mail-Adresse wissen",
            "lesen: notes",
            "Erlauben",
        ):
            assert text in page
        answer = await sent(ann, AUTHORIZE, {**hidden(page), "answer": "no"})
        assert answer.status_code == 303
        assert "Gib den Code ein" in await german(ann, "/api/auth/oauth/verify")
        wrong = await german(ann, "/api/auth/oauth/verify?user_code=BCDF-GHJK")
        assert "Diesen Code gibt es nicht" in wrong
        assert "Willst du dich bei test abmelden?" in await german(ann, "/api/auth/oauth/logout")
        assert "Das geht so nicht" in await german(ann, f"{AUTHORIZE}?client_id=x")
        usual = await ann.client.get(client.asks(), headers={"accept-language": "fr"})
        assert "asks to use your account" in usual.text
