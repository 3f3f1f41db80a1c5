"""Making accounts: registration, open or by invitation, and the first password."""

from __future__ import annotations

from typing import Annotated, Any, Literal, NotRequired

import orjson
from pydantic import Field, TypeAdapter, ValidationError, with_config
from typing_extensions import TypedDict

from abaft.auth.calls import Call, Reply
from abaft.auth.codes import NOTHING, Codes, bad_code
from abaft.auth.context import Context
from abaft.auth.login import STRICT, Address, LoginFlows, Password
from abaft.base.errors import Conflict, Forbidden, Invalid, Problem
from abaft.db import Database
from abaft.guard.networks import network
from abaft.guard.passwords import faults_of
from abaft.model.kinds import Email
from abaft.model.values import summary

TOKEN = Annotated[str, Field(max_length=200)]
_MAILED = {"detail": "if this address can be written to, there is a mail with what to do next"}
INVITED_DAYS = 7
_EMAIL: TypeAdapter[str] = TypeAdapter(Email(limits=(("max_length", 254),)).limited())


class Mailed(TypedDict):
    detail: str


@with_config(STRICT)
class Register(TypedDict):
    email: Address


@with_config(STRICT)
class RegisterAtOnce(TypedDict):
    email: Address
    password: Password
    user: NotRequired[dict[str, Any]]
    session: NotRequired[Literal["cookie", "bearer"]]


@with_config(STRICT)
class Finish(TypedDict):
    token: TOKEN
    password: Password
    user: NotRequired[dict[str, Any]]
    session: NotRequired[Literal["cookie", "bearer"]]


@with_config(STRICT)
class Invite(TypedDict):
    email: Address
    roles: NotRequired[list[Annotated[str, Field(pattern=r"^[A-Za-z0-9_.-]{1,60}$")]]]


def checked_email(text: str, pointer: str = "/email") -> str:
    """The address in its usual spelling. Raises Invalid."""
    try:
        found: str = _EMAIL.validate_python(text)
        return found
    except ValidationError as error:
        row = error.errors(include_url=False, include_input=False, include_context=False)[0]
        problem = Problem(pointer, "format", row["msg"])
        raise Invalid(summary([problem]), errors=[problem]) from None


