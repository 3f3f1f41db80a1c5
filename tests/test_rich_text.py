"""XSS-1: HTML and Markdown are cleaned by whatever writes them, and by nothing that reads them."""

from __future__ import annotations

import json
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from abaft import Many, Model, Ref, allow, field
from abaft.base.errors import ModelError
from abaft.guard.rendering import html_of
from abaft.guard.sanitise import clean_markdown
from abaft.model.build import build
from apps.open import Open
from loads import Loader
from scenarios import Api, serving
from test_sanitise import HOSTILE, KEPT, alive

BAD = "<b>x</b><script>alert(1)</script>"
GOOD = "<b>x</b>"
GOOD_MARKDOWN = "<b>x</b>&lt;script>alert(1)&lt;/script>"
WIDE = "&" * 30
"""Fits as it is; cleaned it is five times as long."""


def page(**options: Any) -> type[Open]:
    """The model, whose text has a format or not yet."""

    class Page(Open, key="name", history=True):
        name: str = field(max_length=8)
        html: str = field(max_length=60, search=True, default="", **options)

    return Page


@pytest.fixture
async def reopened(database_url: str) -> AsyncIterator[Api]:
    """An app whose field has its format since after it was written to."""
    async with serving(database_url, page()) as api:
        for name, html in (("bad", BAD), ("wide", WIDE), ("good", "early words")):
            body = {"name": name, "html": html}
            assert (await api.ask("POST /api/pages", json=body)).status_code == 201
        for name in ("bad", "wide"):
            changed = await api.ask(f"PATCH /api/pages/{name}", json={"html": f"{WIDE} "})
            assert changed.status_code == 200
            back = {"html": BAD if name == "bad" else WIDE}
            assert (await api.ask(f"PATCH /api/pages/{name}", json=back)).status_code == 200
    async with serving(database_url, page(format="html")) as api:
        yield api


async def test_what_was_stored_before_the_format_is_read_as_it_is(reopened: Api) -> None:
    rows = {row["name"]: row["html"] for row in await reopened.items("/api/pages")}
    assert rows == {"bad": BAD, "wide": WIDE, "good": "early words"}
    for query, names in (
        ("sort=html,name", ["wide", "bad", "good"]),
        ("sort=-html,name", ["good", "bad", "wide"]),
        (f"filter=html='{BAD}'", ["bad"]),
        (f"filter=html='{WIDE}'", ["wide"]),
        (f"filter=html in ['{WIDE}','{BAD}']&sort=name", ["bad", "wide"]),
        (f"filter=html>'{WIDE}'&sort=name", ["bad", "good"]),
        ("search=early", ["good"]),
    ):
        query = query.replace(WIDE, "%26" * len(WIDE))
        assert await reopened.items(f"/api/pages?{query}", of="name") == names, query
    found = await reopened.items("/api/pages?sort=html&limit=1", of="name")
    assert found == ["wide"]
    model = next(
        row
        for row in (row.cls for row in reopened.app.schema.models.values())
        if row.__name__ == "Page"
    )
    typed = await reopened.db.list(model, sort="html")
    assert [row.html for row in typed] == [WIDE, BAD, "early words"]
    groups = await reopened.items("/api/pages?aggregate=count()&group=html&sort=html")
    assert [group["html"] for group in groups] == [WIDE, BAD, "early words"]


async def test_pages_go_on_behind_what_is_wider_than_the_field_once_cleaned(reopened: Api) -> None:
    url, seen = "/api/pages?sort=html,name&limit=1", []
    while url:
        answer = await reopened.ask(f"GET {url}")
        assert answer.status_code == 200, answer.text
        seen += [row["name"] for row in answer.json()["items"]]
        after = answer.json()["next"]
        url = f"/api/pages?sort=html,name&limit=1&cursor={after}" if after else ""
    assert seen == ["wide", "bad", "good"]


async def test_history_shows_what_was_and_restoring_writes(reopened: Api) -> None:
    versions = await reopened.items("/api/pages/bad/history")
    assert len(versions) == 3
    first = versions[-1]["version"]
    old = await reopened.ask(f"GET /api/pages/bad/history/{first}")
    assert old.json()["html"] == BAD
    changed = await reopened.ask("PATCH /api/pages/bad", json={"html": "plain"})
    assert changed.json()["html"] == "plain"
    back = await reopened.ask(f"POST /api/pages/bad/history/{first}/restore")
    assert back.status_code == 200, back.text
    assert back.json()["html"] == GOOD, "to restore is to write"
    wide = (await reopened.items("/api/pages/wide/history"))[-1]["version"]
    again = await reopened.ask(f"POST /api/pages/wide/history/{wide}/restore")
    assert again.status_code == 200, "it is as it was: nothing is written"
    assert (await reopened.ask("PATCH /api/pages/wide", json={"html": "x"})).status_code == 200
    refused = await reopened.ask(f"POST /api/pages/wide/history/{wide}/restore")
    assert refused.status_code == 422, refused.text
    assert refused.json()["errors"][0]["pointer"] == "/html"


