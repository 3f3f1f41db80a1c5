"""Devices without a browser (RFC 8628): a code that is typed in where one is logged in."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from abaft.auth.calls import Call, Reply
from abaft.auth.context import Context
from abaft.auth.live import Seat
from abaft.auth.server.authorize import vouched
from abaft.auth.server.clients import Registered
from abaft.auth.server.consents import Consents
from abaft.auth.server.pages import in_words, page, said
from abaft.auth.server.protocol import DEVICE, Found, Protocol, Refused
from abaft.auth.server.scopes import Scopes
from abaft.auth.server.tokens import DEVICE_PURPOSE, INTERVAL, Clients, error_reply, refusal
from abaft.base import clock, ids
from abaft.base.errors import NotFound, Unauthorized
from abaft.guard.signing_keys import keyed_digest
from abaft.guard.tokens import LINK, new_token

LETTERS = "BCDFGHJKLMNPQRSTVWXZ"
"""Without vowels no words come out, and none looks like another (RFC 8628, 6.1)."""
MINUTES = 15


class DeviceFlows:
    """Gives devices their codes, and asks people about them."""

    def __init__(self, context: Context, clients: Clients, scopes: Scopes, place: str) -> None:
        self._context, self._clients = context, clients
        self._scopes, self._place = scopes, place
        self._consents = Consents(context)

    async def begin(self, call: Call) -> Reply:
        """The codes: one for the device, one for its user."""
        context, form = self._context, call.body
        await context.throttle.spend(("challenge", context.address(call)[1]))
        client = await self._clients.of(form, call.headers)
        try:
            protocol = Protocol(Found(client), self._scopes.names)
            found = protocol.client_of(form, call.headers, "device_authorization")
        except Refused as error:
            return refusal(error)
        if not found.check_grant_type(DEVICE):
            return error_reply("unauthorized_client", "this client isn't one of devices")
        scope = found.get_allowed_scope(form.get("scope"))
        if scope is None:
            return error_reply("invalid_scope")
        return await self._made(found.id, scope)

    async def _made(self, client: str, scope: str) -> Reply:
        context, typed = self._context, ids.word(LETTERS, 8)
        token = new_token(LINK, self._id(typed))
        model: Any = context.models.code
        await context.db.create(
            model,
            id=token.id,
            purpose=DEVICE_PURPOSE,
            digest=token.digest,
            data={"client": client, "scope": scope},
            expires=clock.now() + timedelta(minutes=MINUTES),
        )
        shown = f"{typed[:4]}-{typed[4:]}"
        where = f"{context.settings.base_url}{self._place}/verify"
        body = {
            "device_code": token.text,
            "user_code": shown,
            "verification_uri": where,
            "verification_uri_complete": f"{where}?{urlencode({'user_code': shown})}",
            "expires_in": MINUTES * 60,
            "interval": INTERVAL,
        }
        return Reply(200, body, (("cache-control", "no-store"),))

    def _id(self, typed: str) -> UUID:
        """The record's id is what the typed code comes to: so it is found, but isn't stored."""
        return UUID(hex=keyed_digest(self._context.key, "device", typed)[:32], version=4)

    async def look(self, call: Call) -> Reply:
        """The page to type a code in, or of the device whose code it is."""
        seat = await self._seat(call)
        typed = call.query.get("user_code", "")
        if seat is None:
            here = f"{self._place}/verify" + (
                f"?{urlencode({'user_code': typed})}" if typed else ""
            )
            login = self._context.settings.login_page or "/account/login"
            mark = "&" if "?" in login else "?"
            location = login + mark + urlencode({"next": here})
            return Reply(303, None, (("location", location),))
        if not typed:
            return self._typing(call)
        try:
            record = await self._of(call, typed)
        except Unauthorized:
            return self._typing(call, "There is no such code, or its time is over.")
        return await self._page(call, record, typed, seat)

    async def answered(self, call: Call) -> Reply:
        """What the user said: the device hears of it when it asks next."""
        seat = await self._seat(call)
        if seat is None:
            return Reply(303, None, (("location", f"{self._place}/verify"),))
        vouched(self._context, call, seat)
        try:
            record = await self._of(call, call.body.get("user_code", ""))
        except Unauthorized:
            return self._typing(call, "There is no such code, or its time is over.")
        client = await self._clients.find(record.data["client"])
        if client is None:
            return self._typing(call, "This app isn't known here any more.")
        yes = call.body.get("answer") == "yes"
        if not await self._say(call, record, client, seat, yes):
            return self._typing(call, "This code was answered just now.")
        if yes:
            return said(
                call, "Connected", "Your device goes on by itself. You can close this page."
            )
        return said(call, "Refused", "The device gets nothing. You can close this page.")

    async def _say(
        self, call: Call, record: Any, client: Registered, seat: Seat, yes: bool
    ) -> bool:
        """Tells the device, unless another answer was first: then False."""
        context, user, at = self._context, seat.actor.id or "", seat.actor.authenticated
        account, scope = await context.account_of(user), record.data["scope"]
        assert at is not None
        consent = ""
        if yes:
            consent = await self._consents.keep(call, account, client, scope, ", a device")
        else:
            await context.note(
                "app_refused", call, user, f"{client.record.name}: {scope}, a device"
            )
        told = {
            "state": "yes" if yes else "no",
            "auth_time": int(at.timestamp()),
            "generation": account.generation,
            "consent": consent,
        }
        # The device asks meanwhile, and writes when it did: but never to these.
        model: Any = context.models.code
        id_, data = record.id, {**record.data, **told}
        return bool(
            await context.db.update_where(
                model,
                lambda row: (row.id == id_) & (row.subject == ""),
                limit=1,
                subject=user,
                data=data,
            )
        )

    async def _seat(self, call: Call) -> Seat | None:
        seat = await self._context.authenticator.by_cookie(call.headers.get("cookie", ""))
        return None if seat is None or seat.actor.label else seat

    async def _of(self, call: Call, typed: str) -> Any:
        """The record of a typed code that nobody has answered yet. Raises Unauthorized."""
        context = self._context
        bare = "".join(char for char in typed.upper() if char in LETTERS)
        async with context.throttle.trying(context.address(call)):
            try:
                record: Any = await context.db.get(context.models.code, self._id(bare))
            except NotFound:
                raise Unauthorized("there is no such code") from None
            if clock.now() >= record.expires or record.subject:
                raise Unauthorized("there is no such code any more")
        return record

    def _typing(self, call: Call, warn: str = "") -> Reply:
        return page(
            call,
            "code.html",
            400 if warn else 200,
            title=in_words(call, "Connect a device"),
            warn=in_words(call, warn),
            action=f"{self._place}/verify",
        )

    async def _page(self, call: Call, record: Any, typed: str, seat: Seat) -> Reply:
        client = await self._clients.find(record.data["client"])
        if client is None:
            return self._typing(call, "This app isn't known here any more.")
        account = await self._context.account_of(seat.actor.id or "")
        only = "Allow it only if your own device shows {} now."
        return page(
            call,
            "consent.html",
            title=client.record.name,
            client=client.record.name,
            app=self._context.settings.base_url.partition("://")[2],
            user=account.user.email or account.user.name,
            scopes=self._scopes.texts(call, record.data["scope"].split()),
            place="",
            warn=in_words(call, only, typed),
            action=f"{self._place}/verify",
            field="user_code",
            asked=typed,
            csrf=seat.csrf,
        )
