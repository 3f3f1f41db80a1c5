"""Settings: one frozen table, read from code, then the environment, then its defaults."""

from __future__ import annotations

import dataclasses

import pytest

from abaft import Settings
from abaft.base.errors import SettingError
from abaft.base.settings import load

KEY = "k3y-of-tests-" + "0123456789abcdefghijklmnopqrstuvwxyz" * 2


def test_code_wins_over_the_environment_and_that_over_defaults(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("ABAFT_MAX_LIMIT", "7")
    monkeypatch.setenv("ABAFT_DOCS", "no")
    monkeypatch.setenv("ABAFT_QUERY_TIMEOUT", "0.5")
    monkeypatch.setenv("ABAFT_MODE", "production")
    monkeypatch.setenv("ABAFT_SECRET_KEY", KEY)
    found = load({"max_limit": 8})
    assert (found.max_limit, found.docs, found.query_timeout) == (8, False, 0.5)
    assert found.production
    assert load().max_limit == 7
    assert Settings().max_limit == 1000


@pytest.mark.parametrize(
    ("name", "value", "told"),
    [
        ("MAX_LIMIT", "many", "write a number"),
        ("MAX_LIMIT", "1.5", "write a number"),
        ("MAX_LIMIT", "-1", "below zero"),
        ("QUERY_TIMEOUT", "soon", "write a number"),
        ("QUERY_TIMEOUT", "nan", "number"),
        ("QUERY_TIMEOUT", "inf", "number"),
        ("DOCS", "maybe", "true or false"),
        ("MODE", "prod", "development, production"),
        ("MODE", "production", "ABAFT_SECRET_KEY"),
        ("SECRET_KEY", "short", "shorter than 32"),
        ("ADMIN_TOKEN", "short", "shorter than 32"),
        ("API_PREFIX", "api", "'/api'"),
        ("API_PREFIX", "/api/", "'/api'"),
    ],
)
def test_what_cannot_be_used_stops_the_start(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, told: str
) -> None:
    monkeypatch.setenv(f"ABAFT_{name}", value)
    with pytest.raises(SettingError, match=told) as raised:
        load()
    assert "k3y-of-tests-" + "0123456789abcdefghijklmnopqrstuvwxyz" * 2 not in str(raised.value)


def test_an_unknown_setting_is_named() -> None:
    with pytest.raises(SettingError, match="max_limits"):
        load({"max_limits": 1})


def test_the_table_is_frozen_described_and_hides_secrets() -> None:
    found = Settings(secret_key=KEY, admin_token=KEY, database="postgresql://u:pw@h/d")
    with pytest.raises(dataclasses.FrozenInstanceError):
        found.max_limit = 1  # type: ignore[misc]
    assert KEY not in repr(found)
    assert "pw" not in repr(found)
    for row in dataclasses.fields(Settings):
        assert row.metadata["help"]
        assert row.name in repr(found)
