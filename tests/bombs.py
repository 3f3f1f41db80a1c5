"""What is small to send and large to read, for every parser that accounts have."""

from __future__ import annotations

import gzip
import json
import zlib
from base64 import urlsafe_b64encode
from collections.abc import Iterator

MILLION = 1_000_000


def b64(data: bytes) -> str:
    return urlsafe_b64encode(data).rstrip(b"=").decode()


def of_json(names: list[str]) -> Iterator[tuple[str, bytes]]:
    """Bodies that would be an object with these members."""
    text = "x" * (MILLION - 9_000)

    def all_of(value: str) -> bytes:
        return ("{" + ",".join(f"{json.dumps(name)}:{value}" for name in names) + "}").encode()

    each = max(1, len(names))
    yield "a long text", all_of(json.dumps(text[: len(text) // each]))
    yield "an escaped text", all_of('"' + "\\u0041" * (150_000 // each) + '"')
    yield "a long number", all_of("9" * (MILLION // 2 // each))
    yield "a small number of many digits", all_of("0." + "0" * (MILLION // 2 // each) + "1")
    yield "deep lists", all_of("[" * (100_000 // each))
    yield "deep and whole lists", all_of("[" * (90_000 // each) + "]" * (90_000 // each))
    yield "deep objects", all_of('{"a":' * (90_000 // each) + "1" + "}" * (90_000 // each))
    yield "a long list", all_of("[" + "1," * (200_000 // each) + "1]")
    yield "a list of texts", all_of("[" + '"a",' * (150_000 // each) + '"a"]')
    yield "many members", ("{" + ",".join(f'"a{n}":1' for n in range(80_000)) + "}").encode()
    yield "one member often", ("{" + ",".join(['"email":"a"'] * 60_000) + "}").encode()
    yield "a long name", ('{"' + "a" * (MILLION - 20) + '":1}').encode()
    yield "not closed", b'{"email":"' + b"a" * (MILLION - 20)
    yield "spaces", b" " * MILLION
    yield "signs of order", b"\xef\xbb\xbf" * 300_000
    yield "too much", b'{"a":"' + b"a" * (2 * MILLION) + b'"}'


CODED = {
    "gzip": gzip.compress(b" " * 10 * MILLION),
    "deflate": zlib.compress(b" " * 10 * MILLION),
    "br": b"\x00" * 100,
    "gzip, gzip": gzip.compress(gzip.compress(b" " * 10 * MILLION)),
}
PARTS = b"--x\r\ncontent-disposition: form-data; name=a\r\n\r\n1\r\n" * 15_000
KINDS = {
    "multipart/form-data; boundary=x": PARTS,
    "multipart/form-data; boundary=" + "x" * 5_000: PARTS,
    "application/json; charset=utf-16": "{}".encode("utf-16"),
    "application/json; charset=" + "x" * 50_000: b"{}",
    "application/json" + "; a=b" * 10_000: b"{}",
    "text/xml": b"<!DOCTYPE a [<!ENTITY b 'b'>]><a>&b;</a>" * 9_000,
    "application/yaml": b"a: &a [1]\nb: [*a, *a]\n" * 9_000,
}


def of_forms(names: list[str]) -> Iterator[tuple[str, bytes]]:
    """Forms that would have these fields."""
    yield "many fields", b"&".join(b"a%d=1" % number for number in range(90_000))
    yield "empty fields", b"&" * MILLION
    yield "one field often", b"&".join([b"email=a"] * 90_000)
    yield "signs", b"=&;" * 300_000
    yield "too much", b"a=" + b"a" * (2 * MILLION)
    yield "a long name", b"a" * 900_000 + b"=1"
    for name in names:
        yield f"a long {name}", f"{name}={'a' * 900_000}".encode()
        yield f"escapes in {name}", f"{name}={'%41' * 300_000}".encode()
        yield f"halves of letters in {name}", f"{name}={'%c3' * 300_000}".encode()
        yield f"{name} of nothing", f"{name}={'%' * 900_000}".encode()


ADDRESSES = [
    "a" * 64 + "@" + "a." * 90 + "org",
    "@" * 250,
    '"' * 250,
    "a@" + "-" * 240,
    "(" * 120 + ")" * 120,
    "a@b" + ".c" * 120,
    "a@" + "\u00fc" * 60 + ".org",
    "a@xn--" + "9" * 58 + ".org",
    "a@" + "." * 240,
    "a@[IPv6:" + ":" * 200 + "]",
    '"' + "\\" * 200 + '"@b.org',
    "a" * 250,
    "." * 120 + "@" + "." * 120,
    "a@" + "\u0301" * 240,
    "a@" + "\u200d" * 200 + ".org",
    "\u202e" * 200 + "@b.org",
    "a@b.org," * 30,
    "<" * 120 + "a@b.org" + ">" * 120,
    "a@b.org\r\nBcc: " + "c@d.org," * 20,
    "\ufdfa" * 200 + "@b.org",
    "a+" * 100 + "@b.org",
    "a@" + "xn--a." * 35 + "org",
    "\ud83d\ude42" * 60 + "@b.org",
    "a@b." + "c" * 240,
    " " * 240 + "a@b.org",
    "a@b.org" + " " * 240,
    "=?utf-8?q?" + "=41" * 70 + "?=@b.org",
    "\0" * 200,
]


def _token(header: str | bytes, *rest: str) -> str:
    text = header.encode() if isinstance(header, str) else header
    return ".".join([b64(text), *rest])


_KEYED = ("a" * 54, "AAAA", "AAAA", "AAAA")
_FLAT = '{"alg":"Ed25519","typ":"at+jwt","kid":"x"}'
_STRETCHED = '{"alg":"PBES2-HS512+A256KW","enc":"A256GCM","p2s":"AAAA","p2c":2147483647'
TOKENS = [
    "." * 100_000,
    "a." * 50_000,
    ".".join(["a" * 300_000] * 3),
    _token(_FLAT, "a" * 900_000, "x"),
    _token(_FLAT, b64(b"[" * 9_000), "x"),
    _token("[" * 100_000, "e30", "x"),
    _token('{"alg":' * 50_000, "e30", "x"),
    _token('{"alg":"Ed25519","kid":"' + "x" * 500_000 + '"}', "e30", "x"),
    _token('{"alg":"Ed25519","typ":"at+jwt","kid":' + "9" * 5_000 + "}", "e30", "x"),
    _token('{"alg":"none","crit":[' + '"a",' * 20_000 + '"a"]}', "e30", ""),
    _token(_STRETCHED + "}", *_KEYED),
    _token(_STRETCHED + ',"zip":"DEF"}', *_KEYED),
    _token('{"alg":"dir","enc":"A256GCM","zip":"DEF"}', "", "A" * 16, "A" * 300_000, "AAAA"),
    *("abk_" + "0" * 900_000, "abs_" + "0" * 900_000, "=" * 900_000, "a" * 900_000),
    *("%41" * 300_000, "\xff" * 100_000),
]


HEADS = {
    "accept-language": [
        "en," * 300_000,
        ";q=" * 300_000,
        "a-" * 400_000,
        "*;q=1e999",
        "de;q=" + "9" * 900_000,
    ],
    "user-agent": ["x" * 900_000, "(" * 900_000, "\xff" * 900_000],
    "cookie": [
        "session=" + "a" * 900_000,
        "session=a;" * 90_000,
        ";" * 900_000,
        "=" * 900_000,
        "a=b; " * 180_000,
        'session="' + "\\" * 900_000,
        "login-0=" + "a" * 900_000,
    ],
    "forwarded": ["for=1.2.3.4," * 70_000, 'for="' + "\\" * 900_000],
    "x-forwarded-for": ["1.2.3.4," * 110_000, ":" * 900_000],
    "origin": ["https://" + "a." * 450_000, "null," * 180_000],
    "sec-fetch-site": ["same-origin" * 80_000],
    "referer": ["https://" + "a" * 900_000],
    "x-csrf-token": ["a" * 900_000],
    "accept": ["text/html," * 90_000, "*/*;q=" + "0" * 900_000],
    "accept-encoding": ["gzip," * 180_000],
    "prefer": ["a=b," * 220_000],
    "x-tenant": ["a" * 900_000],
    "if-none-match": ['"a",' * 220_000],
    "idempotency-key": ["a" * 900_000],
    "content-length": ["9" * 5_000, "0" * 5_000 + "5"],
    "range": ["bytes=" + "0-1," * 200_000],
}
