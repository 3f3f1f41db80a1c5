"""Logging in and out, and what one's sessions are."""

from __future__ import annotations

from functools import partial
from typing import Annotated, Any, Literal, NotRequired
from uuid import UUID

from pydantic import ConfigDict, Field, with_config
from typing_extensions import TypedDict

from abaft.auth.calls import Call, Reply
from abaft.auth.codes import Codes, bad_code
from abaft.auth.context import Context, one_of
from abaft.auth.devices import Devices
from abaft.auth.factors import FACTOR, FACTOR_MINUTES, Factors, bad_factor
from abaft.auth.sessions import Kind, Opened, Reused
from abaft.base.errors import Forbidden, Invalid, Problem, Unauthorized
from abaft.db import Database
from abaft.guard import csrf
from abaft.guard.passwords import LONGEST
from abaft.guard.throttle import Subject

STRICT = ConfigDict(strict=True, extra="forbid")
Password = Annotated[str, Field(max_length=LONGEST)]
Address = Annotated[str, Field(max_length=254)]


@with_config(STRICT)
class Login(TypedDict):
    email: Address
    password: Password
    session: NotRequired[Literal["cookie", "bearer"]]


@with_config(STRICT)
class Refresh(TypedDict):
    refresh_token: Annotated[str, Field(max_length=200)]


@with_config(STRICT)
class Confirm(TypedDict):
    password: Password


@with_config(STRICT)
class Proof(TypedDict):
    password: NotRequired[Password]
    """Of an account that has one; the others have to have logged in lately."""


class LoggedIn(TypedDict):
    user: dict[str, Any]
    roles: list[str]
    csrf: NotRequired[str]
    access_token: NotRequired[str]
    token_type: NotRequired[str]
    expires_in: NotRequired[int]
    refresh_token: NotRequired[str]


class Bearer(TypedDict):
    access_token: str
    token_type: str
    expires_in: int
    refresh_token: str


class Mine(TypedDict):
    user: dict[str, Any]
    roles: list[str]
    csrf: str
    session: str
    tenant: str | None
    has_password: bool


class SessionShown(TypedDict):
    id: str
    kind: Literal["cookie", "bearer", "app"]
    current: bool
    created: str
    seen: str
    expires: str
    methods: list[str]
    address: str
    agent: str


class SessionList(TypedDict):
    items: list[SessionShown]


@with_config(STRICT)
class Ending(TypedDict):
    """Which of them: all, or all but the one by which this came."""

    others: NotRequired[Literal["true"]]


class FactorAsked(TypedDict):
    """The first proof is good; a second factor is to follow"""

    factor_token: str
    factors: list[str]


@with_config(STRICT)
class SecondFactor(TypedDict):
    factor_token: Annotated[str, Field(max_length=200)]
    code: Annotated[str, Field(max_length=40)]


FRESH_MINUTES = 15
"""How lately who makes or removes what opens an account has proved who they are."""


def no_session() -> Forbidden:
    return Forbidden("this is for who has logged in, not for a key", code="session_needed")


def bad_credentials() -> Unauthorized:
    """One answer, whether there is such an account or not."""
    return Unauthorized(
        "there is no account of this address with this password", code="bad_credentials"
    )


def bad_password() -> Unauthorized:
    return Unauthorized("this isn't your password", code="bad_password")


