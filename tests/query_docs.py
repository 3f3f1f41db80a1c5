"""What docs/query.md has from the code: railroad diagrams of the grammar, tables of the rows."""

from __future__ import annotations

import io
import re
from importlib.resources import files
from typing import Any
from xml.sax.saxutils import escape

import railroad
from lark import Lark, Token

from abaft.language.operators import OPERATORS
from abaft.model.functions import ADDED, FUNCTIONS, NUMBERS, REDUCTIONS, TEXT

META = Lark.open_from_package("lark", "lark.lark", ["grammars"], parser="lalr")
WORD = re.compile(r"/([a-z]+)\\b/i?")
STYLE = """
svg { background: #ffffff; font: 14px ui-monospace, monospace; }
path { stroke: #33475b; stroke-width: 2; fill: none; }
text { text-anchor: middle; fill: #12202e; }
text.rule { text-anchor: start; font-weight: bold; }
rect { stroke: #33475b; stroke-width: 1.5; fill: #e4f2e7; }
g.non-terminal rect { fill: #e3ecf7; }
"""


class Grammar:
    """The grammar file as a tree, its terminals by name."""

    def __init__(self) -> None:
        text = files("abaft.language").joinpath("grammar.lark").read_text("utf-8")
        tree: Any = META.parse(text)
        self.rules = {str(rule.children[0]).lstrip("?!"): rule for rule in tree.find_data("rule")}
        self.terminals = {str(term.children[0]): term for term in tree.find_data("token")}

    def shown(self, name: str) -> Any:
        """A rule or terminal as a diagram has it."""
        if name in self.rules:
            return railroad.NonTerminal(name)
        if name == "SYMBOL":
            signs = [sign for row in OPERATORS.values() for sign in row.signs if " " not in sign]
            return railroad.Choice(0, *map(railroad.Terminal, [*signs, ":"]))
        written = "".join(str(leaf) for leaf in self.terminals[name].scan_values(_is_pattern))
        if word := WORD.fullmatch(written):
            return railroad.Terminal(word[1])
        if written.startswith('"'):
            return railroad.Terminal(written.strip('"'))
        return railroad.Terminal(f"<{name.lower().replace('_', ' ')}>")

    def drawn(self, node: Any) -> Any:
        """The diagram of a part of a rule."""
        if isinstance(node, Token):
            text = str(node)
            return railroad.Terminal(text.strip('"')) if text[0] == '"' else self.shown(text)
        parts = [part for part in node.children if part is not None]
        match node.data:
            case "expansions":
                return railroad.Choice(0, *map(self.drawn, parts))
            case "expansion":
                return railroad.Sequence(*map(self.drawn, parts))
            case "alias" | "name" | "literal" | "value":
                return self.drawn(parts[0])
            case "maybe":
                return railroad.Optional(self.drawn(parts[0]))
            case "expr":
                made = self.drawn(parts[0])
                repeated = {"?": railroad.Optional, "*": railroad.ZeroOrMore}
                return repeated[str(parts[1])](made) if len(parts) > 1 else made
        raise ValueError(node)


def _is_pattern(leaf: Any) -> bool:
    return isinstance(leaf, Token) and leaf.type in ("REGEXP", "STRING")


def diagrams() -> str:
    """One SVG with a diagram for each rule of the grammar."""
    grammar, top, width, parts = Grammar(), 10, 0, []
    for name, rule in grammar.rules.items():
        if name == "start":
            continue
        diagram = railroad.Diagram(grammar.drawn(rule.children[-1]))
        text = io.StringIO()
        diagram.writeSvg(text.write)
        wide, high = int(diagram.width) + 40, int(diagram.up + diagram.height + diagram.down) + 40
        parts.append(f'<text class="rule" x="12" y="{top + 18}">{escape(name)}</text>')
        parts.append(f'<svg x="0" y="{top + 20}" width="{wide}" height="{high}">')
        parts += [text.getvalue().strip(), "</svg>"]
        top, width = top + high + 30, max(width, wide)
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {top}" width="{width}">\n'
        f"<title>The grammar of the filter language</title>\n<style>{STYLE}</style>\n"
    )
    return head + "\n".join(parts) + "\n</svg>\n"


def operators() -> str:
    """The table of operators."""
    lines = ["| operator | also | of `null` | for |", "|---|---|---|---|"]
    for row in OPERATORS.values():
        if row.name == "isnull":
            continue
        signs = " ".join(f"`{sign}`" for sign in row.signs)
        null = "**holds**" if row.op == "ne" or row.negated else "doesn't"
        kinds = "text" if row.textual else "what has an order" if row.ordered else "all but JSON"
        lines.append(f"| `{row.name}` | {signs} | {null} | {kinds} |")
    return "\n".join(lines)


def functions() -> str:
    """The table of functions."""
    lines = ["| function | takes | gives |", "|---|---|---|"]
    for row in FUNCTIONS.values():
        takes = ", ".join(_kinds(names) for names in row.takes)
        called = f"`{row.name}(…)`" + (f", `{row.operator}`" if row.operator else "")
        lines.append(f"| {called} | {takes} | {row.help} |")
    for name in REDUCTIONS:
        takes = "a to-many relation" + ("" if name == "count" else "’s field")
        said = "how many records" if name == "count" else SAID[name]
        lines.append(f"| `{name}(…)`, `{name}(…, condition)` | {takes} | {said} |")
    return "\n".join(lines)


def _kinds(names: frozenset[str]) -> str:
    """The kinds by the words of the page, where they have some."""
    told = {TEXT: "text", NUMBERS: "number", ADDED[0]: "number or time"}
    return told.get(names) or " or ".join(sorted(names))


SAID = {
    "distinct": "how many different values they have",
    "sum": "the sum of their values",
    "avg": "the mean of their values",
    "min": "the least of their values",
    "max": "the greatest of their values",
}
TABLES = {"operators": operators, "functions": functions}


def with_tables(page: str) -> str:
    """The page with its tables as the code has them now."""
    for name, table in TABLES.items():
        head, start, rest = page.partition(f"<!-- {name} -->\n")
        _, end, tail = rest.partition(f"<!-- end of {name} -->")
        page = f"{head}{start}{table()}\n{end}{tail}"
    return page
