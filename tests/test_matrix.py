"""AUTHZ-1: the whole matrix of an app, tried for real and kept in tests/golden/matrix_*.txt.

After a change that is meant: RENEW_GOLDEN=1 .venv/bin/python -m pytest tests/test_matrix.py
"""

from __future__ import annotations

import os
import sys
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

import pytest

from abaft import Model, Organisation, User, allow, field, not_
from abaft.base.errors import SetupError
from abaft.model.expr import TRUE
from abaft.testing import matrix
from accounts import Note
from scenarios import serving
from tenants import MODELS

GOLDEN = Path(__file__).parent / "golden"
EXAMPLES = Path(__file__).parent.parent / "examples"


def same(name: str, text: str) -> None:
    path = GOLDEN / f"matrix_{name}.txt"
    if os.environ.get("RENEW_GOLDEN"):
        path.write_text(text)
    assert text == path.read_text(), text


async def test_authz_1_the_matrix_of_notes_is_as_it_was(database_url: str) -> None:
    async with serving(database_url, User, Note) as api:
        found = await matrix(api.app)
    same("notes", str(found))
    assert found.may("Note", "update", "owner")
    assert found.may("Note", "get", "editor")
    assert not found.may("Note", "update", "editor")


async def test_authz_1_another_tenant_may_do_nothing(database_url: str) -> None:
    async with serving(database_url, *MODELS, tenant=Organisation) as api:
        found = await matrix(api.app)
    same("tenants", str(found))
    assert found.leaks == []


async def test_what_leaks_is_found(database_url: str) -> None:
    async with serving(database_url, *MODELS, tenant=Organisation) as api:
        object.__setattr__(api.app.schema.models["Label"], "tenancy", TRUE)
        found = await matrix(api.app)
    assert {row for row in found.leaks if row.startswith("Label")} >= {"Label get", "Label delete"}
    assert {row.partition(" ")[0] for row in found.leaks} == {"Label"}


async def test_a_database_with_records_is_left_alone(database_url: str) -> None:
    async with serving(database_url, User, Note, people=["ann"]) as api:
        with pytest.raises(SetupError, match="empty database"):
            await matrix(api.app)
        assert len(await api.items("/api/users", "admin")) == 1


class Draft(Model):
    title: str = field(pattern="^[a-z]{3}-[0-9]{3}$")
    public: bool = False

    @allow("read")
    def published(draft, me) -> bool:
        return draft.public

    @allow("create", "update", "delete")
    def reviewers(draft, me) -> bool:
        return me.has_role("reviewer") & not_(draft.public)


async def test_records_are_told_apart_by_what_rules_ask(database_url: str) -> None:
    async with serving(database_url, User, Draft) as api:
        with pytest.raises(SetupError, match="a sample of Draft was refused"):
            await matrix(api.app)
    async with serving(database_url, User, Draft) as api:
        for row in await api.items("/api/users", "admin", "id"):
            await api.ask(f"DELETE /api/users/{row}", "admin")
        found = await matrix(api.app, samples={Draft: {"title": "abc-123"}})
    assert found.may("Draft", "get", "anonymous", "public=true")
    assert not found.may("Draft", "get", "anonymous", "public=false")
    assert found.may("Draft", "update", "reviewer", "public=false")
    assert not found.may("Draft", "update", "reviewer", "public=true")
    assert not found.may("Draft", "update", "other", "public=false")


@pytest.mark.parametrize("example", ["flights", "blog"])
async def test_authz_1_the_matrix_of_an_example_is_as_it_was(tmp_path: Path, example: str) -> None:
    spec = spec_from_file_location(f"{example}_app", EXAMPLES / example / "app.py")
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    models = [row.cls for row in module.app.schema.models.values() if row.served]
    async with serving(f"sqlite:///{tmp_path}/example.db", *models) as api:
        # Of posts nobody else comments on but those that are published.
        samples = {module.Post: {"published": True}} if example == "blog" else {}
        same(example, str(await matrix(api.app, samples=samples)))
