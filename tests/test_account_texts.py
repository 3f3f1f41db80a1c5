"""The texts of pages of accounts: in each language the same, and what every page shows.

After a change that is meant: RENEW_GOLDEN=1 .venv/bin/python -m pytest tests/test_account_texts.py
"""

from __future__ import annotations

import html
import json
import os
import re
from collections.abc import Sequence
from html.parser import HTMLParser
from importlib.resources import files
from pathlib import Path

import pytest

from abaft.auth.page_table import PAGES
from abaft.login_with import GitHub
from account_browser import Browser
from accounts import PASSWORD, World, client_of, world
from test_account_own_pages import at_home, everything

pytestmark = pytest.mark.named
GOLDEN = Path(__file__).parent / "golden"
OWN = files("abaft.auth") / "pages"
LANGUAGES = ("de", "en")


def texts(language: str) -> dict[str, str]:
    found: dict[str, str] = json.loads((OWN / "texts" / f"{language}.json").read_text("utf-8"))
    return found


def test_each_language_has_all_texts_and_each_text_is_used() -> None:
    english, german = texts("en"), texts("de")
    assert {*english} == {*german}
    for name, text in english.items():
        assert text.count("{}") == german[name].count("{}"), name
    templates = "".join(
        path.read_text("utf-8") for path in OWN.iterdir() if path.name.endswith(".html")
    )
    told = repr(PAGES) + "".join(re.findall(r"\bt\.\w+", templates)).replace("t.", "'")
    unused = [
        name
        for name in english
        if not name.startswith("fault") and f"'{name}" not in told and f"'{name}'" not in told
    ]
    assert unused == []


class Reader(HTMLParser):
    """What one reads of a page, and what it has to type into, press and follow."""

    def __init__(self) -> None:
        super().__init__()
        self.rows: list[str] = []
        self._within: list[str] = []

    def handle_starttag(self, tag: str, attrs: Sequence[tuple[str, str | None]]) -> None:
        told = dict(attrs)
        if tag in ("script", "style", "svg", "title"):
            self._within.append(tag)
        if tag in ("input", "select") and told.get("type") != "hidden":
            self.rows.append(f"[{told.get('type', tag)} {told['name']}]")
        if tag in ("a", "form"):
            where = told.get("href") or told.get("action") or ""
            self.rows.append(f"<{tag} {where.partition('?')[0]}>")
        if tag == "button":
            self.rows.append("<button>")

    def handle_endtag(self, tag: str) -> None:
        if self._within and tag == self._within[-1]:
            self._within.pop()

    def handle_data(self, data: str) -> None:
        if data.strip() and not self._within:
            self.rows.append(" ".join(data.split()))


def plain(page: str) -> str:
    """The same as lines, without what is another each time."""
    reader = Reader()
    reader.feed(page)
    text = "\n".join(reader.rows)
    text = re.sub(r"\d{4}-\d\d-\d\d \d\d:\d\d UTC", "TIME", text)
    text = re.sub(r"otpauth:\S*|\b[A-Z2-7]{32}\b", "SECRET", text)
    text = re.sub(r"\babk_\S+", "KEY", text)
    return re.sub(r"python-httpx/\S+", "A program", text)


async def walked(found: World, one: Browser, language: str) -> dict[str, str]:
    """What each page shows that can be asked for."""
    one.client.headers["accept-language"] = language
    shown = {}
    for name, page in PAGES.items():
        answer = await one.get(f"/account/{name}".rstrip("/"))
        if answer.status_code == 200:
            assert answer.headers["content-language"] == language
            shown[name or "overview"] = plain(answer.text)
        else:
            assert page.kept or name in ("tenants", "membership"), (name, answer.status_code)
    await one.get("/account/totp")
    await one.post("/account/totp/begin", {"password": PASSWORD})
    shown["totp/confirm"] = plain(one.page)
    await one.get("/account/passkeys")
    await one.post("/account/passkeys/begin", {"password": PASSWORD})
    shown["passkeys/make"] = plain(one.page)
    await one.get("/account/keys")
    await one.post("/account/keys/make", {"name": "backup", "scopes": "read"})
    shown["key"] = plain(one.page)
    await one.get("/account/keys")
    shown["keys with one"] = plain(one.page)
    await one.post("/account/keys/make", {"name": "x", "scopes": "read", "days": "x"})
    shown["keys, refused"] = plain(one.page)
    await one.get("/account/password")
    await one.post("/account/password", {"current": PASSWORD, "password": "short"})
    shown["password, refused"] = plain(one.page)
    await one.get("/account/login")
    await one.post("/account/passkey", {})
    shown["passkey/enter"] = plain(one.page)
    await one.get("/account/digits")
    await one.post("/account/digits", {"email": "ann@example.org"})
    shown["digits/enter"] = plain(one.page)
    return shown


@pytest.mark.parametrize("language", LANGUAGES)
async def test_what_every_page_says(tmp_path: Path, language: str) -> None:
    async with everything(f"sqlite:///{tmp_path}/x.db") as found:
        shown = await walked(found, await at_home(found), language)
    text = "".join(f"== {name}\n{page}\n\n" for name, page in shown.items())
    path = GOLDEN / f"account_pages_{language}.txt"
    if os.environ.get("RENEW_GOLDEN"):
        path.write_text(text, "utf-8")
    assert text == path.read_text("utf-8")


async def test_the_mailbox_and_a_log_in_that_failed_speak_the_browsers_language(
    database_url: str,
) -> None:
    github = GitHub(client_id="client", client_secret="a secret of theirs")
    async with world(database_url, login_with=[github]) as found:
        german = {"accept": "text/html", "accept-language": "de, en;q=0.5"}
        here = client_of(found.api, "127.0.0.1")
        assert "Noch keine Mail." in (await here.get("/api/auth/mailbox", headers=german)).text
        ann = await found.joined("ann")
        answer = await here.get("/api/auth/mailbox", headers=german)
        assert answer.headers["content-language"] == "de"
        assert "<h1>Postfach</h1>" in answer.text
        assert f"an {ann.email}" in answer.text
        link = re.search(r'<a href="(http[^"]+)">(http[^<]+)</a>', answer.text)
        assert link is not None
        assert link[1] == link[2]
        path = "/api/auth/with/github/callback?code=x&state=y"
        answer = await here.get(path, headers=german)
        assert answer.status_code == 400
        assert answer.headers["referrer-policy"] == "no-referrer"
        assert "<h1>Die Anmeldung ist fehlgeschlagen</h1>" in answer.text
        assert texts("de")["fault.bad_state"] in html.unescape(answer.text)
        english = await here.get(path, headers={"accept": "text/html"})
        assert texts("en")["fault.bad_state"] in html.unescape(english.text)
