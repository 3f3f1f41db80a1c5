"""What the key of a record may be, so that a URL can name it."""

from __future__ import annotations

from dataclasses import replace

from abaft.model.kinds import Kind, Text


def reachable(kind: Kind) -> Kind:
    """The kind without the empty text, which no URL can name."""
    limits = dict(kind.limits)
    if type(kind) is not Text or limits.get("min_length"):
        return kind
    return replace(kind, limits=(*(limits | {"min_length": 1}).items(),))
