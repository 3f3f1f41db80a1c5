"""What people have allowed apps: kept when they say it, and held to until they take it back."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from abaft.auth.calls import Call
from abaft.auth.context import Context
from abaft.auth.server.clients import Registered
from abaft.base import clock
from abaft.base.errors import Conflict, NotFound
from abaft.db import Database

TRUSTED = ""
"""In place of a consent's id, of a client that needs none."""


class Consents:
    """One of each account and client, with all scopes that were ever agreed to."""

    def __init__(self, context: Context) -> None:
        self._context = context

    async def of(self, account: UUID, client: UUID) -> Any:
        """The consent there is, or None."""
        model: Any = self._context.models.consent
        found = await self._context.db.list(
            model, lambda row: (row.account.id == account) & (row.client.id == client), limit=1
        )
        return found[0] if found else None

    async def keep(
        self, call: Call, account: Any, client: Registered, scope: str, more: str = ""
    ) -> str:
        """Keeps that they agreed to these scopes as well; the consent's id."""
        try:
            return await self._kept(call, account, client, scope, more)
        except (Conflict, NotFound):
            # Another of their windows has said the same just now, or has taken it back.
            return await self._kept(call, account, client, scope, more)

    async def _kept(
        self, call: Call, account: Any, client: Registered, scope: str, more: str
    ) -> str:
        context, user = self._context, self._context.sessions.subject(account)
        names, record = scope.split(), client.record
        known = await self.of(account.id, record.id)

        async def kept(db: Database) -> Any:
            if known is None:
                model: Any = context.models.consent
                return await db.create(model, account=account.id, client=record.id, scopes=names)
            added = [name for name in names if name not in known.scopes]
            return await db.update(known, scopes=[*known.scopes, *added])

        said = f"{record.name}: {scope}{more}"
        return str((await context.noted("app_allowed", call, kept, user, said)).id)

    async def used(self, db: Database, id_: str) -> None:
        """Within the transaction that lets an app in by it. Raises NotFound where it is over.

        It is written to, so that who takes it back meanwhile waits, and ends what came of it.
        """
        if id_ != TRUSTED:
            model: Any = self._context.models.consent
            await db.update(model(id=UUID(id_)), used=clock.now())

    async def end(self, call: Call, row: Any) -> None:
        """Takes it back, and ends the app's sessions: those that were opened by now as well."""
        context, account, client = self._context, row.account.id, row.client.id

        async def over(db: Database) -> None:
            model: Any = context.models.session
            await db.delete(row)
            await db.delete_where(
                model,
                lambda one: (one.account.id == account) & (one.client.id == client),
                limit=10_000,
            )

        await context.noted("app_ended", call, over, call.user(), row.client.name, ends=True)
