"""App: a FastAPI application that puts the rest together; the only place that knows all."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Any

import orjson
from fastapi import Depends, FastAPI, Request
from fastapi.requests import HTTPConnection
from fastapi.responses import Response

from abaft.api.discovery import add_discovery
from abaft.api.docs import add_docs
from abaft.api.document import compress_document
from abaft.api.door import Door
from abaft.api.home import Home, add_home
from abaft.api.openapi import extend
from abaft.api.pages import add_pages
from abaft.api.paths import Paths
from abaft.api.records import Records
from abaft.api.watermark import Watermarks
from abaft.auth.admin import AdminToken
from abaft.auth.belonging import whole_schema
from abaft.auth.declared import Declared
from abaft.auth.listener import Listener
from abaft.auth.models import OwnModels, model_of_users, own_models
from abaft.auth.oauth.providers import Provider
from abaft.auth.server.sign_in import SignIn
from abaft.auth.tenants import tenants_of
from abaft.auth.user import User
from abaft.base import clock, ids
from abaft.base import settings as base_settings
from abaft.base.actor import Actor, Authenticator
from abaft.base.errors import Fault, SchemaMismatch
from abaft.base.extras import engine_of, needs
from abaft.base.heap import settle_heap
from abaft.base.settings import Settings
from abaft.db import Database
from abaft.guard.admission import STATE
from abaft.guard.sign import Signer
from abaft.model.declare import Model
from abaft.model.times import show_datetime
from abaft.observe.events import (
    ChangesPruned,
    Limited,
    Observer,
    PruningFailed,
    SchemaChanged,
    SchemaDiffers,
    SecretMade,
    Sink,
    Started,
)
from abaft.observe.log import log
from abaft.pipeline import Pipeline
from abaft.replicas import ReplicatedPipeline, replicated
from abaft.store.base import Store, StoreError, UniqueViolation
from abaft.store_faults import store_fault

if TYPE_CHECKING:
    from abaft.auth.accounts import Accounts

PRUNE_EVERY = 3600.0
"""Seconds between two prunings of the change feed."""


class App(FastAPI):
    """Serves models under rules, beside whatever a FastAPI application serves.

    `database`, `replicas` and `settings` win over the environment (`ABAFT_…`); `authenticators` are
    asked in order who a request comes from; each query is confined to the record of `tenant` that
    they belong to; `login_with` are the providers that people may log in with, and with `sign_in`
    they sign in to apps of others with this one; `sinks` get every
    event. All else is FastAPI's.
    """

    def __init__(
        self,
        *models: type[Model],
        database: str | None = None,
        replicas: Sequence[str] | None = None,
        settings: Settings | None = None,
        authenticators: Sequence[Authenticator] = (),
        tenant: type[Model] | None = None,
        login_with: Sequence[Provider] = (),
        sign_in: SignIn | None = None,
        sinks: Sequence[Sink] = (log,),
        **options: Any,
    ) -> None:
        started = clock.ticks()
        chosen: dict[str, Any] = {"database": database} if database else {}
        if replicas is not None:
            chosen["replicas"] = ",".join(replicas)
        given = base_settings.load(chosen) if settings is None else replace(settings, **chosen)
        self.settings_ = given
        self.observer = Observer(*sinks)
        self.door = Door(given, self.observer)
        users = model_of_users(models, User)
        kept = None if users is None else own_models(users)
        heard = Listener()
        self.schema = whole_schema(models, kept, tenant, heard)
        signer = Signer(secrets := self._secrets(given))
        self.store: Store = open_store(given, self)
        self._watermarks: Watermarks | None = None
        self.pipeline = self._driver(signer)
        self.pipeline.database_for = lambda actor, unit: Database(self.pipeline, actor, unit)
        self.accounts = self._accounts(Declared(login_with, sign_in), kept, secrets, options)
        heard.accounts = self.accounts
        self.records = self._records(authenticators, signer)
        self.paths = Paths(given.api_prefix, self.schema.collections)
        self._described: tuple[dict[str, Any], dict[str, Any]] | None = None
        self._ready = False
        self._opening: asyncio.Lock | None = None
        self._pruning: asyncio.Task[None] | None = None
        self._built = clock.ticks() - started
        inner = options.pop("lifespan", None)
        if not given.docs:
            options["openapi_url"] = None
        docs_url = options.pop("docs_url", "/docs")
        # FastAPI's own pages fetch their scripts from a CDN.
        own = {"title": "abaft", "docs_url": None, "redoc_url": None} | options
        super().__init__(lifespan=_lifespan(inner), **own)
        compress_document(self, given.compress_from)
        self._add_pages(docs_url)
        self.add_exception_handler(Fault, _fault_response)
        self.router.middleware_stack = self._dispatch(self.router.middleware_stack)

    def _records(self, authenticators: Sequence[Authenticator], signer: Signer) -> Records:
        given, asked, who = self.settings_, self._asked(authenticators), self.accounts
        records = Records(self.pipeline, given, self.observer, asked, signer, who, self.door)
        records.tenants = tenants_of(self.pipeline, None) if who is None else who.tenants
        return records

    def _add_pages(self, docs_url: str | None) -> None:
        if self.openapi_url and docs_url:
            add_docs(self, docs_url)
        given, engine = self.settings_, self.store.capabilities.name
        add_pages(self, given, self.accounts and self.accounts.pages)
        if self.accounts is not None and self.accounts.server is not None:
            add_discovery(self, self.accounts.server.metadata)
        if given.docs:
            docs = docs_url if self.openapi_url else None
            links = () if self.accounts is None else self.accounts.links
            add_home(Home(self, self.schema, given, engine, docs, links))

    def _accounts(
        self, said: Declared, own: OwnModels | None, secrets: Sequence[bytes], options: Any
    ) -> Accounts | None:
        given, title = self.settings_, options.get("title", "abaft")
        return said.accounts(own, self.pipeline, given, self.observer, secrets, title)

    def _asked(self, authenticators: Sequence[Authenticator]) -> list[Authenticator]:
        """Who makes an actor of a request's headers, in order."""
        token = self.settings_.admin_token
        admin = [AdminToken(token)] if token else []
        return [*admin, *authenticators, *([self.accounts.authenticator] if self.accounts else [])]

    def _driver(self, signer: Signer) -> Pipeline:
        """The driver over the database; with its replicas, where there are any."""
        given = self.settings_
        if not given.replicas:
            return Pipeline(self.schema, given, self.store, self.observer)
        store = replicated(self.store, given, self.observer, lambda own: open_store(own, self))
        self.store = store
        self._watermarks = Watermarks(store.position, signer, given.replica_lag, self.door.respond)
        return ReplicatedPipeline(self.schema, given, store, self.observer)

    def openapi(self) -> dict[str, Any]:
        """FastAPI's document of the endpoints, with every collection in it."""
        endpoints = super().openapi()
        if self._described is None or self._described[0] is not endpoints:
            secured = bool(self.records.authenticators)
            table = None if self.accounts is None else self.accounts.endpoints
            whole = extend(endpoints, self.schema, self.settings_, secured, table)
            self._described = (endpoints, whole)
        return self._described[1]

    def _secrets(self, settings: Settings) -> tuple[bytes, ...]:
        """The secret key, and those of before that still verify."""
        key = settings.secret_key
        if not key:
            self.observer.emit(SecretMade())
            key = ids.secret()
        return tuple(text.encode() for text in (key, *settings.former_keys))

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """The record path first; middleware that was added wraps it as it wraps all else."""
        if self._watermarks is not None and self._watermarks.concern(scope):
            await self._watermarks(scope, receive, send, self)
            return
        if scope["type"] == "http":
            if self.door.concerns(scope):
                await self.door(scope, receive, send, self)
                return
            if not self.user_middleware:
                path = self.paths.find(scope, self.router.routes)
                if path is not None:
                    if self._ready or await self._started(send):
                        await self.records(scope, receive, send, path)
                    return
            if self.door.cors is None:
                await self.door(scope, receive, send, super().__call__)
                return
        elif scope["type"] == "lifespan" and "state" in scope:
            scope["state"][STATE] = self.records.admission
        await super().__call__(scope, receive, send)

    def _dispatch(self, route: Callable[..., Any]) -> Callable[..., Any]:
        async def dispatch(scope: Any, receive: Any, send: Any) -> None:
            if scope["type"] == "http":
                path = self.paths.find(scope, self.router.routes)
                if not self._ready and not await self._started(send):
                    return
                if path is not None:
                    await self.records(scope, receive, send, path)
                    return
            scope["abaft"] = self
            await route(scope, receive, send)

        return dispatch

    async def _started(self, send: Any) -> bool:
        """Starts within a request, when no lifespan did; 503 where the database can't be had."""
        try:
            await self.start()
        except StoreError as error:
            await self.door.respond.fault(send, store_fault(error))
            return False
        return True

    async def start(self) -> None:
        """Opens the database and holds the models against it; again is nothing.

        Raises SchemaMismatch, with the list of differences, where they need a person.
        """
        if self._opening is None:
            self._opening = asyncio.Lock()
        async with self._opening:
            if self._ready:
                return
            begun = clock.ticks()
            await self.store.open()
            try:
                applied, differences = await bring_up(self.store, not self.settings_.production)
                if differences and not self.settings_.tolerates_differences:
                    raise SchemaMismatch(differences)
                if self.accounts is not None:
                    await self.accounts.start()
            except BaseException:
                await self.store.close()
                raise
            for difference in differences:
                self.observer.emit(SchemaDiffers(difference))
            for statement in applied:
                self.observer.emit(SchemaChanged(statement))
            for limit in self.store.limits:
                self.observer.emit(Limited(limit))
            self._pruning = asyncio.create_task(self._prune())
            self._ready = True
            took = (clock.ticks() - begun + self._built) // 1_000_000
            name = self.store.capabilities.name
            self.observer.emit(Started(name, len(self.schema.collections), took))

    async def stop(self) -> None:
        """Finishes what is under way and closes the database."""
        if not self._ready:
            return
        self._ready = False
        if self._pruning is not None:
            self._pruning.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._pruning
        if self.accounts is not None:
            await self.accounts.stop()
        await self.door.rates.close()
        await self.store.close()

    async def _prune(self) -> None:
        while self.settings_.change_retention_days or self.settings_.idempotency_hours:
            try:
                await self._prune_once()
            except (StoreError, Fault) as error:
                self.observer.emit(PruningFailed(error))
            await asyncio.sleep(PRUNE_EVERY)

    async def _prune_once(self) -> None:
        days, hours = self.settings_.change_retention_days, self.settings_.idempotency_hours
        if days:
            before = show_datetime(clock.now() - timedelta(days=days))
            count = await self.store.prune_changes(before)
            if count:
                self.observer.emit(ChangesPruned(count))
        if self.accounts is not None:
            await self.accounts.prune()
        if hours:
            await prune_answers(self.store, clock.now() - timedelta(hours=hours))

    def db(self, actor: Actor) -> Database:
        """The data for code outside of requests; start() must have been awaited."""
        return Database(self.pipeline, actor)


