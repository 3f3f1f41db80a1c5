"""Processes that need not import what all of them import: forked from one that has done so.

Each is a process like any other, with a session, an environment and an output of its own. What is
to prove that a command starts by itself starts one by that command.
"""

from __future__ import annotations

import os
import runpy
import subprocess
import sys
from collections.abc import Mapping, Sequence
from multiprocessing import get_context
from multiprocessing.connection import Connection
from multiprocessing.reduction import DupFd
from typing import Any

PATIENCE = 20.0
IMPORTED = [
    *("abaft.cli", "abaft.store.sqlite", "abaft.store.postgres", "abaft.store.mysql"),
    *("apsw", "asyncmy", "asyncpg", "uvicorn.main", "uvicorn.lifespan.on", "uvloop"),
    *("uvicorn.protocols.http.httptools_impl", "uvicorn.protocols.websockets.auto"),
]

_context = get_context("forkserver")
_context.set_forkserver_preload(IMPORTED)


class _Output:
    """A file descriptor that goes along."""

    def __init__(self, number: int) -> None:
        self.number = number

    def __getstate__(self) -> Any:
        return DupFd(self.number)

    def __setstate__(self, sent: Any) -> None:
        self.number = sent.detach()


class Warm:
    """`python -m MODULE ARGUMENTS` by a fork; the part of a Popen that tests need."""

    def __init__(
        self,
        module: str,
        arguments: Sequence[str],
        *,
        env: Mapping[str, str],
        cwd: str,
        output: int,
    ) -> None:
        told, tells = _context.Pipe(duplex=False)
        given = (tells, module, list(arguments), dict(env), cwd, _Output(output))
        # A daemon: whoever forgets to end one does not wait for it.
        self._process = _context.Process(target=_run, args=given, daemon=True)
        self._process.start()
        tells.close()
        with told:
            assert told.poll(PATIENCE), f"{module} was not begun"
            assert told.recv() == "begun"
        assert self._process.pid is not None
        self.pid = self._process.pid

    def poll(self) -> int | None:
        """The exit status, where it has ended: that of a signal is below zero."""
        return self._process.exitcode

    def wait(self, timeout: float | None = None) -> int:
        self._process.join(timeout)
        status = self._process.exitcode
        if status is None:
            raise subprocess.TimeoutExpired(str(self.pid), timeout or 0)
        return status


def _run(
    tells: Connection,
    module: str,
    arguments: list[str],
    env: dict[str, str],
    cwd: str,
    output: _Output,
) -> None:
    os.setsid()
    os.chdir(cwd)
    os.environ.clear()
    os.environ.update(env)
    for standard in (1, 2):
        os.dup2(output.number, standard)
    os.close(output.number)
    sys.argv = [module, *arguments]
    sys.path[:0] = [folder for folder in env.get("PYTHONPATH", "").split(os.pathsep) if folder]
    tells.send("begun")
    tells.close()
    runpy.run_module(module, run_name="__main__", alter_sys=True)
