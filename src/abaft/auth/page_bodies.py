"""From what was typed into a page's form to what its endpoint takes."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

import orjson

from abaft.auth.page_types import Field, Form, Kind
from abaft.base.errors import BadRequest, Problem

Values = Mapping[str, str]
_LOCAL = re.compile(r"/(?![/\\])[^\\\x00-\x20\x7f]*")


def local(path: str) -> str:
    """A path of this origin to go on to; "" for what may lead anywhere else."""
    return path if len(path) <= 2_000 and _LOCAL.fullmatch(path) else ""


_READ: Mapping[Kind, Callable[[str], Any]] = {
    "text": str,
    "words": str.split,
    "number": int,
    "json": orjson.loads,
    "user": str,
}


def body_of(form: Form, typed: Values, base: str) -> dict[str, Any]:
    """The body for the form's endpoint: names that it doesn't ask for are left out.

    Raises BadRequest for what can't be read.
    """
    body: dict[str, Any] = {
        name: value.format(base=base) if isinstance(value, str) else value
        for name, value in form.fixed
    }
    wrong = []
    for field in form.fields:
        text = typed.get(field.name, "")
        if field.kind == "later" or not (text or field.required):
            continue
        try:
            value = _READ[field.kind](text)
        except ValueError:
            wrong.append(field.name)
            continue
        place = body.setdefault("user", {}) if field.kind == "user" else body
        place[field.name] = value
    if form.each and form.each != "id":
        body[form.each] = typed.get(form.each, "")
    if wrong:
        raise not_taken(wrong)
    return body


def not_taken(names: list[str]) -> BadRequest:
    """These fields hold what no endpoint takes."""
    problems = [Problem(f"/{name}", "bad_value", "this can't be taken") for name in names]
    return BadRequest(f"this can't be taken: {', '.join(names)}", errors=problems)


def carried(fields: tuple[Field, ...], names: tuple[str, ...], *given: Mapping[str, Any]) -> Values:
    """What goes on with the next form: of what was answered, else of what was typed."""
    found: dict[str, str] = {}
    wanted = (*names, *(row.name for row in fields if row.type != "password"))
    for name in wanted:
        for values in given:
            value = values.get(name)
            if value:
                found[name] = value if isinstance(value, str) else orjson.dumps(value).decode()
                break
    return found
