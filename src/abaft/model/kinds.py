"""The kinds of value a field can hold: one frozen class a kind, without any engine in it.

A kind knows what pydantic is to accept, how a query string spells a value, and how JSON shows it.
"""

from __future__ import annotations

import base64
import binascii
import enum
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from decimal import Context, Decimal
from typing import Annotated, Any, ClassVar, Self, get_args
from uuid import UUID

from pydantic import AfterValidator, AnyUrl, Field, Strict, TypeAdapter, validate_email
from pydantic_core import PydanticCustomError

from abaft.base.errors import Unauthorized
from abaft.base.ids import uuid_text
from abaft.model import forms

INT_MIN, INT_MAX = -(2**63), 2**63 - 1
NARROW = {"tinyint": 2**7, "smallint": 2**15, "mediumint": 2**23, "int": 2**31, "integer": 2**31}
"""Integers of existing columns that have fewer bits."""
FLOAT32_MAX = 3.4028234663852886e38

Constraints = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Kind:
    """The base; `limits` are pydantic's constraints (`max_length`, `pattern`, `ge`, …)."""

    name: ClassVar[str] = ""
    textual: ClassVar[bool] = False
    ordered: ClassVar[bool] = True
    constraints: ClassVar[frozenset[str]] = frozenset({"ge", "gt", "le", "lt"})

    limits: tuple[tuple[str, Any], ...] = ()
    stored: str = ""
    """How an existing column holds it, where that isn't our own way: a row of a store's table."""

    @property
    def own(self) -> Self:
        """The same kind in our own form."""
        return replace(self, stored="") if self.stored else self

    def accepts(self) -> Any:
        """The annotation by which a JSON value is checked."""
        return self._limited(self.python())

    def python(self) -> Any:
        """The annotation by which a Python value is checked, without limits."""
        raise NotImplementedError

    def limited(self) -> Any:
        """The same with the limits."""
        return self._limited(self.python())

    def parse(self, text: str) -> Any:
        """The value that a query string or a key spells; ValueError says what is expected."""
        raise NotImplementedError

    def show(self, value: Any) -> Any:
        """The value as JSON shows it."""
        return value

    def read(self, value: Any) -> Any:
        """The value that `show` showed."""
        return self.parse(value)

    def spell(self, value: Any) -> str:
        """The value as a key or query string spells it."""
        return str(self.show(value))

    def _limited(self, annotation: Any) -> Any:
        return Annotated[annotation, Field(**dict(self.limits))] if self.limits else annotation


def _no_nul(value: str) -> str:
    if "\0" in value:
        # PostgreSQL can't store it, so no engine takes it.
        raise PydanticCustomError("nul_character", "String should not have the character U+0000")
    return value


@dataclass(frozen=True, slots=True)
class Text(Kind):
    name = "text"
    textual = True
    constraints = frozenset({"max_length", "min_length", "pattern"})

    def python(self) -> Any:
        return Annotated[str, AfterValidator(_no_nul)]

    def _limited(self, annotation: Any) -> Any:
        # The limits come first: pydantic's words for them are those of text only there.
        inner, *checks = get_args(annotation)
        return Annotated[inner, Field(**dict(self.limits)), *checks]

    def parse(self, text: str) -> str:
        if "\0" in text:
            raise ValueError("text without the character U+0000")
        return text


def _email(value: str) -> str:
    """The address in its usual spelling; pydantic alone would take ` Ann <a@b.org>` too."""
    if "<" in value or value != value.strip():
        raise PydanticCustomError("format", "Input should be an email address and nothing else")
    try:
        return validate_email(value)[1]
    except PydanticCustomError as error:
        raise PydanticCustomError("format", error.message()) from None


@dataclass(frozen=True, slots=True)
class Email(Text):
    name = "email"
    constraints = frozenset({"max_length"})

    def python(self) -> Any:
        return Annotated[str, AfterValidator(_email)]


