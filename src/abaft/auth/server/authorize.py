"""The authorization endpoint: who is logged in agrees, or not, to what an app asks for."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from hashlib import sha256
from urllib.parse import parse_qsl, quote, urlencode

from abaft.auth.calls import Call, Reply
from abaft.auth.codes import Codes
from abaft.auth.context import Context
from abaft.auth.live import Seat
from abaft.auth.server.clients import PUBLIC, Registered
from abaft.auth.server.consents import TRUSTED, Consents
from abaft.auth.server.pages import in_words, page, said
from abaft.auth.server.protocol import Found, Protocol, Refused
from abaft.auth.server.scopes import Scopes
from abaft.auth.server.tokens import PURPOSE, Clients
from abaft.base import clock
from abaft.base.errors import Forbidden
from abaft.guard import csrf
from abaft.guard.sign import sign, verify

MINUTES = 1.0
"""How long a code is good for: a program exchanges it at once."""
_SAFE = "!#$%&'()*+,/:;=?@[]~"
_SINCE = b"since"
_AGE = re.compile(r"[0-9]{0,9}")


@dataclass(frozen=True, slots=True)
class Asking:
    """An authorization request that the protocol lets pass."""

    query: Mapping[str, str]
    client: Registered
    redirect_uri: str
    scope: str

    @property
    def prompts(self) -> frozenset[str]:
        return frozenset(self.query.get("prompt", "").split())


class AuthorizeFlows:
    """Asks the browser's user, and sends them back with a code or an error."""

    def __init__(
        self, context: Context, codes: Codes, clients: Clients, scopes: Scopes, place: str
    ) -> None:
        self._context, self._codes, self._clients = context, codes, clients
        self._scopes, self._place = scopes, place
        self._consents = Consents(context)

    async def ask(self, call: Call) -> Reply:
        """The page that asks, or where it leads at once."""
        try:
            asking = await self._asking(call.query)
        except Refused as error:
            return self._refused(call, error, call.query)
        wrong = _not_taken(asking)
        if wrong is not None:
            return self._back(asking, {"error": wrong[0], "error_description": wrong[1]})
        seat = await self._seat(call)
        if seat is None or self._too_old(asking, seat):
            return self._to_login(asking, seat)
        consent = await self._agreed(asking, seat)
        if consent is not None:
            return await self._given(asking, seat, consent)
        if "none" in asking.prompts:
            return self._back(asking, {"error": "consent_required"})
        return await self._page(call, asking, seat)

    async def answered(self, call: Call) -> Reply:
        """What the user has said on that page."""
        query = dict(parse_qsl(call.body.get("asked", ""), keep_blank_values=True))
        try:
            asking = await self._asking(query)
        except Refused as error:
            return self._refused(call, error, query)
        seat = await self._seat(call)
        if seat is None or self._too_old(asking, seat):
            return self._to_login(asking, seat)
        vouched(self._context, call, seat)
        if call.body.get("answer") != "yes":
            await self._context.note("app_refused", call, _user(seat), asking.client.record.name)
            return self._back(asking, {"error": "access_denied"})
        account = await self._context.account_of(_user(seat))
        consent = await self._consents.keep(call, account, asking.client, asking.scope)
        return await self._given(asking, seat, consent)

    async def _asking(self, query: Mapping[str, str]) -> Asking:
        client = await self._clients.find(query.get("client_id", ""))
        protocol = Protocol(Found(client), self._scopes.names)
        redirect_uri, scope = protocol.asked(query)
        assert client is not None
        return Asking(query, client, redirect_uri, scope)

    def _refused(self, call: Call, error: Refused, query: Mapping[str, str]) -> Reply:
        """Back to the client where it is known to be one, else a page: never to anywhere else."""
        if error.location:
            own = {"error": error.error, "error_description": error.detail or ""}
            redirect_uri = query.get("redirect_uri") or error.location.partition("?")[0]
            return self._sent(redirect_uri, own, query.get("state", ""))
        text = error.detail or "The app has asked wrongly."
        return said(call, "This doesn't work", text, 400, error.error)

    def _back(self, asking: Asking, values: Mapping[str, str]) -> Reply:
        return self._sent(asking.redirect_uri, values, asking.query.get("state", ""))

    def _sent(self, redirect_uri: str, values: Mapping[str, str], state: str) -> Reply:
        """To the client, with who answers (RFC 9207)."""
        given = {**values, "state": state, "iss": self._context.settings.base_url}
        text = urlencode({name: value for name, value in given.items() if value})
        url = redirect_uri + ("&" if "?" in redirect_uri else "?") + text
        headers = (("location", quote(url, safe=_SAFE)), ("referrer-policy", "no-referrer"))
        return Reply(303, None, headers)

    async def _seat(self, call: Call) -> Seat | None:
        """Who is logged in with this browser; who acts in another's name agrees to nothing."""
        seat = await self._context.authenticator.by_cookie(call.headers.get("cookie", ""))
        return None if seat is None or seat.actor.label else seat

    def _too_old(self, asking: Asking, seat: Seat) -> bool:
        """Whether the client wants them to have logged in later than they did."""
        at = seat.actor.authenticated
        assert at is not None
        age = asking.query.get("max_age", "")
        if age and clock.now() - at > timedelta(seconds=int(age)):
            return True
        if "login" not in asking.prompts:
            return False
        since = self._since(asking)
        return since is None or at.timestamp() * 1000 < since

    def _since(self, asking: Asking) -> int | None:
        """When this request came first, in milliseconds: what was signed for another is nothing."""
        said = verify(self._context.key, _SINCE, asking.query.get("since", ""))
        when, _, whose = (said or b"").decode().partition(" ")
        return int(when) if when and whose == _marked(asking.query) else None

    def _to_login(self, asking: Asking, seat: Seat | None) -> Reply:
        """To the page of log-ins, from which they come back here."""
        if "none" in asking.prompts:
            return self._back(asking, {"error": "login_required"})
        query = {**asking.query}
        if "login" in asking.prompts and self._since(asking) is None:
            # What makes it true once they have: the request alone would ask for ever.
            said = f"{clock.unix_ms()} {_marked(query)}"
            query["since"] = sign(self._context.key, _SINCE, said.encode())
        here = f"{self._place}/authorize?{urlencode(query)}"
        page_of_login = self._context.settings.login_page or "/account/login"
        mark = "&" if "?" in page_of_login else "?"
        again = {"again": "1"} if seat is not None else {}
        location = page_of_login + mark + urlencode({"next": here, **again})
        return Reply(303, None, (("location", location),))

    async def _agreed(self, asking: Asking, seat: Seat) -> str | None:
        """The consent by which there is nothing to ask; None: they have to be asked."""
        record = asking.client.record
        if "consent" in asking.prompts:
            return None
        if record.trusted:
            return TRUSTED
        if record.method == PUBLIC and not asking.redirect_uri.startswith("https:"):
            # Another program could claim to be this one (RFC 8252, 8.6).
            return None
        account = await self._context.account_of(_user(seat))
        known = await self._consents.of(account.id, record.id)
        enough = known is not None and set(known.scopes).issuperset(asking.scope.split())
        return str(known.id) if enough else None

    async def _given(self, asking: Asking, seat: Seat, consent: str) -> Reply:
        """Back with a code, bound to the client, its redirect and its challenge."""
        context, at = self._context, seat.actor.authenticated
        account = await context.account_of(_user(seat))
        assert at is not None
        code = await self._codes.make(
            PURPOSE,
            account.user.email or "",
            _user(seat),
            MINUTES,
            client=asking.client.id,
            redirect_uri=asking.query.get("redirect_uri", ""),
            challenge=asking.query["code_challenge"],
            scope=asking.scope,
            nonce=asking.query.get("nonce", ""),
            auth_time=int(at.timestamp()),
            generation=account.generation,
            consent=consent,
        )
        return self._back(asking, {"code": code})

    async def _page(self, call: Call, asking: Asking, seat: Seat) -> Reply:
        account = await self._context.account_of(_user(seat))
        client = asking.client.record
        unchecked = "Nobody has checked this app: allow only what you know."
        return page(
            call,
            "consent.html",
            sent_to=asking.redirect_uri,
            title=client.name,
            client=client.name,
            app=self._context.settings.base_url.partition("://")[2],
            user=account.user.email or account.user.name,
            scopes=self._scopes.texts(call, asking.scope.split()),
            place=asking.redirect_uri,
            warn=in_words(call, unchecked) if client.dynamic else "",
            action=f"{self._place}/authorize",
            field="asked",
            asked=urlencode(asking.query),
            csrf=seat.csrf,
        )


