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
# The server writes what is shorter, with an exponent or without; we go by its size.
_OTHERWISE = (
    f"concat(if(left(t, 1) = '-', '-', ''),"
    f" if({_EXPONENT} BETWEEN -4 AND -1, {_FIXED}, {_SCIENTIFIC}))"
)


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
    named = f"json_table(json_array({text}), '$' COLUMNS (t VARCHAR(40) PATH '$[0]')) j"
    return (
        f"CASE WHEN {usual} AND locate('e', {text}) = 0) THEN {text}"
        f" WHEN {value} IS NOT NULL THEN (SELECT {_OTHERWISE} FROM {named}) END"
    )
