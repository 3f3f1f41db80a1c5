"""Tokens of apps of others: how they turn, end and are looked at; devices, services, clients."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest

from accounts import ORIGIN, client_of
from sign_in import (
    AUTHORIZE,
    BACK,
    Client,
    hidden,
    reads,
    registered,
    sent,
    signing,
    tokens,
)


async def test_oauth_refresh_tokens_turn_and_one_that_was_stolen_ends_all(
    database_url: str, moved: Any
) -> None:
    async with signing(database_url) as found:
        ann, client = await found.joined(), await registered(found)
        first = await tokens(ann, client)
        second = (await client.refresh(first["refresh_token"])).json()
        assert second["refresh_token"] != first["refresh_token"]
        moved(timedelta(seconds=30))
        assert (await client.refresh(first["refresh_token"])).json()["error"] == "invalid_grant"
        assert (await client.refresh(second["refresh_token"])).json()["error"] == "invalid_grant"
        assert await reads(found, second["access_token"]) == 401
        assert "refresh_reused" in found.told()


async def test_oauth_a_refresh_token_is_its_clients_and_gives_no_more_than_it_was_given(
    database_url: str,
) -> None:
    async with signing(database_url) as found:
        ann, client = await found.joined(), await registered(found)
        other = await registered(found, name="Other")
        body = await tokens(ann, client)
        wrong = await other.refresh(body["refresh_token"])
        assert wrong.json()["error"] == "invalid_grant"
        wider = await client.refresh(body["refresh_token"], scope="openid offline_access")
        assert wider.json()["error"] == "invalid_scope"
        less = (await client.refresh(body["refresh_token"], scope="openid")).json()
        assert less["scope"] == "openid"
        assert await reads(found, less["access_token"]) == 403
        # An app's token opens neither the account nor its first-party refresh.
        own = await ann.auth("POST refresh", {"refresh_token": less["refresh_token"]})
        assert own.status_code == 401
        bearer = await found.joined("bob", session="bearer")
        answer = await client.refresh(bearer.tokens["refresh_token"])
        assert answer.json()["error"] == "invalid_grant"


async def test_oauth_an_app_has_nothing_to_do_with_the_account_itself(database_url: str) -> None:
    async with signing(database_url) as found:
        ann, client = await found.joined(), await registered(found)
        token = (await tokens(ann, client))["access_token"]
        for request, body in [
            ("GET /api/auth/sessions", None),
            ("DELETE /api/auth/sessions", None),
            ("POST /api/auth/logout", None),
            ("GET /api/auth/keys", None),
            ("POST /api/auth/keys", {"name": "x", "scopes": ["*"]}),
            ("POST /api/auth/password", {"current": "x" * 9, "password": "y" * 12}),
            ("POST /api/auth/totp", {"password": "x" * 9}),
            ("GET /api/auth/apps", None),
            ("GET /api/auth/clients", None),
            ("POST /api/auth/clients", {"name": "x"}),
        ]:
            assert await reads(found, token, request, json=body) in (401, 403), request
        assert await ann.known()


async def test_what_one_has_allowed_can_be_taken_back(database_url: str) -> None:
    async with signing(database_url) as found:
        ann, client = await found.joined(), await registered(found)
        body = await tokens(ann, client)
        [row] = (await ann.auth("GET apps")).json()["items"]
        assert (row["id"], row["name"], row["scopes"]) == (
            client.id,
            "Planner",
            client.scope.split(),
        )
        assert (await ann.auth(f"DELETE apps/{client.id}")).status_code == 204
        assert (await ann.auth(f"DELETE apps/{client.id}")).status_code == 404
        assert await reads(found, body["access_token"]) == 401
        assert (await client.refresh(body["refresh_token"])).json()["error"] == "invalid_grant"
        assert (await ann.client.get(client.asks())).status_code == 200
        assert await ann.known()


async def test_tokens_are_revoked_and_looked_at_by_their_client_alone(database_url: str) -> None:
    async with signing(database_url) as found:
        ann, client = await found.joined(), await registered(found)
        other = await registered(found, name="Other")
        body = await tokens(ann, client)
        for name in ("access_token", "refresh_token"):
            told = (await client.form("introspect", token=body[name])).json()
            assert (told["active"], told["scope"]) == (True, client.scope)
            assert (await other.form("introspect", token=body[name])).json() == {"active": False}
        assert (await client.form("introspect", token="nonsense")).json() == {"active": False}
        assert (await other.form("revoke", token=body["refresh_token"])).status_code == 200
        assert await reads(found, body["access_token"]) == 200
        assert (await client.form("revoke", token=body["refresh_token"])).status_code == 200
        assert await reads(found, body["access_token"]) == 401
        assert (await client.form("revoke", token="nonsense")).status_code == 200
        nobody = Client(found, client.id, "x" * 43)
        assert (await nobody.form("introspect", token="x")).status_code == 401


async def test_a_client_without_a_secret_is_good_by_its_challenge(database_url: str) -> None:
    async with signing(database_url) as found:
        ann = await found.joined()
        uris = ["http://127.0.0.1/back", "org.example.app:/back"]
        client = await registered(found, method="none", redirect_uris=uris)
        assert client.secret == ""
        client.redirect_uri = "http://127.0.0.1:53124/back"
        for _ in range(2):
            # Another program could claim to be this one: it is asked each time.
            page = await ann.client.get(client.asks())
            assert page.status_code == 200
        answer = await sent(ann, AUTHORIZE, {**hidden(page.text), "answer": "yes"})
        place = urlsplit(answer.headers["location"])
        assert place.netloc == "127.0.0.1:53124"
        code = parse_qs(place.query)["code"][0]
        assert (await client.exchange(code)).status_code == 200


async def test_a_client_acts_as_the_service_that_it_is(database_url: str) -> None:
    async with signing(database_url) as found:
        answer = await found.api.ask(
            "POST /api/auth/services", "admin", json={"name": "Robot", "scopes": ["read"]}
        )
        assert answer.status_code == 201, answer.text
        rows = await found.api.app.accounts.context.db.list(
            found.api.app.accounts.context.models.account
        )
        service = str(rows[0].user.__written__)
        client = await registered(
            found, grants=["client_credentials"], redirect_uris=[], service=service,
            scopes=["notes.read"],
        )  # fmt: skip
        answers = [await client.form("token", grant_type="client_credentials") for _ in range(2)]
        bodies = [answer.json() for answer in answers]
        assert "refresh_token" not in bodies[0]
        assert [await reads(found, body["access_token"]) for body in bodies] == [200, 200]
        wider = await client.form("token", grant_type="client_credentials", scope="notes.write")
        assert (wider.status_code, wider.json()["error"]) == (400, "invalid_scope")
        path = f"DELETE /api/auth/clients/{client.id}"
        assert (await found.api.ask(path, "admin")).status_code == 204
        assert await reads(found, bodies[0]["access_token"]) == 401


async def test_a_device_is_let_in_by_who_has_a_browser(database_url: str, moved: Any) -> None:
    async with signing(database_url) as found:
        ann = await found.joined()
        kind = "urn:ietf:params:oauth:grant-type:device_code"
        client = await registered(found, method="none", grants=[kind, "refresh_token"],
                                  redirect_uris=[])  # fmt: skip
        codes = (await client.form("device", scope="openid notes.read")).json()
        assert re.fullmatch("[B-Z]{4}-[B-Z]{4}", codes["user_code"])

        async def polled() -> Any:
            given = {"grant_type": kind, "device_code": codes["device_code"]}
            return (await client.form("token", **given)).json()

        assert (await polled())["error"] == "authorization_pending"
        assert (await polled())["error"] == "slow_down"
        moved(timedelta(seconds=11))
        assert (await polled())["error"] == "authorization_pending"
        page = await ann.client.get("/api/auth/oauth/verify")
        assert "user_code" in page.text
        page = await ann.client.get(
            f"/api/auth/oauth/verify?user_code={codes['user_code'].lower()}"
        )
        assert "Planner" in page.text
        fields = {**hidden(page.text), "answer": "yes"}
        answer = await sent(ann, "/api/auth/oauth/verify", fields, origin="https://evil.example")
        assert answer.status_code == 403
        assert (await sent(ann, "/api/auth/oauth/verify", fields)).status_code == 200
        body = await polled()
        assert await reads(found, body["access_token"]) == 200
        assert (await polled())["error"] in ("invalid_request", "invalid_grant")
        # A code is good for one answer.
        assert (await sent(ann, "/api/auth/oauth/verify", fields)).status_code == 400
        refused = (await client.form("device")).json()
        page = await ann.client.get(f"/api/auth/oauth/verify?user_code={refused['user_code']}")
        await sent(ann, "/api/auth/oauth/verify", {**hidden(page.text), "answer": "no"})
        codes = refused
        assert (await polled())["error"] == "access_denied"


async def test_oauth_a_devices_code_is_not_found_by_trying(database_url: str) -> None:
    async with signing(database_url) as found:
        ann = await found.joined()
        answers = [
            await ann.client.get(f"/api/auth/oauth/verify?user_code=BBBB-BBB{letter}")
            for letter in "BCDFGHJKLMNP"
        ]
        assert answers[0].status_code == 400
        assert answers[-1].status_code == 429


async def test_an_app_logs_out_whom_it_has_logged_in(database_url: str) -> None:
    async with signing(database_url) as found:
        ann, client = await found.joined(), await registered(found)
        hint = (await tokens(ann, client))["id_token"]
        place, bye = "/api/auth/oauth/logout", "https://app.example/bye"
        for more in (
            {"post_logout_redirect_uri": bye},
            {"post_logout_redirect_uri": "https://evil.example", "id_token_hint": hint},
            {"id_token_hint": hint + "x"},
            {"id_token_hint": hint, "client_id": "other"},
        ):
            answer = await ann.client.get(f"{place}?{urlencode(more)}")
            assert answer.status_code == 400, more
        page = await ann.client.get(f"{place}?client_id={client.id}")
        assert "Log out" in page.text
        assert await ann.known()
        query = urlencode({"id_token_hint": hint, "post_logout_redirect_uri": bye, "state": "s"})
        answer = await ann.client.get(f"{place}?{query}")
        assert (answer.status_code, answer.headers["location"]) == (303, f"{bye}?state=s")
        assert not await ann.known()


async def test_clients_register_themselves_where_that_is_allowed(database_url: str) -> None:
    async with signing(database_url) as found:
        answer = await client_of(found.api).post("/api/auth/oauth/register", json={})
        assert answer.status_code == 404
    async with signing(database_url, registration=True) as found:
        post = client_of(found.api).post
        for body, error in [
            ({"redirect_uris": ["http://app.example/back"]}, "invalid_redirect_uri"),
            ({}, "invalid_redirect_uri"),
            ({"redirect_uris": [BACK], "grant_types": ["password"]}, "invalid_client_metadata"),
            ({"redirect_uris": [BACK], "grant_types": ["client_credentials"]},
             "invalid_client_metadata"),
            ({"redirect_uris": [BACK], "token_endpoint_auth_method": "private_key_jwt"},
             "invalid_client_metadata"),
        ]:  # fmt: skip
            answer = await post("/api/auth/oauth/register", json=body)
            assert (answer.status_code, answer.json()["error"]) == (400, error), body
        ann = await found.joined()
        body = {"redirect_uris": [BACK], "client_name": "New <b>", "logo_uri": "https://x/"}
        made = (await post("/api/auth/oauth/register", json=body)).json()
        client = Client(found, made["client_id"], made["client_secret"], scope="openid")
        page = await ann.client.get(client.asks())
        assert "New &lt;b&gt;" in page.text
        assert "Nobody has checked this app" in page.text
        assert (await tokens(ann, client))["id_token"]


@pytest.mark.parametrize(
    ("body", "pointers"),
    [
        ({"redirect_uris": ["http://a.example/", "https://a/#x"]},
         ["/redirect_uris/0", "/redirect_uris/1"]),
        ({"redirect_uris": []}, ["/redirect_uris"]),
        ({"redirect_uris": [BACK], "scopes": ["nothing"]}, ["/scopes/0"]),
        ({"grants": ["client_credentials"]}, ["/service"]),
        ({"grants": ["client_credentials"], "service": "nobody"}, ["/service"]),
    ],
)  # fmt: skip
async def test_what_is_wrong_with_a_client_is_told_to_administrators(
    database_url: str, body: dict[str, Any], pointers: list[str]
) -> None:
    async with signing(database_url) as found:
        answer = await found.api.ask("POST /api/auth/clients", "admin", json={"name": "x"} | body)
        assert answer.status_code == 422, answer.text
        assert [row["pointer"] for row in answer.json()["errors"]] == pointers


async def test_programs_find_the_way_by_themselves(database_url: str) -> None:
    async with signing(database_url) as found:
        client = client_of(found.api)
        for path in ("openid-configuration", "oauth-authorization-server"):
            answer = await client.get(f"/.well-known/{path}")
            body = answer.json()
            assert body["issuer"] == ORIGIN
            assert answer.headers["access-control-allow-origin"] == "*"
            for name, url in body.items():
                if name.endswith("_endpoint") or name == "jwks_uri":
                    answer = await client.get(url)
                    assert answer.status_code != 404, name
        assert "registration_endpoint" not in body
