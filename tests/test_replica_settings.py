"""What is told of replicas before any is asked, and how positions compare."""

import pytest

from abaft import App, Model, Settings
from abaft.base.errors import SettingError
from abaft.replicas import name_of, urls_of
from abaft.store.positions import ENGINES
from abaft.store.replicated import ReplicatedStore
from in_process import ask


class Page(Model):
    title: str


def test_replicas_are_told_of_by_their_places_alone() -> None:
    assert urls_of(" postgresql://a@b/c , postgresql://d,e/f,mysql://x ") == [
        "postgresql://a@b/c",
        "postgresql://d,e/f",
        "mysql://x",
    ]
    assert name_of("postgresql://me:secret@db:5433/shop?sslmode=require") == "db:5433/shop"
    assert "hush" not in repr(Settings(replicas="postgresql://me:hush@db/shop"))


@pytest.mark.parametrize(
    ("database", "replicas", "said"),
    [
        ("sqlite:///", ["sqlite:///b.db"], "replicas are for PostgreSQL, MariaDB and MySQL"),
        ("postgresql://a/b", ["mysql://a/b"], "isn't of the primary's engine"),
        ("postgresql://a/b", ["postgresql://u@c/b", "postgresql://v@c/b"], "named twice"),
    ],
)
def test_what_cant_be_replicas_stops_the_start(
    database: str, replicas: list[str], said: str
) -> None:
    with pytest.raises(SettingError, match=said):
        App(Page, database=database, replicas=replicas)


def test_the_lag_has_a_least() -> None:
    with pytest.raises(SettingError, match="replica_lag"):
        Settings(replica_lag=0.5)


async def test_without_replicas_nothing_is_wrapped_and_nothing_is_told(tmp_path: object) -> None:
    app = App(Page, database=f"sqlite:///{tmp_path}/a.db")
    assert not isinstance(app.store, ReplicatedStore)
    answer = await ask(app, "POST", b"/api/pages", [(b"watermark", b"x")], b"{}")
    assert "watermark" not in answer.headers
    assert "Watermark" not in str(app.openapi())
    await app.stop()


def test_the_header_is_described_where_there_are_replicas() -> None:
    app = App(Page, database="postgresql://a/b", replicas=["postgresql://c/b"])

    @app.post("/own")
    async def own() -> int:
        return 1

    paths = app.openapi()["paths"]
    for operations in paths.values():
        for method in ("get", "post", "patch", "delete", "put"):
            if method in operations:
                asked = operations[method]["parameters"]
                assert {"$ref": "#/components/parameters/Watermark"} in asked
    created = paths["/api/pages"]["post"]["responses"]["201"]
    assert created["headers"]["Watermark"] == {"$ref": "#/components/headers/Watermark"}
    assert "Watermark" in paths["/own"]["post"]["responses"]["200"]["headers"]
    assert "Watermark" not in paths["/api/pages"]["get"]["responses"]["200"].get("headers", {})


@pytest.mark.parametrize(
    ("server", "replayed", "position", "reached"),
    [
        ("postgres", "100", "100", True),
        ("postgres", "99", "100", False),
        ("postgres", "9", "10", False),
        ("postgres", "0-1-5", "10", False),
        ("postgres", "10", "0-1-5", False),
        ("mariadb", "0-1-5", "0-1-5", True),
        ("mariadb", "0-2-6", "0-1-5", True),
        ("mariadb", "0-1-5,3-1-2", "0-1-5", True),
        ("mariadb", "0-1-5", "0-1-5,3-1-2", False),
        ("mariadb", "", "0-1-5", False),
        ("mariadb", "0-1-5", "", True),
        ("mariadb", "0-1-5", "nonsense", False),
        ("mysql", "a:1-9", "a:1-9", True),
        ("mysql", "a:1-9", "A:1-5", True),
        ("mysql", "a:1-5:7-9", "a:1-9", False),
        ("mysql", "a:1-9:12,b:1", "a:1-8,b:1", True),
        ("mysql", "a:1-9", "a:1-9,b:1", False),
        ("mysql", "a:1-9", "a:x", False),
    ],
)
def test_positions_compare(server: str, replayed: str, position: str, reached: bool) -> None:
    assert ENGINES[server].reached(replayed, position) is reached


def test_the_end_of_a_page_is_where_its_last_record_ended() -> None:
    at = ENGINES["postgres"].at
    assert at({"at": 3 * 8192 + 24, "block": 8192}) == str(3 * 8192)
    assert at({"at": 3 * 8192 + 32, "block": 8192}) == str(3 * 8192 + 32)
