"""The browser of other tests: it runs scripts, keeps users apart, and tells what went wrong."""

from __future__ import annotations

import http.server
import threading
from collections.abc import Iterator

import pytest

from browser import chromium

PAGE = b"""<!doctype html><title>before</title>
<script nonce=good>document.title = "ran"; document.cookie = "name=ann"</script>
<script>document.title = "unsafe"</script>"""


class _Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("content-type", "text/html")
        self.send_header("content-security-policy", "default-src 'none'; script-src 'nonce-good'")
        self.end_headers()
        self.wfile.write(PAGE)

    def log_message(self, *args: object) -> None:
        """Says nothing."""


@pytest.fixture
def site() -> Iterator[str]:
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()
        thread.join()


@pytest.mark.slow
async def test_a_browser_runs_scripts_keeps_users_apart_and_tells_of_faults(site: str) -> None:
    async with chromium() as browser:
        page = await browser.open(site)
        assert await page.title() == "ran"
        assert "Content Security Policy" in browser.faults[0]
        assert (200, site) in browser.answers
        assert [row["name"] for row in await browser.context.cookies()] == ["name"]
        other = await browser.stranger()
        assert await other.context.cookies() == []
