"""Colours for the blocks `http` of the docs: a request, its answer after `→`, and so on.

Pygments' own lexer of that name wants the first line of a message on the wire, `GET / HTTP/1.1`;
of what these pages write it makes nothing but errors. mkdocs.yml names this file as a hook.
"""

import re
from typing import Any, ClassVar

from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexer import RegexLexer, bygroups
from pygments.token import Keyword, Name, Number, Operator, Punctuation, String, Text, Whitespace

METHODS = "GET|HEAD|OPTIONS|POST|PATCH|PUT|DELETE"


class ExchangeLexer(RegexLexer):
    """Requests and answers; their bodies are JSON or plain text."""

    name = "HTTP exchanges"
    flags = re.MULTILINE
    tokens: ClassVar = {
        "root": [
            (
                rf"^({METHODS})( )(\S+?)(\?.*)?$",
                bygroups(Name.Function, Whitespace, Name.Namespace, String),
            ),
            (r"^(→)( )(\d{3})$", bygroups(Operator, Whitespace, Number)),
            (
                r"^([A-Za-z][A-Za-z-]*)(:)( )(.*)$",
                bygroups(Name.Attribute, Punctuation, Whitespace, String),
            ),
            (r'("(?:[^"\\]|\\.)*")(\s*)(:)', bygroups(Name.Tag, Whitespace, Punctuation)),
            (r'"(?:[^"\\]|\\.)*"', String.Double),
            (r"\b(true|false|null)\b", Keyword.Constant),
            (r"-?\b\d+(\.\d+)?([eE][-+]?\d+)?\b", Number),
            (r"[{}\[\],:]", Punctuation),
            (r"\s+", Whitespace),
            (r"\w+|.", Text),
        ]
    }


def show(source: str, *_: Any, **__: Any) -> str:
    """The block as HTML, in the classes that the theme colours."""
    made = HtmlFormatter(cssclass="highlight language-http", wrapcode=True)
    return highlight(source, ExchangeLexer(), made)


def on_config(config: Any) -> Any:
    """MkDocs: blocks `http` are shown by us."""
    fences = config.mdx_configs.setdefault("pymdownx.superfences", {})
    fences["custom_fences"] = [{"name": "http", "class": "http", "format": show}]
    return config
