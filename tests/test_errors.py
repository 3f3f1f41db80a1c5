"""Every way to fail ends in a problem of one shape (RFC 9457), and nothing is written by it."""

from __future__ import annotations

import inspect
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from abaft import Fault, Me, Model, Ref, User, allow, field
from abaft.base import errors
from abaft.observe.events import HookFailed, RequestFailed
from abaft.observe.log import log
from scenarios import ADMIN_TOKEN, SECRET_KEY, Api, Scenario, not_a_problem, play, serving


class Note(Model):
    title: str = field(max_length=5, unique=True)
    words: int = 0
    facts: dict[str, Any] | None = None
    author: Ref[User] | None = None

    @allow("read", "create", "update", "delete")
    def anybody(note, me: Me) -> bool:
        return note.words >= 0


@pytest.fixture
async def api(database_url: str) -> AsyncIterator[Api]:
    async with serving(database_url, Note) as api:
        await api.person("ann")
        await api.db.create(Note, title="one")
        yield api


JSON = {"content-type": "application/json"}
NAMES = [
    "",
    "x" * 200,
    *[
        "'",
        '"',
        "--",
        "a.b",
        "a..b",
        ".",
        "__class__",
        "title;",
        "t%00",
        "title%20",
        "%F0%9F%98%80",
        "title[",
        "title[]",
        "title]",
        "[eq]",
        "title[eq][eq]",
        "title[EQ]",
        "notes.title",
        "author.",
        ".author",
        "author.name.x",
        "author..name",
        "facts.a",
        "%0a",
        "title%0d%0aX",
        "$1",
        "?",
    ],
]
ODD = [
    "sort=",
    "expand=",
    "fields=",
    "sort=-",
    "sort=title,,words",
    "sort=title,title",
    "limit=0",
    "limit=-1",
    "limit=1.5",
    "limit=99999999999999",
    "limit=",
    "limit=1&limit=2",
    "limit=%D9%A1",
    "offset=-1",
    "offset=x",
    "count=all",
    "count=",
    "cursor=",
    "cursor=x",
    "cursor=x&offset=1",
    "title[in]=%22a",
    "title[in]=%22a%22b",
    "words[contains]=1",
    "facts=1",
    "facts[gt]=1",
    "sort=facts",
    "words=",
    "words=x",
    "words[isnull]=yes",
    "title[isnull]=",
    "author=1",
    "author[gt]=x",
    "author.name[gtt]=1",
    "%ff=1",
    "title=%ff",
    "title=%00",
    "expand=title",
    "expand=author.author",
    "search=x",
    "filter=x",
    "id=1",
]


def queries() -> list[str]:
    named = [f"{place}={name}" for place in ("sort", "expand", "fields") for name in NAMES if name]
    return [f"{name}=1" for name in NAMES] + named + ODD


async def test_inj_2_every_odd_query_is_a_problem_that_names_it(api: Api) -> None:
    rows = [Scenario(f"GET /api/notes?{query}", 400, has=['"pointer":"?']) for query in queries()]
    await play(api, rows)


async def test_a_wrong_name_is_told_with_the_nearest_right_one(api: Api) -> None:
    asked = (
        "GET /api/notes?titel=x&wrds[gt]=1&title[contain]=x&sort=-titel&expand=auther&fields=wods"
    )
    body = (await api.ask(asked)).json()
    assert [error["pointer"] for error in body["errors"]] == [
        "?titel", "?wrds[gt]", "?title[contain]", "?sort", "?fields", "?expand",
    ]  # fmt: skip
    note = (await api.items("/api/notes"))[0]["id"]
    one = (await api.ask(f"GET /api/notes/{note}?expand=auther&fields=a,,b&nope=1")).json()
    assert {error["pointer"] for error in one["errors"]} == {"?expand", "?fields", "?nope"}
    told = body["detail"] + str(body["errors"])
    for right in ("'title'", "'words'", "'contains'", "'author'"):
        assert f"did you mean {right}" in told
    assert "did you mean 'notes'" in (await api.ask("GET /api/note")).json()["hint"]
    assert "did you mean 'words'" in (await api.ask("GET /api/notes?fields=wods")).text
    posted = (await api.ask("POST /api/notes", json={"titl": "x"})).text
    assert "did you mean 'title'" in posted


