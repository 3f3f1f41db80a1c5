"""Codes of one use: bound to a purpose, an address and a time, and gone once they are used."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import UUID

from abaft.auth.context import Context
from abaft.auth.sessions import pruned
from abaft.base import clock, ids
from abaft.base.errors import NotFound, Problem, Unauthorized
from abaft.db import Database
from abaft.guard.tokens import LINK, new_token, read_token

NOTHING = "nothing"
"""The purpose of a code that was given to nobody: it is stored so that the time tells nothing."""


class Codes:
    """Makes codes, finds them, and uses them up."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._model = context.models.code

    async def make(
        self, purpose: str, email: str, subject: str = "", minutes: float = 0, **data: Any
    ) -> str:
        """A link's token of 256 bits."""
        id_ = ids.uuid7()
        token = new_token(LINK, id_)
        life = minutes or self._context.settings.code_minutes
        await self._context.db.create(
            self._model,
            id=id_,
            purpose=purpose,
            digest=token.digest,
            email=email,
            subject=subject,
            data=data,
            expires=clock.now() + timedelta(minutes=life),
        )
        return token.text

    async def mark(self, purpose: str, id_: UUID, minutes: float) -> None:
        """Takes down that something was used up, until it is over. Raises Conflict if it was."""
        ends = clock.now() + timedelta(minutes=minutes)
        await self._context.db.create(
            self._model, id=id_, purpose=purpose, digest=NOTHING, expires=ends
        )

    async def find(self, purpose: str, text: str, *others: str) -> Any:
        """The code that a client brings, still unused, for one of these purposes.

        Raises Unauthorized for any other.
        """
        token = read_token(LINK, text)
        if token is None:
            raise bad_code()
        try:
            code: Any = await self._context.db.get(self._model, token.id)
        except NotFound:
            raise bad_code() from None
        right = token.matches(code.digest) and code.purpose in (purpose, *others)
        if not right or clock.now() >= code.expires:
            raise bad_code()
        return code

    async def use(self, db: Database, code: Any) -> None:
        """Uses it up, within the transaction of what it is for: of several at once one wins."""
        try:
            await db.delete(code)
        except NotFound:
            raise bad_code() from None

    async def use_alone(self, code: Any) -> None:
        """Uses it up before what it is for is tried."""
        await self.use(self._context.db, code)

    async def forget(self, email: str, db: Database) -> None:
        """Makes all codes worthless that were sent to an address."""
        await pruned(db, self._model, lambda row: row.email == email)

    async def drop(self, email: str, subject: str, db: Database) -> None:
        """Makes those codes worthless that were sent to an address for this."""
        await pruned(db, self._model, lambda row: (row.email == email) & (row.subject == subject))

    async def prune(self) -> int:
        """Deletes what nobody used in its time; how many."""
        now = clock.now()
        return await pruned(self._context.db, self._model, lambda row: row.expires < now)


def bad_code() -> Unauthorized:
    """One answer, whatever is wrong with it."""
    detail = "this code isn't valid, or not any more: ask for another one"
    return Unauthorized(detail, code="bad_code", errors=[Problem("/token", "bad_code", detail)])
