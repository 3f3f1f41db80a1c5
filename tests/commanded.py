"""An app on MongoDB, for tests that count which commands it sends."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import cache
from typing import Any

import pytest
from pymongo import monitoring

from abaft import Model
from conftest import chosen_engines
from scenarios import Api, serving
from servers.mongodb import MongoServer

SENT: Counter[str] = Counter()
"""How often each command was sent, by its name."""


class _Listener(monitoring.CommandListener):
    def started(self, event: monitoring.CommandStartedEvent) -> None:
        SENT[event.command_name] += 1

    def succeeded(self, event: monitoring.CommandSucceededEvent) -> None:
        """Nothing to count."""

    def failed(self, event: monitoring.CommandFailedEvent) -> None:
        """Nothing to count."""


@cache
def _listen() -> None:
    # For all clients of the process from now on, so only once.
    monitoring.register(_Listener())


@asynccontextmanager
async def commanded(
    request: pytest.FixtureRequest, *models: type[Model], **options: Any
) -> AsyncIterator[Api]:
    """The app, if `--engine` doesn't leave MongoDB out."""
    if "mongodb" not in chosen_engines(request.config):
        pytest.skip("--engine leaves MongoDB out")
    server: MongoServer = request.getfixturevalue("mongodb")
    _listen()
    with server.database() as url:
        async with serving(url, *models, **options) as found:
            yield found
