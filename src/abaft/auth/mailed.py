"""What a mail proves: a log-in by link or by code, and that a new address is one's own."""

from __future__ import annotations

import hmac
from collections.abc import Awaitable, Callable
from typing import Annotated, Any, Literal, NotRequired

from pydantic import Field, with_config
from typing_extensions import TypedDict

from abaft.auth.calls import Call, Endpoint, Reply
from abaft.auth.codes import NOTHING, Codes, bad_code
from abaft.auth.context import Context
from abaft.auth.devices import Devices
from abaft.auth.joining import TOKEN, JoiningFlows, Mailed, checked_email
from abaft.auth.login import STRICT, Address, FactorAsked, LoggedIn, LoginFlows, Password
from abaft.base import clock, ids
from abaft.base.errors import Conflict, Fault, NotFound
from abaft.db import Database
from abaft.guard.signing_keys import keyed_digest

MAGIC, DIGITS, LEAVE, CHANGE = "magic", "digits", "email_leave", "email_change"
DECOY = "digits_decoy"
"""What is kept in the place of digits where there is nobody to send any to."""
MINUTES = 10
"""For how long at most one may log in by a mail (OWASP ASVS 5.0, 6.5.5)."""
TRIES = 3
"""Wrong digits that a code survives."""
_MAILED = {"detail": "if there is an account with this address, there is a mail"}
_CHANGING = {"detail": "there is a mail to both addresses: each has a link to be followed"}


@with_config(STRICT)
class MailMe(TypedDict):
    email: Address
    by: NotRequired[Literal["link", "code"]]


class LoginMailed(TypedDict):
    detail: str
    token: NotRequired[Annotated[str, Field(description="With digits: goes along with them")]]


@with_config(STRICT)
class ByLink(TypedDict):
    token: TOKEN
    session: NotRequired[Literal["cookie", "bearer"]]


@with_config(STRICT)
class ByDigits(TypedDict):
    token: TOKEN
    code: Annotated[str, Field(max_length=20)]
    session: NotRequired[Literal["cookie", "bearer"]]


@with_config(STRICT)
class NewEmail(TypedDict):
    email: Address
    password: NotRequired[Password]


@with_config(STRICT)
class Agree(TypedDict):
    token: TOKEN


class Agreed(TypedDict):
    changed: bool


def _stored(account: Any, email: str) -> str:
    """The address as codes have it, in whatever spelling it was asked about."""
    return email.lower() if account is None else str(account.user.email)


