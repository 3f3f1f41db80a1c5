"""The endpoints of accounts over HTTP: rows of their table, below one path of the API."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, Protocol
from urllib.parse import parse_qsl

import orjson
from pydantic import TypeAdapter, ValidationError

from abaft.api.parameters import refusal
from abaft.api.parts import Handler, Route
from abaft.api.request import FORM, JSON, Request, check_content, read_form
from abaft.api.request import Headers as RequestHeaders
from abaft.api.respond import Answer
from abaft.base.actor import ANONYMOUS, Actor
from abaft.base.errors import BadRequest, Invalid, NotFound, Problem, nearest
from abaft.base.settings import Settings
from abaft.model.adapters import adapter_of
from abaft.model.spec import Model
from abaft.model.values import body_fault, problem_of, unknown_member

MOST_FIELDS = 50
AUTH = Model("auth", "auth", "", (), {})
"""What stands in a request to accounts for its model."""


class AccountTable(Protocol):
    """What accounts tell of themselves: their endpoints, and how a call to one is made."""

    endpoints: Sequence[Any]
    call: Any
    authenticator: Any


class AccountRoutes:
    """Finds an endpoint and answers by it."""

    def __init__(self, endpoints: Sequence[Any], call: Any, settings: Settings, actor: Any) -> None:
        self._settings, self._call, self._actor = settings, call, actor
        self._queries = {row.query: adapter_of(row.query) for row in endpoints if row.query}
        self._paths: dict[tuple[str, ...], dict[str, Handler]] = {}
        # A name comes before what stands for any value.
        for row in sorted(endpoints, key=lambda row: row.path.count("*")):
            adapter = None if row.body is None else adapter_of(row.body)
            handlers = self._paths.setdefault(tuple(row.path.split("/")), {})
            handlers[row.method] = partial(self._answer, row, adapter)
            if row.method == "GET":
                handlers["HEAD"] = handlers["GET"]

    def route(self, path: str) -> Route:
        """What answers at a path below the one of accounts. Raises NotFound."""
        parts = tuple(path.split("/"))
        for names, handlers in self._paths.items():
            if len(names) == len(parts) and all(
                name in ("*", part) for name, part in zip(names, parts, strict=True)
            ):
                place = tuple(p for name, p in zip(names, parts, strict=True) if name == "*")
                return Route(AUTH, "", handlers, place)
        known = {"/".join(names) for names in self._paths}
        raise NotFound("there is no such endpoint of accounts", hint=nearest(path[:80], known))

    async def _answer(self, row: Any, adapter: Any, request: Request) -> Answer:
        actor: Actor = ANONYMOUS
        if row.known:
            request.actor = actor = await self._actor(request.headers, request.method)
        query = {} if row.query is None else self._query(row.query, request.query)
        headers = RequestHeaders(request.headers, request.method)
        try:
            body = await self._read(row, adapter, request)
        except (BadRequest, Invalid) as fault:
            if row.misread is None:
                raise
            return _shown(row.misread(fault))
        call = self._call(headers, request.address, body, actor, request.place, query)
        return _shown(await row.handle(call))

    async def _read(self, row: Any, adapter: Any, request: Request) -> Any:
        if adapter is None:
            return None
        read = self._form if row.form else self._body
        return await read(adapter, row.body, request)

    async def _body(self, adapter: TypeAdapter[Any], kind: Any, request: Request) -> Any:
        check_content(request.headers, (JSON,))
        given = await request.body(self._settings)
        try:
            return adapter.validate_json(given)
        except ValidationError as error:
            raise body_fault(None, error, partial(_problem, kind)) from None

    async def _form(self, adapter: TypeAdapter[Any], kind: Any, request: Request) -> Any:
        check_content(request.headers, (FORM,))
        pairs = _pairs(await read_form(request.receive, request.headers, self._settings))
        return _checked(adapter, pairs, "/")

    def _query(self, kind: Any, query: bytes) -> Any:
        return _checked(self._queries[kind], _pairs(query), "?")


def _shown(reply: Any) -> Answer:
    text = None if reply.body is None else orjson.dumps(reply.body)
    if reply.page:
        text = reply.page.encode()
    extra = [(name.encode(), value.encode("latin-1")) for name, value in reply.headers]
    return Answer(reply.status, text, True, extra, kept=False)


def _pairs(text: bytes) -> list[tuple[str, str]]:
    try:
        return parse_qsl(text.decode(), True, errors="strict", max_num_fields=MOST_FIELDS)
    except ValueError:
        raise BadRequest(f"this isn't a form in UTF-8 of at most {MOST_FIELDS} fields") from None


def _checked(adapter: TypeAdapter[Any], pairs: list[tuple[str, str]], mark: str) -> Any:
    """The values of a form or query, of which none is given twice. Raises BadRequest."""
    given = dict(pairs)
    twice = {name for name, count in Counter(name for name, _ in pairs).items() if count > 1}
    wrong = [
        Problem(f"{mark}{name[:200]}", "repeated_parameter", f"{name[:200]} is given twice")
        for name in sorted(twice)
    ]
    try:
        found = adapter.validate_python(given)
    except ValidationError as error:
        for row in error.errors(include_url=False, include_input=False, include_context=False):
            name = str(row["loc"][0])[:200]
            code = "unknown_parameter" if row["type"] == "extra_forbidden" else "bad_value"
            wrong.append(Problem(f"{mark}{name}", code, f"{name}: {row['msg']}"))
    if wrong:
        raise refusal(wrong[:100])
    return found


def within_batch(route: Callable[[str], Route]) -> Callable[[str], Route]:
    """The same routes but for those of accounts.

    The answer to a batch could be kept, and whose failures count would not be known.
    """

    def found(path: str) -> Route:
        answering = route(path)
        if answering.model is AUTH:
            raise BadRequest("accounts are asked by requests of their own", code="not_in_batch")
        return answering

    return found


def account_routes(
    table: AccountTable | None, settings: Settings, actor: Any
) -> AccountRoutes | None:
    """The routes of accounts, where there are any; `actor` tells of headers who asks."""
    if table is None:
        return None
    return AccountRoutes(table.endpoints, table.call, settings, actor)


def _problem(kind: Any, model: Any, row: Mapping[str, Any], prefix: tuple[str, ...]) -> Any:
    if row["type"] == "extra_forbidden" and len(row["loc"]) == 1:
        return unknown_member(row["loc"], kind.__annotations__)
    return problem_of(model, row, prefix)
