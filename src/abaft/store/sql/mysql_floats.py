"""How MySQL and MariaDB spell a float, as all engines do: the fewest digits that give it back."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.functions import FunctionElement

_A = "substring_index(trim(LEADING '-' FROM t), 'e', 1)"
_WHOLE = f"substring_index({_A}, '.', 1)"
_REST = f"if(locate('.', {_A}) > 0, substring_index({_A}, '.', -1), '')"
_DIGITS = f"trim(TRAILING '0' FROM trim(LEADING '0' FROM replace({_A}, '.', '')))"
_EXPONENT = (
    "(if(locate('e', t) > 0, CAST(substring_index(t, 'e', -1) AS SIGNED), 0)"
    f" + if(trim(LEADING '0' FROM {_WHOLE}) <> '',"
    f" char_length(trim(LEADING '0' FROM {_WHOLE})) - 1,"
    f" char_length(trim(LEADING '0' FROM {_REST})) - char_length({_REST}) - 1))"
)
_FIXED = f"concat('0.', repeat('0', -{_EXPONENT} - 1), {_DIGITS})"
_SCIENTIFIC = (
    f"concat(left({_DIGITS}, 1),"
    f" if(char_length({_DIGITS}) > 1, concat('.', substr({_DIGITS}, 2)), ''),"
    f" if({_EXPONENT} < 0, 'e-', 'e+'), if(abs({_EXPONENT}) < 10, '0', ''), abs({_EXPONENT}))"
)
# `v` is the exact whole number that a large float is, `n` the one that its digits tell. Where this
# lies midway to the next float, PostgreSQL takes more digits (see `base/floats.py`).
_N = "CAST(trim(LEADING '-' FROM t) AS DECIMAL(20, 0))"
_GAP = f"((1 << (char_length(bin(v)) - 53)) DIV if(v & (v - 1) = 0 AND {_N} < v, 2, 1))"
_MIDWAY = f"v IS NOT NULL AND {_N} <> v AND 2 * abs({_N} - v) = {_GAP}"
_MORE = "trim(TRAILING '0' FROM round(v, 17 - char_length(v)))"
_LONGER = f"concat(left({_MORE}, 1), '.', substr({_MORE}, 2), 'e+', char_length(v) - 1)"
# The server writes what is shorter, with an exponent or without; we go by its size.
_OTHERWISE = (
    f"concat(if(left(t, 1) = '-', '-', ''), CASE WHEN {_MIDWAY} THEN {_LONGER}"
    f" WHEN {_EXPONENT} BETWEEN -4 AND -1 THEN {_FIXED} ELSE {_SCIENTIFIC} END)"
)
_LARGE, _LARGEST = 2**53, 2**63


class Spelled(FunctionElement[Any]):
    """The JSON of a float; null where there is none."""

    name = "abaft_spelled"
    type = sa.String()
    inherit_cache = False


@compiles(Spelled)
def _spelled(element: Spelled, compiler: Any, **options: Any) -> str:
    [value] = (compiler.process(clause, **options) for clause in element.clauses)
    # Adding zero turns -0.0 into 0.0.
    text = f"CAST({value} + 0e0 AS CHAR)"
    usual = f"{value} = 0 OR (abs({value}) >= 1e-4 AND abs({value}) < 1e15"
    large = f"abs({value}) >= {_LARGE}e0 AND abs({value}) < {_LARGEST}e0"
    whole = f"CASE WHEN {large} THEN CAST(abs({value}) AS SIGNED) END"
    columns = "t VARCHAR(40) PATH '$[0]', v BIGINT PATH '$[1]'"
    named = f"json_table(json_array({text}, {whole}), '$' COLUMNS ({columns})) j"
    return (
        f"CASE WHEN {usual} AND locate('e', {text}) = 0) THEN {text}"
        f" WHEN {value} IS NOT NULL THEN (SELECT {_OTHERWISE} FROM {named}) END"
    )
