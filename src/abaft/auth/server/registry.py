"""The clients: registered by administrators, or by themselves where that is allowed (RFC 7591)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from abaft.auth.calls import Call, Reply
from abaft.auth.context import Context
from abaft.auth.server.clients import PUBLIC, fit_redirect, secret_digest
from abaft.auth.server.protocol import CLIENT, CODE, DEVICE, GRANTS, METHODS, OPENID, REFRESH
from abaft.auth.server.scopes import Scopes
from abaft.auth.server.tokens import error_reply
from abaft.base import clock, ids
from abaft.base.errors import Forbidden, Invalid, NotFound, Problem
from abaft.db import Database

MOST = 1_000
_NO_STORE = (("cache-control", "no-store"),)


class RegistryFlows:
    """The endpoints of clients."""

    def __init__(self, context: Context, scopes: Scopes) -> None:
        self._context, self._scopes = context, scopes

    async def listed(self, call: Call) -> Reply:
        """All clients, for administrators."""
        _administrator(call)
        rows = await self._context.db.list(
            self._context.models.client, sort="name", limit=MOST, expand=("account",)
        )
        return Reply(200, {"items": [self._shown(row) for row in rows]})

    async def make(self, call: Call) -> Reply:
        """A client, and its secret, told this once."""
        _administrator(call)
        body = call.body
        wrong = [*self._wrong_uris(body), *self._wrong_scopes(body)]
        grants = body.get("grants", [CODE, REFRESH])
        method = body.get("method", METHODS[0])
        if CODE in grants and not body.get("redirect_uris"):
            detail = "an app that people log in with needs a redirect_uri"
            wrong.append(Problem("/redirect_uris", "required", detail))
        if CLIENT in grants and (method == PUBLIC or "service" not in body):
            detail = "client_credentials needs a secret, and the service as which it acts"
            wrong.append(Problem("/service", "required", detail))
        account = await self._service(body, wrong)
        if wrong:
            raise Invalid("; ".join(row.detail for row in wrong), errors=wrong)
        values = {
            "name": body["name"],
            "redirect_uris": body.get("redirect_uris", []),
            "logout_uris": body.get("logout_uris", []),
            "scopes": body.get("scopes", [OPENID, "profile", "email"]),
            "grants": grants,
            "method": method,
            "trusted": body.get("trusted", False),
            "account": account,
        }
        row, secret = await self._kept(call, values)
        shown = self._shown(row) | ({"client_secret": secret} if secret else {})
        return Reply(201, shown, _NO_STORE)

    async def _service(self, body: Mapping[str, Any], wrong: list[Problem]) -> Any:
        if "service" not in body:
            return None
        try:
            return (await self._context.account_of(body["service"])).id
        except NotFound as fault:
            wrong.append(Problem("/service", "not_found", fault.detail))
            return None

    async def _kept(self, call: Call, values: Mapping[str, Any]) -> tuple[Any, str]:
        context, secret = self._context, ""
        if values["method"] != PUBLIC:
            secret = ids.secret()
        model: Any = context.models.client

        async def made(db: Database) -> Any:
            digest = secret_digest(secret) if secret else ""
            return await db.create(model, digest=digest, **values)

        return await context.noted("client_made", call, made, "", values["name"]), secret

    async def renew(self, call: Call) -> Reply:
        """Another secret; the one of before is good no more."""
        _administrator(call)
        row, secret = await self._of(call), ids.secret()
        if row.method == PUBLIC:
            raise Forbidden("this client has no secret: it couldn't keep one")

        async def renewed(db: Database) -> None:
            await db.update(row, digest=secret_digest(secret))

        await self._context.noted("client_renewed", call, renewed, "", row.name)
        return Reply(200, {**self._shown(row), "client_secret": secret}, _NO_STORE)

    async def end(self, call: Call) -> Reply:
        """Ends a client, with all sessions that it has and all that people agreed to."""
        _administrator(call)
        row = await self._of(call)

        async def over(db: Database) -> None:
            await db.delete(row)

        await self._context.noted("client_ended", call, over, "", row.name, ends=True)
        return Reply(204)

    async def _of(self, call: Call) -> Any:
        try:
            return await self._context.db.get(
                self._context.models.client, UUID(call.place[0]), expand=("account",)
            )
        except (ValueError, NotFound):
            raise NotFound("there is no such client") from None

    def _wrong_uris(self, body: Mapping[str, Any]) -> list[Problem]:
        return [
            Problem(f"/{name}/{index}", "bad_redirect", f"{uri[:200]}: {reason}")
            for name in ("redirect_uris", "logout_uris")
            for index, uri in enumerate(body.get(name, []))
            for reason in [fit_redirect(uri)]
            if reason
        ]

    def _wrong_scopes(self, body: Mapping[str, Any]) -> list[Problem]:
        return [
            Problem(f"/scopes/{index}", "unknown_scope", f"there is no scope {name}")
            for index, name in enumerate(body.get("scopes", []))
            if name not in self._scopes.names
        ]

    def _shown(self, row: Any) -> dict[str, Any]:
        kind = type(row).__spec__.fields["created"].kind
        account = row.account
        known = account is not None and hasattr(account, "user")
        return {
            "client_id": str(row.id),
            "name": row.name,
            "redirect_uris": row.redirect_uris,
            "logout_uris": row.logout_uris,
            "scopes": row.scopes,
            "grants": row.grants,
            "method": row.method,
            "trusted": row.trusted,
            "service": self._context.sessions.subject(account) if known else None,
            "created": kind.show(row.created),
        }

    async def register(self, call: Call) -> Reply:
        """A client registers itself: it may ask, and each user is warned and decides."""
        context, given = self._context, call.body
        await context.throttle.spend(("mails", f"register {context.address(call)[1]}"))
        uris, method = (
            given.get("redirect_uris", []),
            given.get("token_endpoint_auth_method", METHODS[0]),
        )
        grants = given.get("grant_types", [CODE])
        for uri in (*uris, *given.get("post_logout_redirect_uris", [])):
            if reason := fit_redirect(uri):
                return error_reply("invalid_redirect_uri", f"{uri[:200]}: {reason}")
        if (CODE in grants and not uris) or any("\0" in uri for uri in uris):
            return error_reply("invalid_redirect_uri", "redirect_uris are needed")
        problem = _unfit(given, grants, method)
        if problem:
            return error_reply("invalid_client_metadata", problem)
        asked = given.get("scope", "").split() or [OPENID, "profile", "email"]
        values = {
            "name": given.get("client_name", "").replace("\0", "").strip()
            or "An app without a name",
            "redirect_uris": uris,
            "logout_uris": given.get("post_logout_redirect_uris", []),
            "scopes": [name for name in dict.fromkeys(asked) if name in self._scopes.names],
            "grants": grants,
            "method": method,
            "dynamic": True,
        }
        row, secret = await self._kept(call, values)
        return Reply(201, _registered(row, secret), _NO_STORE)


def _unfit(given: Mapping[str, Any], grants: list[str], method: str) -> str:
    if method not in METHODS:
        return f"token_endpoint_auth_method is one of {', '.join(METHODS)}"
    known = [name for name in GRANTS if name != CLIENT]
    if not grants or not set(known).issuperset(grants):
        return f"grant_types are of {', '.join(known)}"
    if not {"code"}.issuperset(given.get("response_types", ["code"])):
        return "response_types is code"
    if {CODE, DEVICE}.isdisjoint(grants):
        return "a refresh token comes of another grant"
    return ""


def _registered(row: Any, secret: str) -> dict[str, Any]:
    found = {
        "client_id": str(row.id),
        "client_id_issued_at": clock.unix_ms() // 1000,
        "client_name": row.name,
        "redirect_uris": row.redirect_uris,
        "post_logout_redirect_uris": row.logout_uris,
        "grant_types": row.grants,
        "response_types": ["code"] if CODE in row.grants else [],
        "token_endpoint_auth_method": row.method,
        "scope": " ".join(row.scopes),
    }
    return found | ({"client_secret": secret, "client_secret_expires_at": 0} if secret else {})


def _administrator(call: Call) -> None:
    if not call.actor.system:
        call.user()
        raise Forbidden("an administrator registers clients")
