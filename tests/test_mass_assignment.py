"""AUTHZ-3: field × way × who asks: nobody gives themselves what is others' to give.

Each way to write, for each name that a client could think of; what is left as it was is read from
the database, above all rules.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from abaft import SignIn
from accounts import PASSWORD, Person, World, world
from assigning import ACCOUNTS, ATTEMPTS, MAY, SEATS, WAYS, WHO, Worker, company, filled, stored
from loads import Loader
from projects import said
from scenarios import pointers
from sign_in import hidden, sent


async def test_authz_3_no_user_is_given_what_is_others_to_give(database_url: str) -> None:
    async with company(database_url) as (found, people, names):
        before, wrong = await stored(found), []
        for way, (request, body) in WAYS.items():
            for who in WHO:
                for name in ATTEMPTS:
                    may = name in MAY.get(who, ()) or (who, name) == ("judge", "grade")
                    if may:
                        continue
                    answer = await people[who].ask(
                        request.format_map(names), filled(body, names, name)
                    )
                    # What was read can be sent back whole: a PUT passes over the server's own.
                    passed = way in ("replace", "put") and answer.status_code == 200
                    if answer.status_code >= 500 or not (answer.status_code >= 400 or passed):
                        wrong.append((way, who, name, answer.status_code, answer.text[:200]))
        assert not wrong
        assert await stored(found) == before


async def test_authz_3_what_a_rule_gives_is_given(database_url: str) -> None:
    async with company(database_url) as (found, people, names):
        url = f"PATCH /api/workers/{names['ann']}"
        for who, name, status in (
            ("ann", "city", 200),
            ("ann", "name", 200),
            ("personnel", "staff", 200),
            ("personnel", "boss", 200),
            ("personnel", "badges", 200),
            ("personnel", "grade", 403),
            ("judge", "grade", 404),
        ):
            value = filled({"F": 0}, names, name)[name] if name in ATTEMPTS else "Ulm"
            answer = await people[who].ask(url, {name: value})
            assert answer.status_code in (status, 403 if status == 404 else status), answer.text
        [ann] = await found.api.db.list(Worker, lambda row: row.staff)
        assert (ann.name, ann.city, ann.grade) == ("Ulm", "Ulm", 0)


async def test_authz_2_what_a_model_adds_to_users_is_theirs_to_read(database_url: str) -> None:
    async with company(database_url) as (_, people, names):
        added = {"city", "staff", "grade", "boss"}
        for who, seen in (("ann", added), ("bob", set()), ("nobody", set()), ("personnel", added)):
            answer = await people[who].ask(f"GET /api/workers/{names['ann']}")
            assert set(answer.json()) & added == seen, who
        hidden = await people["bob"].ask("GET /api/workers?filter=staff=false")
        own = [row["id"] for row in hidden.json()["items"]]
        assert own == [names["bob"]]


async def test_authz_3_nobody_makes_themselves_a_member_or_an_owner(database_url: str) -> None:
    async with company(database_url) as (found, people, names):
        before, wrong = await stored(found), []
        for request, who, body in SEATS:
            answer = await people[who].ask(request.format_map(names), filled(body, names, ""))
            refused = 400 <= answer.status_code < 500 or "atomic" in str(body)
            if "filter=" in request:
                refused = refused or answer.json().get("updated", 0) == 0
            if not refused:
                wrong.append((request, who, answer.status_code, answer.text[:200]))
        assert not wrong
        assert await stored(found) == before


async def test_authz_3_owners_write_no_more_than_roles(database_url: str) -> None:
    """Of memberships and invitations that there are."""
    async with company(database_url) as (found, people, names):
        before = await stored(found)
        for request, body, status in (
            ("PATCH /api/seats/{seat}", {"user": "{eve}"}, 422),
            ("PATCH /api/seats/{seat}", {"organisation": "{eve}"}, 422),
            ("PATCH /api/seats/{seat}", {"id": "{eve}"}, 422),
            ("POST /api/seats", {"user": "{eve}", "organisation": "{team}"}, 403),
            ("PATCH /api/calls/{call}", {"role": "owner"}, 403),
            ("PATCH /api/calls/{call}", {"email": "eve@example.org"}, 403),
            ("POST /api/calls", {"email": "x@example.org", "organisation": "{eve}"}, 403),
            ("POST /api/calls", {"email": "x@example.org", "organisation": "{team}",
                                 "token": "mine"}, 422),
        ):  # fmt: skip
            answer = await people["ann"].ask(request.format_map(names), filled(body, names, ""))
            assert answer.status_code == status, (request, body, answer.text)
        assert await stored(found) == before
        answer = await people["ann"].ask(f"PATCH /api/seats/{names['seat']}", {"role": "editor"})
        assert (answer.status_code, answer.json()["role"]) == (200, "editor")


async def test_authz_3_what_abaft_keeps_is_no_collection(database_url: str) -> None:
    async with company(database_url) as (_, people, _names):
        for who in WHO:
            for name in ACCOUNTS:
                for path in (name, f"abaft_{name}", f"worker_{name}"):
                    for method in ("GET", "POST"):
                        body = {} if method == "POST" else None
                        answer = await people[who].ask(f"{method} /api/{path}", body)
                        assert answer.status_code == 404, (method, path)
            for query in ("expand=account", "filter=account.roles!=null", "sort=account.disabled"):
                answer = await people[who].ask(f"GET /api/workers?{query}")
                assert answer.status_code == 400, (who, query, answer.text)


NAMES = [name for name in ATTEMPTS if name != "__class__"]
SAID = {
    "POST invitations": {"email", "roles"},
    "PATCH accounts/*": {"roles", "disabled"},
    "POST services": {"roles", "scopes"},
    "POST keys": {"scopes"},
    "POST clients": {"scopes"},
    "PUT tenant": {"tenant"},
}
"""The bodies that may name any of these, and are for administrators, or of no power."""
PROVED = {"email", "password"}


def options() -> dict[str, Any]:
    settings = {"base_url": "http://test", "email_verification": False}
    return {"settings": settings, "sign_in": SignIn({"export": "export all"})}


async def test_authz_3_no_endpoint_of_accounts_takes_a_name_it_does_not_know(
    database_url: str,
) -> None:
    async with company(database_url, **options()) as (found, people, names):
        before, seen = await stored(found), {}
        for row in found.api.app.accounts.endpoints:
            if row.body is None or row.form or row.path.startswith("oauth/"):
                continue
            known = set(row.body.__annotations__)
            place = f"{row.method} {row.path}"
            if taken := known & set(NAMES) - (PROVED if place not in SAID else set()):
                seen[place] = taken
            url = place.replace("*", names["ann"])
            body = {name: filled({"F": 0}, names, name)[name] for name in set(NAMES) - known}
            for who in ("nobody", "ann", "admin"):
                answer = await (
                    found.api.ask(f"{row.method} /api/auth/{url.split()[1]}", "admin", json=body)
                    if who == "admin"
                    else people[who].auth(url, body)
                )
                assert answer.status_code == 422, (place, who, answer.text)
                unknown = {name for name, code in pointers(answer) if code == "unknown_field"}
                assert unknown == {f"/{name}" for name in body}, place
        assert seen == {place: names for place, names in SAID.items() if place in seen}
        assert set(seen) >= set(SAID) - {"PUT tenant"}
        assert await stored(found) == before


async def test_authz_3_who_gives_roles_is_an_administrator(database_url: str) -> None:
    async with company(database_url, **options()) as (found, people, names):
        before = await stored(found)
        client = {"name": "x", "redirect_uris": ["https://a.example/"], "trusted": True}
        for request, body in (
            ("POST invitations", {"email": "x@example.org", "roles": ["admin"]}),
            (f"PATCH accounts/{names['ann']}", {"roles": ["admin"]}),
            (f"PATCH accounts/{names['bob']}", {"disabled": True}),
            (f"GET accounts/{names['bob']}", None),
            (f"DELETE accounts/{names['bob']}/sessions", None),
            (f"POST accounts/{names['bob']}/impersonation", None),
            ("POST services", {"name": "x", "scopes": ["*"], "roles": ["admin"]}),
            ("POST clients", client),
            ("GET events", None),
        ):
            for who in WHO:
                answer = await people[who].auth(request, body)
                assert answer.status_code == (401 if who == "nobody" else 403), (request, who)
        assert await stored(found) == before


async def test_authz_3_a_key_has_no_scope_that_leads_further_than_its_owner(
    database_url: str,
) -> None:
    async with company(database_url) as (found, people, names):
        scopes = ["*", "admin", "write", "workers.write"]
        made = await people["eve"].auth("POST keys", {"name": "x", "scopes": scopes})
        robot = found.stranger()
        robot.tokens = {"access_token": made.json()["key"]}
        for request, body, status in (
            (f"PATCH /api/workers/{names['eve']}", {"staff": True}, 403),
            (f"PATCH /api/workers/{names['ann']}", {"city": "x"}, 403),
            (f"PATCH /api/seats/{names['seat']}", {"role": "owner"}, 404),
            (f"PATCH /api/auth/accounts/{names['eve']}", {"roles": ["admin"]}, 403),
            ("POST /api/auth/keys", {"name": "y", "scopes": ["*"]}, 403),
        ):
            assert (await robot.ask(request, body)).status_code == status, request


@pytest.mark.parametrize("way", ["at once", "finish", "page"])
async def test_authz_3_nobody_registers_as_more_than_a_user(database_url: str, way: str) -> None:
    given = {"settings": {"email_verification": way != "at once"}}
    async with company(database_url, **given) as (found, _, names):
        joe = found.stranger("joe@example.org")
        path, proof = "POST register", {"email": joe.email}
        if way != "at once":
            assert (await joe.auth("POST register", {"email": joe.email})).status_code == 202
            path, proof = "POST register/finish", {"token": found.token(joe.email)}
        if way == "page":
            await by_the_page(found, joe, proof["token"])
        for count, name in enumerate(() if way == "page" else NAMES):
            joe = found.stranger(joe.email, f"192.0.2.{count}")
            value = filled({"F": 0}, names, name)[name]
            if name not in PROVED:
                answer = await joe.auth(path, {**proof, "password": PASSWORD, name: value})
                assert (answer.status_code, pointers(answer)) == (
                    422, [(f"/{name}", "unknown_field")],
                ), name  # fmt: skip
            body = {**proof, "password": PASSWORD, "user": {name: value}}
            answer = await joe.auth(path, body)
            assert (answer.status_code, pointers(answer)) == (
                422, [(f"/user/{name}", "unknown_field")],
            ), name  # fmt: skip
        if way != "page":
            joe = found.stranger(joe.email, "192.0.2.200")
            user = {"name": "Joe", "city": "Ulm"}
            made = await joe.auth(path, {**proof, "password": PASSWORD, "user": user})
            assert made.status_code == 201, made.text
        context = found.api.app.accounts.context
        account = await context.by_email(joe.email)
        assert (account.roles, account.disabled, account.generation) == ([], False, 0)
        assert (account.user.staff, account.user.grade, account.user.pin) == (False, 0, "")


async def by_the_page(found: World, joe: Person, token: str) -> None:
    page = await joe.client.get("/account/register")
    more = {"roles": "admin", "staff": "true", "user.staff": "true", "grade": "9", "verified": "1"}
    fields = {**hidden(page.text), **more, "token": token, "password": PASSWORD, "name": "Joe"}
    paths = ("register/finish", "register", "welcome")
    answers = [await sent(joe, f"/account/{name}", fields) for name in paths]
    assert all(answer.status_code < 500 for answer in answers)
    assert await found.api.app.accounts.context.by_email(joe.email) is not None


async def test_authz_3_who_accepts_an_invitation_becomes_what_it_says(database_url: str) -> None:
    async with company(database_url) as (found, people, names):
        eve = people["eve"]
        body = {"email": eve.email, "organisation": names["team"], "role": "guest"}
        assert (await people["ann"].ask("POST /api/calls", body)).status_code == 201
        token = found.mail(eve.email).partition("/account/membership#")[2].split()[0]
        for name in NAMES:
            more = {"token": token, name: filled({"F": 0}, names, name)[name]}
            answer = await eve.auth("POST memberships/accept", more)
            assert (answer.status_code, pointers(answer)) == (
                422, [(f"/{name}", "unknown_field")],
            )  # fmt: skip
        answer = await eve.auth("POST memberships/accept", {"token": token})
        assert (answer.status_code, answer.json()["role"]) == (200, "guest")


async def test_authz_3_an_app_that_registers_itself_is_never_trusted(database_url: str) -> None:
    sign_in = SignIn({"export": "export all"}, registration=True)
    settings = {"base_url": "http://test"}
    async with world(database_url, settings=settings, sign_in=sign_in) as found:
        body = {
            "client_name": "x",
            "redirect_uris": ["https://a.example/"],
            "trusted": True,
            "dynamic": False,
            "account": "x",
            "service": "x",
            "client_id": "mine",
            "client_secret": "mine",
            "digest": "mine",
            "scope": "openid admin *",
        }
        answer = await found.stranger().client.post("/api/auth/oauth/register", json=body)
        assert answer.status_code in (201, 400), answer.text
        context = found.api.app.accounts.context
        for row in await context.db.list(context.models.client):
            assert (row.trusted, row.dynamic, row.account) == (False, True, None)
            assert row.scopes == ["openid"]
            assert str(row.id) != "mine"


LOADED = """
from abaft import App, User, field

class Worker(User):
    staff: bool = False
    pin: str = field(default="", hidden=True)

app = App(Worker)
"""


@pytest.mark.slow
@pytest.mark.parametrize("name", ["roles", "account", "verified", "password", "memberships"])
def test_authz_3_a_file_names_fields_of_its_model_alone(
    database_url: str, tmp_path: Path, name: str
) -> None:
    class Workers(Loader):
        models = LOADED

    found = Workers(database_url, tmp_path)
    result = found.load(workers=f"name,{name}\nann,x\n")
    assert result.exit_code != 0
    assert name in said(result)
    assert found.export("workers") == ""
