"""AUTHZ-1, 3, 4 and 5 of nested writes: each form, by everybody, against the plain oracle."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from abaft import NotFound
from scenarios import Api
from test_access_matrix import ACTORS, CELLS, Doc, Team, api, key, make, reads, writes

__all__ = ["api"]
pytestmark = pytest.mark.slow

Body = Callable[[str, dict[str, Any]], Any]
# What is asked, for a document's key and the values of a new one; and whether it must be the
# team's before.
NESTED: dict[str, tuple[str, Body, bool]] = {
    "change": (
        "PATCH /api/teams/t",
        lambda slug, new: {"docs": {"update": [{"slug": slug, "votes": 5}]}}, True,
    ),
    "remove": ("PATCH /api/teams/t", lambda slug, new: {"docs": {"delete": [slug]}}, True),
    "untie": ("PATCH /api/teams/t", lambda slug, new: {"docs": {"unlink": [slug]}}, True),
    "tie": (
        "PATCH /api/teams/t",
        lambda slug, new: {"docs": {"link": [{"slug": slug, "votes": 5}]}}, False,
    ),
    "add": ("PATCH /api/teams/t", lambda slug, new: {"docs": {"create": [new]}}, False),
    "several": (
        "PATCH /api/teams/t",
        lambda slug, new: {"docs": {"create": [new], "update": [{"slug": slug, "votes": 5}]}}, True,
    ),
    "parent": ("POST /api/teams", lambda slug, new: {"name": f"p{slug}", "docs": [new]}, False),
    "parents": ("POST /api/teams", lambda slug, new: [{"name": f"p{slug}", "docs": [new]}], False),
    "parent that takes": (
        "POST /api/teams", lambda slug, new: {"name": f"p{slug}", "docs": [slug]}, False,
    ),
    "child": ("POST /api/docs", lambda slug, new: {**new, "team": {"name": f"p{slug}"}}, False),
    "child that changes": (
        "PATCH /api/docs/{slug}", lambda slug, new: {"votes": 5, "team": {"name": "t"}}, False,
    ),
    "batch": (
        "POST /api/batch",
        lambda slug, new: {
            "operations": [
                {
                    "method": "PATCH", "path": "/teams/t",
                    "body": {"docs": {"update": [{"slug": slug, "votes": 5}], "create": [new]}},
                }
            ]
        }, True,
    ),
}  # fmt: skip


async def stored(api: Api, slug: str) -> list[Any]:
    """All that one of these writes could change: the document, a new one, a new team."""
    found: list[Any] = []
    for name in (slug, f"n{slug}"):
        try:
            doc = await api.db.get(Doc, name)
        except NotFound:
            found.append(None)
        else:
            team = None if doc.team is None else doc.team.name
            found.append((doc.votes, str(doc.owner.id), doc.origin, doc.title, team))
    found.append(await api.db.count(Team, where=lambda team: team.name == f"p{slug}"))
    return found


def new_doc(api: Api, slug: str, **more: Any) -> dict[str, Any]:
    values = {"slug": f"n{slug}", "title": f"sea n{slug}", "owner": key(api, "owner")}
    return {**values, **more}


@pytest.mark.parametrize("name", NESTED)
async def test_authz_1_authz_5_each_nested_way_to_write(api: Api, name: str) -> None:
    wrong = []
    request, body, tied = NESTED[name]
    for public, shared in CELLS:
        for actor in ACTORS:
            slug = f"d{public:d}{shared:d}{actor}".lower()
            await make(api, slug, public, shared)
            before, fed = await stored(api, slug), await api.changes()
            given = body(slug, new_doc(api, slug))
            answer = await api.ask(request.format(slug=slug), actor, json=given)
            expected = writes(actor) and (shared or not tied)
            changed = await stored(api, slug) != before
            told = await api.changes() != fed
            leaks = not reads(actor, public, shared) and f"sea {slug}" in answer.text
            if {changed, told, answer.is_success} != {expected} or leaks:
                wrong.append((actor, public, shared, changed, answer.status_code, answer.text))
    assert not wrong, "\n".join(map(str, wrong))


@pytest.mark.parametrize("name", NESTED)
async def test_authz_3_authz_4_nesting_sets_and_gives_away_nothing(api: Api, name: str) -> None:
    """What the server sets is refused wherever it is nested, and so is another's name."""
    request, body, _ = NESTED[name]
    wrong = []
    stranger = key(api, "stranger")
    for number, values in enumerate(
        ({"origin": "me"}, {"created": "2020-01-01T00:00:00Z"}, {"owner": stranger})
    ):
        slug = f"s{number}"
        await make(api, slug, shared=True)
        before, fed = await stored(api, slug), await api.changes()
        given = with_values(body(slug, new_doc(api, slug)), values)
        if given is None:
            continue  # it names documents, and gives no values of them
        answer = await api.ask(request.format(slug=slug), "owner", json=given)
        refused = answer.status_code == (403 if "owner" in values else 422)
        if not refused or await stored(api, slug) != before or await api.changes() != fed:
            wrong.append((values, answer.status_code, answer.text))
    assert not wrong, "\n".join(map(str, wrong))


def with_values(body: Any, values: dict[str, Any]) -> Any:
    """The body with the values in each document that it gives values of; None: there is none."""
    if isinstance(body, list):
        found = [with_values(item, values) for item in body]
        return None if None in found else found
    if not isinstance(body, dict):
        return None
    if "votes" in body or "title" in body:
        return {**body, **values}
    inner = {name: with_values(value, values) for name, value in body.items()}
    kept = {name: value for name, value in inner.items() if value is not None}
    return {**body, **kept} if kept else None
