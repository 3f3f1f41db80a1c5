"""`abaft serve`: the application, as production wants it."""

from __future__ import annotations

import asyncio
import copy
import socket
from functools import partial
from typing import Annotated, Any

import typer
import uvicorn
from rich.markup import escape
from uvicorn.config import LOGGING_CONFIG

from abaft.app import App, bring_up, open_store
from abaft.base import ids, settings
from abaft.base.errors import SchemaMismatch, SettingError
from abaft.cli.console import done, err, fail, note
from abaft.cli.patience import PatientProtocol
from abaft.cli.shedding import Said
from abaft.cli.target import USUAL, Application, Found, find
from abaft.migrate.files import FOLDER, MigrationError
from abaft.store.room import room

SHOWN = 8
"""Statements of an upgrade that are shown."""

Host = Annotated[str, typer.Option(help="The address to listen on.")]
Port = Annotated[
    int, typer.Option(min=0, max=65_535, envvar="PORT", help="The port; 0: a free one.")
]

Handed = Annotated[
    int | None,
    typer.Option(min=0, help="A listening socket that was handed over, in place of a port."),
]
Trusted = Annotated[str, typer.Option(help="Their addresses, with commas between.")]


def serve(
    app: Application = USUAL,
    host: Host = "127.0.0.1",
    port: Port = 8000,
    workers: Annotated[int, typer.Option(min=1, max=512, help="Processes that answer.")] = 1,
    uds: Annotated[str | None, typer.Option(help="A Unix socket, in place of a port.")] = None,
    fd: Handed = None,
    proxy_headers: Annotated[
        bool, typer.Option(help="Believe X-Forwarded-For and -Proto of the trusted proxies.")
    ] = False,
    trusted_proxies: Trusted = "127.0.0.1",
    root_path: Annotated[
        str, typer.Option(help="The path under which a proxy shows the application.")
    ] = "",
    limit: Annotated[
        int | None, typer.Option(min=1, help="Connections a worker takes before it answers 503.")
    ] = None,
    access_log: Annotated[bool, typer.Option(help="Log each request.")] = False,
) -> None:
    """Serve the application; SIGTERM lets requests in progress finish.

    Settings come from the environment (ABAFT_…) and from `.env` beside the application.
    """
    own = uds is None and fd is None
    say_where(host, port if own else 0)
    found = find(app)
    given = found.app.settings_
    if workers > 1:
        _share(found.app, fd)
    asyncio.run(check_database(found, workers))
    if own:
        check_port(host, port)
    if not given.production:
        note("development mode: ABAFT_MODE=production checks the schema and hides details")
    links(found, host, port if own else 0)
    uvicorn.run(
        found.name,
        app_dir=str(found.folder),
        host=host,
        port=port,
        uds=uds,
        fd=fd,
        workers=workers,
        proxy_headers=proxy_headers,
        forwarded_allow_ips=trusted_proxies,
        root_path=root_path,
        limit_concurrency=limit,
        access_log=access_log,
        **manners(found.app),
    )


def manners(app: App) -> dict[str, Any]:
    """uvicorn's options that all of our servers have in common."""
    return {
        "http": partial(PatientProtocol, limits=app.settings_, said=Said(app.settings_)),
        "h11_max_incomplete_event_size": app.settings_.max_head_bytes + 1,
        "lifespan": "on",
        "server_header": False,
        "log_config": _log_config(),
        "timeout_graceful_shutdown": app.settings_.drain_timeout,
    }


def _log_config() -> dict[str, Any]:
    """uvicorn's, with our events as lines of JSON beside."""
    config: dict[str, Any] = copy.deepcopy(LOGGING_CONFIG)
    config["formatters"]["abaft"] = {"format": "%(message)s"}
    config["handlers"]["abaft"] = {
        "class": "logging.StreamHandler",
        "formatter": "abaft",
        "stream": "ext://sys.stderr",
    }
    config["loggers"]["abaft"] = {"handlers": ["abaft"], "level": "INFO", "propagate": False}
    return config


