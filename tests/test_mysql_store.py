"""What MySQL and MariaDB are told: values as constants, indexes, and the ways of its store."""

import asyncio
import datetime as dt
from collections.abc import AsyncIterator
from decimal import Decimal
from typing import Any

import apsw
import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from abaft import Me, Model, Ref, Settings, allow, field
from abaft.base.errors import ModelError, SettingError, SetupError
from abaft.model.build import build
from abaft.store.base import Lost
from abaft.store.mysql import MysqlStore
from abaft.store.mysql_escapes import mended
from abaft.store.mysql_inspect import held
from abaft.store.mysql_pool import Address, Connection, Pool, server_of
from abaft.store.sql.mysql import MysqlDialect
from abaft.store.sql.mysql_columns import lowered, raised
from abaft.store.sql.mysql_literals import Listed, filled, literal
from abaft.store.sql.tables import make_tables
from scenarios import serving

thorough = settings(max_examples=200, suppress_health_check=[*HealthCheck])


@pytest.fixture
def url(mariadb_url: str) -> str:
    return mariadb_url


@pytest.fixture
async def connection(url: str) -> AsyncIterator[Connection]:
    pool = Pool(url, 1, 30.0, {})
    async with pool.hold(asyncio.get_running_loop().time() + 30) as connection:
        yield connection
    await pool.close(1.0)


TEXTS = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]))
NASTY = [
    "'",
    "''",
    "\\'",
    "\\",
    "\\\\'; drop table x; -- ",
    "?",
    '"',
    "`",
    "\x1a",
    "\n",
    "a\\",
    "%s",
]
VALUES: Any = st.one_of(
    TEXTS,
    st.sampled_from(NASTY),
    st.integers(-(2**63), 2**63 - 1),
    st.floats(allow_nan=False, allow_infinity=False),
    st.decimals(-(10**15), 10**15, places=3),
    st.binary(),
    st.none(),
)


async def test_inj_1_any_value_is_read_back_as_it_was_written(connection: Connection) -> None:
    @thorough
    @given(st.lists(VALUES, min_size=1, max_size=5))
    def hold(values: list[Any]) -> None:
        asked.append(values)

    asked: list[list[Any]] = [[text] for text in NASTY]
    hold()
    for mode in ("", "@@sql_mode"):
        for values in asked:
            marks = ", ".join("?" * len(values))
            # Whatever mode a statement of a user's has left behind.
            await connection.run(f"SET SESSION sql_mode = {mode or repr('')}")
            [row] = await connection.rows(filled(f"SELECT {marks}", values))
            assert [_same(value, told) for value, told in zip(values, row, strict=True)]


def _same(value: Any, told: Any) -> bool:
    match value:
        case Decimal():
            assert Decimal(told) == value
        case float():
            assert float(told) == value
        case _:
            assert told == value
    return True


def test_a_question_mark_within_quotes_is_no_placeholder() -> None:
    sql = """SELECT '?', 'it''s ?', "a?", `b?`, ? FROM t WHERE x = ?"""
    assert filled(sql, (1, "?")) == (
        """SELECT '?', 'it''s ?', "a?", `b?`, 1 FROM t WHERE x = '?'"""
    )
    with pytest.raises(ValueError, match="2 placeholders and 1 values"):
        filled(sql, (1,))


def test_values_as_constants() -> None:
    assert literal(-5) == "(-5)"
    assert literal(True) == "1"
    assert literal(0.1) == "0.1e0"
    assert literal(Listed(())) == "(SELECT NULL FROM DUAL WHERE false)"
    assert literal(Listed(("a", 1))) == "('a', 1)"
    zone = dt.timezone(dt.timedelta(hours=2))
    assert (
        literal(dt.datetime(2020, 1, 2, 3, tzinfo=zone)) == "TIMESTAMP'2020-01-02 01:00:00.000000'"
    )
    assert literal(dt.datetime(1, 1, 1, tzinfo=dt.UTC)) == "TIMESTAMP'0001-01-01 00:00:00.000000'"
    with pytest.raises(TypeError, match="a dict can't be"):
        literal({})


