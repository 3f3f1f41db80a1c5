"""The pages of accounts for a browser, at /account: forms in HTML that need no script.

Each hands what was typed to the endpoint that an app would ask, so that all it checks is checked.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from importlib.resources import files
from pathlib import Path
from typing import Any

from jinja2 import ChoiceLoader, Environment, FileSystemLoader, PackageLoader, StrictUndefined
from pydantic import ValidationError

from abaft.auth.calls import Call, Endpoint, Reply
from abaft.auth.context import Context
from abaft.auth.mail import accepted
from abaft.auth.page_table import NAME, NEW, PAGES, Page
from abaft.base import ids
from abaft.base.actor import ANONYMOUS, Actor
from abaft.base.errors import BadRequest, Fault, Forbidden, NotFound, Unauthorized
from abaft.guard import csrf
from abaft.guard.headers import page_policy
from abaft.model.adapters import adapter_of

_LOCAL = re.compile(r"/(?![/\\])[^\\\x00-\x20\x7f]*")
_OWN = files("abaft.auth") / "pages"
Values = Mapping[str, str]


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


def local(path: str) -> str:
    """A path of this origin to go on to; "" for what may lead anywhere else."""
    return path if len(path) <= 2_000 and _LOCAL.fullmatch(path) else ""


class Pages:
    """Answers visits. `others` are links to log in with, which stand below the form."""

    visit = Visit

    def __init__(self, context: Context, endpoints: Sequence[Endpoint]) -> None:
        self._context = context
        self._endpoints = {f"{row.method} {row.path}": row for row in endpoints}
        self._bodies = {
            name: adapter_of(row.body)
            for name, row in self._endpoints.items()
            if row.body is not None
        }
        self._pages = _offered(context, self._endpoints)
        folder = context.settings.page_templates
        loaders: list[Any] = [FileSystemLoader(folder)] if folder else []
        loader = ChoiceLoader([*loaders, PackageLoader("abaft.auth", "pages")])
        self._templates = Environment(autoescape=True, loader=loader, undefined=StrictUndefined)
        self._folder = Path(folder) if folder else None
        self._texts: dict[str, dict[str, str]] = {"en": self._text("en")}
        self.others: list[tuple[str, str]] = []

    async def answer(self, visit: Visit) -> Reply:
        """A page, or where to go on."""
        if visit.name == "style.css":
            css = self._templates.get_template("style.css").render()
            return Reply(200, None, (("content-type", "text/css; charset=utf-8"), _KEEP), css)
        if visit.method == "POST":
            return await self._posted(visit)
        page = self._pages.get(visit.name)
        if not visit.name:
            return await self._overview(visit)
        if page is None:
            raise NotFound("there is no such page of accounts")
        if page.known and (await self._actor(visit)).id is None:
            return _go(f"{visit.base}/login?next={visit.base}/{page.name}")
        return await self._form(visit, page, 200)

    async def _posted(self, visit: Visit) -> Reply:
        own = self._context.settings
        scheme = "https" if own.production else "http"
        if not csrf.from_here(visit.headers, own.base_url, scheme):
            shown = self._pages.get(visit.name) or self._pages["login"]
            return await self._form(visit, shown, 403, Forbidden(self._words(visit)["expired"]))
        if visit.name == "logout":
            reply = await self._asked(visit, "POST logout", None)
            return _go(f"{visit.base}/login", reply.headers)
        if visit.name == "sessions/end":
            await self._asked(visit, "DELETE sessions/*", None, (visit.form.get("id", ""),))
            return _go(visit.base)
        page = self._pages.get(visit.name)
        if page is None:
            raise NotFound("there is no such page of accounts")
        try:
            reply = await self._asked(visit, page.endpoint, _body(page, visit.form))
        except Fault as fault:
            if fault.status >= 500:
                raise
            return await self._form(visit, page, fault.status, fault)
        return await self._went(visit, page, reply)

    async def _went(self, visit: Visit, page: Page, reply: Reply) -> Reply:
        """What follows a form that was good."""
        if reply.status == 202 and isinstance(reply.body, dict) and "factor_token" in reply.body:
            factor = self._pages["factor"]
            kept = {"factor_token": reply.body["factor_token"], "next": _next(visit)}
            return await self._form(visit, factor, 200, kept=kept)
        if page.told:
            values = {"title": page.title, "lead": page.told, "links": page.links}
            done = self._page(visit, ["done.html"], 200, values)
            return replace(done, headers=(*done.headers, *reply.headers))
        return _go(_next(visit) or visit.base, reply.headers)

    async def _asked(
        self, visit: Visit, name: str, body: Any, place: tuple[str, ...] = ()
    ) -> Reply:
        """What the endpoint answers. Raises its faults."""
        row = self._endpoints[name]
        if row.body is not None:
            body = self._checked(name, body)
        actor = await self._actor(visit, row.method) if row.known else ANONYMOUS
        return await row.handle(Call(visit.headers, visit.address, body, actor, place))

    def _checked(self, name: str, body: Any) -> Any:
        try:
            return self._bodies[name].validate_python(body)
        except ValidationError as error:
            names = sorted({str(row["loc"][0]) for row in error.errors() if row["loc"]})
            raise BadRequest(f"this can't be taken: {', '.join(names)}") from None

    async def _actor(self, visit: Visit, method: str = "GET") -> Actor:
        """Who asks by the cookie; what they send must have the token of their session."""
        headers = _Sent(visit.headers, visit.form.get("csrf", ""), method)
        found = await self._context.authenticator.authenticate(headers)
        return found or ANONYMOUS

    async def _overview(self, visit: Visit) -> Reply:
        try:
            mine = (await self._asked(visit, "GET me", None)).body
            shown = (await self._asked(visit, "GET sessions", None)).body
        except Unauthorized:
            return _go(f"{visit.base}/login")
        user = {"name": "", "email": "", "id": "", **mine["user"]}
        sessions = shown["items"]
        values = {"title": "account", "user": user, "sessions": sessions, "csrf": mine["csrf"]}
        return self._page(visit, ["overview.html"], 200, values)

    async def _form(
        self,
        visit: Visit,
        page: Page,
        status: int,
        fault: Fault | None = None,
        kept: Values | None = None,
    ) -> Reply:
        if kept is None:
            kept = {"next": _next(visit), "factor_token": visit.form.get("factor_token", "")}
        kept = {name: value for name, value in kept.items() if value}
        if page.known:
            kept["csrf"] = (await self._asked(visit, "GET me", None)).body["csrf"]
        typed = {row.name: visit.form.get(row.name, "") for row in page.fields}
        values = {
            "title": page.title,
            "lead": page.lead,
            "button": page.button,
            "links": [row for row in page.links if row[0] in self._pages],
            "fields": page.fields,
            "values": typed,
            "kept": kept,
            "token_page": any(row.name == "token" for row in page.fields),
            "error": "" if fault is None else fault.detail or fault.title,
            "problems": [] if fault is None else [one.detail for one in fault.errors],
        }
        reply = self._page(visit, [f"{page.name}.html", "form.html"], status, values, page.name)
        if fault is None:
            return reply
        extra = tuple(row for row in fault.headers.items() if row[0] == "retry-after")
        return replace(reply, headers=(*reply.headers, *extra))

    def _page(
        self,
        visit: Visit,
        templates: list[str],
        status: int,
        values: Mapping[str, Any],
        name: str = "",
    ) -> Reply:
        language, texts = self._language(visit)
        nonce = ids.secret()[:24]
        usual = {"error": "", "problems": [], "note": "", "lead": "", "links": ()}
        text = self._templates.select_template(templates).render(
            **{**usual, **values},
            name=name,
            app=self._context.mailer.title,
            base=visit.base,
            language=language,
            t=texts,
            nonce=nonce,
            others=self.others,
        )
        policy = page_policy(
            "style-src 'self'", "img-src 'self'", f"script-src 'nonce-{nonce}'", forms="'self'"
        )
        headers = (
            ("content-type", "text/html; charset=utf-8"),
            ("content-security-policy", policy),
            ("content-language", language),
            ("cache-control", "no-store"),
        )
        return Reply(status, None, headers, text)

    def _words(self, visit: Visit) -> dict[str, str]:
        return self._language(visit)[1]

    def _language(self, visit: Visit) -> tuple[str, dict[str, str]]:
        """The first language that the browser wants and that there are texts of."""
        for language in accepted(visit.headers.get("accept-language", "")):
            texts = self._texts.get(language) or self._text(language)
            if texts:
                self._texts[language] = texts
                return language, texts
        return "en", self._texts["en"]

    def _text(self, language: str) -> dict[str, str]:
        """Texts of abaft's own, and of the folder's above them; what is missing is English."""
        found: dict[str, str] = {}
        for folder in (_OWN, self._folder):
            path = None if folder is None else folder / "texts" / f"{language}.json"
            if path is not None and path.is_file():
                found |= json.loads(path.read_text("utf-8"))
        return {**getattr(self, "_texts", {}).get("en", {}), **found} if found else {}


_KEEP = ("cache-control", "public, max-age=3600")


class _Sent(dict[str, str]):
    """The headers of a form as those of a page's own request: its token is a header there."""

    def __init__(self, headers: Mapping[str, str], token: str, method: str) -> None:
        # What a form may bear is the cookie alone.
        super().__init__({name: headers[name] for name in headers if name != "authorization"})
        self.method = method
        self[csrf.HEADER] = token


