"""The key of what is kept of accounts: it stays when the secret key changes, which seals it."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Any

from abaft.auth.models import LEDGER, OwnModels
from abaft.base import ids
from abaft.base.errors import Conflict, NotFound, SettingError
from abaft.db import Database
from abaft.guard.keyring import Keyring

_PURPOSE = "accounts"


class Vault:
    """Opens the key once the app starts, or makes it where there is none yet."""

    def __init__(
        self, database: Callable[[], Database], models: OwnModels, keyring: Keyring, strict: bool
    ) -> None:
        self._database, self._model = database, models.ledger
        self._keyring, self._strict = keyring, strict
        self._key = b""
        self.renewed = False
        """Whether what was kept by the key of before is lost: nobody has its secret key."""

    @property
    def key(self) -> bytes:
        """256 bits: what is digested and sealed by them is read for as long as they stay."""
        assert self._key, "accounts are asked before the app has started"
        return self._key

    @property
    def ring(self) -> Keyring:
        """What seals by this key."""
        return Keyring((self.key,))

    async def open(self) -> None:
        """Reads the key. Raises SettingError in production where no secret key opens it."""
        row = await self._row()
        found = self._keyring.opened(_PURPOSE, row.key)
        if found is None:
            if self._strict:
                raise SettingError(
                    "accounts were kept under another secret_key: add it to previous_secret_keys,"
                    " or give up second factors and codes by `abaft accounts renew`"
                )
            await self.renew()
            return
        self._key = found
        if self._keyring.current().opened(_PURPOSE, row.key) is None:
            # From now on the keys of before aren't needed for this.
            await self._database().update(row, key=self._keyring.sealed(_PURPOSE, found))

    async def renew(self) -> None:
        """Another key: second factors and codes that are out are worth nothing by it."""
        row = await self._row()
        self._key, self.renewed = ids.random_bytes(32), True
        await self._database().update(row, key=self._keyring.sealed(_PURPOSE, self._key))

    async def _row(self) -> Any:
        db = self._database()
        try:
            return await db.get(self._model, LEDGER)
        except NotFound:
            sealed = self._keyring.sealed(_PURPOSE, ids.random_bytes(32))
        # Where another worker starts at the same time, what it has made holds for both.
        with suppress(Conflict):
            await db.create(self._model, id=LEDGER, key=sealed)
        return await db.get(self._model, LEDGER)
