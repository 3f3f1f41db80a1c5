"""The SQL that a set of plans becomes, for each engine, as files to be read and reviewed."""

from __future__ import annotations

import os
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from abaft import Actor, Many, Me, Model, Ref, Settings, User, allow, check, field, me
from abaft.api.parse import Parser
from abaft.guard.sign import Signer
from abaft.model.build import build
from abaft.model.spec import Schema
from abaft.plan.access import Access
from abaft.plan.read import plan_read
from abaft.plan.search import read_terms
from abaft.plan.types import Pick, ReadShape, WriteShape
from abaft.plan.write import plan_write
from abaft.store.sql.apart import compile_apart
from abaft.store.sql.changes import change_statement, change_types, changes_table
from abaft.store.sql.conditions import Context
from abaft.store.sql.mysql import MysqlDialect, Server
from abaft.store.sql.postgres import PostgresDialect
from abaft.store.sql.read import compile_read
from abaft.store.sql.search import index_name
from abaft.store.sql.sqlite import SqliteDialect
from abaft.store.sql.statement import Binder, Statement
from abaft.store.sql.tables import (
    create_index,
    create_table,
    foreign_keys,
    make_indexes,
    make_tables,
)
from abaft.store.sql.write import WriteBuilder, compile_joined, compile_plain

FOLDER = Path(__file__).parent / "golden" / "sql"
RENEW = "-- Renewed by: RENEW_GOLDEN=1 python -m pytest tests/test_golden_sql.py"
DIALECTS: dict[str, Any] = {
    "sqlite": SqliteDialect(),
    "postgres": PostgresDialect(),
    "mariadb": MysqlDialect(),
    "mysql": MysqlDialect(),
}
DIALECTS["mysql"].meet(Server(maria=False, collation="utf8mb4_0900_bin"))


class Topic(Model, key="name", stamps=False):
    name: str = field(max_length=20)
    parent: Ref[Topic] | None = field(default=None, on_delete="set null")

    @allow("read")
    def anybody(topic, me: Me) -> bool:
        return True


class Post(Model, unique=[("title", "author")], index=[("price", "title")]):
    title: str = field(collate="nocase")
    price: Decimal | None = field(default=None, max_digits=9, decimal_places=2)
    public: bool = field(default=False, index=True)
    secret: str | None = field(default=None, hidden=True)
    author: Ref[User] = field(default=me, on_delete="cascade")
    topics: Many[Topic]
    comments: Many[Comment] = field(back="post")

    @check
    def cheap(post) -> bool:
        return post.price <= 1000

    @allow("read")
    def public_or_own(post, me: Me) -> bool:
        return post.public | (post.author == me)

    @allow("create", "update", "delete")
    def own(post, me: Me) -> bool:
        return post.author == me

    @allow("read", fields=["price"])
    def own_price(post, me: Me) -> bool:
        return post.author == me


class Comment(Model):
    post: Ref[Post] = field(on_delete="cascade")
    text: str

    @allow("read", "create")
    def of_readers(comment, me: Me) -> bool:
        return comment.post.public | (comment.post.author == me)


class Note(Model, key=("place", "number"), search="english"):
    """Searched, in a field that the owner alone reads, and in two languages."""

    place: str
    number: int
    title: str = field(search=True, search_weight=3)
    text: str | None = field(default=None, search="german")
    memo: str = field(default="", search="simple")
    owner: Ref[User] = field(default=me)

    @allow("read")
    def everyone(note, me: Me) -> bool:
        return True

    @allow("read", fields=["memo"])
    def own(note, me: Me) -> bool:
        return note.owner == me


