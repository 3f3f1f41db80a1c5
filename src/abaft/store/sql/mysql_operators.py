"""MySQL's and MariaDB's rows of a PATCH's operators. JSON is text there, and lists are spliced."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.functions import FunctionElement

from abaft.store.sql.dialect import Element, Reckoning, concat, number, text_literal
from abaft.store.sql.mysql_compiler import JsonText
from abaft.store.sql.operators import ALIKE

_JSON: Any = JsonText()


def _extreme(name: str) -> Reckoning:
    """least or greatest of two, of which null isn't one."""

    def make(stored: Element, operand: Element) -> Element:
        known = sa.func.coalesce(stored, operand)
        return getattr(sa.func, name)(known, operand, type_=stored.type)  # type: ignore[no-any-return]

    return make


def _of_items(stored: Element) -> Element:
    """The stored list; what was stored elsewhere may be no list."""
    plain: Any = sa.func.trim(stored, type_=_JSON)
    alone = concat([text_literal("["), plain, text_literal("]")])
    # MySQL has names of types in an order that isn't ours, but for what a cast makes of them.
    type_ = sa.cast(sa.func.json_type(stored), sa.String)
    return sa.case((type_ == text_literal("ARRAY"), plain), else_=alone)


def _append(stored: Element, operand: Element) -> Element:
    listed = _of_items(stored)
    opened = sa.func.left(listed, sa.func.length(listed) - number(1), type_=sa.Text())
    rest = sa.func.substr(operand, number(2), type_=sa.Text())
    whole = concat([opened, text_literal(", "), rest])
    found = sa.case(
        (stored.is_(None), operand),
        (sa.func.json_length(operand) == number(0), listed),
        (sa.func.json_length(listed) == number(0), operand),
        else_=whole,
    )
    return sa.type_coerce(found, _JSON)


class _Kept(FunctionElement[Any]):
    """The items of a list that are not among another's, in their order."""

    name = "abaft_kept"
    type = _JSON
    inherit_cache = False


@compiles(_Kept)
def _kept(element: _Kept, compiler: Any, **options: Any) -> str:
    listed, gone = (compiler.process(clause, **options) for clause in element.clauses)
    item = f"json_extract({listed}, concat('$[', n.i - 1, ']'))"
    other = f"json_extract({gone}, concat('$[', o.i - 1, ']'))"
    places = "'$[*]' COLUMNS (i FOR ORDINALITY)"
    joined = f"concat('[', group_concat({item} ORDER BY n.i SEPARATOR ', '), ']')"
    # MySQL's own type compares by value, and shows a space after each comma and colon, as we do.
    maria = compiler.dialect.maria
    whole = f"json_loose({joined})" if maria else joined
    same = f"json_equals({item}, {other})" if maria else f"{item} = {other}"
    return (
        f"(SELECT coalesce({whole}, '[]') FROM json_table({listed}, {places}) n WHERE NOT EXISTS"
        f" (SELECT 1 FROM json_table({gone}, {places}) o WHERE {same}))"
    )


def _remove(stored: Element, operand: Element) -> Element:
    """The items that aren't among the operand's, in their order."""
    found = sa.case((stored.is_not(None), _Kept(_of_items(stored), operand)))
    return sa.type_coerce(found, _JSON)


OPERATORS: Mapping[str, Reckoning] = {
    **ALIKE,
    "min": _extreme("least"),
    "max": _extreme("greatest"),
    "append": _append,
    "remove": _remove,
}
