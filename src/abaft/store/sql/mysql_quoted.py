"""Escapes in the JSON that MariaDB writes, with small letters as everywhere else."""

from __future__ import annotations

import re

_ESCAPED = "\\u00"
# A backslash that is itself escaped comes first: what follows it is no escape.
_ESCAPES = re.compile(r"\\\\|\\u00[01][0-9A-F]")


def mended(json: str) -> str:
    """JSON with small letters in the escapes of control characters."""
    if _ESCAPED not in json:
        return json
    return _ESCAPES.sub(lambda found: found[0].lower(), json)
