"""Changing a password, and having one reset that was forgotten."""

from __future__ import annotations

from typing import Any, NotRequired

from pydantic import with_config
from typing_extensions import TypedDict

from abaft.auth.calls import Call, Reply
from abaft.auth.codes import NOTHING, Codes, bad_code
from abaft.auth.context import Context
from abaft.auth.joining import TOKEN, JoiningFlows, Register, checked_email
from abaft.auth.login import STRICT, LoginFlows, Password, bad_password
from abaft.auth.sessions import Opened
from abaft.base.errors import Fault
from abaft.db import Database

_MAILED = {"detail": "if there is an account with this address, there is a mail with a link"}
Forgot = Register


@with_config(STRICT)
class Change(TypedDict):
    current: NotRequired[Password]
    password: Password


@with_config(STRICT)
class Reset(TypedDict):
    token: TOKEN
    password: Password


class PasswordFlows:
    """The endpoints of passwords."""

    def __init__(
        self, context: Context, codes: Codes, login: LoginFlows, joining: JoiningFlows
    ) -> None:
        self._context, self._codes = context, codes
        self._login, self._joining = login, joining

    async def change(self, call: Call) -> Reply:
        """Another password, for who knows this one: all other sessions are over."""
        context, body = self._context, call.body
        session = self._login.session(call)
        account = await self._login.prove(call, "current")
        await self._joining.check_password(body["password"], *_own(account))
        hashed = await context.passwords.hashed(body["password"])

        async def changed(db: Database) -> Opened:
            opened = await context.sessions.confirmed(db, session, ["password"])
            await self._replace(db, account, hashed)
            await context.sessions.over(db, account.id, session)
            return opened

        opened = await context.noted("password_changed", call, changed, call.user(), ends=True)
        self._tell(call, account)
        return Reply(200, await context.logged_in(opened, account), context.cookies(opened))

    async def _replace(self, db: Database, account: Any, hashed: str) -> None:
        """Raises Unauthorized where it isn't the one any more that was proved."""
        key, stored, model = account.id, account.password, self._context.models.account
        found = await db.update_where(
            model,
            lambda row: (row.id == key) & (row.password == stored),
            limit=1,
            password=hashed,
        )
        if not found:
            raise bad_password()

    def _tell(self, call: Call, account: Any) -> None:
        if account.user.email is not None:
            languages = call.headers.get("accept-language", "")
            self._context.mailer.send(account.user.email, "password_changed", languages)

    async def leave(self, call: Call) -> Reply:
        """Deletes one's own account and user, with all that goes with them."""
        context = self._context
        self._login.session(call)
        account = await self._login.prove(call)
        user, email = context.sessions.subject(account), account.user.email

        async def gone(db: Database) -> None:
            await context.sessions.over(db, account.id)
            await db.delete(account.user)
            if email is not None:
                await self._codes.forget(email, db)

        await context.noted("left", call, gone, user, ends=True)
        return Reply(204, None, (context.cookie("", 0),))

    async def forgot(self, call: Call) -> Reply:
        """A mail with a link, or saying that there is no such account."""
        context, email = self._context, checked_email(call.body["email"])
        await self._joining.spend(call, email, "reset")
        account = await context.by_email(email)
        usable = account is not None and not account.disabled
        subject = context.sessions.subject(account) if usable else ""
        # A mail goes to the address as it is stored, whatever spelling of it was asked about.
        stored = account.user.email if usable else email
        token = await self._codes.make("reset" if usable else NOTHING, stored, subject)
        mailer, languages = context.mailer, call.headers.get("accept-language", "")
        if usable:
            mailer.send(stored, "reset", languages, link=mailer.link("reset", token))
        else:
            mailer.send(stored, "nobody", languages)
        await context.note("reset_asked", call, subject)
        return Reply(202, _MAILED)

    async def reset(self, call: Call) -> Reply:
        """Another password, for who followed the link: all sessions are over."""
        context, body = self._context, call.body
        code = await self._codes.find("reset", body["token"])
        account = await self._still(code)
        await self._joining.check_password(body["password"], *_own(account))
        hashed = await context.passwords.hashed(body["password"])

        async def replaced(db: Database) -> None:
            await self._codes.use(db, code)
            await context.sessions.claim(db, account, code.email)
            await context.sessions.over(db, account.id, password=hashed, verified=code.email)
            await self._codes.forget(code.email, db)

        await context.noted("password_reset", call, replaced, code.subject, ends=True)
        self._tell(call, account)
        return Reply(204)

    async def _still(self, code: Any) -> Any:
        """The account of the code, if its address is still the one that was written to."""
        try:
            account = await self._context.account_of(code.subject)
        except Fault:
            raise bad_code() from None
        if account.disabled or account.user.email != code.email:
            raise bad_code()
        return account


def _own(account: Any) -> tuple[str, ...]:
    """What a password of theirs mustn't be: their address and name."""
    return (account.user.email or "", getattr(account.user, "name", ""))
