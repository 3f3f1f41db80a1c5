"""Values that are made at every request, and are frozen to the type checker alone."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TypeVar, dataclass_transform

T = TypeVar("T")


@dataclass_transform(frozen_default=True, field_specifiers=(field,))
def frozen(cls: type[T]) -> type[T]:
    """A dataclass that nobody may change; one that `dataclass` freezes takes five times as long."""
    return dataclass(slots=True, unsafe_hash=True)(cls)
