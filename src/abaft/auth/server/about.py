"""What an authorization server tells: of itself, of tokens and of users; and how tokens end."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

from abaft.auth.calls import Call, Reply
from abaft.auth.context import Context
from abaft.auth.login import LoginFlows
from abaft.auth.server.clients import Registered
from abaft.auth.server.consents import Consents
from abaft.auth.server.protocol import GRANTS, METHODS, OPENID, Found, Protocol, Refused
from abaft.auth.server.scopes import Scopes
from abaft.auth.server.tokens import Clients, TokenFlows, error_reply, refusal
from abaft.base.errors import NotFound
from abaft.db import Database
from abaft.guard.id_tokens import ALGORITHM
from abaft.guard.tokens import REFRESH, read_token

_NO_STORE = (("cache-control", "no-store"),)
_CORS = (("access-control-allow-origin", "*"),)
_CLAIMS = ["sub", "iss", "aud", "exp", "iat", "auth_time", "nonce", "at_hash", "sid",
           "name", "email", "email_verified"]  # fmt: skip


def metadata(issuer: str, place: str, scopes: Scopes, registers: bool) -> dict[str, Any]:
    """RFC 8414 and OpenID Connect Discovery in one."""
    at = f"{issuer}{place}"
    found = {
        "issuer": issuer,
        "authorization_endpoint": f"{at}/authorize",
        "token_endpoint": f"{at}/token",
        "userinfo_endpoint": f"{at}/userinfo",
        "jwks_uri": f"{issuer}{place.rpartition('/')[0]}/jwks",
        "revocation_endpoint": f"{at}/revoke",
        "introspection_endpoint": f"{at}/introspect",
        "device_authorization_endpoint": f"{at}/device",
        "end_session_endpoint": f"{at}/logout",
        "scopes_supported": scopes.names,
        "response_types_supported": ["code"],
        "response_modes_supported": ["query"],
        "grant_types_supported": list(GRANTS),
        "token_endpoint_auth_methods_supported": METHODS,
        "revocation_endpoint_auth_methods_supported": METHODS,
        "introspection_endpoint_auth_methods_supported": METHODS[:2],
        "code_challenge_methods_supported": ["S256"],
        "authorization_response_iss_parameter_supported": True,
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": [ALGORITHM],
        "claims_supported": _CLAIMS,
        "prompt_values_supported": ["none", "login", "consent"],
        "request_parameter_supported": False,
        "request_uri_parameter_supported": False,
    }
    if registers:
        found["registration_endpoint"] = f"{at}/register"
    return found


class AboutFlows:
    """Revocation, introspection and userinfo."""

    def __init__(
        self, context: Context, clients: Clients, scopes: Scopes, tokens: TokenFlows
    ) -> None:
        self._context, self._clients = context, clients
        self._scopes, self._tokens = scopes, tokens

    async def revoke(self, call: Call) -> Reply:
        """Ends the session that a token of the client's is of (RFC 7009); of any other, nothing."""
        try:
            client = await self._proved(call, "revocation")
        except Refused as error:
            return refusal(error)
        record = await self._session(call.body.get("token", ""))
        if record is not None and str(record.client.id) == client.id:
            context, user = self._context, self._context.sessions.subject(record.account)

            async def over(db: Database) -> None:
                await context.sessions.delete(db, record)

            await context.noted("app_logout", call, over, user, client.record.name, ends=True)
        return Reply(200, {}, _NO_STORE)

    async def introspect(self, call: Call) -> Reply:
        """Whether a token is good, for whom and what (RFC 7662): told to its client alone."""
        try:
            client = await self._proved(call, "introspection")
        except Refused as error:
            return refusal(error)
        text = call.body.get("token", "")
        record = await self._session(text)
        if record is None or str(record.client.id) != client.id:
            return Reply(200, {"active": False}, _NO_STORE)
        context = self._context
        claims = context.tokens.read(text)
        body = {
            "active": True,
            "client_id": client.id,
            "sub": context.sessions.subject(record.account),
            "scope": " ".join(record.scopes),
            "iss": context.settings.base_url,
            "token_type": "Bearer" if claims is not None else "refresh_token",
            "exp": int(record.expires.timestamp()) if claims is None else claims.expires,
        }
        return Reply(200, body, _NO_STORE)

    async def _proved(self, call: Call, endpoint: str) -> Registered:
        context, counted = self._context, self._context.address(call)
        await context.throttle.check(counted)
        client = await self._clients.of(call.body, call.headers)
        try:
            return Protocol(Found(client), self._scopes.names).client_of(
                call.body, call.headers, endpoint
            )
        except Refused:
            await context.throttle.count(counted)
            raise

    async def _session(self, text: str) -> Any:
        """The standing session of an app that an access or refresh token is of, or None."""
        sessions = self._context.sessions
        if read_token(REFRESH, text) is not None:
            record = await sessions.of_refresh(text)
            known = record is not None and read_token(REFRESH, text)
            record = record if known and known.matches(record.digest) else None
        else:
            claims = self._context.tokens.read(text)
            record = None if claims is None else await sessions.standing(claims.session)
        return None if record is None or record.client is None else record

    async def userinfo(self, call: Call) -> Reply:
        """Who the token's user is (OpenID Connect Core, 5.3)."""
        user, names = call.user(), call.actor.scopes or frozenset()
        if OPENID not in names:
            reply = error_reply("insufficient_scope", "this needs the scope openid", 403)
            asked = 'Bearer error="insufficient_scope", scope="openid"'
            return Reply(403, reply.body, (*reply.headers, ("www-authenticate", asked)))
        account = await self._context.account_of(user)
        claims = await self._tokens.claims(account, sorted(names))
        return Reply(200, {"sub": user, **claims}, (*_NO_STORE, *_CORS))


class AppFlows:
    """The apps that somebody has allowed, for them to see and to take back."""

    def __init__(self, context: Context, login: LoginFlows) -> None:
        self._context, self._login = context, login
        self._consents = Consents(context)

    async def listed(self, call: Call) -> Reply:
        """One's apps."""
        rows = await self._of(call)
        return Reply(200, {"items": [_shown(row) for row in rows]})

    async def _of(self, call: Call) -> list[Any]:
        context = self._context
        self._login.session(call)
        account = (await context.account_of(call.user())).id
        model: Any = context.models.consent
        rows = context.db.list(
            model, lambda row: row.account.id == account, expand=("client",), sort="created"
        )
        return list(await rows)

    async def end(self, call: Call) -> Reply:
        """Takes back what an app was allowed, and ends its sessions."""
        for row in await self._of(call):
            if str(row.client.id) != call.place[0]:
                continue
            await self._consents.end(call, row)
            return Reply(204)
        raise NotFound("there is no such app")


def _shown(row: Any) -> dict[str, Any]:
    kind = type(row).__spec__.fields["created"].kind
    return {
        "id": str(row.client.id),
        "name": row.client.name,
        "scopes": row.scopes,
        "since": kind.show(row.created),
        "used": kind.show(row.used),
    }


def with_query(uri: str, values: Mapping[str, str]) -> str:
    """The URI with these in its query."""
    text = urlencode({name: value for name, value in values.items() if value})
    return uri + (("&" if "?" in uri else "?") + text if text else "")
