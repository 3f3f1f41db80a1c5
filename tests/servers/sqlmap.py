"""sqlmap, set on one request of a server: does it get into the statement?"""

import os
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from tempfile import TemporaryDirectory

import pytest

from conftest import LEFT_OUT

FOUND = "sqlmap identified the following injection point"
NOTHING = "do not appear to be injectable"
PATIENCE = 600 if os.environ.get("ABAFT_ATTACK") else 100
"""Seconds for one request; sqlmap asks thousands of times, and each answer is waited for."""


@dataclass(frozen=True)
class Target:
    """A request; each `*` in it is a place where sqlmap puts its own."""

    path: str
    method: str = "GET"
    body: str | None = None
    headers: Sequence[str] = ()
    techniques: str = "BEUSTQ"

    def options(self, base: str) -> list[str]:
        given = ["-u", base + self.path, "--method", self.method, "--technique", self.techniques]
        for header in self.headers:
            given += ["-H", header]
        if self.body is not None:
            given += ["--data", self.body, "-H", "content-type: application/json"]
        return given


def need_sqlmap() -> str:
    """Where it is; a loud skip where it is missing, and a failure under CI=true."""
    found = shutil.which("sqlmap")
    if found:
        return found
    reason = "attacks on statements need sqlmap (apt-get install sqlmap)"
    if os.environ.get("CI") == "true":
        pytest.fail(reason, pytrace=False)
    pytest.skip(LEFT_OUT + reason)


def attack(base: str, engine: str, target: Target) -> bool:
    """Whether it got in, by all it can do: level 5, risk 3."""
    dbms = {"sqlite": "sqlite", "postgres": "postgresql", "mariadb": "mysql"}[engine]
    with TemporaryDirectory() as folder:
        said = subprocess.run(
            [
                *(need_sqlmap(), "--batch", "--flush-session", "--level", "5", "--risk", "3"),
                *("--dbms", dbms, "--threads", "4", "--time-sec", "2", "--disable-coloring"),
                # By itself it goes on to a thousand columns, and spends minutes on comparing pages.
                *("--union-cols", "1-20"),
                *("--ignore-code", "400,401,403,404,405,406,409,412,415,422", "-v", "1"),
                *("--output-dir", folder, *target.options(base)),
            ],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
        ).stdout
    assert (FOUND in said) != (NOTHING in said), f"it could not try:\n{said[-3000:]}"
    return FOUND in said
