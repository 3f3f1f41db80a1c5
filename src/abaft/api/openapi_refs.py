"""How the document names a record: by a component of its model, or by its key.

Until the document is whole its own components are kept apart from those of the user's endpoints;
`openapi_names` tells what they are called in the end.
"""

from __future__ import annotations

from collections.abc import Callable

from abaft.model.kinds import Kind
from abaft.model.schemas import PLACE, JsonSchema, shown
from abaft.model.spec import Model

OURS = f"{PLACE}abaft:"
PROBLEM, BATCH, BATCH_RESULTS = ".Problem", ".Batch", ".BatchResults"


def ref(name: str) -> JsonSchema:
    """A reference to a component of ours: `Book`, of a model's forms `Book.Part`, or `.Batch`."""
    return {"$ref": f"{OURS}{name}"}


def written_key(model: Model, form: Callable[[Kind], JsonSchema] = shown) -> JsonSchema:
    """What a relation to the model holds: its key; an object where the key has several fields."""
    if len(model.key) == 1:
        return form(model.fields[model.key[0]].kind)
    return {
        "type": "object",
        "properties": {name: form(model.fields[name].kind) for name in model.key},
        "required": list(model.key),
        "additionalProperties": False,
    }
