"""Says honestly what became of a file."""

from __future__ import annotations

from rich.markup import escape

from abaft.cli.console import err
from abaft.cli.load_job import Outcome
from abaft.cli.load_links import Link


def report(outcome: Outcome) -> None:
    """A line with the numbers, then one for all that isn't as it should be."""
    mark = "[bold red]✗[/]" if outcome.failure else "[green]✓[/]"
    err.print(
        f"{mark} [bold]{escape(outcome.source.name)}[/]  {_numbers(outcome)}  "
        f"[dim]{_time(outcome)}[/]",
        soft_wrap=True,
    )
    for line in details(outcome):
        err.print(f"    {escape(line)}", soft_wrap=True)


def _numbers(outcome: Outcome) -> str:
    counts = outcome.counts
    parts = [f"{outcome.read - outcome.before:,} rows read"]
    if counts.updated or counts.same:
        parts += [f"{counts.created:,} created", f"{counts.updated:,} updated"]
        parts += [f"{counts.same:,} as they were"]
    else:
        parts.append(f"{counts.created:,} stored")
    return ", ".join([*parts, f"{outcome.refused:,} refused"])


def _time(outcome: Outcome) -> str:
    rows = outcome.read - outcome.before
    rate = f", {rows / outcome.seconds:,.0f} rows/s" if outcome.seconds >= 0.1 else ""
    return f"{outcome.seconds:.1f} s{rate}"


def details(outcome: Outcome) -> list[str]:
    """What is to be known beside the numbers."""
    lines = [outcome.failure] if outcome.failure else []
    if outcome.before:
        done = outcome.read == outcome.before
        what = "all of its" if done else "goes on after the"
        lines.append(f"{what} {outcome.before:,} rows {'' if done else 'that '}were loaded before")
    lines += outcome.reasons
    if outcome.refused > len(outcome.reasons):
        lines.append(f"… and {outcome.refused - len(outcome.reasons):,} more refused rows")
    if outcome.refused_in is not None:
        lines.append(
            f"the refused rows are in {outcome.refused_in}, with the reasons: mend them there"
        )
    elif outcome.refused:
        lines.append("to store the others and have these written to a file: --skip-bad")
    if outcome.unknown:
        lines.append(f"passed over: {', '.join(outcome.unknown)}")
    return lines + [line for link in outcome.links for line in _link(link)]


def _link(link: Link) -> list[str]:
    lines = []
    if link.created:
        lines.append(
            f"{link.name}: {len(link.created):,} × {link.target.name} created of the key "
            f"alone, for {link.for_created:,} rows: {_some(link, link.created)}"
        )
    count = link.missing.total()
    if count:
        # A refused row has been told of with its line.
        became = (
            "kept; the relation leads nowhere"
            if link.soft
            else "emptied"
            if link.policy == "null" and link.empties
            else "refused"
        )
        lines.append(
            f"{link.name}: {count:,} rows have {len(link.missing):,} keys that no "
            f"{link.target.name} has ({became}): {_some(link, list(link.missing))}"
        )
    return lines


def _some(link: Link, keys: list[object]) -> str:
    shown = ", ".join(link.spelled(key) for key in sorted(keys, key=str)[:4])
    return f"{shown}, …" if len(keys) > 4 else shown
