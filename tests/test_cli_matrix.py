"""`abaft matrix`: the table of an app, printed, and held against a file."""

from __future__ import annotations

from pathlib import Path

import pytest

from projects import run, said, write_app

ROOT = Path(__file__).parent.parent
EXAMPLES = sorted((ROOT / "examples").glob("*/app.py"))
LEAKS = """
from abaft import App, Membership, Model, Organisation, Ref, User, allow

class Note(Model):
    text: str
    organisation: Ref[Organisation]

    @allow("read")
    def everyone(note, me) -> bool:
        return True

app = App(User, Organisation, Membership, Note, tenant=Organisation)
"""


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.parent.name)
def test_authz_1_the_matrix_of_an_example_is_as_its_file_has_it(path: Path) -> None:
    kept = ROOT / "tests" / "golden" / f"matrix_{path.parent.name}.txt"
    samples = path.with_name("samples.json")
    more = ["--samples", samples] if samples.exists() else []
    result = run("matrix", path, "--check", kept, *more)
    assert result.exit_code == 0, said(result)


def test_what_is_printed_is_checked_and_a_change_is_told(tmp_path: Path) -> None:
    app = write_app(tmp_path)
    printed = run("matrix", app)
    assert printed.exit_code == 0, said(printed)
    kept = tmp_path / "matrix.txt"
    kept.write_text(printed.stdout)
    assert run("matrix", app, "--check", kept).exit_code == 0
    text = printed.stdout
    assert "yes" in text
    kept.write_text(text.replace("yes", "-  ", 1))
    differs = run("matrix", app, "--check", kept)
    assert differs.exit_code == 1
    assert [line[0] for line in differs.stdout.splitlines()[2:] if line[:1] in ("+", "-")] == [
        "-", "+",
    ]  # fmt: skip


def test_the_apps_own_database_is_left_alone(tmp_path: Path) -> None:
    own = tmp_path / "own.db"
    result = run("matrix", write_app(tmp_path), database=f"sqlite:///{own}")
    assert result.exit_code == 0, said(result)
    assert not own.exists()


def test_samples_of_no_model_are_refused(tmp_path: Path) -> None:
    samples = tmp_path / "samples.json"
    for text in ('{"Nobody": {}}', "[]", "{", '{"Note": 1}'):
        samples.write_text(text)
        result = run("matrix", write_app(tmp_path), "--samples", samples)
        assert result.exit_code == 1
        assert "names no samples of models" in said(result)


def test_tenants_have_a_column_of_their_own(tmp_path: Path) -> None:
    result = run("matrix", write_app(tmp_path, LEAKS))
    assert result.exit_code == 0, said(result)
    assert "other tenant" in result.stdout
