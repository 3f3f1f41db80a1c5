"""Logging out, as asked by an app (OpenID Connect RP-Initiated Logout 1.0)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from abaft.auth.calls import Call, Reply
from abaft.auth.context import Context
from abaft.auth.live import Seat
from abaft.auth.server.about import with_query
from abaft.auth.server.authorize import vouched
from abaft.auth.server.clients import Registered
from abaft.auth.server.pages import in_words, page, said
from abaft.auth.server.tokens import Clients
from abaft.db import Database
from abaft.guard.id_tokens import IdTokens

_KEPT = ("id_token_hint", "client_id", "post_logout_redirect_uri", "state")


class LeavingFlows:
    """Asks whether to log out, does it, and leads back to where the client may be led to."""

    def __init__(self, context: Context, clients: Clients, made: IdTokens, place: str) -> None:
        self._context, self._clients, self._made, self._place = context, clients, made, place

    async def ask(self, call: Call) -> Reply:
        """Without a token that says who, anybody's page could have sent them here: so it asks."""
        try:
            client, claims = await self._asked(call.query)
        except ValueError as error:
            return said(call, "This doesn't work", str(error), 400)
        seat = await self._seat(call)
        if seat is None:
            return self._away(call, client, call.query)
        if claims is not None and claims.get("sub") == seat.actor.id:
            return await self._over(call, seat, client, call.query)
        kept = [(name, call.query[name]) for name in _KEPT if name in call.query]
        return page(
            call,
            "leave.html",
            sent_to=call.query.get("post_logout_redirect_uri", ""),
            title=in_words(call, "Log out"),
            app=self._context.settings.base_url.partition("://")[2],
            action=f"{self._place}/logout",
            kept=kept,
            csrf=seat.csrf,
        )

    async def answered(self, call: Call) -> Reply:
        """What they said."""
        try:
            client, _ = await self._asked(call.body)
        except ValueError as error:
            return said(call, "This doesn't work", str(error), 400)
        seat = await self._seat(call)
        if seat is None:
            return self._away(call, client, call.body)
        vouched(self._context, call, seat)
        if call.body.get("answer") != "yes":
            return said(call, "Still logged in", "You can close this page.")
        return await self._over(call, seat, client, call.body)

    async def _asked(
        self, given: Mapping[str, str]
    ) -> tuple[Registered | None, Mapping[str, Any] | None]:
        """Who asks, and what their token says. Raises ValueError for what doesn't fit together."""
        claims = None
        if "id_token_hint" in given:
            claims = self._made.hinted(given["id_token_hint"])
            if claims is None:
                raise ValueError("id_token_hint isn't a token of this server.")
        id_ = given.get("client_id") or str((claims or {}).get("aud", ""))
        if claims is not None and claims.get("aud") != id_:
            raise ValueError("client_id isn't whom the token was for.")
        client = await self._clients.find(id_) if id_ else None
        uri = given.get("post_logout_redirect_uri")
        if uri is not None and (client is None or uri not in client.record.logout_uris):
            raise ValueError("post_logout_redirect_uri isn't one of this client's.")
        return client, claims

    async def _seat(self, call: Call) -> Seat | None:
        return await self._context.authenticator.by_cookie(call.headers.get("cookie", ""))

    async def _over(
        self, call: Call, seat: Seat, client: Registered | None, given: Mapping[str, str]
    ) -> Reply:
        context, user = self._context, seat.actor.id or ""

        async def over(db: Database) -> None:
            model: Any = context.models.session
            await context.sessions.delete(db, model(id=UUID(seat.actor.session)))

        name = "" if client is None else client.record.name
        await context.noted("logout", call, over, user, name, ends=True)
        return self._away(call, client, given, (context.cookie("", 0),))

    def _away(
        self,
        call: Call,
        client: Registered | None,
        given: Mapping[str, str],
        cookies: tuple[tuple[str, str], ...] = (),
    ) -> Reply:
        uri = given.get("post_logout_redirect_uri")
        if uri is None or client is None:
            reply = said(call, "Logged out", "You can close this page.")
            return Reply(reply.status, None, (*reply.headers, *cookies), reply.page)
        location = with_query(uri, {"state": given.get("state", "")})
        return Reply(303, None, (("location", location), *cookies))
