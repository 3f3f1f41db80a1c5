"""AUTHZ-1: a tenant's confines on the ways beside plain requests: a program's own routes, links of
two models, many at once, batches, groups, streams, history, the feed and the command line."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from abaft import Db, Me, NotFound
from abaft.base.actor import Actor
from abaft.base.errors import Fault
from each import each
from loads import Loader
from projects import run, said, write_app
from scenarios import Api
from tenants import Country, Label, Project, Task, ids, two


async def every_way(db: Any, keys: dict[str, str]) -> dict[str, Any]:
    """All that a program reads, as one text for each way."""
    found: dict[str, Any] = {
        "list": [row.name for row in await db.list(Project)],
        "expanded": [
            (row.name, [label.name for label in row.labels], [task.title for task in row.tasks])
            for row in await db.list(Project, expand=("labels", "tasks"))
        ],
        "search": [row.name for row in await db.list(Project, search="project")],
        "deleted": [row.name for row in await db.list(Project, deleted="with")],
        "where": [
            row.name for row in await db.list(Label, lambda row: row.name.startswith("blue") | True)
        ],
        "through": [
            row.title
            for row in await db.list(
                Task, lambda row: row.project.labels.any(lambda label: label.name != "")
            )
        ],
        "count": await db.count(Project),
        "computed": [row.size for row in await db.list(Country)],
        "stream": [row.title async for row in db.stream(Task)],
    }
    for name, model in (("project", Project), ("task", Task), ("label", Label)):
        try:
            found[f"get {name}"] = str((await db.get(model, keys[f"blue {name}"])).id)
        except NotFound:
            found[f"get {name}"] = None
    return found


async def refused(attempt: Any) -> Any:
    try:
        await attempt
    except Fault as fault:
        return fault.status
    return "done"


async def every_write(db: Any, keys: dict[str, str]) -> dict[str, Any]:
    """What a program tries of another tenant's records; a number is the status of a refusal."""
    project, task, label = (keys[f"blue {name}"] for name in ("project", "task", "label"))
    blue, red = keys["blue"], keys["red project"]
    found = {
        "update": refused(db.update(Project(id=project), name="x")),
        "delete": refused(db.delete(Task(id=task))),
        "create": refused(db.create(Project, name="x", organisation=blue)),
        "several": refused(db.create_many([Label(name="x"), Label(name="y", organisation=blue)])),
        "below": refused(db.create(Task, title="x", project=project)),
        "move": refused(db.update(Project(id=red), organisation=blue)),
        "link": refused(db.update(Project(id=red), labels=[label])),
        "upsert": refused(db.upsert(Project, on="code", code="blue", name="x")),
        "feed": refused(db.changes("", 10)),
    }
    return {name: await attempt for name, attempt in found.items()} | {
        "update_where": len(
            await db.update_where(Project, lambda row: row.budget == 7, limit=9, budget=8)
        ),
        "delete_where": await db.delete_where(Task, lambda row: row.title == "blue task", limit=9),
    }


def routed(api: Api) -> None:
    app = api.app

    @app.get("/own/reads")
    async def reads(db: Db) -> dict[str, Any]:
        return await every_way(db, ids(api))

    @app.get("/own/unit")
    async def unit(db: Db) -> dict[str, Any]:
        async with db.transaction() as whole:
            return await every_way(whole, ids(api))

    @app.post("/own/writes")
    async def writes(db: Db) -> dict[str, Any]:
        return await every_write(db, ids(api))

    @app.get("/own/me")
    async def who(me: Me) -> dict[str, Any]:
        return {"tenant": me.tenant, "here": sorted(me.here)}


@pytest.fixture
async def api(database_url: str) -> AsyncIterator[Api]:
    async with two(database_url) as api:
        routed(api)
        yield api


