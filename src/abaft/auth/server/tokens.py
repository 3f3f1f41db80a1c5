"""The token endpoint: what a client may have is decided by the protocol, and given here."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any
from uuid import UUID

from abaft.auth.calls import Call, Reply
from abaft.auth.codes import Codes
from abaft.auth.context import Context
from abaft.auth.server.clients import Registered, basic_name
from abaft.auth.server.consents import Consents
from abaft.auth.server.protocol import (
    CLIENT,
    CODE,
    DEVICE,
    OFFLINE,
    OPENID,
    REFRESH,
    Credential,
    Found,
    Granted,
    Protocol,
    Refused,
)
from abaft.auth.sessions import Opened, Reused
from abaft.base import clock, ids
from abaft.base.errors import Conflict, Fault, NotFound, Unauthorized
from abaft.db import Database
from abaft.guard.id_tokens import IdTokens, Who
from abaft.guard.tokens import LINK, Token, read_token

PURPOSE, DEVICE_PURPOSE = "oauth_code", "oauth_device"
INTERVAL = 5
"""Seconds between two questions of a device."""
_LATER = 5
_UNTOLD = re.compile(r"[^\x20-\x21\x23-\x5B\x5D-\x7E]")
_OVER = "what was agreed to isn't any more"
_NO_STORE = (("cache-control", "no-store"), ("pragma", "no-cache"))


class Clients:
    """Finds who a request comes from."""

    def __init__(self, context: Context) -> None:
        self._context = context

    async def find(self, id_: str) -> Registered | None:
        """The client of an id; None: there is none."""
        try:
            record = await self._context.db.get(
                self._context.models.client, UUID(id_), expand=("account",)
            )
        except (ValueError, NotFound):
            return None
        return Registered(record)

    async def of(self, form: Mapping[str, str], headers: Mapping[str, str]) -> Registered | None:
        """The one that a form or its Authorization names, unproved yet."""
        id_ = basic_name(headers) or form.get("client_id", "")
        return await self.find(id_) if id_ else None


def refusal(error: Refused) -> Reply:
    """An error as RFC 6749, 5.2 has it."""
    own = tuple(row for row in error.headers if row[0] == "www-authenticate")
    return Reply(error.status, dict(error.body), (*_NO_STORE, *own))


def error_reply(error: str, detail: str = "", status: int = 400) -> Reply:
    """The same, for what the protocol can't know of."""
    body = {"error": error} | ({"error_description": detail} if detail else {})
    return Reply(status, body, _NO_STORE)


def misread(error: str) -> Callable[[Fault], Reply]:
    """How a body that can't be read is answered under the protocol: by that error of its."""

    def answer(fault: Fault) -> Reply:
        told = "; ".join(row.detail for row in fault.errors[:5]) or fault.detail
        # RFC 6749, 5.2: what a description may hold.
        return error_reply(error, _UNTOLD.sub("?", told))

    return answer