def bodies() -> list[tuple[bytes, int]]:
    deep = b'{"title":"x","facts":' + b'{"a":' * 1000 + b"1" + b"}" * 1001
    return [
        (b"", 400), (b"nope", 400), (b"{", 400), (b'{"title":}', 400), (b"\xef\xbb\xbf{}", 400),
        (b'{"title":"\xff"}', 400), (b'{"title":"\\ud800"}', 400), (b"{} {}", 400), (deep, 400),
        (b"[" * 5000, 400), (b"null", 422), (b"1", 422), (b'"x"', 422), (b"[1]", 422), (b"{}", 422),
        (b'{"title":null}', 422), (b'{"title":["x"]}', 422), (b'{"title":"too long"}', 422),
        (b'{"title":"x","words":1e400}', 422), (b'{"title":"x","words":NaN}', 422),
        (b'{"title":"x","facts":{"a":NaN}}', 422), (b'{"title":"x","__proto__":{}}', 422),
        (b'{"title":"x","":1}', 422), (b'{"title":"x","a/b~c":1}', 422),
        (b'{"title":"x","words":-1}', 403), (b'{"title":"one"}', 409),
        (b'{"title":"x","author":"01890a5d-ac96-774b-bcce-b302099a8057"}', 422),
    ]  # fmt: skip


async def test_every_odd_body_is_a_problem_and_writes_nothing(api: Api) -> None:
    rows = [
        Scenario("POST /api/notes", status, body=body, headers=JSON) for body, status in bodies()
    ]
    await play(api, rows)


async def test_values_taken_together_are_named_each(database_url: str) -> None:
    class Member(Model, unique=[("first_name", "org")]):
        first_name: str = field(collate="nocase")
        org: str
        staff_no: int | None = field(default=None, unique=True)

    async with serving(database_url, Member) as api:
        body = {"first_name": "Ann", "org": "x", "staff_no": 1}
        await api.ask("POST /api/members", "admin", json=body)
        for change, pointers in (
            ({"first_name": "ANN", "staff_no": 2}, {"/first_name", "/org"}),
            ({"org": "y"}, {"/staff_no"}),
        ):
            answer = await api.ask("POST /api/members", "admin", json=body | change)
            assert answer.status_code == 409
            assert {error["pointer"] for error in answer.json()["errors"]} == pointers


async def test_every_odd_request_is_a_problem(api: Api) -> None:
    note = (await api.items("/api/notes"))[0]["id"]
    one = f"/api/notes/{note}"
    types = ("", "text/plain", "application/jsonx", "application/json; charset=latin1", "a" * 999,
             "multipart/form-data", "application/x-www-form-urlencoded")  # fmt: skip
    rows = [
        Scenario("POST /api/notes", 415, body=b"{}", headers={"content-type": kind})
        for kind in types
    ]
    rows += [
        Scenario("GET /api/nope", 404, has=["did you mean 'notes'"]),
        Scenario("GET /api/zzz", 404, has=["known: notes, users"]),
        Scenario("GET /api/", 404),
        Scenario("GET /api", 404, has=["names no collection", "known: notes, users"]),
        Scenario("BREW /api", 404),
        Scenario("OPTIONS /api//notes", 404),
        Scenario("GET /api%2Fnotes", 404),
        Scenario("GET /%61pi/zzz", 404),
        Scenario("GET /api/batch/x", 404),
        Scenario("GET /api/batch", 405),
        Scenario("GET /api/notes/x", 404),
        Scenario(f"GET {one}?sort=title", 400),
        Scenario(f"GET {one}/more", 404),
        Scenario(f"PATCH {one}", 415, body=b"{}"),
        Scenario(f"PATCH {one}", 415, body=b"{}", headers={**JSON, "content-encoding": "gzip"}),
        Scenario(f"PATCH {one}", 400, body=b"{}", headers={**JSON, "content-length": "x"}),
        Scenario(f"PATCH {one}?nope=1", 400, json={}),
        Scenario(f"DELETE {one}?nope=1", 400),
        Scenario(f"DELETE {one}", 412, headers={"if-match": "nonsense"}),
        Scenario("BREW /api/notes", 405),
        Scenario("TRACE /api/notes", 405),
        Scenario(f"BREW {one}", 405),
        Scenario("GET /api/notes", 401, headers={"authorization": "Bearer x"}),
        Scenario("GET /api/notes", 406, headers={"accept": "image/png"}),
    ]
    await play(api, rows)


