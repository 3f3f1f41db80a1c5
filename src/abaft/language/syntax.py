"""From text to tree, within limits."""

from __future__ import annotations

from functools import lru_cache

from abaft.base.settings import Settings
from abaft.language import tree as t
from abaft.language.faults import Wrong, bad, refuse
from abaft.language.reading import parse

KEPT = 500
"""Trees kept by their text."""


def read_tree(text: str, settings: Settings, pointer: str) -> t.Node:
    """The tree of a text. Raises BadRequest, with the column, where it has none."""
    most = settings.max_filter_length
    try:
        if len(text) > most:
            bad(None, "filter_too_long", f"a filter has at most {most} characters")
        node = _parsed(text)
        _within(node, settings)
    except Wrong as wrong:
        refuse(text, [wrong], pointer)
    return node


_parsed = lru_cache(KEPT)(parse)


def _within(node: t.Node, settings: Settings) -> None:
    """Holds the tree to its limits, before anything walks it by recursion."""
    terms, most, deepest = 0, settings.max_filter_terms, settings.max_filter_nesting
    listed = settings.max_in_values
    for found, depth in t.walk(node):
        terms += isinstance(found, (t.Path, t.Call))
        if isinstance(found, t.Several) and len(found.items) > listed:
            bad(found.at, "too_many_values", f"at most {listed} values may be listed")
        if depth > deepest:
            bad(found.at, "filter_too_nested", f"a filter is nested at most {deepest} deep")
        if terms > most:
            bad(found.at, "too_many_terms", f"a filter names at most {most} fields and functions")
