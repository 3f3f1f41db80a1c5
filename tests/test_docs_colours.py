"""The docs' blocks `http` in colours: what MkDocs shows them by knows all that stands in them."""

from __future__ import annotations

import re
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any

import pytest
from pygments.token import Error, Name, Number

ROOT = Path(__file__).parent.parent
BLOCK = re.compile(r"^```http\n(.*?)^```$", re.M | re.S)


@pytest.fixture(scope="module")
def shown() -> Any:
    found = spec_from_file_location("mkdocs_http", ROOT / "script" / "mkdocs_http.py")
    assert found is not None
    assert found.loader is not None
    module = module_from_spec(found)
    found.loader.exec_module(module)
    return module


def test_each_block_is_known_to_the_lexer(shown: Any) -> None:
    blocks = [
        text
        for page in (ROOT / "docs").glob("*.md")
        for text in BLOCK.findall(page.read_text("utf-8"))
    ]
    assert len(blocks) > 50
    for text in blocks:
        tokens = list(shown.ExchangeLexer().get_tokens(text))
        kinds = {kind for kind, _ in tokens}
        assert Error not in kinds, text
        assert {Name.Function, Name.Namespace, Number} <= kinds, text
        assert "".join(value for _, value in tokens).strip() == text.strip()


def test_a_block_in_html(shown: Any) -> None:
    made = shown.show(
        'GET /api/posts?filter=a < b\n\n→ 200\nETag: "x"\n{"items": [1, null]}\n', "http"
    )
    assert made.startswith('<div class="highlight language-http"><pre>')
    for part in (
        '<span class="nf">GET</span>',
        '<span class="nn">/api/posts</span>',
        '<span class="s">?filter=a &lt; b</span>',
        '<span class="m">200</span>',
        '<span class="na">ETag</span>',
        '<span class="nt">"items"</span>',
        '<span class="kc">null</span>',
    ):
        assert part in made
