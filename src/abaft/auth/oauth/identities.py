"""Who somebody is elsewhere: found by issuer and subject, linked, shown, and taken away again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from hashlib import sha256
from typing import Any

import orjson
from typing_extensions import TypedDict

from abaft.auth.calls import Call, Reply
from abaft.auth.context import Context, one_of
from abaft.auth.login import LoginFlows
from abaft.auth.oauth.providers import Profile, Provider
from abaft.base import clock
from abaft.base.errors import Conflict, NotFound
from abaft.db import Database
from abaft.model.times import show_datetime

MOST = 20
"""Identities that an account may have."""
_TOKENS = "provider tokens"


class IdentityShown(TypedDict):
    id: str
    provider: str
    title: str
    email: str | None
    created: str
    used: str


class IdentityList(TypedDict):
    items: list[IdentityShown]


class Identities:
    """Keeps them, and answers for one's own."""

    def __init__(
        self, context: Context, login: LoginFlows, providers: Mapping[str, Provider]
    ) -> None:
        self._context, self._login, self._providers = context, login, providers
        self._model = context.models.identity

    async def known(self, profile: Profile) -> Any:
        """The identity of a profile with its account; None: nobody has it."""
        handle = _handle(profile)
        found = await self._context.db.list(
            self._model, lambda row: row.handle == handle, expand=("account",), limit=1
        )
        return found[0] if found else None

    async def of(self, db: Database, account: Any) -> list[Any]:
        """All of an account."""
        key = account.id
        return list(await db.list(self._model, lambda row: row.account.id == key, sort="created"))

    async def add(self, db: Database, account: Any, profile: Profile) -> Any:
        """Links it. Raises Conflict where somebody has it, or the account has too many."""
        if len(await self.of(db, account)) >= MOST:
            raise Conflict(f"an account has at most {MOST} identities", code="too_many_keys")
        handle = _handle(profile)
        return await db.create(
            self._model,
            account=account.id,
            provider=profile.provider,
            handle=handle,
            issuer=profile.issuer,
            subject=profile.subject,
            email=profile.email,
            tokens=self.sealed(profile),
        )

    async def used(self, identity: Any, profile: Profile) -> None:
        """Notes that it was logged in by."""
        tokens = self.sealed(profile)
        kept = {"tokens": tokens} if tokens or identity.tokens else {}
        await self._context.db.update(identity, used=clock.now(), **kept)

    def sealed(self, profile: Profile) -> str:
        """The provider's tokens as they may be stored; "" where they aren't kept."""
        if not profile.tokens:
            return ""
        text = orjson.dumps(dict(profile.tokens))
        return self._context.vault.ring.sealed(_TOKENS, text, _handle(profile))

    def with_tokens(self, profile: Profile, sealed: str) -> Profile:
        """The profile with what was sealed for it."""
        ring = self._context.vault.ring
        text = ring.opened(_TOKENS, sealed, _handle(profile)) if sealed else None
        return profile if text is None else replace(profile, tokens=orjson.loads(text))

    async def tokens(self, user: str, provider: str) -> dict[str, Any] | None:
        """What a provider with `keep_tokens` gave at the last log-in; None: nothing is kept."""
        account = await self._context.account_of(user)
        for row in await self.of(self._context.db, account):
            mine = row.tokens if row.provider == provider else ""
            text = self._context.vault.ring.opened(_TOKENS, mine, row.handle)
            if text is not None:
                return dict(orjson.loads(text))
        return None

    async def listed(self, call: Call) -> Reply:
        """One's own."""
        account = await self._context.account_of(call.user())
        rows = await self.of(self._context.db, account)
        return Reply(200, {"items": [self._shown(row) for row in rows]})

    def title(self, name: str) -> str:
        """What a provider is called; one that isn't offered any more by its name."""
        provider = self._providers.get(name)
        return provider.shown if provider else name

    def _shown(self, row: Any) -> dict[str, Any]:
        return {
            "id": str(row.id),
            "provider": row.provider,
            "title": self.title(row.provider),
            "email": row.email,
            "created": show_datetime(row.created),
            "used": show_datetime(row.used),
        }

    async def unlink(self, call: Call) -> Reply:
        """Takes one away, if another way in is left."""
        self._login.fresh(call)
        context, user = self._context, call.user()
        account = await context.account_of(user)
        known = await self.of(context.db, account)
        mine = one_of(known, call.place[0], "there is no such identity")

        async def unlinked(db: Database) -> None:
            # Whoever else takes one away waits here, and finds it gone.
            left = [row for row in known if await self._held(db, row)]
            if not any(row is mine for row in left):
                raise NotFound("there is no such identity")
            if len(left) == 1 and not await self._other_way(db, account):
                raise Conflict(
                    "this is the only way into the account: set a password first, make a passkey "
                    "or link another identity",
                    code="last_way_in",
                )
            await db.delete(mine)

        title = self.title(mine.provider)
        await context.noted("identity_unlinked", call, unlinked, user, title)
        self.tell(call, account, "identity_unlinked", title)
        return Reply(204)

    async def _held(self, db: Database, row: Any) -> bool:
        """Whether it is still there; nobody else changes it until this transaction is over."""
        try:
            await db.update(row, provider=row.provider)
        except NotFound:
            return False
        return True

    async def _other_way(self, db: Database, account: Any) -> bool:
        if account.password is not None:
            return True
        model, key = self._context.models.factor, account.id
        found = await db.list(
            model, lambda row: (row.account.id == key) & (row.kind == "passkey"), limit=1
        )
        return bool(found)

    def tell(self, call: Call, account: Any, what: str, title: str) -> None:
        """Tells the owner by mail."""
        if account.user.email is not None:
            languages = call.headers.get("accept-language", "")
            self._context.mailer.send(account.user.email, what, languages, provider=title)


def _handle(profile: Profile) -> str:
    return sha256(f"{profile.issuer}\0{profile.subject}".encode()).hexdigest()
