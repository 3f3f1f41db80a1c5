"""Python's own prompt, at which `await` may stand."""

from __future__ import annotations

import ast
import asyncio
import code
import inspect
import sys
import traceback
from pathlib import Path
from types import CodeType, FunctionType
from typing import Any

import typer

_TYPED = ("<input>", "<console>")


class Console(code.InteractiveConsole):
    """Runs what is typed on one event loop; `asyncio.create_task` and the like work too."""

    def __init__(self, names: dict[str, Any], runner: asyncio.Runner) -> None:
        super().__init__(names)
        self.runner = runner
        self.failed = False
        self.compile.compiler.flags |= ast.PyCF_ALLOW_TOP_LEVEL_AWAIT

    def runcode(self, code: CodeType) -> None:
        """Runs it, on the loop throughout."""

        async def run() -> None:
            made = FunctionType(code, self.locals)()
            if inspect.isawaitable(made):
                await made

        try:
            self.runner.run(run())
        except SystemExit:
            raise
        except BaseException as error:
            self.failed = True
            self.write("".join(traceback.format_exception(_typed_alone(error))))

    def showsyntaxerror(self, filename: str | None = None, **_: Any) -> None:
        """The place and what is wrong with it, and nothing of what has read it."""
        error = sys.exc_info()[1]
        if isinstance(error, SyntaxError):
            error.filename = filename or error.filename
        self.write("".join(traceback.format_exception_only(error)))

    def run(self, source: str) -> int:
        """Runs a text up to what fails, and shows its expressions' values; the exit code."""
        try:
            steps = ast.parse(source).body
        except SyntaxError:
            self.showsyntaxerror("<input>")
            return 1
        for step in steps:
            try:
                self.runcode(_compiled(step))
            except SyntaxError:
                self.showsyntaxerror("<input>")
                return 1
            if self.failed:
                return 1
        return 0

    def interact(self, banner: str | None = None, exitmsg: str | None = None) -> None:
        """At a terminal, with history and completion where the platform has them."""
        with _History(self.locals):
            super().interact(banner, exitmsg)


class _History:
    """Remembers what was typed, from one shell to the next."""

    def __init__(self, names: Any) -> None:
        self.names = names
        self.path = Path(typer.get_app_dir("abaft")) / "history"

    def __enter__(self) -> None:
        try:
            import readline
            import rlcompleter
        except ImportError:
            return
        readline.set_completer(rlcompleter.Completer(self.names).complete)
        readline.parse_and_bind("tab: complete")
        if self.path.is_file():
            readline.read_history_file(self.path)

    def __exit__(self, *_: object) -> None:
        readline = sys.modules.get("readline")
        if readline is None:
            return
        self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.path.touch(mode=0o600)
        readline.set_history_length(1_000)
        readline.write_history_file(self.path)


def _typed_alone(error: BaseException) -> BaseException:
    """The error without the frames that have run what was typed."""
    frame = error.__traceback__
    while frame is not None and frame.tb_frame.f_code.co_filename not in _TYPED:
        frame = frame.tb_next
    return error if frame is None else error.with_traceback(frame)


def _compiled(step: ast.stmt) -> CodeType:
    """A step; an expression by itself is shown, one within a loop isn't."""
    shown = isinstance(step, ast.Expr)
    tree = ast.Interactive([step]) if shown else ast.Module([step], [])
    flags = ast.PyCF_ALLOW_TOP_LEVEL_AWAIT
    mode = "single" if shown else "exec"
    made: CodeType = compile(tree, "<input>", mode, flags, dont_inherit=True)
    return made
