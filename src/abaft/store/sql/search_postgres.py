"""Search on PostgreSQL: a table of vectors beside the records' own, which triggers keep.

The table itself gets no column; a vector is made once at a write, not for each record found.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import REGCONFIG, TSQUERY, TSVECTOR
from sqlalchemy.dialects.postgresql.base import PGDialect
from sqlalchemy.sql.selectable import FromClause

from abaft.base.digest import fingerprint
from abaft.model.spec import Model, Searched
from abaft.model.terms import Term, Terms
from abaft.model.words import LETTERS, LIGATURES, MARKS, SEPARATORS, SIMPLE, SINGLE
from abaft.plan.types import Search
from abaft.store.sql.search import Bind, characters, index_name, languages

Quote = Callable[[str], str]
_LABELS = "ABCD"
_DIALECT: Any = PGDialect()  # type: ignore[no-untyped-call]
_TOKENS = "asciiword, word, numword, asciihword, hword, numhword, int, uint, float, sfloat"


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _fold_body() -> str:
    """As `model/words.py` folds; `$1` is the text, and COLLATION one that knows all letters."""
    letters = "lower(normalize($1, NFKD) COLLATE COLLATION)"
    for ligature, letter in LIGATURES.items():
        letters = f"replace({letters}, {_literal(ligature)}, {_literal(letter)})"
    plain, bare = map(_literal, LETTERS)
    same = f'translate({letters}, {plain}, {bare}) COLLATE "C"'
    bare_text = f"regexp_replace({same}, {_literal(MARKS)}, '', 'g')"
    words = f"regexp_replace(normalize({bare_text}, NFC), {_literal(f'[{SEPARATORS}]+')}, ' ', 'g')"
    single = f"regexp_replace({words}, {_literal(f'([{SINGLE}])')}, ' \\1 ', 'g')"
    ascii_ = "regexp_replace(lower($1 COLLATE \"C\"), '[^a-z0-9]+', ' ', 'g')"
    return f"SELECT CASE WHEN octet_length($1) = length($1) THEN {ascii_} ELSE {single} END"


_FOLD_BODY = _fold_body()
FOLD = f"abaft_fold_{fingerprint(_FOLD_BODY)[:8]}"

# The built-in collation of PostgreSQL 17, ICU's, or the system's: whichever is there.
_CREATE_FOLD = f"""DO $abaft$ DECLARE named text; BEGIN
SELECT c.collname INTO named FROM pg_catalog.pg_collation c
    WHERE c.collname IN ('pg_c_utf8', 'und-x-icu', 'C.utf8', 'en_US.utf8')
        AND c.collencoding IN (-1, 6)
    ORDER BY array_position(ARRAY['pg_c_utf8', 'und-x-icu', 'C.utf8'], c.collname::text) LIMIT 1;
EXECUTE replace($made$CREATE OR REPLACE FUNCTION {FOLD}(text) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $fold${_FOLD_BODY}$fold$$made$,
'COLLATION', coalesce(quote_ident(named), '"default"'));
END $abaft$"""

_CREATE_LANGUAGE = """DO $abaft$ BEGIN
IF NOT EXISTS (SELECT FROM pg_catalog.pg_ts_config c JOIN pg_catalog.pg_namespace n
    ON n.oid = c.cfgnamespace WHERE c.cfgname = '{name}' AND n.nspname = current_schema()) THEN
