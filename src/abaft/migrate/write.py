"""Writes a migration as a file of Python that a person can look over."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Any

from abaft.migrate.files import sealed
from abaft.migrate.plan import Plan
from abaft.migrate.steps import Step

WIDTH = 100
_HEAD = '''"""{message}

Made by `abaft migrate diff` for {engine}. Look it over; after a change of your own:
`abaft migrate seal {revision}`.{warnings}
"""

from abaft.migrate import Migration, Steps

migration = Migration(
    revision="{revision}",
    parent={parent},
    engine="{engine}",
    checksum="",
)
'''


def write(plan: Plan, revision: str, parent: str | None, engine: str, message: str) -> str:
    """The text of the file, with its checksum."""
    told = "".join(f"\n\nTake care: {warning}." for warning in plan.warnings)
    head = _HEAD.format(
        message=_sentence(message),
        engine=engine,
        revision=revision,
        parent="None" if parent is None else f'"{parent}"',
        warnings=told,
    )
    up, down = _function("upgrade", plan.up), _function("downgrade", plan.down)
    return sealed(f"{head}\n\n{up}\n\n{down}")


def _sentence(message: str) -> str:
    text = " ".join(message.replace("\\", "/").replace('"', "'").split())
    return text if text.endswith((".", "!", "?")) else f"{text}."


def _function(name: str, steps: Sequence[Step]) -> str:
    lines = [f"def {name}(do: Steps) -> None:"]
    if not steps:
        lines.append('    """Nothing changes."""')
    told = ""
    for step in steps:
        note = step.note.partition("|")[2] or step.note
        if note and note != told:
            lines += [f"    # {line}" for line in _wrapped(note)]
        told = note
        lines += [f"    {line}" if line else "" for line in _call(step)]
    return "\n".join(lines) + "\n"


def _wrapped(text: str) -> list[str]:
    lines, line = [], ""
    for word in text.split():
        if line and len(line) + len(word) + 1 > WIDTH - 6:
            lines.append(line)
            line = word
        else:
            line = f"{line} {word}".strip()
    return [*lines, line]


def _call(step: Step) -> list[str]:
    options = []
    if step.destructive:
        options.append(_text(step.destructive, "destructive="))
    if step.alone:
        options.append(["alone=True"])
    if step.first:
        options.append(_text(step.first, "first="))
    if step.kind == "command":
        return _arranged("do.command", [_value(dict(step.command)), *options])
    texts = [_text(sql) for sql in step.statements]
    if step.kind == "rebuild":
        table = step.note.partition("|")[0]
        return _arranged("do.rebuild", [[json.dumps(table)], *texts, *options])
    return _arranged("do.sql", [*texts, *options])


def _value(value: Any, before: str = "", margin: int = 8) -> list[str]:
    """A value as the formatter writes it: in one line where that fits, or a part a line."""
    whole = f"{before}{_plain(value)}"
    if len(whole) + margin + 1 <= WIDTH or not isinstance(value, (dict, list)) or not value:
        return [whole]
    if isinstance(value, dict):
        parts = [_value(part, f"{_literal(name)}: ", margin + 4) for name, part in value.items()]
    else:
        parts = [_value(part, "", margin + 4) for part in value]
    comma = "" if isinstance(value, list) and len(value) == 1 else ","
    opening, closing = "{}" if isinstance(value, dict) else "[]"
    lines = [f"    {line}" for part in parts for line in [*part[:-1], f"{part[-1]}{comma}"]]
    return [f"{before}{opening}", *lines, closing]


def _plain(value: Any) -> str:
    if isinstance(value, dict):
        inner = ", ".join(f"{_literal(name)}: {_plain(part)}" for name, part in value.items())
        return f"{{{inner}}}"
    if isinstance(value, list):
        return f"[{', '.join(map(_plain, value))}]"
    return _literal(value) if isinstance(value, str) else repr(value)


def _arranged(name: str, arguments: list[list[str]]) -> list[str]:
    """The call on one line where it fits, or an argument a line."""
    if all(len(argument) == 1 for argument in arguments):
        line = f"{name}({', '.join(argument[0] for argument in arguments)})"
        if len(line) <= WIDTH - 4:
            return [line]
    lines = [f"{name}("]
    for argument in arguments:
        comma = [*argument[:-1], f"{argument[-1]},"] if len(arguments) > 1 else argument
        lines += [f"    {line}" for line in comma]
    return [*lines, ")"]


def _text(text: str, before: str = "") -> list[str]:
    """The lines of a literal. A new line within SQL's own literals stays as it is."""
    if "\n" in text and not any(mark in text for mark in ("'", '"""', "\\")):
        return [f'{before}"""', *_lines(text), '"""']
    width = WIDTH - 9 - len(before)
    parts = [text] if len(_literal(text)) <= width else _parts(text, width - 5)
    if len(parts) == 1:
        return [before + _literal(parts[0])]
    if not before:
        return [_literal(part) for part in parts]
    return [f"{before}(", *(f"    {_literal(part)}" for part in parts), ")"]


def _lines(text: str) -> list[str]:
    """The statement's lines, those within its parentheses further in."""
    lines = [line.strip() for line in text.split("\n") if line.strip()]
    end = next((place for place, line in enumerate(lines) if line.startswith(")")), len(lines))
    return [f"    {line}" if 0 < place < end else line for place, line in enumerate(lines)]


def _parts(text: str, width: int) -> list[str]:
    """The text in pieces that a line can hold, each but the last with the space that ends it."""
    parts = [""]
    for word in re.findall(r"\S*\s*", text):
        if parts[-1] and len(parts[-1]) + len(word.rstrip(" ")) > width:
            parts.append("")
        parts[-1] += word
    return parts


def _literal(text: str) -> str:
    """As the formatter writes it: the quotes that need no escapes."""
    shown = json.dumps(text, ensure_ascii=False)
    if '"' in text and "'" not in text and "\\" not in text and "\n" not in text:
        return f"'{text}'"
    return shown
