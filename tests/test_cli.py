"""The abaft command but for its servers and loads: what it makes, shows and refuses."""

import os
import re
import stat
import sys
from pathlib import Path

import pytest

import abaft
from abaft.base.errors import SettingError
from abaft.base.settings import read_env_file
from abaft.cli.target import parted
from projects import NOTES, run, said, write_app


def test_version() -> None:
    result = run("--version")
    assert result.exit_code == 0
    assert said(result).strip() == f"abaft {abaft.__version__}"


@pytest.mark.parametrize("flag", ["-h", "--help"])
def test_help_names_each_verb(flag: str) -> None:
    result = run(flag)
    assert result.exit_code == 0
    for verb in ("new", "dev", "serve", "inspect", "load", "routes", "matrix"):
        assert verb in result.output
        assert run(verb, flag).exit_code == 0


@pytest.mark.parametrize(
    "arguments", [[], ["fly"], ["serve", "--workers", "none"], ["new"], ["load", "app.py"]]
)
def test_wrong_usage_is_exit_code_2(arguments: list[str]) -> None:
    assert run(*arguments).exit_code == 2


@pytest.mark.parametrize(
    ("words", "most", "app", "rest"),
    [
        ("posts", 2, "app.py", "posts"),
        ("shop.py posts", 2, "shop.py", "posts"),
        ("shop:app posts", 2, "shop:app", "posts"),
        ("shop posts id=1", 2, "shop", "posts id=1"),
        ("shop posts", 2, "app.py", "shop posts"),
        ("shop posts", 1, "shop", "posts"),
        ("lib/shop posts", 2, "lib/shop", "posts"),
        ("tags.csv", None, "app.py", "tags.csv"),
        ("data tags.csv", None, "app.py", "data tags.csv"),
        ("shop tags.csv", None, "shop", "tags.csv"),
        ("tags=a.csv", None, "app.py", "tags=a.csv"),
        ("lib/shop.py data/tags.csv", None, "lib/shop.py", "data/tags.csv"),
        ("data/tags.csv", None, "app.py", "data/tags.csv"),
        ("", 0, "app.py", ""),
    ],
)
def test_each_verb_finds_the_application_alike(
    words: str,
    most: int | None,
    app: str,
    rest: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("shop.py", "lib/shop.py", "data/tags.csv", "tags.csv"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    assert parted(words.split(), most) == (app, rest.split())


def test_load_and_export_take_app_py_where_none_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv("ABAFT_DATABASE", f"sqlite:///{tmp_path}/x.db")
    lines = ["from abaft import App, Model", "class Tag(Model, key='name', stamps=False):"]
    (tmp_path / "app.py").write_text("\n".join([*lines, "    name: str", "app = App(Tag)"]))
    (tmp_path / "tags.csv").write_text("name\nsea\n")
    monkeypatch.delitem(sys.modules, "app", raising=False)
    assert run("load", "tags.csv").exit_code == 0
    assert run("export", "tags").stdout == '{"name":"sea"}\n'
    assert run("export", "--all", "all").exit_code == 0
    monkeypatch.delitem(sys.modules, "app", raising=False)


def test_new_makes_a_project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    previous = os.umask(0)
    try:
        assert run("new", "my-blog").exit_code == 0
    finally:
        os.umask(previous)
    made = {path.name for path in (tmp_path / "my-blog").iterdir()}
    assert made == {"app.py", ".env", ".gitignore", "README.md"}
    assert "App(User, Tag, Post" in (tmp_path / "my-blog" / "app.py").read_text("utf-8")
    assert "/account/join" in (tmp_path / "my-blog" / "README.md").read_text("utf-8")
    env = tmp_path / "my-blog" / ".env"
    assert stat.S_IMODE(env.stat().st_mode) == 0o600
    values = [line.partition("=")[2] for line in env.read_text().splitlines() if "=" in line]
    assert len(set(values)) == 2
    assert all(len(value) >= 32 for value in values)
    assert ".env" in (tmp_path / "my-blog" / ".gitignore").read_text().split()


def test_new_leaves_what_is_there_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "blog").mkdir()
    (tmp_path / "blog" / "app.py").write_text("mine")
    result = run("new", "blog")
    assert result.exit_code == 1
    assert "isn't empty" in said(result)
    assert (tmp_path / "blog" / "app.py").read_text() == "mine"


@pytest.mark.parametrize("name", ["9lives", "a\nb", "-x", "../", "ä"])
def test_new_refuses_odd_names(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert run("new", name).exit_code == 2
    assert not list(tmp_path.iterdir())


def test_routes_of_a_new_project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "160")
    run("new", "blog")
    source = (tmp_path / "blog" / "app.py").read_text()
    result = run("routes", write_app(tmp_path, source))
    assert result.exit_code == 0
    shown = said(result)
    for word in ("/api/posts", "published_or_mine", "mine", "everybody", "nobody", "/feed"):
        assert word in shown
    assert "email: own_email" in shown
    for path, methods in (("/api/batch", "POST"), ("/openapi.json", "GET"), ("/docs", "GET")):
        assert re.search(rf"{path} +. {methods}", shown), path
    assert "what runs here" in shown


def test_routes_lists_what_is_mounted_and_not_what_is_off(tmp_path: Path) -> None:
    source = f"{NOTES}\napp.mount('/files', app=lambda: None, name='files')\n"
    result = run("routes", write_app(tmp_path, source), ABAFT_DOCS="false")
    assert re.search(r"/files +. any +. files", said(result))
    for path in ("/docs", "/openapi.json", "what runs here"):
        assert path not in said(result)


REFUSED = {
    "no file": ("missing.py", "abaft new NAME"),
    "no module": ("missing:app", "there is no missing.py"),
    "no package": ("missing.sub:app", "there is no sub.py"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_an_unknown_app_says_what_to_write(
    case: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    written, expected = REFUSED[case]
    result = run("routes", written)
    assert result.exit_code == 1
    assert expected in said(result)
    assert "Traceback" not in result.output


WRONG = {
    "no app": ("x = 1", "", "write `app = App(…)`"),
    "another name": (NOTES.replace("app =", "api =") + "b = api", ":ap", "has no `ap`"),
    "not an App": ("from fastapi import FastAPI\napp = FastAPI()", "", "is a FastAPI"),
    "a wrong model": (NOTES.replace("max_length=20", "ge=2"), "", "ge is no constraint of text"),
    "a wrong rule": (
        NOTES.replace("return True", "return note.text and True"),
        "",
        "Note.everyone",
    ),
}


@pytest.mark.parametrize("case", WRONG)
def test_a_wrong_application_is_told_without_a_traceback(case: str, tmp_path: Path) -> None:
    text, attribute, expected = WRONG[case]
    result = run("routes", write_app(tmp_path, text) + attribute)
    assert result.exit_code == 1
    assert expected in said(result)
    assert "Traceback" not in result.output


def test_the_only_app_needs_no_name(tmp_path: Path) -> None:
    result = run("routes", write_app(tmp_path, NOTES.replace("app =", "api =")))
    assert result.exit_code == 0
    assert "/api/notes" in said(result)


def test_an_app_in_a_package_keeps_its_imports(tmp_path: Path) -> None:
    package = tmp_path / "shop_of_test_cli"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "models.py").write_text(NOTES.replace("app = App(Note)", ""))
    (package / "main.py").write_text(
        "from abaft import App\nfrom .models import Note\napp = App(Note)\n"
    )
    assert run("routes", package / "main.py").exit_code == 0


def test_a_bug_in_the_application_is_not_hidden(tmp_path: Path) -> None:
    result = run("routes", write_app(tmp_path, "import not_installed_anywhere"))
    assert isinstance(result.exception, ModuleNotFoundError)


def test_a_setting_that_is_wrong_is_told_by_its_name(tmp_path: Path) -> None:
    result = run("routes", write_app(tmp_path), ABAFT_CONNECTIONS="many")
    assert result.exit_code == 1
    assert "ABAFT_CONNECTIONS" in said(result)


def test_the_env_file_yields_to_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ABAFT_X_SET", "kept")
    for name in ("ABAFT_X_PLAIN", "ABAFT_X_QUOTED", "ABAFT_X_EXPORTED"):
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)
    path = tmp_path / ".env"
    path.write_text(
        "# secrets\n\nABAFT_X_SET=lost\nABAFT_X_PLAIN=a=b #c\nABAFT_X_QUOTED=' d '\n"
        "export ABAFT_X_EXPORTED=e\n"
    )
    read_env_file(path)
    assert os.environ["ABAFT_X_SET"] == "kept"
    assert os.environ["ABAFT_X_PLAIN"] == "a=b #c"
    assert os.environ["ABAFT_X_QUOTED"] == " d "
    assert os.environ["ABAFT_X_EXPORTED"] == "e"


def test_a_broken_env_file_names_the_line_and_not_its_text(tmp_path: Path) -> None:
    path = tmp_path / ".env"
    path.write_text("A=1\nsecret stuff\n")
    with pytest.raises(SettingError, match="line 2") as caught:
        read_env_file(path)
    assert "stuff" not in str(caught.value)
