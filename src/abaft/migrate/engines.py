"""Which engine a store has; a driver, and Alembic, are imported only where they are needed."""

from __future__ import annotations

from typing import Any

from abaft.base.errors import SettingError
from abaft.base.extras import needs
from abaft.migrate.engine import Engine, Runner
from abaft.store.base import Store


def runner_for(store: Store) -> Runner:
    """What runs migrations on the store's database."""
    given: Any = store
    match store.capabilities.name:
        case "sqlite":
            from abaft.store.sqlite_migrate import SqliteRunner

            return SqliteRunner(given)
        case "mysql":
            from abaft.store.mysql_migrate import MysqlRunner

            return MysqlRunner(given)
        case "mongodb":
            from abaft.store.mongo.migrate import MongoRunner

            return MongoRunner(given)
        case "postgres":
            from abaft.store.postgres_migrate import PostgresRunner

            return PostgresRunner(given)
    raise _none(store)


def engine_for(store: Store) -> Engine:
    """What compares the store's database with the models."""
    given: Any = store
    with needs("migrate"):
        match store.capabilities.name:
            case "sqlite":
                from abaft.migrate.sqlite import SqliteEngine

                return SqliteEngine(given)
            case "mysql":
                from abaft.migrate.mysql import MysqlEngine

                return MysqlEngine(given)
            case "mongodb":
                from abaft.migrate.mongo import MongoEngine

                return MongoEngine(given)
            case "postgres":
                from abaft.migrate.postgres import PostgresEngine

                return PostgresEngine(given)
    raise _none(store)


def _none(store: Store) -> SettingError:
    return SettingError(f"{store.capabilities.name} has no migrations")
