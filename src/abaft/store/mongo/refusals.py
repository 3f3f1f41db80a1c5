"""What is declared and MongoDB can't do exactly: refused at the start, with what to do instead."""

from __future__ import annotations

from abaft.base.errors import ModelError
from abaft.model.spec import Field, Model, Schema
from abaft.store.mongo.documents import OWN
from abaft.store.mongo.existing import RAW, check_existing, check_own
from abaft.store.mongo.schema import indexes

INDEXES, PARTS = 63, 32
"""MongoDB has 64 indexes a collection, one of them its own, and 32 fields an index."""


def check_storable(schema: Schema, model: Model) -> None:
    """ModelError for what a collection can't hold as it is declared."""
    if model.managed:
        check_own(schema, model)
    else:
        check_existing(schema, model)
    if "$" in model.table or model.table.startswith("system."):
        raise ModelError(
            f"{model.name}: MongoDB has no collection {model.table!r}: name another, by table="
        )
    for field in model.fields.values():
        _check_field(model, field)
    if model.managed:
        _check_indexes(model)


def _check_field(model: Model, field: Field) -> None:
    where = f"{model.name}.{field.name}"
    own = OWN if model.managed else (RAW,)
    if field.column in own or field.column.startswith("$") or "." in field.column:
        raise ModelError(
            f"{where}: a document of MongoDB can't have a member {field.column!r}: name another "
            "column"
        )
    if field.by_database and not field.generated:
        raise ModelError(
            f"{where}: MongoDB fills in no defaults: give a default, or a default_factory"
        )


def _check_indexes(model: Model) -> None:
    made = indexes(model)
    if len(made) > INDEXES:
        raise ModelError(
            f"{model.name}: MongoDB has {INDEXES} indexes a collection, and this takes "
            f"{len(made)}: leave out some index=, unique= or search=, or make it two models"
        )
    for name, row in made.items():
        if len(row["key"]) > PARTS:
            raise ModelError(
                f"{model.name}: MongoDB has {PARTS} fields an index, and {name} has more: leave "
                "some of them out"
            )
