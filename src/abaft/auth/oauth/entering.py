"""From who somebody is elsewhere to an account: never to another's, and never to one unproved."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from abaft.auth.calls import Call, Reply
from abaft.auth.codes import Codes, bad_code
from abaft.auth.context import Context
from abaft.auth.joining import JoiningFlows, checked_email
from abaft.auth.login import LoginFlows
from abaft.auth.oauth.identities import Identities
from abaft.auth.oauth.providers import Profile, Provider
from abaft.auth.sessions import Kind
from abaft.base import clock
from abaft.base.errors import Conflict, Forbidden, Invalid, NotFound
from abaft.db import Database

CONFIRM = "identity"
"""The purpose of a code by which a mail's reader links an identity."""


class Entering:
    """What a proved identity opens: its account, a new one, or a mail to who owns the address."""

    def __init__(
        self,
        context: Context,
        codes: Codes,
        login: LoginFlows,
        joining: JoiningFlows,
        identities: Identities,
    ) -> None:
        self._context, self._codes = context, codes
        self._login, self._joining, self._identities = login, joining, identities

    async def enter(
        self, call: Call, profile: Profile, provider: Provider, kind: Kind, given: dict[str, Any]
    ) -> Reply:
        """A session, or the turn of a second factor. Raises Conflict and Forbidden.

        `given` is what they say of themselves, in case the account is made now.
        """
        found = await self._again(call, profile, kind)
        if found is not None:
            return found
        email = self._email(profile)
        there = None if email is None else await self._context.user_by_email(email)
        if there is not None:
            # To the address as it is stored, whatever spelling of it the provider has.
            await self._ask_by_mail(call, there.email, profile, provider)
        try:
            account = await self._joined(call, email, profile, given)
        except Conflict:
            # Another log-in of theirs was quicker, or somebody took the address meanwhile.
            found = await self._again(call, profile, kind)
            if found is not None:
                return found
            raise
        return await self._login.opened(call, account, kind, [method(profile)], 201)

    async def _again(self, call: Call, profile: Profile, kind: Kind) -> Reply | None:
        identity = await self._identities.known(profile)
        if identity is None:
            return None
        context = self._context
        account = await context.account_of(context.sessions.subject(identity.account))
        if account.disabled:
            raise Forbidden("this account is shut: ask who runs the app", code="account_disabled")
        await self._identities.used(identity, profile)
        return await self._login.first(call, account, kind, method(profile))

    def _email(self, profile: Profile) -> str | None:
        """The address, in its usual spelling; None for one that can't be an address here."""
        if profile.email is None:
            return None
        try:
            return checked_email(profile.email)
        except Invalid:
            return None

    async def _ask_by_mail(
        self, call: Call, email: str, profile: Profile, provider: Provider
    ) -> None:
        """Writes to the address that somebody here has already; raises Conflict in any case."""
        context = self._context
        await self._joining.spend(call, email)
        token = await self._codes.make(
            CONFIRM, email, provider=profile.provider, issuer=profile.issuer, who=profile.subject
        )
        languages = call.headers.get("accept-language", "")
        link = context.mailer.link(CONFIRM, token)
        context.mailer.send(
            email, "identity_confirm", languages, link=link, provider=provider.shown
        )
        await context.note("identity_asked", call, "", profile.provider)
        raise Conflict(
            "there is an account with this address: log in to it and link the provider there, or "
            "follow the link that was mailed",
            code="confirm_by_mail",
        )

    async def confirm(self, call: Call) -> Reply:
        """A session for who followed the mail's link: the identity is linked."""
        kind = call.body.get("session", "cookie")
        self._login.check_origin(call, kind)
        code = await self._codes.find(CONFIRM, call.body["token"])
        data = code.data
        profile = Profile(data["provider"], data["issuer"], data["who"], code.email)
        account = await self._linked(call, code, profile)
        return await self._login.first(call, account, kind, method(profile))

    async def _linked(self, call: Call, code: Any, profile: Profile) -> Any:
        """The account of the mail's address, with the identity.

        Whoever made it without proving the address is put out: else somebody could make an account
        in another's name, and wait for them to come.
        """
        context = self._context
        user = await context.user_by_email(code.email)
        known = await context.by_email(code.email)
        if user is None or (known is not None and known.disabled):
            raise bad_code()

        async def linked(db: Database) -> Any:
            await self._codes.use(db, code)
            account = known
            if account is None:
                account = await self._account(db, user, code.email, [])
            elif await context.sessions.claim(db, account, account.user.email):
                await self._codes.forget(code.email, db)
            await self._identities.add(db, account, profile)
            return account

        title, subject = self._identities.title(profile.provider), context.sessions.subject
        try:
            account = await context.noted(
                "identity_linked", call, linked, subject, title, ends=True
            )
        except Conflict:
            raise bad_code() from None
        self._identities.tell(call, account, "identity_linked", title)
        return await context.account_of(subject(account))

    async def _account(self, db: Database, user: Any, email: str | None, roles: list[str]) -> Any:
        model = self._context.models.account
        account = await db.create(model, user=user, password=None, roles=roles, verified=email)
        account.__dict__["user"] = user
        return account

    async def _joined(
        self, call: Call, email: str | None, profile: Profile, given: dict[str, Any]
    ) -> Any:
        context = self._context
        invitation = await self._admitted(email)
        values = self._values(email, profile, given)
        address = {} if email is None else {"email": email}

        async def joined(db: Database) -> Any:
            if invitation is not None:
                await self._codes.use(db, invitation)
            user: Any = await db.create(context.models.user, **address, **values)
            roles = [] if invitation is None else invitation.data["roles"]
            account = await self._account(db, user, email, roles)
            await self._identities.add(db, account, replace(profile, email=email))
            return account

        subject, provider = context.sessions.subject, profile.provider
        return await context.noted("joined", call, joined, subject, provider)

    async def _admitted(self, email: str | None) -> Any:
        """The invitation of the address, or None where none is needed. Raises Forbidden."""
        settings = self._context.settings
        if settings.registration == "closed":
            raise Forbidden("nobody makes an account here", code="registration_closed")
        if email is None and (settings.email_verification or settings.registration == "invited"):
            raise Forbidden(
                "the provider doesn't vouch for an address of yours: verify it there, or make an "
                "account here first and link the provider to it",
                code="email_unproved",
            )
        invitation = None if email is None else await self._invitation(email)
        if invitation is None and settings.registration == "invited":
            raise Forbidden("accounts are for who was invited", code="not_invited")
        return invitation

    async def _invitation(self, email: str) -> Any:
        now = clock.now()
        found = await self._context.db.list(
            self._context.models.code,
            lambda row: (row.email == email) & (row.purpose == "register") & (row.expires > now),
            sort="-created",
        )
        return next((row for row in found if "roles" in row.data), None)

    def _values(self, email: str | None, profile: Profile, given: dict[str, Any]) -> dict[str, Any]:
        """What they say of themselves, and else the provider's name for them. Raises Invalid."""
        if "name" in self._context.models.user.__registers__ and profile.name.strip():
            name = "".join(char for char in profile.name if char.isprintable()).strip()
            try:
                return self._joining.values({"name": name, **given}, email)
            except Invalid:
                pass  # it may be too long, or of another form than the field wants
        return self._joining.values(given, email)

    async def link(self, call: Call, account: Any, profile: Profile, provider: Provider) -> None:
        """Links it to the account of who has logged in; again is nothing. Raises Conflict."""
        context = self._context
        known = await self._identities.known(profile)
        if known is not None and known.account.id == account.id:
            return

        async def linked(db: Database) -> None:
            await self._identities.add(db, account, profile)

        user, title = context.sessions.subject(account), provider.shown
        try:
            await context.noted("identity_linked", call, linked, user, title)
        except Conflict as fault:
            if fault.code == "too_many_keys":
                raise
            raise Conflict(
                "somebody else's account is linked to this identity", code="identity_taken"
            ) from fault
        self._identities.tell(call, account, "identity_linked", title)

    async def owner(self, user: str) -> Any:
        """The account of who has logged in, unless it is shut. Raises Forbidden."""
        try:
            account = await self._context.account_of(user)
        except NotFound:
            raise Forbidden("there is no such account", code="account_disabled") from None
        if account.disabled:
            raise Forbidden("this account is shut", code="account_disabled")
        return account


def method(profile: Profile) -> str:
    """What a session and the trail call the way in; no other way is called so."""
    return f"with.{profile.provider}"
