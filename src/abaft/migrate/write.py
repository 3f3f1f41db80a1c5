"""Writes a migration as a file of Python that a person can look over."""

from __future__ import annotations

import json
from collections.abc import Sequence

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
        options.append(f"destructive={_text(step.destructive)}")
    if step.alone:
        options.append("alone=True")
    if step.first:
        options.append(f"first={_text(step.first)}")
    if step.kind == "command":
        return _arranged("do.command", [_json(step), *options])
    texts = [_text(sql) for sql in step.statements]
    if step.kind == "rebuild":
        table = step.note.partition("|")[0]
        return _arranged("do.rebuild", [json.dumps(table), *texts, *options])
    return _arranged("do.sql", [*texts, *options])


def _json(step: Step) -> str:
    """A command as Python's own literals, which those of JSON aren't."""
    return repr(dict(step.command))


def _arranged(name: str, arguments: list[str]) -> list[str]:
    line = f"{name}({', '.join(arguments)})"
    if len(line) <= WIDTH - 4 and "\n" not in line:
        return [line]
    if len(arguments) == 1 and "\n" in arguments[0]:
        return line.split("\n")
    lines = [f"{name}("]
    for argument in arguments:
        first, *rest = argument.split("\n")
        lines.append(f"    {first}")
        lines += rest
        lines[-1] += ","
    return [*lines, ")"]


def _text(text: str) -> str:
    """A literal, of several lines where the text has some."""
    if "\n" in text and '"""' not in text and "\\" not in text and not text.endswith('"'):
        return f'"""{text}"""'
    return json.dumps(text, ensure_ascii=False)