SYSTEM, USER, NOBODY = Actor(system=True), Actor(id="x"), Actor()
# A name, who asks, and the list that is asked for.
LISTS = [
    ("all", SYSTEM, ""),
    ("of_anonymous", NOBODY, ""),
    ("of_a_user", USER, ""),
    ("filtered", SYSTEM, "title=x&price[gt]=1&public=true&title[icontains]=y&price[in]=1,2"),
    ("negated", USER, "title[ne]=x&price[nin]=1&price[isnull]=false"),
    ("through_relations", USER, "author.name=x&topics.name=y&comments.text[startswith]=z"),
    ("by_filter", USER, "filter=title!='x'+or+price*2>10+and+all(comments,text+contains+'y')"),
    ("by_reckoned", SYSTEM, "filter=created%2B7d>now+and+count(topics)>1+and+abs(price-1)<0.5"),
    ("sorted", SYSTEM, "sort=-price,author.name"),
    ("expanded", USER, "expand=author,topics.parent,comments&fields=title"),
    ("counted", USER, "count=exact&offset=1&title=x"),
]
SEARCHES = [
    ("ranked", SYSTEM, "search=sea+storm"),
    ("where_some_fields_are_masked", USER, 'search=sea+"a storm"+-ru*&sort=number&count=exact'),
    ("highlighted", NOBODY, 'search="a storm"&highlight=true&fields=number'),
]
WRITES = [
    ("create", USER, WriteShape("Post", "create", ("id", "title", "author"), frozenset({"title"}))),
    ("create_child", USER, WriteShape("Comment", "create", ("id", "post", "text"),
                                      frozenset({"post", "text"}))),
    ("update", USER, WriteShape("Post", "update", ("title", "updated"), frozenset({"title"}))),
    ("update_if_match", SYSTEM, WriteShape("Topic", "update", ("parent",), match=True)),
    ("update_to_many", SYSTEM, WriteShape("Post", "update", ("topics",), pick=Pick(("topics",)))),
    ("operators", USER, WriteShape("Post", "update", ("price", "updated"), frozenset({"price"}),
                                   operators=(("price", "increment"),))),
    ("delete", USER, WriteShape("Post", "delete")),
    ("delete_restricted", SYSTEM, WriteShape("Comment", "delete")),
]  # fmt: skip


@pytest.fixture(scope="module")
def schema() -> Schema:
    return build([User, Topic, Post, Comment, Note])


def tables_sql(schema: Schema, dialect: Any) -> Iterator[tuple[str, str]]:
    for name, table in make_tables(schema, dialect).items():
        statements = [create_table(table, dialect), *foreign_keys(table, dialect).values()]
        indexes = make_indexes(schema.models[name], table, dialect)
        statements += [create_index(index, dialect) for index in indexes.values()]
        lines = ";\n".join(statements).splitlines()
        yield name, "\n".join(line.rstrip() for line in lines)


def reads_sql(schema: Schema, dialect: Any) -> Iterator[tuple[str, str]]:
    tables, settings = make_tables(schema, dialect), Settings()
    parser = Parser(schema, settings, Signer((b"x" * 32,)))
    model = schema.models["Post"]
    for name, actor, query in LISTS:
        shape = parser.page(model, query.encode()).intent.shape
        plan = plan_read(schema, settings, Access(schema, actor), shape)
        made = compile_read(Context(schema, tables, Binder(dialect)), plan)
        yield f"{name}: /api/posts?{query}", shown(made.statement)
    for name, sort, nulls in (
        ("after_a_cursor", "", (False,)),
        ("after_a_cursor_sorted", "sort=-price", (False, False)),
        ("after_a_null", "sort=price,-created", (True, False, False)),
    ):
        shape = parser.page(model, sort.encode()).intent.shape
        after = ReadShape(shape.model, "page", shape.where, shape.sort, shape.pick, nulls)
        plan = plan_read(schema, settings, Access(schema, SYSTEM), after)
        yield name, shown(compile_read(Context(schema, tables, Binder(dialect)), plan).statement)


