"""The pages of accounts for a browser, at /account: forms in HTML that need no script.

Each hands what was typed to the endpoint that an app would ask, so that all it checks is checked.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import quote

import orjson
from pydantic import ValidationError

from abaft.auth.calls import Call, Endpoint, Reply
from abaft.auth.context import Context
from abaft.auth.page_bodies import Values, body_of, carried, local, not_taken
from abaft.auth.page_drawing import Drawing, Sheet
from abaft.auth.page_offer import offered
from abaft.auth.page_types import Form, Page
from abaft.base.actor import ANONYMOUS, Actor, Placing
from abaft.base.errors import Fault, Forbidden, NotFound, Unauthorized
from abaft.guard import csrf
from abaft.model.adapters import adapter_of

CONFIRM, AGAIN = "confirm", "again"
"""The page of a proof that is asked for, and the field that names what goes on after it."""
CURRENT = "current-password"
"""What a browser fills in a field with: accounts without a password are not asked for it."""


@dataclass(frozen=True, slots=True)
class Visit:
    """A request for a page: `name` is what follows /account/, `base` the path that leads there."""

    method: str
    name: str
    base: str
    query: Values
    form: Values
    headers: Mapping[str, str]
    address: str

    @property
    def next(self) -> str:
        """Where to go on to, if that is here."""
        return local(self.form.get("next", "") or self.query.get("next", ""))

    def at(self, page: str) -> str:
        """The path of a page."""
        return f"{self.base}/{page}" if page else self.base


class Pages:
    """Answers visits."""

    visit = Visit

    def __init__(
        self, context: Context, endpoints: Sequence[Endpoint], tenants: Placing | None = None
    ) -> None:
        self._context, self._tenants = context, tenants
        self._endpoints = {f"{row.method} {row.path}": row for row in endpoints}
        self._bodies = {
            name: adapter_of(row.body)
            for name, row in self._endpoints.items()
            if row.body is not None
        }
        self._pages = offered(context, self._endpoints)
        self._forms = {form.name: page for page in self._pages.values() for form in page.forms}
        self._menu = tuple((row.name, row.title) for row in self._pages.values() if row.menu)
        self.drawing = Drawing(context.settings.page_templates, context.mailer.title)

    async def answer(self, visit: Visit) -> Reply:
        """A page, or where to go on."""
        if visit.name == "style.css":
            return self.drawing.style()
        try:
            return await (self._posted(visit) if visit.method == "POST" else self._looked(visit))
        except Unauthorized:
            # Of a page that is for who has logged in: they haven't, or not any more.
            page = self._of(visit)
            then = page.home if page.kept else page.name
            return _go(visit.at("login") + (f"?next={quote(visit.at(then))}" if then else ""))

    def _of(self, visit: Visit) -> Page:
        """The page of this name, or that of the form. Raises NotFound."""
        page = self._pages.get(visit.name) or self._forms.get(visit.name)
        if page is None:
            raise NotFound("there is no such page of accounts")
        return page

    async def _looked(self, visit: Visit) -> Reply:
        page = self._of(visit)
        if page.name != visit.name:
            return _go(visit.at(page.name))
        if page.kept:
            return _go(visit.at(page.home))
        done = self._done(page, visit.query.get("done", ""))
        kept = {"next": visit.next}
        if page.name == CONFIRM and visit.query.get(AGAIN, "") in self._forms:
            kept[AGAIN] = visit.query[AGAIN]
        return await self._drawn(visit, page, kept, error=visit.query.get("error", ""), done=done)

    def _done(self, page: Page, name: str) -> str:
        """The text of what a form has done that leads to this page."""
        home = self._forms.get(name)
        if home is None:
            return ""
        form = _form(home, name)
        return form.told if page.name in (home.name, form.then) else ""

    async def _posted(self, visit: Visit) -> Reply:
        page = self._of(visit)
        own = self._context.settings
        scheme = "https" if own.production else "http"
        if visit.name not in self._forms:
            raise NotFound("there is no such form of accounts")
        form = _form(page, visit.name)
        if not csrf.from_here(visit.headers, own.base_url, scheme):
            fault = Forbidden("this was not sent by a page of this origin", code="csrf")
            return self._bare(visit, page, fault)
        try:
            reply = await self._asked_by(visit, form)
        except Fault as fault:
            if fault.status >= 500 or _gone(fault, page):
                raise
            return await self._refused(visit, page, form, fault)
        return await self._went(visit, page, form, reply)

    async def _asked_by(self, visit: Visit, form: Form) -> Reply:
        """What the form's endpoint answers. Raises its faults."""
        row = self._endpoints[form.endpoint]
        # Who asks comes first: what they typed is nothing to look at where a page was forged.
        actor = await self._actor(visit, "POST") if row.known else ANONYMOUS
        body = None
        if row.body is not None:
            body = self._checked(form.endpoint, body_of(form, visit.form, visit.base))
        place = (visit.form.get("id", ""),) if form.each == "id" else ()
        return await row.handle(
            Call(visit.headers, visit.address, body, actor, place, dict(form.query))
        )

    def _checked(self, name: str, body: Any) -> Any:
        try:
            return self._bodies[name].validate_python(body)
        except ValidationError as error:
            raise not_taken(
                sorted({str(row["loc"][0]) for row in error.errors() if row["loc"]})
            ) from None

    async def _actor(self, visit: Visit, method: str) -> Actor:
        """Who asks by the cookie; what they send must have the token of their session."""
        headers = _Sent(visit.headers, visit.form.get("csrf", ""), method)
        authenticator = self._context.authenticator
        due = authenticator.epoch.due()
        if due is not None:
            # What another worker has ended opens no page either.
            await due
        found = await authenticator.authenticate(headers)
        if found is None or self._tenants is None:
            return found or ANONYMOUS
        return await self._tenants.placed(found, headers)

    async def _refused(self, visit: Visit, page: Page, form: Form, fault: Fault) -> Reply:
        """The form once more, with what is wrong; or first the proof that it asks for."""
        given = {**visit.form, "next": visit.next}
        if fault.code == "confirm_first" and CONFIRM in self._pages:
            if not (await self._own(visit, "GET me"))["has_password"]:
                return _go(f"{visit.at('login')}?next={quote(visit.at(page.home or page.name))}")
            kept = _unsecret(given) | {AGAIN: form.name}
            return await self._drawn(visit, self._pages[CONFIRM], kept, status=fault.status)
        kept = {name: given[name] for name in (*page.kept, "next") if given.get(name)}
        if page.name == CONFIRM:
            kept = _unsecret(given)
        if not all(given.get(name) for name in page.kept):
            return self._bare(visit, page, fault)
        return await self._drawn(
            visit, page, kept, status=fault.status, typed=given, at=form.name, fault=fault
        )

    def _bare(self, visit: Visit, page: Page, fault: Fault) -> Reply:
        """What is wrong, and where to begin again."""
        links = ((page.home if page.kept else page.name, page.title),)
        return self._draw(visit, Sheet(page, (), fault.status, fault=fault, links=links))

    async def _went(self, visit: Visit, page: Page, form: Form, reply: Reply) -> Reply:
        """What follows a form that was good."""
        answer = reply.body if isinstance(reply.body, dict) else {}
        if "content-disposition" in dict(reply.headers):
            kind = ("content-type", "application/json")
            return replace(
                reply, headers=(kind, *reply.headers), page=orjson.dumps(answer).decode()
            )
        leads = "factor" if reply.status == 202 and "factor_token" in answer else form.leads
        again = visit.form.get(AGAIN, "")
        if page.name == CONFIRM and again in self._forms:
            # 307: the browser sends all of it once more, by the session's new cookie.
            return Reply(307, None, (("location", visit.at(again)), _NOT_KEPT, *reply.headers))
        if leads:
            return await self._led(visit, self._pages[leads], answer, reply)
        then = form.then
        if then is None and (page.lists or page.state):
            then = page.name
        if then is not None:
            done = f"?done={quote(form.name, safe='')}" if form.told else ""
            return _go(visit.at(then) + done, reply.headers)
        if form.told:
            links = self._there(page.after) or self._links(page)
            sheet = Sheet(page, (), links=links, done=form.told)
            return self._with(self._draw(visit, sheet), reply)
        return _go(visit.next or visit.base, reply.headers)

    async def _led(
        self, visit: Visit, page: Page, answer: Mapping[str, Any], reply: Reply
    ) -> Reply:
        fields = tuple(row for form in page.forms for row in form.fields)
        kept = carried(fields, (*page.kept, "next"), answer, {**visit.form, "next": visit.next})
        return self._with(await self._drawn(visit, page, kept, answer=answer, typed=kept), reply)

    def _with(self, drawn: Reply, reply: Reply) -> Reply:
        """The page with the cookies of the answer that it tells of."""
        cookies = (row for row in reply.headers if row[0] == "set-cookie")
        return replace(drawn, headers=(*drawn.headers, *cookies))

    async def _drawn(
        self, visit: Visit, page: Page, kept: Values, *, fault: Fault | None = None, **more: Any
    ) -> Reply:
        """The page with all that it shows of who has logged in. Raises Unauthorized."""
        user, rows, state, forms = None, (), {}, page.forms
        hidden = {name: value for name, value in kept.items() if value}
        if page.known:
            mine = await self._own(visit, "GET me")
            user, hidden = mine["user"], hidden | {"csrf": mine["csrf"]}
            if not mine["has_password"]:
                forms = tuple(form.without(CURRENT) for form in forms)
            try:
                if page.lists is not None:
                    rows = tuple((await self._own(visit, page.lists.endpoint))["items"])
                if page.state:
                    state = await self._own(visit, page.state)
            except Forbidden as closed:
                fault = fault or closed
        sheet = Sheet(
            page,
            tuple(form for form in forms if form.only is None or _fits(form.only, state)),
            kept=hidden,
            fault=fault,
            rows=rows,
            state=state,
            options=await self._options(visit, page),
            links=self._links(page),
            menu=self._menu,
            user=user,
            **more,
        )
        return self._draw(visit, sheet)

    async def _own(self, visit: Visit, name: str) -> Any:
        """What an endpoint tells of who has logged in."""
        row = self._endpoints[name]
        actor = await self._actor(visit, "GET") if row.known else ANONYMOUS
        return (await row.handle(Call(visit.headers, visit.address, None, actor))).body

    async def _options(self, visit: Visit, page: Page) -> dict[str, Any]:
        found = {}
        for name in {row.options for form in page.forms for row in form.fields if row.options}:
            found[name] = (await self._own(visit, name))["items"]
        return found

    def _links(self, page: Page) -> tuple[tuple[str, str], ...]:
        return self._there(page.links)

    def _there(self, links: tuple[tuple[str, str], ...]) -> tuple[tuple[str, str], ...]:
        return tuple(row for row in links if row[0] in self._pages)

    def _draw(self, visit: Visit, sheet: Sheet) -> Reply:
        return self.drawing.draw(sheet, visit.base, visit.headers.get("accept-language", ""))


class _Sent(dict[str, str]):
    """The headers of a form as those of a page's own request: its token is a header there."""

    def __init__(self, headers: Mapping[str, str], token: str, method: str) -> None:
        # What a form may bear is the cookie alone.
        super().__init__({name: headers[name] for name in headers if name != "authorization"})
        self.method = method
        self[csrf.HEADER] = token


_NOT_KEPT = ("cache-control", "no-store")


def _form(page: Page, name: str) -> Form:
    return next(form for form in page.forms if form.name == name)


def _fits(only: tuple[str, bool], state: Mapping[str, Any]) -> bool:
    return state.get(only[0]) == only[1]


def _gone(fault: Fault, page: Page) -> bool:
    """Whether who sent a form isn't logged in any more; a wrong password is another thing."""
    return page.known and fault.code == Unauthorized.code


def _unsecret(given: Values) -> dict[str, str]:
    """What may stand in a page once more."""
    secret = ("password", "current", "csrf")
    return {name: value for name, value in given.items() if value and name not in secret}


def _go(path: str, headers: tuple[tuple[str, str], ...] = ()) -> Reply:
    """303: what follows is asked for by GET."""
    return Reply(303, None, (("location", path), _NOT_KEPT, *headers))
