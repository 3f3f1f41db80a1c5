"""One column's texts and JSON values become a field's values; what was read once is kept."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import orjson

from abaft.cli.load_open import LoadError
from abaft.guard.cells import bare
from abaft.model.kinds import Kind
from abaft.model.spec import Model, Schema
from abaft.model.values import Values

KEPT = 20_000
"""Values kept for each column."""

WORDS = {
    **dict.fromkeys(("true", "t", "yes", "y", "on", "1"), True),
    **dict.fromkeys(("false", "f", "no", "n", "off", "0"), False),
}
_INSTANT = re.compile(
    r"([0-9]{4}-[0-9]{2}-[0-9]{2})[Tt ]([0-9]{2}:[0-9]{2})(:[0-9]{2}(?:\.[0-9]+)?)?"
    r"( ?(?:[Zz]|UTC|[+-][0-9]{2}(?::?[0-9]{2})?))?"
)
_USUAL = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}T(?:[01][0-9]|2[0-3]):[0-9]{2}:[0-9]{2}(?:\.[0-9]{1,6})?Z"
)


class _Absent:
    """Stands where a row has nothing, not even null."""

    def __repr__(self) -> str:
        return "nothing"


ABSENT: Any = _Absent()


@dataclass(frozen=True, slots=True)
class Reading:
    """How cells are read: words for null, the zone of times without one, apostrophes kept."""

    nulls: frozenset[str] = frozenset()
    zone: ZoneInfo | None = None
    raw: bool = False


def find_zone(name: str | None) -> ZoneInfo | None:
    """The time zone of a name. Raises LoadError where there is none."""
    if name is None:
        return None
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise LoadError(
            f"--zone {name}: there is no such time zone; write one like Europe/Berlin or UTC"
        ) from None


class Cells:
    """Reads one column, of cells or, with `objects`, of JSON values."""

    def __init__(
        self,
        schema: Schema,
        model: Model,
        name: str,
        validators: Values,
        reading: Reading,
        objects: bool = False,
    ) -> None:
        self.name = name
        self._reading = reading
        self._validators = validators
        self._known: dict[Any, Any] = {}
        self._many = name in model.many
        if self._many:
            target = schema.target(model, name)
            self._kind: Kind = target.fields[target.key[0]].kind
            self._nullable = self._blank = False
            self._null: Any = ()
        else:
            field = model.fields[name]
            self._kind = field.kind
            self._nullable = field.nullable or field.generated
            self._blank = field.kind.textual and not field.nullable
            self._null = None
        self._text: Callable[[str], Any] = self._reader()
        self._of = self._of_string if objects else self._value
        self._spelled = not objects or not (self._many or self._kind.name == "json")

    def values(self, texts: Sequence[Any]) -> tuple[list[Any], dict[int, str]]:
        """A value for each text or JSON value, None for one that can't be read; why, by place."""
        known = self._known
        if len(known) > KEPT:
            known.clear()
        try:
            return list(map(known.__getitem__, texts)), {}
        except (KeyError, TypeError):
            pass
        if self._spelled and all(type(text) is str for text in texts):
            return self._told(texts, self._of_text(set(texts).difference(known)))
        return self._one_by_one(texts)

    def _of_text(self, texts: set[str]) -> dict[str, str]:
        known, problems = self._known, {}
        for text in texts:
            try:
                known[text] = self._of(text)
            except ValueError as error:
                problems[text] = f"{self.name}: {error}"
        return problems

    def _told(
        self, texts: Sequence[str], problems: dict[str, str]
    ) -> tuple[list[Any], dict[int, str]]:
        known = self._known
        if not problems:
            return list(map(known.__getitem__, texts)), {}
        wrong = {place: problems[text] for place, text in enumerate(texts) if text in problems}
        return [known.get(text) for text in texts], wrong

    def _one_by_one(self, values: Sequence[Any]) -> tuple[list[Any], dict[int, str]]:
        """JSON's values: of one type after the other, of which 1, 1.0 and true are the same."""
        found: list[Any] = []
        problems: dict[int, str] = {}
        read = self._json
        for place, value in enumerate(values):
            try:
                found.append(value if value is ABSENT else read(value))
            except ValueError as error:
                found.append(None)
                problems[place] = f"{self.name}: {error}"
        return found, problems

    def _json(self, value: Any) -> Any:
        if value is None:
            return self._nothing("null")
        if self._many:
            return self._keys(value)
        if type(value) is str and self._kind.name != "json":
            known = self._known
            if value not in known:
                known[value] = self._of_string(value)
            return known[value]
        return self._validators.loaded(self.name, value)

    def _of_string(self, text: str) -> Any:
        """A JSON string; only where it can't be text does it stand for null as a cell does."""
        if self._kind.textual:
            return self._text(text)
        return self._text(text) if text and text not in self._reading.nulls else self._nothing(text)

    def _keys(self, value: Any) -> list[Any]:
        if not isinstance(value, list):
            raise ValueError("it should be a list of keys")
        parts = [part if isinstance(part, str) else orjson.dumps(part).decode() for part in value]
        return list(dict.fromkeys(self._key(part) for part in parts))

    def _key(self, text: str) -> Any:
        try:
            return self._kind.parse(text)
        except ValueError as error:
            raise ValueError(f"{_shown(text)} is not {error}") from None

    def _nothing(self, text: str) -> Any:
        if self._many:
            return []
        if not self._nullable:
            raise ValueError(f"{text!r} stands for null, and it is required")
        return None

    def _value(self, text: str) -> Any:
        """The value of a cell; an empty one is null where that may be."""
        if text in self._reading.nulls or not (text or self._blank):
            return self._nothing(text)
        return self._text(text if self._reading.raw else bare(text))

    def _reader(self) -> Callable[[str], Any]:
        if self._many:
            return self._list
        read = self._validators.reader(self.name)
        special: dict[str, Callable[[str], Any]] = {
            "boolean": self._boolean,
            "datetime": self._instant,
        }
        self._plain = not (self._kind.limits or self._kind.stored)
        checked = special.get(self._kind.name, read)
        self._read = read

        def of_text(text: str) -> Any:
            try:
                return checked(text)
            except ValueError:
                if any("\ud800" <= sign <= "\udfff" for sign in text):
                    raise ValueError(f"{_shown(text)} isn't of the file's encoding") from None
                raise

        return of_text

    def _list(self, text: str) -> list[Any]:
        try:
            return self._keys(_read_list(text))
        except ValueError as error:
            raise ValueError(f"{_shown(text)}: {error}") from None

    def _boolean(self, text: str) -> bool:
        found = WORDS.get(text.lower())
        if found is None:
            raise ValueError(f"{_shown(text)} is not true or false, yes or no, 1 or 0")
        return found

    def _instant(self, text: str) -> Any:
        """A time in its usual spellings; one without a zone is of the zone that was named."""
        if _USUAL.fullmatch(text):
            try:
                return datetime.fromisoformat(text) if self._plain else self._read(text)
            except ValueError:
                return self._read(text)
        found = _INSTANT.fullmatch(text)
        if found is None:
            return self._read(text)
        day, minute, second, zone = found.groups()
        plain = f"{day}T{minute}{second or ':00'}"
        if zone is None:
            return self._read(self._placed(text, plain))
        zone = zone.strip().replace("UTC", "Z").upper()
        if zone != "Z":
            digits = zone[1:].replace(":", "").ljust(4, "0")
            zone = f"{zone[0]}{digits[:2]}:{digits[2:]}"
        return self._read(plain + zone)

    def _placed(self, text: str, plain: str) -> str:
        zone = self._reading.zone
        if zone is None:
            raise ValueError(f"{_shown(text)} has no time zone: write it, or name one by --zone")
        try:
            local = datetime.fromisoformat(plain).replace(tzinfo=zone)
            back = local.astimezone(UTC).astimezone(zone)
        except (ValueError, OverflowError):
            return plain
        if back.replace(tzinfo=None) != local.replace(tzinfo=None):
            raise ValueError(f"{_shown(text)}: there was no such time in {zone.key}")
        return local.astimezone(UTC).isoformat()


def _shown(text: str) -> str:
    return repr(text[:60])


def _read_list(text: str) -> list[Any]:
    """The keys of a to-many relation: a JSON list, or words with commas between."""
    if text.startswith("["):
        found = json.loads(text)
        if not isinstance(found, list):
            raise ValueError("it should be a list of keys")
        return found
    return next(csv.reader([text], skipinitialspace=True), []) if text else []
