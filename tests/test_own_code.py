"""INJ-5: nothing in the library runs text as code, and no name gets into DDL unquoted."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import Any

import pytest

from abaft import Many, Ref, Unique, field
from apps.open import Open
from scenarios import serving

SOURCE = Path(__file__).parent.parent / "src" / "abaft"
CALLS = {"eval", "exec", "compile", "__import__", "breakpoint"}
MODULES = {"pickle", "marshal", "shelve", "dill", "yaml", "subprocess", "code", "codeop", "runpy"}
# What is of the terminal: `abaft shell` runs what its user types, `abaft migrate` the project's own
# files, as an import would do it.
ALLOWED = {
    "migrate/files.py": {"compile", "exec"},
    "cli/shell.py": {"code", "compile", "eval", "exec"},
    "cli/shell_console.py": {"code", "codeop", "compile", "eval", "exec"},
}


def runs_text(tree: ast.AST) -> set[str]:
    """What in the source could run text as code, or as a command of the shell."""
    found = set()
    for node in ast.walk(tree):
        match node:
            case ast.Call(func=ast.Name(id=name)) if name in CALLS:
                found.add(name)
            case ast.Import(names=names):
                found |= {name.name.partition(".")[0] for name in names} & MODULES
            case ast.ImportFrom(module=str(module), level=0):
                found |= {module.partition(".")[0]} & MODULES
            case ast.keyword(arg="shell", value=ast.Constant(value=True)):
                found.add("shell=True")
            case ast.Attribute(value=ast.Name(id="os"), attr="system" | "popen" as name):
                found.add(f"os.{name}")
    return found


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("eval(x)", {"eval"}),
        ("import pickle", {"pickle"}),
        ("from yaml import load", {"yaml"}),
        ("run(x, shell=True)", {"shell=True"}),
        ("os.system(x)", {"os.system"}),
        ("re.compile(x)", set()),
    ],
)
def test_inj_5_the_rule_finds_what_it_is_for(text: str, found: set[str]) -> None:
    assert runs_text(ast.parse(text)) == found


def test_inj_5_nothing_runs_text_as_code() -> None:
    wrong = {}
    for path in SOURCE.rglob("*.py"):
        name = path.relative_to(SOURCE).as_posix()
        found = runs_text(ast.parse(path.read_text())) - ALLOWED.get(name, set())
        if found:
            wrong[name] = found
    assert not wrong


class Group(Open, table='group"; drop table "select', key="order", stamps=False):
    order: str
    values: Many[Select] = field(back="table")


class Select(
    Open,
    table="select",
    collection="selects",
    soft_delete=True,
    history=True,
    index=[("where", "table")],
    unique=[("where", "limit"), Unique("where", where=lambda select: select.limit > 5)],
):
    where: str = field(search=True)
    limit: int = 0
    table: Ref[Group] | None = None
    union: Many[Group]


async def test_inj_5_names_are_quoted_wherever_they_stand(database_url: str) -> None:
    """Words of SQL, and a name that would end its quotes, through DDL and every kind of query."""
    async with serving(database_url, Group, Select) as api:
        for key in "ab":
            assert (await api.ask("POST /api/groups", json={"order": key})).status_code == 201
        body: dict[str, Any] = {"where": "sea", "limit": 7, "table": "a", "union": ["a", "b"]}
        made = (await api.ask("POST /api/selects", json=body)).json()
        path = f"/api/selects/{made['id']}"
        assert (await api.ask("POST /api/selects", json=body)).status_code == 409
        for query in (
            "search=sea&highlight=true",
            "filter=limit > 6 and any(union, order = 'a') and table.order = 'a'",
            "sort=-limit,table.order&expand=table.values,union&count=exact",
        ):
            assert len(await api.items(f"/api/selects?{query}")) == 1, query
        groups = await api.items("/api/selects?aggregate=sum(limit)&group=where")
        assert list(groups[0].values()) == ["sea", 7]
        for method, more in (("PATCH", {"json": {"limit": 8}}), ("DELETE", {})):
            assert (await api.ask(f"{method} {path}", **more)).is_success
        assert (await api.ask(f"POST {path}/restore")).status_code == 200
        assert len(await api.items(f"{path}/history")) == 4
        assert len(await api.items("/api/groups")) == 2
