"""The record path: collections and records over HTTP, answered ahead of the router."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from urllib.parse import quote

from abaft.api import cursor as cursors
from abaft.api import respond
from abaft.api.parse import Page, Parser
from abaft.api.request import (
    JSON,
    MERGE_PATCH,
    Disconnected,
    check_accept,
    check_content,
    check_url,
    read_body,
)
from abaft.base import ids
from abaft.base.actor import ANONYMOUS, Actor, Authenticator
from abaft.base.errors import (
    BadRequest,
    Conflict,
    Fault,
    MethodNotAllowed,
    NotFound,
    PreconditionFailed,
    ServerFault,
    TooManyRequests,
    Unauthorized,
    Unavailable,
    nearest,
)
from abaft.base.settings import Settings
from abaft.guard.limits import RateLimit
from abaft.model.spec import Action, Model
from abaft.observe.events import LoadShed, Observer, RequestFailed
from abaft.pipeline import Pipeline, ReadAnswer, WriteAnswer
from abaft.plan.types import Pick, ReadIntent, ReadShape, WriteIntent

ALLOW_MANY = "GET, HEAD, OPTIONS, POST"
ALLOW_ONE = "DELETE, GET, HEAD, OPTIONS, PATCH, PUT"


class Records:
    """Serves every collection under one prefix."""

    def __init__(
        self,
        pipeline: Pipeline,
        settings: Settings,
        observer: Observer,
        authenticators: Sequence[Authenticator],
        key: bytes,
    ) -> None:
        self.pipeline = pipeline
        self.settings = settings
        self.observer = observer
        self.authenticators = authenticators
        self.parser = Parser(pipeline.schema, settings, key)
        self.key = key
        self.collections = pipeline.schema.collections
        self.rate = RateLimit(settings.requests_per_minute)
        self.in_progress = 0

    async def __call__(self, scope: Any, receive: Any, send: Any, path: str) -> None:
        """Answers one request; `path` is what follows the prefix, percent-encoded."""
        self.in_progress += 1
        try:
            await self._answer(scope, receive, send, path)
        except Fault as fault:
            await respond.send_fault(send, fault, head=scope["method"] == "HEAD")
        except Disconnected:
            return
        except Exception as error:
            await self._defect(scope, send, error)
        finally:
            self.in_progress -= 1

    async def _defect(self, scope: Any, send: Any, error: Exception) -> None:
        """500: a defect of ours; the client learns only by what id to find it in the log."""
        request_id = ids.request_id()
        self.observer.emit(RequestFailed(request_id, scope["method"], scope["path"], error))
        detail = f"this is a defect; the log has it under {request_id}"
        await respond.send_fault(send, ServerFault(detail))

    async def _answer(self, scope: Any, receive: Any, send: Any, path: str) -> None:
        self._admit(scope)
        check_url(scope, self.settings)
        headers = dict(scope["headers"])
        collection, _, key = path.partition("/")
        model = self.collections.get(collection)
        if model is None:
            hint = nearest(collection[:80], self.collections)
            raise NotFound(f"there is no collection {collection[:80]!r}", hint=hint)
        method = scope["method"]
        if key:
            await self._one(method, model, key, scope, headers, receive, send)
        else:
            await self._many(method, model, scope, headers, receive, send)

    def _admit(self, scope: Any) -> None:
        if self.in_progress > self.settings.queue_limit:
            self.observer.emit(LoadShed(self.in_progress))
            raise Unavailable("too many requests are in progress", code="overloaded")
        if self.rate.per_minute:
            client = scope.get("client") or ("",)
            wait = self.rate.retry_after(client[0])
            if wait:
                detail = f"an address may send {self.rate.per_minute} requests a minute"
                raise TooManyRequests(detail, headers={"retry-after": str(wait)})

    async def actor(self, headers: dict[bytes, bytes]) -> Actor:
        """Who asks; Unauthorized for credentials that nobody knows."""
        if self.authenticators:
            text = {k.decode("latin-1"): v.decode("latin-1") for k, v in headers.items()}
            for authenticator in self.authenticators:
                actor = await authenticator.authenticate(text)
                if actor is not None:
                    return actor
        if b"authorization" in headers:
            challenge = {"www-authenticate": 'Bearer realm="abaft", error="invalid_token"'}
            raise Unauthorized("these credentials are not known", headers=challenge)
        return ANONYMOUS

    async def _many(
        self,
        method: str,
        model: Model,
        scope: Any,
        headers: dict[bytes, bytes],
        receive: Any,
        send: Any,
    ) -> None:
        if method in ("GET", "HEAD"):
            check_accept(headers)
            actor = await self.actor(headers)
            try:
                page = self.parser.page(model, scope["query_string"])
            except Fault:
                self.pipeline.permit(model.name, "read", actor)  # 401 before 400
                raise
            answer = await self.pipeline.read(page.intent, actor)
            text = await self._page_json(model, page, answer, actor)
            await self._send_read(send, text, headers, actor, answer, method)
        elif method == "POST":
            actor = await self.actor(headers)
            await self._create(model, scope, headers, receive, send, actor)
        else:
            await _other(method, ALLOW_MANY, send)

    async def _one(
        self,
        method: str,
        model: Model,
        key: str,
        scope: Any,
        headers: dict[bytes, bytes],
        receive: Any,
        send: Any,
    ) -> None:
        if method in ("GET", "HEAD"):
            check_accept(headers)
            actor = await self.actor(headers)
            try:
                values = self.parser.key(model, key)
                intent = self.parser.one(model, values, scope["query_string"])
            except Fault:
                self.pipeline.permit(model.name, "read", actor)  # 401 before 400 and 404
                raise
            answer = await self.pipeline.read(intent, actor)
            if not answer.rows:
                raise NotFound(f"there is no such {model.name}")
            await self._send_read(send, answer.rows[0][0], headers, actor, answer, method)
            return
        if method not in ("PATCH", "PUT", "DELETE"):
            await _other(method, ALLOW_ONE, send)
            return
        actor = await self.actor(headers)
        only_new = method == "PUT" and _only_new(headers)
        action: Action = "delete" if method == "DELETE" else "create" if only_new else "update"
        self.pipeline.permit(model.name, action, actor)
        pick = self.parser.pick(model, scope["query_string"])
        found = {k.removeprefix("key."): v for k, v in self.parser.key(model, key).items()}
        etags, star = _if_match(headers)
        if method == "DELETE":
            intent_ = WriteIntent(model.name, "delete", {}, found, pick, etags)
            await self.pipeline.write(intent_, actor)
            await respond.send_empty(send, 204, private=not actor.anonymous)
        elif method == "PATCH":
            check_content(headers, (MERGE_PATCH, JSON))
            body = await read_body(receive, headers, self.settings)
            given = self.pipeline.validators[model.name].patch(body)
            intent_ = WriteIntent(model.name, "update", given, found, pick, etags, merge=True)
            written = await self.pipeline.write(intent_, actor)
            await self._send_written(send, 200, written, actor)
        else:
            check_content(headers, (JSON,))
            body = await read_body(receive, headers, self.settings)
            await self._put(model, found, pick, etags, star, only_new, body, scope, send, actor)

    async def _create(
        self,
        model: Model,
        scope: Any,
        headers: dict[bytes, bytes],
        receive: Any,
        send: Any,
        actor: Actor,
    ) -> None:
        self.pipeline.permit(model.name, "create", actor)
        pick = self.parser.pick(model, scope["query_string"])
        check_content(headers, (JSON,))
        body = await read_body(receive, headers, self.settings)
        given = self.pipeline.validators[model.name].create(body)
        written = await self.pipeline.write(
            WriteIntent(model.name, "create", given, pick=pick), actor
        )
        await self._send_written(send, 201, written, actor, self._location(scope, model, written))

    async def _put(
        self,
        model: Model,
        key: dict[str, Any],
        pick: Pick,
        etags: tuple[str, ...] | None,
        must_exist: bool,
        only_new: bool,
        body: bytes,
        scope: Any,
        send: Any,
        actor: Actor,
    ) -> None:
        """Replaces the record, or makes it under the key that the URL names (RFC 9110, 9.3.4)."""
        given = self.pipeline.validators[model.name].replace(body)
        for name in model.key:
            if given.pop(name, key[name]) != key[name]:
                raise BadRequest(f"{name} in the body isn't the one in the URL", code="other_key")
        if not only_new:
            whole = self._replacement(model, given)
            intent = WriteIntent(model.name, "update", whole, key, pick, etags, replace=True)
            try:
                written = await self.pipeline.write(intent, actor)
            except NotFound:
                if must_exist or etags is not None:
                    raise PreconditionFailed("there is no such record to replace") from None
                if any(model.fields[name].generated for name in model.key):
                    raise  # the database counts these keys: POST makes the next one
            else:
                await self._send_written(send, 200, written, actor)
                return
        try:
            made = WriteIntent(model.name, "create", {**given, **key}, pick=pick)
            written = await self.pipeline.write(made, actor)
        except Conflict as fault:
            keyed = {f"/{name}" for name in model.key}
            if only_new and {problem.pointer for problem in fault.errors} <= keyed:
                raise PreconditionFailed("the record is there already") from None
            raise
        await self._send_written(send, 201, written, actor, self._location(scope, model, written))

    def _replacement(self, model: Model, given: dict[str, Any]) -> dict[str, Any]:
        """All that a client may set: what isn't given goes back to its default.

        A field with a rule of its own stays as it is unless it is named: leaving it out must not
        be a way to change it.
        """
        ruled = {name for rule in model.rules if "update" in rule.actions for name in rule.fields}
        whole: dict[str, Any] = {}
        for name, field in model.fields.items():
            if name in given or name in ruled or field.write_once or field.hidden:
                continue
            if field.writable and field.default is not None:
                whole[name] = field.default()
            elif field.writable and field.nullable:
                whole[name] = None
        for name, many in model.many.items():
            if many.writable and not many.hidden and name not in ruled:
                whole[name] = []
        return whole | given

    def _location(self, scope: Any, model: Model, written: WriteAnswer) -> str:
        root = quote(scope.get("root_path", ""), safe="/,:@")
        return f"{root}{self.settings.api_prefix}/{model.collection}/{written.key}"

    async def _page_json(self, model: Model, page: Page, answer: ReadAnswer, actor: Actor) -> str:
        rows, limit = answer.rows, page.limit
        following = "null"
        orders = len(answer.decoders)
        if len(rows) > limit:
            last = rows[limit - 1]
            values = [
                value if decode is None or value is None else decode(value)
                for value, decode in zip(last[1 : orders + 1], answer.decoders, strict=True)
            ]
            following = f'"{cursors.encode(self.key, page.form.mark, page.form.orders, values)}"'
            rows = rows[:limit]
        items = ",".join([row[0] for row in rows])
        count = ""
        if answer.plan.count:
            count = f',"count":{rows[0][orders + 1] if rows else await self._count(page, actor)}'
        return f'{{"items":[{items}],"next":{following}{count}}}'

    async def _count(self, page: Page, actor: Actor) -> int:
        """The count of a page that has no rows to carry it."""
        shape = page.intent.shape
        counting = ReadShape(shape.model, "count", shape.where)
        answer = await self.pipeline.read(ReadIntent(counting, page.intent.values), actor)
        return int(answer.rows[0][0])

    async def _send_read(
        self,
        send: Any,
        text: str,
        headers: dict[bytes, bytes],
        actor: Actor,
        answer: ReadAnswer,
        method: str,
    ) -> None:
        body = text.encode()
        etag = respond.etag_of(body)
        extra = [(b"etag", etag.encode())]
        if self.settings.server_timing:
            extra.append((b"server-timing", answer.stages.header().encode()))
        private = not actor.anonymous
        known = headers.get(b"if-none-match")
        if known is not None and respond.matches(known.decode("latin-1"), etag):
            await respond.send_empty(send, 304, extra, private=private)
            return
        await respond.send_json(
            send, 200, body, private=private, extra=extra, head=method == "HEAD"
        )

    async def _send_written(
        self,
        send: Any,
        status: int,
        written: WriteAnswer,
        actor: Actor,
        location: str | None = None,
    ) -> None:
        extra = [] if location is None else [(b"location", location.encode())]
        if self.settings.server_timing:
            extra.append((b"server-timing", written.stages.header().encode()))
        private = not actor.anonymous
        if written.json is None:
            # Written, but not to be seen by who wrote it.
            if status == 201:
                await respond.send_json(send, 201, b"null", private=private, extra=extra)
            else:
                await respond.send_empty(send, 204, extra, private=private)
            return
        body = written.json.encode()
        extra.append((b"etag", respond.etag_of(body).encode()))
        await respond.send_json(send, status, body, private=private, extra=extra)


def _if_match(headers: dict[bytes, bytes]) -> tuple[tuple[str, ...] | None, bool]:
    """The digests that If-Match names, and whether it is "*"."""
    given = headers.get(b"if-match")
    if given is None:
        return None, False
    etags = respond.strong_etags(given.decode("latin-1"))
    return etags, etags is None


def _only_new(headers: dict[bytes, bytes]) -> bool:
    """Whether a PUT may only make a record; If-None-Match of another kind is refused."""
    given = headers.get(b"if-none-match")
    if given is not None and given.strip() != b"*":
        raise BadRequest("If-None-Match of a PUT takes * alone", code="bad_precondition")
    return given is not None


async def _other(method: str, allow: str, send: Any) -> None:
    if method == "OPTIONS":
        await respond.send_empty(send, 204, [(b"allow", allow.encode())])
        return
    raise MethodNotAllowed(f"this path takes {allow}", headers={"allow": allow})
