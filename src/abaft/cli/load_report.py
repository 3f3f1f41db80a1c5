"""Says honestly what became of a file."""

from __future__ import annotations

from rich.markup import escape

from abaft.cli.console import err
from abaft.cli.load_job import Outcome
from abaft.cli.load_links import Link


def report(outcome: Outcome) -> None:
    """A line with the numbers, then one for all that isn't as it should be."""
    mark = "[bold red]✗[/]" if outcome.failed else "[green]✓[/]"
    err.print(
        f"{mark} [bold]{escape(outcome.source.name)}[/]  {outcome.read:,} rows read, "
        f"{outcome.loaded:,} loaded, {outcome.rejected:,} rejected  "
        f"[dim]{outcome.seconds:.1f} s[/]",
        soft_wrap=True,
    )
    for line in details(outcome):
        err.print(f"    {escape(line)}", soft_wrap=True)


def details(outcome: Outcome) -> list[str]:
    """What is to be known beside the numbers."""
    lines = [outcome.failure] if outcome.failed else []
    lines += outcome.reasons
    if outcome.rejected > len(outcome.reasons):
        lines.append(f"… and {outcome.rejected - len(outcome.reasons):,} more rejected rows")
    if outcome.unknown:
        lines.append(f"left out, for there are no such fields: {', '.join(outcome.unknown)}")
    if outcome.nulls:
        lines.append(f"{outcome.nulls:,} values are null")
    return lines + [line for link in outcome.links for line in _link(link)]


def _link(link: Link) -> list[str]:
    lines = []
    if link.created:
        lines.append(
            f"{link.one.name}: {len(link.created):,} × {link.target.name} created of the key "
            f"alone, for {link.for_created:,} rows: {_some(link, link.created)}"
        )
    count = link.missing.total()
    if count:
        # A rejected row has been told of with its line.
        became = (
            "kept; the relation leads nowhere"
            if link.soft
            else "emptied"
            if link.policy == "null" and link.empties
            else "rejected"
        )
        lines.append(
            f"{link.one.name}: {count:,} rows have {len(link.missing):,} keys that no "
            f"{link.target.name} has ({became}): {_some(link, list(link.missing))}"
        )
    return lines


def _some(link: Link, keys: list[object]) -> str:
    shown = ", ".join(link.spelled(key) for key in sorted(keys, key=str)[:4])
    return f"{shown}, …" if len(keys) > 4 else shown
