"""`abaft dev`: the application while it is being written."""

from __future__ import annotations

import asyncio
import socket
from functools import partial

import typer
from uvicorn import Config, Server
from uvicorn.supervisors import ChangeReload

from abaft.base import settings
from abaft.cli.console import clean_errors
from abaft.cli.serve import Host, Port, check_database, check_port, links, manners, say_where
from abaft.cli.target import USUAL, Application, find


def dev(app: Application = USUAL, host: Host = "127.0.0.1", port: Port = 8000) -> None:
    """Serve the application in development mode, and again after every change to a file."""
    settings.share(mode="development")
    say_where(host, port)
    found = find(app)
    asyncio.run(check_database(found))
    check_port(host, port)
    links(found, host, port)
    config = Config(
        found.name,
        host=host,
        port=port,
        reload=True,
        reload_dirs=[str(found.folder)],
        proxy_headers=False,
        **manners(found.app),
    )
    ChangeReload(config, partial(_serve, app, config), [config.bind_socket()]).run()


def _serve(app: str, config: Config, sockets: list[socket.socket]) -> None:
    """A process of one version of the files; what is wrong with it is told as at the start."""
    try:
        with clean_errors():
            asyncio.run(check_database(find(app)))
    except typer.Exit as end:
        raise SystemExit(end.exit_code) from None
    Server(config).run(sockets)
