"""Names made from a model's: `OrderLine` is the collection `order_lines`."""

from __future__ import annotations

import re


def snake(name: str) -> str:
    """`OrderLine` → `order_line`, `HTTPLog` → `http_log`."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", name).lower()


def plural(word: str) -> str:
    """English plurals by rule; a model whose plural is another names its `collection`."""
    if re.search(r"[^aeiou]y$", word):
        return word[:-1] + "ies"
    return word + "es" if re.search(r"(s|x|z|ch|sh)$", word) else word + "s"


def collection(name: str) -> str:
    return plural(snake(name))
