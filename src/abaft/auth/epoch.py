"""When what a worker knows of sessions has to be looked up again, since one was ended somewhere."""

from __future__ import annotations

import mmap
import os
from collections.abc import Awaitable
from pathlib import Path
from typing import Protocol

from abaft.auth.ended import Ended
from abaft.base import ids
from abaft.base.errors import SettingError
from abaft.store.base import Bell, Session, Store

TRUSTED = 5.0
"""Seconds, for what ends a session without telling: other programs, a network that has broken."""

Number = int | str


class Epoch(Protocol):
    """A number that differs once a session was ended by any worker; `trusted` is for how many
    seconds what was looked up holds at most while it stays.
    """

    trusted: float
    asks: bool
    """Whether a request may have to wait for the number, by `due`."""

    async def open(self) -> None:
        """Takes what it needs, once the app starts."""

    def due(self) -> Awaitable[None] | None:
        """What a request that has come waits for before it goes by `now`; None: nothing."""

    def now(self) -> Number:
        """The number."""

    async def tell(self, session: Session) -> None:
        """Within a transaction that ends sessions: what others hear once that has landed.

        The same transaction has told the ledger.
        """

    async def turn(self) -> None:
        """That transaction has landed: from here on no worker takes it for a live one."""

    async def announce(self) -> None:
        """All of it, where there was no transaction to tell within."""

    async def close(self) -> None:
        """Gives back what it holds."""


class LookedUp:
    """For databases that tell nobody: after so many seconds all is looked up again.

    What this worker ends is over in it at once.
    """

    asks = False

    def __init__(self, seconds: float) -> None:
        self.trusted = seconds
        self._turns = 0

    async def open(self) -> None:
        """Needs nothing."""

    def due(self) -> None:
        return None

    def now(self) -> int:
        return self._turns

    async def tell(self, session: Session) -> None:
        """Nobody hears."""

    async def turn(self) -> None:
        self._turns += 1

    async def announce(self) -> None:
        await self.turn()

    async def close(self) -> None:
        """Holds nothing."""


class InLedger:
    """For databases that tell nobody: each request asks the ledger, along with all that wait."""

    trusted = TRUSTED
    asks = True

    def __init__(self, ended: Ended) -> None:
        self._ended = ended

    async def open(self) -> None:
        """Needs nothing."""

    def due(self) -> Awaitable[None]:
        return self._ended.ask()

    def now(self) -> str:
        return self._ended.number

    async def tell(self, session: Session) -> None:
        """Who asks finds it."""

    async def turn(self) -> None:
        """It is in the ledger."""

    async def announce(self) -> None:
        await self._ended.tell()

    async def close(self) -> None:
        await self._ended.close()


class Rung:
    """For databases that tell all who listen; while nobody can be heard, the ledger is asked."""

    trusted = TRUSTED
    asks = True

    def __init__(self, bell: Bell, ended: Ended) -> None:
        self._bell, self._ended = bell, ended
        self._heard: int | None = None

    async def open(self) -> None:
        await self._bell.open()

    def due(self) -> Awaitable[None] | None:
        self._heard = heard = self._bell.heard()
        return self._ended.ask() if heard is None else None

    def now(self) -> Number:
        # By what was last due: no request goes by an answer of the ledger that it didn't wait for.
        heard = self._heard
        return self._ended.number if heard is None else heard

    async def tell(self, session: Session) -> None:
        await session.run(self._bell.ring)

    async def turn(self) -> None:
        await self._bell.rung()

    async def announce(self) -> None:
        await self._ended.tell()
        await self._bell.announce()

    async def close(self) -> None:
        await self._bell.close()
        await self._ended.close()


class SharedFile:
    """For workers of one machine: eight bytes of a file that all of them have in their memory.

    Each turn writes a number that was never there before. Who looked a session up before it ended
    has seen another number, whatever turns crossed meanwhile.
    """

    trusted = TRUSTED
    asks = False

    def __init__(self, path: Path) -> None:
        self._path = path
        self._memory: mmap.mmap | None = None
        self._number: memoryview[int] | list[int] = [0]

    async def open(self) -> None:
        """Takes the file, and makes it where there is none. Raises SettingError."""
        path = self._path
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise SettingError(f"{path} can't be made: {error.strerror}") from error
        try:
            if os.fstat(handle).st_size < 8:
                os.ftruncate(handle, 8)
            self._memory = mmap.mmap(handle, 8)
        finally:
            os.close(handle)
        self._number = memoryview(self._memory).cast("Q")

    def due(self) -> None:
        return None

    def now(self) -> int:
        return self._number[0]

    async def tell(self, session: Session) -> None:
        """What hasn't landed is nobody's business: the turn tells."""

    async def turn(self) -> None:
        # Aligned and of one word: no reader sees half of it.
        self._number[0] = int(ids.request_id(), 16)

    async def announce(self) -> None:
        await self.turn()

    async def close(self) -> None:
        if isinstance(self._number, memoryview):
            self._number.release()
        self._number = [0]
        if self._memory is not None:
            self._memory.close()
            self._memory = None


def epoch_of(store: Store, database: str, seconds: float, ended: Ended) -> Epoch:
    """The epoch of a database's sessions; `seconds` is what the setting `session_recheck` says."""
    if store.capabilities.name == "sqlite":
        path = database.removeprefix("sqlite:///")
        return SharedFile(Path(f"{path}-sessions")) if path else LookedUp(seconds)
    if seconds:
        return LookedUp(seconds)
    bell = store.bell("abaft_sessions")
    return InLedger(ended) if bell is None else Rung(bell, ended)
