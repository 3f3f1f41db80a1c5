"""Records of nothing but a key that the database counts."""

from __future__ import annotations

from pathlib import Path

from abaft import Me, Model, allow, field
from loads import Loader
from scenarios import serving


class Tick(Model, stamps=False):
    id: int = field(key=True)

    @allow("read", "create", "delete")
    def everyone(tick, me: Me) -> bool:
        return True


async def test_each_way_makes_one(database_url: str) -> None:
    async with serving(database_url, Tick) as api:
        assert (await api.ask("POST /api/ticks", json={})).json() == {"id": 1}
        both = {"operations": [{"method": "POST", "path": "/ticks", "body": {}}] * 2}
        answer = await api.ask("POST /api/batch", json=both)
        assert [row["body"] for row in answer.json()["results"]] == [{"id": 2}, {"id": 3}]
        assert [row["id"] for row in await api.items("/api/ticks")] == [1, 2, 3]
        fed = await api.db.changes(limit=10)
        assert [(change.action, change.id) for change in fed] == [
            ("create", str(number)) for number in (1, 2, 3)
        ]


async def test_a_list_and_the_program_make_some(database_url: str) -> None:
    async with serving(database_url, Tick) as api:
        answer = await api.ask("POST /api/ticks", json=[{}, {}])
        assert answer.json() == {"items": [{"id": 1}, {"id": 2}]}
        assert (await api.db.create(Tick)).id == 3


class Ticks(Loader):
    models = """
from abaft import App, Model, field

class Tick(Model, stamps=False):
    id: int = field(key=True)

app = App(Tick)
"""


def test_a_file_brings_some(database_url: str, tmp_path: Path) -> None:
    loader = Ticks(database_url, tmp_path)
    (tmp_path / "ticks.ndjson").write_text('{}\n{"id": 7}\n{}\n')
    result = loader.load(str(tmp_path / "ticks.ndjson"))
    assert result.exit_code == 0, result.output
    keys = [row["id"] for row in loader.sql("select id from ticks order by id")]
    assert len(keys) == 3
    assert keys[-1] >= 7
