"""docs/settings.md and docs/errors.md: what is made from the code, around what people wrote.

A section has its heading and its facts from the code. What follows them is written by hand, in the
page itself, and kept when the page is made anew.
"""

from __future__ import annotations

import re
from dataclasses import Field, fields
from typing import Any, get_args, get_origin, get_type_hints

from abaft import Settings
from abaft.base import errors
from abaft.base.errors import Fault
from docs_codes import problem_codes

KINDS = {int: "a whole number", float: "a number", bool: "`true` or `false`", str: "text"}
STATUSES = ("<!-- statuses -->\n\n", "\n<!-- end of statuses -->")


def sections(page: str) -> tuple[str, dict[str, str]]:
    """What stands before the first heading of the second level, and the text under each."""
    head, *parts = re.split(r"^## (.+)\n", page, flags=re.M)
    texts = (text.strip() for text in parts[1::2])
    return head, dict(zip(parts[::2], texts, strict=True))


def joined(head: str, told: dict[str, str]) -> str:
    return head + "\n".join(f"## {name}\n\n{text.strip()}\n" for name, text in told.items())


def settings_page(page: str) -> str:
    """The page of settings: of each its variable, kind, default and help, then what was added."""
    head, old = sections(page)
    told = {}
    for row in fields(Settings):
        # The first paragraph is the facts, the second the help.
        _, _, added = old.get(row.name, "").partition("\n\n")[2].partition("\n\n")
        told[row.name] = f"{_facts(row)}\n\n{_help(row)}\n\n{added}"
    return joined(head, told)


def _facts(row: Field[Any]) -> str:
    kind, default = get_type_hints(Settings)[row.name], row.default
    options = ", ".join(f"`{value}`" for value in get_args(kind))
    shown = str(default).lower() if isinstance(default, bool) else default
    facts = [
        f"`ABAFT_{row.name.upper()}`",
        f"one of {options}" if get_origin(kind) is not None else KINDS[kind],
        f"default `{shown}`" if shown != "" else "default: empty",
    ]
    return " · ".join([*facts, "secret"] if row.metadata["secret"] else facts)


def _help(row: Field[Any]) -> str:
    text: str = row.metadata["help"]
    return f"{text[0].upper()}{text[1:]}".removesuffix("…") + "."


def errors_page(page: str) -> str:
    """The page of errors: the list of statuses, and of each code its status, then what it means."""
    head, old = sections(page)
    before, start, rest = head.partition(STATUSES[0])
    _, end, after = rest.partition(STATUSES[1])
    codes = problem_codes()
    told = {}
    for code in sorted(codes):
        status = " or ".join(map(str, sorted(codes[code])))
        meaning = old.get(code, "").partition("** · ")[2]
        told[code] = f"**{status}** · {meaning}"
    return joined(f"{before}{start}{_statuses(codes)}\n{end}{after}", told)


def _statuses(codes: dict[str, set[int]]) -> str:
    """The codes of each status, by the titles that problems bear."""
    titles = {
        fault.status: fault.title
        for fault in vars(errors).values()
        if isinstance(fault, type) and issubclass(fault, Fault) and fault is not Fault
    }
    lines = []
    for status, title in sorted(titles.items()):
        # A code a line: two that come at the same time don't get into each other's way.
        named = [f"  [{code}](#{code})" for code in sorted(codes) if status in codes[code]]
        lines.append(f"* **{status}** {title}:\n" + ",\n".join(named))
    return "\n".join(lines)