@pytest.mark.parametrize("path", ["reads", "unit"])
async def test_authz_1_a_route_of_ones_own_reads_its_callers_tenant(api: Api, path: str) -> None:
    told = {}
    for who, tenant in (("ann", ""), ("bob", ""), ("eve", "red"), ("eve", "blue")):
        headers = {"x-tenant": ids(api)[tenant]} if tenant else {}
        answer = await api.ask(f"GET /own/{path}", who, headers=headers)
        assert answer.status_code == 200, answer.text
        told[who, tenant] = answer.json()
    blue = {f"get {name}": ids(api)[f"blue {name}"] for name in ("project", "task", "label")}
    assert told["ann", ""] == {
        "list": ["red project"],
        "expanded": [["red project", ["red label"], ["red task"]]],
        "search": ["red project"],
        "deleted": ["red project"],
        "where": ["red label"],
        "through": ["red task"],
        "count": 1,
        "computed": [1],
        "stream": ["red task"],
        **dict.fromkeys(blue),
    }
    assert told["eve", "red"] == told["ann", ""]
    assert told["eve", "blue"] == told["bob", ""]
    assert {name: told["bob", ""][name] for name in blue} == blue
    assert "red" not in json.dumps(told["bob", ""])


async def test_authz_1_a_route_of_ones_own_opens_nothing_without_a_tenant(api: Api) -> None:
    for who, status in (("joe", 400), ("eve", 400), (None, 401)):
        answer = await api.ask("GET /own/reads", who)
        assert answer.status_code == status, answer.text
    answer = await api.ask("GET /own/reads", "ann", headers={"x-tenant": ids(api)["blue"]})
    assert (answer.status_code, answer.json()["code"]) == (403, "not_a_member")
    answer = await api.ask("GET /own/me", "ann")
    assert answer.json() == {"tenant": ids(api)["red"], "here": ["owner"]}


async def test_authz_4_a_route_of_ones_own_writes_to_its_callers_tenant(api: Api) -> None:
    answer = await api.ask("POST /own/writes", "ann")
    assert answer.status_code == 200, answer.text
    assert answer.json() == {
        "update": 404,
        "delete": 404,
        "create": 403,
        "several": 403,
        "below": 403,
        "move": 403,
        "link": 422,
        "upsert": 409,
        "feed": 400,
        "update_where": 1,
        "delete_where": 0,
    }
    names = {row["name"]: row["budget"] for row in await api.items("/api/projects", "admin")}
    assert names == {"red project": 8, "blue project": 7}
    assert sorted(await api.items("/api/tasks", "admin", "title")) == ["blue task", "red task"]
    assert sorted(await api.items("/api/labels", "admin", "name")) == ["blue label", "red label"]


async def test_authz_4_links_of_two_models_lead_to_ones_own(api: Api) -> None:
    keys = ids(api)
    url = f"PATCH /api/projects/{keys['red project']}"
    for labels in (
        [keys["blue label"]],
        [keys["red label"], keys["blue label"]],
        {"add": [keys["blue label"]]},
        {"link": [keys["blue label"]]},
        {"create": [{"name": "x", "organisation": keys["blue"]}]},
        {"update": [{"id": keys["blue label"], "name": "mine"}]},
        {"delete": [keys["blue label"]]},
        [{"id": keys["blue label"], "name": "mine"}],
        [{"name": "x", "organisation": keys["blue"]}],
    ):
        answer = await api.ask(url, "ann", json={"labels": labels})
        assert answer.status_code in (403, 422), (labels, answer.text)
    # Those that are there are no way either, from whichever side they were made.
    await api.db.update(Project(id=keys["red project"]), labels=[keys["blue label"]])
    shown = (await api.ask(f"GET /api/projects/{keys['red project']}?expand=labels", "ann")).json()
    assert shown["labels"] == []
    plain = (await api.ask(f"GET /api/projects/{keys['red project']}", "ann")).json()
    assert plain.get("labels", []) == []
    for query in ("filter=any(labels, name='blue label')", "labels.name=blue label"):
        assert await api.items(f"/api/projects?{query}", "ann") == []
    assert await api.items("/api/labels", "admin", "name") == ["red label", "blue label"]


GROUPS = [
    "/api/projects?aggregate=count,sum(budget),max(name),min(code)",
    "/api/projects?group=organisation&aggregate=count",
    "/api/projects?group=country.name&aggregate=count",
    "/api/tasks?group=project.name&aggregate=count",
    "/api/countries?group=name&aggregate=sum(size)",
    "/api/labels?group=name&aggregate=count&having=count>0",
    "/api/memberships?group=role&aggregate=count",
    "/api/users?aggregate=count",
    "/api/projects?count=exact&limit=0",
    "/api/projects?search=project&highlight=true",
    "/api/projects?search=blue",
    "/api/countries?expand=projects(count)",
    "/api/countries?expand=projects(filter=budget>1;count)",
]


