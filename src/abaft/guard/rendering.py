"""Markdown as HTML that may stand in a page: rendered by markdown-it, then cleaned by nh3."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from markdown_it import MarkdownIt
from markdown_it.token import Token

from abaft.guard.sanitise import clean_html

_HELD = re.compile(r"&lt;(?=[A-Za-z/!?])")
_READER = MarkdownIt("commonmark").enable(["table", "strikethrough"])


def html_of(text: str) -> str:
    """The HTML of a text in CommonMark, with tables and ~~strikethrough~~."""
    tokens = _READER.parse(text)
    _as_written(tokens)
    made: str = _READER.renderer.render(tokens, _READER.options, {})
    return clean_html(made)


def _as_written(tokens: Sequence[Token]) -> None:
    """Samples of code as they came: in them nothing runs, so what kept `<` from it is taken off."""
    todo: list[Any] = [*tokens]
    while todo:
        token = todo.pop()
        if token.type in ("code_inline", "code_block", "fence"):
            token.content = _HELD.sub("<", token.content)
        todo.extend(token.children or ())
