"""/docs: Swagger UI from an installed package, so that it works without a network."""

from __future__ import annotations

from html import escape
from importlib.util import find_spec
from pathlib import Path

from fastapi import FastAPI
from starlette.requests import Request
from starlette.responses import FileResponse, HTMLResponse, Response

from abaft.guard.headers import new_nonce, of_page, scripts

# The page loads nothing from elsewhere and talks to nobody else. Swagger UI draws its icons from
# data: URLs and sets style attributes.
_LOADS = ("img-src 'self' data:", "connect-src 'self'")
_OURS = Path(__file__).parent / "static"
_TYPES = {".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml"}
_SWAGGER = ("swagger-ui-bundle.js", "swagger-ui.css")
_OWN = ("docs.js", "docs.css", "icon.svg")

_PAGE = """\
<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<link rel="icon" href="{base}/icon.svg">
<link rel="stylesheet" nonce="{nonce}" href="{base}/swagger-ui.css">
<link rel="stylesheet" nonce="{nonce}" href="{base}/docs.css">
<script nonce="{nonce}" src="{base}/swagger-ui-bundle.js" defer></script>
<script nonce="{nonce}" src="{base}/docs.js" defer></script>
</head>
<body data-document="{document}">
<div id="docs"><noscript>This page needs JavaScript; the document itself is
<a href="{document}">{document}</a>.</noscript></div>
</body>
</html>
"""


def add_docs(app: FastAPI, path: str) -> None:
    """Serves the page at `path`, and what it loads below it."""

    async def page(request: Request) -> Response:
        root = request.scope.get("root_path", "").rstrip("/")
        nonce = new_nonce()
        text = _PAGE.format(
            title=escape(f"{app.title}: API"),
            base=escape(f"{root}{path}/static"),
            nonce=nonce,
            document=escape(f"{root}{app.openapi_url}"),
        )
        headers = dict(of_page(nonce, *_LOADS, scripts(nonce)))
        return HTMLResponse(text, headers=headers)

    async def static(request: Request) -> Response:
        name = request.path_params["name"]
        if name not in (*_SWAGGER, *_OWN):
            return Response(status_code=404)
        headers = {"x-content-type-options": "nosniff", "cache-control": "public, max-age=3600"}
        where = _OURS if name in _OWN else _swagger()
        return FileResponse(where / name, headers=headers, media_type=_TYPES[Path(name).suffix])

    app.add_route(path, page, include_in_schema=False)
    app.add_route(f"{path}/static/{{name}}", static, include_in_schema=False)


def _swagger() -> Path:
    """Where the package's assets lie; it is not imported, it would bring a page of its own."""
    found = find_spec("fastapi_swagger")
    assert found is not None
    assert found.submodule_search_locations is not None
    return Path(next(iter(found.submodule_search_locations))) / "resources"
