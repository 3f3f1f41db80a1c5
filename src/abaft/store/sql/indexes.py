"""Which indexes a model has, on whatever database."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from abaft.model import expr as e
from abaft.model.spec import DELETED, LIVING, Model, Unique


def _index_name(model: Model, fields: tuple[str, ...]) -> str:
    return f"ix_{model.table}_{'_'.join(fields)}"[:63]


@dataclass(frozen=True, slots=True)
class Index:
    """An index by its name: the fields, and of which records; `unique` where no two may share."""

    name: str
    fields: tuple[str, ...]
    unique: bool = False
    where: e.Expr = e.TRUE


def index_groups(model: Model) -> list[Index]:
    """The indexes of a model.

    An index of one field ends with the key, so that pages in its order are read from it alone.
    """
    groups: dict[str, Index] = {}

    def add(fields: tuple[str, ...]) -> None:
        name = _index_name(model, fields)
        keyed = (*fields, *(part for part in model.key if part not in fields))
        if keyed[: len(model.key)] != model.key:
            groups[name] = Index(name, keyed)

    for unique in model.unique_sets():
        name = unique.name(model.table)
        if unique.fields == model.key or unique.fields[: len(model.key)] != model.key:
            groups[name] = Index(name, unique.fields, True, unique.where)
    for field in model.fields.values():
        if field.index and not field.unique:
            add((field.name,))
    for fields in model.indexes:
        add(fields)
    if model.soft_delete:
        # For who looks into the bin; what is there is not in it.
        name = _index_name(model, (DELETED,))
        groups[name] = Index(name, (DELETED, *model.key), where=e.negate(LIVING))
    for one in model.one.values():
        # Without it, a delete of the target would read this whole table.
        if not any(_begins(group, one.columns) for group in groups.values()):
            add(one.columns)
    return list(groups.values())


def _begins(index: Index, columns: tuple[str, ...]) -> bool:
    """Whether all records can be found in the index by these columns."""
    return index.where == e.TRUE and index.fields[: len(columns)] == columns


def superseded(model: Model, there: Iterable[str]) -> list[str]:
    """Indexes of ours that hold records to be unique under a condition that is no longer the one.

    A model that has become unique among some of its records only must not be so among all.
    """
    wanted = {index.name for index in index_groups(model)}
    plain = {Unique(unique.fields).name(model.table) for unique in model.unique_sets()}
    others = [re.compile(re.escape(name[:51]) + "_if_[0-9a-f]{8}") for name in plain]
    return sorted(
        name
        for name in set(there) - wanted
        if name in plain or any(other.fullmatch(name) for other in others)
    )
