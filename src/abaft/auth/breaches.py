"""Whether a password was in a breach, asked of a list elsewhere that doesn't learn which it is.

The list is asked for all digests that begin as the password's does, by five of their forty digits
(k-anonymity, as Have I Been Pwned has it: https://haveibeenpwned.com/API/v3#PwnedPasswords).
"""

from __future__ import annotations

from hashlib import sha1

from abaft.auth.oauth.fetch import Away, Fetcher
from abaft.base.settings import Settings
from abaft.observe.events import BreachesAway, Observer

_ASKED = 5


class Breaches:
    """Asks, where a list is named. One that doesn't answer keeps nobody from a new password."""

    def __init__(self, settings: Settings, observer: Observer) -> None:
        self._url, self._observer = settings.breached_passwords, observer
        self._fetcher = Fetcher(settings)

    async def known(self, password: str) -> bool:
        """Whether the list has the password."""
        if not self._url:
            return False
        # The list goes by SHA-1: nothing here rests on it.
        digest = sha1(password.encode(), usedforsecurity=False).hexdigest().upper()
        begin, rest = digest[:_ASKED].encode(), digest[_ASKED:].encode()
        try:
            text = await self._fetcher.text(
                self._url + begin.decode(), {"add-padding": "true"}, internal=True
            )
        except Away as away:
            self._observer.emit(BreachesAway(away.reason.replace(begin.decode(), "…")))
            return False
        # What was put in between to hide how many there are has a count of 0.
        rows = (line.strip().upper().partition(b":") for line in text.splitlines())
        return any(row[0] == rest and row[2] != b"0" for row in rows)

    async def close(self) -> None:
        """Lets connections go."""
        await self._fetcher.close()
