"""HDR-3, DOS-2: what is sent to `abaft serve` byte by byte to have two readers disagree.

Whatever isn't plainly one request is refused, and nothing after it on the connection is read.
"""

from __future__ import annotations

import asyncio
import contextlib
import gzip
import os
import re
import sys
from collections.abc import Iterator

import pytest

from servers.process import TESTS, AppProcess

pytestmark = pytest.mark.slow

ARGUMENTS = ["serve", "apps.members:app"]
# uvicorn's protocol in C, and the one in Python that stands in where httptools is missing.
PARSERS = {
    "httptools": [sys.executable, "-m", "abaft.cli", *ARGUMENTS],
    "h11": [
        *(sys.executable, "-c"),
        "import sys; sys.modules['httptools'] = None\nfrom abaft.cli import main; main()",
        *ARGUMENTS,
    ],
}
GET = b"GET /docs HTTP/1.1\r\nHost: localhost\r\n"
POST = b"POST /api/notes HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
NEXT = b"GET /smuggled HTTP/1.1\r\nHost: localhost\r\n\r\n"
"""It follows whatever a reader takes for the end of the request before it."""
LAST = NEXT.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n")
"""It has a connection end that is still kept, so that no test waits for what does not come."""
CHUNKED = b"Transfer-Encoding: chunked\r\n\r\n"


SMUGGLED = {
    "TE and CL": POST + b"Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "CL and TE": POST + b"Transfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n0\r\n\r\n",
    "two CL": POST + b"Content-Length: 2\r\nContent-Length: 44\r\n\r\n{}",
    "CL that is a list": POST + b"Content-Length: 2, 44\r\n\r\n{}",
    "CL with a plus": POST + b"Content-Length: +2\r\n\r\n{}",
    "CL below nothing": POST + b"Content-Length: -2\r\n\r\n{}",
    "CL in hex": POST + b"Content-Length: 0x2\r\n\r\n{}",
    "CL with an underscore": POST + b"Content-Length: 0_2\r\n\r\n{}",
    "CL past any number": POST + b"Content-Length: 99999999999999999999\r\n\r\n{}",
    "CL without a value": POST + b"Content-Length: \r\n\r\n{}",
    "space before a colon": POST + b"Content-Length : 2\r\n\r\n{}",
    "TE unknown": POST + b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
    "TE not last": POST + b"Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n",
    "TE twice": POST + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: x\r\n\r\n0\r\n\r\n",
    "TE with a tab": POST + b"Transfer-Encoding:\x0bchunked\r\n\r\n0\r\n\r\n",
    "TE in quotes": POST + b'Transfer-Encoding: "chunked"\r\n\r\n0\r\n\r\n',
    "TE of HTTP/1.0": POST.replace(b"1.1", b"1.0") + CHUNKED + b"0\r\n\r\n",
    "chunk below nothing": POST + CHUNKED + b"-2\r\n{}\r\n0\r\n\r\n",
    "chunk in 0x": POST + CHUNKED + b"0x2\r\n{}\r\n0\r\n\r\n",
    "chunk of no number": POST + CHUNKED + b"zz\r\n{}\r\n0\r\n\r\n",
    "chunk past any number": POST + CHUNKED + b"ffffffffffffffffff\r\n{}\r\n0\r\n\r\n",
    "chunk longer than it says": POST + CHUNKED + b"1\r\n{}\r\n0\r\n\r\n",
    "chunk that ends by LF": POST + CHUNKED + b"2\n{}\n0\n\n",
    "chunk with an extension that ends by LF": POST + CHUNKED + b"2;a\n{}\r\n0\r\n\r\n",
    "obs-fold": GET + b"X: a\r\n b\r\n\r\n",
    "fold before any header": b"GET /docs HTTP/1.1\r\n Host: localhost\r\n\r\n",
    "NUL in a value": GET + b"X: a\0b\r\n\r\n",
    "NUL in a name": GET + b"X\0: a\r\n\r\n",
    "CR in a value": GET + b"X: a\rb\r\n\r\n",
    "LF alone in a head": b"GET /docs HTTP/1.1\nHost: localhost\n\n",
    "LF alone after a header": GET + b"X: a\nY: b\r\n\r\n",
    "no colon": GET + b"nothing\r\n\r\n",
    "no name": GET + b": a\r\n\r\n",
    "name with a space": GET + b"a b: c\r\n\r\n",
    "no version": b"GET /docs\r\n\r\n",
    "version of no sense": b"GET /docs HTTP/9.9\r\nHost: localhost\r\n\r\n",
    "a word more": b"GET /docs x HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "no method": b" /docs HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "TLS": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\0" * 40,
    "HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
}


