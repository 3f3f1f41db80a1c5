"""Sessions: opened by a log-in, found by a token, renewed, and ended for all workers at once."""

from __future__ import annotations

import hmac
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal
from uuid import UUID

from abaft.auth.calls import Call
from abaft.auth.live import Live, Seat
from abaft.auth.models import OwnModels, Session
from abaft.auth.vault import Vault
from abaft.base import clock, ids
from abaft.base.actor import Actor
from abaft.base.errors import Conflict, NotFound, Unauthorized
from abaft.base.settings import Settings
from abaft.db import Database
from abaft.guard.access_tokens import Claims
from abaft.guard.signing_keys import keyed_digest
from abaft.guard.tokens import (
    REFRESH,
    SESSION,
    Token,
    is_sealed,
    new_token,
    read_token,
    sealed_token,
)

Kind = Literal["cookie", "bearer", "app"]
_PREFIX: dict[Kind, str] = {"cookie": SESSION, "bearer": REFRESH, "app": REFRESH}
IMPERSONATED = "impersonation"
"""The way into a session by which an administrator acts in somebody's name."""
MANY = 10_000
"""Records of one account at the very most: those of races are more than there may be."""
PAGE = 1_000
MOST = 100
"""Sessions of one account; the one that was unused for longest makes room."""


@dataclass(frozen=True, slots=True)
class Opened:
    """A session, and the token that was made for it: told once."""

    record: Any
    token: Token


