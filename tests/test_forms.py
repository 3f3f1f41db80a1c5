"""Forms of answers: NDJSON, CSV, MessagePack, their ETags, their codings, links between pages."""

from __future__ import annotations

import csv
import io
import zlib
from collections.abc import AsyncIterator
from typing import Any

import httpx
import ormsgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from abaft import Me, Model, Ref, allow, computed, field, virtual
from abaft.api.table import cell, text_cell
from abaft.guard.cells import bare
from apps.notes import MODELS, Note, seed
from scenarios import LINES, PACKED, Api, Scenario, play, serving


class Box(Model, key="code", stamps=False, collection="boxes", history=True):
    code: str = field(max_length=20)
    width: float
    within: Ref[Box] | None = None

    @allow("read", "create")
    def everyone(box, me: Me) -> bool:
        return True

    @computed
    def double(box) -> float:
        return box.width * 2

    @virtual
    def label(box) -> str:
        return f"={box.code}"


@pytest.fixture
async def api(database_url: str) -> AsyncIterator[Api]:
    async with serving(database_url, *MODELS) as api:
        await seed(api.db)
        yield api


async def test_inj_4_a_table_has_no_formulas(api: Api) -> None:
    answer = await api.get("/api/notes?sort=slug", "text/csv")
    assert answer.text == (
        "slug,text,size,ratio,open,facts,author,secret,tags\r\n"
        "a,'-x,-5,0.5,true,,ann,'@s,[]\r\n"
        'b,"",,,true,"{""k"":[""v"",1]}",ben,,"[""sea""]"\r\n'
        'c,"say ""x"",\r\nor é",,,false,,,,[]\r\n'
        "d,''=x,0,,true,,,,[]\r\n"
    )
    assert answer.headers["content-type"] == "text/csv; charset=utf-8; header=present"
    assert answer.headers["content-disposition"] == 'attachment; filename="notes.csv"'


async def test_a_table_has_the_columns_of_the_selection(api: Api) -> None:
    url = "/api/notes?fields=slug,author.handle,author.motto,tags.name&sort=slug"
    answer = await api.get(url, "text/csv; header=absent")
    # What may not be seen of ben is all but his handle, which the note itself holds.
    assert answer.text == (
        "a,ann,'=1+1,[]\r\n" + 'b,ben,,"[{""name"":""sea""}]"\r\n' + "c,,,[]\r\nd,,,[]\r\n"
    )
    assert answer.headers["content-type"] == "text/csv; charset=utf-8; header=absent"
    whole = await api.get("/api/notes?expand=author&fields=slug,author&slug=a", "text/csv")
    assert whole.text == "slug,author.handle,author.motto,author.shy\r\na,ann,'=1+1,false\r\n"
    none = await api.get("/api/notes?slug=none&fields=slug", "text/csv")
    assert none.text == "slug\r\n"
    one = await api.get("/api/notes/a?fields=slug,size", "text/csv")
    assert one.text == "slug,size\r\na,-5\r\n"


@given(st.recursive(st.none() | st.booleans() | st.integers(-(2**63), 2**63) | st.text(), st.lists))
@pytest.mark.slow
def test_inj_4_cells_are_read_back_and_are_no_formulas(value: Any) -> None:
    line = f"{cell(value)},x\r\n"
    [[found, _]] = csv.reader(io.StringIO(line, newline=""), strict=True)
    if isinstance(value, str):
        assert bare(found) == value
    assert not found.startswith(("=", "@", "\t", "\r", "\n"))
    assert isinstance(value, int) or not found.startswith("-") or float(found) < 1
    assert (cell(value) == "") is (value is None)
    assert text_cell("") == '""'


async def test_lines_are_the_items(api: Api) -> None:
    for query in ("sort=slug", "sort=-slug&expand=author,tags", "open=true&fields=slug", "slug=x"):
        items = (await api.ask(f"GET /api/notes?{query}")).json()["items"]
        answer = await api.get(f"/api/notes?{query}", LINES)
        lines = answer.text.splitlines(keepends=True)
        assert all(line.endswith("}\n") for line in lines)
        assert [httpx.Response(200, text=line).json() for line in lines] == items
        assert answer.headers["content-type"] == LINES
    one = await api.get("/api/notes/a?fields=slug", LINES)
    assert one.text == '{"slug":"a"}\n'


