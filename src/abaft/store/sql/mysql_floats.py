"""How MySQL and MariaDB spell a float, as all engines do: the fewest digits that give it back."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.functions import FunctionElement

from abaft.store.sql.mysql_compiler import one_row

# A large float is exactly `v`, the whole number `m` times two to the `e`, and its digits tell `n`.
# Where this lies midway to the next float, `h` away, PostgreSQL takes more digits: 16 or 17, for
# fewer can't tell it from the next (see `base/floats.py`).
# That is below 1e40: what so few digits tell is five to its exponent times what has 54 bits.
_LARGE, _LARGEST = "9007199254740992e0", "1e40"
_EXACT = "DECIMAL(65, 0)"


def _power(exponent: str) -> str:
    """Two to so much, of which an integer holds half."""
    return f"(CAST(1 << {exponent} DIV 2 AS {_EXACT}) * (1 << {exponent} - {exponent} DIV 2))"


def _told(digits: int) -> str:
    """The whole number rounded to so many digits."""
    return f"round(v, {digits} - char_length(v))"


# Each step names what the next is made of: the parts of the text, its digits and their exponent.
_PARTS = {
    "w VARCHAR(40)": "trim(LEADING '0' FROM substring_index(substring_index(u, 'e', 1), '.', 1))",
    "r VARCHAR(40)": "if(locate('.', u) > 0,"
    " substring_index(substring_index(u, 'e', 1), '.', -1), '')",
    "p INT": "if(locate('e', u) > 0, CAST(substring_index(u, 'e', -1) AS SIGNED), 0)",
    f"n {_EXACT}": f"if(m IS NULL, NULL, CAST(u AS {_EXACT}))",
    f"v {_EXACT}": f"m * {_power('e')}",
    "g INT": "e + char_length(bin(m)) - 53",
}
_DIGITS = {
    "d VARCHAR(40)": "trim(TRAILING '0' FROM trim(LEADING '0' FROM concat(w, r)))",
    "x INT": "p + if(w <> '', char_length(w) - 1,"
    " char_length(trim(LEADING '0' FROM r)) - char_length(r) - 1)",
    f"h {_EXACT}": f"{_power('g')} / if(m & (m - 1) = 0 AND n < v, 2, 1)",
}
_NEARER = {
    "l VARCHAR(40)": "CASE WHEN n <> v AND 2 * abs(n - v) = h THEN trim(TRAILING '0' FROM"
    f" if(2 * abs({_told(16)} - v) < h, {_told(16)}, {_told(17)})) END",
}
_LONGER = "concat(left(l, 1), '.', substr(l, 2), 'e+', char_length(v) - 1)"
_FIXED = "concat('0.', repeat('0', -x - 1), d)"
_SCIENTIFIC = (
    "concat(left(d, 1), if(char_length(d) > 1, concat('.', substr(d, 2)), ''),"
    " if(x < 0, 'e-', 'e+'), if(abs(x) < 10, '0', ''), abs(x))"
)
# The server writes what is shorter, with an exponent or without; we go by its size.
_OTHERWISE = (
    f"concat(s, CASE WHEN l IS NOT NULL THEN {_LONGER}"
    f" WHEN x BETWEEN -4 AND -1 THEN {_FIXED} ELSE {_SCIENTIFIC} END)"
)


class Spelled(FunctionElement[Any]):
    """The JSON of a float; null where there is none."""

    name = "abaft_spelled"
    type = sa.String()
    inherit_cache = False


@compiles(Spelled)
def _spelled(element: Spelled, compiler: Any, **options: Any) -> str:
    [value] = (compiler.process(clause, **options) for clause in element.clauses)
    # Adding zero turns -0.0 into 0.0. MySQL shows all digits in JSON alone.
    text = f"CAST({value} + 0e0 AS CHAR)"
    if not compiler.dialect.maria:
        text = f"trim(TRAILING '.0' FROM CAST(CAST({value} + 0e0 AS JSON) AS CHAR))"
    usual = f"{value} = 0 OR (abs({value}) >= 1e-4 AND abs({value}) < 1e15"
    large = f"abs({value}) >= {_LARGE} AND abs({value}) < {_LARGEST}"
    # A logarithm may be off by a little: so there is a bit more than a float has.
    exponent = f"CAST(greatest(floor(log2(abs({value}))) - 53, 0) AS SIGNED)"
    whole = {
        "u VARCHAR(40)": f"trim(LEADING '-' FROM {text})",
        "s VARCHAR(1)": f"if({value} < 0, '-', '')",
        "m BIGINT": f"CASE WHEN {large} THEN CAST(abs({value}) / pow(2, {exponent}) AS SIGNED) END",
        "e INT": f"CASE WHEN {large} THEN {exponent} END",
    }
    steps, maria = (whole, _PARTS, _DIGITS, _NEARER), compiler.dialect.maria
    named = ", ".join(f"{one_row(step, maria)} abaft_{n}" for n, step in enumerate(steps))
    return (
        f"CASE WHEN {usual} AND locate('e', {text}) = 0) THEN {text}"
        f" WHEN {value} IS NOT NULL THEN (SELECT {_OTHERWISE} FROM {named}) END"
    )
