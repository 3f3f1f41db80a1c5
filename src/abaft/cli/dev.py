"""`abaft dev`: the application while it is being written."""

from __future__ import annotations

import asyncio

from abaft.base import settings
from abaft.cli.serve import Host, Port, check_database, check_port, links, run
from abaft.cli.target import USUAL, Application, find


def dev(app: Application = USUAL, host: Host = "127.0.0.1", port: Port = 8000) -> None:
    """Serve the application in development mode, and again after every change to a file."""
    settings.share(mode="development")
    found = find(app)
    asyncio.run(check_database(found.app))
    check_port(host, port)
    links(found, host, port)
    run(
        found,
        host=host,
        port=port,
        reload=True,
        reload_dirs=[str(found.folder)],
        proxy_headers=False,
        access_log=True,
    )