async def test_messagepack_has_what_the_json_has(api: Api) -> None:
    for url in ("/api/notes?sort=slug&limit=2&count=exact", "/api/notes/b?expand=tags"):
        packed = await api.get(url, PACKED)
        assert ormsgpack.unpackb(packed.content) == (await api.ask(f"GET {url}")).json()
        assert packed.headers["content-type"] == PACKED
        assert packed.headers["content-length"] == str(len(packed.content))
    headers = {"accept": "application/vnd.msgpack"}
    made = await api.ask("POST /api/notes", json={"slug": "new"}, headers=headers)
    assert (made.status_code, ormsgpack.unpackb(made.content)["slug"]) == (201, "new")
    changed = await api.ask("PATCH /api/notes/new", json={"size": 7}, headers=headers)
    assert ormsgpack.unpackb(changed.content)["size"] == 7
    assert changed.headers["content-type"] == "application/vnd.msgpack"
    wrong = await api.ask("PATCH /api/notes/new", json={"size": "x"}, headers=headers)
    assert wrong.headers["content-type"] == "application/problem+json"


async def test_what_no_form_fits_is_refused_before_anything_is_done(api: Api) -> None:
    def asking(accept: str) -> dict[str, str]:
        return {"accept": accept}

    rows = [
        Scenario("GET /api/notes", 406, headers=asking("image/png"), has=["text/csv"]),
        Scenario("GET /api/notes/a", 406, headers=asking("text/html")),
        Scenario("POST /api/notes", 406, json={"slug": "x"}, headers=asking("text/csv")),
        Scenario("PATCH /api/notes/a", 406, json={"size": 1}, headers=asking(LINES)),
        Scenario("GET /api/notes/x", 404, headers=asking("text/csv")),
        Scenario("GET /api/notes?sort=x", 400, headers=asking("text/csv"), has=["unknown_field"]),
        Scenario("GET /api/notes?limit=0", 400, headers=asking(LINES), has=["bad_value"]),
        Scenario("GET /api/notes?cursor=x", 400, headers=asking(LINES), has=["bad_cursor"]),
        Scenario("DELETE /api/notes/a", 204, headers=asking("text/csv"), changes=("delete Note",)),
        Scenario(
            "GET /api/notes", 406, headers={"accept-encoding": "br, identity;q=0"}, has=["gzip"]
        ),
    ]
    await play(api, rows)


@pytest.mark.slow
async def test_every_form_and_coding_has_an_etag_of_its_own(api: Api) -> None:
    url = "/api/notes/a?fields=slug,text"
    etags = {}
    for accept in ("application/json", LINES, "text/csv", "text/csv;header=absent", PACKED):
        for coding in ("identity", "gzip, identity;q=0", "zstd, identity;q=0"):
            asked = {"accept-encoding": coding}
            got = await api.get(url, accept, **asked)
            head = await api.ask(f"HEAD {url}", headers={"accept": accept, **asked})
            assert dict(head.headers) == dict(got.headers)
            assert got.headers["vary"] == "accept, accept-encoding, authorization, cookie"
            etags[accept, coding] = got.headers["etag"]
    assert len(set(etags.values())) == len(etags)
    for (accept, coding), etag in etags.items():
        for other in etags.values():
            headers = {"accept": accept, "accept-encoding": coding, "if-none-match": other}
            answer = await api.ask(f"GET {url}", headers=headers)
            assert answer.status_code == (304 if other == etag else 200)
            assert answer.headers["etag"] == etag
    for size, etag in enumerate(etags.values()):
        written = {"if-match": f'"x", {etag}'}
        answer = await api.ask(
            "PATCH /api/notes/a?fields=slug,text", json={"size": size}, headers=written
        )
        assert answer.status_code == 200
    await api.ask("PATCH /api/notes/a?fields=slug,text", json={"text": "other"})
    for etag in etags.values():
        answer = await api.ask(
            "PATCH /api/notes/a?fields=slug,text", json={"size": 1}, headers={"if-match": etag}
        )
        assert answer.status_code == 412


async def test_headers_in_several_lines_are_one(api: Api) -> None:
    sent = [("accept", "text/html"), ("accept", "text/csv"), ("accept-encoding", "br")]
    answer = await api.client.get("/api/notes/a?fields=slug", headers=sent)
    assert answer.text == "slug\r\na\r\n"