@each("url", GROUPS)
async def test_authz_7_groups_and_counts_are_of_the_tenant(api: Api, url: str) -> None:
    """A tenant's answer is the one that it has where there is no other."""
    keys = ids(api)
    there = (await api.ask(f"GET {url}", "ann")).text
    assert "blue" not in there
    assert keys["blue"] not in there
    other = (await api.ask(f"GET {url}", "bob")).text
    if "search=blue" not in url:
        assert plain(other.replace("blue", "red")) == plain(there)


def plain(text: str) -> str:
    """The text without keys and times, which are each record's own."""
    return re.sub(r"[0-9a-f]{8}-[0-9a-f-]{27}|[0-9-]{10}T[0-9:.]+Z", "…", text)


async def test_authz_5_lists_of_writes_are_confined_one_by_one(api: Api) -> None:
    keys = ids(api)
    before = await kept(api)
    for request, body in (
        ("POST /api/labels", [{"name": "x"}, {"name": "y", "organisation": keys["blue"]}]),
        ("POST /api/labels?upsert=id", [{"id": keys["blue label"], "name": "mine"}]),
        ("POST /api/projects?upsert=code", {"code": "blue", "name": "mine"}),
        ("POST /api/projects?upsert=code", [{"code": "blue", "name": "mine"}]),
        (
            "POST /api/labels?upsert=organisation,name",
            [{"name": "blue label", "organisation": keys["blue"]}],
        ),
        ("POST /api/tasks", [{"title": "x", "project": keys["blue project"]}]),
    ):
        answer = await api.ask(request, "ann", json=body)
        assert 400 <= answer.status_code < 500, (request, answer.text)
    for request in (
        f"PATCH /api/projects?filter=organisation='{keys['blue']}'&limit=9",
        "PATCH /api/projects?filter=name='blue project'&limit=9",
        "PATCH /api/tasks?filter=project.name='blue project'&limit=9",
        "DELETE /api/labels?filter=name='blue label'&limit=9",
    ):
        options = {"json": {"budget": 9} if "projects" in request else {"title": "mine"}}
        answer = await api.ask(request, "ann", **(options if "PATCH" in request else {}))
        assert answer.status_code == 200, (request, answer.text)
    assert await kept(api) == before


@pytest.mark.parametrize("atomic", [True, False])
async def test_authz_5_each_operation_of_a_batch_is_confined(api: Api, atomic: bool) -> None:
    keys = ids(api)
    before = await kept(api)
    operations = [
        {"method": "GET", "path": f"/projects/{keys['blue project']}"},
        {"method": "PATCH", "path": f"/projects/{keys['blue project']}", "body": {"name": "x"}},
        {"method": "DELETE", "path": f"/tasks/{keys['blue task']}"},
        {
            "method": "POST",
            "path": "/tasks",
            "body": {"title": "x", "project": keys["blue project"]},
        },
        {"method": "POST", "path": "/labels", "body": {"name": "x", "organisation": keys["blue"]}},
        {"method": "PATCH", "path": "/projects?code=blue&limit=9", "body": {"budget": 9}},
    ]
    for operation in operations:
        asked = {"operations": [operation], "atomic": atomic}
        answer = await api.ask("POST /api/batch", "ann", json=asked)
        assert "blue project" not in answer.text
        assert answer.status_code < 500
    assert await kept(api) == before
    listed = {"operations": [{"method": "GET", "path": "/projects"}], "atomic": atomic}
    answer = await api.ask("POST /api/batch", "ann", json=listed)
    assert "blue" not in answer.text


async def kept(api: Api) -> list[Any]:
    names = ("organisations", "memberships", "labels", "projects", "tasks", "countries")
    return [await api.items(f"/api/{name}?limit=200", "admin") for name in names]


