"""Makes the computed and virtual fields of a schema; one may be reckoned of another."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast, get_type_hints

from abaft.base.errors import ModelError, RuleError
from abaft.model.declare import Model
from abaft.model.decorators import ComputedFunction, Function
from abaft.model.spec import Computed, Field, Schema, Virtual
from abaft.model.trace import trace_value


def functions_of(cls: type[Model]) -> dict[str, Function]:
    """The rules, checks, hooks and computed fields of a model and its bases, by name."""
    functions: dict[str, Function] = {}
    for base in reversed(cls.__mro__):
        functions |= getattr(base, "__functions__", {})
    return functions


def add_computed(schema: Schema, classes: Mapping[str, type[Model]]) -> None:
    """Fills `computed` and `virtual` of each model. Raises ModelError or RuleError."""
    waiting: dict[tuple[str, str], ComputedFunction[Any]] = {}
    for name, cls in classes.items():
        spec = schema.models[name]
        for given, found in functions_of(cls).items():
            if not isinstance(found, ComputedFunction):
                continue
            if given in (*spec.fields, *spec.one, *spec.many):
                raise ModelError(f"{name}.{given} is declared twice: as a field and as a function")
            if found.virtual:
                _members(spec.virtual)[given] = _virtual(given, found)
            else:
                waiting[name, given] = found
    while waiting:
        before = len(waiting)
        failed: RuleError | None = None
        for place, found in list(waiting.items()):
            try:
                _add(schema, *place, found)
                del waiting[place]
            except RuleError as error:
                failed = failed or error
        if len(waiting) == before and failed is not None:
            raise failed


def _add(schema: Schema, model: str, name: str, found: ComputedFunction[Any]) -> None:
    spec = schema.models[model]
    symbol = trace_value(found.function, schema, spec)
    field = Field(
        name=name,
        column="",
        kind=symbol.kind,
        nullable=True,
        required=False,
        read_only=True,
        description=(found.function.__doc__ or "").strip(),
    )
    _members(spec.computed)[name] = Computed(field, symbol.value)


def _virtual(name: str, found: ComputedFunction[Any]) -> Virtual:
    hints = get_type_hints(found.function, include_extras=True)
    if "return" not in hints:
        raise ModelError(f"{name}: a virtual field says what it gives: def {name}(…) -> str")
    about = (found.function.__doc__ or "").strip()
    return Virtual(name, found.function, hints["return"], about)


def _members(found: Mapping[str, Any]) -> dict[str, Any]:
    """The mapping while it is still being made."""
    return cast("dict[str, Any]", found)


__all__ = ["add_computed", "functions_of"]
