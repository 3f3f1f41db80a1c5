"""On demand: a keyset page deep in 10,000,000 rows beside one deep in 10,000 (abaft, SQLite)."""

from __future__ import annotations

import json
import random
import urllib.parse
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

from bench import loader
from bench.seed import fast_sqlite
from bench.server import Server

SIZES = (10_000, 10_000_000)
_CURSORS, _PAGE = 16, 20
_ROUNDS, _SECONDS = 3, 3
# The way to a deep page leads once through a deep offset, which abaft refuses as it comes.
_SETTINGS = {"ABAFT_MAX_OFFSET": "10000000", "ABAFT_QUERY_TIMEOUT": "60"}
# Ids and times are made by SQLite itself: ten million rows take about a minute, not an hour.
_FILL = """
with recursive n(i) as (select 0 union all select i + 1 from n where i + 1 < ?)
insert into entries (id, title, created)
select printf('01950000-0000-7000-8000-%012x', i), printf('Entry %d', i),
       strftime('%Y-%m-%dT%H:%M:%S', 1735689600 + i, 'unixepoch') || printf('.%06dZ', i % 1000000)
from n
"""


def run(folder: Path, say: Callable[[str], None]) -> str:
    """Measure both sizes in turn, round after round; gives the lines to print."""
    servers = {size: _server(size, folder, say) for size in SIZES}
    try:
        say("finding deep cursors")
        files = {size: _requests(size, server, folder) for size, server in servers.items()}
        rounds: dict[int, list[tuple[float, float]]] = {size: [] for size in SIZES}
        for _ in range(_ROUNDS):
            for size, server in servers.items():
                rounds[size].append(_round(files[size], server.port))
    finally:
        for server in servers.values():
            server.stop()
    return _lines({size: sorted(each)[len(each) // 2] for size, each in rounds.items()})


def _server(size: int, folder: Path, say: Callable[[str], None]) -> Server:
    say(f"filling {size:,} rows")
    file = folder / f"keyset-{size}.db"
    server = Server("bench.keyset_app:app", f"sqlite:///{file}", folder, **_SETTINGS)
    with server:
        pass  # makes its schema
    with fast_sqlite(str(file)) as connection:
        connection.execute(_FILL, (size,))
    server.start()
    return server


def _requests(size: int, server: Server, folder: Path) -> Path:
    """Pages that begin between 40 and 90 % of the way; offset is used once, to get there."""
    choose = random.Random(size)
    host = f"127.0.0.1:{server.port}"
    pages = []
    for _ in range(_CURSORS):
        offset = choose.randrange(size * 4 // 10, size * 9 // 10)
        cursor = _get(host, f"sort=-created&limit={_PAGE}&offset={offset}")["next"]
        query = urllib.parse.urlencode({"sort": "-created", "limit": _PAGE, "cursor": cursor})
        _expect(_get(host, query), size - 1 - offset - _PAGE)
        pages.append(f"GET /api/entries?{query} HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
    file = folder / f"keyset-{size}.requests"
    file.write_bytes(b"\0".join(pages))
    return file


def _expect(page: dict[str, Any], first: int) -> None:
    """A fast page is worth nothing unless it is the right one."""
    titles = [item["title"] for item in page["items"]]
    if titles != [f"Entry {number}" for number in range(first, first - _PAGE, -1)]:
        raise SystemExit(f"a deep page held {titles}, and should begin with Entry {first}")


def _get(host: str, query: str) -> dict[str, Any]:
    with urllib.request.urlopen(f"http://{host}/api/entries?{query}") as response:
        answer: dict[str, Any] = json.load(response)
    return answer


def _round(requests: Path, port: int) -> tuple[float, float]:
    """The rate at full load, and the median latency of one connection in milliseconds."""
    full = loader.fire(requests, port, _SECONDS)
    single = loader.fire(requests, port, _SECONDS, connections=1)
    if full.errors or single.errors:
        raise SystemExit("some pages were answered with an error")
    return full.rate, single.p50_ms


def _lines(medians: dict[int, tuple[float, float]]) -> str:
    rows = [
        f"{size:>12,} rows: {rate:>8,.0f} pages/s, {latency:.3f} ms with one connection"
        for size, (rate, latency) in medians.items()
    ]
    (small_rate, small_ms), (huge_rate, huge_ms) = medians.values()
    slower = f"{small_rate / huge_rate:.2f}x by rate, {huge_ms / small_ms:.2f}x by latency"
    return "\n".join([*rows, f"a deep page of the huge table costs {slower} (to reach: 1.5x)"])
