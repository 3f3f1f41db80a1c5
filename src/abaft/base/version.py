"""The version, in one place for the library; pyproject.toml has it for packaging."""

from __future__ import annotations

__version__ = "0.1.0"