class JoiningFlows:
    """The endpoints by which accounts come to be."""

    def __init__(self, context: Context, codes: Codes, login: LoginFlows) -> None:
        self._context, self._codes, self._login = context, codes, login

    async def register(self, call: Call) -> Reply:
        """A mail to the address: with a link, or saying that there is an account already."""
        context, email = self._context, checked_email(call.body["email"])
        await self.spend(call, email, "register")
        account = await context.by_email(email)
        opens = account is None and context.settings.registration == "open"
        token = await self._codes.make("register" if opens else NOTHING, email)
        self._write(call, email, "register" if opens else "exists", token)
        await context.note("register", call)
        return Reply(202, _MAILED)

    async def spend(self, call: Call, email: str, what: str = "") -> None:
        """Raises TooManyRequests where there were too many mails already.

        Each kind counts by itself: mails that a stranger asks for keep no reset from its owner.
        """
        digest = "mailbox", f"{what} {email.lower()}"
        await self._context.throttle.spend(digest, ("mails", network(call.address)))

    def _write(self, call: Call, email: str, mail: str, token: str) -> None:
        mailer = self._context.mailer
        languages = call.headers.get("accept-language", "")
        if mail in ("register", "invitation"):
            link = mailer.link("register", token)
            mailer.send(email, mail, languages, link=link, days=INVITED_DAYS)
        else:
            mailer.send(email, mail, languages)

    async def invite(self, call: Call) -> Reply:
        """An administrator's invitation: a link with which the account can be made."""
        if not call.actor.system:
            call.user()
            raise Forbidden("an administrator invites")
        context, email = self._context, checked_email(call.body["email"])
        roles = call.body.get("roles", [])
        minutes = INVITED_DAYS * 24 * 60
        token = await self._codes.make("register", email, minutes=minutes, roles=roles)
        self._write(call, email, "invitation", token)
        await context.note("invited", call)
        return Reply(202, _MAILED)

    async def finish(self, call: Call) -> Reply:
        """The account, and a session in it, for who followed the link."""
        body = call.body
        self._login.check_origin(call, body.get("session", "cookie"))
        code = await self._codes.find("register", body["token"])
        account = await self._joined(call, code.email, code.data.get("roles", []), code)
        return await self._begun(call, account)

    async def at_once(self, call: Call) -> Reply:
        """The account without a mail: where addresses needn't be verified."""
        body = call.body
        self._login.check_origin(call, body.get("session", "cookie"))
        email = checked_email(body["email"])
        await self._context.throttle.spend(("mails", network(call.address)))
        account = await self._joined(call, email, [], None)
        return await self._begun(call, account)

    async def _begun(self, call: Call, account: Any) -> Reply:
        kind = call.body.get("session", "cookie")
        return await self._login.opened(call, account, kind, ["password"], 201)

    async def _joined(self, call: Call, email: str, roles: list[str], code: Any) -> Any:
        context, body = self._context, call.body
        values = self.values(body.get("user", {}), email)
        await self.check_password(body["password"], email, *map(str, values.values()))
        hashed = await context.passwords.hashed(body["password"])
        verified = None if code is None else email

        async def joined(db: Database) -> Any:
            if code is not None:
                await self._codes.use(db, code)
            user = await self._user(db, email, values, verified)
            known = {"password": hashed, "roles": roles, "verified": verified}
            account = await db.create(context.models.account, user=user, **known)
            account.__dict__["user"] = user
            return account

        try:
            return await context.noted("joined", call, joined, context.sessions.subject)
        except Conflict as fault:
            # Another was quicker to join with the same address.
            raise (bad_code() if verified else taken()) from fault

    async def _user(
        self, db: Database, email: str, values: dict[str, Any], verified: str | None
    ) -> Any:
        """The user: one that is there already with this verified address, or a new one."""
        context = self._context
        model: Any = context.models.user
        found = await db.list(model, lambda row: row.email == email, limit=1)
        user: Any = found[0] if found else None
        if user is None:
            return await db.create(context.models.user, email=email, **values)
        if verified is None or await context.by_email(email) is not None:
            raise bad_code() if verified else taken()
        return await db.update(user, **values) if values else user

    async def check_password(self, password: str, *own: str) -> None:
        """Raises Invalid for a password that nobody should have."""
        context = self._context
        words = tuple(word.strip() for word in context.settings.password_words.split(","))
        problems = faults_of(password, "/password", own=own, words=words)
        if not problems and await context.breaches.known(password):
            detail = "this password was in a breach, where many know it: take another one"
            problems = [Problem("/password", "breached_password", detail)]
        if problems:
            raise Invalid(summary(problems), errors=problems)

    def values(self, given: dict[str, Any], email: str | None) -> dict[str, Any]:
        """What one may say of oneself: the fields that the model names, and no others.

        Raises Invalid, for what is missing too.
        """
        context = self._context
        allowed = context.models.user.__registers__
        wrong = [
            Problem(f"/user/{name}", "unknown_field", f"known: {', '.join(allowed) or 'none'}")
            for name in given
            if name not in allowed
        ]
        if wrong:
            raise Invalid(summary(wrong), errors=wrong)
        validators = context.pipeline.validators[context.users.name]
        try:
            values = validators.create(orjson.dumps({**given, "email": email}))
        except Invalid as fault:
            raise fault.within("/user") from None
        values.pop("email", None)
        return values


def taken() -> Conflict:
    """Only where addresses aren't verified: then there is no way to keep it from who asks."""
    detail = "there is an account with this address already"
    return Conflict(detail, code="email_taken", errors=[Problem("/email", "email_taken", detail)])
