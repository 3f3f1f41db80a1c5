"""A table of MariaDB that was there before abaft, and what is to come of it."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Any, Literal
from uuid import UUID

from abaft import Model, by_database, field

TABLE = """
create table "Old Things" (
    "Id" int auto_increment primary key, small smallint, four int, ratio float,
    huge decimal(30, 10), at datetime(6), stamp timestamp(6) null, flag bit(1),
    word varchar(20) character set latin1 collate latin1_swedish_ci,
    other varchar(20) character set utf8mb4 collate utf8mb4_general_ci,
    fixed char(5) character set utf8mb4 collate utf8mb4_unicode_ci,
    feeling enum('sad', 'ok', 'happy') character set latin1, old longtext check (json_valid(old)),
    number uuid, address inet6, twice int generated always as (small * 2) virtual,
    made datetime(6) not null default '2020-01-01', day date,
    check (four > -100)
) default character set latin1;
insert into "Old Things" (small, four, ratio, huge, at, stamp, flag, word, other, fixed, feeling,
    old, number, address, day) values
(1, 1, 0.1, 1.5, '2009-01-01', '2009-01-01', 1, 'b', 'b', 'b', 'sad', '{"b":1,"a":[1]}',
    '00000000-0000-0000-0000-00000000000b', '::1', '2009-01-01'),
(2, 2, 0.25, 12345678901234567890.0123456789, '2009-01-01 00:00:00.000001', '2009-01-02', 0, 'B',
    'B', 'B', 'ok', '[]', '00000000-0000-0000-0000-00000000000a', '::2', '2009-01-02'),
(-3, -3, -1e30, -1, '1999-12-31 23:59:59.5', '1999-12-31', 1, 'é', 'é', 'é', 'happy', '1',
    'ffffffff-ffff-ffff-ffff-ffffffffffff', 'ff::', '2010-01-01'),
(null, null, null, null, null, null, null, null, null, null, null, null, null, null, null);
"""


class OldThing(Model, table="Old Things", managed=False):
    id: int = field(key=True, column="Id", stored="int", default=by_database)
    small: int | None = field(stored="smallint")
    four: int | None = field(stored="int")
    ratio: float | None = field(stored="float")
    huge: Decimal | None = field(max_digits=30, decimal_places=10, stored="numeric")
    at: dt.datetime | None = field(stored="datetime")
    stamp: dt.datetime | None = field(stored="timestamp")
    flag: bool | None = field(stored="bit(1)")
    word: str | None = field(max_length=20, stored="latin1_swedish_ci")
    other: str | None = field(max_length=20, stored="utf8mb4_general_ci")
    fixed: str | None = field(max_length=5, stored="utf8mb4_unicode_ci")
    feeling: Literal["sad", "ok", "happy"] | None = field(stored="enum")
    number: UUID | None = field(stored="uuid")
    address: str | None = field(stored="inet6")
    twice: int | None = field(stored="int", read_only=True, default=by_database)
    made: dt.datetime = field(default=by_database)
    day: dt.date | None


SHOWN: dict[str, list[Any]] = {
    "small": [1, 2, -3],
    "four": [1, 2, -3],
    "ratio": [0.1, 0.25, -1e30],
    "huge": ["1.5000000000", "12345678901234567890.0123456789", "-1.0000000000"],
    "at": [
        "2009-01-01T00:00:00Z",
        "2009-01-01T00:00:00.000001Z",
        "1999-12-31T23:59:59.500000Z",
    ],
    "stamp": ["2009-01-01T00:00:00Z", "2009-01-02T00:00:00Z", "1999-12-31T00:00:00Z"],
    "flag": [True, False, True],
    "word": ["b", "B", "é"],
    "other": ["b", "B", "é"],
    "fixed": ["b", "B", "é"],
    "feeling": ["sad", "ok", "happy"],
    "number": [
        "00000000-0000-0000-0000-00000000000b",
        "00000000-0000-0000-0000-00000000000a",
        "ffffffff-ffff-ffff-ffff-ffffffffffff",
    ],
    "address": ["::1", "::2", "ff::"],
    "twice": [2, 4, -6],
    "made": ["2020-01-01T00:00:00Z"] * 3,
    "day": ["2009-01-01", "2009-01-02", "2010-01-01"],
}
GIVEN: dict[str, Any] = {
    "small": -32768,
    "four": 2147483647,
    "ratio": 0.5,
    "huge": "99999999999999999999.9999999999",
    "at": "2001-02-03T04:05:06.700000Z",
    "stamp": "2001-02-03T04:05:06.700000Z",
    "flag": False,
    "word": "\\ ' \" % :x",
    "other": "\\ ' \" % 😀",
    "fixed": "ab",
    "feeling": "happy",
    "number": "0192f0c1-2345-7abc-8def-0123456789ab",
    "address": "2001:db8::1",
    "made": "2001-02-03T04:05:06Z",
    "day": "2001-02-03",
}