class Sessions:
    """Keeps sessions in the database; what they are found to be is kept in `live` for a while."""

    def __init__(
        self,
        database: Callable[[], Database],
        models: OwnModels,
        settings: Settings,
        vault: Vault,
        live: Live,
        steps: tuple[int, ...],
    ) -> None:
        self._database, self._models, self._settings = database, models, settings
        self._vault, self.live, self._steps = vault, live, steps
        self._idle = timedelta(hours=settings.session_idle_hours)
        self._whole = timedelta(days=settings.session_days)

    async def open(
        self,
        db: Database,
        account: Any,
        kind: Kind,
        methods: list[str],
        call: Call,
        **special: Any,
    ) -> Opened:
        """A new session, with a token that nobody can have known before.

        It is of the generation that the account had when the proof was looked at: where all
        sessions were ended since, this one is over before it begins.
        """
        model = self._models.session
        await self._make_room(db, account.id)
        id_ = ids.uuid7()
        token = self._token(kind, id_)
        record = await db.create(
            model,
            id=id_,
            account=account.id,
            kind=kind,
            generation=account.generation,
            digest=token.digest,
            methods=methods,
            address=call.address,
            **{"agent": call.agent, "expires": clock.now() + self._whole, **special},
        )
        return Opened(record, token)

    def _token(self, kind: Kind, id_: UUID) -> Token:
        """Refresh tokens are known for ours once they were replaced, too: by that reuse is told."""
        if _PREFIX[kind] == REFRESH:
            return sealed_token(REFRESH, id_, self._vault.key)
        return new_token(SESSION, id_)

    async def _make_room(self, db: Database, account: UUID) -> None:
        model = self._models.session
        if await db.count(model, lambda row: row.account.id == account) < MOST:
            return
        for record in await db.list(
            model, lambda row: row.account.id == account, sort="seen", limit=1
        ):
            await self.delete(db, record)

    async def by_cookie(self, text: str) -> Seat | None:
        """The seat of a browser's cookie; None where it opens nothing."""
        token = read_token(SESSION, text)
        if token is None:
            return None
        record = await self._found(token.id)
        if record is None or record.kind != "cookie" or not token.matches(record.digest):
            return None
        return self._seat(record, 0)

    async def by_claims(self, text: str, claims: Claims) -> Seat | None:
        """The seat of an access token that says all this, if its session still stands."""
        epoch = self.live.epoch.now()
        record = await self.standing(claims.session)
        if record is None or self.subject(record.account) != claims.subject:
            return None
        seat = self._seat(record, claims.expires * 1000, claims.scope)
        self.live.take(text.encode("latin-1"), seat, epoch)
        return seat

    async def standing(self, session: str) -> Any:
        """The session of this id with its account and client; None where it is over."""
        try:
            return await self._found(UUID(session))
        except ValueError:
            return None

    def _seat(self, record: Any, until: int, scope: str = "") -> Seat:
        if record.kind == "app":
            return self._seat_of_app(record, until, scope)
        now, account = clock.now(), record.account
        age = (now - record.authenticated).total_seconds()
        steps = frozenset(step for step in self._steps if age < step)
        ends = min(record.expires, record.seen + self._idle)
        ends = min([ends, *(record.authenticated + timedelta(seconds=step) for step in steps)])
        actor = Actor(
            id=self.subject(account),
            roles=frozenset(account.roles),
            authenticated=record.authenticated,
            steps=steps,
            session=str(record.id),
            label="admin" if IMPERSONATED in record.methods else "",
            chosen=record.membership,
        )
        last = int(ends.timestamp() * 1000)
        return Seat(actor, self.csrf(record.id), min(last, until) if until else last)

    def _seat_of_app(self, record: Any, until: int, scope: str) -> Seat:
        """An app does what its token's scopes allow, and nothing with the account itself."""
        account = record.account
        actor = Actor(
            id=self.subject(account),
            roles=frozenset(account.roles),
            scopes=frozenset(record.scopes).intersection(scope.split()),
        )
        ends = min(record.expires, record.seen + self._idle)
        return Seat(actor, "", min(int(ends.timestamp() * 1000), until))

    def csrf(self, session: UUID) -> str:
        """What a page of ours must say along with the cookie; the cookie itself it can't read."""
        return keyed_digest(self._vault.key, "csrf", str(session))[:43]

    def subject(self, account: Any) -> str:
        """The written key of the account's user."""
        return str(account.user.__written__)

    async def _found(self, id_: UUID) -> Any:
        """The session with its account, if neither is over."""
        db = self._database()
        try:
            record: Any = await db.get(self._models.session, id_, expand=("account", "client"))
        except NotFound:
            return None
        now = clock.now()
        account = record.account
        if account.disabled or record.generation != account.generation or self._over(record, now):
            return None
        if now - record.seen > self._idle / 20:
            # Seldom enough to cost nothing, often enough for an idle limit in hours.
            await db.update(record, seen=now)
            record.__dict__["seen"] = now
        return record

    def _over(self, record: Any, now: datetime) -> bool:
        return bool(now >= record.expires or now - record.seen >= self._idle)

    async def of_refresh(self, text: str) -> Any:
        """The standing session of a refresh token, be it the last one or one before; or None."""
        token = read_token(REFRESH, text)
        return None if token is None else await self._found(token.id)

    async def refresh(self, text: str, kind: Kind = "bearer") -> Opened:
        """The session of a refresh token, with the token's successor. Raises Unauthorized.

        Only one of several that come with the same token gets one. A token that was replaced some
        time ago can only come from who has no right to it: that ends the session for both;
        one that was made up ends nothing.
        """
        token = read_token(REFRESH, text)
        record = None if token is None else await self._found(token.id)
        if token is None or record is None or record.kind != kind:
            raise _not_known()
        if token.matches(record.digest):
            opened = await self._renewed(record, token)
            if opened is not None:
                return opened
        elif not self._just_replaced(record, token):
            ours = is_sealed(REFRESH, text, self._vault.key)
            raise Reused(record) if ours else _not_known()
        raise Conflict(
            "another request has refreshed this session just now: go on with what it was answered",
            code="refresh_raced",
        )

    def _just_replaced(self, record: Any, token: Token) -> bool:
        grace = timedelta(seconds=self._settings.refresh_grace)
        same = hmac.compare_digest(record.previous, token.digest)
        return same and clock.now() - record.rotated < grace

    async def _renewed(self, record: Any, token: Token) -> Opened | None:
        db, fresh, now = self._database(), self._token(record.kind, record.id), clock.now()
        digest, id_ = token.digest, record.id
        found = await db.update_where(
            self._models.session,
            lambda row: (row.id == id_) & (row.digest == digest),
            limit=1,
            digest=fresh.digest,
            previous=digest,
            rotated=now,
            seen=now,
        )
        return Opened(record, fresh) if found else None

    async def confirmed(self, db: Database, id_: UUID, methods: list[str]) -> Opened:
        """The session under a new token: they have proved once more who they are."""
        try:
            record: Any = await db.get(self._models.session, id_, expand=("account",))
        except NotFound:
            raise Unauthorized("this session is over: log in again", code="session_over") from None
        token = self._token(record.kind, record.id)
        known = [*record.methods, *(name for name in methods if name not in record.methods)]
        now = clock.now()
        before = {"previous": record.digest, "rotated": now}
        await db.update(record, digest=token.digest, authenticated=now, methods=known, **before)
        return Opened(record, token)

    async def of(self, account: UUID) -> list[Any]:
        """Where the account is logged in, the latest first."""
        db, now = self._database(), clock.now()
        found: list[Session] = await db.list(
            self._models.session,
            lambda row: row.account.id == account,
            sort="-seen",
            limit=MOST,
        )
        return [row for row in found if not self._over(row, now)]

    async def over(
        self, db: Database, account: UUID, but: UUID | None = None, **values: Any
    ) -> None:
        """Ends all of the account's, or all but one, and changes the account by these values.

        `db` is a transaction: in force everywhere once it has landed and the epoch has turned.
        """
        generation = ids.turn()
        model: Any = self._models.session
        owner: Any = self._models.account
        await db.update(owner(id=account), generation=generation, **values)
        if but is not None:
            await db.update(model(id=but), generation=generation)
        await db.delete_where(
            model,
            lambda row: (row.account.id == account) & (row.generation != generation),
            limit=MANY,
        )

    async def claim(self, db: Database, account: Any, email: str) -> bool:
        """What to do once the owner of an address has proved it to be theirs; whether it was new.

        Whoever made the account before that may have been somebody else: nothing of what they
        left opens it any more.
        """
        if account.verified == email:
            return False
        key = account.id
        for model in (self._models.factor, self._models.key, self._models.identity):
            await pruned(db, model, lambda row: row.account.id == key)
        await self.over(db, key, password=None, verified=email)
        return True

    async def tell(self) -> None:
        """What was known of sessions isn't any more, in any worker: what ended them has landed."""
        await self.live.epoch.announce()

    async def prune(self) -> int:
        """Deletes what is past its time; how many."""
        now, idle = clock.now(), clock.now() - self._idle
        model: Any = self._models.session
        return await pruned(
            self._database(), model, lambda row: (row.expires < now) | (row.seen < idle)
        )

    async def delete(self, db: Database, record: Any) -> None:
        """Deletes it; again is nothing."""
        try:
            await db.delete(record)
        except NotFound:
            return


async def pruned(db: Database, model: Any, where: Callable[[Any], Any]) -> int:
    """Deletes all that satisfy this, page by page, however many there are; how many."""
    count = 0
    while True:
        rows = await db.list(model, where, limit=PAGE)
        for row in rows:
            with suppress(NotFound):
                await db.delete(row)
                count += 1
        if len(rows) < PAGE:
            return count


class Reused(Unauthorized):
    """A refresh token came that was replaced before: the session it was of has to end."""

    code = "bad_refresh_token"

    def __init__(self, record: Any) -> None:
        super().__init__(_SAID)
        self.record = record


_SAID = "this refresh token isn't valid: log in again"


def _not_known() -> Unauthorized:
    return Unauthorized(_SAID, code="bad_refresh_token")
