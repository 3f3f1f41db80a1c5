"""Where the records of a read come from: their table, or what a search finds."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from abaft.model import expr as e
from abaft.model.highlight import MARKED
from abaft.model.spec import RELEVANCE, Model
from abaft.plan.types import Highlight, Search
from abaft.store.sql.conditions import Context, condition
from abaft.store.sql.dialect import Element, number
from abaft.store.sql.frame import Frame


def begin(context: Context, model: Model, search: Search | None, ranked: bool = False) -> Frame:
    """A frame of the model's records, or of those found, with `ties` for what found them."""
    frame = Frame(context, model, context.alias(model.name), joins=[])
    if search is None:
        return frame
    dialect = context.dialect
    ranked = ranked and search.ranked
    found = dialect.search.found(model, search, ranked, context.binder.searched)
    frame.origin = dialect.nested(found, frame.table)
    frame.overlay[RELEVANCE.name] = found.c.rank
    columns = [frame.table.c[model.fields[name].column] for name in model.key]
    frame.ties += [column == found.c[f"k{place}"] for place, column in enumerate(columns)]
    if search.scopes[0][0] != e.TRUE:
        alone = Frame(context, model, frame.table)
        frame.ties.append(_one_of([condition(on, [alone]) for on, _ in search.scopes], found))
    return frame


def _one_of(scopes: list[Element], found: Any) -> Element:
    """That a record is of the scope in which it was found, by each scope's condition."""
    if len(scopes) == 1:
        return scopes[0]
    at = found.c.scope
    return sa.or_(*(sa.and_(at == sa.literal_column(str(i)), on) for i, on in enumerate(scopes)))


def texts(frame: Frame, highlights: tuple[Highlight, ...]) -> list[Element]:
    """The beginnings of texts that are to be marked, null where they may not be read."""
    return [_text(frame, row).label(f"h{place}") for place, row in enumerate(highlights)]


def _text(frame: Frame, row: Highlight) -> Element:
    column = frame.column(row.name)
    text = sa.func.substr(column, number(1), number(MARKED), type_=sa.String)
    return text if row.mask == e.TRUE else sa.case((condition(row.mask, [frame]), text))