async def test_case_is_folded_for_ascii_alone(connection: Connection) -> None:
    text = "".join(chr(code) for code in range(1, 0x3000)) + "😀"
    dialect = MysqlDialect()
    for fold, start, moved in ((lowered, 65, 32), (raised, 97, -32)):
        folded = fold(sa.literal_column(literal(text), sa.Text()))
        sql = str(sa.select(folded).compile(dialect=dialect.sa))
        [[told]] = await connection.rows(sql)
        assert told == text.translate({code: code + moved for code in range(start, start + 26)})


async def test_text_is_shown_as_json_shows_it(url: str) -> None:
    """Character for character as SQLite, which escapes what must be."""

    class Note(Model):
        text: str

        @allow("read", "create")
        def everyone(note, me: Me) -> bool:
            return True

    text = "".join(chr(code) for code in [*range(1, 0xD800), 0xFFFD, 0x1F600])
    async with serving(url, Note) as api:
        made = await api.ask("POST /api/notes", json={"text": text})
        [[shown]] = apsw.Connection(":memory:").execute("select json_quote(?)", (text,)).fetchall()
        assert f'"text":{shown},' in made.text


class Long(Model, key="code", stamps=False):
    code: str = field(max_length=900)


def test_a_key_that_no_index_holds_is_refused_at_the_start() -> None:
    with pytest.raises(ModelError, match=r"Long.code: a key of text has 768 characters at most"):
        make_tables(build([Long]), MysqlDialect())


class Old(Model, managed=False):
    code: str = field(key=True, max_length=5, stored="latin1_swedish_ci")


class New(Model):
    old: Ref[Old]


def test_a_key_that_no_relation_can_lead_to_is_refused_at_the_start() -> None:
    with pytest.raises(ModelError, match=r"New.old: .* no foreign key to text in the order"):
        make_tables(build([Old, New]), MysqlDialect())


class Shelf(Model, key="name", stamps=False):
    name: str

    @allow("read", "create", "delete")
    def everyone(shelf, me: Me) -> bool:
        return True


class Box(Model, unique=[("label", "place")], index=[("label", "words")]):
    label: str = field(collate="nocase", max_length=700)
    place: str = field(max_length=700)
    words: str = ""
    shelf: Ref[Shelf] | None = field(default=None, on_delete="cascade")
    boss: Ref["Box"] | None = field(default=None, on_delete="cascade")

    @allow("read", "create", "delete")
    def everyone(box, me: Me) -> bool:
        return True


async def test_long_texts_are_indexed_and_unique(url: str) -> None:
    async with serving(url, Shelf, Box) as api:
        first = {"label": "A" * 700, "place": "x" * 700, "words": "w" * 100_000}
        assert (await api.ask("POST /api/boxes", json=first)).status_code == 201
        again = await api.ask("POST /api/boxes", json=first | {"label": "a" * 700})
        assert (again.status_code, again.json()["code"]) == (409, "taken")
        assert {error["pointer"] for error in again.json()["errors"]} == {"/label", "/place"}
        other = await api.ask("POST /api/boxes", json=first | {"place": "x" * 699 + " "})
        assert other.status_code == 201
        long = await api.ask("POST /api/shelfs", json={"name": "x" * 769})
        assert long.status_code == 422
        assert "varchar" not in long.text.lower()


async def test_what_others_select_has_no_columns_of_ours(url: str) -> None:
    async with serving(url, Shelf, Box) as api:
        await api.db.create(Box, label="a", place="b")
        [row] = await api.db.sql("select * from boxes")
        assert not [name for name in row if name.startswith("abaft_")]