def search_sql(schema: Schema, dialect: Any) -> Iterator[tuple[str, str]]:
    tables, settings = make_tables(schema, dialect), Settings()
    parser = Parser(schema, settings, Signer((b"x" * 32,)))
    model = schema.models["Note"]
    preparer = dialect.sa.identifier_preparer
    made = dialect.search.create(model, tables["Note"], preparer)
    yield "its index", ";\n".join(made)
    yield "without it", ";\n".join(dialect.search.drop(index_name(model)))
    for name, actor, query in SEARCHES:
        shape = parser.page(model, query.encode()).intent.shape
        plan = plan_read(schema, settings, Access(schema, actor), shape)
        late = dialect.sa.name == "sqlite"
        made = compile_read(Context(schema, tables, Binder(dialect)), plan, late)
        asked_for = read_terms(settings, 'sea "a storm" -ru*')
        text = shown(made.statement)
        bound = [bind for bind in made.statement.binds if bind.name == "search"]
        asked = [f"-- {bind.encode(asked_for)}" for bind in bound if bind.encode]
        yield f"{name}: /api/notes?{query}", "\n".join([*asked, text])


COMPILERS: dict[str, Any] = {
    "sqlite": compile_plain,
    "postgresql": lambda make, plan, changes, change: compile_joined(make, plan, changes),
    "mysql": compile_apart,
}


def writes_sql(schema: Schema, dialect: Any) -> Iterator[tuple[str, str]]:
    tables, settings = make_tables(schema, dialect), Settings()
    sequence = sa.Column("seq", sa.Integer, primary_key=True)
    changes = changes_table(sa.MetaData(), change_types(dialect.type), sequence)

    def make(plan: Any) -> WriteBuilder:
        context = Context(schema, tables, Binder(dialect))
        return WriteBuilder(context, plan, tables[plan.model.name])

    change = change_statement(Context(schema, tables, Binder(dialect)), changes)
    for name, actor, shape in WRITES:
        plan = plan_write(schema, settings, Access(schema, actor), shape)
        made = COMPILERS[dialect.sa.name](make, plan, changes, change)
        others = (made.statement.first, made.statement, made.statement.then, made.change)
        parts = [shown(part) for part in others if part]
        yield f"{name} of {shape.model}", ";\n".join(parts)
        yield f"why not: {name} of {shape.model}", shown(made.probe.statement)


def shown(statement: Statement) -> str:
    """The statement with a line for each part, and the names of what is bound."""
    lines = [line.strip() for line in statement.sql.splitlines()]
    bound = ", ".join(bind.name or repr(bind.const) for bind in statement.binds)
    return (f"-- {bound}\n" if bound else "") + "\n".join(line for line in lines if line)


PARTS = {"tables": tables_sql, "reads": reads_sql, "writes": writes_sql, "search": search_sql}


@pytest.mark.parametrize("part", PARTS)
@pytest.mark.parametrize("engine_name", DIALECTS)
def test_the_sql_is_the_one_on_file(schema: Schema, engine_name: str, part: str) -> None:
    found = [RENEW]
    for title, sql in PARTS[part](schema, DIALECTS[engine_name]):
        found.append(f"-- {title}\n{sql};")
    text = "\n\n".join(found) + "\n"
    path = FOLDER / f"{engine_name}_{part}.sql"
    if os.environ.get("RENEW_GOLDEN"):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    assert path.read_text() == text, RENEW


@pytest.mark.parametrize("engine_name", DIALECTS)
def test_no_value_of_a_request_is_in_the_text(schema: Schema, engine_name: str) -> None:
    """INJ-1: what a client sends is bound, whatever the plan."""
    parser, settings = Parser(schema, Settings(), Signer((b"x" * 32,))), Settings()
    dialect = DIALECTS[engine_name]
    query = "title=v1alue&title[contains]=v1alue&title[in]=v1alue&author.name=v1alue&price=77777"
    page = parser.page(schema.models["Post"], query.encode())
    plan = plan_read(schema, settings, Access(schema, USER), page.intent.shape)
    tables = make_tables(schema, dialect)
    made = compile_read(Context(schema, tables, Binder(dialect)), plan).statement
    assert "v1alue" not in made.sql
    assert "77777" not in made.sql
