"""`abaft routes`: what is served, and who may do what."""

from __future__ import annotations

from fastapi.routing import APIRoute
from rich.markup import escape
from rich.table import Column, Table
from starlette.routing import BaseRoute

from abaft.api.batch import BATCH
from abaft.app import App
from abaft.cli.console import out
from abaft.cli.target import USUAL, Application, find
from abaft.model.expr import FALSE, TRUE
from abaft.model.spec import ACTIONS, Action, Model

METHODS: dict[Action, str] = {
    "read": "GET",
    "create": "POST",
    "update": "PATCH, PUT",
    "delete": "DELETE",
}

WIDE = 40
"""Letters of a path that are shown on one line whatever else there is."""


def routes(app: Application = USUAL) -> None:
    """Show every path, and the rules by which each action is allowed."""
    found = find(app).app
    out.print(_collections(found))
    out.print(_others(found))


def _collections(app: App) -> Table:
    heads = [f"{action}\n[dim]{METHODS[action]}[/]" for action in ACTIONS]
    # A path that is cut at any letter can't be copied: the rules have the room that is left.
    longest = max((len(name) for name in app.schema.collections), default=0)
    wide = min(len(app.settings_.api_prefix) + 1 + longest, WIDE)
    path_column = Column("path", overflow="fold", min_width=wide)
    table = Table(path_column, "model", *heads, title="Collections", title_justify="left")
    for name, model in app.schema.collections.items():
        path = f"{app.settings_.api_prefix}/{name}"
        below = [part for part in app.records.parts if part.offered(model)]
        path = "\n".join([path, *(f"[dim]  …/{{key}}/{part.path}[/]" for part in below)])
        table.add_row(path, model.name, *(_who(model, action) for action in ACTIONS))
    return table


def _who(model: Model, action: Action) -> str:
    """The names of the rules; several add up."""
    rules = [rule for rule in model.rules if action in rule.actions]
    whole = [rule for rule in rules if not rule.fields]
    if not whole:
        return "[dim]nobody[/]"
    if any(rule.where == TRUE for rule in whole):
        shown = "[green]everybody[/]"
    elif all(rule.where == FALSE for rule in whole):
        shown = "[dim]nobody[/]"
    else:
        shown = " or ".join(f"[yellow]{rule.name}[/]" for rule in whole)
    apart = [f"{', '.join(rule.fields)}: {rule.name}" for rule in rules if rule.fields]
    return "\n".join([shown, *apart])


def _others(app: App) -> Table:
    """What is served beside the collections: the batch, the application's own, and the docs."""
    table = Table("path", "methods", "what", title="Endpoints", title_justify="left")
    batch = f"{app.settings_.api_prefix}/{BATCH.collection}"
    table.add_row(batch, "POST", "several operations, each under its own rules")
    for route in app.routes:
        path = getattr(route, "path", "") or "/"
        methods = ", ".join(sorted(getattr(route, "methods", None) or ()))
        table.add_row(path, methods or "[dim]any[/]", _name(route))
    if app.settings_.docs and not any(getattr(route, "path", "") == "/" for route in app.routes):
        table.add_row("/", "GET, HEAD", "[dim]what runs here[/]")
    return table


def _name(route: BaseRoute) -> str:
    """The function of an endpoint of theirs; of what is in no document its name."""
    name = getattr(route, "name", "")
    if not isinstance(route, APIRoute):
        return f"[dim]{escape(name)}[/]"
    return escape(getattr(route.endpoint, "__qualname__", name))
