"""Who asks for what is others' to give, by which way: for tests of mass assignment."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from abaft import Invitation, Many, Membership, Model, Organisation, Ref, User, allow, field
from abaft import me as asks
from accounts import PASSWORD, World, world


class Badge(Model, key="name", stamps=False):
    name: str

    @allow("read")
    def everyone(badge, me) -> bool:
        return True


class Worker(User):
    __registers__ = ("name", "city")

    city: str = field(default="", max_length=40)
    staff: bool = False
    """Nothing is said of it."""
    grade: int = 0
    pin: str = field(default="", hidden=True)
    boss: Ref[Worker] | None = field(default=None)
    badges: Many[Badge]

    @allow("read", "update")
    def personnel(worker, me) -> bool:
        return me.has_role("personnel")

    @allow("update", fields=["grade"])
    def by_grade(worker, me) -> bool:
        return me.has_role("judge")


class Team(Organisation):
    seats: Many[Seat] = field(back="organisation")


class Seat(Membership):
    user: Ref[Worker] = field(on_delete="cascade", write_once=True)
    organisation: Ref[Team] = field(on_delete="cascade", write_once=True)


class Call(Invitation):
    organisation: Ref[Team] = field(on_delete="cascade", write_once=True)


class Sheet(Model):
    text: str
    owner: Ref[Worker] = field(default=asks, on_delete="cascade")

    @allow("read", "create", "update")
    def own(sheet, me) -> bool:
        return sheet.owner == me


MODELS = (Worker, Badge, Team, Seat, Call, Sheet)
WHO = ("nobody", "ann", "bob", "eve", "personnel", "judge")
"""Ann is asked about and owns the team, bob is in it, and eve is not."""

ATTEMPTS: dict[str, Any] = {
    "id": "01890a5d-ac96-774b-bcce-b302099a8057",
    "created": "2020-01-01T00:00:00Z",
    "email": "mine@example.org",
    "staff": True,
    "grade": 9,
    "pin": "1234",
    "boss": "{bob}",
    "badges": ["gold"],
    "account": {"roles": ["admin"]},
    "roles": ["admin"],
    "role": "admin",
    "scopes": ["*"],
    "tenant": "{team}",
    "password": PASSWORD,
    "password_hash": "x",
    "verified": "mine@example.org",
    "disabled": False,
    "generation": 7,
    "system": True,
    "is_admin": True,
    "owner": "{eve}",
    "sessions": [{"kind": "bearer"}],
    "keys": [{"scopes": ["*"]}],
    "identities": [{"subject": "x"}],
    "__class__": "Admin",
}
"""Fields of the model, of what abaft keeps, and of others' software."""

ACCOUNTS = ("accounts", "sessions", "keys", "codes", "factors", "identities", "clients")

WAYS: dict[str, tuple[str, Any]] = {
    "create": ("POST /api/workers", {"name": "x", "F": 0}),
    "list": ("POST /api/workers", [{"name": "x", "F": 0}]),
    "update": ("PATCH /api/workers/{ann}", {"F": 0}),
    "replace": ("PUT /api/workers/{ann}", {"name": "Ann", "F": 0}),
    "upsert": ("POST /api/workers?upsert=email", {"email": "ann@example.org", "F": 0}),
    "put": ("PUT /api/workers/01890a5d-ac96-774b-bcce-b302099a8058", {"name": "x", "F": 0}),
    "bulk": ("PATCH /api/workers?filter=name='Ann'&limit=9", {"F": 0}),
    "nested": ("PATCH /api/sheets/{sheet}", {"owner": {"id": "{ann}", "F": 0}}),
    "nested new": ("POST /api/sheets", {"text": "x", "owner": {"name": "x", "F": 0}}),
    "batch": (
        "POST /api/batch",
        {"operations": [{"method": "PATCH", "path": "/workers/{ann}", "body": {"F": 0}}]},
    ),
}

MAY = {
    # A rule of one's own opens the record, with what has no rule of its own.
    "personnel": {"staff", "pin", "boss", "badges"},
    "judge": set[str](),
    "ann": set[str](),
}


def filled(given: Any, names: dict[str, str], field: str) -> Any:
    """The way's body, with the attempt in the place of F."""
    if isinstance(given, dict):
        return {
            field if key == "F" else key: filled(
                ATTEMPTS[field] if key == "F" else value, names, field
            )
            for key, value in given.items()
        }
    if isinstance(given, list):
        return [filled(item, names, field) for item in given]
    return given.format_map(names) if isinstance(given, str) else given


