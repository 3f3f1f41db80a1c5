"""`abaft routes`: what is served, and who may do what."""

from __future__ import annotations

from typing import Any

from fastapi.routing import APIRoute
from rich.table import Column, Table

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


def routes(app: Application = USUAL) -> None:
    """Show every path, and the rules by which each action is allowed."""
    found = find(app).app
    out.print(_collections(found))
    endpoints = _endpoints(found)
    if endpoints is not None:
        out.print(endpoints)


def _collections(app: App) -> Table:
    heads = [f"{action}\n[dim]{METHODS[action]}[/]" for action in ACTIONS]
    table = Table(
        Column("path", overflow="fold"), "model", *heads, title="Collections", title_justify="left"
    )
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


def _endpoints(app: App) -> Table | None:
    """The application's own endpoints, None where there are none."""
    own: list[Any] = [route for route in app.routes if isinstance(route, APIRoute)]
    if not own:
        return None
    table = Table("path", "methods", "function", title="Endpoints", title_justify="left")
    for route in own:
        methods = ", ".join(sorted(route.methods or ()))
        table.add_row(route.path, methods, getattr(route.endpoint, "__qualname__", route.name))
    return table
