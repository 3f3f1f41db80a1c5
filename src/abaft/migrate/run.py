"""Runs migrations forth and back; what was cut short goes on, or was never begun."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace

from abaft.answers import Unit
from abaft.base import clock
from abaft.base.actor import SYSTEM, Actor
from abaft.base.errors import AbaftError
from abaft.db import Database
from abaft.migrate.engine import Runner
from abaft.migrate.files import File, MigrationError
from abaft.migrate.steps import Step
from abaft.model.times import show_datetime
from abaft.pipeline import Pipeline
from abaft.store.migrations import Record
from abaft.writing import Draft, run_after

Tell = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Run:
    """Runs files on a database; `tell` is told of each that is done."""

    runner: Runner
    pipeline: Pipeline
    tell: Tell
    written: list[tuple[Draft, Actor]] = field(default_factory=list)
    """What data steps wrote, whose @after hooks wait for the commit."""

    async def apply(
        self, files: Sequence[File], until: str | None = None, destructive: bool = False
    ) -> list[str]:
        """Runs what waits, in order; gives the revisions.

        MigrationError where files and database don't go together, or something would be lost.
        """
        async with self.runner.alone():
            known = {row.revision: row for row in await self.runner.records()}
            waiting = pending(files, known, until)
            if not destructive:
                refuse_losses((file, file.upgrade()) for file in waiting)
            done = []
            for file in waiting:
                if await self._whole(file, "up"):
                    done.append(file.revision)
                    self.tell(f"{file.revision} is applied")
        return done

    async def roll_back(
        self, files: Sequence[File], to: str | None, destructive: bool = False
    ) -> list[str]:
        """Undoes what was applied after the revision `to`, the newest first."""
        async with self.runner.alone():
            known = {row.revision: row for row in await self.runner.records()}
            undone = list(reversed(applied_after(files, known, to)))
            if not destructive:
                refuse_losses((file, file.downgrade()) for file in undone)
            done = []
            for file in undone:
                if await self._whole(file, "down"):
                    done.append(file.revision)
                    self.tell(f"{file.revision} is undone")
        return done

    async def note(self, files: Sequence[File], tables: frozenset[str]) -> list[str]:
        """Notes what waits as applied, without running it: the database is so already."""
        async with self.runner.alone():
            known = {row.revision: row for row in await self.runner.records()}
            waiting = pending(files, known, None)
            there = await self.runner.tables()
            await self.runner.begin(rebuilds=False)
            for file in waiting:
                total = len(file.upgrade())
                row = Record(file.revision, file.digest, "up", total, total, _now())
                ours = tuple(sorted(tables & there))
                structure = await self.runner.structure()
                await self.runner.keep(replace(row, tables=ours, structure=structure))
            await self.runner.commit()
        return [file.revision for file in waiting]

    async def _whole(self, file: File, direction: str) -> bool:
        """All steps of a file; whether there was anything to do."""
        steps = file.upgrade() if direction == "up" else file.downgrade()
        worked = False
        for begin, part in _parts(steps, self.runner.whole):
            last = begin + len(part) == len(steps)
            one = part[0] if part and (part[0].alone or not self.runner.whole) else None
            run = self._alone if one is not None and one.kind != "data" else self._together
            worked |= await run(file, direction, begin, part, len(steps), last)
        return worked

    async def _together(
        self, file: File, direction: str, begin: int, part: list[Step], total: int, last: bool
    ) -> bool:
        rebuilds = any(_rebuilds(step) for step in part)
        await self.runner.begin(rebuilds)
        reached = begin
        try:
            known = await self._known(file, direction, total)
            if known is None or (part and known.done >= begin + len(part)):
                await self.runner.roll_back()
                return False
            before = await self.runner.tables()
            for step in part:
                await self._step(step)
                reached += 1
            await self._note(replace(known, done=reached, at=_now()), before, last)
            await self.runner.commit()
        except Exception as error:
            self.written.clear()
            await self.runner.roll_back()
            raise _stopped(file, reached, total, begin, error) from error
        while self.written:
            await run_after(self.pipeline, *self.written.pop(0))
        return True

    async def _alone(
        self, file: File, direction: str, begin: int, part: list[Step], total: int, last: bool
    ) -> bool:
        known = await self._known(file, direction, total)
        [step] = part
        if known is None or known.done > begin:
            return False
        again = known.begun > begin
        before = await self.runner.tables()
        try:
            await self._noted(replace(known, begun=begin + 1, at=_now()))
            await self._try(step, again)
            await self.runner.begin(rebuilds=False)
            known = replace(known, begun=begin + 1, done=begin + 1, at=_now())
            await self._note(known, before, last)
            await self.runner.commit()
        except Exception as error:
            await self.runner.roll_back()
            raise _stopped(file, begin, total, begin, error) from error
        return True

    async def _noted(self, record: Record) -> None:
        await self.runner.begin(rebuilds=False)
        await self.runner.keep(record)
        await self.runner.commit()

    async def _try(self, step: Step, again: bool) -> None:
        """One that may have been done before it could be noted so."""
        if step.first:
            await self.runner.execute([step.first])
        try:
            await self._step(step)
        except Exception as error:
            if not again or not self.runner.already(error):
                raise

    async def _step(self, step: Step) -> None:
        if step.kind == "data":
            assert step.call is not None
            unit = Unit(self.runner.session())
            await step.call(Database(self.pipeline, SYSTEM, unit))
            if unit.broken:
                raise MigrationError("a transaction within the data step failed")
            self.written.extend(unit.written)
        elif step.kind == "command":
            await self.runner.command(step.command)
        else:
            await self.runner.execute(step.statements, step.kind == "rebuild")

    async def _known(self, file: File, direction: str, total: int) -> Record | None:
        """How far the file has come in this direction; None where there is nothing to do.

        It is asked anew each time, for another process may have been at it meanwhile.
        """
        found = [row for row in await self.runner.records() if row.revision == file.revision]
        fresh = Record(file.revision, file.digest, direction, 0, total, _now())
        if direction == "down":
            return None if not found else found[0] if found[0].direction == "down" else fresh
        if not found or found[0].direction == "down":
            return fresh
        return None if found[0].applied else replace(found[0], total=total)

    async def _note(self, record: Record, before: set[str], last: bool) -> None:
        """With what is ours: what was, what has come, but for what has gone."""
        if last and record.direction == "down":
            await self.runner.forget(record.revision)
            left = await self.runner.records()
            if left:
                structure = await self.runner.structure()
                await self.runner.keep(replace(left[-1], structure=structure))
            return
        rows = await self.runner.records()
        ours = next((row.tables for row in reversed(rows) if row.tables), ())
        after = await self.runner.tables()
        kept = sorted((set(ours) | (after - before)) & after)
        structure = await self.runner.structure() if last else ""
        await self.runner.keep(replace(record, tables=tuple(kept), structure=structure))


def _parts(steps: Sequence[Step], whole: bool) -> Iterator[tuple[int, list[Step]]]:
    """What goes together, with the number of its first step; a file without steps is one part."""
    part: list[Step] = []
    begin = 0
    for place, step in enumerate(steps):
        if step.alone or not whole:
            if part:
                yield begin, part
            yield place, [step]
            part, begin = [], place + 1
        else:
            part.append(step)
    if part or not steps:
        yield begin, part


def _rebuilds(step: Step) -> bool:
    drops = any(sql.lstrip().upper().startswith("DROP TABLE") for sql in step.statements)
    return step.kind == "rebuild" or drops


def _stopped(file: File, number: int, total: int, begin: int, error: Exception) -> Exception:
    """The error with its place, and with what is to be done."""
    if isinstance(error, MigrationError):
        return error
    what = str(error) if isinstance(error, AbaftError) else f"{type(error).__name__}: {error}"
    where = f"{file.revision}, step {min(number + 1, max(total, 1))} of {total}"
    rest = (
        "nothing of it was done"
        if not begin
        else f"the {begin} steps before it are done: mend what it says, and apply again"
    )
    return MigrationError(f"{where}: {what}; {rest}")


def pending(files: Sequence[File], known: dict[str, Record], until: str | None) -> list[File]:
    """What is to be applied. MigrationError where files and records don't go together."""
    faults = problems(files, known)
    names = [file.revision for file in files]
    if until is not None and until not in names:
        faults.append(f"there is no migration {until}")
    waiting = []
    for file in files:
        row = known.get(file.revision)
        if row is None or not row.applied:
            waiting.append(file)
            if not file.sealed:
                faults.append(
                    f"{file.path.name} was edited since it was made: look it over, then "
                    f"`abaft migrate seal {file.path}`"
                )
        elif waiting:
            faults.append(
                f"{file.revision} is applied, but {waiting[-1].revision} before it isn't: "
                "let the new one follow it"
            )
            break
        if file.revision == until:
            break
    if faults:
        raise MigrationError("; ".join(faults))
    return waiting


