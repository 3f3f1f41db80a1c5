"""What is exported loads again to the same records: of every kind, in every form."""

import base64
import json
import uuid
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from projects import run, write_app

MODELS = """
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Literal
from uuid import UUID

from pydantic import JsonValue

from abaft import App, Many, Model, Ref, field

class Tag(Model, key="name", stamps=False):
    name: str

class Thing(Model):
    text: str
    maybe: str | None
    whole: int | None
    real: float | None
    exact: Decimal | None = field(decimal_places=3)
    truth: bool | None
    at: datetime | None
    day: date | None
    clock: time | None
    took: timedelta | None
    code: UUID | None
    raw: bytes | None
    extra: JsonValue | None
    word: Literal["a", "=b", "'"] | None
    number: Literal[1, -2] | None
    above: Ref["Thing"] | None
    tags: Many[Tag]

app = App(Tag, Thing)
"""

# Text with all that CSV, JSON and spreadsheets hold special comes often.
TEXT = st.text(
    st.sampled_from("'=+-@\t\r\n\",;\\ aé0")
    | st.characters(codec="utf-8", exclude_characters="\0"),
    max_size=12,
)
REAL = st.floats(allow_nan=False, allow_infinity=False, width=64)
# Engines and JSON spell some numbers within JSON fields in their own way; that isn't our matter.
JSON = st.recursive(
    st.booleans() | st.integers(-(2**53), 2**53) | TEXT,
    lambda inner: (
        st.lists(inner | st.none(), max_size=3) | st.dictionaries(TEXT, inner, max_size=3)
    ),
    max_leaves=6,
)
TAGS = ["plain", "=1", "'", " ", "a,b", '"q"', "line\nbreak"]


def instant(value: datetime) -> str:
    return value.replace(tzinfo=UTC).isoformat().replace("+00:00", "Z")


def span(value: timedelta) -> str:
    micros = value // timedelta(microseconds=1)
    sign, size = ("-" if micros < 0 else ""), abs(micros)
    return f"{sign}PT{size // 1_000_000}.{size % 1_000_000:06d}S"


FIELDS: dict[str, st.SearchStrategy[Any]] = {
    "maybe": TEXT,
    "whole": st.integers(-(2**63), 2**63 - 1),
    "real": REAL,
    "exact": st.decimals(-(10**14), 10**14, places=3).map(lambda value: f"{value:f}"),
    "truth": st.booleans(),
    "at": st.datetimes().map(instant),
    "day": st.dates().map(date.isoformat),
    "clock": st.times().map(time.isoformat),
    "took": st.timedeltas(timedelta(days=-36500), timedelta(days=36500)).map(span),
    "code": st.uuids().map(str),
    "raw": st.binary(max_size=9).map(lambda value: base64.b64encode(value).decode()),
    "extra": JSON,
    "word": st.sampled_from(["a", "=b", "'"]),
    "number": st.sampled_from([1, -2]),
}
ROW = st.fixed_dictionaries(
    {
        "id": st.uuids().map(str),
        "text": TEXT,
        "tags": st.lists(st.sampled_from(TAGS), unique=True, max_size=3),
        **{name: st.none() | values for name, values in FIELDS.items()},
    }
)


class Trip:
    """Databases of one engine, made when they are needed."""

    def __init__(self, engine: str, request: pytest.FixtureRequest, stack: ExitStack) -> None:
        self.engine, self.request, self.stack = engine, request, stack
        self.folder = Path(stack.enter_context(TemporaryDirectory(prefix="abaft-trip-")))

    def url(self) -> str:
        if self.engine == "sqlite":
            return f"sqlite:///{self.folder}/{uuid.uuid4().hex}.db"
        server = self.request.getfixturevalue("postgres")
        return str(self.stack.enter_context(server.database()))

    def do(self, database: str, verb: str, *arguments: str | Path) -> str:
        result = run(verb, write_app(self.folder, MODELS), *arguments, database=database)
        if result.exception and not isinstance(result.exception, SystemExit):
            raise result.exception
        assert result.exit_code == 0, result.output
        return result.stdout


@contextmanager
def trip(engine: str, request: pytest.FixtureRequest) -> Iterator[Trip]:
    with ExitStack() as stack:
        yield Trip(engine, request, stack)


@pytest.mark.slow
@settings(
    max_examples=5,
    phases=[Phase.explicit, Phase.reuse, Phase.generate],
    suppress_health_check=list(HealthCheck),
)
@given(
    rows=st.lists(ROW, min_size=20, max_size=60, unique_by=lambda row: row["id"]), data=st.data()
)
def test_a_round_trip(
    engine: str, request: pytest.FixtureRequest, rows: list[dict[str, Any]], data: st.DataObject
) -> None:
    ids = [row["id"] for row in rows]
    for row in rows:
        row["above"] = data.draw(st.none() | st.sampled_from(ids))
    with trip(engine, request) as made:
        first, folder = made.url(), made.folder
        given = folder / "given"
        given.mkdir()
        (given / "tags.json").write_text(json.dumps([{"name": tag} for tag in TAGS]))
        (given / "things.json").write_text(json.dumps(rows))
        made.do(first, "load", given)
        stored = made.do(first, "export", "things")
        assert stored.count("\n") == len(rows)
        for form in ("csv", "ndjson", "json"):
            made.do(first, "export", "--all", folder / form, "--format", form)
            again = made.url()
            made.do(again, "load", folder / form)
            assert made.do(again, "export", "things") == stored, form
