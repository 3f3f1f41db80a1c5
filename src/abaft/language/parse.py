"""The two questions put to the language: a condition, and a value."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from abaft.base import clock
from abaft.base.settings import Settings
from abaft.model import expr as e
from abaft.model.kinds import Kind
from abaft.model.spec import Model, Schema


@dataclass(frozen=True, slots=True)
class Condition:
    """A condition of a model's records, and the values of its parameters."""

    where: e.Expr
    values: Mapping[str, Any]
    timed: Mapping[str, Callable[[datetime], Any]]

    def bind(self) -> Mapping[str, Any]:
        """The values at this moment."""
        if not self.timed:
            return self.values
        now = clock.now()
        return {**self.values, **{name: make(now) for name, make in self.timed.items()}}


@dataclass(frozen=True, slots=True)
class Value:
    """A value of a model's records, and the values of its parameters."""

    value: e.Value
    kind: Kind
    nocase: bool
    values: Mapping[str, Any]
    timed: Mapping[str, Callable[[datetime], Any]]


def parse_condition(
    schema: Schema,
    settings: Settings,
    model: Model,
    text: str,
    prefix: str = "q",
    pointer: str = "?filter",
    same: Mapping[str, str] | None = None,
) -> Condition:
    """The condition that a text says; its values are named `prefix` and a number.

    `same` are texts that stand for a name of the model, wherever they are part of the text.
    Raises BadRequest, which tells of all that is wrong, each with its column and a caret.
    """
    # Who asks nothing in the language doesn't pay for its parser.
    from abaft.language import sentences

    return sentences.condition(schema, settings, model, text, prefix, pointer, same or {})


def parse_value(
    schema: Schema,
    settings: Settings,
    model: Model,
    text: str,
    prefix: str | None = None,
    pointer: str = "?filter",
) -> Value:
    """The value of a record that a text says, like `month(created)`.

    Its constants are named `prefix` and a number; with None they stay in the value. Raises
    BadRequest, with the column and a caret.
    """
    from abaft.language import sentences

    return sentences.value(schema, settings, model, text, prefix, pointer)
