"""The flights go round all engines and stay the same. ABAFT_TEST_TIMES=100: all of them."""

import io
import zipfile
from contextlib import ExitStack
from itertools import islice, pairwise
from pathlib import Path

import pytest

from conftest import chosen_engines, fresh_database
from projects import run, said
from test_copy import checksum, copy
from test_flights import APP, POLICY, data
from times import times

SAMPLE = 4_000


@pytest.mark.slow
def test_the_flights_go_round_all_engines(request: pytest.FixtureRequest, tmp_path: Path) -> None:
    *files, packed = data()
    with zipfile.ZipFile(packed) as archive, archive.open(archive.namelist()[0]) as all_of_them:
        lines = islice(io.TextIOWrapper(all_of_them), times(SAMPLE) + 1)
        (tmp_path / "flights.csv").write_text("".join(lines))
    source = f"sqlite:///{tmp_path}/flights.db"
    result = run("load", APP, *files, tmp_path / "flights.csv", *POLICY, database=source)
    assert result.exit_code == 0, result.output
    with ExitStack() as stack:
        engines = [*chosen_engines(request.config), "sqlite"]
        urls = [source]
        urls += [stack.enter_context(fresh_database(engine, request)) for engine in engines]
        made = {}
        for one, other in pairwise(urls):
            result = copy(one, other, app=APP)
            made[f"{one} to {other}"] = checksum(result)
            assert "rows/s" in said(result)
        assert len(set(made.values())) == 1, made
        assert checksum(copy(source, urls[-1], "--verify", app=APP)) in made.values()