def _offered(context: Context, endpoints: Mapping[str, Endpoint]) -> dict[str, Page]:
    """The pages whose endpoints there are."""
    found = {name: page for name, page in PAGES.items() if page.endpoint in endpoints}
    if "join" in found and not context.settings.email_verification:
        fields = (*found["join"].fields, NAME, NEW)
        found["join"] = replace(found["join"], fields=fields, button="save", told="")
    if "name" not in context.models.user.__registers__:
        for name in ("join", "register"):
            if name in found:
                rest = tuple(row for row in found[name].fields if row is not NAME)
                found[name] = replace(found[name], fields=rest)
    return found


def _body(page: Page, form: Values) -> dict[str, Any]:
    """What was typed as the endpoint takes it: names that it doesn't ask for are left out."""
    body: dict[str, Any] = {
        row.name: form.get(row.name, "") for row in page.fields if row is not NAME
    }
    if page.name == "factor":
        body["factor_token"] = form.get("factor_token", "")
    if NAME in page.fields:
        body["user"] = {"name": form.get("name", "")}
    return body


def _next(visit: Visit) -> str:
    return local(visit.form.get("next", "") or visit.query.get("next", ""))


def _go(path: str, headers: tuple[tuple[str, str], ...] = ()) -> Reply:
    """303: what follows is asked for by GET."""
    return Reply(303, None, (("location", path), ("cache-control", "no-store"), *headers))
