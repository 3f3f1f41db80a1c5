"""Apps of others by Authlib's client, which knows nothing of us but what the discovery says."""

from __future__ import annotations

import warnings
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from starlette.requests import Request

from accounts import ORIGIN, Person, World, client_of
from sign_in import AUTHORIZE, BACK, hidden, reads, registered, sent, signing

with warnings.catch_warnings():
    # Its client on httpx, which is ours, is older than the one that it advises.
    warnings.simplefilter("ignore")
    from authlib.integrations.base_client.errors import MismatchingStateError
    from authlib.integrations.base_client.errors import OAuthError as Refused
    from authlib.integrations.httpx_client import AsyncOAuth2Client
    from authlib.integrations.starlette_client import OAuth

DISCOVERY = f"{ORIGIN}/.well-known/openid-configuration"
DEVICE = "urn:ietf:params:oauth:grant-type:device_code"
SCOPE = "openid email profile notes.read offline_access"


@dataclass
class Planner:
    """An app of somebody else's: what it keeps of a browser, and Authlib's part of it."""

    found: World
    id: str
    secret: str | None
    more: dict[str, Any] = field(default_factory=dict)
    session: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        kept = {"scope": SCOPE, "code_challenge_method": "S256", **self._way(), **self.more}
        self.oauth = OAuth().register(
            "abaft",
            client_id=self.id,
            client_secret=self.secret,
            server_metadata_url=DISCOVERY,
            client_kwargs=kept,
        )

    def _way(self) -> dict[str, Any]:
        return {"transport": httpx.ASGITransport(self.found.api.app, client=("192.0.2.77", 5000))}

    def request(self, query: str = "") -> Request:
        return Request({
            "type": "http", "method": "GET", "path": "/back", "headers": [],
            "query_string": query.encode(), "session": self.session,
        })  # fmt: skip

    async def leads(self, **more: Any) -> str:
        answer = await self.oauth.authorize_redirect(self.request(), BACK, **more)
        return str(answer.headers["location"])

    async def takes(self, place: str) -> dict[str, Any]:
        """What it makes of the URL to which its user came back."""
        return dict(await self.oauth.authorize_access_token(self.request(urlsplit(place).query)))

    async def client(self, token: Any = None) -> Any:
        """Its client for all that needs no browser, with the endpoints that were discovered."""
        metadata = await self.oauth.load_server_metadata()
        method = {} if self.secret else {"token_endpoint_auth_method": "none"}
        return AsyncOAuth2Client(
            self.id, self.secret, token=token, token_endpoint=metadata["token_endpoint"],
            **method, **self._way(),
        )  # fmt: skip


async def planner(found: World, **more: Any) -> Planner:
    client = await registered(found, **more)
    return Planner(found, client.id, client.secret or None)


async def comes_back(person: Person, url: str) -> str:
    """Where the browser is led in the end, its user agreeing to what is asked."""
    page = await person.client.get(url)
    if page.status_code == 200:
        page = await sent(person, AUTHORIZE, {**hidden(page.text), "answer": "yes"})
    assert page.status_code == 303, page.text
    return str(page.headers["location"])


async def signed_in(person: Person, app: Planner) -> dict[str, Any]:
    return await app.takes(await comes_back(person, await app.leads()))


async def test_oauth_authlib_signs_somebody_in_by_discovery_alone(database_url: str) -> None:
    async with signing(database_url) as found:
        ann, app = await found.joined(), await planner(found)
        token = await signed_in(ann, app)
        me = (await ann.auth("GET me")).json()["user"]["id"]
        # Authlib has held signature, iss, aud, exp, nonce and at_hash against what it asked.
        claims = token["userinfo"]
        assert (claims["iss"], claims["aud"], claims["sub"]) == (ORIGIN, app.id, me)
        assert (claims["email"], claims["email_verified"]) == (ann.email, True)
        told = await app.oauth.userinfo(token=token)
        assert (told["sub"], told["email"], told["name"]) == (me, ann.email, "Ann")
        assert await reads(found, token["access_token"]) == 200


async def test_oauth_authlib_refuses_what_was_not_meant_for_it(database_url: str) -> None:
    async with signing(database_url) as found:
        ann, app = await found.joined(), await planner(found)
        other = await planner(found, name="Other")
        place = await comes_back(ann, await app.leads())
        # In another browser it knows of no such log-in.
        with pytest.raises(MismatchingStateError):
            await other.takes(place)
        # A code put into somebody else's log-in fails at our end: it has another challenge.
        mine = parse_qs(urlsplit(await comes_back(ann, await app.leads())).query)
        theirs = parse_qs(urlsplit(place).query)
        mixed = f"{BACK}?code={theirs['code'][0]}&state={mine['state'][0]}"
        with pytest.raises(Refused, match="invalid_grant"):
            await app.takes(mixed)
        page = await ann.client.get(await app.leads(prompt="consent"))
        no = await sent(ann, AUTHORIZE, {**hidden(page.text), "answer": "no"})
        with pytest.raises(Refused, match="access_denied"):
            await app.takes(no.headers["location"])


