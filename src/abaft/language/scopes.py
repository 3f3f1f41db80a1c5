"""Which record a name belongs to: the innermost one, or one that the text has given a name."""

from __future__ import annotations

from dataclasses import dataclass

from abaft.language import tree as t
from abaft.language.faults import bad
from abaft.language.paths import Start
from abaft.model.spec import Model

HIDDEN = ""
"""The name of a scope that only counts: no name leads there."""


@dataclass(frozen=True, slots=True)
class Scopes:
    """The records at hand, outermost first, each with its name where it has one."""

    records: tuple[tuple[Model, str | None], ...]

    @property
    def next(self) -> int:
        """The number of the scope that comes next."""
        return len(self.records)

    def within(self, model: Model, name: str | None = None) -> Scopes:
        """Those at hand inside of a to-many relation."""
        return Scopes((*self.records, (model, name)))

    def at(self, depth: int) -> Scopes:
        """The same names, said from where there are so many scopes."""
        model = self.records[0][0]
        return Scopes(self.records + ((model, HIDDEN),) * (depth - self.next))

    def start(self, path: t.Path) -> tuple[Start, tuple[str, ...]]:
        """The record that the path begins at, and the names from there on."""
        innermost = 0
        for number, (_, name) in enumerate(self.records):
            if name is None:
                innermost = number
        for number, (model, name) in reversed([*enumerate(self.records)]):
            if name == path.names[0]:
                if len(path.names) == 1 and len(model.key) > 1:
                    bad(path.at, "composite_key", f"name one of {name}'s fields: {name}.…")
                return Start(model, number, self.next), path.names[1:] or model.key
        return Start(self.records[innermost][0], innermost, self.next), path.names
