"""The validators of all models."""

from __future__ import annotations

from abaft.model.spec import Schema
from abaft.model.values import Values


class Validators(dict[str, Values]):
    """Those of each model that isn't internal, by its name, made when they are first asked for."""

    def __init__(self, schema: Schema) -> None:
        super().__init__()
        self._schema = schema

    def __missing__(self, name: str) -> Values:
        model = self._schema.models[name]
        if model.internal:
            raise KeyError(name)
        self[name] = made = Values(self._schema, model)
        return made