@asynccontextmanager
async def company(url: str, **options: Any) -> AsyncIterator[tuple[World, dict[str, Any], Any]]:
    """Everybody who asks, and the keys of what they ask about."""
    async with world(url, *MODELS, **options) as found:
        db, people, names = found.api.db, {}, {}
        people["nobody"] = found.stranger()
        for name in WHO[1:]:
            roles = [name] if name in ("personnel", "judge") else []
            people[name] = await found.joined(name, *roles, session="bearer")
            names[name] = (await people[name].auth("GET me")).json()["user"]["id"]
        await db.create(Badge, name="gold")
        team = await people["ann"].ask("POST /api/teams", {"name": "Team"})
        names["team"] = team.json()["id"]
        sheet = await people["ann"].ask("POST /api/sheets", {"text": "x"})
        names["sheet"] = sheet.json()["id"]
        seat = await db.create(Seat, user=names["bob"], organisation=names["team"])
        call = await db.create(Call, email="joe@example.org", organisation=names["team"])
        names |= {"seat": str(seat.id), "call": str(call.id)}
        yield found, people, names


async def stored(found: World) -> dict[str, Any]:
    """All that is there, but for when it was last used or changed, and the trail."""
    context = found.api.app.accounts.context
    kept = {}
    for model in (*MODELS[:-1], *context.models.declared):
        rows = await context.db.list(model, sort="id" if model is not Badge else "name")
        fleeting = ("updated", "seen", "used", "ledger", "number", "digest", "turn")
        kept[model.__name__] = [
            {name: repr(value) for name, value in vars(row).items() if name not in fleeting}
            for row in rows
            if not model.__name__.endswith(("Event", "Ledger"))
        ]
    return kept


SEATS: list[tuple[str, str, Any]] = [
    (f"{method} /api/{path}", who, body)
    for who in ("nobody", "bob", "eve")
    for method, path, body in [
        ("POST", "seats", {"user": "{eve}", "organisation": "{team}", "role": "owner"}),
        ("POST", "seats", [{"user": "{eve}", "organisation": "{team}"}]),
        ("POST", "seats?upsert=user,organisation",
         {"user": "{bob}", "organisation": "{team}", "role": "owner"}),
        ("PATCH", "seats/{seat}", {"role": "owner"}),
        ("PATCH", "seats/{seat}", {"user": "{eve}"}),
        ("PUT", "seats/{seat}", {"role": "owner"}),
        ("PUT", "seats/{seat}", {"user": "{eve}", "organisation": "{team}", "role": "owner"}),
        ("PATCH", "seats?filter=role='member'&limit=9", {"role": "owner"}),
        ("PATCH", "teams/{team}", {"seats": {"create": [{"user": "{eve}", "role": "owner"}]}}),
        ("PATCH", "teams/{team}", {"seats": {"update": [{"id": "{seat}", "role": "owner"}]}}),
        ("PATCH", "teams/{team}", {"memberships": {"create": [{"user": "{eve}"}]}}),
        ("PATCH", "workers/{bob}", {"memberships": {"create": [{"organisation": "{team}"}]}}),
        ("PATCH", "workers/{eve}", {"memberships": {"create": [{"organisation": "{team}"}]}}),
        ("PATCH", "calls/{call}", {"role": "owner"}),
        ("PATCH", "calls/{call}", {"email": "eve@example.org"}),
        ("PATCH", "calls/{call}", {"expires": "2100-01-01T00:00:00Z"}),
        ("PUT", "calls/{call}", {"role": "owner"}),
        ("POST", "calls", {"email": "eve@example.org", "organisation": "{team}"}),
        ("POST", "calls?upsert=organisation,email",
         {"email": "joe@example.org", "organisation": "{team}", "role": "owner"}),
        ("PATCH", "teams/{team}", {"calls": {"create": [{"email": "eve@example.org"}]}}),
        ("POST", "batch", {"operations": [
            {"method": "PATCH", "path": "/seats/{seat}", "body": {"role": "owner"}}]}),
        ("POST", "batch", {"atomic": False, "operations": [
            {"method": "POST", "path": "/seats",
             "body": {"user": "{eve}", "organisation": "{team}", "role": "owner"}}]}),
    ]
]  # fmt: skip
