"""What all flows of accounts stand on: the data, the tokens, the mails and who is counted."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, TypeVar

from abaft.answers import Unit
from abaft.auth.authenticate import AccountTokens
from abaft.auth.breaches import Breaches
from abaft.auth.calls import Call
from abaft.auth.mail import Mailer
from abaft.auth.models import OwnModels
from abaft.auth.sessions import Opened, Sessions
from abaft.auth.trail import Trail
from abaft.auth.vault import Vault
from abaft.base import ids
from abaft.base.actor import Actor
from abaft.base.errors import NotFound
from abaft.base.settings import Settings
from abaft.db import Database
from abaft.guard.access_tokens import AccessTokens
from abaft.guard.networks import network
from abaft.guard.passwords import Passwords
from abaft.guard.throttle import Subject, Throttle
from abaft.model.declare import Model
from abaft.observe.events import AccountEvent, Observer
from abaft.pipeline import Pipeline

T = TypeVar("T")

KEEPER = Actor(system=True, label="accounts")
"""In whose name accounts are kept."""


@dataclass(frozen=True, eq=False)
class Context:
    """Shared by all endpoints."""

    pipeline: Pipeline
    settings: Settings
    models: OwnModels
    vault: Vault
    sessions: Sessions
    tokens: AccessTokens
    authenticator: AccountTokens
    passwords: Passwords
    throttle: Throttle
    mailer: Mailer
    breaches: Breaches
    observer: Observer
    trail: Trail

    @property
    def key(self) -> bytes:
        """What is kept is digested by it; it stays when the secret key changes."""
        return self.vault.key

    @cached_property
    def db(self) -> Database:
        """The data, above all rules."""
        return Database(self.pipeline, KEEPER)

    @property
    def users(self) -> Any:
        """The model of users."""
        return self.pipeline.schema.models[self.models.user.__name__]

    async def account_of(self, user: str) -> Any:
        """The account of a user. Raises NotFound where there is none."""
        key = self.user_key(user)
        found = await self.db.list(
            self.models.account, lambda row: row.user == key, expand=("user",), limit=1
        )
        if not found:
            raise NotFound("this user has no account: they have never logged in")
        return found[0]

    async def has_password(self, user: str) -> bool:
        """Whether there is an account of this user, and it has a password."""
        try:
            return (await self.account_of(user)).password is not None
        except NotFound:
            return False

    def user_key(self, written: str) -> Any:
        """The user of a written key, to compare with: a record with its key alone."""
        [name] = self.users.key
        try:
            value = self.users.fields[name].kind.parse(written)
        except ValueError:
            raise NotFound("there is no such user") from None
        return self.models.user(**{name: value})

    async def by_email(self, email: str) -> Any:
        """The account of an address, with its user; None: there is none. One query in any case."""
        email = email.replace("\0", "")  # no stored text has it, and no query takes it
        found = await self.db.list(
            self.models.account,
            lambda row: row.user.email == email,
            expand=("user",),
            limit=1,
        )
        return found[0] if found else None

    async def user_by_email(self, email: str) -> Any:
        """The user of an address, whether they have an account or not."""
        model: Any = self.models.user
        found = await self.db.list(model, lambda row: row.email == email, limit=1)
        return found[0] if found else None

    async def shown(self, user: str) -> Any:
        """The user's record as they may read it; of one that they may not read, its key."""
        own = self.db.as_actor(Actor(id=user))
        try:
            record = await own.get(self.models.user, user)
        except NotFound:
            return {self.users.key[0]: user}
        return Model.__to_value__(record)

    async def logged_in(self, opened: Opened, account: Any) -> dict[str, Any]:
        """What a log-in is answered; the cookie goes into a header."""
        user = self.sessions.subject(account)
        session = opened.record
        answer: dict[str, Any] = {
            "user": await self.shown(user),
            "roles": sorted(account.roles),
            "csrf": self.sessions.csrf(session.id),
        }
        if session.kind == "bearer":
            del answer["csrf"]
            answer |= self.bearer(opened, user)
        return answer

    def bearer(self, opened: Opened, user: str) -> dict[str, Any]:
        """The tokens of an app's session (RFC 6749, 5.1)."""
        access = self.tokens.make(user, str(opened.record.id), ids.request_id())
        return {
            "access_token": access,
            "token_type": "Bearer",
            "expires_in": self.tokens.seconds,
            "refresh_token": opened.token.text,
        }

    def cookies(self, opened: Opened) -> tuple[tuple[str, str], ...]:
        """The headers that set a browser's session."""
        if opened.record.kind != "cookie":
            return ()
        return (self.cookie(opened.token.text, self.settings.session_days * 86_400),)

    def cookie(self, value: str, seconds: int, name: str = "") -> tuple[str, str]:
        """A Set-Cookie that no script, no other host and no other site's form gets at."""
        secure = "; Secure" if self.settings.production else ""
        text = f"{name or self.authenticator.cookie}={value}; Path=/; Max-Age={seconds}"
        return "set-cookie", f"{text}; HttpOnly; SameSite=Lax{secure}"

    async def whole(self, work: Callable[[Database], Awaitable[T]]) -> T:
        """What the work gives: all of it lands or nothing, and from the top where others cross."""
        return await self.pipeline.whole(lambda unit: work(Database(self.pipeline, KEEPER, unit)))

    async def noted(
        self,
        what: str,
        call: Call,
        work: Callable[[Database], Awaitable[T]],
        user: str | Callable[[T], str] = "",
        detail: str = "",
        *,
        ends: bool = False,
    ) -> T:
        """What the work gives, done in one transaction with the event that tells of it.

        Whose event it is may be known by what the work gives. One that `ends` sessions, or changes
        what they may, is in force everywhere once it has landed.
        """
        session, epoch = call.actor.session, self.sessions.live.epoch

        async def whole(unit: Unit) -> tuple[T, str]:
            db = Database(self.pipeline, KEEPER, unit)
            done = await work(db)
            told = user if isinstance(user, str) else user(done)
            who = {"actor": call.actor.name, "user": told, "address": call.address}
            await self.trail.add(db, what, session=session, detail=detail, ends=ends, **who)
            if ends:
                await epoch.tell(unit.session)
            return done, told

        # Of this worker's own one after the other: each adds to the end of the trail.
        async with self.trail.turn:
            done, told = await self.pipeline.whole(whole)
        if ends:
            await epoch.turn()
        self.observer.emit(AccountEvent(what, told, call.address, session, detail))
        return done

    async def note(self, what: str, call: Call, user: str = "", detail: str = "") -> None:
        """Tells of what befell an account, and has it in the trail before it is answered."""
        await self.noted(what, call, _nothing, user, detail)

    def tell_factor(self, call: Call, account: Any, what: str) -> None:
        """Tells the owner by mail what has changed."""
        if account.user.email is not None:
            languages = call.headers.get("accept-language", "")
            self.mailer.send(account.user.email, "factor_changed", languages, what=what)

    def address(self, call: Call) -> Subject:
        """Whose failures are counted by address."""
        return "address", network(call.address)


def one_of(rows: Sequence[Any], key: str, missing: str) -> Any:
    """The row of this key. Raises NotFound."""
    for row in rows:
        if str(row.id) == key:
            return row
    raise NotFound(missing)


async def _nothing(db: Database) -> None:
    """The event is all there is."""
