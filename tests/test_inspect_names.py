"""Names that no program would choose, made into Python, and served."""

from __future__ import annotations

import asyncio
import keyword
import os
from pathlib import Path
from tempfile import TemporaryDirectory
from unittest.mock import patch

import pytest
from hypothesis import HealthCheck, Phase, example, given, settings
from hypothesis import strategies as st

from abaft.cli import inspect_names as names
from abaft.model.build import RESERVED
from conftest import fresh_database
from existing import ddl, run
from inspected import Walk, imported, models_of, written
from scenarios import serving

PLAIN = """
    select class None id created limit filter a.b a__b user's " '' % %s :x $1 ? 1st _ Größe 日本
    ИМЯ ID CustomerID customer_id HTTPServer people s es ies -- ; \\ field str dt self everybody
    Model batch batches highlights
"""
ODD = ["Order Details", "x" * 60, "a\nb", "\t", "' || '", "a' || 'b", "LIMIT $1"]
WORDS = st.sampled_from([*PLAIN.split(), *ODD])
NAMES = st.one_of(WORDS, st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1))


@given(st.lists(NAMES, min_size=1, max_size=8))
def test_field_names_are_python_and_their_own(columns: list[str]) -> None:
    taken: list[str] = []
    for column in columns:
        made = names.field_name(column, taken)
        assert made.isidentifier()
        assert made.isascii()
        assert not keyword.iskeyword(made)
        assert made not in RESERVED
        assert made not in taken
        assert "__" not in made
        assert made[0].isalpha()
        assert len(made) <= 60
        taken.append(made)


@given(st.lists(NAMES, min_size=1, max_size=8))
def test_class_names_are_python_and_their_own(tables: list[str]) -> None:
    taken: list[str] = []
    for table in tables:
        made = names.class_name(table, taken, table[::-1])
        assert made.isidentifier()
        assert made[0].isupper()
        assert not keyword.iskeyword(made)
        assert made not in taken
        taken.append(made)


@given(NAMES)
def test_text_is_spelt_as_python(name: str) -> None:
    assert eval(names.text(name)) == name  # noqa: S307


@pytest.mark.parametrize(
    ("word", "one"),
    [
        ("categories", "category"),
        ("addresses", "address"),
        ("status", "status"),
        ("boxes", "box"),
        ("film_actors", "film_actor"),
        ("people", "person"),
        ("bus", "bus"),
        ("news", "news"),
        ("gas", "gas"),
        ("s", "s"),
        ("analyses", "analyse"),
    ],
)
def test_singular(word: str, one: str) -> None:
    assert names.singular(word) == one


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _held(name: str) -> str:
    """The name as each database can have it: MariaDB's end with no space, and keep to 16 bits."""
    kept = "".join(letter for letter in name if letter < "\U00010000")
    return kept.encode()[:60].decode(errors="ignore").rstrip()


def _tables(drawn: list[tuple[str, list[str]]]) -> str:
    """Tables of one row each, whose names differ as the database sees them."""
    script, known = "", set()
    for table, columns in drawn:
        table = _held(table)
        if not table or table.lower() in known or table.lower().startswith(("abaft_", "sqlite_")):
            continue
        known.add(table.lower())
        parts = {}
        for column in columns:
            column = _held(column)
            system = column in ("ctid", "xmin", "xmax", "cmin", "cmax", "tableoid")
            if column and column.lower() != "key" and not system:
                parts[column.lower()] = column
        listed = [_quoted(column) for column in parts.values()]
        defined = ", ".join(f"{column} text" for column in listed)
        comma = ", " if listed else ""
        script += (
            f'CREATE TABLE {_quoted(table)} ("key" integer NOT NULL PRIMARY KEY{comma}{defined});\n'
            f"INSERT INTO {_quoted(table)} VALUES (1{', ' if listed else ''}"
            f"{', '.join(repr(str(i)) for i in range(len(listed)))});\n"
        )
    return script


@pytest.mark.sql
@pytest.mark.slow
# Without shrinking: each example is a database.
@settings(
    max_examples=6,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@example([("batch", ["a"]), ("Problem", ["b"]), ("order", []), ("order part", [])])
@example([("' || '", ["a"]), ("t", ["' || '", "a' || 'b", "%s", "LIMIT $1"])])
@given(st.lists(st.tuples(NAMES, st.lists(NAMES, max_size=6)), min_size=1, max_size=4))
def test_tables_of_any_names_are_served(
    engine: str, request: pytest.FixtureRequest, drawn: list[tuple[str, list[str]]]
) -> None:
    script = _tables(drawn)
    if "INSERT" not in script:
        return
    with (
        TemporaryDirectory() as folder,
        fresh_database(engine, request) as url,
        patch.dict(os.environ, {"ABAFT_DATABASE": url}),
    ):
        asyncio.run(_serve(url, script, Path(folder)))


async def _serve(url: str, script: str, folder: Path) -> None:
    await run(url, script + "CREATE TABLE plain (id integer NOT NULL PRIMARY KEY);")
    before = await ddl(url)
    module = imported(await written(url), folder)
    async with serving(url, *models_of(module)) as api:
        await Walk(api, url).everything()
    assert await ddl(url) == before
