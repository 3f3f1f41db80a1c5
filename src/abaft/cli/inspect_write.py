"""The models as Python, laid out as ruff and black lay it out."""

from __future__ import annotations

from collections.abc import Sequence
from textwrap import wrap

from abaft.cli import inspect_names as names
from abaft.cli.inspect_fields import Line
from abaft.cli.inspect_models import Draft, Module

WIDTH = 88

_CLOSED = '''class Existing(Model, abstract=True):
    """What the models below have in common: so far an administrator alone may use them."""

    # Who may do what is said here for all, or in a model for its own records. This, with
    # allow and Me from abaft, lets everybody read:
    #
    # @allow("read")
    # def everybody(record, me: Me) -> bool:
    #     return True
'''
_OPEN = '''class Existing(Model, abstract=True):
    """What the models below have in common: everybody may read them, nobody may write."""

    @allow("read")
    def everybody(record, me: Me) -> bool:
        return True
'''


def write(module: Module, source: str, database: str | None, is_open: bool) -> str:
    """The module's text; `source` is said to be where it comes from."""
    enums = "".join(_literal(alias, words) for alias, words in module.enums.items())
    parts = [enums] if enums else []
    parts.append(_OPEN if is_open else _CLOSED)
    parts += [_model(draft) for draft in module.drafts]
    parts.append(_app(module.drafts, database))
    body = "\n\n".join(parts)
    head = f'"""{_prose(f"The tables of {source}, as abaft inspect found them.")}"""\n\n'
    gap = "\n" if enums else "\n\n"
    return f"{head}from __future__ import annotations\n\n{_imports(body, is_open)}{gap}{body}"


def _prose(said: str) -> str:
    """The text for a docstring."""
    plain = " ".join(said.split()).replace("\\", "\\\\").replace('"""', "'''")
    return f"{plain} " if plain.endswith('"') else plain


_STANDARD = (
    ("dt.", "import datetime as dt"),
    ("Decimal", "from decimal import Decimal"),
    ("Literal[", "from typing import Literal"),
    ("UUID", "from uuid import UUID"),
)


def _imports(body: str, is_open: bool) -> str:
    standard = [line for word, line in _STANDARD if _names(body, word)]
    third = ["from pydantic import JsonValue"] if _names(body, "JsonValue") else []
    ours = [word for word in ("Many", "Ref") if f"{word}[" in body]
    ours += ["App", "Model"] + (["Me", "allow"] if is_open else [])
    ours += [word for word in ("by_database", "field") if _names(body, word)]
    listed = ", ".join(sorted(ours, key=lambda word: (word.islower(), word)))
    third.append(f"from abaft import {listed}")
    groups = ["\n".join(group) for group in (standard, sorted(third)) if group]
    return "\n\n".join(groups) + "\n"


def _names(body: str, word: str) -> bool:
    """Whether an annotation or an option uses the word; text in quotes may have it as well."""
    return any(f"{before}{word}" in body for before in (": ", "[", "= ", "=", "| ", "("))


def _literal(alias: str, words: Sequence[str]) -> str:
    return _bracketed(f"{alias} = Literal[", [names.text(word) for word in words], "]", "")


def _model(draft: Draft) -> str:
    keywords = [f"{name}={value}" for name, value in draft.keywords()]
    lines = [_bracketed(f"class {draft.name}(", ["Existing", *keywords], "):", "").rstrip("\n")]
    said = draft.table.comment or ("It can only be read." if draft.read_only else "")
    if said:
        lines.append(f'    """{_prose(said)}"""\n')
    lines += [f"    # {part}" for note in draft.notes for part in wrap(_sentence(note), WIDTH - 6)]
    body = "".join(_field(line) for line in draft.lines)
    return "\n".join(lines) + "\n" + body


def _sentence(note: str) -> str:
    said = " ".join(note.split())
    return f"{said[:1].upper()}{said[1:]}."


def _field(line: Line) -> str:
    start = f"    {line.name}: {line.annotation}"
    told = "".join(f"    # {part}\n" for part in wrap(line.told, WIDTH - 6))
    if not line.options:
        return f"{told}{start}\n"
    options = [f"{name}={value}" for name, value in line.options]
    return told + _bracketed(f"{start} = field(", options, ")", "    ")


def _app(drafts: Sequence[Draft], database: str | None) -> str:
    arguments = [draft.name for draft in drafts]
    if database is not None:
        return _bracketed("app = App(", [*arguments, f"database={names.text(database)}"], ")", "")
    said = "# The database is the one that ABAFT_DATABASE names.\n"
    return said + _bracketed("app = App(", arguments, ")", "")


def _bracketed(start: str, items: Sequence[str], end: str, indent: str) -> str:
    """The items in one line, in one line of their own, or each in its own."""
    joined = ", ".join(items)
    if len(whole := f"{start}{joined}{end}") <= WIDTH:
        return f"{whole}\n"
    if len(inner := f"{indent}    {joined}") <= WIDTH:
        return f"{start}\n{inner}\n{indent}{end}\n"
    rows = "".join(f"{indent}    {item},\n" for item in items)
    return f"{start}\n{rows}{indent}{end}\n"