class LoginFlows:
    """The endpoints of sessions."""

    def __init__(self, context: Context, devices: Devices, codes: Codes, factors: Factors) -> None:
        self._context, self._devices = context, devices
        self._codes, self._factors = codes, factors

    async def login(self, call: Call) -> Reply:
        """A session for who knows the password."""
        context, body = self._context, call.body
        kind: Kind = body.get("session", "cookie")
        self.check_origin(call, kind)
        counted = self._devices.subject(call, body["email"])
        async with context.throttle.trying(counted, context.address(call)):
            account = await context.by_email(body["email"])
            usable = account is not None and not account.disabled
            stored = account.password if usable else None
            if not await context.passwords.verify(stored, body["password"]):
                await context.note(
                    "login_failed", call, context.sessions.subject(account) if usable else ""
                )
                raise bad_credentials()
        if context.passwords.outdated(stored or ""):
            fresh = await context.passwords.hashed(body["password"])
            key = account.id
            # Unless it was changed meanwhile: then this is the one of before.
            await context.db.update_where(
                context.models.account,
                lambda row: (row.id == key) & (row.password == stored),
                limit=1,
                password=fresh,
            )
        return await self.first(call, account, kind, "password", counted)

    async def first(
        self, call: Call, account: Any, kind: Kind, method: str, counted: Subject | None = None
    ) -> Reply:
        """The answer to a first proof: a session, or where there is a second factor its turn.

        Failures that were `counted` are forgotten once nothing more is to be proved: else who has
        the password could guess codes for ever.
        """
        factors = await self._factors.of(account)
        if not factors:
            if counted is not None:
                await self._context.throttle.forget(counted)
            return await self.opened(call, account, kind, [method])
        context = self._context
        user = context.sessions.subject(account)
        half: dict[str, Any] = {"method": method, "generation": account.generation}
        token = await self._codes.make(
            FACTOR, account.user.email or "", user, FACTOR_MINUTES, kind=kind, **half
        )
        return Reply(202, {"factor_token": token, "factors": factors})

    async def second(self, call: Call) -> Reply:
        """A session for who proved both."""
        context, body = self._context, call.body
        code = await self._codes.find(FACTOR, body["factor_token"])
        counted = self._devices.subject(call, code.email)
        async with context.throttle.trying(counted, context.address(call)):
            account = await context.account_of(code.subject)
            if account.disabled or account.generation != code.data["generation"]:
                raise bad_code()
            method = await self._factors.proved(account, body["code"])
            if method is None:
                await context.note("factor_failed", call, code.subject)
                raise bad_factor()
        await self._codes.use(context.db, code)
        await context.throttle.forget(counted)
        return await self.opened(call, account, code.data["kind"], [code.data["method"], method])

    async def opened(
        self, call: Call, account: Any, kind: Kind, methods: list[str], status: int = 200
    ) -> Reply:
        """The answer to a log-in that succeeded; a browser's session of before is over."""
        context = self._context
        before = await self._before(call)
        user, said = context.sessions.subject(account), ",".join(methods)

        async def begun(db: Database) -> Opened:
            if before is not None:
                await context.sessions.delete(db, before)
            return await context.sessions.open(db, account, kind, methods, call)

        opened = await context.noted("login", call, begun, user, said, ends=before is not None)
        return await self._answer(call, opened, account, status)

    async def _answer(self, call: Call, opened: Opened, account: Any, status: int) -> Reply:
        context = self._context
        body = await context.logged_in(opened, account)
        known = () if opened.record.kind == "bearer" else self._devices.cookie(account)
        return Reply(status, body, (*context.cookies(opened), *known))

    def check_origin(self, call: Call, kind: Kind) -> None:
        """Forbidden where another site's page would log a browser in, as somebody else maybe."""
        if kind == "cookie" and {"origin", "sec-fetch-site"} & {*call.headers}:
            scheme = "https" if self._context.settings.production else "http"
            if not csrf.from_here(call.headers, self._context.settings.base_url, scheme):
                raise Forbidden("a browser is logged in by pages of this origin alone", code="csrf")

    async def _before(self, call: Call) -> Any:
        """The session that the browser has: no log-in goes on with another's."""
        seat = await self._context.authenticator.by_cookie(call.headers.get("cookie", ""))
        return None if seat is None else self._record(seat.actor.session)

    def _record(self, session: str) -> Any:
        model: Any = self._context.models.session
        return model(id=UUID(session))

    async def logout(self, call: Call) -> Reply:
        """Ends the session by which this came."""
        context, user = self._context, call.user()
        if not call.actor.session:
            raise no_session()
        over = partial(context.sessions.delete, record=self._record(call.actor.session))
        await context.noted("logout", call, over, user, ends=True)
        return Reply(204, None, (context.cookie("", 0),))

    async def mine(self, call: Call) -> Reply:
        """Who asks, and what a page has to send along with what it writes."""
        user = call.user()
        session = UUID(call.actor.session) if call.actor.session else None
        body = {
            "user": await self._context.shown(user),
            "roles": sorted(call.actor.roles),
            "csrf": "" if session is None else self._context.sessions.csrf(session),
            "session": call.actor.session,
            "tenant": call.actor.tenant,
            "has_password": await self._context.has_password(user),
        }
        return Reply(200, body)

    async def refresh(self, call: Call) -> Reply:
        """New tokens for the one that is due."""
        context = self._context
        try:
            opened = await context.sessions.refresh(call.body["refresh_token"])
        except Reused as fault:
            user = context.sessions.subject(fault.record.account)
            said = str(fault.record.id)
            over = partial(context.sessions.delete, record=fault.record)
            await context.noted("refresh_reused", call, over, user, said, ends=True)
            raise
        user = context.sessions.subject(opened.record.account)
        return Reply(200, context.bearer(opened, user))

    async def confirm(self, call: Call) -> Reply:
        """Proves once more who one is, for what asks for it to be lately."""
        context, user = self._context, call.user()
        await self._verify(call, await self._context.account_of(call.user()), call.body["password"])
        renewed = partial(context.sessions.confirmed, id_=self.session(call), methods=["password"])
        opened = await context.noted("confirmed", call, renewed, user, ends=True)
        return await self._answer(call, opened, await context.account_of(user), 200)

    async def prove(self, call: Call, name: str = "password") -> Any:
        """The account of who asks, if they bring its password; without one, if they logged in
        lately. Raises Unauthorized, and Forbidden where that is too long ago.
        """
        account = await self._context.account_of(call.user())
        if account.password is None:
            self.fresh(call)
            return account
        password = call.body.get(name)
        if password is None:
            problem = Problem(f"/{name}", "required", "this account has a password: send it")
            raise Invalid(problem.detail, errors=[problem])
        await self._verify(call, account, password)
        return account

    async def _verify(self, call: Call, account: Any, password: str) -> None:
        context = self._context
        counted = ("device", call.actor.session)
        async with context.throttle.trying(counted, context.address(call)):
            if not await context.passwords.verify(account.password, password):
                await context.note("proof_failed", call, call.user())
                raise bad_password()
        await context.throttle.forget(counted)

    def session(self, call: Call) -> UUID:
        """The session by which this came. Raises Forbidden for what is none."""
        if call.actor.label:
            raise Forbidden("this is for who it is about alone", code="impersonated")
        if not call.actor.session:
            call.user()
            raise no_session()
        return UUID(call.actor.session)

    def fresh(self, call: Call) -> UUID:
        """The same, where they proved lately who they are. Raises Forbidden."""
        session = self.session(call)
        if not call.actor.fresh(minutes=FRESH_MINUTES):
            raise Forbidden(
                f"this needs a proof of who one is within {FRESH_MINUTES} minutes",
                code="confirm_first",
                hint="POST …/auth/confirm with the password, or log in again",
            )
        return session

    async def list(self, call: Call) -> Reply:
        """Where one is logged in."""
        context = self._context
        self.session(call)
        account = await context.account_of(call.user())
        found = await context.sessions.of(account.id)
        return Reply(200, {"items": [shown_session(row, call.actor.session) for row in found]})

    async def end(self, call: Call) -> Reply:
        """Ends one of one's sessions."""
        context = self._context
        self.session(call)
        account = await context.account_of(call.user())
        found = await context.sessions.of(account.id)
        record = one_of(found, call.place[0], "there is no such session")
        over = partial(context.sessions.delete, record=record)
        await context.noted("session_ended", call, over, call.user(), str(record.id), ends=True)
        return Reply(204)

    async def end_all(self, call: Call) -> Reply:
        """Ends all of one's sessions, this one too unless it is about the others."""
        context = self._context
        session = self.session(call)
        kept = session if "others" in call.query else None
        account = await context.account_of(call.user())
        over = partial(context.sessions.over, account=account.id, but=kept)
        await context.noted("sessions_ended", call, over, call.user(), ends=True)
        return Reply(204, None, () if kept else (context.cookie("", 0),))


def shown_session(record: Any, current: str) -> dict[str, Any]:
    names = ("created", "seen", "expires")
    fields = type(record).__spec__.fields
    return {
        "id": str(record.id),
        "kind": record.kind,
        "current": str(record.id) == current,
        **{name: fields[name].kind.show(getattr(record, name)) for name in names},
        "methods": record.methods,
        "address": record.address,
        "agent": record.agent,
    }