async def test_a_delete_goes_deeper_than_the_keys_of_innodb(url: str) -> None:
    async with serving(url, Shelf, Box) as api:
        shelf = await api.db.create(Shelf, name="a")
        box = await api.db.create(Box, label="0", place="", shelf=shelf)
        for depth in range(1, 40):
            box = await api.db.create(Box, label=str(depth), place="", boss=box)
        assert (await api.ask("DELETE /api/shelfs/a")).status_code == 204
        assert await api.db.count(Box) == 0
        changes = await api.changes()
        assert changes.count("delete Box") == 40


async def test_two_that_wait_for_each_other_both_get_their_turn(url: str) -> None:
    """The server undoes one of the two, which is tried again."""

    class Account(Model, key="name", stamps=False):
        name: str
        amount: int = 0

        @allow("read", "create", "update")
        def everyone(account, me: Me) -> bool:
            return True

    async with serving(url, Account) as api:
        for name in "ab":
            await api.db.create(Account, name=name)

        def moves(*names: str) -> dict[str, Any]:
            return {
                "operations": [
                    {
                        "method": "PATCH",
                        "path": f"/accounts/{name}",
                        "body": {"amount": {"increment": 1}},
                        "headers": {"content-type": "application/vnd.abaft.operators+json"},
                    }
                    for name in names
                ]
            }

        answers = await asyncio.gather(
            *(api.ask("POST /api/batch", json=moves(*("ab" if n % 2 else "ba"))) for n in range(30))
        )
        assert {answer.status_code for answer in answers} == {200}


async def test_a_store_that_is_not_there_is_lost() -> None:
    nowhere = "mysql://nobody@127.0.0.1:9/none"
    store = MysqlStore(build([Shelf]), nowhere, Settings(query_timeout=0.2))
    with pytest.raises(Lost):
        await store.open()
    await store.close()


def test_addresses() -> None:
    options = Address.of("mysql://ann:p%40ss@db:3307/shop").options
    assert options == {
        "user": "ann", "password": "p@ss", "database": "shop", "host": "db", "port": 3307,
    }  # fmt: skip
    by_socket = Address.of("mysql://ann@/shop?unix_socket=/run/s").options
    assert by_socket["unix_socket"] == "/run/s"
    with pytest.raises(SettingError, match="a database must be named"):
        Address.of("mysql://ann@db")
    with pytest.raises(SettingError, match="charset: a mysql:// URL takes unix_socket"):
        Address.of("mysql://ann@db/shop?charset=latin1")


def test_what_inspect_takes_columns_for() -> None:
    def kind(type_: str, spelled: str) -> str:
        return held(type_, spelled, None, None, (10, 2), False)[0]

    assert kind("decimal", "decimal(10,2) unsigned") == "decimal"
    assert {kind(name, f"{name} unsigned") for name in ("float", "double")} == {"float"}
    assert kind("bigint", "bigint(20) unsigned") == "decimal"
    assert kind("int", "int(10) unsigned") == "integer"
    assert (kind("bit", "bit(1)"), kind("bit", "bit(8)")) == ("boolean", "")
    assert kind("int", "int(6) unsigned zerofill") == ""


def test_servers_by_what_they_say_of_themselves() -> None:
    assert server_of("10.11.6-MariaDB-0+deb12u1").maria
    assert server_of("5.5.5-10.11.2-MariaDB").collation == "utf8mb4_nopad_bin"
    assert server_of("8.4.3").collation == "utf8mb4_0900_bin"
    for old in ("10.6.9-MariaDB", "8.0.22", "5.7.44"):
        with pytest.raises(SetupError, match=r"abaft needs .* or newer: upgrade it, or let"):
            server_of(old)


def test_escapes_have_small_letters_and_what_only_looks_like_one_stays() -> None:
    row = (r'{"a":"\u000B\u001f\\u000B\\\u001A\"\u0000","b":"C:\\u00\\u001F"}', r"\u001F", 1)
    told = r'{"a":"\u000b\u001f\\u000B\\\u001a\"\u0000","b":"C:\\u00\\u001F"}'
    assert mended("SELECT json_quote(t) FROM t", [row, (None, 2)]) == [(told, *row[1:]), (None, 2)]
    assert mended("SELECT t FROM t", [row]) == [row]
