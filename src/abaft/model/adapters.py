"""Validators of bodies that are declared once, and asked for by each app that is made."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from pydantic import TypeAdapter


@lru_cache(500)
def adapter_of(body: type) -> TypeAdapter[Any]:
    """The validator of a class; to make one takes longer than all else that an endpoint needs."""
    return TypeAdapter(body)
