"""wapiti, set on the pages and endpoints of a server: what does it find?"""

import json
import os
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest

from conftest import LEFT_OUT

# Those that need no server of wapiti's own out there.
MODULES = (
    *("cookieflags", "crlf", "csp", "exec", "file", "http_headers"),
    *("permanentxss", "redirect", "sql", "upload", "xss"),
)
PATIENCE = 500


def need_wapiti() -> str:
    """Where it is; a loud skip where it is missing: it doesn't go with every Python."""
    cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    found = Path(cache) / "abaft" / "wapiti" / "bin" / "wapiti"
    if not found.exists():
        pytest.skip(
            LEFT_OUT + "attacks on pages need wapiti (script/test, with Python 3.10 to 3.12)"
        )
    return str(found)


def attack(
    base: str,
    start: Sequence[str],
    *,
    document: Mapping[str, Any] | None = None,
    headers: Mapping[str, str] = {},
    modules: Sequence[str] = MODULES,
) -> tuple[list[str], str]:
    """What it found, and what it said: at pages, those they lead to, and endpoints of OpenAPI."""
    with TemporaryDirectory() as folder:
        described, report = Path(folder, "openapi.json"), Path(folder, "report.json")
        described.write_text(json.dumps(document))
        said = subprocess.run(
            [
                *(need_wapiti(), "-u", base + start[0], "-m", ",".join(modules)),
                *(part for path in start[1:] for part in ("-s", base + path)),
                *(part for pair in headers.items() for part in ("-H", ": ".join(pair))),
                *(("--swagger", str(described)) if document else ()),
                *("--scope", "folder", "-d", "1", "-l", "1", "--flush-session", "--no-bugreport"),
                *("--store-session", folder, "--store-config", folder),
                # It asks for the address of its makers' server otherwise.
                *("--dns-endpoint", "localhost", "--endpoint", base),
                *("-f", "json", "-o", str(report), "-v", "1"),
            ],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=PATIENCE,
            check=False,
        ).stdout
        assert report.exists(), said[-3000:]
        told = json.loads(report.read_text("utf-8"))
    missed = [name for name in modules if f"Launching module {name}\n" not in said]
    assert not missed, said[-3000:]
    assert "Traceback" not in said, said[-3000:]
    rows = (told["vulnerabilities"] | told["anomalies"]).items()
    return [f"{kind}: {row['method']} {row['info']}" for kind, found in rows for row in found], said