@pytest.fixture(scope="module", params=PARSERS)
def parser(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def server(parser: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[AppProcess]:
    database = f"sqlite:///{tmp_path_factory.mktemp('wire')}/test.db"
    env = {
        "PYTHONPATH": os.pathsep.join([str(TESTS), os.environ.get("PYTHONPATH", "")]),
        "ABAFT_REQUESTS_PER_MINUTE": "1000000",
        "ABAFT_MAX_BODY_BYTES": "100000",
    }
    command = PARSERS[parser]
    with AppProcess(database, command=command, env=env, probe="/docs") as server:
        yield server


HEAD = re.compile(rb"HTTP/1\.1 (\d{3}) ")
PATIENCE = 60.0


async def talk(server: AppProcess, sent: bytes) -> tuple[list[int], bytes]:
    """The status of each answer until the server ends the connection, and what came in all."""
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    found = b""
    with contextlib.suppress(ConnectionError):  # it was closed while something was on its way
        writer.write(sent)
        async with asyncio.timeout(PATIENCE):
            while more := await reader.read(100_000):
                found += more
    writer.transport.abort()
    return [int(status) for status in HEAD.findall(found)], found


# What h11 reads as RFC 9112 leaves to it: a line that ends by LF alone (2.2), and a folded one with
# a space instead (5.2). It has no largest number, so that such a chunk never ends.
READ_BY_H11 = {
    "obs-fold": [200, 404, 404],
    "LF alone in a head": [200, 404, 404],
    "LF alone after a header": [200, 404, 404],
    "chunk past any number": [],
}


async def test_hdr_3_what_two_readers_could_read_in_two_ways_is_400_and_the_end(
    server: AppProcess, parser: str, subtests: pytest.Subtests
) -> None:
    allowed = READ_BY_H11 if parser == "h11" else {}
    sent = {kind: head for kind, head in SMUGGLED.items() if allowed.get(kind) != []}
    answers = await asyncio.gather(*(talk(server, head + NEXT + LAST) for head in sent.values()))
    for kind, (statuses, found) in zip(sent, answers, strict=True):
        with subtests.test(kind=kind):
            assert statuses == allowed.get(kind, [400]), found[:300]
            assert kind in allowed or b"smuggled" not in found


PLAIN = {
    "two in one piece": (GET + b"\r\n" + NEXT + LAST, [200, 404, 404]),
    "chunks": (POST + CHUNKED + b"2\r\n{}\r\n0\r\n\r\n" + NEXT + LAST, [401, 404, 404]),
    "a chunk with an extension": (
        POST + CHUNKED + b"2;a=b\r\n{}\r\n0\r\n\r\n" + LAST, [401, 404],
    ),
    "the same length": (POST + b"Content-Length: 2\r\n\r\n{}" + NEXT + LAST, [401, 404, 404]),
    "the end": (LAST + NEXT, [404]),
    "HTTP/1.0": (b"GET /docs HTTP/1.0\r\nHost: localhost\r\n\r\n" + NEXT, [200]),
    "HTTP/1.0 without a host": (b"GET /docs HTTP/1.0\r\n\r\n" + NEXT, [200]),
    "TRACE": (GET.replace(b"GET", b"TRACE") + b"\r\n" + LAST, [405, 404]),
    "a method of no sense": (GET.replace(b"GET", b"g{t") + b"\r\n", [400]),
}  # fmt: skip


async def test_hdr_3_what_is_plain_is_answered_in_order(
    server: AppProcess, subtests: pytest.Subtests
) -> None:
    """The same reader takes what is right: the table above could fail."""
    answers = await asyncio.gather(*(talk(server, sent) for sent, _ in PLAIN.values()))
    for (kind, (_, expected)), (statuses, found) in zip(PLAIN.items(), answers, strict=True):
        with subtests.test(kind=kind):
            assert statuses == expected, found[:300]


def asked(target: str, method: str = "GET", host: str = "localhost") -> bytes:
    """A request for whatever is written there; what follows it is one more."""
    return f"{method} {target} HTTP/1.1\r\nHost: {host}\r\n\r\n".encode() + NEXT + LAST


FORMS = {
    # A URL is as good as its path, where its host is ours (RFC 9112, 3.2.2).
    "a URL": (asked("http://localhost/docs"), [200, 404, 404]),
    "a URL of TLS": (asked("HTTPS://localhost:8443/docs?a=b"), [200, 404, 404]),
    "a URL without a path": (asked("http://localhost"), [200, 404, 404]),
    "a URL of a query": (asked("http://localhost?a=b"), [200, 404, 404]),
    "a URL in place of Host": (
        asked("http://localhost/docs", host="evil.example"), [200, 404, 404],
    ),
    "a URL of HTTP/1.0": (b"GET http://localhost/docs HTTP/1.0\r\n\r\n" + NEXT, [200]),
    "a URL of elsewhere": (asked("http://evil.example/docs"), [400, 404, 404]),
    "a URL of a user's": (asked("http://localhost@evil.example/docs"), [400, 404, 404]),
    "a URL of a user": (asked("http://evil.example@localhost/docs"), [400, 404, 404]),
    "another scheme": (asked("ftp://localhost/docs"), [400]),
    "a scheme without a host": (asked("http:///docs"), [400]),
    "an authority": (asked("evil.example:80"), [400]),
    "CONNECT": (asked("localhost:80", "CONNECT"), [400]),
    "a relative path": (asked("docs"), [400]),
    # Where such a request ends is plain, so the connection may be kept. httptools does so.
    "two hosts": (GET + b"Host: evil.example\r\nConnection: close\r\n\r\n", [400]),
    "a URL and two hosts": (
        b"GET http://localhost/docs HTTP/1.1\r\nHost: localhost\r\nHost: evil.example\r\n"
        b"Connection: close\r\n\r\n",
        [400],
    ),
}  # fmt: skip


async def test_hdr_2_hdr_3_a_request_is_for_a_path_of_one_host(
    server: AppProcess, subtests: pytest.Subtests
) -> None:
    answers = await asyncio.gather(*(talk(server, sent) for sent, _ in FORMS.values()))
    for (kind, (_, expected)), (statuses, found) in zip(FORMS.items(), answers, strict=True):
        with subtests.test(kind=kind):
            assert statuses == expected, found[:300]
            assert b"evil" not in found


HOSTS = [
    *("evil.example", "localhost.evil.example", "localhost@evil.example", "evil.example#localhost"),
    *("localhost/evil", "localhost evil.example", "[::1", "localhost:80:80", ""),
]
UP = [
    *("../../../../etc/passwd", "..%2f..%2f..%2f..%2fetc%2fpasswd", "%2e%2e/%2e%2e/etc/passwd"),
    *("..%5c..%5cetc%5cpasswd", "%252e%252e%252fetc%252fpasswd", "..%c0%af..%c0%afetc/passwd"),
    *("%c0%ae%c0%ae/etc/passwd", "....//....//etc/passwd", "..;/..;/etc/passwd", "/etc/passwd"),
    *("%2fetc%2fpasswd", "docs.css%00", "docs.css/../../openapi.py", "file:///etc/passwd"),
    *("..%00/", "%ef%bc%8e%ef%bc%8e/etc/passwd", "C:%5cwindows%5cwin.ini", "a" * 5_000),
]
STATIC = ["/docs/static/", "/docs/", "/account/", "/.well-known/", "/"]


def get(path: str, host: str = "localhost") -> bytes:
    return f"GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode()


async def test_hdr_2_hdr_3_no_path_leads_out_and_no_host_is_believed(
    server: AppProcess, subtests: pytest.Subtests
) -> None:
    rows = {f"{folder}{path}": (get(folder + path), (400, 404)) for folder in STATIC for path in UP}
    rows |= {
        f"{host} {path}": (get(path, host), (400,))
        for host in HOSTS
        for path in ("/docs", "/docs/", "/account", "/api/notes", "/openapi.json")
    }
    for kind, (sent, expected) in rows.items():
        with subtests.test(kind=kind):
            [status], found = await talk(server, sent)
            # A path may be another spelling of one of ours.
            here = f"\r\nlocation: http://localhost{kind}".encode()[:-1]
            assert status in expected or (status == 307 and here in found.lower()), found[:300]
            assert b"root:" not in found
            assert b"evil" not in found


def post(path: str, body: bytes, *headers: str, kind: str = "application/json") -> bytes:
    lines = [f"POST {path} HTTP/1.1", "Host: localhost", "Connection: close", *headers]
    head = "\r\n".join([*lines, f"Content-Type: {kind}", f"Content-Length: {len(body)}"])
    return head.encode() + b"\r\n\r\n" + body


LOGIN = "/api/auth/login"
MAIL = b'"email": "a@example.org"'
BODIES = {
    "deep lists": (post(LOGIN, b"[" * 50_000 + b"]" * 50_000), (400,)),
    "deep objects": (post(LOGIN, b'{"a":' * 10_000 + b"1" + b"}" * 10_000), (400,)),
    "no end": (post(LOGIN, b"[" * 90_000), (400,)),
    "many members": (
        post(LOGIN, b"{" + b",".join(b'"%d":1' % n for n in range(5_000)) + b"}"), (422,),
    ),
    "many digits": (post(LOGIN, b'{"email": ' + b"9" * 20_000 + b"}"), (400, 422)),
    "a huge exponent": (post(LOGIN, b'{"email": 1e999999999}'), (400, 422)),
    "many digits after a point": (post(LOGIN, b'{"email": 0.' + b"1" * 20_000 + b"}"), (400, 422)),
    "too much": (post(LOGIN, b" " * 100_001), (413,)),
    "what unpacks to too much": (
        post(LOGIN, gzip.compress(b" " * 50_000_000), "Content-Encoding: gzip"), (415,),
    ),
    "UTF-16": (post(LOGIN, "{}".encode("utf-16")), (400,)),
    "another charset": (post(LOGIN, b"{}", kind="application/json; charset=utf-7"), (415,)),
    "XML": (post(LOGIN, b"<!DOCTYPE a [<!ENTITY b SYSTEM 'file:///etc/passwd'>]>", kind="text/xml"),
            (415,)),
    "many fields of a form": (
        post("/account/login", b"&".join([b"a=b"] * 10_000), "Origin: http://localhost",
             kind="application/x-www-form-urlencoded"), (400, 413),
    ),
    "a role of one's own": (post("/api/auth/register", b'{%b, "roles": ["admin"]}' % MAIL), (422,)),
    "a key of one's own": (post("/api/auth/register", b'{%b, "id": "1"}' % MAIL), (422,)),
    "a role of the user's": (
        post("/api/auth/register/finish",
             b'{"token": "x", "password": "a long enough one", "user": {"roles": ["a"]}}'),
        (400, 401, 422),
    ),
    "a prototype": (post("/api/auth/register", b'{%b, "__proto__": {"a": 1}}' % MAIL), (422,)),
    "operators": (post(LOGIN, b'{"email": {"$ne": null}, "password": {"$ne": null}}'), (422,)),
}  # fmt: skip


async def test_dos_2_authz_3_no_body_is_too_much_or_sets_what_is_not_asked_for(
    server: AppProcess, subtests: pytest.Subtests
) -> None:
    for kind, (sent, expected) in BODIES.items():
        with subtests.test(kind=kind):
            [status], found = await talk(server, sent)
            assert status in expected, found[:300]


ELSEWHERE = [
    *("//evil.example", "/%5cevil.example", "https://evil.example", "https:evil.example"),
    *("javascript:alert(1)//evil", "%09//evil.example", "/%09/evil.example", "///evil.example"),
    *("/%0d%0aLocation:%20//evil.example", "@evil.example", ".evil.example", "%2f%2fevil.example"),
    *("%5c%5cevil.example", "data:text/html,evil", "https%3a%2f%2fevil.example"),
]  # fmt: skip
ASKED = ["/account/login", "/account/password", "/account", "/account/register", "/account/factor"]


async def test_oauth_4_no_next_leads_elsewhere(
    server: AppProcess, subtests: pytest.Subtests
) -> None:
    for path in ASKED:
        for then in ELSEWHERE:
            with subtests.test(path=path, then=then):
                [status], found = await talk(server, get(f"{path}?next={then}"))
                assert status in (200, 303), found[:300]
                assert b"evil" not in found