CREATE TEXT SEARCH DICTIONARY {name} (TEMPLATE = pg_catalog.snowball, LANGUAGE = {language});
CREATE TEXT SEARCH CONFIGURATION {name} (PARSER = pg_catalog."default");
ALTER TEXT SEARCH CONFIGURATION {name} ADD MAPPING FOR {tokens} WITH {name};
END IF; END $abaft$"""


class PostgresSearch:
    """Two vectors a record, of its words and of their stems; no words are left out as too usual."""

    def create(self, model: Model, table: sa.Table, preparer: Any) -> list[str]:
        quote, place = preparer.quote, preparer.format_table(table)
        name = index_name(model)
        keys = [(f"k{place}", model.fields[part].column) for place, part in enumerate(model.key)]
        types = {column: _type(table.c[column]) for _, column in keys}
        columns = ", ".join(f"{key} {types[column]} NOT NULL" for key, column in keys)
        into = ", ".join(key for key, _ in keys)
        kinds = "words" if not _stemmed(model) else "words, stems"
        vectors = ", ".join(f"{kind} tsvector NOT NULL" for kind in kinds.split(", "))
        made = ", ".join([*(f"r.{quote(column)}" for _, column in keys), _vectors(model, quote)])
        return [
            _CREATE_FOLD,
            *(_language(language) for language in languages(model) if language != SIMPLE),
            f"CREATE TABLE {name} ({columns}, {vectors}, PRIMARY KEY ({into}))",
            _function(model, quote, keys, f"{into}, {kinds}", made),
            *_triggers(model, place, quote),
            f"INSERT INTO {name} ({into}, {kinds}) SELECT {made} FROM {place} AS r",
            f"CREATE INDEX {name}_gin ON {name} USING gin ({kinds})",
        ]

    def drop(self, name: str) -> list[str]:
        return [f"DROP FUNCTION IF EXISTS {name}() CASCADE", f"DROP TABLE {name}"]

    def found(self, model: Model, search: Search, ranked: bool, bind: Bind) -> FromClause[Any]:
        scopes = enumerate(fields for _, fields in search.scopes)
        each = [_scope(model, search, fields, place, ranked, bind) for place, fields in scopes]
        return (sa.union_all(*each) if len(each) > 1 else each[0]).subquery("f")


def _type(column: sa.Column[Any]) -> str:
    return str(column.type.compile(dialect=_DIALECT))


def _stemmed(model: Model) -> bool:
    return languages(model) != [SIMPLE]


def _configuration(language: str) -> str:
    return "pg_catalog.simple" if language == SIMPLE else f"abaft_{language}"


def _language(language: str) -> str:
    name = _configuration(language)
    return _CREATE_LANGUAGE.format(name=name, language=language, tokens=_TOKENS)


def _vectors(model: Model, quote: Quote) -> str:
    """The vectors of the record `r`; between two fields is a word that nobody can ask for."""
    kinds = [[SIMPLE] * len(model.searched)]
    if _stemmed(model):
        kinds.append([row.language for row in model.searched])
    made = []
    for of_fields in kinds:
        parts = [
            f"setweight(to_tsvector('{_configuration(language)}', {FOLD}(left("
            f"coalesce(r.{quote(model.fields[row.name].column)}::text, ''), {characters(model)}))),"
            f" '{_LABELS[row.group]}')"
            for row, language in zip(model.searched, of_fields, strict=True)
        ]
        made.append(" || '''|'':1'::tsvector || ".join(parts))
    return ", ".join(made)


def _function(model: Model, quote: Quote, keys: list[tuple[str, str]], into: str, made: str) -> str:
    """What the triggers call; it works whatever schemas its caller looks in."""
    name = index_name(model)
    ours = ", ".join(key for key, _ in keys)
    old = " AND ".join(f"{key} = OLD.{quote(column)}" for key, column in keys)
    changed = " OR ".join(
        f"OLD.{quote(column)} IS DISTINCT FROM NEW.{quote(column)}" for _, column in keys
    )
    values = ", ".join(f"{kind} = excluded.{kind}" for kind in into.split(", ")[len(keys) :])
    new = ", ".join(f"NEW.{quote(column)} AS {quote(column)}" for column in _columns(model))
    return f"""CREATE OR REPLACE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql
SET search_path FROM CURRENT AS $abaft$ BEGIN
IF TG_OP = 'TRUNCATE' THEN DELETE FROM {name}; RETURN NULL; END IF;
IF TG_OP = 'DELETE' THEN DELETE FROM {name} WHERE {old}; RETURN NULL; END IF;
IF TG_OP = 'UPDATE' AND ({changed}) THEN DELETE FROM {name} WHERE {old}; END IF;
INSERT INTO {name} ({into}) SELECT {made} FROM (SELECT {new}) AS r
    ON CONFLICT ({ours}) DO UPDATE SET {values};
