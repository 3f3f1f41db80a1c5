"""The mails of accounts, in each language as text and as HTML.

After a change that is meant: RENEW_GOLDEN=1 .venv/bin/python -m pytest tests/test_account_mails.py
"""

from __future__ import annotations

import os
import re
from html import unescape
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest

from abaft import Settings
from abaft.auth.mail import Mailer, accepted
from abaft.observe.events import Observer

GOLDEN = Path(__file__).parent / "golden"
OWN = files("abaft.auth") / "mails"
NAMES = sorted(
    path.name.removesuffix(".txt")
    for path in OWN.iterdir()
    if re.fullmatch(r"[a-z_]+\.txt", path.name)
)
VALUES = {
    "link": "https://example.org/account/x#token",
    "register": "https://example.org/account/register#token",
    "code": "1234 5678",
    "new": "new@example.org",
    "provider": "GitHub",
    "organisation": "Crew",
    "until": "2026-01-01 12:00 UTC",
    "days": 7,
    "what": "A passkey was added to your account",
}


def mailer(folder: Path | None = None) -> Mailer:
    given = Settings(mail_templates=str(folder) if folder else "")
    return Mailer(given, "Notes", Observer())


def written(name: str, languages: str, folder: Path | None = None) -> tuple[str, str, str]:
    """The subject, the text and the HTML of a mail."""
    sends = mailer(folder)
    sends.send("ann@example.org", name, languages, **VALUES)
    [mail] = sends.box
    parts: list[Any] = [mail.get_body((kind,)) for kind in ("plain", "html")]
    return str(mail["subject"]), parts[0].get_content(), parts[1].get_content()


@pytest.mark.parametrize("language", ["de", "en"])
def test_mails_are_as_they_were(language: str) -> None:
    rows = [(name, *written(name, language)) for name in NAMES]
    text = "".join(f"== {row[0]}\n{row[1]}\n\n{row[2]}\n{row[3]}\n" for row in rows)
    path = GOLDEN / f"account_mails_{language}.txt"
    if os.environ.get("RENEW_GOLDEN"):
        path.write_text(text, "utf-8")
    assert text == path.read_text("utf-8")


@pytest.mark.parametrize("name", NAMES)
def test_each_mail_says_the_same_as_text_and_as_html_in_every_language(name: str) -> None:
    english, german = written(name, "en"), written(name, "de-AT, en")
    assert english[0] != german[0]
    assert '<html lang="en">' in english[2]
    assert '<html lang="de">' in german[2]
    for _, text, page in (english, german):
        links = set(re.findall(r"https://\S+", text))
        assert links == set(re.findall(r'href="([^"]+)"', page))
        body = page.partition("<body")[2].partition(">")[2]
        shown = re.sub(r"[\s:.,]+", " ", unescape(re.sub(r"<[^>]+>", " ", body)))
        for line in text.splitlines():
            if line.strip() and not line.startswith("https://"):
                # What ends with ":" leads to the link below it, which the page has in its words.
                words = re.sub(r"[\s:.,]+", " ", line).replace(" here", "").strip()
                assert words.split()[0] in shown.split(), line
                assert len(set(words.split()) - set(shown.split())) <= 1, line


@pytest.mark.parametrize(
    ("header", "language"),
    [
        ("", "en"),
        ("en, de;q=0.5", "en"),
        ("en-GB, de", "en"),
        ("de-DE", "de"),
        ("fr, de;q=0.8, en;q=0.7", "de"),
        ("fr", "en"),
        ("../de, *", "en"),
    ],
)
def test_a_reader_gets_the_first_of_their_languages_that_there_is(
    header: str, language: str
) -> None:
    assert f'<html lang="{language}">' in written("reset", header)[2]


def test_what_an_app_has_written_itself_comes_first_in_whatever_language(tmp_path: Path) -> None:
    (tmp_path / "reset.txt").write_text("Ours\n\n{{ link }}\n")
    assert written("reset", "de", tmp_path)[0] == "Ours"
    (tmp_path / "reset.de.txt").write_text("Unseres\n\n{{ link }}\n")
    assert written("reset", "de", tmp_path)[0] == "Unseres"
    assert written("reset", "en, de", tmp_path)[0] == "Ours"
    assert written("magic", "de", tmp_path)[0] == written("magic", "de")[0]


def test_languages_are_few_and_each_is_one() -> None:
    assert accepted("de-AT;q=0.9, de, en") == ["de-at", "de", "en"]
    assert len(accepted(", ".join(["aa", "bb", "cc", "dd", "ee", "ff"]))) == 5
