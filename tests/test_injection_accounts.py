"""INJ-1 to INJ-4: no string is more than a value for accounts either, wherever it stands.

In queries, forms, bodies, paths, headers and cookies of each endpoint that the app's own table
has, in each field of each page's form, and where users, organisations and who belongs to them are
asked for. Engines that run other statements have to answer the same.
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote_from_bytes

import orjson
import pytest

from abaft import Invitation, Membership, Organisation, SignIn, User
from abaft.login_with import GitHub
from account_browser import HERE
from accounts import ORIGIN, Note, World, world
from in_process import Answer, ask
from injections import BYTES, HEADERS, HIDDEN, NEUTRAL, STRINGS, filled
from scenarios import ADMIN_TOKEN
from test_injection import items, wrong

MODELS = (User, Organisation, Membership, Invitation, Note)
OFTEN = 10**9
HOST = (b"host", b"test")
JSON, FORM = b"application/json", b"application/x-www-form-urlencoded"
ENDING = {"POST logout", "DELETE sessions"}
"""They need no string to do what they are for."""
KNOWN = {b"*", b"`id`"}
"""Of the strings these are names somewhere."""
EACH = 1 if os.environ.get("ABAFT_ATTACK") else 6
Pairs = tuple[tuple[bytes, bytes], ...]


@dataclass
class Side:
    """An engine's app, and what those send who ask."""

    found: World
    who: dict[str, Pairs]
    csrf: str
    before: Any = None

    async def kept(self) -> Any:
        """What no string may change: who may do what, and how they log in."""
        context, db = self.found.api.app.accounts.context, self.found.api.db
        accounts = await db.list(context.models.account, expand=("user",))
        hidden = [row for row in accounts if row.user.email.startswith(HIDDEN.decode())]
        ann = [row for row in accounts if row.user.email == "ann@example.org"]
        groups = await db.list(Organisation)
        rows = [(row.roles, row.password, row.disabled, row.user.email) for row in hidden + ann]
        return rows, [row.name for row in groups if row.name == "Crew"]


async def side(stack: AsyncExitStack, url: str) -> Side:
    settings = {
        "base_url": ORIGIN, "requests_per_minute": OFTEN, "account_requests_per_minute": OFTEN,
    }  # fmt: skip
    options: dict[str, Any] = {
        "sign_in": SignIn({"export": "export all"}, registration=True),
        "login_with": [GitHub(client_id="x", client_secret="y")],
    }
    found = await stack.enter_async_context(world(url, *MODELS, settings=settings, **options))
    throttle = found.api.app.accounts.context.throttle
    throttle._limits = {name: [] for name in throttle._limits}
    ann, other = await found.joined("ann", session="bearer"), await found.joined("ann2")
    await found.joined(HIDDEN.decode())
    for person, name in ((ann, "Crew"), (other, HIDDEN.decode())):
        made = await person.ask("POST /api/organisations", {"name": name})
        assert made.status_code == 201, made.text
    # What was mailed to them is for whoever sits at this machine to see.
    found.api.app.accounts.context.mailer.box.clear()
    cookie = other.client.cookies["session"].encode()
    who: dict[str, Pairs] = {
        "nobody": (),
        "ann": ((b"authorization", f"Bearer {ann.tokens['access_token']}".encode()),),
        "admin": ((b"authorization", f"Bearer {ADMIN_TOKEN}".encode()),),
        "browser": ((b"cookie", b"session=" + cookie), *_pairs(HERE)),
    }
    made = Side(found, who, other.csrf)
    made.before = await made.kept()
    return made


def _pairs(headers: dict[str, str]) -> Pairs:
    return tuple((name.encode(), value.encode()) for name, value in headers.items())


@pytest.fixture
async def sides(database_urls: dict[str, str]) -> AsyncIterator[dict[str, Side]]:
    async with AsyncExitStack() as stack:
        yield {engine: await side(stack, url) for engine, url in database_urls.items()}


