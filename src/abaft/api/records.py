"""The record path: collections and records over HTTP, answered ahead of the router."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from abaft.api import idempotency, preferences
from abaft.api.accounts import AUTH, AccountTable, account_routes, within_batch
from abaft.api.batch import BATCH, Batch
from abaft.api.door import Door, host_of, wrong_host
from abaft.api.forms import FORMS, PLAIN, Negotiation, Variant, whole_forms
from abaft.api.history import History
from abaft.api.idempotency import Idempotency
from abaft.api.parse import Parser
from abaft.api.parts import Handler, Part, Route, find_part
from abaft.api.reads import Reads
from abaft.api.represent import represent
from abaft.api.request import Disconnected, Headers, Request, check_url, headers_of
from abaft.api.respond import Answer
from abaft.api.streams import Streams
from abaft.api.writes import Writes
from abaft.base import ids
from abaft.base.actor import ANONYMOUS, Actor, Authenticator, Placing
from abaft.base.errors import (
    Fault,
    MethodNotAllowed,
    NotAcceptable,
    NotFound,
    ServerFault,
    Unauthorized,
    nearest,
)
from abaft.base.settings import Settings
from abaft.guard.admission import Admission, overloaded
from abaft.guard.sign import Signer
from abaft.model.spec import Model
from abaft.observe.events import LoadShed, Observer, RequestFailed
from abaft.observe.refusals import USER
from abaft.pipeline import Pipeline

READING = ("GET", "HEAD")
_BY_TENANT = (b"vary", b"x-tenant")
_UNNAMED = "the path names no collection"


class Records:
    """Serves every collection under one prefix."""

    tenants: Placing | None = None
    """What gives actors their tenant, where memberships tell it."""

    def __init__(
        self,
        pipeline: Pipeline,
        settings: Settings,
        observer: Observer,
        authenticators: Sequence[Authenticator],
        signer: Signer,
        accounts: AccountTable | None,
        door: Door,
    ) -> None:
        self.settings = settings
        self.respond, self.hosts, self.rates = door.respond, door.hosts, door.rates
        self.refuse = door.refuse
        self.observer = observer
        self.authenticators = authenticators
        self.tokens = None if accounts is None else accounts.authenticator
        self.due = self.tokens.epoch.due if self.tokens and self.tokens.epoch.asks else None
        # Others come first, and may go by any header.
        self.alone = all(getattr(row, "own", False) for row in authenticators)
        self.collections = pipeline.schema.collections
        self.admission = Admission(
            settings.queue_limit, lambda busy, refused: observer.emit(LoadShed(busy, refused))
        )
        self.lines = Negotiation(FORMS, compress=settings.compress_from > 0)
        self.whole = Negotiation(whole_forms(), compress=settings.compress_from > 0)
        self.streams = Streams(settings, observer, door.respond)
        parser = Parser(pipeline.schema, settings, signer)
        writes = Writes(pipeline, settings, parser)
        history = History(pipeline, settings, parser, writes, signer)
        reads = Reads(pipeline, settings, parser, signer, history.as_of)
        self.lined: frozenset[Handler] = frozenset((reads.page, reads.one))
        self.idempotency = Idempotency(pipeline, settings)
        self.many: Mapping[str, Handler] = {
            "GET": reads.page,
            "HEAD": reads.page,
            "POST": writes.create,
            "PATCH": writes.bulk.update,
            "DELETE": writes.bulk.delete,
        }
        self.one: Mapping[str, Handler] = {
            "GET": reads.one,
            "HEAD": reads.one,
            "DELETE": writes.delete,
            "PATCH": writes.patch,
            "PUT": writes.put,
        }
        self.accounts = account_routes(accounts, settings, self.actor)
        batch = Batch(pipeline, settings, within_batch(self.route), writes)
        self.batches: Mapping[str, Handler] = {"POST": batch.answer}
        self.parts = _parts(writes, history)

    async def __call__(self, scope: Any, receive: Any, send: Any, path: str) -> None:
        """Answers one request; `path` is what follows the prefix, percent-encoded."""
        admission = self.admission
        admission.in_progress += 1
        try:
            await self._answer(scope, receive, send, path)
        except Fault as fault:
            await self.refuse(scope, send, fault)
        except Disconnected:
            return
        except Exception as error:
            await self._defect(scope, send, error)
        finally:
            admission.in_progress -= 1

    async def _defect(self, scope: Any, send: Any, error: Exception) -> None:
        """500: a defect of ours; the client learns only by what id to find it in the log."""
        request_id = ids.request_id()
        self.observer.emit(RequestFailed(request_id, scope["method"], scope["path"], error))
        detail = f"this is a defect; the log has it under {request_id}"
        await self.respond.fault(send, ServerFault(detail))

    async def _answer(self, scope: Any, receive: Any, send: Any, path: str) -> None:
        self._admit()
        told = await self.rates.enter(scope)
        check_url(scope, self.settings)
        headers = headers_of(scope)
        if not self.hosts.allows(host_of(scope, headers)):
            raise wrong_host()
        method = scope["method"]
        model, key, handlers, given, action = self.route(path)
        handler = handlers.get(method)
        if handler is None:
            await self.respond.answer(send, _other(method, handlers))
            return
        variant = PLAIN if model is AUTH else self._variant(method, handler, headers)
        actor = ANONYMOUS if model is AUTH else await self.actor(headers, method)
        if actor is not ANONYMOUS:
            scope[USER] = actor.id
        told = await self.rates.who(actor) or told
        root, query = scope.get("root_path", ""), scope["query_string"]
        request = Request(method, model, key, query, headers, actor, root, receive, given)
        request.variant = variant
        if model is AUTH:
            request.address = (scope.get("client") or ("",))[0]
            try:
                answer = await handler(request)
            finally:
                scope[USER] = request.actor.id
            await self.respond.answer(send, answer, head=method == "HEAD", more=told)
            return
        if preferences.HEADER in headers:
            request.prefer = preferences.preferences(headers[preferences.HEADER])
            handler = partial(preferences.served, handler=handler)
        if idempotency.HEADER in headers and method in idempotency.METHODS:
            answer = await self.idempotency.answer(request, path, handler, action)
        else:
            answer = await handler(request)
        if answer.chunks is not None:
            answer.extra = [*answer.extra, *told]
            await self.streams.send(request, answer, answer.chunks, send)
            return
        if actor.tenant is not None:
            answer.extra = [*answer.extra, _BY_TENANT]
        if variant is not PLAIN or b"if-none-match" in headers:
            answer = await represent(request, answer, self.settings.compress_from)
        await self.respond.answer(send, answer, head=method == "HEAD", more=told)

    def route(self, path: str) -> Route:
        """What answers at the path. Raises NotFound where nothing does."""
        collection, _, key = path.partition("/")
        model = self.collections.get(collection)
        if model is None:
            if path == BATCH.collection:
                return Route(BATCH, "", self.batches)
            if collection == AUTH.collection and self.accounts is not None:
                return self.accounts.route(key)
            hint = nearest(collection[:80], self.collections)
            said = f"there is no collection {collection[:80]!r}" if collection else _UNNAMED
            raise NotFound(said, hint=hint)
        if "/" in key:
            found = self._below(model, key)
        else:
            found = Route(model, key, self.one if key else self.many)
        if model.read_only:
            reading = {verb: row for verb, row in found.handlers.items() if verb in READING}
            return found._replace(handlers=reading)
        return found

    def _variant(self, method: str, handler: Handler, headers: dict[bytes, bytes]) -> Variant:
        """The form that the client wants, before anything is done. Raises NotAcceptable."""
        accept, encoding = headers.get(b"accept"), headers.get(b"accept-encoding")
        if handler in self.lined:
            return self.lines.variant(accept, encoding)
        try:
            return self.whole.variant(accept, encoding)
        except NotAcceptable:
            if method != "DELETE":
                raise
            return PLAIN  # of what is deleted there is mostly nothing to show

    def _below(self, model: Model, path: str) -> Route:
        """What answers at the path below a key; else the slash is of the key itself."""
        key, _, rest = path.partition("/")
        found = find_part(self.parts, model, rest)
        if found is None:
            return Route(model, path, self.one)
        part, values = found
        return Route(model, key, part.handlers, values, part.action)

    def _admit(self) -> None:
        if self.admission.in_progress > self.admission.limit:
            self.admission.refuse()
            raise overloaded()

    async def counted(self, headers: dict[bytes, bytes], method: str) -> Actor:
        """Who asks, and one request more of theirs. Raises TooManyRequests too."""
        actor = await self.actor(headers, method)
        await self.rates.who(actor)
        return actor

    async def actor(self, headers: dict[bytes, bytes], method: str = "") -> Actor:
        """Who asks; Unauthorized for credentials that nobody knows."""
        if self.alone and b"authorization" not in headers and b"cookie" not in headers:
            return ANONYMOUS
        if self.due is not None and (due := self.due()) is not None:
            await due
        if self.alone and self.tokens is not None:
            known: Actor | None = self.tokens.recall(headers, method)
            if known is not None:
                tenants = self.tenants
                return known if tenants is None else await tenants.placed(known, Headers(headers))
        if self.authenticators:
            text = Headers(headers, method)
            for authenticator in self.authenticators:
                actor = await authenticator.authenticate(text)
                if actor is not None:
                    tenants = self.tenants
                    return actor if tenants is None else await tenants.placed(actor, text)
        if b"authorization" in headers:
            challenge = {"www-authenticate": 'Bearer realm="abaft", error="invalid_token"'}
            raise Unauthorized("these credentials are not known", headers=challenge)
        return ANONYMOUS


def _parts(writes: Writes, history: History) -> tuple[Part, ...]:
    """What there is below a record, for the models that have it."""
    return (
        Part("restore", _is_soft, {"POST": writes.restore}, "delete"),
        Part("move", _is_ordered, {"POST": writes.move}, "update"),
        Part("history", _has_history, {"GET": history.page, "HEAD": history.page}),
        Part("history/*", _has_history, {"GET": history.one, "HEAD": history.one}),
        Part("history/*/restore", _has_history, {"POST": history.restore}, "update"),
    )


def _has_history(model: Model) -> bool:
    return model.history


def _is_ordered(model: Model) -> bool:
    return bool(model.order)


def _is_soft(model: Model) -> bool:
    return model.soft_delete


def _other(method: str, handlers: Mapping[str, Handler]) -> Answer:
    """The answer to OPTIONS; MethodNotAllowed for a method that the path doesn't take."""
    allow = ", ".join(sorted([*handlers, "OPTIONS"]))
    if method == "OPTIONS":
        return Answer(204, None, False, [(b"allow", allow.encode())])
    raise MethodNotAllowed(f"this path takes {allow}", headers={"allow": allow})
