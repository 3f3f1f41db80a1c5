"""Calls a rule or `where=` once, with symbols, for the expression it stands for."""

from __future__ import annotations

import dis
from collections.abc import Callable
from types import CodeType
from typing import Any, TypeVar

from abaft.base.errors import RuleError
from abaft.model import expr as e
from abaft.model.spec import Model, Schema
from abaft.model.symbols import RecordSymbol
from abaft.model.value_symbols import MeSymbol, Untraceable, ValueSymbol, as_expr, as_symbol

T = TypeVar("T")

_IDENTITY = (
    "`is` compares objects, not values, and a query knows values alone: write is_null(…), `==` or "
    "not_(…); what isn't of the record is to be asked outside of the function"
)


def trace(function: Callable[..., Any], schema: Schema, model: Model) -> e.Expr:
    """The condition that a function of (record) or (record, me) stands for.

    Raises RuleError, naming model, function and line, with what to write instead.
    """
    return _traced(function, schema, model, as_expr)


def trace_value(function: Callable[..., Any], schema: Schema, model: Model) -> ValueSymbol:
    """The value that a function of (record) stands for. Raises RuleError."""
    return _traced(function, schema, model, as_symbol)


def _traced(
    function: Callable[..., Any], schema: Schema, model: Model, read: Callable[[object], T]
) -> T:
    if _asks_identity(function.__code__):
        raise RuleError(_explain(function, model, _IDENTITY, RuleError()))
    record = RecordSymbol(schema, model)
    defaults = len(function.__defaults__ or ())
    arguments = (record, MeSymbol())[: function.__code__.co_argcount - defaults]
    try:
        return read(function(*arguments))
    except Untraceable as error:
        raise RuleError(_explain(function, model, str(error), error)) from None
    except Exception as error:
        reason = f"it raised {type(error).__name__}: {error}"
        raise RuleError(_explain(function, model, reason, error)) from error


def _asks_identity(code: CodeType) -> bool:
    """Whether the function, or one within it, has an `is`: no symbol would notice it."""
    names = {step.opname for step in dis.get_instructions(code)}
    inner = (const for const in code.co_consts if isinstance(const, CodeType))
    jumps = any("JUMP" in name and name.endswith("_NONE") for name in names)
    return "IS_OP" in names or jumps or any(map(_asks_identity, inner))


def _explain(function: Callable[..., Any], model: Model, reason: str, error: Exception) -> str:
    code = function.__code__
    line = code.co_firstlineno
    step = error.__traceback__
    while step is not None:
        if step.tb_frame.f_code.co_filename == code.co_filename:
            line = step.tb_lineno
        step = step.tb_next
    return f"{model.name}.{code.co_name} ({code.co_filename}:{line}): {reason}"
