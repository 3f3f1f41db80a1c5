"""JSON strings of one exact form: what pydantic would guess at, we take in one spelling only."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from pydantic import GetCoreSchemaHandler
from pydantic_core import CoreSchema, core_schema

# Digits of a fraction beyond microseconds are taken where they are zeros, never cut off.
_FRACTION = r"(\.[0-9]{1,6}0*)?"
_SECONDS = rf"[0-9]{{1,13}}{_FRACTION}S"
_CLOCK = rf"T({_SECONDS}|[0-9]{{1,9}}M({_SECONDS})?|[0-9]{{1,7}}H([0-9]{{1,9}}M)?({_SECONDS})?)"
DATETIME = (
    r"^[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt][0-9]{2}:[0-9]{2}:[0-9]{2}"
    rf"{_FRACTION}([Zz]|[+-][0-9]{{2}}:[0-9]{{2}})$"
)
DATE = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}$"
TIME = rf"^([01][0-9]|2[0-3]):[0-5][0-9](:[0-5][0-9]{_FRACTION})?$"
DURATION = rf"^-?P([0-9]{{1,7}}W|[0-9]{{1,8}}D({_CLOCK})?|{_CLOCK})$"
UUID = r"^[0-9a-fA-F]{8}-([0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}$"
BASE64 = r"^([A-Za-z0-9+/]{4})*([A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$"


@dataclass(frozen=True, slots=True)
class Form:
    """Annotates a type: it is read from a JSON string that matches, and from nothing else.

    `expected` completes "Input should be …" for text that doesn't match or makes no value.
    """

    pattern: str
    expected: str

    def __get_pydantic_core_schema__(
        self, source: Any, handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        # The inner type reads a Python string by then, which only its lax mode does.
        inner: Any = handler(source)
        text = core_schema.str_schema(pattern=self.pattern)
        formed = core_schema.custom_error_schema(
            core_schema.chain_schema([text, {**inner, "strict": False}]),
            custom_error_type="format",
            custom_error_message=f"Input should be {self.expected}",
        )
        return core_schema.chain_schema([core_schema.str_schema(strict=True), formed])


class Whole:
    """Annotates an integer: JSON's 1.0 is the number 1, as JSON Schema has it; 1.5 is none.

    Beyond 2^53 a float may have lost digits, so there only integers are taken.
    """

    def __get_pydantic_core_schema__(
        self, source: Any, handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        exact = core_schema.float_schema(strict=True, ge=-(2**53), le=2**53)
        whole = core_schema.chain_schema([exact, core_schema.int_schema(strict=False)])
        either = core_schema.union_schema(
            [core_schema.int_schema(strict=True), whole],
            mode="left_to_right",
            custom_error_type="int_type",
        )
        return core_schema.chain_schema([either, handler(source)])


def decimal(places: int, digits: int) -> str:
    """The pattern of a decimal number; zeros beyond its places are taken."""
    before = digits - places
    whole = rf"[0-9]{{1,{before}}}" if before else "0"
    fraction = rf"\.[0-9]{{1,{places}}}0*" if places else r"\.0+"
    return rf"^-?0*{whole}({fraction})?$"
