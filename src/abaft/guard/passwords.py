"""Passwords: hashed by Argon2id off the event loop, and held against what NIST SP 800-63B asks."""

from __future__ import annotations

import asyncio
import unicodedata
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from importlib.resources import files

from argon2 import PasswordHasher, Type, extract_parameters
from argon2.exceptions import InvalidHashError, VerificationError
from nacl.exceptions import InvalidkeyError
from nacl.pwhash import argon2id

from abaft.base import ids
from abaft.base.errors import Problem, Unavailable

MEMORY_KIB, PASSES, LANES = 19_456, 2, 1
"""What OWASP asks of Argon2id at least."""
SHORTEST, LONGEST = 8, 1_024
WAITING = 64
"""Passwords that may wait for their turn; past them a log-in is told to come back."""


class Passwords:
    """Hashes and verifies in a few threads, so that memory and cores have a bound.

    libsodium does it in a quarter less time than argon2-cffi, in the same form: it goes by what the
    processor can. It has one lane; a hash of more, from elsewhere, is argon2-cffi's.
    """

    def __init__(self, threads: int) -> None:
        self._hasher = PasswordHasher(PASSES, MEMORY_KIB, LANES, type=Type.ID)
        self._count, self._most = threads, threads + WAITING
        self._threads: ThreadPoolExecutor | None = None
        self._asked = 0
        self._dummy = ""

    async def hashed(self, password: str) -> str:
        """The hash to be stored, with its parameters and salt."""
        return str(await self._away(_hash, _normal(password)))

    async def verify(self, stored: str | None, password: str) -> bool:
        """Whether the password is the one of the hash. Without one it takes as long to say no."""
        if not self._dummy:
            self._dummy = await self.hashed(ids.secret())
        right = await self._away(self._verified, stored or self._dummy, _normal(password))
        return bool(right) and stored is not None

    def outdated(self, stored: str) -> bool:
        """Whether it was made with other parameters than those of today."""
        return self._hasher.check_needs_rehash(stored)

    def close(self) -> None:
        """Lets its threads go; who asks again gets others."""
        if self._threads is not None:
            self._threads.shutdown(wait=False, cancel_futures=True)
            self._threads = None

    def _verified(self, stored: str, password: str) -> bool:
        try:
            if extract_parameters(stored).parallelism == 1 and stored.startswith("$argon2id$v=19$"):
                return argon2id.verify(stored.encode(), password.encode())
            return self._hasher.verify(stored, password)
        except (VerificationError, InvalidHashError, InvalidkeyError):
            return False

    async def _away(self, work: object, *values: str) -> object:
        if self._asked >= self._most:
            raise Unavailable("too many are logging in at the moment", code="overloaded")
        if self._threads is None:
            self._threads = ThreadPoolExecutor(self._count, "abaft-password")
        self._asked += 1
        try:
            loop = asyncio.get_running_loop()
            return await loop.run_in_executor(self._threads, work, *values)  # type: ignore[arg-type]
        finally:
            self._asked -= 1


def _hash(password: str) -> str:
    return str(argon2id.str(password.encode(), PASSES, MEMORY_KIB * 1024).decode())


def _normal(password: str) -> str:
    """One spelling of what looks the same, whatever keyboard it came from."""
    return unicodedata.normalize("NFKC", password)


def faults_of(
    password: str, pointer: str, *, own: tuple[str, ...] = (), words: tuple[str, ...] = ()
) -> list[Problem]:
    """What is wrong with a new password.

    `own` are words of its owner, such as their address, and `words` those of the application.
    """
    text = _normal(password)
    if len(text) < SHORTEST:
        return [Problem(pointer, "too_short", f"a password has at least {SHORTEST} characters")]
    if len(password) > LONGEST:
        return [Problem(pointer, "too_long", f"a password has at most {LONGEST} characters")]
    if "\0" in text:
        return [Problem(pointer, "nul_character", "a password can't have the character U+0000")]
    folded = text.casefold()
    if folded in common() or len(set(folded)) == 1:
        return [Problem(pointer, "common_password", "many have this password: take another one")]
    if any(len(word) > 3 and _mostly(word.casefold(), folded) for word in words):
        detail = "this is mostly a word that stands to reason here: take another one"
        return [Problem(pointer, "common_password", detail)]
    theirs = {part for word in own for part in (word.casefold(), word.casefold().partition("@")[0])}
    if any(len(word) > 3 and _mostly(word, folded) for word in theirs):
        detail = "this is mostly your own name or address: take another one"
        return [Problem(pointer, "own_name", detail)]
    return []


def _mostly(word: str, text: str) -> bool:
    """Whether the text is the word and little else."""
    return word in text and len(text) - len(word) < 4


@cache
def common() -> frozenset[str]:
    """The passwords that are tried first: the commonest of those that are long enough."""
    text = files("abaft.guard").joinpath("common_passwords.txt").read_text("utf-8")
    return frozenset(line for line in text.splitlines() if line and not line.startswith("#"))