@each("kind", ["application/x-ndjson", "text/csv", "application/msgpack", "text/html"])
async def test_authz_6_whatever_form_is_streamed_is_of_the_tenant(api: Api, kind: str) -> None:
    for path in ("projects", "tasks", "labels", "projects?search=project", "countries"):
        answer = await api.ask(f"GET /api/{path}", "ann", headers={"accept": kind})
        assert answer.status_code in (200, 406), answer.text
        assert b"blue" not in answer.content


async def test_authz_6_history_is_of_who_is_in_the_records_tenant(api: Api) -> None:
    keys = ids(api)
    mine, theirs = (f"/api/projects/{keys[f'{name} project']}" for name in ("red", "blue"))
    for url in (mine, theirs):
        assert (await api.ask(f"PATCH {url}", "admin", json={"budget": 9})).status_code == 200
    assert len(await api.items(f"{mine}/history", "ann")) == 2
    number = (await api.items(f"{theirs}/history", "bob"))[0]["version"]
    for request in (
        f"GET {theirs}/history",
        f"GET {theirs}/history/{number}",
        f"POST {theirs}/history/{number}/restore",
        # A version's number is the feed's, and leads to no other record.
        f"GET {mine}/history/{number}",
        f"POST {mine}/history/{number}/restore",
    ):
        assert (await api.ask(request, "ann")).status_code == 404, request
    # A record that has moved to another tenant shows each of them what was theirs.
    await api.db.update(Project(id=keys["red project"]), organisation=keys["blue"], labels=[])
    assert (await api.ask(f"GET {mine}", "ann")).status_code == 404
    assert (await api.ask(f"GET {mine}/history", "ann")).status_code == 404


async def test_authz_6_the_feed_is_for_nobody_in_a_tenant(api: Api) -> None:
    for who in ("ann", "joe"):
        for path in ("changes", "abaft_changes", "projects/changes"):
            assert (await api.ask(f"GET /api/{path}", who)).status_code in (400, 404)
    db = api.app.db(Actor(id=ids(api)["ann"], tenant=ids(api)["red"]))
    with pytest.raises(Fault) as raised:
        await db.changes("", 10)
    assert raised.value.status == 400


MODELS = """
from abaft import App, Membership, Model, Organisation, Ref, User, allow, field

class Label(Model, unique=[("organisation", "name")]):
    name: str = field(max_length=40)
    organisation: Ref[Organisation] = field(on_delete="cascade")

    @allow("read", "create")
    def everyone(label, me) -> bool:
        return True

app = App(User, Organisation, Membership, Label, tenant=Organisation)
"""


@pytest.mark.slow
def test_the_command_line_stands_above_tenants_and_names_them(
    database_url: str, tmp_path: Path
) -> None:
    class Labels(Loader):
        models = MODELS

    found = Labels(database_url, tmp_path)
    red, blue, ann = (f"01890a5d-ac96-774b-bcce-b302099a800{n}" for n in (1, 2, 3))
    given = {
        "organisations": f"id,name\n{red},red\n{blue},blue\n",
        "users": f"id,name\n{ann},ann\n",
    }
    for name, text in given.items():
        result = found.load(**{name: text})
        assert result.exit_code == 0, result.output
    result = found.load(memberships=f"user,organisation,role\n{ann},{red},member\n")
    assert result.exit_code == 0, result.output
    result = found.load(labels="name\nx\n")
    assert result.exit_code != 0
    assert "organisation" in said(result)
    result = found.load(labels=f"name,organisation\nred label,{red}\nblue label,{blue}\n")
    assert result.exit_code == 0, result.output
    assert found.export("labels").count("label") >= 2
    only = found.export("labels", "--where", f"organisation = '{red}'")
    assert ("red label" in only, "blue label" in only) == (True, False)
    app = write_app(tmp_path, MODELS)
    seen = run("query", app, "labels", "--as", ann, "--format", "json", database=database_url)
    assert seen.exit_code == 0, seen.output
    assert ("red label" in seen.output, "blue label" in seen.output) == (True, False)
    asked = ("query", app, "labels", "--as", ann, "--tenant")
    other = run(*asked, blue, database=database_url)
    assert other.exit_code != 0
    assert "not_a_member" in other.output or "no such tenant" in said(other)
    nobody = run("query", app, "labels", "--as", "anonymous", database=database_url)
    assert "label" not in nobody.stdout
