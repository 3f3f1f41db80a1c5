"""The SQL of switches, for each engine, as files to be read and reviewed."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

import pytest
import sqlalchemy as sa

from abaft import Actor, Many, Me, Model, Ref, Settings, Unique, allow, field, scope
from abaft.model.build import build
from abaft.model.spec import Schema
from abaft.plan.access import Access
from abaft.plan.read import plan_read
from abaft.plan.resolve import key_condition
from abaft.plan.types import Pick, ReadShape, WriteShape
from abaft.plan.versions import plan_version, plan_versions
from abaft.plan.write import plan_write
from abaft.store.sql.changes import change_types, changes_table
from abaft.store.sql.conditions import Context
from abaft.store.sql.statement import Binder, Statement
from abaft.store.sql.tables import create_index, create_table, make_indexes, make_tables, numbered
from abaft.store.sql.versions import compile_reading, stored_whole, upgrade_feed, whole_change
from abaft.store.sql.write import WriteBuilder, compile_joined, compile_plain
from test_golden_sql import DIALECTS, FOLDER

RENEW = "-- Renewed by: RENEW_GOLDEN=1 python -m pytest tests/test_golden_switches.py"


class Board(Model, key="name", stamps=False, soft_delete=True):
    name: str
    cards: Many[Card] = field(back="board")

    @allow("read", "delete")
    def everyone(board, me: Me) -> bool:
        return True


class Mark(Model, key="name", stamps=False):
    name: str

    @allow("read")
    def everyone(mark, me: Me) -> bool:
        return True


class Card(
    Model,
    key="name",
    stamps=False,
    soft_delete=True,
    history=True,
    ordered="board",
    unique=[Unique("slug", where=lambda card: card.open)],
):
    name: str
    slug: str = ""
    open: bool = True
    secret: str = field(default="", hidden=True)
    board: Ref[Board] = field(on_delete="cascade")
    marks: Many[Mark]

    @allow("read", "update", "delete")
    def of_open_boards(card, me: Me) -> bool:
        return card.board.cards.any(lambda other: other.open) & card.marks.any()

    @scope
    def opened(card) -> bool:
        return card.open


USER = Actor(id="x")


@pytest.fixture(scope="module")
def schema() -> Schema:
    return build([Board, Mark, Card])


def tables_sql(schema: Schema, dialect: Any) -> Iterator[tuple[str, str]]:
    for name, table in make_tables(schema, dialect).items():
        model = schema.models[name]
        indexes = make_indexes(model, table, dialect).values()
        statements = [
            create_table(table, dialect),
            *(create_index(row, dialect) for row in indexes),
        ]
        statements += numbered(model, table, dialect, ())
        yield name, ";\n".join(statements)
    yield "the feed", ";\n".join(upgrade_feed(schema, ["ix_abaft_changes_of_gone"], dialect))


def reads_sql(schema: Schema, dialect: Any) -> Iterator[tuple[str, str]]:
    tables, settings, access = make_tables(schema, dialect), Settings(), Access(schema, USER)
    where, was = key_condition(schema.models["Card"]), ("name", "slug", "open", "board", "marks")
    pick = Pick(("name", "marks"))
    version = ReadShape("Card", "version", where, pick=pick, was=was)
    plans = {
        "a list": plan_read(
            schema, settings, access, ReadShape("Card", "page", _true(), pick=pick)
        ),
        "what is deleted": plan_read(
            schema,
            settings,
            access,
            ReadShape("Board", "page", _true(), pick=Pick(("name",)), deleted="only"),
        ),
        "a version": plan_version(schema, settings, access, version),
        "the versions": plan_versions(schema, ReadShape("Card", "versions", where)),
    }
    for name, plan in plans.items():
        made = compile_reading(Context(schema, tables, Binder(dialect)), plan)
        yield name, _shown(made.statement)


def writes_sql(schema: Schema, dialect: Any) -> Iterator[tuple[str, str]]:
    tables, settings, access = make_tables(schema, dialect), Settings(), Access(schema, USER)
    feed = changes_table(sa.MetaData(), change_types(dialect.type))

    def make(plan: Any) -> WriteBuilder:
        context = Context(schema, tables, Binder(dialect))
        return WriteBuilder(context, plan, tables[plan.model.name])

    for name, shape in {
        "a soft delete": WriteShape("Board", "delete", ("deleted",)),
        "a restore": WriteShape("Board", "update", ("deleted",), verb="restore"),
        "a purge": WriteShape("Board", "delete", verb="purge"),
        "a move": WriteShape("Card", "update", (), verb="before", pick=Pick(("name",))),
    }.items():
        plan = plan_write(schema, settings, access, shape)
        change = whole_change(Context(schema, tables, Binder(dialect)), feed, schema.models["Card"])
        compiled = (
            compile_joined(make, plan, feed)
            if dialect.sa.name == "postgresql"
            else compile_plain(make, plan, feed, change)
        )
        yield name, _shown(compiled.statement)
        if name == "a move":
            placing = compiled.program
            for step in ("lock", "anchor", "below", "listed"):
                statement = getattr(placing, step)
                if statement is not None:
                    yield f"{name}: {step}", _shown(statement)
        if name == "a soft delete":
            [along] = compiled.program.referrers["Board"]
            yield f"{name}: what goes along", _shown(along.finder)
    context = Context(schema, tables, Binder(dialect))
    yield "a change whole", _shown(whole_change(context, feed, schema.models["Card"]))
    context = Context(schema, tables, Binder(dialect))
    yield "what was before", _shown(stored_whole(context, schema.models["Card"]))


def _true() -> Any:
    return ReadShape.__dataclass_fields__["having"].default


def _shown(statement: Statement) -> str:
    binds = ", ".join(bind.name or "constant" for bind in statement.binds)
    return f"-- {binds}\n{statement.sql}"


PARTS = {"tables": tables_sql, "reads": reads_sql, "writes": writes_sql}


@pytest.mark.parametrize("part", PARTS)
@pytest.mark.parametrize("dialect", DIALECTS)
def test_the_sql_is_the_one_on_file(schema: Schema, dialect: str, part: str) -> None:
    chapters = [RENEW]
    for title, sql in PARTS[part](schema, DIALECTS[dialect]):
        lines = "\n".join(line.rstrip() for line in sql.splitlines() if line.strip())
        chapters.append(f"-- {title}\n{lines};")
    text = "\n\n".join(chapters) + "\n"
    path = FOLDER / f"{dialect}_switches_{part}.sql"
    if os.environ.get("RENEW_GOLDEN"):
        path.write_text(text)
    assert text == path.read_text(), RENEW
