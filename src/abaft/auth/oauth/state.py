"""A log-in under way: sealed into a cookie of the browser that began it, and good once."""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal
from uuid import UUID

import orjson

from abaft.auth.codes import Codes
from abaft.auth.context import Context
from abaft.base import clock, ids
from abaft.base.errors import BadRequest, Conflict

MINUTES = 10
SLOTS = 4
"""Log-ins that one browser may have under way, such as in several tabs."""
POSTED_SECONDS = 120
SECURE, PLAIN = "__Host-login-", "login-"
USED = "login_used"
_SEALED = 3_000
_STATE, _ANSWER = "login state", "login answer"


def bad_state() -> BadRequest:
    """One answer, whether it is used up, of another browser, or made up."""
    return BadRequest(
        "this log-in wasn't begun in this browser, or is over: begin again", code="bad_state"
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Flow:
    """What we have to know when the browser comes back."""

    id: str
    state: str
    provider: str
    nonce: str
    verifier: str
    ends: int
    kind: Literal["cookie", "app", "link"] = "cookie"
    next: str = "/"
    session: str = ""
    redirect_uri: str = ""
    challenge: str = ""
    app_state: str = ""


class Flows:
    """Begins them, and finds them again."""

    def __init__(self, context: Context, codes: Codes) -> None:
        self._context, self._codes = context, codes
        self._prefix = SECURE if context.settings.production else PLAIN

    def begun(self, headers: Mapping[str, str], provider: str, **chosen: Any) -> Flow:
        """A new one, in a slot that is free if there is one."""
        known = self._cookies(headers)
        free = [number for number in range(SLOTS) if str(number) not in known]
        slot = free[0] if free else int(ids.fraction() * SLOTS)
        return Flow(
            id=ids.uuid7().hex,
            state=f"{slot}{ids.secret()}",
            provider=provider,
            nonce=ids.secret(),
            verifier=ids.secret(),
            ends=clock.unix_ms() // 1000 + MINUTES * 60,
            **chosen,
        )

    def cookie(self, flow: Flow) -> tuple[str, str]:
        """The header that binds it to the browser."""
        text = self._context.vault.ring.sealed(_STATE, orjson.dumps(asdict(flow)), flow.state)
        return self._context.cookie(text, MINUTES * 60, self._prefix + flow.state[0])

    def cleared(self, flow: Flow) -> tuple[str, str]:
        """The header by which the browser forgets it."""
        return self._context.cookie("", 0, self._prefix + flow.state[0])

    def found(self, headers: Mapping[str, str], provider: str, state: str) -> Flow:
        """The one of this state, of this browser, sent to this provider. Raises BadRequest."""
        sealed = self._cookies(headers).get(state[:1], "")
        ring = self._context.vault.ring
        text = ring.opened(_STATE, sealed, state) if len(sealed) < _SEALED else None
        if text is None:
            raise bad_state()
        flow = Flow(**orjson.loads(text))
        right = hmac.compare_digest(flow.state.encode(), state.encode())
        if not right or flow.provider != provider or clock.unix_ms() // 1000 >= flow.ends:
            raise bad_state()
        return flow

    async def use(self, flow: Flow) -> None:
        """Uses it up: of several answers at once one is gone on with. Raises BadRequest."""
        try:
            await self._codes.mark(USED, UUID(hex=flow.id), MINUTES)
        except Conflict:
            raise bad_state() from None

    def _cookies(self, headers: Mapping[str, str]) -> dict[str, str]:
        """What is under way here, by slot; of two with one name none is believed."""
        found: dict[str, str] = {}
        for part in headers.get("cookie", "").split(";"):
            name, _, value = part.strip().partition("=")
            slot = name.removeprefix(self._prefix)
            if name.startswith(self._prefix) and len(slot) == 1:
                found[slot] = "" if slot in found else value
        return found

    def posted(self, answer: Mapping[str, str]) -> str:
        """A form that came from the provider's page, for the same browser to bring by a GET.

        A cookie of SameSite=Lax doesn't come with another site's form, but with what follows it.
        """
        ends = clock.unix_ms() // 1000 + POSTED_SECONDS
        return self._context.vault.ring.sealed(_ANSWER, orjson.dumps([ends, answer]))

    def unposted(self, text: str) -> dict[str, str]:
        """The form again. Raises BadRequest."""
        found = self._context.vault.ring.opened(_ANSWER, text)
        if found is None:
            raise bad_state()
        ends, answer = orjson.loads(found)
        if clock.unix_ms() // 1000 >= ends:
            raise bad_state()
        return dict(answer)
