"""What no two models may share: collections and tables."""

from __future__ import annotations

from collections.abc import Iterable

from abaft.base.errors import ModelError
from abaft.model.spec import Model

OWN_COLLECTIONS = {"batch"}


def check_distinct(specs: Iterable[Model]) -> None:
    """ModelError where two models, or two fields of one, would be stored or served as one."""
    tables: dict[str, str] = {}
    collections: dict[str, str] = {}
    for spec in specs:
        if spec.collection in collections:
            raise ModelError(
                f"{spec.name} and {collections[spec.collection]} share the collection "
                f"{spec.collection!r}: give one another, class {spec.name}(Model, collection=…)"
            )
        if spec.collection in OWN_COLLECTIONS:
            raise ModelError(
                f"{spec.name}: /{spec.collection} is abaft's own; give it another collection: "
                f"class {spec.name}(Model, collection=…)"
            )
        if spec.served:
            collections[spec.collection] = spec.name
        columns: dict[str, str] = {}
        for row in spec.fields.values():
            if row.column in columns:
                raise ModelError(
                    f"{spec.name}: {columns[row.column]} and {row.name} share the column "
                    f"{row.column!r}"
                )
            columns[row.column] = row.name
        if spec.table.startswith("abaft_") and not spec.own:
            raise ModelError(f"{spec.name}: tables named abaft_… are abaft's own")
        if spec.place in tables:
            raise ModelError(f"{spec.name} and {tables[spec.place]} share the table {spec.place!r}")
        tables[spec.place] = spec.name