class MailedFlows:
    """The endpoints of log-ins by mail and of changed addresses."""

    def __init__(
        self,
        context: Context,
        codes: Codes,
        devices: Devices,
        login: LoginFlows,
        joining: JoiningFlows,
    ) -> None:
        self._context, self._codes, self._devices = context, codes, devices
        self._login, self._joining = login, joining

    def rows(self) -> list[Endpoint]:
        """The endpoints."""
        by_mail: dict[str, Any] = {"known": False, "raised": (401, 403, 429)}
        also = ((202, FactorAsked),)
        return [
            Endpoint(
                "POST", "mail", self.mail_me, "Have a link or code to log in mailed", MailMe,
                LoginMailed, 202, known=False, raised=(429,),
            ),
            Endpoint(
                "POST", "mail/link", self.by_link, "Log in by a link", ByLink, LoggedIn,
                also=also, **by_mail,
            ),
            Endpoint(
                "POST", "mail/code", self.by_digits, "Log in by a code", ByDigits, LoggedIn,
                also=also, **by_mail,
            ),
            Endpoint(
                "POST", "email", self.change, "Change the address", NewEmail, Mailed, 202,
                raised=(429,),
            ),
            Endpoint(
                "POST", "email/agree", self.agree, "Agree to the change", Agree, Agreed,
                known=False, raised=(401,),
            ),
        ]  # fmt: skip

    async def mail_me(self, call: Call) -> Reply:
        """A mail with a link or digits, or saying that there is no such account."""
        context, email = self._context, checked_email(call.body["email"])
        await self._joining.spend(call, email, call.body.get("by", "link"))
        account = await context.by_email(email)
        usable = account is not None and not account.disabled
        stored = _stored(account, email)
        subject = context.sessions.subject(account) if usable else ""
        mailer, languages = context.mailer, call.headers.get("accept-language", "")
        life = min(context.settings.code_minutes, MINUTES)
        told, answer = {"minutes": round(life)}, dict(_MAILED)
        if call.body.get("by") == "code":
            digits = ids.word("0123456789", 8)
            digest = self._digest(stored, digits)
            purpose = DIGITS if usable else DECOY
            answer["token"] = await self._codes.make(purpose, stored, subject, life, digest=digest)
            if usable:
                code = f"{digits[:4]} {digits[4:]}"
                mailer.send(stored, "code", languages, code=code, **told)
        else:
            token = await self._codes.make(MAGIC if usable else NOTHING, stored, subject, life)
            if usable:
                mailer.send(stored, "magic", languages, link=mailer.link("magic", token), **told)
        if not usable:
            mailer.send(email if account is None else stored, "nobody", languages)
        return Reply(202, answer)

    def _digest(self, email: str, digits: str) -> str:
        return keyed_digest(self._context.key, "digits", f"{email.lower()} {digits}")

    async def by_link(self, call: Call) -> Reply:
        """A session for who followed the link."""
        code = await self._codes.find(MAGIC, call.body["token"])
        return await self._proved(call, code)

    async def by_digits(self, call: Call) -> Reply:
        """A session for who read the digits, where they were asked for: few wrong ones end them.

        The token came with the answer to who asked, so that digits that somebody was talked into
        telling, or that were read over a shoulder, are worth nothing elsewhere.
        """
        context, digits = self._context, call.body["code"].replace(" ", "")
        async with context.throttle.trying(context.address(call)):
            code = await self._codes.find(DIGITS, call.body["token"], DECOY)
            async with context.throttle.trying(self._devices.subject(call, code.email)):
                if code.tries >= TRIES:
                    raise bad_code()
                await self._try(code)
                digest = self._digest(code.email, digits)
                right = hmac.compare_digest(code.data["digest"], digest)
                if not right or code.purpose != DIGITS:
                    raise bad_code()
                return await self._proved(call, code)

    async def _try(self, code: Any) -> None:
        """Counts a try before it is looked at, so that of many at once no more are."""
        id_, tries = code.id, code.tries
        found = await self._context.db.update_where(
            self._context.models.code,
            lambda row: (row.id == id_) & (row.tries == tries),
            limit=1,
            tries=tries + 1,
        )
        if not found:
            raise bad_code()

    async def _proved(self, call: Call, code: Any) -> Reply:
        context, kind = self._context, call.body.get("session", "cookie")
        self._login.check_origin(call, kind)
        account = await self._owner(code)
        if account.verified == code.email:
            await self._codes.use(context.db, code)
        else:
            claimed = self._claimed(account, code)
            await context.noted("claimed", call, claimed, code.subject, ends=True)
            account = await context.account_of(code.subject)
        return await self._login.first(call, account, kind, "mail")

    def _claimed(self, account: Any, code: Any) -> Callable[[Database], Awaitable[None]]:
        async def claimed(db: Database) -> None:
            await self._codes.use(db, code)
            await self._context.sessions.claim(db, account, code.email)

        return claimed

    async def _owner(self, code: Any) -> Any:
        """The account of the code, if its address is still the one that was written to."""
        try:
            account = await self._context.account_of(code.subject)
        except Fault:
            raise bad_code() from None
        if account.disabled or account.user.email != code.email:
            raise bad_code()
        return account

    async def change(self, call: Call) -> Reply:
        """Mails to the old and the new address: both have to agree."""
        context, new = self._context, checked_email(call.body["email"])
        self._login.session(call)
        account = await self._login.prove(call)
        await self._joining.spend(call, new, "change")
        user, old = context.sessions.subject(account), account.user.email
        free = await context.user_by_email(new) is None
        mailer, languages = context.mailer, call.headers.get("accept-language", "")
        pair = ids.secret()
        half: dict[str, Any] = {"new": new, "pair": pair, "done": old is None}
        token = await self._codes.make(CHANGE if free else NOTHING, new, user, **half)
        if free:
            mailer.send(new, CHANGE, languages, link=mailer.link("email", token))
        else:
            mailer.send(new, "exists", languages)
        if old is not None:
            token = await self._codes.make(LEAVE if free else NOTHING, old, user, **half)
            link = mailer.link("email", token)
            mailer.send(old, LEAVE, languages, link=link, new=new)
        await context.note("email_change_asked", call, user)
        return Reply(202, _CHANGING)

    async def agree(self, call: Call) -> Reply:
        """One of the two links; the second of them changes the address."""
        context, token = self._context, call.body["token"]
        try:
            code = await self._codes.find(CHANGE, token)
        except Fault:
            code = await self._codes.find(LEAVE, token)
        account = await context.account_of(code.subject)
        old = account.user.email
        done, new = code.data["done"], code.data["new"]
        what = "email_changed" if done else "email_agreed"

        async def agreed(db: Database) -> None:
            await self._codes.use(db, code)
            if done:
                await db.update(account.user, email=new)
                await context.sessions.over(db, account.id, verified=new)
                if old is not None:
                    await self._codes.forget(old, db)
            else:
                other = await self._other(db, code)
                await db.update(other, data={**other.data, "done": True})

        try:
            await context.noted(what, call, agreed, code.subject, ends=done)
        except (Conflict, NotFound):
            raise bad_code() from None
        if done and old is not None:
            languages = call.headers.get("accept-language", "")
            context.mailer.send(old, "email_changed", languages, new=new)
        return Reply(200, {"changed": done})

    async def _other(self, db: Any, code: Any) -> Any:
        subject, id_, now = code.subject, code.id, clock.now()
        wanted = LEAVE if code.purpose == CHANGE else CHANGE
        found = await db.list(
            self._context.models.code,
            lambda row: (row.subject == subject) & (row.purpose == wanted) & (row.expires > now),
        )
        for other in found:
            if other.id != id_ and other.data["pair"] == code.data["pair"]:
                return other
        raise NotFound("there is no such code")
