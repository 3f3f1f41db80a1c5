"""Text as every database compares it: by code point, and folded in its ASCII letters alone."""

from __future__ import annotations


def after_prefix(prefix: str) -> str:
    """The least text, by code point, that is above all that begin with the prefix."""
    while prefix:
        last = ord(prefix[-1])
        if last < 0x10FFFF:
            # The surrogates are no characters: U+E000 follows U+D7FF.
            following = 0xE000 if last == 0xD7FF else last + 1
            return prefix[:-1] + chr(following)
        prefix = prefix[:-1]
    return chr(0x10FFFF) * 64


def fold_ascii(text: str) -> str:
    """A-Z as a-z and nothing else, as the databases fold."""
    return text.translate({code: code + 32 for code in range(65, 91)})
