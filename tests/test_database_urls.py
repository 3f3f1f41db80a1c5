"""URLs of databases that are written wrongly: told at the start, and nothing is made."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from abaft import App, Model, Settings
from abaft.base.errors import SettingError
from abaft.base.extras import engine_of
from abaft.cli import cli as command


class Word(Model):
    text: str


WRONG = {
    "sqlite:": "write sqlite:///FILE",
    "sqlite://": "write sqlite:///FILE",
    "sqlite://x.db": "write sqlite:///FILE",
    "sqlite:/x.db": "write sqlite:///FILE",
    "sqlite:x.db": "write sqlite:///FILE",
    "sqlite": "write sqlite:///FILE",
    "x": "this is no URL",
    "postgres//x": "this is no URL",
    "SQLITE:///x": "no database of kind 'SQLITE'",
    "oracle://h/x": "no database of kind 'oracle'",
    "postgresql:": "postgresql://USER@HOST/NAME",
    "postgresql:/x": "postgresql://USER@HOST/NAME",
    "postgresql+asyncpg:x": "postgresql://USER@HOST/NAME",
    "postgresql://u:canary@h:port/x": "a port from 1 to 65535",
    "postgresql://u:can/ary@h/x": "a port from 1 to 65535",
    "postgresql://h:99999/x": "a port from 1 to 65535",
    "mysql:/x": "mysql://USER@HOST/NAME",
    "mysql://": "a database must be named",
    "mysql://u:canary@h:port/x": "a port from 1 to 65535",
    "mongodb:/x": "mongodb://HOST/NAME",
    "mongodb://": "can't be read",
    "mongodb://u:canary@h:port/x": "can't be read",
    "mongodb://h/x?bad=option": "Unknown option",
    "mongodb://h/": "names no database",
}


@pytest.mark.parametrize(("url", "told"), WRONG.items())
def test_a_url_that_is_none_is_told_and_makes_nothing(
    url: str, told: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SettingError) as raised:
        App(Word, settings=Settings(database=url), sinks=())
    assert told in str(raised.value)
    assert "canary" not in str(raised.value)
    with pytest.raises(SettingError):
        App(Word, settings=Settings(database="sqlite:///", replicas=url), sinks=())
    answer = CliRunner().invoke(command, ["inspect", url])
    assert answer.exit_code == 1
    assert "canary" not in answer.output
    assert [*tmp_path.iterdir()] == []


@pytest.mark.parametrize(
    ("url", "named"),
    [
        ("sqlite:///", "sqlite"),
        ("sqlite:////tmp/a b.db", "sqlite"),
        ("postgresql:///shop?host=/run/postgresql", "postgres"),
        ("postgres://a@h1:5432,h2:5433/shop", "postgres"),
        ("postgresql+asyncpg://[::1]:5432/shop", "postgres"),
        ("mariadb://u:p%40%3A@h/shop", "mysql"),
        ("mongodb+srv://h/shop", "mongodb"),
        ("mongodb://h1:1,h2:2/shop", "mongodb"),
    ],
)
def test_urls_that_are_written_rightly_name_their_engine(url: str, named: str) -> None:
    assert engine_of(url) == named