class Doc(Open, key="name", stamps=False):
    name: str
    html: str = field(format="html", default="")
    text: str = field(format="markdown", default="")
    parts: Many[Part] = field(back="doc")


class Part(Open, stamps=False):
    doc: Ref[Doc] = field(on_delete="cascade")
    html: str = field(format="html")


async def clean(api: Api, most: int) -> None:
    found = await api.items("/api/docs") + await api.items("/api/parts")
    assert len(found) == most
    assert {row["html"] for row in found} == {GOOD}
    assert {row["text"] for row in found if "text" in row} == {GOOD_MARKDOWN}


async def test_xss_1_each_way_to_write_cleans(database_url: str) -> None:
    def body(name: str, **more: Any) -> dict[str, Any]:
        return {"name": name, "html": BAD, "text": BAD, **more}

    batch = {
        "operations": [
            {"name": "one", "method": "POST", "path": "/docs", "body": body("g")},
            {"name": "two", "method": "PATCH", "path": "/docs/g", "body": {"html": BAD}},
        ]
    }
    async with serving(database_url, Doc, Part) as api:
        for request, sent in (
            ("POST /api/docs", body("a", parts=[{"html": BAD}])),
            ("PATCH /api/docs/a", {"html": BAD, "parts": {"create": [{"html": BAD}]}}),
            ("POST /api/docs", [body("b"), body("c")]),
            ("POST /api/docs?upsert=name", body("d")),
            ("POST /api/docs?upsert=name", body("d")),
            ("POST /api/docs?upsert=name", [body("d"), body("e")]),
            ("POST /api/docs", body("f")),
            ("PUT /api/docs/f", body("f")),
            ("PATCH /api/docs?filter=name='f'&limit=1", {"html": BAD, "text": BAD}),
            ("POST /api/batch", batch),
        ):
            answer = await api.ask(request, json=sent)
            assert answer.status_code < 300, (request, answer.text)
            assert "<script" not in answer.text
        made = await api.db.create(Doc, **body("h"))
        await api.db.update(made, html=BAD)
        await clean(api, 10)


@pytest.mark.slow
@pytest.mark.parametrize("more", [(), ("--upsert=name",)])
def test_xss_1_files_are_cleaned_as_they_are_loaded(
    database_url: str, tmp_path: Path, more: tuple[str, ...]
) -> None:
    class Docs(Loader):
        models = """
from abaft import App, Model, field

class Doc(Model, key="name", stamps=False):
    name: str
    html: str = field(format="html", default="")
    text: str = field(format="markdown", default="")

app = App(Doc)
"""

    found = Docs(database_url, tmp_path)
    result = found.load(*more, docs=f"name,html,text\na,{BAD},{BAD}\nb,{BAD},{BAD}\n")
    assert result.exit_code == 0, result.output
    path = tmp_path / "docs.jsonl"
    path.write_text(json.dumps({"name": "c", "html": BAD, "text": BAD}) + "\n")
    result = found.load(*more, str(path))
    assert result.exit_code == 0, result.output
    rows = [json.loads(line) for line in found.export("docs", "--format=ndjson").splitlines()]
    assert rows == [{"name": n, "html": GOOD, "text": GOOD_MARKDOWN} for n in "abc"]


@pytest.mark.parametrize("text", [*HOSTILE, *KEPT])
def test_xss_1_what_is_rendered_is_not_alive(text: str) -> None:
    for given in (text, clean_markdown(text), f"# x\n\n> {text}\n", f"[{text}]({text})"):
        assert not alive(html_of(given)), given


@pytest.mark.parametrize(
    ("text", "html"),
    [
        ("# A *head*", "<h1>A <em>head</em></h1>"),
        ("a ~~b~~ c", "<p>a <s>b</s> c</p>"),
        ("a<br>b", "<p>a<br>b</p>"),
        ("```html\n<img src=x>\n```", "<pre><code>&lt;img src=x&gt;\n</code></pre>"),
        ("`<b onclick=x()>`", "<p><code>&lt;b onclick=x()&gt;</code></p>"),
        ("`&amp;`", "<p><code>&amp;amp;</code></p>"),
        (
            "[a](https://example.org)",
            '<p><a href="https://example.org" rel="noopener noreferrer nofollow">a</a></p>',
        ),
        ("| a |\n|---|\n| 1 |", "<td>1</td>"),
        ("", ""),
    ],
)
def test_markdown_is_rendered_as_it_was_written(text: str, html: str) -> None:
    made = html_of(clean_markdown(text))
    assert made.strip() == html or (html and html in made)


