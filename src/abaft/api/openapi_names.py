"""The names of components: the plainest that nothing else in the document has."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from itertools import count
from json import dumps
from typing import Any

from abaft.api.openapi_refs import OURS, ref
from abaft.model.schemas import PLACE, JsonSchema

_REFERENCE = re.compile(rf'"{PLACE}([^"]*)"')


class Definitions:
    """What pydantic says of the classes in JSON fields, with a name of its own for each content.

    Two modules may have a class `Size` each, and one class may be shown otherwise than taken.
    """

    def __init__(self) -> None:
        self.schemas: dict[str, JsonSchema] = {}
        self._seen: dict[str, str] = {}

    def hoist(self, node: Any) -> Any:
        """The node without `$defs`, whose rows become components."""
        if isinstance(node, list):
            return [self.hoist(item) for item in node]
        if not isinstance(node, dict):
            return node
        if "$defs" in node:
            rest = {key: value for key, value in node.items() if key != "$defs"}
            return self._renamed(rest, self._placed(node["$defs"]))
        return {key: self.hoist(value) for key, value in node.items()}

    def _placed(self, rows: dict[str, JsonSchema]) -> dict[str, str]:
        names = {name: self._name(name, rows) for name in rows}
        for name, row in rows.items():
            self.schemas[names[name]] = self._renamed(row, names)
        return names

    def _name(self, name: str, rows: dict[str, JsonSchema]) -> str:
        """The same for the same content, whatever else is defined beside it."""
        content = dumps([name, {key: rows[key] for key in sorted(_reached(name, rows))}])
        return self._seen.setdefault(content, f"{name}~{len(self._seen)}")

    def _renamed(self, node: Any, names: dict[str, str]) -> Any:
        return renamed(node, {f"{PLACE}{name}": ref(new)["$ref"] for name, new in names.items()})


def _reached(name: str, rows: dict[str, JsonSchema]) -> set[str]:
    """The name and all that it refers to."""
    found, waiting = {name}, [name]
    while waiting:
        named = set(_REFERENCE.findall(dumps(rows[waiting.pop()]))) & rows.keys()
        waiting += named - found
        found |= named
    return found


def renamed(node: Any, places: dict[str, str]) -> Any:
    """The node with references that lead elsewhere."""
    if isinstance(node, dict):
        return {
            key: places.get(value, value)
            if isinstance(value, str) and key == "$ref"
            else renamed(value, places)
            for key, value in node.items()
        }
    return [renamed(item, places) for item in node] if isinstance(node, list) else node


def chosen(names: Iterable[str], taken: Iterable[str]) -> dict[str, str]:
    """What our components are called in the end: `names` in the order in which they choose."""
    used = set(taken)
    found: dict[str, str] = {}
    for name in names:
        found[name] = next(one for one in _candidates(name) if one not in used)
        used.add(found[name])
    return found


def _candidates(name: str) -> Iterator[str]:
    """No class's name has a dot in it: behind one nobody else's component is met.

    Inside, `Book.Part` is the part of a Book, `.Batch` is ours, and `Size~3` is a JSON field's.
    """
    plain, numbered, _ = name.partition("~")
    if numbered:
        yield plain
    elif name.startswith("."):
        yield name[1:]
        yield f"abaft{name}"
    elif "." in name:
        yield name.replace(".", "", 1)
        yield name
    else:
        yield name
        yield f"{name}.Record"
    yield from (f"{plain.lstrip('.')}.{number}" for number in count(2))


def placed(document: dict[str, Any], names: dict[str, str]) -> dict[str, Any]:
    """The document with the names that were chosen."""
    places = {f"{OURS}{name}": f"{PLACE}{new}" for name, new in names.items()}
    whole: dict[str, Any] = renamed(document, places)
    return whole
