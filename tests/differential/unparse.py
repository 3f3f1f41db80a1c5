"""A tree of the filter language as text again: what the parser must read back as it was."""

from datetime import timedelta

from abaft.language import tree as t

SIGNS = {"add": "+", "sub": "-", "mul": "*", "div": "/", "mod": "%"}
LOOSE = {t.Or: 1, t.And: 2, t.Not: 3, t.Compare: 4}
WORDS = {"and", "or", "not", "is", "true", "false", "null", "now", "today", "me"}


def unparse(node: t.Node, least: int = 0) -> str:
    """The text, in parentheses where it binds looser than what stands around it."""
    text, tight = _written(node)
    return f"({text})" if tight < least else text


def _written(node: t.Node) -> tuple[str, int]:
    match node:
        case t.Or(items):
            return " or ".join(unparse(item, 2) for item in items), 1
        case t.And(items):
            return " and ".join(unparse(item, 3) for item in items), 2
        case t.Not(item):
            return f"not {unparse(item, 3)}", 3
        case t.Compare(operator, left, right, negated):
            word = f"{operator} not" if operator == "is" else f"not {operator}"
            word = word if negated else operator
            return f"{unparse(left, 5)} {word} {unparse(right, 5)}", 4
        case t.Call("neg", (item,)):
            return f"-{unparse(item, 7)}", 7
        case t.Call(name, (left, right)) if name in SIGNS:
            tight = 5 if name in ("add", "sub") else 6
            return f"{unparse(left, tight)} {SIGNS[name]} {unparse(right, tight + 1)}", tight
        case t.Call(name, args):
            return f"{name}({', '.join(map(unparse, args))})", 8
        case t.Several(items):
            return f"[{', '.join(map(unparse, items))}]", 8
        case t.Path(names):
            return ".".join(map(_name, names)), 8
        case t.Clock(word):
            return word, 8
    assert isinstance(node, t.Literal)
    text = _literal(node)
    return text, 7 if text.startswith("-") else 8


def _name(name: str) -> str:
    return f"`{name}`" if name.lower() in WORDS or not name.isidentifier() else name


def _literal(node: t.Literal) -> str:
    if isinstance(node.value, timedelta):
        micros = node.value // timedelta(microseconds=1)
        return f"{'-' if micros < 0 else ''}{abs(micros) / 1e6:.6f}s"
    if node.form == "text":
        quoted = node.value.replace("\\", "\\\\").replace('"', '\\"')
        return f'"{quoted}"'
    return node.value or node.form
