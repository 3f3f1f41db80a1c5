"""SQLite's CROSS JOIN for SQLAlchemy."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.selectable import FromClause


class CrossJoin(sa.sql.expression.Join):
    """SQLite's CROSS JOIN, which is never reordered (sqlite.org/optoverview.html, 9.2)."""

    inherit_cache = False

    def __init__(self, left: FromClause[Any], right: FromClause[Any]) -> None:
        super().__init__(left, right, onclause=sa.true())


@compiles(CrossJoin, "sqlite")
def _cross_join(join: CrossJoin, compiler: Any, **options: Any) -> str:
    options["asfrom"] = True
    left = compiler.process(join.left, **options)
    return f"{left} CROSS JOIN {compiler.process(join.right, **options)}"
