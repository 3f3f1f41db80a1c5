"""Fields that hold another's Markdown as HTML: made whenever the record is written."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from abaft.base.errors import ModelError, nearest
from abaft.base.extras import needs
from abaft.model.declare import Model
from abaft.model.field import Options
from abaft.model.kinds import Text
from abaft.model.spec import Hook, Rule
from abaft.model.spec import Model as Spec

_QUICK = 2_000
"""Characters that are rendered at once; longer texts are in a thread, so that nobody waits."""


def renders(cls: type[Model], spec: Spec) -> Mapping[str, str]:
    """What each such field is made of. Raises ModelError for what is no Markdown."""
    every: dict[str, Options] = {}
    for base in reversed(cls.__mro__):
        every |= getattr(base, "__options__", {})
    found = {name: given.flags["renders"] for name, given in every.items() if _renders(given)}
    for name, source in found.items():
        where = f"{spec.name}.{name}"
        if source not in every or every[source].flags.get("format") != "markdown":
            known = [row for row in every if every[row].flags.get("format") == "markdown"]
            raise ModelError(
                f"{where}: renders={source!r} is no field of format='markdown': "
                f"{nearest(source, known)}"
            )
        if type(spec.fields[name].kind) is not Text or spec.fields[name].kind.limits:
            raise ModelError(f"{where}: what renders another field is a str without limits")
    return found


def _renders(given: Options) -> bool:
    return bool(given.flags.get("renders"))


def hooks_of(found: Mapping[str, str]) -> list[Hook]:
    """What makes them, after all that a model's own hooks have set."""
    if not found:
        return []
    with needs("html"):
        from abaft.guard.rendering import html_of

    async def rendered(record: Any) -> None:
        for name, source in found.items():
            text = getattr(record, source) or ""
            quick = len(text) <= _QUICK
            setattr(
                record, name, html_of(text) if quick else await asyncio.to_thread(html_of, text)
            )

    return [Hook("renders", "before", ("create", "update"), rendered)]


def ruled(rules: Iterable[Rule], found: Mapping[str, str]) -> list[Rule]:
    """The rules, of which those who may read Markdown hold for its HTML too, unless it has some."""
    rules = list(rules)
    named = {name for rule in rules if "read" in rule.actions for name in rule.fields}
    more = {name: source for name, source in found.items() if name not in named}
    return [
        replace(rule, fields=(*rule.fields, *_of(rule, more))) if "read" in rule.actions else rule
        for rule in rules
    ]


def _of(rule: Rule, found: Mapping[str, str]) -> list[str]:
    return [name for name, source in found.items() if source in rule.fields]