RETURN NULL; END $abaft$"""


def _columns(model: Model) -> list[str]:
    names = [*model.key, *(row.name for row in model.searched)]
    return list(dict.fromkeys(model.fields[name].column for name in names))


def _triggers(model: Model, on: str, quote: Quote) -> list[str]:
    name = index_name(model)
    watched = ", ".join(quote(column) for column in _columns(model))
    rows = f"AFTER INSERT OR DELETE OR UPDATE OF {watched} ON {on} FOR EACH ROW"
    whole = f"AFTER TRUNCATE ON {on} FOR EACH STATEMENT"
    return [
        f"CREATE TRIGGER {name}_rows {rows} EXECUTE FUNCTION {name}()",
        f"CREATE TRIGGER {name}_all {whole} EXECUTE FUNCTION {name}()",
    ]


def _scope(
    model: Model,
    search: Search,
    fields: tuple[Searched, ...],
    place: int,
    ranked: bool,
    bind: Bind,
) -> sa.Select[Any]:
    keys = [f"k{at}" for at, _ in enumerate(model.key)]
    vectors = [sa.column(kind, TSVECTOR) for kind in ("words", "stems")]
    index = sa.table(index_name(model), *map(sa.column, keys), *vectors)
    labels = "" if fields == model.searched else _labels(fields)
    asked = {
        "words": lambda: _words_query(model, labels, bind),
        "stems": lambda: _stems_query(model, labels, bind),
    }
    queries = [(index.c[part], asked[part]()) for part in search.parts]
    rank = _rank(fields, queries) if ranked else sa.literal_column("0")
    found = sa.select(
        *(index.c[key] for key in keys),
        sa.literal_column(str(place)).label("scope"),
        rank.label("rank"),
    )
    return found.where(*(vector.op("@@")(query) for vector, query in queries))


def _labels(fields: tuple[Searched, ...]) -> str:
    return "".join(sorted({_LABELS[row.group] for row in fields}))


def _rank(fields: tuple[Searched, ...], queries: list[tuple[Any, Any]]) -> Any:
    """The sum of both ranks as a whole number, so that a cursor can hold it."""
    most = max(row.weight for row in fields)
    by_group = {row.group: row.weight / most for row in fields}
    # From the last letter to the first (PostgreSQL 12.3.3); what isn't searched counts nothing.
    weights = ", ".join(f"{by_group.get(group, 0):.4f}" for group in (3, 2, 1, 0))
    array: Any = sa.literal_column(f"'{{{weights}}}'::float4[]")
    ranks = [sa.func.ts_rank(array, vector, query) for vector, query in queries]
    total = ranks[0] if len(ranks) == 1 else (ranks[0] + ranks[1]).self_group()
    scaled = sa.func.round(sa.cast(total * sa.literal_column("1000000"), sa.Float))
    return sa.cast(scaled, sa.BigInteger)


def _once(query: Any) -> Any:
    """As a subquery it is made once, not for every record found."""
    return sa.select(query).scalar_subquery()


def _words_query(model: Model, labels: str, bind: Bind) -> Any:
    every = not _stemmed(model)

    def encode(terms: Terms) -> str:
        return " & ".join(_phrase(term, labels) for term in terms.items if term.exact or every)

    config = sa.cast(sa.literal_column("'pg_catalog.simple'"), REGCONFIG)
    return _once(sa.func.to_tsquery(config, bind("text", encode)))


def _phrase(term: Term, labels: str) -> str:
    """Words hold letters alone, so that quotes need no escape."""
    last = ("*" if term.prefix else "") + labels
    marks = [f":{labels}" if labels else ""] * (len(term.words) - 1) + [f":{last}" if last else ""]
    found = " <-> ".join(f"'{word}'{mark}" for word, mark in zip(term.words, marks, strict=True))
    return f"!({found})" if term.negative else f"({found})"


def _stems_query(model: Model, labels: str, bind: Bind) -> Any:
    """The stems are the server's, which made the vector's too."""
    mark = f":{labels}" if labels else ""
    configs = [
        sa.cast(sa.literal_column(f"'{_configuration(language)}'"), REGCONFIG)
        for language in languages(model)
    ]
    if len(configs) == 1:

        def joined(terms: Terms) -> str:
            words = [(term.negative, term.words[0]) for term in terms.items if not term.exact]
            return " & ".join(f"{'!' * negative}'{word}'{mark}" for negative, word in words)

        return _once(sa.func.to_tsquery(configs[0], bind("text", joined)))

    def listed(terms: Terms) -> list[str]:
        return [f"{'!' if t.negative else ''}{t.words[0]}" for t in terms.items if not t.exact]

    return _of_several(configs, mark, bind("list", listed))


def _of_several(configs: list[Any], mark: str, words: Any) -> Any:
    """A word is sought by its stem in each language: any will do."""
    word = sa.func.unnest(words).column_valued("w")
    bare = sa.func.ltrim(word, sa.literal_column("'!'"))
    quoted = sa.literal_column("''''").concat(bare).concat(sa.literal_column(_literal(f"'{mark}")))
    stems = [sa.cast(sa.func.to_tsquery(config, quoted), sa.Text) for config in configs]
    either: Any = stems[0]
    for stem in stems[1:]:
        either = either.concat(sa.literal_column("' | '")).concat(stem)
    negative = sa.func.left(word, sa.literal_column("1")) == sa.literal_column("'!'")
    sign = sa.case((negative, sa.literal_column("'!('")), else_=sa.literal_column("'('"))
    one = sign.concat(either).concat(sa.literal_column("')'"))
    gathered = sa.func.string_agg(one, sa.literal_column("' & '"))
    return sa.select(sa.cast(gathered, TSQUERY)).scalar_subquery()
