"""What is tried on an authorization server by who knows RFC 9700."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest

from accounts import PASSWORD, Person, World
from each import each
from sign_in import (
    AUTHORIZE,
    Client,
    allowed,
    hidden,
    led,
    reads,
    registered,
    sent,
    signing,
    tokens,
)


@pytest.fixture
async def known(database_url: str) -> AsyncIterator[tuple[Person, Client]]:
    async with signing(database_url) as found:
        yield await found.joined(), await registered(found)


KINDS = ("token", "", "id_token", "code token", "code")


@each(
    "uri",
    [
        "https://evil.example/",
        "https://app.example@evil.example/back",
        "https://app.example\\@evil.example/back",
        "https://app.example/back%2f..",
        "https://evil.example/?https://app.example/back",
        "//evil.example",
        'https://evil.example/"',
        "https://\u00e9vil.example/",
    ],
)
async def test_oauth_no_error_leads_to_where_the_client_is_not(
    known: tuple[Person, Client], uri: str
) -> None:
    ann, client = known
    for kind in KINDS:
        answer = await ann.client.get(client.asks(redirect_uri=uri, response_type=kind))
        assert answer.status_code == 400, kind
        assert "location" not in answer.headers
        nobody = f"{AUTHORIZE}?{urlencode({'redirect_uri': uri, 'response_type': kind})}"
        answer = await client.found.stranger().client.get(nobody)
        assert (answer.status_code, "location" in answer.headers) == (400, False)


@each("age", ["\u00b2", "\u0663", "-1", "1e9", "9" * 40, "x"])
async def test_val_1_an_age_that_is_none_is_told(known: tuple[Person, Client], age: str) -> None:
    ann, client = known
    assert led(await ann.client.get(client.asks(max_age=age)))["error"] == "invalid_request"


async def test_oauth_a_proof_of_another_request_is_none(database_url: str) -> None:
    async with signing(database_url) as found:
        ann, client = await found.joined(), await registered(found)
        answer = await ann.client.get(client.asks(prompt="login"))
        again = parse_qs(urlsplit(answer.headers["location"]).query)["next"][0]
        since = parse_qs(urlsplit(again).query)["since"][0]
        assert (await ann.login(PASSWORD)).status_code == 200
        assert (await ann.client.get(again)).status_code == 200
        for more in ({"state": "other"}, {"nonce": "other"}, {"code_challenge": "x" * 43}):
            path = client.asks(prompt="login", since=since, **more)
            assert (await ann.client.get(path)).status_code == 303, more
        made_up = await ann.client.get(client.asks(prompt="login", since="1 x"))
        assert urlsplit(made_up.headers["location"]).path == "/account/login"


@pytest.mark.parametrize(
    "uri", ["https://a.example;sandbox/", "https://a.example,b/", "https://a'b/", "https://a%2eb/"]
)
async def test_oauth_a_redirect_says_nothing_in_a_policy(database_url: str, uri: str) -> None:
    async with signing(database_url, registration=True) as found:
        body = {"redirect_uris": [uri]}
        answer = await found.stranger().client.post("/api/auth/oauth/register", json=body)
        assert (answer.status_code, answer.json()["error"]) == (400, "invalid_redirect_uri")


async def test_oauth_a_client_that_is_gone_gets_nobody(database_url: str) -> None:
    async with signing(database_url) as found:
        ann, client = await found.joined(), await registered(found, trusted=True)
        code = led(await ann.client.get(client.asks()))["code"]
        path = f"DELETE /api/auth/clients/{client.id}"
        assert (await found.api.ask(path, "admin")).status_code == 204
        assert (await client.exchange(code)).status_code == 401
        assert (await ann.client.get(client.asks())).status_code == 400


async def test_a_service_that_was_idle_gets_a_token_that_is_good(
    database_url: str, moved: Any
) -> None:
    async with signing(database_url) as found:
        context = found.api.app.accounts.context
        body = {"name": "Robot", "scopes": ["read"]}
        await found.api.ask("POST /api/auth/services", "admin", json=body)
        service = str((await context.db.list(context.models.account))[0].user.__written__)
        client = await registered(
            found, grants=["client_credentials"], redirect_uris=[], service=service,
            scopes=["notes.read"],
        )  # fmt: skip
        context.sessions._idle = timedelta(hours=2)
        await client.form("token", grant_type="client_credentials")
        moved(timedelta(hours=3))
        again = (await client.form("token", grant_type="client_credentials")).json()
        assert await reads(found, again["access_token"]) == 200


async def test_oauth_5_a_code_is_worth_nothing_once_the_app_is_taken_back(
    database_url: str,
) -> None:
    async with signing(database_url) as found:
        ann, client = await found.joined(), await registered(found)
        code = (await allowed(ann, client))["code"]
        assert (await ann.auth(f"DELETE apps/{client.id}")).status_code == 204
        assert (await client.exchange(code)).json()["error"] == "invalid_grant"
        # Who agrees anew has agreed to another code.
        again = (await allowed(ann, client))["code"]
        assert (await client.exchange(code)).json()["error"] == "invalid_grant"
        assert (await client.exchange(again)).status_code == 200


@pytest.mark.parametrize("secret", ["A" * 43, "x" * 43])
async def test_tok_4_a_refresh_token_that_is_made_up_ends_nothing(
    database_url: str, secret: str
) -> None:
    async with signing(database_url) as found:
        ann, client = await found.joined(), await registered(found)
        body = await tokens(ann, client)
        made_up = f"{body['refresh_token'].partition('.')[0]}.{secret}"
        assert (await client.refresh(made_up)).json()["error"] == "invalid_grant"
        assert await reads(found, body["access_token"]) == 200
        own = await found.joined("bob", session="bearer")
        made_up = f"{own.tokens['refresh_token'].partition('.')[0]}.{secret}"
        assert (await own.auth("POST refresh", {"refresh_token": made_up})).status_code == 401
        assert await own.known()
        assert "refresh_reused" not in found.told()


async def test_oauth_5_only_its_client_ends_by_a_code_what_came_of_it(database_url: str) -> None:
    async with signing(database_url) as found:
        ann, client = await found.joined(), await registered(found)
        other = await registered(found, name="Other")
        code = (await allowed(ann, client))["code"]
        body = (await client.exchange(code)).json()
        for stranger in (other, Client(found, client.id, "x" * 43)):
            assert (await stranger.exchange(code)).status_code in (400, 401)
            assert await reads(found, body["access_token"]) == 200
        await client.exchange(code)
        assert await reads(found, body["access_token"]) == 401


DEVICE = "urn:ietf:params:oauth:grant-type:device_code"


async def device_codes(found: World) -> tuple[Client, dict[str, str]]:
    client = await registered(found, method="none", grants=[DEVICE], redirect_uris=[])
    codes = (await client.form("device", scope="openid notes.read")).json()
    return client, codes


async def said(ann: Person, codes: dict[str, str], answer: str = "yes") -> None:
    page = await ann.client.get(f"/api/auth/oauth/verify?user_code={codes['user_code']}")
    fields = {**hidden(page.text), "answer": answer}
    assert (await sent(ann, "/api/auth/oauth/verify", fields)).status_code == 200


async def test_a_device_is_among_the_apps_and_can_be_taken_back(database_url: str) -> None:
    async with signing(database_url) as found:
        ann = await found.joined()
        client, codes = await device_codes(found)
        await said(ann, codes)
        [row] = (await ann.auth("GET apps")).json()["items"]
        assert (row["id"], row["scopes"]) == (client.id, ["openid", "notes.read"])
        assert (await ann.auth(f"DELETE apps/{client.id}")).status_code == 204
        form = {"grant_type": DEVICE, "device_code": codes["device_code"]}
        assert (await client.form("token", **form)).json()["error"] == "invalid_grant"


async def test_an_answer_stays_that_comes_while_the_device_asks(database_url: str) -> None:
    async with signing(database_url) as found:
        ann = await found.joined()
        client, codes = await device_codes(found)
        context = found.api.app.accounts.context
        flows = found.api.app.accounts.server._tokens
        [record] = await context.db.list(
            context.models.code, lambda row: row.purpose == "oauth_device"
        )
        await said(ann, codes)
        # The device has read its code before the answer, and writes after it.
        assert await flows._in_time(record)
        form = {"grant_type": DEVICE, "device_code": codes["device_code"]}
        assert "access_token" in (await client.form("token", **form)).json()