class TokenFlows:
    """Exchanges codes, refresh tokens, device codes and a client's own secret for tokens."""

    def __init__(
        self, context: Context, codes: Codes, clients: Clients, made: IdTokens, scopes: list[str]
    ) -> None:
        self._context, self._codes, self._clients = context, codes, clients
        self._made, self._scopes = made, scopes
        self._consents = Consents(context)

    async def token(self, call: Call) -> Reply:
        """What a grant is exchanged for."""
        form: Mapping[str, str] = call.body
        client = await self._clients.of(form, call.headers)
        try:
            return await self._token(call, form, client)
        except Refused as error:
            return refusal(error)
        except Lost as error:
            return error_reply("invalid_grant", str(error))

    async def _token(self, call: Call, form: Mapping[str, str], client: Registered | None) -> Reply:
        counted = self._context.address(call)
        await self._context.throttle.check(counted)
        try:
            credential = await self._credential(form)
            found = Found(client, credential)
            granted = Protocol(found, self._scopes).granted(form, call.headers)
        except Refused as error:
            if error.error in ("invalid_client", "invalid_grant"):
                await self._context.throttle.count(counted)
            if error.error == "invalid_grant" and client is not None:
                # So it has proved to be the client that it says.
                await self._replayed(form, client)
            raise
        reply = await {
            CODE: self._by_code,
            REFRESH: self._by_refresh,
            DEVICE: self._by_code,
            CLIENT: self._by_itself,
        }[granted.grant](call, granted)
        return Reply(200, reply, _NO_STORE)

    async def _credential(self, form: Mapping[str, str]) -> Credential | None:
        """What the form brings."""
        kind = form.get("grant_type")
        if kind == CODE and "code" in form:
            return await self._code(form["code"])
        if kind == REFRESH and "refresh_token" in form:
            return await self._refresh(form["refresh_token"])
        if kind == DEVICE and "device_code" in form:
            return await self._device(form["device_code"])
        return None

    async def _code(self, text: str) -> Credential | None:
        try:
            record = await self._codes.find(PURPOSE, text)
        except Unauthorized:
            return None
        data = record.data
        return Credential(
            data["client"], data["scope"], record.subject, data["redirect_uri"],
            data["challenge"], record=record,
        )  # fmt: skip

    async def _replayed(self, form: Mapping[str, str], client: Registered) -> None:
        """Ends what a code was used for that its client brings once more (RFC 6749, 4.1.2)."""
        name = {CODE: "code", DEVICE: "device_code"}.get(form.get("grant_type", ""), "")
        token = read_token(LINK, form.get(name, ""))
        if token is not None:
            await self._end_of(token.digest, client)

    async def _end_of(self, digest: str, client: Registered) -> None:
        """Ends the sessions that a code opened."""
        context, key = self._context, client.record.id
        model: Any = context.models.session
        rows = await context.db.list(
            model,
            lambda row: (row.origin == digest) & (row.client.id == key),
            expand=("account",),
        )
        for row in rows:
            call, user = Call({}, row.address), context.sessions.subject(row.account)
            await context.noted("code_reused", call, _deletes(context, row), user, ends=True)

    async def _refresh(self, text: str) -> Credential | None:
        record = await self._context.sessions.of_refresh(text)
        if record is None or record.client is None:
            return None
        return Credential(
            str(record.client.id), " ".join(record.scopes),
            self._context.sessions.subject(record.account), record=record,
        )  # fmt: skip

    async def _device(self, text: str) -> Credential | None:
        context, token = self._context, read_token(LINK, text)
        if token is None:
            return None
        try:
            record: Any = await context.db.get(context.models.code, token.id)
        except NotFound:
            return None
        if record.purpose != DEVICE_PURPOSE or not token.matches(record.digest):
            return None
        return await self._polled(record)

    async def _polled(self, record: Any) -> Credential:
        """A device's code, as it stands; when it was asked for last is kept."""
        data, state = record.data, record.data.get("state", "")
        if clock.now() >= record.expires:
            state = "over"
        elif not state and not await self._in_time(record):
            state = "early"
        return Credential(data["client"], data["scope"], record.subject, state=state, record=record)

    async def _in_time(self, record: Any) -> bool:
        """Whether it asks no sooner than it may: each time that it does, it may later (3.5).

        Only what is its own is written, and only where no other request of its has just done so:
        its user may be answering at this moment.
        """
        id_, before, now = record.id, record.polled, clock.unix_ms()
        wait = INTERVAL + _LATER * record.tries
        good = now - before >= wait * 1000
        model: Any = self._context.models.code
        found = await self._context.db.update_where(
            model,
            lambda row: (row.id == id_) & (row.polled == before),
            limit=1,
            polled=now,
            tries=record.tries + (not good),
        )
        return good and bool(found)

    async def _by_code(self, call: Call, granted: Granted) -> dict[str, Any]:
        assert granted.credential is not None
        record = granted.credential.record
        return await self._opened(call, granted, record.subject, record.data, record)

    async def _opened(
        self, call: Call, granted: Granted, user: str, data: Mapping[str, Any], code: Any
    ) -> dict[str, Any]:
        """A new session of the app's; of several requests with one code one gets it."""
        context, client = self._context, granted.client
        try:
            account = await context.account_of(user)
        except NotFound:
            raise Lost("this account is gone") from None
        if account.disabled or account.generation != data["generation"]:
            raise Lost(_OVER)

        async def begun(db: Database) -> Opened:
            await self._codes.use(db, code)
            await self._consents.used(db, data["consent"])
            return await context.sessions.open(
                db, account, "app", ["oauth"], call,
                client=client.record.id, scopes=granted.scope.split(), origin=code.digest,
                agent=client.record.name,
            )  # fmt: skip

        try:
            opened = await context.noted("app_login", call, begun, user, client.record.name)
        except NotFound:
            raise Lost(_OVER) from None
        except Unauthorized:
            await self._end_of(code.digest, client)
            raise Lost("this code was used by another request") from None
        who = Who(user, data.get("auth_time"), data.get("nonce", ""))
        return await self._answer(granted, opened, account, who)

    async def _by_refresh(self, call: Call, granted: Granted) -> dict[str, Any]:
        context = self._context
        assert granted.credential is not None
        text = call.body["refresh_token"]
        try:
            opened = await context.sessions.refresh(text, "app")
        except Reused as fault:
            user = context.sessions.subject(fault.record.account)
            over = _deletes(context, fault.record)
            said = str(fault.record.id)
            await context.noted("refresh_reused", call, over, user, said, ends=True)
            raise Lost("this refresh token was used before: the app has to ask again") from None
        except (Unauthorized, Conflict) as fault:
            raise Lost(fault.detail) from None
        user = context.sessions.subject(opened.record.account)
        account, who = await context.account_of(user), Who(user)
        return await self._answer(granted, opened, account, who)

    async def _by_itself(self, call: Call, granted: Granted) -> dict[str, Any]:
        """A client's own tokens, as the service that it is; one session serves for many."""
        context, client = self._context, granted.client.record
        account = client.account
        if account is None or account.disabled:
            raise Lost("no account of a service belongs to this client")
        names, key = granted.scope.split(), client.id
        names = [name for name in names if name not in (OPENID, OFFLINE)]
        model: Any = context.models.session
        soon = clock.now() + timedelta(seconds=context.tokens.seconds)
        rows = await context.db.list(
            model, lambda row: (row.client.id == key) & (row.expires > soon), expand=("account",)
        )
        for row in rows:
            if row.methods != [CLIENT] or sorted(row.scopes) != sorted(names):
                continue
            if await context.sessions.standing(str(row.id)) is not None:
                return self._access(granted, row, account, names)

        async def begun(db: Database) -> Opened:
            return await context.sessions.open(
                db, account, "app", [CLIENT], call,
                client=key, scopes=names, agent=client.name,
                expires=clock.now() + timedelta(days=1),
            )  # fmt: skip

        user = context.sessions.subject(account)
        opened = await context.noted("app_login", call, begun, user, client.name)
        return self._access(granted, opened.record, account, names)

    async def _answer(
        self, granted: Granted, opened: Opened, account: Any, who: Who
    ) -> dict[str, Any]:
        names = granted.scope.split()
        answer = self._access(granted, opened.record, account, names)
        if granted.client.check_grant_type(REFRESH):
            answer["refresh_token"] = opened.token.text
        if OPENID in names:
            claims = await self.claims(account, names)
            session = str(opened.record.id)
            answer["id_token"] = self._made.make(
                granted.client.id, who, session, answer["access_token"], claims
            )
        return answer

    def _access(
        self, granted: Granted, record: Any, account: Any, names: list[str]
    ) -> dict[str, Any]:
        context, scope = self._context, " ".join(names)
        user = context.sessions.subject(account)
        more = {"client_id": granted.client.id, "scope": scope}
        return {
            "access_token": context.tokens.make(user, str(record.id), ids.request_id(), **more),
            "token_type": "Bearer",
            "expires_in": context.tokens.seconds,
            "scope": scope,
        }

    async def claims(self, account: Any, names: list[str]) -> dict[str, Any]:
        """What the scopes profile and email tell of a user (OpenID Connect Core, 5.4)."""
        user, found = account.user, {}
        if "email" in names and user.email is not None:
            found["email"] = user.email
            found["email_verified"] = account.verified == user.email
        if "profile" in names:
            found["name"] = user.name
        return found


class Lost(Exception):
    """What was granted can't be given: another request was first, or it is over since."""


def _deletes(context: Context, record: Any) -> Any:
    async def over(db: Database) -> None:
        await context.sessions.delete(db, record)

    return over


def fault_reply(fault: Fault) -> Reply:
    """A fault of ours in the words of OAuth."""
    names = {401: "invalid_token", 403: "insufficient_scope", 429: "slow_down"}
    return Reply(
        fault.status,
        {"error": names.get(fault.status, "invalid_request"), "error_description": fault.detail},
        tuple((name, value) for name, value in fault.headers.items()),
    )


__all__ = ["PURPOSE", "Clients", "Lost", "Token", "TokenFlows", "error_reply", "refusal"]
