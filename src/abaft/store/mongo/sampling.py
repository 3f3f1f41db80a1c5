"""What members a collection's documents have, by some of them: of what types, and how sure."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from bson import DBRef, Decimal128, Int64, ObjectId

from abaft.store.mongo.documents import OWN, Document

KEPT = 200
"""Values of a member that are kept, to look for what they may refer to."""
_OURS = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z")
NAMES: tuple[tuple[type, str], ...] = (
    (bool, "bool"), (Int64, "long"), (int, "int"), (float, "double"), (str, "string"),
    (ObjectId, "objectId"), (datetime, "date"), (Decimal128, "decimal"), (UUID, "uuid"),
    (bytes, "binData"), (DBRef, "dbRef"), (dict, "object"), (list, "array"),
)  # fmt: skip
"""The types of BSON as `$type` has them; a binData of subtype 4 is a uuid here."""


def type_of(value: Any) -> str:
    """The type of a value, as pymongo gives it."""
    if value is None:
        return "null"
    return next((name for kind, name in NAMES if isinstance(value, kind)), type(value).__name__)


@dataclass(slots=True)
class Member:
    """A member: how many documents have it, of what types, and what was seen of its values."""

    name: str
    types: Counter[str] = field(default_factory=Counter)
    values: dict[str, Any] = field(default_factory=dict)
    places: int = 0
    digits: int = 0
    ours: bool = True
    """Whether all text is a time as abaft writes it."""
    leads: Counter[str] = field(default_factory=Counter)
    """The collections that DBRefs name."""

    @property
    def count(self) -> int:
        return self.types.total()

    def see(self, value: Any) -> None:
        found = type_of(value)
        self.types[found] += 1
        if found in ("objectId", "string", "int", "long", "uuid") and len(self.values) < KEPT:
            self.values.setdefault(repr(value), value)
        if found == "string" and not _OURS.fullmatch(value):
            self.ours = False
        if found == "decimal":
            self._measure(value.to_decimal())
        if found == "dbRef":
            self.leads[value.collection] += 1

    def _measure(self, value: Decimal) -> None:
        if value.is_finite():
            _, digits, exponent = value.as_tuple()
            places = max(-int(exponent), 0)
            self.places = max(self.places, places)
            self.digits = max(self.digits, len(digits) + int(exponent))


@dataclass(slots=True)
class Sample:
    """Some of a collection's documents; `whole`: all of them."""

    count: int
    total: int
    members: dict[str, Member]

    @property
    def whole(self) -> bool:
        return self.count >= self.total

    def said(self, member: Member, validated: bool) -> str:
        """How sure it is what the member is, in words."""
        of = f"all {self.count:,}" if self.whole else f"{self.count:,} looked at"
        of = "the only one" if self.total == 1 else of
        head = "By the validator. " if validated else ""
        if not self.count:
            return f"{head}There is no document." if head else ""
        told = [f"{name} in {count:,}" for name, count in _most(member.types)]
        missing = self.count - member.count
        told += [f"missing in {missing:,}"] if missing else []
        if len(told) == 1 and not missing:
            return f"{head}{member.types.most_common(1)[0][0]} in {_each(self)}."
        return f"{head}Of {of}: {', '.join(told)}."


def _each(sample: Sample) -> str:
    if sample.whole:
        return f"all {sample.count:,}" if sample.count > 1 else "the only one"
    return f"all {sample.count:,} looked at, of about {sample.total:,}"


def _most(types: Mapping[str, int]) -> list[tuple[str, int]]:
    return sorted(types.items(), key=lambda row: (-row[1], row[0]))


def sampled(documents: Iterable[Document], total: int) -> Sample:
    """What is seen of the members, in the order in which they first come."""
    members: dict[str, Member] = {}
    count = 0
    for document in documents:
        count += 1
        for name, value in document.items():
            if name not in OWN or name == "_id":
                members.setdefault(name, Member(name)).see(value)
    return Sample(count, max(total, count), members)


def joined(names: Sequence[str]) -> str:
    """Types as `stored=` has them."""
    order = ["objectId", "string", "int", "long", "double", "decimal", "bool", "date", "binData"]
    return "|".join(sorted(set(names), key=order.index))