@dataclass(frozen=True)
class Place:
    """Where a string stands: its braces are in the target, the body or a header."""

    method: str
    target: str
    who: str
    kind: bytes = b""
    members: tuple[str, ...] = ()
    header: bytes = b""
    prefix: bytes = b""

    def body(self, text: bytes, csrf: str) -> bytes:
        if self.kind == JSON:
            return orjson.dumps(dict.fromkeys(self.members, text.decode("utf-8", "replace")))
        quoted = quote_from_bytes(text, safe="").encode()
        pairs = [name.encode() + b"=" + quoted for name in self.members]
        if self.who == "browser" and "csrf" not in self.members:
            pairs.append(b"csrf=" + csrf.encode())
        return b"&".join(pairs)

    def headers(self, text: bytes) -> Pairs:
        sent = bytes(octet for octet in text if octet >= 32 and octet != 127)
        own = ((self.header, self.prefix + sent),) if self.header else ()
        return (*own, *(((b"content-type", self.kind),) if self.kind else ()))


def of_endpoints(app: Any) -> Iterator[Place]:
    """The queries, bodies and paths of accounts' endpoints."""
    for row in app.accounts.endpoints:
        if f"{row.method} {row.path}" in ENDING:
            continue
        path = f"/api/auth/{row.path.replace('*', '{}')}"
        names = tuple(getattr(row.body, "__annotations__", ()))
        kind = b"" if row.body is None else FORM if row.form else JSON
        for who in ("ann", "admin") if row.known else ("nobody", "browser"):
            if "{}" in path or not names:
                yield Place(row.method, path, who, kind)
            for name in getattr(row.query, "__annotations__", ()):
                yield Place(row.method, f"{path.format('x')}?{name}={{}}", who)
            for members in (names, *([name] for name in names)) if names else ():
                yield Place(row.method, path, who, kind, tuple(members))


def of_pages(app: Any) -> Iterator[Place]:
    """Each field of each form, and what goes along with it."""
    for name, page in app.accounts.pages._forms.items():
        if name in ("logout", "sessions/others"):
            continue
        [form] = [form for form in page.forms if form.name == name]
        fields = [*page.kept, *(row.name for row in form.fields), form.each or "id"]
        for field in dict.fromkeys([*fields, "next", "again", "csrf"]):
            yield Place("POST", f"/account/{name}", "browser", FORM, (field,))
    for query in ("next", "error", "done", "again"):
        yield Place("GET", f"/account/login?{query}={{}}", "browser")
    yield Place("GET", "/account/{}", "browser")


def of_heads() -> Iterator[Place]:
    """Headers and cookies, by which people are known or told apart."""
    asked = [("GET", "/api/auth/me"), ("GET", "/account"), ("GET", "/api/auth/oauth/userinfo")]
    prefixes = [*((name, b"") for name in HEADERS if name != b"content-type")]
    prefixes += [(b"cookie", b"session="), (b"cookie", b"login-0="), (b"x-tenant", b"")]
    prefixes += [(b"authorization", b"Bearer "), (b"authorization", b"Basic ")]
    for name, prefix in prefixes:
        for method, target in asked:
            yield Place(method, target, "nobody", header=name, prefix=prefix)
        more = {"header": name, "prefix": prefix}
        yield Place("POST", "/api/auth/login", "nobody", JSON, ("email", "password"), **more)
        yield Place("POST", "/api/auth/oauth/token", "nobody", FORM, ("grant_type",), **more)


COLLECTIONS = {
    "users": ("name", "email", "memberships"),
    "organisations": ("name", "id", "memberships"),
    "memberships": ("role", "user", "organisation"),
    "invitations": ("email", "role", "organisation"),
}
NAMED = ["sort={}", "sort=-{}", "fields={}", "expand={}", "aggregate=count&group={}", "{}[x]=1"]
READ = [
    "{}=1", "filter={}", "filter={} = 1", "search={}", "aggregate={}", "limit={}", "cursor={}",
    "count={}", "offset={}", "aggregate=count&group=id&having={} = 1", "aggregate=max({})",
]  # fmt: skip


