"""Replicas as an application has them: opened by their URLs, and kept from what writes go by."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from typing import TypeVar
from urllib.parse import urlsplit

from abaft.answers import Answer, Unit, WriteAnswer
from abaft.base.actor import Actor
from abaft.base.errors import Fault, SettingError
from abaft.base.settings import Settings
from abaft.batches import Intent
from abaft.observe.events import Observer, ReplicaBack, ReplicaLeft
from abaft.pipeline import Pipeline
from abaft.plan.types import WriteIntent
from abaft.store.base import Pace, Store
from abaft.store.positions import have_positions
from abaft.store.replica import Replica
from abaft.store.replicated import ReplicatedStore, at_primary

T = TypeVar("T")
# A URL may have commas of its own, between hosts.
_BETWEEN = re.compile(r",\s*(?=[a-z0-9+]+://)")


def urls_of(setting: str) -> list[str]:
    """The URLs that the setting names."""
    return [url.strip() for url in _BETWEEN.split(setting) if url.strip()]


def name_of(url: str) -> str:
    """How a replica is called where people read of it: without user and password."""
    parts = urlsplit(url)
    return f"{parts.netloc.rpartition('@')[2]}{parts.path}"


def replicated(
    primary: Store, settings: Settings, observer: Observer, opened: Callable[[Settings], Store]
) -> ReplicatedStore:
    """The primary with the replicas that the settings name."""

    def changed(name: str, reason: str) -> None:
        observer.emit(ReplicaLeft(name, reason) if reason else ReplicaBack(name))

    have_positions(primary.capabilities.name)
    urls = urls_of(settings.replicas)
    stores = [opened(replace(settings, database=url, replicas="")) for url in urls]
    for url, store in zip(urls, stores, strict=True):
        if store.capabilities.name != primary.capabilities.name:
            raise SettingError(f"the replica {name_of(url)} isn't of the primary's engine")
    rows = [Replica(name_of(url), store) for url, store in zip(urls, stores, strict=True)]
    if len({row.name for row in rows}) < len(rows):
        raise SettingError("a replica is named twice")
    return ReplicatedStore(primary, rows, settings.replica_lag, changed)


class ReplicatedPipeline(Pipeline):
    """The driver where there are replicas: what a write goes by is read from the primary."""

    async def write(
        self, intent: WriteIntent, actor: Actor, unit: Unit | None = None
    ) -> WriteAnswer:
        with at_primary():
            return await super().write(intent, actor, unit)

    async def write_all(
        self,
        intents: Sequence[Intent],
        actor: Actor,
        unit: Unit | None = None,
        *,
        every: bool = False,
    ) -> list[Answer]:
        with at_primary():
            return await super().write_all(intents, actor, unit, every=every)

    async def whole(
        self, work: Callable[[Unit], Awaitable[T]], unit: Unit | None = None, pace: Pace = "hasty"
    ) -> T:
        with at_primary():
            return await super().whole(work, unit, pace)

    async def rehearse(self, intents: Sequence[Intent], actor: Actor) -> list[Answer | Fault]:
        with at_primary():
            return await super().rehearse(intents, actor)