def problems(files: Sequence[File], known: dict[str, Record]) -> list[str]:
    """What was applied and isn't there any more, or not as it was."""
    by_name = {file.revision: file for file in files}
    faults = []
    for revision, row in known.items():
        file = by_name.get(revision)
        if file is None:
            faults.append(f"{revision} is applied, and its file is missing: bring it back")
        elif row.applied and row.checksum != file.digest:
            faults.append(
                f"{file.path.name} was edited since it was applied: put it back as it was, "
                "and write another migration"
            )
    return faults


def applied_after(files: Sequence[File], known: dict[str, Record], to: str | None) -> list[File]:
    """What is to be undone; by default the last one alone, and all for "base"."""
    faults = problems(files, known)
    names = [file.revision for file in files]
    if to not in (None, "base", *names):
        faults.append(f"there is no migration {to}")
    if faults:
        raise MigrationError("; ".join(faults))
    applied = [file for file in files if file.revision in known]
    if to is None:
        return applied[-1:]
    after = names.index(to) + 1 if to != "base" else 0
    return [file for file in applied if names.index(file.revision) >= after]


def refuse_losses(planned: Iterable[tuple[File, list[Step]]]) -> None:
    """MigrationError, with the list, where something may be lost."""
    lost = [
        f"{file.revision}: {step.destructive}"
        for file, steps in planned
        for step in steps
        if step.destructive
    ]
    if lost:
        raise MigrationError(
            "this may lose data, and needs --allow-destructive:\n  " + "\n  ".join(lost)
        )


def _now() -> str:
    return show_datetime(clock.now())
