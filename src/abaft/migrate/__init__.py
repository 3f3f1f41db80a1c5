"""Migrations: what differs between the models and a database, as files that are reviewed and run.

`Migration` and `Steps` are what such a file is written with.
"""

from abaft.migrate.steps import Migration, Steps

__all__ = ["Migration", "Steps"]
