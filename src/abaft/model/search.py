"""Which fields of a model are searched, in what language and with what weight."""

from __future__ import annotations

from abaft.base.errors import ModelError, nearest
from abaft.model.spec import Field, Model, Searched
from abaft.model.words import LANGUAGES

GROUPS = 4
"""PostgreSQL marks each place of a word with one of four letters."""
HEAVIEST = 100


def searched(model: Model, language: str) -> tuple[Searched, ...]:
    """The model's searched fields; `language` is that of fields that name none.

    Raises ModelError for what can't be searched.
    """
    _known(model, language)
    found: list[Searched] = []
    groups: list[tuple[int, str]] = []
    for field in model.fields.values():
        if field.search is False:
            continue
        _searchable(model, field)
        ours = language if field.search is True else str(field.search)
        _known(model, ours, field.name)
        alike = (field.search_weight, field.name if model.guards(field.name) else "")
        if alike not in groups:
            groups.append(alike)
        found.append(Searched(field.name, ours, field.search_weight, groups.index(alike)))
    if found and not model.managed:
        raise ModelError(
            f"{model.name}: a search is kept by triggers on the table, which managed=False and "
            "read_only=True leave as it is: search it by a filter with [contains], or let it be "
            "managed"
        )
    if len(groups) > GROUPS:
        raise ModelError(
            f"{model.name}: its searched fields have {len(groups)} different weights or read rules "
            f"of their own; {GROUPS} are possible: give more of them the same search_weight"
        )
    return tuple(found)


def _known(model: Model, language: str, name: str = "") -> None:
    if language not in LANGUAGES:
        where = f"{model.name}.{name}" if name else model.name
        raise ModelError(
            f"{where}: search={language!r} is no language that has stems here: "
            f"{nearest(language, LANGUAGES)} Known are {', '.join(LANGUAGES)}"
        )


def _searchable(model: Model, field: Field) -> None:
    where = f"{model.name}.{field.name}"
    if field.hidden:
        raise ModelError(f"{where}: a hidden field can't be searched, for search would tell of it")
    if field.relation or not field.kind.textual:
        raise ModelError(f"{where}: search is for text, this is {field.kind.name}")
    weight: object = field.search_weight
    if not isinstance(weight, int) or not 1 <= weight <= HEAVIEST:
        raise ModelError(f"{where}: search_weight is a whole number from 1 to {HEAVIEST}")