def _marked(query: Mapping[str, str]) -> str:
    """What tells a request from any other: its challenge is made anew for each."""
    rows = sorted((name, text) for name, text in query.items() if name != "since")
    return sha256(urlencode(rows).encode()).hexdigest()


def _not_taken(asking: Asking) -> tuple[str, str] | None:
    """What is asked for and isn't to be had."""
    query = asking.query
    if "request" in query:
        return "request_not_supported", ""
    if "request_uri" in query:
        return "request_uri_not_supported", ""
    if query.get("response_mode", "query") != "query":
        return "invalid_request", "response_mode is query"
    if not _AGE.fullmatch(query.get("max_age", "")):
        return "invalid_request", "max_age is a number of seconds"
    if "none" in asking.prompts and len(asking.prompts) > 1:
        return "invalid_request", "prompt=none goes with no other"
    return None


def vouched(context: Context, call: Call, seat: Seat) -> None:
    """Raises Forbidden for a form that isn't from a page of ours, drawn for this session."""
    scheme = "https" if context.settings.production else "http"
    given = {**call.headers, csrf.HEADER: call.body.get("csrf", "")}
    reason = csrf.refused(given, seat.csrf, context.settings.base_url, scheme)
    if reason:
        raise Forbidden(f"this form isn't to be believed: {reason}", code="csrf")


def _user(seat: Seat) -> str:
    assert seat.actor.id is not None
    return seat.actor.id