async def test_oauth_authlib_refreshes_looks_at_and_ends_its_tokens(database_url: str) -> None:
    async with signing(database_url) as found:
        ann, app = await found.joined(), await planner(found)
        metadata = await app.oauth.load_server_metadata()
        first = await signed_in(ann, app)
        async with await app.client(first) as client:
            second = await client.refresh_token(metadata["token_endpoint"])
            assert second["refresh_token"] != first["refresh_token"]
            assert await reads(found, second["access_token"]) == 200
            look = metadata["introspection_endpoint"]
            told = (await client.introspect_token(look, second["access_token"])).json()
            assert (told["active"], told["client_id"]) == (True, app.id)
            answer = await client.revoke_token(
                metadata["revocation_endpoint"], second["refresh_token"], "refresh_token"
            )
            assert answer.status_code == 200
            told = (await client.introspect_token(look, second["access_token"])).json()
            assert told == {"active": False}
            with pytest.raises(Refused, match="invalid_grant"):
                await client.refresh_token(metadata["token_endpoint"])
        assert await reads(found, second["access_token"]) == 401


async def test_oauth_authlib_as_a_service(database_url: str) -> None:
    async with signing(database_url) as found:
        body = {"name": "Robot", "scopes": ["read"]}
        await found.api.ask("POST /api/auth/services", "admin", json=body)
        context = found.api.app.accounts.context
        service = str((await context.db.list(context.models.account))[0].user.__written__)
        app = await planner(
            found, grants=["client_credentials"], redirect_uris=[], service=service,
            scopes=["notes.read"],
        )  # fmt: skip
        async with await app.client() as client:
            token = await client.fetch_token(grant_type="client_credentials", scope="notes.read")
            assert await reads(found, token["access_token"]) == 200
            with pytest.raises(Refused, match="invalid_scope"):
                await client.fetch_token(grant_type="client_credentials", scope="notes.write")


async def test_oauth_authlib_on_a_device(database_url: str) -> None:
    async with signing(database_url) as found:
        ann = await found.joined()
        app = await planner(
            found, method="none", grants=[DEVICE, "refresh_token"], redirect_uris=[]
        )
        metadata = await app.oauth.load_server_metadata()
        async with await app.client() as client:
            given = {"client_id": app.id, "scope": "openid notes.read"}
            codes = (
                await client.request(
                    "POST",
                    metadata["device_authorization_endpoint"],
                    data=given,
                    withhold_token=True,
                )
            ).json()
            asks = {"grant_type": DEVICE, "device_code": codes["device_code"]}
            with pytest.raises(Refused, match="authorization_pending"):
                await client.fetch_token(**asks)
            page = await ann.client.get(codes["verification_uri_complete"])
            path = urlsplit(codes["verification_uri"]).path
            assert (await sent(ann, path, {**hidden(page.text), "answer": "yes"})).is_success
            token = await client.fetch_token(**asks)
            claims = await app.oauth.parse_id_token(token, nonce=None)
            assert claims["sub"] == (await ann.auth("GET me")).json()["user"]["id"]
            assert await reads(found, token["access_token"]) == 200


async def test_oauth_authlib_registers_itself_and_logs_out(database_url: str) -> None:
    async with signing(database_url, registration=True) as found:
        ann = await found.joined()
        metadata = (await client_of(found.api).get(DISCOVERY)).json()
        bye = "https://app.example/bye"
        body = {
            "client_name": "Planner", "redirect_uris": [BACK], "post_logout_redirect_uris": [bye],
            "scope": "openid email offline_access",
        }  # fmt: skip
        answer = await client_of(found.api).post(metadata["registration_endpoint"], json=body)
        made = answer.json()
        more = {"scope": "openid email offline_access"}
        app = Planner(found, made["client_id"], made["client_secret"], more)
        token = await signed_in(ann, app)
        leave = await app.oauth.logout_redirect(app.request(), bye, token["id_token"])
        left = await ann.client.get(leave.headers["location"])
        assert left.headers["location"].startswith(f"{bye}?state=")
        query = urlsplit(left.headers["location"]).query
        known = await app.oauth.validate_logout_response(app.request(query))
        assert known["post_logout_redirect_uri"] == bye
        assert not await ann.known()
