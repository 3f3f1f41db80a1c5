"""Every code that a problem can bear, read from the source."""

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from abaft.base import errors
from abaft.base.errors import Fault

SOURCE = Path(__file__).parent.parent / "src" / "abaft"
# Functions that make a fault of (place, code, detail), and the fault's status.
MAKERS = {"bad": 400, "_bad": 400, "Wrong": 400}


def calls() -> Iterator[tuple[str, ast.Call]]:
    """Each call in the library, with the name of what is called."""
    for path in sorted(SOURCE.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call):
                match node.func:
                    case ast.Name(id=name) | ast.Attribute(attr=name):
                        yield name, node


def words(node: ast.AST | None) -> list[str]:
    """The texts that an expression can be: itself, or either side of an `if`."""
    match node:
        case ast.Constant(value=str(text)):
            return [text]
        case ast.IfExp(body=body, orelse=orelse):
            return words(body) + words(orelse)
    return []


def chosen_codes() -> Iterator[str]:
    """Codes of bad parameters that a variable named `code` is given."""
    for path in (SOURCE / "api").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "code":
                yield from words(node.value)


@cache
def problem_codes() -> dict[str, set[int]]:
    """The statuses under which each code is sent."""
    found: dict[str, set[int]] = {}
    for fault in vars(errors).values():
        if isinstance(fault, type) and issubclass(fault, Fault) and fault is not Fault:
            found.setdefault(fault.code, set()).add(fault.status)
    for name, call in calls():
        status = MAKERS.get(name) or getattr(getattr(errors, name, None), "status", None)
        given = [word.value for word in call.keywords if word.arg == "code"]
        given += call.args[1:2] if name in MAKERS else []
        for code in (text for node in given for text in words(node)):
            assert status is not None, f"{name}(…, code={code!r}): of what status?"
            found.setdefault(code, set()).add(status)
    for code in chosen_codes():
        found.setdefault(code, set()).add(400)
    return found


def inner_codes() -> set[str]:
    """Codes of a single value in `errors`, but for those that problems as a whole have too."""
    makers = {"Problem": 1, "PydanticCustomError": 0}
    found = {
        code
        for name, call in calls()
        if name in makers and len(call.args) > makers[name]
        for code in words(call.args[makers[name]])
    }
    return found - set(problem_codes())