class Page(Model, key="name", history=True):
    name: str
    body: str | None = field(format="markdown", default=None)
    html: str = field(renders="body")
    notes: str = field(format="markdown", default="")
    notes_html: str = field(renders="notes")

    @allow("read", "create", "update")
    def everyone(page, me: Any) -> bool:
        return True

    @allow("read", fields=["notes"])
    def editors(page, me: Any) -> bool:
        return me.has_role("editor")


async def test_html_is_made_by_each_way_to_write(database_url: str) -> None:
    text = "*a* <script>alert(1)</script>"
    made = "<p><em>a</em> &lt;script&gt;alert(1)&lt;/script&gt;</p>\n"
    long = "*a*\n\n" * 1_000
    batch = {"operations": [{"method": "POST", "path": "/pages", "body": {"name": "g"}}]}
    async with serving(database_url, Page) as api:
        for request, body in (
            ("POST /api/pages", {"name": "a", "body": text}),
            ("POST /api/pages", [{"name": "b", "body": text}, {"name": "c"}]),
            ("POST /api/pages?upsert=name", {"name": "d", "body": text}),
            ("POST /api/pages?upsert=name", [{"name": "d", "body": "# x"}, {"name": "e"}]),
            ("PUT /api/pages/f", {"body": text}),
            ("PATCH /api/pages/f", {"body": "# y"}),
            ("POST /api/batch", batch),
            ("PATCH /api/pages?filter=name='g'&limit=1", {"body": text}),
            ("POST /api/pages", {"name": "h", "body": long}),
        ):
            answer = await api.ask(request, json=body)
            assert answer.status_code < 300, (request, answer.text)
        await api.db.create(Page, name="i", body=text)
        found = {row["name"]: row["html"] for row in await api.items("/api/pages?sort=name")}
        assert found.pop("h") == "<p><em>a</em></p>\n" * 1_000
        heads = {"d": "<h1>x</h1>\n", "f": "<h1>y</h1>\n"}
        assert found == {**dict.fromkeys("abgi", made), **dict.fromkeys("ce", ""), **heads}
        for body in ({"name": "x", "html": "<b>"}, {"name": "x", "notes_html": "<b>"}):
            assert (await api.ask("POST /api/pages", json=body)).status_code == 422
        first = (await api.items("/api/pages/f/history"))[-1]["version"]
        back = await api.ask(f"POST /api/pages/f/history/{first}/restore")
        assert (back.status_code, back.json()["html"]) == (200, made)


async def test_authz_2_html_is_read_by_who_may_read_its_markdown(database_url: str) -> None:
    async with serving(database_url, Page) as api:
        api.people |= {"ann": "Test ann", "ed": "Test ed editor"}
        body = {"name": "a", "notes": "*hush*"}
        assert (await api.ask("POST /api/pages", "admin", json=body)).status_code == 201
        assert "hush" in (await api.ask("GET /api/pages/a", "ed")).text
        for query in ("a", "a/history", "?search=hush", "?sort=notes_html"):
            assert "hush" not in (await api.ask(f"GET /api/pages/{query}", "ann")).text
        answer = await api.ask("GET /api/pages?filter=notes_html contains 'hush'", "ann")
        assert answer.status_code == 403 or answer.json()["items"] == []


def test_what_renders_is_a_text_and_what_is_rendered_is_markdown() -> None:
    class Wrong(Model):
        body: str = field(format="html")
        html: str = field(renders="body")

    class Typed(Model):
        body: str = field(format="markdown")
        html: int = field(renders="body")

    class Lost(Model):
        html: str = field(renders="body")

    for model in (Wrong, Typed, Lost):
        with pytest.raises(ModelError, match=f"{model.__name__}.html"):
            build([model])


PARTS = [
    "[", "*a_", "`a", "![", "<", "\n> ", "  - \n", "**a", "[a](", "[a]: b\n", "|-|\n", "&",
    "| a | b |\n|---|---|\n", "a\n=\n", "~~a", "\\", "_*", "[a][", "<b>", "</", "[x](<", "<!--",
]  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("part", PARTS)
def test_dos_3_twice_the_markdown_takes_twice_the_time_to_render(part: str) -> None:
    def seconds(size: int) -> float:
        text, times = part * (size // len(part)), []
        for _ in range(3):
            start = time.thread_time()
            html_of(text)
            times.append(time.thread_time() - start)
        return min(times)

    small, large = seconds(4_000), seconds(16_000)
    assert large < 9 * max(small, 0.002), f"{small:.4f} s, then {large:.4f} s for four times it"
