"""What the key of a record may be, so that a URL can name it."""

from __future__ import annotations

from dataclasses import replace

from abaft.model.annotations import check_sound
from abaft.model.field import Options
from abaft.model.kinds import Kind, Text


def reachable(where: str, kind: Kind, options: Options) -> Kind:
    """The kind without the empty text, which no URL can name. ModelError for such a default."""
    limits = dict(kind.limits)
    if type(kind) is not Text or limits.get("min_length"):
        return kind
    named = replace(kind, limits=(*(limits | {"min_length": 1}).items(),))
    check_sound(where, named, options)
    return named
