"""Pages of accounts as HTML: templates, texts, and a policy that lets nothing else in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import segno
from jinja2 import ChoiceLoader, Environment, FileSystemLoader, PackageLoader, StrictUndefined

from abaft.auth.calls import Reply
from abaft.auth.page_types import Form, Page
from abaft.auth.page_words import Texts, Words, of_code, said
from abaft.base.errors import Fault
from abaft.guard.headers import new_nonce, of_page, scripts

_KEEP = ("cache-control", "public, max-age=3600")
_LONGEST = 1_000
"""Bytes that a picture is drawn of."""


@dataclass(frozen=True, slots=True)
class Sheet:
    """What is to be drawn of a page.

    `kept` are hidden values, `typed` what stood in the fields of the form `at` that was refused
    by `fault`, `answer` what an endpoint has just told, and `done` the text of what has been done.
    """

    page: Page
    forms: tuple[Form, ...]
    status: int = 200
    kept: Mapping[str, str] = field(default_factory=dict)
    typed: Mapping[str, str] = field(default_factory=dict)
    at: str = ""
    fault: Fault | None = None
    error: str = ""
    answer: Any = None
    done: str = ""
    rows: tuple[Any, ...] = ()
    state: Mapping[str, Any] = field(default_factory=dict)
    options: Mapping[str, Any] = field(default_factory=dict)
    links: tuple[tuple[str, str], ...] = ()
    menu: tuple[tuple[str, str], ...] = ()
    user: Any = None


class Drawing:
    """Draws sheets. A template called as the page is comes before the one of all forms."""

    def __init__(self, folder: str, app: str) -> None:
        self._app, self.words = app, Words(folder)
        own: list[Any] = [FileSystemLoader(folder)] if folder else []
        loader = ChoiceLoader([*own, PackageLoader("abaft.auth", "pages")])
        self._templates = Environment(autoescape=True, loader=loader, undefined=StrictUndefined)
        self._templates.filters["when"] = _when
        self.others: list[tuple[str, str]] = []
        """What each other way to log in is called, and where it begins."""

    def style(self) -> Reply:
        """The style sheet of all."""
        css = self._templates.get_template("style.css").render()
        return Reply(200, None, (("content-type", "text/css; charset=utf-8"), _KEEP), css)

    def draw(self, sheet: Sheet, base: str, languages: str) -> Reply:
        """The page in the first of these languages that there is."""
        language, texts = self.words.of(languages)
        nonce = new_nonce()
        error, problems = _told(sheet, texts)
        name = sheet.page.name.replace("/", "_") or "overview"
        bare = not sheet.forms and (sheet.done or sheet.fault)
        templates = ["done.html"] if bare else [f"{name}.html", "form.html"]
        text = self._templates.select_template(templates).render(
            sheet=sheet,
            page=sheet.page,
            name=sheet.page.name,
            error=error,
            problems=problems,
            app=self._app,
            base=base,
            language=language,
            t=texts,
            nonce=nonce,
            others=self.others,
            picture=_picture(sheet),
        )
        return Reply(sheet.status, None, (*_headers(nonce, language), *_wait(sheet.fault)), text)


def _headers(nonce: str, language: str) -> tuple[tuple[str, str], ...]:
    # Templates of the application's own may bring styles and pictures along.
    own = of_page(nonce, "img-src 'self'", scripts(nonce), forms="'self'", styles="'self'")
    return (*own, ("content-language", language))


def _told(sheet: Sheet, texts: Texts) -> tuple[str, list[tuple[str, str]]]:
    if sheet.fault is None:
        return of_code(texts, sheet.error), []
    whole, rows = said(texts, sheet.fault)
    labels = {row.name: texts[row.label] for form in sheet.page.forms for row in form.fields}
    return whole, [
        (name, f"{labels[name]}: {text}" if name in labels else text)
        for name, text in rows
        if text != whole or name in labels
    ]


def _wait(fault: Fault | None) -> tuple[tuple[str, str], ...]:
    headers = {} if fault is None else fault.headers
    return tuple(row for row in headers.items() if row[0] == "retry-after")


def _picture(sheet: Sheet) -> str:
    """What an app reads with the camera, as SVG without styles of its own."""
    text = sheet.kept.get(sheet.page.drawn, "") if sheet.page.drawn else ""
    if not text or len(text.encode()) > _LONGEST:
        return ""
    made = segno.make(text, error="m", micro=False)
    return str(made.svg_inline(scale=4, border=4, light="#fff", dark="#000", svgclass="qr"))


def _when(value: str) -> str:
    """A time as people read it, in UTC."""
    return f"{value[:10]} {value[11:16]} UTC"