@dataclass(frozen=True, slots=True)
class Url(Text):
    name = "url"
    constraints = frozenset({"max_length"})

    def python(self) -> Any:
        return Annotated[AnyUrl, AfterValidator(str), AfterValidator(_no_nul)]

    def accepts(self) -> Any:
        length = dict(self.limits).get("max_length")
        if length is None:
            return self.python()
        return Annotated[self.python(), AfterValidator(_at_most(length))]


def _at_most(length: int) -> Callable[[str], str]:
    def check(value: str) -> str:
        if len(value) > length:
            raise PydanticCustomError(
                "string_too_long",
                "String should have at most {max_length} characters",
                {"max_length": length},
            )
        return value

    return check


_INTEGER = re.compile(r"-?[0-9]{1,19}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Integer(Kind):
    name = "integer"

    def accepts(self) -> Any:
        return self._limited(Annotated[self.python(), forms.Whole()])

    def python(self) -> Any:
        low, high = self.span
        return Annotated[int, Field(ge=low, le=high)]

    @property
    def span(self) -> tuple[int, int]:
        """The least and the greatest that its column holds."""
        size = NARROW.get(self.stored, 2**63)
        return -size, size - 1

    def parse(self, text: str) -> int:
        if not _INTEGER.fullmatch(text) or not INT_MIN <= int(text) <= INT_MAX:
            raise ValueError("an integer of 64 bits")
        return int(text)

    def read(self, value: Any) -> int:
        return int(value)


def _positive_zero(value: float) -> float:
    return value + 0.0


@dataclass(frozen=True, slots=True)
class Float(Kind):
    name = "float"

    def python(self) -> Any:
        # Adding 0.0 turns -0.0 into 0.0, which engines would spell differently.
        finite = Field(allow_inf_nan=False)
        if self.stored in ("real", "float"):
            finite = Field(allow_inf_nan=False, ge=-FLOAT32_MAX, le=FLOAT32_MAX)
        return Annotated[float, finite, AfterValidator(_positive_zero)]

    def parse(self, text: str) -> float:
        try:
            value = float(text) if text.isascii() and "_" not in text else float("nan")
        except ValueError:
            value = float("nan")
        if value - value != 0:
            raise ValueError("a finite number")
        if self.stored in ("real", "float") and abs(value) > FLOAT32_MAX:
            raise ValueError("a number of 32 bits")
        return value + 0.0

    def read(self, value: Any) -> float:
        return float(value)


_EXACT = Context(prec=60)


@dataclass(frozen=True, slots=True)
class Number(Kind):
    """A Decimal of at most 18 digits, `places` of them after the point."""

    name = "decimal"

    places: int = 2
    digits: int = 18

    def python(self) -> Any:
        return Annotated[Decimal, Field(allow_inf_nan=False), AfterValidator(self._fitting)]

    def _fitting(self, value: Decimal) -> Decimal:
        # pydantic's max_digits counts the zero before the point, so it would refuse 0 itself.
        try:
            return self.parse(f"{value:f}")
        except ValueError as error:
            raise PydanticCustomError("format", f"Input should be {error}") from None

    @property
    def pattern(self) -> str:
        """The form of its text."""
        return forms.decimal(self.places, self.digits)

    def accepts(self) -> Any:
        return self._limited(Annotated[Any, AfterValidator(self._exact)])

    def _exact(self, value: Any) -> Decimal:
        """The number as it was written: a float has had 15 digits at most if none were lost."""
        if type(value) not in (str, int, float):
            raise PydanticCustomError("decimal_type", "Input should be a number or its text")
        text = value if isinstance(value, str) else f"{Decimal(repr(value)):f}"
        lost = isinstance(value, float) and len(text.strip("-0").replace(".", "")) > 15
        try:
            return self.parse("too many digits" if lost else text)
        except ValueError as error:
            hint = ', sent as a string ("12.50")' if lost else ""
            raise PydanticCustomError("format", f"Input should be {error}{hint}") from None

    def parse(self, text: str) -> Decimal:
        if len(text) > 60 or not re.search(self.pattern, text, re.ASCII) or text[-1] == "\n":
            whole, places = self.digits - self.places, self.places
            raise ValueError(f"a number of at most {whole} digits and {places} decimal places")
        return Decimal(text).quantize(Decimal(1).scaleb(-self.places), context=_EXACT)

    def show(self, value: Any) -> str:
        # An existing column may hold more places than its field has.
        more = -value.as_tuple().exponent if self.stored and value else 0
        return f"{value or 0:.{max(self.places, more)}f}"

    def read(self, value: Any) -> Decimal:
        return Decimal(value) if self.stored else self.parse(value)


@dataclass(frozen=True, slots=True)
class Boolean(Kind):
    name = "boolean"
    constraints = frozenset()

    def python(self) -> Any:
        return bool

    def parse(self, text: str) -> bool:
        if text not in ("true", "false"):
            raise ValueError("true or false")
        return text == "true"

    def read(self, value: Any) -> bool:
        return bool(value)

    def spell(self, value: Any) -> str:
        return "true" if value else "false"


_A_UUID = "a UUID, like 0192f0c1-2345-7abc-8def-0123456789ab"
_UUID, _READ_UUID = re.compile(forms.UUID), TypeAdapter(UUID).validator.validate_python


@dataclass(frozen=True, slots=True)
class Uuid(Kind):
    name = "uuid"
    constraints = frozenset()

    def python(self) -> Any:
        return UUID

    def accepts(self) -> Any:
        return Annotated[UUID, forms.Form(forms.UUID, _A_UUID)]

    def parse(self, text: str) -> UUID:
        if not _UUID.fullmatch(text):
            raise ValueError(_A_UUID)
        return _READ_UUID(text)  # type: ignore[no-any-return]

    def show(self, value: Any) -> str:
        return uuid_text(value)


@dataclass(frozen=True, slots=True)
class Binary(Kind):
    """Bytes, shown as base64 (RFC 4648, section 4)."""

    name = "binary"
    ordered = False
    constraints = frozenset({"max_length", "min_length"})

    def python(self) -> Any:
        return bytes

    def accepts(self) -> Any:
        decoded = Annotated[str, Strict(False), AfterValidator(base64.b64decode)]
        return self._limited(Annotated[decoded, forms.Form(forms.BASE64, "bytes in base64")])

    def parse(self, text: str) -> bytes:
        try:
            return base64.b64decode(text.replace(" ", "+"), validate=True)
        except (ValueError, binascii.Error):
            raise ValueError("bytes in base64") from None

    def show(self, value: Any) -> str:
        return base64.b64encode(value).decode("ascii")


@dataclass(frozen=True, slots=True)
class Choice(Kind):
    """One of some words or some integers; `type` is the Enum or Literal it was declared by."""

    name = "choice"
    constraints = frozenset()

    type: Any = None
    options: tuple[str | int, ...] = ()

    @property
    def of_text(self) -> bool:
        return isinstance(self.options[0], str)

    def python(self) -> Any:
        return self.type

    def accepts(self) -> Any:
        # A Literal of integers would take true for 1.
        return (
            self.type
            if self.of_text
            else Annotated[int, forms.Whole(), AfterValidator(self._option)]
        )

    def _option(self, value: int) -> int:
        if value not in self.options:
            raise PydanticCustomError("literal_error", f"Input should be {self._listed}")
        return value

    @property
    def _listed(self) -> str:
        return "one of " + ", ".join(map(str, self.options))

    def parse(self, text: str) -> Any:
        for option in self.options:
            if str(option) == text:
                return option
        raise ValueError(self._listed)

    def show(self, value: Any) -> Any:
        return value.value if isinstance(value, enum.Enum) else value

    def read(self, value: Any) -> Any:
        return value


def own_key(kind: Kind) -> Callable[[str], Any]:
    """What makes of the actor's id a key of this kind."""

    def read(text: str) -> Any:
        try:
            return kind.parse(text)
        except ValueError:
            raise Unauthorized(
                f"the actor's id is no {kind.name}, as the users' keys are"
            ) from None

    return read
