"""What the change feed keeps of one write."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal


@dataclass(frozen=True, slots=True)
class Change:
    """What the change feed keeps of one write."""

    position: str
    at: str
    actor: str
    model: str
    id: str
    action: Literal["create", "update", "delete", "baseline"]
    data: Mapping[str, Any]
