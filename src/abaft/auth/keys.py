"""API keys: for programs of a user's own, and the accounts of services that have nothing else."""

from __future__ import annotations

from datetime import datetime, timedelta
from functools import partial
from typing import Annotated, Any, NotRequired

from pydantic import Field, with_config
from typing_extensions import TypedDict

from abaft.auth.calls import Call, Reply
from abaft.auth.context import Context, one_of
from abaft.auth.live import Seat
from abaft.auth.login import STRICT, LoginFlows
from abaft.base import clock, ids
from abaft.base.actor import Actor
from abaft.base.errors import Conflict, Forbidden, NotFound
from abaft.db import Database
from abaft.guard.tokens import KEY, new_token, read_token

MOST = 50
"""Keys that an account may have."""
_USED = timedelta(minutes=1)
Scope = Annotated[str, Field(pattern=r"^(\*|[A-Za-z0-9_.:-]{1,80})$")]
Scopes = Annotated[list[Scope], Field(min_length=1, max_length=50)]
Name = Annotated[str, Field(min_length=1, max_length=120)]


@with_config(STRICT)
class NewKey(TypedDict):
    name: Name
    scopes: Scopes
    days: NotRequired[Annotated[int, Field(ge=1, le=3650)]]


@with_config(STRICT)
class NewService(TypedDict):
    name: Name
    scopes: Scopes
    roles: NotRequired[list[Annotated[str, Field(pattern=r"^[A-Za-z0-9_.-]{1,60}$")]]]


class KeyShown(TypedDict):
    id: str
    name: str
    scopes: list[str]
    created: str
    expires: str | None
    used: str | None
    key: NotRequired[str]


class KeyList(TypedDict):
    items: list[KeyShown]


class Keys:
    """Finds who a key stands for."""

    def __init__(self, context: Context) -> None:
        self._context = context

    async def seat(self, header: str, text: str) -> Seat | None:
        """The seat of a key; None where it opens nothing."""
        context, token = self._context, read_token(KEY, text)
        if token is None:
            return None
        live, now = context.sessions.live, clock.now()
        epoch = live.epoch.now()
        try:
            row: Any = await context.db.get(context.models.key, token.id, expand=("account",))
        except NotFound:
            return None
        over = row.expires is not None and now >= row.expires
        if over or row.account.disabled or not token.matches(row.digest):
            return None
        if row.used is None or now - row.used > _USED:
            await context.db.update(row, used=now)
        account = row.account
        actor = Actor(
            id=context.sessions.subject(account),
            roles=frozenset(account.roles),
            scopes=frozenset(row.scopes),
            key=str(row.id),
        )
        ends = min(row.expires or now + timedelta(days=1), now + timedelta(days=1))
        seat = Seat(actor, "", int(ends.timestamp() * 1000))
        live.take(header.encode("latin-1"), seat, epoch)
        return seat


class KeyFlows:
    """The endpoints of keys: made and ended by who has logged in, never by another key."""

    def __init__(self, context: Context, login: LoginFlows) -> None:
        self._context, self._login = context, login

    async def listed(self, call: Call) -> Reply:
        """One's keys, without what opens anything."""
        self._login.session(call)
        return Reply(200, {"items": [shown_key(row) for row in await self._of(call)]})

    async def _of(self, call: Call) -> list[Any]:
        context = self._context
        key = (await context.account_of(call.user())).id
        model = context.models.key
        found = context.db.list(model, lambda row: row.account.id == key, sort="-created")
        return list(await found)

    async def make(self, call: Call) -> Reply:
        """A new key: its text is told this once."""
        self._login.fresh(call)
        context, user = self._context, call.user()
        if len(await self._of(call)) >= MOST:
            raise Conflict(f"an account has at most {MOST} keys", code="too_many_keys")
        account = await context.account_of(user)
        made = partial(self._made, account=account, body=call.body)
        return await context.noted("key_made", call, made, user, call.body["name"])

    async def _made(self, db: Database, account: Any, body: Any) -> Reply:
        context, id_ = self._context, ids.uuid7()
        token = new_token(KEY, id_)
        days = body.get("days")
        expires: datetime | None = None if days is None else clock.now() + timedelta(days=days)
        row = await db.create(
            context.models.key,
            id=id_,
            account=account.id,
            name=body["name"],
            digest=token.digest,
            scopes=body["scopes"],
            expires=expires,
        )
        return Reply(201, {**shown_key(row), "key": token.text})

    async def end(self, call: Call) -> Reply:
        """Ends a key, for all workers at once."""
        self._login.session(call)
        context, user = self._context, call.user()
        row = one_of(await self._of(call), call.place[0], "there is no such key")
        await context.noted("key_ended", call, lambda db: db.delete(row), user, row.name, ends=True)
        return Reply(204)

    async def service(self, call: Call) -> Reply:
        """An administrator makes an account that has no password, and its first key."""
        if not call.actor.system:
            call.user()
            raise Forbidden("an administrator makes the accounts of services")
        context, body = self._context, call.body
        model: Any = context.models.user

        async def made(db: Database) -> tuple[Any, Reply]:
            user = await db.create(model, name=body["name"])
            roles = body.get("roles", [])
            account = await db.create(context.models.account, user=user, roles=roles)
            return user, await self._made(db, account, body)

        def whose(done: tuple[Any, Reply]) -> str:
            return str(done[0].__written__)

        _, reply = await context.noted("service_made", call, made, whose, body["name"])
        return reply


def shown_key(row: Any) -> dict[str, Any]:
    fields = type(row).__spec__.fields
    times = {name: getattr(row, name) for name in ("created", "expires", "used")}
    return {
        "id": str(row.id),
        "name": row.name,
        "scopes": row.scopes,
        **{n: None if at is None else fields[n].kind.show(at) for n, at in times.items()},
    }