def _share(app: App, fd: int | None) -> None:
    """One key for all workers, or a cursor of one would mean nothing to the next.

    Settings see to it that production has a key. A socket that was handed over can't be shared.
    """
    if fd is not None:
        raise SettingError("--fd is for one worker: start one for each, all with the same socket")
    if app.settings_.secret_key:
        return
    key = ids.secret()
    settings.share(secret_key=key)
    if settings.load().secret_key != key:
        fail("the workers share no secret key", "set ABAFT_SECRET_KEY")
    note("the workers share a secret key made for this run: set ABAFT_SECRET_KEY to keep one")


async def check_database(found: Found, workers: int = 1) -> None:
    """Opens the database once, so that what is wrong is told once and not by each worker.

    Raises SchemaMismatch, MigrationError where migrations wait, and Lost where the database can't
    be reached.
    """
    app, given = found.app, found.app.settings_
    await check_migrations(found)
    store = open_store(given, app)
    await store.open()
    try:
        applied, differences = await bring_up(store, not given.production)
        taken = await room(store)
    finally:
        await store.close()
    if differences and not given.tolerates_differences:
        raise SchemaMismatch(differences)
    for difference in differences:
        note(difference)
    if applied:
        done(f"the database was brought up to the models: {len(applied)} statements")
        for statement in applied[:SHOWN]:
            err.print(f"  {escape(' '.join(statement.split())[:100])}")
    _tell_room(given, workers, taken)


def _tell_room(given: settings.Settings, workers: int, taken: int | None) -> None:
    if taken is not None and workers * given.connections > taken:
        note(
            f"{workers} workers with {given.connections} connections each are"
            f" {workers * given.connections}, and the database takes {taken} from all of its"
            " clients: lower ABAFT_CONNECTIONS"
        )


async def check_migrations(found: Found) -> None:
    """In development runs the migrations that wait, unless they may lose data; else refuses."""
    if not (found.folder / FOLDER).is_dir():
        return
    from abaft.migrate.project import Project, lost

    project = Project(found.app.pipeline, found.folder / FOLDER)
    waiting = await project.waiting()
    told = ", ".join(file.revision for file in waiting)
    command = f"abaft migrate apply {found.name}"
    if not waiting:
        return
    if found.app.settings_.tolerates_differences:
        note(f"migrations wait: {told}; `{command}` runs them")
    elif found.app.settings_.production:
        raise MigrationError(f"migrations wait: {told}; run `{command}`")
    elif losses := lost(waiting):
        raise MigrationError(
            f"migrations wait that may lose data: {told}: {'; '.join(losses)}; "
            f"run `{command} --allow-destructive`"
        )
    elif noted := await project.note_if_so():
        done(f"the database is so already: {', '.join(noted)} noted as applied")
    else:
        await project.apply(done)


def say_where(host: str, port: int) -> None:
    """Has links in mails lead here, in development; port 0 is known too late for that."""
    if port:
        settings.share(local_url=_base(host, port))


def _base(host: str, port: int) -> str:
    """Passkeys and secure contexts want a name, which every address of this machine has."""
    if host in ("127.0.0.1", "::1", "0.0.0.0", "::"):  # noqa: S104
        return f"http://localhost:{port}"
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def check_port(host: str, port: int) -> None:
    """Fails where another process has the port."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            fail(f"{host}:{port} can't be used: {error.strerror}", "choose another by --port")


def links(found: Found, host: str, port: int) -> None:
    """What there is to open."""
    app, given = found.app, found.app.settings_
    err.print(f"[bold]{escape(app.title)}[/]  {escape(found.name)}  {app.store.capabilities.name}")
    if port == 0:
        return
    base = _base(host, port)
    paths = ["/", "/docs"] if given.docs else []
    paths += [] if app.accounts is None else [path for _, path in app.accounts.links]
    paths += [f"{given.api_prefix}/{name}" for name in app.schema.collections]
    for path in paths[:8]:
        err.print(f"  [cyan]{base}{path}[/]")
    if len(paths) > 8:
        err.print(f"  … and {len(paths) - 8} more collections")
