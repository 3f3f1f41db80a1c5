"""A whole text: read, looked up, and refused with all that is wrong with it."""

from __future__ import annotations

from collections.abc import Mapping

from abaft.base import clock
from abaft.base.settings import Settings
from abaft.language.conditions import Conditions
from abaft.language.faults import bad, refuse
from abaft.language.parse import Condition, Value
from abaft.language.paths import Paths
from abaft.language.scopes import Scopes
from abaft.language.syntax import read_tree
from abaft.language.tree import renamed
from abaft.language.values import Found, Names
from abaft.model.spec import Model, Schema


def condition(
    schema: Schema,
    settings: Settings,
    model: Model,
    text: str,
    prefix: str,
    pointer: str,
    same: Mapping[str, str],
) -> Condition:
    """See `parse_condition`."""
    node = read_tree(text, settings, pointer)
    if same:
        trees = {read_tree(part, settings, pointer): name for part, name in same.items()}
        node = renamed(node, trees)
    names = Names(prefix, clock.now())
    made = Conditions(Paths(schema, settings.max_filter_depth), names)
    where = made.whole(node, model)
    if made.wrong:
        refuse(text, made.wrong, pointer)
    return Condition(where, names.values, names.timed)


def value(
    schema: Schema, settings: Settings, model: Model, text: str, prefix: str | None, pointer: str
) -> Value:
    """See `parse_value`."""
    node = read_tree(text, settings, pointer)
    names = Names(prefix or "", clock.now(), constant=prefix is None)
    made = Conditions(Paths(schema, settings.max_filter_depth), names)
    with made.wrong.kept():
        found = made.operands.value(node, Scopes(((model, None),)))
        if isinstance(found, Found):
            return Value(found.value, found.kind, found.nocase, names.values, names.timed)
        bad(node.at, "nothing_asked", "this names no field")
    refuse(text, made.wrong, pointer)
