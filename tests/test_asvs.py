"""docs/asvs.md names each requirement of levels 1 and 2 once, and tests that there are."""

from __future__ import annotations

import re
from datetime import timedelta
from pathlib import Path
from typing import Any

from abaft import SignIn
from accounts import PASSWORD, world
from assigning import company, stored

TESTS = Path(__file__).parent
DOCUMENT = TESTS.parent / "docs" / "asvs.md"

SECTIONS = """
1.1:2 1.2:9 1.3:11 1.4:3 1.5:2 2.1:3 2.2:3 2.3:4 2.4:1 3.2:2 3.3:4 3.4:6 3.5:5 3.7:2 4.1:3 4.2:1
4.3:2 4.4:4 5.1:1 5.2:3 5.3:2 5.4:3 6.1:3 6.2:12 6.3:4 6.4:4 6.5:5 6.6:3 6.8:4 7.1:3 7.2:4 7.3:2
7.4:5 7.5:2 7.6:2 8.1:2 8.2:3 8.3:1 8.4:1 9.1:3 9.2:4 10.1:2 10.2:2 10.3:4 10.4:11 10.5:5 10.6:2
10.7:3 11.1:2 11.2:3 11.3:3 11.4:4 11.5:1 11.6:1 12.1:3 12.2:2 12.3:4 13.1:1 13.2:5 13.3:2
13.4:5 14.1:2 14.2:4 14.3:3 15.1:3 15.2:3 15.3:7 16.1:1 16.2:5 16.3:4 16.4:3 16.5:3 17.1:1
17.2:4 17.3:2
"""
"""Sections of ASVS 5.0, and how many requirements of levels 1 and 2 each has."""


def rows() -> list[list[str]]:
    """The requirements of each row, how they are met, and what shows it."""
    found = []
    for line in DOCUMENT.read_text("utf-8").splitlines():
        if line.startswith("| ") and line[2].isdigit():
            found.append([cell.strip() for cell in line.strip("|").split(" | ")])
    return found


def test_each_requirement_is_answered_once() -> None:
    every = [
        f"{section}.{number}"
        for section, _, count in (row.partition(":") for row in SECTIONS.split())
        for number in range(1, int(count) + 1)
    ]
    named = [name for row in rows() for name in row[0].split(", ")]
    assert sorted(named) == sorted(every)


def test_each_row_is_shown_by_tests_that_there_are_or_says_why_not() -> None:
    text = "".join(path.read_text("utf-8") for path in TESTS.glob("test_*.py"))
    there = set(re.findall(r"def (test_\w+)", text))
    wrong = []
    for row in rows():
        shown = re.findall(r"`(test_\w+)`", row[-1])
        if len(row) != 3 or not (shown or row[-1] in ("yours", "none")) or set(shown) - there:
            wrong.append(row)
        if row[-1] == "yours" and "yours" not in row[1]:
            wrong.append(row)
    assert not wrong


async def test_authn_5_a_log_in_by_mail_ends_within_ten_minutes(
    database_url: str, moved: Any
) -> None:
    async with world(database_url) as found:
        ann = await found.joined()
        for minutes, status in ((9, 200), (11, 401)):
            await found.stranger().auth("POST mail", {"email": ann.email})
            assert "10 minutes" in found.mail(ann.email)
            link = found.token(ann.email)
            told = await found.stranger().auth("POST mail", {"email": ann.email, "by": "code"})
            digits = "".join(re.findall(r"\b(\d{4}) (\d{4})\b", found.mail(ann.email))[0])
            moved(timedelta(minutes=minutes))
            answer = await found.stranger().auth("POST mail/link", {"token": link})
            assert answer.status_code == status, answer.text
            body = {"token": told.json()["token"], "code": digits}
            assert (await found.stranger().auth("POST mail/code", body)).status_code == status


async def test_csrf_1_what_is_safe_writes_nothing(database_url: str) -> None:
    """Every path there is, by GET, HEAD and OPTIONS, by who is logged in with a browser."""
    options: dict[str, Any] = {"settings": {"base_url": "http://test"}, "sign_in": SignIn()}
    async with company(database_url, **options) as (found, _, names):
        ann = found.stranger("ann@example.org")
        assert (await ann.login(PASSWORD)).status_code == 200
        before, feed = await stored(found), await found.api.changes()
        accounts = found.api.app.accounts
        paths = {f"/api/auth/{row.path.replace('*', names['bob'])}" for row in accounts.endpoints}
        paths |= {f"/account/{name}" for name in [*accounts.pages._pages, "", "logout"]}
        document = (await ann.ask("GET /openapi.json")).json()
        paths |= {re.sub(r"{[^}]*}", names["ann"], path) for path in document["paths"]}
        assert len(paths) > 60
        for path in sorted(paths):
            for method in ("GET", "HEAD", "OPTIONS"):
                answer = await ann.client.request(method, path)
                assert answer.status_code < 500, (method, path)
        assert await stored(found) == before
        more = (await found.api.changes())[len(feed) :]
        # That somebody had their data told is in the trail.
        assert {row.split()[1] for row in more} <= {"AuthEvent", "AuthLedger"}
