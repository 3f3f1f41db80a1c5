"""Content codings (RFC 9110, 8.4.1): whole bodies, and streams that are flushed as they go."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

try:
    import zstandard
except ImportError:  # the extra `abaft[zstd]`
    zstandard = None  # type: ignore[assignment]

_GZIP_LEVEL = 3
_GZIP = 16 + zlib.MAX_WBITS
_ZSTD_LEVEL = 3


class Flow(Protocol):
    """A stream that is being compressed."""

    def add(self, data: bytes) -> bytes:
        """The coded bytes by which the other side can read all data so far."""

    def end(self) -> bytes:
        """What closes the stream."""


class _Gzip:
    def __init__(self) -> None:
        self._made = zlib.compressobj(_GZIP_LEVEL, zlib.DEFLATED, _GZIP)

    def add(self, data: bytes) -> bytes:
        return self._made.compress(data) + self._made.flush(zlib.Z_SYNC_FLUSH)

    def end(self) -> bytes:
        return self._made.flush(zlib.Z_FINISH)


class _Zstd:
    def __init__(self) -> None:
        self._made: Any = zstandard.ZstdCompressor(level=_ZSTD_LEVEL).compressobj()

    def add(self, data: bytes) -> bytes:
        coded: bytes = self._made.compress(data)
        flushed: bytes = self._made.flush(zstandard.COMPRESSOBJ_FLUSH_BLOCK)
        return coded + flushed

    def end(self) -> bytes:
        ended: bytes = self._made.flush()
        return ended


def _gzip(data: bytes) -> bytes:
    return zlib.compress(data, _GZIP_LEVEL, _GZIP)


def _zstd(data: bytes) -> bytes:
    coded: bytes = zstandard.ZstdCompressor(level=_ZSTD_LEVEL).compress(data)
    return coded


@dataclass(frozen=True, slots=True)
class Coding:
    """One way of making bodies smaller."""

    name: str
    compress: Callable[[bytes], bytes]
    flow: Callable[[], Flow]


# In the order of preference.
CODINGS = {"gzip": Coding("gzip", _gzip, _Gzip)}
if zstandard is not None:
    CODINGS = {"zstd": Coding("zstd", _zstd, _Zstd), **CODINGS}
