"""The parameter `upsert`: by which unique fields a POST finds the record that it changes."""

from __future__ import annotations

from abaft.api.parameters import bad
from abaft.api.parse import Parser
from abaft.model.spec import Model

UPSERT = "upsert"


def offered(model: Model) -> list[tuple[str, ...]]:
    """The unique keys that a client can give the values of."""
    fields = model.fields
    return [key for key in model.unique_keys() if all(fields[name].writable for name in key)]


def upsert_on(parser: Parser, model: Model, query: bytes) -> tuple[str, ...]:
    """The fields that `upsert` names, in their order; 400 where together they aren't unique."""
    asked = parser.named(query, UPSERT)
    if asked is None:
        return ()
    known = {frozenset(key): key for key in offered(model)}
    found = known.get(frozenset(asked))
    if found is None or len(asked) != len(found):
        listed = " or ".join(f"upsert={','.join(key)}" for key in known.values())
        said = f"give {listed}" if known else f"{model.collection} has no unique key to be given"
        raise bad(UPSERT, "not_unique", f"upsert should name what is unique: {said}")
    return found
