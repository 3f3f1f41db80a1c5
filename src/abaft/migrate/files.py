"""The files of migrations: their order, their checksums, and what is wrong with them."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

from abaft.base.digest import fingerprint
from abaft.base.errors import SetupError
from abaft.migrate.steps import Migration, Step, Steps

FOLDER = "migrations"
_NAME = re.compile(r"[0-9]{4,}_[a-z0-9_]+")
_SEAL = re.compile(r'^(\s*checksum=)"([^"\n]*)"', re.M)


class MigrationError(SetupError):
    """Migrations that can't be read, ordered or run as they are."""


@dataclass(frozen=True, slots=True)
class File:
    """A migration in its file; `sealed` tells that it is as its checksum says."""

    path: Path
    migration: Migration
    digest: str
    module: ModuleType

    @property
    def revision(self) -> str:
        return self.migration.revision

    @property
    def sealed(self) -> bool:
        return self.migration.checksum == self.digest

    def upgrade(self) -> list[Step]:
        """The steps forth."""
        return self._steps("upgrade")

    def downgrade(self) -> list[Step]:
        """The steps back."""
        return self._steps("downgrade")

    def _steps(self, name: str) -> list[Step]:
        function: Callable[[Steps], None] | None = getattr(self.module, name, None)
        if function is None:
            raise MigrationError(f"{self.path} has no function {name}(do): write one")
        taken = Steps()
        try:
            function(taken)
        except Exception as error:
            raise MigrationError(f"{self.path}, {name}: {type(error).__name__}: {error}") from error
        return taken.steps


def named(folder: Path) -> list[str]:
    """The revisions that there are, by the names of their files alone."""
    return sorted(path.stem for path in folder.glob("*.py") if _NAME.fullmatch(path.stem))


def read(folder: Path, engine: str = "") -> list[File]:
    """The migrations in order. MigrationError names all that is wrong with them."""
    files = [load(folder / f"{name}.py") for name in named(folder)]
    faults = [fault for file in files for fault in _faults(file, engine)]
    ordered = [] if faults else _ordered(files, faults)
    if faults:
        raise MigrationError("; ".join(faults))
    return ordered


def load(path: Path) -> File:
    """One file, run as Python."""
    try:
        text = path.read_text("utf-8")
        module = ModuleType(f"abaft_migration_{path.stem}")
        module.__file__ = str(path)
        sys.modules[module.__name__] = module
        exec(compile(text, str(path), "exec"), vars(module))  # noqa: S102
    except Exception as error:
        raise MigrationError(f"{path} can't be read: {type(error).__name__}: {error}") from error
    migration = getattr(module, "migration", None)
    if not isinstance(migration, Migration):
        raise MigrationError(f"{path} has no `migration = Migration(…)`: write its head")
    return File(path, migration, checksum(text), module)


def _faults(file: File, engine: str) -> list[str]:
    faults = []
    made_for = file.migration.engine
    if file.revision != file.path.stem:
        faults.append(f"{file.path.name} says that it is {file.revision}: they must be the same")
    if engine and made_for != engine:
        faults.append(
            f"{file.path.name} is for {made_for}, and the database is {engine}: keep a folder for "
            "each, and name it by --folder"
        )
    return faults


def _ordered(files: Iterable[File], faults: list[str]) -> list[File]:
    after: dict[str | None, list[File]] = {}
    for file in files:
        after.setdefault(file.migration.parent, []).append(file)
    ordered: list[File] = []
    parent: str | None = None
    while parent in after:
        here = after.pop(parent)
        if len(here) > 1:
            names = " and ".join(file.revision for file in here)
            faults.append(
                f"{names} both follow {parent or 'nothing'}: let one follow the other by its "
                "parent, and write its checksum anew by `abaft migrate seal`"
            )
            return []
        ordered += here
        parent = here[0].revision
    faults += [
        f"{file.revision} follows {file.migration.parent}, which isn't there"
        for left in after.values()
        for file in left
    ]
    return ordered


def checksum(text: str) -> str:
    """What a file is known by: the digest of its text, but for the checksum itself."""
    return fingerprint(_SEAL.sub(r'\1""', text, count=1).replace("\r\n", "\n"))


def sealed(text: str) -> str:
    """The text with the checksum that it has now."""
    if not _SEAL.search(text):
        raise MigrationError('there is no line checksum="…" in the head of the file')
    return _SEAL.sub(rf'\1"{checksum(text)}"', text, count=1)


def next_revision(files: Iterable[str], message: str) -> str:
    """The name of the next file: a number and the words of the message."""
    last = max((int(name.partition("_")[0]) for name in files), default=0)
    words = re.sub(r"[^a-z0-9]+", "_", message.lower()).strip("_")[:60].strip("_")
    if not words:
        raise MigrationError("-m says in a few words what changes: letters or digits are needed")
    return f"{last + 1:04}_{words}"
