"""Second factors: codes of an app (TOTP, RFC 6238), and recovery codes for when it is lost."""

from __future__ import annotations

import hmac
from typing import Any

import pyotp

from abaft.auth.context import Context
from abaft.base import clock, ids
from abaft.base.errors import Conflict, NotFound, Problem, Unauthorized
from abaft.db import Database
from abaft.guard.signing_keys import keyed_digest

FACTOR, FACTOR_MINUTES = "factor", 5.0
"""The purpose of what stands for a first proof until the second follows, and how long it does."""
STEP = 30
RECOVERY = 10
"""Recovery codes that are made at once, of 60 bits each."""
_ALPHABET = "abcdefghjkmnpqrstuvwxyz23456789"


def bad_factor() -> Unauthorized:
    detail = "this code isn't right, or was used before"
    return Unauthorized(detail, code="bad_factor", errors=[Problem("/code", "bad_factor", detail)])


def factor_there() -> Conflict:
    return Conflict("there is a second factor already", code="factor_there")


class Factors:
    """Keeps what an account has beside its password, and tells whether a code is of it."""

    def __init__(self, context: Context) -> None:
        self._context = context

    async def of(self, account: Any) -> list[str]:
        """The kinds of codes that a log-in takes; empty: the first proof is enough."""
        kinds = {row.kind for row in await self._all(account) if row.confirmed}
        return ["totp", *sorted(kinds & {"recovery"})] if "totp" in kinds else []

    async def state(self, account: Any) -> tuple[bool, int]:
        """Whether a log-in asks for codes, and how many of recovery are left."""
        kinds = [row.kind for row in await self._all(account) if row.confirmed]
        return "totp" in kinds, kinds.count("recovery")

    async def _all(self, account: Any) -> list[Any]:
        model, key = self._context.models.factor, account.id
        return list(await self._context.db.list(model, lambda row: row.account.id == key))

    async def begin(self, account: Any) -> tuple[str, str]:
        """A new secret, and the URI that apps read off a picture; not asked for until confirmed."""
        context = self._context
        for row in await self._all(account):
            if row.kind == "totp" and row.confirmed:
                raise factor_there()
            if row.kind == "totp":
                await context.db.delete(row)
        secret = pyotp.random_base32(32)
        sealed = self._sealed(secret, str(account.id))
        await context.db.create(
            context.models.factor, account=account.id, kind="totp", secret=sealed
        )
        name = account.user.email or context.sessions.subject(account)
        return secret, pyotp.TOTP(secret).provisioning_uri(
            name=name, issuer_name=context.mailer.title
        )

    async def confirm(self, db: Database, account: Any, code: str) -> list[str]:
        """From now on a log-in asks for it; the recovery codes, told once."""
        rows = await self._all(account)
        if any(row.kind == "totp" and row.confirmed for row in rows):
            raise factor_there()
        for row in rows:
            if row.kind == "totp" and await self._used(row, account, code, db):
                await db.update(row, confirmed=True)
                return await self._recovery(db, account)
        raise bad_factor()

    async def remove(self, db: Database, account: Any) -> None:
        """A log-in asks for the first proof alone; passkeys stay."""
        key = account.id
        await db.delete_where(
            self._context.models.factor,
            lambda row: (row.account.id == key) & (row.kind != "passkey"),
            limit=1_000,
        )

    async def proved(self, account: Any, code: str) -> str | None:
        """The kind of factor that this code is of, used up by that; None: it is of none."""
        text = code.replace(" ", "").replace("-", "").lower()
        for row in await self._all(account):
            if row.kind == "totp" and row.confirmed and await self._used(row, account, text):
                return "totp"
            if row.kind == "recovery" and hmac.compare_digest(
                row.secret, self._digest(account, text)
            ):
                return "recovery" if await self._gone(row) else None
        return None

    async def _used(self, row: Any, account: Any, code: str, db: Database | None = None) -> bool:
        """Whether it is the code of now, of just before or just after, and was never used."""
        totp = pyotp.TOTP(self._opened(row.secret, str(account.id)))
        now = clock.unix_ms() // 1000 // STEP
        right = [step for step in (now - 1, now, now + 1) if _same(totp.generate_otp(step), code)]
        if not right:
            return False
        step, id_ = right[0], row.id
        found = await (db or self._context.db).update_where(
            self._context.models.factor,
            lambda it: (it.id == id_) & (it.step < step),
            limit=1,
            step=step,
        )
        return bool(found)

    async def _gone(self, row: Any) -> bool:
        try:
            await self._context.db.delete(row)
        except NotFound:
            return False
        return True

    async def _recovery(self, db: Database, account: Any) -> list[str]:
        codes = [ids.word(_ALPHABET, 12) for _ in range(RECOVERY)]
        model = self._context.models.factor
        digests = [self._digest(account, code) for code in codes]
        rows = [
            model(account=account.id, kind="recovery", secret=digest, confirmed=True)
            for digest in digests
        ]
        await db.create_many(rows)
        return [f"{code[:4]}-{code[4:8]}-{code[8:]}" for code in codes]

    def _digest(self, account: Any, code: str) -> str:
        return keyed_digest(self._context.key, "recovery", f"{account.id} {code}")

    def _sealed(self, secret: str, owner: str) -> str:
        return self._context.vault.ring.sealed("factors", secret.encode(), owner)

    def _opened(self, sealed: str, owner: str) -> str:
        found = self._context.vault.ring.opened("factors", sealed, owner)
        # Sealed by a key that is lost: no code can be right.
        return pyotp.random_base32(32) if found is None else found.decode()


def _same(one: str, other: str) -> bool:
    return hmac.compare_digest(one.encode(), other.encode())
