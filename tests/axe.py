"""npm's axe-core, which `script/test` keeps in a folder: what keeps people out of a page."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from conftest import LEFT_OUT

TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]


def source() -> str:
    """The script; where it is missing a loud skip, and a failure under CI=true."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    path = cache / "abaft" / "axe" / "node_modules" / "axe-core" / "axe.min.js"
    if path.is_file():
        return path.read_text("utf-8")
    reason = f"npm's axe-core isn't at {path}: script/test installs it"
    if os.environ.get("CI") == "true":
        pytest.fail(reason, pytrace=False)
    pytest.skip(LEFT_OUT + reason)


async def violations(page: Any, script: str) -> list[str]:
    """What axe finds wrong with the page as it is shown, each with where."""
    # Run by the driver, for no policy of the page lets a script of others in.
    await page.evaluate(script)
    asked = {"runOnly": {"type": "tag", "values": TAGS}}
    found = await page.evaluate("asked => axe.run(document, asked)", asked)
    assert found["passes"], "axe looked at nothing"
    return [
        f"{page.url}: {row['id']}: {row['help']}: {node['html']}"
        for row in found["violations"]
        for node in row["nodes"]
    ]
