"""Nested writes under rules: each row keeps its own, and none takes from others."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from abaft import Many, Me, Model, Ref, User, allow, field, me
from scenarios import Api, serving
from test_nested import post, told


class Folder(Model):
    name: str
    owner: Ref[User] = field(default=me)
    files: Many[File] = field(back="folder")

    @allow("read", "create", "update", "delete")
    def mine(folder, me: Me) -> bool:
        return folder.owner == me


class File(Model):
    name: str
    folder: Ref[Folder]
    sealed: bool = False
    level: int = field(default=0, read_only=True)

    @allow("read")
    def of_my_folders(file, me: Me) -> bool:
        return file.folder.owner == me

    @allow("create", "update", "delete")
    def of_my_folders_and_open(file, me: Me) -> bool:
        return (file.folder.owner == me) & ~file.sealed

    @allow("create", "update", fields=["sealed"])
    def for_keepers(file, me: Me) -> bool:
        return me.has_role("keeper")


@pytest.fixture
async def api(database_url: str) -> AsyncIterator[Api]:
    async with serving(database_url, Folder, File) as api:
        await api.person("ann")
        await api.person("ben")
        yield api


async def test_authz_1_each_nested_row_keeps_its_own_rules(api: Api) -> None:
    folder = await post(
        api, "folders?expand=files", {"name": "f", "files": [{"name": "a"}, {"name": "b"}]}, "ann"
    )
    assert [file["name"] for file in folder["files"]] == ["a", "b"]
    first = folder["files"][0]["id"]
    url = f"/api/folders/{folder['id']}"
    before = await api.changes()
    for actor, body, status, errors in [
        (None, {"files": {"create": [{"name": "x"}]}}, 401, None),
        ("ben", {"files": {"create": [{"name": "x"}]}}, 404, None),
        (
            "ann",
            {"files": {"create": [{"name": "x", "sealed": True}]}},
            403,
            [("/files/create/0/sealed", "field_forbidden")],
        ),
        (
            "ann",
            {"files": {"create": [{"name": "x", "level": 3}]}},
            422,
            [("/files/create/0/level", "read_only")],
        ),
        (
            "ann",
            {"files": {"update": [{"id": first, "sealed": True}]}},
            403,
            [("/files/update/0/sealed", "field_forbidden")],
        ),
    ]:
        answer = await api.ask(f"PATCH {url}", actor, json=body)
        assert answer.status_code == status, answer.text
        if errors:
            assert told(answer) == errors
    assert await api.changes() == before
    sealed = await api.db.get(File, first)
    await api.db.update(sealed, sealed=True)
    for form in ({"update": [{"id": first, "name": "x"}]}, {"delete": [first]}):
        answer = await api.ask(f"PATCH {url}", "ann", json={"files": form})
        assert answer.status_code == 403, answer.text


async def test_authz_3_authz_4_nesting_cannot_take_from_others(api: Api) -> None:
    hers = await post(api, "folders?expand=files", {"name": "f", "files": [{"name": "a"}]}, "ann")
    file = hers["files"][0]["id"]
    for body, status in [
        ({"name": "mine", "files": [file]}, 422),
        ({"name": "mine", "files": [{"id": file, "name": "stolen"}]}, 422),
    ]:
        answer = await api.ask("POST /api/folders", "ben", json=body)
        assert answer.status_code == status, answer.text
    for folder in (hers["id"], {"id": hers["id"]}):
        answer = await api.ask("POST /api/files", "ben", json={"name": "x", "folder": folder})
        assert answer.status_code == 403, answer.text
    answer = await api.ask(
        "POST /api/files", "ben", json={"name": "x", "folder": {"id": hers["id"], "name": "y"}}
    )
    assert answer.status_code == 422
    ann = api.people["ann"].split()[1]
    answer = await api.ask(
        "POST /api/files", "ben", json={"name": "x", "folder": {"name": "y", "owner": ann}}
    )
    assert answer.status_code == 403
    assert await api.items("/api/folders", "ben") == []
    made = await post(api, "files?expand=folder", {"name": "x", "folder": {"name": "y"}}, "ben")
    assert made["folder"]["name"] == "y"
