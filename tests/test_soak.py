"""LOAD-2: a few seconds of what `script/soak` does for an hour."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


@pytest.mark.slow
def test_load_2_a_short_soak_is_flat(database_url: str) -> None:
    given = {**os.environ}
    given["PYTHONPATH"] = os.pathsep.join([str(ROOT), given.get("PYTHONPATH", "")])
    command = [
        sys.executable,
        "-m",
        "bench.soak",
        "--minutes",
        "0.15",
        "--rate",
        "60",
        "--shapes",
        "40",
    ]
    done = subprocess.run(
        [*command, "--database", database_url],
        cwd=ROOT,
        env=given,
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "requests" in done.stdout
