"""Members of organisations: invitations are mailed and accepted, and all of it is in the trail."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from pydantic import with_config
from typing_extensions import TypedDict

from abaft.auth.calls import Call, Endpoint, Reply
from abaft.auth.codes import NOTHING, Codes, bad_code
from abaft.auth.context import KEEPER, Context
from abaft.auth.groups import invitations_of
from abaft.auth.joining import TOKEN
from abaft.auth.login import STRICT, LoginFlows
from abaft.base import clock
from abaft.base.actor import Actor
from abaft.base.errors import Forbidden, Invalid, NotFound, Problem
from abaft.db import Database
from abaft.model.relations import MEMBERSHIPS
from abaft.model.tenancy import GROUP, USER
from abaft.observe.events import AccountEvent

PURPOSE = "membership"
MOST = timedelta(days=90)
"""For how long somebody can be invited."""
NAME = 60
"""Characters of an organisation's name in a mail."""


@with_config(STRICT)
class Accept(TypedDict):
    token: TOKEN


class Member(TypedDict):
    organisation: str
    membership: str
    role: str


class Members:
    """What accounts have to do with memberships and invitations to them."""

    def __init__(self, context: Context, codes: Codes, login: LoginFlows) -> None:
        self._context, self._codes, self._login = context, codes, login
        schema = context.pipeline.schema
        found = invitations_of(schema)
        self._invitations: Any = None if found is None else found.cls
        ties = context.users.many.get(MEMBERSHIPS)
        self._ties: Any = None if ties is None else schema.models[ties.target].cls

    def rows(self) -> list[Endpoint]:
        """The endpoints, where there are invitations."""
        if self._invitations is None:
            return []
        return [
            Endpoint(
                "POST", "memberships/accept", self.accept, "Accept an invitation", Accept, Member,
                raised=(403,),
            )
        ]  # fmt: skip

    async def note(self, what: str, record: Any, me: Actor, db: Database) -> None:
        """Puts a write into the trail, within its transaction.

        Who accepts has an event of their own, which tells from where.
        """
        if me != KEEPER:
            user, detail = _shown(record)
            await self._context.trail.add(
                db.as_actor(KEEPER),
                what,
                record,
                actor=me.name,
                user=user,
                session=me.session,
                detail=detail,
            )

    def tell(self, what: str, record: Any, me: Actor) -> None:
        """Tells the log, once that has landed."""
        if me != KEEPER:
            user, detail = _shown(record)
            self._context.observer.emit(AccountEvent(what, user, "", me.session, detail))

    async def admit(self, invitation: Any, me: Actor) -> None:
        """Raises Invalid for a time that is none, and TooManyRequests for one mail too many."""
        now = clock.now()
        if not now < invitation.expires <= now + MOST:
            detail = f"an invitation ends within {MOST.days} days from now"
            code = "greater_than" if invitation.expires <= now else "less_than_equal"
            raise Invalid(detail, errors=[Problem("/expires", code, detail)])
        mails = [("mailbox", f"{PURPOSE} {invitation.email.lower()}")]
        if not me.system:
            mails.append(("mails", f"{PURPOSE} {me.id}"))
        await self._context.throttle.spend(*mails)

    async def invite(self, invitation: Any, me: Actor) -> None:
        """Mails the invitation; who has no account gets a link by which to make one."""
        context, email, key = self._context, invitation.email, invitation.__written__
        minutes = (invitation.expires - clock.now()) / timedelta(minutes=1)
        group = invitation.organisation.__written__
        subject = _subject(key)
        token = await self._codes.make(
            PURPOSE, email, subject, minutes, invitation=key, organisation=group
        )
        joins = self._registers(me) and await context.by_email(email) is None
        # Stored in any case: how long it takes tells the inviter nothing.
        register = await self._codes.make("register" if joins else NOTHING, email, subject, minutes)
        mailer = context.mailer
        mailer.send(
            email,
            PURPOSE,
            link=mailer.link(PURPOSE, token),
            register=mailer.link("register", register) if joins else "",
            organisation=await self._name(invitation.organisation),
            until=f"{invitation.expires:%Y-%m-%d %H:%M} UTC",
        )

    def _registers(self, me: Actor) -> bool:
        """Whether the mail may lead to a new account: members are no administrators."""
        registration = self._context.settings.registration
        return registration == "open" or (registration == "invited" and me.system)

    async def _name(self, group: Any) -> str:
        """The organisation's name, of which no reader of mails makes a link."""
        record = await self._context.db.get(type(group), group.__written__)
        text = str(getattr(record, "name", ""))
        plain = "".join(char for char in text if char.isalnum() or char in " -'&,")
        return plain[:NAME].strip()

    async def withdraw(self, invitation: Any, me: Actor, db: Database) -> None:
        """Its links are worth nothing any more."""
        if me != KEEPER:
            subject = _subject(invitation.__written__)
            await self._codes.drop(invitation.email, subject, db.as_actor(KEEPER))

    async def accept(self, call: Call) -> Reply:
        """A membership for who has proved to have the address that was invited."""
        context = self._context
        self._login.session(call)
        code = await self._codes.find(PURPOSE, call.body["token"])
        account = await context.account_of(call.user())
        address = account.verified or ""
        if address != account.user.email or address.lower() != code.email.lower():
            raise Forbidden(
                "this invitation went to an address that isn't proved to be yours",
                code="other_address",
            )

        async def accepted(db: Database) -> Any:
            invitation = await self._taken(db, code)
            return await self._tie(db, account.user, invitation)

        data = code.data
        detail = f"organisation: {data['organisation']}; invitation: {data['invitation']}"
        tie = await context.noted("member_joined", call, accepted, call.user(), detail)
        group = tie.organisation.__written__
        shown: Member = {"organisation": group, "membership": tie.__written__, "role": tie.role}
        return Reply(200, shown)

    async def _taken(self, db: Database, code: Any) -> Any:
        """The invitation, used up: of several who try at once one has it."""
        try:
            invitation: Any = await db.get(self._invitations, code.data["invitation"])
            await db.delete(invitation)
        except NotFound:
            raise bad_code() from None
        await self._codes.use(db, code)
        await self._codes.drop(code.email, code.subject, db)
        if clock.now() >= invitation.expires:
            raise bad_code()
        return invitation

    async def _tie(self, db: Database, user: Any, invitation: Any) -> Any:
        """The new membership; who is a member already stays what they are."""
        group = invitation.organisation
        found = await db.list(
            self._ties, lambda row: (row.user == user) & (row.organisation == group), limit=1
        )
        if found:
            return found[0]
        return await db.create(self._ties, user=user, organisation=group, role=invitation.role)


def _subject(invitation: str) -> str:
    return f"invitation {invitation}"


def _shown(record: Any) -> tuple[str, str]:
    """Whose event it is, and what it tells; of an invitation the key, and no address."""
    group = getattr(record, GROUP, None)
    if group is None:
        return "", f"organisation: {record.__written__}"
    detail = f"organisation: {group.__written__}; role: {record.role}"
    user = getattr(record, USER, None)
    if user is None:
        return "", f"{detail}; invitation: {record.__written__}"
    return user.__written__, detail