async def test_bodies_are_compressed_from_a_size_on(database_url: str) -> None:
    async with serving(database_url, *MODELS, settings={"compress_from": 300}) as api:
        await api.db.create(Note, slug="short", text="x")
        await api.db.create(Note, slug="long", text="x" * 300)
        await api.db.create(Note, slug="huge", text="xyz" * 50_000)
        sizes = {}
        for slug in ("short", "long", "huge"):
            plain = await api.ask(f"GET /api/notes/{slug}", headers={"accept-encoding": "identity"})
            assert "content-encoding" not in plain.headers
            for coding in ("gzip", "zstd"):
                url = f"/api/notes/{slug}"
                got = await api.ask(f"GET {url}", headers={"accept-encoding": coding})
                assert got.content == plain.content
                assert got.headers.get("content-encoding") == (None if slug == "short" else coding)
                sizes[slug] = int(got.headers["content-length"])
        assert sizes["huge"] < 5_000
        made = await api.ask(
            "POST /api/notes",
            json={"slug": "new", "text": "y" * 400},
            headers={"accept-encoding": "gzip"},
        )
        assert made.headers["content-encoding"] == "gzip"
        assert made.headers["etag"].endswith('-gzip"')
        # A list that fits into one part is an answer like others.
        lines = await api.get("/api/notes?slug=short", LINES, **{"accept-encoding": "gzip"})
        assert "content-encoding" not in lines.headers
        again = await api.ask(
            "GET /api/notes?slug=short",
            headers={"accept": LINES, "if-none-match": lines.headers["etag"]},
        )
        assert again.status_code == 304
        wrong = await api.ask("GET /api/notes?sort=x", headers={"accept-encoding": "gzip"})
        assert "content-encoding" not in wrong.headers


async def test_compression_can_be_off(database_url: str) -> None:
    async with serving(database_url, *MODELS, settings={"compress_from": 0}) as api:
        await api.db.create(Note, slug="long", text="x" * 10_000)
        for headers in ({"accept-encoding": "gzip"}, {"accept-encoding": "gzip, identity;q=0"}):
            answer = await api.ask("GET /api/notes/long", headers=headers)
            assert (answer.status_code, "content-encoding" in answer.headers) == (200, False)


@pytest.mark.slow
async def test_a_body_that_comes_compressed_is_refused(api: Api) -> None:
    body = zlib.compress(b'{"slug":"x"}', wbits=31)
    headers = {"content-encoding": "gzip", "content-type": "application/json"}
    await play(api, [Scenario("POST /api/notes", 415, body=body, headers=headers)])


async def test_the_count_of_lines_is_a_header(api: Api) -> None:
    for url in ("/api/notes?count=exact", "/api/notes?count=exact&limit=1"):
        assert (await api.get(url, LINES)).headers["x-total-count"] == "4"
    assert "x-total-count" not in (await api.get("/api/notes", LINES)).headers
    assert "x-total-count" not in (await api.get("/api/notes?count=exact", "*/*")).headers


async def test_counts_say_how_surely_they_are_known(api: Api) -> None:
    for query in ("count=estimated", "count=estimated&size=0", "count=2", "count=9"):
        answer = await api.ask(f"GET /api/notes?{query}&limit=1")
        for accept in (LINES, "text/csv"):
            for url in (f"/api/notes?{query}&limit=1", f"/api/notes?{query}"):
                lines = await api.get(url, accept)
                assert lines.headers["x-total-count"] == str(answer.json()["count"])
                assert lines.headers["x-total-counted"] == answer.json()["counted"]


async def test_numbers_are_written_alike_and_reckoned_members_are_columns(
    database_url: str,
) -> None:
    async with serving(database_url, Box) as api:
        for code, width in (("a", 2.0), ("b", 0.25), ("c", 1e15), ("d", -3.0), ("e", 5e-324)):
            await api.db.create(Box, code=code, width=width, within=None if code == "a" else "a")
        answer = await api.get("/api/boxes?sort=code&expand=within&limit=3", "text/csv")
        assert answer.text == (
            "code,width,within.code,within.width,within.within,within.double,within.label,"
            "double,label\r\n"
            "a,2,,,,,,4,'=a\r\n"
            "b,0.25,a,2,,4,'=a,0.5,'=b\r\n"
            "c,1000000000000000.0,a,2,,4,'=a,2000000000000000.0,'=c\r\n"
        )
        lines = await api.get("/api/boxes?sort=code&limit=1", LINES)
        assert lines.text.rstrip().endswith('"label":"=a"}')
        answer = await api.get("/api/boxes?sort=-code&limit=2&fields=width", "text/csv")
        assert answer.text == "width\r\n5e-324\r\n-3\r\n"


