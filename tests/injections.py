"""Strings that break into statements elsewhere, and every place of a request that takes one."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import quote_from_bytes

from in_process import Headers

NEUTRAL = b"zzneutral"
HIDDEN = b"zzhidden"
"""It is in each record that no rule opens, so that whoever gets around one shows it."""
STRINGS = [
    # A string that is left, and what is always true, or never.
    "'", '"', "`", "''", "\\", "\\'", "\\\\' OR 1=1-- ", "' OR 1=1--", "' OR 'a'='a",
    "' AND 'a'='b", '" OR ""="', "') OR ('a'='a", "%' OR '1'='1", "1 OR 1=1", "1' OR '1'='1' #",
    "zzneutral' OR 1=1/*", "' || '1'='1", "' OR TRUE -- -", "'/**/OR/**/1=1--",
    # Other rows, other tables, other statements.
    "' UNION SELECT name FROM items--", "' UNION ALL SELECT NULL,NULL,NULL--",
    "-1 UNION SELECT 1,2,3", "'; DELETE FROM items;--", "'; DROP TABLE items CASCADE;--",
    "1; UPDATE items SET name='x'", "(SELECT name FROM items LIMIT 1)", "name; --", "name desc, 1",
    "items.name", "rowid", "ctid", "xmin", "_id", "oid", "sqlite_master", "information_schema",
    # What waits, reads files or runs commands.
    "' || pg_sleep(9)--", "' AND SLEEP(9)#", "'; SELECT pg_read_file('/etc/passwd')--",
    "load_extension('x')", "' INTO OUTFILE '/tmp/x", "$(id)", "; cat /etc/passwd", "| id", "`id`",
    # What MySQL reads as comments and escapes, and PostgreSQL as quotes.
    "/*!50000 OR 1=1*/", "\\x27 OR 1=1", "0x27", "$$ OR 1=1 $$", "E'\\''", "U&'\\0027'",
    # MongoDB.
    "$where", "$gt", "$ne", "$$ROOT", "$name", "name.$", "a.b", "..", "__proto__", "constructor",
    '{"$gt":""}', '{"$ne":null}', '{"$where":"sleep(9000)"}', '{"$regex":".*"}', "[$ne]",
    "';return true;//", "1;while(true){}", "this.name",
    # Templates, LDAP, XPath, formats, mail and logs.
    "{{7*7}}", "${7*7}", "<%= 7*7 %>", "#{7*7}", "{0.__class__}", "{name}", "%(name)s", "%s%n%x",
    "*)(uid=*))(|(uid=*", "' or name()='a", "\r\nSet-Cookie: a=b", "\n", "\t", "=cmd|' /C calc'!A1",
    "<script>alert(1)</script>", "../../etc/passwd", "..\\..\\x",
    # Looks like a quote, a full stop or nothing at all.
    "\u02bc OR 1=1--", "\u2019 OR 1=1--", "\uff07 OR 1=1--", "\uff04where", "\u037e", "\u00a0",
    "\u200b", "\u202e", "\ufeff", "\U0001f642'", "\0", "a\0' OR 1=1--", "\x1a", "\x7f", "%", "_",
    "%25%27", "%27%20OR%201=1--", "&name=tea", ";name=tea", "#", "?", "+", "null", "NaN", "*",
]  # fmt: skip
BYTES = [
    *(text.encode() for text in STRINGS),
    b"\xbf' OR 1=1--",  # a half of a letter that swallows the backslash before a quote
    b"\xbf\x5c' OR 1=1--",
    b"\xc0\xa7 OR 1=1--",  # an overlong quote
    b"\xe0\x80\xa7 OR 1=1--",
    b"\xed\xa0\x80'",  # a surrogate
    b"\xff",
]


@dataclass(frozen=True)
class Sent:
    """A request that holds one of the strings."""

    target: bytes
    headers: Headers = ()


VALUES = [
    *("name", "name[ne]", "name[contains]", "name[istartswith]", "name[in]", "name[gt]"),
    *("price", "price[ge]", "price[in]", "price[isnull]", "data", "shop", "shop.name"),
]  # fmt: skip
NAMES = {
    "a parameter": "{}=tea",
    "a parameter of a relation": "shop.{}=tea",
    "an operator": "name[{}]=tea",
    "sort": "sort={}",
    "sort downwards": "sort=-{}",
    "sort after another": "sort=name,{}",
    "sort by a relation's": "sort=shop.{}",
    "fields": "fields={}",
    "fields of a relation": "fields=name,shop.{}",
    "expand": "expand={}",
    "expand of an expand": "expand=shop.{}",
    "expand's options": "expand=shop({})",
    "expand's sort": "expand=shop.items(sort={})",
    "expand's filter": "expand=shop.items(filter={} = 1)",
    "aggregate": "aggregate={}",
    "aggregate of": "aggregate=sum({})",
    "aggregate's name": "aggregate={}:count",
    "group": "aggregate=count&group={}",
    "having": "aggregate=count&group=name&having={} = 1",
    "filter's name": "filter={} = 1",
    "filter's function": "filter={}(name) = 'a'",
    "filter": "filter={}",
    "filter's text": "filter=name = '{}'",
    "filter's text in a function": "filter=contains(name, '{}')",
    "filter's path": "filter=data.{} = 1",
    "search": "search={}",
    "limit": "limit={}",
    "offset": "offset={}",
    "count": "count={}",
    "cursor": "cursor={}",
    "scope": "scope={}",
    "deleted": "deleted={}",
    "as of": "as_of={}",
    "highlight": "search=tea&highlight={}",
}
PATHS = {
    "key": "/api/items/{}",
    "key of a link": "/api/shops/{}/items",
    "history": "/api/items/{}/history",
    "version": "/api/items/tea/history/{}",
    "collection": "/api/{}",
    "account": "/api/auth/{}",
    "page": "/account/{}",
    "page's file": "/docs/static/{}",
}
HEADERS = [
    *(b"accept", b"accept-encoding", b"accept-language", b"authorization", b"cookie", b"prefer"),
    *(b"content-type", b"host", b"if-match", b"if-modified-since", b"if-none-match", b"origin"),
    *(b"range", b"referer", b"user-agent", b"x-csrf-token", b"x-forwarded-for", b"x-request-id"),
    *(b"idempotency-key", b"x-http-method-override", b"forwarded", b"x-forwarded-host"),
]


def filled(place: str, text: bytes) -> bytes:
    """The target with the string at the braces."""
    return place.encode().replace(b"{}", quote_from_bytes(text, safe="").encode())


def value_of(name: str, text: bytes) -> Sent:
    """It is the value of a parameter."""
    return Sent(filled(f"/api/items?{name}={{}}", text))


def name_in(kind: str, text: bytes) -> Sent:
    """It stands where names and words of our own language do."""
    return Sent(filled(f"/api/items?{NAMES[kind]}", text))


def path_of(kind: str, text: bytes) -> Sent:
    """It is a part of the path."""
    return Sent(filled(PATHS[kind], text))


def header_of(name: bytes, text: bytes) -> Sent:
    """It is the value of a header, as far as HTTP lets it be sent."""
    sent = bytes(octet for octet in text if octet >= 32 and octet != 127)
    host = () if name == b"host" else ((b"host", b"test"),)
    return Sent(b"/api/items?sort=name", (*host, (name, sent)))
