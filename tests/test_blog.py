"""The blog example: its posts are brought in, and its page is used in a real browser."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from browser import Visitor, chromium
from projects import clean_environment, running
from scenarios import ADMIN_TOKEN, SECRET_KEY
from strict_pages import faults

EXAMPLE = Path(__file__).parent.parent / "examples" / "blog"
PASSWORD = "correct horse battery"
HOSTILE = "<img src=x onerror=\"document.title='gone'\"><script>document.title='gone'</script>"

LIST = "* one\n* two"


def environment(folder: Path) -> dict[str, str]:
    return {
        "ABAFT_DATABASE": f"sqlite:///{folder}/blog.db",
        "ABAFT_ADMIN_TOKEN": ADMIN_TOKEN,
        "ABAFT_SECRET_KEY": SECRET_KEY,
    }


def publish(folder: Path, posts: Path, **more: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, EXAMPLE / "publish.py", posts, "--author", "ann@example.org"],
        env=clean_environment(**environment(folder) | more),
        capture_output=True,
        text=True,
    )


@pytest.fixture
def served(tmp_path: Path) -> Iterator[str]:
    """The address of the example, with its posts in it."""
    done = publish(tmp_path, EXAMPLE / "posts")
    assert done.returncode == 0, done.stderr
    log = tmp_path / "log"
    with running("serve", EXAMPLE / "app.py", cwd=tmp_path, log=log, **environment(tmp_path)) as (
        _,
        base,
    ):
        yield base


def admin(base: str, method: str, path: str, body: Any = None) -> Any:
    headers = {"authorization": f"Bearer {ADMIN_TOKEN}"}
    answer = httpx.request(method, f"{base}/api/{path}", json=body, headers=headers)
    assert answer.status_code < 300, answer.text
    return answer.json() if answer.content else None


@pytest.mark.slow
def test_posts_are_brought_in_once_and_changed_again(tmp_path: Path) -> None:
    posts = tmp_path / "posts"
    posts.mkdir()
    (posts / "one.md").write_text("---\ntitle: One\ndate: 2026-01-01\ncategories: [a]\n---\nText\n")
    for wrong, text in {
        "no-front": "Text",
        "lacks": "---\ntitle: x\n---\n",
        "more": "---\ntitle: x\ndate: 2026-01-01\nrole: admin\n---\n",
        "no-yaml": "---\ntitle: [\n---\n",
        "long": f"---\ntitle: {'x' * 201}\ndate: 2026-01-01\n---\n",
        "code": "---\ntitle: !!python/object/apply:os.system [exit]\ndate: 2026-01-01\n---\n",
    }.items():
        (posts / f"{wrong}.md").write_text(text)
    done = publish(tmp_path, posts)
    assert done.returncode == 1
    assert len(done.stderr.strip().splitlines()) >= 6
    assert "one.md" not in done.stderr
    (posts / "one.md").write_text("---\ntitle: Two\ndate: 2026-01-01\npublished: true\n---\nText\n")
    assert "one.md" not in publish(tmp_path, posts).stderr
    log = tmp_path / "log"
    with running("serve", EXAMPLE / "app.py", cwd=tmp_path, log=log, **environment(tmp_path)) as (
        _,
        base,
    ):
        found = httpx.get(f"{base}/api/posts").json()["items"]
    assert [(row["slug"], row["title"], row["categories"]) for row in found] == [("one", "Two", [])]


def token_of(base: str, name: str) -> str:
    """What the last mail to them has behind the # of its link."""
    mails = httpx.get(f"{base}/api/auth/mailbox").json()["items"]
    return next(mail["token"] for mail in mails if mail["to"] == f"{name}@example.org")


async def register(visitor: Visitor, base: str, name: str) -> Any:
    """Goes the whole way on the page: the address, the mail's link, a name and a password."""
    page = await visitor.open(base)
    await page.get_by_role("button", name="Register").click()
    await page.locator("#register [name=email]").fill(f"{name}@example.org")
    await page.get_by_role("button", name="Send me a link").click()
    await page.get_by_text("Look at your mails").wait_for()
    page = await visitor.open(f"{base}/account/register#{token_of(base, name)}")
    await page.locator("#finish [name=name]").fill(name)
    await page.locator("#finish [name=password]").fill(PASSWORD)
    await page.get_by_role("button", name="Finish").click()
    await page.locator("#who", has_text=name).wait_for()
    return page