async def prune_answers(store: Store, before: datetime) -> None:
    """Deletes the answers that were kept by an Idempotency-Key before then."""
    while await store.run(lambda: store.answers.prune(before)):
        pass


async def bring_up(store: Store, apply: bool) -> tuple[list[str], list[str]]:
    """Compares the database with the models, and with `apply` makes what is safe: what was made,
    and the differences left. SchemaMismatch where stored records stand in the way."""
    try:
        return await store.upgrade(apply)
    except UniqueViolation as error:
        names = ", ".join(error.fields)
        raise SchemaMismatch(
            [f"{names} is to be unique, and stored records share a value: mend them first"]
        ) from error


def open_store(settings: Settings, app: App) -> Store:
    """The store that the database's URL names; a driver is imported only for its own."""
    match engine_of(settings.database):
        case "postgres":
            with needs("postgres"):
                from abaft.store.postgres import PostgresStore

            return PostgresStore(app.schema, settings.database, settings)
        case "mysql":
            with needs("mysql"):
                from abaft.store.mysql import MysqlStore

            return MysqlStore(app.schema, settings.database, settings)
        case "mongodb":
            with needs("mongo"):
                from abaft.store.mongo.store import MongoStore

            return MongoStore(app.schema, settings.database, settings)
    from abaft.store.sqlite import SqliteStore

    return SqliteStore(app.schema, settings.database, settings)


def _lifespan(inner: Any) -> Any:
    @asynccontextmanager
    async def lifespan(app: App) -> AsyncIterator[Any]:
        await app.start()
        settle_heap()
        try:
            if inner is None:
                yield
            else:
                async with inner(app) as state:
                    yield state
        finally:
            await app.stop()

    return lifespan


async def _fault_response(request: Request, fault: Any) -> Response:
    return Response(
        orjson.dumps(fault.as_dict()),
        fault.status,
        fault.headers,
        "application/problem+json",
    )


def _owner(connection: HTTPConnection) -> App:
    owner: App = connection.scope["abaft"]
    return owner


async def current_actor(connection: HTTPConnection) -> Actor:
    """Who asks: the dependency behind Me."""
    headers = {name.lower(): value for name, value in connection.scope["headers"]}
    method = connection.scope.get("method", "")
    return await _owner(connection).records.counted(headers, method)


Me = Annotated[Actor, Depends(current_actor)]


async def current_database(connection: HTTPConnection, actor: Me) -> Database:
    """The data under the rules of who asks: the dependency behind Db."""
    return Database(_owner(connection).pipeline, actor)


Db = Annotated[Database, Depends(current_database)]
