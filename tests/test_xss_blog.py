"""XSS-1: what writers, readers and the files of a folder bring into the blog runs in no browser."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
import yaml

from canary import LOADED, canary
from payloads import PAYLOADS
from projects import running
from test_blog import EXAMPLE, admin, environment, publish

pytestmark = pytest.mark.slow
TEXTS = [text for text in PAYLOADS if text.isprintable()][::2]


@pytest.fixture
def served(tmp_path: Path) -> Iterator[str]:
    """The blog, with a post of a file for each of the texts, in its front matter and below it."""
    posts = tmp_path / "posts"
    posts.mkdir()
    for number, text in enumerate(TEXTS):
        front = {"title": text, "description": text, "date": "2026-01-01", "published": True}
        head = yaml.safe_dump(front, allow_unicode=True)
        (posts / f"p{number}.md").write_text(f"---\n{head}---\n{text}\n\n> {text}\n", "utf-8")
    wrong = yaml.safe_dump({"title": "x", "date": "2026-01-01", "categories": TEXTS[:1]})
    (posts / "category.md").write_text(f"---\n{wrong}---\nx\n", "utf-8")
    done = publish(tmp_path, posts)
    assert [line.partition(": ")[0] for line in done.stderr.splitlines() if ".md" in line] == [
        str(posts / "category.md")
    ]
    settings = environment(tmp_path) | {"ABAFT_DEFAULT_LIMIT": "1000"}
    log = tmp_path / "log"
    with running("serve", EXAMPLE / "app.py", cwd=tmp_path, log=log, **settings) as (_, base):
        yield base


def said(base: str) -> None:
    """A comment for each post, by somebody whose name is no better than what they say."""
    posts = admin(base, "GET", "posts?sort=slug&limit=1000")["items"]
    people = admin(base, "POST", "users", [{"name": text[:120]} for text in TEXTS])["items"]
    rows: list[Any] = [
        {"text": text, "post": post["id"], "author": user["id"]}
        for text, post, user in zip(TEXTS, posts, people, strict=True)
    ]
    admin(base, "POST", "comments", rows)


async def test_xss_1_nothing_runs_that_others_brought_into_the_blog(served: str) -> None:
    said(served)
    async with canary() as bird:
        await bird.page.goto(served)
        shown = f"document.querySelectorAll('article').length === {len(TEXTS)}"
        await bird.page.wait_for_function(
            f"{shown} && document.querySelectorAll('.comments li').length === {len(TEXTS)}"
        )
        await bird.page.wait_for_function(LOADED)
        assert "alert(1)" in await bird.look("the blog")
        for text in TEXTS[::10]:
            for path in ("?x=", "account/register#", "api/posts?search=", "api/"):
                await bird.go(f"{served}/{path}{quote(text, safe='')}")
        for text in TEXTS[::40]:
            for path in ("docs?url=", "docs#/"):
                await bird.go(f"{served}/{path}{quote(text, safe='')}")
        assert bird.wrong == []
