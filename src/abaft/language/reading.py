"""Lark's LALR parser of the grammar, and what each of its rules becomes."""

from __future__ import annotations

import re
from datetime import timedelta
from importlib.resources import files
from typing import Any

from lark import Lark, Token, Transformer, UnexpectedInput, v_args

from abaft.language import tree as t
from abaft.language.expected import unexpected
from abaft.language.faults import bad

SIGNS = {"+": "add", "-": "sub", "*": "mul", "/": "div", "%": "mod"}
UNITS = {"w": "weeks", "d": "days", "h": "hours", "m": "minutes", "s": "seconds"}
UNITS |= {"ms": "milliseconds"}
_PART = re.compile(r"([0-9.]+)(ms|[wdhms])")
_ESCAPE = re.compile(r"\\(u[0-9a-fA-F]{4}|.)", re.S)
_ESCAPES = {char: char for char in "\"'\\/"} | {"n": "\n", "r": "\r", "t": "\t"}
_FORMS: dict[str, Any] = {
    "NUMBER": "number",
    "DATETIME": "datetime",
    "DATE": "date",
    "TRUE": "true",
    "FALSE": "false",
    "NULL": "null",
    "ME": "me",
}


@v_args(inline=True)
class Reading(Transformer[Token, t.Node]):
    """One method a rule."""

    def disjunction(self, *items: t.Node) -> t.Node:
        return t.Or(items, items[0].at)

    def conjunction(self, *items: t.Node) -> t.Node:
        return t.And(items, items[0].at)

    def negate(self, item: t.Node) -> t.Node:
        return t.Not(item, item.at)

    def operator(self, *words: Token) -> tuple[str, bool, int]:
        negated = len(words) > 1
        word = words[-1] if words[-1].type != "NOT" else words[0]
        return word.lower(), negated, words[0].start_pos or 0

    def compare(self, left: t.Node, operator: tuple[str, bool, int], right: t.Node) -> t.Node:
        name, negated, at = operator
        return t.Compare(name, left, right, negated, at)

    def arithmetic(self, left: t.Node, sign: Token, right: t.Node) -> t.Node:
        return t.Call(SIGNS[sign], (left, right), sign.start_pos or 0)

    def minus(self, sign: Token, item: t.Node) -> t.Node:
        at = sign.start_pos or 0
        if isinstance(item, t.Literal) and item.form == "number":
            assert isinstance(item.value, str)
            value = item.value[1:] if item.value[0] == "-" else f"-{item.value}"
            return t.Literal("number", value, at)
        if isinstance(item, t.Literal) and isinstance(item.value, timedelta):
            return t.Literal("duration", -item.value, at)
        return t.Call("neg", (item,), at)

    def name(self, token: Token) -> tuple[str, int]:
        return token.strip("`"), token.start_pos or 0

    def path(self, *names: tuple[str, int]) -> t.Path:
        return t.Path(tuple(name for name, _ in names), names[0][1])

    def call(self, path: t.Path, *args: t.Node) -> t.Node:
        """`tags.any(…)` is `any(tags, …)`."""
        *before, name = path.names
        owner = (t.Path(tuple(before), path.at),) if before else ()
        return t.Call(name.lower(), (*owner, *args), path.at)

    def list(self, bracket: Token, *items: t.Node) -> t.Node:
        return t.Several(items, bracket.start_pos or 0)

    def literal(self, token: Token) -> t.Node:
        at = token.start_pos or 0
        match token.type:
            case "STRING":
                return t.Literal("text", _unescaped(token, at), at)
            case "DURATION":
                return t.Literal("duration", _duration(token, at), at)
            case "NOW" | "TODAY":
                return t.Clock(token.value, at)
        value = token.value if token.type in ("NUMBER", "DATETIME", "DATE") else ""
        return t.Literal(_FORMS[token.type], value, at)


def _unescaped(token: str, at: int) -> str:
    def plain(found: re.Match[str]) -> str:
        char = found[1]
        if char[0] == "u" and len(char) == 5:
            return chr(int(char[1:], 16))
        if char not in _ESCAPES:
            place = at + 1 + found.start()
            bad(place, "bad_escape", f"there is no escape \\{char}: a backslash is written \\\\")
        return _ESCAPES[char]

    text = _ESCAPE.sub(plain, token[1:-1])
    # An emoji may be written as JSON does, by two escapes.
    try:
        return text.encode("utf-16", "surrogatepass").decode("utf-16")
    except UnicodeDecodeError:
        bad(at, "bad_escape", "half of a surrogate pair is no character")


def _duration(token: str, at: int) -> timedelta:
    try:
        parts = [timedelta(**{UNITS[unit]: float(size)}) for size, unit in _PART.findall(token)]
        return sum(parts, timedelta())
    except OverflowError:
        bad(at, "bad_value", "a duration is under 292,000 years")


_GRAMMAR = files("abaft.language").joinpath("grammar.lark").read_text("utf-8")
_PARSER: Any = Lark(_GRAMMAR, parser="lalr", transformer=Reading(), maybe_placeholders=False)


def parse(text: str) -> t.Node:
    """The tree of a text. Raises Wrong at the first place where it has none."""
    try:
        node: t.Node = _PARSER.parse(text)
    except UnexpectedInput as error:
        fault: Any = error
        ended = getattr(getattr(fault, "token", None), "type", "") == "$END"
        at = len(text.rstrip()) if ended else fault.pos_in_stream
        raise unexpected(text, at, fault.interactive_parser.accepts()) from None
    return node