def of_collections() -> Iterator[Place]:
    for name, (field, second, relation) in COLLECTIONS.items():
        asked = [f"{field}={{}}", f"{second}[in]={{}}", f"sort={relation}.{{}}", f"{field}[{{}}]=x"]
        asked += [f"filter={field} = '{{}}'", f"expand={relation}(filter={{}})"]
        for query in [*asked, *READ, *NAMED]:
            yield Place("GET", f"/api/{name}?{query.replace(' ', '%20')}", "ann")
        yield Place("GET", f"/api/{name}/{{}}", "ann")
        for members in ((field,), (second,), (relation,)):
            for method in ("POST", "PATCH"):
                yield Place(method, f"/api/{name}/{{}}"[: None if method == "PATCH" else -3],
                            "ann", JSON, members)  # fmt: skip


def in_turns(step: int) -> pytest.MarkDecorator:
    """A place has one string of so many, the next place the next ones; slowly it has more."""
    return pytest.mark.parametrize("step", [step, pytest.param(EACH, marks=pytest.mark.slow)])


async def put(sides: dict[str, Side], place: Place, text: bytes) -> Answer:
    """What all answer. Fails where one shows too much, or another answers otherwise."""
    target, answers = filled(place.target, text), {}
    for engine, one in sides.items():
        body = place.body(text, one.csrf) if place.members or place.kind else b""
        host = () if place.header == b"host" else (HOST,)
        headers = (*host, *one.who[place.who], *place.headers(text))
        answer = await ask(one.found.api.app, place.method, target, headers, body)
        told = [repr(row.error) for row in one.found.api.defects]
        assert not [*told, *filter(None, [wrong(answer, text)])], (engine, place, text, answer)
        answers[engine] = answer
    statuses = {engine: answer.status for engine, answer in answers.items()}
    assert len({*statuses.values()}) == 1, (place, text, statuses, answers)
    return next(iter(answers.values()))


async def all_put(sides: dict[str, Side], places: list[Place], step: int) -> None:
    for turn, place in enumerate(places):
        texts: list[bytes] = [text.encode() for text in STRINGS] if place.kind == JSON else BYTES
        for text in [NEUTRAL, *texts[turn % step :: step]]:
            await put(sides, place, text)
    for engine, one in sides.items():
        assert await one.kept() == one.before, engine


@in_turns(40)
async def test_inj_1_inj_3_no_string_of_an_accounts_request_is_more_than_a_value(
    sides: dict[str, Side], step: int
) -> None:
    first = next(iter(sides.values())).found.api.app
    places = [*of_endpoints(first)]
    assert len(places) > 150
    await all_put(sides, places, step)


@in_turns(50)
async def test_inj_1_inj_4_no_string_of_a_page_or_a_head_is_more_than_a_value(
    sides: dict[str, Side], step: int
) -> None:
    first = next(iter(sides.values())).found.api.app
    places = [*of_pages(first), *of_heads()]
    assert len(places) > 150
    await all_put(sides, places, step)


@in_turns(15)
async def test_inj_1_inj_2_people_are_asked_for_by_names_that_there_are(
    sides: dict[str, Side], step: int
) -> None:
    await all_put(sides, [*of_collections()], step)
    for turn, query in enumerate(NAMED):
        for text in BYTES[turn % step :: step]:
            answer = await put(sides, Place("GET", f"/api/users?{query}", "ann"), text)
            assert answer.status == 400 or text in KNOWN, (query, text, answer)
    for text in BYTES[::step]:
        answer = await put(sides, Place("GET", "/api/users?name={}", "ann"), text)
        assert items(answer) == [], (text, answer)
