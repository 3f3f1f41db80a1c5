"""Search on SQLite: an FTS5 table without texts, filled with words and stems made by Python.

Triggers only note what has changed, in plain SQL, so that any program can write to the tables; who
commits a write of ours indexes what was noted before (`store/sqlite_search.py`).
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import sqlalchemy as sa
from sqlalchemy.sql.selectable import FromClause

from abaft.model.spec import Model, Searched
from abaft.model.terms import Term, Terms
from abaft.model.words import stemmer
from abaft.plan.types import Search
from abaft.store.sql.cross_join import CrossJoin
from abaft.store.sql.search import (
    SEARCH,
    Bind,
    index_columns,
    index_name,
    languages,
    positive,
    stems_column,
    words_column,
)

Quote = Callable[[str], str]
KEYS, TERMS = "abaft_keys", "abaft_terms"
_LAST = chr(0x10FFFF)


class SqliteSearch:
    """FTS5, whose virtual tables know neither our keys nor our stems: a table maps the keys."""

    def create(self, model: Model, table: sa.Table, preparer: Any) -> list[str]:
        quote = preparer.quote
        index, keys = index_name(model), index_name(model, KEYS)
        names = [f"k{place}" for place, _ in enumerate(model.key)]
        columns = [quote(model.fields[name].column) for name in model.key]
        return [
            f"CREATE VIRTUAL TABLE {index} USING fts5({', '.join(index_columns(model))}, "
            "content='', contentless_delete=1, tokenize='ascii')",
            f"CREATE VIRTUAL TABLE {index_name(model, TERMS)} USING fts5vocab({index}, instance)",
            f"CREATE TABLE {keys} (id INTEGER PRIMARY KEY, {', '.join(names)}, "
            f"stale INTEGER NOT NULL, UNIQUE ({', '.join(names)}))",
            f"CREATE INDEX {keys}_stale ON {keys} (id) WHERE stale",
            *_triggers(model, table, index, keys, quote),
            f"INSERT INTO {keys} ({', '.join(names)}, stale) "
            f"SELECT {', '.join(columns)}, 1 FROM {quote(table.name)}",
        ]

    def drop(self, name: str) -> list[str]:
        rest = name.removeprefix(SEARCH)
        triggers = [f"DROP TRIGGER IF EXISTS {name}_{event}" for event in _EVENTS]
        return [
            *triggers,
            f"DROP TABLE IF EXISTS {TERMS}{rest}",
            f"DROP TABLE {name}",
            f"DROP TABLE IF EXISTS {KEYS}{rest}",
        ]

    def found(self, model: Model, search: Search, ranked: bool, bind: Bind) -> FromClause[Any]:
        select = _ranked if ranked else _hits
        scopes = enumerate(fields for _, fields in search.scopes)
        each = [select(model, fields, place, bind) for place, fields in scopes]
        hits = (sa.union_all(*each) if len(each) > 1 else each[0]).subquery("h")
        names = [f"k{place}" for place, _ in enumerate(model.key)]
        keys = sa.table(index_name(model, KEYS), sa.column("id"), *map(sa.column, names))
        query = sa.select(*(keys.c[name] for name in names), hits.c.scope, hits.c.rank)
        query = query.select_from(hits.join(keys, keys.c.id == hits.c.id))
        return query.subquery("f")


_EVENTS = ("insert", "update", "delete")


def _triggers(model: Model, table: sa.Table, index: str, keys: str, quote: Quote) -> list[str]:
    """What notes a record as changed.

    No conflict clauses here: that of the statement that fires a trigger would take their place.
    """
    columns = [quote(model.fields[name].column) for name in model.key]
    watched = [*columns, *(quote(model.fields[row.name].column) for row in model.searched)]

    def same(record: str) -> str:
        return " AND ".join(f"k{place} = {record}.{name}" for place, name in enumerate(columns))

    def stale(record: str) -> str:
        return f"UPDATE {keys} SET stale = 1 WHERE {same(record)};"

    names = ", ".join(f"k{place}" for place, _ in enumerate(columns))
    added = (
        f"INSERT INTO {keys} ({names}, stale) SELECT {', '.join(f'new.{c}' for c in columns)}, 1 "
        f"WHERE NOT EXISTS (SELECT 1 FROM {keys} WHERE {same('new')});"
    )
    bodies = {
        "INSERT": f"{stale('new')} {added}",
        f"UPDATE OF {', '.join(watched)}": f"{stale('old')} {stale('new')} {added}",
        "DELETE": stale("old"),
    }
    return [
        f"CREATE TRIGGER {index}_{event.split()[0].lower()} AFTER {event} "
        f"ON {quote(table.name)} BEGIN {body} END"
        for event, body in bodies.items()
    ]


def _match(model: Model, fields: tuple[Searched, ...]) -> Callable[[Terms], str]:
    """What makes FTS5's query of the terms. All words are quoted, and hold letters alone."""
    exact = " ".join(words_column(model, row) for row in fields)
    stems = " ".join(dict.fromkeys(stems_column(model, row) for row in fields))

    def one(term: Term) -> str:
        if term.exact:
            star = " *" if term.prefix else ""
            return f'{{{exact}}} : "{" ".join(term.words)}"{star}'
        found = " OR ".join([f'"{stem}"' for stem in _stems(model, term)])
        return f"{{{stems}}} : ({found})"

    def encode(terms: Terms) -> str:
        wanted = " AND ".join(f"({one(term)})" for term in positive(terms))
        unwanted = [f"({one(term)})" for term in terms.items if term.negative]
        return f"({wanted}) NOT ({' OR '.join(unwanted)})" if unwanted else wanted

    return encode