async def test_a_defect_tells_the_client_nothing_but_where_to_look(api: Api) -> None:
    events: list[Any] = []
    api.app.observer.sinks[:] = [events.append]

    async def broken(*_: Any) -> Any:
        raise RuntimeError("select secret from users")

    api.app.store.read = broken
    for method in ("GET", "HEAD"):
        answer = await api.ask(f"{method} /api/notes?title=tell")
        assert answer.status_code == 500
        assert not list(not_a_problem(answer))
        assert "secret" not in answer.text
        failed = events.pop()
        assert isinstance(failed, RequestFailed)
        assert (failed.request_id in answer.text) == (method == "GET")
        assert answer.content == b"" or method == "GET"


@pytest.mark.slow
async def test_sec_1_no_secret_is_told(api: Api, caplog: Any, database_url: str) -> None:
    caplog.set_level("DEBUG")
    api.app.observer.sinks.append(log)
    texts = [repr(api.app.settings_), str(api.app.settings_)]
    for request, headers in (
        ("GET /api/notes", {"authorization": f"Bearer {ADMIN_TOKEN}"}),
        ("GET /api/notes", {"authorization": f"Bearer {ADMIN_TOKEN}x"}),
        ("GET /openapi.json", {}), ("GET /docs", {}), ("GET /api/nope", {}),
        ("POST /api/notes", {"authorization": f"Bearer {ADMIN_TOKEN}"}),
    ):  # fmt: skip
        answer = await api.ask(request, headers=headers)
        texts += [answer.text, str(answer.headers)]
    for secret in (ADMIN_TOKEN, SECRET_KEY, database_url):
        assert secret not in "\n".join(texts) + caplog.text


def test_inj_4_no_text_forges_a_line_of_the_log(caplog: pytest.LogCaptureFixture) -> None:
    forged = 'a\n{"event":"Started"}\r\x1b[2Kb\u2028c\x9b\ud800é'
    caplog.set_level("INFO")
    try:
        raise ValueError(forged)
    except ValueError as error:
        log(HookFailed(forged, forged, error))
    [first, *rest] = caplog.text.split("\n")
    assert json.loads(first[first.index("{") :])["hook"] == forged
    assert all(line.startswith("  ") for line in rest if line)
    assert rest[0] == "  Traceback (most recent call last):"
    assert all(char.isprintable() for char in caplog.text.replace("\n", ""))


def faults() -> list[type[Fault]]:
    return [
        found
        for _, found in inspect.getmembers(errors, inspect.isclass)
        if issubclass(found, Fault) and found is not Fault
    ]


@pytest.mark.parametrize("fault", faults())
def test_every_fault_has_its_own_code_and_stands_in_the_tree(fault: type[Fault]) -> None:
    shown = fault("detail").as_dict()
    assert shown == {
        "type": f"urn:abaft:problem:{fault.code}",
        "title": fault.title,
        "status": fault.status,
        "code": fault.code,
        "detail": "detail",
    }
    assert f"{fault.__name__} " in (errors.__doc__ or "")
    assert str(fault.status) in (errors.__doc__ or "")
    assert [other.code for other in faults()].count(fault.code) == 1


@pytest.mark.parametrize(
    ("word", "words", "told"),
    [
        ("titel", ["title", "text"], "did you mean 'title'?"),
        ("zzz", ["b", "a"], "known: a, b"),
        ("x", [], "none are known here"),
        ("x" * 10_000, ["title"], "known: title"),
    ],
)
def test_nearest(word: str, words: list[str], told: str) -> None:
    assert errors.nearest(word, words) == told
