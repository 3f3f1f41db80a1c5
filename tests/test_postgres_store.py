"""The PostgreSQL store: batches, faults, transactions, the change feed and the schema."""

import asyncio
import random
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID

import orjson
import pytest

from abaft.base import clock
from abaft.base.actor import SYSTEM
from abaft.base.digest import fingerprint
from abaft.base.ids import uuid7
from abaft.base.settings import Settings
from abaft.model import expr as e
from abaft.model.build import build
from abaft.model.declare import Check, Model, Ref, field
from abaft.model.kinds import Uuid
from abaft.plan.access import Access
from abaft.plan.read import plan_read
from abaft.plan.types import ReadShape, Sort, WriteShape
from abaft.plan.write import plan_write
from abaft.store.base import (
    Busy,
    CheckViolation,
    Lost,
    QueryTimeout,
    ReferenceViolation,
    StoreError,
    UniqueViolation,
    Unknown,
)
from abaft.store.postgres import PostgresStore, Read
from abaft.store.postgres_batch import read_lane
from abaft.store.postgres_pool import Connection
from abaft.store.sql.read import ReadStatement
from abaft.store.sql.statement import Bind, Statement
from servers.postgres import PostgresServer, PrivatePostgres


class Shelf(Model):
    name: str = field(max_length=40, unique=True)


class Book(Model):
    title: str
    pages: int = 1
    day: date | None = None
    shelf: Ref[Shelf]


SCHEMA = build([Shelf, Book])