def _stems(model: Model, term: Term) -> list[str]:
    return list(dict.fromkeys(stemmer(language)(term.words[0]) for language in languages(model)))


def _index(model: Model) -> sa.TableClause:
    name = index_name(model)
    return sa.table(name, sa.column("rowid"), sa.column(name))


def _matching(model: Model, fields: tuple[Searched, ...], bind: Bind) -> sa.Select[Any]:
    index = _index(model)
    query = bind("text", _match(model, fields))
    return sa.select(index.c.rowid.label("id")).where(index.c[index.name].op("MATCH")(query))


def _scope(place: int) -> Any:
    return sa.literal_column(str(place)).label("scope")


def _hits(model: Model, fields: tuple[Searched, ...], place: int, bind: Bind) -> sa.Select[Any]:
    return _matching(model, fields, bind).add_columns(_scope(place), _number(0).label("rank"))


def _ranked(model: Model, fields: tuple[Searched, ...], place: int, bind: Bind) -> sa.Select[Any]:
    """The more often, the higher, each time for less: w/(w+2) of the weights of a term's places.

    FTS5's own bm25() goes by how rare a word is in all records: that would tell of hidden ones,
    and change the order of a list while its pages are read.
    """
    terms = sa.table(index_name(model, TERMS), *map(sa.column, ("term", "doc", "col")))
    asked = sa.func.json_each(bind("text", _places(model))).table_valued("value", name="q")

    def part(place: int) -> Any:
        return sa.func.json_extract(asked.c.value, sa.literal_column(f"'$[{place}]'"))

    weight = sa.func.sum(_weight(model, fields, part(3), terms.c.col))
    hits = _matching(model, fields, bind)
    within = terms.c.term.between(part(0), part(1))
    counted = (
        sa.select(terms.c.doc.label("id"), weight.label("w"))
        .select_from(CrossJoin(asked, terms))
        .where(within, terms.c.doc.in_(hits))
        .group_by(terms.c.doc, part(2))
        .subquery(f"n{place}")
    )
    w = counted.c.w
    score = sa.func.sum(
        (sa.literal_column("1000") * w).op("/")((w + sa.literal_column("2")).self_group())
    )
    query = sa.select(counted.c.id, _scope(place), score.label("rank"))
    return query.group_by(counted.c.id)


def _places(model: Model) -> Callable[[Terms], str]:
    """What makes [first, last, number of the term, whether exact] of each word to be counted."""

    def encode(terms: Terms) -> str:
        found: list[tuple[str, str, int, int]] = []
        for number, term in enumerate(positive(terms)):
            if not term.exact:
                found += [(stem, stem, number, 0) for stem in _stems(model, term)]
                continue
            found += [(word, word, number, 1) for word in term.words[:-1]]
            last = term.words[-1]
            found.append((last, last + _LAST if term.prefix else last, number, 1))
        return json.dumps(list(dict.fromkeys(found)), ensure_ascii=False)

    return encode


def _weight(model: Model, fields: tuple[Searched, ...], exact: Any, column: Any) -> Any:
    """What a place counts, by the column it is in."""

    def by(name: Callable[[Model, Searched], str]) -> Any:
        return sa.case(
            *(
                (column == sa.literal_column(f"'{name(model, row)}'"), _number(row.weight))
                for row in fields
            ),
            else_=_number(0),
        )

    if words_column(model, fields[0]) == stems_column(model, fields[0]) and len(fields) == 1:
        return by(words_column)
    return sa.case((exact == _number(1), by(words_column)), else_=by(stems_column))


def _number(value: int) -> Any:
    return sa.literal_column(str(value), sa.Integer)
