"""The page at `/`: what runs here, and where to go on. A route of the user's own on `/` wins."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

from fastapi import FastAPI
from starlette.responses import HTMLResponse

from abaft.base.actor import ANONYMOUS
from abaft.base.settings import Settings
from abaft.base.version import __version__
from abaft.guard.headers import new_nonce, of_page
from abaft.model.expr import FALSE
from abaft.model.spec import Model, Schema
from abaft.plan.access import Access

_STYLE = """
:root { color-scheme: light dark; --line: #8884; --dim: #666; --link: #0b62b8 }
@media (prefers-color-scheme: dark) { :root { --dim: #999; --link: #7ab8f5 } }
* { box-sizing: border-box }
body { margin: 0 auto; padding: 3rem 1.25rem; max-width: 50rem;
  font: 1rem/1.5 system-ui, sans-serif }
h1 { margin: 0; font-size: 1.75rem; line-height: 1.2 }
h2 { margin: 2.5rem 0 .5rem; font-size: 1rem }
p { margin: .5rem 0 } .dim { color: var(--dim) }
a { color: var(--link) } nav a { margin-right: 1.25rem }
ul { list-style: none; margin: 0; padding: 0 }
li { padding: .6rem 0; border-top: 1px solid var(--line) }
li a { font-family: ui-monospace, monospace; overflow-wrap: anywhere }
.tag { font-size: .8rem; color: var(--dim); border: 1px solid var(--line); border-radius: 1rem;
  padding: 0 .5rem; margin-left: .5rem; white-space: nowrap }
"""

_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style nonce="{nonce}">{style}</style>
</head>
<body>
<header><h1>{title}</h1>
<p class="dim">{facts}</p></header>
<main>{summary}
<nav>{links}</nav>
<h2>Collections</h2>
<ul>{collections}</ul></main>
</body>
</html>
"""


@dataclass(frozen=True, slots=True)
class Home:
    """What the page tells."""

    app: FastAPI
    schema: Schema
    settings: Settings
    engine: str
    docs_url: str | None
    accounts: Sequence[tuple[str, str]] = ()
    """Where people log in, and what else accounts have to open: names with paths."""

    def page(self, root: str, nonce: str) -> str:
        """The page's HTML; `root` is the path under which the application is mounted."""
        summary = self.app.summary or self.app.description
        return _PAGE.format(
            title=escape(self.app.title),
            style=_STYLE,
            nonce=nonce,
            facts=" · ".join(map(escape, self._facts())),
            summary=f"<p>{escape(summary)}</p>" if summary else "",
            links="".join(_link(root + path, name) for name, path in self._links()),
            collections="".join(
                self._collection(root, name, model)
                for name, model in self.schema.collections.items()
            ),
        )

    def _facts(self) -> list[str]:
        """In production nobody needs to be told what exactly answers."""
        if self.settings.production:
            return ["production"]
        return [f"version {self.app.version}", f"abaft {__version__}", self.engine, "development"]

    def _links(self) -> list[tuple[str, str]]:
        links = [("API docs", self.docs_url)] if self.docs_url else []
        if self.app.openapi_url:
            links.append(("OpenAPI document", self.app.openapi_url))
        return [*links, *self.accounts]

    def _collection(self, root: str, name: str, model: Model) -> str:
        path = f"{self.settings.api_prefix}/{name}"
        public = Access(self.schema, ANONYMOUS).records(model, "read") != FALSE
        tag = "" if public else '<span class="tag">after logging in</span>'
        about = escape(model.description.partition("\n\n")[0])
        shown = f'<br><span class="dim">{about}</span>' if about else ""
        return f"<li>{_link(root + path, path)}{tag}{shown}</li>"


def _link(path: str, name: str) -> str:
    return f'<a href="{escape(path)}">{escape(name)}</a>'


def add_home(home: Home) -> None:
    """Answers `/` where no route of the application does."""
    router = home.app.router
    otherwise = router.default

    async def fallback(scope: Any, receive: Any, send: Any) -> None:
        root = scope.get("root_path", "").rstrip("/")
        reads = scope["type"] == "http" and scope["method"] in ("GET", "HEAD")
        if reads and scope["path"].removeprefix(root) in ("", "/"):
            nonce = new_nonce()
            response = HTMLResponse(home.page(root, nonce), headers=dict(of_page(nonce)))
            await response(scope, receive, send)
        else:
            await otherwise(scope, receive, send)

    router.default = fallback
