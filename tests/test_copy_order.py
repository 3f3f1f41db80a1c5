"""In which order models are copied: after what they refer to, with what must wait."""

import sqlite3
from pathlib import Path

from abaft import App, Settings
from abaft.cli.copy_order import groups
from apps import everything, moved
from projects import run, said, write_app
from test_copy import checksum, copy

HENS = """
from abaft import App, Model, Ref, field

class Egg(Model, stamps=False):
    id: int = field(key=True)
    hen: Ref["Hen"]

class Hen(Model, stamps=False):
    id: int = field(key=True)
    egg: Ref[Egg]

app = App(Egg, Hen)
"""


def order(*models: type) -> list[tuple[list[tuple[list[str], bool]], dict[str, tuple[str, ...]]]]:
    app = App(*models, settings=Settings(database="sqlite:///"), sinks=[])
    return [
        (
            [([model.name for model in part.models], part.whole) for part in group.parts],
            dict(group.later),
        )
        for group in groups(app.schema)
    ]


def test_models_come_after_those_they_refer_to() -> None:
    names = [name for parts, _ in order(*everything.MODELS) for part in parts for name in part[0]]
    place = {name: at for at, name in enumerate(names)}
    app = App(*everything.MODELS, settings=Settings(database="sqlite:///"), sinks=[])
    assert place.keys() == app.schema.models.keys()
    for model in app.schema.models.values():
        for one in model.one.values():
            if one.constraint and one.target != model.name:
                assert place[one.target] < place[model.name], (model.name, one.name)


def test_what_can_be_null_waits_and_what_cant_goes_in_one_transaction() -> None:
    found = order(*moved.MODELS)
    assert ([(["Node"], False)], {"Node": ("above",)}) in found
    assert ([(["Ring"], True)], {}) in found
    # A check speaks of a member's friend, so it can't be null for a while.
    assert ([(["Club"], False), (["Member"], True)], {"Club": ("head",)}) in found


def test_records_that_need_each_other(engine: str, database_url: str, tmp_path: Path) -> None:
    app = write_app(tmp_path, HENS)
    source = f"sqlite:///{tmp_path}/hens.db"
    assert run("export", app, "eggs", database=source).exit_code == 0  # makes the tables
    with sqlite3.connect(tmp_path / "hens.db") as connection:
        connection.execute("pragma defer_foreign_keys = on")
        connection.executemany("insert into eggs (id, hen) values (?, ?)", [(1, 2), (2, 1)])
        connection.executemany("insert into hens (id, egg) values (?, ?)", [(1, 1), (2, 2)])
    connection.close()
    result = copy(source, database_url, app=app)
    if engine in ("sqlite", "mariadb"):
        checksum(result)
    else:
        assert result.exit_code == 2
        assert "records of Egg and Hen need each other" in said(result)