async def login(visitor: Visitor, base: str, name: str) -> Any:
    page = await visitor.open(base)
    await page.get_by_role("navigation").get_by_role("button", name="Log in").click()
    await page.locator("#login [name=email]").fill(f"{name}@example.org")
    await page.locator("#login [name=password]").fill(PASSWORD)
    await page.locator("#login button").click()
    await page.locator("#who", has_text=name).wait_for()
    return page


def make(base: str, name: str, role: str) -> None:
    [user] = admin(base, "GET", f"users?filter=name='{name}'")["items"]
    admin(base, "PATCH", f"auth/accounts/{user['id']}", {"roles": [role]})


@pytest.mark.slow
async def test_xss_1_people_register_write_comment_and_moderate_in_a_browser(served: str) -> None:
    async with chromium() as ann:
        page = await ann.open(served)
        await page.get_by_role("heading", name="Reefing in time").wait_for()
        assert await page.get_by_role("heading", name="Unfinished").count() == 0
        assert await page.locator("form.comment:visible").count() == 0
        page = await register(ann, served, "ann")
        assert not await page.locator("#to-write").is_visible()
        make(served, "ann", "writer")
        # Who has another role by now logs in anew, or loads the page.
        await page.reload()
        await page.get_by_role("button", name="Write").click()
        await page.locator("#write [name=title]").fill(f"Knots {HOSTILE}")
        await page.locator("#write [name=body]").fill(f"Over, *under*\n\n{HOSTILE}\n\n{LIST}")
        await page.get_by_role("button", name="Save").click()
        await page.get_by_role("heading", name="Knots").wait_for()
        shown = page.locator("article", has_text="Knots").locator(".body")
        assert await shown.locator("em").inner_text() == "under"
        assert await shown.locator("li").all_inner_texts() == ["one", "two"]
        assert await shown.locator("img, script, [onerror]").count() == 0
        assert "<script>document.title='gone'</script>" in await shown.inner_text()

        bob = await ann.stranger()
        there = await register(bob, served, "bob")
        post = there.locator("article", has_text="Knots")
        await post.locator("[name=text]").fill(f"Well said {HOSTILE}")
        await post.get_by_role("button", name="Say it").click()
        await post.locator(".comments li", has_text="bob: Well said").wait_for()
        assert await there.get_by_role("button", name="Hide").count() == 0

        make(served, "bob", "editor")
        await there.get_by_role("button", name="Log out").click()
        await there.locator("#to-login").wait_for()
        there = await login(bob, served, "bob")
        await there.get_by_role("heading", name="Unfinished").wait_for()
        await there.get_by_role("button", name="Hide").click()
        await there.get_by_role("button", name="Show").wait_for()
        await page.reload()
        await page.locator("article", has_text="Knots").wait_for()
        reader = await (await ann.stranger()).open(served)
        await reader.get_by_role("heading", name="Knots").wait_for()
        assert await reader.locator(".comments li").count() == 0

        titles = {await shown.title() for shown in (page, there, reader)}
        assert titles == {"Abaft the mast"}
        assert (ann.faults, bob.faults) == ([], [])


@pytest.mark.slow
def test_xss_2_hdr_1_the_page_lets_nothing_run_but_its_own_script(served: str) -> None:
    nonces: set[str] = set()
    paths = ("/", "/", "/page.js", "/page.css", "/account/register", "/account/x", "/account/login")
    for path in (*paths, "/docs", "/nowhere", "/api/posts", "/api/auth/mailbox"):
        answer = httpx.get(served + path, headers={"accept": "text/html, */*"})
        assert answer.status_code == (404 if path == "/nowhere" else 200)
        assert not faults(answer.headers.multi_items(), answer.content, nonces), path
    assert len(nonces) == 7
