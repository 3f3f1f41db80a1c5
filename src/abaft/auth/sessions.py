"""Sessions: opened by a log-in, found by a token, renewed, and ended for all workers at once."""

from __future__ import annotations

import hmac
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal
from uuid import UUID

from abaft.auth.calls import Call
from abaft.auth.live import Live, Seat
from abaft.auth.models import OwnModels, Session
from abaft.base import clock, ids
from abaft.base.actor import Actor
from abaft.base.errors import Conflict, NotFound, Unauthorized
from abaft.base.settings import Settings
from abaft.db import Database
from abaft.guard.signing_keys import keyed_digest
from abaft.guard.tokens import REFRESH, SESSION, Token, new_token, read_token

Kind = Literal["cookie", "bearer"]
_PREFIX: dict[Kind, str] = {"cookie": SESSION, "bearer": REFRESH}
IMPERSONATED = "impersonation"
"""The way into a session by which an administrator acts in somebody's name."""
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
        key: bytes,
        live: Live,
        steps: tuple[int, ...],
    ) -> None:
        self._database, self._models, self._settings = database, models, settings
        self._key, self.live, self._steps = key, live, steps
        self._idle = timedelta(hours=settings.session_idle_hours)
        self._whole = timedelta(days=settings.session_days)

    async def open(
        self, account: Any, kind: Kind, methods: list[str], call: Call, **special: Any
    ) -> Opened:
        """A new session, with a token that nobody can have known before."""
        db, model = self._database(), self._models.session
        await self._make_room(db, account.id)
        id_ = ids.uuid7()
        token = new_token(_PREFIX[kind], id_)
        record = await db.create(
            model,
            id=id_,
            account=account.id,
            kind=kind,
            digest=token.digest,
            methods=methods,
            address=call.address,
            agent=call.agent,
            **{"expires": clock.now() + self._whole, **special},
        )
        return Opened(record, token)

    async def _make_room(self, db: Database, account: UUID) -> None:
        model = self._models.session
        found = await db.list(model, lambda row: row.account.id == account, sort="seen", limit=MOST)
        if len(found) >= MOST:
            await self._delete(db, found[0])

    async def by_cookie(self, text: str) -> Seat | None:
        """The seat of a browser's cookie; None where it opens nothing."""
        token = read_token(SESSION, text)
        if token is None:
            return None
        record = await self._found(token.id)
        if record is None or record.kind != "cookie" or not token.matches(record.digest):
            return None
        return self._seat(record, 0)

    async def by_claims(self, text: str, session: str, subject: str, expires: int) -> Seat | None:
        """The seat of an access token that says all this, if its session still stands."""
        epoch = self.live.epoch.now()
        try:
            record = await self._found(UUID(session))
        except ValueError:
            return None
        if record is None or self.subject(record.account) != subject:
            return None
        seat = self._seat(record, expires * 1000)
        self.live.take(text, seat, epoch)
        return seat

    def _seat(self, record: Any, until: int) -> Seat:
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
        )
        last = int(ends.timestamp() * 1000)
        return Seat(actor, self.csrf(record.id), min(last, until) if until else last)

    def csrf(self, session: UUID) -> str:
        """What a page of ours must say along with the cookie; the cookie itself it can't read."""
        return keyed_digest(self._key, "csrf", str(session))[:43]

    def subject(self, account: Any) -> str:
        """The written key of the account's user."""
        return str(account.user.__written__)

    async def _found(self, id_: UUID) -> Any:
        """The session with its account, if neither is over."""
        db = self._database()
        try:
            record: Any = await db.get(self._models.session, id_, expand=("account",))
        except NotFound:
            return None
        now = clock.now()
        if record.account.disabled or self._over(record, now):
            return None
        if now - record.seen > self._idle / 20:
            # Seldom enough to cost nothing, often enough for an idle limit in hours.
            await db.update(record, seen=now)
            record.__dict__["seen"] = now
        return record

    def _over(self, record: Any, now: datetime) -> bool:
        return bool(now >= record.expires or now - record.seen >= self._idle)

    async def refresh(self, text: str) -> Opened:
        """The session of a refresh token, with the token's successor. Raises Unauthorized.

        Only one of several that come with the same token gets one. A token that was replaced some
        time ago can only come from who has no right to it: that ends the session for both.
        """
        token = read_token(REFRESH, text)
        record = None if token is None else await self._found(token.id)
        if token is None or record is None or record.kind != "bearer":
            raise _not_known()
        if token.matches(record.digest):
            opened = await self._renewed(record, token)
            if opened is not None:
                return opened
        elif not self._just_replaced(record, token):
            await self.end(record)
            raise Reused(record)
        raise Conflict(
            "another request has refreshed this session just now: go on with what it was answered",
            code="refresh_raced",
        )

    def _just_replaced(self, record: Any, token: Token) -> bool:
        grace = timedelta(seconds=self._settings.refresh_grace)
        same = hmac.compare_digest(record.previous, token.digest)
        return same and clock.now() - record.rotated < grace

    async def _renewed(self, record: Any, token: Token) -> Opened | None:
        db, fresh, now = self._database(), new_token(REFRESH, record.id), clock.now()
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

    async def confirmed(self, id_: UUID, methods: list[str]) -> Opened:
        """The session under a new token: they have proved once more who they are."""
        db = self._database()
        record: Any = await db.get(self._models.session, id_, expand=("account",))
        token = new_token(_PREFIX[record.kind], record.id)
        known = [*record.methods, *(name for name in methods if name not in record.methods)]
        now = clock.now()
        before = {"previous": record.digest, "rotated": now}
        await db.update(record, digest=token.digest, authenticated=now, methods=known, **before)
        self.live.epoch.turn()
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

    async def end(self, record: Any) -> None:
        """Ends it, in every worker from now on; again is nothing."""
        await self._delete(self._database(), record)
        self.live.epoch.turn()

    async def end_all(self, account: UUID, but: UUID | None = None) -> int:
        """Ends all of the account's, or all but one; how many."""
        db, count = self._database(), 0
        while found := await db.list(
            self._models.session,
            lambda row: (row.account.id == account) & (row.id != (but or account)),
            limit=MOST,
        ):
            for record in found:
                await self._delete(db, record)
            count += len(found)
        self.live.epoch.turn()
        return count

    async def prune(self) -> int:
        """Deletes what is past its time; how many."""
        now, idle = clock.now(), clock.now() - self._idle
        return await self._database().delete_where(
            self._models.session,
            lambda row: (row.expires < now) | (row.seen < idle),
            limit=100_000,
        )

    async def _delete(self, db: Database, record: Any) -> None:
        try:
            await db.delete(record)
        except NotFound:
            return


class Reused(Unauthorized):
    """A refresh token came that was replaced before: the session it was of is over."""

    code = "bad_refresh_token"

    def __init__(self, record: Any) -> None:
        super().__init__(_SAID)
        self.record = record


_SAID = "this refresh token isn't valid: log in again"


def _not_known() -> Unauthorized:
    return Unauthorized(_SAID, code="bad_refresh_token")
