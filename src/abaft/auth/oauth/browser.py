"""What a browser does: it is sent to a provider, comes back, and goes on as somebody."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any
from urllib.parse import quote

from abaft.auth.calls import Call, Reply
from abaft.auth.context import Context
from abaft.auth.login import LoginFlows
from abaft.auth.oauth.apps import AppFlows
from abaft.auth.oauth.entering import Entering
from abaft.auth.oauth.exchange import Exchange, person_of
from abaft.auth.oauth.fetch import Away
from abaft.auth.oauth.pages import sent, with_query
from abaft.auth.oauth.parties import Parties
from abaft.auth.oauth.providers import BadAnswer, Profile
from abaft.auth.oauth.state import Flow, Flows, bad_state
from abaft.auth.page_alone import PagesAlone
from abaft.auth.page_words import said
from abaft.base.errors import (
    BadRequest,
    Fault,
    Forbidden,
    NotFound,
    Problem,
    Unauthorized,
    Unavailable,
)
from abaft.guard.addresses import is_local_path


class BrowserFlows:
    """The endpoints that browsers are at, not the programs of a page."""

    def __init__(
        self,
        context: Context,
        parties: Parties,
        flows: Flows,
        entering: Entering,
        login: LoginFlows,
        apps: AppFlows,
    ) -> None:
        self._context, self._parties, self._flows = context, parties, flows
        self._entering, self._login, self._apps = entering, login, apps
        self._alone = PagesAlone(context.settings)

    async def begin(self, call: Call) -> Reply:
        """On to the provider; nothing is stored but in the browser's cookie."""
        try:
            party = self._parties.of(call.place[0])
            chosen = self._chosen(call.query)
            if call.headers.get("sec-fetch-dest", "document") != "document":
                raise Forbidden("a log-in is a page of its own, not a part of one", code="csrf")
            url, cookie = await self._sent_to(call, party, **chosen)
        except Fault as fault:
            return self._told(call, fault)
        return sent(url, cookie)

    async def _sent_to(
        self, call: Call, party: Exchange, **chosen: Any
    ) -> tuple[str, tuple[str, str]]:
        context, name = self._context, party.provider.name
        await context.throttle.spend(("challenge", context.address(call)[1]))
        flow = self._flows.begun(call.headers, name, **chosen)
        try:
            url = await party.leads_to(flow, self._parties.callback(call, name))
        except Away as fault:
            await context.note("login_with_failed", call, "", f"{name}: {fault.reason}")
            raise _away() from fault
        return url, self._flows.cookie(flow)

    def _chosen(self, query: Mapping[str, str]) -> dict[str, Any]:
        """What the beginning says of the end. Raises BadRequest, with all that is wrong."""
        wrong = []
        if "next" in query and not is_local_path(query["next"]):
            detail = "next is a path of this origin, such as /posts?page=2"
            wrong.append(Problem("?next", "bad_next", detail))
        if "redirect_uri" in query and not self._parties.takes(query["redirect_uri"]):
            detail = "no app is sent there: app_redirects names where, exactly"
            wrong.append(Problem("?redirect_uri", "bad_redirect", detail))
        needed = {"redirect_uri": "code_challenge", "code_challenge": "redirect_uri"}
        for name, other in needed.items():
            if name in query and other not in query:
                detail = f"an app gives {other} along with {name}"
                wrong.append(Problem(f"?{other}", "required", detail))
        if wrong:
            detail, codes = "; ".join(row.detail for row in wrong), {row.code for row in wrong}
            inside = codes == {"bad_next"}
            raise BadRequest(detail, code="bad_next" if inside else "bad_redirect", errors=wrong)
        if "redirect_uri" in query:
            return {
                "kind": "app",
                "redirect_uri": query["redirect_uri"],
                "challenge": query["code_challenge"],
                "app_state": query.get("state", ""),
            }
        return {"next": query.get("next", "/")}

    async def link(self, call: Call) -> Reply:
        """Where a page sends the browser that an identity be linked to who has logged in."""
        self._login.fresh(call)
        body = call.body
        party = self._parties.of(body["provider"])
        then = body.get("next", "/")
        if not is_local_path(then):
            problem = Problem("/next", "bad_next", "next is a path of this origin")
            raise BadRequest(problem.detail, code="bad_next", errors=[problem])
        url, cookie = await self._sent_to(
            call, party, kind="link", next=then, session=call.actor.session
        )
        return Reply(200, {"url": url}, (cookie,))

    async def posted(self, call: Call) -> Reply:
        """A provider's form: the browser brings the same by a GET, and its cookie with it."""
        name = call.place[0]
        try:
            if self._parties.of(name).provider.response_mode != "form_post":
                raise NotFound("this provider doesn't answer by a form")
        except Fault as fault:
            return self._told(call, fault)
        url = f"{self._parties.path(name)}/callback"
        return sent(with_query(url, posted=self._flows.posted(call.body)))

    async def callback(self, call: Call) -> Reply:
        """The browser is back: as who it is, or with what went wrong."""
        context, flow = self._context, None
        try:
            async with context.throttle.trying(context.address(call)):
                party = self._parties.of(call.place[0])
                answer = call.query
                if "posted" in answer:
                    answer = self._flows.unposted(answer["posted"])
                name = party.provider.name
                flow = self._flows.found(call.headers, name, answer.get("state", ""))
                await self._flows.use(flow)
                profile = await self._proved(call, party, flow, answer)
                return await self._gone_on(call, party, flow, profile)
        except Fault as fault:
            return self._told(call, fault, flow)

    async def _proved(
        self, call: Call, party: Exchange, flow: Flow, answer: Mapping[str, str]
    ) -> Profile:
        """Who they are at the provider. Raises Unauthorized, Forbidden or Away."""
        try:
            await party.check_issuer(answer.get("iss"))
            self._check_error(answer.get("error"))
            code = answer.get("code", "")
            if not code:
                raise BadAnswer("there is no code in the answer")
            uri = self._parties.callback(call, flow.provider)
            return await party.profile(flow, code, uri, person_of(answer.get("user")))
        except BadAnswer as fault:
            await self._noted(call, flow, str(fault))
            raise Unauthorized(
                "what the provider answered doesn't hold: begin again", code="provider_refused"
            ) from fault
        except Away as fault:
            await self._noted(call, flow, fault.reason)
            raise _away() from fault

    async def _noted(self, call: Call, flow: Flow, reason: str) -> None:
        detail = f"{flow.provider}: {reason}"
        await self._context.note("login_with_failed", call, "", detail)

    def _check_error(self, error: str | None) -> None:
        if error in ("access_denied", "user_cancelled_login", "user_cancelled_authorize"):
            raise Forbidden("it was cancelled at the provider", code="login_cancelled")
        if error in ("server_error", "temporarily_unavailable"):
            raise Away(f"it answered {error}")
        if error is not None:
            raise BadAnswer(f"it answered {error[:80]}")

    async def _gone_on(self, call: Call, party: Exchange, flow: Flow, profile: Profile) -> Reply:
        cleared = self._flows.cleared(flow)
        if flow.kind == "app":
            code = await self._apps.code(flow, profile)
            return sent(with_query(flow.redirect_uri, code=code, state=flow.app_state), cleared)
        if flow.kind == "link":
            await self._linked(call, party, flow, profile)
            return sent(flow.next, cleared)
        reply = await self._entering.enter(call, profile, party.provider, "cookie", {})
        if reply.status == 202:
            return sent(self._second(reply.body["factor_token"], flow.next), cleared)
        return sent(flow.next, *reply.headers, cleared)

    async def _linked(self, call: Call, party: Exchange, flow: Flow, profile: Profile) -> None:
        seat = await self._context.authenticator.by_cookie(call.headers.get("cookie", ""))
        if seat is None or seat.actor.session != flow.session:
            raise bad_state()
        account = await self._entering.owner(seat.actor.id or "")
        own = replace(call, actor=seat.actor)
        await self._entering.link(own, account, profile, party.provider)

    def _second(self, token: str, then: str) -> str:
        """The page that asks for the second factor; the token stands after "#"."""
        template = self._context.settings.mail_link
        page = template.format(purpose="factor", token=quote(token))
        return with_query(page, next=then if then != "/" else "")

    def _told(self, call: Call, fault: Fault, flow: Flow | None = None) -> Reply:
        """A fault, as whoever waits for it can take it."""
        cleared = [] if flow is None else [self._flows.cleared(flow)]
        if flow is not None and flow.kind == "app":
            url = with_query(flow.redirect_uri, error=fault.code, state=flow.app_state)
            return sent(url, *cleared)
        if flow is not None and flow.kind == "link":
            return sent(with_query(flow.next, error=fault.code), *cleared)
        if "text/html" not in call.headers.get("accept", "") and flow is None:
            raise fault
        page = self._context.settings.login_page
        if not page:
            return self._failed(call, fault, cleared)
        then = flow.next if flow is not None and flow.next != "/" else ""
        return sent(with_query(page, error=fault.code, next=then), *cleared)

    def _failed(self, call: Call, fault: Fault, cookies: list[tuple[str, str]]) -> Reply:
        """A page that says what went wrong, where the application has none of its own."""
        _, texts = self._alone.words.of(call.headers.get("accept-language", ""))
        told, _ = said(texts, fault)
        drawn = self._alone.draw(call, "failed.html", fault.status, told=told, code=fault.code)
        # Its own address has what the provider sent.
        more = (("referrer-policy", "no-referrer"), *fault.headers.items(), *cookies)
        return replace(drawn, headers=(*drawn.headers, *more))


def _away() -> Unavailable:
    detail = "the provider doesn't answer as it should: try again"
    return Unavailable(detail, retry_after=5, code="provider_unavailable")