@pytest.mark.sql
async def test_a_line_is_a_record_however_its_json_is_stored(api: Api) -> None:
    pretty = '{\n  "a": "b\\nc",\r\n  "d": 1\n}'
    await api.db.as_system().sql(f"update notes set facts = '{pretty}' where slug = 'a'")
    lines = (await api.get("/api/notes?fields=slug,facts&slug=a", LINES)).text
    assert lines.count("\n") == 1
    assert httpx.Response(200, text=lines).json() == {
        "slug": "a",
        "facts": {"a": "b\nc", "d": 1},
    }


async def test_an_answer_that_is_given_again_has_the_form_that_is_asked_for(api: Api) -> None:
    key = {"idempotency-key": "once"}
    first = await api.ask("POST /api/notes", json={"slug": "new"}, headers=key)
    again = await api.ask("POST /api/notes", json={"slug": "new"}, headers={"accept": PACKED} | key)
    assert (first.status_code, again.status_code) == (201, 201)
    assert ormsgpack.unpackb(again.content) == first.json()
    assert again.headers["etag"] == first.headers["etag"][:-1] + '-msgpack"'


async def test_groups_have_all_forms(api: Api) -> None:
    url = "/api/notes?aggregate=count,sum(size)&group=open&sort=open"
    items = (await api.ask(f"GET {url}")).json()["items"]
    table = await api.get(url, "text/csv")
    head, *rows = csv.reader(io.StringIO(table.text, newline=""))
    assert head == list(items[0])
    assert len(rows) == len(items)
    lines = await api.get(url, LINES)
    assert [httpx.Response(200, text=line).json() for line in lines.text.splitlines()] == items


async def test_what_is_no_list_of_records_comes_whole(database_url: str) -> None:
    async with serving(database_url, Box) as api:
        await api.ask("POST /api/boxes", "admin", json={"code": "a", "width": 1})
        url = "/api/boxes/a/history"
        rows = [
            Scenario(f"GET {url}", 406, headers={"accept": "text/csv"}, lacks=["csv"]),
            Scenario(f"GET {url}", 200, headers={"accept": "text/csv, */*;q=0.1"}, has=["items"]),
            Scenario("GET /api/boxes/a?as_of=2999-01-01T00:00:00Z", 406, headers={"accept": LINES}),
        ]
        await play(api, rows)
        packed = await api.get(url, PACKED)
        assert ormsgpack.unpackb(packed.content) == (await api.ask(f"GET {url}")).json()


async def test_all_engines_write_the_same_table(database_urls: dict[str, str]) -> None:
    widths = [0.0, -0.0, 1.5, 1e14, -1e15, 1e16, 123456789.123, 2.5e-7, 1e300, 5e-324]
    texts = [
        "=a",
        "",
        "'",
        "''",
        "+1",
        "-1.50",
        "+49 1",
        "\t",
        "a\r\nb",
        'q"q',
        "é\u2028",
        "\uff1d1",
    ]
    tables = set()
    for url in database_urls.values():
        async with serving(url, *MODELS, Box) as api:
            for place, width in enumerate(widths):
                await api.db.create(Box, code=f"b{place}", width=width)
            for place, text in enumerate(texts):
                await api.db.create(Note, slug=f"n{place:02}", text=text, facts={"k": text})
            boxes = await api.get("/api/boxes?sort=code&fields=code,width", "text/csv")
            notes = await api.get("/api/notes?sort=slug", "text/csv")
            tables.add((boxes.content, notes.content))
            items = (await api.ask("GET /api/notes?sort=slug")).json()["items"]
            rows = [*csv.DictReader(io.StringIO(notes.text, newline=""), strict=True)]
            assert [bare(row["text"]) for row in rows] == texts
            assert [row["slug"] for row in rows] == [item["slug"] for item in items]
    assert len(tables) == 1
